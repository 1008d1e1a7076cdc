"""A collection is read whole, kept once, and taken a single time where the pipeline says so."""

from __future__ import annotations

import json
import secrets
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bson import Binary, Code, Int64, MaxKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.json_util import CANONICAL_JSON_OPTIONS, RELAXED_JSON_OPTIONS, dumps, loads
from hypothesis import given
from hypothesis import strategies as st

from backhaul import MongoDB, Pipeline, Schedule
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Artifact, Checkable, Fetched, Stream, Window
from backhaul.retry import Budget
from backhaul.sessions.mongo_values import document_id, line_of, plain
from backhaul.sessions.vault import Vault
from backhaul.sources import MongoCollection, mongo_rows
from backhaul.testing import SourceContract
from tests import mongo_server
from tests.mongo_server import Proxy

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jerusalem")
AT = datetime(2025, 9, 12, 8, 30, 15, 250_000, tzinfo=UTC)
DANA = {"uniq_id": "a1", "name": "דנה", "total_messages": 7}
OMER = {"uniq_id": "a2", "name": "Omer", "total_messages": 3}
UNREACHABLE = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50"


class Place:
    """A database of its own, and what a fetch from it and a run over it bring."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database, self.number = folder, mongo_server.new_database(), 0
        self.events: list[Event] = []

    @property
    def collection(self) -> Any:
        return mongo_server.client()[self.database]["student_stats"]

    def source(self, **more: Any) -> MongoCollection:
        return MongoCollection(self.database, "student_stats", **{"url": mongo_server.url(), **more})

    def stream(self, **more: Any) -> Stream:
        return self.source().documents("before", **{"key": "uniq_id", **more})

    def fetch(self, stream: Stream, cursor: str | None = None, **more: Any) -> Fetched:
        self.number += 1
        landing = LandingFolder(self.folder / f"landing{self.number}", **more)
        session = stream.source.open(Vault(self.folder / "vault"))
        try:
            return stream.source.fetch(session, stream, WINDOW, cursor, landing)
        finally:
            session.close()

    def rows(self, **more: Any) -> pl.DataFrame:
        stream = self.stream(**more)
        [file] = self.fetch(stream).artifacts
        return parsed(stream, file.path)

    def put(self, *documents: dict[str, Any]) -> None:
        self.collection.insert_many([dict(each) for each in documents])

    def run(self, *streams: Stream, **options: Any) -> RunResult:
        pipeline = Pipeline("students", streams, Schedule("0 * * * *", "Asia/Jerusalem"))
        chosen = RunOptions(**{"budget": Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.02), **options})
        return run_pipeline(
            Target("kelas.students", pipeline), Installation(self.folder / "data", {}), chosen, [self.events.append]
        )

    def curated(self, table: str = "before") -> list[tuple[Any, ...]]:
        frames = list(Installation(self.folder / "data", {}).curated.read(table))
        return sorted(row for frame in frames for row in frame.rows())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def parsed(stream: Stream, path: Path, remarks: list[str] | None = None) -> pl.DataFrame:
    heard = remarks if remarks is not None else []
    artifact = Artifact("a1", path, path.name, "", 0, None, AT, remark=heard.append)
    return pl.concat(list(stream.source.parse(stream, artifact)))


class TestContract(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        database, proxy = mongo_server.new_database(), Proxy()
        mongo_server.client()[database]["student_stats"].insert_many([dict(DANA), dict(OMER)])
        try:
            url = f"{proxy.url}&serverSelectionTimeoutMS=300"
            yield MongoCollection(database, "student_stats", url=url).documents("before", key="uniq_id")
        finally:
            proxy.close()


class TestFetch:
    def test_the_file_holds_every_document_by_id_in_canonical_extended_json(self, place: Place) -> None:
        place.put({"_id": 2, "at": AT, "n": Int64(5)}, {"_id": 1, "price": Decimal128("9.50"), "n": 0.5})

        [file] = place.fetch(place.stream()).artifacts

        lines = file.path.read_text(encoding="utf-8").splitlines()
        assert lines[0] == '{"_id":{"$numberInt":"1"},"price":{"$numberDecimal":"9.50"},"n":{"$numberDouble":"0.5"}}'
        assert json.loads(lines[1])["at"] == {"$date": {"$numberLong": str(int(AT.timestamp() * 1000))}}
        assert file.name == "student_stats.jsonl"

    def test_a_collection_that_is_as_it_was_brings_no_file(self, place: Place) -> None:
        place.put(DANA)
        first = place.fetch(place.stream())

        second = place.fetch(place.stream(), first.cursor)

        assert (second.artifacts, second.cursor) == ((), first.cursor)
        assert not list(place.folder.rglob("landing2/*"))

    def test_a_changed_document_brings_the_collection_again(self, place: Place) -> None:
        place.put(DANA)
        first = place.fetch(place.stream())
        place.collection.update_one({}, {"$inc": {"total_messages": 1}})

        second = place.fetch(place.stream(), first.cursor)

        assert len(second.artifacts) == 1
        assert second.cursor != first.cursor

    def test_a_collection_without_documents_brings_no_file(self, place: Place) -> None:
        assert place.fetch(place.stream()) == Fetched((), None)

    def test_a_collection_that_was_emptied_is_a_change(self, place: Place) -> None:
        place.put(DANA)
        first = place.fetch(place.stream())
        place.collection.delete_many({})

        [file] = place.fetch(place.stream(columns=["name"]), first.cursor).artifacts

        frame = parsed(place.stream(columns=["name"]), file.path)
        assert (frame.height, frame.columns) == (0, ["uniq_id", "name"])

    def test_documents_that_our_destination_made_or_changed_can_be_left_out(self, place: Place) -> None:
        place.put(DANA, {**OMER, "_backhaul": {"updated_by": "b1"}})

        assert place.rows()["uniq_id"].to_list() == ["a1", "a2"]
        assert place.rows(foreign_only=True)["uniq_id"].to_list() == ["a1"]
        assert "_backhaul" not in place.rows().columns

    @pytest.mark.parametrize("kept", [True, False])
    def test_of_a_stream_that_is_taken_once_what_is_kept_already_is_not_read_again(
        self, place: Place, kept: bool
    ) -> None:
        place.put(DANA)

        fetched = place.fetch(place.stream(once=True), kept_before=lambda origin: kept)

        assert (len(fetched.artifacts), fetched.cursor) == (0 if kept else 1, "taken")

    def test_what_is_taken_once_is_taken_also_where_there_is_nothing(self, place: Place) -> None:
        assert place.fetch(place.stream(once=True)).cursor == "taken"

    def test_what_has_been_taken_once_asks_the_server_nothing(self, place: Place) -> None:
        source = place.source(url=UNREACHABLE)
        stream = source.documents("before", key="uniq_id", once=True)

        assert place.fetch(stream, "taken") == Fetched((), "taken")
        with pytest.raises(TransientError, match="the server does not answer"):
            place.fetch(stream)

    def test_a_connection_that_is_cut_in_the_middle_leaves_no_file(self, place: Place) -> None:
        place.put(*({"uniq_id": f"{number}", "text": "x" * 500} for number in range(300)))
        proxy = Proxy()
        proxy.command, proxy.lose = "getMore", 100
        stream = place.source(url=proxy.url).documents("before", key="uniq_id")

        with pytest.raises(TransientError, match="the server does not answer"):
            place.fetch(stream)
        proxy.close()

        assert proxy.lost
        assert not [path for path in place.folder.rglob("landing1/**/*") if path.is_file()]

    @pytest.mark.slow
    def test_a_refused_user_is_a_setting_to_correct_and_no_password_is_shown(self, place: Place) -> None:
        secret = secrets.token_hex(8)
        with mongo_server.own_server(require_auth=True) as server:
            address = "mongodb://{}@" + f"127.0.0.1:{server.port}/"
            stream = place.source(url=address.format(f"reader:{secret}")).documents("before", key="uniq_id")
            with pytest.raises(ConfigError) as refused:
                place.fetch(stream)

        assert secret not in f"{refused.value} {refused.value.next_step} {stream!r}"

    @pytest.mark.parametrize("source", [{"collection": "a..b$"}, {"database": "two words"}, {"url": "http://x"}])
    def test_a_name_or_address_that_cannot_be_is_a_setting_to_correct(
        self, place: Place, source: dict[str, str]
    ) -> None:
        said: dict[str, Any] = {"database": place.database, "collection": "c", "url": mongo_server.url(), **source}

        with pytest.raises(ConfigError):
            place.fetch(MongoCollection(**said).documents("before", key="uniq_id"))

    def test_doctor_is_told_which_server_this_is_and_what_it_has(self, place: Place) -> None:
        place.put(DANA, OMER)
        source = place.source()

        assert isinstance(source, Checkable)
        assert source.check().endswith(f"{place.database}.student_stats: 2 documents")
        with pytest.raises(TransientError):
            place.source(url=UNREACHABLE).check()


class TestParse:
    def typed(self, place: Place, *values: Any) -> tuple[Any, list[Any]]:
        place.put(*({"uniq_id": f"{number}", "value": value} for number, value in enumerate(values)))
        column = place.rows(columns=["value"])["value"]
        return column.dtype, column.to_list()

    @pytest.mark.parametrize(
        ("values", "dtype", "expected"),
        [
            (["a", None, "ב"], pl.String, ["a", None, "ב"]),
            ([True, False], pl.Boolean, [True, False]),
            ([1, Int64(2**60)], pl.Int64, [1, 2**60]),
            ([3.0, 4], pl.Int64, [3, 4]),
            ([0.5, 4], pl.Float64, [0.5, 4.0]),
            ([AT, None], pl.Datetime("us", "UTC"), [AT, None]),
            ([Decimal128("9.50"), 3], pl.Decimal(38, 2), [Decimal("9.50"), Decimal("3.00")]),
            ([Decimal128("0.001"), Decimal128("-12")], pl.Decimal(38, 3), [Decimal("0.001"), Decimal(-12)]),
            ([Decimal128("1E+50"), 3], pl.String, ["1E+50", "3"]),
            ([0.5, 2**60], pl.String, ["0.5", "1152921504606846976"]),
            ([1, "1a", 2.0, True, None], pl.String, ["1", "1a", "2", "true", None]),
            ([AT, "14:30, 12.09.2025"], pl.String, ["2025-09-12T08:30:15.250Z", "14:30, 12.09.2025"]),
            ([None, None], pl.String, [None, None]),
        ],
    )
    def test_a_column_has_the_type_that_holds_all_its_values(
        self, place: Place, values: list[Any], dtype: Any, expected: list[Any]
    ) -> None:
        assert self.typed(place, *values) == (dtype, expected)

    def test_lists_and_sub_documents_are_json_with_plain_values(self, place: Place) -> None:
        lesson = {"lesson": 5, "first": AT, "paid": False, "price": Decimal128("9.50"), "by": ObjectId("0" * 24)}

        _, [text] = self.typed(place, [lesson, {"teacher": "נועה", "n": float("nan")}])

        plain_lesson = {"lesson": 5, "first": "2025-09-12T08:30:15.250Z", "paid": False, "price": "9.50"}
        assert json.loads(text) == [{**plain_lesson, "by": "0" * 24}, {"teacher": "נועה", "n": None}]

    def test_other_kinds_of_values_are_text(self, place: Place) -> None:
        uuid = Binary(bytes(range(16)), 4)
        values = [ObjectId("a" * 24), uuid, Binary(b"\0\1"), Regex("^a", "i"), Code("f()"), MaxKey()]

        assert self.typed(place, *values) == (
            pl.String,
            ["a" * 24, "00010203-0405-0607-0809-0a0b0c0d0e0f", "AAE=", "/^a/i", "f()", "MaxKey"],
        )

    def test_the_servers_own_timestamps_are_moments(self, place: Place) -> None:
        assert self.typed(place, Timestamp(1_757_600_000, 1))[1] == [datetime(2025, 9, 11, 14, 13, 20, tzinfo=UTC)]

    def test_keys_are_text_also_ids_and_numbers(self, place: Place) -> None:
        place.put({"_id": ObjectId("a" * 24), "n": 5.0}, {"_id": 7, "n": 6})

        assert place.rows(key=("_id", "n")).select("_id", "n").rows() == [("7", "6"), ("a" * 24, "5")]

    def test_fields_that_some_documents_lack_are_null_and_undeclared_ones_are_left_out(self, place: Place) -> None:
        place.put({"_id": 1, "uniq_id": "a", "x": 1}, {"_id": 2, "uniq_id": "b", "y": "z"})

        assert place.rows().columns == ["uniq_id", "_id", "x", "y"]
        assert place.rows(columns=["y", "gone"]).rows() == [("a", None, None), ("b", "z", None)]

    def test_a_key_that_no_document_has_is_a_changed_source(self, place: Place) -> None:
        place.put(DANA)

        with pytest.raises(SourceChanged, match=r"no document of student_stats\.jsonl has the field 'phone'; found"):
            place.rows(key="phone")

    def test_a_value_that_cannot_be_kept_is_empty_and_told(self, place: Place) -> None:
        far = b'{"uniq_id":"a","at":{"$date":{"$numberLong":"253402300800000"}},"n":{"$numberDouble":"NaN"}}\n'
        near = b'{"uniq_id":"b","at":{"$date":{"$numberLong":"0"}},"n":{"$numberDouble":"1.5"}}\n'
        file = place.folder / "far.jsonl"
        file.write_bytes(far + near)
        remarks: list[str] = []

        frame = parsed(place.stream(), file, remarks)

        assert frame["at"].to_list() == [None, datetime(1970, 1, 1, tzinfo=UTC)]
        assert frame["n"].to_list() == [None, 1.5]
        assert remarks == ["2 values are no numbers or days that can be kept, and empty here: at, n"]

    def test_a_date_that_python_cannot_hold_is_written_as_it_is(self) -> None:
        far = {"$date": {"$numberLong": "253402300800000"}}

        assert json.loads(line_of({"at": DatetimeMS(253_402_300_800_000)})) == {"at": far}
        assert plain(far) is None

    def test_an_export_of_mongoexport_is_read_as_well(self, place: Place) -> None:
        file = place.folder / "export.json"
        document = {"_id": ObjectId("a" * 24), "uniq_id": "a", "at": AT, "n": 5, "x": 0.5, "money": Decimal128("1.5")}
        file.write_text(dumps(document, json_options=RELAXED_JSON_OPTIONS) + "\r\n\r\n", encoding="utf-8")

        assert parsed(place.stream(columns=["at", "n", "x", "money"]), file).rows() == [
            ("a", AT, 5, 0.5, Decimal("1.5"))
        ]

    @pytest.mark.parametrize(
        "content",
        [
            b'[{"uniq_id":"a"}]\n',
            b'{"uniq_id":"a"}\n{"uniq_',
            b"5\n",
            b'{"uniq_id": "\xff"}\n',
            b'{"a":' * 100_000,
            '{"uniq_id":"a"}\n'.encode("utf-16"),
        ],
    )
    def test_what_is_no_file_of_documents_is_refused(self, place: Place, content: bytes) -> None:
        file = place.folder / "given.json"
        file.write_bytes(content)

        with pytest.raises(SourceChanged, match="is no document in extended JSON"):
            parsed(place.stream(), file)

    @pytest.mark.parametrize("depth", [100, 600, 5_000])
    def test_a_document_is_read_or_refused_however_deep_it_is(self, place: Place, depth: int) -> None:
        file = place.folder / "given.json"
        file.write_bytes(b'{"uniq_id":"a","v":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}\n")

        if depth == 100:
            assert parsed(place.stream(), file)["v"][0].count("{") == depth
            return
        with pytest.raises(SourceChanged):
            parsed(place.stream(), file)

    def test_an_object_that_only_looks_like_extended_json_stays_an_object(self, place: Place) -> None:
        file = place.folder / "given.json"
        file.write_bytes(b'{"uniq_id":"\\ud83d","v":{"$date":"soon"},"w":{"$numberInt":{}},"z":{"$binary":1}}\n')

        [row] = parsed(place.stream(), file).rows()

        assert row == ("?", '{"$date": "soon"}', '{"$numberInt": {}}', '{"$binary": 1}')

    def test_documents_with_no_end_of_different_fields_are_refused(self, place: Place) -> None:
        place.put(*({"uniq_id": f"{number}", f"f{number}": 1} for number in range(mongo_rows.MOST_COLUMNS)))

        with pytest.raises(SourceChanged, match="1,002 different fields"):
            place.rows()
        assert place.rows(columns=["f1"]).height == mongo_rows.MOST_COLUMNS

    def test_frames_are_small_and_of_one_schema(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mongo_rows, "FRAME_ROWS", 2)
        place.put(*({"uniq_id": f"{number}", "n": number if number < 4 else "x"} for number in range(5)))
        stream = place.stream(columns=["n"])
        [file] = place.fetch(stream).artifacts

        frames = list(stream.source.parse(stream, Artifact("a1", file.path, "f", "", 0, None, AT)))

        assert [frame.height for frame in frames] == [2, 2, 1]
        assert {frame.schema["n"] for frame in frames} == {pl.String()}

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_collection(self, place: Place) -> None:
        stream, file = place.stream(), place.folder / "large.jsonl"

        def peak(documents: int) -> int:
            with file.open("wb") as out:
                out.writelines(line_of({"uniq_id": f"{n}", "text": "x" * 2_000}) for n in range(documents))
            tracemalloc.start()
            for _ in stream.source.parse(stream, Artifact("a1", file, "f", "", 0, None, AT)):
                pass
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return found

        peak(100)
        assert peak(40_000) < peak(10_000) * 1.3

    values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8"), max_size=8)
        | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(
            lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
        ),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), inner)
        ),
        max_leaves=6,
    )

    @given(values)
    def test_a_value_comes_back_from_extended_json_as_it_was(self, value: Any) -> None:
        for options in (CANONICAL_JSON_OPTIONS, RELAXED_JSON_OPTIONS):
            assert plain(json.loads(dumps({"v": value}, json_options=options)))["v"] == value

    @given(values)
    def test_a_line_is_what_mongodbs_own_reader_understands(self, value: Any) -> None:
        line = line_of({"v": value})

        assert line.count(b"\n") == 1
        assert loads(line, json_options=CANONICAL_JSON_OPTIONS.with_options(tz_aware=True))["v"] == value


class TestRuns:
    def test_a_collection_is_delivered_and_an_unchanged_one_is_not_delivered_again(self, place: Place) -> None:
        place.put(DANA, OMER)
        stream = place.stream(columns=["name", "total_messages"])

        first, second = place.run(stream), place.run(stream)

        assert (first.status, first.counts.new, second.status, second.counts.rows) == ("done", 2, "done", 0)
        assert place.curated() == [("a1", "דנה", 7), ("a2", "Omer", 3)]

    def test_what_is_taken_once_survives_a_server_that_is_gone_later(self, place: Place) -> None:
        place.put(DANA)
        before = place.stream(once=True, columns=["total_messages"])
        gone = place.source(url=UNREACHABLE).documents("before", key="uniq_id", once=True, columns=["total_messages"])

        first = place.run(before)
        place.collection.update_one({}, {"$set": {"total_messages": 99}})
        second, third = place.run(before), place.run(gone)

        assert [each.status for each in (first, second, third)] == ["done"] * 3
        assert place.curated() == [("a1", 7)]

    def test_a_server_that_is_down_in_the_first_run_is_asked_again_in_the_next(self, place: Place) -> None:
        place.put(DANA)
        gone = place.source(url=UNREACHABLE).documents("before", key="uniq_id", once=True)

        first = place.run(gone)
        second = place.run(place.stream(once=True))

        assert isinstance(first.streams[0].error, TransientError)
        assert (first.status, second.status, second.counts.new) == ("failed", "done", 1)

    def test_one_that_is_refused_the_first_time_fails_until_its_kept_file_is_replayed(self, place: Place) -> None:
        place.put(DANA)
        wrong = place.stream(once=True, key="phone")

        first = place.run(wrong)
        place.collection.update_one({}, {"$set": {"total_messages": 99}})
        second = place.run(wrong)

        assert isinstance(second.streams[0].error, SourceChanged)
        assert (first.status, second.status) == ("failed", "failed")
        assert len(list((place.folder / "data" / "lake" / "raw").rglob("*/*"))) == 1

    def test_what_our_destination_wrote_does_not_come_back_as_foreign(self, place: Place) -> None:
        place.put(DANA)
        own = MongoDB(place.database, "student_stats", url=mongo_server.url(), name="own")
        exported = place.folder / "given.json"
        exported.write_bytes(b'{"uniq_id":"a9","name":"New"}\n')
        place.run(place.source().documents("made", key="uniq_id", columns=["name"], to=own), file=exported)

        assert place.collection.count_documents({}) == 2
        place.run(place.stream(foreign_only=True, columns=["name"]))

        assert place.curated() == [("a1", "דנה")]

    def test_a_file_that_a_person_gives_is_read_without_a_server(self, place: Place) -> None:
        given = place.folder / "student_stats.jsonl"
        given.write_bytes(line_of({**DANA, "lessons": [{"lesson": 5}]}))
        stream = place.source(url=UNREACHABLE).documents("before", key="uniq_id", columns=["lessons"])

        result = place.run(stream, file=given)

        assert (result.status, place.curated()) == ("done", [("a1", '[{"lesson": 5}]')])

    def test_a_value_that_is_left_out_is_a_warning_of_the_run(self, place: Place) -> None:
        place.put({**DANA, "n": float("inf")})

        place.run(place.stream(columns=["n"]))

        told = [event.message for event in place.events if isinstance(event, Warned)]
        assert told == ["1 value is no number or day that can be kept, and empty here: n"]

    def test_a_complete_collection_that_was_emptied_is_held_for_a_person(self, place: Place) -> None:
        place.put(DANA)
        stream = place.stream(complete=True, columns=["name"])
        place.run(stream)
        place.collection.delete_many({})

        result = place.run(stream)

        assert result.streams[0].status == "held"
        assert place.curated()[0][:2] == ("a1", "דנה")


def test_an_id_made_of_names_is_the_same_each_time_and_sorts_by_its_moment() -> None:
    early, late = (document_id("sales", "r-1", at=AT.replace(hour=hour)) for hour in (8, 9))

    assert early == document_id("sales", "r-1", at=AT.replace(hour=8)) != document_id("sales", "r-2", at=AT)
    assert early < late
    assert early.generation_time == AT.replace(hour=8, microsecond=0)
