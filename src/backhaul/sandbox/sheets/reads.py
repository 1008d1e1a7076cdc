"""Reading values from a sandbox spreadsheet: values.get and values:batchGet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backhaul.sandbox.sheets.errors import Refused
from backhaul.sandbox.sheets.formulas import cells_of, result
from backhaul.sandbox.sheets.ranges import Area
from backhaul.sandbox.sheets.shown import is_moment, shown
from backhaul.sandbox.sheets.state import Spreadsheet, cut_to_grid, range_text
from backhaul.sandbox.sheets.tab import Format, Tab, number_format_in
from backhaul.sandbox.sheets.values import Formula, Value

_RENDERS = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
_MOMENT_RENDERS = ("SERIAL_NUMBER", "FORMATTED_STRING")
_DIMENSIONS = ("ROWS", "COLUMNS")


@dataclass(frozen=True)
class Rendering:
    """How values are put into an answer. Raises Refused for words that the API does not know."""

    values: str = "FORMATTED_VALUE"
    moments: str = "SERIAL_NUMBER"
    dimension: str = "ROWS"

    def __post_init__(self) -> None:
        for word, known, name in (
            (self.values, _RENDERS, "value_render_option"),
            (self.moments, _MOMENT_RENDERS, "date_time_render_option"),
            (self.dimension, _DIMENSIONS, "major_dimension"),
        ):
            if word not in known:
                raise Refused(f"Invalid value at '{name}', \"{word}\"")


def rendering(params: Mapping[str, Sequence[str]]) -> Rendering:
    """Return how the parameters of a read want their values."""
    return Rendering(
        values=one(params, "valueRenderOption") or "FORMATTED_VALUE",
        moments=one(params, "dateTimeRenderOption") or "SERIAL_NUMBER",
        dimension=one(params, "majorDimension") or "ROWS",
    )


def one(params: Mapping[str, Sequence[str]], name: str) -> str:
    """Return the last value of a parameter, or the empty text."""
    return params.get(name, ("",))[-1]


def get_values(book: Spreadsheet, text: str, how: Rendering) -> dict[str, Any]:
    """Return a ValueRange of one range; `values` is left out where all is blank."""
    tab, area = book.resolve(text)
    area = cut_to_grid(tab, area)
    answer: dict[str, Any] = {"range": range_text(tab, area), "majorDimension": how.dimension}
    values = rendered(book, tab, area, how)
    if values:
        answer["values"] = values
    return answer


def batch_get_values(book: Spreadsheet, ranges: Sequence[str], how: Rendering) -> dict[str, Any]:
    """Return the ValueRanges of several ranges, in their order."""
    return {"spreadsheetId": book.id, "valueRanges": [get_values(book, text, how) for text in ranges]}


def rendered(book: Spreadsheet, tab: Tab, area: Area, how: Rendering) -> list[list[Any]]:
    """Return an area's values row by row (or column by column), trailing blanks left out."""
    show = _shower(book, tab, how)
    first, last = area.start_column, area.end_column
    lines: list[list[Any]] = []
    numbers = range(area.start_row, area.end_row)
    for number, values in zip(numbers, cells_of(book, tab, numbers), strict=False):
        cells = values[first:last]
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            formats = tab.row(number).formats
            cells = [
                "" if cell is None else show(cell, formats.get(column)) for column, cell in enumerate(cells, first)
            ]
        lines.append(cells)
    while lines and not lines[-1]:
        lines.pop()
    return _turned(lines) if how.dimension == "COLUMNS" else lines


def _shower(book: Spreadsheet, tab: Tab, how: Rendering) -> Callable[[Value, Format | None], Any]:
    def formatted(value: Value, cell_format: Format | None) -> Any:
        if type(value) is str:
            return value
        return shown(result(book, tab, value), number_format_in(cell_format))

    def unformatted(value: Value, cell_format: Format | None) -> Any:
        plain = result(book, tab, value)
        if cell_format and how.moments == "FORMATTED_STRING" and isinstance(plain, int | float):
            number_format = number_format_in(cell_format)
            return shown(plain, number_format) if is_moment(number_format) else plain
        return "" if plain is None else plain

    def formula(value: Value, cell_format: Format | None) -> Any:
        return value.text if type(value) is Formula else value

    return {"FORMATTED_VALUE": formatted, "UNFORMATTED_VALUE": unformatted, "FORMULA": formula}[how.values]


def _turned(lines: list[list[Any]]) -> list[list[Any]]:
    columns: list[list[Any]] = [[] for _ in range(max(map(len, lines), default=0))]
    for number, line in enumerate(lines):
        for column, cell in enumerate(line):
            if cell != "":
                # Only here are the blanks before it known to be wanted.
                columns[column].extend([""] * (number - len(columns[column])))
                columns[column].append(cell)
    while columns and not columns[-1]:
        columns.pop()
    return columns
