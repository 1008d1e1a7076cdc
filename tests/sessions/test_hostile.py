"""Servers that mean harm or have lost their mind: nothing hangs, nothing leaks, nothing fills the machine."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.lake.landing import LandingFolder
from backhaul.model import Window
from backhaul.sessions.answers import Slot, seconds_to_wait
from backhaul.sessions.browser import BrowserSession
from backhaul.sessions.http import HttpSession
from backhaul.sessions.login import FormLogin
from backhaul.sessions.pages import Page
from backhaul.sessions.steps import Click, Download, ExportRequest, Open
from backhaul.sessions.wire import Wire

PASSWORD = "kata-sandi-uji"
WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "UTC")
Answerer = Callable[[socket.socket, bytes], None]


class Hostile:
    """A server that says byte for byte what it is told to; `seen` are the requests."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self.seen: list[bytes] = []
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Hostile:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._socket.close()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._talk, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            request = connection.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"), 0)
            while len(body) < length:
                body += connection.recv(65536)
            self.seen.append(head + b"\r\n\r\n" + body)
            if request:
                self._answer(connection, request)


@contextlib.contextmanager
def hostile(answer: Answerer) -> Iterator[Hostile]:
    with Hostile(answer) as server:
        yield server


def says(*headers: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def fetch(url: str, folder: Path, timeout_s: float = 1.0) -> None:
    """Do one export without a login: the address is the file."""
    session = HttpSession("office", url, None, allow_http=False)
    request = ExportRequest((Open("/export"), Download()), timeout_s=timeout_s)
    try:
        session.run(request, Slot(LandingFolder(folder), "export", WINDOW, lambda path: None))
    finally:
        session.close()


def drips(connection: socket.socket, start: bytes, drop: bytes, seconds: float = 8.0) -> None:
    connection.sendall(start)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.sendall(drop)
        time.sleep(0.05)


GZIP_WITHOUT_END = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03"


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n" + b"id\n" * 300, b"1\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIP_WITHOUT_END, b"name"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", b"<p>"),
    ],
    ids=["headers", "interim answers", "file", "chunk size", "packed name", "page"],
)
def test_a_server_that_drips_is_left_when_the_time_of_the_export_is_over(
    tmp_path: Path, start: bytes, drop: bytes
) -> None:
    with hostile(lambda connection, request: drips(connection, start, drop)) as server:
        began = time.monotonic()
        with pytest.raises(TransientError):
            fetch(server.url, tmp_path)

        assert time.monotonic() - began < 3
    assert not list(tmp_path.rglob("export*"))


def test_a_body_that_is_packed_twice_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 30_000_000))
    answer = says("Content-Type: text/csv", "Content-Encoding: gzip, gzip", body=bomb)
    with (
        hostile(lambda connection, request: connection.sendall(answer)) as server,
        pytest.raises(SourceChanged, match="an encoding that was not asked for: gzip, gzip"),
    ):
        fetch(server.url, tmp_path)


