"""The ledger on a PostgreSQL server: a schema of its own, beside whatever else is in the database."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cached_property

import sqlalchemy as sa

from backhaul.destinations.sql.server import PostgresServer, limited, made_engine, server_engine
from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.upgrade import refuse_newer, upgraded
from backhaul.errors import AlreadyRunning, BackhaulError
from backhaul.retry import Budget, retried

SCHEMA = "backhaul_ledger"
"""Not "backhaul": a schema with the name of the server's user is where that user's other tables would go."""

VERSION_TABLE = "ledger_version"
ONE_WRITER = 7_310_578_101
"""The number of the advisory lock that a transaction takes: writers take turns, as they do with a file."""

POOL_SIZE, IDLE_S = 2, 300
CONNECTING = Budget(attempts=4, seconds=30.0, first_wait_s=0.5)
"""A server that restarts must not end a run: nothing has been said to it yet."""

LOCK_POLL_S = 1.0
LOCK_SETTINGS = {
    "idle_in_transaction_session_timeout": "0",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "3",
}
"""A run may take long; a machine that has vanished lets go within a minute."""

_shared: weakref.WeakValueDictionary[str, LedgerServer] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


class LedgerServer:
    """A database by its URL. Its connections are used again, and closed when nobody needs them any more."""

    def __init__(self, url: str) -> None:
        self._server = PostgresServer(url, "ledger")
        self._is_there = False
        self._opening = threading.Lock()

    @classmethod
    def shared(cls, url: str) -> LedgerServer:
        """Return the one object for url, so that all ledgers of a process share their connections."""
        with _sharing:
            server = _shared.get(url)
            if server is None:
                server = _shared[url] = cls(url)
            return server

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = made_engine(
            self._server.url,
            pool_size=POOL_SIZE,
            max_overflow=20,
            pool_pre_ping=True,
            pool_recycle=IDLE_S,
            execution_options={"no_parameters": False},
        )
        weakref.finalize(self, engine.dispose)
        return engine

    def exists(self) -> bool:
        """Return whether the ledger has been made; an older one is brought up to date."""
        if not self._is_there:
            with self._connected() as connection:
                limited(connection)
                if self._version(connection) is None:
                    return False
            self._make()
        return True

    def begin_reading(self, connection: sa.Connection) -> None:
        """Begin a transaction in the ledger's schema."""
        limited(connection, search_path=SCHEMA)

    def begin_writing(self, connection: sa.Connection) -> None:
        """Begin a transaction in the ledger's schema when no other writer is left."""
        limited(connection, search_path=SCHEMA)
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_WRITER})")

    @contextlib.contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """Open a connection; the ledger is made if it is not there. Raises BackhaulError."""
        self._make()
        with self._connected() as connection:
            yield connection

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._server.translated(), retried(self._connection, CONNECTING) as connection:
            yield connection

    def _connection(self) -> sa.Connection:
        with self._server.translated():
            return self._engine.connect()

    @contextlib.contextmanager
    def held(self, pipeline: str, *, wait: bool) -> Iterator[None]:
        """Hold the pipeline's lock among all machines that share the server; one that is killed lets go.

        Raises AlreadyRunning if another one has it and wait is False, and BackhaulError.
        """
        connection = retried(self._lonely_connection, CONNECTING)
        try:
            with self._server.translated():
                limited(connection, **LOCK_SETTINGS)
                # Of a transaction, not of a session: poolers between us and the server keep the two together.
                while not connection.exec_driver_sql(
                    f"SELECT pg_try_advisory_xact_lock({_number_of(pipeline)})"
                ).scalar_one():
                    if not wait:
                        raise AlreadyRunning(f"{pipeline} is already running, perhaps on another machine")
                    time.sleep(LOCK_POLL_S)
            yield
        finally:
            # Closed as it is: a server that has gone meanwhile is no failure of what was done under the lock.
            connection.invalidate()
            connection.close()

    def _lonely_connection(self) -> sa.Connection:
        with self._server.translated():
            return server_engine(self._server.url).connect()

    def _make(self) -> None:
        with self._opening:
            if self._is_there:
                return
            with self._connected() as connection:
                # Only the first one makes the schema; the others wait for it here.
                self.begin_writing(connection)
                version = self._version(connection)
                if version is None:
                    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                    connection.exec_driver_sql(f"CREATE TABLE {VERSION_TABLE} (version integer NOT NULL)")
                    connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES ({t.VERSION})")
                if version is None or version < t.VERSION:
                    upgraded(connection)
                    connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version = {t.VERSION}")
                connection.commit()
            self._is_there = True

    def _version(self, connection: sa.Connection) -> int | None:
        """Return the version of the ledger's tables, or None if there are none. Raises BackhaulError for a newer."""
        name = f"{SCHEMA}.{VERSION_TABLE}"
        if connection.exec_driver_sql(f"SELECT to_regclass('{name}')").scalar_one() is None:
            return None
        version = connection.exec_driver_sql(f"SELECT version FROM {name}").scalar_one_or_none()
        if version is None:
            raise BackhaulError(
                f"ledger: {self._server.place}: table {name} is empty, so that nobody knows the ledger's version",
                next_step="Restore the schema from a backup of the database.",
            )
        refuse_newer(version, f"ledger: {self._server.place}")
        return int(version)


def _number_of(pipeline: str) -> int:
    """Return the number of a pipeline's advisory lock: the same on every machine and in every version."""
    digest = hashlib.blake2b(f"backhaul {pipeline}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
