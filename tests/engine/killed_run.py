"""A run of one stream in a process of its own that kills itself at its n-th step, as a power cut would.

Steps are what the interpreter announces: each file that is opened for writing, each rename, removal and folder,
each connection to a database. So every point between two steps of the engine is one of them, known to it or not.

Usage: python killed_run.py FOLDER URL USER PASSWORD STREAM STEP   (STEP 0: not killed; prints the number of steps)
"""

import os
import signal
import sys
from pathlib import Path

from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import find

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree", "sqlite3.connect/handle"}


def main() -> None:
    folder, url, user, password, stream, at = sys.argv[1:]
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if is_write or event in STEPS:
            done += 1
            if done == int(at):
                os.kill(os.getpid(), signal.SIGKILL)

    settings = {"BACKEND_URL": url, "BACKEND_USERNAME": user, "BACKEND_PASSWORD": password}
    settings |= {name: os.environ[name] for name in ("BACKHAUL_KEY",) if name in os.environ}
    target = find(Path(folder) / "systems", stream)[0]
    sys.addaudithook(count)
    result = run_pipeline(target, Installation(Path(folder) / "data", settings), RunOptions(window="2025-09-12"))
    assert result.exit_code == 0, result
    print(done)


if __name__ == "__main__":
    main()
