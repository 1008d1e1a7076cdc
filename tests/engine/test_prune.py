"""Retention: what is old or too much goes, but nothing that is still waited for, and nothing that is delivered."""

import os
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import checks
from backhaul.config import Setting, resolved
from backhaul.engine.derived import Derived
from backhaul.engine.events import Warned
from backhaul.engine.prune import Pruned, prune_pipeline, prune_records
from backhaul.engine.quarantine import dismiss
from backhaul.engine.replay import ZONES, replay_pipeline
from backhaul.engine.rework import requeue
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import Batch, Changes, Counts, Rejected, Retention, RowClass, Stream
from backhaul.sealing import new_key
from tests.engine.place import DAY, Place, with_streams

NAME = "andalan.user"
IN_A_MONTH = datetime.now(UTC) + timedelta(days=31)
SMALL = Retention(days=999, megabytes=0)


def prune(place: Place, now: datetime = IN_A_MONTH, *, dry_run: bool = False, **changes: Any) -> Pruned:
    target = place.changed(NAME, **changes)
    installation = place.installation
    [pruned] = prune_pipeline(
        target.name,
        target.pipeline.streams,
        ledger=installation.ledger,
        lake=installation.lake,
        now=now,
        dry_run=dry_run,
    )
    return pruned


def raw(place: Place) -> list[Path]:
    return [path for path in (place.folder / "data" / "lake" / "raw").rglob("*") if path.is_file()]


def staging(place: Place) -> list[str]:
    folder = place.folder / "data" / "lake" / "staging"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def artifact_states(place: Place) -> list[str]:
    return [state for (state,) in place.ledger("SELECT state FROM artifacts ORDER BY number")]


def age(place: Place, days: int, number: int) -> None:
    """Have one artifact, and all raw files, be so many days old."""
    moment = datetime.now(UTC) - timedelta(days=days)
    with sqlite3.connect(place.folder / "data" / "ledger.db") as db:
        db.execute("UPDATE artifacts SET fetched_at = ? WHERE number = ?", (moment.isoformat(), number))
    db.close()
    for path in raw(place):
        os.utime(path, (moment.timestamp(), moment.timestamp()))


def test_a_delivered_file_goes_when_it_is_too_old_and_its_rows_stay(place: Place) -> None:
    place.run(NAME)
    rows, [kept] = place.rows("user"), raw(place)
    size = kept.stat().st_size

    pruned = prune(place)

    assert (pruned.files, pruned.size_bytes, pruned.oldest, pruned.waiting) == (1, size, None, {})
    assert (raw(place), staging(place), artifact_states(place)) == ([], [], ["pruned"])
    assert place.rows("user") == rows
    assert prune(place).files == 0


def test_a_file_stays_as_long_as_it_is_young(place: Place) -> None:
    place.run(NAME)

    pruned = prune(place, datetime.now(UTC) + timedelta(days=29))

    assert pruned.files == 0
    assert pruned.oldest is not None
    assert len(raw(place)) == 1


def test_a_dry_run_counts_and_removes_nothing(place: Place) -> None:
    place.run(NAME)

    assert prune(place, dry_run=True).files == 1
    assert (len(raw(place)), artifact_states(place)) == (1, ["staged"])


def test_beyond_the_megabytes_the_oldest_go(place: Place) -> None:
    place.run(NAME, window="2025-09-11")
    place.run(NAME, window="2025-09-12")
    one_file = max(path.stat().st_size for path in raw(place))
    age(place, 1, 1)

    assert prune(place, datetime.now(UTC), retention=Retention(days=999, megabytes=1)).files == 0
    assert prune(place, datetime.now(UTC) + timedelta(hours=2), retention=SMALL).files == 2
    assert one_file < 1_000_000


def days(place: Place, *numbers: int, **changes: Any) -> None:
    """Run once from each of these days on; each brings rows that no other file has."""
    for number in numbers:
        for row in place.office.data["user"]:
            row["Nama"] = f"Nama {number}"
        place.run_changed(NAME, changes=changes, window=f"2025-09-{number:02}..{DAY}")


STRICT = (checks.one_of("Kota", ["Kota Contoh"]),)


