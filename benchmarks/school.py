"""System C's counts over a large group, beside pandas; and the made-up school that `mongo` uses as well.

`python -m benchmarks.school FOLDER` is what is measured: it reads the kept tables and computes every document.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from systems.kelas.rules.stats import StudentStats

if TYPE_CHECKING:
    from benchmarks.figures import Figure, Options

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "benchmarks" / "peers" / "pandas_school.py"
SEED = 20_251_123
STUDENTS = 10_000
CHANGES = 3
"""So often the lesson of each student has changed."""

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 700
PRACTICE, MESSAGE = "תרגול, ✅, תרגלתי", "הודעה, שאלה"
SAID = ("תרגול ✅", "תרגלתי היום", "שאלה: איך עושים את זה?", "הודעה לכולם", "תודה רבה 🙏", "ok", "תִּרְגּוּל של הבוקר")
TABLES = ("messages", "roster", "archive")
RULES = StudentStats(PRACTICE, MESSAGE)
MOMENT = pl.Datetime("us", "UTC")


def figures(options: Options) -> list[Figure]:
    """Compute the documents of STUDENTS from options.rows messages on both sides; every count must be the same."""
    from benchmarks.figures import Figure, median, ratio
    from benchmarks.measure import measured

    with tempfile.TemporaryDirectory(prefix="bench-school-") as name:
        folder = Path(name)
        make(folder, STUDENTS, options.rows)
        command = [sys.executable, "-m", "benchmarks.school", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ours, theirs = [], []
        for _ in range(3):
            ours.append(measured(command, folder=folder, environment=environment))
            found = json.loads((folder / "stdout").read_text(encoding="utf-8"))
            theirs.append(measured([str(options.peer_python), str(PEER), str(folder)], folder=folder))
            peer = json.loads((folder / "stdout").read_text(encoding="utf-8"))
            if found != peer:
                raise RuntimeError(f"counts differ: {_totals(found)} against {_totals(peer)}")
    what = f"school, {STUDENTS:,} students, {options.rows:,} messages"
    ours_s, peer_s = (median(cost.cpu_s for cost in costs) for costs in (ours, theirs))
    return [
        ratio(f"{what}: CPU, ours/pandas", ours=ours_s, peer=peer_s, limit=None, unit="s"),
        Figure(f"{what}: peak memory", "", f"{max(cost.peak_rss_mb for cost in ours):,.0f} MB", True),
        Figure(f"{what}: peak memory, pandas", "", f"{max(cost.peak_rss_mb for cost in theirs):,.0f} MB", True),
        Figure(f"{what}: practices and messages", "", "{:,} and {:,}".format(*_totals(found)), True),
    ]


def make(folder: Path, students: int, count: int) -> None:
    """Write messages, roster and its archive below folder, as Parquet; the same each time."""
    from backhaul import chat

    dice = random.Random(SEED)
    people = [(f"972 55-{at // 10_000:03}-{at % 10_000:04}", f"תלמיד {at}") for at in range(students)]
    roster = [(*who, str(CHANGES + 1), f"Teacher {at % 40}", None) for at, who in enumerate(people)]
    names = ("phone_number", "name", "current_lesson", "teacher")
    schema = pl.Schema({**dict.fromkeys((*names, "last_practice"), pl.String()), "removed_at": MOMENT})
    pl.DataFrame([(*row, None) for row in roster], schema=schema, orient="row").write_parquet(folder / "roster")
    replaced = [
        (*who, str(lesson), f"Teacher {(at + lesson) % 40}", START + timedelta(days=DAYS * lesson // (CHANGES + 1)))
        for at, who in enumerate(people)
        for lesson in range(1, CHANGES + 1)
    ]
    schema = pl.Schema({**dict.fromkeys(names, pl.String()), "_archived_at": MOMENT})
    pl.DataFrame(replaced, schema=schema, orient="row").write_parquet(folder / "archive")
    step = timedelta(days=DAYS) / max(1, count)
    moments = accumulate((step * (2 * dice.random()) for _ in range(count)), initial=START)
    sent = {
        "sent_at": [at for at, _ in zip(moments, range(count), strict=False)],
        "sender": [f"+{people[dice.randrange(students)][0]}" for _ in range(count)],
        "text": dice.choices(SAID, k=count),
    }
    frame = pl.DataFrame(sent, schema_overrides={"sent_at": MOMENT}).with_columns(
        pl.lit("text").alias("kind"), pl.lit(False).alias("is_edited"), pl.lit(True).alias("in_export")
    )
    chat.fingerprints(frame, chat="students").write_parquet(folder / "messages")


def documents(folder: Path) -> pl.DataFrame:
    """Return the documents of the school below folder, as the pipeline makes them."""
    aliases = pl.DataFrame(schema=dict.fromkeys(("sender", "phone_number", "name"), pl.String()))
    messages, roster, archive = (pl.read_parquet(folder / name) for name in TABLES)
    return RULES(messages, roster, archive, aliases, pl.DataFrame())


def _totals(found: dict[str, dict[str, list[int]]]) -> tuple[int, int]:
    counts = [each for lessons in found.values() for each in lessons.values()]
    return sum(practices for practices, _ in counts), sum(messages for _, messages in counts)


def main() -> None:
    """Compute, and print the practices and messages of each student by lesson."""
    found: dict[str, Any] = {}
    for phone, lessons in documents(Path(sys.argv[1])).select("phone_number", "lessons").iter_rows():
        found[phone] = {
            each["lesson"]: [each["practice_count"], each["message_count"]]
            for each in json.loads(lessons)
            if each["practice_count"] or each["message_count"]
        }
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
