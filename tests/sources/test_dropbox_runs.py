"""Whole runs on a Dropbox folder: idle ones, bad backups, and one that is killed in the middle of its download."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backhaul.engine.run import Installation
from backhaul.sandbox.dropbox.faults import DropboxFault, Endpoint
from backhaul.sandbox.dropbox.service import SandboxDropbox
from tests.formats.archives import archive
from tests.sources import dropbox_run
from tests.sources.dropbox_run import run

NIGHT = datetime(2025, 9, 12, 17, 5, tzinfo=UTC)


def backup(*items: str, padding: int = 0) -> bytes:
    """Return an archive with these items; padding are bytes of another table that do not pack."""
    rows = "".join(f"{number}\t{item}\n" for number, item in enumerate(items)).encode()
    noise = random.Random(7).randbytes(padding // 2).hex().encode()
    return archive({"tbl_item": ("(kodeitem, namaitem)", rows), "tbl_lain": ("(x)", noise)}, chunk=4096)


@pytest.fixture
def dropbox() -> Iterator[SandboxDropbox]:
    with SandboxDropbox() as sandbox:
        yield sandbox


def put(sandbox: SandboxDropbox, content: bytes, *, days: float = 0) -> None:
    sandbox.put_file(f"i5_{days:+}.i5bu", content, server_modified=NIGHT + timedelta(days=days))


def items(folder: Path) -> list[str]:
    frames = list(Installation(folder / "data", {}).curated.read("items"))
    return sorted(name for frame in frames for name in frame["namaitem"].to_list())


def calls(sandbox: SandboxDropbox) -> list[str]:
    return [call.endpoint.split("/", 1)[1] for call in sandbox.calls]


def test_the_newest_backup_is_delivered_and_an_idle_run_costs_one_call(dropbox, tmp_path):
    put(dropbox, backup("SABUN", "KOPI"))

    first = run(tmp_path, dropbox.settings)
    before = len(dropbox.calls)
    second = run(tmp_path, dropbox.settings)

    assert (first.exit_code, first.counts.new, second.exit_code, second.counts.rows) == (0, 2, 0, 0)
    assert items(tmp_path) == ["KOPI", "SABUN"]
    assert calls(dropbox)[before:] == ["token", "list_folder/continue"]
    with sqlite3.connect(tmp_path / "data" / "ledger.db") as ledger:
        assert ledger.execute("SELECT name, made_at FROM artifacts").fetchall() == [
            ("backup_13092025-0005.i5bu", "2025-09-12T17:05:00+00:00")
        ]


@pytest.mark.parametrize("bad", ["empty", "truncated", "foreign", "without the table"])
def test_a_bad_backup_is_refused_once_fetched_once_and_the_last_good_one_stays(dropbox, tmp_path, bad):
    good = backup("SABUN", padding=5_000)
    put(dropbox, good)
    run(tmp_path, dropbox.settings)
    other = archive({"tbl_barang": ("(kodeitem, namaitem)", b"1\tSABUN\n")})
    content = {"empty": b"", "truncated": good[:-1], "foreign": b"%PDF-1.7", "without the table": other}[bad]
    put(dropbox, content, days=1)

    refused = [run(tmp_path, dropbox.settings) for _ in range(2)]

    assert [each.exit_code for each in refused] == [1, 1]
    assert all("backup_14092025-0005.i5bu" in str(each.streams[0].error) for each in refused)
    assert calls(dropbox).count("download") == 1 + (bad != "empty")
    assert items(tmp_path) == ["SABUN"]
    put(dropbox, backup("KOPI"), days=2)
    assert run(tmp_path, dropbox.settings).exit_code == 0
    assert items(tmp_path)[0] == "KOPI"


def test_killed_in_the_middle_of_a_download_the_next_run_goes_on_where_it_was(dropbox, tmp_path):
    content = backup("SABUN", padding=600_000)
    put(dropbox, content)
    dropbox.faults.add(DropboxFault.STALL, size_bytes=200_000, seconds=60)
    process = subprocess.Popen(
        [sys.executable, dropbox_run.__file__, str(tmp_path)], env=os.environ | dropbox.settings
    )
    landing = tmp_path / "data" / "lake" / "landing"

    try:
        size = wait_for_part(landing)
    finally:
        process.kill()
        process.wait(10)
    result = run(tmp_path, dropbox.settings)

    assert result.exit_code == 0
    assert items(tmp_path) == ["SABUN"]
    ranges = [call.range for call in dropbox.calls if call.endpoint == Endpoint.DOWNLOAD]
    assert ranges == [None, f"bytes={size}-"]
    assert not landing.exists() or not [path for path in landing.rglob("*") if path.is_file()]


def wait_for_part(landing: Path) -> int:
    """Return the size of the part once it grows no more. Raises TimeoutError."""
    until, size = time.monotonic() + 30, -1
    while time.monotonic() < until:
        time.sleep(0.3)
        found = [path.stat().st_size for path in landing.glob("**/*.i5bu")]
        if found and found[0] == size > 100_000:
            return size
        size = found[0] if found else -1
    raise TimeoutError("no part of the download came")


def test_cut_off_in_one_run_the_next_run_takes_the_rest(dropbox, tmp_path):
    put(dropbox, backup("SABUN", padding=600_000))
    dropbox.faults.add(DropboxFault.CUT, times=1, size_bytes=200_000)
    dropbox.faults.add(DropboxFault.CUT, times=None, size_bytes=0)
    failed = run(tmp_path, dropbox.settings)
    dropbox.faults.clear()

    result = run(tmp_path, dropbox.settings)

    assert (failed.exit_code, result.exit_code) == (1, 0)
    assert dropbox.calls[-1].range == "bytes=200000-"


def test_bytes_that_stay_wrong_end_the_run_and_nothing_is_delivered(dropbox, tmp_path):
    put(dropbox, backup("SABUN"))
    dropbox.faults.add(DropboxFault.WRONG_BYTES, times=None)

    result = run(tmp_path, dropbox.settings)

    assert result.exit_code == 1
    assert "are not those of Dropbox" in str(result.streams[0].error)
    assert not (tmp_path / "data" / "lake" / "raw").exists()


def test_a_connection_that_a_person_has_to_renew_is_a_needed_login(dropbox, tmp_path):
    put(dropbox, backup("SABUN"))
    old = dropbox.settings
    dropbox.revoke()

    assert run(tmp_path, old).exit_code == 4
    assert run(tmp_path, dropbox.settings).exit_code == 0


def test_two_backups_with_one_time_stamp_are_one_delivery(dropbox, tmp_path):
    for name in ("a.i5bu", "b.i5bu"):
        dropbox.put_file(name, backup(name), server_modified=NIGHT)

    assert [run(tmp_path, dropbox.settings).counts.new for _ in range(2)] == [1, 0]
    assert items(tmp_path) == ["b.i5bu"]


def test_a_folder_on_this_machine_feeds_the_same_stream(tmp_path):
    folder = tmp_path / "IPOS"
    folder.mkdir()
    for name, content, ago in (("a.i5bu", backup("OLD"), 60), ("b.i5bu", backup("SABUN"), 30)):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (time.time() - ago, time.time() - ago))

    results = [run(tmp_path, {"DROPBOX_LOCAL_FOLDER": str(folder)}) for _ in range(2)]

    assert [(each.exit_code, each.counts.new) for each in results] == [(0, 1), (0, 0)]
    assert items(tmp_path) == ["SABUN"]


def test_a_backup_whose_rows_went_with_the_disk_is_fetched_again(dropbox, tmp_path):
    put(dropbox, backup("SABUN"))
    settings = {**dropbox.settings, "BACKHAUL_STATELESS": "true"}
    closed = tmp_path / "data" / "warehouse.db"
    closed.mkdir(parents=True)
    first = run(tmp_path, settings)
    # The ledger is elsewhere and stays; everything else goes with the machine.
    shutil.rmtree(tmp_path / "data" / "lake")
    closed.rmdir()

    second = run(tmp_path, settings)

    assert (first.exit_code, second.exit_code, second.counts.new) == (3, 0, 1)
    assert items(tmp_path) == ["SABUN"]
