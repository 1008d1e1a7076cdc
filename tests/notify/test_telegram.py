"""What arrives in a chat, sent to the sandbox over a socket."""

import contextlib
import dataclasses
import logging
import socket
import threading
import time
import traceback

import pytest

from backhaul.config import resolved, settings_in
from backhaul.errors import BackhaulError, ConfigError, TransientError
from backhaul.model import Counts
from backhaul.notices import Greeting, Message, RunStarted, SendInterrupted, StreamDone
from backhaul.notify import ALERTS, EVERY_RUN, Telegram
from backhaul.notify.delivery import PATIENCE_S
from backhaul.sandbox import SandboxTelegram, TelegramFault
from tests.notify.told import POINTS, RUN, done, failed, png, some_token, summary, telegram

STARTED = RunStarted(**RUN, streams=4, own_sessions=False)
HELLO = Message("<b>Hello</b> &amp; welcome")
LONG = Message("\n".join(f"<b>line {number}</b>: {'x' * 80}" for number in range(120)))


@pytest.fixture
def sandbox():
    with SandboxTelegram() as sandbox:
        yield sandbox


@pytest.fixture
def no_waiting(monkeypatch):
    """Record the waits that Telegram asks for instead of sleeping; nothing else of the code is touched."""
    waits: list[float] = []
    monkeypatch.setattr("backhaul.notify.delivery.sleep", waits.append)
    return waits


def chain(error):
    """Yield an error and all that it was raised after, also where that is not shown."""
    while error is not None:
        yield error
        error = error.__context__


def texts(sandbox, chat=None):
    return [message.text for message in sandbox.messages(chat or sandbox.chat_id)]


def test_a_notice_arrives_with_its_head_in_bold(sandbox):
    bot = telegram(sandbox, language="id")

    bot.send(bot.compose(STARTED))

    (message,) = sandbox.messages(sandbox.chat_id)
    assert message.text == "🚀 AUTOMATION DIMULAI - Mode: single session - 4 exports"
    assert message.entities == [{"type": "bold", "offset": 3, "length": len("AUTOMATION DIMULAI")}]


@pytest.mark.parametrize("language", ["en", "id", "he"])
def test_what_comes_from_outside_arrives_letter_by_letter(sandbox, language):
    bot = telegram(sandbox, language=language)

    bot.send(bot.compose(failed(title="A<b>&", message='</b> &lt; "_*[')))

    assert "A<b>&" in texts(sandbox)[0]
    assert '</b> &lt; "_*[' in texts(sandbox)[0]


def test_only_the_kinds_that_were_asked_for_are_composed():
    notice = StreamDone(**POINTS, counts=Counts(), seconds=1)

    assert Telegram(kinds=EVERY_RUN).compose(notice) is not None
    assert Telegram(kinds=ALERTS).compose(notice) is None
    assert Telegram(kinds=frozenset({RunStarted})).compose(notice) is None
    assert Telegram(kinds=frozenset()).compose(Greeting(**RUN)) is not None


def test_silent_kinds_arrive_without_a_sound(sandbox):
    bot = telegram(sandbox, silent=frozenset({RunStarted}))

    bot.send(bot.compose(STARTED))
    bot.send(bot.compose(summary([done("transaksi", new=1)])))

    assert [message.is_silent for message in sandbox.messages()] == [True, False]


def test_a_message_goes_into_its_topic(sandbox):
    topic = sandbox.add_topic(sandbox.chat_id)

    telegram(sandbox, topic=topic).send(HELLO)

    assert [message.topic for message in sandbox.messages()] == [topic]


def test_a_long_message_arrives_whole_in_pieces_that_telegram_takes(sandbox):
    telegram(sandbox).send(LONG)

    assert len(texts(sandbox)) == 3
    lines = [line for text in texts(sandbox) for line in text.splitlines()]
    assert [line.split(":")[0] for line in lines] == [f"line {number}" for number in range(120)]


def test_a_photo_goes_along_only_where_it_is_asked_for(sandbox, tmp_path):
    photo = tmp_path / "screenshot.png"
    photo.write_bytes(png())
    notice = failed(photo=photo)

    for bot in (telegram(sandbox), telegram(sandbox, photos=True)):
        bot.send(bot.compose(notice))

    without, with_photo = sandbox.messages()
    assert without.file is None
    assert with_photo.file.content == png()
    assert with_photo.file.name == "screenshot.png"
    assert without.text == with_photo.text


def test_a_text_that_is_too_long_for_a_caption_follows_its_photo(sandbox, tmp_path):
    photo = tmp_path / "screenshot.png"
    photo.write_bytes(png())

    telegram(sandbox).send(Message("x" * 1025, photo=str(photo)))

    first, second = sandbox.messages()
    assert (first.text, first.file.content) == ("", png())
    assert (second.text, second.file) == ("x" * 1025, None)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG" + bytes(10_000_001)])
