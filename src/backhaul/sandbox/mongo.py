"""A MongoDB server for the demo: a program of this machine, started with an empty folder and ended with it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from backhaul.errors import TransientError

PROGRAM = "secantusd-py"
START_S = 20.0


def found_program() -> str | None:
    """Return the program that speaks MongoDB's protocol, beside this Python or on the PATH; None if there is none."""
    beside = Path(sys.executable).parent / PROGRAM
    return str(beside) if beside.is_file() else shutil.which(PROGRAM)


class SandboxMongo:
    """An empty server on loopback; runs between `with` and its end, and keeps nothing.

    Raises TransientError if the program is missing or does not start.
    """

    def __init__(self) -> None:
        self.port = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SandboxMongo:
        program = found_program()
        if program is None:
            raise TransientError(f"{PROGRAM} is not on this machine", next_step="pip install SecantusDB==0.7.0b3")
        with contextlib.ExitStack() as starting:
            folder = starting.enter_context(tempfile.TemporaryDirectory(prefix="backhaul-mongo-"))
            self.port = _free_port()
            process = subprocess.Popen(
                [program, "--port", str(self.port), "--storage-path", str(Path(folder, "data"))],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )
            starting.callback(_end, process)
            _wait(process, self.port)
            self._stack = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"mongodb://127.0.0.1:{self.port}/"


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise TransientError(f"{PROGRAM} did not start", next_step=f"Start it by hand to see why: {PROGRAM} --port 0.")


def _end(process: subprocess.Popen[bytes]) -> None:
    # It keeps nothing, and takes its time over an orderly end.
    process.kill()
    process.wait()
