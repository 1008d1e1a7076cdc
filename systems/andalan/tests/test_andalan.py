"""System A against the sandbox: its four exports, by plain HTTP and, where scripts ask for it, in a browser."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import load_system
from backhaul.model import Counts
from backhaul.sandbox import SandboxBackOffice, Variant

FOLDER = Path(__file__).resolve().parents[1]
ROWS = {"transaksi": (27, 27), "point_trx": (50, 12), "user": (16, 10), "pembayaran_koin": (1, 6)}


def run(office: SandboxBackOffice, data: Path, window: str = "2025-09-12") -> RunResult:
    settings = {
        "BACKEND_URL": office.url,
        "BACKEND_USERNAME": office.username,
        "BACKEND_PASSWORD": office.password,
    }
    [target] = load_system(FOLDER)
    return run_pipeline(target, Installation(data, settings), RunOptions(window=window))


def shape(data: Path, table: str) -> tuple[int, int]:
    frames = list(Installation(data, {}).curated.read(table))
    return sum(frame.height for frame in frames), frames[0].width


def test_the_four_exports_arrive_with_their_rows_and_columns(tmp_path: Path) -> None:
    with SandboxBackOffice() as office:
        first, second = run(office, tmp_path), run(office, tmp_path)

    assert (first.counts, second.counts) == (Counts(new=94), Counts(unchanged=94))
    assert {table: shape(tmp_path, table) for table in ROWS} == ROWS


def test_a_wider_window_brings_the_days_around(tmp_path: Path) -> None:
    with SandboxBackOffice() as office:
        result = run(office, tmp_path, "2025-09-01..2025-09-30")

    assert [each.counts.new for each in result.streams] == [102, 70, 25, 3]


@pytest.mark.browser
def test_buttons_that_only_work_by_script_are_clicked_in_a_browser(tmp_path: Path) -> None:
    with SandboxBackOffice(Variant.SCRIPT) as office:
        result = run(office, tmp_path)
        again = run(office, tmp_path)

    assert (result.counts, again.counts) == (Counts(new=94), Counts(unchanged=94))
    assert {table: shape(tmp_path, table) for table in ROWS} == ROWS


def test_no_browser_is_started_where_none_is_needed(tmp_path: Path) -> None:
    decoy = tmp_path / "chromium"
    decoy.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    decoy.chmod(0o755)
    with SandboxBackOffice() as office:
        environment = {
            **os.environ,
            "BACKHAUL_HOME": str(FOLDER.parents[1]),
            "CHROME_BIN": str(decoy),
            "BACKEND_URL": office.url,
            "BACKEND_USERNAME": office.username,
            "BACKEND_PASSWORD": office.password,
        }
        command = [sys.executable, "-m", "backhaul", "run", "andalan", "--window", "2025-09-12", "--dry-run"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "dry run: nothing was written" in done.stdout
    assert not (tmp_path / "started").exists()
