"""The catalogue of small shops made by hand: each way of keeping prices, and what real data gets wrong."""

from decimal import Decimal as D
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul import SourceChanged
from systems.toko.rules.catalogue import catalogue
from systems.toko.tables import ITEM, KEY, PRICE, STOCK, UNIT
from systems.toko.tests.tables import DUS, PCS, Row, shop, soap

COLUMNS = [
    "namaitem", "konversi", "satuan", "hargapokok", "hargajual", "kodeitem", "level", "jumlah_sampai", "cara_harga",
    "barcode", "stok", "dijual", "statushapus",
]  # fmt: skip


def offers(tables: dict[str, pl.DataFrame]) -> list[tuple[Any, ...]]:
    """Return unit, level, quantity and price of each row."""
    return catalogue(tables).select("satuan", "level", "jumlah_sampai", "hargajual").rows()


def only(tables: dict[str, pl.DataFrame], column: str) -> Any:
    """Return the value of a column in the only row."""
    [value] = catalogue(tables)[column].to_list()
    return value


def test_the_five_columns_of_old_come_first() -> None:
    frame = catalogue(shop(soap("O", hargajual1="3500.000")))

    assert frame.columns == COLUMNS
    assert frame.row(0)[:6] == ("SABUN COLEK 200G", D(1), "PCS", D(3000), D(3500), "A1")


def test_one_price_holds_for_the_base_unit_and_other_units_have_none() -> None:
    tables = shop(soap("O", hargajual1="3500.000"), [PCS, DUS])

    assert offers(tables) == [("PCS", "-", "-", D(3500)), ("DUS", "-", "-", None)]


def test_one_price_needs_no_row_of_units_or_prices_and_heeds_none() -> None:
    left_over = [{"satuan": "PCS", "hargajual": "9999", "level": "1"}]

    assert offers(shop(soap("O", hargajual1="3500.000"))) == [("PCS", "-", "-", D(3500))]
    assert offers(shop(soap("O", hargajual1="3500.000"), [PCS], left_over)) == [("PCS", "-", "-", D(3500))]


def test_a_price_per_unit_says_no_level_and_no_quantity_whatever_its_row_says() -> None:
    prices: list[Row] = [
        {"satuan": "PCS", "hargajual": "3500.00000000000000000000", "level": "1", "jmlsampai": "0.000"},
        {"satuan": "DUS", "hargajual": "132000.00000000000000000000", "level": None, "jmlsampai": "7.000"},
    ]

    found = offers(shop(soap("S", hargajual1="1.000"), [PCS, DUS], prices))

    assert found == [("PCS", "-", "-", D(3500)), ("DUS", "-", "-", D(132000))]


def test_a_price_per_level_is_a_row_for_each_level() -> None:
    prices = [
        {"satuan": "PCS", "hargajual": "3500", "level": "1", "jmlsampai": "0.000"},
        {"satuan": "PCS", "hargajual": "3400", "level": "2", "jmlsampai": "0.000"},
    ]

    assert offers(shop(soap("L"), [PCS], prices)) == [("PCS", "1", "-", D(3500)), ("PCS", "2", "-", D(3400))]


def test_a_price_by_quantity_is_a_row_for_each_step_small_ones_first() -> None:
    prices = [
        {"satuan": "PCS", "hargajual": "3300", "level": "1", "jmlsampai": "100.000"},
        {"satuan": "PCS", "hargajual": "3500", "level": "1", "jmlsampai": "10.000"},
        {"satuan": "PCS", "hargajual": "3600", "level": "1", "jmlsampai": "2.500"},
        {"satuan": "PCS", "hargajual": "3000", "level": "1", "jmlsampai": "0.000"},
    ]

    found = offers(shop(soap("J"), [PCS, DUS], prices))

    assert found == [
        ("PCS", "-", "-", D(3000)),
        ("PCS", "-", "2.5", D(3600)),
        ("PCS", "-", "10", D(3500)),
        ("PCS", "-", "100", D(3300)),
        ("DUS", "-", "-", None),
    ]


