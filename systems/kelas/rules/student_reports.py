"""Reports about students: pure functions of what was computed, and of what the documents and the roster say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

TIMEZONE = "Asia/Jerusalem"
_COUNTS = ("practice_count", "message_count")
_LESSON_FIELDS = ("teacher", *_COUNTS, "last_practice")
_PLAIN_FIELDS = ("current_lesson", "last_practice_timedate", "last_message_timedate")

Difference = tuple[str, str | None, str | None, str, str | None, str | None]
"""What, phone_number, name, field, in_roster, in_documents."""


def not_practised(stats: pl.DataFrame, *, now: datetime, timezone: str = TIMEZONE, days: int = 14) -> pl.DataFrame:
    """Return the students who have not practised in the last `days` days, those who never have first.

    The columns are name, phone_number, current_lesson, teacher, last_practice (a day) and days_ago. Days are those of
    the calendar in timezone: who practised yesterday, at whatever time, practised 1 day ago.
    """
    import polars as pl

    from .earlier import moment_of

    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    rows = []
    for row in _there(stats).iter_rows(named=True):
        moment = moment_of(row["last_practice_timedate"], zone)
        day = moment.astimezone(zone).date() if moment else None
        if day is None or today - day >= timedelta(days=max(days, 1)):
            teacher = _current(row).get("teacher")
            ago = (today - day).days if day else None
            rows.append((row["name"], row["phone_number"], row["current_lesson"], teacher, day, ago))
    schema = pl.Schema(
        {
            "name": pl.String(),
            "phone_number": pl.String(),
            "current_lesson": pl.String(),
            "teacher": pl.String(),
            "last_practice": pl.Date(),
            "days_ago": pl.Int64(),
        }
    )
    found = pl.DataFrame(rows, schema=schema, orient="row")
    return found.sort("last_practice", "name", "phone_number", nulls_last=False)


def per_teacher(stats: pl.DataFrame, *, now: datetime | None = None, timezone: str = TIMEZONE) -> pl.DataFrame:
    """Return teacher, students (on a lesson of this teacher now), practices, messages, last_practice (a time).

    Practices count to the teacher of the lesson that they were sent in; a teacher who is not named is null.
    """
    import polars as pl

    teacher = pl.when(pl.col("teacher") != "").then("teacher").alias("teacher")
    return _gathered(_lessons(stats, ZoneInfo(timezone)).with_columns(teacher), "teacher")


def per_lesson(stats: pl.DataFrame, *, now: datetime | None = None, timezone: str = TIMEZONE) -> pl.DataFrame:
    """Return lesson, students (on it now), practices, messages, last_practice (a time); lessons in their order."""
    import polars as pl

    found = _gathered(_lessons(stats, ZoneInfo(timezone)), "lesson")
    number = pl.col("lesson").cast(pl.Float64, strict=False)
    return found.sort(number, "lesson", nulls_last=True)


def unpaid_lessons(documents: pl.DataFrame, *, now: datetime | None = None, timezone: str = TIMEZONE) -> pl.DataFrame:
    """Return the lessons with practices or messages whose `paid` is not true, as the documents have them now.

    The columns are name, phone_number, lesson, teacher, practices, messages, last_practice (a time). `paid` is what
    people write: true, 1 and yes are paid, and whatever else says neither no nor nothing, such as a date.
    """
    import polars as pl

    rows = _lessons(documents, ZoneInfo(timezone))
    return (
        rows.filter(~pl.col("is_paid"), (pl.col("practices") > 0) | (pl.col("messages") > 0))
        .select("name", "phone_number", "lesson", "teacher", "practices", "messages", "last_practice")
        .sort("name", "phone_number", "lesson", nulls_last=True)
    )


def differences(
    roster: pl.DataFrame,
    stats: pl.DataFrame,
    documents: pl.DataFrame,
    written: pl.DataFrame | None = None,
    *,
    now: datetime | None = None,
    timezone: str = TIMEZONE,
) -> pl.DataFrame:
    """Return where the roster, what was computed from it and the documents say different things; none is all well.

    One row a difference: what, phone_number, name, field, in_roster (of counts and times: as computed), in_documents.
    What is `student missing in documents`, `document without roster row`, `renamed`, `differs`, or `lesson missing in
    document`. `paid` and other fields of people are not looked at, and neither are entries that only a document has.
    `written` are the days that were written to the roster since it was read (as `write_back.last_practice` gives
    them): they are no difference.
    """
    import polars as pl

    stats = _there(stats)
    there = {row["uniq_id"]: row for row in _there(documents).iter_rows(named=True)}
    found: list[Difference] = []
    for row in stats.iter_rows(named=True):
        document = there.pop(row["uniq_id"], None)
        if document is None:
            key = row["phone_number"], row["name"]
            found.append(("student missing in documents", *key, "", row["uniq_id"], None))
        else:
            found += _of_document(row, document)
    for document in there.values():
        key = _text(document.get("phone_number")), _text(document.get("name"))
        found.append(("document without roster row", *key, "", None, _text(document["uniq_id"])))
    found += _of_roster(roster, stats, ZoneInfo(timezone), _written(written))
    names = ("what", "phone_number", "name", "field", "in_roster", "in_documents")
    return pl.DataFrame(found, schema=dict.fromkeys(names, pl.String()), orient="row").sort(names, nulls_last=True)


def _of_document(row: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Difference]:
    from .earlier import lesson_key
    from .words import clean

    key = row["phone_number"], row["name"]
    if clean(row["name"]) != clean(document.get("name")):
        yield "renamed", *key, "name", row["name"], _text(document.get("name"))
    for name in _PLAIN_FIELDS:
        ours, theirs = lesson_key(row[name]), lesson_key(document.get(name))
        if ours != theirs:
            yield "differs", *key, name, ours or None, theirs or None
    entries = {lesson_key(each.get("lesson")): each for each in _entries(document.get("lessons"))}
    for entry in _entries(row["lessons"]):
        lesson = lesson_key(entry["lesson"])
        if lesson not in entries:
            yield "lesson missing in document", *key, f"lesson {lesson}", lesson, None
            continue
        for name in _LESSON_FIELDS:
            told, shown = _told(entry, name), _told(entries[lesson], name)
            if told != shown:
                yield "differs", *key, f"lesson {lesson}: {name}", told, shown


def _written(days: pl.DataFrame | None) -> dict[tuple[str, str], str]:
    from .words import clean

    rows = () if days is None else _there(days).iter_rows(named=True)
    return {(clean(row["phone_number"]), clean(row["name"])): row["last_practice"] for row in rows}


def _of_roster(
    roster: pl.DataFrame, stats: pl.DataFrame, zone: ZoneInfo, written: Mapping[tuple[str, str], str]
) -> Iterator[Difference]:
    """Yield where the roster's own cells say something else than what was computed from it."""
    from .earlier import lesson_key, moment_of
    from .words import clean
    from .write_back import DAY_FORM, day_of

    computed = {(clean(row["phone_number"]), clean(row["name"])): row for row in stats.iter_rows(named=True)}
    for row in _there(roster).iter_rows(named=True):
        key = clean(row["phone_number"]), clean(row["name"])
        if not all(key):
            continue
        found = computed.get(key)
        if found is None:
            yield "roster row without document", *key, "", row["name"], None
            continue
        lesson = lesson_key(row.get("current_lesson"))
        if lesson and lesson != lesson_key(found["current_lesson"]):
            yield "differs", *key, "roster: current_lesson", lesson, found["current_lesson"]
        moment = moment_of(found["last_practice_timedate"], zone)
        practised = moment.astimezone(zone).strftime(DAY_FORM) if moment else None
        cell, day = clean(row.get("last_practice")) or None, day_of(row.get("last_practice"))
        if practised not in (day.strftime(DAY_FORM) if day else cell, written.get(key)):
            yield "differs", *key, "roster: last_practice", cell, practised


