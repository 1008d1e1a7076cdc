"""The warehouse beyond the contract: adopted tables, widened columns, other writers, kills and locks."""

import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import Setting, Warehouse
from backhaul.destinations.sql import file as module
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.model import Counts
from backhaul.testing.batches import BatchMaker

ORDERS = pl.DataFrame({"id": ["1", "2"], "total": [10, 20]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.db"


@pytest.fixture
def warehouse(path: Path) -> Warehouse:
    return Warehouse(str(path))


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


def execute(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def merge(warehouse: Warehouse, maker: BatchMaker, frame: pl.DataFrame) -> Counts:
    return warehouse.write(maker.stream, warehouse.compare(maker.stream, maker.batch(frame)))


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER, note TEXT)",
        "CREATE TABLE orders (id TEXT PRIMARY KEY, total INTEGER, note TEXT)",
        "CREATE TABLE orders (note TEXT, total BIGINT, id VARCHAR(9)); CREATE UNIQUE INDEX x ON orders (id)",
        "CREATE TABLE orders (id, total, note)",
        "CREATE TABLE orders (id TEXT, total REAL, note TEXT); CREATE INDEX slow ON orders (id)",
    ],
    ids=["integer key", "text key", "unique index", "no types", "no unique index"],
)
def test_a_table_that_is_there_is_adopted(path: Path, warehouse: Warehouse, maker: BatchMaker, table: str) -> None:
    execute(path, f"{table}; INSERT INTO orders (id, total, note) VALUES ('1', 1, 'Ibu'), ('5', 5, 'Pak')")

    counts = merge(warehouse, maker, ORDERS)

    assert counts == Counts(new=1, updated=1)
    found = select(path, "SELECT CAST(id AS TEXT), CAST(total AS INTEGER), note FROM orders ORDER BY id")
    assert found == [("1", 10, "Ibu"), ("2", 20, None), ("5", 5, "Pak")]
    assert merge(warehouse, maker, ORDERS) == Counts(unchanged=2)


def test_other_tables_are_not_touched(path: Path, warehouse: Warehouse, maker: BatchMaker) -> None:
    execute(path, "CREATE TABLE kas (id TEXT, total REAL); INSERT INTO kas VALUES ('1', 3.5)")

    merge(warehouse, maker, ORDERS)

    assert select(path, "SELECT * FROM kas") == [("1", 3.5)]


@pytest.mark.parametrize("batch", [ORDERS, pl.DataFrame({"id": ["9", "7", "8"], "total": [9, 7, 8]})])
def test_a_table_with_a_key_twice_is_refused_and_nothing_is_written(
    path: Path, warehouse: Warehouse, maker: BatchMaker, batch: pl.DataFrame
) -> None:
    execute(path, "CREATE TABLE orders (id TEXT, total INTEGER); INSERT INTO orders VALUES ('1', 1), ('1', 2)")
    before = path.read_bytes()

    with pytest.raises(
        DeliveryError, match="table orders holds 1 keys more than once; nothing was written"
    ) as caught:
        merge(warehouse, maker, batch)

    assert "Leave one row for each id" in caught.value.next_step
    assert select(path, "SELECT id, total FROM orders") == [("1", 1), ("1", 2)]
    assert len(path.read_bytes()) == len(before)


def test_a_table_without_the_key_column_is_refused(path: Path, warehouse: Warehouse, maker: BatchMaker) -> None:
    execute(path, "CREATE TABLE orders (nomor TEXT, total INTEGER)")

    with pytest.raises(DeliveryError, match=r"orders exists but has no key column id; it has \['nomor', 'total'\]"):
        merge(warehouse, maker, ORDERS)


