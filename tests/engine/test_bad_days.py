"""Every way in which an export can go wrong: a clear message, nothing lost, and the next run makes it good."""

from pathlib import Path

import pytest

from backhaul.engine.events import Warned
from backhaul.engine.replay import ZONES, replay_pipeline
from backhaul.engine.systems import find
from backhaul.errors import LoginRequired, SourceChanged, TransientError
from backhaul.model import Counts
from backhaul.sandbox import Fault, SandboxBackOffice
from tests.engine.place import Place

STREAM = "andalan.transaksi"

BROKEN = [
    (Fault.LOGIN_PAGE_AS_FILE, TransientError, "session"),
    (Fault.ERROR_PAGE_AS_FILE, SourceChanged, "page"),
    (Fault.EMPTY_BODY, TransientError, "answered nothing where a file was expected"),
    (Fault.TRUNCATED, TransientError, "broken"),
    (Fault.CUT_CONNECTION, TransientError, "cut"),
    (Fault.GARBAGE, SourceChanged, "transaksi-2025-09-12.xlsx: expected a table"),
    (Fault.BOMB, SourceChanged, "unpack"),
    (Fault.DROPPED_KEY_COLUMN, SourceChanged, "'Transaksi ID' is missing"),
    (Fault.IGNORED_FILTER, SourceChanged, "75 of 102 rows lie outside 2025-09-12"),
    (Fault.CHANGED_BUTTON, SourceChanged, "button"),
    (Fault.CHANGED_FIELD, SourceChanged, "start_date"),
    (Fault.TOO_MANY_REQUESTS, TransientError, "429"),
    (Fault.SERVER_ERROR, TransientError, "500"),
    (Fault.UNAVAILABLE, TransientError, "503"),
]


@pytest.mark.parametrize(("fault", "error", "words"), BROKEN, ids=[str(row[0]) for row in BROKEN])
def test_a_bad_answer_fails_clearly_loses_nothing_and_the_next_run_makes_it_good(
    place: Place, fault: Fault, error: type[Exception], words: str
) -> None:
    place.run(STREAM, window="2025-09-11")
    before = place.rows("transaksi")
    place.office.faults.add(fault, path="/transaksi", seconds=0.01)

    failed = place.run(STREAM)

    assert failed.exit_code == 1
    assert isinstance(failed.streams[0].error, error)
    assert words in str(failed.streams[0].error)
    assert failed.streams[0].error.next_step
    assert place.rows("transaksi") == before
    landed = [path for path in (place.folder / "data" / "lake" / "landing").rglob("*") if path.is_file()]
    assert landed == []

    place.office.faults.clear()
    good = place.run(STREAM)

    assert (good.exit_code, good.counts) == (0, Counts(new=27))
    assert len(place.rows("transaksi")) == len(before) + 27


def test_a_file_that_is_no_longer_right_is_kept_for_a_replay(place: Place) -> None:
    place.office.faults.add(Fault.DROPPED_KEY_COLUMN, path="/transaksi")

    place.run(STREAM)

    [(state, sha256)] = place.ledger("SELECT state, sha256 FROM artifacts")
    assert state == "refused"
    assert place.installation.lake.raw.verify(sha256).exists()


def test_a_refused_password_is_tried_once_and_asks_for_a_person(place: Place) -> None:
    place.settings["BACKEND_PASSWORD"] = "not the one"

    result = place.run()

    assert result.exit_code == 4
    assert all(isinstance(each.error, LoginRequired) for each in result.streams)
    tried = [each for each in place.office.requests if each.method == "POST" and each.path == "/login"]
    assert len(tried) == 1
    assert "not the one" not in " ".join(str(each.error) for each in result.streams)


@pytest.mark.parametrize(("fault", "word"), [(Fault.CAPTCHA, "captcha"), (Fault.CODE_STEP, "code")])
def test_a_login_that_needs_a_person_pauses_its_streams(place: Place, fault: Fault, word: str) -> None:
    place.office.faults.add(fault)

    result = place.run()

    assert (result.status, result.exit_code) == ("login needed", 4)
    assert all(word in str(each.error).lower() for each in result.streams)


