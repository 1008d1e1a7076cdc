"""One good of the made-up shop: its units, prices and stock, how it is made up, and what a day does to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from functools import cache
from random import Random

from backhaul.sandbox.shop.names import BRANDS, Kind, kinds, name_of

MODES = (("O", 0.10), ("S", 0.62), ("L", 0.10), ("J", 0.18))
"""The four ways of keeping prices (one, per unit, per level, by quantity) and the share of goods of each."""

PLACES = ("UTM", "GDG")
FIRST_DAY = datetime(2025, 9, 11, 17, 30)
_DIGITS = Decimal("1e-20")
_PRECISE = Context(prec=60)


@dataclass(frozen=True)
class Unit:
    """A unit as the shop lists it: how many of the base unit it holds, its own cost if any, its barcodes."""

    name: str
    factor: Decimal | None
    cost: Decimal | None
    barcodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Price:
    """A price row; `level` and `up_to` are filled in by habit even where the mode makes nothing of them."""

    unit: str | None
    price: Decimal
    level: int | None = None
    up_to: Decimal | None = None
    changed_at: datetime = FIRST_DAY


@dataclass(frozen=True)
class Good:
    """One item and everything that hangs on it."""

    number: int
    code: str
    name: str
    brand: str
    group: str
    mode: str | None
    base: str
    cost: Decimal | None
    price: Decimal | None
    sold: str | None
    deleted: str | None
    units: tuple[Unit, ...]
    prices: tuple[Price, ...]
    stock: tuple[tuple[str, Decimal], ...]
    picture_bytes: int = 0
    changed_at: datetime = FIRST_DAY


def made_up_good(number: int, seed: int, *, modes: tuple[tuple[str, float], ...], blemishes: float) -> Good:
    """Return the good with this number, the same for the same seed.

    `blemishes` is the share of goods that have each one of the faults that real shops' data has.
    """
    random = Random(f"{seed} {number}")
    brand, kind, variant, size, series = _combination(number, seed)
    cost = _money(random, kind.cost)
    mode = random.choices([name for name, _ in modes], weights=[share for _, share in modes])[0]
    price = _rounded(cost * Decimal(random.randrange(104, 128)) / 100)
    if random.random() < 0.004:
        price = _rounded(cost * Decimal("0.9"))
    units = _units(kind, cost, number, random)
    good = Good(
        number=number,
        code=_code(number, random),
        name=name_of(brand, kind, variant, size, random) + series,
        brand=brand,
        group=kind.group,
        mode=mode,
        base=kind.ladder[0][0],
        cost=cost if random.random() < 0.98 else Decimal(0),
        price=price if mode == "O" or random.random() < 0.5 else Decimal(0),
        sold="N" if random.random() < 0.03 else "Y",
        deleted=random.choices((None, "N", "Y"), weights=(70, 28, 2))[0],
        units=units,
        prices=_prices(mode, kind, units, price, random),
        stock=_stock(kind, random),
        picture_bytes=random.randrange(800, 4_000) if random.random() < 0.02 else 0,
        changed_at=FIRST_DAY - timedelta(minutes=random.randrange(500_000)),
    )
    return _blemished(good, random, blemishes) if blemishes else good


def a_day_later(good: Good, random: Random, now: datetime) -> Good:
    """Return good as the evening after finds it: its stock has moved, now and then its prices and its cost have."""
    stock = tuple((place, max(held - random.randrange(3), Decimal(-2))) for place, held in good.stock)
    good = replace(good, stock=stock) if random.random() < 0.3 else good
    chance = random.random()
    if chance < 0.02:
        factor = Decimal(random.choice((96, 103, 105, 110))) / 100
        prices = tuple(replace(each, price=_rounded(each.price * factor), changed_at=now) for each in good.prices)
        price = good.price and _rounded(good.price * factor)
        return replace(good, prices=prices, price=price, changed_at=now)
    if chance < 0.03 and good.cost:
        return replace(good, cost=_rounded(good.cost * Decimal("1.04")), changed_at=now)
    return good


def _combination(number: int, seed: int) -> tuple[str, Kind, str, str, str]:
    """Return brand, kind, variant and size: another combination for each number; a series when all have been had."""
    combinations = _combinations()
    total = len(combinations) * len(BRANDS)
    # A prime that does not divide the total steps through all combinations in an order that looks random.
    place = (number * 7_919 + seed * 104_729) % total
    kind, variant, size = combinations[place % len(combinations)]
    series = f" SERI {number // total + 1}" if number >= total else ""
    return BRANDS[place // len(combinations)], kind, variant, size, series


@cache
def _combinations() -> tuple[tuple[Kind, str, str], ...]:
    return tuple((kind, variant, size) for kind in kinds() for variant in kind.variants for size in kind.sizes)


def _code(number: int, random: Random) -> str:
    if random.random() < 0.3:
        return barcode(number, 9)
    return f"BRG{number:06d}" if random.random() < 0.9 else f"{number:05d}/a"


def barcode(number: int, place: int) -> str:
    """Return 13 digits with the prefix that is set aside for shops' own numbers; place is a digit."""
    return f"20{place}{number * 7 + 1:010d}"


