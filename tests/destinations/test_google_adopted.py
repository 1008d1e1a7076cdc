"""A sheet that people filled before, without our key, gets the key's column; their rows stay theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.errors import DeliveryError
from backhaul.model import Counts
from backhaul.sandbox import Book, SheetsFault
from backhaul.testing import BatchMaker
from tests.destinations.google_place import Google, data, google, merge

HEADER = ["source", "name", "phone", "mail", "time"]
OLD: list[list[Any]] = [
    ["פייסבוק", "Dana", "055-0000001", "dana@example.com", "09:00, 01.09.2025"],
    ["Instagram", "Omer", 550000002, None, "10:00, 01.09.2025"],
]
BEFORE_THE_WRITE: dict[str, Any] = {"method": "POST", "path": "batchUpdate"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def place(shared: Google) -> Google:
    shared.sandbox.faults.clear()
    shared.time.seconds += 61
    return shared


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging", key=("lead",), table="sales_sheet")


@pytest.fixture
def book(place: Google) -> Book:
    made = place.sandbox.add_spreadsheet("Sales")
    made.fill("Sheet1", [HEADER, *OLD])
    place.sandbox.reset_calls()
    return made


def sales(place: Google, book: Book, **options: Any) -> GoogleSheet:
    return place.sheet(book, **{"adds_key": True, **options})


def leads(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame([lead(number) for number in numbers], schema=[*HEADER, "lead"], orient="row")


def lead(number: int) -> list[str]:
    phone = f"055-000000{number}"
    return ["=web", f"Lead {number}", phone, f"{number}@example.com", "11:00, 02.09.2025", f"97255000000{number}"]


def old(*, width: int = 6) -> list[list[Any]]:
    return [[*row, *[None] * (width - 5)] for row in OLD]


def test_the_key_comes_right_of_the_header_and_leads_below_the_old_rows(
    place: Google, book: Book, maker: BatchMaker
) -> None:
    assert merge(sales(place, book), maker, leads(1, 2)) == Counts(new=2)

    assert data(book) == [[*HEADER, "lead"], *old(), lead(1), lead(2)]
    assert not book.cell("Sheet1", "A4").is_formula
    assert merge(sales(place, book), maker, leads(1, 2)) == Counts(unchanged=2)


def test_an_old_row_of_the_same_lead_is_not_matched(place: Google, book: Book, maker: BatchMaker) -> None:
    book.append_row("Sheet1", lead(1)[:5])

    assert merge(sales(place, book), maker, leads(1)) == Counts(new=1)

    assert len(data(book)) == 5
    assert data(book)[4] == lead(1)


def test_a_lead_that_a_person_deleted_stays_deleted(place: Google, book: Book, maker: BatchMaker) -> None:
    merge(sales(place, book), maker, leads(1, 2))
    book.delete_row("Sheet1", 4)

    assert merge(sales(place, book), maker, leads(1, 2, 3)) == Counts(new=1, unchanged=2)

    assert [row[5] for row in data(book)] == ["lead", None, None, lead(2)[5], lead(3)[5]]


@pytest.mark.parametrize(
    "fault", [SheetsFault.UNAVAILABLE_AFTER, SheetsFault.CUT_AFTER, SheetsFault.UNAVAILABLE_BEFORE]
)
def test_a_write_without_an_answer_doubles_nothing(
    place: Google, book: Book, maker: BatchMaker, fault: SheetsFault
) -> None:
    target = sales(place, book)
    changes = target.compare(maker.stream, maker.batch(leads(1, 2)))
    place.sandbox.faults.add(fault, method="POST", path="batchUpdate")

    assert target.write(maker.stream, changes) == Counts(new=2)
    assert target.write(maker.stream, changes) == Counts(new=2)

    assert data(book) == [[*HEADER, "lead"], *old(), lead(1), lead(2)]


EDITS: dict[str, Callable[[Book], object]] = {
    "sort": lambda b: b.sort("Sheet1", "name", descending=True),
    "append": lambda b: b.append_row("Sheet1", ["own", "typed", "x", None, None]),
    "append a note": lambda b: b.append_row("Sheet1", [None, None, None, None, None, "note"]),
    "a column of people": lambda b: b.insert_column("Sheet1", 6, "called?"),
    "move a column": lambda b: b.move_column("Sheet1", "time", "source"),
    "a title above": lambda b: b.insert_row("Sheet1", 1, ["Sales"]),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("fault", [None, SheetsFault.CUT_AFTER])
def test_people_may_edit_right_before_the_first_write(
    place: Google, book: Book, maker: BatchMaker, edit: str, fault: SheetsFault | None
) -> None:
    target = sales(place, book)
    changes = target.compare(maker.stream, maker.batch(leads(1, 2)))
    book.before_call(EDITS[edit], **BEFORE_THE_WRITE)
    if fault:
        place.sandbox.faults.add(fault, method="POST", path="batchUpdate")

    assert target.write(maker.stream, changes) == Counts(new=2)

    rows = data(book)
    top = next(number for number, row in enumerate(rows) if "source" in row)
    assert rows[top].count("lead") == 1
    named = [dict(zip(rows[top], row, strict=True)) for row in rows[top + 1 :]]
    found = {row["name"]: [row[name] for name in (*HEADER, "lead")] for row in named if row["name"]}
    theirs = {"typed": ["own", "typed", "x", None, None, None]} if edit == "append" else {}
    expected = {str(row[1]): [*row, None] for row in OLD} | theirs | {str(lead(n)[1]): lead(n) for n in (1, 2)}
    assert found == expected
    if edit == "a column of people":
        assert "called?" in rows[top]
    assert merge(target, maker, leads(1, 2)) == Counts(unchanged=2)


def test_a_header_alone_will_do(place: Google, maker: BatchMaker) -> None:
    book = place.sandbox.add_spreadsheet()
    book.fill("Sheet1", [[], ["mail", "note", *HEADER[:3], "time"]])

    assert merge(sales(place, book), maker, leads(1)) == Counts(new=1)

    source, name, phone, mail, time, key = lead(1)
    assert data(book)[1:] == [
        ["mail", "note", *HEADER[:3], "time", "lead"],
        [mail, None, source, name, phone, time, key],
    ]


def test_an_empty_tab_is_filled_as_ever(place: Google, maker: BatchMaker) -> None:
    book = place.sandbox.add_spreadsheet()

    assert merge(sales(place, book), maker, leads(1)) == Counts(new=1)

    assert data(book) == [[*HEADER, "lead"], lead(1)]


def test_data_without_a_header_is_refused_with_what_to_type(place: Google, maker: BatchMaker) -> None:
    book = place.sandbox.add_spreadsheet()
    book.fill("Sheet1", OLD)
    version = book.state.version

    with pytest.raises(DeliveryError, match="'Sheet1' has data but no header in its first 10 rows") as caught:
        merge(sales(place, book), maker, leads(1))

    assert "Insert a row at the top" in caught.value.next_step
    assert "source, name, phone, mail, time" in caught.value.next_step
    assert "Dana" not in f"{caught.value}{caught.value.next_step}"
    assert book.state.version == version


def test_a_header_that_lacks_a_column_is_refused_by_its_name(place: Google, book: Book, maker: BatchMaker) -> None:
    book.rename_header("Sheet1", "mail", "e-mail")

    with pytest.raises(DeliveryError, match="header in row 1 of tab 'Sheet1' has no column 'mail'") as caught:
        merge(sales(place, book), maker, leads(1))

    assert "source, name, phone, mail, time" in caught.value.next_step


def test_a_key_that_was_renamed_later_is_not_added_once_more(place: Google, book: Book, maker: BatchMaker) -> None:
    merge(sales(place, book), maker, leads(1, 2))
    book.rename_header("Sheet1", "lead", "our key")
    version = book.state.version

    for frame in (leads(1, 2), leads(3)):
        with pytest.raises(DeliveryError, match="no column 'lead'"):
            merge(sales(place, book), maker, frame)

    assert book.state.version == version


def test_without_being_told_to_no_key_is_added(place: Google, book: Book, maker: BatchMaker) -> None:
    with pytest.raises(DeliveryError, match="no column 'lead'"):
        merge(sales(place, book, adds_key=False), maker, leads(1))


def test_ten_thousand_old_rows_cost_few_and_small_reads(place: Google, maker: BatchMaker) -> None:
    book = place.sandbox.add_spreadsheet(rows=10_001)
    book.fill("Sheet1", [[*HEADER, "note"], *([*row, "a note of people"] for row in OLD * 5_000)])
    place.sandbox.reset_calls()

    assert merge(sales(place, book), maker, leads(1)) == Counts(new=1)
    assert data(book)[10_001][6] == lead(1)[5]
    assert merge(sales(place, book), maker, leads(1, 2)) == Counts(new=1, unchanged=1)

    assert place.told().count("W") == 2
    assert len(place.told()) <= 12
    # The whole sheet would be 9 MB a read.
    assert max(call.bytes_out for call in place.sandbox.calls) < 2_500_000
