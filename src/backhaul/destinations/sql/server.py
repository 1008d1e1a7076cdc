"""A PostgreSQL server as a database to merge into: its address, time-outs, and its errors in our words.

No message holds an address, a password or a value: only the host, the database and names of tables and columns.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from backhaul.destinations.sql.patience import patient_connection
from backhaul.destinations.sql.postgres import PostgresDialect
from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError

if TYPE_CHECKING:
    from types import ModuleType

    import psycopg
    from sqlalchemy import URL, Connection, Engine

SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
STATEMENT_TIMEOUT_S = 1800
SILENCE_S = 60
"""How long a server may be unreachable before an open connection counts as lost."""

EXAMPLE = "postgresql://{user}:{password}@{host}:5432/{database}"
NEXT_WHEN_UNREACHABLE = "Check that the server runs and can be reached from here; what waits goes next time."
NEXT_WHEN_REFUSED = "Check user, password and database in the server's address in the settings."
NEXT_WHEN_FORBIDDEN = "Let the server's administrator grant this user what the message names."

REFUSED = ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist", "not permitted")
INSECURE = ("does not support SSL", "certificate", "SSL error")
PASSING = ("08", "40", "53300", "53200", "53400", "55P03", "57", "25P03", "55006")
"""Beginnings of SQLSTATEs that another attempt may not meet: connection, deadlock, too busy, locked, shut down."""


OF_VALUES = ("22", "23", "44", "P0")
"""Beginnings of SQLSTATEs whose words may quote a value: types, rules, views, people's triggers."""


def is_server(place: str) -> bool:
    """Return whether place is the address of a PostgreSQL server."""
    return place.split("://", maxsplit=1)[0] in SCHEMES and "://" in place


@dataclass(frozen=True)
class PostgresServer:
    """One database of a server, by its URL. `name` is how errors call the destination."""

    url: str = field(repr=False)
    name: str

    @property
    def place(self) -> str:
        """Host and database, to be shown."""
        address = parsed(self.url)
        return f"{address.host or 'local'}/{address.database or address.username or ''}"

    @property
    def dialect(self) -> PostgresDialect:
        """See Database."""
        return PostgresDialect()

    def exists(self) -> bool:
        """Return True: who makes databases is not us."""
        return True

    @contextlib.contextmanager
    def reading(self, *, many_keys: bool = False) -> Iterator[Connection]:
        """See Database."""
        with self.connected() as connection:
            limited(connection)
            yield connection

    @contextlib.contextmanager
    def writing(self, *, many_keys: bool = False) -> Iterator[Connection]:
        """See Database."""
        with self.connected() as connection:
            limited(connection)
            yield connection
            connection.commit()

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a connection; what the driver raises meanwhile becomes an error of ours."""
        with self.translated(), server_engine(self.url).connect() as connection:
            try:
                yield connection
            except driver().OperationalError:
                # COPY goes past SQLAlchemy, which would try to roll back what is lost.
                connection.invalidate()
                raise

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what the driver raises inside as an error of ours."""
        from sqlalchemy import exc

        psycopg = driver()
        try:
            yield
        except exc.DBAPIError as error:
            raise self._told(error.orig) from None
        except psycopg.Error as error:
            raise self._told(error) from None

    def _told(self, error: BaseException | None) -> BackhaulError:
        if not isinstance(error, driver().Error):
            return DeliveryError(f"{self.name}: {self.place}: {type(error).__name__}")
        return failure(error, f"{self.name}: {self.place}")


def driver() -> ModuleType:
    """Return psycopg. Raises ConfigError if it is missing."""
    try:
        import psycopg
    except ImportError:
        raise ConfigError(
            "PostgreSQL needs a package that is not installed",
            next_step='Install it: pip install "backhaul[postgres]"',
        ) from None
    return psycopg


def parsed(url: str) -> URL:
    """Return url taken apart. Raises ConfigError, which does not repeat it."""
    from sqlalchemy import exc, make_url

    try:
        address = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigError(
            "the address of a PostgreSQL server cannot be read",
            next_step=f"Write it as {EXAMPLE}, special characters in the password as %XX.",
        ) from None
    return address.set(drivername="postgresql+psycopg")


