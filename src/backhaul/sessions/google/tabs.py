"""A spreadsheet's tabs: which there are, how ranges in them are written, and the call that describes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backhaul.errors import ConfigError, TransientError

if TYPE_CHECKING:
    import gspread

PLACE_FIELDS = "sheetId,title,gridProperties(rowCount,columnCount)"


def column_letters(column: int) -> str:
    """Return the letters of a column counted from 0: A, Z, AA."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def in_tab(title: str | None, cells: str) -> str:
    """Return a range in A1 notation; without a title it means the first visible tab."""
    quoted = "" if title is None else "'" + title.replace("'", "''") + "'!"
    return quoted + cells


@dataclass(frozen=True)
class Place:
    """Where a tab is, and how large its grid."""

    sheet_id: int
    title: str
    rows: int
    columns: int

    @classmethod
    def of(cls, sheet: dict[str, Any]) -> Place:
        """Return the place that an answer's `sheets` entry describes."""
        properties = sheet["properties"]
        size = properties.get("gridProperties", {})
        title = properties.get("title", "")
        return cls(properties.get("sheetId", 0), title, size.get("rowCount", 0), size.get("columnCount", 0))


def described(client: gspread.Client, spreadsheet: str, *, fields: str, ranges: Sequence[str] = ()) -> bytes:
    """Return these fields of a spreadsheet as JSON, in one call; with ranges, only of what they touch."""
    from gspread.urls import SPREADSHEET_URL

    params: dict[str, Any] = {"fields": fields, "prettyPrint": "false"}
    if ranges:
        params["ranges"] = list(ranges)
    return client.http_client.request("get", SPREADSHEET_URL % spreadsheet, params=params).content


def tabs_of(client: gspread.Client, spreadsheet: str, name: str) -> tuple[str, list[tuple[Place, bool]]]:
    """Return the spreadsheet's title, and each tab with whether it is hidden; name begins the messages of errors."""
    fields = f"properties(title),sheets(properties({PLACE_FIELDS},hidden))"
    try:
        found = json.loads(described(client, spreadsheet, fields=fields))
    except ValueError:
        raise TransientError(f"{name}: Google's answer is cut off") from None
    tabs = [(Place.of(sheet), bool(sheet["properties"].get("hidden"))) for sheet in found.get("sheets", ())]
    return str(found.get("properties", {}).get("title", "")), tabs


def id_of(sheet: str) -> str:
    """Return the id in a spreadsheet's address, or sheet itself. Raises ConfigError for neither."""
    found = re.search(r"/spreadsheets/(?:u/\d+/)?d/([A-Za-z0-9_-]+)", sheet)
    plain = found[1] if found else sheet.strip()
    if not re.fullmatch(r"[A-Za-z0-9_-]{10,200}", plain):
        raise ConfigError(
            f"the sheet's setting is neither a spreadsheet's address nor its id ({len(plain)} characters)",
            next_step="Open the spreadsheet in a browser and copy the whole address (https://docs.google.com/...).",
        )
    return plain
