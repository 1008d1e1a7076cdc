"""From the rows of a page to messages: who said what when, and what cannot be told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from backhaul.formats.chat import Identities, MessageKind
from backhaul.formats.chat.dates import DAY_S, FIRST_YEAR, DateOrder, Days, Times, in_utc
from backhaul.formats.chat.words import told, without_edited
from backhaul.sessions.whatsapp.reading import PageRow, Shown
from backhaul.sources.whatsapp.day import day_above
from backhaul.sources.whatsapp.header import Header, clock_of, header_of, name_of
from backhaul.sources.whatsapp.order import fields_of

if TYPE_CHECKING:
    import polars as pl

MINUTE_S = 60
FUTURE = timedelta(days=1)
YOU = frozenset(
    (
        "you",
        "את",
        "אתה",
        "את/ה",
        "anda",
        "kamu",
        "tú",
        "usted",
        "você",
        "du",
        "sie",
        "vous",
        "jij",
        "вы",
        "siz",
        "أنت",
    )
)
"""How the page calls the account itself, in lower case."""

_PACKED = re.compile(r"(?:true|false)_[^_]+_([^_]+)(?:_.*)?", re.DOTALL)
_EPOCH = date(1970, 1, 1)
_FIRST_S = (date(FIRST_YEAR, 1, 1) - _EPOCH).days * DAY_S


@dataclass(frozen=True)
class Ways:
    """How the rows of one reading are to be understood.

    Args:
        name: the stream's, for errors.
        chat: the chat's key, part of the identity.
        zone: of the browser.
        order: of the dates' fields.
        own_name: who `You` is; "" leaves the page's word.
        now: when the page was read (UTC).
    """

    name: str
    chat: str
    zone: str
    order: DateOrder
    own_name: str
    now: datetime


@dataclass(frozen=True)
class Messages:
    """The messages of a reading, and how many rows are none.

    Args:
        frame: place (of the row), sent_at, shown_at, sender, kind, text, is_edited, wa_id, is_own, is_truncated and
            fingerprint, in the order of the page.
        unlike: rows whose header is like none that is known.
        undated: rows that show no day or time that can be told.
        nameless: rows whose sender cannot be told.
        future: rows that are dated more than a day after the page was read.
    """

    frame: pl.DataFrame
    unlike: int
    undated: int
    nameless: int
    future: int

    @property
    def lost(self) -> int:
        """The rows that became no message."""
        return self.unlike + self.undated + self.nameless + self.future


@lru_cache(maxsize=20_000)
def parted(header: str) -> Header | None:
    """Return the parts of a header; a window is looked at again and again while it grows."""
    return header_of(header)


def dates_of(rows: Sequence[PageRow]) -> list[str]:
    """Return the dates that headers show, in the order of the page."""
    return [found.date for row in rows if row.header and (found := parted(row.header)) is not None]


def wa_id_of(row: PageRow) -> str | None:
    """Return WhatsApp's id of the message, of a packed one its message part; None where the page shows none."""
    packed = _PACKED.fullmatch(row.id)
    return (packed[1] if packed else row.id) or None


def messages_of(rows: Sequence[PageRow], ways: Ways, minutes: Mapping[int, int] | None = None) -> Messages:
    """Return the messages of rows, the oldest first; pure.

    A row without a header gets its time from the clock below it and the day that is named above it, else the days of
    its neighbours, its sender from what it shows or from the run it stands in; where they leave a choice it is left
    out and counted. `minutes` are the
    minutes since 1970 (UTC) of rows whose time is known from earlier, by their place.
    """
    return _Reader(rows, ways, minutes or {}).read()


