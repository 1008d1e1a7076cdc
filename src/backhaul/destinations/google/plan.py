"""What to write where: our columns in a tab, and for each row of a batch its class and its cells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.destinations.google.cells import (
    LONGEST_CELL,
    MOMENT,
    Cell,
    Column,
    Fault,
    Formula,
    NumberFormat,
    Plain,
    columns_of,
    is_too_long,
    same,
)
from backhaul.destinations.google.manner import Manner
from backhaul.destinations.google.memory import digest
from backhaul.destinations.google.view import KEY_JOINT, View
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, ROW, Batch, Rejected, RowClass

if TYPE_CHECKING:
    import polars as pl

MOST_COLUMNS = 18_278
MOST_CELLS = 10_000_000

Cells = Callable[[int], Sequence[Cell]]
"""Gives the cells of a row of the tab by its number, at least as far as our last column."""


@dataclass(frozen=True)
class Layout:
    """Where our columns are, and where those will be that the tab lacks.

    Args:
        columns: place by name, in the batch's order; `removed_at` is last, where it is wanted.
        headed: headers that the write has to set, by place.
        header_row: the header's row; the first one in an empty tab.
        width: columns that the grid must have.
    """

    columns: Mapping[str, int]
    key: tuple[int, ...]
    header: tuple[str, ...]
    headed: Mapping[int, str]
    header_row: int
    width: int

    @property
    def own(self) -> tuple[int, ...]:
        """All our columns, by place."""
        return tuple(sorted(self.columns.values()))

    def said(self, column: int) -> str:
        """Return what the header says of a column before the write."""
        return self.header[column] if column < len(self.header) else ""


def missing_columns(view: View, names: Sequence[str], said_by: str) -> DeliveryError | None:
    """Return the error for columns that a tab lacks to which none may be added; None if it has them all."""
    missing = [name for name in names if name not in view.bound]
    if not missing:
        return None
    told = ", ".join(map(repr, missing))
    where = "is empty: it" if view.header_row is None else f"has its header in row {view.header_row + 1}, which"
    return DeliveryError(
        f"{said_by}: tab {view.place.title!r} {where} has no column {told}; nothing is added to this sheet",
        next_step=f"Give the column its header back ({told}), or adapt the pipeline to the sheet.",
    )


def lay_out(view: View, names: Sequence[str], key: Sequence[str], said_by: str) -> Layout:
    """Return the places of the columns called names; new ones come right of everything that stands there.

    Raises DeliveryError for columns that can not be told apart, and for more than a sheet can have.
    """
    stripped = [name.strip() for name in names]
    if "" in stripped or len(set(stripped)) < len(stripped):
        doubled = sorted({name for name in stripped if stripped.count(name) > 1})
        raise DeliveryError(
            f"{said_by}: columns without a name, or of one name: {doubled}",
            next_step="Let the stream's transform give each column a name of its own.",
        )
    columns: dict[str, int] = {}
    headed: dict[int, str] = {}
    end = view.end_column
    for name in names:
        if name not in view.bound:
            columns[name] = end
            headed[end] = name.strip()
            end += 1
        else:
            columns[name] = view.bound[name]
    if end > MOST_COLUMNS:
        raise DeliveryError(
            f"{said_by}: tab {view.place.title!r} would have {end:,} columns; Google allows {MOST_COLUMNS:,}",
            next_step="Let the stream's transform drop columns, or name another tab.",
        )
    return Layout(
        columns=columns,
        key=tuple(columns[name] for name in key),
        header=tuple(view.header),
        headed=headed,
        header_row=view.header_row or 0,
        width=max(view.place.columns, max(columns.values(), default=0) + 1),
    )


@dataclass(frozen=True)
class RowWrite:
    """The cells to write into one row; `formats` are those of numbers that were no number before.

    Args:
        key: the key's digest. The row must be its row, or, of a fresh one, empty in our columns.
    """

    row: int
    key: bytes
    cells: Mapping[int, Plain]
    formats: Mapping[int, NumberFormat] = field(default_factory=dict)
    is_fresh: bool = False
    is_removal: bool = False


_Verdict = RowWrite | str | None
"""What becomes of a row: what to write, why it is refused, or nothing."""


@dataclass(frozen=True)
class Keyed:
    """A part of a batch: its frame, and each row's key, columns joined."""

    frame: pl.DataFrame
    keys: list[str]


def keyed(batch: Batch, key: Sequence[str], aliases: Mapping[str, str]) -> Iterator[Keyed]:
    """Yield the batch's parts with their keys; those that stand in the tab under another one have that."""
    import polars as pl

    for frame in batch.frames():
        joined = frame.select(pl.concat_str([pl.col(name).str.strip_chars() for name in key], separator=KEY_JOINT))
        keys = joined.to_series().to_list()
        yield Keyed(frame, [aliases.get(each, each) for each in keys] if aliases else keys)


@dataclass
class Assessment:
    """What became of one part: a class for each row, rows that can not be delivered, and what to write."""

    classes: list[RowClass]
    refused: list[Rejected]
    writes: list[RowWrite]

    def add(self, number: int, verdict: _Verdict) -> None:
        """Take in what becomes of the row of this number."""
        if isinstance(verdict, str):
            self.classes.append(RowClass.REFUSED)
            self.refused.append(Rejected(number, verdict))
        elif verdict is None:
            self.classes.append(RowClass.UNCHANGED)
        else:
            self.classes.append(RowClass.NEW if verdict.is_fresh else RowClass.UPDATED)
            self.writes.append(verdict)


