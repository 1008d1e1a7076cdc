"""One tab of a sandbox spreadsheet: its cells, and moving rows and columns about.

Rows are never changed in place: a write puts a new row where the old one was. So a copy of the list of rows
is a copy of the tab, and a batch that is refused in its middle is undone at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from backhaul.sandbox.sheets.ranges import Area
from backhaul.sandbox.sheets.values import Formula, Keep, NumberFormat, Value

Format = Mapping[str, Any]
"""A cell's format as the API has it (`{"numberFormat": {...}, ...}`); never changed in place."""

_Item = TypeVar("_Item")
_NO_FORMATS: Mapping[int, Format] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row from column A on, and the formats of some of them; shared, so never changed."""

    values: list[Value] = field(default_factory=list)
    formats: Mapping[int, Format] = field(default_factory=lambda: _NO_FORMATS)

    @property
    def width(self) -> int:
        """The number of cells up to the last one that is not blank."""
        values, width = self.values, len(self.values)
        while width and values[width - 1] is None:
            width -= 1
        return width


BLANK = Row()


@dataclass(frozen=True)
class Protection:
    """A protected area; `area` None is the whole tab. `is_ours`: the service account may edit it."""

    id: int
    area: Area | None = None
    description: str = ""
    is_warning: bool = False
    is_ours: bool = False


@dataclass
class Tab:
    """A grid of rows; rows after the last stored one are blank.

    Args:
        names: named ranges by their name.
        bound: developer metadata on columns and rows: its id, and the area it follows.
        has_fills: a formula that fills the cells under it was written at some time.
    """

    title: str
    sheet_id: int
    row_count: int = 1000
    column_count: int = 26
    rows: list[Row] = field(default_factory=list)
    is_hidden: bool = False
    frozen_rows: int = 0
    frozen_columns: int = 0
    protections: list[Protection] = field(default_factory=list)
    has_fills: bool = False
    names: dict[str, tuple[str, Area]] = field(default_factory=dict)
    bound: dict[int, Area] = field(default_factory=dict)

    def copy(self) -> Tab:
        """Return a tab that later writes to this one do not change."""
        return replace(
            self,
            rows=list(self.rows),
            protections=list(self.protections),
            names=dict(self.names),
            bound=dict(self.bound),
        )

    @property
    def cells(self) -> int:
        """The number of cells in the grid, blank ones too."""
        return self.row_count * self.column_count

    @property
    def whole(self) -> Area:
        """The whole grid."""
        return Area(0, self.row_count, 0, self.column_count)

    def row(self, number: int) -> Row:
        """Return a row, counted from 0."""
        return self.rows[number] if number < len(self.rows) else BLANK

    def value(self, row: int, column: int) -> Value:
        """Return what stands in a cell."""
        values = self.row(row).values
        return values[column] if column < len(values) else None

    def format(self, row: int, column: int) -> Format | None:
        """Return a cell's format, if it has one."""
        return self.row(row).formats.get(column)

    def number_format(self, row: int, column: int) -> NumberFormat | None:
        """Return how a cell shows its number, if that was ever said."""
        return number_format_in(self.format(row, column))

    def filled_rows(self) -> int:
        """Return the number of rows up to the last one with a value."""
        number = len(self.rows)
        while number and not self.rows[number - 1].width:
            number -= 1
        return number

    def put_row(self, number: int, row: Row) -> None:
        """Store a row."""
        self._store_up_to(number + 1)
        self.rows[number] = row

    def write(self, row: int, column: int, values: Sequence[Value | Keep]) -> None:
        """Write values side by side; KEEP leaves a cell as it is."""
        old = self.row(row)
        cells = list(old.values)
        end = column + len(values)
        cells.extend([None] * (end - len(cells)))
        cells[column:end] = [
            before if isinstance(value, Keep) else value
            for before, value in zip(cells[column:end], values, strict=True)
        ]
        self.put_row(row, Row(cells, old.formats))
        if not self.has_fills:
            self.has_fills = any(type(value) is Formula and value.fills_column for value in values)

    def clear(self, area: Area) -> None:
        """Blank the values of an area; formats stay."""
        for number in range(area.start_row, min(area.end_row, len(self.rows))):
            width = min(area.end_column, len(self.rows[number].values)) - area.start_column
            if width > 0:
                self.write(number, area.start_column, [None] * width)

    def reformat(self, area: Area, change: Callable[[Format | None], Format | None]) -> None:
        """Give every cell of an area the format that change makes of its old one."""
        self._store_up_to(area.end_row)
        # Rows with one mapping of formats go on sharing one: a column of 100,000 cells costs nothing.
        made: dict[int, tuple[Mapping[int, Format], Mapping[int, Format]]] = {}
        for number in range(area.start_row, area.end_row):
            row = self.rows[number]
            if id(row.formats) not in made:
                made[id(row.formats)] = (row.formats, _reformatted(row.formats, area, change))
            self.rows[number] = Row(row.values, made[id(row.formats)][1])

    def insert_rows(self, start: int, count: int, inherit_from: int | None = None) -> None:
        """Put blank rows before row start; they take the formats of the row they inherit from."""
        formats = _NO_FORMATS if inherit_from is None else self.row(inherit_from).formats
        self._store_up_to(start)
        self.rows[start:start] = [Row([], formats)] * count
        self.row_count += count
        self._shift(lambda area: _rows_of(area, _inserted(area.start_row, area.end_row, start, count)))

    def delete_rows(self, start: int, end: int) -> None:
        """Take rows out, with all that is bound to them."""
        del self.rows[start:end]
        self.row_count -= end - start
        self._shift(lambda area: _rows_of(area, _deleted(area.start_row, area.end_row, start, end)))

    def insert_columns(self, start: int, count: int, inherit_from: int | None = None) -> None:
        """Put blank columns before column start."""
        self._each_row(lambda row: _with_columns(row, start, count, inherit_from))
        self.column_count += count
        self._shift(lambda area: _columns_of(area, _inserted(area.start_column, area.end_column, start, count)))

    def delete_columns(self, start: int, end: int) -> None:
        """Take columns out, with all that is bound to them."""
        self._each_row(lambda row: _without_columns(row, start, end))
        self.column_count -= end - start
        self._shift(lambda area: _columns_of(area, _deleted(area.start_column, area.end_column, start, end)))

    def move_rows(self, start: int, end: int, target: int) -> None:
        """Move rows so that they stand before what is row target now."""
        self._store_up_to(max(end, target))
        self.rows = _moved(self.rows, start, end, target)

    def move_columns(self, start: int, end: int, target: int) -> None:
        """Move columns so that they stand before what is column target now."""
        order = _moved(list(range(self.column_count)), start, end, target)
        self._each_row(lambda row: _reordered(row, order))
        places = {column: place for place, column in enumerate(order)}
        self.bound = {
            id_: replace(area, start_column=places[area.start_column], end_column=places[area.start_column] + 1)
            if area.columns == 1
            else area
            for id_, area in self.bound.items()
        }

    def resize(self, rows: int, columns: int) -> None:
        """Make the grid larger or smaller at its end; what lies outside is lost."""
        if rows < self.row_count:
            self.delete_rows(rows, self.row_count)
        if columns < self.column_count:
            self.delete_columns(columns, self.column_count)
        self.row_count, self.column_count = rows, columns

    def fills_from(self) -> dict[int, int]:
        """Return by column the row of a formula that fills all cells under it."""
        found: dict[int, int] = {}
        for number, row in enumerate(self.rows):
            for column, value in enumerate(row.values):
                if type(value) is Formula and value.fills_column and column not in found:
                    found[column] = number
        return found

    def _store_up_to(self, count: int) -> None:
        missing = count - len(self.rows)
        if missing > 0:
            self.rows.extend([BLANK] * missing)

    def _each_row(self, change: Callable[[Row], Row]) -> None:
        self.rows = [change(row) for row in self.rows]

    def _shift(self, moved: Callable[[Area], Area | None]) -> None:
        protections = []
        for protection in self.protections:
            area = None if protection.area is None else moved(protection.area)
            if area is not None or protection.area is None:
                protections.append(replace(protection, area=area))
        self.protections = protections
        names = {name: (id_, moved(area)) for name, (id_, area) in self.names.items()}
        self.names = {name: (id_, area) for name, (id_, area) in names.items() if area is not None}
        bound = {id_: moved(area) for id_, area in self.bound.items()}
        self.bound = {id_: area for id_, area in bound.items() if area is not None}