def broken(frame: pl.DataFrame) -> pl.DataFrame:
    """A transform that its author has not finished."""
    return frame.select("Tidak Ada")


LATER = datetime.now(UTC) + timedelta(hours=2)


def test_of_six_delivered_files_the_newest_five_stay(place: Place) -> None:
    days(place, 7, 8, 9, 10, 11, 12)
    rows = place.rows("user")

    pruned = prune(place, LATER, retention=Retention(newest=5))

    assert (pruned.files, pruned.waiting) == (1, {})
    assert artifact_states(place) == ["pruned"] + ["staged"] * 5
    assert place.rows("user") == rows
    assert prune(place, LATER, retention=Retention(newest=5)).files == 0


def test_without_a_number_any_number_stays(place: Place) -> None:
    days(place, 9, 10, 11, 12)

    assert prune(place, LATER, retention=Retention()).files == 0


def test_what_waits_takes_no_place_of_the_newest_delivered_files(place: Place) -> None:
    days(place, 8, 9)
    days(place, 10, checks=STRICT)
    days(place, 11, transform=broken)
    assert artifact_states(place) == ["staged", "staged", "staged", "refused"]

    assert prune(place, LATER, retention=Retention(newest=2)).files == 0
    pruned = prune(place, LATER, retention=Retention(newest=1))

    assert (pruned.files, pruned.waiting) == (1, {})
    assert artifact_states(place) == ["pruned", "staged", "staged", "refused"]


def test_a_file_that_waits_stays_however_many_newer_ones_there_are(place: Place) -> None:
    days(place, 8, checks=STRICT)
    days(place, 9, 10)

    pruned = prune(place, LATER, retention=Retention(newest=1))

    assert (pruned.files, pruned.waiting) == (1, {"rows in quarantine": 1})
    assert artifact_states(place) == ["staged", "pruned", "staged"]


def test_a_file_that_was_let_go_of_takes_no_place(place: Place) -> None:
    days(place, 8)
    days(place, 9, transform=broken)
    dismiss(place.changed(NAME), place.installation)

    assert prune(place, LATER, retention=Retention(newest=1)).files == 0

    days(place, 10)
    assert prune(place, LATER, retention=Retention(newest=1)).files == 2
    assert artifact_states(place) == ["pruned", "pruned", "staged"]


def test_the_same_bytes_take_one_place(place: Place) -> None:
    days(place, 10, 11)
    [newest] = [path for path in raw(place) if path.name == place.ledger("SELECT sha256 FROM artifacts")[1][0]]
    place.run(NAME, file=newest, window=None)
    assert len(artifact_states(place)) == 3

    assert prune(place, LATER, retention=Retention(newest=2)).files == 0
    assert prune(place, LATER, retention=Retention(newest=1)).files == 1
    assert len(raw(place)) == 1


def test_an_older_file_is_not_replayed_over_what_the_newest_have_brought(place: Place) -> None:
    days(place, 10, 11, 12)
    prune(place, LATER, retention=Retention(newest=1))
    before = place.rows("user")

    result = replay_pipeline(place.changed(NAME), place.installation, ZONES, [place.events.append])

    assert (result.exit_code, place.rows("user")) == (0, before)
    assert "2 files cannot be replayed" in "".join(event.message for event in place.told(Warned))


def test_how_many_stay_may_be_what_a_setting_says(place: Place) -> None:
    days(place, 10, 11, 12)
    declared: Any = Setting("MAX_CSV_FILES", default="5")

    said = [resolved(Retention(newest=declared), settings) for settings in ({}, {"MAX_CSV_FILES": "2"})]

    assert [prune(place, LATER, retention=each).files for each in said] == [0, 1]


def test_a_number_of_files_that_is_none_is_told_and_nothing_goes(place: Place) -> None:
    days(place, 12)
    wrong: Any = "five"

    with pytest.raises(ConfigError, match="'five'; it is a whole number"):
        prune(place, LATER, retention=Retention(newest=wrong))

    assert artifact_states(place) == ["staged"]


