"""Values between frames and cells: what a cell of a Google Sheet says, and what of ours it would have to say.

A cell is text, a number or a yes/no; None is an empty one. A sheet has no empty text: it counts as nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

LONGEST_CELL = 50_000
"""Characters of one cell, counted as Google does: in UTF-16 units."""

EXACT_INTEGER = 2**53
EXACT_DIGITS = 15
DAY_S = 86_400
FIRST_DAY = date(1899, 12, 30)
LEAST_DAY = date(1900, 3, 1)
"""Spreadsheets disagree about the days before; they are written as text."""

Plain = str | int | float | bool | None


class Dated(float):
    """A number that is shown as a day or a moment; told apart only where the format was asked for."""

    __slots__ = ()


@dataclass(frozen=True)
class Formula:
    """A cell that somebody computes; `value` is what it comes to."""

    value: Plain


@dataclass(frozen=True)
class Fault:
    """What a cell shows whose formula fails, such as #REF!."""


Cell = Plain | Formula | Fault


@dataclass(frozen=True)
class NumberFormat:
    """How a number is shown: Google's type and pattern."""

    type: str
    pattern: str


DAY = NumberFormat("DATE", "yyyy-mm-dd")
MOMENT = NumberFormat("DATE_TIME", "yyyy-mm-dd hh:mm:ss")


@dataclass(frozen=True)
class Column:
    """One of our columns as cells: values in row order, how its numbers are shown, and whether they are moments."""

    name: str
    cells: list[Plain]
    shown: NumberFormat | None = None

    @property
    def is_moment(self) -> bool:
        """Whether numbers are compared to the second: a double does not hold moments exactly."""
        return self.shown == MOMENT


def parse_answer(text: bytes) -> Any:
    """Return an answer of the API, its grid data made small: a row is a tuple of Cell, at most so long as filled."""
    return json.loads(text, object_hook=_smaller)


@dataclass(frozen=True)
class Seen:
    """A cell and the text that people see in it."""

    cell: Cell
    text: str


def parse_seen(text: bytes) -> Any:
    """Return an answer as `parse_answer` does, but a cell that shows something is a Seen."""
    return json.loads(text, object_hook=_seen)


def _seen(found: dict[str, Any]) -> Any:
    if "formattedValue" not in found:
        return _smaller(found)
    text = found.pop("formattedValue")
    return Seen(_smaller(found), str(text))


def _smaller(found: dict[str, Any]) -> Any:
    """Replace the objects around a cell by the cell: a hundred thousand of them cost a tenth of the memory."""
    if len(found) == 1:
        name, value = next(iter(found.items()))
        if name in ("stringValue", "numberValue", "boolValue"):
            return None if value == "" else value
        if name == "errorValue":
            return Fault()
        if name == "formulaValue":
            return Formula(None)
        if name == "values":
            return _trimmed([None if each == {} else each for each in value])
    if not found.keys().isdisjoint(_CELL_FIELDS):
        effective = found.get("effectiveValue")
        if isinstance(effective, int | float) and not isinstance(effective, bool) and _is_date(found):
            effective = Dated(effective)
        entered_value = found.get("userEnteredValue")
        is_computed = isinstance(entered_value, Formula) or (entered_value is None and effective is not None)
        return Formula(_plain(effective)) if is_computed else effective
    return found


_CELL_FIELDS = {"userEnteredValue", "effectiveValue", "formattedValue", "userEnteredFormat", "effectiveFormat"}


def _is_date(found: dict[str, Any]) -> bool:
    shown = found.get("effectiveFormat") or {}
    return shown.get("numberFormat", {}).get("type") in ("DATE", "DATE_TIME")


def _trimmed(cells: list[Any]) -> tuple[Any, ...]:
    """Leave out blank cells at the end: some are told of for their format."""
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _plain(value: object) -> Plain:
    return value if isinstance(value, str | int | float | bool) else None


def format_of(dtype: pl.DataType) -> NumberFormat | None:
    """Return how the numbers of a column of this type are shown; None for as Google likes."""
    import polars as pl

    if isinstance(dtype, pl.Decimal):
        return NumberFormat("NUMBER", f"#,##0{'.' + '0' * dtype.scale if dtype.scale else ''}")
    if dtype == pl.Date:
        return DAY
    return MOMENT if isinstance(dtype, pl.Datetime) else None


