"""A MongoDB server: its address, time-outs, and its errors in our words.

No message holds an address with a password, or a value: the server's own words quote keys and documents.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError

if TYPE_CHECKING:
    from types import ModuleType

    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

URL_SETTING = "MONGODB_URI"
HOST_SETTING = "MONGO_HOST"
SCHEMES = ("mongodb://", "mongodb+srv://")
CONTAINER_HOST = "mongo"

TIMEOUT_MS = 5_000
SILENCE_MS = 60_000
"""How long a server may take over one call: an index of a large collection takes a while."""

NEXT_WHEN_UNREACHABLE = "Check that the server runs and can be reached from here; what waits goes next time."
NEXT_WHEN_REFUSED = f"Check user, password and authSource in {URL_SETTING}, or in the setting the pipeline names."
NEXT_WHEN_FORBIDDEN = (
    f"Give the user the role readWrite on the database; if none is named, put one into {URL_SETTING}."
)

REFUSED = (18, 334)
OF_ATLAS = 8000
"""Everything that the hosted service has to say: a refused password, a full quota."""

FORBIDDEN = (13,)
NO_ROOM = (14031, 15999)
A_VIEW = (166,)
PASSING = (
    *(6, 7, 24, 50, 64, 89, 91, 112, 133, 134, 189, 202, 246, 251, 262, 290, 317, 365, 462),
    *(9001, 10058, 10107, 11600, 11602, 13388, 13435, 13436),
    *(43, 136, 175, 237),
)
"""Codes that another attempt may not meet: unreachable, time-outs, conflicts, stepping down, shutting down.

The last four are of reading: the place in the collection was lost.
"""


def driver() -> ModuleType:
    """Return pymongo. Raises ConfigError if it is missing."""
    try:
        import pymongo
    except ImportError:
        raise ConfigError(
            "MongoDB needs a package that is not installed",
            next_step='Install it: pip install "backhaul[mongo]"',
        ) from None
    return pymongo


@dataclass(frozen=True)
class MongoServer:
    """A server by its URL, else by its host, else found by itself; `name` is how errors call the destination."""

    url: str = field(repr=False)
    host: str
    name: str

    @property
    def address(self) -> str:
        """The URL to connect to. Raises ConfigError, which does not repeat it."""
        if self.url:
            if not self.url.startswith(SCHEMES):
                raise ConfigError(
                    f"{self.name}: the address of the MongoDB server is none",
                    next_step=f"Let {URL_SETTING} begin with {' or '.join(SCHEMES)}.",
                )
            return self.url
        host = self.host or found_host()
        if not re.fullmatch(r"[\w.:,\[\]-]+", host):
            raise ConfigError(
                f"{self.name}: the host of the MongoDB server is a name, or a name and a port",
                next_step=f"Put a whole address, with its user and password, into {URL_SETTING}, not {HOST_SETTING}.",
            )
        return f"mongodb://{host}"

    @property
    def place(self) -> str:
        """Host and port, to be shown."""
        return re.split("[/?]", self.address.split("://", 1)[1].rpartition("@")[2])[0]

    @contextlib.contextmanager
    def connected(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """Open a client; what the driver raises meanwhile becomes an error of ours."""
        with self.translated(), self._client() as client:
            yield client

    def described(self, database: str, collection: str) -> str:
        """Return in a line which server this is and what the collection holds; changes nothing. Raises our errors."""
        with self.connected() as client:
            version = client.server_info()["version"]
            count = client[database][collection].estimated_document_count()
        documents = "1 document" if count == 1 else f"{count:,} documents"
        return f"{self.place}, MongoDB {version}, {database}.{collection}: {documents}"

    def _client(self) -> MongoClient[dict[str, Any]]:
        options: dict[str, Any] = {
            "serverSelectionTimeoutMS": TIMEOUT_MS,
            "connectTimeoutMS": TIMEOUT_MS,
            "socketTimeoutMS": SILENCE_MS,
            "appname": "backhaul",
            "w": "majority",
            "wTimeoutMS": SILENCE_MS,
        }
        said = {each.partition("=")[0].lower() for each in re.split("[&;]", self.address.partition("?")[2])}
        own = {name: value for name, value in options.items() if name.lower() not in said}
        # Dates and texts that people's programs wrote and Python cannot hold are theirs to keep.
        lenient = {"datetime_conversion": "DATETIME_AUTO", "unicode_decode_error_handler": "replace"}
        client: MongoClient[dict[str, Any]] = driver().MongoClient(self.address, tz_aware=True, **own, **lenient)
        return client

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what the driver raises inside as an error of ours."""
        driver()
        from bson.errors import BSONError
        from pymongo.errors import PyMongoError

        try:
            yield
        except PyMongoError as error:
            raise failure(error, f"{self.name}: {self.place}") from None
        except BSONError as error:
            raise DeliveryError(f"{self.name}: {self.place}: a document cannot be read or written") from error