def test_a_photo_that_cannot_be_sent_costs_no_words(sandbox, tmp_path, content):
    photo = tmp_path / "screenshot.png"
    if content is not None:
        photo.write_bytes(content)

    telegram(sandbox).send(Message("short", photo=str(photo)))
    telegram(sandbox).send(Message("x" * 2000, photo=str(photo)))

    assert texts(sandbox) == ["short", "x" * 2000]


@pytest.mark.parametrize("fault", [TelegramFault.BAD_GATEWAY, TelegramFault.CUT_BEFORE, TelegramFault.SERVER_ERROR])
def test_an_upload_that_does_not_get_through_holds_up_no_words(sandbox, tmp_path, fault):
    photo = tmp_path / "screenshot.png"
    photo.write_bytes(png())
    sandbox.faults.add(fault, method="sendPhoto", times=None)

    telegram(sandbox).send(Message("short", photo=str(photo)))

    assert texts(sandbox) == ["short"]


def test_a_photo_waits_for_a_network_that_is_down(sandbox, tmp_path):
    photo = tmp_path / "screenshot.png"
    photo.write_bytes(png())
    sandbox.faults.add(TelegramFault.CUT_BEFORE, times=2)
    bot = telegram(sandbox)

    with pytest.raises(SendInterrupted):
        bot.send(Message("short", photo=str(photo)))
    bot.send(Message("short", photo=str(photo)))

    assert [message.file.content for message in sandbox.messages()] == [png()]


def test_a_bot_without_the_right_to_write_is_for_an_administrator(sandbox):
    sandbox.faults.add(TelegramFault.NO_RIGHTS, times=None)

    with pytest.raises(ConfigError, match="no right to write") as caught:
        telegram(sandbox).send(HELLO)

    assert "administrator" in caught.value.next_step
    assert len(sandbox.calls) == 1


def test_a_message_that_telegram_cannot_parse_is_sent_as_plain_text(sandbox):
    sandbox.faults.add(TelegramFault.BAD_ENTITIES)

    telegram(sandbox).send(HELLO)

    (message,) = sandbox.messages()
    assert (message.text, message.entities) == ("Hello & welcome", [])


def test_a_short_wait_that_telegram_asks_for_is_waited(sandbox, no_waiting):
    sandbox.faults.add(TelegramFault.TOO_MANY_REQUESTS, times=2, seconds=4)

    telegram(sandbox).send(HELLO)

    assert texts(sandbox) == ["Hello & welcome"]
    assert no_waiting == pytest.approx([4.1, 4.1])


def test_a_long_wait_is_left_to_the_outbox(sandbox, no_waiting):
    sandbox.faults.add(TelegramFault.TOO_MANY_REQUESTS, seconds=120)

    with pytest.raises(SendInterrupted) as caught:
        telegram(sandbox).send(HELLO)

    assert caught.value.retry_after_s == pytest.approx(120.1)
    assert no_waiting == []


def test_waits_have_an_end_in_all(sandbox, no_waiting):
    sandbox.faults.add(TelegramFault.TOO_MANY_REQUESTS, times=None, seconds=7)

    with pytest.raises(SendInterrupted):
        telegram(sandbox).send(HELLO)

    assert sum(no_waiting) <= PATIENCE_S
    assert len(sandbox.calls) < 10


def test_a_wait_of_no_seconds_does_not_spin(sandbox, no_waiting):
    sandbox.faults.add(TelegramFault.TOO_MANY_REQUESTS, times=None, seconds=0)

    with pytest.raises(SendInterrupted):
        telegram(sandbox).send(HELLO)

    assert len(sandbox.calls) <= 30


@pytest.mark.parametrize(
    "fault",
    [TelegramFault.SERVER_ERROR, TelegramFault.BAD_GATEWAY, TelegramFault.CUT_BEFORE, TelegramFault.CONFLICT],
)
def test_what_may_pass_is_sent_again_later(sandbox, fault):
    sandbox.faults.add(fault)
    bot = telegram(sandbox)

    with pytest.raises(SendInterrupted) as caught:
        bot.send(HELLO)
    bot.send(HELLO)

    assert caught.value.parts_sent == 0
    assert "sendMessage" in str(caught.value)
    assert texts(sandbox) == ["Hello & welcome"]


def test_nobody_at_the_address_is_told_by_host_alone(sandbox):
    bot = telegram(sandbox)
    sandbox.close()

    with pytest.raises(SendInterrupted, match=r"127.0.0.1 cannot be reached"):
        bot.send(HELLO)


