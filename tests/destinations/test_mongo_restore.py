"""Dumps of documents and their way back: every type and byte, each document once, others left alone."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from backhaul.destinations import MongoDB
from backhaul.destinations.mongo import dump
from backhaul.errors import ConfigError, TransientError
from backhaul.model import Counts, Migration, Restorable, Stream
from backhaul.testing.batches import NoSource
from tests import mongo_server
from tests.mongo_server import Proxy, fault

ROOT = Path(__file__).resolve().parents[2]
STREAM = Stream(name="orders", source=NoSource(), request=None, key=("id",))

EVERY_TYPE: dict[str, Any] = {
    "_id": ObjectId("65a000000000000000000001"),
    "text": 'שלום "x"\n\u2028',
    "whole": 5,
    "long": Int64(5),
    "fraction": 5.0,
    "nan": float("nan"),
    "endless": float("-inf"),
    "money": Decimal128("1.50"),
    "yes": True,
    "none": None,
    "moment": datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC),
    "early": datetime(1, 1, 1, tzinfo=UTC),
    "bytes": Binary(b"\x00\xff"),
    "uuid": Binary(b"0" * 16, 4),
    "pattern": Regex("^a", "im"),
    "code": Code("f()", {"x": 1}),
    "stamp": Timestamp(1, 2),
    "reference": DBRef("c", 1, "d"),
    "least": MinKey(),
    "most": MaxKey(),
    "list": [{"lesson": 5, "paid": None}, [], 3],
    "_backhaul": {"updated_by": "b"},
    "dotted\uff0ename": {"": 1, "a.b": 2},
}


@pytest.fixture
def orders() -> MongoDB:
    return MongoDB(mongo_server.new_database(), url=mongo_server.url())


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    opened = Proxy()
    yield opened
    opened.close()


def there(orders: MongoDB) -> Any:
    return mongo_server.client()[str(orders.database)]["orders"]


def raw(orders: MongoDB) -> list[bytes]:
    return [bytes(each) for each in there(orders).find_raw_batches({}, sort=[("_id", 1)])]


def test_it_is_a_restorable_destination_of_one_collection(orders: MongoDB) -> None:
    assert isinstance(orders, Restorable)
    assert orders.place(STREAM) == f"{orders.database}.orders"
    assert replace(orders, collection="c").place(STREAM) == f"{orders.database}.c"


def test_every_type_comes_back_byte_for_byte(orders: MongoDB) -> None:
    there(orders).insert_one(EVERY_TYPE)
    before, lines = raw(orders), list(orders.dump(STREAM))
    there(orders).delete_many({})

    assert orders.restore(STREAM, lines) == Counts(new=1)

    assert raw(orders) == before
    assert len(lines) == 1
    assert b"\n" not in lines[0]
    assert '"שלום'.encode() in lines[0]


def cstring_document(name: bytes, value: bytes) -> bytes:
    """Return BSON of {_id: 1, NAME: {VALUE's elements}} made by hand."""
    inner = (len(value) + 5).to_bytes(4, "little") + value + b"\0"
    body = b"\x10_id\0\x01\0\0\0" + b"\x03" + name + b"\0" + inner
    return (len(body) + 5).to_bytes(4, "little") + body + b"\0"


@pytest.mark.parametrize(
    "document",
    [
        bson.encode({"_id": 1, "x": {"$oid": "no id"}}),
        bson.encode({"_id": 1, "x": {"$numberInt": "5"}}),
        bson.encode({"_id": 1, "$date": 5}),
        cstring_document(b"twice", b"\x10a\0\x01\0\0\0\x10a\0\x02\0\0\0"),
        cstring_document(b"no utf-8", b"\x02a\0\x02\0\0\0\xff\0"),
        bson.encode({"_id": {"$bson": "x"}}),
        bson.encode({"_id": 1, "x": bson.DatetimeMS(-(10**16))}),
    ],
)
def test_what_json_cannot_say_is_kept_as_it_is(document: bytes) -> None:
    line = dump.line_of(document)

    assert dump.raw_of(line) == document
    assert b"\n" not in line


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.integers(-(2**63), 2**63 - 1).map(Int64)
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text().filter(lambda name: "\0" not in name), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_any_document_survives_as_a_line(value: Any) -> None:
    document = bson.encode({"_id": 1, "x": value})

    assert dump.raw_of(dump.line_of(document)) == document


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"5", b"{}", b'{"x": 1}', b'{"$bson": "AAAA"}', b'{"$bson": 5}', b"\xff"]
)
def test_a_line_that_is_no_document_is_refused(line: bytes) -> None:
    with pytest.raises(ConfigError, match="holds no document"):
        dump.raw_of(line)


