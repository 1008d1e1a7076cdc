"""What stands in front of a message of the page: read in every locale, the order of its dates decided or refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.chat.dates import DateOrder, Times
from backhaul.sandbox.whatsapp.locales import LOCALES
from backhaul.sessions.whatsapp.reading import PageRow
from backhaul.sources.whatsapp.header import Header, clock_of, header_of
from backhaul.sources.whatsapp.messages import wa_id_of
from backhaul.sources.whatsapp.order import decided, possible, widths_of

NOW = datetime(2026, 9, 30, 12, 0, tzinfo=UTC)
LRM, RLM, NNBSP = "\u200e", "\u200f", "\u202f"


@pytest.mark.parametrize(
    ("header", "clock", "date", "sender", "seconds"),
    [
        ("[13:52, 22/03/2026] +65 8000 0000: ", "13:52", "22/03/2026", "+65 8000 0000", 49_920),
        ("[15:33, 14/9/2026] Marta: ", "15:33", "14/9/2026", "Marta", 55_980),
        ("[8:05 pm, 14/12/2025] Jo Doe: ", "8:05 pm", "14/12/2025", "Jo Doe", 72_300),
        (f"[8:05{NNBSP}PM, 12/14/2025] Jo: ", "8:05 PM", "12/14/2025", "Jo", 72_300),
        ("[1:02 AM, 12/10/2025] Jo - Acme - QA: ", "1:02 AM", "12/10/2025", "Jo - Acme - QA", 3720),
        ("[12:02 AM, 12/10/2025] Jo: ", "12:02 AM", "12/10/2025", "Jo", 120),
        ("[18:02, 7.10.2026] Ola: ", "18:02", "7.10.2026", "Ola", 64_920),
        ("[14:30, 09.12.2025] Ola: ", "14:30", "09.12.2025", "Ola", 52_200),
        (f"{RLM}[14:30, 9.12.2025] {RLM}דנה: ", "14:30", "9.12.2025", "דנה", 52_200),
        ("[14.30, 9/12/2025] Budi: ", "14.30", "9/12/2025", "Budi", 52_200),
        (f"[2:30 م, 9{RLM}/12{RLM}/2025] Jo: ", "2:30 م", "9/12/2025", "Jo", 52_200),
        ("[PM 2:30, 2025. 12. 9.] Jo: ", "PM 2:30", "2025. 12. 9.", "Jo", 52_200),
        ("[오후 2:30, 2025. 12. 9.] Jo: ", "오후 2:30", "2025. 12. 9.", "Jo", 52_200),
        ("[14:30, 2025/12/9] Jo: ", "14:30", "2025/12/9", "Jo", 52_200),
        ("[2:30 p. m., 9/12/2025] Ana: ", "2:30 p. m.", "9/12/2025", "Ana", 52_200),
        ("[14:30, 9/12/2025] Ola:Acme: ", "14:30", "9/12/2025", "Ola:Acme", 52_200),
        ("[14:30, 9/12/2025] Jo [x] y: ", "14:30", "9/12/2025", "Jo [x] y", 52_200),
        ("[14:30, 9/12/2025] ~ Noa : ", "14:30", "9/12/2025", "~ Noa", 52_200),
        ("[14:30, 9/12/2025] +972 ∙∙∙∙∙∙∙02: ", "14:30", "9/12/2025", "+972 ∙∙∙∙∙∙∙02", 52_200),
        ("[9/12/2025, 14:30] Jo: ", "14:30", "9/12/2025", "Jo", 52_200),
    ],
)
def test_a_header_of_each_locale_is_parted(header: str, clock: str, date: str, sender: str, seconds: int) -> None:
    found = header_of(header)

    assert found is not None
    assert (found.clock, found.date, found.sender) == (clock, date, sender)
    assert Times()[found.clock.encode()] == seconds


@pytest.mark.parametrize(
    "text", ["", "Jo: hi", "[14:30] Jo: ", "[today, 14:30] Jo: ", "14:30, 9/12/2025 Jo: ", "[14:30, 9/12] Jo: ", "["]
)
def test_what_is_no_header_is_none(text: str) -> None:
    assert header_of(text) is None


@given(
    at=st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)),
    sender=st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=40
    ),
    locale=st.sampled_from(sorted(LOCALES)),
)
def test_whatever_the_sender_is_called_the_header_is_parted(at: datetime, sender: str, locale: str) -> None:
    words = LOCALES[locale]

    found = header_of(words.header(at, sender))

    assert isinstance(found, Header)
    assert found.sender == " ".join(sender.split()).removesuffix(":").rstrip() or sender.strip().endswith(":")
    assert found.shown == f"{words.clock(at)}, {words.day(at.date())}"


def test_a_clock_below_a_message_is_told_from_other_words() -> None:
    assert [clock_of(text) for text in ("8:05 pm", "14.30", f"{LRM}14:30", "Edited 14:30", "")] == [
        *("8:05 pm", "14.30", "14:30"),
        *(None, None),
    ]


@pytest.mark.parametrize(
    ("id_", "message"),
    [
        ("3A00000000000000AB01", "3A00000000000000AB01"),
        ("false_120363012345678901@g.us_3A00000000000000AB01_123456789012345@lid", "3A00000000000000AB01"),
        ("true_120363012345678901@g.us_3A00000000000000AB01", "3A00000000000000AB01"),
        ("", None),
    ],
)
def test_of_a_packed_id_the_message_part_is_taken(id_: str, message: str | None) -> None:
    assert wa_id_of(PageRow(id_, "", "")) == message


class TestOrder:
    def test_a_field_over_twelve_decides(self) -> None:
        assert self.of("12/9/2026", "13/9/2026") is DateOrder.DAY_FIRST
        assert self.of("9/12/2026", "9/13/2026") is DateOrder.MONTH_FIRST

    def test_time_that_would_run_backwards_decides(self) -> None:
        assert self.of("5/7/2026", "6/7/2026", "1/8/2026") is DateOrder.DAY_FIRST

    def test_a_date_in_the_future_decides(self) -> None:
        assert self.of("10/9/2026", "11/9/2026", "12/9/2026") is DateOrder.DAY_FIRST

    def test_a_year_in_front_decides(self) -> None:
        assert self.of("2026/3/4") is DateOrder.YEAR_FIRST
        assert possible(widths_of(["2026/3/4"])) == [DateOrder.YEAR_FIRST]

    def test_dates_that_are_the_same_in_both_orders_need_no_decision(self) -> None:
        assert self.of("9/9/2026") is DateOrder.DAY_FIRST

    def test_what_fits_both_orders_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="ambiguous_date_order") as refused:
            self.of("3/4/2026", "4/4/2026")
        assert 'date_order="dmy"' in refused.value.next_step

    @pytest.mark.parametrize("language", ["", "en", "es", "es-PR", "en-PH", "x"])
    def test_a_language_of_several_orders_decides_nothing(self, language: str) -> None:
        with pytest.raises(ConfigError, match="ambiguous_date_order"):
            self.of("3/4/2026", language=language)

    @pytest.mark.parametrize("language", ["he", "he-IL", "id", "pt_BR", "en-IN", "en-GB"])
    def test_a_language_that_writes_the_day_first_everywhere_decides_what_the_dates_leave_open(
        self, language: str
    ) -> None:
        assert self.of("3/4/2026", language=language) is DateOrder.DAY_FIRST
        assert self.of("3/13/2026", language=language) is DateOrder.MONTH_FIRST

    def test_american_english_writes_the_month_first_where_the_dates_leave_it_open(self) -> None:
        assert self.of("3/4/2026", language="en-US") is DateOrder.MONTH_FIRST
        assert self.of("13/4/2026", language="en-US") is DateOrder.DAY_FIRST

    def test_dots_stand_behind_a_day_that_comes_first(self) -> None:
        assert self.of("3.4.2026") is DateOrder.DAY_FIRST

    def test_a_calendar_that_is_not_gregorian_is_refused(self) -> None:
        with pytest.raises(SourceChanged, match="no days from 2009 until today"):
            self.of("4/1/1405", "5/1/1405", "6/1/1405")

    def of(self, *dates: str, language: str = "") -> DateOrder:
        return decided("messages", dates, language=language, now=NOW)
