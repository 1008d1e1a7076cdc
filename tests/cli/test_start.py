"""`init`, `doctor`, `demo`, `--help`: what a newcomer types first."""

import json
import os
import re
import resource
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backhaul import __version__
from backhaul.cli import demo_school
from backhaul.sandbox import SandboxBackOffice
from tests.cli.shop import Shop

COMMANDS = ("init", "plan", "run", "replay", "status", "runs", "logs", "doctor", "demo")


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(bare: Shop, command: str) -> None:
    done = bare.call(command, "--help")

    assert done.returncode == 0
    assert f"Example: backhaul {command}" in done.stdout


def test_the_help_names_every_command(bare: Shop) -> None:
    for arguments in (("--help",), ()):
        done = bare.call(*arguments)
        assert [command for command in COMMANDS if f" {command} " not in done.stdout + done.stderr] == []


def test_the_version_is_told(bare: Shop) -> None:
    assert bare.call("--version").stdout == f"backhaul {__version__}\n"


def test_init_makes_a_folder_that_plan_understands(bare: Shop) -> None:
    done = bare.call("init")

    assert done.returncode == 0, done.stderr
    assert (
        "next: fill in .env (BACKEND_URL, BACKEND_USERNAME, BACKEND_PASSWORD), then: backhaul plan first"
        in done.stdout
    )
    assert (bare.folder / ".env").read_text().splitlines()[1:] == [
        "BACKEND_URL=",
        "BACKEND_USERNAME=",
        "BACKEND_PASSWORD=",
    ]
    assert ".env" in (bare.folder / ".gitignore").read_text().splitlines()
    assert bare.call("plan", "first").returncode == 0


def test_init_twice_changes_nothing(bare: Shop) -> None:
    bare.call("init", "--from", "andalan", "shop")
    (bare.folder / "shop" / ".env").write_text("BACKEND_URL=https://shop.example\n")
    before = tree(bare.folder)

    again = bare.call("init", "--from", "andalan", "shop")

    assert again.returncode == 0
    assert "everything is there already; nothing was changed" in again.stdout
    assert tree(bare.folder) == before


def test_init_copies_a_system_and_says_where_to_go(bare: Shop) -> None:
    document = bare.document("init", "--from", "andalan", "shop")

    assert document["settings"][:4] == ["BACKEND_URL", "BACKEND_USERNAME", "BACKEND_PASSWORD", "SHEET_TRANSAKSI"]
    assert {"GOOGLE_SERVICE_ACCOUNT_JSON", "TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID"} <= set(document["settings"])
    assert (bare.folder / "shop" / "systems" / "andalan" / "pipeline.py").exists()
    assert "cd shop" in bare.call("init", "--from", "andalan", "shop").stdout


def test_the_settings_file_is_for_its_owner_alone(bare: Shop) -> None:
    bare.call("init")

    assert (bare.folder / ".env").stat().st_mode & 0o077 == 0


def test_init_into_a_file_is_told_without_a_traceback(bare: Shop) -> None:
    (bare.folder / "shop").write_text("")

    done = bare.call("init", "shop")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr


def test_doctor_finds_a_folder_that_is_set_up_fit_and_changes_nothing(shop: Shop, office: SandboxBackOffice) -> None:
    before = tree(shop.folder)

    found = shop.document("doctor")

    assert found["ok"] is True
    assert {check["name"] for check in found["checks"]} >= {
        "python",
        "sqlite",
        "folder",
        "disk",
        "system andalan",
    }
    assert tree(shop.folder) == before
    assert [(request.method, request.path) for request in office.requests] == [("GET", "/login")]


def test_doctor_says_that_the_office_does_not_answer(shop: Shop, office: SandboxBackOffice) -> None:
    office.close()

    done = shop.call("doctor", "--json")

    [failed] = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert (done.returncode, failed["name"]) == (1, f"source {office.url.removeprefix('http://')}")