def test_an_answer_that_never_comes_does_not_hold_the_sender(sandbox, monkeypatch):
    monkeypatch.setattr("backhaul.notify.telegram_api._CALL_TIMEOUT_S", 0.3)
    sandbox.faults.add(TelegramFault.HANG, seconds=60)

    with pytest.raises(SendInterrupted, match="does not answer in time"):
        telegram(sandbox).send(HELLO)


@pytest.mark.parametrize(
    "fault", [TelegramFault.SERVER_ERROR, TelegramFault.CUT_BEFORE, TelegramFault.TOO_MANY_REQUESTS]
)
def test_parts_that_have_arrived_are_not_sent_again(sandbox, fault):
    sandbox.faults.add(fault, after=1, seconds=600)
    bot = telegram(sandbox)

    with pytest.raises(SendInterrupted) as caught:
        bot.send(LONG)
    assert caught.value.parts_sent == 1
    bot.send(LONG, skip_parts=caught.value.parts_sent)

    lines = [line.split(":")[0] for text in texts(sandbox) for line in text.splitlines()]
    assert lines == [f"line {number}" for number in range(120)]


def test_an_answer_that_is_lost_after_the_message_arrived_may_double_one_part_only(sandbox):
    sandbox.faults.add(TelegramFault.CUT_AFTER, after=1)
    bot = telegram(sandbox)

    with pytest.raises(SendInterrupted) as caught:
        bot.send(LONG)
    bot.send(LONG, skip_parts=caught.value.parts_sent)

    assert len(texts(sandbox)) == 4
    assert texts(sandbox)[1] == texts(sandbox)[2]


def test_a_group_that_has_moved_gets_its_message_and_is_told_once(sandbox):
    new = sandbox.migrate(sandbox.chat_id)
    bot = telegram(sandbox)

    warnings = [bot.send(HELLO), bot.send(HELLO)]

    assert texts(sandbox, new) == [
        "Hello & welcome",
        f"This group has a new id: {new}. Put it into TELEGRAM_CHAT_ID.",
        "Hello & welcome",
    ]
    assert all("put it into TELEGRAM_CHAT_ID" in warning for warning in warnings)
    assert all(str(new) not in warning for warning in warnings)


def test_a_group_that_could_not_be_told_of_its_new_number_is_told_with_the_next_message(sandbox):
    new = sandbox.migrate(sandbox.chat_id)
    sandbox.faults.add(TelegramFault.SERVER_ERROR, after=2)
    bot = telegram(sandbox)

    assert bot.send(HELLO).endswith("could not be told there yet")
    assert texts(sandbox, new) == ["Hello & welcome"]
    bot.send(HELLO)

    assert [text.startswith("This group has a new id") for text in texts(sandbox, new)] == [False, False, True]


def test_a_group_that_moves_in_the_middle_of_a_message_gets_the_rest(sandbox):
    sandbox.faults.add(TelegramFault.MIGRATED, after=1)

    telegram(sandbox).send(LONG)

    assert [message.chat == sandbox.chat_id for message in sandbox.messages()] == [True, False, False, False]


def test_a_group_that_moves_to_and_fro_ends_in_a_message_for_a_person(sandbox):
    new = sandbox.migrate(sandbox.chat_id)
    sandbox.migrate(new)

    with pytest.raises(ConfigError, match="has a new id"):
        telegram(sandbox).send(HELLO)


@pytest.mark.parametrize(
    ("spoil", "said", "step"),
    [
        (lambda sandbox: {"token": some_token()}, "does not know this bot's token", "@BotFather"),
        (lambda sandbox: {"token": "abc"}, "is no bot token", "@BotFather"),
        (lambda sandbox: {"chat": "-12345"}, "does not find the chat", "TELEGRAM_CHAT_ID"),
        (lambda sandbox: {"chat": "our group"}, "neither a number nor", "TELEGRAM_CHAT_ID"),
        (lambda sandbox: {"topic": 77}, "does not find the topic", "topic="),
        (lambda sandbox: {"api_url": "http://example.com"}, "plain http", "https"),
        (lambda sandbox: {"api_url": "example.com"}, "no web address", "TELEGRAM_API_URL"),
        (lambda sandbox: {"api_url": "http://[::1"}, "no web address", "TELEGRAM_API_URL"),
    ],
)
def test_what_a_person_must_put_right_is_said_with_the_next_step(sandbox, spoil, said, step):
    bot = dataclasses.replace(telegram(sandbox), **spoil(sandbox))

    with pytest.raises(ConfigError, match=said) as caught:
        bot.send(HELLO)

    assert step in caught.value.next_step


@pytest.mark.parametrize("kind", ["private", "group", "supergroup", "channel"])
def test_a_chat_that_has_thrown_the_bot_out_is_for_a_person(sandbox, kind):
    chat = sandbox.add_chat(kind)
    sandbox.block(chat)

    with pytest.raises(ConfigError, match="may not write to the chat: Forbidden") as caught:
        telegram(sandbox, chat).send(HELLO)

    assert "Add the bot" in caught.value.next_step


