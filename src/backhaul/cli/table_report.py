"""A report over tables: in the terminal, as CSV, XLSX or JSON. It is shown to who asks and to nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.cli.table_files import as_json, drawn, refuse_existing, write_csv, write_workbook
from backhaul.config import home
from backhaul.engine.declared_reports import Declared, report_table, reports_of
from backhaul.engine.systems import Target
from backhaul.engine.words import counted

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Wanted:
    """What a person wants of a report: how many days back, and the new files to write it to."""

    days: int | None = None
    csv: Path | None = None
    xlsx: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, with the home folder filled in."""
        return tuple(path.expanduser() for path in (self.csv, self.xlsx) if path)


def show_table(output: Output, declared: Declared, wanted: Wanted) -> None:
    """Print the report, or write it to the files that are wanted."""
    refuse_existing(*wanted.files)
    now, zone = datetime.now(UTC), ZoneInfo(declared.target.pipeline.timezone)
    frame = report_table(declared, installation(), home() / "systems", now=now, days=wanted.days)
    if wanted.csv:
        write_csv(wanted.csv.expanduser(), frame.columns, frame.iter_rows(), zone)
    if wanted.xlsx:
        write_workbook(wanted.xlsx.expanduser(), frame.columns, frame.rows(), zone)
    if output.json:
        rows = [{name: as_json(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]
        output.document(
            {
                "report": declared.name,
                "title": declared.report.title,
                "days": _days(declared, wanted),
                "made_at": now.isoformat(timespec="seconds"),
                "timezone": declared.target.pipeline.timezone,
                "columns": frame.columns,
                "rows": rows,
            }
        )
    else:
        _tell(output, declared, wanted, frame, now.astimezone(zone))


def _tell(output: Output, declared: Declared, wanted: Wanted, frame: pl.DataFrame, local: datetime) -> None:
    days = _days(declared, wanted)
    back = "" if days is None else f", {counted(days, 'day')}"
    zone = ZoneInfo(declared.target.pipeline.timezone)
    if frame.is_empty():
        output.say(f"{declared.report.title}{back}: there is nothing to show, no row fits")
    elif not wanted.files:
        output.say(f"{declared.report.title}{back}, {local:%Y-%m-%d %H:%M} {zone.key}")
        output.say()
        for line in drawn(frame.columns, frame.rows(), zone):
            output.say(line)
        output.say()
        output.say(counted(frame.height, "row"))
    for file in wanted.files:
        output.say(f"{counted(frame.height, 'row')} in {file}")


def _days(declared: Declared, wanted: Wanted) -> int | None:
    return declared.report.days if wanted.days is None else wanted.days


def list_reports(output: Output, targets: Sequence[Target]) -> None:
    """Print which reports the targets have; nothing where they have none."""
    if not (reports := reports_of(targets)):
        return
    output.say()
    output.table(("report", "shows", "days"), [(each.name, each.report.title, each.report.days) for each in reports])
    output.say()
    output.say(f"next: backhaul report {reports[0].name}")
