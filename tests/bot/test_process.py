"""The bot as a process: killed and started again, ended by SIGTERM and Ctrl-C, several at once."""

import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.bot.place import OWNER, SCRIPT, STAFF, Shop, environment


class Process:
    """A bot in a process of its own; `told` are its lines."""

    def __init__(self, shop: Shop, **options: str) -> None:
        command = [sys.executable, "-c", SCRIPT, str(shop.folder), json.dumps(options)]
        self.process = subprocess.Popen(command, env=environment(shop), stderr=subprocess.PIPE, text=True)
        self.told: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.told.append(line.rstrip())

    def wait_until(self, words: str, timeout_s: float = 20) -> None:
        until = time.monotonic() + timeout_s
        while not any(words in line for line in self.told):
            assert time.monotonic() < until, self.told
            time.sleep(0.02)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(shop, number):
    shop.filled()
    bot = Process(shop)
    bot.wait_until("@sandbox_bot answers; it polls")
    shop.asked(STAFF, "kopi")

    code = bot.end(number)

    assert code == 0
    assert bot.told[-1].endswith("toko: stopped")
    assert not any("Traceback" in line or shop.telegram.token in line for line in bot.told)


@pytest.mark.slow
def test_a_signal_ends_it_in_the_middle_of_a_long_step_of_a_sync(shop):
    shop.filled().put("TEH;1;PCS;1;2;T;-;-;;;true\n", "more.csv")
    module = shop.folder / "systems" / "toko" / "pipeline.py"
    slow = module.read_text("utf-8").replace(
        "def typed(frame):", "def typed(frame):\n    import time; time.sleep(60)"
    )
    module.write_text(slow, "utf-8")
    bot = Process(shop)
    bot.wait_until("it polls")
    shop.telegram.ask(OWNER, "/sync")
    shop.telegram.wait_for(1, OWNER)
    while "dibaca" not in shop.telegram.messages(OWNER)[0].text:
        time.sleep(0.05)

    began = time.monotonic()
    code = bot.end(signal.SIGTERM)

    assert (code, time.monotonic() - began < 15) == (0, True)
    assert shop.telegram.messages(OWNER)[0].text.startswith("❌ Sinkronisasi terputus")


def test_a_wrong_setting_ends_it_with_the_next_step(shop):
    shop.settings["ALLOWED_USERS"] = "ani"
    bot = Process(shop)

    assert bot.process.wait(20) == 2
    bot.end(signal.SIGTERM)
    assert [line.split(":")[0].strip() for line in bot.told] == ["error", "next"]


def test_killed_and_started_again_no_question_is_answered_twice(shop):
    shop.filled()
    bot = Process(shop)
    bot.wait_until("it polls")
    shop.asked(STAFF, "kopi")
    bot.end(signal.SIGKILL)
    # As after a kill between the answer and the next poll: Telegram has not been told that it was taken.
    taken = shop.telegram._world
    update = {"update_id": 100_000, "message": shop.telegram._message(STAFF, "kopi", STAFF, "Ani")}
    taken.updates.appendleft(update)
    shop.telegram.ask(STAFF, "/me")

    bot = Process(shop)
    shop.telegram.wait_for(2, STAFF)
    bot.end(signal.SIGTERM)

    texts = [message.text for message in shop.telegram.messages(STAFF)]
    assert ["KOPI" in text for text in texts] == [True, False]


@pytest.mark.slow
def test_killed_again_and_again_no_question_is_answered_twice(shop):
    shop.filled()
    shop.telegram.limit(None)
    for round_ in range(8):
        bot = Process(shop)
        bot.wait_until("it polls")
        for number in range(5):
            shop.telegram.ask(STAFF, f"/cari zzqx{round_}{number}")
        time.sleep(0.05 * round_)
        bot.end(signal.SIGKILL)
    bot = Process(shop)
    shop.asked(STAFF, "/me")
    bot.end(signal.SIGTERM)

    texts = [message.text for message in shop.telegram.messages(STAFF)]
    assert len(texts) == len(set(texts))


@pytest.mark.slow
def test_two_processes_with_a_webhook_answer_each_question_once(shop):
    shop.filled()
    ports = ("0", "0")
    bots = [Process(shop, webhook="http://127.0.0.1:9/x", listen=f"127.0.0.1:{port}") for port in ports]
    addresses = []
    for bot in bots:
        bot.wait_until("Telegram sends to port")
        port = bot.told[-1].rsplit(" ", 1)[1]
        addresses.append(shop.telegram.webhook.replace(":9/", f":{port}/"))

    for number in range(10):
        senders = [
            threading.Thread(
                target=shop.telegram.again, args=(each, number, STAFF, f"zzqx{number}"), kwargs={"user": STAFF}
            )
            for each in addresses * 2
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    shop.telegram.wait_for(10, STAFF)
    codes = [bot.end(signal.SIGTERM) for bot in bots]

    texts = [message.text for message in shop.telegram.messages(STAFF)]
    assert (len(texts), len(set(texts)), codes) == (10, 10, [0, 0])
