"""An Excel workbook that people keep open and edit, merged by key into one of its tabs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backhaul.config import Text, home, text
from backhaul.destinations.excel.cells import contents, fact, fact_of_cell, refused_rows, rejected
from backhaul.destinations.excel.file import (
    check_name,
    library,
    loaded,
    opened,
    refuse_losses,
    refuse_open_file,
    rows_of,
    save,
)
from backhaul.destinations.excel.merge import ExcelMerge
from backhaul.destinations.excel.tab import (
    Header,
    Place,
    check_room,
    header_of,
    key_digest,
    key_of,
    refuse_double_keys,
)
from backhaul.errors import DeliveryError
from backhaul.lake.whole_file import WholeFile
from backhaul.model import REMOVED_AT, ROW, Batch, Changes, Counts, Rejected, RowClass, Stream

Row = tuple[int, tuple[Any, ...]]


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class ExcelWorkbook:
    """A workbook (.xlsx) on this machine or a shared drive; made if it is not there.

    Columns are found by the text of the header; columns, rows, tabs, formulas and formats of people stay. A
    delivered row that a person deletes stays deleted. What cannot be kept (charts, macros, ...) is refused.

    Args:
        tab: its title; without one, the first tab.
        name: how messages and the ledger call it; two workbooks of one stream need two names.
        clock: tells the time (UTC).
    """

    path: Text
    tab: str | None = None
    name: str = "workbook"
    clock: Callable[[], datetime] = field(default=utc_now, compare=False, repr=False)

    @property
    def file(self) -> Path:
        """The workbook's path."""
        return home() / Path(text(self.path)).expanduser()

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch; changes nothing. Refuses rows with a text that no cell can hold."""
        import polars as pl

        check_name(self.file, self.name)
        _refuse_names(stream, batch)
        with self._whole.errors_told():
            known = self._read(stream, batch)
        classes: list[int] = []
        refused: list[Rejected] = []
        values = [name for name in batch.schema() if name not in stream.key]
        for frame in batch.frames():
            bad = refused_rows(frame)
            refused += rejected(bad)
            keys = frame.select(stream.key).iter_rows()
            rows = contents(frame, values, batch.timezone)
            for number, key, row in zip(frame[ROW], keys, rows, strict=True):
                found = known.classed(key, _digest(fact(each) for each in row))
                classes.append(int(RowClass.REFUSED if number in bad else found))
        changes = Changes(batch, pl.Series("class", classes, dtype=pl.UInt8), tuple(refused), known.removed())
        check_room(self._place(stream), known.last_row + changes.counts.new, known.width)
        return changes

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Merge the batch into the tab; the file is replaced as a whole, and not at all if nothing differs."""
        found, place, openpyxl = changes.counts, self._place(stream), library()
        with self._whole.errors_told():
            is_due = found.new or found.updated or found.removed or self._has_forgotten(place, changes)
        if not is_due:
            return found
        with self._whole.locked():
            refuse_open_file(self.file, self.name)
            with self._whole.replaced() as part:
                if self.file.exists():
                    book = loaded(self.file, self.name)
                else:
                    book = openpyxl.Workbook()
                    book.remove(book.active)
                merge = ExcelMerge(book, place, changes, self.clock())
                merge.run()
                if merge.has_changed:
                    # Formulas that look at our cells are computed anew when the workbook is opened.
                    book.calculation.fullCalcOnLoad = True
                    save(book, part)
        return merge.counts

    def check(self) -> str:
        """Return what was found; changes nothing. Raises what a delivery would raise, but for open workbooks."""
        library()
        check_name(self.file, self.name)
        self._whole.check_folder()
        if not self.file.exists():
            return f"{self.file.name} will be made"
        with self._whole.errors_told():
            refuse_losses(self.file, self.name)
            book = opened(self.file, self.name)
            tabs = len([sheet for sheet in book.worksheets if sheet.sheet_state == "visible"])
            book.close()
        return f"{self.file.name} can be merged into; visible tabs: {tabs}"

    @property
    def _whole(self) -> WholeFile:
        return WholeFile(self.file, self.name)

    def _place(self, stream: Stream) -> Place:
        title = f", tab {self.tab}" if self.tab else ""
        return Place(stream, self.tab, f"{self.name}: {self.file.name}{title}")

    def _read(self, stream: Stream, batch: Batch) -> _Known:
        known = _Known(stream.complete)
        if not self.file.exists():
            return known
        place, names = self._place(stream), list(batch.schema())
        book = opened(self.file, self.name)
        try:
            sheet = place.find(book)
            header = header_of(self._rows(sheet), place, names) if sheet is not None else None
            if header:
                known.memory = place.memory(book)
                known.read(self._rows(sheet), header, place, names)
                header.place(names)
                known.width = header.width
        finally:
            book.close()
        wanted = {key for frame in batch.frames() for key in frame.select(stream.key).iter_rows()}
        refuse_double_keys(place, [key for key in known.twice if key in wanted])
        return known

    def _rows(self, sheet: Any) -> Iterator[Row]:
        return rows_of(sheet, self.file, self.name)

    def _has_forgotten(self, place: Place, changes: Changes) -> bool:
        """Return whether rows are there that the memory does not know, because people had filled them in before."""
        if not self.file.exists():
            return False
        there = changes.rows(RowClass.UNCHANGED)
        wanted = {key_digest(key) for frame in there for key in frame.select(place.stream.key).iter_rows()}
        if not wanted:
            return False
        book = opened(self.file, self.name)
        try:
            return not wanted <= place.memory(book)
        finally:
            book.close()


