"""The few calls that a delivery makes: look at the tab, read rows and the memory, write all in one step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backhaul.destinations.google.cells import parse_answer, parse_seen
from backhaul.destinations.google.manner import Manner
from backhaul.destinations.google.memory import BACKUP_COLUMN, RECORD_COLUMNS, Memory, title_of
from backhaul.destinations.google.view import (
    DATED_FIELDS,
    HEADER_ROWS,
    SEEN_FIELDS,
    TAB_FIELDS,
    WINDOW_COLUMNS,
    WINDOW_ROWS,
    Grid,
    View,
    bind_header,
    bind_keys,
    in_calls,
    joined_rows,
)
from backhaul.errors import BackhaulError, DeliveryError, TransientError
from backhaul.sessions.google.access import Unanswered
from backhaul.sessions.google.refusals import ApiRefusal, Refusal
from backhaul.sessions.google.tabs import Place, column_letters, described, in_tab, tabs_of

if TYPE_CHECKING:
    import gspread

WINDOW = f"A1:{column_letters(WINDOW_COLUMNS - 1)}{WINDOW_ROWS}"


class WriteLost(TransientError):
    """A write without an answer: whether it was applied has to be read."""


@dataclass
class Calls:
    """One spreadsheet, over an open client. `name` begins the messages of errors.

    Args:
        pause: waits so many seconds.
        hints: which tabs are known to have no memory, shared by all of the process: a call less; never relied upon.
        tells_dates: dates are told apart from other numbers in what is read.
    """

    client: gspread.Client
    spreadsheet: str
    tab: str | None
    name: str
    hints: set[tuple[str, int]] = field(default_factory=set)
    pause: Callable[[float], None] = time.sleep
    manner: Manner = field(default=Manner())
    tells_dates: bool = False

    def memory_title(self, place: Place) -> str:
        """Return the name of the hidden tab; who only updates has one of its own, for as long as a write takes."""
        return title_of(place.sheet_id, is_passing=self.manner.update_only)

    def hint(self, place: Place) -> tuple[str, int]:
        """Return what `hints` calls the hidden tab of a tab."""
        return self.spreadsheet + (" update" if self.manner.update_only else ""), place.sheet_id

    def look(self, names: Sequence[str], key: Sequence[str]) -> View:
        """Return the tab as it is: place, header, keys; all its cells if it is small.

        What a person must repair is the view's `trouble`.
        """
        try:
            sheets = self._read([in_tab(self.tab, cells) for cells in (WINDOW, "A:A", f"1:{HEADER_ROWS}")])
        except ApiRefusal as error:
            raise self._tab_missing(error) if error.kind is Refusal.RANGE else error from None
        view = View(Place.of(sheets[0]), Grid.of(sheets[0].get("data", ())), has_merges="merges" in sheets[0])
        try:
            bind_header(view, names, key, self.name, adds_key=self.manner.adds_key)
        except DeliveryError as error:
            view.trouble = error
        if view.header_row is None or view.trouble:
            return view
        columns = {view.bound[each] for each in key if each in view.bound} - {0}
        if not view.is_whole and columns:
            first = view.header_row + 1
            letters = [column_letters(column) for column in sorted(columns)]
            grid, _ = self._cells(view, [f"{each}{first}:{each}" for each in letters])
            view.grid.blocks.extend(grid.blocks)
        bind_keys(view, key, self.name, is_merged=self.manner.merges)
        return view

    def shown(self, view: View, key: Sequence[str]) -> Grid:
        """Return the key's columns below the header, each cell that shows something as a Seen."""
        assert view.header_row is not None
        letters = [column_letters(view.bound[each]) for each in key]
        ranges = [in_tab(view.place.title, f"{each}{view.header_row + 2}:{each}") for each in letters]
        with self._moved(view):
            answer = described(self.client, self.spreadsheet, fields=f"sheets({SEEN_FIELDS})", ranges=ranges)
        try:
            sheets: list[dict[str, Any]] = parse_seen(answer).get("sheets", [])
        except ValueError:
            raise TransientError(f"{self.name}: Google's answer is cut off") from None
        return Grid.of(sheets[0].get("data", ())) if sheets else Grid()

    def read(
        self, view: View, rows: Iterable[int], *, memory: str | None = None, has_tail: bool = False
    ) -> tuple[Grid, Memory | None]:
        """Return the rows asked for, of our columns, and the memory if there is one.

        With memory `keys`, what was delivered; `all`, the backup too; None, nothing of it. With has_tail also all
        that stands below `view.next_row`, which then is moved down to where nothing stands.
        """
        last = column_letters(max(view.bound.values(), default=0))
        width = max(view.bound.values(), default=0) + 1
        groups = [] if view.is_whole else list(in_calls(joined_rows(rows), width, view.place.title))
        found = Grid(list(view.grid.blocks) if view.is_whole else [])
        asked: list[str] = []
        if has_tail and not view.is_whole and view.next_row < view.place.rows:
            asked.append(f"A{view.next_row + 1}:{last}")
        remembered: Memory | None = None
        for number, group in enumerate(groups or [[]]):
            ranges = [f"A{first + 1}:{last}{end}" for first, end in group] + (asked if number == 0 else [])
            grid, known = self._cells(view, ranges, memory if number == 0 else None)
            found.blocks.extend(grid.blocks)
            remembered = remembered or known
        if asked:
            view.next_row = max(view.next_row, _end_in(found, view))
        return found, remembered

    def write(self, requests: Sequence[Mapping[str, Any]], check: str | None) -> Grid | None:
        """Do all requests or none. Return the cells of range `check` as they were right after."""
        from gspread.urls import SPREADSHEET_BATCH_UPDATE_URL

        body: dict[str, Any] = {"requests": list(requests)}
        params: dict[str, Any] = {"fields": "spreadsheetId", "prettyPrint": "false"}
        if check is not None:
            body |= {"includeSpreadsheetInResponse": True, "responseRanges": [check], "responseIncludeGridData": True}
            params["fields"] = f"updatedSpreadsheet(sheets({TAB_FIELDS}))"
        try:
            answer = self.client.http_client.request(
                "post", SPREADSHEET_BATCH_UPDATE_URL % self.spreadsheet, params=params, json=body
            )
        except Unanswered as error:
            raise WriteLost(str(error), next_step=error.next_step, retry_after_s=error.retry_after_s) from None
        try:
            found = parse_answer(answer.content)
        except ValueError:
            raise WriteLost(f"{self.name}: Google's answer is cut off") from None
        sheets = found.get("updatedSpreadsheet", {}).get("sheets", ()) if check is not None else ()
        return Grid.of(sheets[0].get("data", ())) if sheets and "data" in sheets[0] else None

    def cells(self, range_text: str) -> Grid:
        """Return the cells of one range."""
        return Grid.of(self._read([range_text])[0].get("data", ()))

    def tabs(self) -> tuple[str, list[tuple[Place, bool]]]:
        """Return the spreadsheet's title, and each tab with whether it is hidden."""
        return tabs_of(self.client, self.spreadsheet, self.name)

    def _cells(self, view: View, ranges: list[str], memory: str | None = None) -> tuple[Grid, Memory | None]:
        known = self.hint(view.place)
        wanted = [in_tab(view.place.title, cells) for cells in ranges]
        if memory and known not in self.hints:
            cells = f"!A:{column_letters(RECORD_COLUMNS - 1)}" if memory == "keys" else ""
            hidden = in_tab(self.memory_title(view.place), "").removesuffix("!") + cells
            try:
                return self._split(view, self._read([*wanted, hidden]))
            except ApiRefusal as error:
                if error.kind is not Refusal.RANGE:
                    raise
                self.hints.add(known)
        if not wanted:
            return Grid(), None
        with self._moved(view):
            return self._split(view, self._read(wanted))

    @contextmanager
    def _moved(self, view: View) -> Iterator[None]:
        """Tell that the tab has changed since it was looked at."""
        try:
            yield
        except ApiRefusal as error:
            if error.kind in (Refusal.RANGE, Refusal.OUTSIDE):
                raise TransientError(
                    f"{self.name}: somebody renamed, deleted or cut tab {view.place.title!r} while it was read",
                    next_step="It is tried again by itself.",
                ) from None
            raise

    def _split(self, view: View, sheets: list[dict[str, Any]]) -> tuple[Grid, Memory | None]:
        grid, memory = Grid(), None
        for sheet in sheets:
            if Place.of(sheet).sheet_id == view.place.sheet_id:
                grid = Grid.of(sheet.get("data", ()))
            else:
                memory = Memory.of(sheet)
        return grid, memory

    def _read(self, ranges: Sequence[str]) -> list[dict[str, Any]]:
        fields = DATED_FIELDS if self.tells_dates else TAB_FIELDS
        answer = described(self.client, self.spreadsheet, fields=f"sheets({fields})", ranges=ranges)
        try:
            sheets: list[dict[str, Any]] = parse_answer(answer).get("sheets", [])
        except ValueError:
            raise TransientError(f"{self.name}: Google's answer is cut off") from None
        if not sheets:
            raise DeliveryError(f"{self.name}: the spreadsheet has no tab with cells")
        return sheets

    def _tab_missing(self, refused: ApiRefusal) -> BackhaulError:
        if self.tab is None:
            return refused
        there = ", ".join(repr(place.title) for place, is_hidden in self.tabs()[1] if not is_hidden)
        return DeliveryError(
            f"{self.name}: there is no tab {self.tab!r}; the spreadsheet has {there}",
            next_step=f"Give the tab its name {self.tab!r} back, or name another one in the pipeline.",
        )


def backup_range(memory_title: str, end_row: int, width: int) -> str:
    """Return the range of the backup's first rows."""
    first, last = column_letters(BACKUP_COLUMN), column_letters(BACKUP_COLUMN + width - 1)
    return in_tab(memory_title, f"{first}1:{last}{end_row}")


def _end_in(grid: Grid, view: View) -> int:
    """Return the row after the last one in which something stands in our columns."""
    ours = set(view.bound.values())
    end = 0
    for start_row, start_column, rows in grid.blocks:
        for offset, row in enumerate(rows):
            if any(cell is not None and start_column + at in ours for at, cell in enumerate(row)):
                end = max(end, start_row + offset + 1)
    return end
