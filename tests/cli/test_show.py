"""`plan`, `status`, `runs`, `logs`: what is declared, how far it is, what has happened."""

import fcntl
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import termios
from contextlib import closing

import pytest

from backhaul.sandbox import Fault, SandboxBackOffice
from tests.cli.shop import DAY, Shop


@pytest.fixture
def ran(shop: Shop) -> Shop:
    done = shop.call("run", "andalan.user", "--window", DAY)
    assert done.returncode == 0, done.stderr
    return shop


def test_plan_shows_streams_and_settings_and_asks_nobody(shop: Shop, office: SandboxBackOffice) -> None:
    del shop.settings["BACKEND_PASSWORD"]

    done = shop.call("plan", "andalan")

    assert done.returncode == 0
    assert "schedule 0 8,18 * * *, days in Asia/Jakarta" in done.stdout
    assert re.search(r"andalan\.user +BackOffice BACKEND_URL +User ID +Tanggal +0 +curated", done.stdout)
    assert re.search(r"BACKEND_USERNAME +set\s", done.stdout)
    assert re.search(r"BACKEND_PASSWORD +MISSING", done.stdout)
    assert office.url not in done.stdout
    assert office.requests == []


def test_plan_as_a_document(shop: Shop) -> None:
    plan = shop.document("plan", "andalan.user")

    assert [each["stream"] for each in plan["streams"]] == ["andalan.user"]
    assert plan["streams"][0]["key"] == ["User ID"]
    assert plan["settings"] == {"BACKEND_URL": True, "BACKEND_USERNAME": True, "BACKEND_PASSWORD": True}


def test_plan_tells_a_default_from_what_was_set(shop: Shop) -> None:
    pipeline = shop.folder / "systems" / "andalan" / "pipeline.py"
    code = pipeline.read_text(encoding="utf-8")
    code = code.replace('Setting("BACKEND_URL")', 'Setting("BACKEND_URL", default="https://office.example.com")')
    pipeline.write_text(code, encoding="utf-8")
    was_set = shop.call("plan", "andalan").stdout
    del shop.settings["BACKEND_URL"]

    done = shop.call("plan", "andalan").stdout

    assert re.search(r"BACKEND_URL +set\s", was_set)
    assert re.search(r"BACKEND_URL +default\s", done)


def test_status_before_the_first_run_says_never(shop: Shop) -> None:
    done = shop.call("status")

    assert done.returncode == 0
    assert re.search(r"andalan\.user +never +-", done.stdout)
    assert not (shop.folder / "data").exists()


def test_status_shows_the_last_result_and_what_waits(ran: Shop, office: SandboxBackOffice) -> None:
    office.faults.add(Fault.ROWS_WITHOUT_KEY, path="/user-front")
    ran.call("run", "andalan.user", "--window", DAY)

    text, document = ran.call("status", "andalan.user").stdout, ran.document("status", "andalan")

    assert re.search(rf"andalan\.user +{DAY} .* WIB +done +16", text)
    assert re.search(r"andalan\.user: \d+ rows? (is|are) in quarantine", text)
    assert "rejected: " in ran.call("logs").stdout
    last = {each["stream"]: each for each in document["streams"]}
    assert (last["andalan.user"]["status"], last["andalan.user"]["delivered_to"]) == ("done", DAY)
    assert last["andalan.transaksi"]["delivered_to"] is None
    assert document["waiting"][0]["what"] == "quarantined rows"


def test_status_tells_a_reason_that_streams_share_once_with_the_next_step(shop: Shop) -> None:
    shop.settings["BACKEND_PASSWORD"] = "wrong"
    shop.call("run", "andalan", "--window", DAY)

    text = shop.call("status").stdout

    assert text.count("was refused") == 1
    assert "all 4 streams: 127.0.0.1" in text
    assert "\n  next: Correct the user name and the password" in text


def test_a_run_shows_when_it_started_by_the_clock_of_its_pipeline_and_in_utc_without_one(ran: Shop) -> None:
    assert re.search(r"andalan +\d{4}-\d\d-\d\d \d\d:\d\d WIB", ran.call("runs").stdout)

    (ran.folder / "systems" / "andalan" / "pipeline.py").unlink()

    assert re.search(r"andalan +\d{4}-\d\d-\d\d \d\d:\d\d UTC", ran.call("runs").stdout)


@pytest.mark.parametrize(("width", "left_out"), [(80, "seconds, days"), (120, None)])
def test_a_table_fits_the_terminal(shop: Shop, width: int, left_out: str | None) -> None:
    told = on_a_terminal(shop, "run", "andalan", "--window", DAY, width=width)

    assert max(len(line) for line in told.splitlines()) <= width
    assert "done, 94 rows" in told
    assert (f"({width} columns are too few for: {left_out})" in told) == (left_out is not None)
    assert ("seconds" in told.splitlines()[1]) == (left_out is None)


def test_runs_are_listed_newest_first(ran: Shop) -> None:
    ran.call("run", "andalan.user", "--window", DAY)

    found = ran.document("runs")

    assert [run["streams"][0]["unchanged"] for run in found] == [16, 0]
    assert len(ran.document("runs", "--most", "1")) == 1
    assert found[0]["id"] in ran.call("runs").stdout


