"""The merge of a batch into a keyed table, set-wise, the same for every SQL database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from backhaul.destinations.sql.dialect import INSERTED, KEYS, STAGE, UPDATED, Dialect, listed, literal, quoted
from backhaul.destinations.sql.kinds import Form, Kind
from backhaul.destinations.sql.table import KeyedTable
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, ROW, Batch, Changes, Counts, Rejected, RowClass, Stream

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection


def all_new(dialect: Dialect, batch: Batch, key: tuple[str, ...]) -> Changes:
    """Return what there is to do where the table is not there or empty: every row that can be kept is new."""
    import polars as pl

    classes = pl.zeros(batch.rows, dtype=pl.UInt8, eager=True)
    if not dialect.is_choosy:
        return Changes(batch, classes)
    refused, offset = [], 0
    for frame in batch.frames():
        unfit = dialect.unfit(frame, key)
        classes[[offset + at for at in unfit]] = int(RowClass.REFUSED)
        refused += _rejected(frame, unfit)
        offset += frame.height
    return Changes(batch, classes, tuple(refused))


def unstored(dialect: Dialect, stream: Stream, batch: Batch) -> Changes:
    """Return what there is to do where not even a database is there. Raises as `compared` does."""
    KeyedTable.of(dialect, None, stream).fitted(batch.schema())
    return all_new(dialect, batch, stream.key)


def compared(dialect: Dialect, connection: Connection, stream: Stream, batch: Batch) -> Changes:
    """Classify each row of batch against the table, and count the rows that a complete batch lacks."""
    import polars as pl

    table = KeyedTable.of(dialect, connection, stream)
    kinds = table.fitted(batch.schema())
    if not table.exists or table.is_empty(connection):
        return all_new(dialect, batch, stream.key)
    classes, refused = [pl.zeros(0, dtype=pl.UInt8, eager=True)], []
    if batch.rows:
        dialect.make_stage(connection, kinds)
    for frame in _slices(batch.frames(), dialect.slice_rows):
        unfit = dialect.unfit(frame, stream.key)
        refused += _rejected(frame, unfit)
        classes.append(_classified(connection, table, kinds, batch.schema(), frame, unfit))
    removed = _count_gone(connection, table, batch) if stream.complete else 0
    return Changes(batch, pl.concat(classes), tuple(refused), removed)


def merged(dialect: Dialect, connection: Connection, stream: Stream, changes: Changes) -> Counts:
    """Merge the new and updated rows, and mark the removed ones; in the caller's transaction."""
    schema = changes.batch.schema()
    before = KeyedTable.of(dialect, connection, stream)
    if not before.exists and not changes.batch.rows:
        return changes.counts
    kinds = before.fitted(schema)
    table = before.prepare(connection, kinds)
    inserted, already_there = _insert_new(connection, table, kinds, changes)
    updated, missing = 0, 0
    if already_there or changes.counts.updated:
        # Keys that someone else wrote since the comparison meet the guarded update as well.
        dialect.make_stage(connection, kinds)
        table.prepare_archive(connection)
        for frame in chain(already_there, _slices(changes.rows(RowClass.UPDATED), dialect.slice_rows)):
            dialect.fill(connection, STAGE, _stored(table, kinds, schema, frame))
            table.archive_replaced(connection, kinds, changes.batch.id)
            updated += _update_staged(connection, table, kinds, changes.batch.id)
            missing += _insert_staged(connection, table, kinds, changes.batch.id)
            dialect.clear(connection, STAGE)
    found = changes.counts
    new = inserted + missing
    return replace(
        found,
        new=new,
        updated=updated,
        unchanged=found.new + found.updated + found.unchanged - new - updated,
        removed=_mark_gone(connection, table, changes.batch) if stream.complete else 0,
    )


def _rejected(frame: pl.DataFrame, unfit: Mapping[int, str]) -> list[Rejected]:
    return [Rejected(frame[ROW][at], reason) for at, reason in unfit.items()]


def _classified(
    connection: Connection,
    table: KeyedTable,
    kinds: dict[str, Kind],
    schema: dict[str, pl.DataType],
    frame: pl.DataFrame,
    unfit: Mapping[int, str],
) -> pl.Series:
    """Return the class of each row of one slice."""
    import polars as pl

    dialect = table.dialect
    found = pl.repeat(int(RowClass.UNCHANGED), frame.height, dtype=pl.UInt8, eager=True)
    places = [at for at in range(frame.height) if at not in unfit]
    dialect.fill(connection, STAGE, _stored(table, kinds, schema, frame[places] if unfit else frame))
    first = f"t.{quoted(table.key[0])}"
    changed = connection.exec_driver_sql(
        f"SELECT s.{dialect.row_number(kinds)}, {first} IS NULL FROM {dialect.temporary}.{STAGE} s"
        f" LEFT JOIN {quoted(table.name)} t ON {table.on_key()} WHERE {first} IS NULL OR {table.differs(kinds)}"
    ).all()
    dialect.clear(connection, STAGE)
    found[[places[row[0] - 1] for row in changed]] = [
        int(RowClass.NEW if row[1] else RowClass.UPDATED) for row in changed
    ]
    found[list(unfit)] = int(RowClass.REFUSED)
    return found


