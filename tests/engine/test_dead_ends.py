"""Damage and mistakes after which a stream must find its way again: nothing stays stuck, nothing is lost."""

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul.destinations import Warehouse
from backhaul.engine.events import Warned
from backhaul.engine.replay import replay_pipeline
from backhaul.engine.run import RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import find
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import Counts
from backhaul.quality import checks
from tests.engine.place import QUICK, Place

NAME = "andalan.user"


def replay(place: Place, *zones: str, **changes: Any) -> RunResult:
    return replay_pipeline(
        place.changed(NAME, **changes), place.installation, zones or ("staging", "curated"), [place.events.append]
    )


def blocked(folder: Path) -> Warehouse:
    """Return a warehouse in a folder that a file stands in the way of."""
    (folder / "office").write_text("in the way")
    return Warehouse(str(folder / "office" / "second.db"), name="second")


def total(warehouse: Warehouse) -> int:
    return sum(frame.height for frame in warehouse.read("user"))


def with_clashing_columns(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(frame["Nama"].alias("NAMA"))


def test_a_batch_that_curated_can_never_take_is_staged_anew_by_a_replay(place: Place) -> None:
    failed = place.run_target(place.changed(NAME, transform=with_clashing_columns))
    assert "clashes" in str(failed.streams[0].error)

    result = replay(place)

    assert (result.exit_code, result.counts) == (0, Counts(new=16, unchanged=16))
    assert len(place.rows("user")) == 16
    assert place.installation.ledger.pending() == []
    assert place.run(NAME).counts == Counts(unchanged=16)


def test_staging_deleted_under_a_pending_delivery_is_rebuilt_by_a_replay(place: Place, tmp_path: Path) -> None:
    second = blocked(tmp_path)
    place.run_target(place.changed(NAME, to=(second,)))
    shutil.rmtree(place.installation.data / "lake" / "staging")
    (tmp_path / "office").unlink()

    failed = place.run_target(place.changed(NAME, to=(second,)))
    result = replay(place, to=(second,))

    assert isinstance(failed.streams[0].error, DeliveryError)
    assert "backhaul replay" in failed.streams[0].error.next_step
    assert result.exit_code == 0
    assert total(second) == 16
    assert place.installation.ledger.pending() == []


def test_a_batch_whose_list_of_parts_is_cut_off_counts_as_gone(place: Place, tmp_path: Path) -> None:
    second = blocked(tmp_path)
    place.run_target(place.changed(NAME, to=(second,)))
    [manifest] = (place.installation.data / "lake" / "staging").glob("*/batch.json")
    manifest.write_text(manifest.read_text()[:20])
    (tmp_path / "office").unlink()

    failed = place.run_target(place.changed(NAME, to=(second,)))

    assert "is gone from staging" in str(failed.streams[0].error)
    assert replay(place, to=(second,)).exit_code == 0
    assert total(second) == 16


def test_a_destination_that_was_taken_out_does_not_bar_the_replay(place: Place, tmp_path: Path) -> None:
    place.run_target(place.changed(NAME, to=(blocked(tmp_path),)))
    place.installation.warehouse.unlink()

    result = replay(place, "curated")

    assert (result.exit_code, result.counts) == (0, Counts(new=16))


def test_a_rebuilt_batch_that_was_deleted_before_it_arrived_is_rebuilt_again(place: Place, tmp_path: Path) -> None:
    place.run(NAME)
    second = blocked(tmp_path)
    assert replay(place, "curated", to=(second,)).exit_code != 0
    for folder in (place.installation.data / "lake" / "staging").glob("*.curated"):
        shutil.rmtree(folder)
    (tmp_path / "office").unlink()

    assert replay(place, to=(second,)).exit_code == 0

    assert total(second) == 16
    assert place.installation.ledger.pending() == []


def test_a_raw_file_that_is_gone_before_it_was_staged_is_told_and_the_run_goes_on(place: Place) -> None:
    def fails(frame: pl.DataFrame) -> pl.DataFrame:
        raise LookupError("not finished")

    assert place.run_target(place.changed(NAME, transform=fails)).exit_code == 1
    shutil.rmtree(place.installation.data / "lake" / "raw")

    result = place.run(NAME)

    assert (result.exit_code, result.counts) == (0, Counts(new=16))
    assert any("is gone from" in each.message for each in place.told(Warned))
    assert place.ledger("SELECT state FROM artifacts ORDER BY number") == [("refused",), ("staged",)]


def test_a_damaged_raw_file_is_replaced_when_the_same_bytes_come_again(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "by-hand.csv"
    file.write_text("User ID,Nama\nU1,Toko Satu\n")
    place.run(NAME, window=None, file=file)
    [(sha256,)] = place.ledger("SELECT sha256 FROM artifacts")
    path = place.installation.lake.raw.path(sha256)
    path.chmod(0o600)
    path.write_bytes(b"User ID,Nama\nU1,Toko")

    result = place.run(NAME, window=None, file=file)

    assert result.counts == Counts(unchanged=1)
    assert place.installation.lake.raw.verify(sha256) == path


def test_a_replay_with_a_transform_that_fails_is_a_failed_run_without_the_row(place: Place) -> None:
    place.run(NAME)

    def fails(frame: pl.DataFrame) -> pl.DataFrame:
        raise ValueError(f"cannot read {frame['Nama'][0]}")

    result = replay(place, transform=fails)

    assert result.exit_code == 1
    assert "unexpected ValueError" in str(result.streams[0].error)
    assert "cannot read" not in str(place.ledger("SELECT facts FROM events"))
    assert place.ledger("SELECT count(*) FROM runs WHERE status = 'running'") == [(0,)]


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (lambda frame: None, "returned NoneType, not a polars DataFrame"),
        (lambda frame: frame.lazy(), "returned LazyFrame, not a polars DataFrame"),
        (lambda frame: frame.with_columns(_row=1), "has a column '_row'"),
    ],
)
def test_a_transform_that_returns_what_is_no_table_of_ours_says_so(place: Place, transform: Any, words: str) -> None:
    result = place.run_target(place.changed(NAME, transform=transform))

    assert isinstance(result.streams[0].error, ConfigError)
    assert words in str(result.streams[0].error)


