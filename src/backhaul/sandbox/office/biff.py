"""The sandbox's tables as old Excel workbooks (.xls, BIFF8 in a compound file), written record by record."""

from __future__ import annotations

import struct
from datetime import datetime

from backhaul.sandbox.office.data import Cell, Table

_SECTOR = 512
_FREE, _CHAIN_END, _FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_IN_HEADER = 109
_SMALLEST = 4096
_PLAIN, _MOMENT = 15, 16
_DAY_ZERO = datetime(1899, 12, 30)


def xls_bytes(table: Table) -> bytes:
    """Return table as a workbook of one sheet: typed cells, text stays text. At most 65,535 rows, 7 MB."""
    sheet = _sheet(table)
    head = _globals(0)
    stream = _globals(len(head)) + sheet
    return _compound(stream.ljust(_SMALLEST, b"\0"))


def _record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _globals(sheet_at: int) -> bytes:
    """Return the records of the workbook: fonts, formats, and where the sheet begins."""
    name = b"Arial"
    font = _record(0x31, struct.pack("<HHHHHBBBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0, len(name), 0) + name)
    moment = b"yyyy-mm-dd hh:mm:ss"
    number_format = _record(0x041E, struct.pack("<HHB", 164, len(moment), 0) + moment)
    style = _record(0xE0, struct.pack("<HHHBBBBIIH", 0, 0, 0xFFF5, 0x20, 0, 0, 0, 0, 0, 0x20C0))
    cell, dated = (
        _record(0xE0, struct.pack("<HHHBBBBIIH", 0, shown, 1, 0x20, 0, 0, 0, 0, 0, 0x20C0)) for shown in (0, 164)
    )
    title = b"Export"
    return b"".join(
        (
            _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6)),
            _record(0x42, struct.pack("<H", 1200)),
            _record(0x3D, struct.pack("<HHHHHHHHH", 0, 0, 0x4000, 0x2000, 0x38, 0, 0, 1, 600)),
            font * 5,
            number_format,
            style * 15,
            cell,
            dated,
            _record(0x0293, struct.pack("<HBB", 0x8000, 0, 0xFF)),
            _record(0x85, struct.pack("<IHBB", sheet_at, 0, len(title), 0) + title),
            _record(0x0A),
        )
    )


def _sheet(table: Table) -> bytes:
    records = [
        _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6)),
        _record(0x0200, struct.pack("<IIHHH", 0, len(table.rows) + 1, 0, len(table.columns), 0)),
    ]
    records += [_cell(0, place, name) for place, name in enumerate(table.columns)]
    for number, row in enumerate(table.rows, start=1):
        records += [_cell(number, place, row.get(name)) for place, name in enumerate(table.columns)]
    records += [_record(0x023E, struct.pack("<HHHIHHI", 0x06B6, 0, 0, 64, 0, 0, 0)), _record(0x0A)]
    return b"".join(records)


def _cell(row: int, column: int, value: Cell) -> bytes:
    match value:
        case None:
            return b""
        case bool():
            return _record(0x0205, struct.pack("<HHHBB", row, column, _PLAIN, value, 0))
        case str():
            text = value.encode("utf-16-le")
            return _record(0x0204, struct.pack("<HHHHB", row, column, _PLAIN, len(text) // 2, 1) + text)
        case datetime():
            days = (value - _DAY_ZERO).total_seconds() / 86_400
            return _record(0x0203, struct.pack("<HHHd", row, column, _MOMENT, days))
        case _:
            return _record(0x0203, struct.pack("<HHHd", row, column, _PLAIN, value))


def _compound(stream: bytes) -> bytes:
    """Return a compound file whose only stream is the workbook: header, table of sectors, directory, stream."""
    sectors = -(-len(stream) // _SECTOR)
    fats = 1
    while fats * (_SECTOR // 4) < fats + 1 + sectors:
        fats += 1
    if fats > _IN_HEADER:
        raise ValueError(f"{len(stream):,} bytes are too many for this writer")
    first = fats + 1
    chain = [_FAT_SECTOR] * fats + [_CHAIN_END] + [*range(first + 1, first + sectors), _CHAIN_END]
    chain += [_FREE] * (fats * (_SECTOR // 4) - len(chain))
    places = [*range(fats)] + [_FREE] * (_IN_HEADER - fats)
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        *(0x3E, 3, 0xFFFE, 9, 6, 0, fats, fats, 0, _SMALLEST, _CHAIN_END, 0, _CHAIN_END, 0, places[0]),
    )
    header += struct.pack(f"<{_IN_HEADER - 1}I", *places[1:])
    directory = (
        _entry("Root Entry", kind=5, child=1, start=_CHAIN_END, size_bytes=0)
        + _entry("Workbook", kind=2, child=_FREE, start=first, size_bytes=len(stream))
        + bytes(2 * 128)
    )
    return header + struct.pack(f"<{len(chain)}I", *chain) + directory + stream.ljust(sectors * _SECTOR, b"\0")


def _entry(name: str, *, kind: int, child: int, start: int, size_bytes: int) -> bytes:
    text = name.encode("utf-16-le")
    return struct.pack("<64sHBBIII36xIQ", text, len(text) + 2, kind, 1, _FREE, _FREE, child, start, size_bytes)
