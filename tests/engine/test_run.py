"""A run of system A from the login to the cursor, over real sockets."""

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from backhaul import RowCheck, checks
from backhaul.engine.events import Delivered, OwnSession, Recovered, Warned
from backhaul.engine.lock import pipeline_lock
from backhaul.engine.run import RunOptions, run_pipeline
from backhaul.engine.systems import find
from backhaul.errors import AlreadyRunning, CheckFailed, ConfigError, SourceChanged
from backhaul.model import Counts, Severity
from backhaul.sandbox import Fault
from tests.engine.place import DAY, QUICK, Place, tree

ROWS = {"transaksi": 27, "point_trx": 50, "user": 16, "pembayaran_koin": 1}


def test_the_first_run_delivers_every_row_as_new_with_one_login(place: Place) -> None:
    result = place.run()

    assert (result.status, result.exit_code) == ("done", 0)
    assert {each.stream: each.counts for each in result.streams} == {
        f"andalan.{name}": Counts(new=number) for name, number in ROWS.items()
    }
    assert {name: len(place.rows(name)) for name in ROWS} == ROWS
    assert place.office.logins == 1


def test_a_second_run_finds_everything_unchanged_and_leaves_the_warehouse_alone(place: Place) -> None:
    place.run()
    before = place.installation.warehouse.read_bytes()

    result = place.run()

    assert result.counts == Counts(unchanged=94)
    assert place.installation.warehouse.read_bytes() == before


def test_a_changed_row_is_updated_and_what_it_was_is_archived(place: Place) -> None:
    place.run("andalan.user")
    row = next(row for row in place.office.data["user"] if str(row["Tanggal"]).startswith(DAY))
    name_column = next(name for name in row if "Nama" in name)
    before, row[name_column] = row[name_column], "Toko Contoh Baru"

    result = place.run("andalan.user")

    assert result.counts == Counts(updated=1, unchanged=15)
    archived = next(iter(place.installation.curated.read("user__archive")))
    assert archived[name_column].to_list() == [before]


def test_a_dry_run_counts_like_a_real_one_and_writes_nothing(place: Place) -> None:
    place.run("andalan.user")
    before = tree(place.folder)

    result = place.run(dry_run=True)

    assert [each.counts for each in result.streams] == [
        Counts(new=27),
        Counts(new=50),
        Counts(unchanged=16),
        Counts(new=1),
    ]
    assert tree(place.folder) == before


def test_a_dry_run_in_an_empty_folder_leaves_it_empty(place: Place) -> None:
    before = tree(place.folder)

    place.run(dry_run=True)

    assert tree(place.folder) == before


def test_each_stream_may_have_a_session_of_its_own(place: Place) -> None:
    result = place.run(individual_sessions=True)

    assert result.counts == Counts(new=94)
    assert place.office.logins == 4


def test_a_failed_attempt_is_tried_again_and_the_recovery_is_told(place: Place) -> None:
    place.office.faults.add(Fault.SERVER_ERROR, path="/koin_pay", times=1)

    result = place.run("andalan.pembayaran_koin")

    assert result.counts == Counts(new=1)
    assert [event.attempt for event in place.told(Recovered)] == [2]
    assert place.ledger("SELECT outcome FROM attempts") == [("TransientError",), ("ok",)]


def test_when_the_shared_session_breaks_the_stream_tries_once_more_in_its_own(place: Place) -> None:
    place.office.faults.add(Fault.UNAVAILABLE, path="/koin_pay", times=3)

    result = place.run("andalan.pembayaran_koin")

    assert result.counts == Counts(new=1)
    assert len(place.told(OwnSession)) == 1
    assert place.office.logins == 2


def test_one_failing_stream_leaves_the_others_done(place: Place) -> None:
    place.office.faults.add(Fault.SERVER_ERROR, path="/koin_pay")

    result = place.run()

    assert (result.status, result.exit_code) == ("partly done", 3)
    assert [each.status for each in result.streams] == ["done", "done", "done", "failed"]
    assert result.counts == Counts(new=93)


def test_the_next_window_goes_from_the_last_success_less_the_look_back_to_today(place: Place) -> None:
    now = datetime(2025, 9, 15, 3, tzinfo=UTC)
    target = find(place.folder / "systems", "andalan.user")[0]
    options = RunOptions(budget=QUICK)

    first = run_pipeline(target, place.installation, options, clock=lambda: now)
    later = run_pipeline(target, place.installation, options, clock=lambda: now + timedelta(days=3))

    assert first.streams[0].window == "2025-09-14..2025-09-15"
    assert later.streams[0].window == "2025-09-14..2025-09-18"


def test_a_window_that_leaves_days_out_does_not_count_them_as_done(place: Place) -> None:
    place.run("andalan.user", window="2025-09-01")

    place.run("andalan.user", window="2025-09-12")
    assert place.installation.ledger.cursor("andalan.user").window_end == date(2025, 9, 1)

    place.run("andalan.user", window="2025-09-02..2025-09-12")
    assert place.installation.ledger.cursor("andalan.user").window_end == date(2025, 9, 12)


def test_a_failed_stream_does_not_move_its_cursor(place: Place) -> None:
    place.office.faults.add(Fault.ERROR_PAGE_AS_FILE, path="/user-front")

    place.run("andalan.user")

    assert place.installation.ledger.cursor("andalan.user").window_end is None
    place.office.faults.clear()
    place.run("andalan.user")
    assert place.installation.ledger.cursor("andalan.user").window_end == date(2025, 9, 12)