def _insert_new(
    connection: Connection, table: KeyedTable, kinds: dict[str, Kind], changes: Changes
) -> tuple[int, list[pl.DataFrame]]:
    """Return how many rows went in, and the slices in which some key was there already."""
    dialect, schema = table.dialect, changes.batch.schema()
    insert = dialect.load if table.is_fresh else dialect.insert_new
    inserted, conflicting = 0, []
    for frame in _slices(changes.rows(RowClass.NEW), dialect.slice_rows):
        rows = _stored(table, kinds, schema, frame)
        written = insert(connection, table.name, table.key, rows, changes.batch.id)
        inserted += written
        if written < frame.height:
            conflicting.append(frame)
    return inserted, conflicting


def _update_staged(connection: Connection, table: KeyedTable, kinds: dict[str, Kind], batch_id: str) -> int:
    assigned = table.assigned(kinds)
    if not assigned:
        return 0
    result = connection.exec_driver_sql(
        f"UPDATE {quoted(table.name)} AS t SET {assigned}, {UPDATED} = {literal(batch_id)}"
        f" FROM {table.dialect.temporary}.{STAGE} s WHERE {table.on_key()} AND {table.differs(kinds)}"
    )
    return int(result.rowcount)


def _insert_staged(connection: Connection, table: KeyedTable, kinds: dict[str, Kind], batch_id: str) -> int:
    result = connection.exec_driver_sql(
        f"INSERT INTO {quoted(table.name)} ({listed(kinds)}, {INSERTED})"
        f" SELECT {listed(kinds, 's.')}, {literal(batch_id)} FROM {table.dialect.temporary}.{STAGE} s WHERE true"
        f" ON CONFLICT ({listed(table.key)}) DO NOTHING"
    )
    return int(result.rowcount)


def _count_gone(connection: Connection, table: KeyedTable, batch: Batch) -> int:
    """Return how many rows of the table a complete batch lacks and nobody has marked yet."""
    gone = table.gone()
    if gone is None:
        return 0
    _fill_keys(connection, table, batch)
    found = connection.exec_driver_sql(f"SELECT count(*) FROM {quoted(table.name)} t WHERE {gone}")
    return int(found.scalar_one())


def _mark_gone(connection: Connection, table: KeyedTable, batch: Batch) -> int:
    """Mark the rows that a complete batch lacks, their former state archived; return how many there are."""
    if not _count_gone(connection, table, batch):
        return 0
    table = table.prepare_marks(connection)
    table.prepare_archive(connection)
    table.archive_gone(connection, batch.id)
    result = connection.exec_driver_sql(
        f"UPDATE {quoted(table.name)} AS t SET {REMOVED_AT} = {table.dialect.now}, {UPDATED} = {literal(batch.id)}"
        f" WHERE {table.gone()}"
    )
    return int(result.rowcount)


def _fill_keys(connection: Connection, table: KeyedTable, batch: Batch) -> None:
    """Put all keys of batch into KEYS, those of refused rows too; keys that no row can have are left out."""
    import polars as pl

    dialect = table.dialect
    kinds = {name: table.columns[name] for name in table.key}
    dialect.make_keys(connection, kinds)
    schema: dict[str, pl.DataType] = {name: pl.String() for name in kinds}
    for frame in _slices((each.select(table.key) for each in batch.frames()), dialect.slice_rows):
        unfit = dialect.unfit(frame, table.key)
        fit = frame[[at for at in range(frame.height) if at not in unfit]] if unfit else frame
        dialect.fill(connection, KEYS, _stored(table, kinds, schema, fit))


def _stored(
    table: KeyedTable, kinds: dict[str, Kind], schema: dict[str, pl.DataType], frame: pl.DataFrame
) -> pl.DataFrame:
    """Return the frame's rows as the table stores them, columns in the order of kinds."""
    import polars as pl

    for name in table.key:
        numeric = kinds[name].form in (Form.INTEGER, Form.REAL, Form.MONEY, Form.NUMBER)
        same = pl.col(name).cast(pl.Int64, strict=False).cast(pl.String) == pl.col(name)
        if numeric and not frame.select(same.fill_null(False).all()).item():
            raise DeliveryError(
                f"table {table.name}: key column {name!r} is a number there, and would change the batch's ids",
                next_step=f"Make {name!r} a TEXT column, or name another table with table=.",
            )
    try:
        return frame.select(table.dialect.stored(name, schema[name], kind) for name, kind in kinds.items())
    except pl.exceptions.PolarsError:
        # Its message would quote values.
        money = [name for name, kind in kinds.items() if kind.form is Form.MONEY]
        raise DeliveryError(
            f"table {table.name}: a number of column {' or '.join(money)} has more than"
            f" {table.dialect.most_digits} digits, decimals included",
            next_step="Let the stream's transform round it or turn it into text, then `backhaul replay`.",
        ) from None


def _slices(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    for frame in frames:
        yield from frame.iter_slices(rows)