@dataclass
class _Known:
    """What the tab holds: a digest of the values by key, for the columns of the batch."""

    is_complete: bool
    memory: set[bytes] = field(default_factory=set)
    twice: list[tuple[str, ...]] = field(default_factory=list)
    last_row: int = 1
    width: int = 0
    _values: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    _stamped: set[tuple[str, ...]] = field(default_factory=set)
    _seen: set[tuple[str, ...]] = field(default_factory=set)

    def read(self, rows: Iterator[Row], header: Header, place: Place, names: list[str]) -> None:
        """Go through the rows below the header once."""
        places = [header.columns.get(name) for name in names if name not in place.stream.key]
        stamps = header.columns.get(REMOVED_AT)
        for number, cells in rows:
            if number <= header.row:
                continue
            if any(cell.value is not None and cell.data_type != "f" for cell in cells):
                self.last_row = number
            key = key_of(cells, header, place.stream.key)
            if key is None:
                continue
            if key in self._values:
                self.twice.append(key)
            self._values[key] = _digest(
                fact_of_cell(cells[at - 1]) if at and at <= len(cells) else "" for at in places
            )
            if stamps and stamps <= len(cells) and fact_of_cell(cells[stamps - 1]):
                self._stamped.add(key)

    def classed(self, key: tuple[str, ...], values: bytes) -> RowClass:
        """Return what a row of the batch is; one that was delivered and deleted by a person is unchanged."""
        self._seen.add(key)
        there = self._values.get(key)
        if there is None:
            return RowClass.UNCHANGED if key_digest(key) in self.memory else RowClass.NEW
        is_same = there == values and not (self.is_complete and key in self._stamped)
        return RowClass.UNCHANGED if is_same else RowClass.UPDATED

    def removed(self) -> int:
        """Return how many delivered rows the batch, all of which was classed, newly lacks."""
        if not self.is_complete:
            return 0
        gone = (key for key in self._values if key not in self._seen and key not in self._stamped)
        return sum(key_digest(key) in self.memory for key in gone)


def _digest(facts: Iterable[str]) -> bytes:
    """Return 16 bytes that stand for the values of a row during one comparison; they are never kept."""
    return hashlib.blake2b(repr(tuple(facts)).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _refuse_names(stream: Stream, batch: Batch) -> None:
    if stream.complete and REMOVED_AT in batch.schema():
        raise DeliveryError(
            f"{stream.name}: column {REMOVED_AT!r} is backhaul's own, and the batch has one of that name",
            next_step="Rename it in the stream's transform.",
        )
    if any(not name.strip() for name in batch.schema()):
        raise DeliveryError(
            f"{stream.name}: a column has no name, and a sheet knows columns by their names",
            next_step="Name it in the stream's transform.",
        )
