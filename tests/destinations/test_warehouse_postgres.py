"""The warehouse on PostgreSQL beyond the contract: adopted tables, real types, other writers, and bad days."""

import multiprocessing
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul import Warehouse
from backhaul.destinations.sql import server as sql_server
from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.model import Counts, Rejected
from backhaul.testing.batches import BatchMaker
from tests import postgres
from tests.postgres import execute, select

pytestmark = postgres.needs_server

ORDERS = pl.DataFrame({"id": ["1", "2"], "total": [10, 20]})


@pytest.fixture
def url() -> str:
    return postgres.server().schema()


@pytest.fixture
def warehouse(url: str) -> Warehouse:
    return Warehouse(url)


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


def merge(warehouse: Warehouse, maker: BatchMaker, frame: pl.DataFrame) -> Counts:
    return warehouse.write(maker.stream, warehouse.compare(maker.stream, maker.batch(frame)))


def values(warehouse: Warehouse, column: str, table: str = "orders") -> list[Any]:
    return pl.concat(list(warehouse.read(table))).sort("id")[column].to_list()


def types(url: str, table: str = "orders") -> dict[str, str]:
    return dict(
        select(
            url,
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            f" WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
    )


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE orders (id integer PRIMARY KEY, total integer, note text)",
        "CREATE TABLE orders (id text PRIMARY KEY, total smallint, note varchar(20))",
        "CREATE TABLE orders (note text, total bigint, id varchar(9)); CREATE UNIQUE INDEX x ON orders (id)",
        "CREATE TABLE orders (id text, total numeric, note text)",
        "CREATE TABLE orders (id numeric, total numeric(12,0), note char(3)); CREATE INDEX slow ON orders (id)",
        "CREATE TABLE orders (id text, total double precision, note text);"
        " CREATE UNIQUE INDEX x ON orders (id) WHERE total > 3; CREATE UNIQUE INDEX y ON orders (lower(id))",
    ],
    ids=["integer key", "text key", "unique index", "no unique index", "numeric key", "index of a part"],
)
def test_a_table_that_is_there_is_adopted(url: str, warehouse: Warehouse, maker: BatchMaker, table: str) -> None:
    execute(url, f"{table}; INSERT INTO orders (id, total, note) VALUES ('1', 1, 'Ibu'), ('5', 5, 'Pak')")

    counts = merge(warehouse, maker, ORDERS)

    assert counts == Counts(new=1, updated=1)
    found = select(url, "SELECT id::text, total::integer, note::text FROM orders ORDER BY id")
    assert found == [("1", 10, "Ibu"), ("2", 20, None), ("5", 5, "Pak")]
    assert merge(warehouse, maker, ORDERS) == Counts(unchanged=2)


def test_other_tables_are_not_touched(url: str, warehouse: Warehouse, maker: BatchMaker) -> None:
    execute(url, "CREATE TABLE kas (id text, total real); INSERT INTO kas VALUES ('1', 3.5)")

    merge(warehouse, maker, ORDERS)

    assert select(url, "SELECT * FROM kas") == [("1", 3.5)]
    assert warehouse.tables() == ["kas", "orders"]


@pytest.mark.parametrize("batch", [ORDERS, pl.DataFrame({"id": ["9", "7", "8"], "total": [9, 7, 8]})])
def test_a_table_with_a_key_twice_is_refused_and_nothing_is_written(
    url: str, warehouse: Warehouse, maker: BatchMaker, batch: pl.DataFrame
) -> None:
    execute(url, "CREATE TABLE orders (id text, total integer); INSERT INTO orders VALUES ('1', 1), ('1', 2)")

    with pytest.raises(DeliveryError, match="1 keys more than once"):
        merge(warehouse, maker, batch)

    assert select(url, "SELECT * FROM orders") == [("1", 1), ("1", 2)]
    assert types(url) == {"id": "text", "total": "integer"}


def test_a_table_without_the_key_column_is_refused(url: str, warehouse: Warehouse, maker: BatchMaker) -> None:
    execute(url, "CREATE TABLE orders (nomor text, total integer)")

    with pytest.raises(DeliveryError, match=r"no key column id; it has \['nomor', 'total'\]"):
        merge(warehouse, maker, ORDERS)