def test_a_body_that_unpacks_without_end_is_a_decompression_bomb(tmp_path: Path) -> None:
    def bomb(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Encoding: gzip\r\n\r\n")
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        for _ in range(400):
            connection.sendall(packer.compress(b"1,2\n" * 250_000))

    with hostile(bomb) as server, pytest.raises(SourceChanged, match="a decompression bomb"):
        fetch(server.url, tmp_path, timeout_s=60)
    assert not list(tmp_path.rglob("export*"))


def test_a_file_without_end_is_left_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backhaul.sessions.wire._FILE_BYTES", 1_000_000)

    def endless(connection: socket.socket, request: bytes) -> None:
        drips(connection, b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n", b"1,2,3\n" * 20_000)

    with hostile(endless) as server, pytest.raises(SourceChanged, match="the rest was not taken"):
        fetch(server.url, tmp_path, timeout_s=30)
    assert not list(tmp_path.rglob("export*"))


@pytest.mark.parametrize(
    "cookie",
    ["session=\x01SECRET", "session=SE\u00e9CRET", "session=SECRET\x0b", "\u00e9=SECRET", "session=\x7fSECRET"],
)
def test_a_cookie_that_cannot_be_sent_back_is_not_repeated_in_a_message(tmp_path: Path, cookie: str) -> None:
    page = says(
        "Content-Type: text/html", f"Set-Cookie: {cookie}; Path=/", body=b"<html><a id=x href=/next>x</a></html>"
    )

    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(page if b"/export" in request else says("Content-Type: text/csv", body=b"id\n1\n"))

    request = ExportRequest((Open("/export"), Click("#x"), Download()), timeout_s=5)
    with hostile(answer) as server:
        session = HttpSession("office", server.url, None, allow_http=False)
        try:
            session.run(request, Slot(LandingFolder(tmp_path), "export", WINDOW, lambda path: None))
        except BackhaulError as error:
            assert "SE" not in str(error)
        finally:
            session.close()


def test_a_header_that_is_broken_is_not_repeated_in_a_message(tmp_path: Path) -> None:
    broken = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=SECRET\x00\r\n\r\n"
    with hostile(lambda connection, request: connection.sendall(broken)) as server:
        with pytest.raises(TransientError) as caught:
            fetch(server.url, tmp_path)

        assert "SECRET" not in str(caught.value)


LINKS = ["http://[x", "http://h:port/", "http://h\x01/", "http://" + "a" * 70_000, "http://xn--/", "gopher://h/"]


@pytest.mark.parametrize("link", LINKS)
def test_an_address_that_is_none_is_one_of_our_errors(tmp_path: Path, link: str) -> None:
    html = f'<html><a id=x href="{link}">x</a><form action="{link}"><button id=y>y</button></form></html>'
    answer = says("Content-Type: text/html", body=html.encode())
    with hostile(lambda connection, request: connection.sendall(answer)) as server:
        for selector in ("#x", "#y"):
            session = HttpSession("office", server.url, None, allow_http=False)
            request = ExportRequest((Open("/export"), Download(selector)), timeout_s=5)
            with pytest.raises(BackhaulError):
                session.run(request, Slot(LandingFolder(tmp_path), "export", WINDOW, lambda path: None))
            session.close()


@pytest.mark.parametrize("location", [*LINKS[:2], "http://[::1", "ftp://h/", "\x01", "http://h\x7f/", "//", ""])
def test_a_redirect_to_nowhere_is_one_of_our_errors(tmp_path: Path, location: str) -> None:
    answer = says(f"Location: {location}", status="302 Found")
    with (
        hostile(lambda connection, request: connection.sendall(answer)) as server,
        pytest.raises(BackhaulError),
    ):
        fetch(server.url, tmp_path)


EMPTY_PAGES = [
    b"\x00" * 600,
    b"<!-- only -->",
    b"<?xml version='1.0'?>",
    b"<!DOCTYPE html>",
    b"</html>",
    b"\xff\xfe<\x00",
]


@pytest.mark.parametrize("html", EMPTY_PAGES)
@pytest.mark.parametrize("charset", [None, "utf-8", "utf-16", "rot13", "x\x00y", "no-such"])
def test_a_page_of_nothing_is_a_page(html: bytes, charset: str | None) -> None:
    page = Page.read(html, "http://office/", charset)

    assert not page.has("input")
    assert page.title == ""


def test_a_page_of_deep_boxes_is_a_page() -> None:
    page = Page.read(b"<html>" + b"<div>" * 20_000 + b"x", "http://office/")

    assert not page.has('button:has-text("Export")')
    assert page.find('div:has-text("nothing")') is None


def test_a_date_to_wait_for_that_is_no_date_is_left_out() -> None:
    assert seconds_to_wait("Mon, 01 Jan 99999999999999999999 00:00:00 GMT") is None


def login_form(action: str, attributes: str = "") -> bytes:
    fields = "<input name=username><input type=password name=password><button>in</button>"
    html = f"<html><form method=post action='{action}' {attributes}>{fields}</form></html>"
    return says("Content-Type: text/html", body=html.encode())


def sign_in(url: str, path: str = "/login") -> None:
    session = HttpSession("office", url, FormLogin(path, "petugas", PASSWORD), allow_http=False)
    try:
        session.sign_in()
    finally:
        session.close()


def test_a_login_form_that_leads_to_another_host_gets_no_password() -> None:
    with hostile(lambda connection, request: connection.sendall(says(body=b"ok"))) as thief:
        form = login_form(f"{thief.url}/login")
        with (
            hostile(lambda connection, request: connection.sendall(form)) as office,
            pytest.raises(ConfigError, match="would send the password to"),
        ):
            sign_in(office.url)

        assert thief.seen == []


@pytest.mark.browser
def test_a_login_form_that_leads_to_another_host_gets_no_password_from_a_browser() -> None:
    with hostile(lambda connection, request: connection.sendall(says(body=b"ok"))) as thief:
        form = login_form(f"{thief.url}/login")
        with hostile(lambda connection, request: connection.sendall(form)) as office:
            session = BrowserSession("office", office.url, FormLogin("/login", "u", PASSWORD), allow_http=False)
            with pytest.raises(ConfigError, match="would send the password to"):
                session.sign_in()
            session.close()

        assert not any(PASSWORD.encode() in seen for seen in thief.seen + office.seen)


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_password_is_not_sent_on_to_another_host(status: str) -> None:
    with hostile(lambda connection, request: connection.sendall(says(body=b"ok"))) as thief:
        away = says(f"Location: {thief.url}/login", status=status)

        def answer(connection: socket.socket, request: bytes) -> None:
            connection.sendall(away if request.startswith(b"POST") else login_form("/login"))

        with hostile(answer) as office, pytest.raises(ConfigError, match="it was not sent"):
            sign_in(office.url)

        assert thief.seen == []


def test_a_login_that_moves_to_another_host_after_the_password_takes_neither_it_nor_cookies_along() -> None:
    home = says("Content-Type: text/html", body=b"<html><p>welcome</p></html>")
    with hostile(lambda connection, request: connection.sendall(home)) as elsewhere:
        there = elsewhere.url.replace("127.0.0.1", "localhost")
        away = says(f"Location: {there}/home", "Set-Cookie: session=SECRET", status="302 Found")

        def answer(connection: socket.socket, request: bytes) -> None:
            connection.sendall(away if request.startswith(b"POST") else login_form("/login"))

        with hostile(answer) as office:
            sign_in(office.url)

        [seen] = elsewhere.seen
        assert PASSWORD.encode() not in seen
        assert b"SECRET" not in seen


def test_a_login_on_a_host_that_the_pipeline_names_gets_the_password() -> None:
    home = says("Content-Type: text/html", body=b"<html><p>welcome</p></html>")

    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(home if request.startswith(b"POST") else login_form("/enter"))

    with hostile(answer) as gate:
        sign_in("http://127.0.0.1:1", f"{gate.url}/login")

        assert PASSWORD.encode() in gate.seen[-1]


def test_a_session_is_not_carried_over_plain_http_by_a_redirect() -> None:
    answer = says("Location: http://office.example/export", status="302 Found")
    with hostile(lambda connection, request: connection.sendall(answer)) as server:
        wire = Wire("office", (server.url,), allow_http=False)
        with pytest.raises(ConfigError, match="plain http"):
            wire.get(f"{server.url}/export", time.monotonic() + 5)
        wire.close()


def browser_sign_in(url: str) -> None:
    session = BrowserSession("office", url, FormLogin("/login", "petugas", PASSWORD), allow_http=False)
    try:
        session.sign_in()
    finally:
        session.close()


@pytest.mark.browser
@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
@pytest.mark.parametrize("hops", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_browser_does_not_carry_the_password_on_to_another_host(status: str, hops: int) -> None:
    with hostile(lambda connection, request: connection.sendall(says(body=b"ok"))) as thief:
        away = says(f"Location: {thief.url}/login", status=status)
        nearer = says("Location: /second", status=status)

        def answer(connection: socket.socket, request: bytes) -> None:
            posted = away if hops == 1 or b"/second" in request else nearer
            connection.sendall(posted if request.startswith(b"POST") else login_form("/login"))

        with hostile(answer) as office:
            with pytest.raises(ConfigError, match="would send the password to"):
                browser_sign_in(office.url)

            assert sum(PASSWORD.encode() in seen for seen in office.seen) == hops
        assert not any(PASSWORD.encode() in seen or seen.startswith(b"POST") for seen in thief.seen)


@pytest.mark.browser
def test_a_login_in_a_window_of_its_own_is_not_redirected_to_another_host() -> None:
    with hostile(lambda connection, request: connection.sendall(says(body=b"ok"))) as thief:
        away = says(f"Location: {thief.url}/login", status="307 Temporary Redirect")
        form = login_form("/login", "target=_blank")

        def answer(connection: socket.socket, request: bytes) -> None:
            connection.sendall(away if request.startswith(b"POST") else form)

        with hostile(answer) as office, pytest.raises(ConfigError, match="would send the password to"):
            browser_sign_in(office.url)

        assert not any(PASSWORD.encode() in seen for seen in thief.seen)


@pytest.mark.browser
def test_a_script_that_posts_the_password_is_not_redirected_to_another_host() -> None:
    script = b"""<html><form id=f><input name=username><input type=password name=password><button>in</button></form>
    <script>f.onsubmit = async (event) => { event.preventDefault();
      await fetch("/api", {method: "POST", body: new URLSearchParams(new FormData(f))}).catch(() => 0); }</script>"""
    with hostile(lambda connection, request: connection.sendall(says(body=b"ok"))) as thief:
        away = says(f"Location: {thief.url}/login", status="307 Temporary Redirect")

        def answer(connection: socket.socket, request: bytes) -> None:
            connection.sendall(away if request.startswith(b"POST") else says("Content-Type: text/html", body=script))

        with hostile(answer) as office, pytest.raises(ConfigError, match="would send the password to"):
            browser_sign_in(office.url)

        assert not any(PASSWORD.encode() in seen for seen in thief.seen)


@pytest.mark.browser
def test_a_browser_follows_the_login_where_the_password_does_not_go_along() -> None:
    home = says("Content-Type: text/html", body=b"<html><p>welcome</p></html>")
    with hostile(lambda connection, request: connection.sendall(home)) as elsewhere:
        away = says(f"Location: {elsewhere.url}/home", "Set-Cookie: session=SECRET", status="302 Found")
        again = says("Location: /second", status="307 Temporary Redirect")

        def answer(connection: socket.socket, request: bytes) -> None:
            posted = away if b"/second" in request else again
            connection.sendall(posted if request.startswith(b"POST") else login_form("/login"))

        with hostile(answer) as office:
            browser_sign_in(office.url)

        assert elsewhere.seen and not any(PASSWORD.encode() in seen for seen in elsewhere.seen)


@pytest.mark.slow
@pytest.mark.browser
def test_a_script_that_never_ends_costs_the_browser_and_the_next_export_gets_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backhaul.sessions.browser._OVERDUE_S", 0.5)
    busy = b"<html><h1>x</h1><script>setTimeout(() => { while (true) {} }, 200)</script></html>"
    page = says("Content-Type: text/html", body=busy)
    file = says("Content-Type: text/csv", "Content-Disposition: attachment", body=b"id\n1\n")

    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(file if b"/file" in request else page)

    def export(session: BrowserSession, path: str, timeout_s: float) -> None:
        request = ExportRequest((Open(path), Download("#gone" if path == "/busy" else None)), timeout_s=timeout_s)
        session.run(request, Slot(LandingFolder(tmp_path), "export", WINDOW, lambda path: None))

    with hostile(answer) as office:
        session = BrowserSession("office", office.url, None, allow_http=False)
        try:
            began = time.monotonic()
            with pytest.raises(TransientError, match="kept the browser busy"):
                export(session, "/busy", 1.5)
            assert time.monotonic() - began < 15
            export(session, "/file", 20)
        finally:
            session.close()

    assert [path.read_bytes() for path in tmp_path.glob("export*")] == [b"id\n1\n"]
