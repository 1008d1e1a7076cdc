"""CSV files: one for each stream, merged by key, with dated snapshots if wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from backhaul.config import Setting, Text, home, text
from backhaul.destinations.csv.merge import CsvMerge
from backhaul.destinations.csv.snapshots import SnapshotName, Snapshots
from backhaul.destinations.csv.table import CsvTable
from backhaul.errors import ConfigError
from backhaul.lake.landing import safe_name
from backhaul.lake.whole_file import WholeFile
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
        snapshots: keep so many dated copies, `TABLE-2025-09-12T0800.csv`, one for each change; or a setting that
            says how many. Those of a complete stream leave out the rows that are gone.
        encoding: "utf-8-sig" (Excel shows every script right) or "utf-8".
        separator: Excel expects ";" in countries that write 1,5 for one and a half.
        guard_formulas: write an apostrophe before text that a spreadsheet would run as a formula.
        dated: the name of a copy without `.csv`: `{table}`, and the moment by the pipeline's clock in the codes
            %Y %m %d %H %M %S. Without `{table}`, the copies in the folder are of one stream.
        clock: tells the time (UTC).
    """

    folder: Text
    name: str = "csv"
    snapshots: int | Text = 0
    encoding: str = "utf-8-sig"
    separator: str = ","
    guard_formulas: bool = False
    dated: str = "{table}-%Y-%m-%dT%H%M"
    clock: Callable[[], datetime] = field(default=utc_now, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"{self.name}: encoding is {self.encoding!r}; it is one of {', '.join(ENCODINGS)}")
        if self.separator not in SEPARATORS:
            raise ConfigError(f"{self.name}: separator is {self.separator!r}; it is one of {SEPARATORS}")
        if not isinstance(self.snapshots, Setting) and not str(self.snapshots).isdecimal():
            raise ConfigError(
                f"{self.name}: snapshots is {self.snapshots!r}; it is a whole number, 0 or more",
                next_step="Correct the setting that says it, such as MAX_CSV_FILES, or snapshots= in the pipeline.",
            )
        SnapshotName(self.dated)

    def path(self, stream: Stream) -> Path:
        """Return the stream's file."""
        return home() / Path(text(self.folder)).expanduser() / f"{safe_name(stream.target)}.csv"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch; changes nothing, and creates nothing if the file is not there."""
        with self._file(stream).errors_told():
            if snapshots := self._snapshots(stream):
                snapshots.refuse_others()
            merge = self._merge(stream, batch, may_add_removed_at=True)
            for _ in merge.blocks():
                pass
        return Changes(batch, merge.classes, removed=merge.removed)

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Merge the batch into the file and take a snapshot, if anything has changed."""
        found, file, snapshots = changes.counts, self._file(stream), self._snapshots(stream)
        if not (found.new or found.updated or found.removed):
            return found
        with file.locked():
            if snapshots:
                snapshots.claim()
            with file.replaced() as part:
                merge = self._merge(stream, changes.batch, may_add_removed_at=bool(changes.removed))
                with part.open("wb") as out:
                    merge.write(out, marked=self._is_marked)
                if not merge.has_changed:
                    part.unlink()
            if snapshots:
                moment = (changes.batch.made_at or self.clock()).astimezone(ZoneInfo(changes.batch.timezone))
                snapshots.take(moment, is_complete=stream.complete, marked=self._is_marked)
        return merge.counts(changes)

    def check(self) -> str:
        """Return what was found; changes nothing. Raises DeliveryError if the folder may not be written to."""
        folder = home() / Path(text(self.folder)).expanduser()
        WholeFile(folder / "TABLE.csv", self.name).check_folder()
        return (
            f"{folder.name} holds {len(list(folder.glob('*.csv')))} CSV files" if folder.exists() else "will be made"
        )

    def _file(self, stream: Stream) -> WholeFile:
        return WholeFile(self.path(stream), self.name)

    def _table(self, stream: Stream) -> CsvTable:
        return CsvTable(self.path(stream), self.separator, self.name)

    def _merge(self, stream: Stream, batch: Batch, *, may_add_removed_at: bool) -> CsvMerge:
        return CsvMerge(
            self._table(stream),
            stream,
            batch,
            now=self.clock(),
            guarded=self.guard_formulas,
            may_add_removed_at=may_add_removed_at,
        )

    def _snapshots(self, stream: Stream) -> Snapshots | None:
        most = self.snapshots if isinstance(self.snapshots, int) else int(text(self.snapshots))
        return Snapshots(self._table(stream), SnapshotName(self.dated), most, self.name) if most else None

    @property
    def _is_marked(self) -> bool:
        return self.encoding == "utf-8-sig"
