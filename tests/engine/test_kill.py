"""Killed between any two steps and run again: the state and the counts of one clean run."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backhaul.model import Counts
from backhaul.sandbox import SandboxBackOffice
from tests.engine.place import Place

SCRIPT = Path(__file__).with_name("killed_run.py")
PARTS = 12


def start(place: Place, step: int) -> subprocess.CompletedProcess[str]:
    arguments = [str(place.folder), *place.settings.values(), "andalan.user", str(step)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[object, ...]], int]:
    """The rows and the number of steps of one clean run."""
    with SandboxBackOffice() as office:
        place = Place(tmp_path_factory.mktemp("clean"), office)
        done = start(place, 0)
        assert done.returncode == 0, done.stderr
        return place.rows("user"), int(done.stdout)


def check(place: Place, clean: tuple[list[tuple[object, ...]], int], step: int) -> None:
    rows, _ = clean
    killed = start(place, step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert place.rows("user") in ([], rows), "a reader sees all of the batch or nothing"
    result = place.run("andalan.user")

    assert result.exit_code == 0
    assert place.rows("user") == rows
    assert place.run("andalan.user").counts == Counts(unchanged=16)
    delivered = place.ledger(
        "SELECT sum(new), sum(updated), sum(duplicate), sum(rejected) FROM deliveries WHERE state = 'done'"
    )
    assert delivered == [(16, 0, 0, 0)], "each row was new exactly once"
    assert place.ledger("SELECT count(*) FROM deliveries WHERE state <> 'done'") == [(0,)]
    assert place.ledger("SELECT count(*) FROM artifacts WHERE state <> 'staged'") == [(0,)]
    assert place.ledger("SELECT count(*) FROM runs WHERE status = 'running'") == [(0,)]
    assert not list((place.folder / "data" / "lake").rglob("*.part/*"))


def test_a_run_has_many_steps_to_be_killed_at(clean: tuple[list[tuple[object, ...]], int]) -> None:
    assert clean[1] > 40


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_a_step_and_run_again(place: Place, clean: tuple[list[tuple[object, ...]], int], part: int) -> None:
    check(place, clean, 1 + part * (clean[1] - 1) // (PARTS - 1))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_step_and_run_again(
    tmp_path: Path, office: SandboxBackOffice, clean: tuple[list[tuple[object, ...]], int], part: int
) -> None:
    for step in range(1 + part, clean[1] + 1, PARTS):
        folder = tmp_path / str(step)
        folder.mkdir()
        check(Place(folder, office), clean, step)
