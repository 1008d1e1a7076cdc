"""Reads a worksheet whole, in one call if it is no larger than most."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from backhaul.errors import BackhaulError, ConfigError, DeliveryError, SourceChanged, TransientError
from backhaul.sessions.google.access import Access
from backhaul.sessions.google.client import connected
from backhaul.sessions.google.refusals import ApiRefusal, NotShared, Refusal
from backhaul.sessions.google.tabs import PLACE_FIELDS, Place, described, in_tab, tabs_of
from backhaul.sources.sheet_table.document import Cell, Fault, Number, Worksheet

FIRST_ROWS = 1_000
"""What the first call asks for: all of most worksheets, a new one has as many. Google cuts it to the grid."""

CELLS_A_CALL = 200_000
MOST_CELLS = 1_000_000
"""Of a worksheet, filled ones: all of them are in memory at once."""

_CELL_FIELDS = "effectiveValue,formattedValue,effectiveFormat(numberFormat)"
_FIELDS = f"properties(title),sheets(properties({PLACE_FIELDS}),data(rowData(values({_CELL_FIELDS}))))"
_OFFICE_FILE = (
    "Open the spreadsheet in a browser. If it is an Excel file in Drive, choose File > Save as Google Sheets"
    " and put the address of the copy into the setting; if not, please report this line."
)


_Tabs = list[tuple[Place, bool]]


class MissingWorksheet(SourceChanged):
    """A worksheet that is not there; `title` is how the spreadsheet is called."""

    def __init__(self, message: str, title: str, worksheet: str, *, next_step: str) -> None:
        super().__init__(message, next_step=next_step)
        self.title, self.worksheet = title, worksheet


class OpenSpreadsheet:
    """The session of a GoogleSheetTable: each worksheet is read once, however many streams are made of it."""

    def __init__(self, access: Access, spreadsheet: str, name: str) -> None:
        self._spreadsheet, self._name = spreadsheet, name
        self._read: dict[str, Worksheet] = {}
        # One after the other: the streams would only wait for each other's calls a minute.
        self._turn = threading.Lock()
        self._undo = ExitStack()
        self._client = self._undo.enter_context(connected(access, name))

    def close(self) -> None:
        """Close the connection."""
        self._undo.close()

    def worksheet(self, worksheet: str, without: Sequence[Sequence[Cell]] | None = None) -> Worksheet:
        """Return all cells of a worksheet; if it is not there, or blank, one of the rows `without`, where given.

        Raises SourceChanged, ConfigError, TransientError.
        """
        try:
            found = self._once(worksheet)
        except MissingWorksheet as missing:
            if without is None:
                raise
            return Worksheet(self._spreadsheet, missing.title, worksheet, without)
        return found if found.rows or without is None else replace(found, rows=without)

    def _once(self, worksheet: str) -> Worksheet:
        with self._turn:
            if worksheet not in self._read:
                with _told():
                    self._read[worksheet] = self._fresh(worksheet)
            return self._read[worksheet]

    def tabs(self) -> tuple[str, list[str]]:
        """Return how the spreadsheet is called, and the titles of its tabs that are not hidden."""
        title, tabs = self._tabs()
        return title, [place.title for place, is_hidden in tabs if not is_hidden]

    def missing(self, worksheets: Iterable[str]) -> list[MissingWorksheet]:
        """Return the error for each of these worksheets that is not there."""
        title, tabs = self._tabs()
        return [self._missing(each, title, tabs) for each in worksheets if not _has(tabs, each)]

    def _tabs(self) -> tuple[str, _Tabs]:
        with self._turn, _told():
            return tabs_of(self._client, self._spreadsheet, self._name)

    def _missing(self, worksheet: str, title: str, tabs: _Tabs) -> MissingWorksheet:
        there = ", ".join(repr(place.title) for place, is_hidden in tabs if not is_hidden)
        return MissingWorksheet(
            f"{self._name}: there is no worksheet {worksheet!r}; the spreadsheet has {there}",
            title,
            worksheet,
            next_step=f"Give the worksheet its name {worksheet!r} back, or name another one in the pipeline.",
        )

    def _fresh(self, worksheet: str) -> Worksheet:
        try:
            found = _whole(lambda first, last: self._part(in_tab(worksheet, f"{first}:{last}")), self._name)
        except ApiRefusal as refused:
            raise self._refused(refused, worksheet) from None
        return Worksheet(self._spreadsheet, found.title, found.place.title, found.rows)

    def _part(self, cells: str) -> _Part:
        answer = described(self._client, self._spreadsheet, fields=_FIELDS, ranges=[cells])
        try:
            found = json.loads(answer, object_hook=_smaller)
        except ValueError:
            raise TransientError(f"{self._name}: Google's answer is cut off") from None
        sheet: dict[str, Any] = next(iter(found.get("sheets", ())), {"properties": {}})
        grid: dict[str, Any] = next(iter(sheet.get("data", ())), {})
        rows = [row if isinstance(row, list) else [] for row in grid.get("rowData", ())]
        while rows and not rows[-1]:
            rows.pop()
        return _Part(str(found.get("properties", {}).get("title", "")), Place.of(sheet), rows)

    def _refused(self, refused: ApiRefusal, worksheet: str) -> BackhaulError:
        title, tabs = tabs_of(self._client, self._spreadsheet, self._name)
        if not _has(tabs, worksheet):
            return self._missing(worksheet, title, tabs)
        if refused.kind in (Refusal.RANGE, Refusal.OUTSIDE):
            return TransientError(
                f"{self._name}: somebody renamed or cut worksheet {worksheet!r} while it was read",
                next_step="It is tried again by itself.",
            )
        return refused


def _has(tabs: _Tabs, worksheet: str) -> bool:
    return worksheet.casefold() in (place.title.casefold() for place, _ in tabs)


@dataclass(frozen=True)
class _Part:
    """Some rows of a worksheet, blank ones at the end left out, and what the answer says about the whole."""

    title: str
    place: Place
    rows: list[list[Cell]] = field(repr=False)


def _whole(ask: Callable[[int, int], _Part], name: str) -> _Part:
    """Return all rows; ask reads those from a first to a last one, counted from 1."""
    found, end = ask(1, FIRST_ROWS), FIRST_ROWS
    _refuse_large(found, name)
    while end < found.place.rows:
        last = min(found.place.rows, end + max(1, CELLS_A_CALL // max(1, found.place.columns)))
        # The last row once more: who inserts or deletes rows meanwhile has moved it.
        part = ask(end, last)
        seam, more = (part.rows or [[]])[0], part.rows[1:]
        before = found.rows[end - 1] if len(found.rows) >= end else []
        if part.place != found.place or _mark(seam) != _mark(before):
            raise TransientError(
                f"{name}: worksheet {found.place.title!r} was edited while it was read",
                next_step="It is tried again by itself.",
            )
        if more:
            found.rows.extend([] for _ in range(end - len(found.rows)))
            found.rows.extend(more)
            _refuse_large(found, name)
        end = last
    return found


def _mark(row: list[Cell]) -> list[Cell]:
    """Return what a row is known by: its texts if it has any; a number may be the time of the day."""
    return [cell for cell in row if isinstance(cell, str)] or row


def _refuse_large(found: _Part, name: str) -> None:
    if sum(cell is not None for row in found.rows for cell in row) > MOST_CELLS:
        raise SourceChanged(
            f"{name}: worksheet {found.place.title!r} has over {MOST_CELLS:,} filled cells",
            next_step="Move what the pipeline does not need to another worksheet.",
        )


@contextmanager
def _told() -> Iterator[None]:
    """Tell of Google's refusals as what they are for who only reads."""
    try:
        yield
    except NotShared as error:
        step = f"Open the spreadsheet, press Share, and add {error.email} as Viewer."
        raise ConfigError(str(error), next_step=step) from None
    except ApiRefusal as error:
        raise SourceChanged(str(error), next_step=_OFFICE_FILE) from None
    except DeliveryError as error:
        raise ConfigError(str(error), next_step=error.next_step) from None


def _smaller(found: dict[str, Any]) -> Any:
    """Replace the objects around a cell by the cell, while the answer is parsed."""
    if len(found) == 1:
        name, value = next(iter(found.items()))
        if name in ("stringValue", "numberValue", "boolValue"):
            return value
        if name == "values":
            return _trimmed([None if each == {} else each for each in value])
    if found.keys() <= {"effectiveValue", "formattedValue", "effectiveFormat"}:
        return _cell(found) if found else found
    return found


def _cell(found: dict[str, Any]) -> Cell:
    value: Any = found.get("effectiveValue")
    shown = str(found.get("formattedValue", ""))
    if isinstance(value, dict):
        kind = value.get("errorValue", {}).get("type", "ERROR")
        return Fault(shown if shown.startswith("#") else f"#{kind}")
    if value is None or isinstance(value, bool | str):
        return value
    number_format = found.get("effectiveFormat", {}).get("numberFormat", {})
    kind = number_format.get("type", "")
    return Number(value, str(kind), shown) if kind else value


def _trimmed(cells: list[Cell]) -> list[Cell]:
    while cells and cells[-1] in (None, ""):
        cells.pop()
    return cells