def test_an_automated_run_in_which_only_a_login_is_missing_fails_if_nothing_ran(place: Place) -> None:
    place.office.faults.add(Fault.CAPTCHA)

    assert place.run(automated=True).exit_code == 4


def test_an_expired_session_is_signed_in_again_once(place: Place) -> None:
    place.office.faults.add(Fault.EXPIRED_SESSION, path="/transaksi", times=1)

    result = place.run(STREAM)

    assert result.counts == Counts(new=27)
    assert place.office.logins == 2


def test_a_slow_answer_is_waited_for(place: Place) -> None:
    place.office.faults.add(Fault.SLOW_FIRST_BYTE, path="/transaksi", seconds=0.5)

    assert place.run(STREAM).counts == Counts(new=27)


@pytest.mark.parametrize("fault", [Fault.EMPTY_DAY, Fault.NO_DATA_PAGE])
def test_an_empty_day_is_a_success_with_no_rows(place: Place, fault: Fault) -> None:
    place.office.faults.add(fault, path="/koin_pay")

    result = place.run("andalan.pembayaran_koin")

    assert (result.exit_code, result.counts) == (0, Counts())


def test_a_csv_under_the_name_of_a_workbook_is_read_as_what_it_is(place: Place) -> None:
    place.office.faults.add(Fault.CSV_AS_XLSX, path="/user-front")

    assert place.run("andalan.user").counts == Counts(new=16)


def test_rows_without_a_key_are_rejected_and_counted(place: Place) -> None:
    place.office.faults.add(Fault.ROWS_WITHOUT_KEY, path="/transaksi")

    result = place.run(STREAM)

    counts = result.counts
    assert counts.rejected > 0
    assert counts.rows == 27
    assert place.ledger('SELECT DISTINCT "check" FROM quarantine') == [("key missing",)]


def test_the_same_bad_rows_fetched_again_wait_once(place: Place) -> None:
    place.office.faults.add(Fault.ROWS_WITHOUT_KEY, path="/transaksi")
    first = place.run(STREAM)
    place.run(STREAM)

    waiting = place.ledger("SELECT count(*) FROM quarantine WHERE state = 'open'")
    assert waiting == [(first.counts.rejected,)]


def test_a_wrong_file_fed_by_hand_does_not_stand_in_the_way_of_a_replay(place: Place, tmp_path: Path) -> None:
    place.run(STREAM)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("Nama,Harga\nContoh,1\n")
    assert place.run(STREAM, window=None, file=wrong).exit_code == 1

    [target] = find(place.folder / "systems", STREAM)
    replayed = replay_pipeline(target, place.installation, ZONES)

    assert (replayed.exit_code, replayed.counts) == (0, Counts(unchanged=27))


def test_of_a_key_that_stands_twice_the_last_row_wins(place: Place) -> None:
    place.office.faults.add(Fault.SAME_KEY_TWICE, path="/transaksi")

    counts = place.run(STREAM).counts

    assert counts.duplicate > 0
    assert len(place.rows("transaksi")) == counts.new


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.ADDED_COLUMN, ["new columns"]),
        (Fault.RENAMED_COLUMN, ["new columns", "missing columns, left as they were"]),
    ],
)
def test_drifted_columns_are_taken_and_told(place: Place, fault: Fault, words: list[str]) -> None:
    place.run(STREAM)
    place.office.faults.add(fault, path="/transaksi")

    result = place.run(STREAM)

    assert result.counts.updated > 0
    assert (result.counts.rows, result.counts.new) == (27, 0)
    messages = [event.message for event in place.told(Warned)]
    assert all(any(message.startswith(word) for message in messages) for word in words)


def test_a_site_that_cannot_be_reached_is_tried_with_one_budget_for_all_streams(tmp_path: Path) -> None:
    with SandboxBackOffice() as office:
        place = Place(tmp_path, office)

    result = place.run()

    assert result.exit_code == 1
    assert {type(each.error) for each in result.streams} == {TransientError}
    assert "127.0.0.1" in str(result.streams[0].error)
