"""Workbooks: cells keep their types, text keeps its digits, mixed columns lose nothing."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as some

from backhaul.errors import SourceChanged
from backhaul.formats import prove, read_table


def workbook(path: Path, rows: Sequence[Any], sheets_before: tuple[str, ...] = ()) -> Path:
    formats = {date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss", time: "hh:mm", timedelta: "[h]:mm:ss"}
    with xlsxwriter.Workbook(path) as book:
        styles = {kind: book.add_format({"num_format": text}) for kind, text in formats.items()}
        for name in sheets_before:
            book.add_worksheet(name)
        sheet = book.add_worksheet("data")
        for number, row in enumerate(rows):
            for place, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, place, value)
                elif type(value) in styles:
                    sheet.write_datetime(number, place, value, styles[type(value)])
                elif value is not None:
                    sheet.write(number, place, value)
    return path


def table(path: Path, rows: Sequence[Any], text_columns: tuple[str, ...] = ()) -> pl.DataFrame:
    prove(workbook(path, rows))
    return pl.concat(list(read_table(path, text_columns=text_columns)))


def test_cells_keep_their_types(tmp_path: Path) -> None:
    row = [7, 2.5, True, date(2025, 9, 12), datetime(2025, 9, 12, 8, 0, 45), "007", "12345678901234567890"]

    frame = table(tmp_path / "f", [["n", "price", "ok", "day", "at", "id", "long"], row])

    assert frame.rows() == [tuple(row)]
    assert frame.dtypes == [
        *(pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("us")),
        *(pl.String, pl.String),
    ]


def test_a_text_far_below_numbers_makes_the_column_text_and_loses_nothing(tmp_path: Path) -> None:
    rows = [[number] for number in range(1, 1501)]

    frame = table(tmp_path / "f", [["code"], *rows, ["A-1"], [0.5]])

    assert frame["code"].to_list() == [*(str(number) for number in range(1, 1501)), "A-1", "0.5"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([date(2025, 1, 2), "gone"], ["2025-01-02 00:00:00", "gone"]),
        ([date(2025, 1, 2), 5], ["2025-01-02 00:00:00", "5"]),
        ([timedelta(hours=30), timedelta(minutes=5)], ["30:00:00", "0:05:00"]),
        ([time(1, 2, 3), time(23, 0)], ["01:02:03", "23:00:00"]),
        ([True, "x"], ["true", "x"]),
        ([1, 2.5], [1.0, 2.5]),
        (["", 5], [None, 5]),
        (["2025-01-02", "2025-01-03"], [date(2025, 1, 2), date(2025, 1, 3)]),
        (["2025-01-02T10:00", None], [datetime(2025, 1, 2, 10), None]),
        (["12", "007"], ["12", "007"]),
        (["12", "13"], ["12", "13"]),
        (["true"], ["true"]),
    ],
)
def test_mixed_and_special_cells_come_as_people_see_them(
    tmp_path: Path, cells: list[Any], expected: list[Any]
) -> None:
    frame = table(tmp_path / "f", [["value", "end"], *([cell, "."] for cell in cells)])

    assert frame["value"].to_list() == expected


def test_durations_beside_text_do_not_stop_the_file(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", [["a", "b", "n"], [timedelta(hours=1), "x", 5], ["none", timedelta(1), 6]])

    assert frame["a"].to_list()[1] == "none"
    assert frame["b"].to_list()[0] == "x"
    assert frame["n"].to_list() == [5, 6]


def test_formulas_give_their_values_and_errors_are_null(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["sum", "bad"])
        sheet.write_formula(1, 0, "=1+1", None, 2)
        sheet.write_formula(1, 1, "=1/0", None, "#DIV/0!")
        sheet.write_row(2, 0, [3, 4])

    assert pl.concat(list(read_table(path))).rows() == [(2, None), (3, 4)]


def test_empty_rows_at_the_end_are_no_rows_and_others_are(tmp_path: Path) -> None:
    rows = [["id", "note"], ["1", "a"], [None, None], [None, "b"], ["  ", None], [None, ""]]

    frame = table(tmp_path / "f", rows)

    assert frame.rows() == [("1", "a"), (None, None), (None, "b")]


def test_a_table_may_start_anywhere_on_its_sheet(tmp_path: Path) -> None:
    rows = [[], [], [None, "id", "n"], [None, "007", 1]]

    assert table(tmp_path / "f", rows).to_dicts() == [{"id": "007", "n": 1}]


def test_the_first_sheet_that_has_a_header_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "f", [["id"], ["1"]], sheets_before=("empty", "also empty"))

    assert pl.concat(list(read_table(path))).to_dicts() == [{"id": "1"}]


def test_a_sheet_with_only_a_header_gives_one_frame_without_rows(tmp_path: Path) -> None:
    frames = list(read_table(workbook(tmp_path / "f", [["id", "name"]])))

    assert [(frame.height, dict(frame.schema)) for frame in frames] == [(0, {"id": pl.String(), "name": pl.String()})]


def test_a_workbook_without_a_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="none of the 2 sheets has a header"):
        list(read_table(workbook(tmp_path / "f", [], sheets_before=("empty",))))


def test_names_are_trimmed_and_empty_ones_numbered(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", [[" id ", None, "n_1", 2025], ["1", "2", "3", "4"]])

    assert frame.columns == ["id", "column_2", "n_1", "2025"]


def test_names_that_stand_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="1 column names stand twice: id"):
        table(tmp_path / "f", [["id", "n", "id"], ["1", "2", "3"]])


def test_a_name_that_only_looks_numbered_is_kept(tmp_path: Path) -> None:
    assert table(tmp_path / "f", [["id", "id_1", "id_2"], ["1", "2", "3"]]).columns == ["id", "id_1", "id_2"]


def test_text_columns_are_text_whatever_their_cells_are(tmp_path: Path) -> None:
    rows = [["n", "day", "id", "price"], [12, date(2025, 9, 12), " 007 ", 2.5], [13, None, "2025-01-01", 3]]

    frame = table(tmp_path / "f", rows, text_columns=("n", "day", "id", "price"))

    assert frame.rows() == [("12", "2025-09-12", "007", "2.5"), ("13", None, "2025-01-01", "3.0")]


def test_a_large_sheet_comes_in_frames_of_one_schema(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "name"])
        for row in range(1, 60_001):
            sheet.write_row(row, 0, [row, f"name {row}"])

    frames = list(read_table(path))

    assert [frame.height for frame in frames] == [50_000, 10_000]
    assert len({tuple(frame.schema.items()) for frame in frames}) == 1
    assert pl.concat(frames)["id"].to_list() == list(range(1, 60_001))


@settings(deadline=None, max_examples=40)
@given(rows=some.lists(some.tuples(some.from_regex(r"\d{1,25}", fullmatch=True), some.integers(-(2**53), 2**53))))
def test_ids_and_whole_numbers_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("w") / "f"

    frame = table(path, [["id", "n"], *(list(row) for row in rows)])

    assert frame.rows() == rows


@settings(deadline=None, max_examples=40)
@given(days=some.lists(some.dates(min_value=date(1900, 3, 1)), min_size=1))
def test_days_come_back(tmp_path_factory: pytest.TempPathFactory, days: list[date]) -> None:
    path = tmp_path_factory.mktemp("w") / "f"

    frame = table(path, [["day"], *([day] for day in days)])

    assert frame["day"].to_list() == days


def test_fractions_beside_text_keep_the_digits_that_people_see(tmp_path: Path) -> None:
    values = [139048846929.86, "x", 12.5, "1.123456789", 7, 0.1, -3.25, "007"]
    frame = table(tmp_path / "book.xlsx", [["id", "value"], *([str(n), value] for n, value in enumerate(values))])

    assert frame["value"].to_list() == ["139048846929.86", "x", "12.5", "1.123456789", "7", "0.1", "-3.25", "007"]
