"""The checks of the catalogue: what stops it, and what the owner hears of."""

from datetime import UTC, datetime

import polars as pl
import pytest

from backhaul import Severity
from backhaul.model import BatchFacts
from systems.toko.checks import CHECKS
from systems.toko.rules.catalogue import catalogue
from systems.toko.tests.tables import DUS, PCS, shop, soap

NOW = datetime(2025, 9, 12, 5, tzinfo=UTC)
BY_PIECE = [{"satuan": "PCS", "hargajual": "3500"}]


def told(frame: pl.DataFrame, *earlier: int) -> dict[str, tuple[Severity, str]]:
    """Return what each table check says of a batch, by its name."""
    facts = BatchFacts(frame.lazy(), frame.height, earlier, None, NOW)
    said = {each.name: (each.severity, each.rule(facts)) for each in CHECKS}
    return {name: (severity, words) for name, (severity, words) in said.items() if words}


def test_a_sound_catalogue_passes() -> None:
    frame = catalogue(shop(soap("S", statushapus="N"), [PCS, DUS], BY_PIECE))

    assert told(frame, frame.height) == {}


def test_an_empty_catalogue_is_stopped() -> None:
    assert told(catalogue(shop([]))) == {"volume": (Severity.STOP, "0 rows; expected 1 to 50000000")}


def test_a_catalogue_without_a_column_is_stopped() -> None:
    frame = catalogue(shop(soap("O", hargajual1="1"))).drop("statushapus").rename({"hargapokok": "hpp"})

    [columns] = [each for each in CHECKS if each.name == "columns"]
    assert columns.rule(BatchFacts(frame.lazy(), frame.height, (), None, NOW)) == "missing: hargapokok"


@pytest.mark.parametrize(("before", "is_stopped"), [(2, False), (3, True)])
def test_a_catalogue_that_has_shrunk_by_more_than_a_fifth_is_stopped(before: int, is_stopped: bool) -> None:
    frame = catalogue(shop(soap("S"), [PCS, DUS], BY_PIECE))

    assert ("shrinkage" in told(frame, before)) is is_stopped


def test_negative_prices_and_costs_are_left_out_and_told_and_their_rows_stay() -> None:
    remarks: list[str] = []

    cheap = catalogue(shop(soap("S", hargapokok="-5"), price=[{"satuan": "PCS", "hargajual": "-1"}]), remarks.append)

    assert cheap.select("hargajual", "hargapokok").rows() == [(None, None)]
    assert remarks == ["left out: 1 price below 0", "left out: 1 cost below 0"]


def test_prices_of_items_that_are_gone_are_told() -> None:
    remarks: list[str] = []
    gone = [{"satuan": "PCS", "hargajual": "1"}, {"satuan": "PCS", "hargajual": "2", "kodeitem": "GONE"}]

    catalogue(shop(soap("S"), [PCS], gone), remarks.append)

    assert remarks == ["left out: 1 row of tbl_itemhj without an item"]


def test_selling_below_cost_is_told_with_the_number_of_items() -> None:
    prices = [{"satuan": "PCS", "hargajual": "2500"}, {"satuan": "DUS", "hargajual": "100000"}]

    said = told(catalogue(shop(soap("S"), [PCS, DUS], prices)))

    assert said == {"below cost": (Severity.WARN, "1 item, 2 prices in all")}


def test_what_is_not_sold_may_cost_what_it_likes() -> None:
    prices = [{"satuan": "PCS", "hargajual": "1"}]

    assert told(catalogue(shop(soap("S", statusjual="N"), [PCS], prices))) == {}


def test_items_without_a_name_a_cost_or_a_price_are_told() -> None:
    frame = catalogue(shop(soap("S", namaitem=None, hargapokok=None)))

    assert told(frame) == {
        "empty values": (Severity.WARN, "namaitem in 1 row, hargapokok in 1 row"),
        "no price": (Severity.WARN, "1 item of those that are sold"),
    }


def test_values_that_nobody_knows_the_meaning_of_are_told_if_they_are_codes() -> None:
    items = [
        soap("X", kodeitem="A1", hargajual1="5000", statushapus="Q"),
        soap(None, kodeitem="A2", hargajual1="5000", statushapus="Dua belas"),
        soap("O", kodeitem="A3", hargajual1="5000", statusjual="?"),
    ]

    said = {name: words for name, (_, words) in told(catalogue(shop(items))).items()}

    taken = "prices were taken from what rows there are"
    assert said == {
        "ways of keeping prices": f"cara_harga is '' of 1 item, 'X' of 1 item; {taken}",
        "deleted": "statushapus is '?' of 1 item, 'Q' of 1 item; shown as all others",
        "for sale": "of 1 item the backup does not say whether it is sold; shown as sold",
    }