def test_a_channel_is_found_by_its_name(sandbox):
    chat = sandbox.add_chat("channel", title="News", username="made_up_news")
    bot = dataclasses.replace(telegram(sandbox), chat="@made_up_news")

    bot.send(HELLO)

    assert texts(sandbox, chat) == ["Hello & welcome"]


def test_check_says_which_bot_reaches_which_chat_and_sends_nothing(sandbox):
    assert telegram(sandbox).check() == "@sandbox_bot reaches the group Sandbox group"
    assert sandbox.messages() == []


def test_check_finds_a_chat_that_the_bot_is_not_in(sandbox):
    with pytest.raises(ConfigError, match="does not find the chat"):
        dataclasses.replace(telegram(sandbox), chat="-99").check()


@pytest.mark.parametrize("fault", list(TelegramFault))
def test_the_token_stands_in_no_error_no_log_and_no_repr(sandbox, fault, caplog, monkeypatch, no_waiting):
    monkeypatch.setattr("backhaul.notify.telegram_api._CALL_TIMEOUT_S", 0.3)
    caplog.set_level(logging.DEBUG)
    sandbox.faults.add(fault, times=None, seconds=60)
    bot = telegram(sandbox)

    said = [repr(bot)]
    for call in (lambda: bot.send(HELLO), bot.check):
        try:
            call()
        except BackhaulError as error:
            said += [*traceback.format_exception(error), error.next_step]
            assert all(isinstance(each, BackhaulError) for each in chain(error))

    assert sandbox.token not in "".join(said) + caplog.text
    assert str(sandbox.chat_id) not in "".join(said)


def test_an_endless_answer_is_given_up(sandbox, monkeypatch):
    monkeypatch.setattr("backhaul.notify.telegram_api._ANSWER_BYTES", 10)

    with pytest.raises(TransientError, match="endless answer"):
        telegram(sandbox).send(HELLO)


def test_an_answer_that_drips_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr("backhaul.notify.telegram_api._CALL_TIMEOUT_S", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,))
        dripping.start()
        bot = Telegram(token=some_token(), chat="1", api_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        started = time.monotonic()

        with pytest.raises(SendInterrupted, match="does not answer in time"):
            bot.send(HELLO)

        assert time.monotonic() - started < 5
        dripping.join()


def drip(server: socket.socket) -> None:
    """Send a byte of a header now and then until the other side has had enough."""
    visitor, _ = server.accept()
    with visitor, contextlib.suppress(OSError):
        visitor.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            visitor.sendall(b"x")
            time.sleep(0.05)


def test_an_answer_that_leads_elsewhere_is_not_followed():
    with SandboxTelegram() as other, socket.create_server(("127.0.0.1", 0)) as server:
        bot = Telegram(token=other.token, chat="1", api_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        answering = threading.Thread(target=lead_to, args=(server, other.url))
        answering.start()

        with pytest.raises(SendInterrupted, match="answers 302 with a page"):
            bot.send(HELLO)

        answering.join()
        assert other.calls == []


def lead_to(server: socket.socket, address: str) -> None:
    """Answer one request with a redirect."""
    visitor, _ = server.accept()
    with visitor:
        visitor.recv(65536)
        visitor.sendall(f"HTTP/1.1 302 Found\r\nLocation: {address}/\r\nContent-Length: 0\r\n\r\n".encode())


def test_settings_stand_for_token_chat_and_address(sandbox):
    bot = Telegram()
    names = [setting.name for setting in settings_in(bot)]

    filled = resolved(
        bot,
        {"TELEGRAM_TOKEN": sandbox.token, "TELEGRAM_CHAT_ID": str(sandbox.chat_id), "TELEGRAM_API_URL": sandbox.url},
    )
    filled.send(HELLO)

    assert names == ["TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID", "TELEGRAM_API_URL"]
    assert texts(sandbox) == ["Hello & welcome"]


def test_a_language_that_there_is_none_of_is_refused_when_the_pipeline_is_declared():
    with pytest.raises(ConfigError, match="'jv'") as caught:
        Telegram(language="jv")

    assert "en, he, id" in caught.value.next_step


def test_a_burst_of_messages_waits_for_its_turn(sandbox, no_waiting):
    bot = telegram(sandbox)
    for _ in range(5):
        bot.send(HELLO)

    with pytest.raises(SendInterrupted, match="more messages than its limits") as caught:
        # The clock stands as good as still, because the waits are not slept.
        bot.send(HELLO)

    assert len(texts(sandbox)) == 5
    assert 0 < caught.value.retry_after_s <= 1
    assert sum(no_waiting) <= PATIENCE_S
