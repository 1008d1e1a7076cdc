"""One keyed table in SQLite: what it looks like now, what it becomes for a batch, and the SQL for both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from backhaul.destinations.sql_kinds import (
    TEXT,
    UNKNOWN,
    Form,
    Kind,
    converted_sql,
    kind_of_declared,
    kind_of_dtype,
    widened,
)
from backhaul.errors import DeliveryError

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

INSERTED, UPDATED = "_inserted_run", "_updated_run"
ARCHIVED, ARCHIVED_AT = "_archived_by", "_archived_at"
RECEIPTS = "_backhaul_receipts"
STAGE = "temp._backhaul_stage"

EXACT_INTEGERS = 2**53
"""A float keeps every digit of whole numbers up to here."""

MOST_ROWS_A_STATEMENT = 50
MOST_VALUES_A_STATEMENT = 900
"""SQLite's own limit on values was 999 until version 3.32."""


def quoted(name: str) -> str:
    """Return name as an SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Return quoted names, comma-separated, each after prefix."""
    return ", ".join(prefix + quoted(name) for name in names)


def row_number(names: Iterable[str]) -> str:
    """Return a name of SQLite's own row number that no column in names hides.

    Raises DeliveryError if they hide all three.
    """
    hidden = {name.casefold() for name in names}
    for name in ("rowid", "_rowid_", "oid"):
        if name not in hidden:
            return name
    raise DeliveryError(
        "columns named rowid, _rowid_ and oid leave SQLite no way to number rows",
        next_step="Rename one of them in the stream's transform.",
    )


