"""The change-over: counts of the documents that were there go on, and each message counts once."""

from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from systems.kelas.rules.earlier import lesson_key, moment_of

from .student_frames import DANA, NOON, archive, at, computed, documents, messages, practices, roster

ID = md5("972550000101_דנה לוי".encode()).hexdigest()
ZONE = ZoneInfo("Asia/Jerusalem")


def entry(lesson: Any = "5", practice_count: Any = 7, **more: Any) -> dict[str, Any]:
    return {
        "lesson": lesson,
        "teacher": "מיכל",
        "practice_count": practice_count,
        "message_count": 2,
        "paid": True,
        **more,
    }


def document(*lessons: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a document whose last practice and message were at 12:00 of the first day."""
    times = {"last_practice_timedate": "12:00, 01.02.2026", "last_message_timedate": "12:00, 01.02.2026"}
    usual = {"uniq_id": ID, "phone_number": DANA, "name": "דנה לוי", "current_lesson": "5", **times}
    return {**usual, "lessons": list(lessons or (entry(),)), **more}


def after(*sent: Any, **more: Any) -> dict[str, Any]:
    found = computed(messages(*sent), before=documents(document(**more)))
    return found["דנה לוי"]


def test_only_messages_of_a_later_minute_are_added() -> None:
    found = after(at(-1), NOON, NOON.replace(second=59), NOON.replace(minute=1), at(2))

    assert practices(found) == {"5": 9}
    assert found["last_practice_timedate"] == "14:00, 01.02.2026"


def test_practices_and_messages_have_a_time_of_their_own() -> None:
    sent = [{"text": text, "at": at(hours)} for text in ("תרגול", "שאלה") for hours in (1, 3)]

    found = after(*sent, last_practice_timedate="14:00, 01.02.2026")

    assert (practices(found), found["entries"]["5"]["message_count"]) == ({"5": 8}, 4)


def test_what_a_document_knew_is_kept_where_nothing_has_happened_since() -> None:
    known = entry(first_practice="08:00, 01.01.2026", last_practice="12:00, 01.02.2026")

    found = computed(messages(), roster((DANA, "דנה לוי", "5", "")), before=documents(document(known)))["דנה לוי"]

    assert found["last_practice_timedate"] == found["last_message_timedate"] == "12:00, 01.02.2026"
    kept = ("teacher", "practice_count", "first_practice", "last_practice", "message_count")
    assert [found["entries"]["5"][name] for name in kept] == ["מיכל", 7, "08:00, 01.01.2026", "12:00, 01.02.2026", 2]


def test_the_first_practice_stays_and_the_last_one_moves() -> None:
    known = entry(first_practice="08:00, 01.01.2026", last_practice="12:00, 01.02.2026")

    found = computed(messages(at(2)), before=documents(document(known)))["דנה לוי"]["entries"]["5"]

    assert (found["first_practice"], found["last_practice"]) == ("08:00, 01.01.2026", "14:00, 01.02.2026")


def test_entries_of_lessons_that_the_roster_never_showed_stay() -> None:
    found = computed(messages(at(2)), before=documents(document(entry("3", 9), entry("5", 7))))["דנה לוי"]

    assert practices(found) == {"3": 9, "5": 8}


def test_a_lesson_that_is_a_number_there_is_the_rosters_text_and_stays_a_number() -> None:
    found = computed(messages(at(2)), before=documents(document(entry(5), entry(4.0, 1), current_lesson=5)))[
        "דנה לוי"
    ]

    assert [each["lesson"] for each in found["entries"].values()] == [5, 4.0]
    assert practices(found) == {"5": 8, "4.0": 1}


@pytest.mark.parametrize("count", ["7", 7.0, " 7 ", "7.0"])
def test_counts_may_be_of_any_type(count: Any) -> None:
    assert practices(computed(messages(), before=documents(document(entry("5", count))))["דנה לוי"]) == {"5": 7}


@pytest.mark.parametrize("count", [None, "", "many", True, -3, [], "NaN", "1e999"])
def test_what_is_no_count_is_none(count: Any) -> None:
    assert practices(computed(messages(), before=documents(document(entry("5", count))))["דנה לוי"]) == {"5": 0}


def test_the_total_of_messages_is_the_current_lessons_where_no_lesson_counts_them() -> None:
    bare = [{"lesson": "4", "practice_count": 3}, {"lesson": "5", "practice_count": 1}]
    found = computed(messages(), before=documents(document(*bare, total_messages=12)))["דנה לוי"]

    assert {lesson: each["message_count"] for lesson, each in found["entries"].items()} == {"4": 0, "5": 12}
    assert "total_messages" not in found


def test_the_total_counts_to_the_lesson_of_the_document_though_the_roster_has_gone_on() -> None:
    before = documents({**document(total_messages="12", current_lesson="4"), "lessons": []})

    found = computed(messages(), before=before)["דנה לוי"]["entries"]

    assert {lesson: each["message_count"] for lesson, each in found.items()} == {"4": 12, "5": 0}


def test_the_total_is_left_alone_where_lessons_count_their_messages() -> None:
    found = computed(messages(), before=documents(document(total_messages=99)))["דנה לוי"]

    assert found["entries"]["5"]["message_count"] == 2


@pytest.mark.parametrize("lessons", [None, "", "no list", "{", "[1, null, [2]]", "{}", "[{}]", '[{"lesson": null}]'])
def test_lessons_that_cannot_be_read_are_none(lessons: Any) -> None:
    before = documents(document()).with_columns(lessons=pl.lit(lessons, pl.String))

    assert practices(computed(messages(at(2)), before=before)["דנה לוי"]) == {"5": 1}


def test_two_entries_of_one_lesson_are_added_up() -> None:
    found = computed(messages(), before=documents(document(entry("5", 3), entry(5, 4))))["דנה לוי"]

    assert practices(found) == {"5": 7}


def test_a_document_with_nothing_but_its_id_is_as_none() -> None:
    assert practices(computed(messages(NOON), before=documents({"uniq_id": ID}))["דנה לוי"]) == {"5": 1}


def test_without_a_time_of_its_own_the_last_practice_of_the_lessons_counts() -> None:
    known = entry(last_practice="13:00, 01.02.2026")
    before = documents({**document(known), "last_practice_timedate": None})

    assert practices(computed(messages(NOON, at(1), at(2)), before=before)["דנה לוי"]) == {"5": 8}


def test_messages_without_a_time_were_counted_up_to_the_last_practice() -> None:
    before = documents({**document(), "last_message_timedate": "?"})
    sent = messages(*({"text": "שאלה", "at": at(hours)} for hours in (-1, 0, 1)))

    found = computed(sent, before=before)["דנה לוי"]

    assert found["entries"]["5"]["message_count"] == 3


def test_later_practices_count_to_their_lessons() -> None:
    changes = archive((DANA, "דנה לוי", "4", "", at(5)))
    before = documents(document(entry("4", 7), current_lesson="4"))

    found = computed(messages(at(-1), at(1), at(6)), replaced=changes, before=before)["דנה לוי"]

    assert practices(found) == {"4": 8, "5": 1}


def test_documents_of_others_say_nothing() -> None:
    others = documents(document(uniq_id="x", name="נועה כהן"), document(uniq_id="y", phone_number="055-000-0188"))

    assert practices(computed(messages(), before=others)["דנה לוי"]) == {"5": 0}


def test_two_documents_of_one_phone_and_name_are_not_guessed_between() -> None:
    twins = documents(document(uniq_id="x"), document(uniq_id="y"))

    assert computed(messages(), before=twins)["דנה לוי"]["uniq_id"] == ID


def test_a_renamed_student_goes_on_from_the_document_of_the_old_name() -> None:
    people = pl.concat([roster((DANA, "דנה לוי", "5"), removed_at=at(10)), roster((DANA, "דנה כהן", "5"))])

    found = computed(messages(at(1), at(11)), people, before=documents(document()))["דנה כהן"]

    assert (found["uniq_id"], practices(found)) == (ID, {"5": 9})


def test_times_that_the_database_keeps_as_dates_are_read_and_shown_as_the_others() -> None:
    before = documents(document()).with_columns(
        last_practice_timedate=pl.Series([NOON]),
        last_message_timedate=pl.Series([None], dtype=pl.Datetime("us", "UTC")),
    )

    found = computed(messages(NOON, at(1)), before=before)["דנה לוי"]

    assert practices(found) == {"5": 8}
    assert computed(messages(), before=before)["דנה לוי"]["last_practice_timedate"] == "12:00, 01.02.2026"


@pytest.mark.parametrize(
    ("shown", "moment"),
    [
        ("14:30, 09.12.2025", datetime(2025, 12, 9, 12, 30, tzinfo=UTC)),
        ("9:05, 9.12.2025", datetime(2025, 12, 9, 7, 5, tzinfo=UTC)),
        ("\u200f14:30, 09/12/2025", datetime(2025, 12, 9, 12, 30, tzinfo=UTC)),
        ("2025-12-09T14:30:10Z", datetime(2025, 12, 9, 14, 30, 10, tzinfo=UTC)),
        ("2025-12-09 14:30:10", datetime(2025, 12, 9, 14, 30, 10, tzinfo=UTC)),
        ("01:30, 26.10.2025", datetime(2025, 10, 25, 22, 30, tzinfo=UTC)),
        ("25:00, 09.12.2025", None),
        ("14:30, 31.02.2025", None),
        ("soon", None),
        ("", None),
        (5, None),
    ],
)
def test_times_of_documents_are_read_in_the_forms_they_have(shown: Any, moment: datetime | None) -> None:
    assert moment_of(shown, ZONE) == moment


@pytest.mark.parametrize(
    ("value", "lesson"),
    [
        (5, "5"),
        (5.0, "5"),
        (" 5", "5"),
        ("5.5", "5.5"),
        ("5.00", "5"),
        ("שיעור א", "שיעור א"),
        (None, ""),
        (True, ""),
        ([5], ""),
    ],
)
def test_lessons_are_compared_by_what_they_show(value: Any, lesson: str) -> None:
    assert lesson_key(value) == lesson
