"""MongoDB: what of a collection is ours, what is refused and what an index is for."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bson import decode, encode
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from backhaul.destinations import MongoDB, Nested, Stamps
from backhaul.destinations.mongo.values import is_same, stored
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import Counts, Rejected
from backhaul.testing.batches import BatchMaker
from tests import mongo_server

LESSONS = Nested("lessons", key="lesson", on_insert=("paid",))


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


@pytest.fixture
def students() -> MongoDB:
    return MongoDB(mongo_server.new_database(), url=mongo_server.url(), nested=(LESSONS,))


def collection(destination: MongoDB) -> Any:
    return mongo_server.client()[str(destination.database)]["orders"]


def document(destination: MongoDB, key: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = collection(destination).find_one({"id": key}, {"_id": 0, "_backhaul": 0})
    return found


def merge(destination: MongoDB, maker: BatchMaker, **columns: Any) -> Counts:
    changes = destination.compare(maker.stream, maker.batch(pl.DataFrame(columns)))
    counts = destination.write(maker.stream, changes)
    assert counts == changes.counts
    return counts


def lesson(name: str, count: int = 0, **more: Any) -> dict[str, Any]:
    return {"lesson": name, "practice_count": count, "paid": False, **more}


def cell(*lessons: Any) -> list[str]:
    return [json.dumps(lessons)]


def test_a_lesson_is_merged_by_its_key_and_what_people_wrote_into_it_stays(
    students: MongoDB, maker: BatchMaker
) -> None:
    merge(students, maker, id=["1"], lessons=cell(lesson("5", 1)))
    collection(students).update_one({"id": "1"}, {"$set": {"lessons.0.paid": True, "lessons.0.note": "cash"}})
    collection(students).update_one({"id": "1"}, {"$push": {"lessons": {"own": 1}}})

    counts = merge(students, maker, id=["1"], lessons=cell(lesson("5", 2), lesson("6")))

    assert counts == Counts(updated=1)
    assert document(students)["lessons"] == [
        {"lesson": "5", "practice_count": 2, "paid": True, "note": "cash"},
        {"own": 1},
        {"lesson": "6", "practice_count": 0, "paid": False},
    ]


def test_a_lesson_that_the_batch_lacks_stays_and_is_no_difference(students: MongoDB, maker: BatchMaker) -> None:
    merge(students, maker, id=["1"], lessons=cell(lesson("5", 1), lesson("6", 1)))

    assert merge(students, maker, id=["1"], lessons=cell(lesson("6", 1))) == Counts(unchanged=1)
    assert merge(students, maker, id=["1"], lessons=[None]) == Counts(unchanged=1)
    assert [each["lesson"] for each in document(students)["lessons"]] == ["5", "6"]


def test_what_people_do_between_comparison_and_write_is_not_lost(students: MongoDB, maker: BatchMaker) -> None:
    merge(students, maker, id=["1"], name=["Dana"], lessons=cell(lesson("5", 1)))
    batch = maker.batch(pl.DataFrame({"id": ["1"], "name": ["Dana"], "lessons": cell(lesson("5", 2))}))
    changes = students.compare(maker.stream, batch)
    entries = [lesson("own"), lesson("5", 1, paid=True)]
    collection(students).update_one({"id": "1"}, {"$set": {"lessons": entries, "phone": "made up"}})

    assert students.write(maker.stream, changes) == Counts(updated=1)

    found = document(students)
    assert found["lessons"] == [lesson("own"), lesson("5", 2, paid=True)]
    assert found["phone"] == "made up"


@pytest.mark.parametrize("there", ["text", {"lesson": "5"}, 3])
def test_a_row_whose_list_is_something_else_in_the_document_is_refused(
    students: MongoDB, maker: BatchMaker, there: object
) -> None:
    collection(students).insert_one({"id": "1", "lessons": there})

    batch = maker.batch(pl.DataFrame({"id": ["1", "2"], "lessons": cell(lesson("5")) * 2}))
    changes = students.compare(maker.stream, batch)

    assert changes.refused == (Rejected(1, "field lessons of its document is no list"),)
    assert students.write(maker.stream, changes) == changes.counts == Counts(new=1, rejected=1)
    assert document(students)["lessons"] == there


@pytest.mark.parametrize("text", ["$id", "$$ROOT", "$", "a.b", "{$set: 1}", "$literal"])
def test_values_and_names_that_mean_something_to_mongodb_are_taken_as_they_are(
    students: MongoDB, maker: BatchMaker, text: str
) -> None:
    for count in (1, 2):
        entry = lesson(text, count, **{text: text})
        merge(students, maker, id=["1"], **{"note": [text + str(count)], text: [text], "lessons": cell(entry)})

    found, name = document(students), text.replace(".", "\uff0e")
    name = "\uff04" + name[1:] if name.startswith("$") else name
    assert (found["note"], found[name]) == (text + "2", text)
    assert found["lessons"] == [{"lesson": text, "practice_count": 2, "paid": False, name: text}]
    assert list(found) == ["id", "note", name, "lessons"]


@pytest.mark.parametrize("columns", [["_id"], ["_backhaul"], ["a.b", "a\uff0eb"], ["lessons.", "lessons\uff0e"]])
def test_columns_that_no_field_can_be_named_after_are_refused(
    students: MongoDB, maker: BatchMaker, columns: list[str]
) -> None:
    batch = maker.batch(pl.DataFrame({"id": ["1"], **dict.fromkeys(columns, "x")}))

    with pytest.raises(ConfigError) as caught:
        students.compare(maker.stream, batch)
    assert "transform" in caught.value.next_step


def test_columns_of_creation_are_written_once(students: MongoDB, maker: BatchMaker) -> None:
    students = replace(students, on_insert=("paid",), stamps=Stamps("created_at", "updated_at"))
    merge(students, maker, id=["1"], paid=[False], total=[1])
    first = document(students)
    collection(students).update_one({"id": "1"}, {"$set": {"paid": True}})

    assert merge(students, maker, id=["1"], paid=[False], total=[1]) == Counts(unchanged=1)
    assert document(students)["updated_at"] == first["updated_at"]
    assert merge(students, maker, id=["1"], paid=[False], total=[2]) == Counts(updated=1)
    found = document(students)
    assert (found["paid"], found["total"], found["created_at"]) == (True, 2, first["created_at"])
    assert found["updated_at"] >= first["updated_at"] >= first["created_at"]


def test_a_stamp_is_written_by_the_clock_and_in_the_form_that_programs_read(
    students: MongoDB, maker: BatchMaker
) -> None:
    students = replace(students, stamps=Stamps("created_at", form="%H:%M, %d.%m.%Y"))

    merge(students, maker, id=["1"])

    # The batch's clock is seven hours before UTC.
    written = datetime.strptime(document(students)["created_at"] + " +0700", "%H:%M, %d.%m.%Y %z")
    assert abs((datetime.now(UTC) - written).total_seconds()) < 120


def test_only_updating_adds_no_document_and_marks_none(students: MongoDB, maker: BatchMaker) -> None:
    maker = replace(maker, complete=True)
    merge(students, maker, id=["1", "3"], total=[1, 3])

    counts = merge(replace(students, update_only=True), maker, id=["1", "2"], total=[10, 20])

    assert counts == Counts(updated=1, unchanged=1)
    assert [each["total"] for each in collection(students).find().sort("id")] == [10, 3]
    assert "removed_at" not in document(students, "3")


def test_documents_that_were_there_are_adopted_and_never_marked(students: MongoDB, maker: BatchMaker) -> None:
    maker = replace(maker, complete=True)
    collection(students).insert_many(
        [{"id": "1", "total": 5.0, "money": 2}, {"id": "own"}, {"other": 1}, {"other": 2}]
    )

    counts = merge(students, maker, id=["1", "2"], total=[5, 6], money=[Decimal("2.00"), None])

    assert counts == Counts(new=1, unchanged=1)
    assert merge(students, maker, id=["1"], total=[7], money=[Decimal("2.00")]) == Counts(updated=1, removed=1)
    marked = [each.get("id") for each in collection(students).find({"removed_at": {"$exists": True}})]
    assert marked == ["2"]


def test_true_is_not_one(students: MongoDB, maker: BatchMaker) -> None:
    collection(students).insert_one({"id": "1", "paid": 1})

    assert merge(students, maker, id=["1"], paid=[True]) == Counts(updated=1)
    assert document(students)["paid"] is True


@pytest.mark.parametrize(
    ("lessons", "reason"),
    [
        ("secret", "it is no JSON list"),
        ('{"lesson": "secret"}', "it is no list"),
        ('[{"name": "secret"}]', "an entry has no lesson"),
        ('["secret"]', "an entry has no lesson"),
        ('[{"lesson": "a", "n": NaN}]', "it is no JSON list"),
        ('[{"lesson": "a", "n": 9223372036854775808}]', "a whole number of more than 64 bits"),
        ('[{"lesson": "a", "n": ' + "[" * 200 + "]" * 200 + "}]", "objects within objects"),
        ("[" * 100_000, "it is no JSON list"),
    ],
)
def test_a_list_that_cannot_be_read_refuses_its_row_alone(
    students: MongoDB, maker: BatchMaker, lessons: str, reason: str
) -> None:
    batch = maker.batch(pl.DataFrame({"id": ["1", "2"], "lessons": [lessons, "[]"]}))

    changes = students.compare(maker.stream, batch)

    assert students.write(maker.stream, changes) == changes.counts == Counts(new=1, rejected=1)
    [refused] = changes.refused
    assert refused.row == 1
    assert refused.check.startswith(f"column lessons: {reason}")
    assert "secret" not in refused.check


@pytest.mark.parametrize("key", ['"\\ud800"', '"a", "b\\u0000c": 1, "d": 1'])
def test_texts_that_no_document_can_hold_refuse_their_row(students: MongoDB, maker: BatchMaker, key: str) -> None:
    batch = maker.batch(pl.DataFrame({"id": ["1"], "lessons": [f'[{{"lesson": {key}}}]']}))

    changes = students.compare(maker.stream, batch)

    assert changes.refused == (Rejected(1, "a text that MongoDB cannot keep"),)


def test_a_number_or_text_that_is_too_large_refuses_its_row(students: MongoDB, maker: BatchMaker) -> None:
    numbers = pl.Series([Decimal("1"), Decimal("9" * 36), None], dtype=pl.Decimal(38, 1))
    texts = ["short", "short", "x" * 17_000_000]

    changes = students.compare(
        maker.stream, maker.batch(pl.DataFrame({"id": ["1", "2", "3"], "n": numbers, "t": texts}))
    )

    assert changes.counts == Counts(new=1, rejected=2)
    assert changes.refused == (
        Rejected(2, "column n: a number of more than 34 digits"),
        Rejected(3, "more than the 16 MB of a document"),
    )


def test_a_document_that_would_grow_too_large_refuses_its_row(students: MongoDB, maker: BatchMaker) -> None:
    collection(students).insert_one({"id": "1", "own": "x" * 9_000_000})
    merge(students, maker, id=["2"], note=["a"])

    changes = students.compare(
        maker.stream, maker.batch(pl.DataFrame({"id": ["1", "2"], "note": ["y" * 9_000_000, "b"]}))
    )
    counts, refused = students.write_judged(maker.stream, changes)

    assert counts == Counts(updated=1, rejected=1)
    assert [each.row for each in refused] == [1]
    assert "note" not in document(students)
    assert document(students, "2")["note"] == "b"


def test_a_row_against_the_rules_of_the_collection_is_refused_and_the_rest_goes_on(
    students: MongoDB, maker: BatchMaker
) -> None:
    database = mongo_server.client()[str(students.database)]
    database.command("create", "orders", validator={"$jsonSchema": {"properties": {"total": {"maximum": 9}}}})
    merge(students, maker, id=["1", "2"], total=[1, 2])
    batch = maker.batch(pl.DataFrame({"id": ["1", "2", "3", "4"], "total": [10, 3, 11, 4]}))
    changes = students.compare(maker.stream, batch)

    first = students.write_judged(maker.stream, changes)
    again = students.write_judged(maker.stream, changes)

    reason = "the collection's validation rules"
    assert first[0] == again[0] == Counts(new=1, updated=1, rejected=2)
    assert sorted(first[1], key=lambda each: each.row) == [Rejected(1, reason), Rejected(3, reason)]
    assert [each["total"] for each in collection(students).find().sort("id")] == [1, 3, 4]


def test_a_row_that_another_unique_index_does_not_take_is_refused_without_its_value(
    students: MongoDB, maker: BatchMaker
) -> None:
    collection(students).create_index("phone", unique=True)
    merge(students, maker, id=["1"], phone=["secret"])
    changes = students.compare(
        maker.stream, maker.batch(pl.DataFrame({"id": ["2", "3"], "phone": ["secret", "other"]}))
    )

    counts, refused = students.write_judged(maker.stream, changes)

    assert counts == Counts(new=1, rejected=1)
    assert refused == (Rejected(1, "a unique index of the collection on phone"),)


def test_a_key_that_stands_in_several_documents_is_told_with_how_many(students: MongoDB, maker: BatchMaker) -> None:
    collection(students).insert_many([{"id": each} for each in ("secret", "secret", "secret", "b", "b", "c")])
    changes = students.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["c", "d"], "total": [1, 2]})))

    with pytest.raises(DeliveryError, match="3 documents too many: 2 values of 'id'") as caught:
        students.write(maker.stream, changes)

    assert "secret" not in str(caught.value)
    assert collection(students).count_documents({}) == 6
    with pytest.raises(DeliveryError, match="2 documents whose keys stand there already"):
        students.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["secret"]})))


def test_keys_that_are_numbers_in_the_collection_are_not_doubled_as_text(
    students: MongoDB, maker: BatchMaker
) -> None:
    collection(students).insert_one({"id": 1})

    with pytest.raises(DeliveryError, match="'id' is a number there"):
        students.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1"]})))


def test_declared_indexes_are_made_and_those_that_are_there_are_left_alone(
    students: MongoDB, maker: BatchMaker
) -> None:
    students = replace(students, indexes=("name", ("teacher", "name"), "phone.no"))
    collection(students).create_index("id", unique=True, name="of_people")
    collection(students).create_index("name", name="also_of_people")

    for name in "a", "b":
        merge(students, maker, id=["1"], name=[name])

    found = {name: each["key"] for name, each in collection(students).index_information().items()}
    assert found == {
        "_id_": [("_id", 1)],
        "of_people": [("id", 1)],
        "also_of_people": [("name", 1)],
        "teacher_1_name_1": [("teacher", 1), ("name", 1)],
        "phone\uff0eno_1": [("phone\uff0eno", 1)],
    }


def test_a_key_column_can_be_the_id_of_the_documents(students: MongoDB, maker: BatchMaker) -> None:
    students = replace(students, id_column="id")

    assert merge(students, maker, id=["1", "2"], total=[1, 2]) == Counts(new=2)
    assert merge(students, maker, id=["2", "3"], total=[3, 4]) == Counts(new=1, updated=1)

    assert [(each["_id"], each["total"]) for each in collection(students).find()] == [("1", 1), ("2", 3), ("3", 4)]
    assert "id" not in collection(students).find_one()
    assert list(collection(students).index_information()) == ["_id_"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_insert": ("id",)},
        {"on_insert": ("lessons",)},
        {"nested": (Nested("id", key="x"),)},
        {"id_column": "total"},
        {"stamps": Stamps(updated="total")},
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    students: MongoDB, maker: BatchMaker, wrong: dict[str, Any]
) -> None:
    batch = maker.batch(pl.DataFrame({"id": ["1"], "total": [1]}))

    with pytest.raises(ConfigError):
        replace(students, **wrong).compare(maker.stream, batch)


def test_without_the_driver_the_error_names_the_extra(
    students: MongoDB, maker: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymongo", None)

    with pytest.raises(ConfigError) as caught:
        students.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1"]})))
    assert "backhaul[mongo]" in caught.value.next_step


def test_a_check_tells_what_is_there_and_makes_nothing(students: MongoDB, maker: BatchMaker) -> None:
    assert "0 collections" in students.check()
    merge(students, maker, id=["1", "2"])

    assert students.check().endswith(": 1 collections")
    assert replace(students, collection="orders").check().endswith(".orders: 2 documents")
    assert mongo_server.client()[str(students.database)].list_collection_names() == ["orders"]


def values() -> st.SearchStrategy[Any]:
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.decimals(places=3, min_value=-(10**20), max_value=10**20),
    )
    names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5)
    return st.recursive(plain, lambda each: st.lists(each, max_size=3) | st.dictionaries(names, each, max_size=3))


@given(values())
def test_a_value_that_was_stored_is_the_same_when_it_is_read(value: Any) -> None:
    ours = stored(value)

    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
    theirs = decode(encode({"value": ours}), options)["value"]

    assert is_same(ours, theirs)
    assert is_same(theirs, ours)
