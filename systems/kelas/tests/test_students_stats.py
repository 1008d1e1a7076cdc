"""The computed documents: which messages count in what, which lesson they count to, and by which id they go."""

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import md5

import polars as pl
import pytest

from backhaul.errors import ConfigError
from systems.kelas.rules.stats import COLUMNS, StudentStats

from .student_frames import (
    DANA,
    DANA_SHOWN,
    LEVI,
    NO_DOCUMENTS,
    NOA,
    NOA_SHOWN,
    NOBODY,
    NOON,
    NOTHING,
    TRAINED,
    WORDS,
    archive,
    at,
    computed,
    documents,
    messages,
    practices,
    roster,
)


def counts(text: str, rules: StudentStats = WORDS) -> tuple[int, int]:
    """Return the practices and the messages that a text is."""
    entry = computed(messages({"text": text}), rules=rules)["דנה לוי"]["entries"]["5"]
    return entry["practice_count"], entry["message_count"]


def test_a_document_has_these_fields_and_no_total() -> None:
    found = WORDS(
        messages({"at": NOON}, {"at": at(26)}, {"text": "שאלה", "at": at(1)}), LEVI, NOTHING, NOBODY, NO_DOCUMENTS
    )

    assert tuple(found.columns) == COLUMNS
    assert found.row(0, named=True) == {
        "uniq_id": md5("972550000101_דנה לוי".encode()).hexdigest(),
        "phone_number": "972 55-000-0101",
        "phone_digits": "972550000101",
        "name": "דנה לוי",
        "current_lesson": "5",
        "last_message_timedate": "13:00, 01.02.2026",
        "last_practice_timedate": "14:00, 02.02.2026",
        "lessons": json.dumps(
            [
                {
                    "lesson": "5",
                    "teacher": "רותי",
                    "practice_count": 2,
                    "first_practice": "12:00, 01.02.2026",
                    "last_practice": "14:00, 02.02.2026",
                    "message_count": 1,
                    "paid": False,
                }
            ],
            ensure_ascii=False,
        ),
    }


def test_a_student_without_messages_has_a_document_with_its_lesson() -> None:
    found = computed(messages())["דנה לוי"]

    assert (found["last_message_timedate"], found["last_practice_timedate"]) == (None, None)
    assert found["entries"]["5"] == {
        "lesson": "5",
        "teacher": "רותי",
        "practice_count": 0,
        "first_practice": None,
        "last_practice": None,
        "message_count": 0,
        "paid": False,
    }


def test_times_are_on_the_clock_of_the_school_in_winter_and_in_summer() -> None:
    winter = computed(messages(NOON))["דנה לוי"]
    summer = computed(messages(at(days=181)))["דנה לוי"]

    assert winter["last_practice_timedate"] == "12:00, 01.02.2026"
    assert summer["last_practice_timedate"] == "13:00, 01.08.2026"


@pytest.mark.parametrize(
    "text",
    [
        "תרגול",
        "התרגול שלי",
        "תִּרְגּוּל",
        "ת\u200fרגול",
        "סיימתי ✅",
        "✅",
        "תרגול תרגול ✅ תרגול",
        "ת\u05bcרגול",
        "  תרגול\n",
    ],
)
def test_a_practice_word_counts_anywhere_with_points_and_marks_and_several_are_one(text: str) -> None:
    assert counts(text) == (1, 0)


@pytest.mark.parametrize("text", ["תרג ול", "ת.ר.ג.ו.ל", "", "☑", "שלום"])
def test_a_text_without_the_words_counts_nothing(text: str) -> None:
    assert counts(text) == (0, 0)


def test_words_are_found_whatever_their_case_and_variant() -> None:
    rules = StudentStats("Practice,❤\ufe0f", "")

    assert [counts(text, rules) for text in ("PRACTICE done", "practice", "❤", "❤\ufe0f")] == [(1, 0)] * 4


def test_a_word_of_two_parts_is_found_across_spaces_and_lines() -> None:
    assert counts("סיימתי \u00a0\nתרגול", StudentStats("סיימתי תרגול", "")) == (1, 0)


def test_signs_in_words_are_signs_and_no_patterns() -> None:
    assert counts("a+b (1)", StudentStats("a+b (1)", "a.b")) == (1, 0)


