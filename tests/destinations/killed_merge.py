"""A write into PostgreSQL in a process of its own that kills itself at its n-th step, as a power cut would.

Steps are the moments before each statement, each part and end of a COPY, each commit, and after a commit. Run as a
program it takes a pickle of (destination, stream, changes) and the number of the step; with step 0 it is not killed
and prints how many steps there are.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backhaul.model import Changes, Destination, Stream

ROOT = Path(__file__).resolve().parents[2]


def killed_in_write(destination: Destination, stream: Stream, changes: Changes, step: int) -> bool:
    """Let a process begin to write, and kill it at step; return False if it ended before."""
    done = _run(destination, stream, changes, step)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def steps_of_write(destination: Destination, stream: Stream, changes: Changes) -> int:
    """Write in a process of its own and return how many steps it takes."""
    done = _run(destination, stream, changes, 0)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def _run(destination: Destination, stream: Stream, changes: Changes, step: int) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.pickle"
        plan.write_bytes(pickle.dumps((destination, stream, changes)))
        command = [sys.executable, "-m", "tests.destinations.killed_merge", str(plan), str(step)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def main() -> None:
    """Write what the plan says, and be killed on the way."""
    import psycopg

    plan, last = sys.argv[1], int(sys.argv[2])
    destination, stream, changes = pickle.loads(Path(plan).read_bytes())
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def after_step(*arguments: Any, **named: Any) -> Any:
            step()
            return call(*arguments, **named)

        return after_step

    commit = psycopg.Connection.commit

    def counted_commit(connection: psycopg.Connection[Any]) -> None:
        step()
        commit(connection)
        step()

    psycopg.Cursor.execute = counted(psycopg.Cursor.execute)  # type: ignore[method-assign]
    psycopg.Copy.write = counted(psycopg.Copy.write)  # type: ignore[method-assign]
    psycopg.Copy.finish = counted(psycopg.Copy.finish)  # type: ignore[attr-defined]
    psycopg.Connection.commit = counted_commit  # type: ignore[method-assign]
    destination.write(stream, changes)
    print(done)


if __name__ == "__main__":
    main()
