"""Reports about students and about what the roster and the documents say differently."""

import json
from datetime import date
from typing import Any

import polars as pl
import pytest

from systems.kelas.rules.student_reports import differences, not_practised, per_lesson, per_teacher, unpaid_lessons

from .student_frames import (
    DANA,
    LEVI,
    NO_DOCUMENTS,
    NOA,
    NOA_SHOWN,
    NOBODY,
    NOON,
    NOTHING,
    WORDS,
    at,
    messages,
    roster,
)

PEOPLE = roster(
    (DANA, "דנה לוי", "5", "רותי"), (NOA, "נועה כהן", "10", "מיכל"), ("055-000-0103", "עומר רז", "5", "רותי")
)


def stats_of(*sent: Any, people: pl.DataFrame = PEOPLE) -> pl.DataFrame:
    return WORDS(messages(*sent), people, NOTHING, NOBODY, NO_DOCUMENTS)


STATS = stats_of(NOON, at(1), {"sender": NOA_SHOWN, "at": at(days=-20)}, {"text": "שאלה"})


def changed(**cells: Any) -> pl.DataFrame:
    """Return the documents as they should be, but for these cells of the first one."""
    first = STATS.filter(pl.col("name") == "דנה לוי").with_columns(
        **{k: pl.lit(v, pl.String) for k, v in cells.items()}
    )
    return pl.concat([first, STATS.filter(pl.col("name") != "דנה לוי")])


def entry(**more: Any) -> str:
    """Return the first document's lessons with one entry that differs."""
    there = json.loads(STATS.filter(pl.col("name") == "דנה לוי")["lessons"][0])
    return json.dumps([{**there[0], **more}], ensure_ascii=False)


def practised(people: pl.DataFrame) -> pl.DataFrame:
    """Return the roster with the days that are right."""
    days = {"דנה לוי": "01/02/2026", "נועה כהן": "12/01/2026"}
    return people.with_columns(
        last_practice=pl.col("name").replace_strict(days, default=None, return_dtype=pl.String)
    )


ROSTER = practised(PEOPLE)


def test_who_has_not_practised_for_so_many_days_is_listed_those_who_never_did_first() -> None:
    found = not_practised(STATS, now=at(days=1), timezone="Asia/Jerusalem", days=14)

    assert found.rows() == [
        ("עומר רז", "055-000-0103", "5", "רותי", None, None),
        ("נועה כהן", NOA, "10", "מיכל", date(2026, 1, 12), 21),
    ]


@pytest.mark.parametrize(("days", "names"), [(1, ["דנה לוי"]), (2, [])])
def test_days_are_those_of_the_calendar(days: int, names: list[str]) -> None:
    found = not_practised(stats_of(NOON, people=LEVI), now=at(12.5), timezone="Asia/Jerusalem", days=days)

    assert found["name"].to_list() == names


def test_practices_are_summed_up_per_teacher() -> None:
    assert per_teacher(STATS, now=NOON, timezone="Asia/Jerusalem").rows() == [
        ("מיכל", 1, 1, 0, at(days=-20)),
        ("רותי", 2, 2, 1, at(1)),
    ]


def test_practices_are_summed_up_per_lesson_in_the_order_of_numbers() -> None:
    assert per_lesson(STATS).select("lesson", "students", "practices", "messages").rows() == [
        ("5", 2, 2, 1),
        ("10", 1, 1, 0),
    ]


def test_lessons_that_nobody_has_paid_are_those_with_something_in_them() -> None:
    found = unpaid_lessons(STATS)

    assert found.select("name", "lesson", "practices").rows() == [("דנה לוי", "5", 2), ("נועה כהן", "10", 1)]


@pytest.mark.parametrize(
    ("paid", "is_listed"),
    [
        (True, False),
        ("yes", False),
        (1, False),
        ("12/3", False),
        (False, True),
        (None, True),
        ("", True),
        ("no", True),
        (0, True),
    ],
)
def test_paid_is_what_people_write(paid: Any, is_listed: bool) -> None:
    found = unpaid_lessons(changed(lessons=entry(paid=paid)))

    assert ("דנה לוי" in found["name"].to_list()) == is_listed