@pytest.mark.parametrize("mode", ["X", "", None, "  "])
def test_an_unknown_way_is_taken_by_what_price_rows_there_are(mode: str | None) -> None:
    prices = [{"satuan": "PCS", "hargajual": "3500", "level": "2", "jmlsampai": "10.000"}]

    assert offers(shop(soap(mode, hargajual1="1.000"), [PCS], prices)) == [("PCS", "2", "10", D(3500))]
    assert offers(shop(soap(mode, hargajual1="3400.000"), [PCS])) == [("PCS", "-", "-", D(3400))]
    assert only(shop(soap(mode)), "cara_harga") == ("X" if mode == "X" else None)


def test_small_letters_and_spaces_in_codes_are_the_same() -> None:
    prices = [{"kodeitem": "A1 ", "satuan": " PCS", "hargajual": "3500"}]

    assert offers(shop(soap("s "), [PCS], prices)) == [("PCS", "-", "-", D(3500))]


def test_an_item_of_another_mode_without_price_rows_has_no_price() -> None:
    assert offers(shop(soap("J", hargajual1="3500.000"), [PCS])) == [("PCS", "-", "-", None)]


def test_a_price_row_without_a_unit_is_for_the_base_unit() -> None:
    assert offers(shop(soap("S"), [PCS], [{"satuan": None, "hargajual": "3500"}])) == [("PCS", "-", "-", D(3500))]


def test_a_price_in_a_unit_that_is_not_listed_stands_without_conversion_and_cost() -> None:
    frame = catalogue(shop(soap("S"), [PCS], [{"satuan": "BOX", "hargajual": "90000"}]))

    assert frame.filter(satuan="BOX").select("konversi", "hargapokok", "hargajual").rows() == [(None, None, D(90000))]


def test_the_base_unit_converts_by_one_where_nothing_is_said() -> None:
    assert only(shop(soap("O")), "konversi") == D(1)
    assert only(shop(soap("O"), [{**PCS, "jumlahkonv": "0.000"}]), "konversi") == D(1)


def test_a_conversion_of_nothing_says_nothing() -> None:
    frame = catalogue(shop(soap("O"), [PCS, {**DUS, "jumlahkonv": "0.000"}]))

    assert frame.filter(satuan="DUS")["konversi"].to_list() == [None]


@pytest.mark.parametrize(
    ("of_unit", "of_item", "cost"),
    [
        ("118000.00", "3000", D(118000)),
        ("0.00", "3000", D(120000)),
        (None, "3000", D(120000)),
        ("0.00", None, D(0)),
        (None, None, None),
        ("0.00", "2833.33333333333333333333", D("113333.333333")),
        ("0.00", "0.00000001250000000000", D("0.000001")),
        (None, "99999999999.0", None),
    ],
)
def test_the_cost_of_a_unit_is_its_own_or_that_of_the_item_for_as_much_as_it_holds(
    of_unit: str | None, of_item: str | None, cost: D | None
) -> None:
    frame = catalogue(shop(soap("O", hargapokok=of_item), [{**DUS, "hargapokok": of_unit}]))

    assert frame.filter(satuan="DUS")["hargapokok"].to_list() == [cost]


def test_several_barcodes_of_a_unit_are_gathered_and_multiply_nothing() -> None:
    units = [{**PCS, "kodebarcode": code} for code in ("2000000000022", None, "2000000000015", "2000000000022", "")]

    frame = catalogue(shop(soap("S"), units, [{"satuan": "PCS", "hargajual": "3500"}]))

    assert frame.select("barcode", "hargajual").rows() == [("2000000000015 2000000000022", D(3500))]


def test_stock_is_told_per_place_the_fullest_first() -> None:
    stock: list[Row] = [
        {"kantor": "GDG", "stok": "3.000"},
        {"kantor": "UTM", "stok": "12.500"},
        {"kantor": "TKO", "stok": "-2.000"},
        {"kantor": "SAMA", "stok": "3.000"},
        {"kantor": "KOSONG", "stok": None},
    ]

    assert only(shop(soap("O"), stock=stock), "stok") == "UTM 12.5; GDG 3; SAMA 3; TKO -2"
    assert only(shop(soap("O")), "stok") is None


def test_several_rows_of_a_place_add_up() -> None:
    stock = [{"kantor": "UTM", "stok": "3.000"}, {"kantor": "UTM", "stok": "4.000"}]

    assert only(shop(soap("O"), stock=stock), "stok") == "UTM 7"


