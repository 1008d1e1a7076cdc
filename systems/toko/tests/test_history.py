"""Price changes out of the catalogue and its archive."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import polars as pl

from systems.toko.rules.history import price_changes
from systems.toko.tables import CHANGE_KEY

NOON = datetime(2025, 9, 12, 5, tzinfo=UTC)


def rows(*facts: tuple[str, D | None, D | None, datetime | None]) -> pl.DataFrame:
    """Return rows of item, price, cost and when they were replaced, all for one unit."""
    moment = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "namaitem": [f"BARANG {code}" for code, *_ in facts],
            "kodeitem": [code for code, *_ in facts],
            "hargajual": pl.Series([price for _, price, _, _ in facts], dtype=pl.Decimal(38, 2)),
            "hargapokok": pl.Series([cost for _, _, cost, _ in facts], dtype=pl.Decimal(38, 4)),
            "_archived_at": pl.Series([at for *_, at in facts], dtype=moment),
        }
    ).with_columns(
        satuan=pl.lit("PCS"), level=pl.lit("-"), jumlah_sampai=pl.lit("-"), removed_at=pl.lit(None, moment)
    )


def now(*facts: tuple[str, D | None, D | None]) -> pl.DataFrame:
    return rows(*((*each, None) for each in facts)).drop("_archived_at")


def found(present: pl.DataFrame, archive: pl.DataFrame) -> list[tuple[object, ...]]:
    columns = ("kodeitem", "harga_lama", "harga_baru", "pokok_lama", "pokok_baru", "berubah_pada")
    return price_changes(present, archive).select(columns).rows()


def test_a_replaced_price_is_a_change_to_what_is_there_now() -> None:
    archive = rows(("A1", D(3500), D(3000), NOON))

    assert found(now(("A1", D(3600), D(3000))), archive) == [("A1", D(3500), D(3600), D(3000), D(3000), NOON)]


def test_each_change_leads_to_the_next_one_and_the_newest_comes_first() -> None:
    later = NOON + timedelta(days=1)
    archive = rows(("A1", D(3500), D(3000), NOON), ("A2", D(10), D(8), NOON), ("A1", D(3600), D(3000), later))

    assert found(now(("A2", D(11), D(8)), ("A1", D(3700), D(3100))), archive) == [
        ("A1", D(3600), D(3700), D(3000), D(3100), later),
        ("A1", D(3500), D(3600), D(3000), D(3000), NOON),
        ("A2", D(10), D(11), D(8), D(8), NOON),
    ]


def test_where_the_clock_was_set_back_changes_follow_each_other_as_they_came() -> None:
    archive = rows(("A1", D(10), None, NOON), ("A1", D(11), None, NOON - timedelta(days=900)))

    assert sorted(each[1:3] for each in found(now(("A1", D(12), None)), archive)) == [(D(10), D(11)), (D(11), D(12))]


def test_a_row_that_was_replaced_for_another_reason_is_no_change() -> None:
    archive = rows(("A1", D(3500), D(3000), NOON))

    assert found(now(("A1", D("3500.00"), D(3000))), archive) == []


def test_an_item_that_was_gone_for_a_day_changed_when_it_came_back() -> None:
    back = NOON + timedelta(days=1)
    archive = rows(("A1", D(3500), None, NOON), ("A1", D(3500), None, back))

    assert found(now(("A1", D(3600), None)), archive) == [("A1", D(3500), D(3600), None, None, back)]


def test_a_price_that_came_or_went_is_a_change() -> None:
    archive = rows(("A1", None, D(3000), NOON), ("A2", D(5), None, NOON))

    assert found(now(("A1", D(3500), D(3000)), ("A2", None, None)), archive) == [
        ("A1", None, D(3500), D(3000), D(3000), NOON),
        ("A2", D(5), None, None, None, NOON),
    ]


def test_the_name_is_the_one_after_the_change() -> None:
    present = now(("A1", D(2), None)).with_columns(namaitem=pl.lit("NAMA BARU"))

    assert price_changes(present, rows(("A1", D(1), None, NOON)))["namaitem"].to_list() == ["NAMA BARU"]


def test_without_an_archive_there_is_no_change_and_the_key_is_there() -> None:
    archive = rows(("A1", D(1), None, NOON)).clear()

    changes = price_changes(now(("A1", D(1), None)), archive)

    assert (changes.height, set(CHANGE_KEY) <= set(changes.columns)) == (0, True)
