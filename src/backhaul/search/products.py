"""What a search finds: products and their offers, made from the columns of the catalogue's stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

MOST_DIGITS = 38
"""Those that a column of decimals has; a text with more is no amount."""


@dataclass(frozen=True)
class PriceColumns:
    """Which column of the stream says what. A batch needs those of `code` and `name`; any other may be absent."""

    code: str = "kodeitem"
    name: str = "namaitem"
    unit: str = "satuan"
    factor: str = "konversi"
    price: str = "hargajual"
    cost: str = "hargapokok"
    level: str = "level"
    up_to: str = "jumlah_sampai"
    barcodes: str = "barcode"
    stock: str = "stok"
    is_sold: str = "dijual"


@dataclass(frozen=True)
class Offer:
    """One price of a product. `cost` is for owners only.

    Args:
        unit: what is counted, such as PCS or DUS; empty where the catalogue does not say.
        factor: how many base units this unit holds; None where nobody has said.
        price: for one of this unit; None for a unit without a price of its own.
        level: the customer level it holds for, None for every level.
        up_to: the largest quantity it holds for, None for every quantity.
    """

    unit: str
    factor: Decimal | None
    price: Decimal | None
    cost: Decimal | None
    level: str | None = None
    up_to: Decimal | None = None


@dataclass(frozen=True)
class Stock:
    """How much lies at one place, in base units; None where the catalogue's words are not a number."""

    place: str
    quantity: Decimal | None


@dataclass(frozen=True)
class Product:
    """One product with all its offers, smallest unit first.

    `stock` is None where the catalogue says nothing of it. `is_sold` is False for what the shop no longer sells.
    """

    code: str
    name: str
    offers: tuple[Offer, ...]
    stock: tuple[Stock, ...] | None
    barcodes: tuple[str, ...]
    is_sold: bool


class Way(StrEnum):
    """How products were found."""

    CODE = "code"
    WORDS = "words"
    SIMILAR = "similar"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Found:
    """The best products first; `total` is how many there are in all, these included.

    `way` is CODE for an exact code or barcode, WORDS where every word of the query is in the products, SIMILAR
    where some are only like it.
    """

    products: tuple[Product, ...]
    total: int
    way: Way


@dataclass(frozen=True)
class CatalogueStatus:
    """What the index holds. `changed_at` is when it was last written (UTC), by the batch of that id."""

    products: int
    rows: int
    changed_at: datetime
    batch: str


def product_of(document: list[object], columns: PriceColumns) -> Product:
    """Return the product that stands in the index as its rows, each a dict of text by column."""
    rows = [row for row in document if isinstance(row, dict)]
    first = rows[0]
    offers = sorted(
        {_offer(row, columns) for row in rows if row.get(columns.unit) or row.get(columns.price)}, key=_place
    )
    codes = dict.fromkeys(code for row in rows for code in (row.get(columns.barcodes) or "").split())
    stock = next((row[columns.stock] for row in rows if row.get(columns.stock)), None)
    return Product(
        code=first[columns.code],
        name=first[columns.name] or "",
        offers=tuple(offers),
        stock=None if stock is None else stock_of(stock),
        barcodes=tuple(codes),
        is_sold={row.get(columns.is_sold) for row in rows} - {None} != {"false"},
    )


def stock_of(text: str) -> tuple[Stock, ...]:
    """Return the places in a text such as `UTM 12; GDG 3`."""
    found = []
    for part in filter(None, map(str.strip, text.split(";"))):
        place, _, quantity = part.rpartition(" ")
        number = _number(quantity)
        found.append(Stock(part, None) if number is None or not place else Stock(place.strip(), number))
    return tuple(found)


def _offer(row: dict[str, str | None], columns: PriceColumns) -> Offer:
    level = row.get(columns.level)
    return Offer(
        unit=row.get(columns.unit) or "",
        factor=_number(row.get(columns.factor)),
        price=_number(row.get(columns.price)),
        cost=_number(row.get(columns.cost)),
        level=None if level in (None, "", "-") else level,
        up_to=_number(row.get(columns.up_to)),
    )


def _place(offer: Offer) -> tuple[Decimal, str, str, Decimal]:
    endless = Decimal("Infinity")
    factor = endless if offer.factor is None else offer.factor
    level = (offer.level or "").rjust(9)
    return factor, offer.unit, level, endless if offer.up_to is None else offer.up_to


def _number(text: str | None) -> Decimal | None:
    """Return the number that text is; None for what is no finite number of MOST_DIGITS, such as "-"."""
    try:
        number = Decimal(text or "")
    except ArithmeticError:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < MOST_DIGITS else None
