"""The sandbox's Bot API, asked by a plain HTTP client."""

import json
import threading
import time

import httpx
import pytest

from backhaul.sandbox import PlannedTelegramFault, SandboxTelegram, TelegramFault
from tests.notify.told import png, some_token


@pytest.fixture
def sandbox():
    with SandboxTelegram() as sandbox:
        yield sandbox


@pytest.fixture
def ask(sandbox):
    with httpx.Client(trust_env=False, timeout=10) as client:

        def asked(method: str, **fields: object) -> dict:
            return client.post(f"{sandbox.url}/bot{sandbox.token}/{method}", json=fields).json()

        asked.client = client
        yield asked


def refused(answer: dict) -> tuple[int, str]:
    assert answer["ok"] is False
    return answer["error_code"], answer["description"]


def test_a_bot_says_who_it_is(sandbox, ask):
    me = ask("getMe")["result"]

    assert str(me["id"]) == sandbox.token.split(":")[0]
    assert (me["is_bot"], me["username"]) == (True, sandbox.username)
    assert {"first_name", "can_join_groups", "can_read_all_group_messages", "supports_inline_queries"} <= me.keys()


def test_each_sandbox_has_a_token_of_the_usual_form():
    with SandboxTelegram() as one, SandboxTelegram() as other:
        tokens = {one.token, other.token}

    assert len(tokens) == 2
    assert all(len(token.split(":")[1]) == 35 for token in tokens)


def test_a_wrong_token_and_a_wrong_address_are_told_apart(sandbox, ask):
    wrong = ask.client.post(f"{sandbox.url}/bot{some_token()}/getMe")
    nowhere = ask.client.get(f"{sandbox.url}/")

    assert (wrong.status_code, wrong.json()) == (401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
    assert (nowhere.status_code, nowhere.json()["description"]) == (404, "Not Found")
    assert refused(ask("fly")) == (404, "Not Found: method not found")


@pytest.mark.parametrize("send", ["json", "data", "params"])
def test_fields_come_in_every_form(sandbox, ask, send):
    fields = {"chat_id": sandbox.chat_id, "text": "[1] {a}", "disable_notification": "true"}

    answer = ask.client.request(
        "GET" if send == "params" else "POST", f"{sandbox.url}/bot{sandbox.token}/sendmessage", **{send: fields}
    )

    (message,) = sandbox.messages()
    assert answer.json()["result"]["text"] == message.text == "[1] {a}"
    assert message.is_silent


def test_a_message_comes_back_with_what_clients_expect(sandbox, ask):
    message = ask("sendMessage", chat_id=sandbox.chat_id, text="Hello")["result"]

    assert message["chat"] == {"id": sandbox.chat_id, "type": "group", "title": "Sandbox group"}
    assert message["from"]["is_bot"] is True
    assert abs(message["date"] - time.time()) < 60


def test_html_becomes_text_and_entities_in_utf_16_units(sandbox, ask):
    html = '\N{ROCKET}<b>bold <i>both</i></b> &amp; <a href="https://example.com">link</a><code></code>'

    message = ask("sendMessage", chat_id=sandbox.chat_id, text=html, parse_mode="HTML")["result"]

    assert message["text"] == "\N{ROCKET}bold both & link"
    assert message["entities"] == [
        {"type": "bold", "offset": 2, "length": 9},
        {"type": "italic", "offset": 7, "length": 4},
        {"type": "text_link", "offset": 14, "length": 4, "url": "https://example.com"},
    ]


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("é<table>", 'Unsupported start tag "table" at byte offset 2'),
    ],
)
def test_html_that_cannot_be_parsed_is_refused(sandbox, ask, html, said):
    answer = ask("sendMessage", chat_id=sandbox.chat_id, text=html, parse_mode="HTML")

    assert refused(answer) == (400, f"Bad Request: can't parse entities: {said}")
    assert sandbox.messages() == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "x" * 4097}, "Bad Request: message is too long"),
        ({"text": "\N{ROCKET}" * 2049}, "Bad Request: message is too long"),
        ({"text": " \n"}, "Bad Request: message text is empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, "Bad Request: message text is empty"),
        ({"text": "x", "parse_mode": "Runes"}, "Bad Request: unsupported parse_mode"),
        ({"text": "x", "message_thread_id": 9}, "Bad Request: message thread not found"),
        ({"text": "x", "chat_id": -5}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": "@nobody"}, "Bad Request: chat not found"),
        (
            {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "é" * 33}]]}},
            "Bad Request: BUTTON_DATA_INVALID",
        ),
    ],
)
def test_limits_of_the_real_one_hold(sandbox, ask, fields, said):
    assert refused(ask("sendMessage", **{"chat_id": sandbox.chat_id, **fields})) == (400, said)


def test_tags_do_not_count_as_length(sandbox, ask):
    answer = ask("sendMessage", chat_id=sandbox.chat_id, text=f"<b>{'&lt;' * 4096}</b>", parse_mode="HTML")

    assert answer["ok"] is True


