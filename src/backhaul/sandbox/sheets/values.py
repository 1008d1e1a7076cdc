"""What stands in a cell of the sandbox's sheets: plain values, formulas, and how Google reads what is typed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from backhaul.sandbox.sheets.errors import TOO_LONG, Refused

MAX_CHARACTERS = 50_000


@dataclass(frozen=True)
class Formula:
    """A formula as it was typed, with its `=`."""

    text: str

    @property
    def fills_column(self) -> bool:
        """Tell whether it gives values to all cells under it."""
        return self.text.upper().startswith("=ARRAYFORMULA(")


@dataclass(frozen=True)
class NumberFormat:
    """How a number is shown: type as the API names it (`DATE`, `NUMBER`, `TEXT` ...), pattern may be empty."""

    type: str
    pattern: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as the API has it."""
        return {"type": self.type, "pattern": self.pattern} if self.pattern else {"type": self.type}


Value = str | int | float | bool | Formula | None
"""None is a blank cell; a date is a number with a format."""

Plain = str | int | float | bool | None
"""What a cell comes to: a value that is no formula."""


class Keep:
    """A cell that a write leaves as it is."""


KEEP: Final = Keep()

_EPOCH = date(1899, 12, 30).toordinal()
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d*)?(?:[eE][+-]?\d+)?")
_LOCAL_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)?(?:,\d*)?(?:[eE][+-]?\d+)?")
_ISO_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_SHORT_DAY = re.compile(r"(\d{1,2})[-/](\d{1,2})(?:[-/](\d{2}|\d{4}))?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def raw_value(sent: Any, place: str) -> Value | Keep:
    """Return what valueInputOption RAW makes of one JSON value: null keeps the cell, "" clears it.

    Numbers become what a double holds. Raises Refused for a text that is too long and for nested values.
    """
    if type(sent) is str:
        if len(sent) > MAX_CHARACTERS:
            raise Refused(TOO_LONG)
        return sent or None
    if sent is None:
        return KEEP
    if type(sent) is bool:
        return sent
    if type(sent) is int or type(sent) is float:
        return as_double(sent)
    raise Refused(f"Invalid {place}: {'list_value' if isinstance(sent, list) else 'struct_value'} {{...}}")


def as_double(number: float) -> int | float:
    """Return number as a sheet keeps it: a double, written without a fraction where it has none."""
    if -9_007_199_254_740_992 <= number <= 9_007_199_254_740_992 and type(number) is int:
        return number
    try:
        double = float(number)
    except OverflowError:
        double = math.inf
    if not math.isfinite(double):
        raise Refused("Invalid value: a number must be finite.")
    return int(double) if double.is_integer() and abs(double) < 1e21 else double


def typed_value(
    sent: Any, place: str, locale: str, is_text_cell: bool = False
) -> tuple[Value | Keep, NumberFormat | None]:
    """Return what USER_ENTERED makes of one JSON value, and the format that comes with it.

    A text is read as if a person typed it: formulas run, `08123` becomes 8123, `1-2` a date of this year.
    In a cell whose format is TEXT it stays text.
    """
    value = raw_value(sent, place)
    if not isinstance(value, str) or is_text_cell:
        return value, None
    if value.startswith("'"):
        return value[1:] or None, None
    if value.startswith("=") and len(value) > 1:
        return Formula(value), None
    text = value.strip()
    if text.upper() in ("TRUE", "FALSE"):
        return text.upper() == "TRUE", None
    return _number(text, locale) or _moment(text, locale) or (value, None)


def serial_of_day(day: date) -> int:
    """Return the days since 1899-12-30."""
    return day.toordinal() - _EPOCH


def day_of_serial(serial: float) -> date:
    """Return the date of a serial number, from -693593 (0001-01-01) to 2958465 (9999-12-31)."""
    return date.fromordinal(_EPOCH + math.floor(serial))


def _is_comma_locale(locale: str) -> bool:
    return locale.split("_")[0] in ("id", "de", "fr", "es", "it", "nl", "pt", "ru", "tr")


def _number(text: str, locale: str) -> tuple[Value, NumberFormat | None] | None:
    shown, kind = text, None
    for mark in ("$", "Rp"):
        if shown.startswith(mark) and shown[len(mark) :].strip()[:1].isdigit():
            shown, kind = shown[len(mark) :].strip(), NumberFormat("CURRENCY", f'"{mark}"#,##0.00')
    is_percent = shown.endswith("%")
    shown = shown.removesuffix("%").strip()
    pattern = _LOCAL_NUMBER if _is_comma_locale(locale) else _NUMBER
    if not pattern.fullmatch(shown) or not any(letter.isdigit() for letter in shown):
        return None
    group, point = (".", ",") if _is_comma_locale(locale) else (",", ".")
    has_groups, has_point = group in shown, point in shown
    # A sheet keeps fifteen digits of what is typed.
    number = float(f"{float(shown.replace(group, '').replace(point, '.')):.15g}")
    if not math.isfinite(number):
        return None
    if is_percent:
        number, kind = number / 100, NumberFormat("PERCENT", "0.00%" if has_point else "0%")
    elif has_groups and kind is None:
        kind = NumberFormat("NUMBER", "#,##0.00" if has_point else "#,##0")
    elif "e" in shown.lower():
        kind = NumberFormat("SCIENTIFIC", "0.00E+00")
    return as_double(int(number) if number.is_integer() and abs(number) < 1e15 else number), kind


def _moment(text: str, locale: str) -> tuple[Value, NumberFormat] | None:
    day_text, _, time_text = text.replace("T", " ", 1).partition(" ")
    if not time_text and (time := _time(day_text)) is not None:
        return time, NumberFormat("TIME", "h:mm:ss" if day_text.count(":") == 2 else "h:mm")
    found = _day(day_text, locale)
    if found is None:
        return None
    day, pattern = found
    if not time_text:
        return serial_of_day(day), NumberFormat("DATE", pattern)
    time = _time(time_text.strip())
    if time is None:
        return None
    return serial_of_day(day) + time, NumberFormat("DATE_TIME", f"{pattern} h:mm:ss")


def _day(text: str, locale: str) -> tuple[date, str] | None:
    try:
        if found := _ISO_DAY.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3])), "yyyy-mm-dd"
        if found := _SHORT_DAY.fullmatch(text):
            first, second = int(found[1]), int(found[2])
            day, month = (second, first) if locale == "en_US" else (first, second)
            year = int(found[3]) if found[3] else datetime.now().year
            year += 2000 if year < 100 else 0
            return date(year, month, day), "m/d/yyyy" if locale == "en_US" else "dd/mm/yyyy"
    except ValueError:
        return None
    return None


def _time(text: str) -> float | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    return (hours * 3600 + minutes * 60 + seconds) / 86_400 if hours < 24 and minutes < 60 and seconds < 60 else None
