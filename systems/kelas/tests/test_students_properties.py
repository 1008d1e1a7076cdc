"""Whatever is read again, later or only in part: no message counts twice, and none that was not sent."""

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from systems.kelas.rules.words import holds, listed, plain

from .student_frames import DANA_SHOWN, NOA_SHOWN, NOON, computed, messages, roster

PEOPLE = roster(("055-000-0101", "דנה לוי", "5"), ("055-000-0102", "נועה כהן", "3"))
TEXTS = ("תרגול", "תרגול ✅", "שאלה", "הודעה ותרגול", "שלום")

posts = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 4).map(lambda minutes: NOON + timedelta(minutes=minutes)),
            "sender": st.sampled_from([DANA_SHOWN, NOA_SHOWN, "~ דנה לוי", "מישהו"]),
            "text": st.sampled_from(TEXTS),
        }
    ),
    max_size=12,
)


def counted(table: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Return practices and messages by student."""
    found = {}
    for name, document in computed(table, PEOPLE).items():
        entries = document["entries"].values()
        found[name] = sum(each["practice_count"] for each in entries), sum(each["message_count"] for each in entries)
    return found


def with_ids(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "wa_id": f"3A{number:02}", "on_page": True} for number, each in enumerate(sent)]


def true_counts(sent: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    found = {}
    for name, senders in (("דנה לוי", (DANA_SHOWN, "~ דנה לוי")), ("נועה כהן", (NOA_SHOWN,))):
        own = [each["text"] for each in sent if each["sender"] in senders]
        practised = sum("תרגול" in text or "✅" in text for text in own)
        found[name] = practised, sum("הודעה" in text or "שאלה" in text for text in own)
    return found


@settings(max_examples=25, deadline=None)
@given(posts)
def test_every_message_counts_once(sent: list[dict[str, Any]]) -> None:
    assert counted(messages(*with_ids(sent))) == true_counts(sent)


@settings(max_examples=25, deadline=None)
@given(posts, st.data())
def test_rows_in_any_order_and_any_number_of_times_change_no_count(
    sent: list[dict[str, Any]], data: st.DataObject
) -> None:
    table = messages(*sent)
    again = data.draw(st.lists(st.integers(0, max(table.height - 1, 0)), max_size=20)) if table.height else []
    order = data.draw(st.permutations([*range(table.height), *again]))

    assert counted(table[order]) == counted(table)


@settings(max_examples=25, deadline=None)
@given(posts, st.integers(0, 12))
def test_a_part_of_the_messages_never_counts_more_than_all(sent: list[dict[str, Any]], size: int) -> None:
    part, whole = counted(messages(*sent)[:size]), counted(messages(*sent))

    assert all(some <= every for name in whole for some, every in zip(part[name], whole[name], strict=True))


@settings(max_examples=25, deadline=None)
@given(posts, st.data())
def test_edits_and_deletions_count_as_they_are_now(sent: list[dict[str, Any]], data: st.DataObject) -> None:
    rows, now = with_ids(sent), []
    later = []
    for each in rows:
        change = data.draw(st.sampled_from(["none", "edit", "delete"]))
        if change == "edit":
            edited = {**each, "text": data.draw(st.sampled_from(TEXTS)) + "!", "is_edited": True}
            later.append(edited)
            now.append(edited)
        elif change == "delete":
            later.append({**each, "kind": "deleted", "text": ""})
        else:
            now.append(each)

    assert counted(messages(*rows, *later)) == true_counts(now)


@settings(max_examples=25, deadline=None)
@given(posts, st.data())
def test_an_export_of_what_the_page_has_shown_adds_nothing(sent: list[dict[str, Any]], data: st.DataObject) -> None:
    page = messages(*with_ids(sent)).with_columns(in_export=pl.lit(None, pl.Boolean))
    both = page.with_columns(in_export=pl.Series([data.draw(st.booleans()) for _ in sent], dtype=pl.Boolean))

    assert counted(both) == counted(page)


edited_messages = st.lists(
    st.fixed_dictionaries(
        {
            "minute": st.integers(0, 1),
            "is_edited": st.booleans(),
            "page_saw": st.sampled_from(["first", "second", "both"]),
            "export_saw": st.sampled_from(["first", "second"]),
        }
    ),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(edited_messages, st.booleans())
def test_edits_that_page_and_export_met_at_different_times_count_once(
    sent: list[dict[str, Any]], has_ids: bool
) -> None:
    rows = [row for number, each in enumerate(sent) for row in versions(number, each, has_ids)]

    assert counted(messages(*rows))["דנה לוי"][0] == len(sent)


def versions(number: int, sent: dict[str, Any], has_ids: bool) -> list[dict[str, Any]]:
    """Return the rows that page and export make of one message, each text once."""
    page = {"first": [0], "second": [1], "both": [0, 1]}[sent["page_saw"]] if sent["is_edited"] else [0]
    export = 1 if sent["is_edited"] and sent["export_saw"] == "second" else 0
    return [
        {
            "at": NOON + timedelta(minutes=sent["minute"]),
            "text": f"תרגול {number}" + " שוב" * version,
            "is_edited": version == 1,
            "wa_id": f"3A{number:02}" if has_ids and version in page else None,
            "on_page": True if version in page else None,
            "in_export": True if version == export else None,
            # Without ids the page can only say that it knew a message of this minute that is gone.
            "maybe_edit": version == 1 and page == [0, 1] and not has_ids,
        }
        for version in sorted({*page, export})
    ]


@given(st.text(), st.lists(st.text(max_size=5), max_size=4))
def test_no_text_and_no_word_is_too_odd(text: str, words: list[str]) -> None:
    shown = plain(text.encode("utf-8", "replace").decode())

    found = holds(pl.Series([shown]), ",".join(words))

    assert found.to_list() == [any(word in shown for word in listed(",".join(words)))]


@given(st.text())
def test_what_is_compared_stays_the_same_when_it_is_compared_again(text: str) -> None:
    assert plain(plain(text)) == plain(text)