@pytest.mark.parametrize("name", ["andalan", "andalan.user", "andalan.exports"])
def test_runs_of_one_name(ran: Shop, name: str) -> None:
    assert len(ran.document("runs", name)) == 1


def test_without_runs_the_list_says_how_to_start_one(shop: Shop) -> None:
    assert "no runs yet" in shop.call("runs").stdout
    assert shop.document("runs") == []


def test_a_list_of_no_runs_is_a_usage_error(shop: Shop) -> None:
    done = shop.call("runs", "--most", "0")

    assert done.returncode == 2
    assert "--most" in done.stderr


def test_logs_tell_the_last_run_step_by_step(ran: Shop) -> None:
    lines = ran.call("logs").stdout.splitlines()

    assert re.fullmatch(r"started \d{4}-\d\d-\d\d \d\d:\d\d WIB", lines[0])
    steps = [line.split()[2] for line in lines if "andalan.user " in line]
    assert steps == ["fetching", "kept", "checked", "curated:", "done"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d  done in [\d.]+ s, exit code 0", lines[-1])


def test_logs_of_a_run_that_began_with_a_warning_go_by_the_clock_of_the_pipeline(bare: Shop) -> None:
    bare.call("init", "--from", "toko")
    done = bare.call("run", "toko", "--file", "systems/toko/sample/backup_11092025-1805.i5bu")

    lines = bare.call("logs").stdout.splitlines()

    assert done.stderr.startswith("warning: nobody is told of this run")
    assert re.fullmatch(r"started \d{4}-\d\d-\d\d \d\d:\d\d WIB", lines[0])


def test_logs_of_a_failed_stream_say_what_to_do_next(shop: Shop, office: SandboxBackOffice) -> None:
    office.faults.add(Fault.CHANGED_BUTTON, path="/user-front")
    shop.call("run", "andalan.user", "--window", DAY)

    told = shop.call("logs").stdout

    assert "failed: 127.0.0.1" in told
    assert "next: Open the page in a browser" in told


def test_logs_that_another_version_has_written_are_told_as_they_stand(ran: Shop) -> None:
    with closing(sqlite3.connect(ran.folder / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE events SET kind = 'Fetched' WHERE kind = 'ArtifactKept'")
        ledger.execute("""UPDATE events SET facts = '{"took": 3}' WHERE kind = 'StreamDone'""")

    told = ran.call("logs").stdout

    assert "Fetched artifact=" in told
    assert "StreamDone took=3" in told


def test_logs_as_json_are_one_event_a_line(ran: Shop) -> None:
    lines = ran.call("logs", "--json").stdout.splitlines()

    events = [json.loads(line) for line in lines]
    assert [each["kind"] for each in events if each["stream"]][-1] == "StreamDone"


def test_logs_of_a_run_by_the_beginning_of_its_id(ran: Shop) -> None:
    ran.call("run", "andalan.user", "--window", DAY)
    newest, oldest = [run["id"] for run in ran.document("runs")]
    told = [json.loads(line) for line in ran.call("logs", oldest[:19], "--json").stdout.splitlines()]

    assert {event["run"] for event in told} == {oldest}

    both = ran.call("logs", "20")
    assert both.returncode == 2
    assert "2 runs begin with 20" in both.stderr
    assert newest in both.stderr


def test_a_damaged_ledger_is_told_without_a_traceback(ran: Shop) -> None:
    for path in (ran.folder / "data").glob("ledger.db*"):
        path.write_bytes(b"no database " * 500)

    for command in ("status", "runs", "logs"):
        done = ran.call(command)
        assert done.returncode == 1
        assert "error: ledger.db: file is not a database" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_reader_who_has_seen_enough_is_no_error(ran: Shop) -> None:
    for arguments in (
        ("logs",),
        ("runs", "--json"),
        ("plan", "andalan"),
        ("run", "andalan.user", "--window", DAY),
    ):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            with ran.start(*arguments, stdout=writing) as process:
                _, told = process.communicate(timeout=60)
        finally:
            os.close(writing)

        assert "Traceback" not in told, told
        assert "Exception ignored" not in told, told
        assert process.returncode == 0


def test_no_color_is_honoured_on_a_terminal(shop: Shop) -> None:
    shop.settings.update(NO_COLOR="1")
    for arguments in (("plan", "andalan"), ("--help",), ("run", "--nope")):
        told = on_a_terminal(shop, *arguments, width=120, stderr=subprocess.STDOUT)

        assert told
        assert re.findall(r"\x1b\[[0-9;]*[34][0-7][0-9;]*m", told) == []


def on_a_terminal(shop: Shop, *arguments: str, width: int, stderr: int = subprocess.DEVNULL) -> str:
    """Return what the command prints on a terminal of that width, without bold letters."""
    shop.settings.update(TERM="xterm-256color", COLUMNS="")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    with shop.start(*arguments, stdout=theirs, stderr=stderr, stdin=theirs) as process:
        os.close(theirs)
        told = b""
        try:
            while chunk := os.read(ours, 65536):
                told += chunk
        except OSError:
            pass  # Linux says so when the other side of a terminal is closed.
        process.wait(60)
    os.close(ours)
    return re.sub(r"\x1b\[[01]m", "", told.decode()).replace("\r\n", "\n")
