"""What is found for what people type, on a small shelf made by hand."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.search import Catalogue, Offer, PriceColumns, SearchIndex, Stock, Way
from backhaul.search.products import product_of
from tests.search.catalogues import frame, index_of, maker, named, row

SHELF = (
    "NUSAMIE GORENG 85G",
    "NUSAMIE GORENG JUMBO 120G",
    "NUSAMIE AYAM BAWANG 70G",
    "NUSAMIE SOTO 40X70G",
    "SABUN COLEK PELITA 200G",
    "SABUN COLEK PELITA 400G",
    "SABUN CAIR PELITA 800 ML",
    "SABUN MANDI MELATI 70 GR",
    "MINYAK GORENG KENCANA 1 LITER",
    "MINYAK GORENG KENCANA 2 LITER",
    "MINYAK GORENG KENCANA POUCH 5L",
    "KECAP MANIS CAP KELINCI 520ML",
    "KECAP ASIN CAP KELINCI 135ML",
    "SUSU BUBUK GEMBIRA COKLAT 400 GR",
    "SUSU BUBUK GEMBIRA VANILA 400 GR",
    "KOPI SUSU BINTANG 20G",
    "TEH CELUP WANGI 25S",
    "GULA PASIR 1/2 KG",
    "GULA PASIR 1KG",
    "GULA MERAH BATOK",
    "DETERJEN BUBUK CLINK 770G",
    "PASTA GIGI PUTRA 190G",
    "LAMPU LED TERANG 9 WATT",
    "BATERAI KUAT AA 2",
    "ROKOK TJAP 76 ISI 12",
    "POPOK BAYI LELAP L 30",
    "POPOK BAYI LELAP XL 26",
    "SHAMPOO RAMBUTKU 170ML",
    "GG KRETEK 12",
    "MENTEGA BLUE HILL 200G",
)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return index_of(tmp_path_factory.mktemp("shelf"), named(*SHELF)).catalogue()


def first(catalogue: Catalogue, query: str) -> str:
    products = catalogue.find(query, 5).products
    return products[0].name if products else "nothing"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("nusamie goreng", "NUSAMIE GORENG 85G"),
        ("nusami goreng", "NUSAMIE GORENG 85G"),
        ("nusamie grg 85", "NUSAMIE GORENG 85G"),
        ("nsmie grng jumbo", "NUSAMIE GORENG JUMBO 120G"),
        ("goreng nusamie jmb", "NUSAMIE GORENG JUMBO 120G"),
        ("nusamie soto 40", "NUSAMIE SOTO 40X70G"),
        ("ayam bwg nusamie", "NUSAMIE AYAM BAWANG 70G"),
        ("sabun colek 400", "SABUN COLEK PELITA 400G"),
        ("sabuncolek 200gr", "SABUN COLEK PELITA 200G"),
        ("sbn colek pelita 200 gram", "SABUN COLEK PELITA 200G"),
        ("colek", "SABUN COLEK PELITA 200G"),
        ("pelita cair", "SABUN CAIR PELITA 800 ML"),
        ("saubn cair", "SABUN CAIR PELITA 800 ML"),
        ("minyak kencana 2l", "MINYAK GORENG KENCANA 2 LITER"),
        ("minyak grg 2000ml", "MINYAK GORENG KENCANA 2 LITER"),
        ("kencna 5 liter", "MINYAK GORENG KENCANA POUCH 5L"),
        ("kcp mns", "KECAP MANIS CAP KELINCI 520ML"),
        ("kecap asim klinci", "KECAP ASIN CAP KELINCI 135ML"),
        ("susu gembira cklt", "SUSU BUBUK GEMBIRA COKLAT 400 GR"),
        ("susu bubuk vanilla", "SUSU BUBUK GEMBIRA VANILA 400 GR"),
        ("kopi bintang", "KOPI SUSU BINTANG 20G"),
        ("gula 500 gr", "GULA PASIR 1/2 KG"),
        ("gula setengah", "GULA PASIR 1/2 KG"),
        ("gula pasir 1/2", "GULA PASIR 1/2 KG"),
        ("gula pasir setengah kilo", "GULA PASIR 1/2 KG"),
        ("bluehill", "MENTEGA BLUE HILL 200G"),
        ("mentega biru hill", "MENTEGA BLUE HILL 200G"),
        ("gula 1 kg", "GULA PASIR 1KG"),
        ("gula mrh", "GULA MERAH BATOK"),
        ("odol", "PASTA GIGI PUTRA 190G"),
        ("lampu 9w", "LAMPU LED TERANG 9 WATT"),
        ("batere aa", "BATERAI KUAT AA 2"),
        ("76", "ROKOK TJAP 76 ISI 12"),
        ("gg", "GG KRETEK 12"),
        ("2L", "MINYAK GORENG KENCANA 2 LITER"),
        ("popok l", "POPOK BAYI LELAP L 30"),
        ("popok xl", "POPOK BAYI LELAP XL 26"),
        ("sampo rambut ku", "SHAMPOO RAMBUTKU 170ML"),
        ("cap rokok 76", "ROKOK TJAP 76 ISI 12"),
        ("harga sabun colek 400g berapa kak", "SABUN COLEK PELITA 400G"),
        ("teh celup 🙂", "TEH CELUP WANGI 25S"),
        ("TEH, CELUP!", "TEH CELUP WANGI 25S"),
    ],
)
def test_the_first_product_is_what_was_meant(catalogue: Catalogue, query: str, name: str) -> None:
    assert first(catalogue, query) == name


def test_products_with_every_word_are_told_from_products_that_are_only_alike(catalogue: Catalogue) -> None:
    assert catalogue.find("minyak goreng").way is Way.WORDS
    assert catalogue.find("minyk gorrng").way is Way.SIMILAR
    assert catalogue.find("zzzyx").way is Way.NOTHING


def test_the_total_is_told_and_the_rest_comes_page_by_page(catalogue: Catalogue) -> None:
    one, rest = catalogue.find("sabun", 1), catalogue.find("sabun", 10, skip=1)

    assert (one.total, rest.total, len(one.products), len(rest.products)) == (4, 4, 1, 3)
    assert one.products[0] not in rest.products


def test_of_very_many_products_all_are_counted_and_the_shortest_names_come_first(tmp_path: Path) -> None:
    shelf = [f"GULA MERK {number} KEMASAN" for number in range(900)]
    catalogue = index_of(tmp_path, named(*shelf, "GULA")).catalogue()

    found = catalogue.find("gula", 3)

    assert (found.products[0].name, found.total, found.way) == ("GULA", 901, Way.WORDS)
    assert catalogue.find("gula merk 455").products[0].name == "GULA MERK 455 KEMASAN"


@pytest.mark.parametrize("query", ["", " ", "🙂🙂🙂", "\0", "' \" ;", "()*:^-", "\u202e\u2066"])
def test_a_query_without_a_word_finds_nothing(catalogue: Catalogue, query: str) -> None:
    found = catalogue.find(query)

    assert (found.products, found.total, found.way) == ((), 0, Way.NOTHING)


@pytest.mark.parametrize(
    "query",
    [
        '" OR 1=1 --',
        "gula NEAR(pasir, 2)",
        "gula* AND NOT pasir",
        "said: gula",
        "rows MATCH gula",
        '"gula',
        "gula'; DROP TABLE product; --",
        "gu\0la pasir",
        "-gula +pasir ^x",
        "\u202egula pasir",
        "גולה gula قند",
        "gula " * 800,
        "g" * 4096,
        "a1b2c3" * 600,
        "9" * 4096,
        "1/0 kg",
        "\ud800 gula",
    ],
)
def test_the_grammars_of_search_and_database_are_only_words(catalogue: Catalogue, query: str) -> None:
    found = catalogue.find(query)

    assert found.total >= len(found.products)
    assert catalogue.status().products == len(SHELF)


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=60), st.text("gulapsir2LKG x\"'*():-^", max_size=40)), st.integers(-1, 20))
def test_no_text_is_an_error(catalogue: Catalogue, query: str, limit: int) -> None:
    found = catalogue.find(query, limit)

    assert len(found.products) <= max(limit, 0)
    assert found == catalogue.find(query, limit)


def test_a_code_or_barcode_is_found_before_any_word(tmp_path: Path) -> None:
    rows = [
        row("76", "PAKU 5 CM"),
        row("B-2", "ROKOK 76", barcode="8991234567890 8991234567906"),
        row("b3", "GULA", satuan="DUS", barcode="8990000000017"),
    ]
    catalogue = index_of(tmp_path, frame(rows)).catalogue()

    assert [each.name for each in catalogue.find("8991234567906").products] == ["ROKOK 76"]
    assert [each.name for each in catalogue.find(" 899 0000 000017\n").products] == ["GULA"]
    assert [each.name for each in catalogue.find("B3").products] == ["GULA"]
    assert [each.name for each in catalogue.find("76").products] == ["PAKU 5 CM", "ROKOK 76"]
    assert catalogue.find("8991234567906").way is Way.CODE
    assert [each.code for each in catalogue.by_code("b-2")] == ["B-2"]
    assert catalogue.by_code("899123456790") == ()


def test_a_product_has_every_unit_level_and_step_in_order(tmp_path: Path) -> None:
    rows = [
        row("A", "GULA", satuan="DUS", konversi=Decimal(40), hargajual=Decimal("132000")),
        row("A", "GULA", level="2", hargajual=Decimal("3400"), jumlah_sampai="100", barcode="111 222"),
        row("A", "GULA", level="2", hargajual=Decimal("3300.50"), jumlah_sampai="-", barcode="222"),
        row("A", "GULA", level="1", jumlah_sampai="-", stok="UTM 12; GUDANG DUA -3.5"),
        row("A", "GULA", satuan="RTG", konversi=None, hargajual=None, hargapokok=None),
    ]
    (product,) = index_of(tmp_path, frame(rows)).catalogue().find("gula").products

    assert product.offers == (
        Offer("PCS", Decimal(1), Decimal(3500), Decimal(3000), level="1"),
        Offer("PCS", Decimal(1), Decimal(3400), Decimal(3000), level="2", up_to=Decimal(100)),
        Offer("PCS", Decimal(1), Decimal("3300.50"), Decimal(3000), level="2"),
        Offer("DUS", Decimal(40), Decimal(132000), Decimal(3000)),
        Offer("RTG", None, None, None),
    )
    assert product.barcodes == ("111", "222")
    assert product.stock == (Stock("UTM", Decimal(12)), Stock("GUDANG DUA", Decimal("-3.5")))
    assert (product.code, product.is_sold) == ("A", True)


def test_what_is_no_longer_sold_comes_last_and_is_marked(tmp_path: Path) -> None:
    rows = [
        row("1", "TEH WANGI", dijual=False),
        row("2", "TEH WANGI MELATI BOTOL BESAR", dijual=True),
        row("3", "TEH WANGI HIJAU", dijual=None),
    ]
    found = index_of(tmp_path, frame(rows)).catalogue().find("teh wangi")

    assert [(each.code, each.is_sold) for each in found.products] == [("3", True), ("2", True), ("1", False)]


def test_a_product_without_a_name_is_found_by_its_code_only(tmp_path: Path) -> None:
    catalogue = index_of(tmp_path, frame([row("X9", None), row("X8", "")])).catalogue()

    assert [each.name for each in catalogue.find("x9").products] == [""]
    assert catalogue.status().products == 2


def test_columns_of_another_stream_are_mapped_and_those_it_lacks_are_empty(tmp_path: Path) -> None:
    columns = PriceColumns(code="sku", name="title", price="amount")
    index = SearchIndex(str(tmp_path / "other.db"), columns=columns)
    makes = maker(tmp_path)
    makes.key = ("sku",)
    batch = makes.batch(pl.DataFrame({"sku": ["1"], "title": ["Red mug"], "amount": [12]}))
    index.write(makes.stream, index.compare(makes.stream, batch))

    (product,) = index.catalogue().find("mug red").products

    assert (product.name, product.stock, product.is_sold) == ("Red mug", None, True)
    assert product.offers == (Offer("", None, Decimal(12), None),)


@pytest.mark.parametrize(
    "text", ["1e999999", "-1e40", "1e-40", "NaN", "sNaN", "Infinity", "12.500,00", "-", "", None]
)
def test_what_is_no_amount_of_this_world_is_none(text: str | None) -> None:
    found = product_of([{"kodeitem": "A", "namaitem": "A", "satuan": "PCS", "hargajual": text}], PriceColumns())

    assert [offer.price for offer in found.offers] == [None]


def test_where_half_of_the_words_fit_the_nearest_is_shown(catalogue: Catalogue) -> None:
    found = catalogue.find("minyak telon bayi", 2)

    assert found.way is Way.SIMILAR
    assert [each.name for each in found.products] == [
        "MINYAK GORENG KENCANA 1 LITER",
        "MINYAK GORENG KENCANA 2 LITER",
    ]
