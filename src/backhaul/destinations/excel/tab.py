"""One tab of a workbook as a keyed table: which tab it is, where its header stands, what was delivered to it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any

from backhaul.destinations.excel.cells import fact_of_cell, put_text
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, Stream

MEMORY = "_backhaul"
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
HEADER_WITHIN = 20
_DIGESTS_A_CELL = 2_900
_DIGEST_BYTES, _DIGEST_LETTERS = 8, 11
_EXPLANATION = "Kept by backhaul: which rows it has delivered, so that those you delete stay deleted."


@dataclass(frozen=True)
class Place:
    """What a stream's rows are delivered to: the tab of this title, or the first one; `where` is for messages."""

    stream: Stream
    tab: str | None
    where: str

    @property
    def _mark(self) -> str:
        """The hidden name that stands for the tab in the workbook: it follows when people rename or move the tab."""
        return "_backhaul_" + _digest((self.stream.target, self.tab or "")).hex()

    def find(self, book: Any) -> Any | None:
        """Return the tab, None if it is still to be made.

        Raises DeliveryError if it was deleted, or the first tab is that of another stream.
        """
        marks = {name: _title(mark.attr_text or "") for name, mark in book.defined_names.items()}
        if self._mark in marks:
            title = marks[self._mark]
            if title not in book.sheetnames:
                raise DeliveryError(
                    f"{self.where}: the tab that the rows were delivered to was deleted",
                    next_step="Bring it back from a copy of the workbook, or name another tab with tab=.",
                )
            return book[title]
        if self.tab is not None:
            return book[self.tab] if self.tab in book.sheetnames else None
        visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            return None
        if any(name.startswith("_backhaul_") and title == visible[0].title for name, title in marks.items()):
            raise DeliveryError(
                f"{self.where}: the first tab belongs to another stream",
                next_step=f"Give each stream its own tab, such as tab={self.stream.target!r}.",
            )
        return visible[0]

    def make(self, book: Any) -> Any:
        """Add the tab to the workbook and return it."""
        title = self.tab or re.sub(r"[\[\]:*?/\\]", "_", self.stream.target).strip("'")[:31] or "rows"
        return book.create_sheet(title)

    def mark(self, book: Any, sheet: Any) -> None:
        """Have the workbook remember that this is the tab."""
        from openpyxl.workbook.defined_name import DefinedName

        quoted = sheet.title.replace("'", "''")
        book.defined_names[self._mark] = DefinedName(self._mark, attr_text=f"'{quoted}'!$1:${MOST_ROWS}", hidden=True)

    def memory(self, book: Any) -> set[bytes]:
        """Return the digests of the keys that were delivered to the tab."""
        if MEMORY not in book.sheetnames:
            return set()
        found: set[bytes] = set()
        for row in book[MEMORY].iter_rows(values_only=True):
            if len(row) > 1 and row[0] == self._mark and isinstance(row[1], str):
                letters = row[1]
                pieces = (letters[at : at + _DIGEST_LETTERS] for at in range(0, len(letters), _DIGEST_LETTERS))
                found.update(base64.urlsafe_b64decode(piece + "=") for piece in pieces)
        return found

    def remember(self, book: Any, delivered: set[bytes]) -> None:
        """Keep the digests of delivered keys in a sheet that Excel does not list."""
        rows: list[tuple[object, ...]] = [(_EXPLANATION,)]
        if MEMORY in book.sheetnames:
            rows = [row for row in book[MEMORY].iter_rows(values_only=True) if row[0] != self._mark]
            book.remove(book[MEMORY])
        letters = (base64.urlsafe_b64encode(each).decode().rstrip("=") for each in sorted(delivered))
        rows += [(self._mark, each) for each in iter(lambda: "".join(islice(letters, _DIGESTS_A_CELL)), "")]
        sheet = book.create_sheet(MEMORY)
        sheet.sheet_state = "veryHidden"
        for row in rows:
            sheet.append(row)


