"""Other channels: what services of Apprise receive, over sockets."""

import builtins
import json
import logging
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backhaul.config import Secret, settings_in
from backhaul.errors import ConfigError
from backhaul.notices import Message, RunStarted, SendInterrupted
from backhaul.notify import ALERTS, Apprise
from tests.notify.told import RUN, failed

# One of Apprise's own plug-ins imports it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Service:
    """A web address that takes Apprise's JSON and can be down."""

    def __init__(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not service.is_down:
                    service.received.append(json.loads(body))
                self.send_response(503 if service.is_down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.received: list[dict[str, str]] = []
        self.is_down = False
        self.password = secrets.token_hex(8)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://{'budi'}:{self.password}@127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def services():
    both = [Service(), Service()]
    yield both
    for service in both:
        service.close()


def test_each_service_gets_the_message_with_its_first_line_as_title(services):
    channel = Apprise(urls=" ".join(service.url for service in services), language="id")

    channel.send(channel.compose(failed(message="a < b & c", is_final=True)))

    for service in services:
        (received,) = service.received
        assert received["title"] == "❌ Point Transaction Export Gagal! Error: a < b & c, Retry attempt: 2/3"
        assert received["message"] == "Tidak dicoba lagi pada run ini."


def test_a_message_of_one_line_is_a_body_without_a_title(services):
    channel = Apprise(urls=services[0].url)

    channel.send(channel.compose(RunStarted(**RUN, streams=4, own_sessions=False)))

    assert services[0].received[0]["title"] == ""
    assert services[0].received[0]["message"].startswith("🚀 AUTOMATION STARTED")


def test_a_service_that_is_down_stops_no_other_and_gets_the_message_alone_later(services):
    channel = Apprise(urls=" ".join(service.url for service in services))
    services[0].is_down = True

    with pytest.raises(SendInterrupted, match=r"1 of 2 services .* \(number 1\)") as caught:
        channel.send(Message("Hello"))
    services[0].is_down = False
    channel.send(Message("Hello"), skip_parts=caught.value.parts_sent)

    assert [len(service.received) for service in services] == [1, 1]


def test_the_services_before_the_one_that_was_down_are_skipped_after_a_restart(services):
    urls = " ".join(service.url for service in services)
    services[1].is_down = True
    with pytest.raises(SendInterrupted) as caught:
        Apprise(urls=urls).send(Message("Hello"))
    services[1].is_down = False

    Apprise(urls=urls).send(Message("Hello"), skip_parts=caught.value.parts_sent)

    assert [len(service.received) for service in services] == [1, 1]


def test_the_same_words_sent_twice_arrive_twice(services):
    channel = Apprise(urls=services[0].url)

    channel.send(Message("Hello"))
    channel.send(Message("Hello"))

    assert len(services[0].received) == 2


def test_an_address_shows_nowhere(services, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    services[0].is_down = True
    channel = Apprise(urls=services[0].url)

    with pytest.raises(SendInterrupted) as caught:
        channel.send(Message("Hello"))

    out, err = capfd.readouterr()
    everything = repr(channel) + str(caught.value) + caught.value.next_step + caplog.text + out + err
    assert services[0].password not in everything
    assert "budi" not in everything


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ("nonsense://abc", "does not understand address 1 of 1"),
        ("json://127.0.0.1 nonsense://abc", "does not understand address 2 of 2"),
        ("   ", "there is no address"),
        ("json://example.com/hook", "plain http"),
    ],
)
def test_an_address_that_cannot_be_right_is_told_by_its_number(urls, said):
    with pytest.raises(ConfigError, match=said) as caught:
        Apprise(urls=urls).send(Message("Hello"))

    assert "example.com" not in str(caught.value)


def test_check_names_the_kinds_of_services(services):
    assert Apprise(urls=services[0].url).check() == "1 addressed through Apprise: JSON (not asked)"


def test_only_the_kinds_that_were_asked_for_are_composed():
    assert Apprise(kinds=ALERTS).compose(failed()) is None


def test_the_addresses_are_a_secret_setting():
    assert list(settings_in(Apprise())) == [Secret("APPRISE_URLS")]


def test_a_missing_package_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "apprise":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(ConfigError) as caught:
        Apprise(urls="json://127.0.0.1").check()

    assert 'pip install "backhaul[apprise]"' in caught.value.next_step
