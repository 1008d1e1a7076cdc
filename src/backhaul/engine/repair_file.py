"""Rejected rows as a file that a person repairs in a spreadsheet, and what comes back of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from backhaul.errors import CheckFailed, ConfigError

if TYPE_CHECKING:
    import polars as pl

TICKET, CHECK, FILE = "_quarantine", "_check", "_file"
"""Columns of the file beside the row's own: its name in quarantine, why it is there, where it came from."""

EXACT_DIGITS = 15
"""A spreadsheet keeps so many digits of a number; longer ones are written as text."""

LONGEST_TEXT = 32_000
"""A cell of a workbook holds 32,767 characters; Excel cuts longer ones off without a word."""

READ_DECIMALS = 9
"""In a column of numbers and texts, as one wrong cell makes it, a number is read with so many decimals."""

NEXT_EXPORT = "Write the file anew with `backhaul quarantine export`, and leave its column _quarantine as it is."


@dataclass(frozen=True)
class Line:
    """One row of a file that came back: its number in the spreadsheet (the header is row 1) and its cells."""

    number: int
    ticket: str
    cells: Mapping[str, str | None]


class NotA(CheckFailed):
    """A cell that does not hold what its column wants; the words name no value."""


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], timezone: str) -> None:
    """Write rows to a new .xlsx or .csv file; times by the clock of timezone.

    Raises ConfigError for another ending, and for a file that is there: somebody may be repairing it.
    """
    zone = ZoneInfo(timezone)
    if path.exists():
        raise ConfigError(f"{path.name} is there already", next_step="Name another file, or remove that one.")
    match path.suffix.lower():
        case ".xlsx":
            _write_workbook(path, columns, rows, zone)
        case ".csv":
            with path.open("x", encoding="utf-8-sig", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows([_as_text(value, zone) for value in row] for row in rows)
        case _:
            raise ConfigError(f"{path.name} is neither .xlsx nor .csv", next_step="Name a file that ends so.")


def read_lines(path: Path) -> list[Line]:
    """Return the rows of a file that a person has repaired, each cell as text.

    Raises ConfigError if it is no such file, SourceChanged and TransientError if it cannot be read.
    """
    from backhaul.formats import prove, read_table

    if not path.is_file():
        raise ConfigError(f"{path.name}: there is no such file")
    prove(path)
    columns = next(read_table(path)).columns
    if TICKET not in columns:
        raise ConfigError(f"{path.name} has no column {TICKET}", next_step=NEXT_EXPORT)
    lines: list[Line] = []
    for frame in read_table(path, text_columns=tuple(columns)):
        for row in frame.iter_rows(named=True):
            ticket = row.pop(TICKET) or ""
            cells = {name: value if value is None else str(value) for name, value in row.items()}
            lines.append(Line(len(lines) + 2, ticket, cells))
    return lines


def repaired(
    original: Mapping[str, Any], schema: Mapping[str, pl.DataType], line: Line, timezone: str
) -> dict[str, Any] | None:
    """Return the row with the cells that were changed in the file; None if none was.

    What was not changed stays as it was, to the last digit. Raises NotA.
    """
    zone, changed = ZoneInfo(timezone), False
    row = dict(original)
    for name, cell in line.cells.items():
        if name not in schema:
            continue
        try:
            value = _value(cell, schema[name], zone)
        except NotA as error:
            raise NotA(f"{name} is {error}") from None
        if not _is_same(value, original[name], zone):
            row[name], changed = value, True
    return row if changed else None


def _write_workbook(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], zone: ZoneInfo) -> None:
    import xlsxwriter

    plain = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), plain) as book:
        sheet = book.add_worksheet("quarantine")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_row(0, 0, columns, book.add_format({"bold": True}))
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row):
                at = (number, column)
                if isinstance(value, bool):
                    sheet.write_boolean(*at, value)
                elif isinstance(value, datetime) and not value.microsecond:
                    sheet.write_datetime(*at, value.astimezone(zone).replace(tzinfo=None), moment)
                elif isinstance(value, date) and not isinstance(value, datetime):
                    sheet.write_datetime(*at, datetime.combine(value, time()), day)
                elif isinstance(value, (int, float, Decimal)) and _is_exact(value):
                    sheet.write_number(*at, float(value))
                elif value is not None:
                    sheet.write_string(*at, _as_text(value, zone))


