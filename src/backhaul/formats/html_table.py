"""HTML tables served as workbooks: which table is the data, what its columns are called, its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import SourceChanged
from backhaul.formats.extent import MAX_EMPTY_CELLS
from backhaul.formats.kinds import html_title
from backhaul.formats.markup import MAX_COLUMNS, Cell, Manners, MarkupRow, markup_rows
from backhaul.formats.text import column_names

if TYPE_CHECKING:
    import polars as pl

_FIRST_ROWS = 30
_MAX_TABLES = 1_000
_TO_THE_END = 65_534


@dataclass
class _Grid:
    """Lays the cells of one table's rows out in columns: what spans rows is repeated, columns are filled up."""

    path: Path
    section: str = "body"
    carried: dict[int, tuple[int, str]] = field(default_factory=dict)
    added: int = 0

    def lay(self, row: MarkupRow, *, is_header: bool = False) -> list[str]:
        """Return the texts by column. The columns that a cell spans are empty but for its first; headers repeat."""
        if row.section != self.section:
            self.section, self.carried = row.section, {}
        cells = row.cells
        if not self.carried and all(cell.colspan == 1 and cell.rowspan == 1 for cell in cells):
            return [cell.text for cell in cells]
        laid: list[str] = []
        for cell in cells:
            self._take_carried(laid)
            self._place(laid, cell, is_header)
            if len(laid) > MAX_COLUMNS:
                raise self._too_wide()
        self._take_carried(laid)
        self.added += len(laid) - len(cells)
        if self.added > MAX_EMPTY_CELLS:
            raise self._too_wide()
        return laid

    def _too_wide(self) -> SourceChanged:
        return SourceChanged(f"{self.path.name}: its cells span more places than a table has")

    def _place(self, laid: list[str], cell: Cell, is_header: bool) -> None:
        text = cell.text
        for number in range(cell.colspan):
            value = text if not number or is_header else ""
            if cell.rowspan != 1:
                self.carried[len(laid)] = ((cell.rowspan or _TO_THE_END) - 1, value)
            laid.append(value)

    def _take_carried(self, laid: list[str]) -> None:
        while (found := self.carried.pop(len(laid), None)) is not None:
            left, value = found
            if left > 1:
                self.carried[len(laid)] = (left - 1, value)
            laid.append(value)


@dataclass
class _Facts:
    """What one table is: its first rows, how many it has, and which columns say that they are text."""

    first: list[MarkupRow] = field(default_factory=list)
    rows: int = 0
    texts: set[int] = field(default_factory=set)
    header: tuple[str, ...] = ()
    skipped: int = 0

    @property
    def is_data(self) -> bool:
        """Tell a table of data from one that frames a page: a header, and rows or several columns."""
        return bool(self.header) and (self.rows > self.skipped or len(self.header) > 1)


def check_html_table(path: Path) -> None:
    """Check that the HTML in path is an export with a table in it, not a page for people.

    Raises TransientError if it is cut off, SourceChanged for a page (a login, an error, a form) and for a
    table whose rows do not fit its header.
    """
    for _ in _chosen_rows(path, _chosen(path, ())):
        pass