@pytest.mark.parametrize(("said", "is_sold"), [("Y", True), ("y ", True), ("N", False), ("T", False), (None, None)])
def test_whether_an_item_is_sold(said: str | None, is_sold: bool | None) -> None:
    assert only(shop(soap("O", statusjual=said)), "dijual") is is_sold


@pytest.mark.parametrize("order", [1, -1])
def test_of_contradicting_prices_the_one_changed_last_wins(order: int) -> None:
    prices: list[Row] = [
        {"satuan": "PCS", "hargajual": "3500", "dateupd": "2025-09-11 10:00:00", "iddetail": "1"},
        {"satuan": "PCS", "hargajual": "3600", "dateupd": "2025-09-11 10:00:00.5", "iddetail": "0"},
        {"satuan": "PCS", "hargajual": "9000", "dateupd": None, "iddetail": "9"},
    ]

    assert offers(shop(soap("S"), [PCS], prices[::order])) == [("PCS", "-", "-", D(3600))]


def test_the_same_price_twice_is_one_row() -> None:
    prices = [{"satuan": "PCS", "hargajual": "3500", "iddetail": number} for number in "12"]

    assert offers(shop(soap("S"), [PCS], prices)) == [("PCS", "-", "-", D(3500))]


def test_money_keeps_the_digits_it_has_and_no_more() -> None:
    prices = [{"satuan": "PCS", "hargajual": "3500.50000000000000000000"}]
    rounded = [{"satuan": "PCS", "hargajual": "0.12345650000000000000"}]

    assert catalogue(shop(soap("S"), [PCS], prices)).schema["hargajual"] == pl.Decimal(38, 1)
    assert only(shop(soap("S"), [PCS], rounded), "hargajual") == D("0.123457")


def test_names_come_through_as_they_are() -> None:
    name = 'SABUN "COLEK"\t1\\2\nKILO ½'

    assert only(shop(soap("O", namaitem=name)), "namaitem") == name


def test_a_shop_without_items_has_an_empty_catalogue_of_the_same_columns() -> None:
    frame = catalogue(shop([]))

    assert (frame.height, frame.columns) == (0, COLUMNS)


def test_prices_of_items_that_are_gone_are_left_out() -> None:
    prices = [{"satuan": "PCS", "hargajual": "3500"}, {"kodeitem": "GONE", "satuan": "PCS", "hargajual": "1"}]

    assert catalogue(shop(soap("S"), [PCS], prices))["kodeitem"].to_list() == ["A1"]


@pytest.mark.parametrize("table", [UNIT, PRICE, STOCK])
def test_tables_that_do_not_fit_together_are_refused(table: str) -> None:
    tables = shop(soap("S"), [PCS], [{"satuan": "PCS", "hargajual": "3500"}], [{"kantor": "UTM", "stok": "1"}])
    tables[table] = tables[table].with_columns(kodeitem=pl.lit("PCS"))

    with pytest.raises(SourceChanged, match=f"{table}: only 0 of 1 rows find their item"):
        catalogue(tables)


def test_a_column_that_holds_no_numbers_is_refused_without_its_values() -> None:
    tables = shop(soap("S"), [PCS], [{"satuan": "PCS", "hargajual": "SABUN"}])

    with pytest.raises(SourceChanged, match="tbl_itemhj: column 'hargajual' holds 1 values that are no") as caught:
        catalogue(tables)
    assert "SABUN" not in str(caught.value)


def test_what_postgresql_calls_not_a_number_is_no_price() -> None:
    assert offers(shop(soap("S"), [PCS], [{"satuan": "PCS", "hargajual": "NaN"}])) == [("PCS", "-", "-", None)]


