"""The ledger: what it remembers over a crash and a reopening."""

import sqlite3
import threading
from contextlib import closing
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from backhaul.engine.events import Delivered, RunStarted
from backhaul.engine.ledger import Cursor, Ledger
from backhaul.engine.ledger.tables import KEPT, REFUSED, STAGED
from backhaul.errors import BackhaulError
from backhaul.model import Batch, Counts, Landed, Rejected, Window
from backhaul.testing.batches import BatchMaker

STREAM = "shop.orders"
WINDOW = Window(date(2025, 9, 11), date(2025, 9, 12), "Asia/Jakarta")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data" / "ledger.db")


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging", table=STREAM)


def reopened(ledger: Ledger) -> Ledger:
    return Ledger(ledger.path)


def keep(ledger: Ledger, run: str = "run1", number: int = 1) -> str:
    landed = Landed(Path("x"), "orders.csv", "ab" * 32, 7, WINDOW)
    return ledger.artifacts.keep(run, STREAM, number, landed, Path("raw/x")).id


def stage(
    ledger: Ledger,
    maker: BatchMaker,
    *destinations: str,
    held: str | None = None,
    rejected: tuple[Rejected, ...] = (),
) -> Batch:
    batch = maker.batch(pl.DataFrame({"id": ["1", "2"]}))
    artifact = keep(ledger, f"run-{batch.id}")
    ledger.batch_staged(batch, artifact, destinations, rejected, held)
    return batch


def test_reading_a_ledger_that_is_not_there_makes_none(ledger: Ledger) -> None:
    assert (ledger.history.runs(), ledger.pending(), ledger.history.open_work(), ledger.cursor(STREAM)) == (
        [],
        [],
        [],
        Cursor(),
    )
    assert not ledger.path.parent.exists()


def test_a_run_and_its_streams_are_remembered(ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "today", "0.1.0")
    ledger.close_stream("run1", STREAM, Counts(new=3), window="2025-09-12", status="done", attempts=1, seconds=0.5)
    ledger.close_run("run1", "done", 0)

    [run] = reopened(ledger).history.runs()

    assert (run["id"], run["status"], run["exit_code"], run["window"]) == ("run1", "done", 0, "today")
    assert [(each["stream"], each["new"]) for each in run["streams"]] == [(STREAM, 3)]
    last = reopened(ledger).history.last_result(STREAM)
    assert last is not None
    assert (last["status"], last["started_at"]) == ("done", run["started_at"])


def test_a_run_that_was_killed_is_closed_by_the_next_of_its_pipeline(ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "", "0.1.0")
    ledger.open_run("other", "kas", "", "0.1.0")

    reopened(ledger).open_run("run2", "shop", "", "0.1.0")

    assert {run["id"]: run["status"] for run in ledger.history.runs()} == {
        "run1": "killed",
        "run2": "running",
        "other": "running",
    }


def test_runs_are_listed_newest_first_and_by_pipeline(ledger: Ledger) -> None:
    for number, name in enumerate(["shop", "kas", "shop"]):
        ledger.open_run(f"run{number}", name, "", "0.1.0")

    assert [run["id"] for run in ledger.history.runs({"shop"})] == ["run2", "run0"]
    assert [run["id"] for run in ledger.history.runs(most=1)] == ["run2"]


def test_events_are_kept_in_order_and_found_by_the_beginning_of_a_run(ledger: Ledger) -> None:
    ledger.record(RunStarted(run="2025-abc", pipeline="shop", streams=1, dry_run=False))
    ledger.record(
        Delivered(run="2025-abc", stream=STREAM, batch="b", destination="d", counts=Counts(new=1), left_over=False)
    )
    ledger.record(RunStarted(run="2026-abc", pipeline="shop", streams=1, dry_run=False))

    found = reopened(ledger).history.events("2025")

    assert [(each["kind"], each["stream"]) for each in found] == [("RunStarted", ""), ("Delivered", STREAM)]
    assert found[1]["facts"]["counts"]["new"] == 1
    assert ledger.history.events("%") == []


def test_a_kept_file_waits_to_be_staged(ledger: Ledger, maker: BatchMaker) -> None:
    first, second = keep(ledger, number=1), keep(ledger, number=2)

    [one, two] = reopened(ledger).artifacts.of(STREAM, Path("raw"), KEPT)

    assert (one.id, two.id, one.window) == (first, second, WINDOW)
    assert one.path == Path("raw") / "ab" / ("ab" * 32)

    ledger.batch_staged(maker.batch(pl.DataFrame({"id": ["1"]})), first, ["curated"], ())
    ledger.artifacts.refuse(second, "no key column")
    assert [each.id for each in ledger.artifacts.of(STREAM, Path("raw"), STAGED)] == [first]
    assert [each.id for each in ledger.artifacts.of(STREAM, Path("raw"), REFUSED)] == [second]
    assert ledger.artifacts.of(STREAM, Path("raw"), KEPT) == []