def test_without_words_nothing_counts() -> None:
    assert counts(TRAINED, StudentStats("", "")) == (0, 0)


@pytest.mark.parametrize("words", [" , ,", "\u200f", "\u05b0"])
def test_a_setting_in_which_no_word_is_left_is_refused_before_it_empties_the_counts(words: str) -> None:
    with pytest.raises(ConfigError, match="PRACTICE_WORDS holds no word"):
        counts(TRAINED, StudentStats(words, "שאלה"))


def test_whole_words_are_an_option_that_prefixes_defeat() -> None:
    whole = replace(WORDS, whole_words="yes")

    assert [counts(text, whole)[0] for text in ("תרגול!", "(תרגול)", "התרגול", "תרגולים", "כן✅כן")] == [
        1,
        1,
        0,
        0,
        1,
    ]


def test_a_message_with_words_of_both_kinds_counts_in_both_unless_told_otherwise() -> None:
    text = "תרגול והודעה"

    assert (counts(text), counts(text, replace(WORDS, both=False))) == ((1, 1), (1, 0))


def test_media_without_words_count_only_where_that_is_wanted() -> None:
    photo = messages({"kind": "media", "text": "<Media omitted>"})

    usual, wanted = computed(photo), computed(photo, rules=replace(WORDS, media_as_practice="yes"))

    assert (practices(usual["דנה לוי"]), practices(wanted["דנה לוי"])) == ({"5": 0}, {"5": 1})


def test_a_practice_counts_to_the_lesson_that_was_current_when_it_was_sent() -> None:
    changed = archive((DANA, "דנה לוי", "4", "מיכל", at(10)))
    sent = messages(at(1), at(9), at(11), at(12), at(13))

    found = computed(sent, replaced=changed)["דנה לוי"]

    assert practices(found) == {"4": 2, "5": 3}
    assert [each["teacher"] for each in found["entries"].values()] == ["מיכל", "רותי"]
    assert found["current_lesson"] == "5"


def test_before_the_first_change_that_was_seen_the_first_lesson_holds() -> None:
    changes = archive((DANA, "דנה לוי", "3", "", at(10)), (DANA, "דנה לוי", "4", "", at(20)))

    assert practices(computed(messages(at(days=-300)), replaced=changes)["דנה לוי"]) == {"3": 1, "4": 0, "5": 0}


def test_a_roster_that_goes_back_uses_the_earlier_entry_again() -> None:
    changes = archive((DANA, "דנה לוי", "5", "", at(10)), (DANA, "דנה לוי", "6", "", at(20)))

    found = computed(messages(at(1), at(11), at(21)), replaced=changes)["דנה לוי"]

    assert practices(found) == {"5": 2, "6": 1}


def test_a_new_teacher_of_the_same_lesson_changes_no_count() -> None:
    changes = archive((DANA, "דנה לוי", "5", "מיכל", at(10)))

    found = computed(messages(at(1), at(11)), replaced=changes)["דנה לוי"]

    assert (practices(found), found["entries"]["5"]["teacher"]) == ({"5": 2}, "רותי")


def test_an_emptied_teacher_cell_leaves_the_last_teacher_of_the_lesson() -> None:
    changes = archive((DANA, "דנה לוי", "5", "מיכל", at(10)))

    found = computed(messages(), roster((DANA, "דנה לוי", "5", "")), replaced=changes)["דנה לוי"]

    assert found["entries"]["5"]["teacher"] == "מיכל"


def test_while_no_lesson_stands_in_the_roster_the_next_one_counts_and_else_the_last() -> None:
    changes = archive((DANA, "דנה לוי", "4", "", at(10)), (DANA, "דנה לוי", None, "", at(20)))
    sent = messages(at(1), at(15), at(25))

    filled = computed(sent, replaced=changes)["דנה לוי"]
    emptied = computed(sent, roster((DANA, "דנה לוי", "")), replaced=archive((DANA, "דנה לוי", "4", "", at(10))))

    assert practices(filled) == {"4": 1, "5": 2}
    assert (practices(emptied["דנה לוי"]), emptied["דנה לוי"]["current_lesson"]) == ({"4": 3}, "4")


