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


@dataclass(frozen=True)
class Keyed:
    """A part of a batch: its frame, and each row's key, columns joined."""

    frame: pl.DataFrame
    keys: list[str]


def keyed(batch: Batch, key: Sequence[str]) -> Iterator[Keyed]:
    """Yield the batch's parts with their keys."""
    import polars as pl

    for frame in batch.frames():
        joined = frame.select(pl.concat_str([pl.col(name).str.strip_chars() for name in key], separator=KEY_JOINT))
        yield Keyed(frame, joined.to_series().to_list())


@dataclass
class Assessment:
    """What became of one part: a class for each row, rows that can not be delivered, and what to write."""

    classes: list[RowClass]
    refused: list[Rejected]
    writes: list[RowWrite]


@dataclass
class Planner:
    """Assesses a batch part by part against a view.

    Args:
        delivered: digests of keys that were delivered before; one that is in no row was deleted by a person.
        next_row: where the next fresh row goes.
    """

    view: View
    layout: Layout
    schema: Mapping[str, pl.DataType]
    timezone: str
    delivered: set[bytes]
    is_complete: bool = False
    next_row: int = 0

    def assess(self, part: Keyed, cells_of: Cells) -> Assessment:
        """Return what becomes of each row of part; cells_of is asked for rows that `view.keys` has."""
        columns = columns_of(part.frame, dict(self.schema), self.timezone)
        places = [self.layout.columns[column.name] for column in columns]
        too_long = _too_long(columns, len(part.keys))
        found = Assessment([], [], [])
        numbers = part.frame[ROW].to_list()
        for at, key in enumerate(part.keys):
            row = self.view.keys.get(key)
            if at in too_long:
                found.classes.append(RowClass.REFUSED)
                limit = f"cell in {too_long[at]} is longer than {LONGEST_CELL:,} characters"
                found.refused.append(Rejected(int(numbers[at]), limit))
            elif row is None:
                found.classes.append(self._fresh(key, at, columns, places, found))
            else:
                found.classes.append(self._there(key, row, at, columns, places, cells_of(row), found))
        return found

    def _fresh(self, key: str, at: int, columns: list[Column], places: list[int], found: Assessment) -> RowClass:
        short = digest(key)
        if short in self.delivered:
            return RowClass.UNCHANGED
        cells = {place: column.cells[at] for place, column in zip(places, columns, strict=True)}
        found.writes.append(RowWrite(self.next_row, short, cells, is_fresh=True))
        self.next_row += 1
        return RowClass.NEW

    def _there(
        self,
        key: str,
        row: int,
        at: int,
        columns: list[Column],
        places: list[int],
        there: Sequence[Cell],
        found: Assessment,
    ) -> RowClass:
        cells: dict[int, Plain] = {}
        formats: dict[int, NumberFormat] = {}
        for place, column in zip(places, columns, strict=True):
            cell = there[place] if place < len(there) else None
            ours = column.cells[at]
            if (cell == ours and type(cell) is type(ours)) or place in self.layout.key:
                continue
            # A formula in a column of ours is a person's decision, whatever it comes to.
            if isinstance(cell, Formula | Fault) or same(cell, ours, is_moment=column.is_moment):
                continue
            cells[place] = ours
            if column.shown and isinstance(ours, int | float) and not isinstance(cell, int | float):
                formats[place] = column.shown
        removed = self.layout.columns.get(REMOVED_AT) if self.is_complete else None
        if removed is not None and removed < len(there) and there[removed] is not None:
            cells[removed] = None
        if not cells:
            return RowClass.UNCHANGED
        found.writes.append(RowWrite(row, digest(key), cells, formats))
        return RowClass.UPDATED

    def removals(self, keys: Iterable[str], cells_of: Cells, now: Plain) -> Iterator[RowWrite]:
        """Yield the marks for rows of these keys that are gone from the source and not marked yet."""
        column = self.layout.columns[REMOVED_AT]
        for key in keys:
            row = self.view.keys[key]
            there = cells_of(row)
            if column >= len(there) or there[column] is None:
                shown = {column: MOMENT}
                yield RowWrite(row, digest(key), {column: now}, shown, is_removal=True)


def _too_long(columns: list[Column], rows: int) -> dict[int, str]:
    """Return the first column whose cell is too long, by row."""
    found: dict[int, str] = {}
    for column in columns:
        for at in range(rows):
            cell = column.cells[at]
            if type(cell) is str and len(cell) > LONGEST_CELL // 2 and is_too_long(cell):
                found.setdefault(at, column.name)
    return found
