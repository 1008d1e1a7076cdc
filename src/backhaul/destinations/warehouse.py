"""The warehouse: keyed tables in SQLite, merged set-wise in one transaction with a receipt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backhaul.config import Text, text
from backhaul.destinations.sql_kinds import Form, Kind, restored, stored
from backhaul.destinations.sql_table import (
    INSERTED,
    RECEIPTS,
    STAGE,
    UPDATED,
    Insert,
    KeyedTable,
    listed,
    quoted,
    row_number,
)
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.model import ROW, Batch, Changes, Counts, RowClass, Stream

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection, Engine

SLICE_ROWS = 20_000
BUSY_TIMEOUT_S = 30


@dataclass(frozen=True)
class Warehouse:
    """An SQLite file whose tables are merged by key; `path` is the file, or `sqlite:///` and the file.

    Columns of the batch are ours; columns that people added are never touched. A replaced row is kept in
    `TABLE__archive`. A table that exists already is adopted if it has the key columns.
    """

    path: Text
    name: str = "warehouse"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch; changes nothing, and creates nothing if the file is not there."""
        import polars as pl

        if not batch.rows or not self._file.exists():
            return Changes(batch, pl.zeros(batch.rows, dtype=pl.UInt8, eager=True))
        with self._connected() as connection:
            connection.exec_driver_sql("BEGIN")
            table = KeyedTable.reflect(connection, stream.target, stream.key)
            if not table.exists or _is_empty(connection, table):
                table.fitted(batch.schema())
                return Changes(batch, pl.zeros(batch.rows, dtype=pl.UInt8, eager=True))
            kinds = table.fitted(batch.schema())
            _make_stage(connection, kinds)
            select = (
                f"SELECT s.{row_number(kinds)}, t.{quoted(stream.key[0])} IS NULL FROM {STAGE} s"
                f" LEFT JOIN {quoted(table.name)} t ON {table.on_key()}"
                f" WHERE t.{quoted(stream.key[0])} IS NULL OR {table.differs(kinds)}"
            )
            classes = [pl.zeros(0, dtype=pl.UInt8, eager=True)]
            for frame in _slices(batch.frames()):
                _fill_stage(connection, table, kinds, batch.schema(), frame)
                found = pl.repeat(int(RowClass.UNCHANGED), frame.height, dtype=pl.UInt8, eager=True)
                changed = connection.exec_driver_sql(select).all()
                found[[row[0] - 1 for row in changed]] = [
                    int(RowClass.NEW if row[1] else RowClass.UPDATED) for row in changed
                ]
                classes.append(found)
                connection.exec_driver_sql(f"DELETE FROM {STAGE}")
        return Changes(batch, pl.concat(classes))

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Merge the new and updated rows in one transaction; a batch that has its receipt is not written again."""
        found = changes.counts
        if not found.new and not found.updated:
            return found
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeliveryError(
                f"{self.name}: the folder {self._file.parent} cannot be made: {error.strerror}"
            ) from None
        with self._connected() as connection:
            # The first load of a new file is written straight into it: a log would double the bytes.
            is_new = not connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            if not is_new:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql(
                f"CREATE TABLE IF NOT EXISTS {RECEIPTS} (batch_id TEXT, table_name TEXT, new INTEGER,"
                " updated INTEGER, unchanged INTEGER, duplicate INTEGER, rejected INTEGER, written_at TEXT,"
                " PRIMARY KEY (batch_id, table_name))"
            )
            receipt = connection.exec_driver_sql(
                f"SELECT new, updated, unchanged, duplicate, rejected FROM {RECEIPTS}"
                " WHERE batch_id = ? AND table_name = ?",
                (changes.batch.id, stream.target),
            ).one_or_none()
            if receipt is not None:
                return Counts(*receipt)
            counts = _merge(connection, stream, changes)
            connection.exec_driver_sql(
                f"INSERT INTO {RECEIPTS} VALUES (?,?,?,?,?,?,?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                (
                    changes.batch.id,
                    stream.target,
                    counts.new,
                    counts.updated,
                    counts.unchanged,
                    counts.duplicate,
                    counts.rejected,
                ),
            )
            connection.commit()
        return counts

    def read(self, table: str) -> Iterator[pl.DataFrame]:
        """Yield a table's rows with their types, bookkeeping left out; nothing if there is no such table.

        Raises DeliveryError if a person has put values into a column that are not of its declared type.
        """
        import polars as pl

        if not self._file.exists():
            return
        with self._connected() as connection:
            columns = {
                name: kind
                for name, kind in KeyedTable.reflect(connection, table, ()).columns.items()
                if name not in (INSERTED, UPDATED)
            }
            if not columns:
                return
            storage = {name: _storage_dtype(kind) for name, kind in columns.items()}
            # Text is asked for where it is expected: an untyped column may hold anything.
            wanted = [
                f"CAST({quoted(name)} AS TEXT)" if dtype == pl.String else quoted(name)
                for name, dtype in storage.items()
            ]
            result = connection.exec_driver_sql(f"SELECT {', '.join(wanted)} FROM {quoted(table)}")
            for rows in result.partitions(SLICE_ROWS):
                try:
                    frame = pl.DataFrame([tuple(row) for row in rows], schema=storage, orient="row")
                    typed = frame.select(restored(name, kind) for name, kind in columns.items())
                except (pl.exceptions.PolarsError, TypeError, OverflowError):
                    raise self._ill_typed(table, columns) from None
                yield typed

    def _ill_typed(self, table: str, columns: dict[str, Kind]) -> DeliveryError:
        """The driver's own message would quote a value."""
        typed = [f"{name} {kind.declared}" for name, kind in columns.items() if kind.form is not Form.TEXT]
        return DeliveryError(
            f"{self.name}: table {table} holds values that do not fit their columns' types: {', '.join(typed)}",
            next_step="Correct those values, or make the column TEXT.",
        )

    @property
    def _file(self) -> Path:
        path = text(self.path).removeprefix("sqlite:///")
        if "://" in path:
            raise ConfigError(f"warehouse {path.split('://')[0]}:// is not supported; only SQLite files are")
        return Path(path)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        from sqlalchemy import exc

        try:
            with _engine(str(self._file)).connect() as connection:
                yield connection
        except exc.OperationalError as error:
            reason = str(error.orig)
            if "locked" in reason or "busy" in reason:
                raise TransientError(f"{self.name}: {self._file.name} is locked by another program") from None
            raise DeliveryError(f"{self.name}: {self._file.name}: {reason}") from None
        except exc.DBAPIError as error:
            raise DeliveryError(f"{self.name}: {self._file.name}: {error.orig}") from None


