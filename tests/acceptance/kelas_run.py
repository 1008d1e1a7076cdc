"""A run of both pipelines of system C in a process of its own that kills itself at its n-th step.

Steps are each file that is opened for writing, each rename, removal and folder, each connection to a file of SQLite,
and the moments before and after each call over HTTP and each command to MongoDB.

Usage: python kelas_run.py FOLDER SETTINGS.json STEP   (STEP 0: not killed; prints the number of steps)
"""

import json
import sys
from pathlib import Path

import httpx
import pymongo.monitoring

from backhaul.engine.run import Installation, RunOptions, RunResult
from backhaul.engine.side_by_side import run_side_by_side
from tests.acceptance.kelas_place import found
from tests.engine.killed_run import Steps


class Commands(pymongo.monitoring.CommandListener):
    """Takes a step before and after each command to MongoDB."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def started(self, event: object) -> None:
        self.steps.step()

    def succeeded(self, event: object) -> None:
        self.steps.step()

    def failed(self, event: object) -> None:
        self.steps.step()


def main() -> None:
    folder, settings, at = sys.argv[1:]
    targets, steps = found("kelas"), Steps(int(at))
    steps.around(httpx.Client, "send")
    pymongo.monitoring.register(Commands(steps))
    sys.addaudithook(steps.heard)
    installation = Installation(Path(folder) / "data", json.loads(Path(settings).read_text(encoding="utf-8")))
    ended = run_side_by_side(targets, installation, RunOptions())
    assert all(isinstance(each, RunResult) and each.exit_code == 0 for each in ended), ended
    print(steps.done)


if __name__ == "__main__":
    main()
