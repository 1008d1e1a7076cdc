"""Products as people read them: one card each, as HTML, packed into messages. Pure; knows nothing of Telegram."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from backhaul.languages import Translator
from backhaul.notify.markup import split, units, without_tags
from backhaul.notify.wording import shortened
from backhaul.search.products import Offer, Product, Stock

MESSAGE_UNITS = 4096
"""What Telegram takes in one message, in UTF-16 units without tags."""

MESSAGE_ENTITIES = 90
"""Telegram forgets marks beyond 100."""

_MARK = re.compile(r"</|/\w+|https?:|@\w")
"""What Telegram counts as a mark: tags, and what it takes for a command, an address or a name."""

NAME_LENGTH, MOST_OFFERS, MOST_BARCODES, MOST_PLACES = 200, 40, 6, 20


@dataclass(frozen=True)
class Cards:
    """How products are shown: in which language, and whether the reader may see what they cost the shop."""

    words: Translator
    with_costs: bool = False

    def product(self, product: Product, number: int | None = None) -> str:
        """Return a product with the prices of every unit, its stock and its codes; as HTML, with several lines."""
        return "\n".join(self.words.line(line) for line in self._lines(product, number))

    def _lines(self, product: Product, number: int | None) -> Iterator[str]:
        words = self.words
        name = f"<b>{words.isolated(cleaned(product.name or product.code))}</b>"
        head = name if number is None else f"{words.isolated(f'{number}.')} {name}"
        yield head if product.is_sold else f"{head} \N{NO ENTRY SIGN} <i>{words.say('not sold any more')}</i>"
        units_of = _by_unit(product.offers)
        base = next((unit for unit, offers in units_of.items() if offers[0].factor == 1), "")
        for unit, offers in units_of.items():
            yield from self._unit(unit, base, offers)
        if not units_of:
            yield words.say("no price")
        if product.stock:
            yield f"{words.say('Stock')}: {self._stock(product.stock)}"
        yield " ".join(self._codes(product))

    def _unit(self, unit: str, base: str, offers: Sequence[Offer]) -> Iterator[str]:
        """Yield the lines of one unit: one line where it has one price for everybody, else one a price."""
        name = cleaned(unit) or "?"
        factor = offers[0].factor
        if unit != base and factor is not None:
            name += f" ({self._number(factor)}{f' {cleaned(base)}' if base else ''})"
        head = f"\N{BULLET} {self.words.isolated(name)}"
        if len(offers) == 1 and not self._condition(offers[0]):
            yield f"{head}: {self._price(offers[0])}"
            return
        yield head
        for offer in offers[:MOST_OFFERS]:
            yield f"   {self._condition(offer) or self.words.say('in general')}: {self._price(offer)}"
        if len(offers) > MOST_OFFERS:
            more = len(offers) - MOST_OFFERS
            yield f"   {self.words.count('{n} more price', '{n} more prices', more)}"

    def _condition(self, offer: Offer) -> str:
        """Return for whom and for how many a price holds; empty where it holds always."""
        parts = []
        if offer.level is not None:
            parts.append(self.words.say("Level {level}", level=cleaned(offer.level)))
        if offer.up_to is not None:
            parts.append(self.words.say("up to {quantity}", quantity=self._number(offer.up_to)))
        return ", ".join(parts)

    def _price(self, offer: Offer) -> str:
        words = self.words
        price = (
            words.say("no price") if offer.price is None else f"<b>{words.isolated(money(offer.price, words))}</b>"
        )
        costs = self._costs(offer)
        return f"{price} ({costs})" if costs else price

    def _costs(self, offer: Offer) -> str:
        if not self.with_costs or offer.cost is None:
            return ""
        words, cost = self.words, offer.cost
        said = words.say("cost {cost}", cost=money(cost, words))
        if offer.price is None or not cost:
            return said
        margin = offer.price - cost
        share = percent(margin, offer.price, words)
        said += ", " + words.say("margin {margin}", margin=money(margin, words) + (f" = {share}" if share else ""))
        return f"\N{WARNING SIGN} {said}" if margin < 0 else said

    def _stock(self, stock: Sequence[Stock]) -> str:
        sold_out = f"\N{LARGE RED CIRCLE} {self.words.say('sold out')}"
        if all(each.quantity is not None and each.quantity <= 0 for each in stock):
            return sold_out
        parts = []
        for each in stock[:MOST_PLACES]:
            is_there = each.quantity is None or each.quantity > 0
            said = "" if each.quantity is None else self._number(each.quantity)
            parts.append(self.words.isolated(f"{cleaned(each.place)} {said if is_there else sold_out}".strip()))
        return ", ".join(parts) + (" ..." if len(stock) > MOST_PLACES else "")

    def _codes(self, product: Product) -> Iterator[str]:
        for code in (product.code, *product.barcodes[:MOST_BARCODES]):
            if code:
                yield f"<code>{self.words.isolated(cleaned(code))}</code>"
        if len(product.barcodes) > MOST_BARCODES:
            yield self.words.isolated(f"+{len(product.barcodes) - MOST_BARCODES}")

    def _number(self, value: Decimal) -> str:
        return self.words.number(value, decimals_of(value, 3))


def packed(cards: Iterable[str], *, limit: int = MESSAGE_UNITS) -> tuple[str, ...]:
    """Return cards (HTML) in as few messages as take them, with an empty line between two.

    A message ends where a card does; only a card that is too long for one is cut, at a line end.
    """
    messages: list[str] = []
    room, marks = 0, 0
    for card in cards:
        for piece in split(card, limit):
            size, tags = units(without_tags(piece)), len(_MARK.findall(piece))
            if messages and size + 2 <= room and marks + tags <= MESSAGE_ENTITIES:
                messages[-1] += f"\n\n{piece}"
                room, marks = room - size - 2, marks + tags
            else:
                messages.append(piece)
                room, marks = limit - size, tags
    return tuple(messages)


def cleaned(text: str, length: int = NAME_LENGTH) -> str:
    """Return text from outside as it may stand in HTML: one line, no unseen signs, no markup."""
    return escape(shortened(text, length), quote=False)


def money(amount: Decimal, words: Translator) -> str:
    """Return an amount such as `Rp 118.000`; parts of a rupiah only where there are any."""
    sign = "-" if amount < 0 else ""
    return sign + words.rupiah(amount.copy_abs())


def percent(part: Decimal, whole: Decimal, words: Translator) -> str:
    """Return what part is of whole, such as `14,3 %`; empty where whole is nothing."""
    return f"{words.number(part / whole * 100, 1)} %" if whole else ""


def decimals_of(value: Decimal, most: int) -> int:
    """Return how many decimals a number needs, at most so many."""
    exponent = value.normalize().as_tuple().exponent
    return min(most, max(0, -exponent)) if isinstance(exponent, int) else 0


def _by_unit(offers: Sequence[Offer]) -> dict[str, list[Offer]]:
    """Return the offers by unit, the smallest unit first; within one in their own order."""
    found: dict[str, list[Offer]] = {}
    for offer in sorted(offers, key=lambda each: (each.factor is None, each.factor or 0)):
        found.setdefault(offer.unit, []).append(offer)
    return found
