"""A run of a stream of a Dropbox folder; as a script it is one in a process of its own, which a test can kill.

Usage: python dropbox_run.py FOLDER   (the settings of Dropbox come from the environment)
"""

import os
import sys
from pathlib import Path

from backhaul import Pipeline, Schedule
from backhaul.engine.events import Event
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.retry import Budget
from backhaul.sources import ArchiveTable, DropboxFolder

QUICK = Budget(attempts=2, seconds=20.0, first_wait_s=0.01, longest_wait_s=0.05)


def target() -> Target:
    """Return a pipeline of one stream: the items of the newest backup."""
    stream = DropboxFolder(budget=QUICK).newest(
        "items",
        key="kodeitem",
        complete=True,
        tables=[ArchiveTable("tbl_item", ("kodeitem", "namaitem"))],
        build=lambda tables, remark: tables["tbl_item"],
    )
    return Target("toko", Pipeline("toko", [stream], schedule=Schedule("0 10 * * *", timezone="Asia/Jakarta")))


def run(folder: Path, settings: dict[str, str], events: list[Event] | None = None) -> RunResult:
    """Run it once."""
    heard = events if events is not None else []
    return run_pipeline(target(), Installation(folder / "data", settings), RunOptions(budget=QUICK), [heard.append])


if __name__ == "__main__":
    given = {name: value for name, value in os.environ.items() if name.startswith("DROPBOX_")}
    sys.exit(run(Path(sys.argv[1]), given).exit_code)
