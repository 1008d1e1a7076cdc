"""`run` and `replay`: what they print where, and every exit code."""

import json
import re
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest

from backhaul.engine.lock import pipeline_lock
from backhaul.sandbox import Fault, SandboxBackOffice
from tests.cli.shop import DAY, Shop


def test_a_run_prints_a_table_on_stdout_and_its_progress_on_stderr(shop: Shop) -> None:
    done = shop.call("run", "andalan", "--window", DAY)

    assert done.returncode == 0, done.stderr
    assert re.search(r"transaksi +2025-09-12 +27 +27 +0 +0 +0 +0 +\d+\.\d +done", done.stdout)
    assert done.stdout.rstrip().splitlines()[-1].startswith("run 2")
    assert "andalan: done, 94 rows in" in done.stdout
    assert "fetching 2025-09-12" in done.stderr
    assert "fetching" not in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_with_json_stdout_is_one_document_and_progress_stays_on_stderr(shop: Shop) -> None:
    done = shop.call("run", "andalan.user", "--window", DAY, "--json")

    result = json.loads(done.stdout)
    assert (result["status"], result["exit_code"], result["dry_run"]) == ("done", 0, False)
    [stream] = result["streams"]
    assert (stream["stream"], stream["rows"], stream["new"], stream["error"]) == (
        "andalan.user",
        16,
        16,
        None,
    )
    assert "fetching 2025-09-12" in done.stderr


@pytest.mark.parametrize("arguments", [("--json", "run", "andalan.user"), ("run", "andalan.user", "--json")])
def test_json_may_stand_before_and_after_the_command(shop: Shop, arguments: tuple[str, ...]) -> None:
    done = shop.call(*arguments, "--window", DAY)

    assert json.loads(done.stdout)["status"] == "done"


def test_a_dry_run_says_that_it_wrote_nothing(shop: Shop) -> None:
    done = shop.call("run", "andalan.user", "--window", DAY, "--dry-run")

    assert done.returncode == 0
    assert "dry run: nothing was written" in done.stdout
    assert not (shop.folder / "data").exists()


def test_all_failed_is_1(shop: Shop, office: SandboxBackOffice) -> None:
    office.faults.add(Fault.CHANGED_BUTTON, path="/user-front")

    done = shop.call("run", "andalan.user", "--window", DAY)

    assert done.returncode == 1
    assert "andalan.user: " in done.stdout
    assert "next: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "toko"), "there is no system 'toko'"),
        (("run", "andalan.nope"), "andalan.nope: nope is not part of andalan; it has transaksi,"),
        (("run", "andalan", "--window", "besok"), "window 'besok' is not one we know"),
        (("run", "andalan", "--file", "no.csv"), "--file feeds one stream; andalan has 4"),
        (("run", "andalan.user", "--file", "no.csv"), "no.csv: there is no such file"),
        (("replay", "andalan", "landing"), "zone 'landing' cannot be replayed"),
        (("plan", "toko"), "there is no system 'toko'"),
        (("status", "toko"), "there is no system 'toko'"),
        (("runs", "toko"), "there is no system 'toko'"),
        (("logs", "2019"), "there is no run 2019"),
        (("logs",), "there are no runs yet"),
        (("doctor", "--only", "luck"), "there is no check 'luck'"),
        (("init", "--from", "warung"), "there is no system 'warung' to copy"),
    ],
)
def test_what_cannot_be_meant_is_2_with_the_next_step(
    shop: Shop, office: SandboxBackOffice, arguments: tuple[str, ...], words: str
) -> None:
    done = shop.call(*arguments)

    assert done.returncode == 2, done.stderr
    assert f"error: {words}" in done.stderr or words in done.stderr
    assert "\n  next: " in done.stderr
    assert done.stdout == ""
    assert [request for request in office.requests if request.method != "GET"] == []


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "andalan", "--windoow", "x"), ("rum",), ("runs", "--most", "x")]
)
def test_a_mistyped_command_is_2_and_shows_the_usage(shop: Shop, arguments: tuple[str, ...]) -> None:
    done = shop.call(*arguments)

    assert done.returncode == 2
    assert "Usage: " in done.stderr


