"""What a tab of a Google Sheet looks like at one moment: place, header, keys, and the cells that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from backhaul.destinations.google.cells import Cell, Fault, Formula, key_text
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT
from backhaul.sessions.google.tabs import PLACE_FIELDS, Place, column_letters

WINDOW_ROWS, WINDOW_COLUMNS = 1000, 52
"""The corner that the first call always asks for: all of a new tab, and of most others."""

HEADER_ROWS = 10
"""The header stands in one of so many rows: people put titles above."""

JOINED_GAP = 20
"""Rows between two rows concerned that are rather read along than left out."""

RANGES_A_CALL, CELLS_A_CALL = 120, 200_000
ADDRESS_CHARACTERS = 6_000
"""Of the ranges in one call's address, quoted."""

CELL_FIELDS = "userEnteredValue,effectiveValue"
"""Both: a cell that has a value which nobody entered belongs to a formula that fills several cells."""


def tab_fields(cell: str) -> str:
    """Return what is asked of a tab, with these fields of each cell."""
    return f"properties({PLACE_FIELDS}),merges,data(startRow,startColumn,rowData(values({cell})))"


TAB_FIELDS = tab_fields(CELL_FIELDS)
DATED_FIELDS = tab_fields(f"{CELL_FIELDS},effectiveFormat(numberFormat(type))")
"""These tell dates from numbers; the answer is larger."""

SEEN_FIELDS = tab_fields(f"{CELL_FIELDS},formattedValue")
KEY_JOINT = "\x1f"


@dataclass
class Grid:
    """Cells by row and column, counted from 0, as several ranges brought them."""

    blocks: list[tuple[int, int, Sequence[tuple[Cell, ...]]]] = field(default_factory=list)

    @classmethod
    def of(cls, data: Iterable[dict[str, Any]]) -> Grid:
        """Return the grid of an answer's `data`."""
        grid = cls()
        for block in data:
            rows = [row if isinstance(row, tuple) else () for row in block.get("rowData", ())]
            while rows and not rows[-1]:
                rows.pop()
            grid.blocks.append((block.get("startRow", 0), block.get("startColumn", 0), rows))
        return grid

    def cell(self, row: int, column: int) -> Cell:
        """Return one cell; None too where nothing was read."""
        for start_row, start_column, rows in self.blocks:
            if start_row <= row < start_row + len(rows):
                cells = rows[row - start_row]
                if start_column <= column < start_column + len(cells):
                    return cells[column - start_column]
        return None

    def row(self, row: int, width: int) -> list[Cell]:
        """Return the first `width` cells of a row."""
        found: list[Cell] = [None] * width
        for start_row, start_column, rows in self.blocks:
            if start_row <= row < start_row + len(rows):
                cells = rows[row - start_row][: max(0, width - start_column)]
                found[start_column : start_column + len(cells)] = cells
        return found

    @property
    def has_formulas(self) -> bool:
        """Whether some cell is computed."""
        return any(isinstance(cell, Formula | Fault) for _, _, rows in self.blocks for row in rows for cell in row)

    @property
    def end_row(self) -> int:
        """The row after the last one that has any cell."""
        return max((start + len(rows) for start, _, rows in self.blocks if rows), default=0)

    @property
    def end_column(self) -> int:
        """The column after the last one that has any cell."""
        return max((start + len(row) for _, start, rows in self.blocks for row in rows if row), default=0)


