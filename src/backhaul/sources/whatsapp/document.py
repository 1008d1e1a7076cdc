"""The file that is kept of one reading: what is known about it in the first line, then a line for each row.

A row is kept as the page showed it, beside what the memory said of it; nothing else is interpreted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from backhaul.errors import SourceChanged
from backhaul.formats.chat.dates import DateOrder
from backhaul.sessions.whatsapp.reading import PageRow, Shown

FORMAT = "backhaul whatsapp reading 1"
_BEGINNING = f'{{"format":"{FORMAT}"'.encode()


@dataclass(frozen=True)
class Head:
    """What is known about a reading.

    Args:
        title: of the chat, as its header showed it.
        timezone: of the browser.
        language: of the page.
        own_name: who `You` is, "" if nobody knows.
        date_order: in which the dates are written, as it was decided when the page was read.
        end: why no older rows were read; see End.
        gap: what is known was not reached: messages between may be missing.
        read_at: when it was read (UTC).
        unread: rows that the page could not read.
        matched: how often each entry of the selector table has matched.
    """

    title: str
    timezone: str
    language: str
    own_name: str
    date_order: DateOrder
    end: str
    gap: bool
    read_at: datetime
    unread: int
    matched: dict[str, int]


@dataclass(frozen=True)
class Noted:
    """What the memory said of a row when it was read.

    Args:
        is_known: it was seen before, so that it is no row of this file.
        occurrence: the message's number among its equals, None of a row that was no message.
        minute: since 1970 (UTC), of a message that is known by its id; None of all others.
        maybe_edit: it may be what became of a known message.
    """

    is_known: bool = False
    occurrence: int | None = None
    minute: int | None = None
    maybe_edit: bool = False


def is_reading(path: Path) -> bool:
    """Tell whether path is a file of a reading."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def dumped(head: Head, rows: Sequence[PageRow], noted: Sequence[Noted]) -> Iterator[bytes]:
    """Yield the file line by line."""
    yield _line({"format": FORMAT, **vars(head), "read_at": head.read_at.isoformat(), "rows": len(rows)})
    for row, note in zip(rows, noted, strict=True):
        said = {name: value for name, value in vars(note).items() if value not in (None, False)}
        yield _line({**vars(row), **said})


def loaded(path: Path, name: str) -> tuple[Head, list[PageRow], list[Noted]]:
    """Return what a file holds. Raises SourceChanged, which begins with name, for one that is cut off or damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(next(file))
            lines = [json.loads(line) for line in file]
        if len(lines) != head.pop("rows"):
            raise ValueError("lines are missing")
        return _head(head), [_row(line) for line in lines], [_noted(line) for line in lines]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceChanged(
            f"{name}: the file of a reading is damaged: {type(error).__name__}",
            next_step="Take it from a backup of the raw zone; a file that a person gives is an Export chat file.",
        ) from None


def _line(said: dict[str, Any]) -> bytes:
    # One half of a pair of surrogates, which a page can hold, is no UTF-8.
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _head(said: dict[str, Any]) -> Head:
    del said["format"]
    order, read_at = DateOrder(said.pop("date_order")), datetime.fromisoformat(said.pop("read_at"))
    return Head(date_order=order, read_at=read_at, **said)


def _row(said: dict[str, Any]) -> PageRow:
    # A file of an earlier release lacks what was added since; what must be there is asked for by PageRow.
    fields = {name: said[name] for name in PageRow.__dataclass_fields__ if name in said and name != "shown"}
    return PageRow(**fields, shown=Shown(said["shown"]))


def _noted(said: dict[str, Any]) -> Noted:
    return Noted(**{name: said[name] for name in Noted.__dataclass_fields__ if name in said})
