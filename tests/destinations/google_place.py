"""A sandbox of Google Sheets whose minutes pass at once, and sheets in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.model import Counts
from backhaul.sandbox import Book, SandboxSheets
from backhaul.sessions.google.access import Patience
from backhaul.testing import BatchMaker


@dataclass
class FakeTime:
    """A clock that only waiting moves."""

    seconds: float = 1_000.0
    waits: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clock(self) -> float:
        with self._lock:
            return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.seconds += seconds


@dataclass
class Google:
    """The sandbox and its clock."""

    sandbox: SandboxSheets
    time: FakeTime

    def sheet(self, book: Book, **options: Any) -> GoogleSheet:
        """Return a destination for the book."""
        patience = options.pop("patience", None) or self.patience()
        account = options.pop("account", None) or self.sandbox.service_account()
        return GoogleSheet(book.url, account=account, api_url=self.sandbox.url, patience=patience, **options)

    def patience(self, **options: Any) -> Patience:
        return Patience(**{"timeout_s": 20.0, "clock": self.time.clock, "sleep": self.time.sleep, **options})

    def told(self) -> list[str]:
        """Return the calls so far, as R and W."""
        return ["R" if call.is_read else "W" for call in self.sandbox.calls]


@contextmanager
def google() -> Iterator[Google]:
    time = FakeTime()
    with SandboxSheets(clock=time.clock) as sandbox:
        yield Google(sandbox, time)


def merge(target: GoogleSheet, maker: BatchMaker, *frames: pl.DataFrame) -> Counts:
    """Compare and write one batch."""
    return target.write(maker.stream, target.compare(maker.stream, maker.batch(*frames)))


def orders(*rows: tuple[str, Any], **columns: Any) -> pl.DataFrame:
    """Return a frame of ids and totals, and more columns."""
    frame = pl.DataFrame({"id": [row[0] for row in rows], "total": [row[1] for row in rows]})
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def data(book: Book, tab: str = "Sheet1") -> list[list[Any]]:
    """Return the rows of a tab, cut where they end."""
    return book.values(tab)
