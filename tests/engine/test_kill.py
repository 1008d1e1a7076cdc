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
MOST_STEPS = 90
EVERY = 6


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
    rows, steps = clean
    if step > steps:
        return
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


def test_the_steps_of_a_run_are_all_covered(clean: tuple[list[tuple[object, ...]], int]) -> None:
    assert 20 < clean[1] <= MOST_STEPS


@pytest.mark.parametrize("step", range(1, MOST_STEPS + 1, EVERY))
def test_killed_at_a_step_and_run_again(place: Place, clean: tuple[list[tuple[object, ...]], int], step: int) -> None:
    check(place, clean, step)


@pytest.mark.slow
@pytest.mark.parametrize("step", [step for step in range(1, MOST_STEPS + 1) if (step - 1) % EVERY])
def test_killed_at_any_other_step_and_run_again(
    place: Place, clean: tuple[list[tuple[object, ...]], int], step: int
) -> None:
    check(place, clean, step)