@pytest.mark.parametrize("key", ["007", "1.0", "x", "9223372036854775808"])
def test_a_number_as_key_column_does_not_change_ids(
    url: str, warehouse: Warehouse, maker: BatchMaker, key: str
) -> None:
    execute(url, "CREATE TABLE orders (id bigint PRIMARY KEY, total integer); INSERT INTO orders VALUES (7, 1)")

    with pytest.raises(DeliveryError, match="key column 'id' is a number there"):
        merge(warehouse, maker, pl.DataFrame({"id": [key], "total": [1]}))

    assert select(url, "SELECT * FROM orders") == [(7, 1)]


@pytest.mark.parametrize(
    ("name", "words"),
    [("x" * 64, "has 64 bytes"), ("é" * 32, "has 64 bytes"), ("", "has 0 bytes"), ("ctid", "keeps for itself")],
)
def test_a_column_that_postgres_cannot_have_is_refused(
    url: str, warehouse: Warehouse, maker: BatchMaker, name: str, words: str
) -> None:
    with pytest.raises(DeliveryError, match=words):
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], name: [1]}))

    assert warehouse.tables() == []


def test_names_as_long_as_postgres_takes_them_are_kept(url: str, warehouse: Warehouse, tmp_path: Path) -> None:
    table, column = "t" * 54, "é" * 31 + "x"
    maker = BatchMaker(tmp_path / "long", table=table)
    for number in (1, 2):
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], column: [number]}))

    assert values(warehouse, column, table) == [2]
    with pytest.raises(DeliveryError, match="takes 1 to 54"):
        merge(warehouse, BatchMaker(tmp_path / "longer", table=table + "t"), ORDERS)


def test_upper_and_lower_case_make_two_columns(warehouse: Warehouse, maker: BatchMaker) -> None:
    frame = pl.DataFrame({"id": ["1"], "Total": [1], "total": [2]})

    assert merge(warehouse, maker, frame) == Counts(new=1)
    assert merge(warehouse, maker, frame) == Counts(unchanged=1)


def test_every_kind_of_value_has_a_real_type(url: str, warehouse: Warehouse, maker: BatchMaker) -> None:
    frame = pl.DataFrame(
        {
            "id": ["1"],
            "count": [2**40],
            "ratio": [0.1],
            "is_paid": [True],
            "day": [date(2025, 9, 12)],
            "at": [datetime(2025, 9, 12, 1, 0, 45, 120, tzinfo=UTC)],
            "price": pl.Series([Decimal("12500.05")], dtype=pl.Decimal(38, 2)),
            "nothing": pl.Series([None], dtype=pl.Int64),
        }
    )

    merge(warehouse, maker, frame)

    assert types(url) == {
        "id": "text",
        "count": "bigint",
        "ratio": "double precision",
        "is_paid": "boolean",
        "day": "date",
        "at": "timestamp with time zone",
        "price": "numeric(38,2)",
        "nothing": "text",
        "_inserted_run": "text",
        "_updated_run": "text",
    }
    [row] = select(url, "SELECT count, ratio, is_paid, day, at AT TIME ZONE 'UTC', price FROM orders")
    assert row == (2**40, 0.1, True, date(2025, 9, 12), datetime(2025, 9, 12, 1, 0, 45, 120), Decimal("12500.05"))


def test_the_first_value_of_an_empty_column_decides_its_type(
    url: str, warehouse: Warehouse, maker: BatchMaker
) -> None:
    empty = pl.DataFrame({"id": ["1"], "x": pl.Series([None], dtype=pl.Int64)})
    merge(warehouse, maker, empty)

    merge(warehouse, maker, pl.DataFrame({"id": ["2"], "x": [7]}))

    assert types(url)["x"] == "bigint"
    assert merge(warehouse, maker, empty) == Counts(unchanged=1)
    assert values(warehouse, "x") == [None, 7]


def test_an_empty_column_that_a_person_has_filled_keeps_what_they_typed(
    url: str, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, pl.DataFrame({"id": ["1"], "x": pl.Series([None], dtype=pl.Int64)}))
    execute(url, "UPDATE orders SET x = 'lima'")

    merge(warehouse, maker, pl.DataFrame({"id": ["2"], "x": [7]}))

    assert values(warehouse, "x") == ["lima", "7"]