def test_documents_that_are_marked_as_removed_are_in_no_report() -> None:
    gone = STATS.with_columns(removed_at=pl.lit(at(1)))

    assert [report(gone).height for report in (unpaid_lessons, per_lesson, per_teacher)] == [0, 0, 0]


@pytest.mark.parametrize("lessons", [None, "", "{", "{}", "[1]", '[{"lesson": 5, "practice_count": "x"}]'])
def test_lessons_that_cannot_be_read_stop_no_report(lessons: str | None) -> None:
    odd = changed(lessons=lessons)

    assert unpaid_lessons(odd)["name"].to_list() == ["נועה כהן"]
    assert per_teacher(odd).height >= 1
    assert not_practised(odd, now=NOON, days=14).height == 2


def test_where_all_agree_there_is_no_difference() -> None:
    assert differences(ROSTER, STATS, STATS).rows() == []


def test_a_student_without_a_document_and_a_document_without_a_student_are_told() -> None:
    missing = changed(uniq_id="made-elsewhere", name="מישהו", phone_number="055-000-0177")

    found = differences(ROSTER, STATS, missing)

    assert found.select("what", "name", "phone_number").rows() == [
        ("document without roster row", "מישהו", "055-000-0177"),
        ("student missing in documents", "דנה לוי", DANA),
    ]


@pytest.mark.parametrize(
    ("cells", "field", "in_documents"),
    [
        ({"current_lesson": "4"}, "current_lesson", "4"),
        ({"last_practice_timedate": None}, "last_practice_timedate", None),
        ({"lessons": entry(practice_count=1)}, "lesson 5: practice_count", "1"),
        ({"lessons": entry(message_count=0)}, "lesson 5: message_count", "0"),
        ({"lessons": entry(teacher="מיכל")}, "lesson 5: teacher", "מיכל"),
        ({"lessons": entry(last_practice="09:00, 01.02.2026")}, "lesson 5: last_practice", "09:00, 01.02.2026"),
    ],
)
def test_a_field_that_differs_is_told_with_both_values(
    cells: dict[str, Any], field: str, in_documents: str | None
) -> None:
    found = differences(ROSTER, STATS, changed(**cells))

    assert found.select("what", "name", "field", "in_documents").rows() == [
        ("differs", "דנה לוי", field, in_documents)
    ]


def test_a_lesson_that_a_document_lacks_and_another_name_are_told() -> None:
    found = differences(ROSTER, STATS, changed(lessons="[]", name="דנה כהן"))

    assert found["what"].to_list() == ["lesson missing in document", "renamed"]


def test_what_people_own_and_types_make_no_difference() -> None:
    same = changed(lessons=entry(paid=True, lesson=5, practice_count=2.0, note="שולם"))

    assert differences(ROSTER, STATS, same).height == 0


def test_a_cell_of_the_roster_that_says_something_else_is_told() -> None:
    people = ROSTER.with_columns(
        last_practice=pl.when(pl.col("name") == "דנה לוי").then(pl.lit("31/01/2026")).otherwise("last_practice")
    )

    found = differences(people, STATS, STATS)

    assert found.select("field", "in_roster", "in_documents").rows() == [
        ("roster: last_practice", "31/01/2026", "01/02/2026")
    ]


def test_a_row_that_came_to_the_roster_since_is_told() -> None:
    people = pl.concat([ROSTER, roster(("055-000-0155", "חדשה", "1"))])

    assert differences(people, STATS, STATS)["what"].to_list() == ["roster row without document"]


def test_a_day_that_was_written_to_the_roster_since_it_was_read_is_no_difference() -> None:
    people = ROSTER.with_columns(
        last_practice=pl.when(pl.col("name") == "דנה לוי").then(pl.lit("31/01/2026")).otherwise("last_practice")
    )
    written = pl.DataFrame({"phone_number": [DANA], "name": ["דנה לוי"], "last_practice": ["01/02/2026"]})

    assert differences(people, STATS, STATS, written).height == 0


def test_a_student_who_was_taken_off_the_roster_is_no_difference() -> None:
    stats = STATS.with_columns(removed_at=pl.when(pl.col("name") == "דנה לוי").then(pl.lit(NOON)).otherwise(None))
    left = pl.col("name") != "דנה לוי"

    assert differences(ROSTER.filter(left), stats, stats).height == 0
