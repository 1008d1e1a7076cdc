"""What the sandbox's Google Sheets knows: its spreadsheets, its service account, its quotas, and who called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from backhaul.sandbox.sheets.book import Book
from backhaul.sandbox.sheets.calls import Call, Served, answer, find, read_body
from backhaul.sandbox.sheets.describe import describe
from backhaul.sandbox.sheets.errors import Refused, bad_token, narrow_scope
from backhaul.sandbox.sheets.faults import CallKind, SheetsFaults
from backhaul.sandbox.sheets.quota import Quota
from backhaul.sandbox.sheets.replies import Reply, failure, grant_refusal, html_reply, json_reply, refusal
from backhaul.sandbox.sheets.requests import Body, check_names, number, part, parts
from backhaul.sandbox.sheets.tokens import RefusedGrant, ServiceAccount, Token

TOKEN_PATH = "/token"
_CREATE_PATH = "/v4/spreadsheets"


@dataclass(frozen=True)
class RecordedCall:
    """One call that came in: path decoded, without its query; status 0 where no answer was sent.

    Args:
        bytes_in: size of the request's body.
        bytes_out: size of the answer's body.
    """

    method: str
    path: str
    status: int
    kind: CallKind
    bytes_in: int
    bytes_out: int

    @property
    def is_read(self) -> bool:
        """Tell whether it counts as a read of the Sheets API."""
        return self.kind is CallKind.READ

    @property
    def is_write(self) -> bool:
        """Tell whether it counts as a write of the Sheets API."""
        return self.kind is CallKind.WRITE


@dataclass(frozen=True)
class Incoming:
    """A request as it came over the wire: target is its path and query."""

    method: str
    target: str
    authorization: str
    body: bytes

    @property
    def path(self) -> str:
        """The path as sent, without the query."""
        return urlsplit(self.target).path

    @property
    def plain_path(self) -> str:
        """The path decoded."""
        return unquote(self.path)


class SheetsService:
    """Answers requests, whatever brings them; safe for several threads."""

    def __init__(self, clock: Callable[[], float], per_minute: dict[CallKind, int], per_project: int) -> None:
        self.account = ServiceAccount(clock)
        self.faults = SheetsFaults()
        self.books: dict[str, Book] = {}
        self._quota = Quota(clock, per_minute, per_project)
        self._calls: list[RecordedCall] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[RecordedCall]:
        """Every call so far, oldest first."""
        with self._lock:
            return list(self._calls)

    def reset_calls(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()

    def add_book(self, book: Book) -> None:
        """Take a spreadsheet in."""
        with self._lock:
            self.books[book.id] = book

    def reply(self, incoming: Incoming, token_uri: str) -> Reply:
        """Return the answer to a request, and record it. People's edits that wait for it are done first."""
        served = find(incoming.method, incoming.path)
        kind = _kind(incoming, served)
        book = self.books.get(served[1]["id"]) if served else None
        if book is not None:
            book.play(incoming.method, incoming.plain_path)
        struck = self.faults.take(incoming.method, incoming.plain_path, kind)
        if struck is not None and not struck.fault.is_after:
            reply = failure(struck, kind)
        elif kind is CallKind.TOKEN:
            reply = self._grant(incoming.body, token_uri)
        else:
            reply = self._answer(incoming, served, book)
            # A call that was refused has nothing that could be applied before the fault.
            if struck is not None and reply.status == HTTPStatus.OK:
                reply = failure(struck, kind)
        sizes = len(incoming.body), len(reply.body)
        with self._lock:
            self._calls.append(RecordedCall(incoming.method, incoming.plain_path, reply.status, kind, *sizes))
        return reply

    def _answer(self, incoming: Incoming, found: tuple[Served, dict[str, str]] | None, book: Book | None) -> Reply:
        try:
            token = self.account.token(incoming.authorization)
            if token is None:
                raise bad_token()
            if found is None and (incoming.method, incoming.path) == ("POST", _CREATE_PATH):
                return self._create(incoming.body, token)
            if found is None:
                return html_reply(HTTPStatus.NOT_FOUND, "The requested URL was not found on this server.")
            served, arguments = found
            self._quota.take(served.kind)
            params = parse_qs(urlsplit(incoming.target).query, keep_blank_values=True)
            call = Call(params, read_body(incoming.body), arguments)
            return json_reply(HTTPStatus.OK, answer(served, call, book, token))
        except Refused as refused:
            return refusal(refused)

    def _grant(self, sent: bytes, token_uri: str) -> Reply:
        fields = dict(parse_qsl(sent.decode("utf-8", "replace")))
        try:
            return json_reply(HTTPStatus.OK, self.account.grant(fields, token_uri))
        except RefusedGrant as refused:
            return grant_refusal(str(refused))

    def _create(self, sent: bytes, token: Token) -> Reply:
        if not token.may_write:
            raise narrow_scope()
        self._quota.take(CallKind.WRITE)
        body = read_body(sent)
        check_names(body, {"properties", "sheets"}, "")
        given = part(body, "properties")
        book = Book(
            str(given.get("title") or "Untitled spreadsheet"),
            locale=str(given.get("locale") or "en_US"),
            time_zone=str(given.get("timeZone") or "Etc/GMT"),
        )
        if sheets := parts(body, "sheets"):
            _set_tabs(book, sheets)
        self.add_book(book)
        return json_reply(HTTPStatus.OK, describe(book.state))


def _kind(incoming: Incoming, served: tuple[Served, dict[str, str]] | None) -> CallKind:
    if served is not None:
        return served[0].kind
    if incoming.method == "POST" and incoming.path == TOKEN_PATH:
        return CallKind.TOKEN
    return CallKind.READ if incoming.method == "GET" else CallKind.WRITE


def _set_tabs(book: Book, sheets: list[Body]) -> None:
    with book.state.change():
        book.state.tabs.clear()
        for place, sheet in enumerate(sheets):
            given = part(sheet, "properties")
            grid = part(given, "gridProperties")
            book.state.add_tab(
                str(given.get("title") or f"Sheet{place + 1}"),
                number(grid, "rowCount", 1000),
                number(grid, "columnCount", 26),
                number(given, "sheetId") if place == 0 or "sheetId" in given else None,
            )
