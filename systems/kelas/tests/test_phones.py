import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.errors import ConfigError
from systems.kelas.rules.phones import digits, display, with_digits

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "shown",
    [
        "972501234567",
        "972 50-123-4567",
        "+972 50-123-4567",
        "00972 50 123 4567",
        "050-123-4567",
        "0501234567",
        "501234567",
        "050/123.4567",
        "(050) 123 4567",
        "+972 (0)50-1234567",
        "9720501234567",
        "+0501234567",
        "tel:+972501234567",
        "'0501234567",
        "972501234567.0",
        "\u200e+972\u00a050\u2011123\u20114567\u200f",
        "\u2068050-1234567\u2069",
        "\u202a050\u202f123\u20134567\u202c",
        "٠٥٠١٢٣٤٥٦٧",
        "\uff0b972501234567",
        "  050-1234567.\n",
    ],
)
def test_a_number_has_the_same_digits_however_it_is_written(shown: str) -> None:
    assert digits(shown) == "972501234567"


@pytest.mark.parametrize("shown", ["050-1234567 x12", "050-1234567 ext. 12", "050-1234567 שלוחה 12", "0501234567#12"])
def test_an_extension_does_not_count(shown: str) -> None:
    assert digits(shown) == "972501234567"


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "   ",
        "+",
        "דנה לוי",
        "~ דנה",
        "דנה 0501234567",
        "+972 \u2219\u2219\u2219 \u2219\u221967",
        "+972 •• ••• 4567",
        "100",
        "5551234",
        "01.02.2026",
        "2026-02-01",
        "14:30, 09.12.2025",
        "9.72501E+11",
        "0000000000",
        "99999999999999999999",
    ],
)
def test_what_is_no_number_has_no_digits(shown: str | None) -> None:
    assert digits(shown) == ""


def test_a_number_of_another_country_keeps_its_country_code_with_and_without_a_plus() -> None:
    assert digits("+62 812-0000-0001") == digits("62 812-0000-0001") == "6281200000001"
    assert digits("+65 8000 0000") == digits("65 8000 0000") == "6580000000"


def test_a_number_that_no_operator_has_given_out_is_taken_when_its_length_is_possible() -> None:
    assert digits("+972 55-000-0101") == digits("972 55-000-0101") == digits("055-000-0101") == "972550000101"


def test_a_local_number_is_one_of_the_region() -> None:
    assert digits("0812-0000-0001", "ID") == "6281200000001"
    assert digits("0812-0000-0001", " id ") == "6281200000001"


def test_an_unknown_region_is_a_setting_to_correct() -> None:
    with pytest.raises(ConfigError, match="no country of phone numbers"):
        digits("050-1234567", "XX")


def test_digits_are_shown_as_people_read_them() -> None:
    assert display("972501234567") == "+972 50-123-4567"
    assert display("") == ""


def test_a_column_gets_its_digits_in_order_whatever_its_type() -> None:
    texts = pl.DataFrame({"phone": ["050-1234567", None, "דנה", "0501234567"]})
    cells = pl.DataFrame({"phone": [972501234567.0, None]})

    assert with_digits(texts, "phone", "d")["d"].to_list() == ["972501234567", "", "", "972501234567"]
    assert with_digits(cells, "phone", "d")["d"].to_list() == ["972501234567", ""]


def test_an_empty_column_gets_an_empty_text_column() -> None:
    frame = pl.DataFrame({"phone": []}, schema={"phone": pl.Null})

    assert with_digits(frame, "phone", "d").schema["d"] == pl.String


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("0123456789+-. ()/\u200e\u00a0x#", max_size=25))
def test_any_text_has_digits_or_none_and_digits_stay_what_they_are(shown: str) -> None:
    found = digits(shown)

    assert found == "" or (found.isascii() and found.isdigit() and 7 <= len(found) <= 17)
    if found:
        assert digits(f"+{found}") == found


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"5[0-58][0-9]{7}", fullmatch=True), st.data())
def test_marks_and_spaces_anywhere_do_not_change_a_number(national: str, data: st.DataObject) -> None:
    shown = data.draw(st.sampled_from(["+972", "972", "0", "00972"])) + national
    places = data.draw(st.lists(st.integers(0, len(shown)), max_size=4))
    for place in sorted(places, reverse=True):
        shown = shown[:place] + data.draw(st.sampled_from(["\u200e", "\u00a0", " ", "\u202c"])) + shown[place:]

    assert digits(shown) == f"972{national}"


def test_without_the_package_its_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['phonenumbers'] = None\n"
        "from systems.kelas.rules.phones import digits\n"
        "try: digits('050-1234567')\n"
        "except Exception as error: print(type(error).__name__, error.next_step)\n"
    )

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert said.strip() == 'ConfigError Install it: pip install "backhaul[whatsapp]"'
