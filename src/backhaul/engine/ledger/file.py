"""Where the ledger is kept: an SQLite file or a PostgreSQL server, one transaction at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backhaul.destinations.sql.file import keep_a_log
from backhaul.destinations.sql.server import is_server
from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.server import LedgerServer
from backhaul.engine.ledger.upgrade import refuse_newer, upgraded
from backhaul.errors import BackhaulError, ConfigError

NEXT_WHEN_FULL = "Make room on the disk, then run again; nothing is lost."
NEXT_WHEN_CLOSED = "Check that the folder of the ledger is there and may be written; the ledger itself may be whole."
NEXT_WHEN_BROKEN = "`backhaul doctor` looks at the ledger; a damaged one is restored from a backup."


class LedgerFile:
    """The ledger's tables, made on first need; safe for threads and processes.

    `place` is a file, or `postgresql://...`: there, the tables lie in a schema of their own.
    """

    def __init__(self, place: Path | str) -> None:
        self._store = _store(place)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are all kept at the end, or none; writers take turns.

        Raises BackhaulError, where waiting may help a TransientError.
        """
        with self._store.connected() as connection:
            self._store.begin_writing(connection)
            yield connection
            connection.commit()

    def held(self, pipeline: str, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Hold a pipeline's lock among the machines that share the ledger; a file is of one machine.

        Raises AlreadyRunning if another one has it and wait is False.
        """
        return self._store.held(pipeline, wait=wait)

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """Return what query finds; nothing if there is no ledger yet."""
        if not self._store.exists():
            return []
        with self._store.connected() as connection:
            self._store.begin_reading(connection)
            return [dict(row) for row in connection.execute(query).mappings()]


class SqliteStore:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _engine(self) -> sa.Engine:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            f"sqlite:///{self.path}",
            poolclass=sa.NullPool,
            connect_args={"timeout": 30, "isolation_level": None},
        )
        with engine.connect() as connection:
            keep_a_log(connection)
            if self._version(connection) < t.VERSION:
                self.begin_writing(connection)
                # Another process may have been faster.
                if self._version(connection) < t.VERSION:
                    upgraded(connection)
                    connection.exec_driver_sql(f"PRAGMA user_version = {t.VERSION}")
                connection.commit()
        return engine

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    def begin_reading(self, connection: sa.Connection) -> None:
        """Do nothing: each statement sees a whole state."""

    def begin_writing(self, connection: sa.Connection) -> None:
        """Wait until no other writer is left."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def held(self, pipeline: str, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Do nothing: what one machine runs is kept apart by files."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """Open the file. Raises BackhaulError."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise BackhaulError(f"{self.path.name}: {error.orig}", next_step=_next_step(str(error.orig))) from error

    def _version(self, connection: sa.Connection) -> int:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        refuse_newer(version, self.path.name)
        return version


def _store(place: Path | str) -> SqliteStore | LedgerServer:
    if isinstance(place, Path):
        return SqliteStore(place)
    if is_server(place):
        return LedgerServer.shared(place)
    path = place.removeprefix("sqlite:///")
    if "://" in path:
        raise ConfigError(f"a ledger at {path.split('://')[0]}:// is not supported; files and postgresql:// are")
    return SqliteStore(Path(path))


def _next_step(reason: str) -> str:
    """Return what to do about SQLite's words; where its log cannot grow, it speaks of an I/O error."""
    if "full" in reason or "disk I/O" in reason:
        return NEXT_WHEN_FULL
    if "unable to open" in reason or "readonly" in reason:
        return NEXT_WHEN_CLOSED
    return NEXT_WHEN_BROKEN
