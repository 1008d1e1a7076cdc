"""What single looks at a chat have shown becomes one unbroken piece of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.sessions.whatsapp.gathering import Gathering, message_part, sender_of


def row(number: int, of: int, text: str, *, has_id: bool = True, **changes: Any) -> dict[str, Any]:
    said = {
        **{"kind": "message", "in_view": True, "from_end": of - 1 - number, "text": text, "via": []},
        **{"id": f"3A{number:04}" if has_id else "", "header": "[14:30, 30.9.2026] Dana: ", "clock": "14:30"},
        **{"author": "", "is_own": None, "is_edited": False, "is_truncated": False, "shown": "text"},
    }
    return {**said, **changes}


def empty(number: int, of: int) -> dict[str, Any]:
    return {"kind": "empty", "in_view": False, "from_end": of - 1 - number}


def look(said: list[str], first: int, last: int, *, has_id: bool) -> list[dict[str, Any]]:
    """Return a look in which only the messages from first to last are drawn."""
    return [
        row(number, len(said), text, has_id=has_id) if first <= number <= last else empty(number, len(said))
        for number, text in enumerate(said)
    ]


@given(
    said=st.lists(st.sampled_from(["ok", "done", "✅"]), min_size=1, max_size=60),
    steps=st.lists(st.integers(1, 5), max_size=60),
    height=st.integers(6, 12),
    has_id=st.booleans(),
)
def test_looks_that_overlap_give_each_message_once_and_in_order(
    said: list[str], steps: list[int], height: int, has_id: bool
) -> None:
    gathering, first = Gathering(), max(0, len(said) - height)
    gathering.add(look(said, first, len(said) - 1, has_id=has_id))
    for step in steps:
        first = max(0, first - step)
        gathering.add(look(said, first, first + height - 1, has_id=has_id))

    assert [each.text for each in gathering.messages] == said[first:]


@pytest.mark.parametrize("has_id", [True, False])
def test_what_does_not_join_on_is_left_for_later(has_id: bool) -> None:
    said = [f"message {number}" for number in range(20)]
    gathering = Gathering()
    gathering.add(look(said, 15, 19, has_id=has_id))

    apart = gathering.add(look(said, 2, 8, has_id=has_id))

    assert apart is None
    assert [each.text for each in gathering.messages] == said[15:]


def test_a_later_look_wins_and_loses_nothing() -> None:
    gathering = Gathering()
    gathering.add([row(0, 1, "the whole text", author="Dana", is_own=False)])
    gathering.add([row(0, 1, "the wh", is_truncated=True, is_edited=True)])

    [message] = gathering.messages

    assert (message.text, message.is_truncated, message.is_edited) == ("the whole text", False, True)
    assert (message.author, message.is_own) == ("Dana", False)


def test_what_stands_between_two_messages_is_kept_with_the_lower_one() -> None:
    def note(text: str) -> dict[str, Any]:
        return {"kind": "note", "in_view": True, "from_end": 0, "text": text}

    card = row(2, 6, "", kind="card")
    rows = [row(number, 6, f"message {number}") for number in range(6)]
    gathering = Gathering()
    gathering.add([empty(1, 6), card, rows[3], note("TODAY"), rows[4], rows[5]])
    gathering.add([rows[0], rows[1], note("YESTERDAY"), note("Dana joined"), card, rows[3], empty(4, 6)])

    assert [each.above for each in gathering.messages] == [None, "", "YESTERDAY\nDana joined", "TODAY", ""]


def test_a_message_that_is_deleted_between_two_looks_has_no_text() -> None:
    gathering = Gathering()
    gathering.add([row(0, 1, "a secret")])
    gathering.add([row(0, 1, "", header="", shown="deleted")])

    [message] = gathering.messages

    assert (message.text, message.header, message.shown) == ("", "", "deleted")


def test_own_messages_are_known_by_the_name_that_one_of_them_shows() -> None:
    gathering = Gathering()
    gathering.add([row(0, 3, "a", is_own=True), row(1, 3, "b"), row(2, 3, "c", header="[14:30, 30.9.2026] Ola: ")])

    rows, own_name = gathering.finished()

    assert own_name == "Dana"
    assert [each.is_own for each in rows] == [True, True, False]


@pytest.mark.parametrize(
    ("row_id", "part"),
    [("false_1203@g.us_3A01_77@lid", "3A01"), ("true_1203@g.us_3A01", "3A01"), ("3A01", "3A01"), ("a_b_c", "a_b_c")],
)
def test_the_messages_part_of_an_id_is_the_same_in_all_builds(row_id: str, part: str) -> None:
    assert message_part(row_id) == part


def test_a_name_may_hold_what_divides_a_header() -> None:
    assert sender_of("[8:05 pm, 14/12/2025] Ola: A] b: ") == "Ola: A] b"
