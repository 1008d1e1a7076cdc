"""A roster that people keep is only updated: exact cells, no row or column more, and nothing hidden left behind."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.destinations.google.cells import Dated
from backhaul.destinations.google.manner import DayOrder, Manner
from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.model import Changes, Counts, RowClass
from backhaul.sandbox import Book, SheetsFault
from backhaul.sandbox.sheets.values import NumberFormat
from backhaul.sandbox.sheets.writes import put_formats
from backhaul.testing import BatchMaker
from tests.destinations.google_place import Google, data, google

HEADER = ["phone_number", "name", "current_lesson", "teacher", "last_practice"]
PHONE = NumberFormat("NUMBER", "000 00-000-0000")
DAY = NumberFormat("DATE", "dd/mm/yyyy")
BEFORE_THE_WRITE: dict[str, Any] = {"method": "POST", "path": "batchUpdate"}
NUMBERS = range(1, 9)


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
    return BatchMaker(tmp_path / "staging", key=("phone_number", "name"), table="last_practice")


@pytest.fixture
def book(place: Google) -> Book:
    """Eight students on tab main, with a tab of somebody else before it."""
    made = place.sandbox.add_spreadsheet("Roster")
    put_students(made)
    place.sandbox.reset_calls()
    return made


def put_students(book: Book) -> None:
    book.add_tab("main")
    book.fill("Sheet1", [["private"]])
    book.fill("main", [HEADER, *(student(number) for number in NUMBERS)])


def student(number: int) -> list[Any]:
    return [phone(number), f"תלמיד {number}", 5, "Noa", "01/09/2025"]


def phone(number: int) -> str:
    return f"972 55-660-229{number}"


def roster(place: Google, book: Book, **options: Any) -> GoogleSheet:
    return place.sheet(book, **{"tab": "main", "update_only": True, **options})


def practised(**days: str | None) -> pl.DataFrame:
    """Return a frame of students by number (`s3`) and the day of their last practice."""
    numbers = [int(name.removeprefix("s")) for name in days]
    return pl.DataFrame(
        {
            "phone_number": [phone(number) for number in numbers],
            "name": [f"תלמיד {number}" for number in numbers],
            "last_practice": list(days.values()),
        },
        schema_overrides={"last_practice": pl.String},
    )


def compared(target: GoogleSheet, maker: BatchMaker, frame: pl.DataFrame) -> Changes:
    return target.compare(maker.stream, maker.batch(frame))


def merged(target: GoogleSheet, maker: BatchMaker, frame: pl.DataFrame) -> Counts:
    changes = compared(target, maker, frame)
    counts = target.write(maker.stream, changes)
    assert counts.rows == frame.height
    return counts


def days_of(book: Book) -> dict[str, Any]:
    return {str(row[1]): row[4] for row in data(book, "main")[1:] if row[1] is not None}


def show(book: Book, column: int, form: NumberFormat, rows: range = range(1, 9)) -> None:
    with book.state.change():
        for row in rows:
            put_formats(book.tabs["main"], row, {column: form})


def expected(**days: Any) -> dict[str, Any]:
    return {f"תלמיד {number}": days.get(f"s{number}", "01/09/2025") for number in NUMBERS}


class TestWhatIsWritten:
    def test_changed_cells_and_nothing_else(self, place: Google, book: Book, maker: BatchMaker) -> None:
        before = data(book, "main")

        counts = merged(roster(place, book), maker, practised(s2="11/09/2025", s5="01/09/2025", s7="12/09/2025"))

        assert counts == Counts(updated=2, unchanged=1)
        after = data(book, "main")
        changed = [
            (row, column)
            for row, cells in enumerate(after)
            for column, cell in enumerate(cells)
            if cell != before[row][column]
        ]
        assert changed == [(2, 4), (7, 4)]
        assert (after[2][4], after[7][4]) == ("11/09/2025", "12/09/2025")

    def test_all_cells_go_in_one_call_and_name_exactly_those_that_differ(
        self, place: Google, book: Book, maker: BatchMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bodies = sent(monkeypatch)

        merged(roster(place, book), maker, practised(s2="11/09/2025", s3="11/09/2025", s7="12/09/2025"))

        tab = book.tabs["main"].sheet_id
        writes = [
            each["updateCells"]
            for body in bodies
            for each in body["requests"]
            if each.get("updateCells", {}).get("start", {}).get("sheetId") == tab
        ]
        places = [(each["start"]["rowIndex"], each["start"]["columnIndex"], len(each["rows"])) for each in writes]
        assert places == [(2, 4, 2), (7, 4, 1)]
        assert {each["fields"] for each in writes} == {"userEnteredValue"}
        # The second call takes the hidden tab away again.
        assert [[*each] for each in bodies[1]["requests"]] == [["createDeveloperMetadata"], ["deleteSheet"]]
        assert len(bodies) == 2

    def test_nothing_hidden_and_no_column_row_or_format_is_left(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        size = (book.tabs["main"].row_count, book.tabs["main"].column_count)

        merged(roster(place, book), maker, practised(s2="11/09/2025", s99="12/09/2025"))

        assert [*book.tabs] == ["Sheet1", "main"]
        assert (book.tabs["main"].row_count, book.tabs["main"].column_count) == size
        assert data(book, "main")[0] == HEADER
        assert book.cell("main", "E3").number_format is None

    def test_a_student_who_is_not_in_the_roster_is_unchanged_and_not_added(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        version = book.state.version

        assert merged(roster(place, book), maker, practised(s99="12/09/2025")) == Counts(unchanged=1)

        assert book.state.version == version

    def test_a_row_that_a_complete_batch_lacks_is_not_marked(self, place: Google, book: Book, tmp_path: Path) -> None:
        whole = BatchMaker(tmp_path / "whole", key=("phone_number", "name"), complete=True)

        assert merged(roster(place, book), whole, practised(s1="12/09/2025")) == Counts(updated=1)

        assert data(book, "main")[0] == HEADER
        assert days_of(book) == expected(s1="12/09/2025")

    def test_what_has_not_changed_is_one_read(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = practised(s2="11/09/2025")
        merged(roster(place, book), maker, frame)
        place.sandbox.reset_calls()

        assert merged(roster(place, book), maker, frame) == Counts(unchanged=1)

        assert place.told() == ["R"]

    def test_an_empty_value_clears_the_cell(self, place: Google, book: Book, maker: BatchMaker) -> None:
        assert merged(roster(place, book), maker, practised(s2=None)) == Counts(updated=1)
        assert days_of(book) == expected(s2=None)

    def test_a_formula_in_our_column_is_left_alone_and_refuses_its_row(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.type_cell("main", "E3", "=E2")
        book.type_cell("main", "E4", "=1/0")
        book.type_cell("main", "E5", '="12/09/2025"')

        changes = compared(
            roster(place, book),
            maker,
            practised(s1="12/09/2025", s2="12/09/2025", s3="12/09/2025", s4="12/09/2025"),
        )
        counts = roster(place, book).write(maker.stream, changes)

        assert counts == changes.counts == Counts(updated=1, unchanged=1, rejected=2)
        assert [(each.row, each.check) for each in changes.refused] == [
            (2, "cell in last_practice holds a formula"),
            (3, "cell in last_practice holds a formula"),
        ]
        assert book.cell("main", "E3").user_entered == "=E2"
        assert days_of(book)["תלמיד 1"] == "12/09/2025"

    def test_other_columns_may_be_protected_from_us(self, place: Google, book: Book, maker: BatchMaker) -> None:
        book.protect("main", "A:D")
        book.protect("main", "F:Z")

        assert merged(roster(place, book), maker, practised(s2="11/09/2025")) == Counts(updated=1)

    def test_only_the_worksheet_that_is_named_is_read_and_written(
        self, place: Google, book: Book, maker: BatchMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bodies, asked = sent(monkeypatch), ranges_asked(monkeypatch)
        book.protect("Sheet1")
        main = book.tabs["main"].sheet_id

        merged(roster(place, book), maker, practised(s2="11/09/2025", s99="12/09/2025"))

        ours = f"'_backhaul {main} update'"
        assert len(asked) == place.told().count("R")
        assert all(ranges and all(each.startswith(("'main'!", ours)) for each in ranges) for ranges in asked)
        made = {
            each["addSheet"]["properties"]["sheetId"]
            for body in bodies
            for each in body["requests"]
            if "addSheet" in each
        }
        assert {int(each) for each in re.findall(r'"sheetId": (\d+)', json.dumps(bodies))} == {main, *made}
        assert data(book, "Sheet1") == [["private"]]


class TestWhatAPersonMustRepair:
    @pytest.mark.parametrize("column", ["last_practice", "name", "phone_number"])
    def test_a_column_that_was_renamed_is_told_by_its_name(
        self, place: Google, book: Book, maker: BatchMaker, column: str
    ) -> None:
        book.rename_header("main", column, "Last")
        version = book.state.version

        with pytest.raises(DeliveryError, match=f"no column '{column}'") as caught:
            compared(roster(place, book), maker, practised(s2="11/09/2025"))

        assert column in caught.value.next_step
        assert book.state.version == version

    def test_a_column_renamed_after_the_comparison_is_told_too(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, practised(s2="11/09/2025"))
        book.rename_header("main", "last_practice", "Last")

        with pytest.raises(DeliveryError, match="no column 'last_practice'"):
            target.write(maker.stream, changes)

    def test_an_empty_tab_is_not_filled(self, place: Google, book: Book, maker: BatchMaker) -> None:
        book.add_tab("empty")

        with pytest.raises(DeliveryError, match="'empty' is empty: it has no column 'phone_number'"):
            compared(roster(place, book, tab="empty"), maker, practised(s2="11/09/2025"))

    def test_two_rows_of_one_student_refuse_that_student_only(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.append_row("main", student(3))
        before = data(book, "main")

        changes = compared(roster(place, book), maker, practised(s2="11/09/2025", s3="11/09/2025"))
        counts = roster(place, book).write(maker.stream, changes)

        assert counts == changes.counts == Counts(updated=1, rejected=1)
        assert [(each.row, each.check) for each in changes.refused] == [(2, "key stands in rows 4 and 10")]
        before[2][4] = "11/09/2025"
        assert data(book, "main") == before

    def test_three_rows_of_one_student_are_all_told(self, place: Google, book: Book, maker: BatchMaker) -> None:
        book.append_row("main", student(3))
        book.append_row("main", student(3))

        changes = compared(roster(place, book), maker, practised(s3="11/09/2025"))

        assert [each.check for each in changes.refused] == ["key stands in rows 4, 10 and 11"]

    def test_two_rows_that_the_batch_does_not_concern_are_nobodys_trouble(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.append_row("main", student(3))

        assert merged(roster(place, book), maker, practised(s2="11/09/2025")) == Counts(updated=1)

    def test_two_rows_of_one_student_stop_a_sheet_that_is_merged(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.append_row("main", student(3))

        with pytest.raises(DeliveryError, match="1 keys stand twice in tab 'main', in rows 4 and 10") as caught:
            compared(roster(place, book, update_only=False), maker, practised(s2="11/09/2025"))

        assert phone(3) not in str(caught.value)

    @pytest.mark.parametrize("edit", ["copy", "formula"])
    @pytest.mark.parametrize("fault", [None, SheetsFault.UNAVAILABLE_AFTER])
    def test_what_refuses_a_row_only_at_the_write_is_told_then(
        self, place: Google, book: Book, maker: BatchMaker, edit: str, fault: SheetsFault | None
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, practised(s2="11/09/2025", s3="11/09/2025"))
        if edit == "copy":
            book.append_row("main", student(3))
        else:
            book.type_cell("main", "E4", "=E2")
        if fault:
            place.sandbox.faults.add(fault, **BEFORE_THE_WRITE)

        counts, late = target.write_judged(maker.stream, changes)

        assert (counts, changes.refused) == (Counts(updated=1, rejected=1), ())
        told = "key stands in rows 4 and 10" if edit == "copy" else "cell in last_practice holds a formula"
        assert [(each.row, each.check) for each in late] == [(2, told)]
        assert days_of(book)["תלמיד 2"] == "11/09/2025"

    def test_a_row_that_was_refused_is_not_written_once_nothing_refuses_it(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.append_row("main", student(3))
        target = roster(place, book)
        changes = compared(target, maker, practised(s2="11/09/2025", s3="11/09/2025", s4="01/09/2025"))
        book.delete_row("main", 10)

        counts, late = target.write_judged(maker.stream, changes)

        assert (counts, late) == (Counts(updated=1, unchanged=1, rejected=1), ())
        assert days_of(book) == expected(s2="11/09/2025")

    @pytest.mark.parametrize("fault", [None, SheetsFault.CUT_AFTER])
    @pytest.mark.parametrize("edit", ["sort", "insert a student", "insert at the top"])
    def test_two_rows_of_one_student_are_not_mixed_up_when_rows_move_before_the_write(
        self, place: Google, book: Book, maker: BatchMaker, edit: str, fault: SheetsFault | None
    ) -> None:
        book.append_row("main", [*student(3)[:4], "the second"])
        target = roster(place, book)
        changes = compared(target, maker, practised(s2="11/09/2025", s3="11/09/2025", s7="12/09/2025"))
        book.before_call(EDITS[edit], **BEFORE_THE_WRITE)
        if fault:
            place.sandbox.faults.add(fault, **BEFORE_THE_WRITE)

        assert target.write(maker.stream, changes) == Counts(updated=2, rejected=1)

        found = [(row[1], row[4]) for row in data(book, "main")[1:] if str(row[1]).startswith("תלמיד")]
        wanted = expected(s2="11/09/2025", s7="12/09/2025")
        assert sorted(found) == sorted([*wanted.items(), ("תלמיד 3", "the second")])

    def test_modes_that_contradict_each_other_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="update_only adds no columns"):
            GoogleSheet("x", account="y", update_only=True, adds_key=True)
        with pytest.raises(ConfigError, match="no way to write days"):
            GoogleSheet("x", account="y", days="DD.MM.")


class TestKeysAsPeopleSeeThem:
    def as_numbers(self, book: Book, rows: range = range(1, 9)) -> None:
        with book.state.change():
            for row in rows:
                book.tabs["main"].write(row, 0, [int(re.sub(r"\D", "", phone(row)))])
        show(book, 0, PHONE, rows)
        assert book.formatted("main")[3][0] == phone(3)

    def test_a_number_is_found_by_the_text_that_it_shows(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_numbers(book)

        counts = merged(roster(place, book), maker, practised(s3="11/09/2025", s4="01/09/2025"))

        assert counts == Counts(updated=1, unchanged=1)
        assert days_of(book) == expected(s3="11/09/2025")
        assert book.cell("main", "A4").value == 972556602293
        assert book.cell("main", "A4").number_format == PHONE

    def test_a_number_is_found_by_its_digits_as_well(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_numbers(book)
        frame = practised(s3="11/09/2025").with_columns(phone_number=pl.lit("972556602293"))

        assert merged(roster(place, book), maker, frame) == Counts(updated=1)
        assert days_of(book) == expected(s3="11/09/2025")

    def test_marks_of_direction_on_either_side_do_not_matter(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.type_cell("main", "A3", f"\u202a{phone(2)}\u202c")
        book.type_cell("main", "B4", "\u200fתלמיד\xa03 ")
        marked = practised(s2="11/09/2025", s3="11/09/2025", s4="11/09/2025").with_columns(
            name=pl.when(pl.col("phone_number") == phone(4)).then("\u200e" + pl.col("name")).otherwise("name")
        )

        assert merged(roster(place, book), maker, marked) == Counts(updated=3)
        assert [row[4] for row in data(book, "main")[1:6]] == ["01/09/2025", *["11/09/2025"] * 3, "01/09/2025"]

    def test_numbers_that_were_sorted_right_before_the_write_are_found_again(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        self.as_numbers(book)
        target = roster(place, book)
        changes = compared(target, maker, practised(s3="11/09/2025", s8="12/09/2025"))
        book.before_call(lambda b: b.sort("main", "name", descending=True), **BEFORE_THE_WRITE)

        assert target.write(maker.stream, changes) == Counts(updated=2)
        assert days_of(book) == expected(s3="11/09/2025", s8="12/09/2025")

    def test_rows_that_move_between_two_looks_are_looked_at_anew(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        self.as_numbers(book)
        book.before_call(lambda b: b.sort("main", "name", descending=True), method="GET", path="spreadsheets", nth=2)

        assert compared(roster(place, book), maker, practised(s3="11/09/2025")).counts == Counts(updated=1)
        assert place.told() == ["R", "R", "R", "R"]

    def test_a_number_and_a_text_that_look_alike_are_one_key_twice(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        self.as_numbers(book, range(3, 4))
        book.append_row("main", student(3))

        changes = compared(roster(place, book), maker, practised(s3="11/09/2025", s4="11/09/2025"))

        assert changes.counts == Counts(updated=1, rejected=1)
        assert [(each.row, each.check) for each in changes.refused] == [(1, "key stands in rows 4 and 10")]

    def test_two_numbers_that_show_the_same_are_one_key_twice(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        self.as_numbers(book)
        book.append_row("main", [int(re.sub(r"\D", "", phone(3))), *student(3)[1:4], "the second"])
        show(book, 0, PHONE, range(9, 10))
        before = data(book, "main")

        counts = merged(roster(place, book), maker, practised(s3="11/09/2025", s4="11/09/2025"))

        assert counts == Counts(updated=1, rejected=1)
        before[4][4] = "11/09/2025"
        assert data(book, "main") == before

    def test_keys_of_a_large_roster_are_read_for_themselves(self, place: Google, maker: BatchMaker) -> None:
        book = place.sandbox.add_spreadsheet(rows=3_001, columns=30)
        book.add_tab("main", rows=3_001, columns=30)
        numbers = range(972_550_000_000, 972_550_003_000)
        book.fill("main", [HEADER, *([n, f"n{n}", 5, "Noa", None, *["note"] * 3] for n in numbers)])
        show(book, 0, PHONE, range(1, 3_001))
        frame = pl.DataFrame(
            {"phone_number": ["972 55-000-2500"], "name": ["n972550002500"], "last_practice": ["11/09/2025"]}
        )

        assert merged(roster(place, book), maker, frame) == Counts(updated=1)

        assert data(book, "main")[2501][4] == "11/09/2025"

    def test_a_sheet_that_is_also_added_to_knows_numbers_by_what_they_show(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        self.as_numbers(book)
        merging = roster(place, book, update_only=False)

        counts = merged(merging, maker, practised(s3="11/09/2025", s99="12/09/2025"))

        assert counts == Counts(new=1, updated=1)
        assert len(data(book, "main")) == 10
        book.delete_row("main", 4)
        later = practised(s3="12/09/2025")
        assert merged(merging, maker, later) == Counts(unchanged=1)


class TestDays:
    def as_dates(self, book: Book, form: NumberFormat = DAY, serial: float = 45901) -> None:
        with book.state.change():
            for row in NUMBERS:
                book.tabs["main"].write(row, 4, [serial])
        show(book, 4, form)

    def test_a_date_cell_gets_the_day_and_keeps_its_format(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        self.as_dates(book)

        counts = merged(roster(place, book), maker, practised(s2="11/09/2025", s3="01/09/2025"))

        assert counts == Counts(updated=1, unchanged=1)
        assert days_of(book) == {f"תלמיד {number}": 45911 if number == 2 else 45901 for number in NUMBERS}
        assert book.formatted("main")[2][4] == "11/09/2025"
        assert merged(roster(place, book), maker, practised(s2="11/09/2025")) == Counts(unchanged=1)

    def test_a_moment_of_the_same_day_is_unchanged(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_dates(book, NumberFormat("DATE_TIME", "dd/mm/yyyy hh:mm"), 45901.75)

        assert merged(roster(place, book), maker, practised(s2="01/09/2025")) == Counts(unchanged=1)

    def test_an_empty_cell_in_a_column_of_dates_gets_text(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_dates(book)
        book.type_cell("main", "E3", None)

        merged(roster(place, book), maker, practised(s2="11/09/2025"))

        assert days_of(book)["תלמיד 2"] == "11/09/2025"

    @pytest.mark.parametrize("typed", ["1/9/2025", "01.09.2025", "2025-09-01", "\u200f01/09/2025 "])
    def test_a_day_that_people_wrote_in_another_way_is_theirs(
        self, place: Google, book: Book, maker: BatchMaker, typed: str
    ) -> None:
        book.tabs["main"].write(2, 4, [typed])

        assert merged(roster(place, book), maker, practised(s2="01/09/2025")) == Counts(unchanged=1)
        assert days_of(book)["תלמיד 2"] == typed

    def test_a_number_that_is_no_date_is_replaced_by_the_text(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.tabs["main"].write(2, 4, [45901])

        merged(roster(place, book), maker, practised(s2="01/09/2025"))

        assert days_of(book)["תלמיד 2"] == "01/09/2025"

    def test_a_formula_that_comes_to_the_day_is_unchanged(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_dates(book)
        book.type_cell("main", "E3", "=E2")
        show(book, 4, DAY)

        assert merged(roster(place, book), maker, practised(s2="01/09/2025")) == Counts(unchanged=1)

    def test_a_sheet_that_is_merged_keeps_its_dates_too(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_dates(book)
        target = roster(place, book, update_only=False)

        counts = merged(target, maker, practised(s2="11/09/2025", s3="01/09/2025", s99="11/09/2025"))

        assert counts == Counts(new=1, updated=1, unchanged=1)
        assert days_of(book)["תלמיד 2"] == 45911
        assert days_of(book)["תלמיד 99"] == "11/09/2025"

    def test_where_the_month_comes_first_it_can_be_said(self, place: Google, book: Book, maker: BatchMaker) -> None:
        self.as_dates(book)

        target = roster(place, book, days="MM/DD/YYYY")

        assert merged(target, maker, practised(s2="09/01/2025", s3="09/11/2025")) == Counts(updated=1, unchanged=1)
        assert days_of(book)["תלמיד 3"] == 45911

    @given(
        day=st.dates(),
        separator=st.sampled_from("/.-"),
        is_padded=st.booleans(),
        order=st.sampled_from([*DayOrder]),
    )
    def test_a_day_is_read_as_it_was_written(
        self, day: Any, separator: str, is_padded: bool, order: DayOrder
    ) -> None:
        manner = Manner(days=order)
        parts = [day.day, day.month] if order is DayOrder.DAY_FIRST else [day.month, day.day]
        width = "02" if is_padded else ""
        text = separator.join([*(format(each, width) for each in parts), f"{day.year:04}"])

        serial = manner.day_of(text)

        assert serial == manner.day_of(day.isoformat())
        if serial is not None:
            assert manner.fitting(Dated(serial + 0.5), text) == serial + 0.5
            assert manner.fitting(Dated(serial + 1), text) == serial

    @pytest.mark.parametrize(
        "text", ["31/02/2025", "1/9/25", "12/13/2025", "soon", "", "45901", "00/00/0000", "٣/٩/٢٠٢٥"]
    )
    def test_other_text_is_no_day(self, text: str) -> None:
        assert Manner().day_of(text) is None


EDITS: dict[str, Callable[[Book], object]] = {
    "sort": lambda b: b.sort("main", "name", descending=True),
    "insert at the top": lambda b: b.insert_row("main", 2),
    "insert a student": lambda b: b.insert_row("main", 3, ["972 55-000", "New", 1, "Noa", "soon"]),
    "move a column": lambda b: b.move_column("main", "last_practice", "name"),
    "insert a column": lambda b: b.insert_column("main", 2, "notes"),
    "a title above": lambda b: b.insert_row("main", 1, ["Our students"]),
    "rename the tab": lambda b: b.rename_tab("main", "Renamed"),
}


class TestRaces:
    frame = practised(s2="11/09/2025", s3="11/09/2025", s8="12/09/2025", s1="01/09/2025")

    def check(self, book: Book) -> None:
        """Everybody has the day that is theirs, and the hidden tab is gone."""
        rows = data(book, "main")
        header = next(row for row in rows if "phone_number" in row)
        name, day = header.index("name"), header.index("last_practice")
        found = {row[name]: row[day] for row in rows if str(row[name] or "").startswith("תלמיד")}
        assert found == expected(s2="11/09/2025", s3="11/09/2025", s8="12/09/2025")
        assert {"New": "soon"}.items() >= {row[name]: row[day] for row in rows if row[name] == "New"}.items()
        assert [each for each in book.tabs if each.startswith("_backhaul")] == []

    @pytest.mark.parametrize("edit", [each for each in EDITS if each != "rename the tab"])
    @pytest.mark.parametrize("is_between", [True, False])
    def test_an_edit_in_between_is_noticed_and_all_is_done_anew(
        self, place: Google, book: Book, maker: BatchMaker, edit: str, is_between: bool
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, self.frame)
        if is_between:
            EDITS[edit](book)
        else:
            book.before_call(EDITS[edit], **BEFORE_THE_WRITE)

        assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)

        self.check(book)

    @pytest.mark.parametrize(
        "fault", [SheetsFault.UNAVAILABLE_AFTER, SheetsFault.CUT_AFTER, SheetsFault.UNAVAILABLE_BEFORE]
    )
    @pytest.mark.parametrize("edit", [None, "sort", "insert a student"])
    def test_a_lost_answer_is_looked_up(
        self, place: Google, book: Book, maker: BatchMaker, fault: SheetsFault, edit: str | None
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, self.frame)
        place.sandbox.faults.add(fault, method="POST", path="batchUpdate")
        if edit:
            book.before_call(EDITS[edit], **BEFORE_THE_WRITE)

        assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)

        self.check(book)

    @pytest.mark.parametrize("edit", [None, "sort", "insert a student"])
    def test_a_write_that_nobody_could_check_is_healed_by_the_next_one(
        self, place: Google, book: Book, maker: BatchMaker, edit: str | None
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, self.frame)
        if edit:
            book.before_call(EDITS[edit], **BEFORE_THE_WRITE)
        place.sandbox.faults.add(SheetsFault.CUT_AFTER, method="POST", path="batchUpdate")
        place.sandbox.faults.add(SheetsFault.CUT_BEFORE, method="GET", after=2, times=None)
        with pytest.raises(TransientError):
            target.write(maker.stream, changes)
        place.sandbox.faults.clear()
        assert any(each.startswith("_backhaul") for each in book.tabs)

        assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)

        self.check(book)

    def test_a_tab_renamed_while_keys_are_read_is_tried_again_by_itself(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.tabs["main"].write(1, 0, [972556602291])
        book.before_call(EDITS["rename the tab"], method="GET", path="spreadsheets", nth=2)

        with pytest.raises(TransientError, match="renamed, deleted or cut"):
            compared(roster(place, book), maker, self.frame)

    @pytest.mark.parametrize("again", range(2))
    def test_programs_that_update_at_once_lose_nothing(
        self, place: Google, book: Book, tmp_path: Path, again: int
    ) -> None:
        failed: list[BaseException] = []

        def deliver(number: int) -> None:
            maker = BatchMaker(tmp_path / f"{number}", key=("phone_number", "name"), _numbers=count(10 * number))
            # What differs in its patience has a token, a pace and locks of its own, as on another machine.
            target = roster(place, book, patience=place.patience(attempts=4 + number))
            frame = practised(**{f"s{number + each}": f"1{number}/09/2025" for each in (0, 3)})
            for _ in range(4):
                try:
                    merged(target, maker, frame)
                    return
                except (DeliveryError, TransientError) as error:
                    last = error
            failed.append(last)

        threads = [threading.Thread(target=deliver, args=(number,)) for number in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failed == []
        days = {f"s{number + each}": f"1{number}/09/2025" for number in (1, 2, 3) for each in (0, 3)}
        assert days_of(book) == expected(**days)

    @settings(max_examples=5)
    @given(seed=st.integers(0, 10**6))
    def test_whatever_happens_right_before_writes_everybody_has_their_day(
        self, tmp_path_factory: pytest.TempPathFactory, seed: int
    ) -> None:
        chance = random.Random(seed)
        with google() as place:
            maker = BatchMaker(tmp_path_factory.mktemp("staging"), key=("phone_number", "name"))
            book = place.sandbox.add_spreadsheet()
            put_students(book)
            target = roster(place, book)
            edits = chance.sample([each for each in EDITS if each != "rename the tab"], k=2)
            for nth, edit in enumerate(edits, start=1):
                book.before_call(EDITS[edit], **BEFORE_THE_WRITE, nth=2 * nth - 1)
            if chance.random() < 0.7:
                fault = chance.choice([SheetsFault.UNAVAILABLE_AFTER, SheetsFault.CUT_AFTER])
                place.sandbox.faults.add(fault, method="POST", path="batchUpdate", after=chance.randrange(3))

            changes = compared(target, maker, self.frame)

            assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)
            self.check(book)

    def test_written_twice_it_tells_the_same(self, place: Google, book: Book, maker: BatchMaker) -> None:
        target = roster(place, book)
        changes = compared(target, maker, self.frame)

        assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)
        assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)

    def test_a_row_that_was_deleted_meanwhile_is_not_counted_as_updated(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, self.frame)
        book.delete_row("main", 3)

        assert target.write(maker.stream, changes) == Counts(updated=2, unchanged=2)

    @pytest.mark.parametrize("fault", [SheetsFault.UNAVAILABLE_AFTER, SheetsFault.CUT_BEFORE])
    def test_a_hidden_tab_that_could_not_be_removed_is_removed_by_the_next_write(
        self, place: Google, book: Book, maker: BatchMaker, fault: SheetsFault
    ) -> None:
        target = roster(place, book)
        changes = compared(target, maker, self.frame)
        place.sandbox.faults.add(fault, method="POST", path="batchUpdate", after=1, times=9)
        assert target.write(maker.stream, changes) == Counts(updated=3, unchanged=1)
        place.sandbox.faults.clear()

        assert merged(target, maker, practised(s4="13/09/2025")) == Counts(updated=1)

        assert [*book.tabs] == ["Sheet1", "main"]

    def test_what_another_stream_remembers_of_the_tab_is_left_to_it(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merging = roster(place, book, update_only=False)
        merged(merging, maker, practised(s99="10/09/2025"))

        assert merged(roster(place, book), maker, practised(s99="12/09/2025")) == Counts(updated=1)

        assert [each for each in book.tabs if each.startswith("_")] == [f"_backhaul {book.tabs['main'].sheet_id}"]
        book.delete_row("main", 10)
        assert merged(merging, maker, practised(s99="13/09/2025")) == Counts(unchanged=1)


@pytest.mark.parametrize("students", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_students_are_updated_in_few_calls(place: Google, maker: BatchMaker, students: int) -> None:
    book = place.sandbox.add_spreadsheet()
    book.add_tab("main", rows=students + 1)
    numbers = range(students)
    rows: list[list[Any]] = [[f"p{n}", f"n{n}", 5, "Noa", "01/09/2025"] for n in numbers]
    book.fill("main", [HEADER, *rows])
    frame = pl.DataFrame(
        {
            "phone_number": [f"p{n}" for n in numbers],
            "name": [f"n{n}" for n in numbers],
            "last_practice": ["02/09/2025" if n % 50 == 0 else "01/09/2025" for n in numbers],
        }
    )
    place.sandbox.reset_calls()

    changes = compared(roster(place, book), maker, frame)
    counts = roster(place, book).write(maker.stream, changes)

    assert counts == changes.counts == Counts(updated=students // 50, unchanged=students - students // 50)
    assert changes.classes[0] == RowClass.UPDATED
    assert place.told().count("W") == 2
    assert len(place.told()) <= 10


def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return a list that the bodies of all batchUpdates come into; the calls themselves go their way."""
    from backhaul.sandbox.sheets import calls, edits

    bodies: list[dict[str, Any]] = []

    def listening(book: Any, body: dict[str, Any]) -> Any:
        bodies.append(body)
        return edits.batch_update(book, body)

    monkeypatch.setattr(calls, "batch_update", listening)
    return bodies


def ranges_asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that the ranges of all reads come into."""
    from backhaul.sandbox.sheets import calls, describe

    asked: list[list[str]] = []

    def listening(book: Any, *, ranges: Any, **options: Any) -> Any:
        asked.append([*ranges])
        return describe.describe(book, ranges=ranges, **options)

    monkeypatch.setattr(calls, "describe", listening)
    return asked