def test_a_file_that_waits_for_a_person_or_a_delivery_stays(place: Place) -> None:
    changes = {"checks": (checks.rows_between(0, 1),), "to": (Down(),)}
    held = place.run_changed(NAME, changes=changes)
    assert held.streams[0].status == "held"

    assert prune(place).waiting == {"not delivered": 1}

    place.run_changed(NAME, changes=changes, accept=True, window="2025-09-12")
    assert len(place.rows("user")) == 16
    assert prune(place).files == 0


def test_a_file_with_rows_in_quarantine_stays_until_they_are_let_go_of(place: Place) -> None:
    place.run_changed(NAME, changes={"checks": (checks.one_of("Kota", ["Kota Contoh"]),)})

    assert prune(place).waiting == {"rows in quarantine": 1}

    dismiss(place.changed(NAME), place.installation)
    assert prune(place).files == 1


def test_a_file_of_which_a_destination_has_refused_rows_stays(place: Place) -> None:
    place.run_changed(NAME, changes={"to": (Refusing(),)})

    assert prune(place).waiting == {"rows in quarantine": 1}


def test_a_refused_file_stays_until_it_is_dismissed(place: Place) -> None:
    place.run_changed(NAME, changes={"transform": lambda frame: frame.select("Tidak Ada")})

    assert prune(place).waiting == {"refused": 1}

    dismiss(place.changed(NAME), place.installation)
    assert prune(place).files == 1
    assert raw(place) == []


def test_bytes_that_two_files_share_go_with_the_last(place: Place) -> None:
    place.run(NAME)
    place.run(NAME, file=raw(place)[0])
    assert (len(raw(place)), len(artifact_states(place))) == (1, 2)
    age(place, 40, 1)

    first = prune(place, datetime.now(UTC))

    assert (first.files, artifact_states(place), len(raw(place))) == (1, ["pruned", "staged"], 1)
    assert prune(place).files == 1
    assert raw(place) == []


def test_bytes_that_another_stream_has_kept_stay(place: Place) -> None:
    place.run(NAME)
    other = place.changed(NAME)
    [stream] = other.pipeline.streams
    copied = with_streams(Target("andalan", other.pipeline), [replace(stream, name="copy", table="copy")])
    place.run_target(copied, file=raw(place)[0], window=None)
    assert len(raw(place)) == 1

    assert prune(place).files == 1
    assert len(raw(place)) == 1


def test_bytes_that_were_kept_again_just_now_stay(place: Place) -> None:
    place.run(NAME)

    assert prune(place, datetime.now(UTC), retention=Retention(days=0)).waiting == {"kept again just now": 1}
    assert artifact_states(place) == ["staged"]


def test_batches_that_a_replay_has_replaced_go_at_once(place: Place) -> None:
    place.run(NAME)
    replay_pipeline(place.changed(NAME), place.installation, ZONES, [])
    assert len(staging(place)) == 3

    pruned = prune(place, datetime.now(UTC))

    assert (pruned.files, pruned.batches) == (0, 2)
    assert len(staging(place)) == 1
    assert replay_pipeline(place.changed(NAME), place.installation, ZONES, []).counts == Counts(unchanged=16)


def test_what_a_killed_writer_left_goes_after_a_day(place: Place) -> None:
    place.run(NAME)
    left = place.folder / "data" / "lake" / "staging" / "some-batch.part"
    left.mkdir()

    prune(place, datetime.now(UTC))
    assert left.exists()

    prune(place, datetime.now(UTC) + timedelta(days=2))
    assert not left.exists()


def test_a_replay_after_pruning_leaves_what_is_delivered_and_says_so(place: Place) -> None:
    place.run(NAME, window="2025-09-11")
    place.run(NAME, window="2025-09-12")
    age(place, 40, 1)
    prune(place, datetime.now(UTC))
    before = place.rows("user")
    assert artifact_states(place) == ["pruned", "staged"]

    result = replay_pipeline(place.changed(NAME), place.installation, ZONES, [place.events.append])

    assert (result.exit_code, result.counts) == (0, Counts(unchanged=16))
    assert place.rows("user") == before
    assert "1 file cannot be replayed: removed by retention" in "".join(e.message for e in place.told(Warned))


