"""The sandbox's tables in the other formats that back offices serve: HTML named .xls, JSON, PDF, old workbooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from backhaul.sandbox.office.biff import xls_bytes
from backhaul.sandbox.office.data import Cell, Table
from backhaul.sandbox.office.exchange import XLSX
from backhaul.sandbox.office.exports import Variant
from backhaul.sandbox.office.workbook import csv_bytes, xlsx_bytes

_EXCEL = "application/vnd.ms-excel"
_EXCEL_PAGE = """<html xmlns:o="urn:schemas-microsoft-com:office:office"
xmlns:x="urn:schemas-microsoft-com:office:excel">
<head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"><title>Export</title>
<!--[if gte mso 9]><xml><x:ExcelWorkbook></x:ExcelWorkbook></xml><![endif]--></head><body><table border="1">
"""
_ROWS_PER_PAGE = 25
_FONT_SIZE = 7
_CHAR_WIDTH = _FONT_SIZE * 0.6
_ROW_HEIGHT = 13.0
_MARGIN = 40.0


@dataclass(frozen=True)
class Document:
    """One format of file: how its name ends, what the server calls it, and its bytes."""

    suffix: str
    content_type: str
    write: Callable[[Table], bytes]


def document_of(variant: Variant) -> Document:
    """Return the format that the exports of a variant have; most have XLSX."""
    match variant:
        case Variant.HTML:
            return Document(".xls", _EXCEL, html_bytes)
        case Variant.XLS:
            return Document(".xls", _EXCEL, xls_bytes)
        case Variant.PDF:
            return Document(".pdf", "application/pdf", pdf_bytes)
        case Variant.CSV:
            return Document(".csv", "text/csv; charset=UTF-8", csv_bytes)
        case Variant.JSON:
            return Document(".json", "application/json", json_bytes)
        case _:
            return Document(".xlsx", XLSX, xlsx_bytes)


def html_bytes(table: Table) -> bytes:
    """Return table as the HTML that PHP back offices serve as a workbook; what looks like a number is marked text."""
    as_text = " style='mso-number-format:\"\\@\"'"

    def cell(value: Cell) -> str:
        marked = as_text if isinstance(value, str) and value.isdecimal() else ""
        return f"<td{marked}>{escape(text_of(value)) or '&nbsp;'}</td>"

    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "\n".join(
        "<tr>" + "".join(cell(row.get(column)) for column in table.columns) + "</tr>" for row in table.rows
    )
    return f"{_EXCEL_PAGE}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></body></html>\n".encode()


def json_bytes(table: Table) -> bytes:
    """Return table as an object around a list of records; without rows the list is empty."""

    def plain(value: Cell) -> Cell:
        return text_of(value) if isinstance(value, datetime) else value

    rows = [{column: plain(row.get(column)) for column in table.columns} for row in table.rows]
    return json.dumps({"status": "ok", "total": len(rows), "data": rows}, ensure_ascii=False).encode()


def pdf_bytes(table: Table) -> bytes:
    """Return table as a PDF document: a title, lines around the cells, the header on each page, page numbers.

    Characters beyond Latin-1 are question marks.
    """
    lines = [list(table.columns), *([text_of(row.get(column)) for column in table.columns] for row in table.rows)]
    widths = [max(len(text) for text in texts) * _CHAR_WIDTH + 6 for texts in zip(*lines, strict=True)]
    header, body = lines[0], lines[1:]
    parts = [body[at : at + _ROWS_PER_PAGE] for at in range(0, max(1, len(body)), _ROWS_PER_PAGE)]
    pages = [_drawn([header, *part], widths, number) for number, part in enumerate(parts, start=1)]
    width, height = sum(widths) + 2 * _MARGIN, _ROW_HEIGHT * (_ROWS_PER_PAGE + 1) + 3 * _MARGIN
    return _pdf(pages, f"0 0 {width:.1f} {height:.1f}")


def text_of(value: Cell) -> str:
    """Return a cell as a person reads it; an empty one is an empty text."""
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def _drawn(lines: Sequence[Sequence[str]], widths: Sequence[float], page: int) -> bytes:
    top = _ROW_HEIGHT * (_ROWS_PER_PAGE + 1) + 2 * _MARGIN
    bottom, right = top - _ROW_HEIGHT * len(lines), _MARGIN + sum(widths)
    drawn = [f"BT /F1 12 Tf {_MARGIN} {top + 12:.1f} Td (Laporan) Tj ET", "0.5 w"]
    for number in range(len(lines) + 1):
        y = top - number * _ROW_HEIGHT
        drawn.append(f"{_MARGIN:.1f} {y:.1f} m {right:.1f} {y:.1f} l S")
    x = _MARGIN
    for place, width in enumerate((*widths, 0.0)):
        drawn.append(f"{x:.1f} {top:.1f} m {x:.1f} {bottom:.1f} l S")
        for number, line in enumerate(lines):
            if place < len(widths) and line[place]:
                y = top - (number + 1) * _ROW_HEIGHT + 4
                drawn.append(f"BT /F1 {_FONT_SIZE} Tf {x + 3:.1f} {y:.1f} Td ({_escaped(line[place])}) Tj ET")
        x += width
    drawn.append(f"BT /F1 7 Tf {_MARGIN} 20 Td (Halaman {page}) Tj ET")
    return "\n".join(drawn).encode("latin-1", errors="replace")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _pdf(pages: Sequence[bytes], box: str) -> bytes:
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] /MediaBox [{box}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>"
            % (5 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(page), page))
    body, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(body)
    count = len(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)
    return bytes(body)
