"""CSV files: what is in them, letter by letter, and what happens to them."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.destinations import CsvFiles
from backhaul.destinations.csv.table import CsvTable
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.lake.whole_file import WholeFile
from backhaul.model import Counts, RowClass, Stream
from backhaul.testing import BatchMaker
from tests.destinations.killing import kill_in_write, steps_of_write

NOW = datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC)


class Clock:
    """A clock that goes on by ten minutes each time somebody looks at it."""

    def __init__(self) -> None:
        self.now = NOW - timedelta(minutes=10)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=10)
        return self.now


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def target(folder: Path) -> CsvFiles:
    return CsvFiles(str(folder), clock=lambda: NOW)


def merge(target: CsvFiles, maker: BatchMaker, *frames: pl.DataFrame) -> Counts:
    changes = target.compare(maker.stream, maker.batch(*frames))
    counts = target.write(maker.stream, changes)
    assert counts == changes.counts
    return counts


def orders(*ids: str, total: int = 5) -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "total": [total] * len(ids)}, schema={"id": pl.String, "total": pl.Int64})


def test_a_file_holds_every_type_as_text(target, maker, folder):
    frame = pl.DataFrame(
        {
            "id": ["007", "8"],
            "note": ['a "b"\n,c', ""],
            "is_paid": [True, None],
            "day": [date(2025, 9, 12), None],
            "at": [datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC), None],
            "price": [Decimal("12500.50"), None],
            "share": [0.5, None],
            "שם": ["=1+1", None],
        }
    )

    merge(target, maker, frame)

    assert (folder / "orders.csv").read_bytes().decode() == (
        "\ufeffid,note,is_paid,day,at,price,share,שם\n"
        '007,"a ""b""\n,c",true,2025-09-12,2025-09-12 08:00:45+07:00,12500.5,0.5,=1+1\n'
        '8,"",,,,,,\n'
    )


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", None, "x", '"'])
        ),
        max_size=5,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_text_comes_back_as_it_was(tmp_path_factory, rows, separator):
    folder = tmp_path_factory.mktemp("any")
    target, maker = CsvFiles(str(folder / "out"), separator=separator), BatchMaker(folder / "staging")
    values = [(f"{number}", *row) for number, row in enumerate(rows)]
    frame = pl.DataFrame(values, schema={"id": pl.String, "a": pl.String, "b": pl.String}, orient="row")

    merge(target, maker, frame)

    blocks = list(CsvTable(target.path(maker.stream), separator, "csv").blocks(3)) if rows else []
    assert [row for block in blocks for row in block.rows()] == values
    assert merge(target, maker, frame) == Counts(unchanged=len(rows))


def test_rows_stand_in_the_order_in_which_they_first_came(target, maker, folder):
    merge(target, maker, orders("b", "a"))
    merge(target, maker, orders("c", "a", total=6))

    assert (folder / "orders.csv").read_text("utf-8-sig").split() == ["id,total", "b,5", "a,6", "c,6"]


def test_an_order_that_people_have_given_the_rows_and_columns_stays(target, maker, folder):
    merge(target, maker, orders("1", "2"))
    (folder / "orders.csv").write_text("paid, total ,id\nyes,5,2\n,5,1\n", encoding="utf-8")

    merge(target, maker, orders("1", "3", total=6))

    assert (folder / "orders.csv").read_text("utf-8-sig") == "paid,total,id\nyes,5,2\n,6,1\n,6,3\n"


def test_a_fraction_written_in_another_way_is_the_same(target, maker, folder):
    frame = pl.DataFrame({"id": ["1", "2", "3"], "share": [5.0, 0.25, None]})
    merge(target, maker, frame)
    path = folder / "orders.csv"
    path.write_text(path.read_text("utf-8-sig").replace("5.0", "5").replace("0.25", "2.5e-1"), encoding="utf-8-sig")

    assert merge(target, maker, frame) == Counts(unchanged=3)
    assert merge(target, maker, frame.with_columns(share=7.0)) == Counts(updated=3)


def test_money_with_more_or_fewer_decimals_is_the_same(target, maker, folder):
    prices = [Decimal("3500"), Decimal("-20"), None, Decimal("0")]
    frame = pl.DataFrame({"id": ["1", "2", "3", "4"], "price": prices}, schema_overrides={"price": pl.Decimal(20, 0)})
    merge(target, maker, frame)
    finer = frame.cast({"price": pl.Decimal(20, 3)})

    assert merge(target, maker, finer) == Counts(unchanged=4)
    assert merge(target, maker, finer.with_columns(pl.col("price") + Decimal("0.5"))) == Counts(
        updated=3, unchanged=1
    )
    rows = (folder / "orders.csv").read_text("utf-8-sig").split()[1:]
    assert rows == ["1,3500.5", "2,-19.5", "3,", "4,0.5"]
    assert merge(target, maker, frame) == Counts(updated=3, unchanged=1)


def test_text_that_was_a_number_with_zeros_before_it_is_another_value(target, maker):
    merge(target, maker, pl.DataFrame({"id": ["1"], "code": ["007"]}))

    assert merge(target, maker, pl.DataFrame({"id": ["1"], "code": [7]})) == Counts(updated=1)


def test_formulas_are_written_with_an_apostrophe_where_wanted(folder, maker):
    target = CsvFiles(str(folder), guard_formulas=True, encoding="utf-8")
    frame = pl.DataFrame({"id": ["+62", "2"], "note": ["=HYPERLINK(1)", "'=1"], "total": [-5, 5]})

    merge(target, maker, frame)

    assert (folder / "orders.csv").read_text("utf-8") == "id,note,total\n'+62,'=HYPERLINK(1),-5\n2,''=1,5\n"
    assert merge(target, maker, frame) == Counts(unchanged=2)


def test_a_name_with_spaces_around_it_is_found_again(target, maker):
    frame = pl.DataFrame({"id": ["1"], " total ": [5]})
    merge(target, maker, frame)

    assert merge(target, maker, frame) == Counts(unchanged=1)


def test_a_removed_row_shows_since_when_it_is_missing(target, maker, folder):
    complete = replace(maker, complete=True)
    merge(target, complete, orders("1", "2"))

    merge(target, complete, orders("1"))

    assert (folder / "orders.csv").read_text("utf-8-sig").splitlines() == [
        "id,total,removed_at",
        "1,5,",
        "2,5,2025-09-12 08:00:45+07:00",
    ]


def test_a_complete_batch_without_rows_removes_all_and_deletes_none(target, maker, folder):
    complete = replace(maker, complete=True)
    merge(target, complete, orders("1", "2"))

    assert merge(target, complete, orders()) == Counts(removed=2)
    assert len((folder / "orders.csv").read_text("utf-8-sig").splitlines()) == 3


def test_each_change_leaves_a_dated_snapshot_and_the_oldest_go(folder, maker):
    target = CsvFiles(str(folder), snapshots=2, clock=Clock())
    others = ["orders-2025.csv", "orders-2025-09-12T0800.csv.bak", "old-orders-2024-09-12T0800.csv"]
    folder.mkdir()
    for name in others:
        (folder / name).touch()

    for total in (1, 2, 2, 3):
        merge(target, maker, orders("1", total=total))

    found = sorted(path.name for path in folder.glob("[!.]*") if path.name not in others)
    assert len(found) == 3
    assert [name[:18] for name in found] == ["orders-2025-09-12T", "orders-2025-09-12T", "orders.csv"]
    assert [(folder / name).read_text("utf-8-sig").split()[1] for name in found] == ["1,2", "1,3", "1,3"]
    assert all((folder / name).exists() for name in others)


def test_a_write_that_is_repeated_takes_no_second_snapshot(folder, maker):
    target = CsvFiles(str(folder), snapshots=5, clock=Clock())
    changes = target.compare(maker.stream, maker.batch(orders("1")))

    target.write(maker.stream, changes)
    target.write(maker.stream, changes)

    assert len(list(folder.glob("orders-*.csv"))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nomor,total\n1,5\n", "no column 'id' any more"),
        (b"id;total\n1;5\n", "no column 'id' any more"),
        (b"id,total,total\n1,5,5\n", "'total' more than once"),
        (b"id,total\n1,5\n1,6\n", "1 rows whose keys stand there already"),
        (b"id,total\n1,5,7\n", "can no longer be read"),
        (b"id,total\n1,\xff\xfe\n", "can no longer be read"),
        (b"\n\nid,total\n1,5\n", "can no longer be read"),
        (b"PK\x03\x04" + bytes(60), "no column 'id'|can no longer be read"),
        ("id,total\n1,5\n".encode("utf-16"), "no column 'id'|can no longer be read"),
    ],
)
def test_a_file_that_is_no_longer_ours_is_refused_and_left_alone(target, maker, folder, content, message):
    folder.mkdir()
    (folder / "orders.csv").write_bytes(content)

    with pytest.raises(DeliveryError, match=message):
        merge(target, maker, orders("1", total=9))

    assert (folder / "orders.csv").read_bytes() == content


@settings(max_examples=60)
@given(content=st.binary(max_size=200) | st.text('id,total\n\r"1; ', max_size=60).map(str.encode))
def test_whatever_is_in_the_file_only_our_errors_are_raised(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "orders.csv").write_bytes(content)
    maker = BatchMaker(folder / "staging")

    try:
        merge(CsvFiles(str(folder)), maker, orders("1", "2"))
    except DeliveryError as error:
        assert "orders.csv" in str(error)
        assert (folder / "orders.csv").read_bytes() == content


def test_a_column_named_removed_at_cannot_be_in_a_complete_batch(target, maker):
    with pytest.raises(DeliveryError, match="backhaul's own"):
        merge(target, replace(maker, complete=True), pl.DataFrame({"id": ["1"], "removed_at": ["x"]}))


@pytest.mark.parametrize(
    "wrong",
    [{"encoding": "latin-1"}, {"separator": "::"}, {"snapshots": -1}],
    ids=["encoding", "separator", "number"],
)
def test_options_that_mean_nothing_are_refused_at_once(wrong):
    with pytest.raises(ConfigError):
        CsvFiles("out", **wrong)


def test_a_file_of_many_blocks_is_merged_like_one(target, maker, monkeypatch):
    monkeypatch.setattr("backhaul.destinations.csv.table.BLOCK_BYTES", 50)
    note = 'line "one"\nline two, ' * 3
    frame = pl.DataFrame({"id": [f"{number}" for number in range(50)], "note": [note] * 50})
    merge(target, maker, frame)

    changes = target.compare(maker.stream, maker.batch(frame.with_columns(note=pl.lit("x")).slice(20, 40)))

    assert changes.classes.to_list() == [RowClass.UPDATED] * 30
    assert target.write(maker.stream, changes) == Counts(updated=30)
    assert merge(target, maker, frame) == Counts(unchanged=20, updated=30)


def test_a_check_tells_what_a_delivery_would_meet(target, maker, folder, tmp_path):
    assert target.check() == "will be made"
    merge(target, maker, orders("1"))
    assert target.check() == "out holds 1 CSV files"

    with pytest.raises(DeliveryError, match="cannot be read or written"):
        CsvFiles(str(folder / "orders.csv" / "below a file")).check()


def test_two_writers_at_once_lose_no_row(target, maker, folder):
    batches = [maker.batch(orders(*(f"{writer}-{number}" for number in range(50)))) for writer in range(6)]
    changes = [target.compare(maker.stream, batch) for batch in batches]
    counts: list[Counts] = []

    def write(number: int) -> None:
        counts.append(target.write(maker.stream, changes[number]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [Counts(new=50)] * 6
    assert len((folder / "orders.csv").read_text("utf-8-sig").splitlines()) == 301


def test_a_full_disk_leaves_the_file_as_it_was(target, maker, folder):
    resource = pytest.importorskip("resource")
    merge(target, maker, orders("1"))
    before = (folder / "orders.csv").read_bytes()
    changes = target.compare(maker.stream, maker.batch(orders(*(f"{number}" for number in range(9000)))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, limits[1]))
    try:
        with pytest.raises(DeliveryError, match="cannot be read or written"):
            target.write(maker.stream, changes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert (folder / "orders.csv").read_bytes() == before
    assert not list(folder.glob(".*.part"))
    assert target.write(maker.stream, changes) == changes.counts


def test_the_permissions_and_the_link_of_a_file_stay(target, maker, folder, tmp_path):
    merge(target, maker, orders("1"))
    real = tmp_path / "elsewhere.csv"
    (folder / "orders.csv").rename(real)
    (folder / "orders.csv").symlink_to(real)
    real.chmod(0o640)

    merge(target, maker, orders("1", "2"))

    assert (folder / "orders.csv").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(real.read_text("utf-8-sig").splitlines()) == 3


def test_what_somebody_saves_while_a_file_is_merged_is_not_written_over(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("old", encoding="utf-8")

    with pytest.raises(TransientError, match="changed by somebody"), WholeFile(path, "csv").replaced() as part:
        part.write_text("merged", encoding="utf-8")
        path.write_text("saved by Sari", encoding="utf-8")

    assert [each.read_text("utf-8") for each in tmp_path.iterdir()] == ["saved by Sari"]


@pytest.mark.slow
def test_a_write_that_is_killed_at_any_step_and_repeated_equals_one_write(tmp_path, maker):
    def prepared(name: str) -> tuple[CsvFiles, Stream, Any]:
        target = CsvFiles(str(tmp_path / name), snapshots=1)
        merge(target, maker, orders("1", "2"))
        return target, maker.stream, target.compare(maker.stream, maker.batch(orders("2", "3", total=6)))

    steps = steps_of_write(*prepared("whole"))
    assert steps > 3
    for step in range(1, steps + 1):
        target, stream, changes = prepared(f"cut-{step}")
        kill_in_write(target, stream, changes, step)

        assert target.write(stream, changes) == Counts(new=1, updated=1)
        whole = target.path(stream).read_text("utf-8-sig")
        assert whole.split() == ["id,total", "1,5", "2,6", "3,6"]
        assert [path.read_text("utf-8-sig") for path in (tmp_path / f"cut-{step}").glob("orders-*.csv")] == [whole]


MAKE = """
import pickle, sys
from pathlib import Path
import polars as pl
from backhaul.testing import BatchMaker

values = [pl.format("value {} of " + str(column), "id").alias(str(column)) for column in range(8)]
parts = [
    pl.DataFrame({"id": range(n, n + 50_000)}).with_columns(values).with_columns(pl.col("id").cast(pl.String))
    for n in range(0, 1_000_000, 50_000)
]
maker = BatchMaker(Path(sys.argv[1]))
Path(sys.argv[1], "batch").write_bytes(pickle.dumps((maker.stream, maker.batch(*parts))))
"""
MERGE_TWICE = """
import pickle, resource, sys
from pathlib import Path
from backhaul.destinations import CsvFiles

target = CsvFiles(str(Path(sys.argv[1], "out")))
stream, batch = pickle.loads(Path(sys.argv[1], "batch").read_bytes())
print(target.write(stream, target.compare(stream, batch)).new)
print(target.write(stream, target.compare(stream, batch)).unchanged)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_million_rows_fit_into_a_gigabyte(tmp_path):
    pytest.importorskip("resource")
    done = [
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
        for code in (MAKE, MERGE_TWICE)
    ]

    new, unchanged, kilobytes = map(int, done[1].stdout.split())
    assert (new, unchanged) == (1_000_000, 1_000_000)
    assert kilobytes < 1_000_000