@dataclass(frozen=True)
class Insert:
    """An INSERT of many rows at a time: several rows a statement take half the time of one.

    `into` names the table and its columns, of which the last get constants (SQL); `then` is what follows.
    """

    into: str
    columns: int
    constants: tuple[str, ...] = ()
    then: str = ""

    def rows(self, connection: Connection, frame: pl.DataFrame) -> int:
        """Insert frame, whose columns are in the order of the marks; return how many rows went in."""
        together = max(1, min(MOST_ROWS_A_STATEMENT, MOST_VALUES_A_STATEMENT // self.columns))
        columns = [column.to_list() for column in frame]
        whole = frame.height - frame.height % together
        written = 0
        for rows, start, end in ((together, 0, whole), (1, whole, frame.height)):
            values = [
                tuple(chain.from_iterable(column[at : at + rows] for column in columns))
                for at in range(start, end, rows)
            ]
            if values:
                marks = ",".join(self._marks(row, rows) for row in range(rows))
                statement = f"INSERT INTO {self.into} VALUES {marks} {self.then}"
                written += connection.exec_driver_sql(statement, values).rowcount
        return written

    def _marks(self, row: int, rows: int) -> str:
        """Return the marks of one row; the values of a statement come column by column, so marks have numbers."""
        marks = [f"?{column * rows + row + 1}" for column in range(self.columns)]
        return f"({','.join([*marks, *self.constants])})"


@dataclass(frozen=True)
class KeyedTable:
    """A table as it is (columns by name with their kinds; none if it does not exist) and the key it is merged by."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, Kind]

    @classmethod
    def reflect(cls, connection: Connection, name: str, key: tuple[str, ...]) -> KeyedTable:
        """Read the table's columns. Raises DeliveryError if it exists but lacks a key column."""
        rows = connection.exec_driver_sql(f"PRAGMA table_info({quoted(name)})").all()
        columns = {str(row[1]): kind_of_declared(str(row[2])) for row in rows}
        absent = [each for each in key if columns and each not in columns]
        if absent:
            raise DeliveryError(
                f"table {name} exists but has no key column {', '.join(absent)}; it has {list(columns)}",
                next_step="Name another table with table=, or rename the table's column.",
            )
        return cls(name, key, columns)

    @property
    def exists(self) -> bool:
        """Whether the table is there."""
        return bool(self.columns)

    @property
    def archive(self) -> str:
        """The table that keeps what merges have replaced."""
        return f"{self.name}__archive"

    def values(self, names: Iterable[str]) -> list[str]:
        """Return names without the key's."""
        return [name for name in names if name not in self.key]

    def fitted(self, schema: dict[str, pl.DataType]) -> dict[str, Kind]:
        """Return the kind that each column of a batch with this schema has after its merge, in the batch's order.

        A key column of an existing table keeps its kind. Raises DeliveryError for names that the table cannot hold.
        """
        by_folded: dict[str, str] = {name.casefold(): name for name in self.columns}
        kinds: dict[str, Kind] = {}
        for name, dtype in schema.items():
            known = by_folded.setdefault(name.casefold(), name)
            if name.casefold() in (INSERTED, UPDATED):
                raise DeliveryError(
                    f"table {self.name}: column {name!r} is backhaul's own, and the batch has one of that name",
                    next_step="Rename it in the stream's transform.",
                )
            if known != name:
                raise DeliveryError(
                    f"table {self.name}: column {name!r} clashes with {known!r}; SQL ignores upper and lower case",
                    next_step="Rename one of them in the stream's transform.",
                )
            there = self.columns.get(name)
            if name in self.key:
                kinds[name] = there or TEXT
            else:
                kinds[name] = widened(there or UNKNOWN, kind_of_dtype(dtype))
        return kinds

    def comparable(self, name: str, kind: Kind, alias: str = "t") -> str:
        """Return SQL for the table's value of column name in the form of kind; NULL if the table lacks it."""
        there = self.columns.get(name)
        return "NULL" if there is None else converted_sql(f"{alias}.{quoted(name)}", there, kind)

    def on_key(self) -> str:
        """Return the join condition of table `t` and stage `s`."""
        return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in self.key)

    def differs(self, kinds: dict[str, Kind]) -> str:
        """Return the NULL-safe condition that a staged row `s` has another value than the table's row `t`."""
        names = self.values(kinds)
        there = ", ".join(self.comparable(name, kinds[name]) for name in names)
        return f"({there}) IS NOT ({listed(names, 's.')})" if names else "0"

    def prepare(self, connection: Connection, kinds: dict[str, Kind]) -> KeyedTable:
        """Make the table fit kinds: create it, add or widen columns; return it as it is then. In a transaction."""
        if not self.exists:
            columns = ", ".join(f"{quoted(name)} {kind.declared}" for name, kind in kinds.items())
            connection.exec_driver_sql(
                f"CREATE TABLE {quoted(self.name)} ({columns}, {INSERTED} TEXT, {UPDATED} TEXT,"
                f" PRIMARY KEY ({listed(self.key)})) WITHOUT ROWID"
            )
        else:
            bookkeeping = {INSERTED: TEXT, UPDATED: TEXT}
            for name, kind in {**kinds, **bookkeeping}.items():
                self._fit_column(connection, name, kind)
            self._ensure_unique(connection)
        return KeyedTable.reflect(connection, self.name, self.key)

    def _fit_column(self, connection: Connection, name: str, kind: Kind) -> None:
        there = self.columns.get(name)
        table, column = quoted(self.name), quoted(name)
        if there is None:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind.declared}")
        elif there != kind:
            # SQLite cannot change a column's type: a new column takes the values and then the name.
            wide = quoted(f"{name}__wide")
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {wide} {kind.declared}")
            value = converted_sql(column, there, kind)
            connection.exec_driver_sql(f"UPDATE {table} SET {wide} = {value} WHERE {column} IS NOT NULL")
            self._refuse_lost_digits(connection, name, there, kind)
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME COLUMN {wide} TO {column}")

    def _refuse_lost_digits(self, connection: Connection, name: str, there: Kind, kind: Kind) -> None:
        """Raise DeliveryError if a widened column could not keep each digit: SQLite rounds and says nothing."""
        is_ours = there.form in (Form.INTEGER, Form.MONEY)
        if kind.form is Form.MONEY and is_ours:
            lost = f"typeof({quoted(f'{name}__wide')}) = 'real'"
        elif kind.form is Form.REAL and is_ours:
            lost = f"abs({quoted(name)}) > {EXACT_INTEGERS}"
        else:
            return
        found = connection.exec_driver_sql(f"SELECT count(*) FROM {quoted(self.name)} WHERE {lost}").scalar_one()
        if found:
            raise DeliveryError(
                f"table {self.name}: {found} numbers of column {name!r} have more digits than fit beside the batch's"
                " fractions; nothing was changed",
                next_step="Let the stream's transform turn the column into text, then `backhaul replay`.",
            )

    def _ensure_unique(self, connection: Connection) -> None:
        table = quoted(self.name)
        info = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
        if {str(row[1]) for row in info if row[5]} == set(self.key):
            return
        for index in connection.exec_driver_sql(f"PRAGMA index_list({table})").all():
            columns = connection.exec_driver_sql(f"PRAGMA index_info({quoted(str(index[1]))})").all()
            is_whole = index[2] and not index[4]
            if is_whole and {str(row[2]) for row in columns} == set(self.key):
                return
        self._refuse_double_keys(connection)
        connection.exec_driver_sql(
            f"CREATE UNIQUE INDEX {quoted(f'{self.name}__key')} ON {table} ({listed(self.key)})"
        )

    def _refuse_double_keys(self, connection: Connection) -> None:
        keys = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.key)
        twice = connection.exec_driver_sql(
            f"SELECT count(*) FROM (SELECT 1 FROM {quoted(self.name)} WHERE {keys}"
            f" GROUP BY {listed(self.key)} HAVING count(*) > 1)"
        ).scalar_one()
        if twice:
            raise DeliveryError(
                f"table {self.name} holds {twice} keys more than once; nothing was written",
                next_step=f"Leave one row for each {', '.join(self.key)} in the table, then run again.",
            )

    def prepare_archive(self, connection: Connection) -> None:
        """Make the archive table, or add and widen its columns so that they hold the table's values as they are."""
        there = KeyedTable.reflect(connection, self.archive, ())
        columns = {**self.columns, ARCHIVED: TEXT, ARCHIVED_AT: TEXT}
        if there.exists:
            for name, kind in columns.items():
                there._fit_column(connection, name, widened(there.columns.get(name, kind), kind))
        else:
            declared = ", ".join(f"{quoted(name)} {kind.declared}" for name, kind in columns.items())
            connection.exec_driver_sql(f"CREATE TABLE {quoted(self.archive)} ({declared})")

    def archive_replaced(self, connection: Connection, kinds: dict[str, Kind], batch_id: str) -> None:
        """Copy each row that differs from its staged row into the archive table; kinds as in `differs`."""
        archive = KeyedTable.reflect(connection, self.archive, ())
        values = ", ".join(self.comparable(name, archive.columns[name]) for name in self.columns)
        connection.exec_driver_sql(
            f"INSERT INTO {quoted(self.archive)} ({listed(self.columns)}, {ARCHIVED}, {ARCHIVED_AT})"
            f" SELECT {values}, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
            f" FROM {STAGE} s JOIN {quoted(self.name)} t ON {self.on_key()} WHERE {self.differs(kinds)}",
            (batch_id,),
        )