@lru_cache(maxsize=16)
def _engine(path: str) -> Engine:
    from sqlalchemy import NullPool, create_engine, event

    # The driver's autocommit, so that BEGIN IMMEDIATE is ours and DDL is part of the transaction.
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -32768")
        # The stage never holds more than one slice.
        connection.execute("PRAGMA temp_store = MEMORY")

    return engine


def _merge(connection: Connection, stream: Stream, changes: Changes) -> Counts:
    schema = changes.batch.schema()
    before = KeyedTable.reflect(connection, stream.target, stream.key)
    kinds = before.fitted(schema)
    table = before.prepare(connection, kinds)
    inserted, already_there = _insert_new(connection, table, kinds, changes)
    updated, missing = 0, 0
    if already_there or changes.counts.updated:
        # Keys that someone else wrote since the comparison meet the guarded update as well.
        _make_stage(connection, kinds)
        table.prepare_archive(connection)
        for frame in chain(already_there, _slices(changes.rows(RowClass.UPDATED))):
            _fill_stage(connection, table, kinds, schema, frame)
            table.archive_replaced(connection, kinds, changes.batch.id)
            updated += _update_staged(connection, table, kinds, changes.batch.id)
            missing += _insert_staged(connection, table, kinds, changes.batch.id)
            connection.exec_driver_sql(f"DELETE FROM {STAGE}")
    found = changes.counts
    new = inserted + missing
    return Counts(
        new=new,
        updated=updated,
        unchanged=found.new + found.updated + found.unchanged - new - updated,
        duplicate=found.duplicate,
        rejected=found.rejected,
    )


