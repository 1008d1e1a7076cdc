"""Replay: zones rebuilt from the one before, without any login."""

from dataclasses import replace
from typing import Any

import polars as pl

from backhaul import checks
from backhaul.engine.events import Warned
from backhaul.engine.replay import ZONES, replay_pipeline
from backhaul.engine.run import RunResult
from backhaul.errors import CheckFailed
from backhaul.lake import Lake
from backhaul.model import Counts
from backhaul.sandbox import Fault
from tests.engine.place import Place

NAME = "andalan.user"


def replay(place: Place, *zones: str, **changes: Any) -> RunResult:
    return replay_pipeline(place.changed(NAME, **changes), place.installation, zones or ZONES, [place.events.append])


def in_capitals(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("Nama").str.to_uppercase())


def names(place: Place) -> set[str]:
    return {name for frame in place.installation.curated.read("user") for name in frame["Nama"]}


def test_a_replay_without_a_change_changes_nothing_and_asks_nobody(place: Place) -> None:
    place.run(NAME)
    before, asked = place.rows("user"), len(place.office.requests)

    result = replay(place)

    assert (result.exit_code, result.counts) == (0, Counts(unchanged=16))
    assert place.rows("user") == before
    assert len(place.office.requests) == asked


def test_a_repaired_rule_reaches_curated_through_a_replay(place: Place) -> None:
    place.run(NAME)
    assert not any(name.isupper() for name in names(place))

    result = replay(place, transform=in_capitals)

    assert result.counts == Counts(updated=16)
    assert all(name.isupper() for name in names(place))
    assert place.run_target(place.changed(NAME, transform=in_capitals)).counts == Counts(unchanged=16)


def test_each_zone_may_be_rebuilt_by_itself(place: Place) -> None:
    place.run(NAME)

    staged = replay(place, "staging", transform=in_capitals)

    assert (staged.exit_code, staged.counts) == (0, Counts())
    assert not any(name.isupper() for name in names(place))
    assert replay(place, "curated").counts == Counts(updated=16)
    assert all(name.isupper() for name in names(place))


def test_a_lost_warehouse_is_rebuilt_from_what_was_kept(place: Place) -> None:
    place.run(NAME)
    place.run(NAME, window="2025-09-11")
    before = place.rows("user")
    place.installation.warehouse.unlink()

    result = replay(place, "curated")

    assert result.counts == Counts(new=21)
    assert place.rows("user") == before


def test_of_a_row_in_several_files_the_latest_file_wins(place: Place) -> None:
    place.run(NAME)
    row = next(row for row in place.office.data["user"] if str(row["Tanggal"]).startswith("2025-09-12"))
    row["Nama"] = "Toko Contoh Baru"
    place.run(NAME)

    result = replay(place)

    assert result.counts == Counts(unchanged=16)
    assert "Toko Contoh Baru" in names(place)


def test_a_file_that_was_refused_is_taken_when_the_rule_is_repaired(place: Place) -> None:
    place.office.faults.add(Fault.RENAMED_COLUMN, path="/user-front")
    broken = {"transform": lambda frame: frame.select("Tidak Ada")}
    failed = place.run_target(place.changed(NAME, **broken))
    assert failed.exit_code == 1
    assert place.ledger("SELECT state FROM artifacts") == [("refused",)]

    result = replay(place)

    assert (result.exit_code, result.counts) == (0, Counts(new=16))
    assert place.ledger("SELECT state FROM artifacts") == [("staged",)]


def test_a_damaged_file_keeps_its_former_batch_and_fails_the_stream(place: Place) -> None:
    place.run(NAME, window="2025-09-11")
    place.run(NAME)
    before = place.rows("user")
    [damaged] = place.ledger("SELECT sha256 FROM artifacts ORDER BY number LIMIT 1")
    path = Lake(place.installation.data / "lake").raw.path(damaged[0])
    path.chmod(0o600)
    path.write_bytes(b"rotten")

    result = replay(place)

    assert (result.status, result.exit_code) == ("failed", 1)
    assert "is damaged" in str(result.streams[0].error)
    assert len(place.told(Warned)) == 1
    assert place.rows("user") == before
    assert replay(place, "curated").counts == Counts(unchanged=21)


def test_nothing_is_replayed_while_deliveries_wait(place: Place) -> None:
    place.run(NAME)
    ledger = place.installation.ledger
    [batch] = ledger.batches(NAME)
    staged = place.installation.lake.staging.load(batch)
    assert staged is not None
    ledger.batch_staged(replace(staged, id="waiting"), None, ["curated"], ())

    result = replay(place)

    assert isinstance(result.streams[0].error, CheckFailed)
    assert "1 delivery is still pending; nothing was replayed" in str(result.streams[0].error)
    assert "backhaul run andalan.user" in result.streams[0].error.next_step


def test_rejected_rows_are_judged_anew(place: Place) -> None:
    strict = {"checks": (checks.one_of("Kota", ["Kota Contoh"]),)}
    rejected = place.run_target(place.changed(NAME, **strict)).counts.rejected
    assert rejected > 0

    replay(place)

    assert len(place.rows("user")) == 16
    assert place.ledger("SELECT count(*) FROM quarantine") == [(0,)]


def test_a_replay_is_no_earlier_batch_for_the_check_of_shrinkage(place: Place) -> None:
    shrinkage = {"checks": (checks.not_shrunk(0.1),)}
    place.run_target(place.changed(NAME), window="2025-09-11")
    place.run_target(place.changed(NAME))
    replay(place)

    result = place.run_target(place.changed(NAME, **shrinkage))

    assert (result.exit_code, result.counts) == (0, Counts(unchanged=16))


def test_a_batch_that_a_replay_holds_back_is_delivered_once_a_person_accepts_it(place: Place) -> None:
    place.run(NAME)
    few = {"checks": (checks.rows_between(0, 1),), "transform": in_capitals}

    replay(place, "staging", **few)
    assert not any(name.isupper() for name in names(place))

    accepted = place.run_target(place.changed(NAME, **few), accept=True, window="2025-09-10")

    assert (accepted.exit_code, accepted.streams[0].left_over) == (0, Counts(updated=16))
    assert all(name.isupper() for name in names(place))
    assert place.ledger("SELECT count(*) FROM batches WHERE state IN ('held', 'pending')") == [(0,)]