def test_a_file_older_than_a_pruned_one_is_not_replayed_over_newer_values(place: Place) -> None:
    strict = {"checks": (checks.one_of("Kota", ["Kota Contoh"]),)}
    place.run_changed(NAME, changes=strict)
    for row in place.office.data["user"]:
        row["Nama"] = "Nama Baru"
    place.run(NAME, window="2025-09-12..2025-09-13")
    age(place, 40, 2)
    assert prune(place, datetime.now(UTC)).files == 1
    assert artifact_states(place) == ["staged", "pruned"]
    before = place.rows("user")

    result = replay_pipeline(place.changed(NAME), place.installation, ZONES, [place.events.append])

    assert (result.exit_code, place.rows("user")) == (0, before)
    assert "1 file older than these: left out" in "".join(event.message for event in place.told(Warned))
    assert requeue(place.changed(NAME), place.installation).counts == Counts()
    assert place.rows("user") == before


def test_personal_files_are_pruned_without_their_key(place: Place) -> None:
    place.settings["BACKHAUL_KEY"] = new_key()
    place.run_changed(NAME, changes={"personal": True})
    del place.settings["BACKHAUL_KEY"]

    assert prune(place, personal=True).files == 1
    assert (raw(place), staging(place)) == ([], [])


def test_old_evidence_and_old_steps_go_and_results_stay(place: Place) -> None:
    run = place.run(NAME)
    evidence = place.folder / "data" / "evidence"
    for name in (run.run, "20200101T000000000-abcd", "notes of mine"):
        (evidence / name).mkdir(parents=True)
    ledger = place.installation.ledger

    assert prune_records(ledger, evidence, datetime.now(UTC)) == 1
    assert sorted(path.name for path in evidence.iterdir()) == sorted([run.run, "notes of mine"])
    assert ledger.history.events(run.run) != []

    prune_records(ledger, evidence, datetime.now(UTC) + timedelta(days=366))
    assert ledger.history.events(run.run) == []
    assert len(ledger.history.runs()) == 1


@pytest.mark.parametrize("step", range(1, 6))
def test_a_pruning_that_is_cut_off_is_finished_by_the_next(place: Place, step: int) -> None:
    place.run(NAME, window="2025-09-11")
    place.run(NAME, window="2025-09-12")
    rows = place.rows("user")
    with pytest.raises(KeyboardInterrupt):
        _cut_off(place, step)

    prune(place)

    assert (raw(place), staging(place), artifact_states(place)) == ([], [], ["pruned", "pruned"])
    assert place.rows("user") == rows
    assert place.run(NAME).counts == Counts(unchanged=16)


def _cut_off(place: Place, step: int) -> None:
    """Prune, and be interrupted at the n-th removal of something."""
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if seen < 0 or event not in ("os.remove", "os.rmdir", "shutil.rmtree"):
            return
        seen += 1
        if seen == step:
            seen = -1
            raise KeyboardInterrupt

    sys.addaudithook(count)
    try:
        prune(place)
    finally:
        seen = -1


class Down:
    """A destination that is never there."""

    name = "down"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        raise DeliveryError("down: it is not there")

    def write(self, stream: Stream, changes: Changes) -> Counts:
        raise DeliveryError("down: it is not there")


class Refusing:
    """A destination that refuses the first row of each batch."""

    name = "refusing"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        first = next(batch.frames())["_row"][0]
        kinds = [int(RowClass.REFUSED)] + [int(RowClass.NEW)] * (batch.rows - 1)
        return Changes(batch, pl.Series("class", kinds, dtype=pl.UInt8), (Rejected(first, "no"),))

    def write(self, stream: Stream, changes: Changes) -> Counts:
        return changes.counts


def test_what_was_computed_goes_from_staging_once_it_is_delivered(place: Place) -> None:
    place.run(NAME)
    source = place.changed(NAME)
    by_city = Derived("by_city", after="user", build=lambda users: users.group_by("Kota").len(), key="Kota")
    both = with_streams(source, [*source.pipeline.streams, by_city])
    place.run_target(both)

    assert not any(name.endswith(".derived") for name in staging(place))
    result = place.run_target(both)
    assert (result.exit_code, len(place.rows("by_city"))) == (0, 3)
