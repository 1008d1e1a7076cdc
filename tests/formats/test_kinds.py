"""What a file is shows in its bytes, whatever its name says."""

import io
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from backhaul.formats import FileKind, kind_of

SAMPLES = {
    "nothing": (b"", FileKind.EMPTY),
    "white space": (b"\xef\xbb\xbf \r\n", FileKind.EMPTY),
    "comma": (b"id,name\n1,a\n", FileKind.DELIMITED),
    "one column": (b"id\n1\n", FileKind.DELIMITED),
    "utf-16": ("id\tname\n".encode("utf-16"), FileKind.DELIMITED),
    "header in brackets": (b"[id],[name]\n1,2\n", FileKind.DELIMITED),
    "header in angles": (b"<id>,<name>\n1,2\n", FileKind.DELIMITED),
    "page": (b"\n<!DOCTYPE html><html><title>Login</title>", FileKind.HTML),
    "page with a comment first": (b"<!-- x --><html>", FileKind.HTML),
    "table served as xls": (b"<table><tr><td>1</td></tr></table>", FileKind.HTML),
    "table behind a style": (b"<style>td{}</style><table><tr><td>1</td></tr></table>", FileKind.HTML),
    "page in utf-16": ("<html>".encode("utf-16"), FileKind.HTML),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), FileKind.XLS),
    "document": (b"%PDF-1.7\n%\xe2\xe3", FileKind.PDF),
    "records": (b'[{"id": 1}]', FileKind.JSON),
    "lines of records": (b'{"id": 1}\n{"id": 2}\n', FileKind.JSON),
    "xml": (b"<?xml version='1.0'?><rows/>", FileKind.UNKNOWN),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), FileKind.UNKNOWN),
    "cut zip": (b"PK\x03\x04" + bytes(100), FileKind.XLSX),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_bytes_tell_the_kind_under_any_name(tmp_path: Path, sample: str) -> None:
    data, kind = SAMPLES[sample]
    for name in ("export.xlsx", "export.csv", "export"):
        (tmp_path / name).write_bytes(data)

        assert kind_of(tmp_path / name) is kind


def test_a_workbook_named_pdf_is_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "export.pdf"
    data = io.BytesIO()
    book = xlsxwriter.Workbook(data)
    book.add_worksheet()
    book.close()
    path.write_bytes(data.getvalue())

    assert kind_of(path) is FileKind.XLSX


def test_a_zip_without_a_workbook_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "export.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.csv", "id\n1\n")

    assert kind_of(path) is FileKind.UNKNOWN