def test_missing_settings_are_2_and_all_named(shop: Shop) -> None:
    shop.settings.clear()

    done = shop.call("run", "andalan")

    assert done.returncode == 2
    assert "missing settings: BACKEND_URL, BACKEND_USERNAME, BACKEND_PASSWORD" in done.stderr
    assert not (shop.folder / "data").exists()


def test_an_error_is_a_document_too(shop: Shop) -> None:
    done = shop.call("--json", "run", "toko")

    document = json.loads(done.stdout)
    assert (document["status"], document["exit_code"], document["error"]) == ("error", 2, "ConfigError")
    assert document["next_step"]


def test_partly_done_is_3(shop: Shop, office: SandboxBackOffice) -> None:
    office.faults.add(Fault.CHANGED_BUTTON, path="/user-front")

    done = shop.call("run", "andalan", "--window", DAY, "--json")

    assert (done.returncode, json.loads(done.stdout)["status"]) == (3, "partly done")


def test_a_needed_login_is_4(shop: Shop, office: SandboxBackOffice) -> None:
    shop.settings["BACKEND_PASSWORD"] = "wrong"

    done = shop.call("run", "andalan", "--window", DAY)

    assert done.returncode == 4
    assert office.refused_logins == 1
    assert "the user name or the password was refused" in done.stdout
    assert done.stderr.count("the user name or the password was refused") == 1
    assert done.stderr.count("login needed: the same as andalan.") == 3
    assert "failed" not in done.stderr
    assert "wrong" not in done.stdout + done.stderr


def test_a_stream_that_is_held_is_not_told_as_failed(shop: Shop) -> None:
    pipeline = shop.folder / "systems" / "andalan" / "pipeline.py"
    text = pipeline.read_text().replace("no_data=no_data,", "no_data=no_data, checks=[checks.rows_between(1, 2)],")
    pipeline.write_text(text.replace("from backhaul import ", "from backhaul import checks, "))

    done = shop.call("run", "andalan.user", "--window", DAY)

    assert "andalan.user                 held back: volume: 16 rows; expected 1 to 2" in done.stderr
    assert "failed" not in done.stderr
    assert "1 batch is held back\n  next: look at the data" in shop.call("status", "andalan.user").stdout


def test_already_running_is_5(shop: Shop) -> None:
    with pipeline_lock(shop.folder / "data" / "locks", "andalan", wait=False):
        done = shop.call("run", "andalan")

    assert done.returncode == 5
    assert "error: andalan is already running" in done.stderr
    assert "--wait" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_is_130_and_the_next_run_goes_on(
    shop: Shop, office: SandboxBackOffice, number: signal.Signals
) -> None:
    office.faults.add(Fault.SLOW_FIRST_BYTE, path="/user-front", seconds=30)
    with shop.start("run", "andalan.user", "--window", DAY) as process:
        until = time.monotonic() + 20
        while office.logins == 0 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        asked_at = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=25)

    assert process.returncode == 130, told
    assert time.monotonic() - asked_at < 10
    assert "interrupted" in told
    assert "Traceback" not in told
    with closing(sqlite3.connect(shop.folder / "data" / "ledger.db")) as ledger:
        assert ledger.execute("SELECT status, exit_code FROM runs").fetchall() == [("interrupted", 130)]

    office.faults.clear()
    assert shop.document("run", "andalan.user", "--window", DAY)["streams"][0]["new"] == 16


@pytest.mark.parametrize("arguments", [("--debug", "run", "toko"), ("run", "toko", "--debug")])
def test_debug_shows_the_traceback(shop: Shop, arguments: tuple[str, ...]) -> None:
    assert "Traceback" in shop.call(*arguments).stderr
    assert "Traceback" not in shop.call("run", "toko").stderr