def found_host() -> str:
    """Return the host where nobody has named one: in a container the one called mongo, if there is one."""
    if is_in_container():
        with contextlib.suppress(OSError):
            socket.getaddrinfo(CONTAINER_HOST, None)
            return CONTAINER_HOST
    return "localhost"


def is_in_container() -> bool:
    """Tell whether this process runs in a container."""
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(mark.exists() for mark in marks) or bool({"KUBERNETES_SERVICE_HOST", "container"} & set(os.environ))


def failure(error: PyMongoError, where: str) -> BackhaulError:
    """Return what the driver's error is for us; a passing one is a TransientError."""
    from pymongo import errors

    code = _code(error)
    if code in REFUSED or (code == OF_ATLAS and "auth" in str(error)):
        return ConfigError(f"{where}: the server refuses to sign in", next_step=NEXT_WHEN_REFUSED)
    if code in FORBIDDEN:
        return ConfigError(f"{where}: this user may not do that, or has to sign in", next_step=NEXT_WHEN_FORBIDDEN)
    if code in NO_ROOM:
        return DeliveryError(f"{where}: the server's disk is full", next_step="Make room on the server.")
    if code in A_VIEW:
        return DeliveryError(f"{where}: it is a view", next_step="Name a collection in the pipeline.")
    if isinstance(error, errors.ServerSelectionTimeoutError | errors.AutoReconnect) and _is_insecure(error):
        return ConfigError(
            f"{where}: no secure connection, as its address asks for",
            next_step=f"Check tls and tlsCAFile in {URL_SETTING}, and the server's certificate.",
        )
    passing = errors.ConnectionFailure | errors.ExecutionTimeout | errors.WTimeoutError
    if isinstance(error, passing) or code in PASSING or error.has_error_label("TransientTransactionError"):
        words = "does not answer" if code is None else f"cannot take it now (code {code})"
        return TransientError(f"{where}: the server {words}", next_step=NEXT_WHEN_UNREACHABLE)
    if isinstance(error, errors.ConfigurationError | errors.InvalidName | errors.InvalidURI):
        return ConfigError(
            f"{where}: the server's address, or the name of a database or collection, cannot be used",
            next_step=f"Look at {URL_SETTING}; special characters in user and password are written as %XX.",
        )
    return DeliveryError(f"{where}: {type(error).__name__}{'' if code is None else f', code {code}'}")


def _code(error: PyMongoError) -> int | None:
    """Return the server's code, that of the first document where a whole bulk failed."""
    from pymongo.errors import BulkWriteError, OperationFailure

    if not isinstance(error, OperationFailure):
        return None
    if isinstance(error, BulkWriteError) and error.details:
        found = [*error.details.get("writeErrors", ()), *error.details.get("writeConcernErrors", ())]
        return int(found[0]["code"]) if found else error.code
    return error.code


def _is_insecure(error: PyMongoError) -> bool:
    return any(each in str(error) for each in ("SSL handshake failed", "certificate verify", "CERTIFICATE"))
