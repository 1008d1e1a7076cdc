"""A table of any width for a terminal, and as CSV and XLSX files."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.errors import ConfigError

GAP = "  "
MOST_ROWS, LONGEST_TEXT, EXACT_DIGITS = 1_048_575, 32_767, 15
"""What a worksheet holds below its header, a cell's characters, and the digits of a number that it keeps."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
"""What would move the cursor, color the terminal or turn the rest of a line around; any text may hold it."""

Row = Sequence[Any]


def drawn(headers: Sequence[str], rows: Sequence[Row], zone: ZoneInfo) -> Iterator[str]:
    """Yield the lines of a table, no cell cut; columns of numbers are flush right."""
    from rich.cells import cell_len

    cells = [[_UNPRINTABLE.sub(" ", shown(value, zone)) for value in row] for row in rows]
    titles = [_UNPRINTABLE.sub(" ", header) for header in headers]
    numbers = [
        bool(rows) and all(is_number(row[at]) or row[at] is None for row in rows) for at in range(len(headers))
    ]
    widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
    for line in (titles, ["─" * width for width in widths], *cells):
        yield GAP.join(
            " " * (width - cell_len(cell)) + cell if is_right else cell + " " * (width - cell_len(cell))
            for cell, width, is_right in zip(line, widths, numbers, strict=True)
        ).rstrip()


def shown(value: Any, zone: ZoneInfo) -> str:
    """Return a value as a person reads it; moments by the clock of zone."""
    if isinstance(value, datetime):
        local = value.astimezone(zone) if value.tzinfo else value
        return local.replace(tzinfo=None).isoformat(" ", timespec="seconds")
    return as_text(value, zone)


def as_text(value: Any, zone: ZoneInfo) -> str:
    """Return a value as a file keeps it: nothing is lost, moments have their offset."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value.astimezone(zone) if value.tzinfo else value).isoformat(" ")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def is_number(value: Any) -> bool:
    """Tell whether value is a number; a truth is none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def as_json(value: Any) -> Any:
    """Return a value as JSON knows it: moments as ISO text in UTC or without a zone, money as text."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, dict):
        return {name: as_json(each) for name, each in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def refuse_existing(*files: Path | None) -> None:
    """Raise ConfigError if a file is there already, or the folder that it is to be made in is not."""
    for path in filter(None, files):
        if path.exists():
            raise ConfigError(f"{path.name} is there already", next_step="Name another file, or remove that one.")
        if not path.parent.is_dir():
            raise ConfigError(f"the folder {path.parent} is not there", next_step="Make it, or name another file.")


def write_csv(path: Path, headers: Sequence[str], rows: Iterable[Row], zone: ZoneInfo) -> None:
    """Write a new file in UTF-8, as Excel knows it; texts stand there exactly as they are."""
    with _new(path) as content, io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headers)
        writer.writerows([as_text(value, zone) for value in row] for row in rows)


def write_workbook(path: Path, headers: Sequence[str], rows: Sequence[Row], zone: ZoneInfo) -> None:
    """Write a new workbook: texts stay texts, days and moments are dates by the clock of zone.

    Raises ConfigError for more rows than a worksheet has.
    """
    import xlsxwriter

    if len(rows) > MOST_ROWS:
        raise ConfigError(f"a worksheet holds {MOST_ROWS:,} rows, not {len(rows):,}", next_step="Use --csv.")
    plain = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    with _new(path) as content, xlsxwriter.Workbook(content, {**plain, "in_memory": True}) as book:
        sheet = book.add_worksheet("report")
        forms = [book.add_format({"num_format": form}) for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss")]
        for column, header in enumerate(headers):
            sheet.write_string(0, column, header, book.add_format({"bold": True}))
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row):
                _write_cell(sheet, (number, column), value, forms, zone)
        sheet.autofit()


def _write_cell(sheet: Any, at: tuple[int, int], value: Any, forms: Sequence[Any], zone: ZoneInfo) -> None:
    day, moment = forms
    if isinstance(value, bool):
        sheet.write_boolean(*at, value)
    elif isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None) if value.tzinfo else value
        # Before 1900 a workbook has no days.
        if local.year >= 1900:
            sheet.write_datetime(*at, local, moment)
        else:
            sheet.write_string(*at, as_text(value, zone))
    elif isinstance(value, date) and value.year >= 1900:
        sheet.write_datetime(*at, datetime.combine(value, time()), day)
    elif is_number(value) and _is_kept(value):
        sheet.write_number(*at, float(value))
    elif value is not None:
        sheet.write_string(*at, _fitting(as_text(value, zone)))


def _is_kept(value: float | Decimal) -> bool:
    """Tell whether a worksheet keeps every digit of a number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return len(format(abs(value), "f").replace(".", "").strip("0")) <= EXACT_DIGITS


def _fitting(text: str) -> str:
    # A worksheet counts characters as UTF-16 does.
    if len(text.encode("utf-16-le")) // 2 <= LONGEST_TEXT:
        return text
    return f"[{len(text):,} characters, more than a cell holds; the CSV file has them]"


@contextlib.contextmanager
def _new(path: Path) -> Iterator[io.BytesIO]:
    """Give room for a file's content; the file is made in the end, and is whole or not there."""

    class Kept(io.BytesIO):
        def close(self) -> None:
            """Stay open: who writes closes it before it is taken."""

    content = Kept()
    yield content
    refuse_existing(path)
    file = path.open("xb")
    try:
        with file:
            file.write(content.getbuffer())
    except OSError:
        path.unlink(missing_ok=True)
        raise
