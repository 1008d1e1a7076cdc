"""What the sandbox back office answers: login, dashboard, export pages and files. Knows no sockets."""

from __future__ import annotations

import functools
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from http import HTTPStatus

from backhaul.sandbox.office.data import KEYS, Row, Table, columns_of, made_up_rows, rows_between
from backhaul.sandbox.office.documents import document_of
from backhaul.sandbox.office.exchange import Reply, Request, Route, Routes, file_reply, page_reply, redirect
from backhaul.sandbox.office.exports import (
    ExportPage,
    Variant,
    Way,
    export_pages,
    with_changed_button,
    with_changed_fields,
)
from backhaul.sandbox.office.faults import Fault, Faults, Moment, PlannedFault
from backhaul.sandbox.office.pages import dashboard_page, error_page, export_page, no_data_page, waiting_page
from backhaul.sandbox.office.sign_in import LOGIN, SignIn
from backhaul.sandbox.office.spoil import spoiled_file, spoiled_table
from backhaul.sandbox.office.visits import Visits

_WIB = timezone(timedelta(hours=7), "WIB")
# Laravel's own status for a missing or wrong CSRF token; the standard has no name for it.
_PAGE_EXPIRED = 419
_PREPARED = "/ekspor/"


@dataclass
class _Preparation:
    """A file in the making: its page, the fields that were sent, and how often it was asked for."""

    page: ExportPage
    fields: Mapping[str, str]
    asks: int = 0


class Site:
    """The pages and what is behind them. `data` may be edited at any time.

    Args:
        ready_after: how often the waiting page of the background variant is shown before the file.
    """

    def __init__(self, variant: Variant, faults: Faults, ready_after: int) -> None:
        self.data: dict[str, list[Row]] = made_up_rows()
        self.visits = Visits()
        self.sign_in = SignIn(self.visits, faults)
        self._faults = faults
        self._is_in_background = variant is Variant.BACKGROUND
        self._ready_after = ready_after
        self._pages = export_pages(variant)
        self._document = document_of(variant)
        self._usual_columns = {stream: columns_of(rows) for stream, rows in self.data.items()}
        self._lock = threading.Lock()
        self._preparations: dict[str, _Preparation] = {}
        self._routes = self._all_routes()

    def answer(self, request: Request) -> Reply:
        """Return the answer to a request, whoever sends it."""
        path = _PREPARED if request.path.startswith(_PREPARED) else request.path
        route = self._routes.get((request.method, path))
        if route is None:
            if any(known == path for _, known in self._routes):
                return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Metode tidak diizinkan.")
            return _refusal(HTTPStatus.NOT_FOUND, "Halaman tidak ditemukan.")
        if not route.is_open and not request.visit.is_signed_in:
            if request.method == "GET":
                request.visit.intended = request.target
            return redirect(LOGIN)
        if request.method == "POST" and not request.has_token:
            return _refusal(_PAGE_EXPIRED, "Halaman kedaluwarsa, silakan muat ulang.")
        return route.answer(request)

    def _all_routes(self) -> Routes:
        routes = self.sign_in.routes()
        routes["GET", "/"] = Route(lambda request: redirect("/dashboard"))
        routes["GET", "/dashboard"] = Route(self._dashboard)
        routes["GET", _PREPARED] = Route(self._prepared)
        for page in self._pages:
            routes["GET", page.path] = Route(functools.partial(self._page, page))
            routes[page.file_method, page.file_path] = Route(functools.partial(self._export, page))
        return routes

    def _dashboard(self, request: Request) -> Reply:
        counts = [len(self.data[page.stream]) for page in self._pages]
        return page_reply(dashboard_page(self._pages, counts, request.visit.token))

    def _page(self, page: ExportPage, request: Request) -> Reply:
        days = _sent_days(page, request.fields)
        try:
            listed = self._table(page, *_as_dates(days)) if page.way is Way.LINK else None
        except ValueError:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Tanggal tidak sah.")
        struck = self._faults.take(Moment.PAGE, request.path)
        shown = with_changed_button(page) if Fault.CHANGED_BUTTON in struck else page
        shown = with_changed_fields(shown) if Fault.CHANGED_FIELD in struck else shown
        html = export_page(shown, pages=self._pages, token=request.visit.token, days=days, listed=listed)
        return page_reply(html)

    def _export(self, page: ExportPage, request: Request) -> Reply:
        if page.way is Way.NAMED_BUTTON and request.fields.get("aksi") != "export":
            return self._page(page, request)
        try:
            _as_dates(_sent_days(page, request.fields))
        except ValueError:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Tanggal tidak sah.")
        if not self._is_in_background:
            return self._file(page, request.fields, request)
        number = secrets.token_hex(8)
        with self._lock:
            self._preparations[number] = _Preparation(page, request.fields)
        return redirect(_PREPARED + number)

    def _prepared(self, request: Request) -> Reply:
        with self._lock:
            preparation = self._preparations.get(request.path.removeprefix(_PREPARED))
            if preparation is not None:
                preparation.asks += 1
        if preparation is None:
            return _refusal(HTTPStatus.NOT_FOUND, "Halaman tidak ditemukan.")
        if preparation.asks <= self._ready_after:
            return page_reply(waiting_page(self._pages, request.visit.token))
        return self._file(preparation.page, preparation.fields, request)

    def _file(self, page: ExportPage, fields: Mapping[str, str], request: Request) -> Reply:
        struck = self._faults.take(Moment.FILE, page.file_path)
        if Fault.EXPIRED_SESSION in struck:
            self.visits.forget_all()
            return redirect(LOGIN)
        if Fault.NO_DATA_PAGE in struck:
            return page_reply(no_data_page(self._pages, request.visit.token))
        is_all = Fault.IGNORED_FILTER in struck
        days = (None, None) if is_all else _as_dates(_sent_days(page, fields))
        table = spoiled_table(self._table(page, *days), struck, KEYS[page.stream])
        # The name carries the day of the download, not the days of the rows: back offices do that.
        name = f"{page.stream}_{datetime.now(_WIB):%Y-%m-%d}{self._document.suffix}"
        body = spoiled_file(table, struck, request.visit.token, self._document.write)
        reply = file_reply(body, name)
        headers = {**reply.headers, "Content-Type": self._document.content_type}
        return _badly_sent(replace(reply, headers=headers), struck)

    def _table(self, page: ExportPage, start: date | None, end: date | None) -> Table:
        rows = list(self.data[page.stream])
        return Table(columns_of(rows) or self._usual_columns[page.stream], rows_between(rows, start, end))


def _refusal(status: int, text: str) -> Reply:
    return page_reply(error_page(str(int(status)), text), status)


def _badly_sent(reply: Reply, struck: Mapping[Fault, PlannedFault]) -> Reply:
    drip = struck.get(Fault.SLOW_DRIP)
    return replace(reply, drip_s=drip.seconds if drip else 0.0, is_cut=Fault.CUT_CONNECTION in struck)


def _sent_days(page: ExportPage, fields: Mapping[str, str]) -> tuple[str, str]:
    changed = with_changed_fields(page)
    start = fields.get(page.start.name) or fields.get(changed.start.name) or ""
    end = fields.get(page.end.name) or fields.get(changed.end.name) or ""
    return start, end


def _as_dates(days: tuple[str, str]) -> tuple[date | None, date | None]:
    """Return the dates; what was not sent is None. Raises ValueError for what is no YYYY-MM-DD date."""
    start, end = (datetime.strptime(day, "%Y-%m-%d").date() if day else None for day in days)
    return start, end
