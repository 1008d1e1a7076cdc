import itertools
import re
import time
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.config import resolved
from backhaul.errors import ConfigError
from backhaul.model import ROW
from backhaul.quality import judge_rows
from systems.kelas.rules.lead_text import LABELS, is_readable, labels_of, leads_in
from systems.kelas.rules.leads import UNREADABLE, Leads, newest, readable_leads, sales_sheet
from systems.kelas.tests.lead_messages import START, message, said, table

LEADS = Leads(LABELS, "Asia/Jerusalem", "IL")
DANA = "מקור: פייסבוק\nשם: דנה לוי\nטלפון: 050-1234567\nמייל: Dana@Example.org"
FOUR = ("source", "name", "phone", "mail")
ALL = ("פייסבוק", "דנה לוי", "050-1234567", "Dana@Example.org")


def read(text: str) -> list[tuple[str, ...]]:
    """Return the four fields of each lead in a message."""
    return LEADS(said(text)).select(FOUR).rows()


def passes(*texts: str | None, **columns: Any) -> list[bool]:
    """Return which messages the check lets through."""
    frame = said(*texts).with_columns(**columns).with_row_index(ROW)
    bad = {each.row for each in judge_rows(frame, ("fingerprint",), [readable_leads(LABELS, "IL")]).rejected}
    return [row not in bad for row in range(frame.height)]


def test_a_lead_becomes_a_row() -> None:
    [lead] = LEADS(said(DANA)).rows(named=True)

    fingerprint = said(DANA)["fingerprint"][0]
    assert lead == {
        "lead_id": f"{fingerprint}:1",
        "lead": "972501234567",
        **dict(zip(FOUR, ALL, strict=True)),
        "time": "14:30, 01.11.2026",
        "sent_at": START,
        "duplicate_of": None,
        "sender": "רותם",
    }


@pytest.mark.parametrize("order", list(itertools.permutations(DANA.split("\n"))))
def test_labels_may_stand_in_any_order(order: tuple[str, ...]) -> None:
    assert read("\n".join(order)) == [ALL]


@pytest.mark.parametrize(
    "text",
    [
        "  מקור :   פייסבוק \n שם  :דנה לוי\nטלפון:050-1234567  \r\nמייל:  Dana@Example.org",
        "מקור\uff1a פייסבוק\nשם\uff1aדנה לוי\nטלפון\uff1a 050-1234567\nמייל\uff1a Dana@Example.org",
        "*מקור:* פייסבוק\n*שם:* דנה לוי\n*טלפון:* 050-1234567\n*מייל:* Dana@Example.org",
        "*מקור*: פייסבוק\n*שם*: *דנה לוי*\n*טלפון: 050-1234567*\n_מייל:_ _Dana@Example.org_",
        "_מקור: פייסבוק_\n~שם:~ דנה לוי\n`טלפון:` 050-1234567\n_מייל: Dana@Example.org_",
        "\u200fמקור:\u200f פייסבוק\n\u202bשם:\u202c דנה לוי\n"
        "טלפון: \u202a050-1234567\u202c\nמייל: \u2066Dana@Example.org\u2069",
        "ליד חדש! 🎉\n\nמקור: פייסבוק\n\nשם:\u00a0דנה לוי\n"
        "הערה: לחזור בערב\nטלפון: 050-1234567\nמייל: Dana@Example.org\nתודה",
        "מקור: פייסבוק שם: דנה לוי טלפון: 050-1234567 מייל: Dana@Example.org",
        "מקור: פייסבוק, שם: דנה לוי | טלפון: 050-1234567 - מייל: Dana@Example.org",
        "1. מקור: פייסבוק\n2. שם: דנה לוי\n3. טלפון: 050-1234567\n4. מייל: Dana@Example.org",
        "• מקור: פייסבוק;\n• שם: דנה לוי;\n• טלפון: 050-1234567;\n• מייל: Dana@Example.org;",
        "👤 מקור: פייסבוק\u2028שם: דנה לוי\u2028טלפון: 050-1234567\u2028מייל: Dana@Example.org",
    ],
)
def test_however_people_lay_it_out_the_four_values_are_the_same(text: str) -> None:
    assert read(text) == [ALL]


