"""System C on bad days: MongoDB away, sheets half typed, messages of any kind, killed at any moment."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymongo
import pytest

from backhaul.sandbox.outside import Outside
from backhaul.sandbox.school import DANA, ITAI, PRACTISED, ROSTER, YOSSI
from tests import mongo_server
from tests.acceptance.kelas_place import DESK, Class, at, counts, outcome_of, school_class, statuses

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("kelas_run.py")
ONE_LESSON = {"5": 1}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Class]:
    """A class whose page is switched off: what is said comes as export files."""
    with school_class(tmp_path, with_page=False) as found:
        yield found


def said_one_practice(place: Class) -> None:
    place.export("students", [(-3, 480, DANA, PRACTISED)])


def test_while_mongodb_is_down_all_the_rest_goes_on_and_nothing_is_lost(place: Class) -> None:
    said_one_practice(place)
    place.run_both()
    up = place.settings["MONGODB_URI"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    place.settings["MONGODB_URI"] = f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=200"
    place.export("students", [(-3, 480, DANA, PRACTISED), (-2, 480, DANA, PRACTISED)], "more.txt")
    place.export("sales", place.lines("sales", 0))

    students, sales = place.run_both()

    assert statuses(students) == {**dict.fromkeys(statuses(students), "done"), "student_stats": "pending"}
    assert students.exit_code == 3  # type: ignore[union-attr]
    assert outcome_of(students, "student_stats").error.next_step
    assert place.roster()[1][4] == f"{place.at(-2, 0):%d/%m/%Y}", "the roster is written all the same"
    assert [row[1] for row in place.sales()[1:]] == ["רון ברק", "שירה דגן"]
    assert sales.exit_code == 0  # type: ignore[union-attr]
    assert any("mongo log" in each for each in place.warnings())

    place.settings["MONGODB_URI"] = up
    again = place.run_both()

    assert [each.exit_code for each in again] == [0, 0]  # type: ignore[union-attr]
    assert place.practices()[DANA] == {"5": 2}
    logs = sorted((each["source"], each["success"]) for each in place.logs())
    assert logs == [("sales_leads_etl", True)] * 3 + [("students_etl", False)] + [("students_etl", True)] * 2
    assert sum(each["new_leads"] for each in place.logs()) == 2


def test_documents_from_before_that_could_not_be_read_are_never_overwritten_by_smaller_counts(place: Class) -> None:
    mine = place.collection("STUDENTS_DB", "student_stats")
    lesson = {"lesson": "5", "teacher": "רות", "practice_count": 40, "message_count": 3, "paid": True}
    there = {"uniq_id": "own", "phone_number": ROSTER[0][0], "name": DANA, "current_lesson": "5", "lessons": [lesson]}
    mine.insert_one({**there, "last_practice_timedate": "09:00, 01.01.2026"})
    said_one_practice(place)

    with mongo_server.fault(["find"], times=2, errorCode=13):
        bad = place.run()
    untouched = mine.find_one({"name": DANA})
    good = place.run()

    assert statuses(bad)["before"] == "failed"
    assert untouched is not None and "_backhaul" not in untouched
    assert good.exit_code == 0
    assert place.practices()[DANA] == {"5": 41}
    assert place.students()[DANA]["lessons"][0]["paid"] is True


def test_a_user_who_may_only_read_is_told_and_what_waits_is_delivered_later(place: Class) -> None:
    said_one_practice(place)
    place.settings["MONGODB_URI"] = mongo_server.url(heartbeatFrequencyMS=500, serverSelectionTimeoutMS=300)

    with mongo_server.fault(["insert", "update", "createIndexes"], times=50, errorCode=13):
        refused = place.run()
    nothing = place.students()
    after = place.run()

    assert statuses(refused)["student_stats"] == "pending"
    assert "may not" in str(outcome_of(refused, "student_stats").error)
    assert (nothing, refused.exit_code, after.exit_code) == ({}, 3, 0)
    assert place.practices()[DANA] == ONE_LESSON
    assert [each["success"] for each in place.logs()] == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
def test_a_server_that_fails_over_or_loses_answers_in_the_middle_changes_no_count(place: Class, command: str) -> None:
    said_one_practice(place)
    proxy = mongo_server.Proxy()
    place.settings["MONGODB_URI"] = f"{proxy.url}&heartbeatFrequencyMS=500"
    proxy.command, proxy.lose = command, 1

    with mongo_server.fault(["update"], errorCode=189, errorLabels=["TransientTransactionError"]):
        first = place.run()
    again = place.run()
    proxy.close()

    assert proxy.lost == 1
    assert (first.exit_code, again.exit_code) in ((0, 0), (3, 0))
    ours = counts(first, "student_stats") + outcome_of(again, "student_stats").left_over
    assert ours.new == 6
    assert len(place.students()) == 6
    assert place.practices()[DANA] == ONE_LESSON


def test_a_roster_whose_key_column_is_renamed_stops_its_stream_and_no_other(place: Class) -> None:
    said_one_practice(place)
    place.run()
    assert place.school.roster is not None
    place.school.roster.rename_header("main", "phone_number", "phone")
    place.export("students", [(-3, 480, DANA, PRACTISED), (-2, 480, DANA, PRACTISED)], "more.txt")

    result = place.run()

    assert statuses(result)["roster"] == "failed"
    assert "phone_number" in str(outcome_of(result, "roster").error)
    assert place.practices()[DANA] == {"5": 2}, "counted with the roster that is known"
    assert all("removed_at" not in each or each["removed_at"] is None for each in place.students().values())
    place.school.roster.rename_header("main", "phone", "phone_number")
    assert place.run().exit_code == 0
    assert place.roster()[1][4] == f"{place.at(-2, 0):%d/%m/%Y}"


@pytest.mark.parametrize("column", ["current_lesson", pytest.param("last_practice", marks=pytest.mark.slow)])
def test_a_roster_that_lacks_another_column_is_told(place: Class, column: str) -> None:
    said_one_practice(place)
    assert place.school.roster is not None
    place.school.roster.delete_column("main", column)

    result = place.run()

    told = [*place.warnings(), *(str(each.error) for each in result.streams if each.error)]
    assert any(column in each for each in told), told
    assert result.exit_code != 0 or column == "last_practice"


def test_half_typed_rows_families_and_formulas_harm_nobody_else(place: Class) -> None:
    roster = place.school.roster
    assert roster is not None
    for row in (
        ("972 55-000-0107", "", "1", "רות", ""),
        ("", "בלי טלפון", "1", "רות", ""),
        (*ROSTER[3][:2], "8", "אבי", ""),
        (972550000108, "", 4, "רות", ""),
        ("", "שגיאה", "2", "רות", ""),
        ("   ", "", "", "", ""),
    ):
        roster.append_row("main", row)
    roster.type_cell("main", "B11", '="דנה חדשה"')
    roster.type_cell("main", "A12", "=1/0")
    said = [(-3, 480, DANA, PRACTISED), (-3, 481, "+972 55-000-0107", PRACTISED)]
    place.export("students", [*said, (-3, 482, ITAI, PRACTISED), (-3, 483, "+972 55-000-0108", PRACTISED)])

    first = place.run()
    again = place.run()

    assert statuses(first)["roster"] == "done", outcome_of(first, "roster").error
    found = place.practices()
    assert found[DANA] == ONE_LESSON
    assert found["דנה חדשה"] == {"4": 1}
    assert (counts(again, "student_stats").new, counts(again, "student_stats").updated) == (0, 0)
    assert "3 rows rejected: key missing" in place.warnings()
    rows = place.said("report", "kelas.roster_warnings")["rows"]
    assert "phone number of several students" in {row["what"] for row in rows}
    typed = {row[1]: row for row in place.roster()[1:]}
    assert typed["דנה חדשה"][4] == f"{place.at(-3, 0):%d/%m/%Y}"
    assert roster.cell("main", "B11").is_formula
    assert [typed[name][4] for name in ("איתי פרץ", "שגיאה")] == ["", ""], "of two rows none is chosen"


def test_a_sales_sheet_whose_header_was_renamed_is_told_and_gets_its_leads_later(place: Class) -> None:
    place.export("sales", place.lines("sales", 0))
    place.run("sales")
    before = place.sales()
    assert place.school.sales is not None
    place.school.sales.rename_header("Sheet1", "phone", "mobile")
    place.export("sales", [*place.lines("sales", 0), *place.lines("sales", 1)], "more.txt")

    result = place.run("sales")
    refused = place.sales()
    place.school.sales.rename_header("Sheet1", "mobile", "phone")
    place.run("sales")

    assert "phone" in str(outcome_of(result, "sales_sheet").error)
    assert refused[1:] == before[1:]
    [new] = place.sales()[3:]
    assert new[:4] == ["אתר", "גיא שקד", "055-000-0203", "guy@example.org"]


def test_messages_of_any_kind_are_kept_and_stop_nothing(place: Class) -> None:
    long = PRACTISED + "א" * (65_536 - len(PRACTISED))
    odd = [f"\x00{PRACTISED}\x00", long, "👍🏽🎹✅", "=1+1", "\u202e\u2066", "]: [a: b", "x" * 40_000, "$where: {"]
    place.export("students", [*((-3, 480 + n, DANA, text) for n, text in enumerate(odd)), (-2, 1, YOSSI, PRACTISED)])
    leads = [
        f"מקור: אתר\nשם: נול \x00 כאן\nטלפון: 055-000-0301\nמייל: {'x' * 60_000}@example.org",
        "מקור: אתר\nשם: =IMPORTXML(1)\nטלפון: 055-000-0302",
        "מי שמדבר על שם: ועל טלפון: באמצע משפט",
        "ראיתם את מקור: הבעיה?",
        "מקור: אתר\nשם: רון\nטלפון: 055-000-0303",
    ]
    place.export("sales", [(-3, 480 + n, DESK, text) for n, text in enumerate(leads)])

    students, sales = place.run_both()
    again = place.run_both()

    assert statuses(students) == dict.fromkeys(statuses(students), "done")
    assert place.practices()[DANA] == {"5": 2}
    assert place.practices()["יוסי כהן"] == {"3": 1}
    kept = place.select("SELECT text FROM student_messages WHERE sender = ? ".replace("?", f"'{DANA}'"))
    assert max(len(text) for (text,) in kept) == 65_536
    names = [row[1] for row in place.sales()[1:]]
    assert "=IMPORTXML(1)" in names
    assert "רון" in names
    assert statuses(sales)["leads"] == "done"
    assert counts(again[1], "sales_sheet").new == 0
    assert counts(sales, "exports").rejected == 0, "words that only sound like a lead are none"
    assert len(place.select("SELECT * FROM leads")) == 3


def test_a_second_run_says_that_one_is_running_and_harms_nothing(place: Class) -> None:
    said_one_practice(place)
    place.export("sales", place.lines("sales", 0))

    with place.installation.held("kelas.students", wait=False):
        alone = place.call("run", "kelas.students", code=5)
        place.call("run", "kelas", code=3)

    assert "already running" in alone.stderr
    assert len(place.sales()) == 3, "the other pipeline is not held up"
    place.call("run", "kelas")
    assert place.practices()[DANA] == ONE_LESSON


@pytest.mark.slow
def test_two_processes_at_once_count_nothing_twice(place: Class) -> None:
    said_one_practice(place)
    place.export("sales", place.lines("sales", 0))
    place.call("plan", "kelas")
    command = [sys.executable, "-m", "backhaul", "run", "kelas", "--json"]
    environment = {**os.environ, **place.settings, "BACKHAUL_HOME": str(place.folder)}

    several = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    for each in several:
        each.communicate(timeout=120)

    assert {each.returncode for each in several} <= {0, 3, 5}
    assert 0 in {each.returncode for each in several} or place.run_both()
    place.run_both()
    assert place.practices()[DANA] == ONE_LESSON
    assert len(place.sales()) == 3


class Killed:
    """Installations with one day behind them, whose second day is run, and killed, in a process of its own."""

    def __init__(self, folder: Path, stack: ExitStack, client: Any) -> None:
        self.folder, self.stack, self.client = folder, stack, client
        clean = self.place("clean")
        done = self.start(clean, 0)
        assert done.returncode == 0, done.stderr
        self.steps, self.meant = int(done.stdout), state(clean)

    def place(self, name: str) -> Class:
        # Each with a robot of its own: calls of one are counted together, and wait when there are many in a minute.
        outside = self.stack.enter_context(Outside())
        school = outside.open_school("mongodb://{}:{}/".format(*self.client.address))
        (folder := self.folder / name).mkdir()
        place = replace(at(folder, outside, school), client=self.client)
        for group in ("students", "sales"):
            place.export(group, place.lines(group, 0))
        assert [each.exit_code for each in place.run_both()] == [0, 0]  # type: ignore[union-attr]
        for group in ("students", "sales"):
            place.export(group, [*place.lines(group, 0), *place.lines(group, 1)], "later.txt")
        assert school.roster is not None
        school.roster.type_cell("main", "C3", "4")
        return place

    def start(self, place: Class, step: int) -> subprocess.CompletedProcess[str]:
        settings = place.folder / "settings.json"
        settings.write_text(json.dumps(place.settings), encoding="utf-8")
        environment = {**os.environ, "BACKHAUL_HOME": str(place.folder), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, str(SCRIPT), str(place.folder), str(settings), str(step)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def check(self, step: int) -> None:
        place = self.place(str(step))
        killed = self.start(place, step)
        # Two threads take the steps, so that their number differs a little from run to run.
        assert killed.returncode == -signal.SIGKILL or step > 0.9 * self.steps, killed.stderr

        again = place.run_both()

        assert [each.exit_code for each in again] == [0, 0], step  # type: ignore[union-attr]
        assert state(place) == self.meant, step
        last = place.run_both()
        assert [counts(last[0], "student_stats").updated, counts(last[1], "sales_sheet").new] == [0, 0], step


OURS = {"_id", "_backhaul", "created_at", "updated_at", "removed_at"}


def state(place: Class) -> dict[str, Any]:
    """Return what is in the warehouse, in MongoDB and on both sheets, without stamps."""

    def plain(row: Mapping[str, Any]) -> str:
        return repr(sorted((name, value) for name, value in row.items() if name[0] != "_" and name not in OURS))

    found: dict[str, Any] = {"roster": place.roster(), "sales": place.sales()}
    found["documents"] = sorted(plain(each) for each in place.students().values())
    with closing(sqlite3.connect(place.folder / "data" / "warehouse.db")) as db:
        db.row_factory = sqlite3.Row
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in sorted(each for each in names if each[0] != "_" and not each.endswith("__archive")):
            rows = [dict(row) for row in db.execute(f'SELECT * FROM "{name}"')]
            # The roster is read before its cells are written: the sheet itself is what is compared.
            if name == "roster":
                rows = [{**row, "last_practice": None} for row in rows]
            found[f"table {name}"] = sorted(map(plain, rows))
    return found


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    # A transaction whose client was killed keeps others out until the server ends it, after a minute by itself.
    own = mongo_server.own_server(replica_set_name="test", transaction_lifetime_seconds=1.0)
    client: pymongo.MongoClient[dict[str, Any]]
    with ExitStack() as stack, own as server, pymongo.MongoClient(server.uri, tz_aware=True) as client:
        assert client.admin.command("ping")["ok"]
        yield Killed(tmp_path_factory.mktemp("killed"), stack, client)


@pytest.mark.parametrize("share", [pytest.param(0.5, marks=pytest.mark.slow), 0.9])
def test_killed_at_a_moment_and_run_again_all_is_as_after_one_clean_run(killed: Killed, share: float) -> None:
    assert killed.steps > 150

    killed.check(int(share * killed.steps))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_killed_at_random_moments_and_run_again_all_is_as_after_one_clean_run(killed: Killed, seed: int) -> None:
    step = random.Random(seed).randrange(1, killed.steps + 1)

    killed.check(step)