@pytest.mark.parametrize("key", ["007", "A1", "1.0", "+1", str(2**63)])
def test_an_id_that_a_number_column_would_change_is_refused(
    path: Path, warehouse: Warehouse, maker: BatchMaker, key: str
) -> None:
    execute(path, "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER); INSERT INTO orders VALUES (7, 7)")
    with pytest.raises(DeliveryError, match="key column 'id' is a number there") as caught:
        merge(warehouse, maker, pl.DataFrame({"id": ["5", key], "total": [5, 1]}))

    assert "TEXT" in caught.value.next_step
    assert select(path, "SELECT id, total FROM orders") == [(7, 7)]


@pytest.mark.parametrize("names", [("Total", "total"), ("TOTAL", "total")])
def test_columns_that_differ_only_by_case_are_refused(
    path: Path, warehouse: Warehouse, maker: BatchMaker, names: tuple[str, str]
) -> None:
    with pytest.raises(DeliveryError, match="SQL ignores upper and lower case"):
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], names[0]: [1], names[1]: [2]}))

    assert select(path, "SELECT name FROM sqlite_master") == []


def test_a_column_with_the_name_of_our_bookkeeping_is_refused(warehouse: Warehouse, maker: BatchMaker) -> None:
    with pytest.raises(DeliveryError, match="column '_inserted_run' is backhaul's own"):
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], "_inserted_run": ["x"]}))


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (
            "('9', 5), ('8', 2.5)",
            Decimal("12.50"),
            [("1", Decimal("12.50")), ("8", Decimal("2.50")), ("9", Decimal(5))],
        ),
        ("('9', 5), ('8', 'lima')", "x", [("1", "x"), ("8", "lima"), ("9", "5")]),
        ("('9', 5), ('8', 2.5)", 1.5, [("1", 1.5), ("8", 2.5), ("9", 5.0)]),
    ],
)
def test_an_untyped_column_of_a_person_keeps_its_values(
    path: Path, warehouse: Warehouse, maker: BatchMaker, theirs: str, ours: object, expected: list[Any]
) -> None:
    execute(path, f"CREATE TABLE orders (id TEXT, total); INSERT INTO orders VALUES {theirs}")

    merge(warehouse, maker, pl.DataFrame({"id": ["1"], "total": [ours]}))

    assert pl.concat(list(warehouse.read("orders"))).select("id", "total").sort("id").rows() == expected


def test_what_a_merge_replaces_is_archived_with_its_batch(warehouse: Warehouse, maker: BatchMaker) -> None:
    merge(warehouse, maker, ORDERS)
    merge(warehouse, maker, pl.DataFrame({"id": ["1", "2"], "total": [10, 21]}))
    merge(warehouse, maker, pl.DataFrame({"id": ["2"], "total": [22]}))

    archive = pl.concat(list(warehouse.read("orders__archive")))

    assert archive.select("id", "total", "_archived_by").rows() == [
        ("2", 20, "batch-2"),
        ("2", 21, "batch-3"),
    ]
    assert archive["_archived_at"].null_count() == 0


def test_the_archive_keeps_its_values_when_a_column_widens(warehouse: Warehouse, maker: BatchMaker) -> None:
    for amount in ("1.25", "2.50", "0.001", "7.000"):
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], "total": [Decimal(amount)]}))

    archive = pl.concat(list(warehouse.read("orders__archive")))

    assert archive["total"].to_list() == [Decimal("1.25"), Decimal("2.50"), Decimal("0.001")]


def test_the_archive_gets_the_columns_that_came_later(warehouse: Warehouse, maker: BatchMaker) -> None:
    merge(warehouse, maker, ORDERS)
    merge(warehouse, maker, pl.DataFrame({"id": ["1"], "total": [11]}))
    merge(warehouse, maker, pl.DataFrame({"id": ["1"], "total": [12], "note": ["x"]}))
    merge(warehouse, maker, pl.DataFrame({"id": ["1"], "total": [12], "note": ["y"]}))

    archive = pl.concat(list(warehouse.read("orders__archive")))

    assert archive.select("total", "note").rows() == [(10, None), (11, None), (12, "x")]


