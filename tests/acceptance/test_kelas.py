"""System C as a whole: what its description promises, from the groups to MongoDB, the roster and the sales sheet."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from backhaul.engine.systems import bundled_systems, find
from backhaul.errors import ConfigError
from backhaul.model import Counts
from backhaul.sandbox.school import ASKED, DANA, ITAI, LEADS, NOA, PRACTISED, SIBLINGS, STRANGER, YOSSI
from backhaul.sandbox.whatsapp.school import PRACTICE, SALES
from tests.acceptance.kelas_place import DESK, Class, counts, outcome_of, school_class, statuses

TIME = re.compile(r"\d\d:\d\d, \d\d\.\d\d\.\d{4}")
DANA_PHONE = "972 55-000-0101"
LEAD, REPEATED, BROKEN = LEADS[0][0][1], LEADS[1][0][1], LEADS[0][3][1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Class]:
    """A class whose page is switched off: what is said comes as export files."""
    with school_class(tmp_path, with_page=False) as found:
        yield found


def old_document(**fields: Any) -> dict[str, Any]:
    """Return DANA's document as the described system has left it."""
    lesson = {"lesson": "5", "teacher": "רות", "practice_count": 7, "paid": True, "message_count": 2}
    return {
        "uniq_id": md5(b"972550000101_" + DANA.encode()).hexdigest(),
        "phone_number": DANA_PHONE,
        "name": DANA,
        "current_lesson": "5",
        "total_messages": 11,
        "last_message_timedate": "09:00, 01.01.2026",
        "last_practice_timedate": "09:00, 01.01.2026",
        "lessons": [{**lesson, "first_practice": "08:00, 01.12.2025", "last_practice": "09:00, 01.01.2026"}],
        "created_at": "10:00, 01.12.2025",
        "updated_at": "10:00, 01.01.2026",
        **fields,
    }


def test_a_document_holds_what_programs_read_today(place: Class) -> None:
    place.export("students", [(-3, 480, DANA, PRACTISED), (-3, 480, DANA, PRACTISED), (-2, 541, DANA, ASKED)])

    assert place.run().exit_code == 0

    found = place.students()[DANA]
    del found["_id"], found["_backhaul"]
    assert TIME.fullmatch(found.pop("created_at"))
    assert TIME.fullmatch(found.pop("updated_at"))
    assert found == {
        "uniq_id": md5(f"972550000101_{DANA}".encode()).hexdigest(),
        "phone_number": DANA_PHONE,
        "phone_digits": "972550000101",
        "name": DANA,
        "current_lesson": "5",
        "last_message_timedate": place.shown(-2, 541),
        "last_practice_timedate": place.shown(-3, 480),
        "lessons": [
            {
                "lesson": "5",
                "teacher": "רות",
                "practice_count": 2,
                "first_practice": place.shown(-3, 480),
                "last_practice": place.shown(-3, 480),
                "message_count": 1,
                "paid": False,
            }
        ],
    }
    indexes = place.collection("STUDENTS_DB", "student_stats").index_information().values()
    assert [each["unique"] for each in indexes if each["key"] == [("uniq_id", 1)]] == [True]
    assert len(place.students()) == 6, "one document for each student of the roster"


def test_a_lost_data_folder_lowers_no_count(place: Class) -> None:
    place.export("students", [(-4, 480, DANA, PRACTISED), (-3, 480, DANA, PRACTISED), (-3, 540, DANA, ASKED)])
    place.run()
    document = place.students()[DANA]
    place.collection("STUDENTS_DB", "student_stats").update_one(
        {"uniq_id": document["uniq_id"], "lessons.lesson": "5"}, {"$set": {"lessons.$.paid": True}}
    )
    shutil.rmtree(place.folder / "data")
    shutil.rmtree(place.folder / "exports")

    place.export("students", [(-3, 480, DANA, PRACTISED), (-2, 480, DANA, PRACTISED)], "newest.txt")
    place.run()

    assert place.practices()[DANA] == {"5": 3}
    [lesson] = place.students()[DANA]["lessons"]
    assert (lesson["message_count"], lesson["paid"]) == (1, True)


def test_a_database_that_is_there_is_taken_over_and_what_people_own_stays(place: Class) -> None:
    mine = place.collection("STUDENTS_DB", "student_stats")
    mine.insert_one(old_document(note="cash"))
    place.export("students", [(-2, 480, DANA, PRACTISED)])

    first = place.run()
    again = place.run()

    found = place.students()[DANA]
    assert (counts(first, "student_stats").updated, counts(again, "student_stats").rows) == (1, 6)
    assert counts(again, "student_stats").updated == 0
    assert [(each["practice_count"], each["message_count"], each["paid"]) for each in found["lessons"]] == [
        (8, 2, True)
    ]
    assert found["lessons"][0]["first_practice"] == "08:00, 01.12.2025"
    assert (found["total_messages"], found["note"], found["created_at"]) == (11, "cash", "10:00, 01.12.2025")
    assert found["updated_at"] != "10:00, 01.01.2026"
    assert mine.count_documents({}) == 6


