"""How far up a chat is read, and whether what was read reaches back to what is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.chat.dates import DateOrder
from backhaul.sessions.whatsapp.reading import PageRow
from backhaul.sources.whatsapp.memory import Memory, Seen, hashed, seen_of
from backhaul.sources.whatsapp.messages import Ways, dates_of, messages_of, minutes_of, parted, wa_id_of
from backhaul.sources.whatsapp.order import Widths, decided, possible, widths_of

_MORE_FOR_DATES = 500
"""How many messages beyond those wanted are read to find out the order of the dates."""

_DAY_MINUTES = 24 * 60
_DOUBT_MINUTES = 3 * 60
"""How far off an estimated minute may be, generously: clocks are put back by an hour."""


@dataclass
class _Looked:
    """What the looks of one reading have told so far, so that each row is looked at once while the chat grows."""

    rows: Sequence[PageRow] = ()
    widths: Counter[Widths] = field(default_factory=Counter)
    orders: tuple[DateOrder, ...] = ()
    is_met: bool = False
    oldest: dict[DateOrder, int] = field(default_factory=dict)

    def changed(self, rows: Sequence[PageRow]) -> Sequence[PageRow]:
        """Return the rows above those that are as they were, and take note of all."""
        if len(rows) < len(self.rows):
            # The page broke, and the chat is read again from below.
            self.rows, self.orders, self.is_met = (), (), False
        same = 0
        for new, old in zip(reversed(rows), reversed(self.rows), strict=False):
            if new is not old and new != old:
                break
            same += 1
        self.rows = tuple(rows)
        return rows[: len(rows) - same]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a chat: with a memory what is newer than it, else the newest `most` messages.

    `order` is the one given, AUTO to find it out; `ways` has everything else, its order is not looked at. It is asked
    about one reading only, whose rows grow upwards.
    """

    ways: Ways
    order: DateOrder
    memory: Memory
    most: int
    _looked: _Looked = field(default_factory=_Looked, compare=False, repr=False)

    def is_met_by(self, rows: Sequence[PageRow]) -> bool:
        """Tell whether rows, read up to here, are enough: the window holds a known message of an earlier minute.

        The minute of the newest known message is whole then, so that equal messages in it can be numbered. Also what
        is older than all that is known is enough: further up nothing of it can be.
        """
        if not self.memory.known:
            return self._is_first_met_by(rows)
        looked, newest, oldest = self._looked, self.memory.newest, self.memory.known[0].minute
        changed = looked.changed(rows)
        by_id, chat = self.memory.by_id, self.ways.chat
        ids = [by_id[mark] for row in changed if (mark := hashed(chat, wa_id_of(row) or "")) in by_id]
        looked.widths.update(widths_of(dates_of(changed)))
        orders = (self.order,) if self.order is not DateOrder.AUTO else tuple(possible(looked.widths))
        if orders != looked.orders:
            looked.orders, looked.oldest, changed = orders, {}, rows
        # Fingerprints are met in the true order of the dates only; what has an id may be met in a wrong one.
        marked = [each for order in orders for each in self._met(changed, order)]
        if min((*(each.minute for each in ids), *(each.minute for each in marked)), default=newest) < newest:
            return True
        looked.is_met = looked.is_met or bool(ids or marked)
        behind = 0 if looked.is_met and oldest == newest else _DAY_MINUTES
        return bool(looked.oldest) and all(minute < oldest - behind for minute in looked.oldest.values())

    def orders(self, rows: Sequence[PageRow]) -> list[DateOrder]:
        """Return the orders that the dates of rows may be in."""
        return [self.order] if self.order is not DateOrder.AUTO else possible(widths_of(dates_of(rows)))

    def order_of(self, rows: Sequence[PageRow], language: str) -> DateOrder:
        """Return the order of the dates: the given one, the one in which known messages are met, else by the dates.

        Raises ConfigError (`ambiguous_date_order`), SourceChanged for dates that are none.
        """
        orders = self.orders(rows)
        if len(orders) == 1:
            return orders[0]
        met = [order for order in orders if self._met(rows, order)]
        if len(met) == 1:
            return met[0]
        return decided(self.ways.name, dates_of(rows), language=language, now=self.ways.now)

    def _is_first_met_by(self, rows: Sequence[PageRow]) -> bool:
        if len(rows) <= self.most:
            return False
        stamps = [header.shown if header else "" for row in rows for header in [parted(row.header)]]
        first = next((stamp for stamp in stamps if stamp), "")
        since = next((stamp for stamp in stamps[len(rows) - self.most :] if stamp), first)
        if first == since:
            return False
        if self.order is not DateOrder.AUTO or len(rows) > self.most + _MORE_FOR_DATES:
            return True
        try:
            decided(self.ways.name, dates_of(rows), language="", now=self.ways.now)
        except ConfigError:
            return False
        except SourceChanged:
            return True
        return True

    def _met(self, rows: Sequence[PageRow], order: DateOrder) -> list[Seen]:
        """Return the messages of rows with a header that are known, and note how old the first of rows is."""
        ways = replace(self.ways, order=order)
        headed = [row for row in rows if row.header]
        minutes = [minute for minute in minutes_of(headed, ways) if minute is not None]
        if minutes:
            self._looked.oldest[order] = minutes[0]
        known = self.memory.known
        if not minutes or not known:
            return []
        # What is newer than all that is known need not be compared, nor what is older.
        if min(minutes) > known[-1].minute + _DOUBT_MINUTES or max(minutes) < known[0].minute - _DOUBT_MINUTES:
            return []
        found = seen_of(messages_of(headed, ways).frame, self.ways.chat)
        return [each for each in found if each.fingerprint in self.memory.marks]