def test_a_write_whose_answer_was_lost_gives_the_same_counts_and_writes_nothing(
    path: Path, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, ORDERS)
    changes = warehouse.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["2", "3"], "total": [21, 30]})))
    first = warehouse.write(maker.stream, changes)
    execute(path, "UPDATE orders SET total = 99 WHERE id = '2'")

    again = warehouse.write(maker.stream, changes)

    assert first == again == Counts(new=1, updated=1)
    assert select(path, "SELECT total FROM orders WHERE id = '2'") == [(99,)]


def test_rows_that_someone_else_wrote_in_between_are_counted_truthfully(
    path: Path, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, pl.DataFrame({"id": ["1", "2", "3"], "total": [1, 2, 3]}))
    now = pl.DataFrame({"id": ["1", "2", "3", "4", "5", "6"], "total": [10, 20, 3, 4, 5, 6]})
    changes = warehouse.compare(maker.stream, maker.batch(now))
    assert changes.counts == Counts(new=3, updated=2, unchanged=1)
    execute(
        path,
        "UPDATE orders SET total = 10 WHERE id = '1'; DELETE FROM orders WHERE id = '2';"
        " INSERT INTO orders (id, total) VALUES ('4', 4), ('5', 50)",
    )

    counts = warehouse.write(maker.stream, changes)

    assert counts == Counts(new=2, updated=1, unchanged=3)
    assert select(path, "SELECT id, total FROM orders ORDER BY id") == now.rows()


def _write_many(path: str, folder: str, first: int) -> None:
    maker, target = BatchMaker(Path(folder)), Warehouse(path)
    for start in range(first, first + 500, 100):
        ids = [str(n) for n in range(start, start + 100)]
        frame = pl.DataFrame({"id": [*ids, "shared"], "total": [*range(start, start + 100), start]})
        batch = maker.batch(frame)
        batch = type(batch)(**{**vars(batch), "id": f"{first}-{start}"})
        counts = target.write(maker.stream, target.compare(maker.stream, batch))
        assert (counts.new + counts.updated, counts.rows) == (101, 101), counts


