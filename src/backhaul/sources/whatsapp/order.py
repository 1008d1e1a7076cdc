"""Which field of the page's dates is the day: decided from all dates of a reading, and from nothing less.

The language of the page is a hint only where every country that speaks it writes the day first (Hebrew, Indonesian,
German ...; English and Spanish are not among them), and only where the dates fit both orders; so is a dot between the
fields, before which no known locale writes the month. `en-US` by name writes the month first, other English that
names its country, as far as listed, the day.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.chat.dates import DateOrder, Fields, found_fields, given_fields
from backhaul.formats.chat.shape import Shape

Widths = tuple[int, ...]
"""Of each field of a date 4 where it has so many digits, else 0."""

_FIELDS = re.compile(r"\d+")
_DAY_FIRST = frozenset(
    (
        *("he", "iw", "id", "in", "de", "pt", "it", "nl", "ru", "uk", "pl", "cs", "sk", "tr", "ar", "fr", "da", "nb"),
        *("no", "fi", "ro", "bg", "el", "vi"),
    )
)
_DAY_FIRST_ENGLISH = frozenset(("en-gb", "en-in", "en-au", "en-nz", "en-ie", "en-sg", "en-il"))
_LANGUAGE = "Set WhatsApp to a language with Gregorian dates, such as English."


def widths_of(dates: Sequence[str]) -> Counter[Widths]:
    """Return how often dates are written in each way."""
    return Counter(tuple(4 if len(each) == 4 else 0 for each in _FIELDS.findall(date)) for date in dates)


def shape_of_dates(widths: Mapping[Widths, int]) -> Shape | None:
    """Return how most of the dates are written, None if there are none."""
    usual = (found for found, _ in Counter(widths).most_common() if len(found) == 3 and found.count(4) <= 1)
    one = next(usual, None)
    return None if one is None else _shape((one[0], one[1], one[2]))


def possible(widths: Mapping[Widths, int]) -> list[DateOrder]:
    """Return the orders that dates of these widths may be in, as far as the place of the year tells."""
    shape = shape_of_dates(widths)
    if shape is None:
        return []
    return [DateOrder.YEAR_FIRST] if shape.year_at == 0 else [DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST]


def decided(name: str, dates: Sequence[str], *, language: str, now: datetime) -> DateOrder:
    """Return the order of dates, which stand in the order of the chat.

    Raises ConfigError (`ambiguous_date_order`) if two orders fit, SourceChanged if none does; name begins what they
    say.
    """
    shape = shape_of_dates(widths_of(dates))
    if shape is None:
        raise SourceChanged(
            f"{name}: layout changed: no row of the page shows a date that can be read",
            next_step=f"Open the chat in a browser and look whether it has more than photos. {_LANGUAGE}",
        )
    if shape.year_at == 0:
        return DateOrder.YEAR_FIRST
    try:
        fields = found_fields(name, shape, [[date.encode() for date in dates]], now=now)
    except ConfigError as error:
        if hint := _hinted(dates, language):
            return hint
        raise ConfigError(str(error), next_step=f"{error.next_step} It is an option of the stream.") from None
    except SourceChanged as error:
        raise SourceChanged(str(error).replace("until the export", "until today"), next_step=_LANGUAGE) from None
    return DateOrder.DAY_FIRST if fields.day == 0 else DateOrder.MONTH_FIRST


def fields_of(name: str, order: DateOrder, dates: Sequence[str]) -> Fields:
    """Return the places of the fields in an order. Raises ConfigError if the dates have their year elsewhere."""
    return given_fields(name, order, shape_of_dates(widths_of(dates)) or _shape((0, 0, 4)))


def _hinted(dates: Sequence[str], language: str) -> DateOrder | None:
    tag = language.strip().lower().replace("_", "-")
    if all("." in date.rstrip(".") for date in dates) or tag in _DAY_FIRST_ENGLISH:
        return DateOrder.DAY_FIRST
    if tag == "en-us":
        return DateOrder.MONTH_FIRST
    return DateOrder.DAY_FIRST if tag.partition("-")[0] in _DAY_FIRST else None


def _shape(widths: tuple[int, int, int]) -> Shape:
    """Return a shape of which only the widths are looked at: the page's headers are parted by `header_of`."""
    return Shape(
        open="[",
        widths=widths,
        zero="0",
        separators=("/", "/", ""),
        glue=", ",
        before="",
        colon=":",
        has_seconds=False,
        after="",
        close="] ",
    )
