"""`reconcile`: curated beside what each destination has, row by row. Keys are shown to who asks, to nobody else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.cli.table_files import drawn, refuse_existing, write_csv
from backhaul.config import home
from backhaul.engine.reconcile import Difference, Reconciled, What, reconciled
from backhaul.engine.systems import find, load_system
from backhaul.engine.words import counted, reason

HEADERS = ("stream", "destination", "key", "what", "columns")
MOST_ON_A_SCREEN = 100
DIFFERENT, NOT_ASKED = 3, 1
UTC = ZoneInfo("UTC")


def reconcile_named(output: Output, name: str, csv: Path | None) -> int:
    """Compare the destinations of what name stands for with curated, print what differs; return the exit code.

    0 if all agree, 3 if there are differences, 1 if a destination could not be asked.
    """
    file = csv.expanduser() if csv else None
    refuse_existing(file)
    folder, here = home() / "systems", installation()
    # What shares a table with a stream is told from the whole system.
    targets, neighbours = find(folder, name), load_system(folder / name.partition(".")[0])
    found = [each for target in targets for each in reconciled(target, here, neighbours)]
    exit_code = _exit_code(found)
    for error in (each.error for each in found if each.error):
        output.traceback(error)
    if file:
        write_csv(file, HEADERS, (_row(each, one) for each in found for one in each.differences), UTC)
    if output.json:
        document = {"exit_code": exit_code, "destinations": [_as_document(each) for each in found]}
        output.document(document)
        return exit_code
    if not found:
        output.say(f"{name}: no stream delivers anywhere; its tables are in curated only")
        return exit_code
    _tell_differences(output, found, file)
    _tell_destinations(output, found)
    return exit_code


def _exit_code(found: Sequence[Reconciled]) -> int:
    if any(each.error for each in found):
        return NOT_ASKED
    return 0 if all(each.agrees for each in found) else DIFFERENT


def _row(each: Reconciled, one: Difference) -> tuple[str, ...]:
    what = f"{one.what}: {one.why}" if one.why else str(one.what)
    return each.stream, each.destination, ", ".join(one.key.values()), what, ", ".join(one.columns)


def _tell_differences(output: Output, found: Sequence[Reconciled], file: Path | None) -> None:
    rows = [_row(each, one) for each in found for one in each.differences]
    if file:
        output.say(f"{counted(len(rows), 'row')} in {file}")
    elif rows:
        # A pipe gets them all.
        most = MOST_ON_A_SCREEN if sys.stdout.isatty() else len(rows)
        for line in drawn(HEADERS, rows[:most], UTC):
            output.say(line)
        if len(rows) > most:
            output.say(f"... and {counted(len(rows) - most, 'row')} more; --csv FILE has them all")
        output.say()


def _tell_destinations(output: Output, found: Sequence[Reconciled]) -> None:
    """Print a line for each destination, and what a reader must know."""
    headers = ("stream", "destination", "rows", *What, "pending", "result")
    rows = [
        (
            each.stream,
            each.destination,
            each.rows,
            *(each.number(what) if what is not What.ONLY_THERE or each.lists_theirs else "-" for what in What),
            each.pending,
            "not asked" if each.error else "agrees" if each.agrees else "differs",
        )
        for each in found
    ]
    output.table(headers, rows, spare=("pending", "rows"))
    output.say()
    for each in found:
        about = f"{each.stream}, {each.destination}"
        if each.error:
            output.say(f"{about}: {reason(each.stream, str(each.error))}")
            output.say(f"  next: {each.error.next_step}")
        for remark in each.remarks:
            output.say(f"{about}: {remark}")
        if each.not_marked:
            output.say(f"{about}: {counted(each.not_marked, 'row')} there should be marked as removed")
        if each.pending:
            output.say(f"{about}: {counted(each.pending, 'delivery is', 'deliveries are')} pending")
            output.say(f"  next: backhaul run {each.stream}")
        elif not each.agrees and not each.error:
            if refused := each.number(What.REFUSED):
                output.say(f"{about}: {counted(refused, 'row is', 'rows are')} refused; put right what stands there")
            output.say(f"{about}: to have it as in curated: {each.repair}")


def _as_document(each: Reconciled) -> dict[str, Any]:
    """Return what was found of one destination as JSON values."""
    return {
        "stream": each.stream,
        "destination": each.destination,
        "agrees": each.agrees,
        "rows": each.rows,
        "missing_there": each.number(What.MISSING),
        "differs": each.number(What.DIFFERS),
        "refused": each.number(What.REFUSED),
        "only_there": each.number(What.ONLY_THERE) if each.lists_theirs else None,
        "not_marked": each.not_marked,
        "pending": each.pending,
        "remarks": list(each.remarks),
        "error": type(each.error).__name__ if each.error else None,
        "message": str(each.error) if each.error else None,
        "next_step": each.error.next_step if each.error else None,
        "differences": [
            {"key": dict(one.key), "what": one.what, "columns": list(one.columns), "why": one.why or None}
            for one in each.differences
        ],
    }