@pytest.mark.parametrize(("method", "kind"), [("sendPhoto", "photo"), ("sendDocument", "document")])
def test_a_file_is_kept_and_can_be_fetched_again(sandbox, ask, method, kind):
    address = f"{sandbox.url}/bot{sandbox.token}/{method}"
    content = png(30, 20)

    answer = ask.client.post(
        address, data={"chat_id": sandbox.chat_id, "caption": "Look"}, files={kind: ("a b.png", content)}
    ).json()["result"]

    (message,) = sandbox.messages()
    assert (message.text, message.file.name, message.file.content) == ("Look", "a b.png", content)
    sent = answer["photo"][-1] if kind == "photo" else answer["document"]
    assert (sent.get("width"), sent.get("height")) == ((30, 20) if kind == "photo" else (None, None))
    path = ask("getFile", file_id=sent["file_id"])["result"]["file_path"]
    assert ask.client.get(f"{sandbox.url}/file/bot{sandbox.token}/{path}").content == content
    assert ask(method, chat_id=sandbox.chat_id, **{kind: sent["file_id"]})["ok"]


def test_a_photo_must_be_one_and_its_caption_short(sandbox, ask):
    address = f"{sandbox.url}/bot{sandbox.token}/sendPhoto"

    def sent(content: bytes, caption: str = "") -> tuple[int, str]:
        data = {"chat_id": sandbox.chat_id, "caption": caption}
        return refused(ask.client.post(address, data=data, files={"photo": ("p", content)}).json())

    assert sent(b"") == (400, "Bad Request: file must be non-empty")
    assert sent(b"text") == (400, "Bad Request: IMAGE_PROCESS_FAILED")
    assert sent(png(), "x" * 1025) == (400, "Bad Request: message caption is too long")


def test_an_edit_replaces_the_text_and_the_buttons(sandbox, ask):
    buttons = {"inline_keyboard": [[{"text": "PCS", "callback_data": "1"}, {"text": "DUS", "callback_data": "2"}]]}
    number = ask("sendMessage", chat_id=sandbox.chat_id, text="one", reply_markup=buttons)["result"]["message_id"]
    where = {"chat_id": sandbox.chat_id, "message_id": number}
    (message,) = sandbox.messages()
    assert message.labels == ["PCS", "DUS"]

    edited = ask("editMessageText", **where, text="two")["result"]
    again = ask("editMessageText", **where, text="two")
    ask("editMessageReplyMarkup", **where, reply_markup=buttons)

    assert (edited["text"], message.earlier, message.labels) == ("two", ["one"], ["PCS", "DUS"])
    assert refused(again)[1].startswith("Bad Request: message is not modified")
    assert ask("deleteMessage", **where)["result"] is True
    assert refused(ask("editMessageText", **where, text="3")) == (400, "Bad Request: message to edit not found")
    assert sandbox.messages() == []


def test_a_poll_waits_until_somebody_says_something(sandbox, ask):
    speaking = threading.Timer(0.2, sandbox.say, (sandbox.chat_id, "/start now"))
    started = time.monotonic()
    speaking.start()

    (update,) = ask("getUpdates", timeout=5)["result"]

    assert 0.15 < time.monotonic() - started < 4
    assert update["message"]["text"] == "/start now"
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    speaking.join()


def test_an_update_comes_again_until_its_number_is_passed(sandbox, ask):
    numbers = [sandbox.say(sandbox.chat_id, word) for word in ("one", "two", "three")]

    first = ask("getUpdates", limit=2)["result"]
    again = ask("getUpdates")["result"]
    rest = ask("getUpdates", offset=numbers[1] + 1)["result"]

    assert [update["update_id"] for update in first] == numbers[:2]
    assert [update["update_id"] for update in again] == numbers
    assert [update["message"]["text"] for update in rest] == ["three"]
    assert ask("getUpdates", offset=numbers[2] + 1)["result"] == []


def test_a_second_poller_throws_the_first_one_out(sandbox, ask):
    answers = []
    first = threading.Thread(target=lambda: answers.append(ask("getUpdates", timeout=20)))
    first.start()
    while not sandbox._world.pollers:
        time.sleep(0.01)

    ask("getUpdates", timeout=0)
    first.join(5)

    assert refused(answers[0])[0] == 409
    assert "terminated by other getUpdates request" in refused(answers[0])[1]


def test_a_webhook_and_polling_exclude_each_other(sandbox, ask):
    ask("setWebhook", url="https://example.com/hook")
    assert refused(ask("getUpdates"))[0] == 409
    assert ask("getWebhookInfo")["result"]["url"] == "https://example.com/hook"

    ask("deleteWebhook")
    assert ask("getUpdates")["result"] == []


