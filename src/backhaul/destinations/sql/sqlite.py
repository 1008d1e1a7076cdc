"""SQLite's words: how it keeps each kind of value, and what it cannot do in one statement.

Money is a scaled integer, a day is ISO text, a moment is ISO text in UTC; the declared type says which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from backhaul.destinations.sql.dialect import (
    ARCHIVE_SUFFIX,
    INSERTED,
    KEYS,
    STAGE,
    ill_typed,
    listed,
    literal,
    lost_digits,
    quoted,
)
from backhaul.destinations.sql.kinds import TEXT, UNKNOWN, Form, Kind, as_text, kind_of_dtype
from backhaul.errors import DeliveryError

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

EXACT_INTEGERS = 2**53
"""A float keeps every digit of whole numbers up to here."""

MOST_ROWS_A_STATEMENT = 50
MOST_VALUES_A_STATEMENT = 900
"""SQLite's own limit on values was 999 until version 3.32."""

WORDS = {
    Form.UNKNOWN: "",
    Form.TEXT: "TEXT",
    Form.INTEGER: "INTEGER",
    Form.REAL: "REAL",
    Form.BOOLEAN: "BOOLEAN",
    Form.DATE: "DATE",
    Form.MOMENT: "DATETIME",
    Form.MONEY: "SCALED INTEGER",
}


def declared(kind: Kind) -> str:
    """Return the declared type of a column of kind, such as `TEXT` or `SCALED INTEGER(2)`."""
    return f"{WORDS[kind.form]}({kind.scale})" if kind.form is Form.MONEY else WORDS[kind.form]


def kind_of_declared(word: str) -> Kind:
    """Return the kind of a column by its declared type; a foreign one by SQLite's own affinity rules."""
    word = word.upper().strip()
    if money := re.fullmatch(r"SCALED INTEGER\((\d+)\)", word):
        return Kind(Form.MONEY, int(money[1]))
    exact = {"DATE": Form.DATE, "DATETIME": Form.MOMENT, "TIMESTAMP": Form.MOMENT, "BOOLEAN": Form.BOOLEAN}
    if word in exact:
        return Kind(exact[word])
    if "INT" in word:
        return Kind(Form.INTEGER)
    if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
        return TEXT
    return UNKNOWN if word in ("", "BLOB") else Kind(Form.REAL)


