"""What the documents that were there before say: how far each student had been counted, and to what numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from .phones import digits
from .words import clean, plain

_SHOWN = re.compile(r"(\d{1,2})[:.](\d{2})(?::\d{2})?\s*,\s*(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_MOST = 10**9


@dataclass
class Entry:
    """What a document says of one lesson. `lesson` is kept as it stands there: the merge finds the entry by it."""

    lesson: Any
    teacher: str | None = None
    practices: int = 0
    messages: int = 0
    first: Any = None
    last: Any = None


@dataclass(frozen=True)
class Earlier:
    """One document. Its counts hold what came up to the minutes `practised_at` and `wrote_at` (UTC)."""

    uniq_id: str
    digits: str
    plain_name: str
    current_lesson: str
    last_practice: str | None
    last_message: str | None
    practised_at: datetime | None
    wrote_at: datetime | None
    lessons: Mapping[str, Entry] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def earlier(before: pl.DataFrame, zone: ZoneInfo, region: str = "IL") -> list[Earlier]:
    """Return the documents of before; cells may be of any type. zone is the one of the times in them."""
    return [_document(row, zone, region) for row in before.iter_rows(named=True) if row.get("removed_at") is None]


def lesson_key(value: Any) -> str:
    """Return a lesson as it is compared: 5, 5.0 and " 5" are one; "" for what names none."""
    if value is None or isinstance(value, bool | list | dict):
        return ""
    shown = clean(value)
    whole, dot, rest = shown.partition(".")
    return whole if dot and whole.isdigit() and rest and not rest.strip("0") else shown


def moment_of(value: Any, zone: ZoneInfo) -> datetime | None:
    """Return a time as documents have it (`HH:MM, DD.MM.YYYY` on zone's clock, ISO, or a date) in UTC, else None."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.max, zone).astimezone(UTC)
    shown = clean(value)
    try:
        if found := _SHOWN.fullmatch(shown):
            hour, minute, day, month, year = map(int, found.groups())
            return datetime(year, month, day, hour, minute, tzinfo=zone).astimezone(UTC)
        moment = datetime.fromisoformat(shown)
        # Without an offset it is what the database gives: UTC.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _document(row: Mapping[str, Any], zone: ZoneInfo, region: str) -> Earlier:
    remarks: list[str] = []
    lessons = _lessons(row.get("lessons"), remarks)
    current = lesson_key(row.get("current_lesson"))
    total = _count(row.get("total_messages"))
    has_own = any(is_counted for _, is_counted in lessons.values())
    entries = {key: entry for key, (entry, _) in lessons.items()}
    if total and not has_own and current:
        entries.setdefault(current, Entry(current)).messages = total
    elif total and not has_own:
        remarks.append("an earlier document has messages and no lesson that they can count to")
    texts = {name: _shown(row.get(name), zone) for name in ("last_practice_timedate", "last_message_timedate")}
    practised, wrote = (moment_of(row.get(name), zone) for name in texts)
    of_lessons = [found for each in entries.values() if (found := moment_of(each.last, zone))]
    practised = practised or max(of_lessons, default=None)
    if any(each.practices for each in entries.values()) and practised is None:
        remarks.append("an earlier document has practices and no time that can be read")
    if any(each.messages for each in entries.values()) and wrote is None:
        # Both kinds were counted in one go: what came before the last practice was seen then.
        wrote = practised
        remarks.append("an earlier document has messages and no time that can be read")
    return Earlier(
        uniq_id=clean(row.get("uniq_id")),
        digits=digits(clean(row.get("phone_number")), region),
        plain_name=plain(row.get("name")),
        current_lesson=current,
        last_practice=texts["last_practice_timedate"],
        last_message=texts["last_message_timedate"],
        practised_at=_bounded(practised),
        wrote_at=_bounded(wrote),
        lessons=entries,
        remarks=tuple(remarks),
    )


def _lessons(cell: Any, remarks: list[str]) -> dict[str, tuple[Entry, bool]]:
    """Return the entries by lesson, and whether each has a count of messages; two of one lesson are added up."""
    found: dict[str, tuple[Entry, bool]] = {}
    for each in _listed(cell, remarks):
        key = lesson_key(each.get("lesson"))
        if not key:
            remarks.append("an entry of an earlier document names no lesson")
            continue
        has_messages = each.get("message_count") is not None
        practices, messages = _count(each.get("practice_count")), _count(each.get("message_count"))
        teacher = clean(each.get("teacher")) or None
        first, last = each.get("first_practice"), each.get("last_practice")
        if key in found:
            remarks.append("an earlier document has two entries of one lesson")
            entry, had = found[key]
            entry.practices += practices
            entry.messages += messages
            entry.teacher = entry.teacher or teacher
            entry.first, entry.last = entry.first or first, last or entry.last
            found[key] = entry, had or has_messages
        else:
            entry = Entry(each["lesson"], teacher, practices, messages, first or None, last or None)
            found[key] = entry, has_messages
    return found


def _listed(cell: Any, remarks: list[str]) -> Iterator[Mapping[str, Any]]:
    if isinstance(cell, str) and cell.strip():
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            remarks.append("the lessons of an earlier document cannot be read")
            return
    if isinstance(cell, list | pl.Series):
        yield from (each for each in cell if isinstance(each, Mapping))
    elif cell:
        remarks.append("the lessons of an earlier document cannot be read")


def _count(value: Any) -> int:
    """Return a count, whatever its type; 0 for what is none."""
    if isinstance(value, bool) or value is None:
        return 0
    try:
        number = int(float(clean(value)))
    except (ValueError, OverflowError):
        return 0
    return number if 0 < number < _MOST else 0


def _shown(value: Any, zone: ZoneInfo) -> str | None:
    """Return a time as documents show it; a text stays as it is."""
    if isinstance(value, datetime):
        moment = moment_of(value, zone)
        return moment.astimezone(zone).strftime("%H:%M, %d.%m.%Y") if moment else None
    return clean(value) or None


def _bounded(moment: datetime | None) -> datetime | None:
    return min(moment, _LATEST).replace(second=0, microsecond=0) if moment else None
