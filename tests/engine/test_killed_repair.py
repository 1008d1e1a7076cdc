"""A requeue or a repair killed between any two steps and done again: the state and the counts of one clean one."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backhaul import checks
from backhaul.engine.quarantine import export_rows
from backhaul.engine.rework import repair, requeue
from backhaul.model import Counts
from backhaul.sandbox import SandboxBackOffice
from tests.engine.place import Place
from tests.engine.test_quarantine import edited

SCRIPT = Path(__file__).with_name("killed_repair.py")
NAME = "andalan.user"
PARTS = 6
KINDS = ("requeue", "repair")
Clean = dict[str, tuple[list[tuple[object, ...]], int]]


@pytest.fixture(scope="module")
def rejected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows in quarantine, and with a file in which they are repaired."""
    with SandboxBackOffice() as office:
        place = Place(tmp_path_factory.mktemp("rejected"), office)
        strict = {"checks": (checks.one_of("Kota", ["Kota Contoh"]),)}
        assert place.run_changed(NAME, changes=strict).counts.rejected > 0
        path = place.folder / "rejected.xlsx"
        export_rows(place.changed(NAME, **strict), place.installation, path)
        edited(path, Kota="Kota Contoh")
        return place.folder


def start(folder: Path, office: SandboxBackOffice, kind: str, step: int) -> subprocess.CompletedProcess[str]:
    arguments = [str(folder), *Place(folder, office).settings.values(), kind, str(step)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def clean(rejected: Path, tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The rows and the number of steps of one clean requeue, and of one clean repair."""
    found = {}
    with SandboxBackOffice() as office:
        for kind in KINDS:
            folder = tmp_path_factory.mktemp(kind) / "place"
            shutil.copytree(rejected, folder)
            done = start(folder, office, kind, 0)
            assert done.returncode == 0, done.stderr
            found[kind] = (Place(folder, office).rows("user"), int(done.stdout))
    return found


def check(folder: Path, office: SandboxBackOffice, kind: str, step: int, rows: list[tuple[object, ...]]) -> None:
    place = Place(folder, office)
    before = place.rows("user")
    killed = start(folder, office, kind, step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert place.rows("user") in (before, rows), "a reader sees all of the batch or nothing"

    if kind == "repair":
        again = repair(place.changed(NAME), place.installation, folder / "rejected.xlsx")
    else:
        again = requeue(place.changed(NAME), place.installation)

    assert again.exit_code == 0
    assert place.rows("user") == rows
    assert place.ledger("SELECT sum(new), sum(updated), sum(unchanged) FROM deliveries") == [(16, 0, 0)]
    assert place.ledger("SELECT count(*) FROM quarantine WHERE state = 'open'") == [(0,)]
    assert place.ledger("SELECT count(*) FROM artifacts WHERE state <> 'staged'") == [(0,)]
    assert place.ledger("SELECT count(*) FROM runs WHERE status = 'running'") == [(0,)]
    expected = Counts(unchanged=16) if kind == "requeue" else None
    if expected:
        assert place.run(NAME).counts == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", range(2))
def test_killed_at_a_step_and_done_again(
    tmp_path: Path,
    office: SandboxBackOffice,
    rejected: Path,
    clean: Clean,
    kind: str,
    part: int,
) -> None:
    rows, steps = clean[kind]
    folder = tmp_path / "place"
    shutil.copytree(rejected, folder)

    check(folder, office, kind, steps // 3 + part * steps // 3, rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_step_and_done_again(
    tmp_path: Path,
    office: SandboxBackOffice,
    rejected: Path,
    clean: Clean,
    kind: str,
    part: int,
) -> None:
    rows, steps = clean[kind]
    for step in range(1 + part, steps + 1, PARTS):
        folder = tmp_path / str(step)
        shutil.copytree(rejected, folder)
        check(folder, office, kind, step, rows)
