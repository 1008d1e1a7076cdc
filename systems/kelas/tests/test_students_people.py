"""Which student has sent a message: by phone, by alias, by name, and never by a guess."""

from typing import Any

import polars as pl
import pytest

from systems.kelas.rules.messages import counted_messages
from systems.kelas.rules.people import matched, students

from .student_frames import DANA, DANA_SHOWN, NOA, NOBODY, NOON, TRAINED, aliases, at, messages, roster

TWO = roster((DANA, "דנה לוי", "5"), (NOA, "נועה כהן", "3"))
SIBLINGS = roster((DANA, "דנה לוי", "5"), (DANA, "יעל לוי", "3"))


def who(sender: str, people: pl.DataFrame = TWO, called: pl.DataFrame = NOBODY) -> tuple[str | None, str | None]:
    """Return the student's name and why there is none."""
    found = matched(counted_messages(messages({"sender": sender})), people, called)
    names = students(people).select("student", student_name="name")
    return found.join(names, on="student", how="left").select("student_name", "why").row(0)


@pytest.mark.parametrize(
    "sender",
    ["+972 55-000-0101", "972550000101", "055-000-0101", "\u200f+972\u00a055\u2011000\u20110101", "‪+972 55-000-0101‬"],
)
def test_a_number_is_its_student_however_it_is_written(sender: str) -> None:
    assert who(sender) == ("דנה לוי", None)


@pytest.mark.parametrize(
    "shown", ["972 55-000-0101", "+972550000101", "055 000 0101", "\u2066972 55-000-0101\u2069", " 0550000101 "]
)
def test_the_roster_may_write_numbers_as_it_likes(shown: str) -> None:
    assert who(DANA_SHOWN, roster((shown, "דנה לוי"))) == ("דנה לוי", None)


def test_a_number_that_nobody_has_is_unknown() -> None:
    assert who("+972 55-000-0199") == (None, "unknown")


@pytest.mark.parametrize("sender", ["דנה לוי", "~ דנה לוי", "~\u202fדנה  לוי", "\u200fדָּנָה לוי"])
def test_a_name_that_one_student_has_is_that_student(sender: str) -> None:
    assert who(sender) == ("דנה לוי", None)


@pytest.mark.parametrize("sender", ["דנה", "דנה לוי-כהן", "לוי דנה", "אמא של דנה לוי"])
def test_a_name_that_is_only_like_a_students_is_unknown(sender: str) -> None:
    assert who(sender) == (None, "unknown")


def test_a_name_that_two_students_have_is_ambiguous_and_both_are_named() -> None:
    people = roster((DANA, "דנה לוי"), (NOA, "דנה לוי"))

    found = matched(counted_messages(messages({"sender": "דנה לוי"})), people, NOBODY)

    assert found.select("student", "why", "candidates").row(0) == (None, "ambiguous", "דנה לוי")


@pytest.mark.parametrize(
    "alias", [(DANA, "דנה לוי"), ("0550000101", None), (None, "דָּנָה לוי"), ("+972550000101", "דנה  לוי")]
)
def test_an_alias_says_who_a_name_is_by_phone_or_name_or_both(alias: tuple[str | None, str | None]) -> None:
    assert who("~ אמא", TWO, aliases(("אמא", *alias))) == ("דנה לוי", None)


def test_an_alias_says_who_another_number_is() -> None:
    assert who("+972 55-000-0150", TWO, aliases(("055-0000150", DANA, "דנה לוי"))) == ("דנה לוי", None)


def test_an_alias_goes_before_a_name_on_the_roster() -> None:
    assert who("דנה לוי", TWO, aliases(("דנה לוי", NOA, "נועה כהן"))) == ("נועה כהן", None)


def test_a_number_of_ones_own_goes_before_an_alias() -> None:
    assert who(DANA_SHOWN, TWO, aliases((DANA_SHOWN, NOA, "נועה כהן"))) == ("דנה לוי", None)


def test_an_alias_of_nobody_is_no_licence_to_guess_by_name() -> None:
    assert who("דנה לוי", TWO, aliases(("דנה לוי", "055-000-0188", None))) == (None, "unknown")
    assert who("אמא", TWO, aliases(("אמא", DANA, "נועה כהן"))) == (None, "unknown")
    assert who("אמא", TWO, aliases(("אמא", "לא ידוע", "דנה לוי"))) == (None, "unknown")


