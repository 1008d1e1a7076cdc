"""Which messages count, each once, whatever the page and export files have shown of them."""

from datetime import timedelta
from typing import Any

import polars as pl

from systems.kelas.rules.messages import counted_messages

from .student_frames import DANA_SHOWN, NOON, TRAINED, at, messages

PAGE = {"on_page": True, "wa_id": "3A01", "is_own": False}
BARE_PAGE = {"on_page": True, "is_own": False}
EXPORT = {"in_export": True}


def texts(*sent: dict[str, Any]) -> list[str]:
    return counted_messages(messages(*sent))["text"].to_list()


def test_two_equal_messages_in_one_minute_are_two() -> None:
    assert texts({"at": NOON}, {"at": NOON}) == [TRAINED, TRAINED]


def test_a_message_that_stands_twice_in_the_table_is_one() -> None:
    table = messages({"at": NOON}, {"at": at(1)})

    assert counted_messages(pl.concat([table, table])).equals(counted_messages(table))


def test_lines_of_whatsapp_calls_empty_and_deleted_messages_do_not_count() -> None:
    kinds = ("system", "call", "empty", "deleted")

    assert texts(*({"kind": kind, "at": at(number)} for number, kind in enumerate(kinds))) == []


def test_a_line_without_a_sender_or_a_time_does_not_count() -> None:
    table = messages({"sender": None}, {"at": at(1)})
    undated = table.with_columns(sent_at=pl.when(pl.col("sent_at") < at(1)).then("sent_at"))

    assert counted_messages(undated).height == 0


def test_of_the_versions_of_one_message_the_edited_one_counts() -> None:
    assert texts({**PAGE, "text": "תרגול"}, {**PAGE, "text": "טעות", "is_edited": True}) == ["טעות"]


def test_a_message_that_was_deleted_later_counts_no_more() -> None:
    edited = {**PAGE, "text": "שוב", "is_edited": True}

    assert texts(PAGE, edited, {**PAGE, "kind": "deleted", "text": "", "sender": None, "at": at(1)}) == []


def test_the_whole_text_of_a_message_wins_over_the_cut_one() -> None:
    cut, whole = "אתמול", "אתמול עשינו תרגול"

    assert texts({**PAGE, "text": cut, "is_truncated": True}, {**PAGE, "text": whole}) == [whole]


def test_of_two_edits_the_one_that_was_read_last_counts_where_the_table_says_when() -> None:
    first, second = ({**PAGE, "text": text, "is_edited": True} for text in ("א", "ב"))
    table = messages(first, second).with_columns(read_at=pl.Series([at(2), at(1)]))

    assert counted_messages(table)["text"].to_list() == ["א"]


def test_a_cut_look_at_the_whole_text_is_no_later_edit_and_a_cut_later_edit_is_one() -> None:
    whole = {**PAGE, "text": "אתמול עשינו תרגול", "is_edited": True}
    for begun, expected in (("אתמול", whole["text"]), ("היום", "היום")):
        cut = {**PAGE, "text": begun, "is_edited": True, "is_truncated": True}
        table = messages(whole, cut).with_columns(read_at=pl.Series([at(1), at(2)]))

        assert counted_messages(table)["text"].to_list() == [expected]


def test_messages_of_the_account_itself_do_not_count() -> None:
    assert texts({**PAGE, "is_own": True}) == []


def test_an_export_has_no_marks_of_the_own_account_so_its_name_on_the_page_decides() -> None:
    own = {"sender": "רכזת", "is_own": True, "on_page": True}

    assert texts(own, {"sender": "רכזת", "in_export": True, "at": at(1)}, {**EXPORT, "at": at(2)}) == [TRAINED]


def test_one_message_that_the_page_and_the_export_show_alike_is_one() -> None:
    assert texts({**PAGE, **EXPORT}) == [TRAINED]


def test_an_edit_between_export_and_page_is_one_message_and_the_edited_text_counts() -> None:
    edited_on_page = texts({**EXPORT, "text": "תרגול"}, {**PAGE, "text": "תרגול 2", "is_edited": True})
    edited_in_export = texts({**EXPORT, "text": "תרגול 2", "is_edited": True}, {**BARE_PAGE, "text": "תרגול"})

    assert edited_on_page == edited_in_export == ["תרגול 2"]


def test_a_message_deleted_between_export_and_page_does_not_count() -> None:
    assert texts(EXPORT, {**PAGE, "kind": "deleted", "text": ""}) == []


def test_a_text_that_the_page_cuts_is_the_whole_one_of_the_export() -> None:
    cut = {**PAGE, "text": "אתמול", "is_truncated": True}

    assert texts(cut, {**EXPORT, "text": "אתמול עשינו תרגול"}) == ["אתמול עשינו תרגול"]


def test_an_edit_takes_one_message_of_its_minute_and_leaves_the_others() -> None:
    others = [{**EXPORT, "text": text} for text in ("א", "ב", "ג")]

    assert len(texts(*others, {**PAGE, "text": "ד", "is_edited": True})) == 3


def test_edits_on_both_sides_are_paired_one_to_one() -> None:
    page = [{**BARE_PAGE, "text": "א", "is_edited": True}, {**BARE_PAGE, "text": "ב"}]
    export = [{**EXPORT, "text": "ג"}, {**EXPORT, "text": "ד", "is_edited": True}]

    assert sorted(texts(*page, *export)) == ["א", "ד"]


def test_two_unchanged_messages_of_one_minute_in_different_sources_are_two() -> None:
    assert len(texts({**EXPORT, "text": "א"}, {**PAGE, "text": "ב"})) == 2


def test_an_edit_says_nothing_about_messages_of_others_or_of_other_minutes() -> None:
    edited = {**PAGE, "text": "ב", "is_edited": True}
    of_another = {**EXPORT, "text": "א", "sender": "+972 55-000-0199"}
    later = {**EXPORT, "text": "א", "at": NOON + timedelta(minutes=1)}

    assert len(texts(edited, of_another, later)) == 3


def test_what_may_be_an_edit_of_a_message_that_counts_does_not_count_again() -> None:
    assert texts(BARE_PAGE, {**BARE_PAGE, "text": "תרגול!", "is_edited": True, "maybe_edit": True}) == [TRAINED]


def test_of_a_photo_what_is_written_below_it_counts_and_the_words_of_whatsapp_do_not() -> None:
    shown = {"kind": "media", "text": "<המדיה לא נכללה>\nתרגול", **EXPORT}

    assert texts(shown) == ["תרגול"]


def test_a_photo_without_words_is_kept_for_reports() -> None:
    found = counted_messages(messages({"kind": "media", "text": "<Media omitted>", **EXPORT}))

    assert found.select("text", "is_bare_media").rows() == [("", True)]


def test_a_table_of_exports_only_lacks_the_columns_of_the_page_and_counts() -> None:
    pages = ["wa_id", "is_own", "is_truncated", "maybe_edit", "on_page"]

    assert counted_messages(messages(EXPORT).drop(pages))["sender"].to_list() == [DANA_SHOWN]


def test_an_empty_table_of_messages_counts_nothing() -> None:
    assert counted_messages(messages()).height == 0
