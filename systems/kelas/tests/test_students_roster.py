"""What goes back to the roster, and what a person is asked to decide."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from systems.kelas.rules.roster_warnings import RosterWarnings
from systems.kelas.rules.senders import BareMedia, UnknownSenders
from systems.kelas.rules.write_back import MovedOn, day_of, last_practice, moved_on, unreadable_days

from .student_frames import (
    DANA,
    DANA_SHOWN,
    LEVI,
    NO_DOCUMENTS,
    NOA,
    NOBODY,
    NOON,
    NOTHING,
    TRAINED,
    WORDS,
    aliases,
    archive,
    at,
    documents,
    messages,
    roster,
)

SENDERS = UnknownSenders(practice_words="תרגול, ✅", message_words="הודעה, שאלה")


def stats_of(people: pl.DataFrame, *sent: Any) -> pl.DataFrame:
    return WORDS(messages(*sent), people, NOTHING, NOBODY, NO_DOCUMENTS)


def written(cell: str | None, *sent: Any) -> list[str]:
    """Return what is written over a cell when practices were sent."""
    people = roster((DANA, "דנה לוי", "5", "רותי", cell))
    return last_practice(stats_of(people, *(sent or (NOON,))), people)["last_practice"].to_list()


@pytest.mark.parametrize(
    "cell", [None, "", " ", "\u200f", "31/01/2026", "1/2/2026", "01.02.2026", "2026-02-01", "1/2/26"]
)
def test_a_day_is_written_where_the_cell_is_empty_older_or_the_same(cell: str | None) -> None:
    assert written(cell) == ["01/02/2026"]


@pytest.mark.parametrize("cell", ["02/02/2026", "2/2/26", "2026-02-02", "01.03.2026", "1/1/2030"])
def test_a_date_is_never_moved_back(cell: str) -> None:
    assert written(cell) == []


@pytest.mark.parametrize("cell", ["soon", "13/25/2026", "31/02/2026", "#REF!", "=TODAY()", "46054", "1/2"])
def test_a_cell_that_is_no_date_is_left_alone_and_listed(cell: str) -> None:
    people = roster((DANA, "דנה לוי", "5", "רותי", cell))

    assert written(cell) == []
    assert unreadable_days(stats_of(people), people).rows() == [(DANA, "דנה לוי", cell)]


def test_the_day_is_that_of_the_schools_clock() -> None:
    late = at(13)

    assert written("", late) == ["02/02/2026"]


def test_who_has_not_practised_is_not_written_and_neither_is_who_is_gone() -> None:
    people = pl.concat([LEVI, roster((NOA, "נועה כהן", "3"), removed_at=at(1))])

    assert last_practice(stats_of(people, {"text": "שאלה"}), people).height == 0
    assert last_practice(stats_of(people, NOON), people)["phone_number"].to_list() == [DANA]


def test_rows_are_named_by_the_very_text_of_the_roster() -> None:
    people = roster(("\u200e+972 55-000-0101 ", "דנה  לוי", "5"))

    found = last_practice(stats_of(people, NOON), people)

    assert found.rows() == [("\u200e+972 55-000-0101 ", "דנה  לוי", "01/02/2026")]


def test_the_lesson_reached_goes_back_to_the_roster() -> None:
    people = roster((DANA, "דנה לוי", "5"), (NOA, "נועה כהן", None))
    stats = stats_of(people).with_columns(current_lesson=pl.lit("6"))

    assert moved_on(stats, people).rows() == [(DANA, "דנה לוי", "6")]
    assert MovedOn("3")(stats, people).rows() == [(DANA, "דנה לוי", "6")]
    assert MovedOn("3")(stats_of(people), people).height == 0


@pytest.mark.parametrize("advance_after", ["", "0"])
def test_the_roster_is_left_alone_where_nobody_is_to_be_moved_on(advance_after: str) -> None:
    people = roster((DANA, "דנה לוי", "5"))
    stats = stats_of(people).with_columns(current_lesson=pl.lit("6"))

    assert MovedOn(advance_after)(stats, people).height == 0


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("1/2/2026", date(2026, 2, 1)),
        ("01.02.26", date(2026, 2, 1)),
        ("1-2-2026 14:30", date(2026, 2, 1)),
        ("2026-02-01T00:00:00", date(2026, 2, 1)),
        ("2026/2/1", date(2026, 2, 1)),
        ("1/2-2026", None),
        ("0/2/2026", None),
        ("2026", None),
        (None, None),
    ],
)
def test_days_are_read_as_people_write_them_the_day_before_the_month(cell: str | None, day: date | None) -> None:
    assert day_of(cell) == day


def test_unknown_senders_are_listed_with_what_they_would_count() -> None:
    sent = messages(
        {"sender": "~ מישהי", "at": at(1)},
        {"sender": "~ מישהי", "text": "שלום", "at": at(2)},
        {"sender": "מישהי", "text": "הודעה ✅", "at": at(3)},
        {"sender": "אחר", "text": "שלום", "at": at(4)},
        {"sender": DANA_SHOWN},
    )

    found = SENDERS(sent, LEVI, NOTHING, NOBODY, NO_DOCUMENTS)

    assert found.columns == ["sender", "why", "messages", "practices", "first_at", "last_at", "candidates"]
    assert found.rows() == [
        ("מישהי", "unknown", 1, 2, at(1), at(3), None),
        ("אחר", "unknown", 0, 0, at(4), at(4), None),
    ]


def test_an_ambiguous_sender_is_listed_with_those_it_may_be() -> None:
    people = roster((DANA, "דנה לוי"), (DANA, "יעל לוי"))

    found = SENDERS(messages(NOON), people, NOTHING, NOBODY, NO_DOCUMENTS)

    assert found.select("sender", "why", "candidates").rows() == [(DANA_SHOWN, "ambiguous", "דנה לוי, יעל לוי")]


def test_a_sender_that_an_alias_settles_is_not_listed() -> None:
    called = aliases(("אמא", DANA, "דנה לוי"))

    assert SENDERS(messages({"sender": "אמא"}), LEVI, NOTHING, called, NO_DOCUMENTS).height == 0


def test_media_without_words_are_reported_for_each_student() -> None:
    photo = {"kind": "media", "text": "<Media omitted>"}

    found = BareMedia()(messages(photo, {**photo, "at": at(1)}, {"text": TRAINED}), LEVI, NOBODY)

    assert found.rows() == [(DANA, "דנה לוי", 2, at(1))]


def warned(
    people: pl.DataFrame,
    *,
    replaced: pl.DataFrame = NOTHING,
    called: pl.DataFrame = NOBODY,
    before: pl.DataFrame = NO_DOCUMENTS,
) -> list[tuple[str, str]]:
    return RosterWarnings()(people, replaced, called, before).select("what", "name").rows()


def test_a_sound_roster_has_no_warnings() -> None:
    assert warned(LEVI, called=aliases(("אמא", DANA, "דנה לוי"))) == []


def test_rows_that_make_counts_doubtful_are_listed() -> None:
    people = roster(
        (DANA, "דנה לוי", "5"),
        (DANA, "יעל לוי", "5"),
        (NOA, "נועה כהן", "5"),
        ("055-0000102", "נועה  כהן", "5"),
        ("#REF!", "גיל רז", ""),
        ("055-000-0103", None),
        (None, "חסר"),
    )

    assert warned(people) == [
        ("half-typed row", "חסר"),
        ("half-typed row", ""),
        ("no lesson", "גיל רז"),
        ("phone number cannot be read", "גיל רז"),
        ("phone number of several students", "דנה לוי"),
        ("phone number of several students", "יעל לוי"),
        ("row stands twice", "נועה כהן"),
        ("row stands twice", "נועה כהן"),
    ]


def test_aliases_that_do_nothing_are_listed() -> None:
    people = roster((DANA, "דנה לוי", "5"), (NOA, "נועה כהן", "5"))
    called = aliases(("אמא", DANA, "נועה כהן"), (NOA, DANA, None), ("אבא", DANA, None), ("~ אבא", NOA, None))

    assert [what for what, _ in warned(people, called=called)] == [
        "alias is not used",
        "alias of nobody",
        "aliases contradict each other",
    ]


def test_a_lesson_that_went_back_and_a_new_name_are_told() -> None:
    people = pl.concat([roster((DANA, "דנה לוי", "6"), removed_at=at(10)), roster((DANA, "דנה כהן", "5"))])
    replaced = archive((DANA, "דנה לוי", "6", "", at(10)))

    assert warned(people, replaced=replaced) == [("lesson went back", "דנה כהן"), ("renamed", "דנה כהן")]


def test_a_student_who_may_have_a_new_number_is_told_and_an_alias_joins_the_two() -> None:
    people = pl.concat([roster((NOA, "דנה לוי", "5"), removed_at=at(10)), LEVI])
    sent = messages({"sender": NOA})

    assert warned(people) == [("perhaps a new phone number", "דנה לוי")]
    assert SENDERS(sent, people, NOTHING, NOBODY, NO_DOCUMENTS)["why"].to_list() == ["former"]
    assert SENDERS(sent, people, NOTHING, aliases((NOA, DANA, "דנה לוי")), NO_DOCUMENTS).height == 0


def test_earlier_documents_that_cannot_be_read_whole_are_told() -> None:
    before = documents(
        {"uniq_id": "x", "name": "דנה לוי", "lessons": [{"lesson": None}, {"lesson": 5, "practice_count": 2}]}
    )

    assert warned(LEVI, before=before) == [("earlier document", "דנה לוי")] * 2
