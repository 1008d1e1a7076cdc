"""How fast the command line answers, and that a run with nothing new leaves the warehouse alone."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import ours, rows
from benchmarks.figures import Figure, Options, at_most, holds, median, ratio
from benchmarks.measure import measured

STARTS = 9


def figures(options: Options) -> list[Figure]:
    """Measure `--help` of both, then merge the same file twice."""
    with tempfile.TemporaryDirectory(prefix="bench-start-") as name:
        folder = Path(name)
        mine = _help_cpu_s(folder, [sys.executable, "-m", "backhaul", "--help"])
        peer = _help_cpu_s(folder, [str(options.peer_python.with_name("dlt")), "--help"])
        untouched = _second_run_leaves_the_bytes(folder / "home")
    return [
        at_most("start: `backhaul --help`, CPU", mine, 0.25, "s"),
        ratio("start: `--help`, CPU, ours/dlt", ours=mine, peer=peer, limit=None, unit="s"),
        holds("second run with nothing new: warehouse file unchanged", untouched, otherwise="bytes differ"),
    ]


def _help_cpu_s(folder: Path, command: list[str]) -> float:
    environment = {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return median(measured(command, folder=folder, environment=environment).cpu_s for _ in range(STARTS))


def _second_run_leaves_the_bytes(folder: Path) -> bool:
    home = ours.make_home(folder)
    source = home / "sales.csv"
    truth = rows.first_load(source, 5_000)
    digests = []
    for _ in range(2):
        ours.run(home, ["sales", "--file", str(source)])
        digests.append({path.name: _digest(path) for path in (home / "data").glob("warehouse.db*")})
    (counts,) = ours.counts(home).values()
    return digests[0] == digests[1] and counts["unchanged"] == truth.new


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
