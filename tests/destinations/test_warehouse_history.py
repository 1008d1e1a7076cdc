"""History by chosen columns, on both databases: which replaced rows are kept, and when each was replaced."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul import Warehouse
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import REMOVED_AT, Counts, Stream
from backhaul.testing.batches import BatchMaker
from tests import postgres


@dataclass
class Shop:
    """A table of prices and stock in a warehouse; changes of the price are its history."""

    warehouse: Warehouse
    execute: Callable[[str], None]
    maker: BatchMaker
    history: tuple[str, ...] = ("price",)

    @property
    def stream(self) -> Stream:
        return replace(self.maker.stream, history=self.history)

    def merge(self, frame: pl.DataFrame) -> Counts:
        changes = self.warehouse.compare(self.stream, self.maker.batch(frame))
        counts = self.warehouse.write(self.stream, changes)
        assert counts == changes.counts
        return counts

    def archive(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return what is archived, in the order in which it was replaced."""
        frames = list(self.warehouse.read("orders__archive"))
        return pl.concat(frames).sort("_archived_at", "id").select(columns).rows() if frames else []


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=postgres.needs_server)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    maker, path = BatchMaker(tmp_path / "staging", complete=True), tmp_path / "w.db"
    if request.param == "sqlite":

        def execute(script: str) -> None:
            with closing(sqlite3.connect(path)) as connection:
                connection.executescript(script)

        return Shop(Warehouse(str(path)), execute, maker)
    url = postgres.server().schema()
    return Shop(Warehouse(url), lambda script: postgres.execute(url, script), maker)


def item(price: str | None, stock: str | None, number: str = "1") -> pl.DataFrame:
    values = {"id": [number], "price": [None if price is None else Decimal(price)], "stock": [stock]}
    return pl.DataFrame(values, schema={"id": pl.String, "price": pl.Decimal(20, 2), "stock": pl.String})


def test_a_row_whose_history_columns_stay_is_updated_and_not_archived(shop: Shop) -> None:
    shop.merge(item("3500", "UTM 12"))

    assert shop.merge(item("3500", "UTM 11")) == Counts(updated=1)

    assert shop.archive("price") == []
    assert next(shop.warehouse.read("orders"))["stock"].to_list() == ["UTM 11"]


def test_a_row_whose_history_columns_change_is_archived_whole(shop: Shop) -> None:
    shop.merge(item("3500", "UTM 12"))
    shop.merge(item("3500", "UTM 11"))
    shop.merge(item("3600", "UTM 10"))

    assert shop.archive("id", "price", "stock") == [("1", Decimal(3500), "UTM 11")]


def test_no_value_differs_from_a_value_and_not_from_no_value(shop: Shop) -> None:
    for price, stock in ((None, "1"), (None, "2"), ("5", "2"), ("5", "3"), (None, "3")):
        shop.merge(item(price, stock))

    assert shop.archive("price", "stock") == [(None, "2"), (Decimal(5), "3")]


def test_more_digits_for_the_same_price_are_no_change(shop: Shop) -> None:
    shop.merge(item("3500", "1"))
    shop.merge(item("3500", "2").cast({"price": pl.Decimal(20, 6)}))

    assert shop.archive("price") == []


def test_each_of_several_history_columns_counts(shop: Shop) -> None:
    shop.history = ("price", "stock")
    frame = item("5", "1").with_columns(note=pl.lit("a"))
    shop.merge(frame)
    shop.merge(frame.with_columns(note=pl.lit("b")))
    shop.merge(frame.with_columns(stock=pl.lit("2")))

    assert shop.archive("price", "stock", "note") == [(Decimal(5), "1", "b")]


def test_without_a_history_every_replaced_row_is_archived(shop: Shop) -> None:
    shop.history = ()
    shop.merge(item("5", "1"))
    shop.merge(item("5", "2"))

    assert shop.archive("stock") == [("1",)]


def test_a_row_that_is_removed_and_one_that_is_back_are_archived(shop: Shop) -> None:
    shop.merge(pl.concat([item("5", "1"), item("7", "1", "2")]))
    shop.merge(item("5", "1"))
    shop.merge(pl.concat([item("5", "1"), item("7", "1", "2")]))

    archive = pl.concat(list(shop.warehouse.read("orders__archive"))).sort("_archived_at")
    assert archive.select("id", pl.col(REMOVED_AT).is_null()).rows() == [("2", True), ("2", False)]


def test_the_archive_says_in_utc_when_a_row_was_replaced(shop: Shop) -> None:
    shop.merge(item("5", "1"))
    before = datetime.now(UTC) - timedelta(seconds=1)

    shop.merge(item("6", "1"))

    [(by, at)] = shop.archive("_archived_by", "_archived_at")
    assert by == "batch-2"
    assert before <= at <= datetime.now(UTC) + timedelta(seconds=1)


