"""The index as one SQLite file: how it is laid out, built beside the old one, and put in its place."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import BackhaulError, ConfigError, DeliveryError
from backhaul.lake.whole_file import WholeFile

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
"""The layout below and the spelling of normal.py; an index of another one is built anew by the next run."""

APPLICATION = 0x62686978
HELD_ROWS = 100_000
RECEIPTS = 50

_TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE receipt (batch TEXT PRIMARY KEY, counts TEXT, at TEXT) WITHOUT ROWID;
CREATE TABLE held (part INTEGER PRIMARY KEY, rows BLOB);
CREATE TABLE synonym (spelling TEXT PRIMARY KEY, word TEXT) WITHOUT ROWID;
CREATE TABLE word (id INTEGER PRIMARY KEY, word TEXT, products INTEGER, means INTEGER);
CREATE TABLE product (id INTEGER PRIMARY KEY, document INTEGER, is_sold INTEGER, words BLOB);
CREATE TABLE document (id INTEGER PRIMARY KEY, rows TEXT);
CREATE TABLE code (code TEXT, document INTEGER, PRIMARY KEY (code, document)) WITHOUT ROWID;
CREATE VIRTUAL TABLE said USING fts5(words, content='', detail=none, columnsize=0, tokenize='ascii');
"""
"""Words have numbers, and `said` holds numbers only: what people type never reaches the grammar of MATCH.

Products are numbered with those first that are sold and have short names.
"""


@dataclass(frozen=True)
class IndexFile:
    """One such file; `name` is the destination's, for messages. Its lock and its part lie beside it, hidden."""

    path: Path
    name: str

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the index as it is now, for one query: on Windows a file that stays open cannot be replaced.

        Raises DeliveryError if there is none, if it is damaged, or made by another version.
        """
        try:
            # Nobody changes the file: it is only ever replaced.
            connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            raise self._absent() from None
        try:
            with self.errors_told():
                found = connection.execute("PRAGMA application_id").fetchone()[0]
                if found != APPLICATION:
                    raise self._absent() if found == 0 and not self._size() else self.damaged()
                yield connection
        except (ValueError, TypeError, LookupError) as error:
            # What was written can be read: texts that are none, or facts that are missing, are damage.
            raise self.damaged() from error
        finally:
            connection.close()

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Be the only writer. Raises TransientError if another one does not end in time."""
        return self._file.locked()

    @contextlib.contextmanager
    def replaced(self) -> Iterator[sqlite3.Connection]:
        """Yield an empty index to fill; once it is whole it takes the place of the file."""
        with self._file.replaced() as part, self.errors_told():
            part.unlink(missing_ok=True)
            connection = sqlite3.connect(part, isolation_level=None)
            try:
                # What is cut off is thrown away; the whole file is synced before it counts.
                connection.executescript(
                    f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = {APPLICATION};"
                    f"PRAGMA user_version = {FORMAT}; PRAGMA cache_size = -32768; BEGIN; {_TABLES}"
                )
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()

    def check_folder(self) -> None:
        """Raise DeliveryError if the file's folder, or the one that it will be made in, may not be written to."""
        self._file.check_folder()

    @contextlib.contextmanager
    def errors_told(self) -> Iterator[None]:
        """Turn errors of the operating system and of SQLite into ours."""
        with self._file.errors_told():
            try:
                yield
            except sqlite3.Error as error:
                raise self._told_by_sqlite(error) from None

    def damaged(self) -> DeliveryError:
        """Return the error that tells that the file is not what was written."""
        return DeliveryError(
            f"{self.name}: {self.path.name} is damaged or no search index",
            next_step=f"Move {self.path} away, then build it anew: backhaul replay NAME.",
        )

    def _told_by_sqlite(self, error: sqlite3.Error) -> BackhaulError | OSError:
        words = str(error)
        # Where a file cannot grow, SQLite speaks of an I/O error.
        if "full" in words or "disk I/O" in words:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if "unable to open" in words:
            return self._absent()
        if "no such module" in words:
            return ConfigError(
                f"{self.name}: this Python's SQLite has no full-text search (FTS5)",
                next_step="Use a Python from python.org or of a current Linux; theirs have it.",
            )
        # Its other words may quote what is in the file.
        return self.damaged()

    def _absent(self) -> DeliveryError:
        return DeliveryError(
            f"{self.name}: there is no catalogue yet: {self.path.name} is missing",
            next_step="Run the pipeline: backhaul run NAME; where that finds nothing new: backhaul replay NAME.",
        )

    def _size(self) -> int:
        return self.path.stat().st_size

    @property
    def _file(self) -> WholeFile:
        return WholeFile(self.path, self.name)


def facts(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the named facts about the index; none if it has another layout."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
        return {}
    return dict(connection.execute("SELECT name, value FROM fact"))


def held_rows(connection: sqlite3.Connection) -> pl.DataFrame | None:
    """Return the rows that the index was made from; None if there are none. Raises sqlite3.Error if it is damaged."""
    import polars as pl

    parts = [
        pl.read_parquet(io.BytesIO(rows)) for (rows,) in connection.execute("SELECT rows FROM held ORDER BY part")
    ]
    return pl.concat(parts) if parts else None


def hold_rows(connection: sqlite3.Connection, rows: pl.DataFrame) -> None:
    """Keep the rows that the index is made from, with their types, in parts of HELD_ROWS."""
    for part, some in enumerate(rows.iter_slices(HELD_ROWS)):
        buffer = io.BytesIO()
        some.write_parquet(buffer, compression="zstd")
        connection.execute("INSERT INTO held VALUES (?, ?)", (part, buffer.getvalue()))


def receipts(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Return the counts that the latest writes have reported, by batch."""
    rows = connection.execute("SELECT batch, counts FROM receipt ORDER BY at DESC LIMIT ?", (RECEIPTS,))
    return {batch: json.loads(counts) for batch, counts in rows}