MOMENTS = [datetime(2025, 9, 12, 1, 2, 3, 456, tzinfo=UTC), datetime(2025, 9, 12, 1, 2, 3, tzinfo=UTC), None]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1, -2, None], [2.5], [1.0, -2.0, None]),
        ([1, -2, None], ["x"], ["1", "-2", None]),
        ([1, -2, None], [Decimal("2.50")], [Decimal(1), Decimal(-2), None]),
        ([1.5, 2.0, None], ["x"], ["1.5", "2.0", None]),
        ([date(2025, 9, 12), None], ["besok"], ["2025-09-12", None]),
        ([date(2025, 9, 12), None], MOMENTS[:1], ["2025-09-12", None]),
        (MOMENTS, ["x"], ["2025-09-12T01:02:03.000456Z", "2025-09-12T01:02:03Z", None]),
        ([True, False, None], ["mungkin"], ["true", "false", None]),
        ([True, False, None], [7], ["true", "false", None]),
        ([Decimal("1.25"), Decimal("-0.05")], [Decimal("0.001")], [Decimal("1.25"), Decimal("-0.05")]),
        ([Decimal("0.001")], [Decimal("1.25")], [Decimal("0.001")]),
        ([Decimal("1.25"), Decimal("-0.05"), None], ["x"], ["1.25", "-0.05", None]),
        ([Decimal("1.25"), None], [0.5], [1.25, None]),
        ([None], ["x"], [None]),
        ([None], [Decimal("1.25")], [None]),
        ([None], MOMENTS[:1], [None]),
    ],
)
def test_a_column_that_widens_keeps_every_old_value(
    warehouse: Warehouse, maker: BatchMaker, before: list[Any], after: list[Any], expected: list[Any]
) -> None:
    ids = [f"{n:02}" for n in range(len(before))]
    merge(warehouse, maker, pl.DataFrame({"id": ids, "x": before}))

    merge(warehouse, maker, pl.DataFrame({"id": ["later"], "x": after}))

    found = values(warehouse, "x")
    assert found[:-1] == expected
    if isinstance(found[-1], str) and isinstance(after[0], datetime):
        assert found[-1] == "2025-09-12T01:02:03.000456Z"
    else:
        assert found[-1] == (str(after[0]) if isinstance(found[-1], str) else after[0])
    # What the table holds in its wider form still equals what the source says.
    assert merge(warehouse, maker, pl.DataFrame({"id": ids, "x": before})) == Counts(unchanged=len(ids))


def decimals(key: str, value: str, scale: int) -> pl.DataFrame:
    return pl.DataFrame({"id": [key], "v": pl.Series([Decimal(value)], dtype=pl.Decimal(38, scale))})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (decimals("1", "9" * 30 + ".12", 2), decimals("2", "0.123456789012", 12)),
        (pl.DataFrame({"id": ["1"], "v": [9_007_199_254_740_993]}), pl.DataFrame({"id": ["2"], "v": [0.5]})),
        (decimals("1", "1234567890123456.12", 2), pl.DataFrame({"id": ["2"], "v": [0.5]})),
    ],
    ids=["more decimals", "fractions of integers", "fractions of money"],
)
def test_a_column_is_not_widened_where_numbers_would_lose_digits(
    warehouse: Warehouse, maker: BatchMaker, before: pl.DataFrame, after: pl.DataFrame
) -> None:
    merge(warehouse, maker, before)

    with pytest.raises(DeliveryError, match="1 numbers of column 'v' have more digits than fit"):
        merge(warehouse, maker, after)

    assert values(warehouse, "v") == before["v"].to_list()


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DOUBLES = st.floats(allow_nan=False)
MONEY = st.decimals(min_value=-(10**20), max_value=10**20, places=3, allow_nan=False, allow_infinity=False)