def test_a_student_without_any_lesson_has_no_entry_and_its_practice_is_not_forgotten() -> None:
    found = computed(messages(NOON), roster((DANA, "דנה לוי", None)))["דנה לוי"]

    assert (found["current_lesson"], found["entries"]) == (None, {})
    assert found["last_practice_timedate"] == "12:00, 01.02.2026"


def test_a_lesson_may_be_words_or_what_a_formula_gave() -> None:
    people = roster((DANA, "דנה לוי", " 5.0 "), (NOA, "נועה כהן", "שיעור  ג"))

    found = computed(messages(), people)

    assert [each["current_lesson"] for each in found.values()] == ["5", "שיעור ג"]


def test_without_the_option_no_number_of_practices_moves_a_student_on() -> None:
    assert practices(computed(messages(*map(at, range(30))))["דנה לוי"]) == {"5": 30}


def test_with_the_option_each_so_many_practices_lead_to_the_next_lesson() -> None:
    rules = replace(WORDS, advance_after="10")

    found = computed(messages(*map(at, range(25))), rules=rules)["דנה לוי"]

    assert (found["current_lesson"], practices(found)) == ("7", {"5": 10, "6": 10, "7": 5})
    assert {each["teacher"] for each in found["entries"].values()} == {"רותי"}


def test_a_lesson_that_is_full_is_left_at_once() -> None:
    found = computed(messages(at(1), at(2)), rules=replace(WORDS, advance_after="2"))["דנה לוי"]

    assert (found["current_lesson"], practices(found)) == ("6", {"5": 2, "6": 0})


def test_a_roster_that_was_written_after_the_advance_changes_no_count() -> None:
    rules = replace(WORDS, advance_after="3")
    sent = messages(*map(at, range(5)))
    written = roster((DANA, "דנה לוי", "6", "רותי"))
    observed = archive((DANA, "דנה לוי", "5", "רותי", at(3.5)))

    before, after = computed(sent, rules=rules), computed(sent, written, replaced=observed, rules=rules)

    assert practices(before["דנה לוי"]) == practices(after["דנה לוי"]) == {"5": 3, "6": 2}


def test_a_student_whom_a_person_sets_back_begins_that_lesson_anew() -> None:
    rules = replace(WORDS, advance_after="3")
    set_back = archive((DANA, "דנה לוי", "5", "", at(3.5)), (DANA, "דנה לוי", "6", "", at(5.5)))

    found = computed(messages(*map(at, range(8))), replaced=set_back, rules=rules)["דנה לוי"]

    assert (found["current_lesson"], practices(found)) == ("5", {"5": 5, "6": 3})


def test_messages_do_not_move_anyone_on_and_count_to_the_lesson_reached() -> None:
    sent = messages(at(1), at(2), {"text": "שאלה", "at": at(3)})

    found = computed(sent, rules=replace(WORDS, advance_after="2"))["דנה לוי"]

    assert {lesson: each["message_count"] for lesson, each in found["entries"].items()} == {"5": 0, "6": 1}


def test_a_lesson_that_is_no_number_is_never_left() -> None:
    people = roster((DANA, "דנה לוי", "גמר"))

    found = computed(messages(*map(at, range(9))), people, rules=replace(WORDS, advance_after="2"))["דנה לוי"]

    assert (found["current_lesson"], practices(found)) == ("גמר", {"גמר": 9})


def test_messages_of_others_count_for_nobody() -> None:
    sent = messages({"sender": "+972 55-000-0199"}, {"sender": "מישהו"})

    assert practices(computed(sent)["דנה לוי"]) == {"5": 0}


def test_who_was_taken_off_the_roster_has_no_document() -> None:
    people = pl.concat([LEVI, roster((NOA, "נועה כהן", "3"), removed_at=at(1))])

    assert list(computed(messages({"sender": NOA_SHOWN}), people)) == ["דנה לוי"]


def test_ids_are_of_the_digits_or_of_the_phone_as_the_roster_writes_it() -> None:
    people = roster(("\u200e+972 55-000-0101 ", " דנה לוי", "5"))

    digits = computed(messages(), people)["דנה לוי"]["uniq_id"]
    written = computed(messages(), people, rules=replace(WORDS, uniq_id_style="as_written"))["דנה לוי"]["uniq_id"]

    assert digits == md5("972550000101_דנה לוי".encode()).hexdigest()
    assert written == md5("972 55-000-0101_דנה לוי".encode()).hexdigest()


