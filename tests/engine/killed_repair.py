"""A requeue or a repair in a process of its own that kills itself at its n-th step, as a power cut would.

Steps are told as in killed_run.py. The stream's declared checks are in force, which are none.

Usage: python killed_repair.py FOLDER URL USER PASSWORD requeue|repair STEP   (STEP 0: not killed; prints how many)
"""

import os
import signal
import sys
from pathlib import Path

from backhaul.engine.rework import repair, requeue
from backhaul.engine.run import Installation
from backhaul.engine.systems import find

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree", "sqlite3.connect/handle"}


def main() -> None:
    folder, url, user, password, kind, at = sys.argv[1:]
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if is_write or event in STEPS:
            done += 1
            if done == int(at):
                os.kill(os.getpid(), signal.SIGKILL)

    settings = {"BACKEND_URL": url, "BACKEND_USERNAME": user, "BACKEND_PASSWORD": password}
    target = find(Path(folder) / "systems", "andalan.user")[0]
    installation = Installation(Path(folder) / "data", settings)
    sys.addaudithook(count)
    if kind == "repair":
        result = repair(target, installation, Path(folder) / "rejected.xlsx")
    else:
        result = requeue(target, installation)
    assert result.exit_code == 0, result
    print(done)


if __name__ == "__main__":
    main()
