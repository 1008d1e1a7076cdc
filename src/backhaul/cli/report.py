"""`report`: what runs came to, week by week or month by month, which reports there are, and any one of them."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.cli.table_report import Wanted, list_reports, show_table
from backhaul.config import home
from backhaul.engine.declared_reports import find_report, reports_of
from backhaul.engine.prune import MEGABYTE
from backhaul.engine.reports import By, Period, report, since
from backhaul.engine.systems import Target, find, load_system, system_names
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
LAST = 8
SPARE = ("waiting", "given up", "longest s", "login", "updated", "peak MB")


@dataclass(frozen=True)
class History:
    """Which periods of the runs' history a person wants; None is the usual."""

    by: str | None = None
    last: int | None = None


def show_report(output: Output, name: str | None, history: History, wanted: Wanted) -> None:
    """Print the report of this name; else what the runs of it, or all runs, came to, and which reports there are.

    With a file, write to it in place of that. Raises ConfigError for options that belong to the other kind.
    """
    declared = find_report(home() / "systems", name) if name else None
    if declared is not None:
        if history != History():
            raise ConfigError(f"{declared.name} is a table; --by and --last are for the history of runs")
        show_table(output, declared, wanted)
        return
    for option, value in (("--days", wanted.days), ("--xlsx", wanted.xlsx)):
        if value is not None:
            raise ConfigError(
                f"{option} is for a report; {name or 'nothing'} names none",
                next_step="`backhaul report` lists them all.",
            )
    _show_history(output, _targets(name), history, wanted.csv)


def _show_history(output: Output, targets: list[Target], history: History, file: Path | None) -> None:
    by, last = history.by or By.WEEK, history.last or LAST
    if by not in list(By):
        raise ConfigError(f"--by {by}: a report is by {' or '.join(By)}")
    periods = _periods(targets, By(by), last)
    if file is not None:
        _write(file.expanduser(), periods)
    if output.json:
        output.document([asdict(each) for each in periods])
    elif file is None:
        output.table(HEADERS, [_row(each) for each in _since_first_run(periods)], spare=SPARE)
        list_reports(output, targets)
    else:
        output.say(f"{len(periods)} periods in {file}")


def _since_first_run(periods: list[Period]) -> list[Period]:
    """Return periods without those of each pipeline before its first run; one that never ran keeps the last."""
    shown: dict[str, list[Period]] = {}
    for each in periods:
        before = shown.setdefault(each.pipeline, [])
        if each.runs or any(one.runs for one in before):
            before.append(each)
        else:
            before[:] = [each]
    for found in shown.values():
        if len(found) > 1 and not found[0].runs:
            del found[0]
    return [each for found in shown.values() for each in found]


def _targets(name: str | None) -> list[Target]:
    folder = home() / "systems"
    if name:
        try:
            return find(folder, name)
        except ConfigError as error:
            system = folder / name.partition(".")[0]
            reports = reports_of(load_system(system)) if system.name in system_names(folder) else []
            names = f" Its reports: {', '.join(each.name for each in reports)}." if reports else ""
            raise ConfigError(str(error), next_step=error.next_step + names) from None
    return [target for system in system_names(folder) for target in load_system(folder / system)]


def _periods(targets: list[Target], by: By, last: int) -> list[Period]:
    history, now = installation().ledger.history, datetime.now(UTC)
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
