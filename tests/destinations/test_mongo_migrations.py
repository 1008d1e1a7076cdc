"""Migrations of documents: each once, in order, without harm to what others write meanwhile or to a killed one."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Int64, ObjectId

from backhaul.destinations import MongoDB
from backhaul.destinations.mongo import documents, migrate
from backhaul.errors import ConfigError, TransientError
from backhaul.model import Migratable, Migrated, Migration, Stream
from backhaul.testing.batches import NoSource
from tests import mongo_server
from tests.mongo_server import Proxy, fault

STREAM = Stream(name="orders", source=NoSource(), request=None, key=("id",))
ROOT = Path(__file__).resolve().parents[2]


def per_lesson(document: dict[str, Any]) -> dict[str, Any]:
    """Give each lesson `message_count` and `paid`; `total_messages` goes to the current lesson, and stays too."""
    lessons = [{"message_count": None, "paid": False, **each} for each in document["lessons"]]
    if all(each["message_count"] is None for each in lessons):
        for each in lessons:
            is_current = each["lesson"] == document["current_lesson"]
            each["message_count"] = document.get("total_messages", 0) if is_current else 0
    return {**document, "lessons": lessons}


def rename(document: dict[str, Any]) -> dict[str, Any]:
    """Call `phone` `phone_number`."""
    if "phone" in document:
        document["phone_number"] = document.pop("phone")
    return document


PER_LESSON = Migration(1, "messages per lesson", per_lesson)
RENAME = Migration(2, "phone becomes phone_number", rename)


@pytest.fixture
def students(monkeypatch: pytest.MonkeyPatch) -> MongoDB:
    monkeypatch.setattr(migrate, "FIRST_PAUSE_S", 0.01)
    return MongoDB(mongo_server.new_database(), url=mongo_server.url(), migrations=(PER_LESSON,))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    opened = Proxy()
    yield opened
    opened.close()


def there(students: MongoDB) -> Any:
    return mongo_server.client()[str(students.database)]["orders"]


def student(number: int = 1, **more: Any) -> dict[str, Any]:
    lessons = [{"lesson": "5", "practice_count": 1}, {"lesson": "6", "practice_count": 2, "paid": True}]
    return {"_id": number, "current_lesson": "6", "total_messages": 7, "lessons": lessons, **more}


def counts(students: MongoDB, number: int = 1) -> list[Any]:
    return [each["message_count"] for each in there(students).find_one({"_id": number})["lessons"]]


def test_it_is_a_migratable_destination(students: MongoDB) -> None:
    assert isinstance(students, Migratable)


def test_documents_are_taken_to_their_new_shape_once(students: MongoDB) -> None:
    there(students).insert_many([student(1), student(2, lessons=[])])

    assert students.migrate(STREAM) == (Migrated(1, "messages per lesson", rows=2, changed=1),)

    found = there(students).find_one({"_id": 1})
    assert found == student(
        lessons=[
            {"message_count": 0, "paid": False, "lesson": "5", "practice_count": 1},
            {"message_count": 7, "paid": True, "lesson": "6", "practice_count": 2},
        ]
    )
    assert students.pending(STREAM) == students.migrate(STREAM) == ()


def test_a_dry_run_shows_what_all_of_them_would_come_to_and_writes_nothing(students: MongoDB) -> None:
    students = replace(students, migrations=(PER_LESSON, RENAME))
    there(students).insert_many([student(1), student(2, phone="5")])
    before = list(there(students).find())

    results = students.migrate(STREAM, dry_run=True)

    assert results == (Migrated(1, PER_LESSON.name, 2, 2), Migrated(2, RENAME.name, 2, 1))
    assert list(there(students).find()) == before
    assert students.migrate(STREAM) == results


def test_only_what_differs_is_written_and_what_goes_is_unset(students: MongoDB) -> None:
    students = replace(students, migrations=(RENAME,))
    there(students).insert_one({"_id": 1, "phone": "5", "n": Int64(3), "_backhaul": {"updated_by": "b"}})

    students.migrate(STREAM)

    found = there(students).find_one()
    assert found == {"_id": 1, "n": 3, "_backhaul": {"updated_by": "b"}, "phone_number": "5"}
    assert type(found["n"]) is Int64


def test_another_type_of_the_same_number_is_a_difference(students: MongoDB) -> None:
    whole = Migration(1, "whole numbers", lambda row: {**row, "n": int(row["n"])})
    there(students).insert_one({"_id": 1, "n": 3.0})

    assert replace(students, migrations=(whole,)).migrate(STREAM)[0].changed == 1
    assert type(there(students).find_one()["n"]) is int


def test_a_row_that_cannot_be_migrated_is_listed_the_others_go_on_and_the_migration_stays_undone(
    students: MongoDB,
) -> None:
    odd = ObjectId()
    students = replace(students, migrations=(PER_LESSON, RENAME))
    there(students).insert_many([{"_id": "key", "current_lesson": "5"}, student(1), {"_id": odd, "lessons": [5]}])

    for changed in (1, 0):
        [result] = students.migrate(STREAM)
        assert result == Migrated(1, PER_LESSON.name, rows=3, changed=changed, refused=2, ids=(str(odd),))
    assert counts(students) == [0, 7]
    assert students.pending(STREAM) == (PER_LESSON, RENAME)

    there(students).delete_many({"_id": {"$ne": 1}})
    assert [each.number for each in students.migrate(STREAM)] == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: None,
        lambda row: {**row, "_id": 2},
        lambda row: {**row, "_backhaul": {}},
        lambda row: {**row, "x": object()},
        lambda row: {**row, "x": 2**70},
        lambda row: {**row, "x": "x" * 9_000_000},
        lambda row: row["nothing"],
        lambda row: 1 // 0,
    ],
)
def test_what_no_document_can_be_is_refused(students: MongoDB, change: Any) -> None:
    there(students).insert_one({"_id": 1})

    [result] = replace(students, migrations=(Migration(1, "m", change),)).migrate(STREAM)

    assert (result.refused, result.changed) == (1, 0)
    assert there(students).find_one() == {"_id": 1}


def test_a_function_that_does_more_when_it_is_done_again_is_refused_before_it_writes(students: MongoDB) -> None:
    more = Migration(1, "one more", lambda row: {**row, "n": row["n"] + 1})
    there(students).insert_one({"_id": 1, "n": 1})

    for dry_run in (True, False):
        with pytest.raises(ConfigError, match="done twice it gives something else"):
            replace(students, migrations=(more,)).migrate(STREAM, dry_run=dry_run)
    assert there(students).find_one() == {"_id": 1, "n": 1}


def test_a_refusal_by_the_collections_own_rules_is_counted(students: MongoDB) -> None:
    rules = {"$jsonSchema": {"properties": {"x": {"bsonType": "int"}}}}
    mongo_server.client()[str(students.database)].create_collection("orders", validator=rules)
    there(students).insert_many([{"_id": 1}, {"_id": 2, "ok": 1}])
    adding = Migration(1, "x", lambda row: {**row, "x": 1 if "ok" in row else "no"})

    [result] = replace(students, migrations=(adding,)).migrate(STREAM)

    assert (result.changed, result.refused) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"lessons.1.note": "cash"}},
        {"$set": {"total_messages": 8}},
        {"$set": {"current_lesson": "5"}},
        {"$push": {"lessons": {"lesson": "7"}}},
    ],
)
def test_what_others_change_in_between_is_not_lost(students: MongoDB, proxy: Proxy, change: dict[str, Any]) -> None:
    there(students).insert_many([student(1), student(2)])
    proxy.command = "update"
    proxy.before = lambda: there(students).update_one({"_id": 1}, change)

    [result] = replace(students, url=proxy.url).migrate(STREAM)

    other = mongo_server.client()[str(students.database)]["other"]
    other.insert_one(student(1))
    other.update_one({"_id": 1}, change)
    assert there(students).find_one({"_id": 1}) == per_lesson(other.find_one())
    assert (result.rows, result.changed, result.refused) == (2, 2, 0)


def test_a_document_that_goes_in_between_stays_gone(students: MongoDB, proxy: Proxy) -> None:
    there(students).insert_many([student(1), student(2)])
    proxy.command = "update"
    proxy.before = lambda: there(students).delete_one({"_id": 1})

    [result] = replace(students, url=proxy.url).migrate(STREAM)

    assert (result.changed, result.refused) == (1, 0)
    assert there(students).count_documents({}) == 1


def test_a_document_that_changes_all_the_time_leaves_the_migration_undone(
    students: MongoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    there(students).insert_one(student())
    monkeypatch.setattr(migrate, "_as_it_was", lambda document, _update: {"_id": document["_id"], "never": 1})

    [result] = students.migrate(STREAM)

    assert (result.changed, result.refused) == (0, 1)
    assert students.pending(STREAM) == (PER_LESSON,)


@pytest.mark.parametrize("lost", [1, 1000])
def test_a_migration_whose_answers_are_lost_can_be_done_again(students: MongoDB, proxy: Proxy, lost: int) -> None:
    there(students).insert_many([student(each) for each in range(5)])
    proxy.command, proxy.lose = "update", lost

    if lost == 1:
        assert replace(students, url=proxy.url).migrate(STREAM)[0].changed == 5
    else:
        with pytest.raises(TransientError):
            replace(students, url=proxy.url).migrate(STREAM)
        assert students.migrate(STREAM)[0].refused == 0
    assert [counts(students, each) for each in range(5)] == [[0, 7]] * 5


def test_a_primary_that_steps_down_and_a_user_who_may_only_read_are_told(students: MongoDB) -> None:
    there(students).insert_one(student())
    students = replace(students, url=mongo_server.url(heartbeatFrequencyMS=500, serverSelectionTimeoutMS=100))

    with fault(["update"], times=20, errorCode=10107), pytest.raises(TransientError):
        students.migrate(STREAM)
    with fault(["update"], times=20, errorCode=13), pytest.raises(ConfigError, match="may not do that"):
        students.migrate(STREAM)
    assert students.pending(STREAM) == (PER_LESSON,)


KILLED = """
import os, signal, sys
from backhaul.destinations.mongo import documents, migrate
from backhaul.destinations import MongoDB
from tests.destinations import test_mongo_migrations as here
whole, left = migrate.Migrating._written, 2
def written(self, writing, tally):
    global left
    found = whole(self, writing, tally)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