def test_a_document_is_adopted_under_its_own_id_in_whichever_style_it_has() -> None:
    written = md5("972 55-000-0101_דנה לוי".encode()).hexdigest()
    before = documents({"uniq_id": written, "phone_number": DANA, "name": "דנה לוי"})

    assert computed(messages(), before=before)["דנה לוי"]["uniq_id"] == written


def test_a_document_with_an_id_of_another_making_is_found_by_phone_and_name() -> None:
    before = documents({"uniq_id": "made-elsewhere", "phone_number": "0550000101", "name": "דנה  לוי"})

    assert computed(messages(), before=before)["דנה לוי"]["uniq_id"] == "made-elsewhere"


def test_a_phone_written_anew_keeps_the_id_of_the_student() -> None:
    rules = replace(WORDS, uniq_id_style="as_written")
    written_anew = pl.concat([LEVI, roster(("055-000-0101", "דנה לוי", "5"))])
    first = computed(messages(), rules=rules)["דנה לוי"]["uniq_id"]

    removed = written_anew.with_columns(
        removed_at=pl.when(pl.col("phone_number") == DANA).then(pl.lit(at(1))).otherwise(None)
    )

    assert computed(messages(), removed, rules=rules)["דנה לוי"]["uniq_id"] == first


def test_a_renamed_student_keeps_id_lessons_and_counts() -> None:
    renamed = pl.concat(
        [roster((DANA, "דנה לוי", "4", "מיכל"), removed_at=at(10)), roster((DANA, "דנה כהן", "5", "רותי"))]
    )
    changes = archive((DANA, "דנה לוי", "4", "מיכל", at(10)))
    sent = messages(at(1), at(2), at(11))

    found = computed(sent, renamed, replaced=changes)

    assert list(found) == ["דנה כהן"]
    assert found["דנה כהן"]["uniq_id"] == computed(messages())["דנה לוי"]["uniq_id"]
    assert practices(found["דנה כהן"]) == {"4": 2, "5": 1}


def test_a_renamed_student_whom_whatsapp_shows_by_the_old_name_goes_on_counting() -> None:
    renamed = pl.concat([roster((DANA, "דנה לוי", "5"), removed_at=at(10)), roster((DANA, "דנה כהן", "5"))])
    changes = archive((DANA, "דנה לוי", "5", "", at(10)))
    sent = messages({"sender": "דנה לוי", "at": at(1)}, {"sender": "דנה לוי", "at": at(11)})

    assert practices(computed(sent, renamed, replaced=changes)["דנה כהן"]) == {"5": 2}


def test_an_old_name_that_another_student_has_now_is_the_other_student() -> None:
    renamed = pl.concat(
        [
            roster((DANA, "דנה לוי", "5"), removed_at=at(10)),
            roster((DANA, "דנה כהן", "5"), (NOA, "דנה לוי", "3")),
        ]
    )
    changes = archive((DANA, "דנה לוי", "5", "", at(10)))

    found = computed(messages({"sender": "דנה לוי", "at": at(1)}), renamed, replaced=changes)

    assert (practices(found["דנה כהן"]), practices(found["דנה לוי"])) == ({"5": 0}, {"3": 1})


def test_a_student_renamed_twice_keeps_the_first_id() -> None:
    people = pl.concat(
        [
            roster((DANA, "דנה לוי", "5"), removed_at=at(10)),
            roster((DANA, "דנה כהן", "5"), removed_at=at(20)),
            roster((DANA, "דנה רז", "5")),
        ]
    )
    changes = archive((DANA, "דנה לוי", "5", "", at(10)), (DANA, "דנה כהן", "5", "", at(20)))

    found = computed(messages(), people, replaced=changes)

    assert found["דנה רז"]["uniq_id"] == computed(messages())["דנה לוי"]["uniq_id"]


