"""A document for each run, whatever came of it: written once, read by programs, and told to nobody."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from backhaul import DropFolder, LastRun, MongoLog, Pipeline, Schedule, Setting, Telegram
from backhaul.cli import notify
from backhaul.cli.output import Output
from backhaul.config import resolved, settings_in
from backhaul.engine.events import Event, StreamStarted, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target, find
from backhaul.errors import ConfigError, TransientError
from backhaul.model import Checkable, Counts
from backhaul.notices import Greeting, RunStarted, RunSummary, SendInterrupted, StreamLine, tells_people
from backhaul.notify import mongo_log
from backhaul.retry import Budget
from backhaul.sandbox import SandboxBackOffice
from tests import mongo_server
from tests.engine.board import Board
from tests.engine.place import Place
from tests.mongo_server import Proxy
from tests.notify.told import AT, RUN, done, summary

UNREACHABLE = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50"
LEADS = [done("leads", new=3, updated=1), done("messages", new=40, unchanged=10)]
MOVED = "last_run_timestamp"


@pytest.fixture
def database() -> str:
    return mongo_server.new_database()


@pytest.fixture
def log(database: str) -> MongoLog:
    return MongoLog(
        "sales",
        database=database,
        collection="logger_stats",
        url=mongo_server.url(),
        count=("leads",),
        last_run=LastRun(database=database),
    )


def sent(log: MongoLog, notice: RunSummary) -> None:
    message = log.compose(notice)
    assert message is not None
    assert log.send(message) is None


def logged(log: MongoLog) -> list[dict[str, Any]]:
    return list(mongo_server.client()[str(log.database)]["logger_stats"].find().sort("_id"))


def last_runs(log: MongoLog) -> Any:
    return mongo_server.client()[str(log.database)][MOVED]


def later(notice: RunSummary, **delta: float) -> RunSummary:
    return replace(notice, at=notice.at + timedelta(**delta), run=f"{notice.run}+{delta}")


class TestDocument:
    def test_a_good_run_is_logged_with_its_new_leads_and_streams(self, log: MongoLog) -> None:
        sent(log, summary(LEADS, seconds=76.8))

        [found] = logged(log)
        assert isinstance(found.pop("_id"), ObjectId)
        streams = found["metadata"].pop("streams")
        assert found == {
            "source": "sales",
            "log_level": "INFO",
            "timestamp": AT,
            "new_leads": 3,
            "total_run_time": 76.8,
            "success": True,
            "error_message": None,
            "metadata": {"run": "r-1", "pipeline": "andalan", "status": "done"},
        }
        nothing = {"duplicate": 0, "rejected": 0, "removed": 0}
        assert streams == [
            {"stream": "leads", "status": "done", "new": 3, "updated": 1, "unchanged": 0, **nothing},
            {"stream": "messages", "status": "done", "new": 40, "updated": 0, "unchanged": 10, **nothing},
        ]

    @pytest.mark.parametrize(
        ("status", "level"),
        [("failed", "ERROR"), ("partly done", "WARNING"), ("login needed", "WARNING"), ("interrupted", "WARNING")],
    )
    def test_a_run_that_was_not_good_says_why(self, log: MongoLog, status: str, level: str) -> None:
        lines = [StreamLine(name, name, status, Counts(), "the server is down") for name in ("leads", "messages")]

        sent(log, summary([*lines, StreamLine("roster", "Roster", status, Counts(), "a column is missing")], status))

        [found] = logged(log)
        assert (found["log_level"], found["success"], found["new_leads"]) == (level, False, 0)
        assert found["error_message"] == "leads, messages: the server is down; roster: a column is missing"

    def test_a_run_that_ended_before_its_streams_has_its_status_as_reason(self, log: MongoLog) -> None:
        sent(log, summary([], "interrupted"))

        assert logged(log)[0]["error_message"] == "interrupted"

    def test_a_document_that_is_sent_again_is_there_once_and_as_it_was(self, log: MongoLog) -> None:
        sent(log, summary(LEADS))
        mongo_server.client()[str(log.database)]["logger_stats"].update_one({}, {"$set": {"seen_by": "Dana"}})

        sent(log, summary(LEADS))

        [found] = logged(log)
        assert (found["seen_by"], found["metadata"]["run"]) == ("Dana", "r-1")

    def test_two_sources_and_two_runs_have_documents_of_their_own_in_the_order_of_time(self, log: MongoLog) -> None:
        for each, hours in ((log, 2), (log, 1), (replace(log, source="students"), 3)):
            sent(each, later(summary(LEADS), hours=hours))

        found = [(each["source"], each["timestamp"].hour - AT.hour) for each in logged(log)]
        assert found == [("sales", 1), ("sales", 2), ("students", 3)]

    def test_an_answer_that_was_lost_after_the_write_makes_no_second_document(self, log: MongoLog) -> None:
        proxy = Proxy()
        proxy.command, proxy.lose = "update", 2
        cut = replace(log, url=f"{proxy.url}&retryWrites=false")

        with pytest.raises(SendInterrupted):
            sent(cut, summary(LEADS))
        with pytest.raises(SendInterrupted):
            sent(cut, summary(LEADS))
        sent(cut, summary(LEADS))
        proxy.close()

        assert (proxy.lost, len(logged(log))) == (2, 1)

    def test_only_the_end_of_a_run_is_logged(self, log: MongoLog) -> None:
        assert log.compose(RunStarted(**RUN, streams=4, own_sessions=False)) is None
        assert log.compose(Greeting(**RUN)) is None


class TestLastRun:
    def test_a_good_run_moves_the_moment_to_its_start(self, log: MongoLog) -> None:
        sent(log, summary(LEADS, seconds=45))

        [found] = last_runs(log).find({}, {"_id": 0})
        assert (found["identifier"], found[MOVED]) == ("sales_leads_etl", "2025-09-12T01:00:00.000Z")
        assert datetime.now(UTC) - found["updated_at"] < timedelta(minutes=1)

    def test_a_run_that_was_not_good_moves_nothing(self, log: MongoLog) -> None:
        sent(log, summary(LEADS, "partly done"))

        assert last_runs(log).count_documents({}) == 0

    def test_a_late_message_does_not_move_it_back(self, log: MongoLog) -> None:
        sent(log, later(summary(LEADS, seconds=45), hours=2))
        sent(log, summary(LEADS, seconds=45))

        [found] = last_runs(log).find()
        assert found[MOVED] == "2025-09-12T03:00:00.000Z"
        assert len(logged(log)) == 2

    @pytest.mark.parametrize(
        ("before", "is_moved"),
        [
            ("2025-09-12T07:59:00.123456", True),
            ("2025-09-12T08:01:00", False),
            ("2025-09-12T00:59:59Z", True),
            (datetime(2025, 9, 12, 0, 59, tzinfo=UTC), True),
            (datetime(2025, 9, 12, 2, tzinfo=UTC), False),
            ("14:30, 12.09.2025", True),
            (None, True),
            ("9999-01-01T00:00:00Z", True),
        ],
        ids=str,
    )
    def test_what_another_program_wrote_is_moved_on_from_and_its_fields_stay(
        self, log: MongoLog, before: Any, is_moved: bool
    ) -> None:
        last_runs(log).insert_one({"identifier": "sales_leads_etl", MOVED: before, "note": "kept"})

        sent(log, summary(LEADS, seconds=45))

        [found] = last_runs(log).find()
        assert found["note"] == "kept"
        assert (found[MOVED] == "2025-09-12T01:00:00.000Z") is is_moved

    def test_a_document_without_a_moment_gets_one(self, log: MongoLog) -> None:
        last_runs(log).insert_one({"identifier": "sales_leads_etl"})

        sent(log, summary(LEADS))

        assert MOVED in last_runs(log).find_one()

    def test_one_that_somebody_moves_at_the_same_time_is_looked_at_anew(self, log: MongoLog) -> None:
        last_runs(log).insert_one({"identifier": "sales_leads_etl", MOVED: "2025-09-11T00:00:00Z"})
        sent(replace(log, last_run=None), summary(LEADS))
        proxy, newer = Proxy(), {"$set": {MOVED: "2025-09-12T05:00:00Z"}}
        proxy.command, seen = "update", []

        def overtake() -> None:
            # Between the read and the second update, the one of the last run.
            seen.append(1)
            if len(seen) == 1:
                proxy.before = overtake
            else:
                last_runs(log).update_one({}, newer)

        proxy.before = overtake
        sent(replace(log, url=proxy.url), summary(LEADS))
        proxy.close()

        assert len(seen) == 2
        assert last_runs(log).find_one()[MOVED] == "2025-09-12T05:00:00Z"

    def test_one_that_is_moved_all_the_time_is_left_for_later(
        self, log: MongoLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mongo_log, "TRIES", 0)

        with pytest.raises(SendInterrupted, match="by somebody else"):
            sent(log, summary(LEADS))


class TestRefusals:
    def test_a_server_that_is_down_is_tried_again(self, log: MongoLog) -> None:
        with pytest.raises(SendInterrupted, match="the server does not answer") as caught:
            sent(replace(log, url=UNREACHABLE), summary(LEADS))

        assert caught.value.parts_sent == 0

    def test_a_collection_that_refuses_the_document_is_for_a_person(self, log: MongoLog) -> None:
        mongo_server.client()[str(log.database)].create_collection(
            "logger_stats", validator={"$jsonSchema": {"required": ["grade"]}}
        )

        with pytest.raises(ConfigError, match="code 121") as caught:
            sent(log, summary(LEADS))
        assert "sales" not in str(caught.value)

    def test_an_address_that_is_none_is_for_a_person(self, log: MongoLog) -> None:
        with pytest.raises(ConfigError, match="the address of the MongoDB server is none"):
            sent(replace(log, url="http://127.0.0.1"), summary(LEADS))

    def test_doctor_is_told_where_it_writes_and_nothing_is_written(self, log: MongoLog) -> None:
        assert isinstance(log, Checkable)
        assert log.check().endswith(f"{log.database}.logger_stats: 0 documents")
        assert logged(log) == []
        with pytest.raises(TransientError):
            replace(log, url=UNREACHABLE).check()

    def test_the_settings_have_the_names_and_defaults_of_the_described_system(self) -> None:
        log = MongoLog("sales", last_run=LastRun())

        filled = resolved(log, {"LOGGER_DB": "logs"})

        assert filled.last_run is not None
        assert (filled.database, filled.collection) == ("logs", "logger_stats")
        assert (filled.last_run.database, filled.last_run.collection) == ("sales_db", MOVED)
        assert {each.name for each in settings_in(log)} == {
            *("LOGGER_DB", "LOGGER_COLLECTION", "SALES_DB", "MONGODB_URI", "MONGO_HOST"),
        }
        assert "hush" not in repr(replace(filled, url="hush"))


class School:
    """A pipeline over a folder with files of leads, and its log."""

    def __init__(self, folder: Path, log: MongoLog) -> None:
        self.folder, self.log, self.events = folder, log, list[Event]()
        (folder / "drop").mkdir()
        self.settings: dict[str, str] = {}

    def put(self, name: str, content: str) -> None:
        (self.folder / "drop" / name).write_text(content, encoding="utf-8")

    def run(self, *others: Any, log: MongoLog | None = None, **options: Any) -> RunResult:
        source = DropFolder(str(self.folder / "drop"), settle_s=0)
        streams = [source.files(name, key="id", pattern=f"{name}*.csv") for name in ("leads", "messages")]
        chosen_streams = streams[:1] if "file" in options else streams
        notify = (log or self.log, *others)
        pipeline = Pipeline("sales", chosen_streams, Schedule("0 * * * *", "Asia/Jerusalem"), notify)
        chosen = RunOptions(**{"budget": Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.02), **options})
        installation = Installation(self.folder / "data", self.settings)
        return run_pipeline(Target("kelas.sales", pipeline), installation, chosen, [self.hear])

    def hear(self, event: Event) -> None:
        self.events.append(event)

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]


@pytest.fixture
def school(tmp_path: Path, log: MongoLog) -> School:
    return School(tmp_path, log)


class TestRuns:
    def test_a_good_run_is_logged_with_what_was_new(self, school: School) -> None:
        school.put("leads1.csv", "id,phone\n1,0550000001\n2,0550000002\n")
        school.put("messages1.csv", "id,text\n7,hello\n")

        result = school.run()

        [found] = logged(school.log)
        assert (found["success"], found["new_leads"], found["log_level"]) == (True, 2, "INFO")
        assert (found["metadata"]["run"], found["metadata"]["pipeline"]) == (result.run, "kelas.sales")
        assert [each["stream"] for each in found["metadata"]["streams"]] == ["leads", "messages"]
        assert found["total_run_time"] == pytest.approx(result.seconds, abs=0.01)
        assert last_runs(school.log).count_documents({}) == 1
        assert "0550000001" not in json.dumps(found, default=str)

    def test_a_run_with_nothing_new_is_logged_as_well(self, school: School) -> None:
        school.run()

        [found] = logged(school.log)
        assert (found["success"], found["new_leads"]) == (True, 0)

    def test_a_failed_run_is_logged_with_its_reason_and_without_a_row(self, school: School) -> None:
        (school.folder / "drop").rmdir()

        school.run()

        [found] = logged(school.log)
        assert (found["success"], found["log_level"], found["metadata"]["status"]) == (False, "ERROR", "failed")
        assert "leads, messages: " in found["error_message"]
        assert last_runs(school.log).count_documents({}) == 0

    def test_a_partly_done_run_is_logged_with_both_kinds_of_streams(self, school: School) -> None:
        school.put("leads1.csv", "id,phone\n1,0550000001\n")
        school.put("messages1.csv", "number,text\n7,hello\n")

        school.run()

        [found] = logged(school.log)
        assert [each["status"] for each in found["metadata"]["streams"]] == ["done", "failed"]
        assert (found["new_leads"], found["success"], found["log_level"]) == (1, False, "WARNING")
        assert found["error_message"].startswith("messages: ")

    def test_an_interrupted_run_is_logged(self, school: School) -> None:
        school.put("leads1.csv", "id,phone\n1,0550000001\n")

        def interrupt(event: Event) -> None:
            if isinstance(event, StreamStarted):
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.3)

        school.hear = interrupt  # type: ignore[method-assign]
        # Who starts the tests in the background has them ignore Ctrl-C.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                school.run()
        finally:
            signal.signal(signal.SIGINT, before)

        [found] = logged(school.log)
        assert (found["success"], found["metadata"]["status"]) == (False, "interrupted")

    def test_a_server_that_is_down_harms_no_run_and_gets_its_documents_with_the_next(
        self, school: School, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("backhaul.engine.sender.RETRY_S", 0.01)
        first = school.run(log=replace(school.log, url=UNREACHABLE))
        told = school.warnings()

        second = school.run()

        assert (first.status, len(told)) == ("done", 1)
        assert "its messages wait in the outbox" in told[0]
        assert sorted(each["metadata"]["run"] for each in logged(school.log)) == [first.run, second.run]

    def test_a_dry_run_is_not_logged(self, school: School) -> None:
        school.run(dry_run=True)

        assert logged(school.log) == []

    def test_where_people_are_told_nothing_the_log_goes_on(self, school: School) -> None:
        board = Board()
        school.settings["DISABLE_NOTIFICATIONS"] = "true"

        school.run(board)

        assert (board.posted, len(logged(school.log))) == ([], 1)

    def test_a_given_file_is_read_where_the_log_has_no_setting_and_nobody_is_missed(self, school: School) -> None:
        given = school.folder / "given.csv"
        given.write_text("id,phone\n1,0550000001\n", encoding="utf-8")
        unset = replace(school.log, collection=Setting("NO_SUCH_SETTING"))

        result = school.run(log=unset, file=given)

        assert (result.status, school.warnings(), logged(school.log)) == ("done", [], [])

    def test_a_given_file_is_logged_where_somebody_else_cannot_be_told(self, school: School) -> None:
        given = school.folder / "given.csv"
        given.write_text("id,phone\n1,0550000001\n", encoding="utf-8")

        school.run(Telegram(chat="1"), file=given)

        assert school.warnings() == ["nobody is told of this run: TELEGRAM_TOKEN has no value"]
        assert len(logged(school.log)) == 1


@pytest.fixture
def office() -> Iterator[SandboxBackOffice]:
    with SandboxBackOffice() as running:
        yield running


def test_a_run_that_needs_a_login_is_logged(office: SandboxBackOffice, tmp_path: Path, log: MongoLog) -> None:
    place = Place(tmp_path, office)
    place.settings["BACKEND_PASSWORD"] = wrong = "not-the-password"
    target = find(place.folder / "systems", "andalan")[0]

    place.run_target(Target(target.name, replace(target.pipeline, notify=(log,))))

    [found] = logged(log)
    assert (found["success"], found["log_level"], found["metadata"]["status"]) == (False, "WARNING", "login needed")
    assert [each["status"] for each in found["metadata"]["streams"]] == ["login needed"] * 4
    assert wrong not in json.dumps(found, default=str)


def test_a_log_tells_no_person_anything_and_every_other_notifier_does(log: MongoLog) -> None:
    other: Any = Board()

    assert not tells_people(log)
    assert tells_people(other)


def test_notify_test_asks_a_log_for_its_place_and_writes_nothing(
    log: MongoLog, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "systems" / "kelas"
    folder.mkdir(parents=True)
    (folder / "sales.py").write_text(
        "from backhaul import DropFolder, MongoLog, Pipeline, Setting\n"
        "streams = [DropFolder('drop').files('leads', key='id', pattern='*.csv')]\n"
        "pipeline = Pipeline('sales', streams, notify=[MongoLog('sales')])\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    monkeypatch.setenv("LOGGER_DB", str(log.database))
    monkeypatch.setenv("MONGODB_URI", mongo_server.url())

    code = notify.try_notifiers(Output(), "kelas")

    said = "".join(capsys.readouterr())
    assert code == 0
    assert "logger_stats: 0 documents; it writes a log" in said.replace("\n", " ")
    assert logged(log) == []