def test_two_processes_that_write_at_once_both_end_right(path: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_many, args=(str(path), str(tmp_path / str(first)), first))
        for first in (0, 1000)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert select(path, "SELECT count(*), count(DISTINCT id) FROM orders") == [(1001, 1001)]
    assert select(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_write_waits_for_the_first_write_of_another_program(
    path: Path, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, ORDERS)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN IMMEDIATE")
        done = threading.Timer(0.5, other.execute, ("COMMIT",))
        done.start()
        try:
            assert merge(warehouse, maker, pl.DataFrame({"id": ["3"], "total": [30]})).new == 1
        finally:
            done.join()


KILLED = """
import sys
from pathlib import Path
import polars as pl
from backhaul import Warehouse
from backhaul.testing.batches import BatchMaker
path, folder, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
maker, target = BatchMaker(folder, _numbers=iter([1000])), Warehouse(path)
frame = pl.select(id=pl.int_range(rows).cast(pl.String), total=pl.int_range(rows) * 2,
                  note=pl.lit("a text of some length, to fill pages " * 10))
changes = target.compare(maker.stream, maker.batch(frame))
print("writing", flush=True)
target.write(maker.stream, changes)
print("written", flush=True)
"""


def test_a_writer_killed_in_the_middle_leaves_nothing_half_and_the_next_write_is_whole(
    path: Path, tmp_path: Path, warehouse: Warehouse, maker: BatchMaker
) -> None:
    rows = 200_000
    merge(warehouse, maker, pl.DataFrame({"id": ["1", "x"], "total": [1, 1], "note": ["old", "old"]}))
    wal = Path(f"{path}-wal")
    arguments = [sys.executable, "-c", KILLED, str(path), str(tmp_path / "killed"), str(rows)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "writing\n"
        until = time.monotonic() + 30
        while not (wal.exists() and wal.stat().st_size > 3_000_000) and time.monotonic() < until:
            assert child.poll() is None, "the write was over before it was killed"
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        assert child.stdout.read() == ""

    assert select(path, "SELECT id, total, note FROM orders") == [("1", 1, "old"), ("x", 1, "old")]
    assert select(path, "PRAGMA integrity_check") == [("ok",)]

    frame = pl.select(id=pl.int_range(1000).cast(pl.String), total=pl.int_range(1000) * 2, note=pl.lit("new"))
    assert merge(warehouse, maker, frame) == Counts(new=999, updated=1)


READ_ONLY = """
import os, sys
from pathlib import Path
import polars as pl
from backhaul import Warehouse
from backhaul.errors import BackhaulError
from backhaul.testing.batches import BatchMaker
path, folder = Path(sys.argv[1]), Path(sys.argv[2])
maker, target = BatchMaker(folder / "staging"), Warehouse(str(path))
target.write(maker.stream, target.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1"]}))))
changes = target.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["2"]})))
path.chmod(0o444)
path.parent.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    target.write(maker.stream, changes)
except BackhaulError as error:
    print(type(error).__name__, error)
"""


def test_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    from tempfile import TemporaryDirectory

    # Not below pytest's own folder: that one is closed to the user that root becomes.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        inner = Path(folder) / "data"
        inner.mkdir()
        path = inner / "w.db"
        arguments = [sys.executable, "-c", READ_ONLY, str(path), str(tmp_path)]

        done = subprocess.run(arguments, capture_output=True, text=True, check=True)

        inner.chmod(0o755)
        assert done.stdout.startswith("DeliveryError warehouse: w.db: "), done.stdout
        assert "readonly" in done.stdout or "unable to open" in done.stdout


def test_a_file_that_is_no_database_is_told_and_left_alone(
    path: Path, warehouse: Warehouse, maker: BatchMaker
) -> None:
    path.write_text("Dear diary, this is not a database. " * 50)
    before = path.read_bytes()

    with pytest.raises(DeliveryError, match=r"w\.db: file is not a database"):
        merge(warehouse, maker, ORDERS)

    assert path.read_bytes() == before


def test_a_path_that_cannot_be_made_is_told(tmp_path: Path, maker: BatchMaker) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DeliveryError, match="cannot be made"):
        merge(Warehouse(str(tmp_path / "file" / "w.db")), maker, ORDERS)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0.1)
    module._engine.cache_clear()
    yield
    module._engine.cache_clear()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.usefixtures("impatient")
def test_a_database_locked_by_another_program_may_be_tried_again(
    path: Path, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, ORDERS)
    changes = warehouse.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["3"], "total": [30]})))
    arguments = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        with pytest.raises(TransientError, match=r"w\.db is locked by another program"):
            warehouse.write(maker.stream, changes)
        assert sum(frame.height for frame in warehouse.read("orders")) == 2, "readers are not blocked"

        holder.communicate("")

    assert warehouse.write(maker.stream, changes) == Counts(new=1)


def test_a_database_that_is_not_supported_is_told(maker: BatchMaker) -> None:
    with pytest.raises(ConfigError, match="mysql:// is not supported"):
        merge(Warehouse("mysql://host/db"), maker, ORDERS)


def test_a_path_may_be_an_sqlite_address(path: Path, maker: BatchMaker) -> None:
    merge(Warehouse(f"sqlite:///{path}"), maker, ORDERS)

    assert select(path, "SELECT count(*) FROM orders") == [(2,)]


def test_a_path_may_be_a_setting_that_must_be_filled(maker: BatchMaker) -> None:
    with pytest.raises(ConfigError, match="setting WAREHOUSE has no value"):
        merge(Warehouse(Setting("WAREHOUSE")), maker, ORDERS)


def test_reading_a_table_that_is_not_there_gives_nothing(warehouse: Warehouse, maker: BatchMaker) -> None:
    assert list(warehouse.read("orders")) == []
    merge(warehouse, maker, ORDERS)
    assert list(warehouse.read("other")) == []


