"""The dates and times of a chat export: which field is the day, and what moment of the local clock a text shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.chat.shape import AFTERNOON, FORENOON, Shape

if TYPE_CHECKING:
    import polars as pl

DAY_S = 86_400
FIRST_YEAR = 2009
"""WhatsApp's first."""

_LATE_DAYS = 7
"""A message that was on its way for longer is rarer than a date that is read in the wrong order."""

_SURE = 3
_NUMBER = re.compile(r"\d+")
_LATIN_HALF = re.compile(r"([AaPp])\.?\s?[Mm]")
_EPOCH = date(1970, 1, 1)


class DateOrder(StrEnum):
    """In which order a file writes day, month and year; AUTO finds out."""

    AUTO = "auto"
    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"
    YEAR_FIRST = "ymd"


@dataclass(frozen=True)
class Fields:
    """The places of year, month and day among the three fields of a date."""

    year: int
    month: int
    day: int

    def date(self, text: bytes) -> date | None:
        """Return the day that text shows, None if there is no such day."""
        numbers = [int(each) for each in _NUMBER.findall(text.decode())]
        year = numbers[self.year]
        try:
            return date(year if year > 99 else 2000 + year, numbers[self.month], numbers[self.day])
        except ValueError:
            return None


class Days(dict[bytes, int | None]):
    """By a date as it is written: its local midnight in seconds since 1970, None if there is no such day."""

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self._fields = fields

    def __missing__(self, text: bytes) -> int | None:
        day = self._fields.date(text)
        self[text] = found = None if day is None else (day - _EPOCH).days * DAY_S
        return found


class Times(dict[bytes, int | None]):
    """By a time as it is written: the seconds since midnight, None if no clock shows it."""

    def __missing__(self, text: bytes) -> int | None:
        self[text] = found = _seconds(text.decode())
        return found


def given_fields(name: str, order: DateOrder, shape: Shape) -> Fields:
    """Return the places of the fields in a named order. Raises ConfigError if the year stands elsewhere."""
    places = {"dmy": Fields(2, 1, 0), "mdy": Fields(2, 0, 1), "ymd": Fields(0, 1, 2)}[order]
    if 4 in shape.widths and shape.year_at != places.year:
        raise ConfigError(
            f'{name}: the dates have their year in place {shape.year_at + 1}, but the date order is "{order}"',
            next_step='Take another date order, or leave it to "auto".',
        )
    return places


def found_fields(name: str, shape: Shape, blocks: Iterable[list[bytes]], *, now: datetime) -> Fields:
    """Return the places of the fields, decided from dates in file order; reads no more blocks than it needs.

    A reading counts against itself what is no day, what is before WhatsApp or later than a day after now, and each
    step back of more than a week. Raises ConfigError if both readings fit, SourceChanged if none does.
    """
    readings = [_Reading(fields, now) for fields in _possible(shape)]
    for block in blocks:
        distinct = [text for text, _ in groupby(block)]
        for reading in readings:
            reading.add(distinct)
        if any(one.doubts == 0 and two.impossible >= _SURE for one, two in _pairs(readings)):
            break
    return _chosen(name, shape, readings)


def zone_named(timezone: str) -> str:
    """Return the name of a time zone that exists. Raises ConfigError if it does not."""
    try:
        return ZoneInfo(timezone).key
    except (KeyError, OSError, ValueError) as error:
        raise ConfigError(
            f'there is no time zone "{timezone}"', next_step="Give a name such as Asia/Jerusalem."
        ) from error


def in_utc(local: str, zone: str) -> pl.Expr:
    """Return the moments (UTC) that the column `local` of Datetime without zone shows on a clock in zone.

    An hour that comes twice is the first one, one that does not exist is taken as before the clock was changed.
    """
    import polars as pl

    # A clock that is put forward skips an hour (Samoa once: a day); the offset of the day before goes on in it.
    day = pl.duration(days=1)
    shown = pl.col(local)
    moments = shown.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    skipped = (shown - day).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(moments.dt.convert_time_zone("UTC"), skipped.dt.convert_time_zone("UTC") + day)


class _Reading:
    """One way to read the dates, and what speaks against it."""

    def __init__(self, fields: Fields, now: datetime) -> None:
        self.fields = fields
        self.impossible = self.steps_back = self.seen = 0
        self._last_day = (now.astimezone(UTC) + timedelta(days=1)).date()
        self._before: date | None = None
        self._known: dict[bytes, date | None] = {}

    @property
    def doubts(self) -> int:
        return self.impossible + self.steps_back

    def add(self, texts: list[bytes]) -> None:
        for text in texts:
            if text not in self._known:
                day = self.fields.date(text)
                is_possible = day is not None and day.year >= FIRST_YEAR and day <= self._last_day
                self._known[text] = day if is_possible else None
            self._judge(self._known[text])

    def _judge(self, day: date | None) -> None:
        self.seen += 1
        if day is None:
            self.impossible += 1
            return
        if self._before is not None and (self._before - day).days > _LATE_DAYS:
            self.steps_back += 1
        self._before = day


def _possible(shape: Shape) -> list[Fields]:
    year = shape.year_at
    first, second = (place for place in range(3) if place != year)
    readings = [Fields(year, second, first), Fields(year, first, second)]
    if 4 not in shape.widths:
        readings.append(Fields(0, 1, 2))
    return readings


def _pairs(readings: list[_Reading]) -> Iterator[tuple[_Reading, _Reading]]:
    one, two = readings[:2]
    yield one, two
    yield two, one


def _chosen(name: str, shape: Shape, readings: list[_Reading]) -> Fields:
    day_first, month_first, *others = readings
    best, other = sorted((day_first, month_first), key=lambda reading: reading.doubts)
    if best.impossible * 2 > best.seen:
        # Dates of two-digit years that begin with the year are rare: they are looked for last.
        if others and not others[0].impossible:
            return others[0].fields
        raise SourceChanged(
            f"{name}: {best.impossible:,} of {best.seen:,} dates are no days from {FIRST_YEAR} until the export",
            next_step="Set the phone to the Gregorian calendar and export the chat again.",
        )
    if best.doubts * 4 <= other.doubts and other.doubts:
        return best.fields
    # Where the year stands first, the month follows: no locale that is known writes the day there.
    if shape.widths[0] == 4 and not month_first.impossible:
        return month_first.fields
    # Dates of equal fields, such as 5/5/25, are the same in both readings.
    if all(day_first.fields.date(text) == month_first.fields.date(text) for text in day_first._known):
        return day_first.fields
    # Before a dot, no locale that is known writes the month.
    if "." in shape.separators[0]:
        return day_first.fields
    raise ConfigError(
        f"{name}: ambiguous_date_order, {best.seen:,} dates do not tell day from month: both readings fit",
        next_step="Export once more after the 12th, or say in the pipeline which it is:"
        ' date_order="dmy" (day first) or "mdy" (month first).',
    )


def _seconds(text: str) -> int | None:
    hour, minute, second = [*(int(each) for each in _NUMBER.findall(text)), 0][:3]
    half = _LATIN_HALF.search(text)
    is_after = half[1] in "Pp" if half else any(word in text for word in AFTERNOON)
    if half or is_after or any(word in text for word in FORENOON):
        hour = hour % 12 + 12 * is_after if hour <= 12 else hour
    # Some clocks show midnight as 24:00, and mean the day that begins.
    hour %= 24 if hour == 24 else 100
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None