@settings(max_examples=8)
@given(
    st.lists(
        st.tuples(
            TEXTS,
            st.integers(-(2**63), 2**63 - 1),
            DOUBLES,
            st.dates(),
            st.datetimes(timezones=st.just(UTC)),
            MONEY,
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_value_arrives_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]]) -> None:
    warehouse = Warehouse(postgres.server().schema())
    maker = BatchMaker(tmp_path_factory.mktemp("any"))
    schema = {
        "text": pl.String,
        "number": pl.Int64,
        "double": pl.Float64,
        "day": pl.Date,
        "at": pl.Datetime("us", "UTC"),
        "money": pl.Decimal(38, 3),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("id")
    frame = frame.with_columns(pl.format("{}", pl.col("id")).str.zfill(4).alias("id"))

    assert merge(warehouse, maker, frame) == Counts(new=frame.height)

    [found] = warehouse.read("orders")
    assert found.sort("id").rows() == frame.rows()
    assert merge(warehouse, maker, frame) == Counts(unchanged=frame.height)


def test_text_that_means_something_to_copy_arrives_as_it_was(warehouse: Warehouse, maker: BatchMaker) -> None:
    notes = ["\\.", "a\n\\.\nb", "\\N", '"', '""', ",", "\r\n", "\t", "NULL", " ", "", "%s", "'; --", "\x1a", None]
    ids = [f"{number:02}" for number in range(len(notes))]
    merge(warehouse, maker, pl.DataFrame({"id": ids, "note": ["old"] * len(ids)}))

    assert merge(warehouse, maker, pl.DataFrame({"id": ids, "note": notes})) == Counts(updated=len(ids))
    assert values(warehouse, "note") == notes


@pytest.mark.parametrize("is_first", [True, False], ids=["first load", "later"])
def test_rows_that_postgres_can_never_keep_are_refused_and_the_others_delivered(
    warehouse: Warehouse, maker: BatchMaker, is_first: bool
) -> None:
    if not is_first:
        merge(warehouse, maker, pl.DataFrame({"id": ["4", "9"], "note": ["old", "old"]}))
    frame = pl.DataFrame({"id": ["1", "2", "3\0", "4", "k" * 3000], "note": ["a", "b\0", "c", "d", "e"]})

    changes = warehouse.compare(maker.stream, maker.batch(frame))
    counts = warehouse.write(maker.stream, changes)

    assert changes.refused == (
        Rejected(2, "text with a NUL character"),
        Rejected(3, "text with a NUL character"),
        Rejected(5, "key of over 2600 bytes"),
    )
    assert counts == changes.counts
    assert counts == (Counts(new=2, rejected=3) if is_first else Counts(new=1, updated=1, rejected=3))
    assert values(warehouse, "note")[:1] + values(warehouse, "note")[-1:] == ["a", "d" if is_first else "old"]


def test_what_a_merge_replaces_is_archived_with_its_batch(url: str, warehouse: Warehouse, maker: BatchMaker) -> None:
    merge(warehouse, maker, ORDERS)
    merge(warehouse, maker, pl.DataFrame({"id": ["1", "2"], "total": [10, 21]}))
    merge(warehouse, maker, pl.DataFrame({"id": ["2"], "total": [22]}))

    archive = pl.concat(list(warehouse.read("orders__archive")))

    assert archive.select("id", "total", "_archived_by").rows() == [("2", 20, "batch-2"), ("2", 21, "batch-3")]
    assert types(url, "orders__archive")["_archived_at"] == "timestamp with time zone"
    assert archive["_archived_at"].null_count() == 0


def test_the_archive_follows_columns_that_widen_and_come_later(warehouse: Warehouse, maker: BatchMaker) -> None:
    for amount, note in (("1.25", None), ("2.50", None), ("0.001", "x"), ("7.000", "y")):
        price = pl.Series([Decimal(amount)], dtype=pl.Decimal(38, len(amount) - 2))
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], "total": price, **({"note": [note]} if note else {})}))

    archive = pl.concat(list(warehouse.read("orders__archive")))

    assert archive["total"].to_list() == [Decimal("1.25"), Decimal("2.50"), Decimal("0.001")]
    assert archive["note"].to_list() == [None, None, "x"]


def test_a_write_whose_answer_was_lost_gives_the_same_counts_and_writes_nothing(
    url: str, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, ORDERS)
    changes = warehouse.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["2", "3"], "total": [21, 30]})))
    first = warehouse.write(maker.stream, changes)
    execute(url, "UPDATE orders SET total = 99 WHERE id = '2'")

    again = warehouse.write(maker.stream, changes)

    assert first == again == Counts(new=1, updated=1)
    assert select(url, "SELECT total FROM orders WHERE id = '2'") == [(99,)]


def test_rows_that_someone_else_wrote_in_between_are_counted_truthfully(
    url: str, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, pl.DataFrame({"id": ["1", "2", "3"], "total": [1, 2, 3]}))
    now = pl.DataFrame({"id": ["1", "2", "3", "4", "5", "6"], "total": [10, 20, 3, 4, 5, 6]})
    changes = warehouse.compare(maker.stream, maker.batch(now))
    assert changes.counts == Counts(new=3, updated=2, unchanged=1)
    execute(
        url,
        "UPDATE orders SET total = 10 WHERE id = '1'; DELETE FROM orders WHERE id = '2';"
        " INSERT INTO orders (id, total) VALUES ('4', 4), ('5', 50)",
    )

    counts = warehouse.write(maker.stream, changes)

    assert counts == Counts(new=2, updated=1, unchanged=3)
    assert select(url, "SELECT id, total FROM orders ORDER BY id") == now.rows()


