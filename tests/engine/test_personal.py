"""Personal streams: the engine hauls them as any other, and what the lake keeps of them is encrypted."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import checks
from backhaul.engine.replay import ZONES, replay_pipeline
from backhaul.engine.run import RunResult
from backhaul.errors import ConfigError
from backhaul.model import Counts
from backhaul.sandbox import Fault, SandboxBackOffice
from backhaul.sealing import new_key
from tests.engine.place import Place

NAME = "andalan.user"
PERSONAL = {"personal": True}


@pytest.fixture
def private(place: Place) -> Place:
    place.settings["BACKHAUL_KEY"] = new_key()
    return place


def run(place: Place, **changes: Any) -> RunResult:
    return place.run_changed(NAME, changes={**PERSONAL, **changes})


def replay(place: Place, **changes: Any) -> RunResult:
    target = place.changed(NAME, **PERSONAL, **changes)
    return replay_pipeline(target, place.installation, ZONES, [place.events.append])


def in_the_clear(place: Place, word: str) -> list[str]:
    """Return the files of the lake in which word can be read; workbooks and Parquet are told by their beginnings."""
    lake = place.folder / "data" / "lake"
    contents = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    readable = (b"PK\x03\x04", b"PAR1")
    return [
        path.name
        for path, content in contents.items()
        if word.encode() in content or (content.startswith(readable) and not path.name.startswith("changes-"))
    ]


def in_capitals(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("Nama").str.to_uppercase())


def test_without_a_key_nothing_is_started(place: Place) -> None:
    with pytest.raises(ConfigError, match="there is no key") as caught:
        run(place)

    assert "backhaul sessions new-key" in caught.value.next_step
    assert place.office.requests == []
    assert not (place.folder / "data").exists()


def test_a_run_leaves_nothing_of_it_in_the_clear_in_the_lake(private: Place) -> None:
    result = run(private)

    assert (result.exit_code, result.counts) == (0, Counts(new=16))
    assert in_the_clear(private, private.rows("user")[0][0]) == []
    assert private.ledger("SELECT count(*) FROM artifacts WHERE sha256 NOT LIKE '%.sealed'") == [(0,)]
    assert run(private).counts == Counts(unchanged=16)


def test_a_stream_beside_it_stays_as_it_was(private: Place) -> None:
    run(private)
    private.run("andalan.transaksi")

    assert private.run("andalan.transaksi").counts == Counts(unchanged=27)
    assert len(in_the_clear(private, "no such word")) >= 2


def test_it_is_replayed(private: Place) -> None:
    run(private)

    result = replay(private, transform=in_capitals)

    assert (result.exit_code, result.counts) == (0, Counts(updated=16))
    assert in_the_clear(private, "no such word") == []


def test_files_of_the_time_before_are_replayed_too(private: Place) -> None:
    private.run(NAME, window="2025-09-11")
    run(private)

    assert replay(private, transform=in_capitals).counts == Counts(updated=21)


def test_table_checks_see_its_rows(private: Place) -> None:
    at_most_two = checks.rows_between(0, 2)

    assert run(private, checks=(at_most_two,)).streams[0].status == "held"
    assert run(private, checks=(checks.fresh("Tanggal", 10_000),)).exit_code == 0


def test_a_dry_run_needs_the_key_and_keeps_nothing(private: Place) -> None:
    target = private.changed(NAME, **PERSONAL)

    assert private.run_target(target, dry_run=True).counts == Counts(new=16)
    assert not (private.folder / "data" / "lake").exists()


def test_a_garbage_file_of_it_is_refused_and_leaves_nothing_opened(private: Place) -> None:
    private.office.faults.add(Fault.RENAMED_COLUMN, path="/user-front")
    broken = {"transform": lambda frame: frame.select("Tidak Ada")}

    result = run(private, **broken)

    assert result.exit_code == 1
    assert private.ledger("SELECT state FROM artifacts") == [("refused",)]
    assert in_the_clear(private, "no such word") == []
    assert replay(private).counts == Counts(new=16)


def test_another_key_is_told_from_damage(private: Place) -> None:
    run(private)
    private.settings["BACKHAUL_KEY"] = new_key()

    result = replay(private)

    assert result.exit_code == 1
    assert "sealed with the key" in str(result.streams[0].error)
    assert "BACKHAUL_OLD_KEYS" in result.streams[0].error.next_step


def declared_personal(folder: Path) -> None:
    """Have the pipeline's own module say that the stream is personal, for a run in a process of its own."""
    path = folder / "systems" / "andalan" / "pipeline.py"
    code = path.read_text(encoding="utf-8")
    assert 'key="User ID"' in code
    path.write_text(code.replace('key="User ID"', 'key="User ID", personal=True'), encoding="utf-8")


def start(place: Place, step: int) -> subprocess.CompletedProcess[str]:
    names = ("BACKEND_URL", "BACKEND_USERNAME", "BACKEND_PASSWORD")
    script = Path(__file__).with_name("killed_run.py")
    arguments = [str(script), str(place.folder), *(place.settings[name] for name in names), NAME, str(step)]
    environment = {**os.environ, "BACKHAUL_KEY": place.settings["BACKHAUL_KEY"]}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def check_killed(place: Place, step: int) -> None:
    killed = start(place, step)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    assert place.run(NAME).exit_code == 0

    assert len(place.rows("user")) == 16
    assert in_the_clear(place, "no such word") == []
    opened = place.folder / "data" / "lake" / "opened"
    assert [path.name for path in opened.glob("*") if path.name != "guard.lock"] == []
    assert place.ledger("SELECT sum(new), sum(updated) FROM deliveries WHERE state = 'done'") == [(16, 0)]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_killed_at_a_step_and_run_again_nothing_is_left_in_the_clear(private: Place, share: float) -> None:
    declared_personal(private.folder)

    check_killed(private, int(share * 70))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_killed_at_every_step_and_run_again(tmp_path: Path, office: SandboxBackOffice, part: int) -> None:
    counted = Place(tmp_path / "counted", office)
    counted.settings["BACKHAUL_KEY"] = new_key()
    declared_personal(counted.folder)
    done = start(counted, 0)
    assert done.returncode == 0, done.stderr
    for step in range(1 + part, int(done.stdout) + 1, 4):
        place = Place(tmp_path / str(step), office)
        place.settings["BACKHAUL_KEY"] = counted.settings["BACKHAUL_KEY"]
        declared_personal(place.folder)
        check_killed(place, step)
