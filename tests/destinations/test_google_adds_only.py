"""A sheet that is only added to: what stands there is people's, and each key comes once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul.destinations.google import writer
from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.model import Counts
from backhaul.sandbox import Book, SheetsFault
from backhaul.sandbox.sheets.values import NumberFormat
from backhaul.sandbox.sheets.writes import put_formats
from backhaul.testing import BatchMaker
from tests.destinations.google_place import Google, data, google, merge

HEADER = ["source", "name", "phone", "lead"]
OLD: list[list[Any]] = [["web", "Dana", "055-0000001"], ["web", "Omer", "055-0000002"]]
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
    return BatchMaker(tmp_path / "staging", key=("lead",), table="sales_sheet", complete=True)


@pytest.fixture
def book(place: Google) -> Book:
    """Two rows of people, without our key."""
    made = place.sandbox.add_spreadsheet("Sales")
    made.fill("Sheet1", [HEADER[:3], *OLD])
    place.sandbox.reset_calls()
    return made


def sales(place: Google, book: Book, **options: Any) -> GoogleSheet:
    return place.sheet(book, **{"adds_key": True, "adds_only": True, **options})


def lead(number: int, name: str | None = None) -> list[str]:
    return ["web", name or f"Lead {number}", f"054-000000{number}", f"97254000000{number}"]


def leads(*numbers: int, **names: str) -> pl.DataFrame:
    """Return a frame of leads by number; `n3="Noa"` names one otherwise."""
    rows = [lead(number, names.get(f"n{number}")) for number in numbers]
    return pl.DataFrame(rows, schema=HEADER, orient="row")


def sheet(*rows: list[str]) -> list[list[Any]]:
    """Return the sheet with these rows below those of people."""
    return [HEADER, *([*row, None] for row in OLD), *rows]


class TestWhatStandsThere:
    def test_a_cell_that_a_person_corrected_stays_when_others_come(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        assert merge(target, maker, leads(1, 2)) == Counts(new=2)
        book.type_cell("Sheet1", "B4", "Corrected")

        assert merge(target, maker, leads(1, 2, 3)) == Counts(new=1, unchanged=2)

        assert data(book) == sheet(lead(1, "Corrected"), lead(2), lead(3))

    def test_what_the_source_says_anew_is_not_written_over_it(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1, 2))
        version = book.state.version

        assert merge(target, maker, leads(1, 2, n1="Edited")) == Counts(unchanged=2)

        assert book.state.version == version

    def test_a_row_that_is_gone_from_the_source_gets_no_mark(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1, 2))

        assert merge(target, maker, leads(2, 3)) == Counts(new=1, unchanged=1)

        assert data(book) == sheet(lead(1), lead(2), lead(3))

    def test_a_mark_of_a_time_before_is_left_as_it_is(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merging = sales(place, book, adds_only=False)
        merge(merging, maker, leads(1, 2))
        assert merge(merging, maker, leads(2)).removed == 1
        before = data(book)

        assert merge(sales(place, book), maker, leads(1, 2, 3)) == Counts(new=1, unchanged=2)

        assert data(book) == [*before, [*lead(3), None]]

    def test_a_row_that_a_person_deleted_stays_deleted(self, place: Google, book: Book, maker: BatchMaker) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1, 2))
        book.delete_row("Sheet1", 4)

        assert merge(target, maker, leads(1, 2, 3)) == Counts(new=1, unchanged=2)

        assert data(book) == sheet(lead(2), lead(3))

    def test_a_key_that_a_person_changed_brings_its_row_no_second_time(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1))
        book.type_cell("Sheet1", "D4", "another")

        assert merge(target, maker, leads(1)) == Counts(unchanged=1)

        assert len(data(book)) == 4

    def test_a_key_that_a_person_typed_is_not_filled_in(self, place: Google, book: Book, maker: BatchMaker) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1))
        book.append_row("Sheet1", [None, None, None, lead(2)[3]])
        before = data(book)

        assert merge(target, maker, leads(1, 2)) == Counts(unchanged=2)

        assert data(book) == before

    def test_a_row_that_a_person_copied_does_not_stop_the_others(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1, 2))
        book.append_row("Sheet1", lead(1, "Copied"))
        before = data(book)

        assert merge(target, maker, leads(1, 2, 3)) == Counts(new=1, unchanged=2)

        assert data(book) == [*before, lead(3)]

    def test_a_number_that_is_shown_as_the_key_is_that_key_also_where_two_rows_show_it(
        self, place: Google, maker: BatchMaker
    ) -> None:
        book = place.sandbox.add_spreadsheet()
        book.fill("Sheet1", [HEADER, ["web", "Dana", "1", 500000001], ["web", "Dana", "1", "50-0000001"]])
        with book.state.change():
            put_formats(book.tabs["Sheet1"], 1, {3: NumberFormat("NUMBER", "00-0000000")})
        assert book.formatted("Sheet1")[1][3] == "50-0000001"
        frame = leads(1, 2).with_columns(lead=pl.Series(["50-0000001", "50-0000002"]))

        assert merge(sales(place, book), maker, frame) == Counts(new=1, unchanged=1)

        assert [row[3] for row in data(book)[1:]] == [500000001, "50-0000001", "50-0000002"]

    def test_a_value_too_long_refuses_a_row_only_where_it_would_be_written(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1))
        changes = target.compare(maker.stream, maker.batch(leads(1, 2, 3, n1="x" * 50_001, n2="x" * 50_001)))

        assert target.write(maker.stream, changes) == Counts(new=1, unchanged=1, rejected=1)

        assert [each.row for each in changes.refused] == [2]
        assert data(book) == sheet(lead(1), lead(3))

    def test_a_column_that_a_person_renamed_is_told_and_nothing_is_added_beside_it(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1))
        book.rename_header("Sheet1", "name", "Who")
        before = data(book)

        with pytest.raises(DeliveryError, match="no column 'name'"):
            merge(target, maker, leads(1, 2))
        refused = data(book)
        book.rename_header("Sheet1", "Who", "name")

        assert refused == before
        assert merge(target, maker, leads(1, 2)) == Counts(new=1, unchanged=1)
        assert data(book) == sheet(lead(1), lead(2))

    def test_changes_that_were_meant_while_the_sheet_was_merged_are_not_made(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merging = sales(place, book, adds_only=False)
        merge(merging, maker, leads(1, 2))
        changes = merging.compare(maker.stream, maker.batch(leads(1, 3, n1="Edited")))
        assert changes.counts == Counts(new=1, updated=1, removed=1)

        assert sales(place, book).write(maker.stream, changes) == Counts(new=1, unchanged=1)

        assert data(book) == sheet(lead(1), lead(2), lead(3))

    def test_an_empty_tab_gets_its_header(self, place: Google, maker: BatchMaker) -> None:
        book = place.sandbox.add_spreadsheet()

        assert merge(sales(place, book, adds_key=False), maker, leads(1)) == Counts(new=1)

        assert data(book) == [HEADER, lead(1)]

    def test_rows_that_stand_there_are_read_by_their_key_only(self, place: Google, maker: BatchMaker) -> None:
        book = place.sandbox.add_spreadsheet(rows=5_001)
        old = [["web", "n" * (2_000 if number > 1_000 else 1), "1", f"key {number}"] for number in range(5_000)]
        book.fill("Sheet1", [HEADER, *old])
        frame = pl.DataFrame(old[-3_000:], schema=HEADER, orient="row").vstack(leads(1))
        place.sandbox.reset_calls()

        assert merge(sales(place, book), maker, frame) == Counts(new=1, unchanged=3_000)

        assert data(book)[5_001] == lead(1)
        # The names of those rows would be 6 MB more.
        assert max(call.bytes_out for call in place.sandbox.calls) < 1_000_000

    def test_changing_nothing_and_adding_nothing_contradict_each_other(self) -> None:
        with pytest.raises(ConfigError, match="adds_only changes none"):
            GoogleSheet("x", account="y", update_only=True, adds_only=True)


EDITS: dict[str, Callable[[Book], object]] = {
    "sort": lambda b: b.sort("Sheet1", "name", descending=True),
    "append": lambda b: b.append_row("Sheet1", ["own", "typed", "x", None]),
    "correct": lambda b: b.type_cell("Sheet1", "B4", "Corrected"),
    "insert": lambda b: b.insert_row("Sheet1", 2, ["own", "typed", "x", None]),
    "copy": lambda b: b.append_row("Sheet1", lead(1, "Copied")),
    "the same key": lambda b: b.append_row("Sheet1", lead(2, "typed by hand")),
    "delete": lambda b: b.delete_row("Sheet1", 4),
}


class TestWritesThatFail:
    @pytest.mark.parametrize(
        "fault", [SheetsFault.UNAVAILABLE_AFTER, SheetsFault.CUT_AFTER, SheetsFault.UNAVAILABLE_BEFORE]
    )
    def test_a_lost_answer_doubles_nothing_and_counts_are_true(
        self, place: Google, book: Book, maker: BatchMaker, fault: SheetsFault
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1))
        changes = target.compare(maker.stream, maker.batch(leads(1, 2, 3, n1="Edited")))
        place.sandbox.faults.add(fault, **BEFORE_THE_WRITE)

        assert target.write(maker.stream, changes) == Counts(new=2, unchanged=1)
        assert target.write(maker.stream, changes) == Counts(new=2, unchanged=1)

        assert data(book) == sheet(lead(1), lead(2), lead(3))

    @pytest.mark.parametrize("fault", [SheetsFault.CUT_BEFORE, SheetsFault.CUT_AFTER])
    @pytest.mark.parametrize("chunks", [0, 1, 2])
    def test_a_crash_between_chunks_is_caught_up_and_counts_are_true(
        self,
        place: Google,
        book: Book,
        maker: BatchMaker,
        monkeypatch: pytest.MonkeyPatch,
        fault: SheetsFault,
        chunks: int,
    ) -> None:
        monkeypatch.setattr(writer, "CHUNK_BYTES", 1)
        target = sales(place, book)
        merge(target, maker, leads(1))
        changes = target.compare(maker.stream, maker.batch(leads(1, 2, 3, 4, n1="Edited")))
        place.sandbox.faults.add(fault, **BEFORE_THE_WRITE, after=chunks)
        place.sandbox.faults.add(SheetsFault.CUT_BEFORE, method="GET", after=2, times=None)
        with pytest.raises(TransientError):
            target.write(maker.stream, changes)
        place.sandbox.faults.clear()
        written = chunks + (fault is SheetsFault.CUT_AFTER)
        assert len(data(book)) == 4 + written
        book.type_cell("Sheet1", "B4", "Corrected")

        assert sales(place, book).write(maker.stream, changes) == Counts(new=3, unchanged=1)

        assert data(book) == sheet(lead(1, "Corrected"), lead(2), lead(3), lead(4))

    @pytest.mark.parametrize("edit", EDITS)
    @pytest.mark.parametrize("fault", [None, SheetsFault.CUT_AFTER])
    def test_what_people_do_right_before_the_write_stays(
        self, place: Google, book: Book, maker: BatchMaker, edit: str, fault: SheetsFault | None
    ) -> None:
        target = sales(place, book)
        merge(target, maker, leads(1))
        changes = target.compare(maker.stream, maker.batch(leads(1, 2, 3, n1="Edited")))
        book.before_call(EDITS[edit], **BEFORE_THE_WRITE)
        if fault:
            place.sandbox.faults.add(fault, **BEFORE_THE_WRITE)

        counts = target.write(maker.stream, changes)

        is_theirs = edit == "the same key"
        assert counts == (Counts(new=1, unchanged=2) if is_theirs else Counts(new=2, unchanged=1))
        expected = {
            "append": [*OLD, lead(1), lead(2), lead(3), ["own", "typed", "x"]],
            "insert": [*OLD, lead(1), lead(2), lead(3), ["own", "typed", "x"]],
            "correct": [*OLD, lead(1, "Corrected"), lead(2), lead(3)],
            "copy": [*OLD, lead(1), lead(1, "Copied"), lead(2), lead(3)],
            "the same key": [*OLD, lead(1), lead(2, "typed by hand"), lead(3)],
            "delete": [*OLD, lead(2), lead(3)],
        }.get(edit, [*OLD, lead(1), lead(2), lead(3)])
        assert names_and_keys(data(book)[1:]) == names_and_keys(expected)
        assert target.write(maker.stream, changes) == counts

    def test_two_programs_with_the_same_leads_add_each_once(self, place: Google, book: Book, tmp_path: Path) -> None:
        makers = [BatchMaker(tmp_path / f"{n}", key=("lead",), _numbers=count(10 * n)) for n in (1, 2)]
        targets = [sales(place, book, patience=place.patience(attempts=4 + n)) for n in (1, 2)]
        found = [
            (target, maker, target.compare(maker.stream, maker.batch(leads(1, 2))))
            for target, maker in zip(targets, makers, strict=True)
        ]

        counts = [target.write(maker.stream, changes) for target, maker, changes in found]

        assert counts == [Counts(new=2), Counts(unchanged=2)]
        assert data(book) == sheet(lead(1), lead(2))


def names_and_keys(rows: list[list[Any]]) -> list[tuple[str, str]]:
    return sorted((str(row[1]), str(row[3] if len(row) > 3 else None)) for row in rows if any(row))
