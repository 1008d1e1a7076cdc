"""Staging: good rows become Parquet parts, each key once, visible only when whole."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.errors import ConfigError, SourceChanged
from backhaul.lake import BatchWriter, StagingArea
from backhaul.lake.staging import keyed, storable
from backhaul.model import ROW, Batch, Changes, Rejected

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["x", "y"]), st.integers(0, 99)))


def writer(folder: Path, key: tuple[str, ...] = ("id",), batch_id: str = "b1") -> BatchWriter:
    return StagingArea(folder).writer(batch_id, "shop.orders", key, "Asia/Jakarta")


def numbered(frame: pl.DataFrame, offset: int = 1) -> pl.DataFrame:
    return frame.with_row_index(ROW, offset=offset)


def staged(folder: Path, *frames: pl.DataFrame, batch_id: str = "b1") -> Batch:
    batch, row = writer(folder, batch_id=batch_id), 1
    for frame in frames:
        batch.add(numbered(frame, row))
        row += frame.height
    return batch.finish(0)


def rows(batch: Batch) -> list[tuple[object, ...]]:
    return [row for frame in batch.frames() for row in frame.rows()]


def test_a_finished_batch_is_loaded_as_it_was_returned(tmp_path: Path) -> None:
    batch = staged(tmp_path, pl.DataFrame({"id": ["1"], "total": [5], "note": [None]}))

    assert StagingArea(tmp_path).load("b1") == batch
    assert (batch.rows, batch.stream, batch.timezone) == (1, "shop.orders", "Asia/Jakarta")
    assert batch.schema() == {"id": pl.String, "total": pl.Int64, "note": pl.Null}


def test_of_a_key_in_several_parts_the_last_row_wins(tmp_path: Path) -> None:
    batch = staged(
        tmp_path,
        pl.DataFrame({"id": ["1", "2"], "total": [1, 2]}),
        pl.DataFrame({"id": ["3", "1"], "total": [3, 10]}),
        pl.DataFrame({"id": ["1"], "total": [100]}),
    )

    assert (batch.rows, batch.duplicate) == (3, 2)
    assert rows(batch) == [(2, "2", 2), (3, "3", 3), (5, "1", 100)]


@given(parts=st.lists(ROWS, max_size=4))
def test_duplicates_are_settled_as_a_dict_would(parts: list[list[tuple[str, str, int]]]) -> None:
    with TemporaryDirectory() as folder:
        batch, read = writer(Path(folder), key=("id", "shop")), 0
        last: dict[tuple[str, str], tuple[int, int]] = {}
        for part in parts:
            schema = {"id": pl.String, "shop": pl.String, "total": pl.Int64}
            batch.add(numbered(pl.DataFrame(part, schema=schema, orient="row"), read + 1))
            for number, (one, other, total) in enumerate(part, start=read + 1):
                last[one, other] = (number, total)
            read += len(part)

        done = batch.finish(0)

        expected = sorted((number, *key, total) for key, (number, total) in last.items())
        assert rows(done) == expected
        assert (done.rows, done.duplicate) == (len(last), read - len(last))


def test_an_interrupted_writer_leaves_nothing_visible(tmp_path: Path) -> None:
    writer(tmp_path).add(numbered(pl.DataFrame({"id": ["old"]})))

    assert StagingArea(tmp_path).load("b1") is None

    batch = staged(tmp_path, pl.DataFrame({"id": ["new"]}))
    assert rows(batch) == [(1, "new")]
    assert [path.name for path in tmp_path.iterdir()] == ["b1"]


def test_a_batch_without_rows_is_a_batch(tmp_path: Path) -> None:
    nothing = writer(tmp_path).finish(3)

    assert (nothing.rows, nothing.rejected, nothing.schema(), rows(nothing)) == (0, 3, {}, [])


def test_a_column_that_is_empty_in_every_part_has_no_type_yet(tmp_path: Path) -> None:
    empty = pl.DataFrame({"id": ["1"], "note": [None], "late": [None]}, schema_overrides={"late": pl.String})
    full = pl.DataFrame({"id": ["2"], "note": [None], "late": ["x"]})

    assert staged(tmp_path, empty, full).empty == ("note",)


def test_saved_changes_come_back(tmp_path: Path) -> None:
    batch = staged(tmp_path, pl.DataFrame({"id": ["1", "2"]}))
    area = StagingArea(tmp_path)
    found = Changes(batch, pl.Series("class", [0, 3], dtype=pl.UInt8), (Rejected(2, "cell too long"),))

    area.save_changes("google sheet/1", found)

    back = area.load_changes("google sheet/1", batch)
    assert back is not None
    assert (back.classes.to_list(), back.refused, back.counts) == ([0, 3], found.refused, found.counts)
    assert area.load_changes("another", batch) is None


def test_a_batch_that_is_staged_anew_forgets_the_changes_of_the_former(tmp_path: Path) -> None:
    batch = staged(tmp_path, pl.DataFrame({"id": ["1", "2"]}))
    area = StagingArea(tmp_path)
    area.save_changes("curated", Changes(batch, pl.Series("class", [0, 0], dtype=pl.UInt8)))

    anew = staged(tmp_path, pl.DataFrame({"id": ["1"]}))

    assert area.load_changes("curated", anew) is None


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1], pl.UInt8, pl.Int64),
        ([1.5], pl.Float32, pl.Float64),
        (["a"], pl.Categorical, pl.String),
        (["a"], pl.Enum(["a"]), pl.String),
        ([time(8, 30)], pl.Time, pl.String),
        ([None], pl.Null, pl.String),
        ([Decimal("1.50")], pl.Decimal(10, 2), pl.Decimal(10, 2)),
        ([date(2025, 9, 12)], pl.Date, pl.Date),
        ([datetime(2025, 9, 12, tzinfo=UTC)], pl.Datetime("ms", "Asia/Jakarta"), pl.Datetime("us", "UTC")),
    ],
    ids=str,
)
def test_types_are_brought_to_the_few_that_destinations_know(
    values: list[object], dtype: pl.DataType, expected: pl.DataType
) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype)})

    assert storable(frame, "orders").schema["x"] == expected


@pytest.mark.parametrize(
    "values",
    [[[1, 2]], [{"a": 1}], [b"bytes"], [datetime(2025, 9, 12)]],
    ids=["list", "struct", "bytes", "no zone"],
)
def test_a_type_that_no_destination_takes_is_refused_by_name(values: list[object]) -> None:
    with pytest.raises(ConfigError, match="orders: column 'x' has type") as caught:
        storable(pl.DataFrame({"x": values}), "orders")

    assert "transform" in caught.value.next_step


def test_frames_of_one_file_must_agree_on_their_types(tmp_path: Path) -> None:
    batch = writer(tmp_path)
    batch.add(numbered(pl.DataFrame({"id": ["1"], "total": [1]})))

    with pytest.raises(ConfigError, match="different columns or types"):
        batch.add(numbered(pl.DataFrame({"id": ["2"], "total": ["two"]}), 2))


def test_keys_are_trimmed_text_and_empty_ones_null() -> None:
    frame = numbered(pl.DataFrame({"id": [" 007 ", "  ", None, "1 2"], "total": [1, 2, 3, 4]}))

    assert keyed(frame, ("id",), "orders")["id"].to_list() == ["007", None, None, "1 2"]


def test_a_missing_key_column_is_a_changed_source() -> None:
    with pytest.raises(SourceChanged, match=r"orders: key column 'id' is missing; found \['Id', 'total'\]"):
        keyed(numbered(pl.DataFrame({"Id": ["1"], "total": [1]})), ("id",), "orders")