def test_doctor_fails_where_settings_are_missing(shop: Shop) -> None:
    del shop.settings["BACKEND_PASSWORD"]

    done = shop.call("doctor")

    assert done.returncode == 1
    assert "missing settings: BACKEND_PASSWORD" in done.stdout
    assert shop.call("doctor", "--only", "python").returncode == 0
    assert [check["name"] for check in shop.document("doctor", "--only", "python")["checks"]] == ["python"]


def test_doctor_asks_for_no_setting_of_a_notifier_that_is_silenced(bare: Shop) -> None:
    bare.call("init", "--from", "toko")
    silent = replace(bare, settings={"DROPBOX_LOCAL_FOLDER": "systems/toko/sample", "DISABLE_NOTIFICATIONS": "true"})

    done = silent.call("doctor", "--only", "system toko")

    assert (done.returncode, done.stdout.strip()) == (0, "PASS  system toko  2 streams, all settings are there")


def test_doctor_goes_on_where_a_setting_has_a_value_that_is_none(bare: Shop) -> None:
    bare.call("init", "--from", "toko")
    settings = {
        "DROPBOX_LOCAL_FOLDER": "systems/toko/sample",
        "DISABLE_NOTIFICATIONS": "true",
        "MAX_CSV_FILES": "many",
    }

    done = replace(bare, settings=settings).call("doctor")

    assert done.returncode == 1
    assert "PASS  system toko" in done.stdout
    assert re.search(r"^FAIL  toko .*'many'", done.stdout, re.MULTILINE)


def test_doctor_says_what_to_do_in_an_empty_folder(bare: Shop) -> None:
    done = bare.call("doctor", "--only", "folder")

    assert done.returncode == 0
    assert "holds no systems" in done.stdout
    assert "backhaul init" in done.stdout


def test_doctor_names_a_system_that_cannot_be_imported(shop: Shop) -> None:
    (shop.folder / "systems" / "andalan" / "pipeline.py").write_text("import no_such_module_here")

    done = shop.call("doctor", "--json")

    assert done.returncode == 1
    [finding] = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "system andalan"]
    assert (finding["verdict"], finding["ok"]) == ("fail", False)
    assert "no_such_module_here" in finding["detail"]


def test_doctor_notices_a_damaged_ledger(shop: Shop) -> None:
    (shop.folder / "data").mkdir()
    (shop.folder / "data" / "ledger.db").write_bytes(b"no database " * 500)

    done = shop.call("doctor", "--only", "ledger")

    assert done.returncode == 1
    assert "FAIL" in done.stdout


def test_doctor_does_not_call_a_ledger_damaged_that_it_cannot_open(shop: Shop) -> None:
    (shop.folder / "data" / "ledger.db").mkdir(parents=True)

    done = shop.call("doctor", "--only", "ledger")

    assert done.returncode == 1
    assert "may be written" in done.stdout
    assert "backup" not in done.stdout


def test_a_folder_without_systems_is_told(bare: Shop) -> None:
    done = bare.call("run", "andalan")

    assert done.returncode == 2
    assert "backhaul init --from andalan" in done.stderr
    assert "no systems" in bare.call("status").stdout


@dataclass(frozen=True)
class Demo:
    """A demo that has run in an empty folder `look`, and what it printed."""

    shop: Shop
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    bare = Shop(tmp_path_factory.mktemp("demo"), {})
    (bare.folder / "look").mkdir()
    return Demo(bare, bare.call("demo", "look", timeout_s=180))


@pytest.mark.xdist_group("demo")
def test_demo_fetches_everything_and_then_finds_nothing_changed(demo: Demo) -> None:
    assert demo.done.returncode == 0, demo.done.stderr
    first, second = demo.done.stdout.split("second pass")
    assert "andalan: done, 94 rows" in first
    assert "andalan: done, 94 rows" in second
    assert "cd look\n" in second
    assert re.search(r"transaksi +2025-09-12 +27 +27 +0 +0", first)
    assert re.search(r"transaksi +2025-09-12 +27 +0 +0 +27", second)
    assert re.search(r"katalog +2025-09-12 +764 +764 +0 +0", first)
    assert re.search(r"katalog +2025-09-12 +764 +3 +194 +567 +0 +0 +3", second)
    assert re.search(r"perubahan_harga +derived +26 +26", second)
    for_staff, for_owner = second.split("Hadi (owner) asks the shop's bot: sabn colek jeruk")
    assert "1. MINYAK GORENG OMBAKITA BOTOL 1 LITER" in for_staff
    assert ("margin" in for_staff, "margin" in for_owner) == (False, True)
    with closing(sqlite3.connect(demo.shop.folder / "look" / "data" / "warehouse.db")) as warehouse:
        assert warehouse.execute("SELECT count(*) FROM transaksi").fetchone() == (27,)


