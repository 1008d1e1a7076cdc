"""Numbers, times and sentences as each language writes them."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.languages import LANGUAGES, translator

AT = datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "value", "decimals", "written"),
    [
        ("id", 1234.5, 1, "1.234,5"),
        ("en", 1234.5, 1, "1,234.5"),
        ("he", 1234567, 0, "1,234,567"),
        ("id", Decimal("0.125"), 2, "0,13"),
        ("id", -0.004, 2, "0,00"),
        ("id", -1234, 0, "-1.234"),
        ("en", 10**15, 0, "1,000,000,000,000,000"),
    ],
)
def test_a_number_is_written_as_the_language_does(language, value, decimals, written):
    assert translator(language).number(value, decimals) == written


@pytest.mark.parametrize(
    ("language", "amount", "written"),
    [("id", 118000, "Rp 118.000"), ("en", 118000, "Rp 118,000"), ("id", Decimal("2500.50"), "Rp 2.500,50")],
)
def test_an_amount_shows_parts_only_where_there_are_any(language, amount, written):
    assert translator(language).rupiah(amount) == written


@pytest.mark.parametrize(
    ("language", "timezone", "written"),
    [
        ("id", "Asia/Jakarta", "12/09/2025 08:00:45 WIB"),
        ("he", "Asia/Jerusalem", "12/09/2025 04:00:45 IDT"),
        ("en", "Asia/Jakarta", "2025-09-12 08:00:45 WIB"),
        ("id", "UTC", "12/09/2025 01:00:45 UTC"),
        ("id", "Asia/Dubai", "12/09/2025 05:00:45 UTC+04"),
    ],
)
def test_a_moment_is_told_on_the_clock_of_its_zone(language, timezone, written):
    assert translator(language).moment(AT, timezone) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 detik"), (-3, "0 detik"), (59.6, "1 menit 0 detik"), (3661, "1 jam 1 menit"), (90_000, "1 hari 1 jam")],
)
def test_a_duration_has_two_units(seconds, written):
    assert translator("id").duration(seconds) == written


def test_english_counts_one_apart():
    words = translator("en")

    assert [words.count("{n} row", "{n} rows", n) for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_hebrew_isolates_values_and_other_languages_do_not():
    assert translator("he").isolated("AB-12") == "\N{FIRST STRONG ISOLATE}AB-12\N{POP DIRECTIONAL ISOLATE}"
    assert translator("he").isolated("0812") == "\N{LEFT-TO-RIGHT ISOLATE}0812\N{POP DIRECTIONAL ISOLATE}"
    assert translator("id").isolated("AB-12") == "AB-12"
    assert translator("en").line("text") == "text"


def test_a_value_with_braces_or_a_percent_sign_is_no_place():
    assert translator("id").say("Cause: {error}", error="{0} 100% {x}") == "Penyebab: {0} 100% {x}"


def test_another_language_is_refused_by_name():
    with pytest.raises(ValueError, match="'jv'; there are en, he, id"):
        translator("jv")


@given(st.integers(-(10**12), 10**12), st.sampled_from(LANGUAGES))
def test_a_number_keeps_its_digits(value, language):
    written = translator(language).number(value)

    assert int(written.replace(".", "").replace(",", "")) == value


def test_speaking_needs_no_babel():
    code = "import sys; from backhaul.languages import translator; translator('he'); print('babel' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