def _write_many(url: str, folder: str, first: int, name: str) -> None:
    maker, target = BatchMaker(Path(folder), table=name), Warehouse(url)
    for start in range(first, first + 300, 100):
        ids = [str(n) for n in range(start, start + 100)]
        frame = pl.DataFrame({"id": ["shared", *ids], "total": [start, *range(start, start + 100)]})
        batch = maker.batch(frame if first else frame.reverse())
        batch = type(batch)(**{**vars(batch), "id": f"{first}-{start}"})
        counts = target.write(maker.stream, target.compare(maker.stream, batch))
        assert (counts.new + counts.updated, counts.rows) == (101, 101), counts


@pytest.mark.slow
@pytest.mark.parametrize("names", [("orders", "orders"), ("orders", "other")], ids=["one table", "two tables"])
def test_two_processes_that_write_at_once_both_end_right(url: str, tmp_path: Path, names: tuple[str, str]) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_many, args=(url, str(tmp_path / str(first)), first, name))
        for first, name in zip((0, 1000), names, strict=True)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0]
    found = [select(url, f"SELECT count(*), count(DISTINCT id) FROM {name}") for name in sorted(set(names))]
    assert found == ([[(601, 601)]] if len(set(names)) == 1 else [[(301, 301)], [(301, 301)]])
    assert select(url, "SELECT count(*) FROM _backhaul_receipts") == [(6,)]


