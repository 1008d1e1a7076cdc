"""The facts that travel through a run."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from backhaul import Stream, Warehouse, Window
from backhaul.model import Changes, Counts, RowClass, StreamOptions
from backhaul.testing.batches import BatchMaker, NoSource


def made(key: str | list[str] = "id", **options: object) -> Stream:
    rest: StreamOptions = options  # type: ignore[assignment]
    return Stream.made_by(NoSource(), "orders", key=key, request=None, options=rest)


def test_a_window_says_a_day_or_a_range() -> None:
    day = date(2025, 9, 12)

    assert str(Window(day, day, "UTC")) == "2025-09-12"
    assert str(Window(day, date(2025, 9, 13), "UTC")) == "2025-09-12..2025-09-13"


def test_a_window_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="window starts on 2025-09-12, after its end 2025-09-11"):
        Window(date(2025, 9, 12), date(2025, 9, 11), "UTC")


def test_counts_add_up_field_by_field() -> None:
    total = Counts(1, 2, 3, 4, 5) + Counts(new=10, rejected=10)

    assert total == Counts(11, 2, 3, 4, 15)
    assert total.rows == 35


def test_lone_values_are_brought_into_tuples() -> None:
    warehouse = Warehouse("a.db")

    stream = made(to=warehouse)

    assert (stream.key, stream.to, stream.checks) == (("id",), (warehouse,), ())


def test_several_keys_and_destinations_keep_their_order() -> None:
    stream = made(["shop", "id"], to=[Warehouse("a.db", "a"), Warehouse("b.db", "b")])

    assert stream.key == ("shop", "id")
    assert [each.name for each in stream.to] == ["a", "b"]


def test_the_curated_table_is_the_streams_name_unless_it_is_named() -> None:
    assert made().target == "orders"
    assert made(table="all_orders").target == "all_orders"


def test_changes_give_their_rows_class_by_class_over_all_parts(tmp_path: Path) -> None:
    parts = [pl.DataFrame({"id": ["1", "2"]}), pl.DataFrame({"id": ["3"]}), pl.DataFrame({"id": ["4", "4"]})]
    batch = BatchMaker(tmp_path).batch(*parts)
    changes = Changes(batch, pl.Series("class", [0, 1, 3, 0], dtype=pl.UInt8))

    assert [frame["id"].to_list() for frame in changes.rows(RowClass.NEW)] == [["1"], ["4"]]
    assert [frame["id"].to_list() for frame in changes.rows(RowClass.UPDATED)] == [["2"]]
    assert changes.counts == Counts(new=2, updated=1, duplicate=1, rejected=1)
    assert changes.counts.rows == 5
