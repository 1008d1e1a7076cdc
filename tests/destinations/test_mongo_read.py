"""Documents read back as frames: what people have added is there, and every type has its column."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from bson import Binary, Decimal128, Int64, MinKey, ObjectId, Regex
from bson.datetime_ms import DatetimeMS

from backhaul.destinations import MongoDB
from backhaul.destinations.mongo import read
from backhaul.model import Readable, Stream
from backhaul.model.upkeep import united
from backhaul.testing.batches import NoSource
from tests import mongo_server

STREAM = Stream(name="orders", source=NoSource(), request=None, key=("id",))
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)

Read = Callable[..., pl.DataFrame]


@pytest.fixture
def orders() -> MongoDB:
    return MongoDB(mongo_server.new_database(), url=mongo_server.url())


@pytest.fixture
def shown(orders: MongoDB) -> Read:
    """Put documents into the collection and read it back as one frame, `_id` left out."""

    def put(*documents: dict[str, Any]) -> pl.DataFrame:
        mongo_server.client()[str(orders.database)]["orders"].insert_many([dict(each) for each in documents])
        return united(orders.read(STREAM)).drop("_id")

    return put


def test_it_is_a_readable_destination(orders: MongoDB) -> None:
    assert isinstance(orders, Readable)


def test_keys_come_first_as_text_and_bookkeeping_is_left_out(shown: Read) -> None:
    frame = shown({"a": 1, "id": "x", "_backhaul": {"updated_by": "b"}}, {"id": 5, "a": 2})

    assert frame.to_dict(as_series=False) == {"id": ["x", "5"], "a": [1, 2]}


def test_fields_of_people_and_of_some_documents_only_are_columns_too(shown: Read) -> None:
    frame = shown({"id": "1", "paid": True}, {"id": "2", "note": "cash"})

    assert frame["paid"].to_list() == [True, None]
    assert frame["note"].to_list() == [None, "cash"]


def test_lists_and_sub_documents_are_json_text_with_plain_values(shown: Read) -> None:
    entry = {
        "lesson": Int64(5),
        "at": MOMENT,
        "fee": Decimal128("1.50"),
        "ref": ObjectId("0" * 24),
        "x": float("nan"),
    }

    frame = shown({"id": "1", "lessons": [entry], "sub": {"b": Binary(b"\x00"), "שם": "דנה"}})

    assert json.loads(frame["lessons"][0]) == [
        {"lesson": 5, "at": "2026-01-02T03:04:05.006Z", "fee": "1.50", "ref": "0" * 24, "x": "nan"}
    ]
    assert frame["sub"][0] == '{"b": "AA==", "שם": "דנה"}'


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, Int64(2)], pl.Int64(), [1, 2]),
        ([1, 2.5], pl.Float64(), [1.0, 2.5]),
        ([2**60, 2.5], pl.String(), [str(2**60), "2.5"]),
        ([True, False], pl.Boolean(), [True, False]),
        ([True, 1], pl.String(), ["true", "1"]),
        ([MOMENT], pl.Datetime("us", "UTC"), [MOMENT]),
        ([MOMENT, "x"], pl.String(), ["2026-01-02T03:04:05.006Z", "x"]),
        ([Decimal128("1.50"), 2], pl.Decimal(38, 2), [Decimal("1.50"), Decimal("2.00")]),
        ([Decimal128("NaN")], pl.String(), ["NaN"]),
        ([Decimal128("1E-6000")], pl.String(), ["1E-6000"]),
        ([Decimal128("1E+6000")], pl.String(), ["1E+6000"]),
        ([Decimal128("1.5"), 2.5], pl.String(), ["1.5", "2.5"]),
        ([[], None], pl.String(), ["[]", None]),
        ([None], pl.String(), [None]),
    ],
)
def test_a_column_has_the_one_type_of_its_values_else_it_is_text(
    shown: Read, values: list[Any], kind: pl.DataType, expected: list[Any]
) -> None:
    column = shown(*({"id": str(at), "x": value} for at, value in enumerate(values)))["x"]

    assert column.dtype == kind
    assert column.to_list() == expected


def test_what_a_column_cannot_have_is_extended_json() -> None:
    documents = [{"x": DatetimeMS(-(10**16))}, {"x": Regex("a")}, {"x": MinKey()}]

    column = read.frame_of(documents, {})["x"]

    assert [json.loads(each) for each in column] == [
        {"$date": {"$numberLong": str(-(10**16))}},
        {"$regularExpression": {"pattern": "a", "options": ""}},
        {"$minKey": 1},
    ]


def test_pieces_have_their_own_columns_and_types_and_are_put_together_by_name(
    orders: MongoDB, monkeypatch: pytest.MonkeyPatch, shown: Read
) -> None:
    monkeypatch.setattr(read, "PIECE_ROWS", 1)
    documents = [{"id": "1", "x": 1, "t": MOMENT}, {"id": "2", "y": 1.5, "x": None}, {"id": "3", "x": 2.5, "t": "?"}]

    frame = shown(*documents)

    assert [piece.columns[2:] for piece in orders.read(STREAM)] == [["x", "t"], ["y", "x"], ["x", "t"]]
    assert frame["x"].to_list() == [1.0, None, 2.5]
    assert frame["y"].to_list() == [None, 1.5, None]
    assert frame["t"].to_list() == ["2026-01-02T03:04:05.006Z", None, "?"]


def test_a_piece_has_so_many_documents_at_most(orders: MongoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read.PIECE_ROWS == 10_000
    # More than the server sends at once, which is a thousand.
    monkeypatch.setattr(read, "PIECE_ROWS", 1_200)
    there = mongo_server.client()[str(orders.database)]["orders"]
    there.insert_many([{"id": str(each)} for each in range(2_401)])

    assert [piece.height for piece in orders.read(STREAM)] == [1_200, 1_200, 1]


def test_names_that_were_stored_with_full_width_signs_come_back_as_they_were(shown: Read) -> None:
    assert shown({"id": "1", "total\uff0eidr": 1, "\uff04x": 2}).columns == ["id", "total.idr", "$x"]


def test_the_key_column_that_is_the_id_of_the_document_comes_under_its_own_name(orders: MongoDB) -> None:
    mongo_server.client()[str(orders.database)]["orders"].insert_one({"_id": "k", "n": 1})

    assert united(replace(orders, id_column="id").read(STREAM)).columns == ["id", "n"]


def test_an_empty_collection_gives_no_piece(orders: MongoDB) -> None:
    assert list(orders.read(STREAM)) == []
    assert united(orders.read(STREAM)).is_empty()
