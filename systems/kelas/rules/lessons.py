"""The lesson that a student was on when a message was sent, as the roster and its archive tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from .earlier import lesson_key
from .identity import Person
from .people import STUDENT
from .words import clean

MOMENT = pl.Datetime("us", "UTC")
UNTIL, LESSON, TEACHER = "until", "lesson", "teacher"
ENDLESS = datetime(9999, 1, 1, tzinfo=UTC)


def spans(found: Sequence[Person], archive: pl.DataFrame) -> pl.DataFrame:
    """Return which lesson each student was on until when: student, until (UTC), lesson, teacher, in this order.

    What stood in the roster first holds for all time before. Where no lesson stood, the next one that did holds, else
    the last, else that of the document that was there before; a student who never had any has no row.
    """
    places = {
        (row["phone_number"], row["name"]): number
        for number, person in enumerate(found)
        for row in (person.row, *person.former_rows)
    }
    ended: list[list[tuple[datetime, str, str]]] = [[] for _ in found]
    for phone, name, lesson, teacher, at in _replaced(archive):
        if (place := places.get((clean(phone), clean(name)))) is not None and at is not None:
            ended[place].append((at, clean(lesson), clean(teacher)))
    rows = [
        (person.row[STUDENT], *each)
        for person, before in zip(found, ended, strict=True)
        for each in _filled(person, sorted(before, key=lambda span: span[0]))
    ]
    schema = pl.Schema({STUDENT: pl.Int64(), UNTIL: MOMENT, LESSON: pl.String(), TEACHER: pl.String()})
    return pl.DataFrame(rows, schema=schema, orient="row")


def at_their_time(messages: pl.DataFrame, timeline: pl.DataFrame) -> pl.DataFrame:
    """Return messages (with student and sent_at) with `lesson` and `until` of their span; null without one."""
    ends = timeline.select(STUDENT, UNTIL, LESSON).sort(UNTIL)
    return messages.sort("sent_at").join_asof(
        ends, left_on="sent_at", right_on=UNTIL, by=STUDENT, strategy="forward", check_sortedness=False
    )


def advanced(messages: pl.DataFrame, counted_before: Mapping[tuple[int, str], int], most: int) -> pl.DataFrame:
    """Return messages (n, with `lesson` and `until` as `at_their_time` gives them) moved on after `most` practices.

    On a lesson that is a number, each `most` practices lead to the next one, until the roster says another; a person
    who sets a student back to a lesson that was done starts it anew. counted_before has practices by student and
    lesson. The column `on` is the lesson after the message.
    """
    state = _Advance(counted_before, most)
    ordered = messages.sort(STUDENT, "sent_at", "fingerprint", "occurrence")
    columns = (STUDENT, UNTIL, LESSON, "is_practice")
    moved = [state.moved(*row) for row in ordered.select(columns).iter_rows()]
    return ordered.with_columns(
        pl.Series(LESSON, [each[0] for each in moved], dtype=pl.String),
        pl.Series("on", [each[1] for each in moved], dtype=pl.String),
    )


class _Advance:
    """Takes messages in the order of students and of time, and knows how far each student has come."""

    def __init__(self, counted_before: Mapping[tuple[int, str], int], most: int) -> None:
        self._before = counted_before
        self._most = most
        self._done: dict[tuple[int, str], int] = {}
        self._now: dict[int, tuple[datetime, str]] = {}

    def moved(
        self, student: int, until: datetime, lesson: str | None, is_practice: bool
    ) -> tuple[str | None, str | None]:
        """Return the lesson that a message counts to, and the one after it; lesson is the roster's."""
        if lesson is None or not _is_number(lesson):
            self._now.pop(student, None)
            return lesson, lesson
        span, on = self._now.get(student, (None, lesson))
        if span != until:
            on = lesson
            self._begin(student, on)
        counts_to = on
        if is_practice:
            self._done[student, on] += 1
            if self._done[student, on] >= self._most:
                on = str(int(on) + 1)
                self._begin(student, on)
        self._now[student] = until, on
        return counts_to, on

    def _begin(self, student: int, lesson: str) -> None:
        """Go on with a lesson where it was left; one that was done begins anew."""
        done = self._done.get((student, lesson), self._before.get((student, lesson), 0))
        self._done[student, lesson] = done if done < self._most else 0


def went_back(timeline: pl.DataFrame) -> pl.DataFrame:
    """Return the students of `spans` whose lesson, a number, has become a smaller one: student, times."""
    number = pl.col(LESSON).cast(pl.Int64, strict=False)
    return (
        timeline.with_columns(is_back=(number < number.shift(1)).over(STUDENT))
        .group_by(STUDENT)
        .agg(times=pl.col("is_back").sum())
        .filter(pl.col("times") > 0)
        .sort(STUDENT)
    )


def _filled(person: Person, before: list[tuple[datetime, str, str]]) -> Iterable[tuple[datetime, str, str]]:
    """Return the spans of one person with a lesson each."""
    row = person.row
    all_of_them = [*before, (ENDLESS, row["current_lesson"], row["teacher"])]
    known = [lesson_key(lesson) for _, lesson, _ in all_of_them]
    following = person.before.current_lesson if person.before else ""
    following = next((lesson for lesson in reversed(known) if lesson), following)
    lessons = []
    for lesson in reversed(known):
        following = lesson or following
        lessons.append(following)
    for (until, _, teacher), lesson in zip(all_of_them, reversed(lessons), strict=True):
        if lesson:
            yield until, lesson, teacher


def _replaced(archive: pl.DataFrame) -> Iterable[tuple[str, str, str, str, datetime | None]]:
    wanted = ("phone_number", "name", "current_lesson", "teacher", "_archived_at")
    if not archive.height or any(name not in archive.columns for name in wanted):
        return ()
    return archive.select(wanted).iter_rows()


def _is_number(lesson: str) -> bool:
    return lesson.isascii() and lesson.isdigit()
