"""The made-up shop: the same each time, with what real shops have."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from backhaul.sandbox.shop import Shop, Table
from backhaul.sandbox.shop.schema import ITEM, PRICE, STOCK, TABLES, UNIT
from backhaul.sandbox.shop.tables import Column

ITEMS = 3_000


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(items=ITEMS, seed=7)


def test_the_same_seed_gives_the_same_shop_and_another_seed_another(shop: Shop) -> None:
    again, other = Shop(items=ITEMS, seed=7), Shop(items=ITEMS, seed=8)

    assert again.goods == shop.goods
    assert {good.name for good in other.goods} != {good.name for good in shop.goods}


def test_a_larger_shop_begins_with_the_goods_of_the_smaller(shop: Shop) -> None:
    assert Shop(items=10, seed=7).goods == shop.goods[:10]


def test_codes_names_and_barcodes_stand_once(shop: Shop) -> None:
    barcodes = [code for good in shop.goods for unit in good.units for code in unit.barcodes]

    for values in ([good.code for good in shop.goods], [good.name for good in shop.goods], barcodes):
        assert len(values) == len(set(values)) > ITEMS // 2


def test_all_ways_of_keeping_prices_are_met_in_their_shares(shop: Shop) -> None:
    modes = Counter(good.mode for good in shop.goods)

    assert modes["S"] > modes["J"] > modes["L"] > ITEMS // 20 < modes["O"]
    assert modes.keys() - {"O", "S", "L", "J"}


@pytest.mark.parametrize(
    "is_met",
    [
        lambda good: good.sold == "N",
        lambda good: good.deleted is None,
        lambda good: good.cost == 0,
        lambda good: any(len(unit.barcodes) > 1 for unit in good.units),
        lambda good: any(unit.cost == 0 for unit in good.units),
        lambda good: any(unit.factor == Decimal(40) for unit in good.units),
        lambda good: good.picture_bytes > 0,
        lambda good: {"\t", "\n", "\\"} & set(good.name),
        lambda good: any(price.unit not in {unit.name for unit in good.units} for price in good.prices),
        lambda good: good.mode == "O" and not good.prices,
        lambda good: good.cost is not None and any(0 < each.price < good.cost for each in good.prices[:1]),
    ],
)
def test_what_real_shops_have_is_met(shop: Shop, is_met) -> None:
    assert any(is_met(good) for good in shop.goods)


def test_a_tidy_shop_has_prices_only_for_units_that_it_lists(shop: Shop) -> None:
    tidy = Shop(items=ITEMS, seed=7, blemishes=0)

    strangers = [
        price for good in tidy.goods for price in good.prices if price.unit not in {unit.name for unit in good.units}
    ]

    assert strangers == []
    assert {good.mode for good in tidy.goods} == {"O", "S", "L", "J"}


def test_a_day_later_some_goods_are_gone_some_new_and_some_prices_other(shop: Shop) -> None:
    before = {good.code: good for good in shop.goods}
    after = {good.code: good for good in shop.next_day().goods}

    both = before.keys() & after.keys()
    assert 0 < len(before.keys() - after.keys()) == len(after.keys() - before.keys()) < ITEMS / 100
    assert 0 < sum(before[code].prices != after[code].prices for code in both) < ITEMS / 10
    assert sum(before[code].stock != after[code].stock for code in both) > ITEMS / 10
    assert all(before[code].name == after[code].name for code in both)


def test_days_follow_each_other(shop: Shop) -> None:
    second = shop.next_day().next_day()

    assert second.days == (1, 1)
    assert second.goods != shop.next_day().goods
    assert second.goods == Shop(items=ITEMS, seed=7, days=(1, 1)).goods


def test_the_columns_of_a_frame_are_those_asked_for_as_text(shop: Shop) -> None:
    frame = shop.frame(UNIT, ("satuan", "kodeitem", "hargapokok"))

    assert frame.columns == ["satuan", "kodeitem", "hargapokok"]
    assert {str(dtype) for dtype in frame.dtypes} == {"String"}
    assert frame["hargapokok"].drop_nulls().str.contains(r"^\d+\.\d{20}$").all()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_copy_line_has_one_field_for_each_column(shop: Shop, table: Table) -> None:
    small = replace(shop, items=40)

    fields = {line.count("\t") + 1 for line in table.copy_lines(small.rows(table))}

    assert fields <= {len(table.columns)}
    assert all(line.count("\n") == 1 for line in table.copy_lines(small.rows(table)))


def test_copy_text_tells_null_from_empty_and_escapes_what_it_must() -> None:
    table = Table("t", (Column("a", "text"), Column("b", "text"), Column("c", "bytea")))

    [line] = table.copy_lines([{"a": "x\ty\\N\nz\r", "b": "", "c": b"\x00\xff"}])
    [empty] = table.copy_lines([{}])

    assert line == "x\\ty\\\\N\\nz\\r\t\t\\\\x00ff\n"
    assert empty == "\\N\t\\N\t\\N\n"


def test_every_stock_and_price_row_but_one_belongs_to_an_item(shop: Shop) -> None:
    codes = set(shop.frame(ITEM, ["kodeitem"])["kodeitem"])

    strangers = [
        code
        for table in (UNIT, PRICE, STOCK)
        for code in shop.frame(table, ["kodeitem"])["kodeitem"]
        if code not in codes
    ]

    assert len(strangers) == 1
