"""One keyed table: what it looks like now, what it becomes for a batch, and the SQL for both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backhaul.destinations.sql.dialect import (
    ARCHIVE_SUFFIX,
    ARCHIVED,
    ARCHIVED_AT,
    BOOKKEEPING,
    INSERTED,
    KEY_SUFFIX,
    KEYS,
    STAGE,
    UPDATED,
    Dialect,
    listed,
    literal,
    quoted,
)
from backhaul.destinations.sql.kinds import MOMENT, TEXT, UNKNOWN, Form, Kind, kind_of_dtype, widened
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import REMOVED_AT, Stream

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection


@dataclass(frozen=True)
class KeyedTable:
    """A table as it is (columns by name with their kinds; none if it does not exist) and the key it is merged by.

    With `is_complete`, its batches hold everything, and rows that they lack are marked in REMOVED_AT, a column that
    is made when it is first needed. `history` are the columns whose change archives a row, none is all.
    `is_fresh` is a table that this transaction has made: nobody else has rows in it.
    """

    dialect: Dialect
    name: str
    key: tuple[str, ...]
    columns: dict[str, Kind]
    is_complete: bool = False
    history: tuple[str, ...] = ()
    is_fresh: bool = False

    @classmethod
    def of(cls, dialect: Dialect, connection: Connection | None, stream: Stream) -> KeyedTable:
        """Return the table of stream; where there is no database to connect to, it does not exist.

        Raises DeliveryError if it exists but lacks a key column.
        """
        key, is_complete, history = stream.key, stream.complete, stream.history
        if connection is None:
            return cls(dialect, stream.target, key, {}, is_complete, history)
        there = cls.reflect(dialect, connection, stream.target, key)
        return replace(there, is_complete=is_complete, history=history)

    @classmethod
    def reflect(cls, dialect: Dialect, connection: Connection, name: str, key: tuple[str, ...]) -> KeyedTable:
        """Read the table's columns. Raises DeliveryError if it exists but lacks a key column."""
        columns = dialect.columns(connection, name)
        absent = [each for each in key if columns and each not in columns]
        if absent:
            raise DeliveryError(
                f"table {name} exists but has no key column {', '.join(absent)}; it has {list(columns)}",
                next_step="Name another table with table=, or rename the table's column.",
            )
        return cls(dialect, name, key, columns)

    @property
    def exists(self) -> bool:
        """Whether the table is there."""
        return bool(self.columns)

    @property
    def archive(self) -> str:
        """The table that keeps what merges have replaced."""
        return f"{self.name}{ARCHIVE_SUFFIX}"

    def is_empty(self, connection: Connection) -> bool:
        """Return whether the table, which exists, has no rows."""
        found = connection.exec_driver_sql(f"SELECT 1 FROM {quoted(self.name)} LIMIT 1").one_or_none()
        return found is None

    def values(self, names: Iterable[str]) -> list[str]:
        """Return names without the key's."""
        return [name for name in names if name not in self.key]

    def fitted(self, schema: dict[str, pl.DataType]) -> dict[str, Kind]:
        """Return the kind that each column of a batch with this schema has after its merge, in the batch's order.

        Key columns of an existing table and columns of a type that only the database knows keep their kind.
        Raises DeliveryError for names that the table cannot hold, ConfigError for a history that it cannot have.
        """
        self.dialect.refuse_names(self.name, schema)
        self._refuse_foreign_marks()
        self._refuse_unknown_history(schema)
        folded = self.dialect.folded
        by_folded: dict[str, str] = {folded(name): name for name in self.columns}
        own = (*BOOKKEEPING, REMOVED_AT) if self.is_complete else BOOKKEEPING
        kinds: dict[str, Kind] = {}
        for name, dtype in schema.items():
            known = by_folded.setdefault(folded(name), name)
            if folded(name) in own:
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
            elif there and there.form is Form.FOREIGN:
                kinds[name] = there
            else:
                kinds[name] = widened(there or UNKNOWN, kind_of_dtype(dtype))
        return kinds

    def comparable(self, name: str, kind: Kind) -> str:
        """Return SQL for the value of column name in row `t`, in the form of kind; NULL if the table lacks it."""
        there = self.columns.get(name)
        return "NULL" if there is None else self.dialect.converted(f"t.{quoted(name)}", there, kind)

    def on_key(self) -> str:
        """Return the join condition of table `t` and a temporary table `s`."""
        return " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in self.key)

    def differs(self, kinds: dict[str, Kind]) -> str:
        """Return the NULL-safe condition that a staged row `s` has another value than the table's row `t`.

        A row that was marked as removed and is back differs, too.
        """
        return self._differs(kinds, self.values(kinds))

    def _differs(self, kinds: dict[str, Kind], names: list[str]) -> str:
        compared = self.dialect.compared
        there = ", ".join(compared(self.comparable(name, kinds[name]), kinds[name]) for name in names)
        here = ", ".join(compared(f"s.{quoted(name)}", kinds[name]) for name in names)
        conditions = [f"({there}) {self.dialect.differs} ({here})"] if names else []
        if self._has_marks:
            conditions.append(f"t.{REMOVED_AT} IS NOT NULL")
        return f"({' OR '.join(conditions)})" if conditions else "1 = 0"

    def assigned(self, kinds: dict[str, Kind]) -> str:
        """Return the assignments that bring row `t` to what the staged row `s` says; empty if there are none."""
        back = [f"{REMOVED_AT} = NULL"] if self._has_marks else []
        return ", ".join([f"{quoted(name)} = s.{quoted(name)}" for name in self.values(kinds)] + back)

    def gone(self) -> str | None:
        """Return the condition that row `t` came by a merge and is not among KEYS any more; None if no row can be."""
        if INSERTED not in self.columns:
            return None
        conditions = [
            *([f"t.{REMOVED_AT} IS NULL"] if self._has_marks else []),
            f"t.{INSERTED} IS NOT NULL",
            f"NOT EXISTS (SELECT 1 FROM {self.dialect.temporary}.{KEYS} s WHERE {self.on_key()})",
        ]
        return " AND ".join(conditions)

    def prepare(self, connection: Connection, kinds: dict[str, Kind]) -> KeyedTable:
        """Make the table fit kinds: create it, add or widen columns; return it as it is then. In a transaction."""
        own = {INSERTED: TEXT, UPDATED: TEXT}
        if not self.exists:
            self.dialect.create(connection, self.name, {**kinds, **own}, self.key)
        else:
            for name, kind in {**kinds, **own}.items():
                self._fit_column(connection, name, kind)
            self._ensure_unique(connection)
        return replace(self, columns=self.dialect.columns(connection, self.name), is_fresh=not self.exists)

    def prepare_marks(self, connection: Connection) -> KeyedTable:
        """Add the column for marks of removal if it is not there; return the table as it is then."""
        if self._has_marks:
            return self
        self.dialect.add_column(connection, self.name, REMOVED_AT, MOMENT)
        return replace(self, columns=self.dialect.columns(connection, self.name))

    def prepare_archive(self, connection: Connection) -> None:
        """Make the archive table, or add and widen its columns so that they hold the table's values as they are."""
        there = KeyedTable.reflect(self.dialect, connection, self.archive, ())
        columns = {**self.columns, ARCHIVED: TEXT, ARCHIVED_AT: self.dialect.clock}
        if there.exists:
            for name, kind in columns.items():
                there._fit_column(connection, name, widened(there.columns.get(name, kind), kind))
        else:
            self.dialect.create(connection, self.archive, columns, ())

    def archive_replaced(self, connection: Connection, kinds: dict[str, Kind], batch_id: str) -> None:
        """Copy each row that differs from its staged row into the archive table; kinds as in `differs`.

        With a history, those that differ in one of its columns; what a row was while it was removed is one as well.
        """
        names = [name for name in self.values(kinds) if not self.history or name in self.history]
        staged = f"JOIN {self.dialect.temporary}.{STAGE} s ON {self.on_key()}"
        self._archive(connection, f"{staged} WHERE {self._differs(kinds, names)}", batch_id)

    def archive_gone(self, connection: Connection, batch_id: str) -> None:
        """Copy each row that is `gone` into the archive table."""
        self._archive(connection, f"WHERE {self.gone()}", batch_id)

    def _archive(self, connection: Connection, chosen: str, batch_id: str) -> None:
        archive = KeyedTable.reflect(self.dialect, connection, self.archive, ())
        values = ", ".join(self.comparable(name, archive.columns[name]) for name in self.columns)
        connection.exec_driver_sql(
            f"INSERT INTO {quoted(self.archive)} ({listed(self.columns)}, {ARCHIVED}, {ARCHIVED_AT})"
            f" SELECT {values}, {literal(batch_id)}, {self.dialect.now} FROM {quoted(self.name)} t {chosen}"
        )

    @property
    def _has_marks(self) -> bool:
        return self.is_complete and REMOVED_AT in self.columns

    def _refuse_foreign_marks(self) -> None:
        if self.is_complete and self.columns.get(REMOVED_AT, MOMENT) != MOMENT:
            raise DeliveryError(
                f"table {self.name}: column {REMOVED_AT!r} is of another type than ours, a date with time",
                next_step="Rename it in the table, or name another table with table=.",
            )

    def _refuse_unknown_history(self, schema: dict[str, pl.DataType]) -> None:
        """Raise ConfigError for a column of the history that neither the batch nor the table has, or of the key.

        A batch without any column tells nothing.
        """
        unknown = [name for name in self.history if schema and name not in schema and name not in self.columns]
        if unknown:
            raise ConfigError(
                f"table {self.name}: history names {', '.join(map(repr, unknown))}, which its rows do not have;"
                f" they have {', '.join(schema)}",
                next_step="Correct history= of the stream.",
            )
        if keys := [name for name in self.history if name in self.key]:
            raise ConfigError(
                f"table {self.name}: history names {', '.join(map(repr, keys))} of the key, which never changes",
                next_step="Name other columns in history= of the stream.",
            )

    def _fit_column(self, connection: Connection, name: str, kind: Kind) -> None:
        there = self.columns.get(name)
        if there is None:
            self.dialect.add_column(connection, self.name, name, kind)
        elif there != kind:
            self.dialect.widen(connection, self.name, name, (there, kind))

    def _ensure_unique(self, connection: Connection) -> None:
        if set(self.key) in self.dialect.unique_columns(connection, self.name):
            return
        self._refuse_double_keys(connection)
        connection.exec_driver_sql(
            f"CREATE UNIQUE INDEX {quoted(self.name + KEY_SUFFIX)} ON {quoted(self.name)} ({listed(self.key)})"
        )

    def _refuse_double_keys(self, connection: Connection) -> None:
        keys = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.key)
        twice = connection.exec_driver_sql(
            f"SELECT count(*) FROM (SELECT 1 FROM {quoted(self.name)} WHERE {keys}"
            f" GROUP BY {listed(self.key)} HAVING count(*) > 1) AS twice"
        ).scalar_one()
        if twice:
            raise DeliveryError(
                f"table {self.name} holds {twice} keys more than once; nothing was written",
                next_step=f"Leave one row for each {', '.join(self.key)} in the table, then run again.",
            )