def test_a_file_that_a_person_downloaded_feeds_a_stream_without_any_login(place: Place, tmp_path: Path) -> None:
    given = tmp_path / "unduhan.csv"
    given.write_text("User ID,Nama\n007,Toko Satu\n008,Toko Dua\n")

    result = place.run("andalan.user", window=None, file=given)

    assert result.counts == Counts(new=2)
    assert place.office.requests == []
    assert given.exists()
    assert [row[0] for row in place.rows("user")] == ["007", "008"]


def test_a_file_needs_one_stream(place: Place, tmp_path: Path) -> None:
    given = tmp_path / "unduhan.csv"
    given.write_text("User ID\n1\n")

    with pytest.raises(ConfigError, match="--file feeds one stream; andalan has 4"):
        place.run(window=None, file=given)


def test_a_second_run_at_the_same_time_is_told_so(place: Place) -> None:
    with (
        pipeline_lock(place.installation.data / "locks", "andalan", wait=False),
        pytest.raises(AlreadyRunning, match="andalan is already running"),
    ):
        place.run()

    assert place.office.requests == []


def test_where_no_lock_can_be_made_the_error_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("in the way")

    with (
        pytest.raises(ConfigError, match=r"locks: andalan cannot be locked there"),
        pipeline_lock(tmp_path / "locks", "andalan", wait=False),
    ):
        pass


def test_a_run_that_waits_goes_on_when_the_lock_is_free(place: Place) -> None:
    results = []
    with pipeline_lock(place.installation.data / "locks", "andalan", wait=False):
        waiting = threading.Thread(target=lambda: results.append(place.run("andalan.user", wait=True)))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(30)

    assert results[0].counts == Counts(new=16)


def test_missing_settings_are_all_named_before_anything_starts(place: Place) -> None:
    target = find(place.folder / "systems", "andalan")[0]
    here = place.installation
    here.settings.clear()

    with pytest.raises(ConfigError, match="BACKEND_URL, BACKEND_USERNAME, BACKEND_PASSWORD"):
        run_pipeline(target, here, RunOptions())

    assert not here.data.exists()


def test_a_stop_check_holds_the_batch_until_a_person_accepts_it(place: Place) -> None:
    few = {"checks": (checks.rows_between(1, 20),)}

    held = place.run_changed(changes=few)

    assert isinstance(held.streams[0].error, CheckFailed)
    assert "volume: 27 rows; expected 1 to 20" in str(held.streams[0].error)
    assert (held.exit_code, place.rows("transaksi")) == (1, [])

    accepted = place.run_changed(changes=few, accept=True)

    assert accepted.exit_code == 0
    assert len(place.rows("transaksi")) == 27
    assert (accepted.streams[0].left_over, accepted.counts) == (Counts(new=27), Counts(unchanged=27))


def test_a_warning_is_told_and_the_rows_go_on(place: Place) -> None:
    result = place.run_changed(changes={"checks": (checks.rows_between(1, 20, Severity.WARN),)})

    assert result.counts == Counts(new=27)
    assert [event.message for event in place.told(Warned)] == ["volume: 27 rows; expected 1 to 20"]


def test_a_row_that_fails_a_check_is_quarantined_by_number_and_the_others_go_on(place: Place) -> None:
    rule = pl.col("User ID") != place.office.data["user"][0]["User ID"]
    changes = {"checks": (RowCheck("not this one", rule),)}

    result = place.run_changed("andalan.user", changes=changes, window="2025-09-01..2025-09-30")

    assert result.counts == Counts(new=24, rejected=1)
    assert place.ledger('SELECT stream, row, "check", state FROM quarantine') == [
        ("andalan.user", 1, "not this one", "open")
    ]


def test_a_transform_is_applied_before_the_checks(place: Place) -> None:
    def shout(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("User ID").str.to_lowercase().alias("kode")).head(5)

    result = place.run_changed("andalan.user", changes={"transform": shout})

    assert result.counts == Counts(new=5)


def test_a_check_on_a_column_that_is_gone_is_a_changed_source(place: Place) -> None:
    result = place.run_changed(changes={"checks": (checks.not_empty("Kasir Lama"),)})

    assert isinstance(result.streams[0].error, SourceChanged)
    assert "Kasir Lama" in str(result.streams[0].error)


def test_a_personal_stream_is_refused_while_there_is_no_key_to_encrypt_with(place: Place) -> None:
    with pytest.raises(ConfigError, match="there is no key"):
        place.run_changed("andalan.user", changes={"personal": True})

    assert place.office.requests == []


def test_two_streams_may_share_one_curated_table(place: Place) -> None:
    place.run_changed("andalan.user", changes={"table": "orang", "window_column": None})
    result = place.run_changed("andalan.user", changes={"table": "orang"}, window="2025-09-01..2025-09-30")

    assert result.counts == Counts(new=9, unchanged=16)
    assert len(place.rows("orang")) == 25


def test_every_delivery_is_told_with_its_counts(place: Place) -> None:
    place.run("andalan.user")

    [event] = place.told(Delivered)
    assert (event.destination, event.counts, event.left_over) == ("curated", Counts(new=16), False)


def test_the_ledger_holds_no_row_content(place: Place) -> None:
    place.run()

    content = (place.folder / "data" / "ledger.db").read_bytes()
    values = {
        str(row[name]) for row in place.office.data["user"] for name in row if "Nama" in name or "Telepon" in name
    }
    assert values
    assert [value for value in values if value.encode() in content] == []


def test_no_secret_is_in_any_file_of_the_installation(place: Place) -> None:
    place.office.faults.add(Fault.SERVER_ERROR, path="/koin_pay")
    place.run()

    secrets = [place.office.password.encode(), place.office.username.encode()]
    found = [name for name, (_, content) in tree(place.folder).items() for each in secrets if each in content]
    assert found == []
