"""A run of one stream in a process of its own that kills itself at its n-th step, as a power cut would.

Steps are what the interpreter announces: each file that is opened for writing, each rename, removal and folder,
each connection to a database; and the moments before and after each call over HTTP, each statement and each commit
on a server. So every point between two steps of the engine is one of them, known to it or not.

Usage: python killed_run.py FOLDER URL USER PASSWORD STREAM STEP   (STEP 0: not killed; prints the number of steps)
Other settings of the installation come from the environment.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import find

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree", "sqlite3.connect/handle"}
OURS = ("BACKHAUL_KEY", "BACKHAUL_LEDGER_URL", "BACKHAUL_WAREHOUSE_URL", "GOOGLE_", "SHEET_", "TELEGRAM_")


class Steps:
    """Counts, and ends the process at the step `last`."""

    def __init__(self, last: int) -> None:
        self.last, self.done = last, 0
        self._lock = threading.Lock()

    def step(self) -> None:
        """Take one step."""
        with self._lock:
            self.done += 1
            if self.done == self.last:
                os.kill(os.getpid(), signal.SIGKILL)

    def heard(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take a step if the interpreter announces one."""
        is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if is_write or event in STEPS:
            self.step()

    def around(self, owner: Any, name: str) -> None:
        """Take a step before and after each call of a method."""
        call: Callable[..., Any] = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            self.step()
            found = call(*arguments, **named)
            self.step()
            return found

        setattr(owner, name, counted)


def main() -> None:
    folder, url, user, password, stream, at = sys.argv[1:]
    settings = {"BACKEND_URL": url, "BACKEND_USERNAME": user, "BACKEND_PASSWORD": password}
    settings |= {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    target = find(Path(folder) / "systems", stream)[0]
    steps = Steps(int(at))
    if target.pipeline.notify or target.pipeline.streams[0].to:
        import httpx

        steps.around(httpx.Client, "send")
    if "BACKHAUL_LEDGER_URL" in settings:
        import psycopg

        for owner, name in ((psycopg.Cursor, "execute"), (psycopg.Copy, "finish"), (psycopg.Connection, "commit")):
            steps.around(owner, name)
    sys.addaudithook(steps.heard)
    result = run_pipeline(target, Installation(Path(folder) / "data", settings), RunOptions(window="2025-09-12"))
    assert result.exit_code == 0, result
    print(steps.done)


if __name__ == "__main__":
    main()