@dataclass(frozen=True)
class SqliteDialect:
    """See Dialect."""

    temporary: str = "temp"
    differs: str = "IS NOT"
    now: str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    clock: Kind = TEXT
    slice_rows: int = 20_000
    most_digits: int = 18
    is_choosy: bool = False

    def folded(self, name: str) -> str:
        """SQLite ignores upper and lower case."""
        return name.casefold()

    def refuse_names(self, table: str, names: Iterable[str]) -> None:
        """Any name will do."""

    def unfit(self, frame: pl.DataFrame, key: Collection[str]) -> Mapping[int, str]:
        """Any text will do."""
        return {}

    def stored(self, name: str, dtype: pl.DataType, kind: Kind) -> pl.Expr:
        """See Dialect."""
        import polars as pl

        column: pl.Expr = pl.col(name)
        own = kind_of_dtype(dtype)
        if own.form in (Form.UNKNOWN, Form.TEXT):
            return column
        if own.form in (Form.DATE, Form.MOMENT) or kind.form is Form.TEXT:
            return as_text(name, dtype)
        if kind.form is Form.MONEY:
            scaled = column.cast(pl.Decimal(38, kind.scale)) * pl.lit(10**kind.scale)
            return scaled.cast(pl.Int64)
        if kind.form is Form.REAL:
            return column.cast(pl.Float64)
        return column.cast(pl.Int64)

    def converted(self, column: str, old: Kind, new: Kind) -> str:
        """See Dialect."""
        if old == new:
            return column
        if old == UNKNOWN:
            return _untyped(column, new)
        if old.form is Form.MONEY and new.form is Form.MONEY:
            return f"{column} * {10 ** (new.scale - old.scale)}"
        if new.form is Form.MONEY:
            return f"{column} * {10**new.scale}"
        if new.form is Form.REAL:
            return f"{column} / {10.0**old.scale}"
        if old.form is Form.BOOLEAN:
            return f"CASE {column} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"
        if old.form is Form.MONEY and old.scale:
            unit = 10**old.scale
            digits = f"printf('%d.%0{old.scale}d', abs({column}) / {unit}, abs({column}) % {unit})"
            return f"CASE WHEN {column} < 0 THEN '-' WHEN {column} IS NOT NULL THEN '' END || {digits}"
        return f"CAST({column} AS TEXT)"

    def compared(self, value: str, kind: Kind) -> str:
        """Every value can be compared."""
        return value

    def columns(self, connection: Connection, table: str) -> dict[str, Kind]:
        """See Dialect."""
        rows = connection.exec_driver_sql(f"PRAGMA table_info({quoted(table)})").all()
        return {str(row[1]): kind_of_declared(str(row[2])) for row in rows}

    def tables(self, connection: Connection) -> list[str]:
        """See Dialect."""
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [row[0] for row in found if not row[0].startswith("sqlite_")]

    def unique_columns(self, connection: Connection, table: str) -> list[set[str]]:
        """See Dialect."""
        info = connection.exec_driver_sql(f"PRAGMA table_info({quoted(table)})").all()
        found = [{str(row[1]) for row in info if row[5]}]
        for index in connection.exec_driver_sql(f"PRAGMA index_list({quoted(table)})").all():
            is_whole = index[2] and not index[4]
            if is_whole:
                columns = connection.exec_driver_sql(f"PRAGMA index_info({quoted(str(index[1]))})").all()
                found.append({str(row[2]) for row in columns})
        return found

    def create(self, connection: Connection, table: str, kinds: Mapping[str, Kind], key: tuple[str, ...]) -> None:
        """See Dialect. A table is kept sorted by its key."""
        columns = ", ".join(f"{quoted(name)} {declared(kind)}" for name, kind in kinds.items())
        keyed = f"({columns}, PRIMARY KEY ({listed(key)})) WITHOUT ROWID" if key else f"({columns})"
        connection.exec_driver_sql(f"CREATE TABLE {quoted(table)} {keyed}")

    def add_column(self, connection: Connection, table: str, name: str, kind: Kind) -> None:
        """See Dialect."""
        connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {declared(kind)}")

    def widen(self, connection: Connection, table: str, name: str, kinds: tuple[Kind, Kind]) -> None:
        """See Dialect. SQLite cannot change a column's type: a new column takes the values and then the name."""
        there, kind = kinds
        spare, column = f"{name}__wide", quoted(name)
        self.add_column(connection, table, spare, kind)
        value = self.converted(column, there, kind)
        connection.exec_driver_sql(f"UPDATE {quoted(table)} SET {quoted(spare)} = {value} WHERE {column} IS NOT NULL")
        _refuse_lost_digits(connection, table, name, kinds)
        connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} DROP COLUMN {column}")
        connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} RENAME COLUMN {quoted(spare)} TO {column}")

    def make_stage(self, connection: Connection, kinds: Mapping[str, Kind]) -> None:
        """See Dialect."""
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{STAGE}")
        connection.exec_driver_sql(f"CREATE TEMP TABLE {STAGE} ({listed(kinds)})")

    def make_keys(self, connection: Connection, kinds: Mapping[str, Kind]) -> None:
        """See Dialect. The index is of use only where the types are those of the table."""
        columns = ", ".join(f"{quoted(name)} {declared(kind)}" for name, kind in kinds.items())
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS temp.{KEYS}")
        connection.exec_driver_sql(f"CREATE TEMP TABLE {KEYS} ({columns})")
        connection.exec_driver_sql(f"CREATE INDEX temp.{KEYS}_index ON {KEYS} ({listed(kinds)})")

    def clear(self, connection: Connection, name: str) -> None:
        """See Dialect."""
        connection.exec_driver_sql(f"DELETE FROM temp.{quoted(name)}")

    def row_number(self, kinds: Mapping[str, Kind]) -> str:
        """Return a name of SQLite's own row number that no column hides.

        Raises DeliveryError if they hide all three.
        """
        hidden = {name.casefold() for name in kinds}
        for name in ("rowid", "_rowid_", "oid"):
            if name not in hidden:
                return name
        raise DeliveryError(
            "columns named rowid, _rowid_ and oid leave SQLite no way to number rows",
            next_step="Rename one of them in the stream's transform.",
        )

    def fill(self, connection: Connection, name: str, frame: pl.DataFrame) -> None:
        """See Dialect."""
        Insert(into=f"temp.{quoted(name)}", columns=frame.width).rows(connection, frame)

    def insert_new(
        self, connection: Connection, table: str, key: tuple[str, ...], frame: pl.DataFrame, run: str
    ) -> int:
        """See Dialect."""
        insert = Insert(
            into=f"{quoted(table)} ({listed(frame.columns)}, {INSERTED})",
            columns=frame.width,
            constants=(literal(run),),
            then=f"ON CONFLICT ({listed(key)}) DO NOTHING",
        )
        return insert.rows(connection, frame)

    load = insert_new

    def lock(self, connection: Connection, name: str) -> None:
        """A transaction that writes has the file for itself."""

    def read(self, connection: Connection, table: str, kinds: Mapping[str, Kind]) -> Iterator[pl.DataFrame]:
        """See Dialect. An archive's rows are numbered as they come, whatever the clock of this machine says."""
        import polars as pl

        storage = {name: _storage_dtype(kind) for name, kind in kinds.items()}
        # Text is asked for where it is expected: an untyped column may hold anything.
        wanted = [
            f"CAST({quoted(name)} AS TEXT)" if dtype == pl.String else quoted(name) for name, dtype in storage.items()
        ]
        order = f" ORDER BY {self.row_number(kinds)}" if table.endswith(ARCHIVE_SUFFIX) else ""
        result = connection.exec_driver_sql(f"SELECT {', '.join(wanted)} FROM {quoted(table)}{order}")
        for rows in result.partitions(self.slice_rows):
            try:
                frame = pl.DataFrame([tuple(row) for row in rows], schema=storage, orient="row")
                typed = frame.select(restored(name, kind) for name, kind in kinds.items())
            except (pl.exceptions.PolarsError, TypeError, OverflowError):
                raise ill_typed(table, {name: declared(kind) for name, kind in kinds.items()}) from None
            yield typed


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