def test_only_the_cells_of_the_last_practice_are_written_to_the_roster_in_one_batch(place: Class) -> None:
    before = place.roster()
    place.export("students", [(-3, 480, DANA, PRACTISED), (-2, 490, YOSSI, PRACTISED), (-2, 491, ITAI, ASKED)])
    place.outside.sheets.reset_calls()

    result = place.run()

    day = {DANA: -3, "יוסי כהן": -2}
    meant = [[*row[:4], f"{place.at(day[row[1]], 0):%d/%m/%Y}" if row[1] in day else row[4]] for row in before]
    assert place.roster() == meant
    assert counts(result, "last_practice") == Counts(updated=2)
    # All cells go in one call; the other takes away the marks by which it has found its rows.
    assert place.outside.sheets.writes == 2
    place.outside.sheets.reset_calls()
    place.run()
    assert place.outside.sheets.writes == 0


def test_practices_stay_with_the_lesson_that_was_current_when_they_were_sent(place: Class) -> None:
    place.export("students", [(-3, 480, DANA, PRACTISED), (-2, 480, DANA, PRACTISED)])
    place.run()
    assert place.school.roster is not None
    place.school.roster.type_cell("main", "C2", "6")
    place.school.roster.type_cell("main", "D2", "אבי")

    result = place.run()

    found = place.students()[DANA]
    assert result.exit_code == 0
    assert found["current_lesson"] == "6"
    assert [(each["lesson"], each["teacher"], each["practice_count"], each["paid"]) for each in found["lessons"]] == [
        ("5", "רות", 2, False),
        ("6", "אבי", 0, False),
    ]
    # What is sent from now on counts to the new lesson; the archive's clock is the real one.
    now = datetime.now(UTC) + timedelta(minutes=2)
    local = now.astimezone(place.zone)
    day = (local.date() - place.school.first_day).days
    later = (day, local.hour * 60 + local.minute, DANA, PRACTISED)
    place.export("students", [(-3, 480, DANA, PRACTISED), (-2, 480, DANA, PRACTISED), later], "later.txt")
    place.run()
    assert place.practices()[DANA] == {"5": 2, "6": 1}


def test_who_is_nobody_or_two_students_is_listed_and_counted_for_nobody(place: Class) -> None:
    place.export(
        "students",
        [(-2, 480, STRANGER, PRACTISED), (-2, 481, SIBLINGS, PRACTISED), (-2, 482, NOA, PRACTISED)],
    )

    place.run()

    report = place.said("report", "kelas.senders")
    listed = {row["sender"]: row for row in report["rows"]}
    assert sorted(listed) == sorted([STRANGER, SIBLINGS])
    assert place.practices() == {name: {"7": 1} if name == "נועה מזרחי" else {} for name in place.students()}


def test_leads_come_once_each_in_the_first_tab_and_what_was_deleted_stays_deleted(place: Class) -> None:
    place.export("sales", [(-3, 540, DESK, LEAD), (-3, 600, DESK, "מי מתקשר?")])
    first = place.run("sales")
    again = place.run("sales")
    assert place.school.sales is not None
    place.school.sales.delete_row("Sheet1", 2)
    more = [(-3, 540, DESK, LEAD), (-2, 540, DESK, REPEATED), (-2, 600, DESK, LEADS[1][1][1])]
    place.export("sales", more, "more.txt")

    later = place.run("sales")

    assert [counts(each, "sales_sheet").new for each in (first, again, later)] == [1, 0, 1]
    assert place.sales() == [
        ["source", "name", "phone", "mail", "time", "lead"],
        ["אתר", "גיא שקד", "055-000-0203", "guy@example.org", place.shown(-2, 600), "972550000203"],
    ]
    repeated = place.said("report", "kelas.repeated_leads")["rows"]
    assert len(repeated) == 1


def test_a_lead_that_cannot_be_read_is_put_right_and_goes_on(place: Class) -> None:
    from openpyxl import load_workbook

    place.export("sales", [(-3, 540, DESK, BROKEN)])
    result = place.run("sales")
    path = place.folder / "broken.xlsx"
    place.call("quarantine", "export", "kelas.sales.exports", path)
    book = load_workbook(path)
    sheet = book.worksheets[0]
    header = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(2, header["text"]).value = LEAD
    book.save(path)

    place.call("quarantine", "repair", "kelas.sales.exports", path)
    after = place.run("sales")

    assert (result.exit_code, counts(result, "exports").rejected) == (0, 1)
    assert counts(after, "sales_sheet").new == 1
    assert [row[1] for row in place.sales()[1:]] == ["רון ברק"]


