"""The one batchUpdate that writes a chunk: grow, back up, head, write, remember. Atomic: all of it or nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backhaul.destinations.google.cells import NumberFormat, Plain, entered, key_text
from backhaul.destinations.google.memory import (
    BACKUP_COLUMN,
    SPARE_ROWS,
    Entry,
    Memory,
    Record,
    Wrong,
    backup_cell,
    digest,
    packed,
    segments,
    without,
)
from backhaul.destinations.google.plan import Layout, RowWrite
from backhaul.destinations.google.view import KEY_JOINT, Grid, View
from backhaul.sessions.google.tabs import Place

Request = dict[str, Any]
VALUE = "userEnteredValue"
FORMAT = "userEnteredFormat.numberFormat"


@dataclass(frozen=True)
class Chunk:
    """Rows that are written together, changed ones first."""

    changed: Sequence[RowWrite]
    fresh: Sequence[RowWrite]


def grid_range(sheet_id: int, row: int, end_row: int, column: int, end_column: int) -> dict[str, int]:
    """Return a GridRange; ends are not included."""
    return {
        "sheetId": sheet_id,
        "startRowIndex": row,
        "endRowIndex": end_row,
        "startColumnIndex": column,
        "endColumnIndex": end_column,
    }


def grow(place: Place, rows: int, columns: int) -> Iterator[Request]:
    """Yield what makes the grid so large; nothing if it is."""
    for dimension, missing in (("ROWS", rows - place.rows), ("COLUMNS", columns - place.columns)):
        if missing > 0:
            yield {"appendDimension": {"sheetId": place.sheet_id, "dimension": dimension, "length": missing}}


def new_tab(title: str, rows: int, width: int) -> tuple[Request, Place]:
    """Return the request for a hidden tab called title, and where it will be."""
    made = Place(
        sheet_id=random.randrange(1_000_000_000, 2_000_000_000),
        title=title,
        rows=rows + SPARE_ROWS,
        columns=BACKUP_COLUMN + width,
    )
    size = {"rowCount": made.rows, "columnCount": made.columns}
    properties = {"sheetId": made.sheet_id, "title": made.title, "hidden": True, "gridProperties": size}
    return {"addSheet": {"properties": properties}}, made


def take_turn(memory: Memory) -> Request:
    """Return what Google refuses, and all with it, if another program has written since the memory was read.

    An id of developer metadata can be given away once only; nobody sees it.
    """
    location = {"sheetId": memory.place.sheet_id}
    metadata = {"metadataId": memory.turn, "metadataKey": "b", "location": location, "visibility": "PROJECT"}
    return {"createDeveloperMetadata": {"developerMetadata": metadata}}


def remove_tab(place: Place) -> Request:
    """Return the request that deletes a hidden tab."""
    return {"deleteSheet": {"sheetId": place.sheet_id}}


def back_up(view: View, memory: Place, layout: Layout, chunk: Chunk, *, as_values: bool) -> Iterator[Request]:
    """Yield copies of the header and of the target rows into the hidden tab, in the order of the chunk."""
    rows = [layout.header_row, *(each.row for each in chunk.changed), *(each.row for each in chunk.fresh)]
    for start, row, count in _runs(rows):
        yield {
            "copyPaste": {
                "source": grid_range(view.place.sheet_id, row, row + count, 0, layout.width),
                "destination": grid_range(
                    memory.sheet_id, start, start + count, BACKUP_COLUMN, BACKUP_COLUMN + layout.width
                ),
                "pasteType": "PASTE_VALUES" if as_values else "PASTE_NORMAL",
            }
        }


def set_headers(place: Place, layout: Layout, *, is_first: bool) -> Iterator[Request]:
    """Yield the headers that are missing; the first ones of a tab are bold and stay in sight."""
    for column, texts in _beside(layout.headed):
        yield _update(place, layout.header_row, column, [texts])
    if is_first:
        bold = {"userEnteredFormat": {"textFormat": {"bold": True}}}
        area = grid_range(place.sheet_id, 0, 1, 0, max(layout.headed) + 1)
        yield {"repeatCell": {"range": area, "cell": bold, "fields": "userEnteredFormat.textFormat.bold"}}
        frozen = {"sheetId": place.sheet_id, "gridProperties": {"frozenRowCount": 1}}
        yield {"updateSheetProperties": {"properties": frozen, "fields": "gridProperties.frozenRowCount"}}


def change_rows(place: Place, rows: Sequence[RowWrite]) -> Iterator[Request]:
    """Yield the changed cells, those that touch each other in one request."""
    runs: dict[tuple[int, int], list[tuple[int, list[Plain]]]] = {}
    for each in rows:
        for column, cells in _beside(each.cells):
            runs.setdefault((column, len(cells)), []).append((each.row, cells))
    for (column, _), found in runs.items():
        found.sort(key=lambda pair: pair[0])
        for start, row, count in _runs([row for row, _ in found]):
            yield _update(place, row, column, [cells for _, cells in found[start : start + count]])
    formats = [(column, shown, each.row) for each in rows for column, shown in each.formats.items()]
    formats.sort(key=lambda found: (found[0], found[1].type, found[1].pattern, found[2]))
    while formats:
        column, shown, _ = formats[0]
        alike = [row for other, form, row in formats if (other, form) == (column, shown)]
        formats = [found for found in formats if found[:2] != (column, shown)]
        for _, row, count in _runs(alike):
            yield _show(place, row, row + count, column, shown)


def add_rows(
    place: Place, rows: Sequence[RowWrite], layout: Layout, shown: Mapping[int, NumberFormat]
) -> Iterator[Request]:
    """Yield the fresh rows, which lie one below the other, and how their numbers are shown."""
    if not rows:
        return
    first = rows[0].row
    for start, places in segments(sorted(rows[0].cells)):
        cells = [[each.cells[column] for column in range(start, start + places)] for each in rows]
        yield _update(place, first, start, cells)
    for column, form in shown.items():
        if any(isinstance(each.cells.get(column), int | float) for each in rows):
            yield _show(place, first, first + len(rows), column, form)


def remember(memory: Place, entry: Entry) -> Request:
    """Return what writes the record of a chunk into the hidden tab."""
    return _update(memory, entry.first, 0, [[text or None for text in row] for row in entry.rows])


def put_back(view: View, memory: Memory, record: Record, wrong: Wrong) -> list[Request]:
    """Return what puts the rows back that a write met by mistake, and writes that down, in one step.

    A row is looked for by the key that it had, or that the write gave it; if the columns were moved, by its place.
    """
    requests: list[Request] = []
    as_values = record.has_values
    keys = {} if wrong.is_header else {digest(key): view.rows_of(key) for key in view.keys}
    if wrong.is_header:
        requests += _copy_back(view, memory, 0, record.top, list(record.headed), as_values=as_values)
    for number in wrong.changed:
        meant = record.changed[number]
        columns = [column for bit, column in enumerate(record.own) if meant.columns >> bit & 1]
        row = meant.row
        if not wrong.is_header:
            row = _row_now(view, memory.backup, 1 + number, record, keys, meant.row)
        requests += _copy_back(view, memory, 1 + number, row, columns, as_values=as_values)
    for number in wrong.fresh:
        row = record.fresh_row + number
        row = row if wrong.is_header else _nearest(keys.get(record.fresh[number]), row)
        first = 1 + len(record.changed)
        requests += _copy_back(view, memory, first + number, row, list(record.own), as_values=as_values)
    kept = without(record, wrong)
    rows = [kept.cells(), *([record.batch, record.time, "", text, ""] for text in packed(kept.fresh)[1:])]
    taken = 1 + len(packed(record.fresh)[1:])
    rows += [[record.batch, record.time, "", "", ""]] * (taken - len(rows))
    requests.append(_update(memory.place, record.at, 0, [[text or None for text in row] for row in rows]))
    return requests


def _row_now(
    view: View, backup: Grid, number: int, record: Record, keys: Mapping[bytes, list[int]], meant: int
) -> int:
    texts = [key_text(backup_cell(backup, number, column)) for column in record.key]
    return _nearest(keys.get(digest(KEY_JOINT.join(texts))), meant)


def _nearest(rows: Sequence[int] | None, meant: int) -> int:
    """Return the row that was meant if it has the key, or if none has it; else the first of those that have it."""
    return meant if not rows or meant in rows else rows[0]


def _copy_back(
    view: View, memory: Memory, number: int, row: int, columns: Sequence[int], *, as_values: bool
) -> list[Request]:
    if row >= view.place.rows:
        return []
    return [
        {
            "copyPaste": {
                "source": grid_range(
                    memory.place.sheet_id, number, number + 1, BACKUP_COLUMN + start, BACKUP_COLUMN + start + count
                ),
                "destination": grid_range(view.place.sheet_id, row, row + 1, start, start + count),
                "pasteType": "PASTE_VALUES" if as_values else "PASTE_NORMAL",
            }
        }
        for start, count in segments(sorted(columns))
    ]


def _update(place: Place, row: int, column: int, rows: Iterable[Sequence[Plain]]) -> Request:
    cells = [{"values": [entered(cell) for cell in row_cells]} for row_cells in rows]
    start = {"sheetId": place.sheet_id, "rowIndex": row, "columnIndex": column}
    return {"updateCells": {"start": start, "rows": cells, "fields": VALUE}}


def _show(place: Place, row: int, end_row: int, column: int, shown: NumberFormat) -> Request:
    cell = {"userEnteredFormat": {"numberFormat": {"type": shown.type, "pattern": shown.pattern}}}
    area = grid_range(place.sheet_id, row, end_row, column, column + 1)
    return {"repeatCell": {"range": area, "cell": cell, "fields": FORMAT}}


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (place in rows, first row, count) of rows that follow one another."""
    start = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or rows[at] != rows[at - 1] + 1:
            yield start, rows[start], at - start
            start = at


def _beside(cells: Mapping[int, Any]) -> Iterator[tuple[int, list[Any]]]:
    """Yield (first column, cells) of cells side by side."""
    for column, count in segments(sorted(cells)):
        yield column, [cells[each] for each in range(column, column + count)]