def restored(name: str, kind: Kind) -> pl.Expr:
    """Return the expression that gives a column as stored (kind) its frame type back."""
    import polars as pl

    column = pl.col(name)
    if kind.form is Form.DATE:
        return column.cast(pl.String).str.to_date("%Y-%m-%d")
    if kind.form is Form.MOMENT:
        return column.cast(pl.String).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
    if kind.form is Form.MONEY:
        return column.cast(pl.Decimal(38, kind.scale)) * pl.lit(Decimal(1).scaleb(-kind.scale))
    types = {Form.INTEGER: pl.Int64, Form.REAL: pl.Float64, Form.BOOLEAN: pl.Boolean}
    if kind.form is Form.BOOLEAN:
        column = column.cast(pl.Int64)
    return column.cast(types.get(kind.form, pl.String))


def _storage_dtype(kind: Kind) -> Any:
    import polars as pl

    types = {Form.INTEGER: pl.Int64, Form.REAL: pl.Float64, Form.BOOLEAN: pl.Int64, Form.MONEY: pl.Int64}
    return types.get(kind.form, pl.String)


def _untyped(column: str, new: Kind) -> str:
    """Ours is empty as long as its kind is unknown; in a person's table it may hold anything, which stays."""
    if new.form is Form.MONEY:
        scaled = f"CAST(round({column} * {10**new.scale}) AS INTEGER)"
        return f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {scaled} ELSE {column} END"
    return f"CAST({column} AS TEXT)" if new.form is Form.TEXT else column


def _refuse_lost_digits(connection: Connection, table: str, name: str, kinds: tuple[Kind, Kind]) -> None:
    """Raise DeliveryError if a widened column could not keep each digit: SQLite rounds and says nothing."""
    there, kind = kinds
    is_ours = there.form in (Form.INTEGER, Form.MONEY)
    if kind.form is Form.MONEY and is_ours:
        lost = f"typeof({quoted(f'{name}__wide')}) = 'real'"
    elif kind.form is Form.REAL and is_ours:
        lost = f"abs({quoted(name)}) > {EXACT_INTEGERS}"
    else:
        return
    found = connection.exec_driver_sql(f"SELECT count(*) FROM {quoted(table)} WHERE {lost}").scalar_one()
    if found:
        raise lost_digits(table, name, found)
