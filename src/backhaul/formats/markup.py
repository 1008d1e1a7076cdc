"""The table rows of an HTML file, one after another: no tree is built, so memory stays bounded."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.kinds import HEAD_BYTES, bom_of
from backhaul.formats.text import TAIL_BYTES, encoding_of, utf8_blocks

MAX_COLUMNS = 16_384
_FEED_BYTES = 256 * 1024
_MAX_CELL = 16 * 1024**2
_MAX_DEPTH = 200
_MAX_SPAN_ROWS = 65_534
_BREAK = "\v"
_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_SECTIONS = {"thead": "head", "tbody": "body", "tfoot": "foot"}
_BLOCKS = frozenset({"p", "div", "li"})
_UNSEEN = frozenset({"script", "style", "select", "textarea", "template"})
_CONTROLS = frozenset({"input", "select", "textarea", "button"})
_AS_TEXT = re.compile(r"""mso-number-format\s*:\s*["']?\s*\\*@""", re.I)
_TEXT_CLASS = re.compile(r"""\.([\w-]+)\s*\{[^}]*mso-number-format\s*:\s*["']?\s*\\*@""", re.I)
_ROW_TAG = re.compile(rb"<(?:tr|td|th)\b", re.I)
_END_TAG = re.compile(rb"</(?:table|body|html)\s*>", re.I)