def test_a_pressed_button_is_a_query_that_is_answered_once(sandbox, ask):
    buttons = {"inline_keyboard": [[{"text": "DUS", "callback_data": "u:2"}]]}
    ask("sendMessage", chat_id=sandbox.chat_id, text="Price", reply_markup=buttons)
    (message,) = sandbox.messages()

    query = sandbox.press(message, "DUS")

    (update,) = ask("getUpdates")["result"]
    assert update["callback_query"]["id"] == query
    assert update["callback_query"]["data"] == "u:2"
    assert update["callback_query"]["message"]["message_id"] == message.id
    assert {"chat_instance", "from"} <= update["callback_query"].keys()
    assert ask("answerCallbackQuery", callback_query_id=query, text="ok")["result"] is True
    assert sandbox.wait_for_answer(query)["text"] == "ok"
    assert refused(ask("answerCallbackQuery", callback_query_id=query))[0] == 400
    with pytest.raises(LookupError, match="no button 'RTG'; there are DUS"):
        sandbox.press(message, "RTG")


def test_small_calls_say_yes(sandbox, ask):
    menu = [{"command": "start", "description": "Begin"}]

    assert ask("sendChatAction", chat_id=sandbox.chat_id, action="typing")["result"] is True
    assert ask("setMyCommands", commands=menu)["result"] is True
    assert sandbox.commands == menu
    assert ask("getChat", chat_id=sandbox.chat_id)["result"]["title"] == "Sandbox group"


def test_a_moved_group_answers_with_its_new_id(sandbox, ask):
    new = sandbox.migrate(sandbox.chat_id)

    answer = ask("sendMessage", chat_id=sandbox.chat_id, text="x")

    assert answer["parameters"] == {"migrate_to_chat_id": new}
    assert ask("sendMessage", chat_id=new, text="x")["ok"]
    assert sandbox.migrate(sandbox.chat_id) == new


def test_rate_limits_ask_to_wait_until_the_minute_is_over():
    now = [0.0]
    with SandboxTelegram(clock=lambda: now[0]) as sandbox, httpx.Client(trust_env=False) as client:
        sandbox.limit(2)

        def send() -> dict:
            fields = {"chat_id": sandbox.chat_id, "text": "x"}
            return client.post(f"{sandbox.url}/bot{sandbox.token}/sendMessage", json=fields).json()

        answers = [send(), send()]
        now[0] = 29.5
        late = send()
        now[0] = 60.0
        answers.append(send())

    assert all(answer["ok"] for answer in answers)
    assert refused(late) == (429, "Too Many Requests: retry after 31")
    assert late["parameters"] == {"retry_after": 31}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (TelegramFault.TOO_MANY_REQUESTS, 429),
        (TelegramFault.SERVER_ERROR, 500),
        (TelegramFault.BLOCKED, 403),
        (TelegramFault.CHAT_NOT_FOUND, 400),
        (TelegramFault.MIGRATED, 400),
        (TelegramFault.CONFLICT, 409),
        (TelegramFault.BAD_ENTITIES, 400),
        (TelegramFault.NO_RIGHTS, 400),
    ],
)
def test_a_fault_strikes_the_call_that_it_was_planned_for(sandbox, ask, fault, status):
    chat = sandbox.chat_id
    sandbox.faults.add(fault, method="sendMessage", after=1, seconds=3)

    answers = [
        ask("getMe")["ok"],
        *(ask("sendMessage", chat_id=chat, text=str(n)).get("error_code") for n in range(2)),
    ]

    assert answers == [True, None, status]


def test_a_broken_gateway_answers_a_page(sandbox, ask):
    sandbox.faults.add(TelegramFault.BAD_GATEWAY)

    answer = ask.client.get(f"{sandbox.url}/bot{sandbox.token}/getMe")

    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(("fault", "arrived"), [(TelegramFault.CUT_BEFORE, 0), (TelegramFault.CUT_AFTER, 1)])
def test_a_cut_connection_leaves_the_message_there_or_not(sandbox, ask, fault, arrived):
    sandbox.faults.add(fault)

    with pytest.raises(httpx.TransportError):
        ask("sendMessage", chat_id=sandbox.chat_id, text="x")

    assert len(sandbox.messages()) == arrived
    assert [call.status for call in sandbox.calls] == [0]


def test_closing_ends_every_wait():
    with SandboxTelegram([PlannedTelegramFault(TelegramFault.HANG, method="getMe", seconds=60)]) as sandbox:
        started = time.monotonic()

        def left_alone(method: str) -> None:
            with pytest.raises(httpx.TransportError):
                httpx.post(f"{sandbox.url}/bot{sandbox.token}/{method}", json={"timeout": 50}, timeout=60)

        waiting = [threading.Thread(target=left_alone, args=(method,)) for method in ("getMe", "getUpdates")]
        for thread in waiting:
            thread.start()
        time.sleep(0.2)
        sandbox.close()
        for thread in waiting:
            thread.join(5)

    assert time.monotonic() - started < 5
    assert not any(thread.is_alive() for thread in waiting)


def test_waiting_for_messages_that_do_not_come_has_an_end(sandbox):
    with pytest.raises(TimeoutError, match=r"2 messages did not come within 0\.1 s"):
        sandbox.wait_for(2, timeout_s=0.1)


def test_a_record_of_calls_holds_no_token(sandbox, ask):
    ask("sendMessage", chat_id=sandbox.chat_id, text="x")

    assert [(call.method, call.status) for call in sandbox.calls] == [("sendMessage", 200)]
    assert sandbox.token not in repr(sandbox.calls)
