"""Reports when they are asked for: which there are, the one that a name stands for, and its table right now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.config import resolved
from backhaul.engine.report import Report
from backhaul.engine.run import Installation
from backhaul.engine.systems import Target, load_system, system_names
from backhaul.engine.tables import Tables, as_frame
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import ConfigError
from backhaul.model import Stream

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Declared:
    """A report and the pipeline that declares it."""

    target: Target
    report: Report

    @property
    def name(self) -> str:
        """The report's full name."""
        return f"{self.target.name}.{self.report.name}"


def reports_of(targets: Iterable[Target]) -> list[Declared]:
    """Return the reports of targets, in order."""
    return [Declared(target, report) for target in targets for report in target.pipeline.reports]


def find_report(folder: Path, name: str) -> Declared | None:
    """Return the report that name stands for: `system.pipeline.report`, or `system.report` where there is one such.

    None if name is a system, a pipeline, a stream or nothing at all. Raises ConfigError if several reports are
    called so, or if a module of the system cannot be imported.
    """
    system, *rest = name.split(".")
    if not rest or system not in system_names(folder):
        return None
    targets = load_system(folder / system)
    by_name = {target.pipeline.name: target for target in targets}
    if len(rest) > 1 and rest[0] in by_name:
        targets, rest = [by_name[rest[0]]], rest[1:]
    elif rest[0] in by_name and len(targets) > 1:
        return None
    found = [each for each in reports_of(targets) if [each.report.name] == rest]
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigError(f"{name}: {len(found)} reports are called so", next_step=f"Name one of: {names}.")
    return found[0] if found else None


def report_table(
    declared: Declared, installation: Installation, folder: Path, *, now: datetime, days: int | None = None
) -> pl.DataFrame:
    """Return what the report shows at the moment now (UTC), from the tables as they are.

    `days` takes the place of the report's own. Settings are those of the report and of the destinations that it
    reads. Raises ConfigError for a missing setting, for days that the report has no use for, and where a table is
    not there yet; what a destination raises; BackhaulError for what `build` did not foresee.
    """
    import polars as pl

    report, target = declared.report, declared.target
    if days is not None and report.days is None:
        raise ConfigError(f"{declared.name} looks back no number of days", next_step="Ask for it without --days.")
    build = resolved(report.build, installation.settings)
    tables = Tables(
        asker=declared.name,
        pipeline=target.name,
        streams=_streams(folder, target, report),
        curated=installation.curated,
        settings=installation.settings,
        brought=lambda full: installation.ledger.cursor(full).columns,
        with_runs=report.with_runs,
    )
    frames = [tables.read(name) for name in report.tables]
    asked = {} if report.days is None else {"days": report.days if days is None else days}
    with ours_alone(declared.name):
        try:
            built = build(*frames, now=now, timezone=target.pipeline.timezone, **asked)
        except pl.exceptions.ColumnNotFoundError as error:
            raise ConfigError(
                f"{declared.name}: build asks for a column that is not there: {str(error).splitlines()[0]}",
                next_step="Compare build with the columns of its tables.",
            ) from error
    return as_frame(built, declared.name)


def _streams(folder: Path, target: Target, report: Report) -> dict[str, Stream]:
    """Return by full name the streams that the report may name: those of its system, and of others that it names."""
    own = target.name.partition(".")[0]
    others = {name.partition(".")[0] for name in report.tables if "." in name.partition("@")[0]}
    known = system_names(folder)
    streams: dict[str, Stream] = {}
    for system in [own, *sorted(others - {own})]:
        if system in known:
            for each in load_system(folder / system):
                named = {stream.name: stream for stream in each.pipeline.streams}
                streams |= {f"{each.name}.{name}": stream for name, stream in named.items()}
                # A lone pipeline may be named as well as left out.
                streams |= {f"{system}.{each.pipeline.name}.{name}": stream for name, stream in named.items()}
    return streams
