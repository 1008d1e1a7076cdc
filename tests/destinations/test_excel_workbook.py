"""A workbook that people work in: what stays, what is refused, and what a cell becomes."""

import gc
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table

from backhaul.destinations import ExcelWorkbook
from backhaul.destinations.excel.cells import escaped, unescaped
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.formats import read_table
from backhaul.model import Counts, Stream
from backhaul.testing import BatchMaker
from tests.destinations.killing import kill_in_write, steps_of_write

NOW = datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC)


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders of the shop.xlsx"


@pytest.fixture
def target(path: Path) -> ExcelWorkbook:
    return ExcelWorkbook(str(path), clock=lambda: NOW)


def merge(target: ExcelWorkbook, maker: BatchMaker, *frames: pl.DataFrame) -> Counts:
    changes = target.compare(maker.stream, maker.batch(*frames))
    counts = target.write(maker.stream, changes)
    assert counts == changes.counts
    return counts


def orders(*ids: str, total: int = 5) -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "total": [total] * len(ids)}, schema={"id": pl.String, "total": pl.Int64})


def cells(path: Path, tab: str = "orders") -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path)[tab].iter_rows(values_only=True))


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Change the workbook as a person would."""
    book = openpyxl.load_workbook(path)
    change(book)
    book.save(path)


def filled(path: Path, *rows: tuple[Any, ...], tab: str = "orders") -> None:
    """Make a workbook as a person would."""
    book = openpyxl.Workbook()
    book.active.title = tab
    for row in rows:
        book.active.append(row)
    book.save(path)


def test_a_new_workbook_has_a_header_that_stays_in_sight(target, maker, path):
    merge(target, maker, orders("007"))

    sheet = openpyxl.load_workbook(path)["orders"]
    assert [[cell.value for cell in row] for row in sheet] == [["id", "total"], ["007", 5]]
    assert (sheet.freeze_panes, sheet["A1"].font.bold) == ("A2", True)


def test_a_workbook_filled_by_people_is_adopted_by_its_header(target, maker, path):
    filled(path, ("note", "total", "id"), ("typed", 5, "1"), (None, 6, 2), ("own", None, None))

    counts = merge(target, maker, orders("1", "2", "3"))

    assert counts == Counts(new=1, updated=1, unchanged=1)
    assert cells(path) == [
        ("note", "total", "id"),
        ("typed", 5, "1"),
        (None, 5, 2),
        ("own", None, None),
        (None, 5, "3"),
    ]


def test_rows_of_an_adopted_workbook_that_people_delete_stay_deleted(target, maker, path):
    filled(path, ("id", "total"), ("1", 5), ("2", 5))
    assert merge(target, maker, orders("1", "2")) == Counts(unchanged=2)

    edit(path, lambda book: book["orders"].delete_rows(2))

    assert merge(target, maker, orders("1", "2")) == Counts(unchanged=2)
    assert cells(path) == [("id", "total"), ("2", 5)]


def test_a_tab_that_people_empty_with_its_header_begins_anew(target, maker, path):
    merge(target, maker, orders("1", "2"))
    edit(path, lambda book: book["orders"].delete_rows(1, 3))

    assert merge(target, maker, orders("1", "2")) == Counts(new=2)
    assert len(cells(path)) == 3


def test_lines_above_the_header_stay(target, maker, path):
    filled(path, ("Orders of the shop",), (), ("id", "total"), ("1", 4))

    merge(target, maker, orders("1", "2"))

    assert cells(path)[0][0] == "Orders of the shop"
    assert cells(path)[2:] == [("id", "total"), ("1", 5), ("2", 5)]


def test_formulas_formats_widths_comments_rules_and_tabs_of_people_stay(target, maker, path):
    merge(target, maker, orders("1", "2"))

    def work(book):
        sheet = book["orders"]
        sheet["C1"], sheet["C2"], sheet["C3"] = "tax", "=B2*0.11", "=B3*0.11"
        sheet["A2"].fill, sheet["B2"].number_format = PatternFill("solid", fgColor="FFFF00"), "#,##0 [$Rp]"
        sheet["B2"].font = Font(italic=True)
        sheet.column_dimensions["A"].width = 33
        sheet["B2"].comment = Comment("asked twice", "Sari")
        rule = DataValidation(type="list", formula1='"yes,no"')
        rule.add("D2:D100")
        sheet.add_data_validation(rule)
        sheet.conditional_formatting.add("B2:B100", CellIsRule("lessThan", ["0"], font=Font(color="FF0000")))
        book.create_sheet("sums")["A1"] = "=SUM(orders!B:B)"

    edit(path, work)

    assert merge(target, maker, orders("1", "3", total=9)) == Counts(new=1, updated=1)

    book = openpyxl.load_workbook(path)
    sheet = book["orders"]
    assert [[cell.value for cell in row] for row in sheet["A2:C4"]] == [
        ["1", 9, "=B2*0.11"],
        ["2", 5, "=B3*0.11"],
        ["3", 9, None],
    ]
    assert sheet["A2"].fill.fgColor.rgb == "00FFFF00"
    assert (sheet["B2"].number_format, sheet["B2"].font.italic) == ("#,##0 [$Rp]", True)
    assert sheet.column_dimensions["A"].width == 33
    assert sheet["B2"].comment.text == "asked twice"
    assert [str(rule.sqref) for rule in sheet.data_validations.dataValidation] == ["D2:D100"]
    assert [str(each.sqref) for each in sheet.conditional_formatting] == ["B2:B100"]
    assert book["sums"]["A1"].value == "=SUM(orders!B:B)"


def test_new_rows_follow_the_last_one_above_formulas_drawn_down_and_look_like_it(target, maker, path):
    filled(path, ("id", "total", "tax"), ("1", 5, "=B2*2"), (None, None, "=B3*2"), (None, None, "=B4*2"))
    edit(path, lambda book: setattr(book["orders"]["B2"], "number_format", "0.00"))

    merge(target, maker, orders("1", "2"))

    assert cells(path)[2] == ("2", 5, "=B3*2")
    assert openpyxl.load_workbook(path)["orders"]["B3"].number_format == "0.00"


def test_a_line_that_a_person_typed_below_the_rows_is_not_written_over(target, maker, path):
    filled(path, ("id", "total", "remark"), ("1", 5, None), (None, None, "checked by Sari"))

    merge(target, maker, orders("1", "2"))

    assert cells(path)[2:] == [(None, None, "checked by Sari"), ("2", 5, None)]


def test_an_excel_table_grows_with_its_rows(target, maker, path):
    filled(path, ("id", "total"), ("1", 5))
    edit(path, lambda book: book["orders"].add_table(Table(displayName="Orders", ref="A1:B2")))

    merge(target, maker, orders("1", "2", "3"))

    assert openpyxl.load_workbook(path)["orders"].tables["Orders"].ref == "A1:B4"


def test_a_tab_that_people_rename_and_move_is_still_the_one(target, maker, path):
    merge(target, maker, orders("1"))

    def work(book):
        book["orders"].title = "Penjualan '25"
        book.defined_names[next(iter(book.defined_names))].attr_text = "'Penjualan ''25'!$1:$1048576"
        book.create_sheet("cover", 0)["A1"] = "Toko"

    edit(path, work)

    assert merge(target, maker, orders("1", "2")) == Counts(new=1, unchanged=1)
    assert cells(path, "cover") == [("Toko",)]
    assert len(cells(path, "Penjualan '25")) == 3


def test_a_tab_that_people_delete_is_not_made_again(target, maker, path):
    merge(target, maker, orders("1"))

    def work(book):
        book.create_sheet("other")
        del book["orders"]
        book.defined_names[next(iter(book.defined_names))].attr_text = "#REF!$1:$1048576"

    edit(path, work)

    with pytest.raises(DeliveryError, match="was deleted"):
        merge(target, maker, orders("1"))


def test_two_streams_share_a_workbook_by_their_tabs(maker, path, tmp_path):
    users = BatchMaker(tmp_path / "users", table="users")
    merge(ExcelWorkbook(str(path), tab="orders"), maker, orders("1"))

    with pytest.raises(DeliveryError, match="belongs to another stream") as caught:
        merge(ExcelWorkbook(str(path)), users, orders("7"))
    merge(ExcelWorkbook(str(path), tab="users"), users, orders("7"))

    assert "tab='users'" in caught.value.next_step
    assert (len(cells(path)), cells(path, "users")[1]) == (2, ("7", 5))
    assert merge(ExcelWorkbook(str(path), tab="orders"), maker, orders("1")) == Counts(unchanged=1)


def test_the_memory_is_hidden_where_nobody_deletes_it_by_mistake(target, maker, path):
    merge(target, maker, orders("1"))

    book = openpyxl.load_workbook(path)

    assert book["_backhaul"].sheet_state == "veryHidden"
    assert not any(cell.value == "1" for row in book["_backhaul"] for cell in row)


def test_ten_thousand_deliveries_are_remembered(target, maker, path):
    many = pl.DataFrame({"id": [f"{number:05}" for number in range(10_000)]})
    merge(target, maker, many)
    edit(path, lambda book: book["orders"].delete_rows(2, 4_000))
    before = path.read_bytes()

    assert merge(target, maker, many) == Counts(unchanged=10_000)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("value", "found", "number_format"),
    [
        ("=1+1", "=1+1", "@"),
        ("+62812345", "+62812345", "@"),
        ("0812345", "0812345", "@"),
        ("#N/A", "#N/A", "@"),
        ("plain", "plain", "General"),
        ("a\r\nb\x01", "a_x000D_\nb_x0001_", "General"),
        (10**14, 10**14, "General"),
        (10**15, "1000000000000000", "@"),
        (float("nan"), "NaN", "General"),
        (float("-inf"), "-inf", "@"),
        (Decimal("12500.00"), 12500, "#,##0.00"),
        (Decimal("1234567890123456.7"), "1234567890123456.7", "@"),
        (date(2025, 9, 12), datetime(2025, 9, 12), "yyyy-mm-dd"),
        (date(1899, 12, 31), "1899-12-31", "@"),
        (datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC), datetime(2025, 9, 12, 8, 0, 45), "yyyy-mm-dd h:mm:ss"),
        (True, True, "General"),
    ],
)
def test_a_value_becomes_a_cell_that_says_the_same(target, maker, path, value, found, number_format):
    frame = pl.DataFrame({"id": ["1"], "value": [value]})

    merge(target, maker, frame)

    cell = openpyxl.load_workbook(path)["orders"]["B2"]
    assert (cell.value, type(cell.value), cell.number_format) == (found, type(found), number_format)
    assert cell.data_type != "f"
    assert merge(target, maker, frame) == Counts(unchanged=1)


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(r"(_?x?[0-9A-F]{0,4}_){1,4}"))
def test_any_text_is_kept_in_a_form_that_xml_can_hold_and_comes_back(text):
    from lxml import etree

    element = etree.Element("t")
    element.text = escaped(text)

    assert unescaped(etree.fromstring(etree.tostring(element)).text or "") == text


def test_days_are_right_in_a_workbook_that_counts_from_1904(target, maker, path):
    with xlsxwriter.Workbook(path, {"date_1904": True}) as book:
        book.add_worksheet("orders").write_row(0, 0, ["id", "day"])
    frame = pl.DataFrame({"id": ["1", "2"], "day": [date(2025, 9, 12), date(1903, 1, 1)]})

    merge(target, maker, frame)

    assert cells(path)[1:] == [("1", datetime(2025, 9, 12)), ("2", "1903-01-01")]
    assert merge(target, maker, frame) == Counts(unchanged=2)


def test_a_name_with_spaces_around_it_is_found_again(target, maker, path):
    frame = pl.DataFrame({"id": ["1"], " total ": [5]})
    merge(target, maker, frame)
    assert merge(target, maker, frame) == Counts(unchanged=1)

    filled(path, (" id ", "note"), ("1", "typed"))
    assert merge(target, maker, pl.DataFrame({"id": ["1"], "note": ["x"]})) == Counts(updated=1)


def test_a_column_without_a_name_is_refused(target, maker):
    with pytest.raises(DeliveryError, match="has no name"):
        merge(target, maker, pl.DataFrame({"id": ["1"], " ": [5]}))


def test_a_number_that_people_format_as_hours_is_still_the_number(target, maker, path):
    merge(target, maker, pl.DataFrame({"id": ["1"], "days": [1.25]}))
    edit(path, lambda book: setattr(book["orders"]["B2"], "number_format", "[h]:mm"))

    assert merge(target, maker, pl.DataFrame({"id": ["1"], "days": [1.25]})) == Counts(unchanged=1)


def test_the_product_reads_what_it_has_written(target, maker, path):
    frame = pl.DataFrame(
        {"id": ["007", "8"], "total": [5, None], "day": [date(2025, 9, 12), None], "note": ["=1", "x"]}
    )
    merge(target, maker, frame)

    [found] = read_table(path, text_columns=("id",))

    assert found.equals(frame)


def test_a_formula_or_an_error_in_our_column_gives_way_to_the_value(target, maker, path):
    filled(path, ("id", "note"), ("1", "=1+1"), ("2", "#N/A"))

    counts = merge(target, maker, pl.DataFrame({"id": ["1", "2"], "note": ["=1+1", "#N/A"]}))

    assert counts == Counts(updated=2)
    assert {cell.data_type for cell in openpyxl.load_workbook(path)["orders"]["B"]} == {"s"}


def test_a_removed_row_shows_when_in_local_time(target, maker, path):
    complete = replace(maker, complete=True)
    merge(target, complete, orders("1", "2"))

    merge(target, complete, orders("1"))

    assert cells(path) == [("id", "total", "removed_at"), ("1", 5, None), ("2", 5, datetime(2025, 9, 12, 8, 0, 45))]


def test_a_row_that_a_person_typed_is_never_removed(target, maker, path):
    complete = replace(maker, complete=True)
    merge(target, complete, orders("1"))
    edit(path, lambda book: book["orders"].append(["own", 1]))

    assert merge(target, complete, orders("1")) == Counts(unchanged=1)


def test_a_column_named_removed_at_cannot_be_in_a_complete_batch(target, maker):
    with pytest.raises(DeliveryError, match="backhaul's own"):
        merge(target, replace(maker, complete=True), pl.DataFrame({"id": ["1"], "removed_at": ["x"]}))


def with_chart(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=orders!$B$2:$B$9"})
        sheet.insert_chart("D2", chart)


def with_sparkline(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.add_sparkline("D2", {"range": "orders!B2:B9"})


def with_data_bar(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.conditional_format("B2:B9", {"type": "data_bar", "data_bar_2010": True})


def with_text_box(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.insert_textbox("D2", "read me")


def with_button(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.insert_checkbox("C2", True)
        sheet.write_dynamic_array_formula("D2", "=SORT(B2:B9)")


def with_a_footer_of_its_own(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.set_footer("&P")


def with_a_date_that_is_none(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.write_number("C2", 99_999_999, book.add_format({"num_format": "yyyy-mm-dd"}))


def with_macros(path: Path) -> None:
    filled(path, ("id", "total"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0")


def with_pivot(path: Path) -> None:
    filled(path, ("id", "total"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/pivotCache/pivotCacheDefinition1.xml", "<pivotCacheDefinition/>")


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (with_chart, "charts"),
        (with_sparkline, "sparklines"),
        (with_data_bar, "data bars"),
        (with_text_box, "text boxes"),
        (with_button, "formulas that fill several cells"),
        (with_a_footer_of_its_own, "headers or footers"),
        (with_a_date_that_is_none, "dates or ranges"),
        (with_macros, "macros"),
        (with_pivot, "pivot tables"),
    ],
)
def test_a_workbook_with_what_would_be_lost_is_left_alone(target, maker, path, make, word):
    make(path)
    before = path.read_bytes()

    with pytest.raises(DeliveryError, match=word) as caught:
        merge(target, maker, orders("1"))

    assert path.read_bytes() == before
    assert "workbook without them" in caught.value.next_step


def test_what_excel_and_libreoffice_write_beside_the_rows_is_no_loss(target, maker, path):
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total"])
        sheet.write_comment("A1", "note")
        sheet.autofilter("A1:B9")
        sheet.set_footer("&CPage &P")
        sheet.protect()
        sheet.ignore_errors({"number_stored_as_text": "A1:A9"})
        sheet.data_validation("C2:C9", {"validate": "list", "source": ["yes", "no"]})
        sheet.write_url("D1", "https://example.invalid/")
        sheet.repeat_rows(0)
        book.define_name("rate", "=0.11")

    assert merge(target, maker, orders("1")) == Counts(new=1)


def test_an_empty_drawing_as_in_downloads_of_google_sheets_is_no_loss(target, maker, path):
    filled(path, ("id", "total"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/drawings/drawing1.xml", '<wsDr xmlns="urn:example:drawing"/>')

    assert merge(target, maker, orders("1")) == Counts(new=1)


def test_text_in_several_fonts_stays_so(target, maker, path):
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("orders")
        sheet.write_row(0, 0, ["id", "total", "note"])
        sheet.write_row(1, 0, ["1", 5])
        sheet.write_rich_string("C2", "very ", book.add_format({"bold": True}), "important")

    merge(target, maker, orders("1", "2"))

    found = openpyxl.load_workbook(path, rich_text=True)["orders"]["C2"].value
    assert (str(found), found[1].font.b) == ("very important", True)


@pytest.mark.parametrize("mark", ["~${}", ".~lock.{}#"])
def test_a_workbook_that_is_open_waits(target, maker, path, mark):
    merge(target, maker, orders("1"))
    before, lock = path.read_bytes(), path.with_name(mark.format(path.name))
    lock.touch()

    with pytest.raises(TransientError, match="open in another program") as caught:
        merge(target, maker, orders("1", "2"))

    assert "Close it in Excel" in caught.value.next_step
    assert path.read_bytes() == before
    lock.unlink()
    assert merge(target, maker, orders("1", "2")) == Counts(new=1, unchanged=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no workbook"),
        (b"id,total\n1,5\n", "no workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old workbook, or one with a password"),
        (b"PK\x03\x04" + bytes(range(256)), "damaged"),
    ],
)
def test_what_is_no_workbook_is_left_alone(target, maker, path, content, message):
    path.write_bytes(content)

    with pytest.raises(DeliveryError, match=message):
        merge(target, maker, orders("1"))

    assert path.read_bytes() == content


@settings(max_examples=30)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
    kept=st.just(1.0) | st.floats(0, 1),
)
def test_a_damaged_workbook_raises_our_errors_only(tmp_path_factory, flips, kept):
    folder = tmp_path_factory.mktemp("damaged")
    path, maker = folder / "orders.xlsx", BatchMaker(folder / "staging")
    target = ExcelWorkbook(str(path))
    merge(target, maker, orders("1"))
    content = bytearray(path.read_bytes())
    for at, flip in flips:
        content[int(at * len(content))] ^= flip
    path.write_bytes(content[: int(kept * len(content))])

    try:
        merge(target, maker, orders("1", "2"))
    except DeliveryError as error:
        assert "orders.xlsx" in str(error)


def test_a_header_without_the_key_is_refused(target, maker, path):
    filled(path, ("nomor", "total"), ("1", 5))

    with pytest.raises(DeliveryError, match="none of the first 20 rows has the key column 'id'"):
        merge(target, maker, orders("1"))


def test_a_column_that_stands_twice_is_refused(target, maker, path):
    filled(path, ("id", "total", "total"), ("1", 5, 6))

    with pytest.raises(DeliveryError, match="'total' more than once"):
        merge(target, maker, orders("1"))


def test_a_key_that_stands_twice_is_refused_if_the_batch_has_it(target, maker, path):
    filled(path, ("id", "total"), ("1", 5), ("2", 5), ("2", 5))

    assert merge(target, maker, orders("1", total=6)) == Counts(updated=1)
    with pytest.raises(DeliveryError, match="1 rows have a key that stands in another row"):
        merge(target, maker, orders("2", total=6))


def test_merged_cells_in_the_rows_are_refused(target, maker, path):
    filled(path, ("id", "total"), ("1", 5))
    edit(path, lambda book: book["orders"].merge_cells("A2:B2"))
    before = path.read_bytes()

    with pytest.raises(DeliveryError, match="B2 is merged"):
        merge(target, maker, orders("1", total=6))

    assert path.read_bytes() == before


def test_more_columns_than_a_tab_has_are_refused_before_anything_is_written(target, maker, path):
    filled(path, ("id", *(f"c{number}" for number in range(16_382))))

    with pytest.raises(DeliveryError, match="16,386 columns"):
        target.compare(maker.stream, maker.batch(orders("1").with_columns(more=1, still=2)))


@pytest.mark.slow
def test_more_rows_than_a_tab_has_are_refused_before_anything_is_written(target, maker, path):
    filled(path, ("id", "total"))
    edit(path, lambda book: book["orders"].cell(1_048_576, 1, "last"))

    with pytest.raises(DeliveryError, match="1,048,577 rows"):
        target.compare(maker.stream, maker.batch(orders("1")))


def test_characters_are_counted_as_excel_counts_them(target, maker):
    frame = pl.DataFrame({"id": ["1", "2"], "note": ["🙂" * 16_383, "🙂" * 16_384]})

    assert merge(target, maker, frame) == Counts(new=1, rejected=1)


def test_a_check_tells_what_a_delivery_would_meet(target, maker, path):
    assert target.check() == "orders of the shop.xlsx will be made"

    merge(target, maker, orders("1"))
    before = path.read_bytes()
    assert target.check() == "orders of the shop.xlsx can be merged into; visible tabs: 1"
    assert path.read_bytes() == before

    with_macros(path)
    with pytest.raises(DeliveryError, match="macros"):
        target.check()


def test_a_workbook_is_named_xlsx(tmp_path, maker):
    with pytest.raises(ConfigError, match=r"not named \.xlsx"):
        merge(ExcelWorkbook(str(tmp_path / "orders.xlsm")), maker, orders("1"))


def test_without_the_package_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['openpyxl'] = None\n"
        "from backhaul.destinations.excel.file import library\n"
        "from backhaul.errors import ConfigError\n"
        "try:\n    library()\nexcept ConfigError as error:\n    print(error.next_step)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert 'pip install "backhaul[excel]"' in done.stdout


def test_two_writers_at_once_lose_no_row(target, maker, path):
    batches = [maker.batch(orders(*(f"{writer}-{number}" for number in range(20)))) for writer in range(4)]
    changes = [target.compare(maker.stream, batch) for batch in batches]
    counts: list[Counts] = []

    def write(number: int) -> None:
        counts.append(target.write(maker.stream, changes[number]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [Counts(new=20)] * 4
    assert len(cells(path)) == 81


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_leaves_the_workbook_as_it_was(target, maker, path):
    resource = pytest.importorskip("resource")
    merge(target, maker, orders("1"))
    before = path.read_bytes()
    changes = target.compare(maker.stream, maker.batch(orders(*(f"{number}" for number in range(3000)))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, limits[1]))
    try:
        with pytest.raises(DeliveryError, match="cannot be read or written"):
            target.write(maker.stream, changes)
    finally:
        # What openpyxl leaves half written complains once more when it is collected.
        gc.collect()
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*.part"))
    assert target.write(maker.stream, changes) == changes.counts


@pytest.mark.slow
def test_a_write_that_is_killed_at_any_step_and_repeated_equals_one_write(tmp_path, maker):
    def prepared(name: str) -> tuple[ExcelWorkbook, Stream, Any]:
        target = ExcelWorkbook(str(tmp_path / name / "orders.xlsx"))
        merge(target, maker, orders("1", "2"))
        return target, maker.stream, target.compare(maker.stream, maker.batch(orders("2", "3", total=6)))

    steps = steps_of_write(*prepared("whole"))
    assert steps > 3
    for step in range(1, steps + 1):
        target, stream, changes = prepared(f"cut-{step}")
        kill_in_write(target, stream, changes, step)

        assert target.write(stream, changes) == Counts(new=1, updated=1)
        assert cells(target.file) == [("id", "total"), ("1", 5), ("2", 6), ("3", 6)]