@dataclass(slots=True)
class Cell:
    """One cell as it is written; is_text: its number format says that it is text."""

    colspan: int = 1
    rowspan: int = 1
    is_header: bool = False
    is_text: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What a person reads: white space as one space, a line break for each one that is shown."""
        joined = self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)
        if _BREAK not in joined:
            return " ".join(joined.split())
        return "\n".join(" ".join(part.split()) for part in joined.split(_BREAK)).strip("\n")


@dataclass(frozen=True, slots=True)
class MarkupRow:
    """A row of the table with this number, from 0 in the order of their beginnings."""

    table: int
    section: str
    cells: list[Cell]


@dataclass
class Manners:
    """What a file has beside tables that only pages for people have."""

    has_password: bool = False
    has_controls: bool = False


@dataclass
class _Table:
    number: int
    section: str = "body"
    row: list[Cell] | None = None
    cell: Cell | None = None


class _Reader:
    """Takes the parser's events and turns them into rows."""

    def __init__(self, path: Path, manners: Manners) -> None:
        self._path = path
        self._manners = manners
        self._open: list[_Table] = []
        self._tables = 0
        self._unseen: list[str] = []
        self._text_classes: set[str] = set()
        self._cell_size = 0
        self.rows: list[MarkupRow] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in _CONTROLS:
            self._meet_control(tag, attributes)
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag == "table":
            if len(self._open) == _MAX_DEPTH:
                raise SourceChanged(f"{self._path.name}: tables stand inside of each other, over {_MAX_DEPTH} deep")
            self._open.append(_Table(self._tables))
            self._tables += 1
        elif self._open:
            table = self._open[-1]
            if tag in ("td", "th"):
                self._start_cell(table, tag, attributes)
            elif tag == "tr":
                self._end_row(table)
                table.row = []
            elif tag in _SECTIONS:
                self._end_row(table)
                table.section = _SECTIONS[tag]
            elif table.cell is not None and (tag == "br" or (tag in _BLOCKS and table.cell.pieces)):
                table.cell.pieces.append(_BREAK)

    def end(self, tag: str) -> None:
        if tag in _UNSEEN:
            if self._unseen:
                self._unseen.pop()
        elif self._open:
            table = self._open[-1]
            if tag in ("td", "th"):
                table.cell = None
            elif tag == "tr":
                self._end_row(table)
            elif tag in _SECTIONS:
                self._end_row(table)
                table.section = "body"
            elif tag == "table":
                self._end_row(table)
                self._open.pop()

    def data(self, text: str) -> None:
        if self._unseen:
            if self._unseen[-1] == "style":
                self._text_classes.update(_TEXT_CLASS.findall(text))
        elif self._open and (cell := self._open[-1].cell) is not None:
            self._cell_size += len(text)
            if self._cell_size > _MAX_CELL:
                raise SourceChanged(f"{self._path.name}: a cell holds over 16 MB; this is no table")
            cell.pieces.append(text)

    def comment(self, text: str) -> None:
        if self._unseen and self._unseen[-1] == "style":
            self.data(text)

    def close(self) -> None:
        """End what the file has left open."""
        while self._open:
            self._end_row(self._open.pop())

    def _start_cell(self, table: _Table, tag: str, attributes: dict[str, str]) -> None:
        if table.row is None:
            table.row = []
        if len(table.row) == MAX_COLUMNS:
            raise SourceChanged(f"{self._path.name}: a row has over {MAX_COLUMNS:,} cells; this is no table")
        cell = Cell(is_header=tag == "th")
        if attributes:
            cell.colspan = _span(attributes.get("colspan"), 1000) or 1
            cell.rowspan = _span(attributes.get("rowspan"), _MAX_SPAN_ROWS)
            cell.is_text = _AS_TEXT.search(attributes.get("style", "")) is not None or (
                bool(self._text_classes) and not self._text_classes.isdisjoint(attributes.get("class", "").split())
            )
        table.row.append(cell)
        table.cell = cell
        self._cell_size = 0

    def _end_row(self, table: _Table) -> None:
        if table.row:
            self.rows.append(MarkupRow(table.number, table.section, table.row))
        table.row = table.cell = None

    def _meet_control(self, tag: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", "text").lower() if tag == "input" else tag
        if kind == "password":
            self._manners.has_password = True
        if kind != "hidden" and not self._open:
            self._manners.has_controls = True


def markup_rows(path: Path, manners: Manners) -> Iterator[MarkupRow]:
    """Yield every row of every table in path; manners is filled in on the way.

    Raises TransientError if the file ends inside of a table, SourceChanged for what no table has.
    """
    from lxml import etree

    _check_end(path)
    reader = _Reader(path, manners)
    # The stubs want text or bytes at once; the parser gives text.
    target: Any = reader
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    try:
        for block in utf8_blocks(path, _encoding(path)):
            for at in range(0, len(block), _FEED_BYTES):
                parser.feed(block[at : at + _FEED_BYTES])
                yield from reader.rows
                reader.rows.clear()
        parser.close()
    except etree.LxmlError as error:
        raise SourceChanged(f"{path.name}: the HTML cannot be read ({type(error).__name__})") from None
    yield from reader.rows


def _encoding(path: Path) -> str:
    """Return the encoding: a byte order mark first, then UTF-8 if it is, then what the file says of itself."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if bom_of(head) is None and (said := _CHARSET.search(head)):
        try:
            name = codecs.lookup(said[1].decode("ascii", "replace")).name
            "".encode(name)
        except (LookupError, ValueError):
            return encoding_of(path)
        if name not in ("utf-8", "ascii", "iso8859-1") and not name.startswith(("utf-16", "utf-32", "utf-7")):
            return "utf-8" if _is_utf8(path) else name
    return encoding_of(path)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(_FEED_BYTES):
                decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _check_end(path: Path) -> None:
    """Refuse a file whose last row is not followed by an end of its table, body or page."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL_BYTES) & ~1)
        tail = file.read().replace(b"\0", b"")
    last_row = max((found.start() for found in _ROW_TAG.finditer(tail)), default=-1)
    last_end = max((found.start() for found in _END_TAG.finditer(tail)), default=-1)
    if last_end < last_row or (last_end < 0 and size > TAIL_BYTES):
        raise TransientError(f"{path.name}: a broken download of {size:,} bytes, its table does not end")


def _span(said: str | None, most: int) -> int:
    """Return a colspan or rowspan; 0 means to the end, nonsense 1."""
    found = re.match(r"\s*(\d{1,9})", said or "")
    if found is None:
        return 1
    return min(int(found[1]), most)
