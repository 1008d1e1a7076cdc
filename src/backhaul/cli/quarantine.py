"""`quarantine` and its commands: what was rejected, for the person at the terminal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.cli.output import Output
from backhaul.cli.progress import Progress
from backhaul.cli.run import installation, report
from backhaul.cli.show import local, pipeline_zones
from backhaul.config import home
from backhaul.engine.quarantine import ShownRow, dismiss, export_rows, open_rows
from backhaul.engine.rework import repair, requeue
from backhaul.engine.systems import Target, find
from backhaul.engine.words import counted
from backhaul.errors import ConfigError

REFUSED_FILES = "refused files"


def list_rejected(output: Output) -> None:
    """Print how many rows are in quarantine by stream and check, and how many files are refused."""
    ledger = installation().ledger
    rows = ledger.rejects.summary()
    files = [each for each in ledger.history.open_work() if each["what"] == REFUSED_FILES]
    if output.json:
        refused = [{"stream": each["stream"], "files": each["number"]} for each in files]
        output.document({"rows": rows, "refused_files": refused})
        return
    if rows:
        zones = pipeline_zones()
        lines = [
            (
                each["stream"],
                each["check"],
                each["destination"] or "-",
                each["rows"],
                local(each["since"], zones.get(each["stream"].rpartition(".")[0], UTC)),
            )
            for each in rows
        ]
        output.table(("stream", "check", "refused by", "rows", "since"), lines, spare=("refused by",))
        output.say(f"  next: backhaul quarantine show {rows[0]['stream']}")
    for each in files:
        output.say(f"{each['stream']}: {counted(each['number'], 'file is', 'files are')} refused")
        again, let_go = f"backhaul replay {each['stream']}", f"backhaul quarantine dismiss {each['stream']}"
        output.say(f"  next: once the pipeline is repaired: {again}; or let go of: {let_go}")
    if not rows and not files:
        output.say("nothing is in quarantine")


def show_rejected(output: Output, name: str, most: int) -> None:
    """Print rejected rows, column by column."""
    target = _stream(name)
    rows = open_rows(target, installation(), most)
    if output.json:
        output.document([_as_document(row) for row in rows])
        return
    if not rows:
        output.say(f"no row of {name} is in quarantine")
        return
    zone = ZoneInfo(target.pipeline.timezone)
    for row in rows:
        refused = f"{row.destination} refused it: " if row.destination else ""
        output.say(f"{row.file or 'computed rows'}, row {row.row:,}: {refused}{row.check}")
        if row.values is None:
            output.say("  its file cannot be read now; `backhaul quarantine requeue` says why")
        else:
            width = max(map(len, row.values), default=0)
            for column, value in row.values.items():
                output.say(f"  {column:{width}}  {_shown(value, zone)}")
        output.say()
    output.say(f"{counted(len(rows), 'row')} shown (--most {most}); repair them in a spreadsheet:")
    output.say(f"  next: backhaul quarantine export {name} rejected.xlsx")


def _shown(value: object, zone: tzinfo) -> object:
    """Return a cell as people write it down: times by the clock of the pipeline, as `export` gives them."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(zone)
    return "" if value is None else value


def export_rejected(output: Output, name: str, file: Path) -> None:
    """Write rejected rows to a new file and say what to do with it."""
    file = file.expanduser()
    number = export_rows(_stream(name), installation(), file)
    if output.json:
        output.document({"stream": name, "file": str(file), "rows": number})
        return
    output.say(f"{counted(number, 'row')} of {name} in {file}; correct the cells, leave the column _quarantine, save")
    output.say(f"  next: backhaul quarantine repair {name} {file}")


def repair_rejected(output: Output, name: str, file: Path) -> int:
    """Take a repaired file back, print the result, return the exit code."""
    result = repair(_stream(name), installation(), file.expanduser(), [Progress(output)])
    return report(output, [result], dry_run=False)


def requeue_rejected(output: Output, name: str) -> int:
    """Try rejected rows again, print the result, return the exit code."""
    return report(output, [requeue(_stream(name), installation(), [Progress(output)])], dry_run=False)


def dismiss_rejected(output: Output, name: str, check: str | None) -> None:
    """Let go of rejected rows, refused files and held batches, and say how many that were."""
    gone = dismiss(_stream(name), installation(), check)
    if output.json:
        output.document({"stream": name, **asdict(gone)})
        return
    output.say(f"{name}: let go of {gone.words}")


def _stream(name: str) -> Target:
    targets = find(home() / "systems", name)
    if len(targets) != 1 or len(tuple(targets[0].pipeline.streams)) != 1:
        streams = [f"{each.name}.{stream.name}" for each in targets for stream in each.pipeline.streams]
        raise ConfigError(f"{name} has {len(streams)} streams", next_step=f"Name one of: {', '.join(streams)}.")
    return targets[0]


def _as_document(row: ShownRow) -> dict[str, Any]:
    return {
        "id": row.ticket,
        "file": row.file,
        "row": row.row,
        "check": row.check,
        "destination": row.destination or None,
        "since": row.since.isoformat(),
        "values": row.values,
    }