def columns_of(frame: pl.DataFrame, schema: dict[str, pl.DataType], timezone: str) -> list[Column]:
    """Return the frame's columns (those of schema) as cells; moments as the clock in timezone shows them."""
    return [_column(frame[name], name, dtype, timezone) for name, dtype in schema.items()]


def _column(values: pl.Series, name: str, dtype: pl.DataType, timezone: str) -> Column:
    return Column(name, _cells(values, dtype, timezone), format_of(dtype))


def _cells(values: pl.Series, dtype: pl.DataType, timezone: str) -> list[Plain]:
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        return _moments(values, timezone)
    if dtype in (pl.Null, pl.Boolean):
        return values.to_list()
    if dtype == pl.Int64:
        return [each if each is None else _integer(each) for each in values.to_list()]
    if dtype == pl.Float64:
        return [each if each is None or math.isfinite(each) else str(each) for each in values.to_list()]
    if isinstance(dtype, pl.Decimal):
        return [each if each is None else _money(each) for each in values.to_list()]
    if dtype == pl.Date:
        return [each if each is None else _day(each) for each in values.to_list()]
    return [each or None for each in values.cast(pl.String).to_list()]


def _integer(value: int) -> Plain:
    return value if abs(value) <= EXACT_INTEGER else str(value)


def _money(value: Any) -> Plain:
    digits = len(value.normalize().as_tuple().digits)
    return float(value) if digits <= EXACT_DIGITS and abs(value) < 10**EXACT_DIGITS else f"{value:f}"


def _day(value: date) -> Plain:
    return (value - FIRST_DAY).days if value >= LEAST_DAY else value.isoformat()


def _moments(values: pl.Series, timezone: str) -> list[Plain]:
    """A whole second that the local clock shows once is a number; any other moment is ISO text with its offset."""

    there = values.dt.convert_time_zone(timezone)
    local = there.dt.replace_time_zone(None)
    again = local.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    seconds = local.dt.timestamp("us").to_list()
    is_plain = ((values.dt.microsecond() == 0) & again.is_not_null() & (local.dt.date() >= LEAST_DAY)).to_list()
    start_s = -(date(1970, 1, 1) - FIRST_DAY).days * DAY_S
    texts = there.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_list()
    return [
        None if stamp is None else ((stamp // 1_000_000 - start_s) / DAY_S if plain else text)
        for stamp, plain, text in zip(seconds, is_plain, texts, strict=True)
    ]


def same(cell: Cell, ours: Plain, *, is_moment: bool = False) -> bool:
    """Return whether a cell says what ours says; a number that stands where we have text counts by its text."""
    if isinstance(cell, Formula):
        cell = cell.value
    if isinstance(cell, Fault):
        return False
    if cell == "":
        cell = None
    if cell is None or ours is None:
        return cell is ours
    if isinstance(cell, bool) or isinstance(ours, bool):
        return cell is ours
    if isinstance(ours, str):
        # A line break of two characters may come back as one.
        return cell in (ours, ours.replace("\r\n", "\n")) if isinstance(cell, str) else number_text(cell) == ours
    if isinstance(cell, str):
        return False
    if is_moment:
        return round(cell * DAY_S) == round(ours * DAY_S)
    return cell == ours


def number_text(number: float) -> str:
    """Return a number as people type it: whole ones without a decimal point."""
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    return str(number)


def key_text(cell: Cell) -> str:
    """Return a key cell as trimmed text; empty for nothing."""
    if isinstance(cell, Formula):
        cell = cell.value
    if cell is None or isinstance(cell, Fault):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell.strip() if isinstance(cell, str) else number_text(cell)


def is_too_long(cell: Plain) -> bool:
    """Return whether Google would refuse the cell for its length."""
    if not isinstance(cell, str) or len(cell) <= LONGEST_CELL // 2:
        return False
    return len(cell) > LONGEST_CELL or len(cell.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST_CELL


def entered(cell: Plain) -> dict[str, Any]:
    """Return the cell as the API takes it; never as a formula. An empty one is cleared."""
    if cell is None:
        return {}
    if isinstance(cell, bool):
        return {"userEnteredValue": {"boolValue": cell}}
    if isinstance(cell, str):
        return {"userEnteredValue": {"stringValue": cell}}
    return {"userEnteredValue": {"numberValue": cell}}