def test_each_run_has_its_log_and_only_good_ones_move_the_last_run_on(place: Class) -> None:
    place.export("sales", [(-3, 540, DESK, LEAD)])
    place.run_both()

    of_both = {each["source"]: each for each in place.logs()}
    [moved] = place.collection("SALES_DB", "last_run_timestamp").find()
    assert sorted(of_both) == ["sales_leads_etl", "students_etl"]
    log = of_both["sales_leads_etl"]
    fields = {"source", "log_level", "timestamp", "new_leads", "total_run_time", "success", "error_message"}
    assert set(log) == {"_id", "metadata", *fields}
    assert (log["log_level"], log["new_leads"], log["success"], log["error_message"]) == ("INFO", 1, True, None)
    assert isinstance(log["timestamp"], datetime)
    assert isinstance(log["total_run_time"], float)
    assert set(moved) == {"_id", "identifier", "last_run_timestamp", "updated_at"}
    assert moved["identifier"] == "sales_leads_etl"
    assert datetime.fromisoformat(moved["last_run_timestamp"]) < datetime.now(UTC)

    place.drop("sales", "broken.txt", b"\x00\x01 no export at all")
    place.settings["SHEET_ID"] = "https://docs.google.com/spreadsheets/d/nowhere/edit"
    students, sales = place.run_both()

    assert statuses(students)["roster"] == "failed"
    assert statuses(sales) == {"messages": "done", "exports": "failed", "leads": "done", "sales_sheet": "done"}
    late = place.logs()[2:]
    assert sorted((each["source"], each["success"]) for each in late) == [
        ("sales_leads_etl", False),
        ("students_etl", False),
    ]
    assert all(each["error_message"] and each["log_level"] in ("WARNING", "ERROR") for each in late)
    assert place.collection("SALES_DB", "last_run_timestamp").find_one() == moved


def test_a_pipeline_that_cannot_begin_does_not_stop_the_other(place: Class) -> None:
    place.export("sales", [(-3, 540, DESK, LEAD)])
    del place.settings["SHEET_ID"], place.settings["PRACTICE_WORDS"]

    students, sales = place.run_both()

    assert isinstance(students, ConfigError)
    assert "SHEET_ID" in str(students)
    assert "PRACTICE_WORDS" in str(students), "what is missing is listed at once"
    assert len(place.sales()) == 2
    assert counts(sales, "sales_sheet") == Counts(new=1)


def test_a_dry_run_writes_nothing_anywhere(place: Class) -> None:
    from tests import mongo_server

    place.export("students", [(-3, 480, DANA, PRACTISED)])
    place.export("sales", [(-3, 540, DESK, LEAD)])
    before = place.roster()
    place.outside.sheets.reset_calls()

    results = place.run_both(dry_run=True)

    assert [result.exit_code for result in results] == [0, 0]  # type: ignore[union-attr]
    assert counts(results[0], "exports").new == 2
    assert (place.roster(), place.sales(), place.outside.sheets.writes) == (before, [], 0)
    own = {place.settings[name] for name in ("STUDENTS_DB", "SALES_DB", "LOGGER_DB")}
    assert not own & set(mongo_server.client().list_database_names())
    assert not (place.folder / "data" / "warehouse.db").exists()
    assert place.run().exit_code == 0, "the run after it finds all of it new"
    assert place.practices()[DANA] == {"5": 1}


@pytest.mark.parametrize("stream", ["exports", pytest.param("messages", marks=pytest.mark.slow)])
def test_an_export_that_a_person_names_is_read_and_counted_by_the_next_run(place: Class, stream: str) -> None:
    path = place.export("students", [(-3, 480, DANA, PRACTISED)])
    path = path.rename(place.folder / "given.txt")

    place.call("run", f"kelas.students.{stream}", "--file", path)
    place.call("run", "kelas.students")
    place.call("run", f"kelas.students.{stream}", "--file", path)
    place.call("run", "kelas.students")

    assert place.practices()[DANA] == {"5": 1}


@pytest.mark.browser
def test_what_page_and_export_both_show_counts_once(tmp_path: Path) -> None:
    with school_class(tmp_path, with_page=True) as place:
        said = [(480, DANA), (480, DANA), (555, YOSSI), (600, NOA)]
        place.export("students", [(0, minute, sender, PRACTISED) for minute, sender in said])
        place.export("sales", [(0, minute, DESK, text) for minute, text in LEADS[0]])

        students, sales = place.run_both()

        assert (students.exit_code, sales.exit_code) == (0, 0)  # type: ignore[union-attr]
        found = place.practices()
        assert (found[DANA], found["נועה מזרחי"]) == ({"5": 2}, {"7": 1})
        assert [row[1] for row in place.sales()[1:]] == ["רון ברק", "שירה דגן"]
        assert place.school.whatsapp.touches == [], "it reads and touches nothing"
        [(both,)] = place.select(
            "SELECT count(*) FROM sales_messages WHERE on_page AND in_export AND wa_id IS NOT NULL"
        )
        assert both == 3, "a message of both is one row, with what each of them knows"


