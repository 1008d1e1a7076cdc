"""Reading updates: what people did, and everything else that may come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.bot.heard import Pressed, Said, heard, number_of

PERSON = {"id": 601, "is_bot": False, "first_name": "Ani"}
PRIVATE = {"id": 601, "type": "private", "first_name": "Ani"}
GROUP = {"id": -100123, "type": "supergroup", "title": "Shop"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "update_id",
                    "message",
                    "callback_query",
                    "from",
                    "chat",
                    "id",
                    "data",
                    "text",
                    "type",
                    "is_bot",
                    "caption",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def message(text: str | None = "kopi", **more: Any) -> dict[str, Any]:
    said = {"message_id": 5, "date": 0, "chat": PRIVATE, "from": PERSON, "text": text, **more}
    return {"update_id": 9, "message": {name: value for name, value in said.items() if value is not None}}


def test_a_text_in_private():
    assert heard(message(" kopi \n")) == Said(9, 601, 601, "kopi", is_private=True)


def test_a_text_in_a_topic_of_a_group():
    update = message(chat=GROUP, message_thread_id=77, is_topic_message=True)

    assert heard(update) == Said(9, -100123, 601, "kopi", is_private=False, topic=77)


def test_the_words_under_a_picture_count_and_a_sticker_has_none():
    assert heard(message(None, caption="kopi")).text == "kopi"
    assert heard(message(None)).text == ""


def test_a_pressed_button():
    query = {"id": "77", "from": PERSON, "data": "abc", "message": {"message_id": 5, "chat": GROUP}}

    found = heard({"update_id": 9, "callback_query": query})

    assert found == Pressed(9, -100123, 601, "77", "abc", 5, is_private=False)


@pytest.mark.parametrize(
    "update",
    [
        message(**{"from": {**PERSON, "is_bot": True}}),
        message(**{"from": None}),
        message(**{"from": {"id": "601"}}),
        message(chat={"id": True}),
        {"update_id": 9, "channel_post": {}},
        {"update_id": 9, "callback_query": {"id": "1", "from": PERSON, "data": "x"}},
        {"update_id": "9", "message": message()["message"]},
        {"update_id": 2**60, "message": message()["message"]},
    ],
)
def test_what_nobody_waits_for_an_answer_to_is_nothing(update):
    assert heard(update) is None


@given(JSON)
def test_whatever_comes_is_read_or_is_nothing(update):
    number_of(update)
    if isinstance(update, dict):
        heard(update)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/status", ("status", "")),
        ("/Cari kopi  susu", ("cari", "kopi  susu")),
        ("/status@Shop_Bot", ("status", "")),
        ("/status@other_bot", ("", "")),
        ("kopi /status", None),
        ("/", None),
        ("1/2 kg", None),
    ],
)
def test_commands_are_told_from_questions(text, command):
    assert Said(1, 1, 1, text, is_private=True).command("shop_bot") == command


def test_the_bots_own_name_is_no_part_of_a_question():
    assert Said(1, 1, 1, "@Shop_bot kopi", is_private=False).question("shop_bot") == "kopi"
