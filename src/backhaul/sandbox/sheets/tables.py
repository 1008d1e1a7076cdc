"""Where values.append writes: the tables that Google sees in a tab."""

from __future__ import annotations

from collections.abc import Iterator

from backhaul.sandbox.sheets.formulas import cells_of
from backhaul.sandbox.sheets.ranges import Area
from backhaul.sandbox.sheets.state import Spreadsheet
from backhaul.sandbox.sheets.tab import Tab
from backhaul.sandbox.sheets.values import Value


def last_table(book: Spreadsheet, tab: Tab, searched: Area) -> Area | None:
    """Return the last table that has a cell in the searched area; a blank row or column ends a table.

    Tables are ordered by their last row, then from left to right. An empty text (written as "") is blank.
    """
    masks = [_mask(values) for values in cells_of(book, tab, range(tab.row_count))]
    found = [table for table in _tables(masks, searched) if table.meets(searched)]
    return max(found, key=lambda table: (table.end_row, table.start_column), default=None)


def _mask(values: list[Value]) -> int:
    mask = 0
    for column, value in enumerate(values):
        if value is not None:
            mask |= 1 << column
    return mask


def _tables(masks: list[int], searched: Area) -> Iterator[Area]:
    for start, end in _bands(masks, 0):
        if start < searched.end_row and searched.start_row < end:
            yield from _split(masks, start, end, ~0)


def _split(masks: list[int], start: int, end: int, columns: int) -> Iterator[Area]:
    """Cut a block at its blank columns, each part at its blank rows, and so on until nothing is left to cut."""
    used = 0
    for mask in masks[start:end]:
        used |= mask & columns
    parts = list(_runs(used))
    for first, last in parts:
        part = ((1 << last) - 1) ^ ((1 << first) - 1)
        bands = list(_bands([mask & part for mask in masks[start:end]], start))
        if len(parts) == 1 and bands == [(start, end)]:
            yield Area(start, end, first, last)
            continue
        for low, high in bands:
            yield from _split(masks, low, high, part)


def _bands(masks: list[int], offset: int) -> Iterator[tuple[int, int]]:
    begin = None
    for number, mask in enumerate([*masks, 0]):
        if mask and begin is None:
            begin = number
        elif not mask and begin is not None:
            yield begin + offset, number + offset
            begin = None


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    column = 0
    while mask:
        gap = (mask & -mask).bit_length() - 1
        mask >>= gap
        width = (~mask & (mask + 1)).bit_length() - 1
        yield column + gap, column + gap + width
        mask >>= width
        column += gap + width
