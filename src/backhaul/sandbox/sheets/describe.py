"""A sandbox spreadsheet as spreadsheets.get describes it: properties, tabs, and cells if they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backhaul.sandbox.sheets.formulas import CellError, cells_of, result
from backhaul.sandbox.sheets.masks import SPREADSHEET_FIELDS, Mask, check_mask, masked, names_field, parse_mask
from backhaul.sandbox.sheets.ranges import Area
from backhaul.sandbox.sheets.shown import shown
from backhaul.sandbox.sheets.state import Spreadsheet, cut_to_grid
from backhaul.sandbox.sheets.tab import Format, Protection, Tab, number_format_in
from backhaul.sandbox.sheets.values import Formula, Plain, Value

_ROWS = ("sheets", "data", "rowData", "values")
_DEFAULT_FORMAT = {
    "backgroundColor": {"red": 1, "green": 1, "blue": 1},
    "padding": {"top": 2, "right": 3, "bottom": 2, "left": 3},
    "verticalAlignment": "BOTTOM",
    "wrapStrategy": "OVERFLOW_CELL",
    "textFormat": {"foregroundColor": {}, "fontFamily": "arial,sans,sans-serif", "fontSize": 10},
}


def describe(
    book: Spreadsheet, *, ranges: Sequence[str] = (), fields: str = "", has_grid_data: bool = False
) -> dict[str, Any]:
    """Return a Spreadsheet. With ranges, only the tabs that they are in; cells only if fields name them or
    has_grid_data says so (which counts for nothing beside fields).
    """
    mask = parse_mask(fields) if fields else {}
    check_mask(mask, SPREADSHEET_FIELDS)
    is_wanted = names_field(mask, ("sheets", "data")) if mask else has_grid_data
    found = [book.resolve(text) for text in ranges]
    areas = [(tab, cut_to_grid(tab, area)) for tab, area in found]
    sheets = []
    for index, tab in enumerate(book.tabs):
        mine = [area for other, area in areas if other is tab]
        if ranges and not mine:
            continue
        sheet: dict[str, Any] = {"properties": tab_properties(tab, index)}
        if is_wanted:
            sheet["data"] = [_grid(book, tab, area, mask) for area in mine or [tab.whole]]
        if tab.protections:
            sheet["protectedRanges"] = [protected_range(tab, protection) for protection in tab.protections]
        sheets.append(sheet)
    return _with_rows(masked(_around(book, sheets), mask))


def tab_properties(tab: Tab, index: int) -> dict[str, Any]:
    """Return a tab's SheetProperties; what has its default value is left out."""
    grid = {"rowCount": tab.row_count, "columnCount": tab.column_count}
    if tab.frozen_rows:
        grid["frozenRowCount"] = tab.frozen_rows
    if tab.frozen_columns:
        grid["frozenColumnCount"] = tab.frozen_columns
    properties: dict[str, Any] = {
        "sheetId": tab.sheet_id,
        "title": tab.title,
        "index": index,
        "sheetType": "GRID",
        "gridProperties": grid,
    }
    return properties | ({"hidden": True} if tab.is_hidden else {})


def grid_range(tab: Tab, area: Area | None) -> dict[str, int]:
    """Return a GridRange; the sheetId 0 is left out, as Google does."""
    given = {"sheetId": tab.sheet_id} if tab.sheet_id else {}
    if area is None:
        return given
    return given | {
        "startRowIndex": area.start_row,
        "endRowIndex": area.end_row,
        "startColumnIndex": area.start_column,
        "endColumnIndex": area.end_column,
    }


def protected_range(tab: Tab, protection: Protection) -> dict[str, Any]:
    """Return a ProtectedRange."""
    answer: dict[str, Any] = {"protectedRangeId": protection.id, "range": grid_range(tab, protection.area)}
    if protection.description:
        answer["description"] = protection.description
    if protection.is_warning:
        answer["warningOnly"] = True
    if protection.is_ours or protection.is_warning:
        answer["requestingUserCanEdit"] = True
    return answer


def entered(value: Value) -> dict[str, Any]:
    """Return a value as ExtendedValue, as it was entered."""
    return {"formulaValue": value.text} if type(value) is Formula else effective(value)  # type: ignore[arg-type]