def test_debug_shows_where_a_transform_failed_and_not_the_row(shop: Shop) -> None:
    module = shop.folder / "systems" / "andalan" / "pipeline.py"
    faulty = "def faulty(frame):\n    raise ValueError(f'cannot read {frame[0].row(0)}')\n\n\npipeline = "
    text = module.read_text(encoding="utf-8").replace("pipeline = ", faulty)
    module.write_text(text.replace("no_data=no_data", "no_data=no_data, transform=faulty"), encoding="utf-8")
    (shop.folder / "unduhan.csv").write_text("User ID,Nama\n007,Toko Rahasia\n")

    done = shop.call("run", "andalan.user", "--file", "unduhan.csv", "--debug")

    assert "in faulty" in done.stderr
    assert "ValueError: (its words are left out" in done.stderr
    assert "Toko Rahasia" not in done.stdout + done.stderr


def test_a_file_downloaded_by_hand_is_taken_without_a_login(shop: Shop, office: SandboxBackOffice) -> None:
    (shop.folder / "unduhan.csv").write_text("User ID,Nama\n007,Toko Satu\n")

    done = shop.call("run", "andalan.user", "--file", "unduhan.csv", "--json")

    assert json.loads(done.stdout)["streams"][0]["new"] == 1
    assert "checked 1 row, 0 rejected" in done.stderr
    assert office.requests == []


def test_a_wrong_file_given_by_hand_is_told_with_what_to_check(shop: Shop) -> None:
    (shop.folder / "salah.csv").write_text("Nama\nToko Satu\n")

    done = shop.call("run", "andalan.user", "--file", "salah.csv")

    assert done.returncode == 1
    assert "next: Check that it is a file of this stream" in done.stdout


def test_no_password_is_printed_or_stored(shop: Shop, office: SandboxBackOffice) -> None:
    office.faults.add(Fault.SERVER_ERROR, path="/koin_pay", times=1)

    done = shop.call("run", "andalan", "--window", DAY, "--debug")

    assert office.password not in done.stdout + done.stderr
    files = [path for path in (shop.folder / "data").rglob("*") if path.is_file()]
    assert [path for path in files if office.password.encode() in path.read_bytes()] == []


def test_a_folder_that_cannot_be_written_is_told_without_a_traceback(shop: Shop) -> None:
    (shop.folder / "data").write_text("a file where the folder should be")

    done = shop.call("run", "andalan.user", "--window", DAY)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"error: {shop.folder / 'data'}" in done.stderr


def test_replay_prints_what_it_has_changed(shop: Shop) -> None:
    shop.call("run", "andalan.user", "--window", DAY)

    result = shop.document("replay", "andalan.user")

    assert (result["status"], result["streams"][0]["unchanged"]) == ("done", 16)


def test_the_level_decides_how_much_is_told_of_each_step(shop: Shop, office: SandboxBackOffice) -> None:
    office.faults.add(Fault.SERVER_ERROR, path="/user-front", times=1)

    usual, troubles, unknown = (
        replace(shop, settings={**shop.settings, "LOG_LEVEL": level}).call("run", "andalan.user", "--window", DAY)
        for level in ("info", "WARNING", "loud")
    )

    assert "fetching 2025-09-12" in usual.stderr
    assert "attempt 1 of" in usual.stderr
    assert troubles.stderr == ""
    assert "nothing new" not in troubles.stdout
    assert (unknown.returncode, "Say one of DEBUG, INFO, WARNING, ERROR" in unknown.stderr) == (2, True)


def test_a_run_that_finds_nothing_says_so(shop: Shop, office: SandboxBackOffice) -> None:
    office.data["user"].clear()

    done = shop.call("run", "andalan.user", "--window", DAY)

    assert "andalan: done, nothing new in" in done.stdout
