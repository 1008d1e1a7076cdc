"""`report`: success, duration, memory, rows and messages, week by week or month by month."""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home
from backhaul.engine.prune import MEGABYTE
from backhaul.engine.reports import By, Period, report, since
from backhaul.engine.systems import find, load_system, system_names
from backhaul.errors import ConfigError

HEADERS = (
    "pipeline",
    "from",
    "runs",
    "done",
    "login",
    "succeeded",
    "median s",
    "longest s",
    "peak MB",
    "new",
    "updated",
    "rejected",
    "sent",
    "waiting",
    "given up",
)
SPARE = ("waiting", "given up", "longest s", "login", "updated", "peak MB")


def show_report(output: Output, name: str | None, by: str, last: int, file: Path | None) -> None:
    """Print the last periods of what name stands for, of everything without one; or write them to a new CSV file."""
    if by not in list(By):
        raise ConfigError(f"--by {by}: a report is by {' or '.join(By)}")
    periods = _periods(name, By(by), last)
    if file is not None:
        _write(file.expanduser(), periods)
    if output.json:
        output.document([asdict(each) for each in periods])
    elif file is None:
        output.table(HEADERS, [_row(each) for each in periods], spare=SPARE)
    else:
        output.say(f"{len(periods)} periods in {file}")


def _periods(name: str | None, by: By, last: int) -> list[Period]:
    history, folder, now = installation().ledger.history, home() / "systems", datetime.now(UTC)
    if name:
        targets = find(folder, name)
    else:
        targets = [target for system in system_names(folder) for target in load_system(folder / system)]
    found: list[Period] = []
    for target in targets:
        timezone = target.pipeline.timezone
        first = since(by, last, now, timezone)
        runs, messages = history.runs_since(target.name, first), history.messages_since(target.name, first)
        found += report(target.name, runs, messages, timezone=timezone, by=by, last=last, now=now)
    return found


def _row(period: Period) -> tuple[object, ...]:
    return (
        period.pipeline,
        period.start,
        period.runs or "-",
        period.done,
        period.login,
        "-" if period.succeeded is None else f"{period.succeeded:.0%}",
        "-" if period.median_s is None else f"{period.median_s:.1f}",
        "-" if period.longest_s is None else f"{period.longest_s:.1f}",
        "-" if period.peak_bytes is None else f"{period.peak_bytes / MEGABYTE:,.0f}",
        period.new,
        period.updated,
        period.rejected,
        period.sent,
        period.waiting,
        period.given_up,
    )


def _write(path: Path, periods: list[Period]) -> None:
    if path.exists():
        raise ConfigError(f"{path.name} is there already", next_step="Name another file, or remove that one.")
    with path.open("x", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Period)])
        writer.writeheader()
        writer.writerows(asdict(each) for each in periods)
