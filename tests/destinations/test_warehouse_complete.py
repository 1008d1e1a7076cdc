"""Complete streams in the warehouse, on both databases: what is gone is marked and archived, and may come back."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import Warehouse
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, Counts
from backhaul.testing.batches import BatchMaker
from tests import postgres


@dataclass(frozen=True)
class Place:
    """A warehouse, and the way around it: what people and programs do to its database."""

    warehouse: Warehouse
    execute: Callable[[str], None]
    select: Callable[[str], list[tuple[Any, ...]]]

    def rows(self, table: str = "orders") -> pl.DataFrame:
        return pl.concat(list(self.warehouse.read(table))).sort("id")

    def removed(self) -> list[str]:
        """Return the ids that are marked."""
        return self.rows().filter(pl.col(REMOVED_AT).is_not_null())["id"].to_list()


def in_file(path: Path) -> Place:
    def execute(script: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)

    def select(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(query).fetchall()

    return Place(Warehouse(str(path)), execute, select)


def on_server() -> Place:
    url = postgres.server().schema()
    return Place(
        Warehouse(url), lambda script: postgres.execute(url, script), lambda query: postgres.select(url, query)
    )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=postgres.needs_server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return in_file(tmp_path / "w.db") if request.param == "sqlite" else on_server()


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging", complete=True)


def orders(*ids: str, total: int = 5) -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "total": [total] * len(ids)}, schema={"id": pl.String, "total": pl.Int64})


def merge(place: Place, maker: BatchMaker, frame: pl.DataFrame) -> Counts:
    changes = place.warehouse.compare(maker.stream, maker.batch(frame))
    counts = place.warehouse.write(maker.stream, changes)
    assert counts == changes.counts
    return counts


def test_a_row_is_marked_with_the_moment_it_was_first_missing(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))
    before = datetime.now(UTC) - timedelta(seconds=1)

    merge(place, maker, orders("1"))

    [first] = place.rows()[REMOVED_AT].drop_nulls().to_list()
    assert before <= first <= datetime.now(UTC) + timedelta(seconds=1)
    assert merge(place, maker, orders("1", "3")) == Counts(new=1, unchanged=1)
    assert place.rows()[REMOVED_AT].drop_nulls().to_list() == [first]


def test_what_a_removed_row_was_before_is_archived(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))
    merge(place, maker, orders("1"))
    merge(place, maker, orders("1", "2", total=6))

    archive = pl.concat(list(place.warehouse.read("orders__archive")))

    told = archive.select("id", "total", pl.col(REMOVED_AT).is_not_null(), "_archived_by").sort("_archived_by", "id")
    assert told.rows() == [("2", 5, False, "batch-2"), ("1", 5, False, "batch-3"), ("2", 5, True, "batch-3")]
    assert place.select("SELECT id, _updated_run FROM orders ORDER BY id") == [("1", "batch-3"), ("2", "batch-3")]


def test_a_row_that_is_back_unchanged_is_an_update(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))
    merge(place, maker, orders("1"))

    assert merge(place, maker, orders("1", "2")) == Counts(unchanged=1, updated=1)
    assert place.removed() == []


def test_a_row_of_nothing_but_its_key_comes_back_too(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, pl.DataFrame({"id": ["1", "2"]}))
    assert merge(place, maker, pl.DataFrame({"id": ["1"]})) == Counts(unchanged=1, removed=1)

    assert merge(place, maker, pl.DataFrame({"id": ["1", "2"]})) == Counts(unchanged=1, updated=1)
    assert place.removed() == []


def test_rows_of_people_are_not_marked(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))
    place.execute("INSERT INTO orders (id, total) VALUES ('own', 1)")

    assert merge(place, maker, orders("1")) == Counts(unchanged=1, removed=1)
    assert place.removed() == ["2"]


def test_a_table_that_people_had_before_has_no_row_that_could_be_gone(place: Place, maker: BatchMaker) -> None:
    place.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER)")
    place.execute("INSERT INTO orders VALUES (1, 5), (2, 5)")

    assert merge(place, maker, orders("1", "3")) == Counts(new=1, unchanged=1)
    assert merge(place, maker, orders("1")) == Counts(unchanged=1, removed=1)
    assert place.rows().filter(pl.col(REMOVED_AT).is_not_null())["id"].to_list() == [3]


def test_an_empty_batch_of_a_complete_stream_removes_everything(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))

    assert merge(place, maker, orders()) == Counts(removed=2)
    assert merge(place, maker, orders()) == Counts()
    assert place.removed() == ["1", "2"]


def test_an_empty_batch_makes_no_table(place: Place, maker: BatchMaker) -> None:
    assert merge(place, maker, orders()) == Counts()
    assert place.warehouse.tables() == []


def test_a_key_of_several_columns_tells_what_is_gone(place: Place, tmp_path: Path) -> None:
    maker = BatchMaker(tmp_path / "pairs", key=("shop", "id"), complete=True)
    merge(place, maker, pl.DataFrame({"shop": ["a", "b", "a"], "id": ["1", "1", "2"]}))

    assert merge(place, maker, pl.DataFrame({"shop": ["b", "a"], "id": ["1", "2"]})) == Counts(unchanged=2, removed=1)
    found = place.rows().filter(pl.col(REMOVED_AT).is_not_null())
    assert found.select("shop", "id").rows() == [("a", "1")]


def test_rows_that_went_while_others_came_are_counted_apart(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2", "3", "4"))

    counts = merge(place, maker, pl.DataFrame({"id": ["2", "3", "5", "5"], "total": [5, 6, 7, 8]}))

    assert counts == Counts(new=1, updated=1, unchanged=1, duplicate=1, removed=2)
    assert counts.rows == 4


def test_the_receipt_keeps_what_was_removed(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))
    changes = place.warehouse.compare(maker.stream, maker.batch(orders("1")))
    first = place.warehouse.write(maker.stream, changes)
    place.execute("UPDATE orders SET removed_at = NULL")

    again = place.warehouse.write(maker.stream, changes)

    assert first == again == Counts(unchanged=1, removed=1)
    assert place.removed() == []


def test_receipts_of_an_earlier_version_get_the_count(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2"))
    place.execute("ALTER TABLE _backhaul_receipts DROP COLUMN removed")

    merge(place, maker, orders("1"))

    assert place.select("SELECT batch_id, removed FROM _backhaul_receipts ORDER BY batch_id") == [
        ("batch-1", None),
        ("batch-2", 1),
    ]


def test_a_row_that_went_between_comparison_and_write_is_not_counted(place: Place, maker: BatchMaker) -> None:
    merge(place, maker, orders("1", "2", "3"))
    changes = place.warehouse.compare(maker.stream, maker.batch(orders("1")))
    place.execute("DELETE FROM orders WHERE id = '2'")

    assert changes.counts == Counts(unchanged=1, removed=2)
    assert place.warehouse.write(maker.stream, changes) == Counts(unchanged=1, removed=1)


def test_a_column_of_our_name_and_another_type_is_refused(place: Place, maker: BatchMaker) -> None:
    place.execute("CREATE TABLE orders (id VARCHAR(9) PRIMARY KEY, total INTEGER, removed_at INTEGER)")

    with pytest.raises(DeliveryError, match="'removed_at' is of another type"):
        merge(place, maker, orders("1"))


def test_a_batch_with_a_column_of_our_name_is_refused(place: Place, maker: BatchMaker) -> None:
    with pytest.raises(DeliveryError, match="'removed_at' is backhaul's own"):
        merge(place, maker, orders("1").with_columns(pl.lit("x").alias(REMOVED_AT)))


def test_a_column_of_that_name_is_data_to_a_stream_that_is_not_complete(place: Place, tmp_path: Path) -> None:
    maker = BatchMaker(tmp_path / "plain")
    frame = orders("1").with_columns(pl.lit("besok").alias(REMOVED_AT))

    assert merge(place, maker, frame) == Counts(new=1)
    assert merge(place, maker, frame) == Counts(unchanged=1)


@postgres.needs_server
def test_a_row_that_postgres_refuses_is_not_gone(tmp_path: Path) -> None:
    place, maker = on_server(), BatchMaker(tmp_path / "staging", complete=True)
    merge(place, maker, pl.DataFrame({"id": ["1", "2"], "note": ["a", "b"]}))

    counts = merge(place, maker, pl.DataFrame({"id": ["1", "2"], "note": ["a", "b\0"]}))

    assert counts == Counts(unchanged=1, rejected=1)
    assert REMOVED_AT not in place.rows().columns


@pytest.mark.slow
def test_many_keys_are_compared_at_once(place: Place, maker: BatchMaker) -> None:
    frame = pl.select(id=pl.int_range(60_000).cast(pl.String), total=pl.int_range(60_000))
    merge(place, maker, frame)

    counts = merge(place, maker, frame.filter(pl.col("total") % 3 > 0))

    assert counts == Counts(unchanged=40_000, removed=20_000)
