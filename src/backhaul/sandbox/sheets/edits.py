"""spreadsheets.batchUpdate of the sandbox: requests that change tabs, the grid, and who may edit what."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backhaul.sandbox.sheets.cells import (
    append_cells,
    copy_paste,
    repeat_cell,
    sort_range,
    update_cells,
)
from backhaul.sandbox.sheets.describe import describe, grid_range, protected_range, tab_properties
from backhaul.sandbox.sheets.errors import Refused, unknown_name
from backhaul.sandbox.sheets.metadata import create_metadata, delete_metadata
from backhaul.sandbox.sheets.requests import (
    Body,
    area_of,
    check_names,
    fields_in,
    is_rows_in,
    number,
    optional_number,
    part,
    parts,
    span_of,
    text,
    texts,
)
from backhaul.sandbox.sheets.state import Spreadsheet
from backhaul.sandbox.sheets.tab import Protection, Tab

Answer = dict[str, Any]
Edit = Callable[[Spreadsheet, Body], Answer]


def batch_update(book: Spreadsheet, body: Body) -> Answer:
    """Do all requests in their order, or none of them."""
    known = {"requests", "includeSpreadsheetInResponse", "responseRanges", "responseIncludeGridData"}
    check_names(body, known, "")
    requests = parts(body, "requests")
    if not requests:
        raise Refused("Must specify at least one request.")
    replies = [_reply(book, place, request) for place, request in enumerate(requests)]
    answer: Answer = {"spreadsheetId": book.id, "replies": replies}
    if body.get("includeSpreadsheetInResponse"):
        answer["updatedSpreadsheet"] = describe(
            book,
            ranges=texts(body, "responseRanges"),
            has_grid_data=bool(body.get("responseIncludeGridData")),
        )
    return answer


def _reply(book: Spreadsheet, place: int, request: Body) -> Answer:
    if len(request) != 1:
        raise Refused(f"Invalid requests[{place}]: exactly one request must be set.")
    [(name, sent)] = request.items()
    if name not in _EDITS:
        raise unknown_name(name, f"requests[{place}]")
    known, edit = _EDITS[name]
    if not isinstance(sent, dict):
        raise Refused(f"Invalid requests[{place}].{name}: an object is wanted.")
    check_names(sent, known, f"requests[{place}].{name}")
    try:
        return edit(book, sent)
    except Refused as refused:
        raise refused.within(f"requests[{place}].{name}") from refused


def _add_sheet(book: Spreadsheet, sent: Body) -> Answer:
    given = part(sent, "properties")
    grid = part(given, "gridProperties")
    tab = book.add_tab(
        book.free_title() if given.get("title") is None else text(given, "title"),
        number(grid, "rowCount", 1000),
        number(grid, "columnCount", 26),
        optional_number(given, "sheetId"),
        optional_number(given, "index"),
    )
    tab.frozen_rows, tab.frozen_columns = number(grid, "frozenRowCount"), number(grid, "frozenColumnCount")
    tab.is_hidden = bool(given.get("hidden"))
    return {"addSheet": {"properties": tab_properties(tab, book.tabs.index(tab))}}


def _delete_sheet(book: Spreadsheet, sent: Body) -> Answer:
    tab = book.tab_by_id(number(sent, "sheetId"))
    book.check_writable(tab, tab.whole)
    book.remove_tab(tab)
    return {}


def _update_sheet(book: Spreadsheet, sent: Body) -> Answer:
    given = part(sent, "properties")
    tab = book.tab_by_id(number(given, "sheetId"))
    mask = fields_in(sent)
    book.check_writable(tab, None)
    names = mask or given.keys()
    if "title" in names and given.get("title") != tab.title:
        _rename(book, tab, text(given, "title"))
    if "hidden" in names:
        tab.is_hidden = bool(given.get("hidden"))
        if all(other.is_hidden for other in book.tabs):
            raise Refused("You can't hide all the sheets in a document.")
    if "gridProperties" in names:
        grid = part(given, "gridProperties")
        _update_grid(book, tab, grid, set(mask.get("gridProperties") or grid))
    if "index" in names and "index" in given:
        # The place is counted before the tab is taken out.
        target, old = number(given, "index"), book.tabs.index(tab)
        book.tabs.remove(tab)
        book.tabs.insert(target - 1 if target > old else target, tab)
    return {}


def _rename(book: Spreadsheet, tab: Tab, title: str) -> None:
    if not title:
        raise Refused("The name of a sheet cannot be empty.")
    other = book.tab(title)
    if other is not None and other is not tab:
        raise Refused(f'A sheet with the name "{title}" already exists. Please enter another name.')
    tab.title = title


def _update_grid(book: Spreadsheet, tab: Tab, grid: Body, names: set[str]) -> None:
    rows = number(grid, "rowCount") if "rowCount" in names else tab.row_count
    columns = number(grid, "columnCount") if "columnCount" in names else tab.column_count
    # The rows come first, so that swapping many columns for many rows may fail where its result would fit.
    book.check_room(rows, tab.column_count, instead_of=tab)
    book.check_room(rows, columns, instead_of=tab)
    tab.resize(rows, columns)
    if "frozenRowCount" in names:
        tab.frozen_rows = number(grid, "frozenRowCount")
    if "frozenColumnCount" in names:
        tab.frozen_columns = number(grid, "frozenColumnCount")
    if tab.frozen_rows >= tab.row_count or tab.frozen_columns >= tab.column_count:
        raise Refused("You can't freeze all visible rows or columns on the sheet.")


def _update_spreadsheet(book: Spreadsheet, sent: Body) -> Answer:
    given = part(sent, "properties")
    for name in fields_in(sent) or given:
        if name == "title":
            book.title = text(given, "title") or book.title
        elif name == "locale":
            book.locale = text(given, "locale") or book.locale
        elif name == "timeZone":
            book.time_zone = text(given, "timeZone") or book.time_zone
    return {}


def _append_dimension(book: Spreadsheet, sent: Body) -> Answer:
    tab = book.tab_by_id(number(sent, "sheetId"))
    length = number(sent, "length")
    if length < 1:
        raise Refused("length must be greater than 0.")
    is_rows = is_rows_in(sent)
    rows, columns = tab.row_count + length * is_rows, tab.column_count + length * (not is_rows)
    book.check_writable(tab, None)
    book.check_room(rows, columns, instead_of=tab)
    tab.row_count, tab.column_count = rows, columns
    return {}


def _insert_dimension(book: Spreadsheet, sent: Body) -> Answer:
    span = span_of(book, part(sent, "range"))
    tab = span.tab
    if span.start > span.limit:
        raise Refused(f"range.startIndex[{span.start}] is after the last {span.word}[{span.limit - 1}].")
    inherits_before = bool(sent.get("inheritFromBefore"))
    if inherits_before and span.start == 0:
        raise Refused("inheritFromBefore cannot be true if inserting at index 0.")
    # Between two protected cells, or in a protected tab; not before or after a protected range.
    book.check_writable(tab, None)
    if 0 < span.start < span.limit:
        before = replace(span, start=span.start - 1, end=span.start)
        after = replace(span, end=span.start + 1)
        for protection in tab.protections:
            if protection.area and protection.area.meets(before.area) and protection.area.meets(after.area):
                book.check_writable(tab, after.area)
    rows, columns = tab.row_count + span.count * span.is_rows, tab.column_count + span.count * (not span.is_rows)
    book.check_room(rows, columns, instead_of=tab)
    insert = tab.insert_rows if span.is_rows else tab.insert_columns
    insert(span.start, span.count, span.start - 1 if inherits_before else span.start)
    return {}


def _delete_dimension(book: Spreadsheet, sent: Body) -> Answer:
    span = span_of(book, part(sent, "range"))
    if span.end > span.limit:
        raise Refused(
            f"Cannot delete a {span.word} that doesn't exist. Tried to delete {span.word} index {span.end - 1} "
            f"but there are only {span.limit} {span.word}s."
        )
    if span.count == span.limit:
        raise Refused(f"You can't delete all the {span.word}s on the sheet.")
    frozen = span.tab.frozen_rows if span.is_rows else span.tab.frozen_columns
    if frozen and span.start <= frozen and span.end == span.limit:
        raise Refused(f"Sorry, it is not possible to delete all non-frozen {span.word}s.")
    book.check_writable(span.tab, span.area)
    delete = span.tab.delete_rows if span.is_rows else span.tab.delete_columns
    delete(span.start, span.end)
    return {}


def _move_dimension(book: Spreadsheet, sent: Body) -> Answer:
    span = span_of(book, part(sent, "source"))
    target = number(sent, "destinationIndex")
    if span.end > span.limit or not 0 <= target <= span.limit:
        raise Refused(f"destinationIndex[{target}] or source is out of the grid.")
    book.check_writable(span.tab, span.area)
    move = span.tab.move_rows if span.is_rows else span.tab.move_columns
    move(span.start, span.end, target)
    return {}


def _add_protected(book: Spreadsheet, sent: Body) -> Answer:
    given = part(sent, "protectedRange")
    tab, area = area_of(book, part(given, "range"), "protected_range.range")
    is_whole = not set(part(given, "range")) - {"sheetId"}
    taken = {protection.id for other in book.tabs for protection in other.protections}
    new_id = optional_number(given, "protectedRangeId") or random.randrange(1_000_000, 2_000_000_000)
    if new_id in taken:
        raise Refused(f"A protected range with the id {new_id} already exists.")
    protection = Protection(
        new_id,
        None if is_whole else area,
        text(given, "description"),
        is_warning=bool(given.get("warningOnly")),
        is_ours=True,
    )
    tab.protections.append(protection)
    return {"addProtectedRange": {"protectedRange": protected_range(tab, protection)}}


def _delete_protected(book: Spreadsheet, sent: Body) -> Answer:
    wanted = number(sent, "protectedRangeId")
    for tab in book.tabs:
        for protection in tab.protections:
            if protection.id == wanted:
                if not protection.is_ours and not protection.is_warning:
                    book.check_writable(tab, protection.area)
                tab.protections.remove(protection)
                return {}
    raise Refused(f"No protected range with ID: {wanted}")


def _add_named(book: Spreadsheet, sent: Body) -> Answer:
    given = part(sent, "namedRange")
    name = text(given, "name")
    tab, area = area_of(book, part(given, "range"), "named_range.range")
    if not name.isidentifier() or any(name in other.names for other in book.tabs):
        raise Refused(f'The name "{name}" is not valid or is already used.')
    id_ = text(given, "namedRangeId") or str(random.randrange(1_000_000, 2_000_000_000))
    tab.names[name] = (id_, area)
    return {"addNamedRange": {"namedRange": {"namedRangeId": id_, "name": name, "range": grid_range(tab, area)}}}


_EDITS: dict[str, tuple[set[str], Edit]] = {
    "addSheet": ({"properties"}, _add_sheet),
    "deleteSheet": ({"sheetId"}, _delete_sheet),
    "updateSheetProperties": ({"properties", "fields"}, _update_sheet),
    "updateSpreadsheetProperties": ({"properties", "fields"}, _update_spreadsheet),
    "appendDimension": ({"sheetId", "dimension", "length"}, _append_dimension),
    "insertDimension": ({"range", "inheritFromBefore"}, _insert_dimension),
    "deleteDimension": ({"range"}, _delete_dimension),
    "moveDimension": ({"source", "destinationIndex"}, _move_dimension),
    "sortRange": ({"range", "sortSpecs"}, sort_range),
    "repeatCell": ({"range", "cell", "fields"}, repeat_cell),
    "updateCells": ({"rows", "fields", "start", "range"}, update_cells),
    "appendCells": ({"sheetId", "rows", "fields"}, append_cells),
    "copyPaste": ({"source", "destination", "pasteType", "pasteOrientation"}, copy_paste),
    "addProtectedRange": ({"protectedRange"}, _add_protected),
    "deleteProtectedRange": ({"protectedRangeId"}, _delete_protected),
    "addNamedRange": ({"namedRange"}, _add_named),
    "createDeveloperMetadata": ({"developerMetadata"}, create_metadata),
    "deleteDeveloperMetadata": ({"dataFilter"}, delete_metadata),
}
