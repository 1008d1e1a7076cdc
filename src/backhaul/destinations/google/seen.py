"""Keys as people see them: a telephone number that is a number with a format is found by the text that it shows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from backhaul.destinations.google.cells import Cell, Seen, key_text
from backhaul.destinations.google.manner import without_marks
from backhaul.destinations.google.view import KEY_JOINT, Grid, View, key_cells


@dataclass(frozen=True)
class SeenKeys:
    """The tab's rows by what people may call them.

    Args:
        by_text: rows by their key as shown, or shown in part.
        by_plain: rows by their key without marks of direction and odd blanks; empty where that does not count.
    """

    by_text: dict[str, set[int]] = field(default_factory=dict)
    by_plain: dict[str, set[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View, shown: Grid | None, key: Sequence[str], *, is_lenient: bool) -> SeenKeys | None:
        """Return the rows of view; None if its rows are not those of `shown` any more.

        `shown` has the key's columns, of Seen cells; it is None if all keys are plain text. If is_lenient, marks that
        nobody sees are looked over.
        """
        found = cls()
        if shown is not None:
            assert view.header_row is not None
            now: dict[str, int] = {}
            for row, cells in key_cells(shown, [view.bound[name] for name in key], view.header_row + 1):
                parts = [_parts(cell) for cell in cells]
                if not all(parts):
                    continue
                bare = KEY_JOINT.join(part[0] for part in parts)
                now.setdefault(bare, row)
                if row in view.numbered:
                    for texts in product(*parts):
                        found.by_text.setdefault(KEY_JOINT.join(texts), set()).add(row)
            if now != view.keys:
                return None
        if is_lenient:
            for names in (found.by_text, {text: {*view.rows_of(text)} for text in view.keys}):
                for text, rows in names.items():
                    found.by_plain.setdefault(plain(text), set()).update(rows)
        return found

    def rows(self, key: str, view: View) -> set[int]:
        """Return the rows that may be meant by a key of the batch."""
        there = {*view.rows_of(key)}
        return there | self.by_text.get(key, set()) or self.by_plain.get(plain(key), set())


def aliases(view: View, seen: SeenKeys, wanted: Iterable[str]) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return the tab's key for each wanted one that stands there in another way, and the rows of a shared wanted key.

    A row is taken by the key that it really has, if that is wanted too, else by the first that fits.
    """
    wanted = {*wanted}
    names = names_of(view)
    found: dict[str, str] = {}
    doubled: dict[str, list[int]] = {}
    for key in sorted(wanted):
        rows = sorted(seen.rows(key, view))
        if len(rows) > 1:
            doubled[key] = rows
        elif rows and key not in view.keys:
            there = names[rows[0]]
            if there not in wanted and there not in found.values():
                found[key] = there
    return found, doubled


def names_of(view: View) -> dict[int, str]:
    """Return the key of each row."""
    return {row: key for key in view.keys for row in view.rows_of(key)}


def plain(key: str) -> str:
    """Return a key as it looks: without marks of direction, with plain single blanks, in one Unicode form."""
    parts = (unicodedata.normalize("NFC", without_marks(part)) for part in key.split(KEY_JOINT))
    return KEY_JOINT.join(" ".join(part.split()) for part in parts)


def _parts(cell: Cell | Seen) -> list[str]:
    """Return what one part of a key is called: its bare text first, then as shown; nothing of a blank one."""
    bare, text = (key_text(cell.cell), cell.text.strip()) if isinstance(cell, Seen) else (key_text(cell), "")
    return [] if not bare else [bare] if text in ("", bare) else [bare, text]
