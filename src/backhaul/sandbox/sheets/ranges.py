"""A1 notation: ranges as people and the Sheets API write them, and the areas they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_COLUMNS = 18_278
"""The last column is ZZZ."""

_END = r"\$?([A-Za-z]{0,3})\$?([0-9]{0,9})"
_CELLS = re.compile(rf"{_END}(?::{_END})?")
_PLAIN_TITLE = re.compile(r"[^\W\d]\w*")
_CELL_LIKE = re.compile(r"[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*[Cc][0-9]*")


@dataclass(frozen=True)
class Area:
    """A rectangle of cells: rows from start_row up to, not including, end_row; columns likewise; from 0."""

    start_row: int
    end_row: int
    start_column: int
    end_column: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return max(0, self.end_row - self.start_row)

    @property
    def columns(self) -> int:
        """The number of columns."""
        return max(0, self.end_column - self.start_column)

    @property
    def is_one_cell(self) -> bool:
        """Tell whether it is a single cell."""
        return self.rows == 1 and self.columns == 1

    def meets(self, other: Area) -> bool:
        """Tell whether the two have a cell in common."""
        return (
            self.start_row < other.end_row
            and other.start_row < self.end_row
            and self.start_column < other.end_column
            and other.start_column < self.end_column
        )

    def holds(self, other: Area) -> bool:
        """Tell whether every cell of other is in this area."""
        return (
            self.start_row <= other.start_row
            and other.end_row <= self.end_row
            and self.start_column <= other.start_column
            and other.end_column <= self.end_column
        )

    def cut(self, rows: int, columns: int) -> Area:
        """Return what of it lies in a grid of that many rows and columns."""
        return Area(self.start_row, min(self.end_row, rows), self.start_column, min(self.end_column, columns))


@dataclass(frozen=True)
class Cells:
    """The part of a range after the `!`: each side may be open (None)."""

    start_row: int | None
    end_row: int | None
    start_column: int | None
    end_column: int | None

    def in_grid(self, rows: int, columns: int) -> Area:
        """Return the area in a grid of that size: open sides end at the grid, others may lie outside of it."""
        return Area(
            self.start_row or 0,
            rows if self.end_row is None else self.end_row,
            self.start_column or 0,
            columns if self.end_column is None else self.end_column,
        )


def column_letters(column: int) -> str:
    """Return the letters of a column, counted from 0: 0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def column_number(letters: str) -> int:
    """Return the column of some letters, from 0."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def parse_cells(text: str) -> Cells | None:
    """Return what `A1`, `A1:C7`, `A:C`, `2:5`, `A5:C` or `A1:1` mean; None for anything else."""
    found = _CELLS.fullmatch(text)
    if not text or found is None:
        return None
    left, right = _end(found[1], found[2]), _end(found[3] or "", found[4] or "")
    if left is None or right is None or left == (None, None):
        return None
    if ":" not in text:
        # A bare column or row number is no range; it needs its colon.
        right = left
        if None in left:
            return None
    elif right == (None, None):
        return None
    rows = _between(left[0], right[0])
    columns = _between(left[1], right[1])
    return Cells(*rows, *columns)


def split_range(text: str) -> tuple[str | None, str | None]:
    """Return title and cells of a range as text; a part that is not there is None.

    A quoted title without cells is told by its quotes; without quotes or `!` all of it is taken as cells.
    """
    if text.startswith("'"):
        found = re.fullmatch(r"'((?:[^']|'')*)'(?:!(.*))?", text, re.DOTALL)
        return (found[1].replace("''", "'"), found[2]) if found else (None, text)
    title, mark, cells = text.rpartition("!")
    return (title, cells) if mark else (None, text)


def quoted(title: str) -> str:
    """Return a tab's title as ranges in answers have it: in quotes only where it needs them."""
    if _PLAIN_TITLE.fullmatch(title) and not _CELL_LIKE.fullmatch(title):
        return title
    return "'" + title.replace("'", "''") + "'"


def a1(area: Area) -> str:
    """Return an area as cells; one cell is written without a colon."""
    start = f"{column_letters(area.start_column)}{area.start_row + 1}"
    if area.rows <= 1 and area.columns <= 1:
        return start
    last_row, last_column = max(area.end_row, area.start_row + 1), max(area.end_column, area.start_column + 1)
    return f"{start}:{column_letters(last_column - 1)}{last_row}"


def _end(letters: str, digits: str) -> tuple[int | None, int | None] | None:
    row = int(digits) - 1 if digits else None
    column = column_number(letters) if letters else None
    return None if row is not None and row < 0 else (row, column)


def _between(left: int | None, right: int | None) -> tuple[int | None, int | None]:
    # What is open on both sides is the whole; `A5:C` goes on to the grid's end, `A1:1` likewise to the right.
    if left is None or right is None:
        return (left if left is not None else right), None
    low, high = min(left, right), max(left, right)
    return low, high + 1