def _insert_new(
    connection: Connection, table: KeyedTable, kinds: dict[str, Kind], changes: Changes
) -> tuple[int, list[pl.DataFrame]]:
    """Return how many rows went in, and the slices in which some key was there already."""
    insert = Insert(
        into=f"{quoted(table.name)} ({listed(kinds)}, {INSERTED})",
        columns=len(kinds),
        constants=(f"'{changes.batch.id}'",),
        then=f"ON CONFLICT ({listed(table.key)}) DO NOTHING",
    )
    inserted, conflicting = 0, []
    schema = changes.batch.schema()
    for frame in _slices(changes.rows(RowClass.NEW)):
        written = insert.rows(connection, _stored(table, kinds, schema, frame))
        inserted += written
        if written < frame.height:
            conflicting.append(frame)
    return inserted, conflicting


def _update_staged(connection: Connection, table: KeyedTable, kinds: dict[str, Kind], batch_id: str) -> int:
    names = table.values(kinds)
    if not names:
        return 0
    assignments = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names)
    condition = f"{table.on_key()} AND {table.differs(kinds)}"
    result = connection.exec_driver_sql(
        f"UPDATE {quoted(table.name)} AS t SET {assignments}, {UPDATED} = '{batch_id}'"
        f" FROM {STAGE} s WHERE {condition}"
    )
    return int(result.rowcount)


def _insert_staged(connection: Connection, table: KeyedTable, kinds: dict[str, Kind], batch_id: str) -> int:
    result = connection.exec_driver_sql(
        f"INSERT INTO {quoted(table.name)} ({listed(kinds)}, {INSERTED})"
        f" SELECT {listed(kinds, 's.')}, '{batch_id}' FROM {STAGE} s WHERE true"
        f" ON CONFLICT ({listed(table.key)}) DO NOTHING"
    )
    return int(result.rowcount)


def _make_stage(connection: Connection, kinds: dict[str, Kind]) -> None:
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {STAGE}")
    connection.exec_driver_sql(f"CREATE TEMP TABLE {STAGE.removeprefix('temp.')} ({listed(kinds)})")


def _fill_stage(
    connection: Connection,
    table: KeyedTable,
    kinds: dict[str, Kind],
    schema: dict[str, pl.DataType],
    frame: pl.DataFrame,
) -> None:
    insert = Insert(into=STAGE, columns=len(kinds))
    insert.rows(connection, _stored(table, kinds, schema, frame))


def _stored(
    table: KeyedTable, kinds: dict[str, Kind], schema: dict[str, pl.DataType], frame: pl.DataFrame
) -> pl.DataFrame:
    """Return the frame's rows as the table stores them, columns in the order of kinds."""
    import polars as pl

    for name in table.key:
        numeric = kinds[name].form in (Form.INTEGER, Form.REAL)
        same = pl.col(name).cast(pl.Int64, strict=False).cast(pl.String) == pl.col(name)
        if numeric and not frame.select(same.fill_null(False).all()).item():
            raise DeliveryError(
                f"table {table.name}: key column {name!r} is a number there, and would change the batch's ids",
                next_step=f"Make {name!r} a TEXT column, or name another table with table=.",
            )
    try:
        return frame.select(stored(name, schema[name], kind) for name, kind in kinds.items())
    except pl.exceptions.PolarsError:
        # Its message would quote values.
        money = [name for name, kind in kinds.items() if kind.form is Form.MONEY]
        raise DeliveryError(
            f"table {table.name}: a number of column {' or '.join(money)} has more than 18 digits, decimals included",
            next_step="Let the stream's transform round it or turn it into text, then `backhaul replay`.",
        ) from None


def _slices(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for frame in frames:
        yield from frame.drop(ROW).iter_slices(SLICE_ROWS)


def _is_empty(connection: Connection, table: KeyedTable) -> bool:
    found = connection.exec_driver_sql(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1").one_or_none()
    return found is None


def _storage_dtype(kind: Kind) -> Any:
    import polars as pl

    types = {Form.INTEGER: pl.Int64, Form.REAL: pl.Float64, Form.BOOLEAN: pl.Int64, Form.MONEY: pl.Int64}
    return types.get(kind.form, pl.String)
