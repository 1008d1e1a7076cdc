"""The ledger's file: opening it, one transaction at a time, and reading rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backhaul.engine import ledger_tables as t
from backhaul.errors import BackhaulError

NEXT_WHEN_FULL = "Make room on the disk, then run again; nothing is lost."
NEXT_WHEN_CLOSED = "Check that the folder of the ledger is there and may be written; the ledger itself may be whole."
NEXT_WHEN_BROKEN = "`backhaul doctor` looks at the ledger; a damaged one is restored from a backup."


class LedgerFile:
    """An SQLite file with the ledger's tables, made on first need; safe for threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _engine(self) -> sa.Engine:
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            f"sqlite:///{self.path}",
            poolclass=sa.NullPool,
            connect_args={"timeout": 30, "isolation_level": None},
        )
        with engine.connect() as connection:
            if is_new:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version > t.VERSION:
                raise BackhaulError(
                    f"{self.path.name} was written by a newer backhaul (version {version})",
                    next_step="Update backhaul, then run again.",
                )
            if version < t.VERSION:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                t.metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {t.VERSION}")
                connection.commit()
        return engine

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise BackhaulError(f"{self.path.name}: {error.orig}", next_step=_next_step(str(error.orig))) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are all kept at the end, or none. Raises BackhaulError."""
        with self._connected() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """Return what query finds; nothing if there is no file yet."""
        if not self.path.exists():
            return []
        with self._connected() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _next_step(reason: str) -> str:
    """Return what to do about SQLite's words; where its log cannot grow, it speaks of an I/O error."""
    if "full" in reason or "disk I/O" in reason:
        return NEXT_WHEN_FULL
    if "unable to open" in reason or "readonly" in reason:
        return NEXT_WHEN_CLOSED
    return NEXT_WHEN_BROKEN
