"""One batch merged into one tab of an open workbook: only the cells whose value differs are touched."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.destinations.excel.cells import Content, contents, fact, fact_of_cell, put
from backhaul.destinations.excel.tab import (
    Header,
    Place,
    check_room,
    header_of,
    key_digest,
    key_of,
    refuse_double_keys,
    write_header,
)
from backhaul.model import REMOVED_AT, Changes, Counts, RowClass

Key = tuple[str, ...]


@dataclass
class ExcelMerge:
    """The merge of changes into an openpyxl workbook; `run` once, then read `counts` and `has_changed`."""

    book: Any
    place: Place
    changes: Changes
    now: datetime
    removed: int = 0
    has_changed: bool = False
    _classes: list[int] = field(default_factory=list)
    _rows: dict[Key, int] = field(default_factory=dict)
    _last: int = 0
    _template: int | None = None

    def run(self) -> None:
        """Change the workbook in memory. Raises DeliveryError, and then it must not be saved."""
        names = list(self.changes.batch.schema()) or list(self.place.stream.key)
        header = header_of(self._numbered(1), self.place, names)
        delivered = self.place.memory(self.book) if header else set()
        known = set(delivered)
        if header:
            self._look_up(header)
        else:
            header = self._first_header()
        self._add_columns(header, names)
        room = self.changes.counts.new
        check_room(self.place, self._last + room, header.width)
        before = self._last
        seen = self._merge_rows(header, delivered)
        if self.place.stream.complete and REMOVED_AT in header.columns:
            self._mark_removed(header, seen, known)
        self._stretch_tables(header, before)
        self.has_changed = self.has_changed or delivered != known
        if self.has_changed:
            self.place.mark(self.book, self.sheet)
            self.place.remember(self.book, delivered)

    @property
    def counts(self) -> Counts:
        """What was done; what an interrupted write had done already counts as it was announced."""
        import polars as pl

        classes = pl.Series("class", self._classes, dtype=pl.UInt8)
        return Changes(self.changes.batch, classes, removed=self.removed or self.changes.removed).counts

    @cached_property
    def sheet(self) -> Any:
        """The tab."""
        found = self.place.find(self.book)
        return found if found is not None else self.place.make(self.book)

    def _numbered(self, first: int, width: int | None = None) -> Iterator[tuple[int, tuple[Any, ...]]]:
        yield from enumerate(self.sheet.iter_rows(min_row=first, max_col=width), start=first)

    def _look_up(self, header: Header) -> None:
        """Find the row of each key, and the last row that is taken.

        A formula in a column of people does not take a row: they draw them down for rows that are to come.
        """
        ours = {header.columns.get(name) for name in self.changes.batch.schema()}
        twice: list[Key] = []
        self._last = header.row
        for number, cells in self._numbered(header.row + 1, header.width):
            if any(c.value is not None and (c.data_type != "f" or at in ours) for at, c in enumerate(cells, start=1)):
                self._last = number
            key = key_of(cells, header, self.place.stream.key)
            if key is None:
                continue
            if key in self._rows:
                twice.append(key)
            self._rows.setdefault(key, number)
            self._template = number
        batch = self.changes.batch
        if twice:
            wanted = {key for frame in batch.frames() for key in frame.select(self.place.stream.key).iter_rows()}
            refuse_double_keys(self.place, [key for key in twice if key in wanted])

    def _first_header(self) -> Header:
        self._last = 1
        self.sheet.freeze_panes = "A2"
        return Header(1, {}, 0)

    def _add_columns(self, header: Header, names: list[str]) -> None:
        marks = [REMOVED_AT] if self.place.stream.complete and self.changes.removed else []
        is_first = not header.columns
        added = header.place([*names, *marks])
        check_room(self.place, self._last, header.width)
        write_header(self.sheet, header, added)
        self.has_changed = self.has_changed or bool(added)
        if is_first:
            from openpyxl.styles import Font

            for cell in self.sheet[header.row]:
                cell.font = Font(bold=True)

    def _merge_rows(self, header: Header, delivered: set[bytes]) -> set[Key]:
        """Write what differs; return the keys of the batch, and add to delivered those that are in the tab now."""
        batch, stream = self.changes.batch, self.place.stream
        names = [name for name in batch.schema() if name not in stream.key]
        columns = [header.columns[name] for name in names]
        stamps = header.columns.get(REMOVED_AT) if stream.complete else None
        classes, at, seen = self.changes.classes.to_list(), 0, set()
        for frame in batch.frames():
            keys = frame.select(stream.key).iter_rows()
            for key, values in zip(keys, contents(frame, names, batch.timezone), strict=True):
                seen.add(key)
                found, at = classes[at], at + 1
                if found != RowClass.REFUSED:
                    found = self._merge_row(header, key, list(zip(columns, values, strict=True)), found, delivered)
                    if stamps and key in self._rows:
                        found = RowClass.UPDATED if self._fill(self._rows[key], [(stamps, None)]) else found
                self._classes.append(int(found))
        return seen

    def _merge_row(
        self, header: Header, key: Key, values: list[tuple[int, Content]], found: int, delivered: set[bytes]
    ) -> int:
        """Bring one row of the batch into the tab; return what became of it."""
        digest, number = key_digest(key), self._rows.get(key)
        if number is None and digest in delivered:
            # A person has deleted it; or it came with this batch before a crash, and then it was deleted.
            return RowClass.NEW if found == RowClass.NEW else RowClass.UNCHANGED
        delivered.add(digest)
        if number is not None:
            return RowClass.UPDATED if self._fill(number, values) else found
        self._last += 1
        self._rows[key] = self._last
        keys = [(header.columns[name], text) for name, text in zip(self.place.stream.key, key, strict=True)]
        self._dress(self._last, [at for at, _ in (*keys, *values)])
        self._fill(self._last, [*keys, *values])
        return RowClass.NEW

    def _fill(self, number: int, values: list[tuple[int, Content]]) -> bool:
        """Give the cells of a row their values; return whether one of them was another."""
        is_changed = False
        for at, content in values:
            cell = self.sheet.cell(number, at)
            if fact_of_cell(cell) != fact(content):
                put(cell, content, 1904 if self.book.epoch.year == 1904 else 1900)
                is_changed = self.has_changed = True
        return is_changed

    def _dress(self, number: int, columns: list[int]) -> None:
        """Give a new row the formats of the last row above it that has a key."""
        if self._template is not None:
            for at in columns:
                self.sheet.cell(number, at)._style = copy(self.sheet.cell(self._template, at)._style)

    def _mark_removed(self, header: Header, seen: set[Key], known: set[bytes]) -> None:
        """Mark the delivered rows that the batch lacks; rows that people have typed are theirs."""
        moment = self.now.astimezone(ZoneInfo(self.changes.batch.timezone)).replace(tzinfo=None, microsecond=0)
        at = header.columns[REMOVED_AT]
        for key, number in self._rows.items():
            is_gone = key not in seen and key_digest(key) in known
            if is_gone and not fact_of_cell(self.sheet.cell(number, at)):
                self._fill(number, [(at, moment)])
                self.removed += 1

    def _stretch_tables(self, header: Header, last_before: int) -> None:
        """Let an Excel table that ended with the last row go on to the new last row, as Excel itself does."""
        from openpyxl.utils.cell import get_column_letter, range_boundaries

        for table in self.sheet.tables.values():
            left, top, right, bottom = range_boundaries(table.ref)
            if top == header.row and bottom == last_before and self._last > bottom and not table.totalsRowCount:
                table.ref = f"{get_column_letter(left)}{top}:{get_column_letter(right)}{self._last}"
                if table.autoFilter is not None:
                    table.autoFilter.ref = table.ref
