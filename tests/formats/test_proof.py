"""A download is trusted only when it is proven whole and readable."""

import random
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.formats import prove, read_table


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def workbook(path: Path, rows: int = 300) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "name", "total"])
        for row in range(1, rows + 1):
            sheet.write_row(row, 0, [f"{row:05}", f"name {row * 7919 % 1000}", row / 4])
    return path


def repacked(path: Path, target: Path, change: dict[str, bytes | None]) -> Path:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = change.get(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


@pytest.mark.parametrize("data", [b"id,name\n1,a\n", b"id;name\r\n1;a", "id\tname\n1\tä\n".encode("utf-16"), b"id\n"])
def test_a_whole_text_file_is_proven(tmp_path: Path, data: bytes) -> None:
    prove(saved(tmp_path / "f", data))


def test_a_whole_workbook_is_proven(tmp_path: Path) -> None:
    prove(workbook(tmp_path / "f"))


def test_an_empty_file_is_a_broken_download(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"f: the file is empty \(0 bytes\), a broken download"):
        prove(saved(tmp_path / "f", b""))


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.7, 0.99])
def test_a_workbook_that_is_cut_off_is_a_broken_download(tmp_path: Path, kept: float) -> None:
    whole = workbook(tmp_path / "whole").read_bytes()

    with pytest.raises(TransientError, match="broken download"):
        prove(saved(tmp_path / "f", whole[: int(len(whole) * kept)]))


def test_a_workbook_with_one_changed_byte_in_a_sheet_is_a_broken_download(tmp_path: Path) -> None:
    path = workbook(tmp_path / "f")
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("xl/worksheets/sheet1.xml").header_offset + 200
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF

    with pytest.raises(TransientError, match="broken download"):
        prove(saved(path, bytes(data)))


def test_a_workbook_without_the_sheet_that_it_names_is_a_broken_download(tmp_path: Path) -> None:
    path = repacked(workbook(tmp_path / "whole"), tmp_path / "f", {"xl/worksheets/sheet1.xml": None})

    with pytest.raises(TransientError, match="1 of 1 sheets are missing"):
        prove(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"id,name,total\n1,a,5\n2,b", "the last row has 2 of 3 fields"),
        ("id,name\n1,ä\n2,ö".encode()[:-1], "middle of a character"),
        ("id\tname\n1\ta\n".encode("utf-16")[:-1], "middle of a character"),
    ],
)
def test_a_text_file_that_is_cut_off_is_a_broken_download(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(TransientError, match=message):
        prove(saved(tmp_path / "f", data))


def test_a_page_instead_of_a_file_is_told_by_its_title(tmp_path: Path) -> None:
    page = b"<!doctype html><html><head><title>\n Masuk &amp; Daftar </title></head></html>"

    with pytest.raises(SourceChanged, match='an HTML page titled "Masuk & Daftar"') as caught:
        prove(saved(tmp_path / "f", page))

    assert "browser" in caught.value.next_step


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(range(256)) * 9, "binary data of no known kind"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an OLE file of a kind that cannot be read"),
        (b'{"error": "no"}', "expected records, got a message with the fields error"),
        (b"id,name\n1,\x00\n", "binary data of no known kind"),
        (b"id,id\n1,2\n", "1 column names stand twice: id"),
        ("id,ä\n".encode() + b"1,\xe4\n", "UTF-8 text with a wrong byte at 8"),
    ],
)
def test_what_is_no_table_is_refused_by_name_in_proof_and_in_reading(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = saved(tmp_path / "f", data)

    with pytest.raises(SourceChanged, match=message):
        prove(path)
    with pytest.raises(SourceChanged, match=message):
        list(read_table(path))


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f", "w") as archive:
        archive.writestr("rows.csv", "id\n1\n")

    with pytest.raises(SourceChanged, match="a zip archive without a workbook"):
        prove(tmp_path / "f")


def test_a_bomb_that_its_directory_announces_is_refused(tmp_path: Path) -> None:
    path = repacked(workbook(tmp_path / "w", 1), tmp_path / "f", {"xl/worksheets/sheet1.xml": bytes(64 * 1024**2)})

    for read in (prove, lambda file: list(read_table(file))):
        with pytest.raises(SourceChanged, match="decompression bomb"):
            read(path)


def test_a_bomb_whose_directory_lies_is_refused(tmp_path: Path) -> None:
    path = repacked(workbook(tmp_path / "w", 1), tmp_path / "f", {"xl/worksheets/sheet1.xml": bytes(64 * 1024**2)})
    honest, lie = (64 * 1024**2).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert path.read_bytes().count(honest) == 2

    with pytest.raises(SourceChanged, match="decompression bomb"):
        prove(saved(path, path.read_bytes().replace(honest, lie)))


def test_an_honest_sheet_that_packs_well_is_no_bomb(tmp_path: Path) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = ("".join(f'<c r="{letter}{row}"><v>{row}</v></c>' for letter in letters) for row in range(1, 45_000))
    sheet = f"<worksheet><sheetData>{''.join(f'<row>{row}</row>' for row in rows)}</sheetData></worksheet>"
    assert len(sheet) > 32 * 1024**2

    prove(repacked(workbook(tmp_path / "w", 1), tmp_path / "f", {"xl/worksheets/sheet1.xml": sheet.encode()}))


def test_a_sheet_with_a_stray_cell_in_its_last_corner_is_refused(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "f") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "name"])
        sheet.write(1_048_575, 16_383, "stray")

    with pytest.raises(SourceChanged, match="3 cells on a sheet of 1,048,576 rows x 16,384 columns"):
        prove(tmp_path / "f")