def _money(random: Random, span: tuple[int, int]) -> Decimal:
    rupiah = Decimal(random.randrange(*span))
    # A cost that was averaged over purchases has as many digits as the column holds.
    return _exact(rupiah + rupiah / 7) if random.random() < 0.1 else rupiah


def _exact(rupiah: Decimal) -> Decimal:
    """Return rupiah with the 20 decimals that the server keeps."""
    return rupiah.quantize(_DIGITS, context=_PRECISE)


def _rounded(rupiah: Decimal) -> Decimal:
    step = 50 if rupiah < 10_000 else 500
    return max(Decimal(1), (rupiah / step).to_integral_value()) * step


def _units(kind: Kind, cost: Decimal, number: int, random: Random) -> tuple[Unit, ...]:
    ladder = kind.ladder[: random.choice((1, len(kind.ladder), len(kind.ladder)))]
    units = []
    for place, (name, factor) in enumerate(ladder):
        own = random.choices((_PRECISE.multiply(cost, Decimal(factor)), Decimal(0), None), weights=(60, 35, 5))[0]
        codes = random.choices((1, 0, 2, 3), weights=(70, 20, 8, 2))[0] if place < 2 else 0
        barcodes = tuple(barcode(number, place * 3 + each) for each in range(codes))
        units.append(Unit(name, Decimal(factor), own and _exact(own), barcodes))
    return tuple(units)


def _prices(mode: str, kind: Kind, units: tuple[Unit, ...], price: Decimal, random: Random) -> tuple[Price, ...]:
    if mode == "O":
        return ()
    if mode == "L":
        return tuple(
            Price(unit.name, _rounded(price * (unit.factor or 1) * (100 - 3 * level) / 97), level=level)
            for unit in units[:2]
            for level in range(1, random.choice((2, 3)) + 1)
        )
    if mode == "J":
        steps = ("2.5", "10", "50") if kind.is_weighed else ("5", "40", "999999")
        return tuple(
            Price(units[0].name, _rounded(price * (100 - 2 * place) / 100), level=1, up_to=Decimal(step))
            for place, step in enumerate(steps[: random.choice((2, 3))])
        )
    level = random.choice((None, 0, 1))
    up_to = random.choice((None, Decimal(0)))
    return tuple(
        Price(unit.name, _rounded(price * (unit.factor or 1) * (98 if place else 100) / 100), level, up_to)
        for place, unit in enumerate(units)
    )


def _stock(kind: Kind, random: Random) -> tuple[tuple[str, Decimal], ...]:
    held = []
    for place in PLACES:
        chance = random.random()
        if chance < 0.05:
            continue
        amount = Decimal(0) if chance < 0.2 else Decimal(random.randrange(1, 400))
        held.append((place, amount + Decimal("0.375") if kind.is_weighed else amount))
    return tuple(held)


def _blemished(good: Good, random: Random, share: float) -> Good:
    """Return good with the faults that chance gives it."""
    if random.random() < share:
        good = replace(good, prices=(*good.prices, Price("BOX", Decimal(99_000), 1, Decimal(0))))
    if random.random() < share:
        good = replace(good, units=tuple(unit for unit in good.units if unit.name != good.base))
    if good.prices and random.random() < share:
        good = replace(good, prices=(*good.prices, good.prices[0]))
    if good.prices and random.random() < share:
        older = replace(good.prices[-1], price=Decimal(1_000), changed_at=FIRST_DAY - timedelta(days=900))
        good = replace(good, prices=(*good.prices, older))
    if random.random() < share:
        good = replace(good, mode=random.choice(("X", "", None)))
    if random.random() < share:
        good = replace(good, sold=random.choice((None, "?")))
    if random.random() < share:
        good = replace(good, units=tuple(replace(unit, factor=None) for unit in good.units))
    if good.mode == "O" and random.random() < 20 * share:
        good = replace(good, prices=(Price(good.base, Decimal(77_700)),))
    if random.random() < share:
        good = replace(good, cost=None, price=None)
    if good.mode in ("L", "J") and random.random() < share:
        good = replace(good, prices=tuple(replace(each, unit=None) for each in good.prices))
    return good
