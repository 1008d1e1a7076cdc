"""A large CSV file merged into SQLite twice, then 100 rows more, beside dlt doing the same."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks import ours, rows
from benchmarks.figures import Figure, Options, at_most, holds, median, ratio
from benchmarks.measure import Cost, measured

PEER = Path(__file__).resolve().parent / "peers" / "dlt_merge.py"
LOADS = {"first load": rows.first_load, "second load": rows.second_load, "100 rows": rows.few}
LARGE = ("first load", "second load")


def figures(options: Options) -> list[Figure]:
    """Measure each load once on each side; the counts of both are checked against the file."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-merge-") as folder:
        home = ours.make_home(Path(folder) / "home")
        peer = Path(folder) / "peer"
        peer.mkdir()
        source = Path(folder) / "sales.csv"
        total = 0
        for load, write in LOADS.items():
            truth = write(source, options.rows)
            total += truth.new
            if load not in LARGE:
                alone_s = _merge_alone(home, source, truth, options.rounds)
            mine = ours.run(home, ["sales", "--file", str(source)])
            peers = _dlt(peer, source, options)
            _check_ours(home, truth)
            _check_table(home / ours.WAREHOUSE, total, "backhaul")
            _check_table(peer / "dlt__bench.sqlite3", total, "dlt")
            found += _of_load(load, mine, peers)
    return [
        *found,
        at_most("merge: 100 rows, the merge alone, CPU", alone_s * 1000, 50, "ms"),
        # Every load above raises if a count is wrong.
        holds("merge: counts of both are exact", True, otherwise=""),
    ]


def _of_load(load: str, mine: Cost, peers: Cost) -> Iterator[Figure]:
    # With 100 rows the start of the process is the cost; the merge alone has a figure of its own.
    limit = 1 / 3 if load in LARGE else None
    yield ratio(f"merge: {load}, CPU, ours/dlt", ours=mine.cpu_s, peer=peers.cpu_s, limit=limit, unit="s")
    if load in LARGE:
        name = f"merge: {load}, peak memory (dlt: {peers.peak_rss_mb:.0f} MB)"
        yield at_most(name, mine.peak_rss_mb, 400, "MB")


def _dlt(folder: Path, source: Path, options: Options) -> Cost:
    return measured(
        [
            str(options.peer_python),
            str(PEER),
            str(source),
            str(folder / "dlt.sqlite3"),
            str(folder / "state"),
        ],
        folder=folder,
        environment={**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"},
    )


def _merge_alone(home: Path, source: Path, truth: rows.Truth, rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        with _copied(home / ours.WAREHOUSE) as database:
            command = [sys.executable, "-m", "benchmarks.merge_alone", str(database), str(source)]
            said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        _compare(said["counts"], truth)
        seconds.append(said["cpu_s"])
    return median(seconds)


@contextmanager
def _copied(database: Path) -> Iterator[Path]:
    copy = database.with_name("copy.db")
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    try:
        yield copy
    finally:
        for path in database.parent.glob("copy.db*"):
            path.unlink()


def _check_ours(home: Path, truth: rows.Truth) -> None:
    (found,) = ours.counts(home).values()
    _compare(found, truth)


def _compare(counts: dict[str, int], truth: rows.Truth) -> None:
    wrong = {name: counts[name] for name, count in asdict(truth).items() if counts[name] != count}
    if wrong:
        raise RuntimeError(f"backhaul counts {wrong} where the file holds {asdict(truth)}")


def _check_table(database: Path, total: int, who: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM sales").fetchone()
    if found != (total, total):
        raise RuntimeError(f"{who} holds {found[0]} rows with {found[1]} keys; {total} were to be there")
