"""How far up a chat is read: each row is looked at once, and the answer is that of a look at all of them."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.formats.chat.dates import DateOrder
from backhaul.sessions.whatsapp.reading import PageRow
from backhaul.sources.whatsapp.enough import Wanted
from backhaul.sources.whatsapp.memory import Memory, seen_of
from backhaul.sources.whatsapp.messages import Ways, messages_of
from tests.sources.whatsapp_chat import ZONE, Post

START = datetime(2025, 10, 20, 8, 0)
"""A week later clocks are put back."""
WAYS = Ways("messages", "students", ZONE, DateOrder.AUTO, "", datetime(2026, 2, 1, tzinfo=UTC))


def chat(count: int, *, minutes: float, has_ids: bool = True, locale: str = "he") -> list[PageRow]:
    dice = random.Random(count)
    return [
        Post(f"3A{number:06}", START + timedelta(minutes=number * minutes), "Dana", dice.choice(("ok", "done"))).row(
            locale, has_id=has_ids
        )
        for number in range(count)
    ]


def wanted(known: list[PageRow]) -> Wanted:
    """Return what is wanted by one who knows these rows."""
    ways = Ways("messages", "students", ZONE, DateOrder.DAY_FIRST, "", WAYS.now)
    seen = seen_of(messages_of(known, ways).frame, "students")
    memory = Memory()
    memory = memory.after(seen, memory.judged(seen), is_from_start=False)
    return Wanted(WAYS, DateOrder.AUTO, memory, 10)


@given(
    known=st.integers(1, 60),
    new=st.integers(0, 120),
    minutes=st.sampled_from([0.3, 7, 60, 700]),
    steps=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    has_ids=st.booleans(),
    changed=st.integers(0, 200),
)
def test_the_answer_is_that_of_one_who_looks_at_all_rows_at_once(
    known: int, new: int, minutes: float, steps: list[int], has_ids: bool, changed: int
) -> None:
    rows = chat(known + new, minutes=minutes, has_ids=has_ids)
    # What is known may be gone from the chat.
    shown = rows[known // 2 :]
    asked, size = wanted(rows[:known]), 0
    for number, step in enumerate(steps):
        size = min(len(shown), size + step)
        window = shown[len(shown) - size :]
        if number == 1 and changed < len(window):
            window[changed] = PageRow(window[changed].id, window[changed].header, "another text", is_edited=True)

        answer = asked.is_met_by(window)

        assert answer == wanted(rows[:known]).is_met_by(window)
        if answer:
            break


@pytest.mark.parametrize("has_ids", [True, False])
def test_thousands_of_rows_are_gone_through_in_a_time_that_grows_with_their_number(has_ids: bool) -> None:
    rows = chat(4_000, minutes=2, has_ids=has_ids)
    asked, before, size = wanted(rows[:20]), time.process_time(), 0

    while not asked.is_met_by(rows[len(rows) - size :]):
        size = min(len(rows), size + 8)

    # It takes half a second; a look at all rows in each step takes a minute.
    assert time.process_time() - before < 8
    assert 3_900 < size <= 4_000
