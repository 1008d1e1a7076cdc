"""What a cell holds: the values of a batch as cells of a workbook, and both as facts that can be compared."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import repeat
from typing import TYPE_CHECKING, Any

from backhaul.errors import DeliveryError
from backhaul.model import ROW, Rejected

if TYPE_CHECKING:
    import polars as pl

LONGEST_TEXT = 32_767
EXACT_DIGITS = 15
"""Excel keeps so many digits of a number; a longer one is text, or it would be rounded."""

_LARGEST = 9.99e307
_YEARS = (2, 9998)
"""Years whose days are days in every time zone."""

_FIRST_DAY = {1900: date(1900, 3, 1), 1904: date(1904, 1, 2)}
"""The first day that both Excel and the calendar know, by the year that a workbook counts days from."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LOOKS_LIKE_A_VALUE = re.compile(r"[=+\-@'\d.,(#]")

Content = str | bool | int | float | Decimal | date | datetime | None


def escaped(text: str) -> str:
    """Return text as a workbook keeps it: control characters, which XML does not have, as _x000D_."""
    return _CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def unescaped(text: str) -> str:
    """Return the text that a workbook keeps in this form."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def refused_rows(frame: pl.DataFrame) -> dict[int, str]:
    """Return what is wrong with each row (`_row`) that no sheet can hold."""
    import polars as pl

    refused: dict[int, str] = {}
    for name, dtype in frame.schema.items():
        if dtype == pl.String:
            # An escaped character is at most seven long, and no text has fewer bytes than characters.
            candidates = frame.select(ROW, name).filter(pl.col(name).str.len_bytes() > LONGEST_TEXT // 7)
            bad = [row for row, text in candidates.iter_rows() if _length(text) > LONGEST_TEXT]
            reason = f"{name} is longer than {LONGEST_TEXT:,} characters"
        elif dtype == pl.Date or isinstance(dtype, pl.Datetime):
            is_known = pl.col(name).is_null() | pl.col(name).dt.year().is_between(*_YEARS)
            bad, reason = frame.filter(~is_known)[ROW].to_list(), f"{name} is no day that can be shown"
        else:
            continue
        refused |= {row: reason for row in bad if row not in refused}
    return refused


def rejected(refused: dict[int, str]) -> tuple[Rejected, ...]:
    """Return the refusals in the order of their rows."""
    return tuple(Rejected(row, refused[row]) for row in sorted(refused))


def contents(frame: pl.DataFrame, columns: list[str], timezone: str) -> Iterator[tuple[Content, ...]]:
    """Yield the values of columns row by row; moments as a clock in timezone shows them, to the millisecond."""
    import polars as pl

    local = []
    for name in columns:
        dtype, column = frame.schema[name], pl.col(name)
        if dtype == pl.Date or isinstance(dtype, pl.Datetime):
            column = pl.when(column.dt.year().is_between(*_YEARS)).then(column)
        if isinstance(dtype, pl.Datetime):
            column = column.dt.convert_time_zone(timezone).dt.replace_time_zone(None).dt.truncate("1ms")
        local.append(column)
    if not columns:
        yield from repeat((), frame.height)
        return
    for row in frame.select(local).iter_rows():
        yield tuple(_content(value) for value in row)


def _content(value: Any) -> Content:
    """Return the value in the type that its cell has: "" is an empty cell, what a number cannot hold is text."""
    match value:
        case None | "":
            return None
        case bool() | str() | date():
            return value
        case int():
            return value if abs(value) < 10**EXACT_DIGITS else str(value)
        case float():
            return value if math.isfinite(value) and abs(value) < _LARGEST else fact(value)
        case Decimal():
            return value if len(value.as_tuple().digits) <= EXACT_DIGITS else f"{value:f}"
    raise AssertionError(f"staging stores no {type(value).__name__}")


def fact(value: Any) -> str:
    """Return what a value says, whatever its type: 5, 5.0 and "5" are one, and so are a day and its midnight."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).upper()
        case int() | float() | Decimal():
            return _number(float(value))
        case timedelta():
            # A number that people have formatted as hours.
            return _number(value.total_seconds() / 86_400)
        case datetime():
            is_day = value.time() == datetime.min.time()
            return value.date().isoformat() if is_day else value.isoformat(sep=" ", timespec="milliseconds")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value.is_integer() and abs(value) < 10**EXACT_DIGITS else repr(value)


def fact_of_cell(cell: Any) -> str:
    """Return what a cell says; a formula or an error says nothing that a value could equal."""
    if cell.data_type in ("f", "e"):
        return f"\0{cell.data_type}"
    value = cell.value
    if value is None or isinstance(value, (bool, int, float, date, time, timedelta)):
        return fact(value)
    # Text with several fonts in it is a list of pieces.
    return unescaped(str(value))


def put(cell: Any, content: Content, first_year: int) -> None:
    """Give a cell its content, keeping its format where the content can be shown in it.

    Raises DeliveryError for a cell that people have merged with its neighbour.
    """
    from openpyxl.cell.cell import MergedCell

    if isinstance(cell, MergedCell):
        raise DeliveryError(
            f"tab {cell.parent.title}: cell {cell.coordinate} is merged with others; nothing was changed",
            next_step="Unmerge the cells in the rows below the header.",
        )
    match content:
        case None:
            cell.value = None
        case str():
            put_text(cell, content)
        case bool():
            cell.value = content
        case int() | float() | Decimal():
            _put_number(cell, content)
        case date() if (content.date() if isinstance(content, datetime) else content) < _FIRST_DAY[first_year]:
            put_text(cell, fact(content))
        case _:
            cell.value = content


def put_text(cell: Any, text: str) -> None:
    """Give a cell a text, whatever it looks like."""
    cell.value = escaped(text)
    # openpyxl makes a formula or an error of some texts.
    cell.data_type = "s"
    if _LOOKS_LIKE_A_VALUE.match(text) and cell.number_format == "General":
        # So that it stays text when somebody edits the cell.
        cell.number_format = "@"


def _put_number(cell: Any, number: float | Decimal) -> None:
    if cell.is_date or cell.number_format == "@":
        cell.number_format = "General"
    cell.value = number
    if isinstance(number, Decimal) and cell.number_format == "General":
        decimals = max(0, -int(number.as_tuple().exponent))
        cell.number_format = "#,##0" + ("." + "0" * decimals if decimals else "")


def _length(text: str) -> int:
    """Return the length as Excel counts it: a character beyond the first plane is two."""
    return len(escaped(text).encode("utf-16-le")) // 2