def test_a_value_ends_with_its_line() -> None:
    assert read("שם: דנה\nאמא של יואב\nטלפון: 050-1234567") == [("", "דנה", "050-1234567", "")]


@pytest.mark.parametrize("nothing", ["", " ", "-", "--", "?", " \u2013 ", "*", "\u200f"])
def test_a_value_that_says_nothing_is_empty(nothing: str) -> None:
    assert read(f"מקור: {nothing}\nשם: דנה\nטלפון: 050-1234567\nמייל: {nothing}") == [("", "דנה", "050-1234567", "")]


def test_a_phone_goes_out_as_written_without_marks() -> None:
    assert read("שם: דנה\nטלפון: \u202a+972\u00a050-123\u20114567\u202c")[0][2] == "+972 50-123\u20114567"


@pytest.mark.parametrize("text", ["=1+1", "+cmd|calc", "@SUM(A1)", "-2+3", '=HYPERLINK("x")'])
def test_what_looks_like_a_formula_stays_the_text_it_is(text: str) -> None:
    assert read(f"מקור: {text}\nשם: {text}\nטלפון: 050-1234567")[0][:2] == (text, text)


def test_a_label_within_a_word_is_no_label() -> None:
    assert read("שם: דנה\nהטלפון: של אמא\nטלפון: 050-1234567") == [("", "דנה", "050-1234567", "")]


def test_several_leads_in_one_message_are_parted_by_the_first_label() -> None:
    frame = LEADS(said(f"{DANA}\n\nמקור: אתר\nשם: רון\nטלפון: 052-7654321"))

    assert frame.select(FOUR).rows() == [ALL, ("אתר", "רון", "052-7654321", "")]
    assert [each.split(":")[1] for each in frame["lead_id"]] == ["1", "2"]


def test_several_leads_may_stand_in_one_line_each() -> None:
    text = "שם: דנה טלפון: 050-1234567\nשם: רון טלפון: 052-7654321"

    assert read(text) == [("", "דנה", "050-1234567", ""), ("", "רון", "052-7654321", "")]


def test_two_phones_of_one_lead_are_both_kept() -> None:
    text = "שם: דנה\nטלפון: 050-1234567\nטלפון: 052-7654321\nמייל: a@example.org"
    [lead] = LEADS(said(text)).rows(named=True)

    assert (lead["phone"], lead["lead"]) == ("050-1234567, 052-7654321", "972501234567")


@pytest.mark.parametrize(
    "phone", ["050-1234567 (אמא)", "050-1234567 / 052-7654321", "נייד 0501234567", "0501234567 052-7654321"]
)
def test_the_key_of_a_phone_with_other_words_is_its_first_number(phone: str) -> None:
    [lead] = LEADS(said(f"שם: דנה\nטלפון: {phone}")).rows(named=True)

    assert (lead["phone"], lead["lead"]) == (phone, "972501234567")


def test_without_a_phone_the_mail_in_lower_case_is_the_key_and_without_both_the_leads_own_id() -> None:
    frame = LEADS(said("שם: דנה\nמייל: <Dana@Example.ORG>", "מקור: אתר\nשם: רון\nטלפון: אין"))

    assert frame["lead"].to_list() == ["dana@example.org", frame["lead_id"][1]]


def test_the_same_person_again_is_linked_to_the_first_and_not_in_the_sheet() -> None:
    frame = LEADS(said(DANA, "מקור: אתר\nשם: ד. לוי\nטלפון: +972501234567", DANA))

    assert frame["duplicate_of"].to_list() == [None, frame["lead_id"][0], frame["lead_id"][0]]
    assert sales_sheet(frame).rows() == [(*ALL, "14:30, 01.11.2026", "972501234567")]
    assert sales_sheet(frame).columns == [*FOUR, "time", "lead"]


def test_two_people_of_one_name_without_phone_and_mail_are_two() -> None:
    text = "מקור: אתר\nשם: דנה"
    frame = LEADS(table(message(text), message(text, occurrence=2), message(text, 5)))

    assert frame["duplicate_of"].null_count() == frame["lead"].n_unique() == frame["lead_id"].n_unique() == 3


def test_the_first_is_the_first_by_time_in_whatever_order_the_table_comes() -> None:
    frame = said(DANA, DANA.replace("פייסבוק", "אתר"))

    assert LEADS(frame.reverse()).equals(LEADS(frame))
    assert sales_sheet(LEADS(frame.reverse()))["source"].to_list() == ["פייסבוק"]


