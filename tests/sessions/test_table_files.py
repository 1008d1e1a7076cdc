"""HTML that came as a file: a table is landed, a page for people stays a page."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from backhaul.sessions.answers import claims_file, is_table_file
from backhaul.sessions.pages import Page
from backhaul.sessions.wire import Answer, Wire

TABLE = b"<html xmlns:x='urn:x'><table><tr><th>id</th><th>n</th></tr><tr><td>1</td><td>2</td></tr></table></html>"
LOGIN = b"<html><form><input name=u><input type=password></form></html>"
EXCEL = "application/vnd.ms-excel"
ATTACHED = 'attachment; filename="a.xls"'


class Site(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[bytes, str, str]]] = {}

    def do_GET(self) -> None:
        body, kind, disposition = self.answers[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if disposition:
            self.send_header("Content-Disposition", disposition)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def asked(site: str, body: bytes, kind: str, disposition: str) -> tuple[Answer, bytes]:
    Site.answers["/x"] = (body, kind, disposition)
    wire = Wire("kantor", (site,), allow_http=False)
    answer = wire.get(f"{site}/x", time.monotonic() + 20)
    taken = b"" if answer.page is not None else b"".join(answer.chunks())
    answer.close()
    wire.close()
    return answer, taken


@pytest.mark.parametrize(
    ("kind", "disposition"),
    [(EXCEL, ""), (EXCEL, ATTACHED), ("text/html", ATTACHED), ("application/octet-stream", "")],
)
def test_a_table_under_a_file_s_headers_is_a_file(site: str, kind: str, disposition: str) -> None:
    answer, taken = asked(site, TABLE, kind, disposition)

    assert answer.page is None
    assert taken == TABLE


def test_a_long_table_is_not_held_in_memory_and_comes_whole(site: str) -> None:
    long = TABLE.replace(b"</table>", b"<tr><td>1</td><td>2</td></tr>\n" * 150_000 + b"</table>")

    answer, taken = asked(site, long, EXCEL, ATTACHED)

    assert answer.page is None
    assert taken == long


@pytest.mark.parametrize(
    ("body", "kind", "disposition"),
    [
        (TABLE, "text/html; charset=utf-8", ""),
        (LOGIN, EXCEL, ATTACHED),
        (LOGIN + TABLE, EXCEL, ATTACHED),
        (b"<html><title>Oops</title><p>no</p></html>", EXCEL, ATTACHED),
        (b"<html><button>Keluar</button>" + TABLE, EXCEL, ""),
    ],
)
def test_a_page_for_people_stays_a_page(site: str, body: bytes, kind: str, disposition: str) -> None:
    assert asked(site, body, kind, disposition)[0].page is not None


@pytest.mark.parametrize(
    ("kind", "disposition", "expected"),
    [
        ("text/html", "", False),
        ("text/plain", "", False),
        ("", "", False),
        ("application/xhtml+xml", "", False),
        ("text/html", "Attachment; filename=a.xls", True),
        (EXCEL, "inline", True),
    ],
)
def test_headers_claim_a_file(kind: str, disposition: str, expected: bool) -> None:
    assert claims_file(kind, disposition) is expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<table><tr><td>a<td>b</table>", True),
        ("<table><tr><th>a</table>", True),
        ("<table><tr><td>a</table>", False),
        ("<input type=hidden><table><tr><th>a</table>", True),
        ("<table><tr><th>a<td><input type=checkbox></table>", True),
        ("<table><tr><th>a<td><input type=PASSWORD></table>", False),
        ("<p>nothing", False),
    ],
)
def test_a_table_file_has_a_table_and_nothing_to_fill_in(html: str, expected: bool) -> None:
    assert is_table_file(Page.read(html, "https://a.example/")) is expected
