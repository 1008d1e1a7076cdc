"""Quarantine: rejected rows looked at, written out for repair, and let go of; `rework.py` takes them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from backhaul.engine.derived import is_derived
from backhaul.engine.filled import filled_for_rework
from backhaul.engine.repair_file import CHECK, FILE, TICKET, write_rows
from backhaul.engine.reread import ID, Reread
from backhaul.engine.run import Installation, check_key
from backhaul.engine.stage import Stager
from backhaul.engine.systems import Target
from backhaul.engine.words import counted
from backhaul.errors import ConfigError
from backhaul.model import ROW, Stream


@dataclass(frozen=True)
class ShownRow:
    """A rejected row for the person at the terminal; values is None where its file cannot be read any more."""

    ticket: str
    file: str
    row: int
    check: str
    destination: str
    since: datetime
    values: Mapping[str, Any] | None


@dataclass(frozen=True)
class Dismissed:
    """How many rows, refused files and held batches were let go of."""

    rows: int
    files: int
    batches: int

    @property
    def words(self) -> str:
        """What it was, for people."""
        batches = counted(self.batches, "held batch", "held batches")
        return f"{counted(self.rows, 'row')}, {counted(self.files, 'refused file')}, {batches}"


def open_rows(target: Target, installation: Installation, most: int | None = None) -> list[ShownRow]:
    """Return the rows of a stream that are in quarantine, oldest file first, as today's pipeline reads them.

    Raises ConfigError if target is not exactly one stream that reads files.
    """
    reread = reread_of(target, installation)
    entries = reread.ledger.rejects.rows(reread.name)
    shown = []
    for group in reread.groups(entries[:most]):
        values = {row.pop(ID): row for row in group.frame.drop(ROW, strict=False).iter_rows(named=True)}
        for entry in group.entries.values():
            place = (entry.ticket, entry.file_name, entry.row, entry.check, entry.destination, entry.at)
            shown.append(ShownRow(*place, values.get(entry.id)))
    return shown


def export_rows(target: Target, installation: Installation, path: Path) -> int:
    """Write the rows of a stream that are in quarantine to a new .xlsx or .csv; return how many.

    Raises ConfigError for another ending, for a file that is there, and if there is nothing to write.
    """
    rows = [row for row in open_rows(target, installation) if row.values is not None]
    if not rows:
        raise ConfigError("no row of this stream is in quarantine", next_step="`backhaul quarantine` shows what is.")
    columns = list(dict.fromkeys(name for row in rows for name in row.values or ()))
    lines = (
        (
            row.ticket,
            row.check,
            _where(row),
            *((row.values or {}).get(name) for name in columns),
        )
        for row in rows
    )
    write_rows(path, (TICKET, CHECK, FILE, *columns), lines, target.pipeline.timezone)
    return len(rows)


def _where(row: ShownRow) -> str:
    # A spreadsheet counts its header as row 1; rows of data are counted from 1 here.
    return f"{row.file}, data row {row.row}"


def dismiss(target: Target, installation: Installation, check: str | None = None) -> Dismissed:
    """Let go of a stream's rejected rows, of all or of one check's; with all, of refused files and held batches too.

    What was let go of is never told again; it stays in the lake until retention removes it. Raises ConfigError,
    AlreadyRunning.
    """
    name, ledger = f"{target.name}.{_only_stream(target).name}", installation.ledger
    with installation.held(target.name, wait=False):
        gone = Dismissed(*ledger.rejects.dismiss(name, check))
        if gone != Dismissed(0, 0, 0):
            ledger.keep_audit("dismiss", name, gone.words + (f"; {check}" if check else ""))
        return gone


def reread_of(target: Target, installation: Installation) -> Reread:
    """Return what reads the rejected rows of target again.

    Raises ConfigError if target is not exactly one stream that reads files, and where its key is missing.
    """
    name = f"{target.name}.{_only_stream(target).name}"
    pipeline = filled_for_rework(target.pipeline, installation.settings)
    [stream] = pipeline.streams
    if is_derived(stream):
        raise ConfigError(f"{name} is computed anew by every run", next_step="Correct the rows it is computed from.")
    check_key(target.name, [stream], installation)
    lake = installation.lake.of(stream)
    stager = Stager(name, stream, pipeline.timezone, lake)
    return Reread(stream, stager, installation.ledger, lake, installation.curated)


def _only_stream(target: Target) -> Stream:
    streams = tuple(target.pipeline.streams)
    if len(streams) != 1:
        names = ", ".join(f"{target.name}.{stream.name}" for stream in streams)
        raise ConfigError(f"{target.name} has {len(streams)} streams", next_step=f"Name one of: {names}.")
    return streams[0]