def _lessons(frame: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """Return one row for each entry of each document or row of statistics."""
    import polars as pl

    from .earlier import lesson_key, moment_of
    from .words import clean

    rows = []
    for row in _there(frame).iter_rows(named=True):
        for entry in _entries(row.get("lessons")):
            lesson = lesson_key(entry.get("lesson"))
            rows.append(
                {
                    "name": _text(row.get("name")),
                    "phone_number": _text(row.get("phone_number")),
                    "lesson": lesson or None,
                    "teacher": clean(entry.get("teacher")) or None,
                    "practices": _number(entry.get("practice_count")),
                    "messages": _number(entry.get("message_count")),
                    "last_practice": moment_of(entry.get("last_practice"), zone),
                    "is_paid": _is_paid(entry.get("paid")),
                    "is_current": lesson == lesson_key(row.get("current_lesson")),
                }
            )
    text, number, truth = pl.String(), pl.Int64(), pl.Boolean()
    schema: dict[str, pl.DataType] = dict.fromkeys(("name", "phone_number", "lesson", "teacher"), text)
    schema |= {"practices": number, "messages": number, "last_practice": pl.Datetime("us", "UTC")}
    schema |= {"is_paid": truth, "is_current": truth}
    return pl.DataFrame(rows, schema=schema)


def _gathered(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    import polars as pl

    return (
        rows.group_by(by)
        .agg(
            students=pl.col("is_current").sum().cast(pl.Int64),
            practices=pl.col("practices").sum(),
            messages=pl.col("messages").sum(),
            last_practice=pl.col("last_practice").max(),
        )
        .sort(by, nulls_last=True)
    )


def _there(frame: pl.DataFrame) -> pl.DataFrame:
    """Return frame without rows, or documents, that are marked as removed."""
    import polars as pl

    return frame.filter(pl.col("removed_at").is_null()) if "removed_at" in frame.columns else frame


def _current(row: Mapping[str, Any]) -> Mapping[str, Any]:
    from .earlier import lesson_key

    wanted = lesson_key(row["current_lesson"])
    return next((each for each in _entries(row["lessons"]) if lesson_key(each.get("lesson")) == wanted), {})


def _entries(cell: Any) -> list[Mapping[str, Any]]:
    """Return the entries of a cell of lessons; a cell that cannot be read has none."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return []
    return [each for each in cell if isinstance(each, Mapping)] if isinstance(cell, list) else []


def _told(entry: Mapping[str, Any], name: str) -> str | None:
    from .words import clean

    value = entry.get(name)
    return str(_number(value)) if name in _COUNTS else clean(value) or None


def _number(value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _is_paid(value: Any) -> bool:
    shown = str(value).strip().lower()
    return value is not None and shown not in ("", "false", "no", "0", "0.0", "none", "null", "לא")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def senders(unknown: pl.DataFrame, *, now: datetime | None = None, timezone: str = TIMEZONE) -> pl.DataFrame:
    """Return who is nobody, or more than one, on the roster: those that a row in `aliases` would settle."""
    return _there(unknown).drop("removed_at", strict=False)


@dataclass(frozen=True)
class Timeless:
    """A computation that looks at no clock, to be shown as a report."""

    build: Callable[..., pl.DataFrame]

    def __call__(self, *tables: pl.DataFrame, now: datetime | None = None, timezone: str = TIMEZONE) -> pl.DataFrame:
        """Return what is computed of the tables."""
        return self.build(*tables)