def test_the_seconds_that_one_source_knows_do_not_change_who_was_first() -> None:
    messages = said(DANA, DANA.replace("דנה", "דנית"))
    same_minute = messages.with_columns(sent_at=pl.lit(START))
    second = pl.when(pl.col("text") == DANA).then(pl.lit("50s")).otherwise(pl.lit("2s"))

    before, after = LEADS(same_minute), LEADS(same_minute.with_columns(pl.col("sent_at").dt.offset_by(second)))

    assert before["duplicate_of"].equals(after["duplicate_of"])


def test_of_an_edited_message_the_newest_version_counts_under_its_first_id() -> None:
    wrong = DANA.replace("דנה", "דינה")
    first = message(wrong, wa_id="3A01")
    edited = message(DANA, wa_id="3A01", is_edited=True)

    frame = LEADS(table(edited, first))

    assert (frame["name"].to_list(), frame["lead_id"].to_list()) == (["דנה לוי"], [f"{first['fingerprint']}:1"])


def test_of_several_edits_the_one_that_was_read_last_counts() -> None:
    names = ("דינה", "דנה", "דן")
    versions = [
        message(
            DANA.replace("דנה", name), wa_id="3A01", is_edited=number > 0, read_at=START + timedelta(hours=number)
        )
        for number, name in enumerate(names)
    ]

    for order in itertools.permutations(versions):
        assert LEADS(table(*order))["name"].to_list() == ["דן לוי"]


def test_a_deleted_message_has_no_lead() -> None:
    gone = message(None, wa_id="3A01", kind="deleted")

    assert LEADS(table(message(DANA, wa_id="3A01"), gone)).height == 0
    assert LEADS(table(gone, message(DANA, wa_id="3A02"))).height == 1


def test_a_text_that_was_cut_gives_way_to_the_whole_one() -> None:
    cut = message("מקור: פייסבוק\nשם: דנה\nטלפון: 050-1234567", wa_id="3A01", is_truncated=True)

    assert LEADS(table(message(DANA, wa_id="3A01", is_truncated=False), cut)).select(FOUR).rows() == [ALL]


def test_own_messages_and_captions_count_and_lines_of_the_system_do_not() -> None:
    kinds = ["text", "media", "system", "call", "deleted"]
    frame = table(*(message(DANA, n, kind=kind, is_own=True) for n, kind in enumerate(kinds)))

    assert LEADS(frame).height == 2


def test_a_table_of_exports_alone_has_leads_too() -> None:
    exports = said(DANA).drop("wa_id", "is_own", "is_truncated", "is_edited", "read_at")

    assert LEADS(exports).select(FOUR).rows() == [ALL]


def test_keys_that_the_warehouse_keeps_as_text_give_the_same_leads() -> None:
    frame = table(*(message("מקור: אתר\nשם: דנה", occurrence=number) for number in range(1, 12)))

    assert LEADS(frame.with_columns(pl.col("occurrence").cast(pl.String))).equals(LEADS(frame))


def test_without_messages_there_are_no_leads_and_all_columns() -> None:
    frame = LEADS(said())

    assert frame.height == 0
    assert frame.schema == LEADS(said(DANA)).schema
    assert sales_sheet(frame).columns == [*FOUR, "time", "lead"]


def test_every_message_of_no_version_stays_one() -> None:
    assert newest(table(message("a"), message("a", occurrence=2), message("a", 1, wa_id=""))).height == 3


def test_the_labels_are_a_setting_also_in_another_language_and_several_for_a_field() -> None:
    labels = "name=Nama|Nama lengkap, phone=HP|No. HP"
    filled = resolved(Leads(), {"LEAD_LABELS": labels, "WHATSAPP_TIMEZONE": "Asia/Jakarta", "PHONE_REGION": "ID"})

    frame = filled(said("nama lengkap: Sari\nNO. HP: 0812-0000-0001"))

    assert frame.select("name", "lead", "time").rows() == [("Sari", "6281200000001", "19:30, 01.11.2026")]