@pytest.mark.parametrize(
    ("declared", "theirs", "ours", "same"),
    [
        ("uuid", "6a2f41a3-c54c-fce8-32d2-0324e1c32e22", "6a2f41a3-c54c-fce8-32d2-0324e1c32e23", "is text of a uuid"),
        ("real", "0.5", 0.1, "keeps fewer digits"),
        ("character(5)", "ab", "cd", "is padded"),
        ("json", '{"a": 1}', '{"a": 2}', "cannot be compared"),
        ("timestamp(0) with time zone", "2025-09-12T01:00:00Z", MOMENTS[0], "keeps no fractions"),
        ("timestamp without time zone", "2025-09-12 01:00:00", MOMENTS[0], "has no zone"),
        ("numeric", "1.5", Decimal("2.25"), "has any number of digits"),
        ("time without time zone", "08:00", "09:30", "is only a time"),
    ],
)
def test_a_column_of_a_type_of_peoples_own_is_written_and_keeps_its_type(
    url: str, warehouse: Warehouse, maker: BatchMaker, declared: str, theirs: str, ours: object, same: str
) -> None:
    execute(
        url,
        f"CREATE TABLE orders (id text PRIMARY KEY, x {declared});"
        f" INSERT INTO orders VALUES ('1', '{theirs}'), ('2', NULL)",
    )
    frame = pl.DataFrame({"id": ["1", "2", "3"], "x": [ours, ours, None]}, strict=False)

    assert merge(warehouse, maker, frame) == Counts(new=1, updated=2)

    assert merge(warehouse, maker, frame) == Counts(unchanged=3), same
    assert types(url)["x"] == declared
    assert select(url, "SELECT count(*) FROM orders__archive") == [(2,)]
    assert sum(part.height for part in warehouse.read("orders")) == 3


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("x integer", 5_000_000_000, "column 'x'.*out of range"),
        ("x varchar(3)", "Wijaya", "right truncation"),
        ("x uuid", "Wijaya", "column 'x'.*invalid text"),
        ("x numeric(4,2)", Decimal("12345.25"), "out of range"),
        ("x text, CONSTRAINT short CHECK (length(x) < 4)", "Wijaya", "table orders, short.*check violation"),
        ("x text, seller text NOT NULL", "Wijaya", "table orders, column 'seller'.*not null violation"),
        ("x text UNIQUE", "Wijaya", "table orders, orders_x_key.*unique violation"),
        ("x text", "Wijaya", "raise exception"),
    ],
)
def test_a_value_that_peoples_rules_refuse_is_told_and_not_quoted(
    url: str, warehouse: Warehouse, maker: BatchMaker, column: str, value: object, words: str
) -> None:
    execute(url, f"CREATE TABLE orders (id text PRIMARY KEY, {column})")
    if "UNIQUE" in column:
        execute(url, "INSERT INTO orders VALUES ('0', 'Wijaya')")
    if words == "raise exception":
        body = "$$ BEGIN RAISE EXCEPTION 'who is %', NEW.x; END $$"
        execute(url, f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS {body}")
        execute(url, "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()")
    before = select(url, "SELECT * FROM orders")

    with pytest.raises(DeliveryError, match=words) as caught:
        merge(warehouse, maker, pl.DataFrame({"id": ["1"], "x": [value]}))

    assert "Wijaya" not in str(caught.value)
    assert "5000000000" not in str(caught.value)
    assert "12345" not in str(caught.value)
    assert select(url, "SELECT * FROM orders") == before


def test_moments_are_compared_in_utc_whatever_the_session_says(url: str, maker: BatchMaker) -> None:
    warehouse = Warehouse(url + "%20-ctimezone=Asia/Jakarta%20-cdatestyle=German")
    frame = pl.DataFrame({"id": ["1", "2", "3"], "at": MOMENTS, "day": [date(2025, 9, 1), date(1, 1, 1), None]})
    merge(warehouse, maker, frame)

    assert merge(warehouse, maker, frame) == Counts(unchanged=3)
    assert values(warehouse, "at") == MOMENTS


@pytest.mark.parametrize(
    ("declared", "value"), [("date", "infinity"), ("timestamptz", "-infinity"), ("numeric", "NaN")]
)
def test_a_value_that_no_frame_can_hold_is_told(url: str, warehouse: Warehouse, declared: str, value: str) -> None:
    execute(url, f"CREATE TABLE orders (id text, x {declared}); INSERT INTO orders VALUES ('1', '{value}')")

    with pytest.raises(DeliveryError):
        list(warehouse.read("orders"))


def test_a_big_table_is_read_in_slices(url: str, warehouse: Warehouse) -> None:
    execute(url, "CREATE TABLE orders AS SELECT n::text AS id, n AS total FROM generate_series(1, 120000) n")

    heights, total = zip(*((part.height, part["total"].sum()) for part in warehouse.read("orders")), strict=True)

    assert max(heights) <= 50_000
    assert (sum(heights), sum(total)) == (120_000, 120_000 * 120_001 // 2)


def test_a_reader_that_stops_early_leaves_no_connection_behind(url: str, warehouse: Warehouse) -> None:
    execute(url, "CREATE TABLE orders AS SELECT n::text AS id FROM generate_series(1, 120000) n")
    reader = warehouse.read("orders")

    next(reader)
    reader.close()  # type: ignore[attr-defined]

    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backhaul'"
    until = time.monotonic() + 10
    while select(url, query) != [(0,)] and time.monotonic() < until:
        time.sleep(0.02)
    assert select(url, query) == [(0,)]


@pytest.mark.slow
def test_a_big_batch_leaves_the_same_rows_as_many_small_ones(warehouse: Warehouse, tmp_path: Path, url: str) -> None:
    frame = pl.select(id=pl.int_range(110_001).cast(pl.String), total=pl.int_range(110_001))
    big, small = (BatchMaker(tmp_path / name, table=name) for name in ("big", "small"))

    assert merge(warehouse, big, frame) == Counts(new=110_001)
    for part in frame.iter_slices(30_000):
        merge(warehouse, small, part)
    changed = frame.with_columns(pl.when(pl.col("total") % 100 == 0).then(-1).otherwise("total").alias("total"))
    assert merge(warehouse, big, changed) == Counts(updated=1101, unchanged=108_900)
    assert merge(warehouse, small, changed) == Counts(updated=1101, unchanged=108_900)

    query = "SELECT count(*), sum(total), min(id), max(id) FROM "
    assert select(url, query + "big") == select(url, query + "small")


WRONG: dict[str, tuple[Callable[[str, postgres.Server], str], type[Exception], str]] = {
    "password": (lambda url, server: url.replace(server.password, "wrong-one"), DeliveryError, "refuses this user"),
    "user": (lambda url, server: url.replace("//backhaul:", "//wrong-one:"), DeliveryError, "refuses this user"),
    "database": (lambda url, server: url.replace("/postgres?", "/wrong-one?"), DeliveryError, "refuses this user"),
    "port": (lambda url, server: url.replace(f":{server.port}/", ":1/"), TransientError, "does not answer"),
    "host": (lambda url, server: url.replace("127.0.0.1", "nowhere.invalid"), TransientError, "no such host"),
    "sslmode": (lambda url, server: f"{url}&sslmode=require", DeliveryError, "no secure connection"),
    "option": (lambda url, server: f"{url}&colour=blue", ConfigError, "option that does not exist"),
    "number": (lambda url, server: url.replace(f":{server.port}/", ":port/"), ConfigError, "cannot be read"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_address_that_does_not_work_is_told_without_its_secrets(url: str, maker: BatchMaker, what: str) -> None:
    server = postgres.server()
    changed, error, words = WRONG[what]
    warehouse = Warehouse(changed(url, server))

    with pytest.raises(error, match=words) as caught:
        merge(warehouse, maker, ORDERS)

    told = f"{caught.value} {caught.value.next_step} {warehouse!r}"  # type: ignore[attr-defined]
    assert server.password not in told
    assert what == "database" or "wrong-one" not in told


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg"])
def test_an_address_may_be_written_as_others_write_it(url: str, maker: BatchMaker, scheme: str) -> None:
    assert merge(Warehouse(url.replace("postgresql", scheme, 1)), maker, ORDERS) == Counts(new=2)


def test_the_check_tells_what_was_found_and_no_secret(url: str, warehouse: Warehouse, maker: BatchMaker) -> None:
    merge(warehouse, maker, ORDERS)

    assert warehouse.check() == "127.0.0.1/postgres: 1 tables"


def test_a_missing_driver_is_named(url: str, maker: BatchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ConfigError, match="not installed") as caught:
        merge(Warehouse(url), maker, ORDERS)

    assert 'pip install "backhaul[postgres]"' in caught.value.next_step


def test_a_user_who_may_only_read_compares_but_cannot_write(
    url: str, warehouse: Warehouse, maker: BatchMaker
) -> None:
    merge(warehouse, maker, ORDERS)
    server = postgres.server()
    schema = url.rsplit("%3D", 1)[-1]
    execute(
        url,
        f"CREATE ROLE reader_{schema} LOGIN PASSWORD '{server.password}'; GRANT USAGE ON SCHEMA {schema} TO"
        f" reader_{schema}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}",
    )
    reader = Warehouse(url.replace("//backhaul:", f"//reader_{schema}:"))
    changes = reader.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1", "3"], "total": [11, 30]})))

    with pytest.raises(DeliveryError, match=r"permission denied|must be owner") as caught:
        reader.write(maker.stream, changes)

    assert changes.counts == Counts(new=1, updated=1)
    assert "administrator" in caught.value.next_step


@pytest.mark.parametrize("limit", ["LOCK_TIMEOUT_S", pytest.param("STATEMENT_TIMEOUT_S", marks=pytest.mark.slow)])
def test_a_table_locked_by_another_program_may_be_tried_again(
    url: str, warehouse: Warehouse, maker: BatchMaker, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    import psycopg

    merge(warehouse, maker, ORDERS)
    changes = warehouse.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1"], "total": [11]})))
    monkeypatch.setattr(sql_server, limit, 1)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE orders IN SHARE MODE")

        with pytest.raises(TransientError, match="timeout"):
            warehouse.write(maker.stream, changes)
        assert sum(frame.height for frame in warehouse.read("orders")) == 2, "readers are not blocked"

    assert warehouse.write(maker.stream, changes) == Counts(updated=1)


def test_receipts_of_an_earlier_version_are_completed_and_believed(
    url: str, warehouse: Warehouse, maker: BatchMaker
) -> None:
    changes = warehouse.compare(maker.stream, maker.batch(ORDERS))
    assert warehouse.write(maker.stream, changes) == Counts(new=2)
    execute(url, "ALTER TABLE _backhaul_receipts DROP COLUMN removed")

    assert warehouse.write(maker.stream, changes) == Counts(new=2)
    merge(warehouse, maker, pl.DataFrame({"id": ["3"], "total": [30]}))

    assert select(url, "SELECT batch_id, new, removed FROM _backhaul_receipts ORDER BY batch_id") == [
        ("batch-1", 2, None),
        ("batch-2", 1, 0),
    ]