def effective(value: Plain) -> dict[str, Any]:
    """Return what a cell comes to as ExtendedValue."""
    if isinstance(value, CellError):
        return {"errorValue": {"type": "REF" if value == "#REF!" else "DIVIDE_BY_ZERO", "message": str(value)}}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"numberValue": value}


def _around(book: Spreadsheet, sheets: list[dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "spreadsheetId": book.id,
        "properties": {
            "title": book.title,
            "locale": book.locale,
            "autoRecalc": "ON_CHANGE",
            "timeZone": book.time_zone,
            "defaultFormat": _DEFAULT_FORMAT,
            "spreadsheetTheme": {"primaryFontFamily": "Arial"},
        },
        "sheets": sheets,
        "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{book.id}/edit",
    }
    names = [
        {"namedRangeId": id_, "name": name, "range": grid_range(tab, area)}
        for tab in book.tabs
        for name, (id_, area) in tab.names.items()
    ]
    return answer | ({"namedRanges": names} if names else {})


def _grid(book: Spreadsheet, tab: Tab, area: Area, mask: Mask) -> dict[str, Any]:
    grid: dict[str, Any] = {}
    if area.start_row:
        grid["startRow"] = area.start_row
    if area.start_column:
        grid["startColumn"] = area.start_column
    if not names_field(mask, _ROWS[:3]):
        return grid
    wanted = mask
    for name in _ROWS:
        wanted = wanted.get(name, {}) if wanted and "*" not in wanted else {}
    rows = _rows(book, tab, area, wanted)
    # In a tuple, which the mask does not look into: the rows are built as it wants them, and may be many.
    return grid | ({"rowData": (rows,)} if rows else {})


@dataclass(frozen=True)
class _Wanted:
    """Which fields of a cell a mask asks for; looked up once, not for every cell."""

    entered: Mask | None
    effective: Mask | None
    is_formatted: bool
    formats: tuple[tuple[str, Mask], ...]


def _wanted(mask: Mask) -> _Wanted:
    def inner(name: str) -> Mask | None:
        return mask.get(name) if mask else {}

    found = {name: inner(name) for name in ("userEnteredFormat", "effectiveFormat")}
    return _Wanted(
        inner("userEnteredValue"),
        inner("effectiveValue"),
        inner("formattedValue") is not None,
        tuple((name, part) for name, part in found.items() if part is not None),
    )


def _rows(book: Spreadsheet, tab: Tab, area: Area, mask: Mask) -> list[dict[str, Any]]:
    wanted = _wanted(mask)
    first, last = area.start_column, area.end_column
    rows: list[dict[str, Any]] = []
    filled = 0
    numbers = range(area.start_row, area.end_row)
    for number, values in zip(numbers, cells_of(book, tab, numbers), strict=False):
        formats = tab.row(number).formats
        # A cell that only has a format is there too, though there is nothing in it.
        width = max((column + 1 - first for column in formats if first <= column < last), default=0) if formats else 0
        cells = values[first:last]
        while len(cells) > width and cells[-1] is None:
            cells.pop()
        cells.extend([None] * (width - len(cells)))
        if cells:
            described = [
                _cell(book, tab, value, formats.get(column), wanted) for column, value in enumerate(cells, first)
            ]
            rows.append({"values": described})
            filled = len(rows)
        else:
            rows.append({})
    return rows[:filled]


def _cell(book: Spreadsheet, tab: Tab, value: Value, cell_format: Format | None, wanted: _Wanted) -> dict[str, Any]:
    cell: dict[str, Any] = {}
    if value is not None:
        plain = result(book, tab, value)
        if wanted.entered is not None:
            cell["userEnteredValue"] = masked(entered(value), wanted.entered)
        if wanted.effective is not None and plain is not None:
            cell["effectiveValue"] = masked(effective(plain), wanted.effective)
        if wanted.is_formatted:
            cell["formattedValue"] = shown(plain, number_format_in(cell_format))
    if cell_format:
        for name, mask in wanted.formats:
            cell[name] = masked(dict(cell_format), mask)
    return cell


def _with_rows(answer: dict[str, Any]) -> dict[str, Any]:
    for sheet in answer.get("sheets", ()):
        for grid in sheet.get("data", ()):
            if "rowData" in grid:
                grid["rowData"] = grid["rowData"][0]
    return answer
