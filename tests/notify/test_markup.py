"""Long messages are split where a person would."""

from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.notify.markup import split, units, without_tags
from backhaul.sandbox.telegram.text import parsed

LETTERS = st.sampled_from('ab <>&"\n\N{ROCKET}\N{HEBREW LETTER ALEF}')
LIMIT = 32


@st.composite
def marked_up(draw: st.DrawFn) -> str:
    """Return HTML as we write it: escaped text, some of it in tags inside each other."""
    pieces = draw(st.lists(st.text(LETTERS, max_size=30), max_size=8))
    tags = [draw(st.sampled_from(["", "b", "i", "bi"])) for _ in pieces]
    html = ""
    for piece, names in zip(pieces, tags, strict=True):
        inner = escape(piece)
        for name in names:
            inner = f"<{name}>{inner}</{name}>"
        html += inner
    return html


def test_a_short_message_stays_as_it_is():
    assert split("<b>a</b> &amp; b", 4096) == ("<b>a</b> &amp; b",)


def test_a_long_message_is_cut_at_line_ends():
    lines = [f"- stream_{number}: {number} rows" for number in range(1000)]

    pieces = split("\n".join(lines), 4096)

    assert [line for piece in pieces for line in piece.split("\n")] == lines
    assert all(units(piece) <= 4096 for piece in pieces)


def test_the_last_piece_is_never_tiny():
    pieces = split("x" * 4097, 4096)

    assert [len(piece) for piece in pieces] == [3585, 512]


def test_a_line_that_is_too_long_is_cut_at_a_space():
    pieces = split("word " * 1000, 4096)

    assert {word for piece in pieces for word in piece.split(" ")} == {"word"}


def test_an_open_tag_is_closed_and_opened_again():
    first, second = split(f'<b><a href="https://example.com">{"x" * 5000}</a></b>', 4096)

    assert first.endswith("x</a></b>")
    assert second.startswith('<b><a href="https://example.com">x')


@pytest.mark.parametrize("sign", ["&amp;", "\N{ROCKET}", "&#128640;"])
def test_a_sign_is_never_cut(sign):
    html = sign * 4096

    pieces = split(html, 4096)

    assert "".join(pieces) == html
    assert all(units(without_tags(piece)) <= 4096 for piece in pieces)


def test_nothing_but_space_gives_no_piece():
    assert split("<b> </b>\n\n", 4096) == ()


@given(marked_up())
def test_pieces_are_small_whole_and_say_everything(html):
    pieces = split(html, LIMIT)

    texts = [parsed(piece)[0] for piece in pieces]
    assert all(0 < units(text) <= LIMIT for text in texts)
    assert "".join("".join(texts).split()) == "".join(without_tags(html).split())


def bold_letters(html: str) -> str:
    """Return the letters of html that are bold, in order, without space."""
    text, marks = parsed(html)
    raw = text.encode("utf-16-le")
    bold = [mark for mark in marks if mark["type"] == "bold"]
    found = (raw[mark["offset"] * 2 : (mark["offset"] + mark["length"]) * 2].decode("utf-16-le") for mark in bold)
    return "".join("".join(found).split())


@given(marked_up())
def test_no_letter_loses_its_mark(html):
    assert "".join(bold_letters(piece) for piece in split(html, LIMIT)) == bold_letters(html)
