"""When Telegram does not answer, asks to wait, says no, or hears two of us."""

import socket
import time
import traceback

import pytest

from backhaul.bot.desk import MOST_AT_ONCE
from backhaul.bot.polling import Patience
from backhaul.errors import AlreadyRunning, ConfigError
from backhaul.sandbox import SandboxTelegram, TelegramFault
from tests.bot.place import COLLEAGUE, STAFF, Shop


def sent(shop: Shop) -> int:
    return sum(call.method == "sendMessage" for call in shop.telegram.calls)


@pytest.fixture
def full(shop):
    return shop.filled()


@pytest.mark.parametrize("fault", [TelegramFault.CUT_BEFORE, TelegramFault.SERVER_ERROR, TelegramFault.BAD_GATEWAY])
def test_it_starts_although_telegram_is_down_and_says_so_in_one_line(full, fault):
    full.telegram.faults.add(fault, method="getMe", times=4)

    with full.bot() as bot:
        assert "Rp 12.500" in full.asked(STAFF, "kopi")[0]

    outage = [line for line in bot.told if "tried again by itself" in line or "works again" in line]
    assert [line.split(";")[0].split(",")[0] for line in outage] == [
        "Telegram cannot be reached or does not work (getMe)",
        "it works again",
    ]


def test_nothing_that_listens_is_an_outage_too(full):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    full.settings["TELEGRAM_API_URL"] = f"http://127.0.0.1:{port}"

    bot = full.bot().begin()
    bot.wait_until("tried again by itself")
    bot.close()

    assert len(bot.told) == 2


@pytest.mark.parametrize(
    "fault", [TelegramFault.CUT_AFTER, TelegramFault.BAD_GATEWAY, TelegramFault.TOO_MANY_REQUESTS]
)
def test_polling_goes_on_after_an_outage_and_nothing_is_asked_in_vain(full, fault):
    with full.bot(patience=Patience(poll_s=1, first_pause_s=0.05, longest_pause_s=0.1)) as bot:
        full.asked(STAFF, "kopi")
        full.telegram.faults.add(fault, method="getUpdates", times=2, seconds=0.1)
        for user in (STAFF, COLLEAGUE):
            full.telegram.ask(user, "sabun")
        bot.wait_until("works again")
        full.telegram.wait_for(2, STAFF)
        full.telegram.wait_for(1, COLLEAGUE)
        full.asked(STAFF, "/me")

    assert sent(full) == 4
    assert sum("tried again" in line for line in bot.told) == 1
    assert full.telegram.token not in " ".join(bot.told)


def test_a_token_that_telegram_does_not_know_ends_it(full):
    with SandboxTelegram() as other:
        full.settings["TELEGRAM_BOT_TOKEN"] = other.token

        with pytest.raises(ConfigError) as caught:
            full.bot().begin().result()

    assert str(caught.value) == "Telegram does not know this bot's token"
    assert "TELEGRAM_BOT_TOKEN" in caught.value.next_step
    assert "InvalidToken" not in "".join(traceback.format_exception(caught.value))


def test_where_telegram_asks_to_wait_the_answer_comes_later(full):
    full.telegram.faults.add(TelegramFault.TOO_MANY_REQUESTS, method="sendMessage", seconds=1)

    with full.bot():
        began = time.monotonic()
        (answer,) = full.asked(STAFF, "kopi")
        waited_s = time.monotonic() - began

    assert "Rp 12.500" in answer
    assert 1.0 <= waited_s < 5
    assert [call.status for call in full.telegram.calls if call.method == "sendMessage"] == [429, 200]


@pytest.mark.parametrize("questions", [1, MOST_AT_ONCE + 100])
def test_while_one_is_to_wait_others_are_answered(full, questions):
    full.telegram.faults.add(TelegramFault.TOO_MANY_REQUESTS, method="sendMessage", seconds=4)

    with full.bot():
        for _ in range(questions):
            full.telegram.ask(STAFF, "kopi")
        while not sent(full):
            time.sleep(0.01)
        began = time.monotonic()
        (answer,) = full.asked(COLLEAGUE, "kopi")
        waited_s = time.monotonic() - began
        full.telegram.wait_for(1, STAFF)

    assert "Rp 12.500" in answer
    assert waited_s < 2.5


def test_a_wait_without_end_is_given_up_and_others_are_answered(full):
    full.telegram.faults.add(TelegramFault.TOO_MANY_REQUESTS, method="sendMessage", seconds=3600)

    with full.bot() as bot:
        full.telegram.ask(STAFF, "kopi")
        bot.wait_until("asks to wait for long")
        assert "Rp 12.500" in full.asked(COLLEAGUE, "kopi")[0]