migrate.Migrating._written = written
migrate.chunks = lambda found: documents.chunks(found, 2)
MongoDB(sys.argv[1], url=sys.argv[2], migrations=(here.PER_LESSON,)).migrate(here.STREAM)
"""


@pytest.mark.slow
def test_a_migration_that_is_killed_in_the_middle_and_done_again_equals_one(students: MongoDB) -> None:
    there(students).insert_many([student(each) for each in range(9)])
    arguments = [sys.executable, "-c", KILLED, str(students.database), str(students.url)]

    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert there(students).count_documents({"lessons.message_count": 7}) == 4
    assert students.migrate(STREAM) == (Migrated(1, PER_LESSON.name, rows=9, changed=5),)
    assert [counts(students, each) for each in range(9)] == [[0, 7]] * 9


def test_functions_may_change_what_they_are_given(students: MongoDB) -> None:
    def within(document: dict[str, Any]) -> dict[str, Any]:
        document["lessons"][0]["paid"] = True
        return document

    there(students).insert_one(student())

    assert replace(students, migrations=(Migration(1, "m", within),)).migrate(STREAM)[0].changed == 1
    assert there(students).find_one()["lessons"][0]["paid"] is True


def test_names_of_people_with_dots_and_dollars_stand_in_no_ones_way(students: MongoDB) -> None:
    there(students).insert_one({**student(), "a.b": 1, "none": None, "deep": {"x": [1, {"y": None}]}})

    assert students.migrate(STREAM)[0].changed == 1
    assert there(students).find_one()["a.b"] == 1


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)])
def test_numbers_that_do_not_ascend_are_refused_at_declaration(numbers: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="numbers of its migrations"):
        MongoDB("db", migrations=tuple(Migration(each, "m", deepcopy) for each in numbers))


@pytest.mark.parametrize(("number", "name"), [(0, "m"), (True, "m"), ("1", "m"), (1, " ")])
def test_a_migration_without_a_number_or_a_name_is_refused(number: Any, name: str) -> None:
    with pytest.raises(ConfigError):
        Migration(number, name, deepcopy)


def test_a_number_that_was_done_under_another_name_is_refused(students: MongoDB) -> None:
    students.migrate(STREAM)

    with pytest.raises(ConfigError, match="under another name"):
        replace(students, migrations=(replace(PER_LESSON, name="other"),)).migrate(STREAM)


def test_each_collection_has_its_own_record(students: MongoDB) -> None:
    students.migrate(STREAM)

    assert replace(students, collection="other").pending(STREAM) == (PER_LESSON,)


def test_check_says_which_migrations_wait(students: MongoDB) -> None:
    students = replace(students, collection="orders", migrations=(PER_LESSON, RENAME))
    assert "migrate" not in students.check()
    there(students).insert_one(student())

    assert students.check().endswith("orders: 1 documents; `backhaul migrate` has not done yet: 1, 2")
    students.migrate(STREAM)
    assert "migrate" not in students.check()


def test_chunks_are_bounded_by_rows_and_by_bytes() -> None:
    assert [len(each) for each in documents.chunks([b"x" * 10] * 7, 3)] == [3, 3, 1]
    assert [len(each) for each in documents.chunks([b"x" * 10] * 5, 9, 20)] == [2, 2, 1]