def test_deliveries_wait_oldest_first_until_each_destination_has_confirmed(ledger: Ledger, maker: BatchMaker) -> None:
    one, two = stage(ledger, maker, "curated", "sheet"), stage(ledger, maker, "curated")

    ledger.delivered(one, "curated", Counts(new=2), ())
    ledger.delivery_failed(one.id, "sheet", "not found")

    waiting = [(each.batch, each.destination) for each in reopened(ledger).pending(STREAM)]
    assert waiting == [(one.id, "sheet"), (two.id, "curated")]
    assert ledger.batches(STREAM) == []

    ledger.delivered(one, "sheet", Counts(new=2), ())
    assert ledger.batches(STREAM) == [one.id]


def test_a_held_batch_waits_for_a_person(ledger: Ledger, maker: BatchMaker) -> None:
    batch = stage(ledger, maker, "curated", held="volume: 2 rows")

    assert ledger.pending(STREAM) == []
    assert ledger.history.open_work() == [{"what": "held batches", "stream": STREAM, "number": 1}]

    assert reopened(ledger).accept_held(STREAM) == 1
    assert [each.batch for each in ledger.pending(STREAM)] == [batch.id]


def test_rejected_rows_are_open_work_by_number_only(ledger: Ledger, maker: BatchMaker) -> None:
    batch = stage(ledger, maker, "curated", rejected=(Rejected(3, "key missing"), Rejected(9, "key missing")))
    ledger.delivered(batch, "curated", Counts(new=2), (Rejected(1, "cell too long"),))

    assert ledger.history.open_work() == [{"what": "quarantined rows", "stream": STREAM, "number": 3}]


def test_a_cursor_moves_and_its_last_day_never_moves_back(ledger: Ledger) -> None:
    ledger.move_cursor(STREAM, "a", WINDOW)
    ledger.move_cursor(STREAM, "b", Window(date(2025, 1, 1), date(2025, 1, 2), "Asia/Jakarta"))

    assert reopened(ledger).cursor(STREAM) == Cursor("b", date(2025, 9, 12))


def test_the_columns_of_the_last_batch_are_remembered_with_the_cursor(ledger: Ledger, maker: BatchMaker) -> None:
    ledger.move_cursor(STREAM, "a", WINDOW)
    stage(ledger, maker, "curated")

    assert ledger.cursor(STREAM) == Cursor("a", date(2025, 9, 12), ("id",))


def test_only_delivered_batches_of_files_count_as_earlier_ones(ledger: Ledger, maker: BatchMaker) -> None:
    done, pending = stage(ledger, maker, "curated"), stage(ledger, maker, "curated")
    rebuilt = maker.batch(pl.DataFrame({"id": [str(n) for n in range(50)]}))
    ledger.batch_staged(rebuilt, None, ["curated"], ())
    for each in (done, rebuilt):
        ledger.delivered(each, "curated", Counts(new=each.rows), ())

    assert ledger.earlier_rows(STREAM) == (2,)
    ledger.delivered(pending, "curated", Counts(new=2), ())
    assert ledger.earlier_rows(STREAM) == (2, 2)


def test_many_threads_write_at_once(ledger: Ledger) -> None:
    def write(number: int) -> None:
        for _ in range(10):
            attempt = ledger.start_attempt("run1", STREAM, number, own_session=False)
            ledger.end_attempt(attempt, "ok")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with closing(sqlite3.connect(ledger.path)) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id), min(outcome) FROM attempts").fetchone()
    assert found == (60, 60, "ok")


def test_a_ledger_of_a_newer_version_is_refused(ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "", "9.0")
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(BackhaulError, match="written by a newer backhaul") as caught:
        reopened(ledger).history.runs()

    assert "Update backhaul" in caught.value.next_step


def test_a_damaged_ledger_is_told_in_words(ledger: Ledger) -> None:
    ledger.path.parent.mkdir(parents=True)
    ledger.path.write_text("this is no database " * 100)

    with pytest.raises(BackhaulError, match=r"ledger\.db: file is not a database") as caught:
        ledger.history.runs()
    with pytest.raises(BackhaulError, match=r"ledger\.db: file is not a database"):
        reopened(ledger).open_run("run1", "shop", "", "0.1.0")

    assert "backup" in caught.value.next_step


def test_a_ledger_that_cannot_be_opened_is_not_called_damaged(ledger: Ledger) -> None:
    ledger.path.mkdir(parents=True)

    with pytest.raises(BackhaulError, match="unable to open") as caught:
        ledger.open_run("1", "shop", "", "0")

    assert "may be written" in caught.value.next_step
    assert "backup" not in caught.value.next_step