def test_a_column_with_the_name_of_the_row_number_says_what_to_do(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "by-hand.csv"
    file.write_text("User ID,_row\nU1,4\nU2,5\n")

    result = place.run(NAME, window=None, file=file)

    assert "has a column '_row'" in str(result.streams[0].error)


def test_two_destinations_whose_names_differ_by_a_sign_each_get_every_row(place: Place, tmp_path: Path) -> None:
    names = ("office?", "office!")
    warehouses = [Warehouse(str(tmp_path / f"{number}.db"), name=name) for number, name in enumerate(names)]
    place.run_target(place.changed(NAME, to=(warehouses[0],)))

    place.run_target(place.changed(NAME, to=tuple(warehouses)))

    assert [total(each) for each in warehouses] == [16, 16]


def test_a_window_that_reaches_into_the_future_does_not_carry_the_cursor_there(place: Place) -> None:
    def run(window: str | None) -> RunResult:
        return run_pipeline(
            find(place.folder / "systems", NAME)[0],
            place.installation,
            RunOptions(window=window, budget=QUICK),
            clock=lambda: datetime(2025, 9, 12, 5, tzinfo=UTC),
        )

    run("2025-09-12..2025-12-31")

    assert place.installation.ledger.cursor(NAME).window_end == date(2025, 9, 12)
    assert run(None).streams[0].window == "2025-09-11..2025-09-12"


def test_a_window_that_lies_in_the_future_moves_no_cursor(place: Place) -> None:
    place.run(NAME, window="2999-01-01")

    assert place.installation.ledger.cursor(NAME).window_end is None


def test_a_ledger_that_is_cut_off_is_told_and_not_made_anew(place: Place) -> None:
    place.run(NAME)
    path = place.installation.data / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[:5000])
    before = path.read_bytes()

    with pytest.raises(Exception, match=r"ledger\.db: .*(malformed|not a database|disk image)"):
        place.run(NAME)

    assert path.read_bytes() == before


def test_a_batch_accepted_after_newer_files_is_told_and_a_replay_puts_them_in_order(place: Place) -> None:
    few = (checks.rows_between(0, 1),)
    place.run_target(place.changed(NAME, checks=few))
    row = next(row for row in place.office.data["user"] if str(row["Tanggal"]).startswith("2025-09-12"))
    row["Nama"] = "Toko Contoh Baru"
    place.run(NAME)
    place.events.clear()

    place.run(NAME, window="2025-09-10", accept=True)

    warned = [each.message for each in place.told(Warned)]
    assert any("1 newer file was delivered while a batch was held" in message for message in warned)
    assert replay(place).exit_code == 0
    assert any("Toko Contoh Baru" in row for row in place.rows("user"))


def test_freshness_of_a_file_with_a_header_alone_passes(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("User ID,Tanggal\n")
    fresh = (checks.fresh("Tanggal", 1), checks.not_shrunk(1.0), checks.at_least("Tanggal", 1))

    result = place.run_target(place.changed(NAME, checks=fresh), window=None, file=file)

    assert (result.exit_code, result.counts) == (0, Counts())


@pytest.mark.parametrize("name", ["folder", "pipe", "nothing"])
def test_a_file_by_hand_that_is_no_file_is_refused_at_once(place: Place, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="there is no such file"):
        place.run(NAME, window=None, file=tmp_path / name)


def test_an_installation_may_be_moved_with_its_pending_deliveries(place: Place, tmp_path: Path) -> None:
    second = blocked(tmp_path)
    place.run_target(place.changed(NAME, to=(second,)))
    moved = Place(tmp_path / "moved", place.office)
    shutil.move(place.installation.data, moved.installation.data)
    (tmp_path / "office").unlink()

    result = moved.run_target(place.changed(NAME, to=(second,)))

    assert (result.exit_code, total(second), len(moved.rows("user"))) == (0, 16, 16)
