"""Developer metadata of a sandbox spreadsheet: keys and values on the file, a tab, a row or a column."""

from __future__ import annotations

import random
from typing import Any

from backhaul.sandbox.sheets.errors import Refused
from backhaul.sandbox.sheets.requests import Body, check_names, number, optional_number, part, parts, span_of, text
from backhaul.sandbox.sheets.state import Spreadsheet

_FIELDS = {"metadataId", "metadataKey", "metadataValue", "location", "visibility"}


def create_metadata(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Bind a key and a value to a place; on a row or column they follow where people move it."""
    given = part(sent, "developerMetadata")
    check_names(given, _FIELDS, "developer_metadata")
    if not text(given, "metadataKey"):
        raise Refused("developerMetadata.metadataKey must be set.")
    location = part(given, "location")
    id_ = optional_number(given, "metadataId") or random.randrange(1_000_000, 2_000_000_000)
    if id_ in book.metadata:
        raise Refused(f"Developer metadata with the id {id_} already exists.")
    if "dimensionRange" in location:
        span = span_of(book, part(location, "dimensionRange"))
        if span.count != 1:
            raise Refused("developerMetadata.location.dimensionRange must be a single row or column.")
        span.tab.bound[id_] = span.area
    elif "sheetId" in location:
        book.tab_by_id(number(location, "sheetId"))
    elif not location.get("spreadsheet"):
        raise Refused("developerMetadata.location must be set.")
    visibility = text(given, "visibility") or "DOCUMENT"
    book.metadata[id_] = {**given, "location": location, "metadataId": id_, "visibility": visibility}
    return {"createDeveloperMetadata": {"developerMetadata": _as_it_is(book, id_)}}


def delete_metadata(book: Spreadsheet, sent: Body) -> dict[str, Any]:
    """Take out the metadata that a filter finds."""
    found = _found(book, part(sent, "dataFilter"))
    deleted = [_as_it_is(book, id_) for id_ in found]
    for id_ in found:
        del book.metadata[id_]
    return {"deleteDeveloperMetadata": {"deletedDeveloperMetadata": deleted} if deleted else {}}


def search_metadata(book: Spreadsheet, body: Body) -> dict[str, Any]:
    """Return the metadata that any of the filters finds."""
    check_names(body, {"dataFilters"}, "")
    matched = [
        {"developerMetadata": _as_it_is(book, id_), "dataFilters": [data_filter]}
        for data_filter in parts(body, "dataFilters")
        for id_ in _found(book, data_filter)
    ]
    return {"matchedDeveloperMetadata": matched} if matched else {}


def _found(book: Spreadsheet, data_filter: Body) -> list[int]:
    lookup = part(data_filter, "developerMetadataLookup")
    if not lookup:
        raise Refused("A data filter needs its developerMetadataLookup.")
    wanted = {name: lookup[name] for name in ("metadataId", "metadataKey", "metadataValue") if name in lookup}
    kind = lookup.get("locationType")
    found = []
    for id_, entry in book.metadata.items():
        is_lost = "dimensionRange" in entry["location"] and not any(id_ in tab.bound for tab in book.tabs)
        is_match = all(entry.get(name) == value for name, value in wanted.items())
        if is_match and not is_lost and (kind is None or _location(book, id_)["locationType"] == kind):
            found.append(id_)
    return found


def _as_it_is(book: Spreadsheet, id_: int) -> dict[str, Any]:
    return {**book.metadata[id_], "location": _location(book, id_)}


def _location(book: Spreadsheet, id_: int) -> dict[str, Any]:
    location = book.metadata[id_]["location"]
    if "dimensionRange" not in location:
        return {"locationType": "SHEET" if "sheetId" in location else "SPREADSHEET", **location}
    is_rows = location["dimensionRange"]["dimension"] == "ROWS"
    for tab in book.tabs:
        if id_ in tab.bound:
            area = tab.bound[id_]
            start, end = (area.start_row, area.end_row) if is_rows else (area.start_column, area.end_column)
            where = {
                "sheetId": tab.sheet_id,
                "dimension": location["dimensionRange"]["dimension"],
                "startIndex": start,
                "endIndex": end,
            }
            return {"locationType": "ROW" if is_rows else "COLUMN", "dimensionRange": where}
    return {"locationType": "ROW" if is_rows else "COLUMN", **location}