@lru_cache(maxsize=16)
def server_engine(url: str) -> Engine:
    """Return an engine without a pool. Raises ConfigError if the driver is missing."""
    from sqlalchemy import NullPool

    return made_engine(url, poolclass=NullPool)


def made_engine(url: str, **options: Any) -> Engine:
    """Return an engine whose every wait has an end. Raises ConfigError if the driver is missing."""
    from sqlalchemy import create_engine, event

    driver()
    address = parsed(url)
    defaults: dict[str, object] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": SILENCE_S // 4,
        "keepalives_interval": SILENCE_S // 4,
        "keepalives_count": 3,
        "tcp_user_timeout": SILENCE_S * 1000,
        "application_name": "backhaul",
        # Poolers between us and the server do not know prepared statements.
        "prepare_threshold": None,
    }
    own = {name: value for name, value in defaults.items() if name not in address.query}
    # Without parameters, a % in a name is a % and not the beginning of a mark.
    engine = create_engine(
        address,
        connect_args=own,
        isolation_level="READ COMMITTED",
        execution_options={"no_parameters": True, **options.pop("execution_options", {})},
        hide_parameters=True,
        **options,
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, named: Any) -> psycopg.Connection[Any]:
        return patient_connection().connect(*arguments, **named)

    return engine


def limited(connection: Connection, **more: str) -> None:
    """Begin a transaction in UTC in which nothing waits for ever; more are further settings for it."""
    limits: Mapping[str, str] = {
        "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_S}s",
        "timezone": "UTC",
        "datestyle": "ISO",
        "standard_conforming_strings": "on",
        **more,
    }
    statements = ";".join(f"SET LOCAL {name} = '{value}'" for name, value in limits.items())
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})


def failure(error: psycopg.Error, where: str) -> BackhaulError:
    """Return what the driver's error is for us; a passing one is a TransientError."""
    state = error.sqlstate or ""
    if not state:
        return _connection_failure(str(error), where)
    if state.startswith(PASSING):
        return TransientError(f"{where}: {_words(error)}", next_step=NEXT_WHEN_UNREACHABLE)
    if state.startswith("28"):
        return DeliveryError(f"{where}: the server refuses to sign in", next_step=NEXT_WHEN_REFUSED)
    if state.startswith(OF_VALUES):
        return _refused_value(error, where)
    if state == "42501":
        return DeliveryError(f"{where}: {_words(error)}", next_step=NEXT_WHEN_FORBIDDEN)
    if state == "53100":
        return DeliveryError(f"{where}: the server's disk is full", next_step="Make room on the server.")
    return DeliveryError(f"{where}: {_words(error)}")


def _connection_failure(words: str, where: str) -> BackhaulError:
    """Sort what the driver says where no server has spoken, or none that lets us in: there is no code for it."""
    if any(each in words for each in REFUSED):
        return DeliveryError(
            f"{where}: the server refuses this user, password or database", next_step=NEXT_WHEN_REFUSED
        )
    if any(each in words for each in INSECURE) and "eof" not in words.lower():
        return DeliveryError(
            f"{where}: no secure connection, as sslmode in its address asks for",
            next_step="Check sslmode and sslrootcert in the server's address, and the server's certificate.",
        )
    if "invalid connection option" in words or "invalid sslmode" in words:
        return ConfigError(f"{where}: the server's address has an option that does not exist")
    if "resolve" in words:
        return TransientError(f"{where}: no such host is known here", next_step=NEXT_WHEN_UNREACHABLE)
    return TransientError(f"{where}: the server does not answer", next_step=NEXT_WHEN_UNREACHABLE)


def _refused_value(error: psycopg.Error, where: str) -> DeliveryError:
    """Name the kind of trouble, the table and the column; the server's own words would quote a value."""
    facts = error.diag
    kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    copied = re.search(r"column (.+?)(: |$)", facts.context or "", re.MULTILINE)
    column = facts.column_name or (copied[1] if copied and (facts.context or "").startswith("COPY") else None)
    found = [facts.table_name and f"table {facts.table_name}", column and f"column {column!r}", facts.constraint_name]
    named = ", ".join(each for each in found if each)
    return DeliveryError(
        f"{where}: the database refuses a value{f' ({named})' if named else ''}: {kind}",
        next_step="Compare the table's column types and rules with the stream's rows; a transform can adapt them.",
    )


def _words(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).splitlines()[0]
