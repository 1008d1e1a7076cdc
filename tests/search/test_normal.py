"""Names and queries in one spelling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.search.normal import MOST_WORDS, words_of

PIECES = "2 1/2 0,5 1.500 40 x X liter gr kg ml s m ' . , / & @ a ABC b12 3in1 ½ ² é ß İ ﬁ ٣ \u00d7 שלום - watt *"
SHOP_TEXT = st.lists(st.sampled_from([*PIECES.split(), " ", " "]), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Sabun  Colek", "SABUN COLEK"),
        ("bimoli 2 liter", "BIMOLI 2L"),
        ("2LTR", "2L"),
        ("2000 ml", "2L"),
        ("85 gr", "85G"),
        ("85gram", "85G"),
        ("1/2 kg", "500G"),
        ("½ kg", "500G"),
        ("gula 1/2", "GULA 0.5"),
        ("setengah kilo", "500G"),
        ("seperempat kg", "250G"),
        ("0,5 kg", "500G"),
        ("0.5KG", "500G"),
        ("1.500 ml", "1.5L"),
        ("1,5 liter", "1.5L"),
        ("2x50", "2X 50"),
        ("40 x 85 gr", "40X 85G"),
        ("40X85G", "40X 85G"),
        ("tisu 200's", "TISU 200PCS"),
        ("9 watt", "9W"),
        ("indomie85gr", "INDOMIE 85G"),
        ("Kopi 3in1", "KOPI 3IN1"),
        ("UC1000", "UC1000"),
        ("A&W", "AW"),
        ("S.O.S", "SOS"),
        ("Lay's", "LAYS"),
        ("crème brûlée", "CREME BRULEE"),
        ("uk. 38 m", "UK 38 M"),
        ("pensil 2B", "PENSIL 2B"),
        ("שוקולד חלב", "שוקולד חלב"),
        ("5/0 kg", "5 0G"),
        ("🙂🙂", ""),
        ("", ""),
    ],
)
def test_sizes_and_signs_are_written_in_one_way(text: str, words: str) -> None:
    assert " ".join(words_of(text)) == words


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=40), SHOP_TEXT))
def test_the_words_of_the_words_are_the_same(text: str) -> None:
    words = words_of(text)

    assert words_of(" ".join(words)) == words


@given(st.text())
def test_a_word_is_letters_and_digits_and_stands_for_itself(text: str) -> None:
    assert all(word == word.upper() and not any(map(str.isspace, word)) for word in words_of(text))


def test_upper_and_lower_case_and_spaces_make_no_difference() -> None:
    assert words_of("  MINYAK   Goreng 2 L ") == words_of("minyak goreng 2l")


def test_no_more_words_are_read_than_anybody_means() -> None:
    assert len(words_of("a b " * 5000)) == MOST_WORDS
