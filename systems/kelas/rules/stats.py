"""What each student has practised and written, per lesson, as the documents in MongoDB have it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backhaul import ConfigError

from .said import TIME_FORM, Said, number_of, text_of, yes_of, zone_of
from .words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    import polars as pl

    from .earlier import Entry
    from .identity import Person

COLUMNS = (
    "uniq_id",
    "phone_number",
    "phone_digits",
    "name",
    "current_lesson",
    "last_message_timedate",
    "last_practice_timedate",
    "lessons",
)
_PER_LESSON = ("practices", "messages", "first", "last")


@dataclass(frozen=True)
class Words:
    """Which words make a message count, as practice or as message.

    Args:
        practice: comma-separated; the messages that hold one of them are practices.
        message: the same for messages.
        both: whether a message that holds a word of each kind counts in both; else it is a practice only.
        whole_words: `yes` where nothing but spaces and signs may stand beside a word.
        media_as_practice: `yes` where media without a word below them count as practice.
    """

    practice: Said
    message: Said
    both: bool = True
    whole_words: Said = "no"
    media_as_practice: Said = "no"

    def __post_init__(self) -> None:
        """Raise ConfigError for a text in which no word is left: nothing would count."""
        for name, said in (("PRACTICE_WORDS", self.practice), ("MESSAGE_WORDS", self.message)):
            if isinstance(said, str) and said and not listed(said):
                raise ConfigError(f"{name} holds no word", next_step="Put words into it, with commas between.")

    def told(self, counted: pl.DataFrame) -> pl.DataFrame:
        """Return counted messages with the columns is_practice and is_message. Raises ConfigError."""
        from .words import folded, holds

        texts, is_whole = folded(counted["text"]), yes_of(self.whole_words, "whole_words")
        is_practice = holds(texts, text_of(self.practice), whole_words=is_whole)
        is_message = holds(texts, text_of(self.message), whole_words=is_whole)
        if yes_of(self.media_as_practice, "media_as_practice"):
            is_practice = is_practice | counted["is_bare_media"]
        if not self.both:
            is_message = is_message & ~is_practice
        return counted.with_columns(is_practice.alias("is_practice"), is_message.alias("is_message"))


@dataclass(frozen=True)
class StudentStats:
    """Computes the documents of all students on the roster from the messages that are kept; pure.

    A message counts to the lesson that the roster showed when it was sent. Counts begin with those of the documents
    that were there before (`before`), to which only later messages are added, so that none counts twice.

    Args:
        practice_words, message_words, both, whole_words, media_as_practice: as in `Words`.
        timezone: the clock of the times in documents.
        region: the country of phone numbers without a country code.
        uniq_id_style: `digits`, or `as_written` for ids made of the phone as the roster shows it.
        advance_after: after how many practices a student is on the next lesson, where lessons are numbers; empty:
            only the roster says so.
    """

    practice_words: Said
    message_words: Said
    timezone: Said = "Asia/Jerusalem"
    region: Said = "IL"
    uniq_id_style: Said = "digits"
    advance_after: Said = ""
    both: bool = True
    whole_words: Said = "no"
    media_as_practice: Said = "no"

    @property
    def words(self) -> Words:
        """The words that count."""
        return Words(self.practice_words, self.message_words, self.both, self.whole_words, self.media_as_practice)

    def __call__(
        self,
        messages: pl.DataFrame,
        roster: pl.DataFrame,
        roster_archive: pl.DataFrame,
        aliases: pl.DataFrame,
        before: pl.DataFrame,
    ) -> pl.DataFrame:
        """Return one row for each student on the roster, with COLUMNS: all text, null where nothing has happened.

        `lessons` is a JSON list with an object for each lesson: lesson, teacher, practice_count, first_practice,
        last_practice, message_count, and paid, which is always false: it is for new entries only.
        Raises ConfigError for settings.
        """
        from .earlier import earlier
        from .identity import persons, with_former_names
        from .lessons import spans
        from .messages import counted_messages
        from .people import matched

        zone, region = zone_of(self.timezone), text_of(self.region)
        style = text_of(self.uniq_id_style)
        found = persons(roster, roster_archive, earlier(before, zone, region), region=region, style=style)
        timeline = spans(found, roster_archive)
        told = self.words.told(matched(counted_messages(messages), roster, with_former_names(aliases, found), region))
        counted = _later(told, found)
        by_lesson, on = self._counted(counted, timeline, found)
        return _documents(found, timeline, _Sums.of(counted, by_lesson, zone), on)

    def _counted(
        self, counted: pl.DataFrame, timeline: pl.DataFrame, found: Sequence[Person]
    ) -> tuple[pl.DataFrame, Mapping[int, str]]:
        """Return the messages with their lesson, and the lessons of students who were moved on."""
        import polars as pl

        from .lessons import ENDLESS, advanced, at_their_time
        from .people import STUDENT

        placed = at_their_time(counted, timeline)
        if not (most := number_of(self.advance_after, "advance_after")):
            return placed, {}
        had = {
            (person.row[STUDENT], lesson): entry.practices
            for person in found
            if person.before
            for lesson, entry in person.before.lessons.items()
        }
        moved = advanced(placed, had, most)
        last = moved.unique(STUDENT, keep="last", maintain_order=True).filter(pl.col("until") == ENDLESS)
        return moved, dict(last.filter(pl.col("on").is_not_null()).select(STUDENT, "on").iter_rows())


@dataclass(frozen=True)
class _Sums:
    """Counts and times, as text, of the messages that are added to what was there before."""

    by_lesson: Mapping[int, Mapping[str, Mapping[str, Any]]]
    last_practice: Mapping[int, str]
    last_message: Mapping[int, str]

    @classmethod
    def of(cls, counted: pl.DataFrame, by_lesson: pl.DataFrame, zone: ZoneInfo) -> _Sums:
        import polars as pl

        from .people import STUDENT

        practised = pl.col("sent_at").filter("is_practice")
        sums = (
            by_lesson.filter(pl.col("lesson").is_not_null())
            .group_by(STUDENT, "lesson")
            .agg(
                practices=pl.col("is_practice").sum(),
                messages=pl.col("is_message").sum(),
                first=practised.min(),
                last=practised.max(),
            )
            .sort(STUDENT, "first", "lesson")
            .with_columns(_shown(name, zone) for name in ("first", "last"))
        )
        found: dict[int, dict[str, Mapping[str, Any]]] = {}
        for row in sums.iter_rows(named=True):
            found.setdefault(row[STUDENT], {})[row["lesson"]] = row
        last = {}
        for name in ("is_practice", "is_message"):
            latest = counted.filter(name).group_by(STUDENT).agg(pl.col("sent_at").max())
            last[name] = dict(latest.select(STUDENT, _shown("sent_at", zone)).iter_rows())
        return cls(found, last["is_practice"], last["is_message"])


def _shown(name: str, zone: ZoneInfo) -> pl.Expr:
    import polars as pl

    return pl.col(name).dt.convert_time_zone(zone.key).dt.strftime(TIME_FORM)


def _later(told: pl.DataFrame, found: Sequence[Person]) -> pl.DataFrame:
    """Return the counting messages of students that their earlier documents have not counted, by the minute."""
    import polars as pl

    from .lessons import MOMENT
    from .people import STUDENT

    known = [(each.row[STUDENT], each.before.practised_at, each.before.wrote_at) for each in found if each.before]
    schema = pl.Schema({STUDENT: pl.Int64(), "practised_at": MOMENT, "wrote_at": MOMENT})
    counting = told.filter(pl.col(STUDENT).is_not_null(), pl.col("is_practice") | pl.col("is_message"))
    joined = counting.join(pl.DataFrame(known, schema=schema, orient="row"), on=STUDENT, how="left")

    def is_later(kind: str, counted_to: str) -> pl.Expr:
        return pl.col(kind) & (pl.col(counted_to).is_null() | (pl.col("minute") > pl.col(counted_to)))

    later = joined.with_columns(
        is_practice=is_later("is_practice", "practised_at"), is_message=is_later("is_message", "wrote_at")
    )
    return later.filter(pl.col("is_practice") | pl.col("is_message")).drop("practised_at", "wrote_at")


def _documents(
    found: Sequence[Person], timeline: pl.DataFrame, sums: _Sums, moved: Mapping[int, str]
) -> pl.DataFrame:
    import polars as pl

    from .people import STUDENT

    taught: dict[int, dict[str, str | None]] = {}
    current: dict[int, str] = {}
    for student, lesson, teacher in timeline.select(STUDENT, "lesson", "teacher").iter_rows():
        teachers = taught.setdefault(student, {})
        teachers[lesson] = teacher or teachers.get(lesson)
        current[student] = lesson
    rows = []
    for person in found:
        student, before, row = person.row[STUDENT], person.before, person.row
        lesson = moved.get(student, current.get(student))
        teachers = taught.get(student, {})
        last_message = sums.last_message.get(student) or (before.last_message if before else None)
        last_practice = sums.last_practice.get(student) or (before.last_practice if before else None)
        counts = sums.by_lesson.get(student, {})
        # Lessons that a student was moved on to are taught by the present teacher.
        for other in (*counts, *([lesson] if lesson else [])):
            teachers.setdefault(other, row["teacher"] or None)
        entries = _entries(before.lessons if before else {}, teachers, counts)
        lessons = json.dumps(entries, ensure_ascii=False)
        digits = row["digits"] or None
        rows.append(
            (person.uniq_id, row["phone_number"], digits, row["name"], lesson, last_message, last_practice, lessons)
        )
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _entries(
    before: Mapping[str, Entry], teachers: Mapping[str, str | None], counts: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the entries of one student: those that were there before, then the roster's, then what was moved to."""
    nothing: Mapping[str, Any] = dict.fromkeys(_PER_LESSON)
    found = []
    for lesson in dict.fromkeys([*before, *teachers]):
        had, new = before.get(lesson), counts.get(lesson, nothing)
        found.append(
            {
                "lesson": had.lesson if had else lesson,
                "teacher": teachers.get(lesson) or (had.teacher if had else None),
                "practice_count": (had.practices if had else 0) + (new["practices"] or 0),
                "first_practice": (had.first if had else None) or new["first"],
                "last_practice": new["last"] or (had.last if had else None),
                "message_count": (had.messages if had else 0) + (new["messages"] or 0),
                "paid": False,
            }
        )
    return found