def minutes_of(rows: Sequence[PageRow], ways: Ways) -> list[int | None]:
    """Return for each row the minute since 1970 (UTC) of its header, None where it shows none.

    In the hour in which clocks are put back it may be an hour off: it is for estimates.
    """
    zone = ZoneInfo(ways.zone)
    shown = _Reader(rows, ways, {}).shown()
    offsets: dict[int, int] = {}
    for local in shown:
        if local is not None and (hour := local // 3600) not in offsets:
            moment = datetime.fromtimestamp(local, UTC).replace(tzinfo=zone)
            offsets[hour] = int((moment.utcoffset() or timedelta()).total_seconds())
    return [None if local is None else (local - offsets[local // 3600]) // MINUTE_S for local in shown]


@dataclass
class _Reader:
    rows: Sequence[PageRow]
    ways: Ways
    minutes: Mapping[int, int]
    unlike: int = 0
    undated: int = 0
    nameless: int = 0
    _headers: list[Header | None] = field(init=False)
    _times: Times = field(init=False, default_factory=Times)
    _above: tuple[str, bool | None] = ("", None)

    def __post_init__(self) -> None:
        self._headers = [parted(row.header) if row.header else None for row in self.rows]
        dates = [header.date for header in self._headers if header]
        self._days = Days(fields_of(self.ways.name, self.ways.order, dates))

    def read(self) -> Messages:
        import polars as pl

        locals_ = self._locals()
        found = [each for place, local in enumerate(locals_) if (each := self._message(place, local)) is not None]
        frame = pl.DataFrame(found, schema=_schema(), orient="row")
        frame = frame.with_columns(in_utc("local", self.ways.zone).alias("sent_at"))
        kept = frame.filter(pl.col("sent_at") <= self.ways.now + FUTURE)
        marked = Identities(self.ways.chat).added(kept).select(*_COLUMNS)
        return Messages(marked, self.unlike, self.undated, self.nameless, frame.height - kept.height)

    def shown(self) -> list[int | None]:
        """Return for each row the second of the local clock that its header shows, counted from 1970."""
        return [self._of_header(header) for header in self._headers]

    def _locals(self) -> list[int | None]:
        """Return for each row the second of the local clock, counted from 1970; None where it cannot be told."""
        shown = self.shown()
        after: list[int | None] = [None] * len(shown)
        for place in range(len(shown) - 2, -1, -1):
            after[place] = shown[place + 1] if shown[place + 1] is not None else after[place + 1]
        before: int | None = None
        is_joined = False
        for place, row in enumerate(self.rows):
            is_joined = is_joined and row.above == ""
            if shown[place] is None and not row.header:
                known = self._known(place)
                below = after[place]
                latest = self._now() if below is None else below
                shown[place] = self._between(row, before, latest, is_joined) if known is None else known
            if shown[place] is not None:
                before, is_joined = shown[place], True
        return shown

    def _of_header(self, header: Header | None) -> int | None:
        if header is None:
            return None
        day, time = self._days[header.date.encode()], self._times[header.clock.encode()]
        # Another calendar has years that are none of WhatsApp's.
        return None if day is None or time is None or day < _FIRST_S else day + time // MINUTE_S * MINUTE_S

    def _between(self, row: PageRow, before: int | None, latest: int, is_joined: bool) -> int | None:
        """Return the moment from before to latest at which the row's clock is, None if it cannot be told.

        The day is the one that is named above the row; else, where nothing stands between (`is_joined`), that of
        the row above; else there must be only one such moment.
        """
        clock = clock_of(row.clock) if row.clock else None
        time = self._times[clock.encode()] if clock else None
        if time is None:
            return None
        time = time // MINUTE_S * MINUTE_S
        if row.above and (day := self._day_above(row.above)) is not None:
            moment = day + time
            return moment if (before is None or before <= moment) and moment <= latest else None
        if before is None:
            return None
        first = before // DAY_S * DAY_S + time
        if is_joined and before <= first <= latest:
            return first
        first += DAY_S if first < before else 0
        return first if first <= latest < first + DAY_S else None

    def _day_above(self, above: str) -> int | None:
        """Return the local midnight of the day that is named above a row, None if none is."""

        def dated(text: str) -> date | None:
            midnight = self._days[text.encode()]
            return None if midnight is None or midnight < _FIRST_S else _EPOCH + timedelta(seconds=midnight)

        day = day_above(above, _EPOCH + timedelta(seconds=self._now()), dated)
        return None if day is None else (day - _EPOCH).days * DAY_S

    def _known(self, place: int) -> int | None:
        if (minute := self.minutes.get(place)) is None:
            return None
        moment = datetime.fromtimestamp(minute * MINUTE_S, ZoneInfo(self.ways.zone))
        return (moment.date() - _EPOCH).days * DAY_S + moment.hour * 3600 + moment.minute * MINUTE_S

    def _now(self) -> int:
        moment = self.ways.now.astimezone(ZoneInfo(self.ways.zone))
        return (moment.date() - _EPOCH).days * DAY_S + moment.hour * 3600 + moment.minute * MINUTE_S

    def _message(self, place: int, local: int | None) -> tuple[object, ...] | None:
        row, header = self.rows[place], self._headers[place]
        self._above = sender, is_own = self._sender(row, header)
        if row.header and header is None:
            self.unlike += 1
            return None
        if local is None:
            self.undated += 1
            return None
        if not sender:
            self.nameless += 1
            return None
        kind, text = _said(row)
        shown = header.shown if header else name_of(row.clock)
        moment = datetime.fromtimestamp(local, UTC).replace(tzinfo=None)
        edited = row.is_edited
        return place, moment, shown, sender, kind.value, text, edited, wa_id_of(row), is_own, row.is_truncated

    def _sender(self, row: PageRow, header: Header | None) -> tuple[str, bool | None]:
        """Return who has sent a row: whom its header or the row itself names, else who sent the one above it."""
        name = header.sender if header else name_of(row.author)
        if row.is_own or (row.is_own is None and name.casefold() in YOU):
            return (self.ways.own_name or name or self._shown_self), True
        if name or header:
            return name, row.is_own
        # A run is of one sender: after somebody else the row would show its author.
        above, is_own = self._above
        return ("" if is_own else above), row.is_own

    @cached_property
    def _shown_self(self) -> str:
        headers = zip(self.rows, self._headers, strict=True)
        return next((each.sender for row, each in headers if each and row.is_own), "")


def _said(row: PageRow) -> tuple[MessageKind, str]:
    """Return what a row is and says, as an export file would tell it: that is what makes them the same message."""
    text = row.text.replace("\r\n", "\n")
    match row.shown:
        case Shown.DELETED:
            return MessageKind.DELETED, ""
        case Shown.MEDIA:
            return MessageKind.MEDIA, text
        case _:
            bare = without_edited(text)
            return told(bare), bare


_COLUMNS = (
    *("place", "sent_at", "shown_at", "sender", "kind", "text", "is_edited", "wa_id", "is_own", "is_truncated"),
    "fingerprint",
)


def _schema() -> dict[str, type[pl.DataType] | pl.DataType]:
    import polars as pl

    text, flag = pl.String, pl.Boolean
    return {
        "place": pl.Int64,
        "local": pl.Datetime("us"),
        "shown_at": text,
        "sender": text,
        "kind": text,
        "text": text,
        "is_edited": flag,
        "wa_id": text,
        "is_own": flag,
        "is_truncated": flag,
    }
