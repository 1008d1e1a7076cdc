"""Reading the requests of a batchUpdate: ranges, dimensions and cells as the API writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backhaul.sandbox.sheets.errors import Refused, unknown_name
from backhaul.sandbox.sheets.masks import Mask, parse_mask
from backhaul.sandbox.sheets.ranges import Area
from backhaul.sandbox.sheets.state import Spreadsheet, check_in_grid
from backhaul.sandbox.sheets.tab import Tab
from backhaul.sandbox.sheets.values import Formula, Value, raw_value

Body = Mapping[str, Any]

_NUMBER_FORMATS = ("TEXT", "NUMBER", "PERCENT", "CURRENCY", "DATE", "TIME", "DATE_TIME", "SCIENTIFIC")
_KINDS: dict[str, tuple[type, ...]] = {"stringValue": (str,), "boolValue": (bool,), "numberValue": (int, float)}


@dataclass(frozen=True)
class Span:
    """Rows or columns of a tab from start up to, not including, end."""

    tab: Tab
    is_rows: bool
    start: int
    end: int

    @property
    def count(self) -> int:
        """The number of rows or columns."""
        return self.end - self.start

    @property
    def limit(self) -> int:
        """The number of rows or columns that the tab has."""
        return self.tab.row_count if self.is_rows else self.tab.column_count

    @property
    def word(self) -> str:
        """`row` or `column`."""
        return "row" if self.is_rows else "column"

    @property
    def area(self) -> Area:
        """The cells in it."""
        if self.is_rows:
            return Area(self.start, self.end, 0, self.tab.column_count)
        return Area(0, self.tab.row_count, self.start, self.end)


def area_of(book: Spreadsheet, sent: Body, place: str = "range") -> tuple[Tab, Area]:
    """Return tab and area of a GridRange; sides that are not sent end at the grid."""
    check_names(sent, {"sheetId", "startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"}, place)
    tab = book.tab_by_id(number(sent, "sheetId"))
    area = Area(
        number(sent, "startRowIndex"),
        number(sent, "endRowIndex", tab.row_count),
        number(sent, "startColumnIndex"),
        number(sent, "endColumnIndex", tab.column_count),
    )
    if area.start_row < 0 or area.start_column < 0 or not area.rows or not area.columns:
        raise Refused(f"{place} is empty or out of order.")
    check_in_grid(tab, area)
    return tab, area


def span_of(book: Spreadsheet, sent: Body) -> Span:
    """Return the rows or columns of a DimensionRange; Refused if they are out of order."""
    check_names(sent, {"sheetId", "dimension", "startIndex", "endIndex"}, "range")
    tab = book.tab_by_id(number(sent, "sheetId"))
    is_rows = is_rows_in(sent)
    start = number(sent, "startIndex")
    end = number(sent, "endIndex", tab.row_count if is_rows else tab.column_count)
    if not 0 <= start < end:
        raise Refused(f"range.endIndex[{end}] must be larger than range.startIndex[{start}].")
    return Span(tab, is_rows, start, end)


def part(sent: Body, name: str) -> Body:
    """Return an object of a request, empty where it is not sent."""
    found = sent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(f"Invalid value at '{name}' (an object is wanted), \"{type(found).__name__}\"")
    return found


def parts(sent: Body, name: str) -> list[Body]:
    """Return a list of objects of a request, empty where it is not sent."""
    found = sent.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(f"Invalid value at '{name}' (a list of objects is wanted), \"{type(found).__name__}\"")
    return found


def text(sent: Body, name: str) -> str:
    """Return a text of a request, "" where it is not sent."""
    found = sent.get(name)
    if found is not None and not isinstance(found, str):
        raise Refused(f"Invalid value at '{name}' (TYPE_STRING), {type(found).__name__}")
    return found or ""


def texts(sent: Body, name: str) -> list[str]:
    """Return a list of texts of a request, empty where it is not sent."""
    found = sent.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise Refused(f"Invalid value at '{name}' (a list of texts is wanted), \"{type(found).__name__}\"")
    return found


def fields_in(sent: Body) -> Mask:
    """Return the mask of what a request changes; Refused if it does not say."""
    fields = text(sent, "fields")
    if not fields:
        raise Refused("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    return parse_mask(fields)


def is_rows_in(sent: Body) -> bool:
    """Tell whether the dimension is rows; Refused if it is not said."""
    if sent.get("dimension") not in ("ROWS", "COLUMNS"):
        raise Refused("No dimension specified.")
    return bool(sent["dimension"] == "ROWS")


def optional_number(sent: Body, name: str) -> int | None:
    """Return a whole number of a request, None where it is not sent."""
    return None if sent.get(name) is None else number(sent, name)


def number(sent: Body, name: str, default: int = 0) -> int:
    """Return a whole number of a request, or the default where it is not sent."""
    found = sent.get(name)
    if found is None:
        return default
    if isinstance(found, bool) or not isinstance(found, int):
        raise Refused(f"Invalid value at '{name}' (TYPE_INT32), {found}")
    return found


def check_names(sent: Body, known: set[str], place: str) -> None:
    """Refuse a request with a field that the service does not know."""
    for name in sent:
        if name not in known:
            raise unknown_name(name, place)


def format_in(cell: Body) -> Body:
    """Return the userEnteredFormat of a CellData; Refused if its number format is none."""
    given = part(cell, "userEnteredFormat")
    number_format = part(given, "numberFormat")
    check_names(number_format, {"type", "pattern"}, "user_entered_format.number_format")
    if number_format and text(number_format, "type") not in _NUMBER_FORMATS:
        raise Refused("Invalid value at 'user_entered_format.number_format.type'")
    text(number_format, "pattern")
    return given


def value_in(cell: Body) -> Value:
    """Return the userEnteredValue of a CellData; a cell without one is blank. Raises Refused for a bad one."""
    sent = part(cell, "userEnteredValue")
    check_names(sent, {"stringValue", "numberValue", "boolValue", "formulaValue"}, "user_entered_value")
    if len(sent) > 1:
        raise Refused("oneof field 'value' is already set.")
    for name, found in sent.items():
        if name == "formulaValue":
            if not isinstance(found, str) or not found.startswith("="):
                raise Refused("userEnteredValue.formulaValue must begin with '='.")
            return Formula(found)
        kinds = _KINDS[name]
        if not isinstance(found, kinds) or (name == "numberValue" and isinstance(found, bool)):
            raise Refused(f"Invalid value at 'user_entered_value.{name}', \"{type(found).__name__}\"")
        return raw_value(found, name)  # type: ignore[return-value]
    return None