@pytest.mark.parametrize(
    ("declared", "value"),
    [("REAL", "'lima'"), ("DATE", "'besok'"), ("BOOLEAN", "'ya'"), ("DATETIME", "'08:00'")],
)
def test_a_value_that_is_not_of_its_columns_type_is_told_and_not_quoted(
    path: Path, warehouse: Warehouse, declared: str, value: str
) -> None:
    execute(path, f"CREATE TABLE orders (id TEXT, x {declared}); INSERT INTO orders VALUES ('1', {value})")

    with pytest.raises(DeliveryError, match=f"table orders holds values .* x {declared}") as caught:
        list(warehouse.read("orders"))

    assert value.strip("'") not in str(caught.value)


def test_an_untyped_column_is_read_as_text(path: Path, warehouse: Warehouse) -> None:
    execute(
        path,
        "CREATE TABLE orders (id TEXT, x); INSERT INTO orders VALUES ('1', 5), ('2', 'lima'), ('3', NULL)",
    )

    assert pl.concat(list(warehouse.read("orders")))["x"].to_list() == ["5", "lima", None]


def test_a_big_batch_leaves_the_same_rows_as_many_small_ones(tmp_path: Path, maker: BatchMaker) -> None:
    frame = pl.select(id=pl.int_range(50_001).cast(pl.String), total=pl.int_range(50_001))
    big, small = Warehouse(str(tmp_path / "big.db")), Warehouse(str(tmp_path / "small.db"))

    assert merge(big, maker, frame) == Counts(new=50_001)
    for part in frame.iter_slices(10_000):
        merge(small, maker, part)

    query = "SELECT count(*), sum(total), min(id), max(id) FROM orders"
    assert select(tmp_path / "big.db", query) == select(tmp_path / "small.db", query)


@pytest.mark.parametrize("name", ["rowid", "ROWID", "oid", "_rowid_"])
def test_a_column_with_the_name_of_sqlites_row_number_is_a_column_like_any_other(
    warehouse: Warehouse, maker: BatchMaker, name: str
) -> None:
    merge(warehouse, maker, pl.DataFrame({"id": ["1", "2", "3"], name: [7, 8, 9]}))

    counts = merge(warehouse, maker, pl.DataFrame({"id": ["1", "2", "3", "4"], name: [7, 1, 9, 2]}))

    assert counts == Counts(new=1, updated=1, unchanged=2)


def decimals(key: str, value: str, scale: int) -> pl.DataFrame:
    return pl.DataFrame({"id": [key], "v": pl.Series([Decimal(value)], dtype=pl.Decimal(38, scale))})


def test_money_of_too_many_digits_is_a_delivery_error_that_does_not_repeat_it(
    warehouse: Warehouse, maker: BatchMaker
) -> None:
    with pytest.raises(DeliveryError, match="column v has more than 18 digits") as caught:
        merge(warehouse, maker, decimals("1", "123456789012345678901.12", 2))

    assert "1234567" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (decimals("1", "9999999999999.12", 2), decimals("2", "0.123456789012", 12)),
        (pl.DataFrame({"id": ["1"], "v": [9_000_000_000_000_000_000]}), decimals("2", "0.12", 2)),
        (pl.DataFrame({"id": ["1"], "v": [9_007_199_254_740_993]}), pl.DataFrame({"id": ["2"], "v": [0.5]})),
    ],
    ids=["more decimals", "money", "fractions"],
)
def test_a_column_is_not_widened_where_numbers_would_lose_digits(
    warehouse: Warehouse, maker: BatchMaker, before: pl.DataFrame, after: pl.DataFrame
) -> None:
    merge(warehouse, maker, before)

    with pytest.raises(DeliveryError, match="1 numbers of column 'v' have more digits than fit"):
        merge(warehouse, maker, after)

    [kept] = warehouse.read("orders")
    assert kept["v"].to_list() == before["v"].to_list()
