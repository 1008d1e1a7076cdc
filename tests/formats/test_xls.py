"""Old workbooks (.xls): the same rows as from new ones, and nothing that is cut off, locked or a bomb."""

import random
import struct
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlwt
from xlwt.CompoundDoc import XlsDoc

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.formats import FileKind, kind_of, prove, read_table

FORMATS = {date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss", time: "hh:mm"}


def workbook(path: Path, rows: list[list[Any]], sheets_before: tuple[str, ...] = ()) -> Path:
    book = xlwt.Workbook(encoding="utf-8")
    for name in sheets_before:
        book.add_sheet(name)
    sheet = book.add_sheet("data")
    styles = {kind: xlwt.easyxf(num_format_str=text) for kind, text in FORMATS.items()}
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            if type(value) in styles:
                sheet.write(number, place, value, styles[type(value)])
            elif value is not None:
                sheet.write(number, place, value)
    book.save(str(path))
    return path


def table(path: Path, **options: Any) -> pl.DataFrame:
    prove(path)
    return pl.concat(read_table(path, **options))


def record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def compound(path: Path, stream: bytes, name: str = "Workbook") -> Path:
    XlsDoc().save(str(path), stream.ljust(4096, b"\0"))
    old, new = (text.encode("utf-16-le").ljust(64, b"\0") for text in ("Workbook", name))
    length = struct.pack("<H", 2 * len(name) + 2)
    data = path.read_bytes()
    at = data.index(old)
    path.write_bytes(data[:at] + new + length + data[at + 66 :])
    return path


def biff8(path: Path, *, globals_: bytes = b"", sheet: bytes = b"", end: bytes = record(0x0A)) -> Path:
    bof = struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6)
    head = record(0x0809, bof) + globals_
    at = len(head) + 4 + 9 + 4
    head += record(0x85, struct.pack("<IHBB", at, 0, 1, 0) + b"d") + record(0x0A)
    return compound(path, head + record(0x0809, bof[:2] + b"\x10\x00" + bof[4:]) + sheet + end)


def number(row: int, column: int, value: float = 1.0) -> bytes:
    return record(0x0203, struct.pack("<HHHd", row, column, 0, value))


def test_cells_have_the_types_that_they_have_in_a_new_workbook(tmp_path: Path) -> None:
    row = [7, 2.5, True, date(2025, 9, 12), datetime(2025, 9, 12, 8, 0, 45), "007", "שלום é", time(1, 2, 3), None]
    header = ["n", "price", "ok", "day", "at", "id", "text", "clock", "none"]

    frame = table(workbook(tmp_path / "f", [header, row]))

    assert frame.row(0) == (*row[:7], "01:02:03", None)
    assert frame.dtypes[:5] == [pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("us")]


@pytest.mark.parametrize("name", ["export.xls", "export.xlsx", "export.csv", "export"])
def test_the_bytes_count_and_not_the_name(tmp_path: Path, name: str) -> None:
    path = workbook(tmp_path / name, [["id"], ["007"]])

    assert kind_of(path) is FileKind.XLS
    assert table(path).to_dicts() == [{"id": "007"}]


