"""Consoles that are not UTF-8, and folders whose names are not ASCII: no crash, nothing lost that matters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backhaul.sandbox import SandboxBackOffice
from tests.cli.shop import DAY, SYSTEMS

CONSOLES = ["cp1252", "cp437", "ascii", "cp1255"]
STREAM = "עסקאות"
FOLDER = "Toko Ünï & חנות 100% (1)"


@pytest.fixture(scope="module")
def office():
    with SandboxBackOffice() as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory, office):
    """A folder with an odd name, a stream with a Hebrew one, and an .env as Notepad saves it."""
    folder = tmp_path_factory.mktemp("windows") / FOLDER
    (folder / "systems" / "andalan").mkdir(parents=True)
    declared = (SYSTEMS / "andalan" / "pipeline.py").read_text(encoding="utf-8")
    assert '"transaksi"' in declared
    pipeline = folder / "systems" / "andalan" / "pipeline.py"
    pipeline.write_text(declared.replace('"transaksi"', f'"{STREAM}"'), encoding="utf-8")
    lines = [
        f"BACKEND_URL={office.url}",
        f"BACKEND_USERNAME={office.username}",
        f"BACKEND_PASSWORD={office.password}",
    ]
    (folder / ".env").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    return folder


def call(home: Path, console: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command on a console of that encoding; what comes back is decoded as that console would show it."""
    ours = ("BACKHAUL_", "BACKEND_", "PYTHONUTF8", "PYTHONIOENCODING")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {**kept, "BACKHAUL_HOME": str(home), "PYTHONIOENCODING": console}
    command = [sys.executable, "-m", "backhaul", *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(console), done.stderr.decode(console)


@pytest.mark.parametrize("console", CONSOLES[:2])
def test_a_run_and_its_status_work_on_such_a_console(home, console):
    code, out, told = call(home, console, "run", "andalan", "--window", DAY)

    assert code == 0, told
    assert "94 rows" in out
    assert "Traceback" not in told
    code, out, told = call(home, console, "status", "andalan")
    assert code == 0, told
    assert "??????" in out
    assert "point_trx" in out


@pytest.mark.parametrize("console", CONSOLES)
def test_a_plan_on_such_a_console_replaces_what_it_cannot_show(home, console):
    code, out, told = call(home, console, "plan", "andalan")

    assert code == 0, told
    assert (STREAM if console == "cp1255" else "??????") in out


@pytest.mark.parametrize("console", ["cp1252", "utf-8"])
def test_json_loses_no_letter_on_any_console(home, console):
    code, out, told = call(home, console, "plan", "andalan", "--json")

    assert code == 0, told
    assert STREAM in json.dumps(json.loads(out), ensure_ascii=False)


def test_an_error_in_words_that_the_console_lacks_is_still_told(home):
    code, _, told = call(home, "ascii", "run", f"andalan.{STREAM}x")

    assert code == 2
    assert "next:" in told
    assert "Traceback" not in told


def test_a_file_whose_name_has_spaces_and_other_letters_is_fed(home, tmp_path):
    file = tmp_path / "Ekspor ünï & עסקאות (1).csv"
    file.write_bytes(f"User ID,Tanggal\r\nU-1,{DAY}\r\n".encode())

    code, out, told = call(home, "cp1252", "run", "andalan.user", "--file", str(file), "--json")

    assert code == 0, told
    assert json.loads(out)["streams"][0]["rows"] == 1


@pytest.mark.slow
def test_the_demo_runs_on_such_a_console(tmp_path):
    code, out, told = call(tmp_path, "cp1252", "demo", str(tmp_path / "demo mit Ümlaut"))

    assert code == 0, told
    assert "SEMUA BERHASIL" in out
    assert "Traceback" not in told
