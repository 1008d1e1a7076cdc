"""Writing values into a sandbox spreadsheet: values.update, append and clear, and their batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

from backhaul.sandbox.sheets.errors import Refused, wrong_shape
from backhaul.sandbox.sheets.ranges import Area, column_letters
from backhaul.sandbox.sheets.reads import Rendering, one, rendered
from backhaul.sandbox.sheets.requests import check_names, parts, text, texts
from backhaul.sandbox.sheets.state import Spreadsheet, check_in_grid, cut_to_grid, range_text
from backhaul.sandbox.sheets.tab import Format, Tab
from backhaul.sandbox.sheets.tables import last_table
from backhaul.sandbox.sheets.values import KEEP, Keep, NumberFormat, Value, raw_value, typed_value

_RANGE_FIELDS = {"range", "values", "majorDimension"}
_BATCH_FIELDS = {
    "valueInputOption",
    "data",
    "includeValuesInResponse",
    "responseValueRenderOption",
    "responseDateTimeRenderOption",
}


@dataclass(frozen=True)
class Entry:
    """How values come in: `option` RAW or USER_ENTERED, `echo` to be answered with what then stands there."""

    option: str
    echo: Rendering | None = None

    def __post_init__(self) -> None:
        if self.option in ("", "INPUT_VALUE_OPTION_UNSPECIFIED"):
            raise Refused("'valueInputOption' is required but not specified")
        if self.option not in ("RAW", "USER_ENTERED"):
            raise Refused(f"Invalid value at 'value_input_option', \"{self.option}\"")


@dataclass(frozen=True)
class Written:
    """What one write came to: the rectangle it was asked for, and the rows, columns and cells it changed."""

    tab: Tab
    area: Area
    rows: frozenset[int]
    columns: frozenset[int]
    cells: int


def entry(params: Mapping[str, Sequence[str]]) -> Entry:
    """Return how the parameters of a write want their values taken."""
    echo = None
    if one(params, "includeValuesInResponse").lower() == "true":
        echo = Rendering(
            one(params, "responseValueRenderOption") or "FORMATTED_VALUE",
            one(params, "responseDateTimeRenderOption") or "SERIAL_NUMBER",
        )
    return Entry(one(params, "valueInputOption"), echo)


def update_values(book: Spreadsheet, where: str, body: Mapping[str, Any], how: Entry) -> dict[str, Any]:
    """Write one range and return an UpdateValuesResponse; the grid does not grow."""
    return _update_answer(book, _write_range(book, where, body, how), how)


def batch_update_values(book: Spreadsheet, body: Mapping[str, Any]) -> dict[str, Any]:
    """Write several ranges, all or none of them."""
    check_names(body, _BATCH_FIELDS, "")
    echo = None
    if body.get("includeValuesInResponse"):
        echo = Rendering(
            text(body, "responseValueRenderOption") or "FORMATTED_VALUE",
            text(body, "responseDateTimeRenderOption") or "SERIAL_NUMBER",
        )
    how = Entry(text(body, "valueInputOption"), echo)
    written: list[Written] = []
    for number, data in enumerate(parts(body, "data")):
        try:
            written.append(_write_range(book, text(data, "range"), data, how))
        except Refused as refused:
            raise refused.within(f"data[{number}]") from refused
    rows = {(one.tab.sheet_id, row) for one in written for row in one.rows}
    columns = {(one.tab.sheet_id, column) for one in written for column in one.columns}
    totals = {
        "totalUpdatedRows": len(rows),
        "totalUpdatedColumns": len(columns),
        "totalUpdatedCells": sum(one.cells for one in written),
        "totalUpdatedSheets": len({one.tab.sheet_id for one in written if one.cells}),
    }
    answer: dict[str, Any] = {"spreadsheetId": book.id} | {name: count for name, count in totals.items() if count}
    if written:
        answer["responses"] = [_update_answer(book, one, how) for one in written]
    return answer


def append_values(
    book: Spreadsheet, where: str, body: Mapping[str, Any], how: Entry, insert_option: str
) -> dict[str, Any]:
    """Write below the last table that the range touches, or at its first cell if it touches none.

    Rows are added at the grid's end where they are needed; OVERWRITE writes over what stands below the table.
    """
    lines = _lines(body)
    if insert_option not in ("", "OVERWRITE", "INSERT_ROWS"):
        raise Refused(f"Invalid value at 'insert_data_option', \"{insert_option}\"")
    tab, area = book.resolve(where)
    area = cut_to_grid(tab, area)
    table = last_table(book, tab, area)
    row, column = (table.end_row, table.start_column) if table else (area.start_row, area.start_column)
    if insert_option == "INSERT_ROWS" and lines and row < tab.row_count:
        book.check_writable(tab, Area(row, row + 1, 0, tab.column_count))
        book.check_room(tab.row_count + len(lines), tab.column_count, instead_of=tab)
        tab.insert_rows(row, len(lines), inherit_from=row - 1 if row else None)
    missing = row + len(lines) - tab.row_count
    if missing > 0:
        book.check_writable(tab, None)
        book.check_room(tab.row_count + missing, tab.column_count, instead_of=tab)
        tab.row_count += missing
    written = _write_lines(book, tab, row, column, lines, how)
    answer: dict[str, Any] = {"spreadsheetId": book.id}
    if table:
        answer["tableRange"] = range_text(tab, table)
    answer["updates"] = _update_answer(book, written, how)
    return answer


def clear_values(book: Spreadsheet, where: str) -> dict[str, Any]:
    """Blank the values of a range and leave its formats."""
    tab, area = book.resolve(where)
    area = cut_to_grid(tab, area)
    book.check_writable(tab, area)
    tab.clear(area)
    return {"spreadsheetId": book.id, "clearedRange": range_text(tab, area)}


def batch_clear_values(book: Spreadsheet, body: Mapping[str, Any]) -> dict[str, Any]:
    """Blank several ranges, all or none of them."""
    check_names(body, {"ranges"}, "")
    cleared = [clear_values(book, where)["clearedRange"] for where in texts(body, "ranges")]
    return {"spreadsheetId": book.id, "clearedRanges": cleared}


def put_formats(tab: Tab, row: int, formats: Mapping[int, NumberFormat]) -> None:
    """Show the numbers of some columns of a row in these formats, where no other was chosen before."""
    for column, number_format in formats.items():
        tab.reformat(Area(row, row + 1, column, column + 1), partial(_with_number, new=number_format))


def _with_number(old: Format | None, new: NumberFormat) -> Format:
    return {"numberFormat": new.as_json(), **(old or {})}


def _write_range(book: Spreadsheet, where: str, body: Mapping[str, Any], how: Entry) -> Written:
    lines = _lines(body)
    tab, area = book.resolve(where)
    also = text(body, "range")
    if also and also != where and book.resolve(also) != (tab, area):
        raise Refused(f"Requested range [{where}] does not match the range in the body.")
    return _write_lines(book, tab, area.start_row, area.start_column, lines, how, None if area.is_one_cell else area)


def _lines(body: Mapping[str, Any]) -> list[list[Any]]:
    check_names(body, _RANGE_FIELDS, "data")
    values = body.get("values") or []
    if not isinstance(values, list):
        raise wrong_shape("data.values", "ListValue", values)
    for line in values:
        if not isinstance(line, list):
            raise wrong_shape("data.values", "ListValue", line)
    dimension = text(body, "majorDimension") or "ROWS"
    if dimension not in ("ROWS", "COLUMNS", "DIMENSION_UNSPECIFIED"):
        raise Refused(f"Invalid value at 'data.major_dimension', \"{dimension}\"")
    return [list(line) for line in zip_longest(*values)] if dimension == "COLUMNS" else values


def _write_lines(
    book: Spreadsheet,
    tab: Tab,
    row: int,
    column: int,
    lines: list[list[Any]],
    how: Entry,
    within: Area | None = None,
) -> Written:
    width = max(map(len, lines), default=0)
    area = Area(row, row + max(1, len(lines)), column, column + max(1, width))
    check_in_grid(tab, area)
    if within is not None:
        _check_within(tab, area, within)
    rows: set[int] = set()
    columns: set[int] = set()
    cells = 0
    for number, line in enumerate(lines, row):
        taken, formats = _taken(book, tab, number, column, line, how)
        kept = [place for place, value in enumerate(taken, column) if value is not KEEP]
        if not kept:
            continue
        if tab.protections:
            for place in kept:
                book.check_writable(tab, Area(number, number + 1, place, place + 1))
        tab.write(number, column, taken)
        put_formats(tab, number, formats)
        rows.add(number)
        columns.update(kept)
        cells += len(kept)
    return Written(tab, area, frozenset(rows), frozenset(columns), cells)


def _taken(
    book: Spreadsheet, tab: Tab, row: int, column: int, line: list[Any], how: Entry
) -> tuple[list[Value | Keep], dict[int, NumberFormat]]:
    if how.option == "RAW":
        return [raw_value(sent, f"values[{row}][{place}]") for place, sent in enumerate(line)], {}
    taken: list[Value | Keep] = []
    formats: dict[int, NumberFormat] = {}
    for place, sent in enumerate(line, column):
        known = tab.number_format(row, place)
        is_text = known is not None and known.type == "TEXT"
        value, number_format = typed_value(sent, f"values[{row}][{place}]", book.locale, is_text)
        taken.append(value)
        if number_format is not None and known is None:
            formats[place] = number_format
    return taken, formats


def _check_within(tab: Tab, area: Area, within: Area) -> None:
    for end, limit, name in (
        (area.end_row, within.end_row, f"row [{within.end_row + 1}]"),
        (area.end_column, within.end_column, f"column [{column_letters(within.end_column)}]"),
    ):
        if end > limit:
            place = range_text(tab, within)
            raise Refused(f"Requested writing within range [{place}], but tried writing to {name}")


def _update_answer(book: Spreadsheet, written: Written, how: Entry) -> dict[str, Any]:
    where = range_text(written.tab, written.area)
    answer: dict[str, Any] = {"spreadsheetId": book.id, "updatedRange": where}
    if written.cells:
        answer["updatedRows"] = len(written.rows)
        answer["updatedColumns"] = len(written.columns)
        answer["updatedCells"] = written.cells
    if how.echo:
        values = rendered(book, written.tab, written.area, how.echo)
        answer["updatedData"] = {"range": where, "majorDimension": "ROWS"} | ({"values": values} if values else {})
    return answer