def html_frames(path: Path, text_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Yield the rows of the table that has text_columns, else of the largest; see read_table.

    Tables with the same header are read as one.
    """
    from backhaul.formats.spool import text_frames, typed_frames

    chosen = _chosen(path, text_columns)
    names = next(iter(chosen.values())).header
    texts = [names[place] for facts in chosen.values() for place in sorted(facts.texts) if place < len(names)]
    frames = text_frames(_chosen_rows(path, chosen), names)
    yield from typed_frames(frames, names, (*text_columns, *texts))


def _chosen(path: Path, wanted: tuple[str, ...]) -> dict[int, _Facts]:
    """Return the tables to read, by number: they have one header."""
    manners = Manners()
    tables: dict[int, _Facts] = {}
    for row in markup_rows(path, manners):
        if row.table not in tables and len(tables) == _MAX_TABLES:
            raise SourceChanged(f"{path.name}: over {_MAX_TABLES:,} tables; this is no export")
        facts = tables.setdefault(row.table, _Facts())
        facts.rows += 1
        if len(facts.first) < _FIRST_ROWS:
            facts.first.append(row)
        if facts.rows > 1 and any(cell.is_text for cell in row.cells):
            facts.texts.update(place for place, cell in enumerate(row.cells) if cell.is_text and not cell.is_header)
    for facts in tables.values():
        _find_header(path, facts)
    data = {number: facts for number, facts in sorted(tables.items()) if facts.is_data}
    if manners.has_password or manners.has_controls or not data:
        raise _no_table(path, has_form=manners.has_password or manners.has_controls)
    fitting = [facts for facts in data.values() if wanted and set(wanted) <= set(facts.header)]
    best = max(fitting or data.values(), key=lambda facts: facts.rows * len(facts.header))
    column_names(path, list(best.header))
    return {number: facts for number, facts in data.items() if facts.header == best.header}


def _chosen_rows(path: Path, chosen: dict[int, _Facts]) -> Iterator[list[str]]:
    """Yield the rows of data below the headers, each as long as the header."""
    grids: dict[int, _Grid] = {}
    seen = dict.fromkeys(chosen, 0)
    number = 0
    for row in markup_rows(path, Manners()):
        if row.table not in chosen:
            continue
        facts = chosen[row.table]
        width = len(facts.header)
        texts = grids.setdefault(row.table, _Grid(path)).lay(row)
        seen[row.table] += 1
        if seen[row.table] <= facts.skipped or _is_note(row, width, texts, facts.header):
            continue
        number += 1
        if len(texts) < width or any(texts[width:]):
            raise SourceChanged(
                f"{path.name}: row {number:,} of the table has {len(texts)} cells, the header has {width}",
                next_step="Look at that row in a browser; if it is right, choose XLSX or CSV as the format.",
            )
        yield texts[:width]


def _is_note(row: MarkupRow, width: int, texts: list[str], header: tuple[str, ...]) -> bool:
    """Tell the rows that are no data: totals in a foot, one cell across the table, the header once more."""
    if row.section == "foot":
        return True
    if len(row.cells) == 1 and width > 1 and row.cells[0].colspan >= width:
        return True
    return all(cell.is_header for cell in row.cells) and _named(texts) == header


def _find_header(path: Path, facts: _Facts) -> None:
    """Set the header of a table and how many of its first rows are no data."""
    rows = facts.first
    grid = _Grid(path)
    laid = [grid.lay(row, is_header=True) for row in rows]
    width = max(len(texts) for texts in laid)
    titles = [width > 1 and len(set(filter(None, texts))) <= 1 for texts in laid]
    last = _last_header(rows, titles)
    if last is None:
        return
    above = [laid[place] for place in range(last) if not titles[place]]
    facts.header = _with_groups(path, _named(laid[last]), above)
    facts.skipped = last + 1


def _last_header(rows: list[MarkupRow], titles: list[bool]) -> int | None:
    """Return which row is the header's last: of the thead, of the first rows of <th>, else the first one."""
    plain = [place for place in range(len(rows)) if not titles[place]]
    for is_header in (
        lambda row: row.section == "head",
        lambda row: all(cell.is_header for cell in row.cells),
    ):
        found = [place for place in plain if is_header(rows[place])]
        if found:
            last = found[0]
            while last + 1 in found:
                last += 1
            return last
    return plain[0] if plain else None


def _with_groups(path: Path, names: tuple[str, ...], above: list[list[str]]) -> tuple[str, ...]:
    """Return names; those that stand twice with the name of the group above them before it."""
    if not above:
        return names
    groups = above[-1]
    return tuple(
        f"{groups[place]} {name}".strip()
        if names.count(name) > 1 and place < len(groups) and groups[place] != name
        else name
        for place, name in enumerate(names)
    )


def _named(texts: list[str]) -> tuple[str, ...]:
    """Return the names in a header row; empty ones are numbered, a line break is a space."""
    return tuple(" ".join(text.split()) or f"column_{number}" for number, text in enumerate(texts, start=1))


def _no_table(path: Path, *, has_form: bool) -> SourceChanged:
    title = html_title(path)
    page = f'an HTML page titled "{title}"' if title else "an HTML page without a title"
    why = " and a form" if has_form else ""
    return SourceChanged(
        f"{path.name}: expected a table, got {page}{why}",
        next_step="The session has expired or the site shows an error; look at the page in a browser.",
    )