def number_format_in(cell_format: Format | None) -> NumberFormat | None:
    """Return the number format of a cell's format."""
    found = (cell_format or {}).get("numberFormat")
    return NumberFormat(found.get("type", "NUMBER"), found.get("pattern", "")) if found else None


def _reformatted(
    formats: Mapping[int, Format], area: Area, change: Callable[[Format | None], Format | None]
) -> Mapping[int, Format]:
    new = dict(formats)
    for column in range(area.start_column, area.end_column):
        changed = change(new.pop(column, None))
        if changed:
            new[column] = changed
    return new or _NO_FORMATS


def _inserted(start: int, end: int, at: int, count: int) -> tuple[int, int]:
    return (start + count, end + count) if at <= start else (start, end + count) if at < end else (start, end)


def _deleted(start: int, end: int, first: int, last: int) -> tuple[int, int]:
    def after(place: int) -> int:
        return place if place <= first else max(first, place - (last - first))

    return after(start), after(end)


def _rows_of(area: Area, rows: tuple[int, int]) -> Area | None:
    return replace(area, start_row=rows[0], end_row=rows[1]) if rows[0] < rows[1] else None


def _columns_of(area: Area, columns: tuple[int, int]) -> Area | None:
    return replace(area, start_column=columns[0], end_column=columns[1]) if columns[0] < columns[1] else None


def _with_columns(row: Row, start: int, count: int, inherit_from: int | None) -> Row:
    values = row.values
    if start < len(values):
        values = [*values[:start], *[None] * count, *values[start:]]
    formats = {column + count if column >= start else column: cell for column, cell in row.formats.items()}
    inherited = None if inherit_from is None else row.formats.get(inherit_from)
    if inherited is not None:
        formats |= dict.fromkeys(range(start, start + count), inherited)
    return Row(values, formats or _NO_FORMATS)


def _without_columns(row: Row, start: int, end: int) -> Row:
    formats = {
        column - (end - start) if column >= end else column: cell
        for column, cell in row.formats.items()
        if not start <= column < end
    }
    return Row([*row.values[:start], *row.values[end:]], formats or _NO_FORMATS)


def _reordered(row: Row, order: list[int]) -> Row:
    width = len(row.values)
    values = [row.values[column] if column < width else None for column in order]
    formats = {place: row.formats[column] for place, column in enumerate(order) if column in row.formats}
    moved = Row(values, formats or _NO_FORMATS)
    return Row(values[: moved.width], moved.formats)


def _moved(items: list[_Item], start: int, end: int, target: int) -> list[_Item]:
    if start <= target <= end:
        return items
    block = items[start:end]
    rest = items[:start] + items[end:]
    place = target if target < start else target - (end - start)
    return rest[:place] + block + rest[place:]