CODES = st.sampled_from(["A1", "A2", "A3 "])
UNITS = st.sampled_from(["PCS", "DUS", " ", None])
AMOUNTS = st.one_of(st.none(), st.decimals(0, 10**6, places=3).map(lambda number: f"{number:.3f}"))
DAYS = st.sampled_from([None, "2025-09-11 10:00:00", "2025-09-12 10:00:00"])
SHOPS = st.fixed_dictionaries(
    {
        "item": st.lists(
            st.fixed_dictionaries(
                {
                    "kodeitem": CODES,
                    "namaitem": st.text(max_size=5),
                    "satuan": UNITS,
                    "sistemhargajual": st.sampled_from(["O", "S", "L", "J", "?", None]),
                    "hargapokok": AMOUNTS,
                    "hargajual1": AMOUNTS,
                }
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda row: str(row["kodeitem"]).strip(),
        ),
        "unit": st.lists(
            st.fixed_dictionaries({"satuan": UNITS, "jumlahkonv": AMOUNTS, "hargapokok": AMOUNTS, "dateupd": DAYS}),
            max_size=6,
        ),
        "price": st.lists(
            st.fixed_dictionaries(
                {
                    "satuan": UNITS,
                    "hargajual": AMOUNTS,
                    "level": st.sampled_from([None, "1", "2"]),
                    "jmlsampai": AMOUNTS,
                    "dateupd": DAYS,
                }
            ),
            max_size=8,
        ),
    }
)


@settings(max_examples=50)
@given(rows=SHOPS, places=st.randoms(use_true_random=False))
def test_whatever_a_shop_holds_each_key_stands_once_and_the_order_of_rows_is_nothing(
    rows: dict[str, list[Row]], places: Any
) -> None:
    codes = [row["kodeitem"] for row in rows["item"]]
    for table in ("unit", "price"):
        rows[table] = [{**row, "kodeitem": places.choice(codes)} for row in rows[table]]

    frame = catalogue(shop(**rows))
    shuffled = {table: places.sample(listed, len(listed)) for table, listed in rows.items()}

    known = {str(code).strip() for code in codes}
    assert not frame.select(KEY).is_duplicated().any()
    assert set(frame["kodeitem"]) == known
    assert frame.select(pl.all_horizontal(pl.col(name).is_not_null() for name in KEY).all()).item() in (True, None)
    assert catalogue(shop(**shuffled)).equals(frame)


def test_every_price_of_a_whole_made_up_shop_is_there() -> None:
    from backhaul.sandbox.shop import Shop
    from backhaul.sandbox.shop import schema as ipos

    made_up = Shop(items=2_000, seed=11, blemishes=0)
    tables = {each.name: made_up.frame(each) for each in (ipos.ITEM, ipos.UNIT, ipos.PRICE, ipos.STOCK)}

    frame = catalogue(tables)

    prices = sum(len(good.prices) for good in made_up.goods) + sum(good.mode == "O" for good in made_up.goods)
    assert frame["hargajual"].count() == prices
    assert {ITEM, STOCK} <= tables.keys()
    assert frame["kodeitem"].n_unique() == 2_000


@pytest.mark.parametrize(
    "price", ["1000000000000", "8991234567890123", "1" + "0" * 20, "-1" + "0" * 20, "1e20", "9" * 40 + ".5"]
)
def test_a_price_too_large_to_be_true_is_left_out_and_told_and_the_others_stand(price: str) -> None:
    heard: list[str] = []
    prices = [{"satuan": "PCS", "hargajual": price}, {"satuan": "DUS", "hargajual": "132000.123456"}]

    found = catalogue(shop(soap("S"), [PCS, DUS], prices), heard.append)

    assert found["hargajual"].to_list() == [None, D("132000.123456")]
    assert heard == ["left out: 1 value of 1,000,000,000,000 or more in column 'hargajual' of tbl_itemhj"]


def test_a_cost_and_a_factor_too_large_to_be_true_are_left_out() -> None:
    heard: list[str] = []
    large: list[Row] = [
        {"satuan": "DUS", "jumlahkonv": "8991234567890", "hargapokok": "0"},
        {"satuan": "PAK", "jumlahkonv": "9000000", "hargapokok": "0"},
    ]

    found = catalogue(shop(soap("S", hargapokok="900000"), [PCS, *large]), heard.append)

    units = dict(found.select("satuan", "konversi").rows())
    assert (units["DUS"], units["PAK"]) == (None, D(9_000_000))
    assert dict(found.select("satuan", "hargapokok").rows()) == {"PCS": D(3000), "DUS": D(0), "PAK": None}
    assert heard == [
        "left out: 1 value of 1,000,000,000,000 or more in column 'jumlahkonv' of tbl_itemsatuanjml",
        "left out: 1 cost of 1,000,000,000,000 or more",
    ]