def test_who_has_blocked_the_bot_is_not_written_to_again_and_others_are(full):
    full.telegram.block(STAFF)

    with full.bot() as bot:
        full.telegram.ask(STAFF, "kopi")
        assert "Rp 12.500" in full.asked(COLLEAGUE, "kopi")[0]
        bot.wait_until("Telegram refuses sendMessage (Forbidden)")

    assert [call.status for call in full.telegram.calls if call.method == "sendMessage"].count(403) == 1


def test_a_group_that_has_moved_is_answered_where_it_is(full):
    group = full.telegram.chat_id
    new = full.telegram.migrate(group)

    with full.bot():
        full.telegram.say(group, "kopi", user=STAFF)
        (message,) = full.telegram.wait_for(1, new)

    assert "Rp 12.500" in message.text


def test_what_may_have_arrived_is_not_sent_twice(full):
    full.telegram.faults.add(TelegramFault.CUT_AFTER, method="sendMessage")

    with full.bot() as bot:
        full.telegram.ask(STAFF, "kopi")
        bot.wait_until("an answer was not given")
        full.asked(STAFF, "/me")

    assert sum("Rp 12.500" in message.text for message in full.telegram.messages(STAFF)) == 1


def test_what_telegram_failed_to_do_is_sent_again(full):
    full.telegram.faults.add(TelegramFault.BAD_GATEWAY, method="sendMessage")

    with full.bot():
        assert "Rp 12.500" in full.asked(STAFF, "kopi")[0]


def test_a_menu_that_cannot_be_set_keeps_nobody_from_asking(full):
    full.telegram.faults.add(TelegramFault.SERVER_ERROR, method="setMyCommands", times=None)

    with full.bot() as bot:
        assert "Rp 12.500" in full.asked(STAFF, "kopi")[0]
        bot.wait_until("the menu of commands was not set")


def test_a_second_poller_is_told_clearly_and_gives_up(full):
    conflict = Patience(poll_s=2, first_pause_s=0.01, longest_pause_s=0.05, most_conflicts=4)
    full.telegram.faults.add(TelegramFault.CONFLICT, method="getUpdates", times=None)

    bot = full.bot(patience=conflict).begin()
    with pytest.raises(AlreadyRunning) as caught:
        bot.result()

    assert sum("another process polls with this bot's token" in line for line in bot.told) == 1
    assert "only one may poll" in caught.value.next_step


@pytest.mark.slow
def test_of_two_that_poll_one_goes_on(full):
    patience = Patience(poll_s=1, first_pause_s=0.2, longest_pause_s=1.6, most_conflicts=4)
    bots = [full.bot(patience=patience).begin() for _ in range(2)]
    done, until = [], time.monotonic() + 40
    while not done and time.monotonic() < until:
        time.sleep(0.05)
        done = [bot for bot in bots if bot._done.done()]
    try:
        assert len(done) == 1
        assert "Rp 12.500" in full.asked(STAFF, "kopi")[0]
        assert len(full.telegram.messages(STAFF)) == 1
    finally:
        for bot in bots:
            bot._stop()

    with pytest.raises(AlreadyRunning):
        done[0].result()


def test_a_webhook_that_is_set_is_taken_down_and_that_is_said(full):
    full.telegram._world.webhook = type(full.telegram._world.webhook)("https://shop.example/old")

    with full.bot() as bot:
        full.asked(STAFF, "kopi")

    assert "the webhook of this bot was taken down: this process polls in its place" in bot.told


def test_it_ends_at_once_in_the_middle_of_a_poll(full):
    with full.bot(patience=Patience(poll_s=30)) as bot:
        full.asked(STAFF, "kopi")
        began = time.monotonic()
        bot.close()

    assert time.monotonic() - began < 3
    assert bot.told[-1] == "stopped"


def test_a_ledger_that_does_not_answer_leaves_the_questions_with_telegram(full):
    ledger = full.folder / "data" / "ledger.db"
    with full.bot() as bot:
        full.asked(STAFF, "kopi")
        whole = ledger.rename(ledger.with_suffix(".away"))
        ledger.write_bytes(b"no database" * 500)
        full.telegram.ask(STAFF, "kopi")
        bot.wait_until("tried again by itself")
        for each in ledger.parent.glob("ledger.db*"):
            each.unlink()
        whole.rename(ledger)
        full.telegram.wait_for(2, STAFF)
        full.asked(STAFF, "/me")

    assert len(full.telegram.messages(STAFF)) == 3
