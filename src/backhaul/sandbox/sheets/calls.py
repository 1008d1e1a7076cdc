"""The calls of the sandbox's Google Sheets: which address is which, who may make it, and what answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from backhaul.sandbox.sheets.book import Book
from backhaul.sandbox.sheets.describe import describe
from backhaul.sandbox.sheets.edits import batch_update
from backhaul.sandbox.sheets.errors import Refused, narrow_scope, not_found, not_shared
from backhaul.sandbox.sheets.faults import CallKind
from backhaul.sandbox.sheets.masks import masked, parse_mask
from backhaul.sandbox.sheets.metadata import search_metadata
from backhaul.sandbox.sheets.reads import batch_get_values, get_values, one, rendering
from backhaul.sandbox.sheets.tokens import Token
from backhaul.sandbox.sheets.writes import (
    append_values,
    batch_clear_values,
    batch_update_values,
    clear_values,
    entry,
    update_values,
)

_ADDRESS = re.compile(
    r"/v4/spreadsheets/(?P<id>[^/:]+)"
    r"(?P<verb>:batchUpdate|/values:batchGet|/values:batchUpdate|/values:batchClear|/developerMetadata:search)?"
    r"(?:/values/(?P<range>.+?)(?P<suffix>:append|:clear)?)?"
)
_DRIVE = re.compile(r"/drive/v3/files/(?P<id>[^/]+)")


@dataclass(frozen=True)
class Call:
    """A request that was read whole: its parameters, its JSON body, and what its path names."""

    params: Mapping[str, Sequence[str]]
    body: Mapping[str, Any]
    arguments: Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """One address: how its call is counted, and what answers it; a write is undone if it is refused."""

    kind: CallKind
    answer: Callable[[Book, Call], dict[str, Any]]


def _range(call: Call) -> str:
    return unquote(call.arguments["range"])


def _get(book: Book, call: Call) -> dict[str, Any]:
    return describe(
        book.state,
        ranges=call.params.get("ranges", ()),
        fields=one(call.params, "fields"),
        has_grid_data=one(call.params, "includeGridData").lower() == "true",
    )


def _update(book: Book, call: Call) -> dict[str, Any]:
    return update_values(book.state, _range(call), call.body, entry(call.params))


def _append(book: Book, call: Call) -> dict[str, Any]:
    how = entry(call.params)
    return append_values(book.state, _range(call), call.body, how, one(call.params, "insertDataOption"))


_READ, _WRITE = CallKind.READ, CallKind.WRITE
_SERVED = {
    ("GET", ""): Served(_READ, _get),
    ("POST", ":batchUpdate"): Served(_WRITE, lambda book, call: batch_update(book.state, call.body)),
    ("GET", "/values:batchGet"): Served(
        _READ,
        lambda book, call: batch_get_values(book.state, call.params.get("ranges", ()), rendering(call.params)),
    ),
    ("POST", "/values:batchUpdate"): Served(_WRITE, lambda book, call: batch_update_values(book.state, call.body)),
    ("POST", "/values:batchClear"): Served(_WRITE, lambda book, call: batch_clear_values(book.state, call.body)),
    ("POST", "/developerMetadata:search"): Served(_READ, lambda book, call: search_metadata(book.state, call.body)),
    ("GET", "/values"): Served(
        _READ, lambda book, call: get_values(book.state, _range(call), rendering(call.params))
    ),
    ("PUT", "/values"): Served(_WRITE, _update),
    ("POST", "/values:append"): Served(_WRITE, _append),
    ("POST", "/values:clear"): Served(_WRITE, lambda book, call: clear_values(book.state, _range(call))),
}


def find(method: str, path: str) -> tuple[Served, dict[str, str]] | None:
    """Return what serves a path as sent, and what the path names; None for an address that is not there."""
    if method == "GET" and (drive := _DRIVE.fullmatch(path)):
        return Served(CallKind.DRIVE, _drive_file), {"id": unquote(drive["id"])}
    # A range may come with its colons as they are or as %3A; the verbs at the end come as they are.
    found = _ADDRESS.fullmatch(path)
    if found is None or (found["verb"] and found["range"]):
        return None
    key = found["verb"] or ("/values" + (found["suffix"] or "") if found["range"] else "")
    served = _SERVED.get((method, key))
    if served is None:
        return None
    return served, {"id": unquote(found["id"]), "range": found["range"] or ""}


def answer(served: Served, call: Call, book: Book | None, token: Token) -> dict[str, Any]:
    """Return a call's answer, masked by its `fields`. Raises Refused; then nothing was applied."""
    is_allowed = {
        CallKind.READ: token.may_read,
        CallKind.WRITE: token.may_write,
        CallKind.DRIVE: token.may_drive,
    }[served.kind]
    if not is_allowed:
        raise narrow_scope()
    if book is None:
        raise not_found()
    if not book.can_read or (served.kind is CallKind.WRITE and not book.can_write):
        raise not_found() if served.kind is CallKind.DRIVE else not_shared()
    if served.kind is CallKind.WRITE:
        with book.state.change():
            reply = served.answer(book, call)
    else:
        with book.state.lock:
            reply = served.answer(book, call)
    fields = one(call.params, "fields")
    is_masked = served.answer is _get or not fields
    whole: dict[str, Any] = reply if is_masked else masked(reply, parse_mask(fields))
    return whole


def read_body(sent: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a request. Raises Refused for anything else."""
    if not sent.strip():
        return {}
    try:
        body = json.loads(sent)
    except ValueError as error:
        raise Refused("Invalid JSON payload received. Unexpected token.") from error
    if not isinstance(body, dict):
        raise Refused('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    return body


def _drive_file(book: Book, call: Call) -> dict[str, Any]:
    state = book.state
    file = {
        "kind": "drive#file",
        "id": state.id,
        "name": state.title,
        "mimeType": "application/vnd.google-apps.spreadsheet",
    }
    if not one(call.params, "fields"):
        return file
    return file | {
        "createdTime": f"{state.created_at:%Y-%m-%dT%H:%M:%S}.{state.created_at.microsecond // 1000:03d}Z",
        "modifiedTime": f"{state.modified_at:%Y-%m-%dT%H:%M:%S}.{state.modified_at.microsecond // 1000:03d}Z",
        "version": str(state.version),
        "trashed": False,
        "capabilities": {"canEdit": book.can_write},
    }