@dataclass
class Planner:
    """Assesses a batch part by part against a view.

    Args:
        delivered: digests of keys that were delivered before; one that is in no row was deleted by a person.
        next_row: where the next fresh row goes.
        meant: the class that an earlier comparison gave to each row of the batch, in order; empty without one.
        settled: rows that were meant to be updated and say by now what the batch says: an answer was lost.
        late: rows that are refused and were not by that comparison.
    """

    view: View
    layout: Layout
    schema: Mapping[str, pl.DataType]
    timezone: str
    delivered: set[bytes]
    is_complete: bool = False
    next_row: int = 0
    manner: Manner = field(default=Manner())
    meant: Sequence[int] = ()
    settled: int = 0
    late: list[Rejected] = field(default_factory=list)
    _assessed: int = 0

    def assess(self, part: Keyed, cells_of: Cells) -> Assessment:
        """Return what becomes of each row of part; cells_of is asked for rows that `view.keys` has."""
        columns = columns_of(part.frame, dict(self.schema), self.timezone)
        placed = [(self.layout.columns[column.name], column) for column in columns]
        too_long = _too_long(columns, len(part.keys))
        found = Assessment([], [], [])
        numbers = part.frame[ROW].to_list()
        for at, key in enumerate(part.keys):
            row = self.view.keys.get(key)
            before = self.meant[self._assessed + at] if self.meant else None
            if before == RowClass.REFUSED or (self.manner.adds_only and self._is_known(key)):
                # A row that waits in quarantine is not written besides.
                verdict: _Verdict = None
            elif at in too_long:
                verdict = f"cell in {too_long[at]} is longer than {LONGEST_CELL:,} characters"
            elif key in self.view.shared:
                verdict = f"key stands in rows {_told(self.view.shared[key])}"
            elif row is None:
                verdict = self._fresh(key, at, placed)
            else:
                verdict = self._there(key, row, at, placed, cells_of(row))
                self.settled += verdict is None and before == RowClass.UPDATED
            found.add(int(numbers[at]), verdict)
        self._assessed += len(part.keys)
        if self.meant:
            self.late.extend(found.refused)
        return found

    def _is_known(self, key: str) -> bool:
        return key in self.view.keys or digest(key) in self.delivered

    def _fresh(self, key: str, at: int, placed: Sequence[tuple[int, Column]]) -> _Verdict:
        short = digest(key)
        if short in self.delivered or self.manner.update_only:
            return None
        cells = {place: column.cells[at] for place, column in placed}
        row = self.next_row
        self.next_row += 1
        return RowWrite(row, short, cells, is_fresh=True)

    def _there(
        self, key: str, row: int, at: int, placed: Sequence[tuple[int, Column]], there: Sequence[Cell]
    ) -> _Verdict:
        cells: dict[int, Plain] = {}
        formats: dict[int, NumberFormat] = {}
        for place, column in placed:
            cell = there[place] if place < len(there) else None
            ours = column.cells[at]
            if (cell == ours and type(cell) is type(ours)) or place in self.layout.key:
                continue
            if type(ours) is str and cell is not None:
                ours = self.manner.fitting(cell, ours)
            if same(cell, ours, is_moment=column.is_moment):
                continue
            if isinstance(cell, Formula | Fault):
                # A formula in a column of ours is a person's decision, whatever it comes to.
                if self.manner.update_only:
                    return f"cell in {column.name} holds a formula"
                continue
            cells[place] = ours
            if column.shown and isinstance(ours, int | float) and not isinstance(cell, int | float):
                formats[place] = column.shown
        removed = self.layout.columns.get(REMOVED_AT) if self.is_complete else None
        if removed is not None and removed < len(there) and there[removed] is not None:
            cells[removed] = None
        return RowWrite(row, digest(key), cells, formats) if cells else None

    def removals(self, keys: Iterable[str], cells_of: Cells, now: Plain) -> Iterator[RowWrite]:
        """Yield the marks for rows of these keys that are gone from the source and not marked yet."""
        column = self.layout.columns[REMOVED_AT]
        for key in keys:
            row = self.view.keys[key]
            there = cells_of(row)
            if column >= len(there) or there[column] is None:
                shown = {column: MOMENT}
                yield RowWrite(row, digest(key), {column: now}, shown, is_removal=True)


def _told(rows: Sequence[int]) -> str:
    """Return rows as people count them: 4 and 10, or 4, 10 and 12."""
    *first, last = (str(row + 1) for row in rows)
    return f"{', '.join(first)} and {last}"


def _too_long(columns: list[Column], rows: int) -> dict[int, str]:
    """Return the first column whose cell is too long, by row."""
    found: dict[int, str] = {}
    for column in columns:
        for at in range(rows):
            cell = column.cells[at]
            if type(cell) is str and len(cell) > LONGEST_CELL // 2 and is_too_long(cell):
                found.setdefault(at, column.name)
    return found
