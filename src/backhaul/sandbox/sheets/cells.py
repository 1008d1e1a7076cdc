"""Requests of a batchUpdate that write, repeat, copy and sort the cells of a sandbox spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from backhaul.sandbox.sheets.errors import Refused, unknown_path
from backhaul.sandbox.sheets.formulas import result
from backhaul.sandbox.sheets.masks import CELL_FIELDS, Mask, check_mask
from backhaul.sandbox.sheets.ranges import Area, column_letters, column_number
from backhaul.sandbox.sheets.requests import (
    Body,
    area_of,
    check_names,
    fields_in,
    format_in,
    number,
    part,
    parts,
    text,
    value_in,
)
from backhaul.sandbox.sheets.state import Spreadsheet
from backhaul.sandbox.sheets.tab import Format, Row, Tab
from backhaul.sandbox.sheets.values import Formula, Plain, Value

_REFERENCE = re.compile(r"(?<![\w.])(\$?)([A-Za-z]{1,3})(\$?)([0-9]+)(?![A-Za-z0-9(])")


def update_cells(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Write rows of CellData from a start or into a range; a field of the mask that a cell lacks is cleared.

    A range that is larger than the rows is cleared, under the mask, where they end.
    """
    rows = parts(sent, "rows")
    mask = cell_mask(sent)
    width = max((len(parts(row, "values")) for row in rows), default=0)
    is_range = sent.get("range") is not None
    if is_range:
        tab, area = area_of(book, part(sent, "range"))
        if len(rows) > area.rows or width > area.columns:
            raise Refused(_beyond(area.end_row, area.end_column, len(rows) > area.rows))
    else:
        tab, area = _from_start(book, part(sent, "start"), len(rows), width)
    book.check_writable(tab, area)
    for place in range(area.rows):
        cells = parts(rows[place], "values") if place < len(rows) else []
        count = area.columns if is_range else len(cells)
        put_cells(tab, area.start_row + place, area.start_column, [*cells, *[{}] * (count - len(cells))], mask)
    return {}


