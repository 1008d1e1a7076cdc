"""System C on bad days of the page: signed out, changed, damaged, forgetful, its browser killed or locked."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backhaul.sandbox.school import DANA, PRACTISED
from backhaul.sandbox.whatsapp.school import PRACTICE
from backhaul.sessions.profile import PROFILES
from tests.acceptance.kelas_place import Class, counts, outcome_of, school_class, statuses

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("kelas page")]
TRAIT = "data-pre-plain-text"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """A class whose page is on and has been read once; its browser stays open from test to test."""
    with school_class(tmp_path_factory.mktemp("kelas"), with_page=True) as place:
        settings, folder = place.settings, Path(place.settings["WHATSAPP_PROFILE"])
        held = PROFILES.open("test", folder, settings["WHATSAPP_URL"], "Asia/Jerusalem")
        students, sales = place.run_both()
        assert (students.exit_code, sales.exit_code) == (0, 0)  # type: ignore[union-attr]
        yield place
        PROFILES.close(held)


@pytest.fixture
def place(opened: Class) -> Iterator[Class]:
    opened.events.clear()
    yield opened
    assert opened.school.whatsapp.touches == []


def practised(place: Class) -> int:
    """Let DANA practise once more, and return how often she has then."""
    place.school.whatsapp.post(PRACTICE, DANA, PRACTISED, at=datetime.now(UTC) - timedelta(minutes=1))
    return place.practices()[DANA]["5"] + 1


def test_a_page_that_is_written_otherwise_is_told_and_never_nothing_new(place: Class) -> None:
    meant = practised(place)
    place.school.whatsapp.change(header_attribute="data-something-else")

    changed = place.run()
    place.school.whatsapp.change(header_attribute=TRAIT)
    after = place.run()

    wrong = outcome_of(changed, "messages")
    assert type(wrong.error).__name__ == "SourceChanged"
    assert (changed.exit_code, statuses(changed)["student_stats"]) == (3, "done")
    assert counts(after, "messages").new == 1
    assert place.practices()[DANA]["5"] == meant
    assert [each["success"] for each in place.logs() if each["source"] == "students_etl"][-2:] == [False, True]


def test_signed_out_a_login_is_asked_for_and_exports_and_all_the_rest_go_on(place: Class) -> None:
    meant = practised(place) + 1
    place.school.whatsapp.sign_out()
    place.export("students", [(-3, 480, DANA, PRACTISED)])
    place.export("sales", [(-3, 480, "Sales desk", "מקור: אתר\nשם: טל\nטלפון: 055-000-0209")])

    students, sales = place.run_both()
    automated = place.run_both(automated=True)
    place.school.whatsapp.scan()
    after = place.run()

    assert statuses(students) == {**dict.fromkeys(statuses(students), "done"), "messages": "login needed"}
    assert statuses(sales) == {**dict.fromkeys(statuses(sales), "done"), "messages": "login needed"}
    assert [each.exit_code for each in (students, sales)] == [4, 4]  # type: ignore[union-attr]
    assert [each.exit_code for each in automated] == [0, 0]  # type: ignore[union-attr]
    assert "backhaul login kelas" in outcome_of(students, "messages").error.next_step
    assert place.sales()[-1][1] == "טל"
    assert after.exit_code == 0
    assert place.practices()[DANA]["5"] == meant


@pytest.mark.slow
def test_a_damaged_database_of_the_page_is_a_login_too(place: Class) -> None:
    place.school.whatsapp.show("database_error")

    result = place.run()
    place.school.whatsapp.show("ready")

    assert (result.exit_code, statuses(result)["messages"]) == (4, "login needed")
    assert "link" in outcome_of(result, "messages").error.next_step.casefold()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_browser_that_is_killed_while_it_reads_is_followed_by_another(place: Class) -> None:
    meant = practised(place)
    profile = PROFILES._open[Path(place.settings["WHATSAPP_PROFILE"])]
    killed = []

    def kill() -> None:
        until = time.monotonic() + 20
        while not profile.reading.locked() and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.1)
        assert profile._pid is not None
        killed.append(profile._pid)
        os.kill(profile._pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    first = place.run()
    thread.join()
    place.run()

    assert killed
    assert outcome_of(first, "messages").attempts >= 1
    assert place.practices()[DANA]["5"] == meant


@pytest.mark.slow
def test_signed_out_while_it_reads_it_says_so_and_goes_on_from_there(place: Class) -> None:
    meant = practised(place)
    profile = PROFILES._open[Path(place.settings["WHATSAPP_PROFILE"])]

    def sign_out() -> None:
        until = time.monotonic() + 20
        while not profile.reading.locked() and time.monotonic() < until:
            time.sleep(0.005)
        place.school.whatsapp.sign_out()

    thread = threading.Thread(target=sign_out)
    thread.start()
    students, sales = place.run_both()
    thread.join()
    place.school.whatsapp.scan()
    after = place.run_both()

    assert {"login needed"} <= {statuses(students)["messages"], statuses(sales)["messages"]}
    assert [each.exit_code for each in after] == [0, 0]  # type: ignore[union-attr]
    assert place.practices()[DANA]["5"] == meant


@pytest.mark.slow
def test_history_that_only_the_phone_has_is_a_gap_that_is_told(place: Class) -> None:
    whatsapp, now = place.school.whatsapp, datetime.now(UTC)
    whatsapp.add_group("Class 6", (DANA,), ends_on_phone=True)
    whatsapp.post("Class 6", DANA, "בוקר טוב", at=now - timedelta(minutes=2))
    before = place.settings["STUDENTS_GROUP"]
    place.settings["STUDENTS_GROUP"] = "Class 6"

    result = place.run()
    place.settings["STUDENTS_GROUP"] = before

    assert any("gap in history" in each for each in place.warnings()), place.warnings()
    assert (result.exit_code, counts(result, "messages").new) == (0, 1)


@pytest.mark.slow
def test_a_profile_that_a_dead_host_has_locked_is_opened(tmp_path: Path) -> None:
    with school_class(tmp_path, with_page=True) as place:
        profile = Path(place.settings["WHATSAPP_PROFILE"])
        profile.mkdir()
        (profile / "SingletonLock").symlink_to("another-container-17")
        (profile / "backhaul.holder").write_text('{"host": "another-container", "pid": 17}', encoding="utf-8")

        result = place.run()

        assert (result.exit_code, counts(result, "messages").rejected) == (0, 0)
        assert place.practices()[DANA] == {"5": 2}
