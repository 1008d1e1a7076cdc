"""A message has one identity, wherever and however often it is read; two messages have two."""

import sys
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.formats.chat import Identities, fingerprints, normalised, sender_key
from backhaul.formats.chat.identity import _MAY_CHANGE, _MAY_CHANGE_ASCII
from backhaul.sandbox.chat_files import LOCALES, ChatLine, Said, made_up_chat
from tests.formats.chat_truth import read, written

AT = datetime(2025, 3, 14, 9, 15, tzinfo=UTC)
Message = tuple[datetime, str | None, str, str]


def frame(*messages: Message) -> pl.DataFrame:
    schema = {"sent_at": pl.Datetime("us", "UTC"), "sender": pl.String, "kind": pl.String, "text": pl.String}
    return pl.DataFrame(list(messages), schema=schema, orient="row")


def one(
    sent_at: datetime = AT, sender: str | None = "Jo", kind: str = "text", text: str = "hi", chat: str = "c"
) -> str:
    return str(fingerprints(frame((sent_at, sender, kind, text)), chat=chat)["fingerprint"][0])


def test_a_fingerprint_never_changes() -> None:
    # Stored identities are compared with these for ever.
    assert one() == "c6591edbcd3c34b7d00ed7f19d7e884a"
    assert (
        one(sender="+972 55-000-0101", text="שלום ❤️ <ההודעה נערכה>", chat="כיתה")
        == "01f7d97e77db116c1da532b035340e1f"
    )


@pytest.mark.parametrize(
    "same",
    [
        {"sent_at": AT + timedelta(seconds=59)},
        {"text": "hi  \n"},
        {"text": "\u200ehi\u200f"},
        {"text": "hi <This message was edited>"},
        {"text": "hi \u200e<This message was edited>"},
        {"sender": "~\u202fJo"},
        {"sender": "\u202aJo\u202c"},
        {"chat": "\u200ec"},
    ],
)
def test_what_depends_on_the_phone_does_not_count(same: dict[str, object]) -> None:
    assert one(**same) == one()  # type: ignore[arg-type]


def test_words_of_whatsapp_in_another_language_do_not_count() -> None:
    assert one(kind="deleted", text="הודעה זו נמחקה") == one(kind="deleted", text="This message was deleted")
    assert one(kind="media", text="<Media omitted>\na") == one(kind="media", text="a \u200eimage omitted")
    assert one(kind="media", text="IMG-1.jpg (file attached)") == one(kind="media", text="")


@pytest.mark.parametrize(
    "other",
    [
        {"sent_at": AT + timedelta(minutes=1)},
        {"sender": "Jo2"},
        {"sender": None},
        {"text": "Hi"},
        {"text": "h²"},
        {"kind": "media"},
        {"chat": "d"},
    ],
)
def test_what_makes_another_message_counts(other: dict[str, object]) -> None:
    assert one(**other) != one()  # type: ignore[arg-type]


def test_a_number_is_one_key_however_it_is_written() -> None:
    shown = [
        "+972 55-000-0101",
        "\u200f+972\u00a055\u2060-000-0101".replace("\u2060", ""),
        "972550000101",
        "+972 (55) 000 0101",
    ]

    assert {sender_key(each) for each in shown} == {"972550000101"}
    assert sender_key("Room 12") == "Room 12"
    assert sender_key(None) == ""


def test_equal_messages_of_one_minute_are_numbered_in_their_order() -> None:
    later = AT + timedelta(minutes=1)
    found = fingerprints(
        frame(
            (AT, "Jo", "text", "a"),
            (AT, "Jo", "text", "a"),
            (AT, "Ana", "text", "a"),
            (later, "Jo", "text", "a"),
            (AT, "Jo", "text", "a "),
        ),
        chat="c",
    )

    assert found["occurrence"].to_list() == [1, 2, 1, 1, 3]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=40), st.integers(1, 9))
def test_occurrences_do_not_depend_on_how_the_chat_is_cut(messages: list[tuple[int, str]], size: int) -> None:
    # Out of order, as late messages are: what matters is only that equal ones are counted on.
    whole = frame(*((AT + timedelta(minutes=minute), "Jo", "text", text) for minute, text in messages))
    identities = Identities("c")

    parts = [identities.added(each) for each in whole.iter_slices(size)]

    assert pl.concat([*parts, identities.added(whole.clear())]).equals(fingerprints(whole, chat="c"))


def test_android_and_ios_give_the_same_identities(tmp_path: Path) -> None:
    lines = [line for line in made_up_chat(31, 800) if line.said is not Said.SYSTEM]
    one_, other = (
        read(written(tmp_path / "f", lines, LOCALES[name])).select("fingerprint", "occurrence")
        for name in ("he", "en-US iOS")
    )

    assert one_.rows() == other.rows()


def test_reading_again_and_reading_more_keeps_the_identities(tmp_path: Path) -> None:
    lines = list(made_up_chat(32, 600))
    whole = read(written(tmp_path / "f", lines, LOCALES["de"]))

    again = read(written(tmp_path / "f", lines[:400], LOCALES["de"]))

    keys = ["fingerprint", "occurrence"]
    assert again.select(keys).rows() == whole.head(400).select(keys).rows()
    assert whole.select(keys).is_unique().all()


def test_a_burst_of_equal_messages_across_pieces_is_counted_on(tmp_path: Path) -> None:
    lines = [ChatLine(datetime(2025, 5, 20, 7, 30), "Jo", Said.TEXT, "practice")] * 500

    found = read(written(tmp_path / "f", lines, LOCALES["en-GB"]), piece_bytes=700)

    assert found["occurrence"].to_list() == list(range(1, 501))


@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1f")), min_size=1, max_size=9))
def test_a_text_that_is_normalised_already_has_the_same_fingerprint(texts: list[str]) -> None:
    as_written = fingerprints(frame(*((AT, "Jo", "text", text) for text in texts)), chat="c")
    prepared = fingerprints(frame(*((AT, "Jo", "text", normalised(text)) for text in texts)), chat="c")

    assert as_written["fingerprint"].equals(prepared["fingerprint"])


def test_no_character_that_normalising_changes_is_overlooked() -> None:
    # The fast way leaves a text alone without one of these; Unicode's own tables say which may change a text.
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    joins = set(map(chr, range(0x1100, 0x1200)))
    for letter in letters:
        parts = unicodedata.decomposition(letter)
        if parts and not parts.startswith("<") and " " in parts:
            joins.add(chr(int(parts.split()[1], 16)))
    changing = [
        letter
        for letter in letters
        if normalised(f"x{letter}y") != f"x{letter}y" or unicodedata.combining(letter) or letter in joins
    ]

    is_seen = pl.Series(changing).str.contains(f"{_MAY_CHANGE}|{_MAY_CHANGE_ASCII}")

    assert len(changing) > 2000
    assert [hex(ord(letter)) for letter, seen in zip(changing, is_seen, strict=True) if not seen] == []
