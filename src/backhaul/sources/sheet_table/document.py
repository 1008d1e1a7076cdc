"""What is kept of a worksheet: a JSON document that is the same, byte for byte, as long as the cells are the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backhaul.errors import SourceChanged

FORMAT = "backhaul worksheet 1"
_START = f'{{"format": "{FORMAT}"'.encode()
_FACTS = ("spreadsheet", "title", "worksheet")


@dataclass(frozen=True)
class Number:
    """A number with a format: Google's kind of format (`DATE`, `CURRENCY` ...), and the text that people see."""

    value: int | float = field(repr=False)
    kind: str
    shown: str = field(repr=False)


@dataclass(frozen=True)
class Fault:
    """What a cell shows whose formula fails, such as `#REF!`."""

    shown: str


Cell = str | int | float | bool | Number | Fault | None
"""A cell as it was read; a formula is what it comes to. A number without a format is a plain one."""


@dataclass(frozen=True)
class Worksheet:
    """All cells of a worksheet, row by row from its top; blank ones at the end of a row are left out.

    Args:
        spreadsheet: its id.
        title: how the spreadsheet is called, `worksheet` how the worksheet is.
    """

    spreadsheet: str
    title: str
    worksheet: str
    rows: Sequence[Sequence[Cell]] = field(repr=False)

    def dumps(self) -> bytes:
        """Return the document: one line for each row. The moment is not in it, so that nothing is kept twice."""
        facts = {"format": FORMAT, **{name: getattr(self, name) for name in _FACTS}}
        head = json.dumps(facts, ensure_ascii=False).removesuffix("}")
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, default=_coded) for row in self.rows)
        # Half of a character of two parts has no UTF-8; a sheet can hold it.
        return f'{head}, "rows": [\n{lines}\n]}}\n'.encode("utf-8", "replace")


def is_document(path: Path) -> bool:
    """Tell whether a file says that it is such a document."""
    with path.open("rb") as file:
        return file.read(len(_START)) == _START


def read_document(path: Path, name: str) -> Worksheet:
    """Return the worksheet that a document holds; errors call it name. Raises SourceChanged if it is broken."""
    try:
        found = json.loads(path.read_bytes(), object_hook=_decoded)
        rows, facts = found["rows"], {each: str(found[each]) for each in _FACTS}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _broken(name) from None
    is_whole = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    if not is_whole or not all(isinstance(cell, Cell) for row in rows for cell in row):
        raise _broken(name)
    return Worksheet(rows=rows, **facts)


def _coded(cell: Number | Fault) -> dict[str, Any]:
    if isinstance(cell, Fault):
        return {"error": cell.shown}
    return {"number": cell.value, "kind": cell.kind, "shown": cell.shown}


def _decoded(found: dict[str, Any]) -> Any:
    if "number" in found:
        if not isinstance(found["number"], int | float):
            raise ValueError("a number that is none")
        return Number(found["number"], str(found["kind"]), str(found["shown"]))
    return Fault(str(found["error"])) if "error" in found else found


def _broken(name: str) -> SourceChanged:
    return SourceChanged(f"{name} is no whole worksheet", next_step="Run again: the worksheet is read anew.")
