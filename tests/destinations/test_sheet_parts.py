"""The pure parts of a delivery to a Google Sheet: cells, header, memory, ranges."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.destinations.google.cells import Fault, Formula, columns_of, entered, is_too_long, parse_answer, same
from backhaul.destinations.google.memory import (
    RECEIPTS_KEPT,
    ROWS_KEPT,
    Changed,
    Memory,
    Record,
    digest,
    joined,
    packed,
    segments,
    unpacked,
    wrong_rows,
)
from backhaul.destinations.google.view import Grid, in_calls, joined_rows
from backhaul.model import Counts
from backhaul.sessions.google.tabs import Place, column_letters

DIGESTS = st.binary(min_size=8, max_size=8)
VALUES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (pl.String, st.text(max_size=12)),
    "integer": (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
    "float": (pl.Float64, st.floats()),
    "day": (pl.Date, st.dates()),
    "moment": (
        pl.Datetime("us", "UTC"),
        st.datetimes(min_value=datetime(1902, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)),
    ),
    "money": (pl.Decimal(20, 2), st.decimals(-(10**17), 10**17, places=2)),
    "boolean": (pl.Boolean, st.booleans()),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_a_value_that_went_to_the_sheet_and_back_is_the_same_and_no_other_one_is(
    kind: str, data: st.DataObject
) -> None:
    dtype, strategy = VALUES[kind]
    values = data.draw(st.lists(st.one_of(st.none(), strategy), min_size=2, max_size=6))
    frame = pl.DataFrame({"v": pl.Series(values, dtype=dtype)})
    column = columns_of(frame, {"v": frame.schema["v"]}, "Asia/Jakarta")[0]

    answer = [{"values": [shown(entered(cell)) for cell in column.cells]}]
    returned = parse_answer(json.dumps(answer).encode())[0]
    returned += (None,) * (len(values) - len(returned))

    for cell, ours in zip(returned, column.cells, strict=True):
        assert same(cell, ours, is_moment=column.is_moment)
    for cell, value in zip(returned, values, strict=True):
        for ours, other in zip(column.cells, values, strict=True):
            if distinct(value, other):
                assert not same(cell, ours, is_moment=column.is_moment)


def shown(cell: dict[str, Any]) -> dict[str, Any]:
    return {**cell, "effectiveValue": cell["userEnteredValue"]} if cell else {}


def distinct(one: Any, other: Any) -> bool:
    """A sheet has no empty text; a double knows integers and money up to its 53 bits, beyond they are text."""
    if (one or None, other or None) == (None, None) and isinstance(one or other or "", str):
        return False
    if isinstance(one, float) and isinstance(other, float) and one != one and other != other:
        return False
    if isinstance(one, str) and isinstance(other, str):
        return one.replace("\r\n", "\n") != other.replace("\r\n", "\n")
    return bool(one != other)


def test_cells_are_read_for_what_they_are() -> None:
    cells: list[dict[str, Any]] = [
        {"userEnteredValue": {"formulaValue": "=1+1"}, "effectiveValue": {"numberValue": 2}},
        {"effectiveValue": {"stringValue": "spilled"}},
        {"userEnteredValue": {"stringValue": ""}},
        {},
        {"userEnteredValue": {"formulaValue": "=1/0"}, "effectiveValue": {"errorValue": {"type": "DIVIDE_BY_ZERO"}}},
        {"userEnteredValue": {"boolValue": False}, "effectiveValue": {"boolValue": False}},
    ]

    row = parse_answer(json.dumps({"values": cells}).encode())

    assert row == (Formula(2), Formula("spilled"), None, None, Formula(None), False)


@pytest.mark.parametrize(
    ("cell", "ours", "expected"),
    [
        (7, "7", True),
        (7, "007", False),
        ("7", 7, False),
        (True, "TRUE", False),
        (1, True, False),
        (Formula("x"), "x", True),
        (Formula(""), None, True),
        (Fault(), None, False),
        (12345678901234567890.0, "12345678901234567000", False),
        ("a\nb", "a\r\nb", True),
    ],
)
def test_what_people_type_is_compared_with_what_we_have(cell: Any, ours: Any, expected: bool) -> None:
    assert same(cell, ours) is expected


def test_days_count_from_the_end_of_1899() -> None:
    frame = pl.DataFrame({"day": [date(1900, 3, 1), date(2020, 1, 1), date(1900, 2, 28)]})

    assert columns_of(frame, dict(frame.schema), "UTC")[0].cells == [61, 43831, "1900-02-28"]


def test_the_limit_of_a_cell_counts_utf_16() -> None:
    assert not is_too_long("x" * 50_000)
    assert is_too_long("x" * 50_001)
    assert not is_too_long("🙂" * 25_000)
    assert is_too_long("🙂" * 25_000 + "x")


@given(st.lists(DIGESTS, max_size=20))
def test_digests_come_back_as_they_were_kept(digests: list[bytes]) -> None:
    assert [each for text in packed(digests) for each in unpacked(text)] == digests


def test_many_digests_go_into_cells_that_are_not_too_long() -> None:
    texts = packed([digest(str(number)) for number in range(10_000)])

    assert len(texts) == 3
    assert max(map(len, texts)) <= 50_000


@given(
    changed=st.lists(st.builds(Changed, st.integers(0, 10**7), DIGESTS, st.integers(0, 2**40), st.booleans())),
    fresh=st.lists(DIGESTS, max_size=5),
    own=st.sets(st.integers(0, 50)),
)
def test_a_record_comes_back_as_it_was_kept(changed: list[Changed], fresh: list[bytes], own: set[int]) -> None:
    record = Record(
        batch="b",
        counts=Counts(new=1, updated=2, removed=3),
        own=tuple(sorted(own)),
        key=(0,),
        top=3,
        head="x",
        headed=(7, 8),
        changed=tuple(changed),
        fresh=tuple(fresh),
        fresh_row=5,
        is_checked=True,
        time="now",
    )

    assert Record.of(0, record.cells()) == record


@given(st.lists(st.text(max_size=30), min_size=5, max_size=5))
def test_a_row_that_somebody_typed_is_no_record(texts: list[str]) -> None:
    assert Record.of(0, texts) is None


def test_a_full_memory_is_joined_without_losing_a_key_or_a_late_receipt() -> None:
    memory = Memory(Place(1, "_backhaul 0", 200, 10))
    for number in range(ROWS_KEPT):
        record = Record(batch=f"b{number}", counts=Counts(new=1), fresh=(digest(str(number)),))
        memory.add(record, memory.entry(record, []), [])
    last = Record(batch="last", counts=Counts(new=1), fresh=(digest("last"),))

    entry = memory.entry(last, [])

    assert (entry.first, len(entry.rows)) == (0, ROWS_KEPT)
    written = Memory.of({"properties": {"sheetId": 1}, "data": [{"rowData": [tuple(row) for row in entry.rows]}]})
    assert written.used == entry.used == RECEIPTS_KEPT + 2
    assert {digest(str(number)) for number in range(ROWS_KEPT)} | {digest("last")} == written.keys
    assert written.records[-1].batch == "last"
    assert written.records[-1].at == entry.at
    assert written.counts_of(f"b{ROWS_KEPT - 1}") == Counts(new=1)


def test_a_backup_tells_which_rows_were_met() -> None:
    record = Record(
        batch="b",
        counts=Counts(),
        own=(0, 1),
        key=(0,),
        head=wrong_rows_head("id", "total"),
        changed=(Changed(1, digest("a"), 2), Changed(2, digest("b"), 2)),
        fresh=(digest("c"), digest("d")),
        is_checked=True,
    )
    rows = [("id", "total"), ("a", 1), ("x", 2), (), (None, 5)]
    backup = Grid([(0, 6, [tuple(row) for row in rows])])

    found = wrong_rows(record, backup)

    assert (found.changed, found.fresh, found.is_header) == ((1,), (1,), False)
    moved = Grid([(0, 6, [("total", "id"), *(tuple(row) for row in rows[1:])])])
    assert wrong_rows(record, moved).is_header


def wrong_rows_head(*texts: str) -> str:
    from backhaul.destinations.google.memory import head_digest

    return head_digest(texts)


@given(st.sets(st.integers(0, 60)))
def test_columns_side_by_side_are_kept_as_segments(columns: set[int]) -> None:
    assert joined(segments(sorted(columns))) == tuple(sorted(columns))


@given(st.sets(st.integers(0, 3_000)), st.integers(1, 3_000))
def test_every_row_asked_for_is_in_exactly_one_range(rows: set[int], width: int) -> None:
    groups = list(in_calls(joined_rows(rows), width, "Sheet1"))

    covered = [row for group in groups for first, end in group for row in range(first, end)]
    assert rows <= set(covered)
    assert len(covered) == len(set(covered))
    assert all(sum(end - first for first, end in group) * width <= 200_000 for group in groups)


@pytest.mark.parametrize(("column", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (18_277, "ZZZ")])
def test_columns_have_letters(column: int, letters: str) -> None:
    assert column_letters(column) == letters
