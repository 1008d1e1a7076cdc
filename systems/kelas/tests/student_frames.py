"""The tables that the students' rules read, from a few words. All names and numbers are made up."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from backhaul.formats.chat import fingerprints
from systems.kelas.rules.stats import StudentStats

MOMENT = pl.Datetime("us", "UTC")
NOON = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)
"""12:00 in Jerusalem, on a Sunday."""

DANA, NOA, OMER = "972 55-000-0101", "972 55-000-0102", "972 55-000-0103"
DANA_SHOWN, NOA_SHOWN, OMER_SHOWN = (f"+{number}" for number in (DANA, NOA, OMER))
TRAINED = "תרגול ✅"
WORDS = StudentStats(practice_words="תרגול, ✅", message_words="הודעה, שאלה")

_MESSAGE: dict[str, Any] = {
    "sender": DANA_SHOWN,
    "kind": "text",
    "text": TRAINED,
    "is_edited": False,
    "wa_id": None,
    "is_own": None,
    "is_truncated": None,
    "maybe_edit": None,
    "on_page": None,
    "in_export": None,
}
_MESSAGE_TYPES = {
    name: pl.Boolean() if name.startswith(("is_", "may", "on_", "in_")) else pl.String() for name in _MESSAGE
}


def at(hours: float = 0, *, days: int = 0) -> datetime:
    """Return a moment so long after NOON."""
    return NOON + timedelta(days=days, hours=hours)


def messages(*sent: dict[str, Any] | datetime) -> pl.DataFrame:
    """Return the table of messages, identities added; each a moment, or `at` and columns that differ from usual."""
    rows = [{"at": each} if isinstance(each, datetime) else each for each in sent]
    frame = pl.DataFrame(
        [{"sent_at": row.get("at", NOON), **_MESSAGE, **{k: v for k, v in row.items() if k != "at"}} for row in rows],
        schema=pl.Schema({"sent_at": MOMENT, **_MESSAGE_TYPES}),
    )
    return fingerprints(frame, chat="students")


def roster(*rows: tuple[str | None, ...], removed_at: datetime | None = None) -> pl.DataFrame:
    """Return the roster: phone_number, name, current_lesson, teacher, last_practice; the last may be left out."""
    names = ("phone_number", "name", "current_lesson", "teacher", "last_practice")
    whole = [(*row, *[None] * (len(names) - len(row))) for row in rows]
    frame = pl.DataFrame(whole, schema=dict.fromkeys(names, pl.String()), orient="row")
    return frame.with_columns(pl.lit(removed_at, MOMENT).alias("removed_at"))


def archive(*rows: tuple[str, str, str | None, str | None, datetime]) -> pl.DataFrame:
    """Return the roster's archive: phone_number, name, current_lesson, teacher, and when that was replaced."""
    schema = pl.Schema(
        {
            "phone_number": pl.String(),
            "name": pl.String(),
            "current_lesson": pl.String(),
            "teacher": pl.String(),
            "_archived_at": MOMENT,
        }
    )
    return pl.DataFrame(rows, schema=schema, orient="row")


def aliases(*rows: tuple[str, str | None, str | None]) -> pl.DataFrame:
    """Return the aliases: sender, phone_number, name."""
    return pl.DataFrame(rows, schema=dict.fromkeys(("sender", "phone_number", "name"), pl.String()), orient="row")


def documents(*found: dict[str, Any]) -> pl.DataFrame:
    """Return documents that were there before, as MongoDB's source gives them: lessons as JSON text."""
    names = (
        "uniq_id",
        "phone_number",
        "name",
        "current_lesson",
        "total_messages",
        "last_message_timedate",
        "last_practice_timedate",
        "lessons",
    )
    rows = [
        {name: json.dumps(each[name]) if name == "lessons" and name in each else each.get(name) for name in names}
        for each in found
    ]
    return pl.DataFrame(rows, schema=names, strict=False)


LEVI = roster((DANA, "דנה לוי", "5", "רותי"))
NOBODY = aliases()
NOTHING = archive()
NO_DOCUMENTS = pl.DataFrame()


def computed(
    sent: pl.DataFrame,
    people: pl.DataFrame = LEVI,
    *,
    replaced: pl.DataFrame = NOTHING,
    called: pl.DataFrame = NOBODY,
    before: pl.DataFrame = NO_DOCUMENTS,
    rules: StudentStats = WORDS,
) -> dict[str, dict[str, Any]]:
    """Return the computed documents by the student's name, their lessons as `entries` by lesson."""
    found = {}
    for row in rules(sent, people, replaced, called, before).iter_rows(named=True):
        entries = {str(each["lesson"]): each for each in json.loads(row["lessons"])}
        assert row["name"] not in found
        found[row["name"]] = {**row, "entries": entries}
    return found


def practices(found: dict[str, Any]) -> dict[str, int]:
    """Return the practices of one computed document by lesson."""
    return {lesson: each["practice_count"] for lesson, each in found["entries"].items()}
