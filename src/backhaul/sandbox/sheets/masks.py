"""Field masks: which parts of an answer are wanted, which parts of a request are meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from backhaul.sandbox.sheets.errors import Refused, unknown_path

Mask = dict[str, Any]
"""By field the mask of what is in it; an empty mask is everything."""

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[*(),./]")

_COLORED = ("numberFormat", "backgroundColor", "backgroundColorStyle", "borders", "padding", "horizontalAlignment")
_FORMAT = dict.fromkeys((*_COLORED, "verticalAlignment", "wrapStrategy", "textFormat", "textRotation"))
_VALUE = dict.fromkeys(("stringValue", "numberValue", "boolValue", "formulaValue", "errorValue"))
CELL_FIELDS: dict[str, Any] = {
    "userEnteredValue": _VALUE,
    "effectiveValue": _VALUE,
    "formattedValue": None,
    "userEnteredFormat": _FORMAT,
    "effectiveFormat": _FORMAT,
    "note": None,
    "hyperlink": None,
    "dataValidation": None,
}
_SHEET: dict[str, Any] = {
    "properties": {
        "sheetId": None,
        "title": None,
        "index": None,
        "sheetType": None,
        "hidden": None,
        "tabColor": None,
        "gridProperties": dict.fromkeys(
            ("rowCount", "columnCount", "frozenRowCount", "frozenColumnCount", "hideGridlines")
        ),
    },
    "data": {
        "startRow": None,
        "startColumn": None,
        "rowData": {"values": CELL_FIELDS},
        "rowMetadata": None,
        "columnMetadata": None,
    },
    "protectedRanges": None,
    "developerMetadata": None,
    "merges": None,
    "basicFilter": None,
    "conditionalFormats": None,
    "filterViews": None,
}
SPREADSHEET_FIELDS: dict[str, Any] = {
    "spreadsheetId": None,
    "properties": dict.fromkeys(("title", "locale", "autoRecalc", "timeZone", "defaultFormat", "spreadsheetTheme")),
    "sheets": _SHEET,
    "namedRanges": None,
    "spreadsheetUrl": None,
    "developerMetadata": None,
}


def parse_mask(text: str) -> Mask:
    """Return the mask of `a,b(c,d/e),f.g`; `*` is everything. Raises Refused for what is no mask."""
    tokens = _TOKEN.findall(text)
    if not tokens or "".join(tokens) != re.sub(r"\s", "", text):
        raise Refused("Request contains an invalid argument.")
    mask, rest = _fields(tokens)
    if rest:
        raise Refused("Request contains an invalid argument.")
    return {} if "*" in mask else mask


def check_mask(mask: Mask, known: dict[str, Any], path: str = "") -> None:
    """Refuse a mask that names a field that there is not; known has None where any field may follow."""
    for name, inner in mask.items():
        place = f"{path}.{name}" if path else name
        if name != "*" and name not in known:
            raise unknown_path(place)
        if inner and known.get(name) is not None:
            check_mask(inner, known[name], place)


def masked(answer: Any, mask: Mask) -> Any:
    """Return what of an answer is wanted; objects of which nothing is left stay as `{}` in lists only."""
    if not mask or "*" in mask:
        return answer
    if isinstance(answer, list):
        return [masked(item, mask) for item in answer]
    if not isinstance(answer, dict):
        return answer
    kept = {name: masked(answer[name], inner) for name, inner in mask.items() if name in answer}
    return {name: kept[name] for name in answer if name in kept and kept[name] != {}}


def names_field(mask: Mask, path: Iterable[str]) -> bool:
    """Tell whether a mask covers a field, by naming it, something in it, or all that is around it."""
    for name in path:
        if not mask or "*" in mask:
            return True
        if name not in mask:
            return False
        mask = mask[name]
    return True


def _fields(tokens: list[str]) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while tokens:
        path, tokens = _path(tokens)
        inner: Mask = {}
        if tokens[:1] == ["("]:
            inner, tokens = _fields(tokens[1:])
            if tokens[:1] != [")"]:
                raise Refused("Request contains an invalid argument.")
            tokens = tokens[1:]
        _merge(mask, path, inner)
        if tokens[:1] != [","]:
            break
        tokens = tokens[1:]
    return mask, tokens


def _path(tokens: list[str]) -> tuple[list[str], list[str]]:
    path = []
    while tokens and tokens[0] not in "(),./":
        path.append(tokens[0])
        tokens = tokens[1:]
        if tokens[:1] not in (["."], ["/"]):
            break
        tokens = tokens[1:]
    if not path:
        raise Refused("Request contains an invalid argument.")
    return path, tokens


def _merge(mask: Mask, path: list[str], inner: Mask) -> None:
    for name in path[:-1]:
        if mask.get(name, None) == {}:
            return
        mask = mask.setdefault(name, {})
    name = path[-1]
    if name in mask and (not mask[name] or not inner):
        mask[name] = {}
    elif name in mask:
        for key, value in inner.items():
            _merge(mask[name], [key], value)
    else:
        mask[name] = inner
