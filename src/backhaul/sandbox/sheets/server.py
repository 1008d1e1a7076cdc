"""The sandbox's Google Sheets, Drive and token address on a real socket of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType

from backhaul.sandbox.serving import SandboxServer, Serving, shut
from backhaul.sandbox.sheets.book import Book
from backhaul.sandbox.sheets.faults import CallKind, SheetsFaults
from backhaul.sandbox.sheets.replies import Reply, html_reply
from backhaul.sandbox.sheets.service import TOKEN_PATH, Incoming, RecordedCall, SheetsService

_BODY_LIMIT_BYTES = 256 * 1024 * 1024


class SandboxSheets:
    """Google Sheets on loopback; runs between `with` and its end.

    It stands for https://sheets.googleapis.com, https://www.googleapis.com (Drive) and the token address.
    Every wait of a slow answer ends when it closes.

    Args:
        clock: seconds, for quotas and the life of tokens.
        project_per_minute: reads, and writes, of all users together.
        port: 0 takes any free one.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        reads_per_minute: int = 60,
        writes_per_minute: int = 60,
        project_per_minute: int = 300,
        port: int = 0,
    ) -> None:
        limits = {CallKind.READ: reads_per_minute, CallKind.WRITE: writes_per_minute}
        self._service = SheetsService(clock, limits, project_per_minute)
        self._server = _Server(("127.0.0.1", port), self._service)
        self._serving = Serving(self._server, "sandbox sheets")

    def __enter__(self) -> SandboxSheets:
        self._serving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and give the port back; may be called twice."""
        self._serving.close()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return self._server.url

    @property
    def token_uri(self) -> str:
        """The token address."""
        return self._server.token_uri

    @property
    def client_email(self) -> str:
        """With whom a sheet has to be shared."""
        return self._service.account.client_email

    @property
    def faults(self) -> SheetsFaults:
        """What is to go wrong; may be changed at any time."""
        return self._service.faults

    @property
    def books(self) -> dict[str, Book]:
        """The spreadsheets by id."""
        return self._service.books

    def service_account(self, token_uri: str | None = None) -> str:
        """Return a service-account key as JSON text; its token address is ours unless another is given.

        Raises ConfigError if the package cryptography is not installed.
        """
        return self._service.account.key_file(token_uri or self.token_uri)

    def add_spreadsheet(
        self,
        title: str = "Spreadsheet",
        rows: int = 1000,
        columns: int = 26,
        shared: bool = True,
        locale: str = "en_US",
        time_zone: str = "Etc/GMT",
    ) -> Book:
        """Make a spreadsheet with one tab, `Sheet1`, of that size."""
        book = Book(title, rows=rows, columns=columns, shared=shared, locale=locale, time_zone=time_zone)
        self._service.add_book(book)
        return book

    def expire_tokens(self) -> None:
        """Make every token that was given out worthless."""
        self._service.account.expire_tokens()

    @property
    def calls(self) -> list[RecordedCall]:
        """Every call of Sheets and Drive, oldest first, those that were refused or cut among them."""
        return [call for call in self._service.calls if call.kind is not CallKind.TOKEN]

    @property
    def token_calls(self) -> list[RecordedCall]:
        """Every call of the token address, oldest first."""
        return [call for call in self._service.calls if call.kind is CallKind.TOKEN]

    @property
    def reads(self) -> int:
        """How many calls were reads."""
        return sum(call.is_read for call in self.calls)

    @property
    def writes(self) -> int:
        """How many calls were writes."""
        return sum(call.is_write for call in self.calls)

    def reset_calls(self) -> None:
        """Forget the calls so far."""
        self._service.reset_calls()


class _Server(SandboxServer):
    def __init__(self, address: tuple[str, int], service: SheetsService) -> None:
        super().__init__(address, _Handler)
        self.service = service

    @property
    def token_uri(self) -> str:
        return self.url + TOKEN_PATH


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a read."""
        self._handle()

    def do_POST(self) -> None:
        """Answer a write or a token call."""
        self._handle()

    def do_PUT(self) -> None:
        """Answer a write."""
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the calls are recorded, and standard error belongs to the caller."""

    def _handle(self) -> None:
        size = self.headers.get("Content-Length", "0")
        is_sized = size.isdecimal() and int(size) <= _BODY_LIMIT_BYTES
        if not is_sized or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(html_reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The size of the request cannot be served."))
            return
        body = self.rfile.read(int(size))
        if len(body) < int(size):
            # Who leaves in the middle of a request has asked for nothing.
            self.close_connection = True
            return
        authorization = self.headers.get("Authorization", "")
        incoming = Incoming(self.command, self.path, authorization, body)
        self._send(self.server.service.reply(incoming, self.server.token_uri))

    def _send(self, reply: Reply) -> None:
        if reply.wait_s:
            self.server.closing.wait(reply.wait_s)
        if not reply.status:
            self.close_connection = True
            shut(self.connection)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
