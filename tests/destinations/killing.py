"""A write in a process of its own that kills itself at its n-th step, as a power cut would.

Steps are each file that is opened for writing, each rename, removal and folder. Run as a program it takes a pickle
of (destination, stream, changes) and the number of the step; with step 0 it is not killed and prints how many
steps there are.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from backhaul.model import Changes, Destination, Stream

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}
ROOT = Path(__file__).resolve().parents[2]


def kill_in_write(destination: Destination, stream: Stream, changes: Changes, step: int | None = None) -> None:
    """Let a process begin to write, and kill it at step; without one, right before a file is put in place."""
    done = started(destination, stream, changes, "os.rename" if step is None else str(step))
    assert done.returncode == -signal.SIGKILL, done.stderr


def steps_of_write(destination: Destination, stream: Stream, changes: Changes) -> int:
    """Write in a process of its own and return how many steps it takes."""
    done = started(destination, stream, changes, "0")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def started(destination: Destination, stream: Stream, changes: Changes, at: str) -> subprocess.CompletedProcess[str]:
    """Run this module as a program to its end."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.pickle"
        plan.write_bytes(pickle.dumps((destination, stream, changes)))
        command = [sys.executable, "-m", "tests.destinations.killing", str(plan), at]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def main() -> None:
    """Write what the plan says, and be killed on the way."""
    plan, at = sys.argv[1:]
    destination, stream, changes = pickle.loads(Path(plan).read_bytes())
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        flags = arguments[2] if event == "open" else 0
        is_write = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if is_write or event in STEPS:
            done += 1
            if event == at or str(done) == at:
                os.kill(os.getpid(), signal.SIGKILL)

    import openpyxl  # noqa: F401
    import polars  # noqa: F401

    sys.addaudithook(count)
    destination.write(stream, changes)
    print(done)


if __name__ == "__main__":
    main()
