"""Products as people read them: prices, levels, steps, stock, costs; and messages that Telegram takes."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.bot.cards import MESSAGE_ENTITIES, MESSAGE_UNITS, Cards, packed
from backhaul.languages import LANGUAGES, translator
from backhaul.notify.markup import units, without_tags
from backhaul.sandbox.telegram.text import parsed
from backhaul.search import Offer, Product, Stock


def offer(unit: str = "PCS", price: str | None = "3500", factor: str | None = "1", **more: Any) -> Offer:
    cost = more.pop("cost", None)
    return Offer(
        unit,
        None if factor is None else Decimal(factor),
        None if price is None else Decimal(price),
        None if cost is None else Decimal(cost),
        **more,
    )


def product(*offers: Offer, name: str = "SABUN RIA", **more: Any) -> Product:
    facts = {"code": "SR200", "stock": None, "barcodes": (), "is_sold": True, **more}
    return Product(name=name, offers=offers, **facts)


def lines(item: Product, *, language: str = "id", with_costs: bool = False) -> list[str]:
    return without_tags(Cards(translator(language), with_costs).product(item)).split("\n")


def test_each_unit_has_its_price_and_what_is_in_it():
    item = product(offer(), offer("DUS", "132000", "40"), offer("KG", "41250.5", "12.5"))

    assert lines(item)[1:4] == ["• PCS: Rp 3.500", "• KG (12,5 PCS): Rp 41.250,50", "• DUS (40 PCS): Rp 132.000"]


def test_levels_and_steps_are_told_as_such():
    item = product(
        offer(level="1"), offer(price="3400", level="2"), offer(price="3300", up_to=Decimal(100), level="2")
    )

    assert lines(item)[1:5] == [
        "• PCS",
        "   Level 1: Rp 3.500",
        "   Level 2: Rp 3.400",
        "   Level 2, s/d 100: Rp 3.300",
    ]


def test_a_unit_without_a_price_of_its_own_says_so():
    assert lines(product(offer(), offer("RTG", None, "10")))[2] == "• RTG (10 PCS): tanpa harga"


def test_a_unit_whose_content_nobody_knows_has_none():
    assert lines(product(offer(), offer("BAL", "90000", None)))[2] == "• BAL: Rp 90.000"


def test_costs_are_shown_only_where_asked_for():
    item = product(
        offer(cost="3000"), offer("DUS", "132000", "40", cost="140000"), offer("RTG", None, "10", cost="1")
    )

    without, with_costs = lines(item), lines(item, with_costs=True)

    assert not any("modal" in line or "margin" in line or "3.000" in line for line in without)
    assert with_costs[1] == "• PCS: Rp 3.500 (modal Rp 3.000, margin Rp 500 = 14,3 %)"
    assert with_costs[2] == "• RTG (10 PCS): tanpa harga (modal Rp 1)"
    assert with_costs[3] == "• DUS (40 PCS): Rp 132.000 (⚠ modal Rp 140.000, margin -Rp 8.000 = -6,1 %)"


@pytest.mark.parametrize(
    ("stock", "said"),
    [
        ((Stock("UTM", Decimal("12.50")), Stock("GDG", Decimal(0))), "Stok: UTM 12,5, GDG 🔴 habis"),
        ((Stock("UTM", Decimal(0)), Stock("GDG", Decimal(-3))), "Stok: 🔴 habis"),
        ((Stock("a lot", None),), "Stok: a lot"),
    ],
)
def test_stock_is_told_by_place(stock, said):
    assert lines(product(offer(), stock=stock))[2] == said


@pytest.mark.parametrize("stock", [None, ()])
def test_where_nobody_counts_there_is_no_line_of_stock(stock):
    assert lines(product(offer(), stock=stock)) == ["SABUN RIA", "• PCS: Rp 3.500", "SR200"]


def test_what_is_not_sold_any_more_is_marked():
    assert lines(product(offer(), is_sold=False))[0] == "SABUN RIA 🚫 tidak dijual"


def test_codes_are_there_to_be_copied_and_not_endless():
    card = Cards(translator("id")).product(product(offer(), barcodes=tuple(str(n) for n in range(8))))

    codes = [f"<code>{code}</code>" for code in ("SR200", *"012345")]
    assert card.split("\n")[-1] == " ".join([*codes, "+2"])


def test_a_product_with_endless_prices_is_cut_short():
    item = product(*(offer(price=str(n), level=str(n)) for n in range(1, 60)))

    assert lines(item)[-2] == "   19 harga lagi"


def test_numbers_and_names_keep_their_direction_in_hebrew():
    item = product(offer(level="2"), name="SABUN 200G", stock=(Stock("UTM", Decimal(3)),))

    card = Cards(translator("he")).product(item, 1)

    for value in ("SABUN 200G", "PCS", "Rp 3,500", "UTM 3", "SR200"):
        assert f"\N{FIRST STRONG ISOLATE}{value}\N{POP DIRECTIONAL ISOLATE}" in card
    assert "\N{LEFT-TO-RIGHT ISOLATE}1.\N{POP DIRECTIONAL ISOLATE}" in card
    assert all(line.startswith("\N{RIGHT-TO-LEFT MARK}") for line in card.split("\n"))


@pytest.mark.parametrize("language", LANGUAGES)
@given(name=st.text(max_size=300), unit=st.text(max_size=20), place=st.text(max_size=20), code=st.text(max_size=200))
def test_whatever_stands_in_a_catalogue_telegram_can_read(language, name, unit, place, code):
    item = product(offer(unit, cost="1"), name=name, code=code, barcodes=(code,), stock=(Stock(place, Decimal(1)),))

    text, _ = parsed(Cards(translator(language), with_costs=True).product(item, 7))

    assert text.count("\n") == 3


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_messages_end_where_a_card_does_and_fit(sizes):
    cards = [f"<b>{number}</b>{'x' * size}" for number, size in enumerate(sizes)]

    messages = packed(cards)

    assert all(units(without_tags(message)) <= MESSAGE_UNITS for message in messages)
    assert "".join(messages).replace("\n", "").replace("<b>", "").replace("</b>", "") == "".join(
        without_tags(card) for card in cards
    )
    small = [card for card in cards if len(without_tags(card)) <= MESSAGE_UNITS]
    assert all(any(card in message for message in messages) for card in small)


def test_amounts_of_any_size_can_be_shown():
    most = Decimal("9" * 38)
    large = Offer("PCS", most, most, Decimal("1e-20"), "1", most)
    small = Offer("DUS", most, Decimal("1e-20"), most)

    shown = lines(product(large, small, stock=(Stock("UTM", most),)), with_costs=True)

    assert any("Rp 99.999.999.999.999.999.999.999.999.999.999.999.999 (" in line for line in shown)


def test_emoji_count_twice():
    messages = packed(["\N{ROCKET}" * 2000, "\N{ROCKET}" * 47, "\N{ROCKET}"])

    assert [units(message) for message in messages] == [4096, 2]


def test_a_message_has_no_more_marks_than_telegram_keeps():
    messages = packed(["<b>a</b> <code>b</code>"] * 100)

    assert [message.count("</") for message in messages] == [MESSAGE_ENTITIES, MESSAGE_ENTITIES, 20]
