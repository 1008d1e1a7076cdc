"""How values are kept in SQL databases, and that widening a column keeps every one of them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul import Warehouse
from backhaul.destinations.sql import postgres as sql_postgres
from backhaul.destinations.sql.kinds import (
    NUMBER,
    REAL,
    TEXT,
    UNKNOWN,
    Form,
    Kind,
    kind_of_dtype,
    widened,
)
from backhaul.destinations.sql.sqlite import declared, kind_of_declared
from backhaul.testing.batches import BatchMaker

INTEGER, BOOLEAN, DATE = Kind(Form.INTEGER), Kind(Form.BOOLEAN), Kind(Form.DATE)
MOMENT, RUPIAH, CENTS = Kind(Form.MOMENT), Kind(Form.MONEY, 0), Kind(Form.MONEY, 2)
KINDS = st.sampled_from([TEXT, REAL, UNKNOWN, INTEGER, BOOLEAN, DATE, MOMENT, RUPIAH, CENTS])
OF_POSTGRES = st.sampled_from([NUMBER, Kind(Form.FOREIGN, native="uuid"), Kind(Form.FOREIGN, native="inet")])
ALL_KINDS = KINDS | OF_POSTGRES
MOMENTS = [datetime(2025, 9, 12, 1, 2, 3, 456, tzinfo=UTC), None]


@given(ALL_KINDS, ALL_KINDS, ALL_KINDS)
def test_widening_does_not_depend_on_the_order(one: Kind, two: Kind, three: Kind) -> None:
    both = widened(one, two)

    assert both == widened(two, one)
    assert widened(both, one) == widened(both, two) == both
    assert widened(both, widened(three, both)) == widened(both, three)


@given(KINDS)
def test_a_kind_is_read_back_from_its_declaration(kind: Kind) -> None:
    assert kind_of_declared(declared(kind)) == kind


@given(ALL_KINDS)
def test_postgres_reads_a_kind_back_from_its_declaration(kind: Kind) -> None:
    # What has no value yet is text there, with a comment.
    assert sql_postgres.kind_of_declared(sql_postgres.declared(kind)) == (TEXT if kind == UNKNOWN else kind)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("character varying(20)", TEXT),
        ("smallint", INTEGER),
        ("numeric(10,2)", CENTS),
        ("numeric", NUMBER),
        ("numeric(3,-2)", Kind(Form.FOREIGN, native="numeric(3,-2)")),
        ("timestamp without time zone", MOMENT),
        ("timestamp(0) with time zone", Kind(Form.FOREIGN, native="timestamp(0) with time zone")),
        ("text[]", Kind(Form.FOREIGN, native="text[]")),
    ],
)
def test_a_foreign_type_is_read_as_postgres_calls_it(word: str, kind: Kind) -> None:
    assert sql_postgres.kind_of_declared(word) == kind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("varchar(20)", TEXT),
        ("bigint unsigned", INTEGER),
        ("INTEGER", INTEGER),
        ("bool", REAL),
        ("timestamp", MOMENT),
        ("decimal(10,2)", REAL),
        ("double precision", REAL),
        ("BLOB", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_foreign_declaration_is_read_as_sqlite_reads_it(word: str, kind: Kind) -> None:
    assert kind_of_declared(word) == kind


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pl.String(), TEXT),
        (pl.Int64(), INTEGER),
        (pl.Float64(), REAL),
        (pl.Boolean(), BOOLEAN),
        (pl.Date(), DATE),
        (pl.Datetime("us", "UTC"), MOMENT),
        (pl.Decimal(38, 2), CENTS),
        (pl.Null(), UNKNOWN),
    ],
)
def test_every_staged_type_has_a_kind(dtype: pl.DataType, kind: Kind) -> None:
    assert kind_of_dtype(dtype) == kind


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1, -2, None], [2.5], [1.0, -2.0, None]),
        ([1, -2, None], ["x"], ["1", "-2", None]),
        ([1, -2, None], [Decimal("2.50")], [Decimal(1), Decimal(-2), None]),
        ([1.5, None], ["x"], ["1.5", None]),
        ([date(2025, 9, 12), None], ["besok"], ["2025-09-12", None]),
        ([date(2025, 9, 12), None], MOMENTS[:1], ["2025-09-12", None]),
        (MOMENTS, ["x"], ["2025-09-12T01:02:03.000456Z", None]),
        ([True, False, None], ["mungkin"], ["true", "false", None]),
        ([True, False, None], [7], ["true", "false", None]),
        (
            [Decimal("1.25"), Decimal("-0.05"), None],
            [Decimal("0.001")],
            [Decimal("1.25"), Decimal("-0.05"), None],
        ),
        ([Decimal("0.001")], [Decimal("1.25")], [Decimal("0.001")]),
        ([Decimal("1.25"), Decimal("-0.05"), None], ["x"], ["1.25", "-0.05", None]),
        ([Decimal("1.25"), None], [0.5], [1.25, None]),
        ([None], ["x"], [None]),
        ([None], [5], [None]),
        ([None], [Decimal("1.25")], [None]),
        ([None], MOMENTS[:1], [None]),
    ],
)
def test_a_column_that_widens_keeps_every_old_value(
    tmp_path: Path, before: list[Any], after: list[Any], expected: list[Any]
) -> None:
    warehouse, maker = Warehouse(str(tmp_path / "w.db")), BatchMaker(tmp_path / "staging")
    ids = [f"{n:02}" for n in range(len(before))]
    for frame in (pl.DataFrame({"id": ids, "x": before}), pl.DataFrame({"id": ["later"], "x": after})):
        warehouse.write(maker.stream, warehouse.compare(maker.stream, maker.batch(frame)))

    found = pl.concat(list(warehouse.read("orders"))).sort("id")

    assert found["x"].to_list()[:-1] == expected
    last = found["x"].to_list()[-1]
    if isinstance(last, str) and isinstance(after[0], datetime):
        assert last == "2025-09-12T01:02:03.000456Z"
    else:
        assert last == (str(after[0]) if isinstance(last, str) else after[0])


@settings(max_examples=25)
@given(st.lists(st.decimals(min_value=-(10**12), max_value=10**12, places=2), min_size=1, max_size=20))
def test_money_is_exact(amounts: list[Decimal]) -> None:
    with TemporaryDirectory() as folder:
        warehouse, maker = Warehouse(f"{folder}/w.db"), BatchMaker(Path(folder) / "staging")
        values = pl.Series("x", amounts, dtype=pl.Decimal(38, 2))
        frame = pl.DataFrame({"id": [f"{n:02}" for n in range(len(amounts))], "x": values})

        warehouse.write(maker.stream, warehouse.compare(maker.stream, maker.batch(frame)))

        assert pl.concat(list(warehouse.read("orders"))).sort("id")["x"].to_list() == amounts
