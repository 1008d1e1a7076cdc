"""A disk that is full at any moment of a run: it is told in words, nothing is lost, and with room it all goes on.

Small file systems in memory are mounted for it, which takes a Linux and the rights of its administrator.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backhaul.destinations import CsvFiles, ExcelWorkbook
from backhaul.engine.run import LEDGER_URL, WAREHOUSE_URL
from backhaul.errors import BackhaulError
from backhaul.model import Counts
from tests.engine.place import Place

STREAM = "andalan.transaksi"
MONTH = "2025-09-01..2025-09-30"
ROOM = "Make room on the disk"


def mounted(folder: Path, *options: str) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="session")
def may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        may = mounted(Path(folder), "-o", "size=16k")
        if may:
            subprocess.run(["umount", folder], check=True)
    return may


@pytest.fixture
def small(tmp_path: Path, may_mount: bool) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many kilobytes; called again, it gets another size."""
    if not may_mount:
        pytest.skip("needs the right to mount a file system")
    folder = tmp_path / "small"
    folder.mkdir()

    def sized(kilobytes: int) -> Path:
        how = f"size={kilobytes}k"
        if folder.is_mount():
            subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
        else:
            assert mounted(folder, "-o", how)
        return folder

    yield sized
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def tried(place: Place, window: str, to: tuple[Any, ...]) -> BackhaulError | None:
    """Run, and return why it failed, if it did."""
    try:
        [stream] = place.run_changed(STREAM, changes={"to": to}, window=window).streams
    except BackhaulError as error:
        return error
    return stream.error


def parts(*folders: Path) -> list[str]:
    return [path.name for folder in folders for path in folder.rglob("*.part*")]


KILOBYTES = {
    "ledger": [60, 180, 270],
    "lake": [12, 20, 36, 60, 72, 84],
    "curated": [8, 32, 80],
    "workbook": [4, 8, 16],
    "csv": [4, 16, 32, 64],
}


FAST = {("ledger", 180), ("lake", 72), ("curated", 80), ("workbook", 8), ("csv", 32)}
CASES = [
    pytest.param(where, size, marks=[] if (where, size) in FAST else [pytest.mark.slow])
    for where in KILOBYTES
    for size in KILOBYTES[where]
]


@pytest.mark.parametrize(("where", "kilobytes"), CASES)
def test_a_full_disk_is_told_and_with_room_everything_arrives_once(
    place: Place, small: Callable[[int], Path], where: str, kilobytes: int
) -> None:
    disk = small(kilobytes)
    to: tuple[Any, ...] = ()
    (place.folder / "data").mkdir()
    match where:
        case "ledger":
            place.settings[LEDGER_URL] = str(disk / "ledger.db")
        case "lake":
            (place.folder / "data" / "lake").symlink_to(disk)
        case "curated":
            place.settings[WAREHOUSE_URL] = str(disk / "warehouse.db")
        case "workbook":
            to = (ExcelWorkbook(str(disk / "a.xlsx")),)
        case "csv":
            to = (CsvFiles(str(disk), snapshots=3),)

    failures = [error for window in ("2025-09-12", MONTH) if (error := tried(place, window, to))]
    small(64_000)
    again = place.run_changed(STREAM, changes={"to": to}, window=MONTH)

    assert failures
    for failure in failures:
        assert ROOM in failure.next_step, str(failure)
        assert "unexpected" not in str(failure)
    assert again.exit_code == 0
    assert len({row[0] for row in place.rows("transaksi")}) == len(place.rows("transaksi")) == 102
    assert place.run_changed(STREAM, changes={"to": to}, window=MONTH).counts == Counts(unchanged=102)
    assert parts(disk, place.folder / "data") == []


def test_a_disk_that_fills_up_beside_a_running_system_costs_no_row(
    place: Place, small: Callable[[int], Path]
) -> None:
    shutil.copytree(place.folder / "systems", small(64_000) / "systems")
    place.folder = small(64_000)
    place.run(STREAM)
    filler = place.folder / "filler"
    with filler.open("wb", buffering=0) as file:
        room = shutil.disk_usage(place.folder).free
        file.write(bytes(room))

    with pytest.raises(BackhaulError) as caught:
        place.run(STREAM, window=MONTH)
    filler.unlink()
    again = place.run(STREAM, window=MONTH)

    assert ROOM in caught.value.next_step
    assert again.counts == Counts(new=75, unchanged=27)