@pytest.mark.browser
@pytest.mark.xdist_group("demo")
def test_demo_counts_the_practice_of_a_class_and_the_leads_of_a_sales_team(demo: Demo) -> None:
    first, second = demo.done.stdout.split("second pass")

    assert re.search(r"student_stats +derived +6 +6 +0 +0", first)
    assert re.search(r"student_stats +derived +6 +0 +2 +4", second)
    assert re.search(r"last_practice +derived +4 +0 +2 +2", second)
    assert re.search(r"sales_sheet +derived +2 +2", first)
    assert re.search(r"sales_sheet +derived +3 +1 +0 +2", second)
    assert "ambiguous" in second


@pytest.mark.xdist_group("demo")
def test_what_the_demo_says_to_type_next_can_be_typed(demo: Demo) -> None:
    lines = demo.done.stdout.splitlines()
    typed = [line.strip() for line in lines[lines.index("What happened, step by step:") :] if line.startswith("  ")]

    place, nothing = {"PATH": os.defpath, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}, subprocess.DEVNULL
    script = " && ".join(typed)
    done = subprocess.run(
        script, shell=True, cwd=demo.shop.folder, env=place, stdin=nothing, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "andalan" in done.stdout
    assert (demo.shop.folder / "office" / "systems" / "andalan" / "pipeline.py").exists()
    assert (demo.shop.folder / "shop" / "systems" / "toko" / "pipeline.py").exists()
    assert (demo.shop.folder / "school" / "systems" / "kelas" / "students.py").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_demo_again_is_made_anew(demo: Demo) -> None:
    again = demo.shop.call("demo", "look", "--json", timeout_s=180)

    runs = [run for run in json.loads(again.stdout)["runs"] if run["pipeline"] in ("andalan", "toko")]
    assert [sum(each["new"] for each in run["streams"]) for run in runs] == [94, 764, 0, 29]
    assert [sum(each["unchanged"] for each in run["streams"]) for run in runs] == [0, 0, 94, 567]


def test_demo_leaves_out_the_school_where_there_is_no_mongodb_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo_school, "found_program", lambda: None)
    monkeypatch.delenv("MONGODB_URI", raising=False)

    assert "there is no MongoDB" in demo_school.possible().why_not


@pytest.mark.parametrize("name", ["notes.txt", "data/warehouse.db"])
def test_demo_does_not_touch_a_folder_of_somebody_else(bare: Shop, name: str) -> None:
    theirs = bare.folder / "look" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")

    done = bare.call("demo", "look")

    assert done.returncode == 2
    assert "was not made by the demo; nothing was touched" in done.stderr
    assert tree(bare.folder).keys() == {f"look/{name}"}


def test_help_answers_at_once(bare: Shop) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert bare.call("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 2


def test_doctor_fails_where_files_of_people_could_not_be_encrypted(bare: Shop) -> None:
    bare.call("init", "--from", "kelas", ".")
    settings = ("STUDENTS_GROUP", "SALES_TEAM_GROUP", "PRACTICE_WORDS", "MESSAGE_WORDS", "SHEET_ID", "SALES_SHEET_ID")
    filled = dict.fromkeys(settings, "made up")
    others = {"GOOGLE_SERVICE_ACCOUNT_JSON": "{}", "DISABLE_NOTIFICATIONS": "true", "MONGODB_URI": "no address"}
    done = replace(bare, settings={**filled, **others}).call("doctor")

    assert done.returncode == 1
    assert "personal data" in done.stdout
    assert "backhaul sessions new-key" in done.stdout