def _is_exact(value: float | Decimal) -> bool:
    if isinstance(value, float):
        # The workbook's writer keeps 16 digits.
        return math.isfinite(value) and float(f"{value:.16G}") == value
    digits, _, decimals = format(abs(value), "f").partition(".")
    return len(digits + decimals) <= EXACT_DIGITS and len(decimals) <= READ_DECIMALS


def _as_text(value: Any, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, Decimal):
        return format(value, "f")
    return _fitting(value) if isinstance(value, str) else str(value)


def _fitting(text: str) -> str:
    """Return text, or in place of one that no cell holds words that stand for it: who leaves them leaves the text."""
    return text if len(text) <= LONGEST_TEXT else f"[{len(text):,} characters, too long to be shown here]"


def _value(cell: str | None, dtype: pl.DataType, zone: ZoneInfo) -> Any:
    """Return what a cell says, as dtype holds it. Raises NotA."""
    import polars as pl

    text = (cell or "").strip()
    if not text:
        return None
    try:
        if dtype == pl.Boolean:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if dtype.is_integer():
            number = Decimal(text)
            if number != number.to_integral_value() or not -(2**63) <= number < 2**63:
                raise ValueError
            return int(number)
        if isinstance(dtype, pl.Decimal):
            return _scaled(Decimal(text), dtype)
        if dtype.is_float():
            return float(text)
        if dtype == pl.Date:
            return _day(text)
        if isinstance(dtype, pl.Datetime):
            return _moment(text, zone)
    except (ValueError, KeyError, InvalidOperation):
        raise NotA(_WANTED[_kind(dtype)]) from None
    return text


_WANTED = {
    "truth": "not true or false",
    "whole": "not a whole number",
    "number": "not a number that fits its column",
    "day": "not a date like 2025-09-12",
    "moment": "not a time like 2025-09-12 08:00:45",
}


def _kind(dtype: pl.DataType) -> str:
    import polars as pl

    if dtype == pl.Boolean:
        return "truth"
    if dtype.is_integer():
        return "whole"
    if dtype == pl.Date:
        return "day"
    return "moment" if isinstance(dtype, pl.Datetime) else "number"


def _scaled(number: Decimal, dtype: pl.Decimal) -> Decimal:
    if not number.is_finite():
        raise ValueError
    if -number.as_tuple().exponent == READ_DECIMALS > dtype.scale:  # type: ignore[operator]
        # So read, 12.34 is 12.339999999: what the person sees has no more than these digits.
        number = Context(prec=EXACT_DIGITS).plus(number)
    scaled = number.quantize(Decimal(1).scaleb(-dtype.scale))
    if scaled != number:
        raise ValueError
    return scaled


def _day(text: str) -> date:
    moment = datetime.fromisoformat(text)
    if moment.time() != time():
        raise ValueError
    return moment.date()


def _moment(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _is_same(value: Any, original: Any, zone: ZoneInfo) -> bool:
    """Tell whether a cell still says what was written into it; a spreadsheet rounds the last digit of a fraction."""
    if isinstance(original, str):
        return bool((value or "") == _fitting(original).strip())
    if isinstance(original, float) and isinstance(value, float):
        is_rounded = value == round(original, READ_DECIMALS) or math.isclose(value, original, rel_tol=1e-14)
        return is_rounded or (math.isnan(value) and math.isnan(original))
    if isinstance(original, datetime) and isinstance(value, datetime):
        # By the clock: an hour that comes twice is written the same.
        return _as_text(value, zone) == _as_text(original, zone)
    return bool(value == original)