def test_errors_and_empty_cells_are_null_and_empty_rows_at_the_end_are_no_rows(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("data")
    for place, name in enumerate(("id", "bad", "gap")):
        sheet.write(0, place, name)
    sheet.write(1, 0, "1")
    sheet.row(1).set_cell_error(1, "#DIV/0!")
    sheet.write(3, 0, " ")
    book.save(str(tmp_path / "f"))

    assert table(tmp_path / "f").rows() == [("1", None, None)]


def test_the_first_sheet_that_has_a_header_is_read_and_keys_are_text(tmp_path: Path) -> None:
    path = workbook(tmp_path / "f", [["id", "n"], [12, 1], [13.0, 2]], sheets_before=("a", "b"))

    assert table(path, text_columns=("id",)).rows() == [("12", 1), ("13", 2)]


def test_a_workbook_of_excel_5_is_read(tmp_path: Path) -> None:
    def label(row: int, column: int, text: bytes) -> bytes:
        return record(0x0204, struct.pack("<HHHH", row, column, 0, len(text)) + text)

    bof = struct.pack("<HHHH", 0x0500, 0x0005, 0x0DBB, 0x07CC)
    head = record(0x0809, bof) + record(0x42, struct.pack("<H", 1252))
    at = len(head) + 4 + 8 + 4
    head += record(0x85, struct.pack("<IHB", at, 0, 1) + b"d") + record(0x0A)
    size = record(0x0200, struct.pack("<HHHHH", 0, 2, 0, 2, 0))
    cells = label(0, 0, b"id") + label(0, 1, "größe".encode("cp1252")) + label(1, 0, b"007") + number(1, 1, 5.0)
    sheet = record(0x0809, bof[:2] + b"\x10\x00" + bof[4:]) + size + cells + record(0x0A)

    assert table(compound(tmp_path / "f", head + sheet, "Book")).to_dicts() == [{"id": "007", "größe": 5}]


def test_an_old_workbook_without_its_container_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\x09\x04\x06\x00\x00\x00\x10\x00\x00\x00" + bytes(99))

    with pytest.raises(SourceChanged, match="before Excel 5"):
        prove(tmp_path / "f")


def test_a_password_is_named(tmp_path: Path) -> None:
    by_record = biff8(tmp_path / "old", globals_=record(0x2F, bytes(54)))
    by_package = compound(tmp_path / "new", bytes(5000), "EncryptedPackage")

    for path in (by_record, by_package):
        for read in (prove, lambda file: list(read_table(file))):
            with pytest.raises(SourceChanged, match="locked with a password"):
                read(path)


def test_another_program_s_document_is_no_workbook(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="an OLE file without a workbook"):
        prove(compound(tmp_path / "f", bytes(5000), "WordDocument"))


@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.9, 0.98])
def test_a_workbook_that_is_cut_off_is_a_broken_download(tmp_path: Path, kept: float) -> None:
    rows = [["id", "name"], *([f"{row:05}", f"name {row}"] for row in range(500))]
    whole = workbook(tmp_path / "whole", rows).read_bytes()
    (tmp_path / "f").write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(TransientError, match="broken download"):
        prove(tmp_path / "f")


def test_a_sheet_that_does_not_end_is_a_broken_download(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="1 of 2 parts of the workbook do not end"):
        prove(biff8(tmp_path / "f", sheet=number(0, 0), end=b""))


@pytest.mark.parametrize(
    "sheet",
    [
        record(0x0200, struct.pack("<IIHHH", 0, 2**32 - 1, 0, 256, 0)),
        number(0, 60_000),
    ],
)
def test_what_no_sheet_can_hold_is_refused_before_a_reader_reserves_memory(tmp_path: Path, sheet: bytes) -> None:
    with pytest.raises(TransientError, match=r"outside of its sheet|more than a sheet can hold"):
        prove(biff8(tmp_path / "f", sheet=sheet))


def test_lone_cells_in_far_corners_of_many_sheets_are_refused(tmp_path: Path) -> None:
    corners = number(0, 0) + number(65_535, 255)
    bof = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))
    more = record(0x0A) + bof + corners + record(0x0A)

    with pytest.raises(SourceChanged, match="4 cells on sheets of 33,554,432 places"):
        prove(biff8(tmp_path / "f", sheet=corners, end=more))


def test_a_large_sheet_comes_in_frames_of_one_schema(tmp_path: Path) -> None:
    rows = [["id", "n"], *([f"{row:06}", row] for row in range(51_000))]

    frames = list(read_table(workbook(tmp_path / "f", rows)))

    assert [frame.height for frame in frames] == [50_000, 1_000]
    assert pl.concat(frames)["n"].to_list() == list(range(51_000))


def test_damaged_workbooks_end_in_an_error_of_ours_or_in_rows(tmp_path: Path) -> None:
    rows = [["id", "day", "n"], *([f"{row:03}", date(2025, 1, 1), row / 4] for row in range(20))]
    whole = workbook(tmp_path / "whole", rows).read_bytes()
    source = random.Random(5)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(source.choice((1, 3, 9))):
            at = source.randrange(len(data))
            data[at : at + 2] = source.choice((b"\xff\xff", bytes([source.randrange(256)])))
        path = tmp_path / "f"
        path.write_bytes(data[: source.choice((len(data), source.randrange(len(data))))])
        try:
            prove(path)
            frames = list(read_table(path))
        except BackhaulError as error:
            assert str(error).startswith("f: ")
        else:
            assert frames
