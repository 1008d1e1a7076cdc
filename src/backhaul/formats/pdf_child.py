"""Reads the tables of one PDF document, in a process of its own that can be stopped: `python -m ... FILE`.

Prints one JSON value a line: `{"group": n, "header": [...]}`, `[n, [cell, ...]]` for a row of group n,
and last `{"pages": n, "characters": n, "why": text}`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdfplumber.page import Page

MAX_PAGES = 5_000
MEMORY_BYTES = 2 * 1024**3
_Interval = tuple[float, float]


@dataclass
class _Group:
    """Tables with one header, one below the other, over all pages."""

    number: int
    header: list[str]
    columns: list[_Interval] = field(default_factory=list)


@dataclass
class _Line:
    """One line of text: its height on the page and its pieces from left to right."""

    top: float
    bottom: float
    pieces: list[tuple[float, float, str]]


class Unclear(ValueError):
    """The columns of a table without lines cannot be told."""


class _Document:
    def __init__(self) -> None:
        self.groups: list[_Group] = []
        self.characters = 0

    def read(self, page: Page) -> None:
        """Print the rows of all tables on page."""
        self.characters += len(page.chars)
        ruled = [rows for rows in (_ruled(table) for table in page.find_tables()) if rows and len(rows[0]) > 1]
        if any(len(rows) > 1 for rows in ruled):
            for place, rows in enumerate(ruled):
                self._take(rows, is_first=not place)
            return
        last = self.groups[-1] if self.groups else None
        try:
            rows, columns = _unruled(page, last)
        except Unclear:
            # Beside tables with lines, text in columns is a letterhead or a signature.
            if last is None or last.columns:
                raise
            return
        if len(rows) > 1 or (rows and not ruled):
            self._take(rows, is_first=True).columns = columns
        elif ruled:
            self._take(ruled[0], is_first=True)

    def _take(self, rows: list[list[str]], *, is_first: bool) -> _Group:
        for group in self.groups:
            if rows[0] == group.header:
                _print_rows(group, rows[1:])
                return group
        last = self.groups[-1] if self.groups else None
        if last is not None and is_first and len(last.header) == len(rows[0]):
            _print_rows(last, rows)
            return last
        group = _Group(len(self.groups), rows[0])
        self.groups.append(group)
        print(json.dumps({"group": group.number, "header": group.header}))
        _print_rows(group, rows[1:])
        return group


def _print_rows(group: _Group, rows: list[list[str]]) -> None:
    for row in rows:
        if row != group.header:
            print(json.dumps([group.number, row]))


def _ruled(table: Any) -> list[list[str]]:
    """Return the rows of a table with lines; a title or note across all of it is no row."""
    rows: list[list[str | None]] = table.extract()
    kept = [row for row in rows if len(row) == 1 or row[0] is None or any(cell is not None for cell in row[1:])]
    texts = [[" ".join((cell or "").split()) for cell in row] for row in kept]
    return [row for row in texts if any(row)]


def _unruled(page: Page, last: _Group | None) -> tuple[list[list[str]], list[_Interval]]:
    """Return the rows of the table without lines on page, and where its columns lie."""
    lines = _lines(page)
    start = next((at for at, line in enumerate(lines) if last and _texts(line) == last.header), None)
    if start is None and last is not None and last.columns:
        known = last.columns
        start = next((at for at, line in enumerate(lines) if len(line.pieces) > 1), None)
        region = [] if start is None else _region(lines[start:])
        return _rows(region, known), known
    if start is None:
        start = _header_place(lines)
    if start is None:
        return [], []
    region = _region(lines[start:])
    columns = _columns(region)
    rows = _rows(region, columns)
    if len(columns) < 2 or not all(rows[0]):
        raise Unclear
    return rows, columns


def _lines(page: Page) -> list[_Line]:
    lines: list[_Line] = []
    words = page.extract_words(x_tolerance=1.5, y_tolerance=2)
    for word in sorted(words, key=lambda word: (word["top"] + word["bottom"], word["x0"])):
        middle = (word["top"] + word["bottom"]) / 2
        if not lines or middle > lines[-1].bottom:
            lines.append(_Line(word["top"], word["bottom"], []))
        lines[-1].pieces.append((word["x0"], word["x1"], word["text"]))
    for line in lines:
        line.pieces = _joined(sorted(line.pieces), (line.bottom - line.top) * 0.6)
    return lines


def _joined(pieces: list[tuple[float, float, str]], gap: float) -> list[tuple[float, float, str]]:
    """Return the pieces with neighbours that a space parts as one."""
    joined: list[tuple[float, float, str]] = []
    for left, right, text in pieces:
        if joined and left - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(right, joined[-1][1]), f"{joined[-1][2]} {text}")
        else:
            joined.append((left, right, text))
    return joined


def _header_place(lines: list[_Line]) -> int | None:
    """Return the first of the lines with the most pieces: every column has a name."""
    most = max((len(line.pieces) for line in lines), default=0)
    return next((at for at, line in enumerate(lines) if len(line.pieces) == most > 1), None)


def _region(lines: list[_Line]) -> list[_Line]:
    """Return the lines up to the first large gap, as before the number of a page."""
    whole = [line.top for line in lines if len(line.pieces) > 1]
    pitches = sorted(below - above for above, below in itertools.pairwise(whole))
    usual = pitches[len(pitches) // 2] if pitches else 0.0
    region = lines[:1]
    for above, below in itertools.pairwise(lines):
        if below.top - above.top > max(2.2 * usual, 2.2 * (above.bottom - above.top)):
            break
        region.append(below)
    return region


def _columns(region: list[_Line]) -> list[_Interval]:
    """Return the intervals that the pieces of all lines cover together."""
    columns: list[_Interval] = []
    for left, right in sorted((left, right) for line in region for left, right, _ in line.pieces):
        if columns and left - columns[-1][1] < 1.0:
            columns[-1] = (columns[-1][0], max(columns[-1][1], right))
        else:
            columns.append((left, right))
    return columns


def _rows(region: list[_Line], columns: list[_Interval]) -> list[list[str]]:
    """Return the texts by column. A line without the first and most others belongs to the nearest row."""
    borders = [(one[1] + other[0]) / 2 for one, other in itertools.pairwise(columns)]
    placed = [_placed(line, borders) for line in region]
    heads = [at for at, row in enumerate(placed) if row[0] or 2 * sum(map(bool, row)) >= len(row)]
    rows: dict[int, list[str]] = {at: [] for at in heads}
    if not heads:
        raise Unclear
    for at, row in enumerate(placed):
        owner = at if at in rows else _nearest(region, heads, at)
        above = rows[owner] or [""] * len(row)
        rows[owner] = [f"{old} {new}".strip() for old, new in zip(above, row, strict=True)]
    return list(rows.values())


def _placed(line: _Line, borders: list[float]) -> list[str]:
    row = [""] * (len(borders) + 1)
    for left, right, text in line.pieces:
        place = sum(border < (left + right) / 2 for border in borders)
        if row[place] or any(left + 1 < border < right - 1 for border in borders):
            raise Unclear
        row[place] = text
    return row


def _nearest(region: list[_Line], heads: list[int], at: int) -> int:
    """Return which row a line of a wrapped cell belongs to. Raises Unclear if it stands between two."""
    above = max((head for head in heads if head < at), default=None)
    below = min((head for head in heads if head > at), default=None)
    if above is None or below is None:
        return heads[0] if above is None else above
    up, down = region[at].top - region[above].top, region[below].top - region[at].top
    if abs(up - down) < 0.05 * (up + down):
        raise Unclear
    return above if up < down else below


def _texts(line: _Line) -> list[str]:
    return [text for _, _, text in line.pieces]


def _limit_memory() -> None:
    """Let a document that wants more fail by itself; Windows has no such limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main(path: str) -> None:
    """Print the tables of the document at path."""
    _limit_memory()
    import pdfplumber
    from pdfplumber.utils.exceptions import PdfminerException

    document = _Document()
    why, pages = "", 0
    try:
        with pdfplumber.open(path) as pdf:
            pages = len(pdf.pages)
            for page in pdf.pages[:MAX_PAGES]:
                document.read(page)
                page.close()
    except Unclear:
        why = "unclear"
    except PdfminerException as error:
        why = "locked" if "Password" in repr(error) else "damaged"
    print(json.dumps({"pages": pages, "characters": document.characters, "why": why}))


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    main(sys.argv[1])
