"""Tables in PostgreSQL's terms: columns, DDL, and rows as the text that COPY reads and pg_dump writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

Value = str | int | bool | Decimal | datetime | bytes | None
Row = Mapping[str, Value]
"""One row by column name; a column that it lacks is NULL."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"})


@dataclass(frozen=True)
class Column:
    """A column: its name, its type in the server's words, and its constraints."""

    name: str
    type: str
    rest: str = ""

    @property
    def decimals(self) -> int | None:
        """How many decimals the server prints: 20 for `numeric(35,20)`, None for what is not numeric."""
        return int(self.type.rpartition(",")[2].rstrip(")")) if self.type.startswith("numeric(") else None

    def text(self, value: Value) -> str | None:
        """Return value as the server prints it, None for NULL."""
        if value is None:
            return None
        if isinstance(value, bool):
            return "t" if value else "f"
        if isinstance(value, bytes):
            return "\\x" + value.hex()
        if isinstance(value, datetime):
            return value.isoformat(" ")
        return f"{value:.{self.decimals}f}" if self.decimals is not None else str(value)


@dataclass(frozen=True)
class Table:
    """A table of schema `public`."""

    name: str
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, name: str, columns: str) -> Table:
        """Return a table from lines such as `satuan varchar(30)` or `kodeitem varchar(100) primary key`."""
        return cls(name, tuple(_column(line.strip()) for line in columns.strip().splitlines()))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def ddl(self) -> str:
        """The statement that makes the table, keys left to `keys`."""
        columns = ", ".join(f"{each.name} {each.type}{_default(each.rest)}" for each in self.columns)
        return f"CREATE TABLE public.{self.name} ({columns})"

    @property
    def keys(self) -> tuple[str, ...]:
        """The statements that add the keys, which are cheaper after the rows."""
        kinds = {"primary key": "pkey", "unique": "key"}
        return tuple(
            f"ALTER TABLE public.{self.name} ADD CONSTRAINT {self.name}_{each.name}_{kinds[each.rest]}"
            f" {each.rest.upper()} ({each.name})"
            for each in self.columns
            if each.rest in kinds
        )

    def texts(self, rows: Iterable[Row]) -> Iterator[tuple[str | None, ...]]:
        """Yield each row's values in column order, as the server prints them; None is NULL."""
        for row in rows:
            yield tuple(column.text(row.get(column.name)) for column in self.columns)

    def copy_lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """Yield each row as a line of COPY text, its line break included."""
        for values in self.texts(rows):
            yield "\t".join("\\N" if value is None else value.translate(_ESCAPES) for value in values) + "\n"


def _column(line: str) -> Column:
    name, _, rest = line.partition(" ")
    for word in (" primary key", " unique", " default "):
        kind, found, after = rest.partition(word)
        if found:
            return Column(name, kind, (found + after).strip())
    return Column(name, rest)


def _default(rest: str) -> str:
    return f" {rest.upper().split()[0]} {rest.split()[1]}" if rest.startswith("default") else ""