def test_a_sheet_with_a_stray_cell_in_its_last_row_is_read(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "f") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["id", "name"])
        sheet.write(1_048_575, 0, "stray")

    prove(tmp_path / "f")

    assert sum(frame.height for frame in read_table(tmp_path / "f")) == 1_048_575


def test_a_workbook_cut_at_any_place_ends_in_an_error_of_ours(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole").read_bytes()
    for size in range(4, len(whole) - 1, 500):
        path = saved(tmp_path / "f", whole[:size])
        for read in (prove, lambda file: list(read_table(file))):
            with pytest.raises(BackhaulError):
                read(path)


def test_a_text_file_cut_at_any_place_ends_in_an_error_of_ours_or_in_the_first_rows(tmp_path: Path) -> None:
    lines = ["id,name,note"] + [f'{n},"nämé ""{n}""","a\nb"' for n in range(200)]
    whole = "\n".join(lines).encode()
    expected = [row for frame in read_table(saved(tmp_path / "f", whole)) for row in frame.rows()]
    for size in range(len(lines[0]) + 1, len(whole), 97):
        path = saved(tmp_path / "f", whole[:size])
        try:
            prove(path)
            rows = [row for frame in read_table(path) for row in frame.rows()]
        except BackhaulError:
            continue

        assert rows[:-1] == expected[: max(0, len(rows) - 1)]


def test_random_bytes_end_in_an_error_of_ours_or_in_rows(tmp_path: Path) -> None:
    source = random.Random(7)
    starts = (b"", b"PK\x03\x04", b"id,name\n", b"\xff\xfe", b'"', b"sep=;\n", b"\xef\xbb\xbfa;b\n")
    for number in range(300):
        path = saved(tmp_path / "f", starts[number % len(starts)] + source.randbytes(source.randrange(2000)))
        for read in (prove, lambda file: list(read_table(file))):
            try:
                read(path)
            except BackhaulError as error:
                assert str(error).startswith("f: ")


def test_a_workbook_with_any_flipped_byte_ends_in_an_error_of_ours_or_is_proven(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole", 20).read_bytes()
    expected = [frame.rows() for frame in read_table(tmp_path / "whole")]
    for at in range(0, len(whole), 7):
        data = bytearray(whole)
        data[at] ^= 0x55
        path = saved(tmp_path / "f", bytes(data))
        try:
            prove(path)
            found = [frame.rows() for frame in read_table(path)]
        except BackhaulError:
            continue

        assert found == expected


def test_a_sheet_of_damaged_xml_ends_in_an_error_of_ours_or_in_rows(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole", 5)
    name = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(whole) as archive:
        sheet = archive.read(name)
    source = random.Random(11)
    for _ in range(150):
        at = source.randrange(len(sheet))
        bit = source.choice([b"<", b">", b'"', b"-1", b"1e300", b'r="XFE1"', b'r="A99999999999"', b"\xff", b"&x;"])
        path = repacked(whole, tmp_path / "f", {name: sheet[:at] + bit + sheet[at + source.randrange(9) :]})
        try:
            prove(path)
            rows = [row for frame in read_table(path) for row in frame.rows()]
        except BackhaulError:
            continue

        assert all(len(row) >= 1 for row in rows)