def test_an_archive_from_before_there_was_a_history_goes_on(shop: Shop) -> None:
    shop.history = ()
    shop.merge(item("5", "1"))
    shop.merge(item("5", "2"))

    shop.history = ("price",)
    shop.merge(item("5", "3"))
    shop.merge(item("6", "3"))

    assert shop.archive("price", "stock") == [(Decimal(5), "1"), (Decimal(5), "3")]


def test_an_adopted_table_has_a_history_too(shop: Shop) -> None:
    shop.execute("CREATE TABLE orders (id text, price numeric(38,2), stock text, mine text)")
    shop.execute("INSERT INTO orders VALUES ('1', 5, '1', 'of Ibu')")
    shop.merge(item("5", "2"))
    shop.merge(item("6", "2"))

    assert shop.archive("id", "mine") == [("1", "of Ibu")]


def test_a_history_column_that_comes_later_counts_from_then_on(shop: Shop) -> None:
    shop.history = ("stock",)
    shop.merge(item("5", "1"))
    shop.history = ("stock", "note")
    shop.merge(item("5", "1").with_columns(note=pl.lit("a")))
    shop.merge(item("6", "1").with_columns(note=pl.lit("a")))

    assert shop.archive("price", "note") == [(Decimal(5), None)]


def test_a_history_column_that_a_batch_leaves_out_is_as_it_was(shop: Shop) -> None:
    shop.merge(item("5", "1"))

    assert shop.merge(item("5", "2").drop("price")) == Counts(updated=1)
    assert shop.archive("price") == []


def test_a_history_column_that_nobody_knows_is_told_before_anything_is_written(shop: Shop) -> None:
    shop.history = ("price", "harga")

    with pytest.raises(ConfigError, match=r"'harga', which its rows do not have; they have id, price, stock"):
        shop.merge(item("5", "1"))
    shop.history = ("price",)
    assert shop.merge(item("5", "1")) == Counts(new=1)
    shop.history = ("Price",)
    with pytest.raises(ConfigError, match="'Price'"):
        shop.merge(item("6", "1"))


def test_a_key_column_is_no_history(shop: Shop) -> None:
    shop.history = ("id",)

    with pytest.raises(ConfigError, match="'id' of the key"):
        shop.merge(item("5", "1"))


def test_a_batch_without_any_row_has_no_columns_to_miss(shop: Shop) -> None:
    batch = shop.maker.batch()

    assert shop.warehouse.write(shop.stream, shop.warehouse.compare(shop.stream, batch)) == Counts()


def test_the_archive_of_a_file_is_read_in_the_order_of_the_merges_also_where_the_clock_was_set_back(tmp_path):
    path = tmp_path / "w.db"
    shop = Shop(Warehouse(str(path)), lambda script: None, BatchMaker(tmp_path / "staging", complete=True))
    for price in ("1", "2", "3", "4"):
        shop.merge(item(price, "1"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE orders__archive SET _archived_at = '2001-01-01T00:00:00.000Z' WHERE price > 100")

    [archive] = shop.warehouse.read("orders__archive")

    assert archive["price"].to_list() == [Decimal(1), Decimal(2), Decimal(3)]


@pytest.mark.parametrize("name", ["_archived_at", "_archived_by", "_inserted_run"])
def test_a_batch_cannot_bring_a_column_of_the_bookkeeping(shop: Shop, name: str) -> None:
    with pytest.raises(DeliveryError, match="backhaul's own"):
        shop.merge(item("5", "1").with_columns(pl.lit("x").alias(name)))


STATES = st.lists(
    st.none() | st.tuples(st.sampled_from([None, "1", "2"]), st.sampled_from([None, "1", "2"])), max_size=8
)


@settings(max_examples=40, deadline=None)
@given(STATES)
def test_whatever_happens_to_a_row_its_prices_can_be_told_in_order(
    tmp_path_factory: pytest.TempPathFactory, states: list[tuple[str | None, str | None] | None]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    maker = BatchMaker(folder / "staging", complete=True)
    shop = Shop(Warehouse(str(folder / "w.db")), lambda script: None, maker)
    for state in states:
        shop.merge(item(*state) if state else item("1", "1").clear())

    there = list(shop.warehouse.read("orders"))
    rows = [*shop.archive("price"), *(pl.concat(there).select("price").rows() if there else [])]
    prices = [None if price is None else str(int(price)) for (price,) in rows]
    said = [state[0] for state in states if state]
    assert _without_repeats(prices) == _without_repeats(said)


def _without_repeats(values: list[str | None]) -> list[str | None]:
    return [value for at, value in enumerate(values) if at == 0 or value != values[at - 1]]
