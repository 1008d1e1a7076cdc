"""A MongoDB server for the tests: SecantusDB, which speaks the wire protocol, started once for each process.

`MONGO_TEST_URL` names a real one in its place; each test gets a database of its own, which is dropped in the end.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pymongo
import pymongo.common
from secantus import SecantusDBServer

REAL = os.environ.get("MONGO_TEST_URL", "")

# So long the driver waits before it looks again at a server that was lost; else half a second.
pymongo.common.MIN_HEARTBEAT_INTERVAL = 0.05


def client(*, alone: bool = False) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a client of the shared server, for what a test does itself; one that is `alone` has no transactions."""
    return _client(alone)


@cache
def _client(alone: bool) -> pymongo.MongoClient[dict[str, Any]]:
    if REAL and not alone:
        found: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(REAL, tz_aware=True)
        atexit.register(found.close)
        return found
    server = SecantusDBServer(storage_path=":memory:", replica_set_name=None if alone else "test")
    server.start()
    atexit.register(server.stop)
    found = pymongo.MongoClient(server.uri, tz_aware=True)
    atexit.register(found.close)
    return found


def url(*, alone: bool = False, **options: int) -> str:
    """Return the address of the shared server; options are added to it."""
    address = (not alone and REAL) or "mongodb://{}:{}/".format(*client(alone=alone).address or ())
    more = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{address}{'&' if '?' in address else '?'}{more}" if more else address


def new_database() -> str:
    """Return a name that no other test has."""
    name = f"test_{secrets.token_hex(6)}"
    if REAL:
        atexit.register(client().drop_database, name)
    return name


@contextlib.contextmanager
def own_server(folder: str = ":memory:", **options: Any) -> Iterator[SecantusDBServer]:
    """Run a server for one test; what lies in folder is there again the next time."""
    with SecantusDBServer(storage_path=folder, **options) as server:
        yield server


@contextlib.contextmanager
def fault(failing: list[str], *, times: int = 1, alone: bool = False, **data: Any) -> Iterator[None]:
    """Let commands of the destination fail so many times; `data` says how, as in MongoDB's own configureFailPoint."""
    admin = client(alone=alone).admin
    point = {"configureFailPoint": "failCommand", "mode": {"times": times}}
    admin.command({**point, "data": {"failCommands": failing, "appName": "backhaul", **data}})
    try:
        yield
    finally:
        admin.command({"configureFailPoint": "failCommand", "mode": "off"})


class Proxy:
    """A way to the shared server that loses its answer to chosen commands, after they were applied.

    `lose` is how many answers to the commands called `command` are lost; each closes its connection. `before` is
    called once, when the first of them is on its way. `commands` are the names of all that went through.
    """

    def __init__(self, *, alone: bool = False) -> None:
        self.command, self.lose, self.lost = "", 0, 0
        self.before: Callable[[], object] | None = None
        self._alone = alone
        self.commands: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/?directConnection=true"

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(ours,), daemon=True).start()

    def _serve(self, ours: socket.socket) -> None:
        address = client(alone=self._alone).address
        assert address is not None
        with contextlib.suppress(OSError), ours, socket.create_connection(address) as theirs:
            while message := _message(ours):
                # Behind the header, flags, kind, size and type: the first name in the command's document.
                name = message[26 : message.index(b"\0", 26)].decode(errors="replace")
                self.commands.append(name)
                if self.before is not None and name == self.command:
                    before, self.before = self.before, None
                    before()
                theirs.sendall(message)
                answer = _message(theirs)
                if self.lose and name == self.command:
                    self.lose -= 1
                    self.lost += 1
                    return
                ours.sendall(answer)


def _message(connection: socket.socket) -> bytes:
    head = _exactly(connection, 4)
    return head + _exactly(connection, int.from_bytes(head, "little") - 4) if head else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := connection.recv(size - len(found))):
        found += part
    return found
