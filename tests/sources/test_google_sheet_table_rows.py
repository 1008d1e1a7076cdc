"""What becomes of the cells of a worksheet: what people mean by them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.errors import SourceChanged
from backhaul.model import Artifact, Landed
from backhaul.sandbox import Book
from backhaul.sandbox.sheets.values import Formula
from backhaul.sources.sheet_table.document import Cell, Fault, Number, Worksheet, read_document
from backhaul.sources.sheet_table.rows import TableRequest, frame_of, is_like_a_name, text_of
from tests.destinations.google_place import Google, google
from tests.sources.sheet_place import HEADER, Reader, put, show

ROSTER = TableRequest("main", columns=(), text=(), header_row=1)
ARTIFACT = Artifact("a", Path(), "main.json", "", 0, None, datetime(2025, 9, 12, tzinfo=UTC))


@pytest.fixture(scope="module")
def shared() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def reader(shared: Google, tmp_path: Path) -> Reader:
    shared.time.seconds += 61
    return Reader(shared, shared.sandbox.add_spreadsheet("Roster"), tmp_path)


@pytest.fixture
def book(reader: Reader) -> Book:
    return reader.book


def column(reader: Reader, *cells: Any, kind: str = "", pattern: str = "", **options: Any) -> pl.Series:
    """Return what becomes of a column of these cells, all in one number format."""
    put(reader.book, ["phone_number", "x"], *([f"k{number}", cell] for number, cell in enumerate(cells)))
    if kind:
        show(reader.book, 1, kind, pattern)
    return reader.rows(**options)["x"]


class TestTypes:
    def test_whole_numbers(self, reader: Reader) -> None:
        found = column(reader, 5, None, 12)

        assert (found.dtype, found.to_list()) == (pl.Int64, [5, None, 12])

    def test_numbers_with_fractions_are_not_rounded_to_what_is_shown(self, reader: Reader) -> None:
        found = column(reader, 1234.5678, 3, kind="CURRENCY", pattern="$#,##0.00")

        assert (found.dtype, found.to_list()) == (pl.Float64, [1234.5678, 3.0])

    def test_ticked_boxes(self, reader: Reader) -> None:
        found = column(reader, True, False, None)

        assert (found.dtype, found.to_list()) == (pl.Boolean, [True, False, None])

    def test_days_are_days_however_they_are_shown(self, reader: Reader) -> None:
        found = column(reader, 45000, 45000.75, kind="DATE", pattern="dd/mm/yyyy")

        assert (found.dtype, found.to_list()) == (pl.Date, [date(2023, 3, 15), date(2023, 3, 15)])

    def test_moments_are_exact_to_the_millisecond(self, reader: Reader) -> None:
        found = column(reader, 45000 + 51_300.25 / 86_400, 45000, kind="DATE_TIME", pattern="dd/mm hh:mm")

        assert found.dtype == pl.Datetime("us")
        assert found.to_list() == [datetime(2023, 3, 15, 14, 15, 0, 250_000), datetime(2023, 3, 15)]

    def test_days_as_text_stay_text(self, reader: Reader) -> None:
        assert column(reader, "01/09/2025", "15/09/2025").to_list() == ["01/09/2025", "15/09/2025"]

    def test_days_among_words_are_text_as_shown(self, reader: Reader, book: Book) -> None:
        found = column(reader, 45000, "?", kind="DATE", pattern="dd/mm/yyyy")

        assert found.to_list() == ["15/03/2023", "?"]

    def test_clock_times_are_text(self, reader: Reader) -> None:
        assert column(reader, 0.5, kind="TIME", pattern="hh:mm").to_list() == ["12:00"]

    def test_a_day_that_no_calendar_has_is_text(self, reader: Reader) -> None:
        assert column(reader, 9_000_000, kind="DATE").dtype == pl.String

    def test_an_empty_column_is_text_without_values(self, reader: Reader) -> None:
        found = column(reader, None, "  ")

        assert (found.dtype, found.to_list()) == (pl.String, [None, None])

    def test_what_is_said_to_be_text_is_text(self, reader: Reader) -> None:
        assert column(reader, 972556602298, True, text=["x"]).to_list() == ["972556602298", "TRUE"]


class TestNames:
    def test_a_phone_that_was_typed_as_text_keeps_zeros_and_plus(self, reader: Reader, book: Book) -> None:
        phones = ["0550000001", "+972 55-000-0002", "972 55-000-0003"]
        put(book, ["phone_number"], *([each] for each in phones))

        assert reader.rows()["phone_number"].to_list() == phones

    @pytest.mark.parametrize("shown", ["0550000001", "055-0000001", "+550000001", "(055) 000 0001", "55 000 0001"])
    def test_a_number_that_is_shown_as_a_phone_is_that_text(self, shown: str) -> None:
        rows: list[list[Cell]] = [["id", "x"], ["1", Number(550000001, "NUMBER", shown)]]

        found = frame_of(Worksheet("s", "t", "main", rows), ROSTER, ("id",), ARTIFACT, "roster")

        assert found["x"].to_list() == [shown]

    @pytest.mark.parametrize(
        ("number", "shown"),
        [
            (1234, "1,234"),
            (1234567, "1 234 567"),
            (1234, "1.234"),
            (-5, "-5"),
            (5, "+5"),
            (0, "0"),
            (0, "-"),
            (0.5, "0.5"),
            (3, "3.00"),
            (500, "$500"),
            (0.07, "7%"),
        ],
    )
    def test_an_amount_is_no_name(self, number: float, shown: str) -> None:
        assert not is_like_a_name(Number(number, "NUMBER", shown))

    def test_a_key_that_google_shortens_keeps_all_its_digits(self, reader: Reader, book: Book) -> None:
        put(book, ["phone_number"], [972556602298])
        show(book, 0, "SCIENTIFIC")

        assert reader.rows()["phone_number"].to_list() == ["972556602298"]

    @given(st.integers(0, 10**15))
    def test_a_number_without_a_format_is_its_digits(self, number: int) -> None:
        assert text_of(float(number)) == str(number)


class TestRows:
    def test_rows_of_nothing_but_waiting_boxes_and_failed_formulas_are_no_rows(
        self, reader: Reader, book: Book
    ) -> None:
        put(
            book,
            ["phone_number", "name", "paid", "lesson"],
            ["1", "Dana", False, Formula("=1/0")],
            [],
            [None, None, False, Formula("=1/0")],
            [None, "  ", None, None],
            ["2", "Omer", True, 4],
        )

        rows = reader.rows()

        assert rows["phone_number"].to_list() == ["1", "2"]
        assert reader.remarks == ["worksheet 'main': 1 cell shows an error and counts as empty: D2 #DIV/0!"]

    def test_half_typed_rows_stay_for_the_checks(self, reader: Reader, book: Book) -> None:
        put(book, HEADER, ["1"], [None, "Omer"], ["3", "Noam", 7])

        assert reader.rows().select("phone_number", "name", "current_lesson").rows() == [
            ("1", None, None),
            (None, "Omer", None),
            ("3", "Noam", 7),
        ]

    def test_a_formula_is_what_it_comes_to(self, reader: Reader) -> None:
        assert column(reader, Formula("=4/2"), Formula("=1+2")).to_list() == [2, 3]

    def test_many_errors_are_told_by_the_first_cells(self, reader: Reader) -> None:
        found = column(reader, *[Formula("=1/0")] * 8, 5)

        assert found.to_list() == [None] * 8 + [5]
        assert reader.remarks[0].startswith(
            "worksheet 'main': 8 cells show errors and count as empty: B2 #DIV/0!, B3"
        )
        assert reader.remarks[0].endswith("and 3 more")

    def test_errors_in_columns_that_are_not_taken_are_not_told(self, reader: Reader, book: Book) -> None:
        put(book, ["phone_number", "name", "junk"], ["1", "Dana", Formula("=1/0")])

        assert reader.rows(columns=["name"]).columns == ["phone_number", "name"]
        assert reader.remarks == []

    def test_a_header_without_rows_is_a_frame_without_rows(self, reader: Reader, book: Book) -> None:
        put(book, HEADER)

        rows = reader.rows()

        assert (rows.height, rows.columns) == (0, HEADER)


class TestHeader:
    def test_columns_without_a_header_are_left_out_and_any_order_will_do(self, reader: Reader, book: Book) -> None:
        put(book, ["name", None, " phone_number "], ["Dana", "note", "1", "beyond"])

        rows = reader.rows(columns=["phone_number", "name"])

        assert rows.to_dicts() == [{"name": "Dana", "phone_number": "1"}]

    def test_the_header_may_stand_in_another_row(self, reader: Reader, book: Book) -> None:
        put(book, ["Our roster"], [], ["phone_number", "name"], ["1", "Dana"])

        assert reader.rows(header_row=3).rows() == [("1", "Dana")]

    def test_a_header_that_has_moved_is_told_with_its_row(self, reader: Reader, book: Book) -> None:
        put(book, ["Our roster"], ["phone_number", "name"], ["1", "Dana"])

        with pytest.raises(SourceChanged, match="row 1 of worksheet 'main' has no column 'phone_number'") as caught:
            reader.rows()

        assert "header_row=2" in caught.value.next_step

    def test_missing_columns_are_named_with_what_was_found(self, reader: Reader, book: Book) -> None:
        put(book, ["phone_number", "Name", "teacher"], ["1"])

        with pytest.raises(SourceChanged) as caught:
            reader.rows(columns=HEADER)

        assert "no column 'name', 'current_lesson', 'last_practice'" in str(caught.value)
        assert "found ['phone_number', 'Name', 'teacher']" in str(caught.value)

    def test_a_row_of_people_in_the_place_of_the_header_is_not_repeated(self, reader: Reader, book: Book) -> None:
        put(book, ["055-0000001", "Dana", 12])

        with pytest.raises(SourceChanged) as caught:
            reader.rows()

        assert "3 other texts" in str(caught.value)
        assert "Dana" not in str(caught.value) + caught.value.next_step
        assert "055" not in str(caught.value) + caught.value.next_step

    def test_an_empty_worksheet_has_no_columns(self, reader: Reader, book: Book) -> None:
        book.add_tab("main")

        with pytest.raises(SourceChanged, match="no column 'phone_number'"):
            reader.rows()

    def test_a_header_that_stands_twice_is_refused_with_its_cells(self, reader: Reader, book: Book) -> None:
        put(book, ["phone_number", "name", "x", "name"], ["1", "Dana"])

        with pytest.raises(SourceChanged, match="'name' stands twice in worksheet 'main', in B1 and D1"):
            reader.rows()
        assert reader.rows(columns=["x"]).height == 1


class TestFiles:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"\x00\x01garbage",
            b'{"format": "backhaul worksheet 1"',
            b'{"format": "backhaul worksheet 1", "rows": 5}',
            b'{"format": "backhaul worksheet 1", "spreadsheet": "s", "title": "t", "worksheet": "w", "rows": [5]}',
            b'{"format": "backhaul worksheet 1", "spreadsheet": "s", "title": "t", "worksheet": "w", "rows": [[[]]]}',
            b'{"format": "backhaul worksheet 1", "spreadsheet": "s", "title": "t", "worksheet": "w",'
            b' "rows": [[{"number": "x", "kind": "", "shown": ""}]]}',
        ],
    )
    def test_what_is_no_whole_worksheet_is_a_changed_source(
        self, reader: Reader, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / "main.json"
        path.write_bytes(content)

        with pytest.raises(SourceChanged):
            reader.parse(reader.stream(), Landed(path, "main.json", "", len(content), None))

    def test_a_table_that_a_person_has_downloaded_is_read_as_well(self, reader: Reader, tmp_path: Path) -> None:
        path = tmp_path / "Roster - main.csv"
        path.write_text("phone_number,name,other\n055-0000001,Dana,x\n", encoding="utf-8")

        rows = reader.parse(reader.stream(columns=["name"]), Landed(path, path.name, "", 50, None))

        assert rows.rows() == [("055-0000001", "Dana")]

    def test_a_downloaded_table_without_a_column_is_refused(self, reader: Reader, tmp_path: Path) -> None:
        path = tmp_path / "main.csv"
        path.write_text("phone_number\n1\n", encoding="utf-8")

        with pytest.raises(SourceChanged, match="column 'name' is missing"):
            reader.parse(reader.stream(columns=["name"]), Landed(path, path.name, "", 50, None))


PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
KINDS = st.sampled_from(["NUMBER", "DATE", "DATE_TIME", "TIME", "TEXT", "PERCENT", "CURRENCY", "SCIENTIFIC"])
NUMBERS = st.builds(Number, st.integers(-(2**60), 2**60) | st.floats(-1e300, 1e300), KINDS, st.text(max_size=8))
WORDS = st.text(max_size=12)
CELLS: st.SearchStrategy[Cell] = PLAIN | WORDS | NUMBERS | st.builds(Fault, st.just("#REF!"))


@given(st.lists(st.lists(CELLS, max_size=4), max_size=8))
def test_what_is_kept_is_what_was_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[Cell]]) -> None:
    path = tmp_path_factory.mktemp("kept") / "main.json"
    sheet = Worksheet("s", "t", "main", rows)
    path.write_bytes(sheet.dumps())

    assert read_document(path, "main.json") == sheet
    assert read_document(path, "main.json").dumps() == sheet.dumps()


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8))
def test_no_cell_is_lost_whatever_stands_in_a_column(rows: list[tuple[Cell, Cell]]) -> None:
    sheet = Worksheet("s", "t", "main", [["id", "x", "end"], *([*row, "end"] for row in rows)])

    frame = frame_of(sheet, ROSTER, ("id",), ARTIFACT, "roster")

    assert frame.height == len(rows)
    assert frame["id"].dtype == pl.String
    for (_, cell), found in zip(rows, frame["x"], strict=True):
        is_nothing = cell is None or isinstance(cell, Fault) or (isinstance(cell, str) and not cell.strip())
        assert (found is None) == is_nothing
