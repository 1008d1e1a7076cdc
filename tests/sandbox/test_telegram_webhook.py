"""The sandbox's webhook: updates are sent where setWebhook says, until they are taken."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from backhaul.sandbox import SandboxTelegram


class Receiver(HTTPServer):
    """Takes updates; answers the first ones with `statuses`, others with 200."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.got: list[tuple[str, str, bytes]] = []
        self.is_done = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers.get("X-Telegram-Bot-Api-Secret-Token", ""), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if b"last" in body and status == 200:
            self.server.is_done.set()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def sandbox() -> Iterator[SandboxTelegram]:
    with SandboxTelegram(hook_pause_s=0.01) as sandbox:
        yield sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver([503, 500])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(sandbox: SandboxTelegram, method: str, **fields: object) -> dict:
    return httpx.post(f"{sandbox.url}/bot{sandbox.token}/{method}", json=fields, trust_env=False).json()


def test_updates_are_sent_in_order_with_the_secret_until_they_are_taken(sandbox, receiver):
    sandbox.say(sandbox.chat_id, "before")
    url = f"http://127.0.0.1:{receiver.server_port}/hook"

    assert ask(sandbox, "setWebhook", url=url, secret_token="made-up_1")["result"] is True
    sandbox.say(sandbox.chat_id, "last")
    assert receiver.is_done.wait(10)

    assert [("before" in str(body), path, secret) for path, secret, body in receiver.got] == [
        (True, "/hook", "made-up_1"),
        (True, "/hook", "made-up_1"),
        (True, "/hook", "made-up_1"),
        (False, "/hook", "made-up_1"),
    ]
    assert sandbox.webhook == url


def test_without_a_webhook_updates_wait_to_be_polled_for(sandbox, receiver):
    ask(sandbox, "setWebhook", url=f"http://127.0.0.1:{receiver.server_port}/hook")
    ask(sandbox, "deleteWebhook")

    sandbox.say(sandbox.chat_id, "last")

    assert len(ask(sandbox, "getUpdates", timeout=1)["result"]) == 1
    assert receiver.got == []


@pytest.mark.parametrize(
    "fields", [{"url": "http://shop.example/hook"}, {"url": "https://shop.example", "secret_token": "a b"}]
)
def test_what_the_real_one_refuses_is_refused(sandbox, fields):
    assert ask(sandbox, "setWebhook", **fields)["error_code"] == 400


def test_a_menu_of_one_chat_is_its_own(sandbox):
    chat = sandbox.add_person(601)
    menu = [{"command": "sync", "description": "Renew"}]

    ask(sandbox, "setMyCommands", commands=menu, scope={"type": "chat", "chat_id": chat})

    assert (sandbox.commands, sandbox.commands_of(601), sandbox.commands_of(1)) == ([], menu, [])


def test_a_person_writes_in_the_chat_of_the_same_number(sandbox):
    sandbox.add_person(601)
    sandbox.ask(601, "hello")

    (update,) = ask(sandbox, "getUpdates")["result"]

    message = update["message"]
    assert (message["chat"]["id"], message["chat"]["type"], message["from"]["id"]) == (601, "private", 601)