def test_documents_come_back_as_they_were_and_those_that_came_later_stay(orders: MongoDB) -> None:
    there(orders).insert_many([{"_id": each, "n": each} for each in range(5)])
    lines = list(orders.dump(STREAM))
    there(orders).delete_one({"_id": 0})
    there(orders).update_one({"_id": 1}, {"$set": {"n": 10, "more": 1}})
    there(orders).insert_one({"_id": 9, "n": 9})

    assert orders.restore(STREAM, lines, dry_run=True) == Counts(new=1, updated=1, unchanged=3)
    assert there(orders).count_documents({"more": 1}) == 1
    assert orders.restore(STREAM, lines) == Counts(new=1, updated=1, unchanged=3)
    assert orders.restore(STREAM, lines) == Counts(unchanged=5)
    assert list(there(orders).find(sort=[("_id", 1)])) == [{"_id": n, "n": n} for n in (0, 1, 2, 3, 4, 9)]


def test_ids_of_several_types_are_all_dumped_and_found_again(orders: MongoDB) -> None:
    ids: list[Any] = [1, "1", ObjectId(), {"a": 1}, None, 2.5, datetime(2026, 1, 1, tzinfo=UTC), Binary(b"x")]
    there(orders).insert_many([{"_id": each} for each in ids])
    lines = list(orders.dump(STREAM))

    assert orders.restore(STREAM, lines) == Counts(unchanged=len(ids))
    there(orders).delete_many({})
    assert orders.restore(STREAM, lines) == Counts(new=len(ids))


def test_the_same_documents_give_the_same_lines_whatever_order_they_were_written_in(orders: MongoDB) -> None:
    there(orders).insert_many([{"_id": each} for each in (3, 1, 2)])

    assert [dump.raw_of(line) for line in orders.dump(STREAM)] == [bson.encode({"_id": n}) for n in (1, 2, 3)]


def test_a_document_whose_key_another_one_has_by_now_is_refused_and_counted(orders: MongoDB) -> None:
    there(orders).create_index("id", unique=True)
    there(orders).insert_many([{"_id": 1, "id": "a"}, {"_id": 2, "id": "b"}])
    lines = list(orders.dump(STREAM))
    there(orders).delete_one({"_id": 1})
    there(orders).insert_one({"_id": 3, "id": "a"})

    assert orders.restore(STREAM, lines) == Counts(rejected=1, unchanged=1)
    assert there(orders).count_documents({"id": "a", "_id": 3}) == 1


def test_a_key_that_only_becomes_free_on_the_way_is_waited_for(orders: MongoDB) -> None:
    there(orders).create_index("id", unique=True)
    there(orders).insert_many([{"_id": 1, "id": "a"}, {"_id": 2, "id": "b"}])
    lines = list(orders.dump(STREAM))
    there(orders).update_one({"_id": 1}, {"$set": {"id": "c"}})
    there(orders).update_one({"_id": 2}, {"$set": {"id": "a"}})

    assert orders.restore(STREAM, lines) == Counts(updated=2)
    assert [dump.raw_of(line) for line in orders.dump(STREAM)] == [dump.raw_of(line) for line in lines]


