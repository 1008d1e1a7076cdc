"""The documents of 10,000 students merged into MongoDB, beside writing them all with pymongo's `bulk_write`.

`python -m benchmarks.mongo URL DATABASE ROWS` is what is measured: it compares the rows with the collection, writes
what differs, and prints what it counted and which write commands it sent.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.figures import Figure, Options
    from benchmarks.measure import Cost

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "benchmarks" / "peers" / "pymongo_upsert.py"
STUDENTS, MESSAGES, CHANGED = 10_000, 100_000, 100
TRUTH = {
    "first": {"new": STUDENTS},
    "unchanged": {"unchanged": STUDENTS},
    "changed": {"updated": CHANGED, "unchanged": STUDENTS - CHANGED},
}
"""What each of the merges, one after the other, must count."""

REAL = os.environ.get("MONGO_TEST_URL", "")
"""A real server to measure with; without one, the sandbox's. The databases that are made there are removed."""


@dataclass(frozen=True)
class Merge:
    """What one merge took and did; `alone_s` is the CPU time without what a process needs to begin."""

    cost: Cost
    alone_s: float
    counts: dict[str, int]
    writes: dict[str, int]


def figures(options: Options) -> list[Figure]:
    """Merge on both sides, each round into an empty database; a wrong count or write ends the run."""
    from backhaul.sandbox.mongo import SandboxMongo

    ours: dict[str, list[Merge]] = {step: [] for step in TRUTH}
    theirs: dict[str, list[Merge]] = {step: [] for step in TRUTH}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-mongo-")))
        url = REAL or stack.enter_context(SandboxMongo()).url
        _rows(folder)
        for number in range(options.rounds + 1):
            _prepare(url, number)
            for step, truth in TRUTH.items():
                ours[step].append(_ours(folder, url, _database("ours", number), step))
                theirs[step].append(_theirs(folder, url, _database("theirs", number), step))
                if ours[step][-1].counts != truth:
                    raise RuntimeError(f"{step}: {ours[step][-1].counts} instead of {truth}")
            _compare(url, number)
    if sent := [each.writes for each in ours["unchanged"] if each.writes]:
        raise RuntimeError(f"an unchanged run sends {sent}")
    what = f"mongo, {STUDENTS:,} students"
    return [figure for step in TRUTH for figure in _figures(f"{what}: {step}", ours[step][1:], theirs[step][1:])]


def _figures(what: str, ours: list[Merge], theirs: list[Merge]) -> list[Figure]:
    from benchmarks.figures import Figure, median, ratio

    found = []
    for name, of in (
        ("CPU", lambda each: each.cost.cpu_s),
        ("CPU of the merge alone", lambda each: each.alone_s),
        ("wall", lambda each: each.cost.wall_s),
    ):
        mine, peer = median(map(of, ours)), median(map(of, theirs))
        found.append(ratio(f"{what}, {name}, ours/bulk_write", ours=mine, peer=peer, limit=None, unit="s"))
    writes = ", ".join(f"{count} {each}" for each, count in ours[-1].writes.items())
    return [*found, Figure(f"{what}, write commands", "", writes or "0", True)]


def _rows(folder: Path) -> None:
    """Write the documents as the pipeline makes them, and the same with CHANGED others: Parquet for us, and JSON."""
    import polars as pl

    from benchmarks.school import documents, make

    make(folder, STUDENTS, MESSAGES)
    rows = documents(folder).to_dicts()
    frames = {"first": pl.DataFrame(rows)}
    for row in rows[:: STUDENTS // CHANGED]:
        lessons = json.loads(row["lessons"])
        lessons[-1]["practice_count"] += 1
        row["lessons"] = json.dumps(lessons, ensure_ascii=False)
    frames["changed"] = pl.DataFrame(rows)
    frames["unchanged"] = frames["first"]
    for step, frame in frames.items():
        frame.with_row_index("_row", offset=1).write_parquet(folder / f"{step}.parquet")
        with (folder / f"{step}.json").open("w", encoding="utf-8") as out:
            json.dump([{**row, "lessons": json.loads(row["lessons"])} for row in frame.to_dicts()], out)


def _ours(folder: Path, url: str, database: str, step: str) -> Merge:
    command = [sys.executable, "-m", "benchmarks.mongo", url, database, str(folder / f"{step}.parquet")]
    return _measured(command, folder)


def _theirs(folder: Path, url: str, database: str, step: str) -> Merge:
    return _measured([sys.executable, str(PEER), url, database, str(folder / f"{step}.json")], folder)


def _measured(command: list[str], folder: Path) -> Merge:
    from benchmarks.measure import measured

    cost = measured(command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    said = json.loads((folder / "stdout").read_text(encoding="utf-8"))
    counts = {name: count for name, count in said["counts"].items() if count}
    return Merge(cost, said["cpu_s"], counts, said["writes"])


def _database(side: str, number: int) -> str:
    return f"bench_mongo_{side}_{number}"


def _prepare(url: str, number: int) -> None:
    """Make both collections with the unique index that the described system has."""
    import pymongo

    with pymongo.MongoClient[dict[str, Any]](url) as client:
        for side in ("ours", "theirs"):
            client[_database(side, number)]["student_stats"].create_index("uniq_id", unique=True)


def _compare(url: str, number: int) -> None:
    """Raise RuntimeError unless both sides have the same documents, but for what each notes for itself."""
    import pymongo

    without = dict.fromkeys(("_id", "_backhaul", "created_at", "updated_at"), 0)
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        ours, theirs = (
            list(client[_database(side, number)]["student_stats"].find({}, without).sort("uniq_id"))
            for side in ("ours", "theirs")
        )
        for side in ("ours", "theirs"):
            client.drop_database(_database(side, number))
    if ours != theirs or len(ours) != STUDENTS:
        raise RuntimeError(f"{len(ours):,} documents differ from {len(theirs):,}")


def main() -> None:
    """Merge the rows of a Parquet file as the pipeline's destination does."""
    import polars as pl
    import pymongo.monitoring

    from backhaul.destinations.mongo import delivery
    from backhaul.model import Batch, Stream
    from backhaul.testing.batches import NoSource
    from benchmarks.peers.pymongo_upsert import Writes
    from systems.kelas.students import documents

    url, database, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if not REAL:
        # The sandbox's server uses an index for a hundred keys, and looks through everything for a thousand.
        delivery.CHUNK_ROWS = 100
    writes = Writes()
    pymongo.monitoring.register(writes)
    destination = replace(documents, database=database, collection="student_stats", url=url)
    stream = Stream(name="student_stats", source=NoSource(), request=None, key=("uniq_id",), complete=True)
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    batch = Batch(path.stem, stream.name, (path,), rows, duplicate=0, rejected=0, timezone="Asia/Jerusalem")
    started = time.process_time()
    counts = destination.write(stream, destination.compare(stream, batch))
    cpu_s = time.process_time() - started
    print(json.dumps({"cpu_s": cpu_s, "counts": asdict(counts), "writes": writes.sent}))


if __name__ == "__main__":
    main()
