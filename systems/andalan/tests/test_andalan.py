"""System A against everything it talks to: the office's exports, four spreadsheets, a Telegram group."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backhaul import BackOffice, Telegram
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target, load_system
from backhaul.model import Counts
from backhaul.sandbox import Fault, SandboxBackOffice, Variant
from backhaul.sandbox.outside import Outside

FOLDER = Path(__file__).resolve().parents[1]
DAY = "2025-09-12"
ROWS = {"transaksi": (27, 27), "point_trx": (50, 12), "user": (16, 10), "pembayaran_koin": (1, 6)}
SETTINGS = dict(zip(ROWS, ("SHEET_TRANSAKSI", "SHEET_POINT_TRX", "SHEET_USER", "SHEET_PEMBAYARAN_KOIN"), strict=True))


@pytest.fixture
def outside() -> Iterator[Outside]:
    with Outside() as services:
        yield services


def run(outside: Outside, data: Path, window: str = DAY) -> RunResult:
    [target] = load_system(FOLDER)
    return run_pipeline(target, Installation(data, outside.settings), RunOptions(window=window))


def table(data: Path, name: str) -> tuple[int, int]:
    frames = list(Installation(data, {}).curated.read(name))
    return sum(frame.height for frame in frames), frames[0].width


def sheet(outside: Outside, stream: str) -> list[list[str]]:
    book = outside.books[SETTINGS[stream]]
    return book.formatted(next(iter(book.tabs)))


def messages(outside: Outside) -> list[str]:
    return [message.text for message in outside.telegram.messages(outside.telegram.chat_id)]


def test_four_exports_arrive_in_tables_and_sheets_and_nothing_twice(tmp_path: Path, outside: Outside) -> None:
    first = run(outside, tmp_path)
    calls_of_first, writes_of_first = len(outside.sheets.calls), outside.sheets.writes
    outside.sheets.reset_calls()
    second = run(outside, tmp_path)

    assert (first.counts, second.counts) == (Counts(new=94), Counts(unchanged=94))
    assert {name: table(tmp_path, name) for name in ROWS} == ROWS
    assert {name: (len(sheet(outside, name)) - 1, len(sheet(outside, name)[0])) for name in ROWS} == ROWS
    assert (calls_of_first <= 12, writes_of_first) == (True, 4)
    assert (outside.sheets.reads <= 8, outside.sheets.writes) == (True, 0)


def test_the_group_hears_of_the_run_in_the_words_it_is_used_to(tmp_path: Path, outside: Outside) -> None:
    run(outside, tmp_path)

    told = messages(outside)
    assert "AUTOMATION DIMULAI" in told[0]
    assert "4 exports" in told[0]
    done = "\n".join(told[1:5])
    for words in ("Transaksi Export Berhasil!", "Point Transaction Export Berhasil!", "Records: 27 rows", "Waktu: "):
        assert words in done
    for words in (
        "SUMMARY DAILY EXPORT",
        "SEMUA BERHASIL",
        "Total Records: 94",
        "Berhasil (4):",
        "transaksi: 27 rows",
    ):
        assert words in told[-1]
    assert "WIB" in told[-1]
    assert len(told) == 6


def test_a_machine_that_forgets_everything_classifies_exactly_by_the_sheets(tmp_path: Path, outside: Outside) -> None:
    run(outside, tmp_path / "one disk")
    outside.office.data["user"][10]["Poin"] = 12_345

    again = run(outside, tmp_path / "another disk")

    assert again.counts == Counts(updated=1, unchanged=93)


def test_what_people_do_in_a_sheet_stays(tmp_path: Path, outside: Outside) -> None:
    run(outside, tmp_path)
    book = outside.books["SHEET_USER"]
    tab = next(iter(book.tabs))
    book.type_cell(tab, "N1", "Catatan kami")
    book.type_cell(tab, "N3", "telepon dulu")
    noted, deleted = book.values(tab)[2][0], book.values(tab)[5][0]
    book.delete_row(tab, 6)
    book.sort(tab, 2, descending=True)
    outside.office.data["user"][7]["Poin"] = 54_321

    result = run(outside, tmp_path)

    rows = {row[0]: row for row in book.values(tab)[1:]}
    assert result.streams[2].counts in (Counts(updated=1, unchanged=15), Counts(unchanged=16))
    assert rows[noted][13] == "telepon dulu"
    assert deleted not in rows
    assert len(rows) == 15


def test_a_wider_window_brings_the_days_around(tmp_path: Path, outside: Outside) -> None:
    result = run(outside, tmp_path, "2025-09-01..2025-09-30")

    assert [each.counts.new for each in result.streams] == [102, 70, 25, 3]


@pytest.mark.browser
def test_buttons_that_only_work_by_script_are_clicked_in_a_browser(tmp_path: Path) -> None:
    with Outside(SandboxBackOffice(Variant.SCRIPT)) as outside:
        result = run(outside, tmp_path)
        again = run(outside, tmp_path)

    assert (result.counts, again.counts) == (Counts(new=94), Counts(unchanged=94))
    assert {name: table(tmp_path, name) for name in ROWS} == ROWS


def test_no_browser_is_started_where_none_is_needed(tmp_path: Path, outside: Outside) -> None:
    decoy = tmp_path / "chromium"
    decoy.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    decoy.chmod(0o755)
    place = {"BACKHAUL_HOME": str(FOLDER.parents[1]), "CHROME_BIN": str(decoy)}
    command = [sys.executable, "-m", "backhaul", "run", "andalan", "--window", DAY, "--dry-run", "--json"]
    environment = {**os.environ, **place, **outside.settings}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dry_run"] is True
    assert not (tmp_path / "started").exists()
    assert (outside.sheets.writes, messages(outside)) == (0, [])


@pytest.mark.browser
def test_a_masked_picture_of_a_failure_goes_along_where_the_pipeline_says_so(
    tmp_path: Path, outside: Outside
) -> None:
    [target] = load_system(FOLDER)
    first = next(iter(target.pipeline.streams))
    assert isinstance(first.source, BackOffice)
    stream = replace(first, source=replace(first.source, driver="browser"))
    pipeline = replace(target.pipeline, streams=[stream], notify=[Telegram(language="id", photos=True)])
    outside.office.faults.add(Fault.CHANGED_BUTTON)

    result = run_pipeline(
        Target(target.name, pipeline), Installation(tmp_path, outside.settings), RunOptions(window=DAY)
    )

    [picture] = [each for each in outside.telegram.messages(outside.telegram.chat_id) if each.file]
    assert result.streams[0].status == "failed"
    assert picture.file and picture.file.content.startswith(b"\x89PNG")
    assert "Transaksi Export Gagal!" in picture.text
