"""An SQLite file as a database to merge into."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backhaul.destinations.sql.sqlite import SqliteDialect
from backhaul.errors import DeliveryError, TransientError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_TIMEOUT_S = 30


@dataclass(frozen=True)
class SqliteFile:
    """A file, made by the first write. `name` is how errors call the destination."""

    path: Path
    name: str

    @property
    def dialect(self) -> SqliteDialect:
        """See Database."""
        return SqliteDialect()

    @property
    def place(self) -> str:
        """See Database."""
        return self.path.name

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    @contextlib.contextmanager
    def reading(self, *, many_keys: bool = False) -> Iterator[Connection]:
        """See Database."""
        with self._connected(many_keys) as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextlib.contextmanager
    def writing(self, *, many_keys: bool = False) -> Iterator[Connection]:
        """See Database. Other writers wait; readers go on with what was there before."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeliveryError(
                f"{self.name}: the folder {self.path.parent} cannot be made: {error.strerror}"
            ) from None
        with self._connected(many_keys) as connection:
            # The first load of a new file is written straight into it: a log would double the bytes.
            is_new = not connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            if not is_new:
                keep_a_log(connection)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    @contextlib.contextmanager
    def _connected(self, many_keys: bool) -> Iterator[Connection]:
        from sqlalchemy import exc

        try:
            with _engine(str(self.path)).connect() as connection:
                if many_keys:
                    connection.exec_driver_sql("PRAGMA temp_store = FILE")
                yield connection
        except exc.OperationalError as error:
            reason = str(error.orig)
            if "locked" in reason or "busy" in reason:
                raise TransientError(f"{self.name}: {self.path.name} is locked by another program") from None
            raise DeliveryError(f"{self.name}: {self.path.name}: {reason}", next_step=_next_step(reason)) from None
        except exc.DBAPIError as error:
            raise DeliveryError(f"{self.name}: {self.path.name}: {error.orig}") from None


def keep_a_log(connection: Connection) -> None:
    """Let readers go on while others write, from now on.

    Unlike BEGIN, this change does not wait for others; where one is in the way, the next write makes it.
    """
    from sqlalchemy import exc

    try:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    except exc.OperationalError as error:
        if "locked" not in str(error.orig):
            raise


def _next_step(reason: str) -> str | None:
    """Return what to do about SQLite's words; where its log cannot grow, it speaks of an I/O error."""
    if "full" in reason or "disk I/O" in reason:
        return "Make room on the disk; the next run delivers what is pending."
    return None


@lru_cache(maxsize=16)
def _engine(path: str) -> Engine:
    from sqlalchemy import NullPool, create_engine, event

    # The driver's autocommit, so that BEGIN IMMEDIATE is ours and DDL is part of the transaction.
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -32768")
        # The stage never holds more than one slice.
        connection.execute("PRAGMA temp_store = MEMORY")

    return engine
