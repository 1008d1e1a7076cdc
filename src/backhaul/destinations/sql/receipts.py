"""Receipts: what each batch did to each table, written in the merge's own transaction."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from backhaul.destinations.sql.dialect import RECEIPTS, Dialect, literal
from backhaul.destinations.sql.kinds import INTEGER, TEXT
from backhaul.model import Counts

if TYPE_CHECKING:
    from sqlalchemy import Connection

COUNTS = tuple(each.name for each in fields(Counts))


def find_receipt(dialect: Dialect, connection: Connection, batch_id: str, table: str) -> Counts | None:
    """Return what the batch has done to the table, or None if it has not been merged."""
    columns = dialect.columns(connection, RECEIPTS)
    known = [name for name in COUNTS if name in columns]
    if not known:
        return None
    row = connection.exec_driver_sql(
        f"SELECT {', '.join(known)} FROM {RECEIPTS}"
        f" WHERE batch_id = {literal(batch_id)} AND table_name = {literal(table)}"
    ).one_or_none()
    return None if row is None else Counts(**dict(zip(known, (number or 0 for number in row), strict=True)))


def keep_receipt(dialect: Dialect, connection: Connection, batch_id: str, table: str, counts: Counts) -> None:
    """Write the receipt, into a table that is made or completed on first need."""
    _prepare(dialect, connection)
    numbers = asdict(counts)
    connection.exec_driver_sql(
        f"INSERT INTO {RECEIPTS} (batch_id, table_name, written_at, {', '.join(numbers)})"
        f" VALUES ({literal(batch_id)}, {literal(table)}, {dialect.now}, {', '.join(map(str, numbers.values()))})"
    )


def _prepare(dialect: Dialect, connection: Connection) -> None:
    kinds = {"batch_id": TEXT, "table_name": TEXT, **dict.fromkeys(COUNTS, INTEGER), "written_at": dialect.clock}
    if set(kinds) <= set(dialect.columns(connection, RECEIPTS)):
        return
    # Always the last lock of a merge, so that two of them cannot wait for each other.
    dialect.lock(connection, RECEIPTS)
    there = dialect.columns(connection, RECEIPTS)
    if not there:
        dialect.create(connection, RECEIPTS, kinds, ("batch_id", "table_name"))
        return
    for name in set(kinds) - set(there):
        dialect.add_column(connection, RECEIPTS, name, kinds[name])