@dataclass
class View:
    """A tab as it was read; rows and columns count from 0.

    Args:
        header_row: where the header stands; None in an empty tab.
        header: its texts by column.
        keys: the first row of each key, of several columns joined.
        doubles: all rows of each key that stands in more than one.
        shared: keys of the batch that more than one row may be meant by, with those rows.
        next_row: the first row below everything that stands in our columns, as far as was read.
        numbered: the key of each row in which some part of it is no plain text, so that people may see another one.
        aliases: what a batch calls rows that stand under another key here; see `seen`.
        lacks_key: the header has all our columns but those of the key, which are to be added.
        has_formula_keys: some key is computed.
        has_merges: somebody has merged cells.
        trouble: what a person must repair; perhaps a write that went wrong has done it, and can be taken back.
    """

    place: Place
    grid: Grid
    header_row: int | None = None
    header: list[str] = field(default_factory=list)
    bound: dict[str, int] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    doubles: dict[str, list[int]] = field(default_factory=dict)
    shared: dict[str, list[int]] = field(default_factory=dict)
    numbered: dict[int, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    next_row: int = 0
    lacks_key: bool = False
    has_formula_keys: bool = False
    has_merges: bool = False
    trouble: DeliveryError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the first call has read every cell."""
        return self.place.rows <= WINDOW_ROWS and self.place.columns <= WINDOW_COLUMNS

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in the tab, as far as was read."""
        return self.header_row is None

    def rows_of(self, key: str) -> list[int]:
        """Return all rows of a key, none of one that is not there."""
        return self.doubles.get(key) or ([self.keys[key]] if key in self.keys else [])

    @property
    def end_column(self) -> int:
        """The first column right of everything that was read."""
        return max(len(self.header), self.grid.end_column)


def bind_header(
    view: View, names: Sequence[str], key: Sequence[str], said_by: str, *, adds_key: bool = False
) -> None:
    """Find the header and the columns called names in it. Raises DeliveryError for what a person must repair.

    With adds_key, a header that has all names but none of the key will do.
    """
    rows = [[key_text(cell) for cell in view.grid.row(row, view.place.columns)] for row in range(HEADER_ROWS)]
    if not any(any(row) for row in rows):
        if view.grid.end_row:
            raise no_key(said_by, view, list(key))
        return
    missing = {number: [name for name in key if name.strip() not in row] for number, row in enumerate(rows)}
    view.header_row = next((number for number in missing if not missing[number]), None)
    if view.header_row is None and adds_key:
        view.header_row = _without_key(
            view, rows, [name for name in names if name not in (*key, REMOVED_AT)], key, said_by
        )
        view.lacks_key = True
    if view.header_row is None:
        raise no_key(said_by, view, min(missing.values(), key=len))
    header = rows[view.header_row]
    while header and not header[-1]:
        header.pop()
    view.header = header
    for name in (*key, *names):
        places = [column for column, text in enumerate(header) if text == name.strip()]
        if len(places) > 1:
            where = " and ".join(f"{column_letters(column)}{view.header_row + 1}" for column in places)
            raise DeliveryError(
                f"{said_by}: the header {name!r} stands twice in tab {view.place.title!r}, in {where}",
                next_step="Rename or delete one of the two columns; which one is ours can not be told.",
            )
        if places:
            view.bound[name] = places[0]


def no_key(said_by: str, view: View, missing: Sequence[str]) -> DeliveryError:
    """Return the error for columns of the key that the header lacks."""
    names = ", ".join(map(repr, missing))
    return DeliveryError(
        f"{said_by}: tab {view.place.title!r} has no column {names} in its first {HEADER_ROWS} rows",
        next_step=f"Give the key's column its header back ({names}), or name another tab.",
    )


def _without_key(
    view: View, rows: Sequence[Sequence[str]], names: Sequence[str], key: Sequence[str], said_by: str
) -> int | None:
    """Return the header's row in a tab that lacks the key; None where a part of the key is there."""
    if any(name.strip() in row for row in rows for name in key):
        return None
    missing = {number: [name for name in names if name.strip() not in row] for number, row in enumerate(rows)}
    best = min(missing, key=lambda number: len(missing[number]))
    if names and not missing[best]:
        return best
    wanted = ", ".join(names)
    if len(missing[best]) == len(names):
        raise DeliveryError(
            f"{said_by}: tab {view.place.title!r} has data but no header in its first {HEADER_ROWS} rows",
            next_step=f"Insert a row at the top and type the headers into it, one a column: {wanted}.",
        )
    absent = ", ".join(map(repr, missing[best]))
    raise DeliveryError(
        f"{said_by}: the header in row {best + 1} of tab {view.place.title!r} has no column {absent}",
        next_step=f"Let the header say, in any order: {wanted}.",
    )


def bind_keys(view: View, key: Sequence[str], said_by: str, *, is_merged: bool = True) -> None:
    """Find the rows of each key; in a tab that is merged, one that stands twice is the view's trouble."""
    assert view.header_row is not None
    if view.lacks_key:
        view.next_row = _free_row(view)
        return
    columns = [view.bound[name] for name in key]
    for row, parts in key_cells(view.grid, columns, view.header_row + 1):
        texts = [key_text(cell) for cell in parts]
        if not all(texts):
            continue
        view.has_formula_keys = view.has_formula_keys or any(isinstance(cell, Formula) for cell in parts)
        if not all(isinstance(cell, str) for cell in parts):
            view.numbered[row] = KEY_JOINT.join(texts)
        joined = KEY_JOINT.join(texts)
        if (first := view.keys.setdefault(joined, row)) != row:
            view.doubles.setdefault(joined, [first]).append(row)
    if view.doubles and is_merged:
        view.trouble = twice(said_by, view, view.doubles)
    view.next_row = _free_row(view)


def twice(said_by: str, view: View, doubled: Mapping[str, Sequence[int]]) -> DeliveryError:
    """Return the error for keys that stand in two rows each."""
    pairs = [(rows[0], row) for rows in doubled.values() for row in rows[1:]]
    told = ", ".join(f"{first + 1} and {row + 1}" for first, row in sorted(pairs, key=lambda pair: pair[1])[:5])
    return DeliveryError(
        f"{said_by}: {len(pairs)} keys stand twice in tab {view.place.title!r}, in rows {told}",
        next_step="Delete the rows that are too many, or correct their keys.",
    )


def key_cells(grid: Grid, columns: list[int], start: int) -> Iterator[tuple[int, list[Cell]]]:
    """Yield (row, key cells), column by column found in the longest block that has it."""
    sources = []
    for column in columns:
        best: tuple[int, int, Sequence[tuple[Cell, ...]]] = (0, 0, ())
        for block in grid.blocks:
            is_there = block[1] <= column and any(len(row) > column - block[1] for row in block[2])
            if is_there and block[0] + len(block[2]) > best[0] + len(best[2]):
                best = block
        sources.append((*best, column - best[1]))
    end = max((first + len(rows) for first, _, rows, _ in sources), default=0)
    for row in range(start, end):
        cells: list[Cell] = []
        for first, _, rows, offset in sources:
            there = rows[row - first] if first <= row < first + len(rows) else ()
            cells.append(there[offset] if offset < len(there) else None)
        yield row, cells


def _free_row(view: View) -> int:
    assert view.header_row is not None
    last = max(view.keys.values(), default=view.header_row)
    ours = set(view.bound.values())
    for start_row, start_column, rows in view.grid.blocks:
        for offset in range(len(rows) - 1, max(-1, last - start_row), -1):
            cells = enumerate(rows[offset], start_column)
            if any(cell is not None and column in ours for column, cell in cells):
                last = max(last, start_row + offset)
                break
    return last + 1


def joined_rows(rows: Iterable[int], gap: int = JOINED_GAP) -> list[tuple[int, int]]:
    """Return the rows as ranges (first, after the last), near ones joined."""
    joined: list[tuple[int, int]] = []
    for row in sorted(rows):
        if joined and row - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], row + 1))
        else:
            joined.append((row, row + 1))
    return joined


def in_calls(ranges: Sequence[tuple[int, int]], width: int, title: str) -> Iterator[list[tuple[int, int]]]:
    """Yield the ranges of a tab in groups that one call can ask for."""
    most_ranges = min(RANGES_A_CALL, max(1, ADDRESS_CHARACTERS // (len(quote(title)) + 40)))
    most_rows = max(1, CELLS_A_CALL // max(1, width))
    group: list[tuple[int, int]] = []
    cells = 0
    for start, end in ranges:
        for first in range(start, end, most_rows):
            last = min(end, first + most_rows)
            if group and (len(group) >= most_ranges or cells + (last - first) * width > CELLS_A_CALL):
                yield group
                group, cells = [], 0
            group.append((first, last))
            cells += (last - first) * width
    if group:
        yield group