def append_cells(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Write rows of CellData below the last row of a tab that has a value, with new rows where needed."""
    tab = book.tab_by_id(number(sent, "sheetId"))
    rows = parts(sent, "rows")
    mask = cell_mask(sent)
    start = tab.filled_rows()
    missing = start + len(rows) - tab.row_count
    if missing > 0:
        book.check_room(tab.row_count + missing, tab.column_count, instead_of=tab)
        tab.row_count += missing
    for place, row in enumerate(rows, start):
        cells = parts(row, "values")
        if len(cells) > tab.column_count:
            raise Refused(_beyond(tab.row_count, tab.column_count, False))
        book.check_writable(tab, Area(place, place + 1, 0, max(1, len(cells))))
        put_cells(tab, place, 0, cells, mask)
    return {}


def repeat_cell(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Write the masked fields of one cell into every cell of a range."""
    tab, area = area_of(book, part(sent, "range"))
    cell = part(sent, "cell")
    mask = cell_mask(sent)
    book.check_writable(tab, area)
    if "userEnteredValue" in mask or not mask:
        value = value_in(cell)
        for row in range(area.start_row, area.end_row):
            moved = [
                shifted(value, row - area.start_row, column - area.start_column)
                for column in range(area.start_column, area.end_column)
            ]
            tab.write(row, area.start_column, moved)
    if "userEnteredFormat" in mask or not mask:
        inner = mask.get("userEnteredFormat", {})
        given = format_in(cell)
        tab.reformat(area, partial(_new_format, given=given, mask=inner))
    return {}


def copy_paste(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Copy an area into another one, again and again where that is a multiple of it."""
    source_tab, source = area_of(book, part(sent, "source"), "source")
    target_tab, target = area_of(book, part(sent, "destination"), "destination")
    kind = text(sent, "pasteType") or "PASTE_NORMAL"
    if kind not in ("PASTE_NORMAL", "PASTE_VALUES", "PASTE_FORMULA", "PASTE_FORMAT"):
        raise Refused(f"pasteType {kind} is not served by the sandbox.")
    rows = target.rows if target.rows % source.rows == 0 else source.rows
    columns = target.columns if target.columns % source.columns == 0 else source.columns
    end_row, end_column = target.start_row + rows, target.start_column + columns
    if end_row > target_tab.row_count or end_column > target_tab.column_count:
        raise Refused(_beyond(target_tab.row_count, target_tab.column_count, end_row > target_tab.row_count))
    book.check_writable(target_tab, Area(target.start_row, end_row, target.start_column, end_column))
    copied = source_tab.copy()
    for row in range(rows):
        from_row, to_row = source.start_row + row % source.rows, target.start_row + row
        for column in range(columns):
            from_column, to_column = source.start_column + column % source.columns, target.start_column + column
            if kind != "PASTE_FORMAT":
                value = copied.value(from_row, from_column)
                moved = shifted(value, to_row - from_row, to_column - from_column)
                pasted: Value = result(book, copied, value) if kind == "PASTE_VALUES" else moved
                target_tab.write(to_row, to_column, [pasted])
            if kind in ("PASTE_NORMAL", "PASTE_FORMAT"):
                cell_format = copied.format(from_row, from_column)
                place = Area(to_row, to_row + 1, to_column, to_column + 1)
                if cell_format != target_tab.format(to_row, to_column):
                    target_tab.reformat(place, _always(cell_format))
    return {}


def sort_range(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Sort the rows of an area by its sort keys; ties keep their order."""
    tab, area = area_of(book, part(sent, "range"))
    keys = []
    for spec in parts(sent, "sortSpecs"):
        check_names(spec, {"dimensionIndex", "sortOrder"}, "sort_specs")
        column = number(spec, "dimensionIndex")
        if not area.start_column <= column < area.end_column:
            raise Refused(f"sortSpecs dimensionIndex[{column}] is outside of the range.")
        keys.append((column, spec.get("sortOrder") == "DESCENDING"))
    book.check_writable(tab, area)
    sort_rows(book, tab, area, keys)
    return {}


def sort_rows(book: Spreadsheet, tab: Tab, area: Area, keys: Sequence[tuple[int, bool]]) -> None:
    """Sort an area's rows by columns, each with whether it falls: numbers, texts, booleans; blanks stay last."""
    area = area.cut(max(len(tab.rows), area.start_row), tab.column_count)
    rows = [tab.row(place) for place in range(area.start_row, area.end_row)]
    for column, is_falling in reversed(keys):
        plain = [(result(book, tab, _at(row, column)), row) for row in rows]
        filled = [pair for pair in plain if pair[0] is not None]
        filled.sort(key=lambda pair: _rank(pair[0]), reverse=is_falling)
        rows = [row for _, row in filled] + [row for value, row in plain if value is None]
    first, last = area.start_column, area.end_column
    olds = [tab.row(place) for place in range(area.start_row, area.end_row)]
    for place, (old, new) in enumerate(zip(olds, rows, strict=True), area.start_row):
        tab.put_row(place, _spliced(old, new, first, last))


def shifted(value: Value, rows: int, columns: int) -> Value:
    """Return a value as it is pasted so much further down and right: a formula's references go along."""
    if type(value) is not Formula or not (rows or columns):
        return value

    def moved(found: re.Match[str]) -> str:
        column, row = column_number(found[2]), int(found[4]) - 1
        column += 0 if found[1] else columns
        row += 0 if found[3] else rows
        if row < 0 or column < 0:
            return "#REF!"
        return f"{found[1]}{column_letters(column)}{found[3]}{row + 1}"

    return Formula(_REFERENCE.sub(moved, value.text))


def cell_mask(sent: Body) -> Mask:
    """Return which fields of cells a request writes; Refused if it does not say."""
    mask = fields_in(sent)
    check_mask(mask, CELL_FIELDS)
    for name in ("effectiveValue", "formattedValue", "effectiveFormat"):
        if name in mask:
            raise unknown_path(name)
    return mask


def put_cells(tab: Tab, row: int, column: int, cells: Sequence[Body], mask: Mask) -> None:
    """Write the masked fields of cells side by side; a field that a cell lacks is cleared."""
    if not cells:
        return
    for cell in cells:
        check_names(cell, set(CELL_FIELDS), "rows.values")
    if "userEnteredValue" in mask or not mask:
        values = [value_in(cell) for cell in cells]
        tab.write(row, column, values)
    if "userEnteredFormat" in mask or not mask:
        inner = mask.get("userEnteredFormat", {})
        for place, cell in enumerate(cells, column):
            given = format_in(cell)
            if given or tab.format(row, place):
                area = Area(row, row + 1, place, place + 1)
                tab.reformat(area, partial(_new_format, given=given, mask=inner))


def _always(cell_format: Format | None) -> Callable[[Format | None], Format | None]:
    return lambda old: cell_format


def _new_format(old: Format | None, given: Format, mask: Mask) -> Format:
    if not mask:
        return dict(given)
    new = {name: part for name, part in (old or {}).items() if name not in mask}
    return new | {name: given[name] for name in mask if name in given}


def _from_start(book: Spreadsheet, start: Body, rows: int, width: int) -> tuple[Tab, Area]:
    check_names(start, {"sheetId", "rowIndex", "columnIndex"}, "start")
    tab = book.tab_by_id(number(start, "sheetId"))
    row, column = number(start, "rowIndex"), number(start, "columnIndex")
    if row >= tab.row_count:
        raise Refused(f"GridCoordinate.rowIndex[{row}] is after last row in grid[{tab.row_count - 1}]")
    if column >= tab.column_count:
        raise Refused(f"GridCoordinate.columnIndex[{column}] is after last column in grid[{tab.column_count - 1}]")
    if row + rows > tab.row_count or column + width > tab.column_count:
        raise Refused(_beyond(tab.row_count, tab.column_count, row + rows > tab.row_count))
    return tab, Area(row, row + rows, column, column + width)


def _beyond(rows: int, columns: int, is_row: bool) -> str:
    word, end = ("row", rows) if is_row else ("column", columns)
    return f"Attempting to write {word}: {end}, beyond the last requested {word} of: {end - 1}"


def _at(row: Row, column: int) -> Value:
    return row.values[column] if column < len(row.values) else None


def _rank(value: Plain) -> tuple[int, float, str]:
    if isinstance(value, bool):
        return 2, value, ""
    if isinstance(value, str):
        return 1, 0, value.casefold()
    return 0, value or 0, ""


def _spliced(old: Row, new: Row, first: int, last: int) -> Row:
    """Return the row old with the cells of new from first up to last."""
    middle = [*new.values[first:last], *[None] * (last - max(first, len(new.values)))]
    left = [*old.values[:first], *[None] * (first - len(old.values))]
    formats: Mapping[int, Format] = {
        column: cell for column, cell in old.formats.items() if not first <= column < last
    } | {column: cell for column, cell in new.formats.items() if first <= column < last}
    return Row([*left, *middle, *old.values[last:]], formats)
