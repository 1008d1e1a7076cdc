"""Brings the tables of an older ledger to the present version."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from backhaul.engine.ledger import tables as t
from backhaul.errors import BackhaulError


def refuse_newer(version: int, name: str) -> None:
    """Raise BackhaulError if a ledger (name, for the message) is of a version that this program does not know."""
    if version > t.VERSION:
        raise BackhaulError(
            f"{name} was written by a newer backhaul (version {version})",
            next_step="Update backhaul, then run again.",
        )


def upgraded(connection: sa.Connection) -> None:
    """Make the tables that are missing, and add the columns that are; in the caller's transaction."""
    t.metadata.create_all(connection)
    there = sa.inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    for table in t.metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                declared = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {declared}")
