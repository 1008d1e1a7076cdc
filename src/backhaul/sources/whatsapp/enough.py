"""How far up a chat is read, and whether what was read reaches back to what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.chat.dates import DateOrder
from backhaul.sessions.whatsapp.reading import PageRow
from backhaul.sources.whatsapp.memory import Memory, Seen, hashed, seen_of
from backhaul.sources.whatsapp.messages import Ways, dates_of, messages_of, parted, wa_id_of
from backhaul.sources.whatsapp.order import decided, possible

_MORE_FOR_DATES = 500
"""How many messages beyond those wanted are read to find out the order of the dates."""

_DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a chat: with a memory what is newer than it, else the newest `most` messages.

    `order` is the one given, AUTO to find it out; `ways` has everything else, its order is not looked at.
    """

    ways: Ways
    order: DateOrder
    memory: Memory
    most: int
    _looked: dict[tuple[DateOrder, PageRow], Seen | None] = field(default_factory=dict, compare=False, repr=False)

    def is_met_by(self, rows: Sequence[PageRow]) -> bool:
        """Tell whether rows, read up to here, are enough: the window holds a known message of an earlier minute.

        The minute of the newest known message is whole then, so that equal messages in it can be numbered. Also what
        is older than all that is known is enough: further up nothing of it can be.
        """
        if not self.memory.known:
            return self._is_first_met_by(rows)
        newest, oldest = self.memory.newest, self.memory.known[0].minute
        by_id, chat = self.memory.by_id, self.ways.chat
        ids = [by_id[mark] for row in rows if (mark := hashed(chat, wa_id_of(row) or "")) in by_id]
        if any(known.minute < newest for known in ids):
            return True
        orders = self.orders(rows)
        seen = {order: self._seen(rows, order) for order in orders}
        # Fingerprints are met in the true order of the dates only; what has an id may be met in a wrong one.
        marked = [each for found in seen.values() for each in found if each.fingerprint in self.memory.marks]
        if any(each.minute < newest for each in marked):
            return True
        is_met = bool(ids or marked)
        behind = 0 if is_met and oldest == newest else _DAY_MINUTES
        dated = [found[0].minute for found in seen.values() if found]
        return bool(dated) and all(minute < oldest - behind for minute in dated)

    def orders(self, rows: Sequence[PageRow]) -> list[DateOrder]:
        """Return the orders that the dates of rows may be in."""
        return [self.order] if self.order is not DateOrder.AUTO else possible(dates_of(rows))

    def order_of(self, rows: Sequence[PageRow], language: str) -> DateOrder:
        """Return the order of the dates: the given one, the one in which known messages are met, else by the dates.

        Raises ConfigError (`ambiguous_date_order`), SourceChanged for dates that are none.
        """
        orders = self.orders(rows)
        if len(orders) == 1:
            return orders[0]
        met = [
            order
            for order in orders
            if any(each.fingerprint in self.memory.marks for each in self._seen(rows, order))
        ]
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

    def _seen(self, rows: Sequence[PageRow], order: DateOrder) -> list[Seen]:
        """Return the messages of rows that have a header; a row is looked at once, however often it comes."""
        new = [row for row in dict.fromkeys(rows) if row.header and (order, row) not in self._looked]
        if new:
            ways = replace(self.ways, order=order)
            found = {each.place: each for each in seen_of(messages_of(new, ways).frame, self.ways.chat)}
            self._looked.update({(order, row): found.get(place) for place, row in enumerate(new)})
        seen = (self._looked[order, row] for row in rows if row.header)
        return [each for each in seen if each is not None]
