"""What stands between two days of a chat: `TODAY`, a day of the week, or a date."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, timedelta

from backhaul.sources.whatsapp.header import name_of

_TODAY = frozenset(("today", "היום", "hari ini", "hoy", "hoje", "heute", "aujourd'hui", "oggi", "vandaag", "сегодня"))
_YESTERDAY = frozenset(
    ("yesterday", "אתמול", "kemarin", "ayer", "ontem", "gestern", "hier", "ieri", "gisteren", "вчера")
)
_WEEK = (
    ("monday", "יום שני", "senin", "lunes", "segunda-feira", "montag", "lundi"),
    ("tuesday", "יום שלישי", "selasa", "martes", "terça-feira", "dienstag", "mardi"),
    ("wednesday", "יום רביעי", "rabu", "miércoles", "quarta-feira", "mittwoch", "mercredi"),
    ("thursday", "יום חמישי", "kamis", "jueves", "quinta-feira", "donnerstag", "jeudi"),
    ("friday", "יום שישי", "jumat", "viernes", "sexta-feira", "freitag", "vendredi"),
    ("saturday", "יום שבת", "שבת", "sabtu", "sábado", "samstag", "samedi"),
    ("sunday", "יום ראשון", "minggu", "domingo", "sonntag", "dimanche"),
)
_WEEKDAYS = {name: number for number, names in enumerate(_WEEK) for name in names}
_DATE = re.compile(r"\d{1,4} ?[./-] ?\d{1,2} ?[./-] ?\d{1,4}\.?")


def day_above(above: str, today: date, dated: Callable[[str], date | None]) -> date | None:
    """Return the day that the lines above a message name, None if none of them does.

    `today` is the day on which the page was read, `dated` reads a date as the page writes it. A day of the week is
    the last one before today.
    """
    found = [_day(line, today, dated) for line in above.split("\n")]
    return next((day for day in reversed(found) if day is not None), None)


def _day(line: str, today: date, dated: Callable[[str], date | None]) -> date | None:
    said = unicodedata.normalize("NFKC", name_of(line)).lower()
    if said in _TODAY:
        return today
    if said in _YESTERDAY:
        return today - timedelta(days=1)
    if said in _WEEKDAYS:
        return today - timedelta(days=(today.weekday() - _WEEKDAYS[said] - 1) % 7 + 1)
    return dated(said) if _DATE.fullmatch(said) else None