def test_everything_that_people_do_with_it_works_on_the_real_thing(place: Class) -> None:
    mine = place.collection("STUDENTS_DB", "student_stats")
    old = old_document()
    del old["lessons"][0]["message_count"], old["lessons"][0]["paid"]
    mine.insert_one(old)
    place.export("students", [(-3, 480, DANA, PRACTISED)])
    place.export("sales", [(-3, 540, DESK, LEAD)])
    place.call("run", "kelas")

    listed = place.call("report", "kelas").stdout
    unpaid = place.said("report", "kelas.unpaid_lessons")["rows"]
    assert "not_practised" in listed
    assert [row["name"] for row in unpaid] == [DANA]
    place.call("mark", "kelas.student_stats", DANA, "--entry", "5", "paid=true")
    assert place.said("report", "kelas.unpaid_lessons")["rows"] == []
    place.call("reconcile", "kelas")
    place.call("backup", "kelas", "--to", place.folder / "backups")
    kept = place.students()
    mine.update_one({"name": DANA}, {"$set": {"lessons.0.practice_count": 999}})
    place.call("reconcile", "kelas", code=3)
    mine.delete_one({"name": "יוסי כהן"})
    place.call("restore", "kelas", place.folder / "backups")
    assert place.students() == kept
    place.call("migrate", "kelas")
    place.call("migrate", "kelas")
    place.call("run", "kelas")
    place.call("reconcile", "kelas")
    found = place.students()[DANA]
    assert (found["lessons"][0]["practice_count"], found["lessons"][0]["paid"]) == (8, True)
    assert (found["lessons"][0]["message_count"], found["total_messages"]) == (11, 11)


@pytest.mark.slow
def test_moving_students_on_is_an_option_that_writes_the_roster(place: Class) -> None:
    place.settings["ADVANCE_AFTER"] = "2"
    place.export("students", [(-3, 480 + each, DANA, PRACTISED) for each in range(3)])

    place.run()
    place.run()

    assert place.practices()[DANA] == {"5": 2, "6": 1}
    assert place.students()[DANA]["current_lesson"] == "6"
    assert [row[2] for row in place.roster()[1:]] == ["6", "3", "7", "5", "2", "4"]


def test_both_pipelines_run_every_two_hours_and_are_told_by_their_settings(place: Class) -> None:
    targets = {each.name: each.pipeline for each in find(bundled_systems(), "kelas")}

    assert sorted(targets) == ["kelas.sales", "kelas.students"]
    for pipeline in targets.values():
        assert pipeline.schedule is not None
        assert pipeline.schedule.cron == "0 */2 * * *"
    place.settings.clear()
    both = place.call("run", "kelas", code=2).stderr
    for name in (
        "STUDENTS_GROUP",
        "SALES_TEAM_GROUP",
        "PRACTICE_WORDS",
        "MESSAGE_WORDS",
        "SHEET_ID",
        "SALES_SHEET_ID",
    ):
        assert name in both, "what is missing is listed at once"


@pytest.mark.slow
def test_the_server_by_its_host_and_the_key_of_google_as_a_file_are_enough(place: Class) -> None:
    path = place.folder / "key.json"
    path.write_text(place.settings.pop("GOOGLE_SERVICE_ACCOUNT_JSON"), encoding="utf-8")
    place.settings["CREDENTIALS_FILE"] = str(path)
    place.settings["MONGO_HOST"] = place.settings.pop("MONGODB_URI").removeprefix("mongodb://").rstrip("/")
    place.export("students", [(-3, 480, DANA, PRACTISED)])

    assert place.run().exit_code == 0
    assert place.practices()[DANA] == {"5": 1}
    assert outcome_of(place.run(), "student_stats").counts.unchanged == 6


def test_people_are_told_in_hebrew_without_names_numbers_or_messages(place: Class) -> None:
    place = replace(place, settings={**place.settings, "DISABLE_NOTIFICATIONS": "false"})
    place.export("students", [(-3, 480, DANA, PRACTISED), (-3, 481, STRANGER, PRACTISED)])
    place.export("sales", [(-3, 540, DESK, BROKEN)])
    place.settings["STUDENTS_GROUP"] = PRACTICE
    place.settings["SALES_TEAM_GROUP"] = SALES

    place.run_both()

    told = "\n".join(place.told())
    assert "a lead that cannot be read" in told
    texts = told + "".join(str(event) for event in place.events)
    for secret in (DANA, PRACTISED, "55-000", "550000", place.settings["BACKHAUL_KEY"]):
        assert secret not in texts