def key_digest(key: tuple[str, ...]) -> bytes:
    """Return what the memory keeps of a key."""
    return _digest(key)


@dataclass
class Header:
    """Where the columns of a tab stand: `row` (from 1) and the number of each column (from 1) by its text."""

    row: int
    columns: dict[str, int]
    width: int

    def place(self, names: Iterable[str]) -> list[str]:
        """Give each of names that is not there the next column; return those."""
        added = []
        for name in names:
            if name not in self.columns:
                self.width += 1
                self.columns[name] = self.width
                added.append(name)
        return added


def header_of(rows: Iterable[tuple[int, tuple[Any, ...]]], place: Place, names: Iterable[str]) -> Header | None:
    """Return the header: the first row that has the key columns, among the first 20; None if the tab is empty.

    Raises DeliveryError if there is something, but no header, and if a column of ours (names) stands in it twice.
    """
    is_empty = True
    for number, cells in islice(rows, HEADER_WITHIN):
        texts = [fact_of_cell(cell) for cell in cells]
        is_empty = is_empty and not any(texts)
        # The first of equal names counts; one that is written exactly so, before one with spaces around it.
        columns = {text: at for form in (str.strip, str) for at, text in _numbered(map(form, texts)) if text}
        if not set(place.stream.key) <= set(columns):
            continue
        if twice := [name for name in (*names, REMOVED_AT) if texts.count(name) > 1]:
            raise DeliveryError(
                f"{place.where}: the header has column {', '.join(map(repr, twice))} more than once",
                next_step="Rename or remove the other one; nothing was changed.",
            )
        return Header(number, columns, max(columns.values()))
    if is_empty:
        return None
    raise DeliveryError(
        f"{place.where}: none of the first {HEADER_WITHIN} rows has the key column"
        f" {', '.join(map(repr, place.stream.key))}; nothing was changed",
        next_step="Give the column its name back in the header, or name another tab with tab=.",
    )


def key_of(cells: tuple[Any, ...], header: Header, key: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the key of a row as text, or None for a row that has none: it is a person's."""
    found = []
    for name in key:
        at = header.columns[name] - 1
        text = fact_of_cell(cells[at]).strip() if at < len(cells) else ""
        if not text or text.startswith("\0"):
            return None
        found.append(text)
    return tuple(found)


def write_header(sheet: Any, header: Header, names: list[str]) -> None:
    """Write the names of new columns, in the format of the header beside them."""
    for name in names:
        at = header.columns[name]
        cell = sheet.cell(header.row, at)
        put_text(cell, name)
        if at > 1:
            cell._style = copy(sheet.cell(header.row, at - 1)._style)


def _digest(texts: tuple[str, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for text in texts:
        raw = text.encode("utf-8", errors="surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def _numbered(texts: Iterable[str]) -> list[tuple[int, str]]:
    """Return texts with their numbers from 1, the last first."""
    return list(enumerate(texts, start=1))[::-1]


def _title(reference: str) -> str:
    return reference.rpartition("!")[0].removeprefix("'").removesuffix("'").replace("''", "'")


def check_room(place: Place, rows: int, columns: int) -> None:
    """Raise DeliveryError if a tab cannot have so many."""
    for what, wanted, most in (("rows", rows, MOST_ROWS), ("columns", columns, MOST_COLUMNS)):
        if wanted > most:
            raise DeliveryError(
                f"{place.where}: the tab would need {wanted:,} {what}, a tab has {most:,}; nothing was changed",
                next_step="Move old rows to another workbook, or deliver to a warehouse or CSV files.",
            )


def refuse_double_keys(place: Place, twice: list[tuple[str, ...]]) -> None:
    """Raise DeliveryError if there is any."""
    if twice:
        raise DeliveryError(
            f"{place.where}: {len(twice)} rows have a key that stands in another row already; nothing was changed",
            next_step=f"Leave one row for each {', '.join(place.stream.key)}, then run again.",
        )
