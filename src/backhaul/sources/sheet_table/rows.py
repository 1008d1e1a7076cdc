"""What people mean by the cells of a worksheet: named columns of one type each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from backhaul.errors import SourceChanged
from backhaul.model import Artifact
from backhaul.sessions.google.tabs import column_letters
from backhaul.sources.sheet_table.document import Cell, Fault, Number, Worksheet

if TYPE_CHECKING:
    import polars as pl

HEADER_ROWS = 10
"""So many rows are looked through for a header that has moved."""

TOLD_FAULTS = 5
EXACT_INTEGER = 2**53
_EPOCH = datetime(1899, 12, 30)
_FIRST_DAY, _END = -693_593, 2_958_466
"""The numbers of 1 January of the year 1, and of the day after 31 December 9999."""

_DAY_MS = 86_400_000
_LIKE_A_NAME = re.compile(r"\+\d[\d ().\-]{5,}|0\d[\d ().\-]*|\(?\d[\d ().\-]*[ ()\-][\d ().\-]*")
_GROUPED = re.compile(r"\d{1,3}([ .]\d{3})+")


class Kind(StrEnum):
    """What a cell holds."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"
    DAY = "day"
    MOMENT = "moment"


@dataclass(frozen=True)
class TableRequest:
    """Which worksheet a stream is made of, and which of its columns; see GoogleSheetTable.table."""

    worksheet: str
    columns: tuple[str, ...]
    text: tuple[str, ...]
    header_row: int
    optional: bool = False

    def must(self, key: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that have to be there, those of the key first."""
        return tuple(dict.fromkeys((*key, *self.columns, *self.text)))


def frame_of(
    found: Worksheet, request: TableRequest, key: Sequence[str], artifact: Artifact, stream: str
) -> pl.DataFrame:
    """Return the rows under the header: key and text columns as shown, the others typed as far as all cells agree.

    Rows without anything but unticked boxes and failed formulas are left out. A cell with an error is null, and
    artifact.remark is told where. Raises SourceChanged for a column that is missing or stands twice.
    """
    import polars as pl

    places = _places(found, request, key, stream)
    rows = [
        (number, [_content(row[place]) if place < len(row) else None for place in places.values()])
        for number, row in enumerate(found.rows[request.header_row :], request.header_row + 1)
    ]
    rows = [(number, cells) for number, cells in rows if any(not _is_blank(cell) for cell in cells)]
    if told := _faults(rows, list(places.values())):
        artifact.remark(f"worksheet {found.worksheet!r}: {told}")
    as_text = {*key, *request.text}
    return pl.DataFrame(
        [_series(name, [cells[at] for _, cells in rows], as_text=name in as_text) for at, name in enumerate(places)]
    )


def _places(found: Worksheet, request: TableRequest, key: Sequence[str], stream: str) -> dict[str, int]:
    """Return the column of each name that is taken."""
    header = _header(found, request.header_row)
    must = request.must(key)
    where = f"row {request.header_row} of worksheet {found.worksheet!r}"
    if missing := [name for name in must if name not in header]:
        names = ", ".join(map(repr, missing))
        # Where nothing is as it was, this may be no header at all but a row of people's data.
        seen = [name for name in header if name]
        told = str(seen) if len(missing) < len(must) else f"none of its columns, but {len(seen)} other texts"
        raise SourceChanged(
            f"{stream}: {where} has no column {names}; found {told}", next_step=_moved(found, request, must)
        )
    taken = [name for name in header if name and (name in must or not request.columns)]
    for name in taken:
        places = [f"{column_letters(at)}{request.header_row}" for at, each in enumerate(header) if each == name]
        if len(places) > 1:
            raise SourceChanged(
                f"{stream}: the header {name!r} stands twice in worksheet {found.worksheet!r},"
                f" in {' and '.join(places)}",
                next_step="Rename or delete one of the two columns; which one is meant can not be told.",
            )
    return {name: header.index(name) for name in taken}


def _header(found: Worksheet, row: int) -> list[str]:
    cells = found.rows[row - 1] if row <= len(found.rows) else ()
    return ["" if isinstance(cell, Fault) else text_of(cell).strip() for cell in cells]


def _moved(found: Worksheet, request: TableRequest, must: Iterable[str]) -> str:
    for row in range(1, HEADER_ROWS + 1):
        if row != request.header_row and {*must} <= {*_header(found, row)}:
            return f"The header stands in row {row}: say header_row={row} in the pipeline, or move it back."
    return "Give the columns their headers back, or adapt the pipeline to the worksheet."


def _content(cell: Cell) -> Cell:
    """Return the cell; None for text that nobody sees."""
    return None if isinstance(cell, str) and not cell.strip() else cell


def _is_blank(cell: Cell) -> bool:
    # People fill boxes and formulas down to rows that wait for somebody.
    return cell is None or cell is False or isinstance(cell, Fault)


def _faults(rows: Sequence[tuple[int, list[Cell]]], columns: Sequence[int]) -> str:
    faults = [
        f"{column_letters(column)}{number} {cell.shown}"
        for number, cells in rows
        for column, cell in zip(columns, cells, strict=True)
        if isinstance(cell, Fault)
    ]
    if not faults:
        return ""
    more = f" and {len(faults) - TOLD_FAULTS:,} more" if len(faults) > TOLD_FAULTS else ""
    cells = "1 cell shows an error and counts" if len(faults) == 1 else f"{len(faults):,} cells show errors and count"
    return f"{cells} as empty: {', '.join(faults[:TOLD_FAULTS])}{more}"


def _series(name: str, cells: Sequence[Cell], *, as_text: bool) -> pl.Series:
    import polars as pl

    values = [None if isinstance(cell, Fault) else cell for cell in cells]
    kinds = {kind_of(cell) for cell in values if cell is not None}
    if kinds == {Kind.TRUTH} and not as_text:
        return pl.Series(name, values, pl.Boolean)
    if kinds == {Kind.NUMBER} and not as_text:
        numbers = [None if cell is None else _number(cell) for cell in values]
        is_whole = all(each is None or _is_whole(each) for each in numbers)
        whole: list[Any] = [each if each is None else int(each) for each in numbers] if is_whole else []
        return pl.Series(name, whole, pl.Int64) if is_whole else pl.Series(name, numbers, pl.Float64)
    if kinds and kinds <= {Kind.DAY, Kind.MOMENT} and not as_text:
        moments = [None if cell is None else _moment(cell) for cell in values]
        series = pl.Series(name, moments, pl.Datetime("us"))
        return series.cast(pl.Date) if kinds == {Kind.DAY} else series
    return pl.Series(name, [None if cell is None else text_of(cell) for cell in values], pl.String)


def kind_of(cell: Cell) -> Kind:
    """Return what a cell holds; a number that is shown as names are, `055-123` or `+62`, is text."""
    if isinstance(cell, bool):
        return Kind.TRUTH
    if isinstance(cell, int | float):
        return Kind.NUMBER
    if not isinstance(cell, Number) or cell.kind in ("TEXT", "TIME"):
        return Kind.TEXT
    if cell.kind in ("DATE", "DATE_TIME"):
        is_day = _FIRST_DAY <= cell.value < _END
        return (Kind.DAY if cell.kind == "DATE" else Kind.MOMENT) if is_day else Kind.TEXT
    return Kind.TEXT if is_like_a_name(cell) else Kind.NUMBER


def is_like_a_name(cell: Number) -> bool:
    """Tell whether a whole number is shown with what no amount has: zeros in front, a plus, dashes, brackets."""
    if cell.value < 0 or not float(cell.value).is_integer():
        return False
    shown = cell.shown.strip()
    if not _LIKE_A_NAME.fullmatch(shown) or _GROUPED.fullmatch(shown):
        return False
    return re.sub(r"\D", "", shown).lstrip("0") == str(int(cell.value)).lstrip("0")


def text_of(cell: Cell) -> str:
    """Return a cell as text: dates, times and names as shown, other numbers with all their digits."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, Fault):
        return cell.shown
    if isinstance(cell, Number):
        is_shown = cell.kind in ("DATE", "DATE_TIME", "TIME") or is_like_a_name(cell)
        return cell.shown if is_shown else _digits(cell.value)
    return _digits(cell)


def _digits(number: float) -> str:
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e21 else str(number)


def _number(cell: Cell) -> int | float:
    found = cell.value if isinstance(cell, Number) else cell
    assert isinstance(found, int | float)
    return found


def _is_whole(number: float) -> bool:
    return float(number).is_integer() and abs(number) <= EXACT_INTEGER


def _moment(cell: Cell) -> datetime:
    assert isinstance(cell, Number)
    if cell.kind == "DATE":
        return _EPOCH + timedelta(days=cell.value // 1)
    return min(_EPOCH + timedelta(milliseconds=round(cell.value * _DAY_MS)), datetime.max)
