"""What the merge asks of a database: the words in which SQLite and PostgreSQL differ, and how to reach one."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from backhaul.destinations.sql.kinds import Kind
from backhaul.errors import DeliveryError

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

INSERTED, UPDATED = "_inserted_run", "_updated_run"
ARCHIVED, ARCHIVED_AT = "_archived_by", "_archived_at"
BOOKKEEPING = (INSERTED, UPDATED, ARCHIVED, ARCHIVED_AT)
"""Columns that no batch may bring: ours, in every table or its archive."""

RECEIPTS = "_backhaul_receipts"
ARCHIVE_SUFFIX, KEY_SUFFIX = "__archive", "__key"
STAGE, KEYS = "_backhaul_stage", "_backhaul_keys"
"""Temporary tables: one slice of the batch, and all keys of a complete batch."""


def quoted(name: str) -> str:
    """Return name as an SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Return quoted names, comma-separated, each after prefix."""
    return ", ".join(prefix + quoted(name) for name in names)


def literal(text: str) -> str:
    """Return text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def lost_digits(table: str, name: str, found: int) -> DeliveryError:
    """Return the error for numbers that widening a column would cut."""
    return DeliveryError(
        f"table {table}: {found} numbers of column {name!r} have more digits than fit beside the batch's"
        " fractions; nothing was changed",
        next_step="Let the stream's transform turn the column into text, then `backhaul replay`.",
    )


def ill_typed(table: str, declared: Mapping[str, str]) -> DeliveryError:
    """Return the error for values that no frame can hold; what Polars or a driver says would quote one."""
    named = [f"{name} {word}" for name, word in declared.items() if word.upper() != "TEXT"]
    return DeliveryError(
        f"table {table} holds values that do not fit their columns' types: {', '.join(named)}",
        next_step="Correct those values, or make the column TEXT.",
    )


class Dialect(Protocol):
    """One database's words. Frozen, without state; `kinds` are columns by name, in order."""

    @property
    def temporary(self) -> str:
        """The schema of temporary tables."""

    @property
    def differs(self) -> str:
        """The NULL-safe operator between two unequal rows of values."""

    @property
    def now(self) -> str:
        """SQL for the present moment (UTC), as a column of kind `clock` keeps it."""

    @property
    def clock(self) -> Kind:
        """The kind of our own columns of moments."""

    @property
    def slice_rows(self) -> int:
        """How many rows are staged at once."""

    @property
    def most_digits(self) -> int:
        """How many digits money may have, decimals included."""

    def folded(self, name: str) -> str:
        """Return what two names share that this database takes for one."""

    def refuse_names(self, table: str, names: Iterable[str]) -> None:
        """Raise DeliveryError for names that the database cannot give to a table or its columns."""

    @property
    def is_choosy(self) -> bool:
        """Whether there are rows that the database can never keep."""

    def unfit(self, frame: pl.DataFrame, key: Collection[str]) -> Mapping[int, str]:
        """Return which rows the database can never keep, by their place in frame, and why."""

    def stored(self, name: str, dtype: pl.DataType, kind: Kind) -> pl.Expr:
        """Return the expression that gives column name, of dtype, the form in which `fill` takes a column of kind."""

    def converted(self, column: str, old: Kind, new: Kind) -> str:
        """Return SQL that gives column (quoted, kept as old) the form of new; `new` is `widened(old, ...)`."""

    def compared(self, value: str, kind: Kind) -> str:
        """Return SQL that gives a value of kind a form in which two of them can be compared."""

    def columns(self, connection: Connection, table: str) -> dict[str, Kind]:
        """Return a table's columns, none if it is not there."""

    def tables(self, connection: Connection) -> list[str]:
        """Return the names of all tables but temporary ones."""

    def unique_columns(self, connection: Connection, table: str) -> list[set[str]]:
        """Return the sets of columns that the database itself keeps unique."""

    def create(self, connection: Connection, table: str, kinds: Mapping[str, Kind], key: tuple[str, ...]) -> None:
        """Make a table; without a key, rows may repeat."""

    def add_column(self, connection: Connection, table: str, name: str, kind: Kind) -> None:
        """Add an empty column."""

    def widen(self, connection: Connection, table: str, name: str, kinds: tuple[Kind, Kind]) -> None:
        """Turn a column of the first kind into the second. Raises DeliveryError where numbers would lose digits."""

    def make_stage(self, connection: Connection, kinds: Mapping[str, Kind]) -> None:
        """Make the temporary table STAGE, empty, in the place of one that is there."""

    def make_keys(self, connection: Connection, kinds: Mapping[str, Kind]) -> None:
        """Make the temporary table KEYS, empty, in the place of one that is there."""

    def clear(self, connection: Connection, name: str) -> None:
        """Empty a temporary table."""

    def row_number(self, kinds: Mapping[str, Kind]) -> str:
        """Return SQL for the number, from 1, of a row of a temporary table that was filled once."""

    def fill(self, connection: Connection, name: str, frame: pl.DataFrame) -> None:
        """Put the rows of frame (as `stored`) into a temporary table with the same columns."""

    def insert_new(
        self, connection: Connection, table: str, key: tuple[str, ...], frame: pl.DataFrame, run: str
    ) -> int:
        """Insert the rows of frame (as `stored`) whose keys are not there; return how many went in."""

    def load(self, connection: Connection, table: str, key: tuple[str, ...], frame: pl.DataFrame, run: str) -> int:
        """Do the same with a table that this transaction has made."""

    def lock(self, connection: Connection, name: str) -> None:
        """Let nobody else merge into a table until the transaction ends."""

    def read(self, connection: Connection, table: str, kinds: Mapping[str, Kind]) -> Iterator[pl.DataFrame]:
        """Yield the rows with their types, bounded; those of an archive in the order in which they were replaced.

        Raises DeliveryError for values that are not of their type.
        """


class Database(Protocol):
    """A place with tables; each way in raises DeliveryError and TransientError for what the database says."""

    @property
    def dialect(self) -> Dialect:
        """Its words."""

    @property
    def place(self) -> str:
        """What may be shown of where it is."""

    def exists(self) -> bool:
        """Return whether there can be anything in it."""

    def reading(self, *, many_keys: bool = False) -> contextlib.AbstractContextManager[Connection]:
        """Open a transaction that is rolled back; with many_keys, temporary tables may become large."""

    def writing(self, *, many_keys: bool = False) -> contextlib.AbstractContextManager[Connection]:
        """Open a transaction that is committed at the end, making what the database needs to be there."""