def test_aliases_that_contradict_each_other_are_ambiguous() -> None:
    called = aliases(("אמא", DANA, None), ("~ אמא", NOA, None))

    assert who("אמא", TWO, called) == (None, "ambiguous")


def test_an_alias_that_was_taken_off_its_worksheet_says_nothing() -> None:
    called = aliases(("אמא", DANA, None)).with_columns(removed_at=pl.lit(at(1)))

    assert who("אמא", TWO, called) == (None, "unknown")


def test_brothers_and_sisters_with_one_phone_are_ambiguous() -> None:
    found = matched(counted_messages(messages(NOON)), SIBLINGS, NOBODY)

    assert found.select("student", "why", "candidates").row(0) == (None, "ambiguous", "דנה לוי, יעל לוי")


def test_of_brothers_and_sisters_the_alias_decides_by_phone_and_name() -> None:
    assert who(DANA_SHOWN, SIBLINGS, aliases((DANA_SHOWN, DANA, "יעל לוי"))) == ("יעל לוי", None)


def test_of_brothers_and_sisters_a_phone_alone_decides_nothing() -> None:
    assert who(DANA_SHOWN, SIBLINGS, aliases((DANA_SHOWN, DANA, None))) == (None, "ambiguous")


def test_an_alias_cannot_give_a_familys_number_to_a_stranger() -> None:
    people = pl.concat([SIBLINGS, roster((NOA, "נועה כהן"))])

    assert who(DANA_SHOWN, people, aliases((DANA_SHOWN, NOA, "נועה כהן"))) == (None, "ambiguous")


def test_two_rows_with_one_phone_and_one_name_are_one_student_on_the_lesson_that_is_there() -> None:
    people = roster((DANA, "דנה לוי", None), ("055-000-0101", "דנה  לוי", "7"))

    assert who(DANA_SHOWN, people) == ("דנה לוי", None)
    assert students(people)["current_lesson"].to_list() == ["7"]


def test_who_was_taken_off_the_roster_is_a_former_student_and_no_student() -> None:
    people = pl.concat([TWO, roster(("055-000-0177", "גיל רז"), removed_at=at(1))])

    assert who("055-000-0177", people) == (None, "former")
    assert who("גיל רז", people) == (None, "former")


@pytest.mark.parametrize("row", [("", "דנה לוי"), (None, "דנה לוי"), (DANA, ""), (DANA, None), ("  ", "\u200f")])
def test_a_half_typed_row_is_nobody(row: tuple[Any, ...]) -> None:
    assert students(roster(row)).height == 0


def test_a_student_whose_phone_cannot_be_read_is_found_by_name() -> None:
    people = roster(("9.72557E+11", "דנה לוי", "5"), ("#REF!", "נועה כהן", "5"))

    assert who("דנה לוי", people) == ("דנה לוי", None)
    assert who(DANA_SHOWN, people) == (None, "unknown")


def test_a_masked_number_is_nobody() -> None:
    assert who("+972 ∙∙∙∙∙∙∙01") == (None, "unknown")


def test_a_message_that_was_shown_before_and_after_its_sender_was_saved_is_one() -> None:
    twice = messages({"sender": DANA_SHOWN}, {"sender": DANA_SHOWN}, {"sender": "דנה לוי"})

    assert matched(counted_messages(twice), TWO, NOBODY).height == 2


def test_equal_messages_under_two_names_with_ids_of_their_own_are_two() -> None:
    twice = messages({"sender": DANA_SHOWN, "wa_id": "3A01"}, {"sender": "דנה לוי", "wa_id": "3A02"})

    assert matched(counted_messages(twice), TWO, NOBODY).height == 2


def test_different_messages_under_two_names_are_all_there() -> None:
    sent = messages({"sender": DANA_SHOWN, "text": TRAINED}, {"sender": "דנה לוי", "text": "עוד תרגול"})

    assert matched(counted_messages(sent), TWO, NOBODY).height == 2