def test_a_sister_who_leaves_is_no_rename_of_the_one_who_stays() -> None:
    people = pl.concat([roster((DANA, "דנה לוי", "5"), removed_at=at(10)), roster((DANA, "יעל לוי", "3"))])
    changes = archive((DANA, "יעל לוי", "2", "", at(5)), (DANA, "דנה לוי", "5", "", at(10)))
    own = md5("972550000101_יעל לוי".encode()).hexdigest()

    by_archive = computed(messages(), people, replaced=changes)["יעל לוי"]
    with_document = documents({"uniq_id": own, "phone_number": DANA, "name": "יעל לוי"})
    by_document = computed(messages(), people, before=with_document)["יעל לוי"]

    assert by_archive["uniq_id"] == by_document["uniq_id"] == own
    assert practices(by_archive) == {"2": 0, "3": 0}


@pytest.mark.parametrize(
    ("came_with", "is_rename"), [("20260201T08.roster.0", False), ("20260202T08.roster.0", True)]
)
def test_where_the_roster_tells_which_batch_brought_a_row_that_decides(came_with: str, is_rename: bool) -> None:
    people = pl.concat([roster((DANA, "דנה לוי", "5"), removed_at=at(24)), roster((DANA, "יעל לוי", "5"))])
    known = people.with_columns(_inserted_run=pl.Series(["20260101T08.roster.0", came_with]))
    changes = archive((DANA, "דנה לוי", "5", "", at(24))).with_columns(_archived_by=pl.lit("20260202T08.roster.0"))

    found = computed(messages(), known, replaced=changes)["יעל לוי"]["uniq_id"]

    assert (found == computed(messages())["דנה לוי"]["uniq_id"]) == is_rename


def test_no_two_students_share_an_id() -> None:
    people = roster((DANA, "דנה לוי"), ("0550000101", "דנה לוי"), (DANA, "יעל לוי"), (NOA, "דנה לוי"))
    before = documents(
        {"uniq_id": "same", "phone_number": DANA, "name": "דנה לוי"}, {"uniq_id": "same", "name": "יעל לוי"}
    )

    found = WORDS(messages(), people, NOTHING, NOBODY, before)

    assert found.height == 3
    assert found["uniq_id"].n_unique() == 3


def test_the_rows_do_not_depend_on_the_order_of_the_tables() -> None:
    people = roster((DANA, "דנה לוי", "5"), (NOA, "נועה כהן", "3"), ("055-000-0101", "דנה לוי", "6"))
    sent = messages(NOON, {"sender": NOA_SHOWN}, at(2), {"text": "שאלה", "at": at(3)})
    changes = archive((DANA, "דנה לוי", "3", "", at(1)), (DANA, "דנה לוי", "4", "", at(2)))

    there = WORDS(sent, people, changes, NOBODY, NO_DOCUMENTS)
    back = WORDS(sent.reverse(), people.reverse(), changes.reverse(), NOBODY, NO_DOCUMENTS)

    assert there.equals(back)


@pytest.mark.parametrize(
    "rules",
    [
        replace(WORDS, timezone="Asia/Nowhere"),
        replace(WORDS, advance_after="many"),
        replace(WORDS, advance_after="-1"),
        replace(WORDS, uniq_id_style="phone"),
        replace(WORDS, whole_words="perhaps"),
        replace(WORDS, region="XX"),
    ],
)
def test_a_setting_that_says_nothing_sensible_is_refused(rules: StudentStats) -> None:
    with pytest.raises(ConfigError):
        computed(messages(NOON), rules=rules)


def test_texts_that_try_to_break_the_words_are_texts() -> None:
    odd = ("\x00", "תרגול" + "א" * 65_536, "😀" * 500, "\ud83d".encode("utf-8", "replace").decode(), "()[]*\\")

    found = computed(messages(*({"text": text, "at": at(number)} for number, text in enumerate(odd))))

    assert practices(found["דנה לוי"]) == {"5": 1}


def test_the_sender_may_be_in_any_form() -> None:
    forms = (DANA_SHOWN, "~ דנה לוי", "055-000-0101")

    found = computed(messages(*({"sender": sender, "at": at(number)} for number, sender in enumerate(forms))))

    assert practices(found["דנה לוי"]) == {"5": 3}


def test_naming_the_rules_in_a_pipeline_loads_no_polars() -> None:
    names = ("stats", "senders", "write_back", "roster_warnings", "student_reports")
    code = "import sys\n" + "".join(f"import systems.kelas.rules.{name}\n" for name in names)

    done = subprocess.run([sys.executable, "-c", f"{code}assert 'polars' not in sys.modules"], check=False)

    assert done.returncode == 0
