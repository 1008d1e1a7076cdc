"""What a person sets by hand: in the right row and entry, at once, and never what the stream writes itself."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul.destinations import MongoDB, Nested, Stamps
from backhaul.destinations.mongo import mark
from backhaul.errors import ConfigError, TransientError
from backhaul.model import Counts, Markable, Stream
from backhaul.testing.batches import BatchMaker, NoSource
from tests import mongo_server
from tests.mongo_server import Proxy

STREAM = Stream(name="orders", source=NoSource(), request=None, key=("uniq_id",))
LESSONS = Nested("lessons", key="lesson", on_insert=("paid",))
OURS = {"uniq_id": (), "name": (), "city": (), "lessons": ("lesson", "practice_count", "paid")}


@pytest.fixture
def students() -> MongoDB:
    stamps = Stamps(created="created_at", updated="updated_at")
    found = MongoDB(
        mongo_server.new_database(), url=mongo_server.url(), nested=(LESSONS,), stamps=stamps, on_insert=("city",)
    )
    there(found).insert_many(
        [
            {"uniq_id": "a", "name": "Dana Levi", "lessons": [lesson("5"), lesson("6"), 3, {"own": 1}]},
            {"uniq_id": "b", "name": "Noa Cohen", "lessons": [lesson(5), lesson("6", paid=True)]},
        ]
    )
    return found


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    opened = Proxy()
    yield opened
    opened.close()


def there(students: MongoDB) -> Any:
    return mongo_server.client()[str(students.database)]["orders"]


def lesson(name: Any, **more: Any) -> dict[str, Any]:
    return {"lesson": name, "practice_count": 1, "paid": False, **more}


def lessons(students: MongoDB, key: str) -> list[Any]:
    return [each.get("paid") for each in there(students).find_one({"uniq_id": key})["lessons"] if each != 3]


def test_it_is_a_markable_destination(students: MongoDB) -> None:
    assert isinstance(students, Markable)


@pytest.mark.parametrize("who", ["Dana Levi", " Dana Levi ", "a"])
def test_a_lesson_is_marked_as_paid_by_the_name_or_the_key_of_its_student(students: MongoDB, who: str) -> None:
    [marked] = students.mark(STREAM, who, "6", {"paid": True}, ours=OURS)

    assert (marked.label, marked.field) == ("Dana Levi, lesson 6", "lessons.paid")
    assert (marked.before, marked.after) == (False, True)
    assert marked.id == str(there(students).find_one({"uniq_id": "a"})["_id"])
    assert lessons(students, "a") == [False, True, None]
    assert lessons(students, "b") == [False, True]


@pytest.mark.parametrize("entry", ["5", " 5", "5.0"])
def test_an_entry_whose_key_is_a_number_is_found_by_what_a_person_types(students: MongoDB, entry: str) -> None:
    [marked] = students.mark(STREAM, "Noa Cohen", entry, {"paid": True}, ours=OURS)

    assert marked.label == "Noa Cohen, lesson 5"
    assert lessons(students, "b") == [True, True]


def test_a_dry_run_says_what_would_change_and_writes_nothing(students: MongoDB) -> None:
    before = list(there(students).find())

    [marked] = students.mark(STREAM, "a", "5", {"paid": True}, ours=OURS, dry_run=True)

    assert (marked.before, marked.after) == (False, True)
    assert list(there(students).find()) == before


def test_what_it_says_already_is_no_change(students: MongoDB) -> None:
    assert students.mark(STREAM, "b", "6", {"paid": True}, ours=OURS) == ()


def test_a_field_of_another_type_is_a_change(students: MongoDB) -> None:
    there(students).update_one({"uniq_id": "a"}, {"$set": {"debt": 1.0}})

    [marked] = students.mark(STREAM, "a", None, {"debt": 1}, ours=OURS)

    assert (marked.before, marked.after) == (1.0, 1)
    assert type(there(students).find_one({"uniq_id": "a"})["debt"]) is int


def test_a_field_that_was_not_there_is_set_at_the_top_of_the_document_too(students: MongoDB) -> None:
    marked = students.mark(STREAM, "a", None, {"note": "called", "debt": 1.5, "city": "Haifa", "x": None}, ours=OURS)

    assert [(each.field, each.before, each.after) for each in marked] == [
        ("note", None, "called"),
        ("debt", None, 1.5),
        ("city", None, "Haifa"),
        ("x", None, None),
    ]
    found = there(students).find_one({"uniq_id": "a"})
    assert (found["note"], found["debt"], found["city"]) == ("called", 1.5, "Haifa")


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        *((None, name) for name in ("uniq_id", "name", "lessons", "_id", "_backhaul", "removed_at", "updated_at")),
        ("5", "lesson"),
        ("5", "practice_count"),
    ],
)
def test_what_the_stream_writes_cannot_be_marked(students: MongoDB, entry: str | None, field: str) -> None:
    with pytest.raises(ConfigError, match=f"'{field}' is written by the stream"):
        students.mark(STREAM, "a", entry, {field: 1}, ours=OURS)


def test_a_field_of_entries_is_not_set_at_the_top_because_somebody_forgot_the_entry(students: MongoDB) -> None:
    with pytest.raises(ConfigError, match="'paid' is a field of the entries of lessons") as refused:
        students.mark(STREAM, "a", None, {"paid": True}, ours=OURS)

    assert "--entry" in refused.value.next_step
    assert "paid" not in there(students).find_one({"uniq_id": "a"})


def test_a_field_of_that_name_which_is_at_the_top_already_is_set_there(students: MongoDB) -> None:
    there(students).update_one({"uniq_id": "a"}, {"$set": {"paid": False}})

    students.mark(STREAM, "a", None, {"paid": True}, ours=OURS)

    assert there(students).find_one({"uniq_id": "a"})["paid"] is True


@pytest.mark.parametrize(
    ("who", "entry", "changes", "message"),
    [
        ("Nobody", None, {"x": 1}, "no row fits"),
        ("a", "7", {"paid": True}, "no entry"),
        ("a", "own", {"paid": True}, "no entry"),
        ("a", "5", {}, "no field was named"),
        ("a", "5", {" ": 1}, "a field has no name"),
        ("a", "5", {"x": 2**64}, "more than 64 bits"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    students: MongoDB, who: str, entry: str | None, changes: dict[str, Any], message: str
) -> None:
    before = list(there(students).find())

    with pytest.raises(ConfigError, match=message):
        students.mark(STREAM, who, entry, changes, ours=OURS)

    assert list(there(students).find()) == before


def test_two_of_one_name_are_not_guessed_between_and_the_error_tells_no_value(students: MongoDB) -> None:
    there(students).insert_one({"uniq_id": "c", "name": "Dana Levi"})

    with pytest.raises(ConfigError, match="2 rows fit") as caught:
        students.mark(STREAM, "Dana Levi", None, {"note": "x"})

    assert "Dana" not in str(caught.value) + caught.value.next_step


def test_of_one_name_the_row_that_is_still_there_counts(students: MongoDB) -> None:
    there(students).insert_one({"uniq_id": "c", "name": "Dana Levi", "removed_at": "then"})

    students.mark(STREAM, "Dana Levi", None, {"note": "x"})

    assert there(students).find_one({"note": "x"})["uniq_id"] == "a"


def test_two_entries_of_one_name_are_refused(students: MongoDB) -> None:
    there(students).update_one({"uniq_id": "a"}, {"$push": {"lessons": lesson("5")}})

    with pytest.raises(ConfigError, match="2 entries"):
        students.mark(STREAM, "a", "5", {"paid": True})


def test_an_entry_named_exactly_comes_before_one_that_only_looks_alike(students: MongoDB) -> None:
    there(students).update_one({"uniq_id": "b"}, {"$push": {"lessons": lesson("5")}})

    students.mark(STREAM, "b", "5", {"paid": True})

    assert lessons(students, "b") == [False, True, True]


def test_entries_that_are_moved_in_between_are_still_the_right_ones(students: MongoDB, proxy: Proxy) -> None:
    proxy.command = "findAndModify"
    proxy.before = lambda: there(students).update_one(
        {"uniq_id": "a"}, {"$set": {"lessons": [lesson("6"), lesson("7"), lesson("5", note="cash")]}}
    )

    [marked] = replace(students, url=proxy.url).mark(STREAM, "a", "5", {"paid": True}, ours=OURS)

    assert (marked.before, marked.after) == (False, True)
    assert there(students).find_one({"uniq_id": "a"})["lessons"] == [
        lesson("6"),
        lesson("7"),
        lesson("5", note="cash", paid=True),
    ]


def test_an_entry_that_is_gone_in_between_is_told(students: MongoDB, proxy: Proxy) -> None:
    proxy.command = "findAndModify"
    proxy.before = lambda: there(students).update_one({"uniq_id": "a"}, {"$set": {"lessons": [lesson("6")]}})

    with pytest.raises(ConfigError, match="no entry"):
        replace(students, url=proxy.url).mark(STREAM, "a", "5", {"paid": True})


def test_a_document_that_was_made_anew_in_between_is_found_again(students: MongoDB, proxy: Proxy) -> None:
    def anew() -> None:
        there(students).delete_one({"uniq_id": "a"})
        there(students).insert_one({"uniq_id": "a", "lessons": [lesson("5", paid="half")]})

    proxy.command, proxy.before = "findAndModify", anew

    [marked] = replace(students, url=proxy.url).mark(STREAM, "a", "5", {"paid": True})

    assert (marked.label, marked.before) == ("a, lesson 5", "half")
    assert lessons(students, "a") == [True]


def test_an_answer_that_is_lost_is_asked_for_again_and_the_value_before_is_the_true_one(
    students: MongoDB, proxy: Proxy
) -> None:
    proxy.command, proxy.lose = "findAndModify", 1

    [marked] = replace(students, url=proxy.url).mark(STREAM, "a", "5", {"paid": True})

    assert (proxy.lost, marked.before, marked.after) == (1, False, True)


def test_a_row_that_changes_all_the_time_ends_the_attempts(
    students: MongoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mark.Marking, "_set", lambda *_: None)

    with pytest.raises(TransientError, match="changed by others all the time"):
        students.mark(STREAM, "a", "5", {"paid": True})


def test_a_mark_survives_the_next_merge(students: MongoDB, tmp_path: Path) -> None:
    maker = BatchMaker(tmp_path / "staging", key=("uniq_id",))
    students.mark(STREAM, "a", "5", {"paid": True, "note": "cash"})
    cell = json.dumps([{"lesson": "5", "practice_count": 2, "paid": False}])
    batch = maker.batch(pl.DataFrame({"uniq_id": ["a"], "name": ["Dana Levi"], "lessons": [cell]}))

    counts = students.write(maker.stream, students.compare(maker.stream, batch))

    assert counts == Counts(updated=1)
    found = there(students).find_one({"uniq_id": "a"})["lessons"][0]
    assert found == {"lesson": "5", "practice_count": 2, "paid": True, "note": "cash"}