@pytest.mark.parametrize("labels", ["", "name", "name=", "nome=שם,phone=טל", "name=שם,phone=שם", "source=מקור"])
def test_labels_that_cannot_be_are_a_setting_to_correct(labels: str) -> None:
    with pytest.raises(ConfigError) as error:
        labels_of(labels)

    assert LABELS in error.value.next_step


def test_an_unknown_time_zone_is_a_setting_to_correct() -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        Leads(LABELS, "Asia/Nowhere", "IL")(said(DANA))


@pytest.mark.parametrize(
    "text",
    [
        "מקור: פייסבוק\nמייל:",
        "מקור:\nשם:\nטלפון:\nמייל:",
        "שם:\nדנה\nטלפון:\n050-1234567",
        "מקור: פייסבוק\nטלפון: לא ידוע",
        "טלפון: 050-1234567",
        "היי, טלפון: 050-1234567",
        "שם: דנה 050-1234567",
        "שם: דנה\n050-1234567",
        "מקור: אתר\nשם: דנה\nטלפון: 050-1234567\nשם: רון\nטלפון: 052-7654321",
        f"{DANA}\nמקור: אתר\nטלפון: יגיע בהמשך",
    ],
)
def test_what_looks_like_a_lead_and_cannot_be_read_goes_to_quarantine(text: str) -> None:
    assert passes(text, DANA) == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        DANA,
        f"{DANA}\n\nמקור:\nשם:\nטלפון:\nמייל:",
        f"{DANA}\nמקור: אתר\nשם: רון",
        "שלום לכולם",
        "מה היה השם: שלה?",
        "לא הבנתי מה לכתוב בשדה מקור: ומה בשדה מייל: תסבירו",
        "שם: נגמר הנייר",
        "תתקשרו אליי 050-1234567",
        "",
        None,
    ],
)
def test_a_lead_that_can_be_read_and_a_label_in_passing_are_no_case_for_quarantine(text: str | None) -> None:
    assert passes(text) == [True]


def test_a_line_of_the_system_is_no_case_for_quarantine() -> None:
    assert passes("מקור: פייסבוק\nמייל:", kind=pl.lit("system")) == [True]


def test_the_check_is_named_and_made_of_settings_and_without_polars() -> None:
    check = readable_leads()

    assert check.name == UNREADABLE
    assert resolved(check, {}).expression().meta.output_name() == "kind"


LABEL_WORDS = ["מקור", "שם", "טלפון", "מייל"]
PIECES = st.lists(
    st.sampled_from([*LABEL_WORDS, ":", "\uff1a", " ", "\n", "*", "_", "\u200f", "050-1234567", "=1+1"])
    | st.text(max_size=4),
    max_size=30,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=200) | PIECES)
def test_any_text_can_be_looked_at_and_what_comes_out_stood_in_it(text: str) -> None:
    labels = labels_of(LABELS)
    readable = is_readable(text, labels, "IL")
    leads = leads_in(text, labels, "IL")

    assert readable in (True, False)
    for lead in leads:
        assert len(lead.values) >= 2
        assert all("\n" not in value and value == value.strip() for value in lead.values.values())
        assert sum(len(value) for value in lead.values.values()) <= 2 * len(text)


VALUE = (
    st.text("אבגדהוabc 012.@=+'\"", min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda each: re.search(r"\w", each))
)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries({"source": VALUE, "name": VALUE, "mail": VALUE}),
    st.permutations(FOUR),
    st.sampled_from([":", " : ", "\uff1a", ":\u200f", ":*", "*: "]),
)
def test_whatever_is_written_behind_the_labels_comes_out_as_it_is(
    values: dict[str, str], order: list[str], colon: str
) -> None:
    words = dict(each.split("=") for each in LABELS.split(","))
    written = {**values, "phone": "050-1234567"}

    [lead] = leads_in("\n".join(f"{words[name]}{colon}{written[name]}" for name in order), labels_of(LABELS), "IL")

    assert lead.values == written


@pytest.mark.parametrize("unit", ["*", "_", "שם", "שם:", "שם: ", "1.", "050-", "@a.", " ", "\n", "- "])
def test_no_text_takes_long(unit: str) -> None:
    started = time.process_time()

    is_readable(f"שם: דנה\nטלפון: {unit * 20_000}\nמייל: x", labels_of(LABELS), "IL")

    assert time.process_time() - started < 5
