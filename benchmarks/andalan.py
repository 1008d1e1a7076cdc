"""System A whole: sign in, four exports, four spreadsheets, the messages of a group; beside what production took."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from backhaul.sandbox.outside import Outside
from benchmarks.figures import Figure, Options, at_most, holds, median
from benchmarks.measure import Cost, measured

SYSTEM = Path(__file__).resolve().parents[1] / "systems" / "andalan"
PRODUCTION_S = 77.0
"""What the system that this one replaces took for the same run, by its own account."""
BROWSERS = ("chrom", "headless_shell", "node")
DAY = "2025-09-12"


def figures(options: Options) -> list[Figure]:
    """Run it into empty sheets several times, then once more with nothing new."""
    with tempfile.TemporaryDirectory(prefix="bench-andalan-") as name:
        costs, calls = [], 0
        for number in range(options.rounds + 1):
            with Outside() as outside:
                home = _home(Path(name) / str(number))
                cost = _run(home, outside)
                calls = max(calls, len(outside.sheets.calls))
                if number:
                    # The first round does not count: it pays for a cold disk.
                    costs.append(cost)
                outside.sheets.reset_calls()
                again = _run(home, outside)
                reads, writes = outside.sheets.reads, outside.sheets.writes
    wall_s = median(cost.wall_s for cost in costs)
    started = {program for cost in [*costs, again] for program in cost.programs if program.startswith(BROWSERS)}
    return [
        at_most(f"andalan: whole run, wall; production took {PRODUCTION_S:.0f} s", wall_s, PRODUCTION_S / 20, "s"),
        at_most("andalan: CPU of the whole run", median(cost.cpu_s for cost in costs), PRODUCTION_S / 20, "s"),
        at_most("andalan: peak memory", max(cost.peak_rss_mb for cost in costs), 180, "MB"),
        holds("andalan: no browser is started", not started, otherwise=f"started {', '.join(sorted(started))}"),
        at_most("andalan: calls for 94 rows into four sheets", calls, 12, "calls"),
        at_most("andalan: second run, reads of each sheet", reads / 4, 2, "reads"),
        at_most("andalan: second run, writes", writes, 0, "writes"),
    ]


def _home(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "tests")
    shutil.copytree(SYSTEM, folder / "systems" / "andalan", ignore=ignored)
    return folder


def _run(home: Path, outside: Outside) -> Cost:
    command = [sys.executable, "-m", "backhaul", "run", "andalan", "--window", DAY]
    environment = {**os.environ, **outside.settings, "BACKHAUL_HOME": str(home)}
    return measured(command, folder=home, environment=environment)
