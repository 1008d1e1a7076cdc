"""A sandbox spreadsheet as people have it open: they look at it, and edit it while programs write.

Rows and columns are numbered from 1, as people see them; a column may also be named by its header, the text in
row 1.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backhaul.sandbox.sheets.cells import shifted, sort_rows
from backhaul.sandbox.sheets.faults import fits
from backhaul.sandbox.sheets.formulas import cells_of, result
from backhaul.sandbox.sheets.ranges import Area
from backhaul.sandbox.sheets.shown import shown
from backhaul.sandbox.sheets.state import Spreadsheet, cut_to_grid
from backhaul.sandbox.sheets.tab import Format, Protection, Tab, number_format_in
from backhaul.sandbox.sheets.values import Formula, Keep, NumberFormat, Plain, Value, typed_value
from backhaul.sandbox.sheets.writes import put_formats


@dataclass(frozen=True)
class SheetCell:
    """One cell: what was entered (a formula as its text), what it comes to, and how it is shown."""

    user_entered: Plain
    is_formula: bool
    value: Plain
    formatted: str
    number_format: NumberFormat | None
    format: Format | None


@dataclass
class _Planned:
    edit: Callable[[Book], object]
    method: str | None
    path: str | None
    left: int


class Book:
    """A handle on one spreadsheet. Every edit is whole: programs see it done or not begun."""

    def __init__(
        self,
        title: str,
        *,
        rows: int = 1000,
        columns: int = 26,
        shared: bool = True,
        locale: str = "en_US",
        time_zone: str = "Etc/GMT",
    ) -> None:
        self.state = Spreadsheet(secrets.token_urlsafe(33), title, locale, time_zone)
        self.state.add_tab("Sheet1", rows, columns, sheet_id=0)
        self.can_read = self.can_write = shared
        self._planned: list[_Planned] = []
        self._planned_lock = threading.Lock()

    @property
    def id(self) -> str:
        """The spreadsheet's id."""
        return self.state.id

    @property
    def url(self) -> str:
        """The address that people copy out of their browser."""
        return f"https://docs.google.com/spreadsheets/d/{self.id}/edit#gid={self.state.tabs[0].sheet_id}"

    @property
    def title(self) -> str:
        """The spreadsheet's name."""
        return self.state.title

    @property
    def tabs(self) -> dict[str, Tab]:
        """The tabs by title, in their order."""
        with self.state.lock:
            return {tab.title: tab for tab in self.state.tabs}

    def values(self, tab: str) -> list[list[Plain]]:
        """Return what a person sees, as typed values (None is blank, a date its serial number).

        All rows are as wide as the widest; blank ones at the end are left out.
        """
        return self._rows(tab, lambda value, _: value, None)

    def formatted(self, tab: str) -> list[list[str]]:
        """Return what a person sees, as text."""
        return self._rows(tab, lambda value, cell_format: shown(value, number_format_in(cell_format)), "")

    def cell(self, tab: str, cell: str) -> SheetCell:
        """Return all that there is to know of a cell, named as `B2`."""
        with self.state.lock:
            found, area = self._area(tab, cell)
            row, column = area.start_row, area.start_column
            value, cell_format = found.value(row, column), found.format(row, column)
            plain = result(self.state, found, _seen(self.state, found, row, column))
            number_format = number_format_in(cell_format)
            entered: Plain = value.text if isinstance(value, Formula) else value
            text = shown(plain, number_format)
            return SheetCell(entered, isinstance(value, Formula), plain, text, number_format, cell_format)

    def before_call(
        self, edit: Callable[[Book], object], *, method: str | None = None, path: str | None = None, nth: int = 1
    ) -> None:
        """Have a person do edit(book) right before the nth call from now that fits is answered.

        No method is any; path is a regular expression, looked for in the decoded path (`values:batchUpdate`).
        """
        with self._planned_lock:
            self._planned.append(_Planned(edit, method, path, nth))

    def play(self, method: str, path: str) -> None:
        """Do the edits that were planned for this call."""
        with self._planned_lock:
            for planned in self._planned:
                planned.left -= fits(method, path, planned.method, planned.path)
            due = [planned.edit for planned in self._planned if planned.left <= 0]
            self._planned = [planned for planned in self._planned if planned.left > 0]
        for edit in due:
            edit(self)

    def share(self, *, can_write: bool = True) -> None:
        """Share the file with the service account, as editor or only as viewer."""
        self.can_read, self.can_write = True, can_write

    def unshare(self) -> None:
        """Take the file away from the service account."""
        self.can_read = self.can_write = False

    def fill(self, tab: str, rows: Sequence[Sequence[Plain]]) -> None:
        """Put typed rows into a tab from A1 on, as they are; the grid grows where it has to."""
        with self.state.change():
            found = self._tab(tab)
            self._make_room(found, len(rows), max(map(len, rows), default=0))
            for number, row in enumerate(rows):
                found.write(number, 0, [None if value == "" else value for value in row])

    def type_cell(self, tab: str, cell: str, value: Plain) -> None:
        """Type into a cell: a text is read as Google reads what people type, anything else is put as it is."""
        with self.state.change():
            found, area = self._area(tab, cell)
            self._type(found, area.start_row, area.start_column, [value])

    def append_row(self, tab: str, values: Sequence[Plain]) -> int:
        """Type a row below the last filled one, and return its number."""
        with self.state.change():
            found = self._tab(tab)
            row = found.filled_rows()
            self._make_room(found, row + 1, len(values))
            self._type(found, row, 0, values)
            return row + 1

    def insert_row(self, tab: str, at: int, values: Sequence[Plain] = ()) -> None:
        """Insert a row that then has the number `at`."""
        with self.state.change():
            found = self._tab(tab)
            found.insert_rows(at - 1, 1)
            self._type(found, at - 1, 0, values)

    def delete_row(self, tab: str, at: int) -> None:
        """Delete a row."""
        with self.state.change():
            self._tab(tab).delete_rows(at - 1, at)

    def insert_column(self, tab: str, at: int | str, header: str | None = None) -> None:
        """Insert a column before another one."""
        with self.state.change():
            found = self._tab(tab)
            place = self._column(found, at)
            found.insert_columns(place, 1)
            found.write(0, place, [header])

    def delete_column(self, tab: str, at: int | str) -> None:
        """Delete a column."""
        with self.state.change():
            found = self._tab(tab)
            place = self._column(found, at)
            found.delete_columns(place, place + 1)

    def move_column(self, tab: str, column: int | str, before: int | str) -> None:
        """Move a column so that it stands before another one."""
        with self.state.change():
            found = self._tab(tab)
            place = self._column(found, column)
            found.move_columns(place, place + 1, self._column(found, before))

    def rename_header(self, tab: str, old: str, new: str) -> None:
        """Type another text over a header."""
        with self.state.change():
            found = self._tab(tab)
            found.write(0, self._column(found, old), [new or None])

    def sort(self, tab: str, column: int | str, descending: bool = False, header_rows: int = 1) -> None:
        """Sort all rows but the header by a column."""
        with self.state.change():
            found = self._tab(tab)
            area = replace(found.whole, start_row=header_rows)
            sort_rows(self.state, found, area, [(self._column(found, column), descending)])

    def duplicate_key(self, tab: str, row: int) -> int:
        """Copy a row below the last filled one, and return the copy's number."""
        with self.state.change():
            found = self._tab(tab)
            target = found.filled_rows()
            self._make_room(found, target + 1, 0)
            found.put_row(target, found.row(row - 1))
            return target + 1

    def add_formula_column(self, tab: str, header: str, formula: str) -> None:
        """Add a column behind the last header: a formula per filled row, with `{row}` for the row's number.

        One that begins with `=ARRAYFORMULA(` is put into row 2 alone and fills the column.
        """
        with self.state.change():
            found = self._tab(tab)
            place, filled = found.row(0).width, found.filled_rows()
            self._make_room(found, 2, place + 1)
            found.write(0, place, [header])
            last = 2 if Formula(formula).fills_column else filled
            for row in range(2, last + 1):
                found.write(row - 1, place, [Formula(formula.replace("{row}", str(row)))])

    def fill_down(self, tab: str, cell: str, rows: int) -> None:
        """Copy a cell into the rows under it; references in a formula go along."""
        with self.state.change():
            found, area = self._area(tab, cell)
            value = found.value(area.start_row, area.start_column)
            for down in range(1, rows + 1):
                found.write(area.start_row + down, area.start_column, [shifted(value, down, 0)])

    def add_tab(self, title: str, rows: int = 1000, columns: int = 26, index: int | None = None) -> None:
        """Add an empty tab, at the end or at a place counted from 0."""
        with self.state.change():
            self.state.add_tab(title, rows, columns, index=index)

    def delete_tab(self, tab: str) -> None:
        """Delete a tab."""
        with self.state.change():
            self.state.remove_tab(self._tab(tab))

    def rename_tab(self, tab: str, title: str) -> None:
        """Give a tab another title."""
        with self.state.change():
            self._tab(tab).title = title

    def hide_tab(self, tab: str) -> None:
        """Hide a tab."""
        with self.state.change():
            self._tab(tab).is_hidden = True

    def protect(self, tab: str, cells: str | None = None, *, warning_only: bool = False) -> None:
        """Protect a whole tab, or cells of it such as `A:A`, against everybody but people."""
        with self.state.change():
            found = self._tab(tab)
            area = None if cells is None else self._area(tab, cells)[1]
            id_ = secrets.randbelow(2_000_000_000)
            found.protections.append(Protection(id_, area, is_warning=warning_only))

    def unprotect(self, tab: str) -> None:
        """Take all protection off a tab."""
        with self.state.change():
            self._tab(tab).protections.clear()

    def _rows(self, tab: str, show: Callable[[Plain, Format | None], Any], blank: Any) -> list[list[Any]]:
        with self.state.lock:
            found = self._tab(tab)
            all_rows = cells_of(self.state, found, range(found.row_count))
            rows = []
            for number, values in enumerate(all_rows):
                formats = found.row(number).formats
                row = [
                    show(result(self.state, found, value), formats.get(place)) for place, value in enumerate(values)
                ]
                rows.append(row)
        while rows and all(value == blank for value in rows[-1]):
            rows.pop()
        widths = [max((place + 1 for place, value in enumerate(row) if value != blank), default=0) for row in rows]
        width = max(widths, default=0)
        return [[*row[:width], *[blank] * (width - len(row))] for row in rows]

    def _tab(self, title: str) -> Tab:
        found = self.state.tab(title)
        if found is None:
            raise LookupError(f"the sandbox spreadsheet {self.title!r} has no tab {title!r}")
        return found

    def _area(self, title: str, cells: str) -> tuple[Tab, Area]:
        found = self._tab(title)
        quoted_title = "'" + found.title.replace("'", "''") + "'"
        tab, area = self.state.resolve(f"{quoted_title}!{cells}")
        return tab, cut_to_grid(tab, area)

    def _column(self, tab: Tab, column: int | str) -> int:
        if isinstance(column, int):
            return column - 1
        try:
            return tab.row(0).values.index(column)
        except ValueError:
            raise LookupError(f"tab {tab.title!r} of the sandbox has no column {column!r} in row 1") from None

    def _make_room(self, tab: Tab, rows: int, columns: int) -> None:
        rows, columns = max(rows, tab.row_count), max(columns, tab.column_count)
        self.state.check_room(rows, columns, instead_of=tab)
        tab.row_count, tab.column_count = rows, columns

    def _type(self, tab: Tab, row: int, column: int, values: Sequence[Plain]) -> None:
        taken: list[Value | Keep] = []
        formats = {}
        for place, sent in enumerate(values, column):
            known = tab.number_format(row, place)
            is_text = known is not None and known.type == "TEXT"
            value, number_format = typed_value(sent, "value", self.state.locale, is_text)
            taken.append(None if sent is None else value)
            if number_format is not None and known is None:
                formats[place] = number_format
        if taken:
            tab.write(row, column, taken)
            put_formats(tab, row, formats)


def _seen(book: Spreadsheet, tab: Tab, row: int, column: int) -> Value:
    rows = cells_of(book, tab, range(row, row + 1))
    return rows[0][column] if rows and column < len(rows[0]) else None
