"""System B while there is no newer backup: one call for a listing, nothing downloaded, next to no CPU."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from backhaul.sandbox.outside import Outside
from benchmarks.figures import Figure, Options, at_most, holds, median
from benchmarks.measure import Cost, measured

SYSTEM = Path(__file__).resolve().parents[1] / "systems" / "toko"


def figures(options: Options) -> list[Figure]:
    """Run it once with a backup, then with nothing newer, several times."""
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as name, Outside() as outside:
        home = Path(name)
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(SYSTEM, home / "systems" / "toko", ignore=ignored)
        _run(home, outside)
        before, costs = len(outside.dropbox.calls), []
        for _ in range(options.rounds):
            costs.append(_run(home, outside))
        calls = [str(call.endpoint) for call in outside.dropbox.calls[before:]]
    listings, downloads = calls.count("files/list_folder/continue"), calls.count("files/download")
    others = len(calls) - listings - calls.count("oauth2/token")
    return [
        at_most("idle: CPU of a run without a newer backup", median(cost.cpu_s for cost in costs), 0.8, "s"),
        at_most("idle: listing calls of such a run", listings / options.rounds, 1, "calls"),
        holds("idle: nothing is downloaded", not downloads and not others, otherwise=f"{others} other calls"),
    ]


def _run(home: Path, outside: Outside) -> Cost:
    command = [sys.executable, "-m", "backhaul", "run", "toko"]
    environment = {**os.environ, **outside.settings, "BACKHAUL_HOME": str(home)}
    return measured(command, folder=home, environment=environment)