def test_migrations_are_to_be_done_again_after_documents_have_come_back(orders: MongoDB) -> None:
    orders = replace(orders, migrations=(Migration(1, "add x", lambda row: {**row, "x": 1}),))
    there(orders).insert_one({"_id": 1})
    lines = list(orders.dump(STREAM))
    orders.migrate(STREAM)

    orders.restore(STREAM, lines, dry_run=True)
    assert orders.pending(STREAM) == ()
    orders.restore(STREAM, lines)

    assert [each.number for each in orders.pending(STREAM)] == [1]


@pytest.mark.parametrize("lost", [1, 1000])
def test_answers_that_are_lost_end_in_the_same_state(orders: MongoDB, proxy: Proxy, lost: int) -> None:
    there(orders).insert_many([{"_id": each} for each in range(3)])
    lines = list(orders.dump(STREAM))
    there(orders).delete_many({})
    proxy.command, proxy.lose = "update", lost

    if lost == 1:
        assert replace(orders, url=proxy.url).restore(STREAM, lines) == Counts(new=3)
    else:
        with pytest.raises(TransientError):
            replace(orders, url=proxy.url).restore(STREAM, lines)
        assert orders.restore(STREAM, lines).rows == 3
    assert there(orders).count_documents({}) == 3


def test_a_primary_that_steps_down_meanwhile_is_a_passing_failure(orders: MongoDB) -> None:
    there(orders).insert_one({"_id": 1})
    lines = list(orders.dump(STREAM))
    there(orders).delete_many({})
    orders = replace(orders, url=mongo_server.url(heartbeatFrequencyMS=500, serverSelectionTimeoutMS=100))

    with fault(["update"], times=20, errorCode=10107), pytest.raises(TransientError):
        orders.restore(STREAM, lines)
    with fault(["find"], times=20, errorCode=11600), pytest.raises(TransientError):
        list(orders.dump(STREAM))


def test_a_user_who_may_only_read_can_dump_and_is_told_when_restoring(orders: MongoDB) -> None:
    there(orders).insert_one({"_id": 1})

    with fault(["update", "delete"], times=20, errorCode=13):
        lines = list(orders.dump(STREAM))
        there(orders).delete_many({})
        with pytest.raises(ConfigError, match="may not do that"):
            orders.restore(STREAM, lines)


def test_a_server_that_is_down_is_a_passing_failure(orders: MongoDB) -> None:
    down = replace(orders, url="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")

    with pytest.raises(TransientError):
        list(down.dump(STREAM))
    with pytest.raises(TransientError):
        down.restore(STREAM, [b'{"_id": 1}'])


THERE_AND_BACK = """
import resource, sys
from backhaul.destinations import MongoDB
from tests.destinations import test_mongo_restore as here
def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
orders = MongoDB(sys.argv[1], url=sys.argv[2])
orders.check()
before = peak_bytes()
print(orders.restore(here.STREAM, orders.dump(here.STREAM)).unchanged, peak_bytes() - before)
"""


@pytest.mark.slow
def test_a_hundred_thousand_documents_go_there_and_back_in_bounded_memory(orders: MongoDB) -> None:
    entry = {"lesson": 5, "teacher": "Noa", "practice_count": 3, "paid": False, "note": "x" * 100}
    for start in range(0, 100_000, 5_000):
        chunk = [{"_id": each, "id": str(each), "lessons": [entry] * 4} for each in range(start, start + 5_000)]
        there(orders).insert_many([RawBSONDocument(bson.encode(each)) for each in chunk])
    arguments = [sys.executable, "-c", THERE_AND_BACK, str(orders.database), str(orders.url)]

    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)

    unchanged, grown_bytes = map(int, done.stdout.split())
    assert unchanged == 100_000
    assert grown_bytes < 100_000_000
