"""CSV files: one for each stream, merged by key, with dated snapshots if wanted."""

from __future__ import annotations

import filecmp
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from backhaul.config import Text, text
from backhaul.destinations.csv.merge import CsvMerge
from backhaul.destinations.csv.table import CsvTable
from backhaul.destinations.whole_file import WholeFile
from backhaul.errors import ConfigError
from backhaul.lake.landing import safe_name
from backhaul.model import Batch, Changes, Counts, Stream

ENCODINGS = ("utf-8-sig", "utf-8")
SEPARATORS = (",", ";", "\t", "|")


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class CsvFiles:
    """A folder with a file `TABLE.csv` for each stream: the whole present state, rows in order of appearance.

    Columns of the batch are ours; columns that people added stay. The file is replaced as a whole.

    Args:
        snapshots: keep so many dated copies, `TABLE-2025-09-12T0800.csv`, one for each change.
        encoding: "utf-8-sig" (Excel shows every script right) or "utf-8".
        separator: Excel expects ";" in countries that write 1,5 for one and a half.
        guard_formulas: write an apostrophe before text that a spreadsheet would run as a formula.
        clock: tells the time (UTC).
    """

    folder: Text
    name: str = "csv"
    snapshots: int = 0
    encoding: str = "utf-8-sig"
    separator: str = ","
    guard_formulas: bool = False
    clock: Callable[[], datetime] = field(default=utc_now, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"{self.name}: encoding is {self.encoding!r}; it is one of {', '.join(ENCODINGS)}")
        if self.separator not in SEPARATORS:
            raise ConfigError(f"{self.name}: separator is {self.separator!r}; it is one of {SEPARATORS}")
        if self.snapshots < 0:
            raise ConfigError(f"{self.name}: snapshots is {self.snapshots}; it is 0 or more")

    def path(self, stream: Stream) -> Path:
        """Return the stream's file."""
        return Path(text(self.folder)).expanduser() / f"{safe_name(stream.target)}.csv"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch; changes nothing, and creates nothing if the file is not there."""
        with self._file(stream).errors_told():
            merge = self._merge(stream, batch, may_add_removed_at=True)
            for _ in merge.blocks():
                pass
        return Changes(batch, merge.classes, removed=merge.removed)

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Merge the batch into the file and take a snapshot, if anything has changed."""
        found, file = changes.counts, self._file(stream)
        if not (found.new or found.updated or found.removed):
            return found
        with file.locked():
            with file.replaced() as part:
                merge = self._merge(stream, changes.batch, may_add_removed_at=bool(changes.removed))
                with part.open("wb") as out:
                    merge.write(out, marked=self.encoding == "utf-8-sig")
                if not merge.has_changed:
                    part.unlink()
            if self.snapshots:
                self._take_snapshot(stream, changes.batch.timezone)
        return merge.counts(changes)

    def check(self) -> str:
        """Return what was found; changes nothing. Raises DeliveryError if the folder may not be written to."""
        folder = Path(text(self.folder)).expanduser()
        WholeFile(folder / "TABLE.csv", self.name).check_folder()
        return (
            f"{folder.name} holds {len(list(folder.glob('*.csv')))} CSV files" if folder.exists() else "will be made"
        )

    def _file(self, stream: Stream) -> WholeFile:
        return WholeFile(self.path(stream), self.name)

    def _merge(self, stream: Stream, batch: Batch, *, may_add_removed_at: bool) -> CsvMerge:
        table = CsvTable(self.path(stream), self.separator, self.name)
        return CsvMerge(
            table,
            stream,
            batch,
            now=self.clock(),
            guarded=self.guard_formulas,
            may_add_removed_at=may_add_removed_at,
        )

    def _take_snapshot(self, stream: Stream, timezone: str) -> None:
        """Copy the file, unless the newest snapshot holds the same; remove the oldest beyond their number."""
        path = self.path(stream)
        ours = re.compile(re.escape(path.stem) + r"-\d{4}-\d\d-\d\dT\d{4}\.csv")
        there = sorted(each for each in path.parent.iterdir() if ours.fullmatch(each.name) and each.is_file())
        if not there or not filecmp.cmp(path, there[-1], shallow=False):
            moment = self.clock().astimezone(ZoneInfo(timezone))
            copy = path.with_name(f"{path.stem}-{moment:%Y-%m-%dT%H%M}.csv")
            with WholeFile(copy, self.name).replaced() as part:
                shutil.copyfile(path, part)
            there = sorted({*there, copy})
        for old in there[: -self.snapshots]:
            old.unlink(missing_ok=True)
