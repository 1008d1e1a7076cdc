"""The search index as a destination: the last catalogue, found by name, code and barcode."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.config import Setting, Text, home, text
from backhaul.errors import DeliveryError
from backhaul.model import Batch, Changes, Counts, Stream
from backhaul.search import build
from backhaul.search.catalogue import Catalogue
from backhaul.search.held import Merge, live
from backhaul.search.index_file import IndexFile, facts, held_rows, hold_rows, receipts
from backhaul.search.products import PriceColumns
from backhaul.search.synonyms import shipped, with_own

if TYPE_CHECKING:
    import polars as pl


DEFAULT_PATH = Setting("SEARCH_INDEX_PATH", default="data/search/catalogue.db")


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SearchIndex:
    """One file with the rows of one stream and the index over them; made if it is not there.

    It is built beside the old one and replaced as a whole: who searches sees the old catalogue or the new one. Rows
    that a complete stream no longer has are kept, marked, and not found any more. `catalogue` searches it.

    Args:
        path: the file; a relative one lies in backhaul's home. Each stream needs a file of its own.
        name: how messages and the ledger call it.
        synonyms: a text file with other spellings, `GRG GRNG = GORENG` a line, beside those that are shipped. A
            changed one takes effect with the next batch that is written.
        columns: which column of the stream says what.
        clock: tells the time (UTC).
    """

    path: Text = DEFAULT_PATH
    name: str = "search"
    synonyms: Text | None = None
    columns: PriceColumns = field(default=PriceColumns())
    clock: Callable[[], datetime] = field(default=utc_now, compare=False, repr=False)

    @property
    def file(self) -> Path:
        """The index's path."""
        return home() / Path(text(self.path)).expanduser()

    def catalogue(self) -> Catalogue:
        """Return the search over this index; it remembers the words between queries, so keep it."""
        return Catalogue(self.file, self.name)

    def read(self) -> pl.DataFrame | None:
        """Return the rows that the index holds, with their types; None if there is no index.

        Rows that are no longer found have a moment in `removed_at`. Raises DeliveryError for a damaged file.
        """
        return self._known(None).rows

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch; changes nothing, and creates nothing if the file is not there."""
        self._check_columns(stream, batch)
        merge = Merge.of(stream, batch, self._known(stream).rows)
        return Changes(batch, merge.classes, removed=merge.removed)

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Build the index anew and put it in place, if rows, synonyms or the layout have changed.

        A batch that has its receipt is not written again.
        """
        found, synonyms = changes.counts, self._synonyms()
        if not (found.new or found.updated or found.removed) and not self._is_stale(stream, synonyms):
            return found
        with self._file.locked():
            before = self._known(stream)
            if changes.batch.id in before.receipts and before.is_of(synonyms, self.columns):
                return Counts(**before.receipts[changes.batch.id])
            rows, counts, now = self._merged(stream, changes.batch, before.rows)
            counts = Counts(**before.receipts.get(changes.batch.id, asdict(counts)))
            written = {**before.receipts, changes.batch.id: asdict(counts)}
            # A large catalogue is not held twice while the index is built.
            del before
            with self._file.replaced() as connection:
                self._fill(connection, stream, rows, synonyms)
                _keep_facts(connection, changes.batch.id, now, written)
        return counts

    def check(self) -> str:
        """Return what was found, for `doctor`; changes nothing. Raises what a delivery or a search would raise."""
        self._synonyms()
        self._file.check_folder()
        if not self._file.exists():
            return "will be made"
        return f"{self.file.name} holds {self.catalogue().status().products} products"

    @property
    def _file(self) -> IndexFile:
        return IndexFile(self.file, self.name)

    def _synonyms(self) -> dict[str, str]:
        if self.synonyms is None or not text(self.synonyms):
            return shipped()
        return with_own(home() / Path(text(self.synonyms)).expanduser())

    def _check_columns(self, stream: Stream, batch: Batch) -> None:
        lacking = [name for name in (self.columns.code, self.columns.name) if name not in batch.schema()]
        if batch.rows and lacking:
            raise DeliveryError(
                f"{self.name}: {stream.name} has no column {', '.join(map(repr, lacking))} to search by",
                next_step="Say with SearchIndex(columns=PriceColumns(...)) which columns hold code and name.",
            )

    def _known(self, stream: Stream | None) -> _Known:
        """Return what the file holds. Raises DeliveryError if it is damaged or another stream's."""
        import polars as pl

        if not self._file.exists():
            return _Known()
        with self._file.reading() as connection:
            try:
                known = _Known(facts(connection), held_rows(connection), receipts(connection))
            except pl.exceptions.PolarsError:
                raise self._file.damaged() from None
        if stream and known.facts.get("stream", stream.target) != stream.target:
            raise DeliveryError(
                f"{self.name}: {self.file.name} is the index of {known.facts['stream']}, not of {stream.target}",
                next_step="Give each stream's SearchIndex a path of its own.",
            )
        return known

    def _merged(
        self, stream: Stream, batch: Batch, known: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, Counts, datetime]:
        merge, now = Merge.of(stream, batch, known), self.clock()
        return merge.merged(now), Changes(batch, merge.classes, removed=merge.removed).counts, now

    def _is_stale(self, stream: Stream, synonyms: Mapping[str, str]) -> bool:
        known = self._known(stream)
        return known.rows is not None and not known.is_of(synonyms, self.columns)

    def _fill(
        self, connection: sqlite3.Connection, stream: Stream, rows: pl.DataFrame, synonyms: Mapping[str, str]
    ) -> None:
        hold_rows(connection, rows)
        there = live(rows)
        has_columns = self.columns.code in rows.columns and self.columns.name in rows.columns
        products = build.fill(connection, there, self.columns, synonyms) if has_columns else 0
        said = {
            "stream": stream.target,
            "columns": json.dumps(asdict(self.columns)),
            "synonyms": _digest(synonyms),
            "products": str(products),
            "rows": str(there.height),
            "build": uuid.uuid4().hex,
        }
        connection.executemany("INSERT INTO fact VALUES (?, ?)", said.items())


@dataclass(frozen=True)
class _Known:
    """What an index file holds; `rows` is None where nothing is held, `facts` is empty where its layout is old."""

    facts: Mapping[str, str] = field(default_factory=dict)
    rows: pl.DataFrame | None = None
    receipts: Mapping[str, dict[str, int]] = field(default_factory=dict)

    def is_of(self, synonyms: Mapping[str, str], columns: PriceColumns) -> bool:
        return self.facts.get("synonyms") == _digest(synonyms) and self.facts.get("columns") == json.dumps(
            asdict(columns)
        )


def _keep_facts(
    connection: sqlite3.Connection, batch: str, now: datetime, written: Mapping[str, dict[str, int]]
) -> None:
    connection.executemany("INSERT INTO fact VALUES (?, ?)", [("changed_at", now.isoformat()), ("batch", batch)])
    connection.executemany(
        "INSERT INTO receipt VALUES (?, ?, ?)",
        [(each, json.dumps(counts), f"{number:06}") for number, (each, counts) in enumerate(written.items())],
    )


def _digest(synonyms: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(synonyms.items())).encode()).hexdigest()
