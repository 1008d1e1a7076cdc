"""A system of two pipelines: they run side by side, and neither stops the other."""

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shop import Shop

PIPELINE = """
from backhaul import DropFolder, Pipeline, Setting

pipeline = Pipeline(
    name="{name}",
    streams=[DropFolder(Setting("{setting}"), settle_s=0).files("rows", key="id", pattern="*.csv", table="{name}")],
)
"""


@pytest.fixture
def school(tmp_path: Path) -> Shop:
    system = tmp_path / "systems" / "school"
    system.mkdir(parents=True)
    settings = {}
    for name in ("pupils", "sales"):
        setting = f"{name.upper()}_FOLDER"
        (system / f"{name}.py").write_text(PIPELINE.format(name=name, setting=setting))
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.csv").write_text("id,what\n1,a\n2,b\n")
        settings[setting] = str(tmp_path / name)
    return Shop(tmp_path, settings)


def test_all_pipelines_of_a_system_run_and_each_has_a_table(school: Shop) -> None:
    done = school.call("run", "school")

    assert done.returncode == 0, done.stderr
    assert "school.pupils: done, 2 rows" in done.stdout
    assert "school.sales: done, 2 rows" in done.stdout


def test_one_that_cannot_begin_does_not_stop_the_other(school: Shop) -> None:
    del school.settings["PUPILS_FOLDER"]

    done = school.call("run", "school")
    told = school.document("run", "school")

    assert done.returncode == 3
    assert "school.sales: done, 2 rows" in done.stdout
    assert "error: school.pupils was not run: missing settings: PUPILS_FOLDER" in done.stderr
    assert [each["pipeline"] for each in told["runs"]] == ["school.sales"]
    assert [(each["pipeline"], each["error"]) for each in told["errors"]] == [("school.pupils", "ConfigError")]
    assert told["exit_code"] == 3


def test_what_is_missing_is_told_of_all_of_them_at_once(school: Shop) -> None:
    school.settings.clear()

    done = school.call("run", "school")

    assert done.returncode == 2
    assert "PUPILS_FOLDER" in done.stderr
    assert "SALES_FOLDER" in done.stderr


def test_one_that_fails_leaves_the_other_done(school: Shop) -> None:
    (school.folder / "pupils" / "one.csv").write_bytes(b"\x00\x01garbage")

    done = school.call("run", "school")

    assert done.returncode == 1
    assert "school.pupils: failed" in done.stdout
    assert "school.sales: done, 2 rows" in done.stdout


def test_fetch_keeps_the_files_of_both(school: Shop) -> None:
    del school.settings["SALES_FOLDER"]

    done = school.call("fetch", "school")

    assert done.returncode == 3
    assert "school.pupils.rows: one.csv" in done.stdout
    assert "school.sales was not run" in done.stderr


def test_ctrl_c_interrupts_both(school: Shop) -> None:
    held = "import time\n\ndef slow(frame):\n    time.sleep(20)\n    return frame\n"
    for name in ("pupils", "sales"):
        module = school.folder / "systems" / "school" / f"{name}.py"
        module.write_text(held + module.read_text().replace('key="id"', 'key="id", transform=slow'))
    with school.start("run", "school") as process:
        ledger = school.folder / "data" / "ledger.db"
        until = time.monotonic() + 20
        while _runs(ledger) != ["running", "running"] and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=25)

    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert _runs(ledger) == ["interrupted", "interrupted"]


def _runs(ledger: Path) -> list[str]:
    if not ledger.exists():
        return []
    try:
        with closing(sqlite3.connect(ledger)) as connection:
            return [status for (status,) in connection.execute("SELECT status FROM runs")]
    except sqlite3.OperationalError:
        return []
