"""Worksheets of the sandbox, read by a GoogleSheetTable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from backhaul.lake import LandingFolder
from backhaul.model import Artifact, Fetched, Landed, Stream, Window
from backhaul.sandbox import Book
from backhaul.sandbox.sheets.values import Formula, NumberFormat, Plain
from backhaul.sandbox.sheets.writes import put_formats
from backhaul.sessions.vault import Vault
from backhaul.sources import GoogleSheetTable
from tests.destinations.google_place import Google

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jerusalem")
HEADER = ["phone_number", "name", "current_lesson", "teacher", "last_practice"]


@dataclass
class Reader:
    """Reads worksheets of one book as a run does: open, fetch, parse."""

    google: Google
    book: Book
    folder: Path
    remarks: list[str] = field(default_factory=list)

    def source(self, **options: Any) -> GoogleSheetTable:
        """Return a source for the book."""
        account = options.pop("account", None) or self.google.sandbox.service_account()
        patience = options.pop("patience", None) or self.google.patience()
        sheet = options.pop("sheet", self.book.url)
        return GoogleSheetTable(sheet, account=account, api_url=self.google.sandbox.url, patience=patience, **options)

    def stream(self, **options: Any) -> Stream:
        """Return the stream of the roster."""
        return self.source().table("roster", **{"key": "phone_number", **options})

    def fetch(self, stream: Stream, cursor: str | None = None) -> Fetched:
        """Fetch in a session of its own."""
        source, landing = stream.source, LandingFolder(self.folder / "landing")
        session = source.open(Vault(self.folder / "vault"))
        try:
            return source.fetch(session, stream, WINDOW, cursor, landing)
        finally:
            session.close()

    def parse(self, stream: Stream, file: Landed) -> pl.DataFrame:
        """Return the rows of a landed file; what is remarked goes into remarks."""
        now = datetime.now(UTC)
        facts = ("a1", file.path, file.name, file.sha256, file.size_bytes, file.window, now)
        return pl.concat(list(stream.source.parse(stream, Artifact(*facts, remark=self.remarks.append))))

    def rows(self, **options: Any) -> pl.DataFrame:
        """Return what the roster's stream has now."""
        stream = self.stream(**options)
        return self.parse(stream, self.fetch(stream).artifacts[0])


def put(book: Book, *rows: Sequence[Plain | Formula], tab: str = "main") -> None:
    """Write rows from A1 on."""
    if tab not in book.tabs:
        book.add_tab(tab)
    book.fill(tab, rows)  # type: ignore[arg-type]


def show(book: Book, column: int, kind: str, pattern: str = "", *, rows: int = 50, tab: str = "main") -> None:
    """Give the cells of a column (from 0) a number format, the header excepted."""
    with book.state.change():
        for row in range(1, rows):
            put_formats(book.tabs[tab], row, {column: NumberFormat(kind, pattern)})
