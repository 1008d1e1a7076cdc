"""A sandbox spreadsheet as the API sees it: tabs, whose cells a range means, and writes that happen whole or not."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backhaul.sandbox.sheets.errors import PROTECTED, TOO_MANY_CELLS, Refused, unparsable
from backhaul.sandbox.sheets.ranges import MAX_COLUMNS, Area, a1, parse_cells, quoted, split_range
from backhaul.sandbox.sheets.tab import Protection, Tab

MAX_CELLS = 10_000_000


@dataclass
class Spreadsheet:
    """The tabs of one spreadsheet in their order; hold `lock` while reading, `change()` while writing.

    Args:
        metadata: developer metadata by id, as the API has it; tabs know where column-bound ones are.
    """

    id: str
    title: str
    locale: str = "en_US"
    time_zone: str = "Etc/GMT"
    tabs: list[Tab] = field(default_factory=list)
    metadata: dict[int, dict[str, Any]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    version: int = 1

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the lock; what was written is undone if the block raises."""
        with self.lock:
            before = [tab.copy() for tab in self.tabs]
            title, metadata = self.title, dict(self.metadata)
            is_done = False
            try:
                yield
                is_done = True
            finally:
                if not is_done:
                    self.tabs, self.title, self.metadata = before, title, metadata
            self.modified_at = datetime.now(UTC)
            self.version += 1

    def tab(self, title: str) -> Tab | None:
        """Return the tab of a title; upper and lower case are the same to Google."""
        return next((tab for tab in self.tabs if tab.title.lower() == title.lower()), None)

    def tab_by_id(self, sheet_id: int) -> Tab:
        """Return the tab of an id; Refused if there is none."""
        for tab in self.tabs:
            if tab.sheet_id == sheet_id:
                return tab
        raise Refused(f"No grid with id: {sheet_id}")

    def add_tab(
        self, title: str, rows: int = 1000, columns: int = 26, sheet_id: int | None = None, index: int | None = None
    ) -> Tab:
        """Add an empty tab; Refused for a title or id that is taken, and for more cells than there may be."""
        if self.tab(title) is not None:
            raise Refused(f'A sheet with the name "{title}" already exists. Please enter another name.')
        if not title:
            raise Refused("The name of a sheet cannot be empty.")
        if any(tab.sheet_id == sheet_id for tab in self.tabs):
            raise Refused(f"A sheet with the id {sheet_id} already exists.")
        self.check_room(rows, columns)
        tab = Tab(title, self._new_id() if sheet_id is None else sheet_id, rows, columns)
        self.tabs.insert(len(self.tabs) if index is None else index, tab)
        return tab

    def free_title(self) -> str:
        """Return the first of Sheet1, Sheet2 ... that no tab has."""
        number = len(self.tabs) + 1
        while self.tab(f"Sheet{number}") is not None:
            number += 1
        return f"Sheet{number}"

    def remove_tab(self, tab: Tab) -> None:
        """Take a tab out; Refused for the last one that can be seen."""
        if len(self.tabs) == 1:
            raise Refused("You can't remove all the sheets in a document.")
        if all(other.is_hidden for other in self.tabs if other is not tab):
            raise Refused("You can't remove all the visible sheets in a document.")
        self.tabs.remove(tab)

    def check_room(self, rows: int, columns: int, instead_of: Tab | None = None) -> None:
        """Refuse a grid of that size, new or in place of a tab's, that is too large."""
        if rows < 1 or columns < 1:
            raise Refused("Invalid gridProperties: rowCount and columnCount must be greater than 0.")
        others = sum(tab.cells for tab in self.tabs if tab is not instead_of)
        if columns > MAX_COLUMNS:
            raise Refused(f"Invalid gridProperties.columnCount: it must not be more than {MAX_COLUMNS}.")
        if others + rows * columns > MAX_CELLS:
            raise Refused(TOO_MANY_CELLS)

    def resolve(self, text: str) -> tuple[Tab, Area]:
        """Return the tab and the cells that a range means; open sides end at the grid, others may lie outside.

        Without a tab, the first visible one is meant. Raises Refused for what is no range of this spreadsheet.
        """
        title, cells_text = split_range(text)
        if title is None:
            tab, cells = self.first_visible(), parse_cells(cells_text or "")
            if cells is None:
                return self._named(text)
        else:
            found = self.tab(title)
            if found is None:
                raise unparsable(text)
            tab = found
            if cells_text is None:
                return tab, tab.whole
            cells = parse_cells(cells_text)
        if cells is None:
            raise unparsable(text)
        return tab, cells.in_grid(tab.row_count, tab.column_count)

    def first_visible(self) -> Tab:
        """Return the first tab that people see."""
        return next((tab for tab in self.tabs if not tab.is_hidden), self.tabs[0])

    def check_writable(self, tab: Tab, area: Area | None) -> None:
        """Refuse an edit of protected cells; area None is an edit of the tab itself."""
        for protection in tab.protections:
            if not protection.is_ours and not protection.is_warning and _guards(protection, area):
                raise Refused(PROTECTED)

    def _named(self, text: str) -> tuple[Tab, Area]:
        tab = self.tab(text)
        if tab is not None:
            return tab, tab.whole
        for tab in self.tabs:
            if text in tab.names:
                return tab, tab.names[text][1]
        raise unparsable(text)

    def _new_id(self) -> int:
        taken = {tab.sheet_id for tab in self.tabs}
        while (new := random.randrange(1_000_000, 2_000_000_000)) in taken:
            continue
        return new


def check_in_grid(tab: Tab, area: Area) -> None:
    """Refuse an area that begins or ends outside of the tab's grid."""
    if area.end_row > tab.row_count or area.end_column > tab.column_count:
        raise Refused(
            f"Range ({range_text(tab, area)}) exceeds grid limits. "
            f"Max rows: {tab.row_count}, max columns: {tab.column_count}"
        )


def cut_to_grid(tab: Tab, area: Area) -> Area:
    """Return what of the area lies in the tab's grid; Refused if it begins outside."""
    if area.start_row >= tab.row_count or area.start_column >= tab.column_count:
        check_in_grid(tab, area)
    return area.cut(tab.row_count, tab.column_count)


def range_text(tab: Tab, area: Area) -> str:
    """Return an area of a tab as answers have it."""
    return f"{quoted(tab.title)}!{a1(area)}"


def _guards(protection: Protection, area: Area | None) -> bool:
    if protection.area is None:
        return True
    return area is not None and protection.area.meets(area)
