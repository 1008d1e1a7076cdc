"""The warehouse: keyed tables in SQLite or PostgreSQL, merged set-wise in one transaction with a receipt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.config import Text, text
from backhaul.destinations.sql.dialect import ARCHIVE_SUFFIX, ARCHIVED_AT, INSERTED, RECEIPTS, UPDATED, Database
from backhaul.destinations.sql.file import SqliteFile
from backhaul.destinations.sql.kinds import MOMENT
from backhaul.destinations.sql.merge import all_new, compared, merged, unstored
from backhaul.destinations.sql.receipts import find_receipt, keep_receipt
from backhaul.destinations.sql.server import PostgresServer, is_server
from backhaul.errors import ConfigError
from backhaul.model import Batch, Changes, Counts, Stream

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Warehouse:
    """A database whose tables are merged by key.

    `path` is an SQLite file (or `sqlite:///` and the file), or a PostgreSQL database as `postgresql://...`.
    Columns of the batch are ours; columns that people added are never touched. A replaced row is kept in
    `TABLE__archive`; where the stream names a history, only one that differs in one of those columns, or that is
    removed or back. A table that exists already is adopted if it has the key columns. A complete stream needs a
    table for itself: it takes what another stream brought for removed.
    """

    path: Text = field(repr=False)
    name: str = "warehouse"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch; changes nothing, and creates nothing if the file is not there.

        Rows that the database can never keep are refused. Rows that a complete stream's batch lacks are counted.
        """
        database = self._database
        if not database.exists():
            return unstored(database.dialect, stream, batch)
        if not (batch.rows or stream.complete):
            return all_new(database.dialect, batch, stream.key)
        with database.reading(many_keys=stream.complete) as connection:
            return compared(database.dialect, connection, stream, batch)

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Merge the new and updated rows in one transaction; a batch that has its receipt is not written again.

        Of a complete stream, rows that merges have brought and the batch lacks get `removed_at`; none is deleted.
        """
        found, database = changes.counts, self._database
        if not (found.new or found.updated or found.removed):
            return found
        dialect = database.dialect
        with database.writing(many_keys=stream.complete) as connection:
            dialect.lock(connection, stream.target)
            receipt = find_receipt(dialect, connection, changes.batch.id, stream.target)
            if receipt is not None:
                return receipt
            counts = merged(dialect, connection, stream, changes)
            keep_receipt(dialect, connection, changes.batch.id, stream.target, counts)
        return counts

    def read(self, table: str, *, with_runs: bool = False) -> Iterator[pl.DataFrame]:
        """Yield a table's rows with their types, in any order, bookkeeping left out; nothing if it is not there.

        `with_runs` adds `_inserted_run`, the batch that has brought a row first; the names of batches sort by time.

        Those of an archive, `TABLE__archive`, come in the order in which merges replaced them, also where a clock
        was set back, and have two columns more: `_archived_at` is when that was (UTC), `_archived_by` the batch that
        did it. Raises DeliveryError if a person has put values into a column that
        are not of its declared type.
        """
        database = self._database
        if not database.exists():
            return
        with database.reading() as connection:
            columns = database.dialect.columns(connection, table)
            hidden = (UPDATED,) if with_runs else (INSERTED, UPDATED)
            kinds = {name: kind for name, kind in columns.items() if name not in hidden}
            if table.endswith(ARCHIVE_SUFFIX) and kinds.get(ARCHIVED_AT) == database.dialect.clock:
                # SQLite keeps our own moments as plain text.
                kinds[ARCHIVED_AT] = MOMENT
            if kinds:
                yield from database.dialect.read(connection, table, kinds)

    def tables(self) -> list[str]:
        """Return the names of the tables, archives and bookkeeping left out."""
        database = self._database
        if not database.exists():
            return []
        with database.reading() as connection:
            names = database.dialect.tables(connection)
        return [name for name in names if name != RECEIPTS and not name.endswith(ARCHIVE_SUFFIX)]

    def check(self) -> str:
        """Return where the warehouse is and how many tables it has, for `doctor`; makes and changes nothing."""
        return f"{self._database.place}: {len(self.tables())} tables"

    @property
    def _database(self) -> Database:
        place = text(self.path)
        if is_server(place):
            return PostgresServer(place, self.name)
        path = place.removeprefix("sqlite:///")
        if "://" in path:
            raise ConfigError(
                f"warehouse {path.split('://')[0]}:// is not supported; SQLite files and postgresql:// are"
            )
        return SqliteFile(Path(path), self.name)
