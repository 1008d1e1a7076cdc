"""Exports that are not what they should be."""

from __future__ import annotations

from collections.abc import Callable, Container

from backhaul.sandbox.office.data import Row, Table
from backhaul.sandbox.office.faults import Fault
from backhaul.sandbox.office.pages import error_page, login_page
from backhaul.sandbox.office.workbook import bomb_bytes, csv_bytes, xlsx_bytes

RENAMED_TO = "Keterangan Baru"
ADDED = "Kolom Baru"
NOISE = b"\x00\x8f\x13\xfe sandbox noise \xc3\x28" * 97


def spoiled_table(table: Table, faults: Container[Fault], key: str) -> Table:
    """Return table with what the faults do to its rows and columns.

    The renamed column is the last one. Every second row loses its key. The first row comes again at the
    end, with its last column emptied.
    """
    if Fault.EMPTY_DAY in faults:
        table = Table(table.columns, ())
    if Fault.SAME_KEY_TWICE in faults and table.rows:
        again: Row = {**table.rows[0], table.columns[-1]: None}
        table = Table(table.columns, (*table.rows, again))
    if Fault.ROWS_WITHOUT_KEY in faults:
        rows = (row if number % 2 else {**row, key: None} for number, row in enumerate(table.rows))
        table = Table(table.columns, tuple(rows))
    if Fault.RENAMED_COLUMN in faults:
        old = table.columns[-1]
        rows = ({**row, RENAMED_TO: row.get(old)} for row in table.rows)
        table = Table((*table.columns[:-1], RENAMED_TO), tuple(rows))
    if Fault.ADDED_COLUMN in faults:
        rows = ({**row, ADDED: f"baru {number}"} for number, row in enumerate(table.rows, start=1))
        table = Table((*table.columns, ADDED), tuple(rows))
    if Fault.DROPPED_KEY_COLUMN in faults:
        table = Table(tuple(column for column in table.columns if column != key), table.rows)
    return table


def spoiled_file(
    table: Table, faults: Container[Fault], token: str, write: Callable[[Table], bytes] = xlsx_bytes
) -> bytes:
    """Return the bytes that are sent as table's file, which `write` makes where no fault has another."""
    if Fault.LOGIN_PAGE_AS_FILE in faults:
        return login_page(token, None, has_captcha=False).encode()
    if Fault.ERROR_PAGE_AS_FILE in faults:
        return error_page("Terjadi kesalahan", "Export gagal, silakan coba lagi.").encode()
    if Fault.EMPTY_BODY in faults:
        return b""
    if Fault.GARBAGE in faults:
        return NOISE
    if Fault.CSV_AS_XLSX in faults:
        return csv_bytes(table)
    body = bomb_bytes() if Fault.BOMB in faults else write(table)
    return body[: len(body) * 2 // 3] if Fault.TRUNCATED in faults else body
