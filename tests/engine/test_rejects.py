"""What the ledger knows of rejected rows and of kept files, in a file and on a PostgreSQL server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger.tables import DISMISSED, DONE, REPAIRED
from backhaul.model import Batch, Counts, Landed, Rejected
from backhaul.testing.batches import BatchMaker
from tests import postgres
from tests.engine.test_ledger import STREAM, keep, maker, stage

__all__ = ["maker"]
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["file", pytest.param("server", marks=postgres.needs_server)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    return Ledger(postgres.server().database() if request.param == "server" else tmp_path / "ledger.db")


def rejected(ledger: Ledger, maker: BatchMaker, *rows: int, check: str = "too low") -> Batch:
    return stage(ledger, maker, "curated", rejected=tuple(Rejected(row, check) for row in rows))


def deliver(ledger: Ledger, batch: Batch, *refused: Rejected, to: str = "curated") -> None:
    ledger.delivered(batch, to, Counts(new=batch.rows), refused)


def test_rows_are_found_by_file_and_place(ledger: Ledger, maker: BatchMaker) -> None:
    rejected(ledger, maker, 7, 3)

    found = ledger.rejects.rows(STREAM)

    assert [(each.row, each.check, each.file, each.file_name) for each in found] == [
        (3, "too low", 1, "orders.csv"),
        (7, "too low", 1, "orders.csv"),
    ]
    assert ledger.rejects.rows("another") == []


def test_a_file_of_the_same_bytes_and_days_supersedes_what_was_rejected_and_refused(
    ledger: Ledger, maker: BatchMaker
) -> None:
    first = rejected(ledger, maker, 1)
    deliver(ledger, first, Rejected(2, "too long"))
    assert len(ledger.rejects.rows(STREAM)) == 2

    rejected(ledger, maker, 1)

    assert [(each.file, each.destination) for each in ledger.rejects.rows(STREAM)] == [(2, "")]


def test_the_summary_tells_checks_and_destinations_apart(ledger: Ledger, maker: BatchMaker) -> None:
    batch = rejected(ledger, maker, 1, 2)
    deliver(ledger, batch, Rejected(3, "too long"))

    lines = [(each["check"], each["destination"], each["rows"]) for each in ledger.rejects.summary()]

    assert lines == [("too long", "curated", 1), ("too low", "", 2)]


def test_what_is_computed_anew_supersedes_what_was_refused_of_it_before(ledger: Ledger, maker: BatchMaker) -> None:
    frame = pl.DataFrame({"id": ["1", "2"]})
    for _ in range(2):
        batch = maker.batch(frame)
        ledger.batch_staged(batch, None, ["sheet"], ())
        deliver(ledger, batch, Rejected(2, "too long"), to="sheet")

    assert [each.batch for each in ledger.rejects.rows(STREAM)] == [batch.id]

    last = maker.batch(frame)
    ledger.batch_staged(last, None, ["sheet"], ())
    deliver(ledger, last, to="sheet")
    assert ledger.rejects.rows(STREAM) == []


def test_dismissing_by_check_leaves_the_others_and_the_files(ledger: Ledger, maker: BatchMaker) -> None:
    rejected(ledger, maker, 1, 2)
    ledger.artifacts.refuse(keep(ledger, "other"), "no table")

    assert ledger.rejects.dismiss(STREAM, "another") == (0, 0, 0)
    assert ledger.rejects.dismiss(STREAM, "too low") == (2, 0, 0)
    assert ledger.rejects.dismiss(STREAM, None) == (0, 1, 0)
    assert {each.state for each in ledger.rejects.rows(STREAM, DISMISSED)} == {DISMISSED}


def test_many_rows_are_closed_at_once(ledger: Ledger, maker: BatchMaker) -> None:
    rejected(ledger, maker, *range(1, 1501))
    ids = [each.id for each in ledger.rejects.rows(STREAM)]

    ledger.rejects.close(ids, REPAIRED)

    assert ledger.rejects.rows(STREAM) == []
    assert len(ledger.rejects.rows(STREAM, REPAIRED)) == 1500


def test_a_ticket_tells_a_row_from_another_that_has_its_id(ledger: Ledger, maker: BatchMaker) -> None:
    rejected(ledger, maker, 1, 2)

    tickets = {each.ticket for each in ledger.rejects.rows(STREAM)}

    assert len({ticket.partition("-")[2] for ticket in tickets}) == 2


def test_a_delivered_file_may_go_and_what_waits_may_not(ledger: Ledger, maker: BatchMaker) -> None:
    done, waiting = stage(ledger, maker, "curated"), stage(ledger, maker, "curated")
    held = stage(ledger, maker, "curated", held="look")
    keep(ledger, "kept")
    ledger.artifacts.refuse(keep(ledger, "refused"), "no table")
    deliver(ledger, done)

    files = ledger.kept_files.of(STREAM)

    assert [each.waits for each in files] == [None, "not delivered", "not delivered", "not staged", "refused"]
    assert [each.batches for each in files[:3]] == [(done.id,), (waiting.id,), (held.id,)]
    assert ledger.kept_files.others_with("ab" * 32, files[0].id) == 4


def test_after_a_file_was_pruned_older_ones_are_not_replayed(ledger: Ledger, maker: BatchMaker) -> None:
    batches = [stage(ledger, maker, "curated") for _ in range(3)]
    for batch in batches:
        deliver(ledger, batch)
    files = [each.id for each in ledger.kept_files.of(STREAM)]

    ledger.kept_files.pruned(files[1])

    assert ledger.kept_files.to_replay(STREAM) == files[2:]
    assert ledger.batches(STREAM) == [batches[2].id]
    assert ledger.kept_files.left_out(STREAM) == (1, 1)
    assert ledger.earlier_rows(STREAM) == (2, 2, 2), "what they were is still known"


def test_a_batch_of_some_rows_is_no_earlier_one_and_tells_no_columns(ledger: Ledger, maker: BatchMaker) -> None:
    deliver(ledger, stage(ledger, maker, "curated"))
    columns, [file] = ledger.cursor(STREAM).columns, ledger.kept_files.of(STREAM)
    writer = maker_of_some(maker)

    ledger.batch_requeued(writer, file.id, ["curated"], [], None)
    deliver(ledger, writer)

    assert ledger.earlier_rows(STREAM) == (2,)
    assert ledger.cursor(STREAM).columns == columns
    assert len(ledger.batches(STREAM, DONE)) == 2


def maker_of_some(maker: BatchMaker) -> Batch:
    from backhaul.lake import StagingArea

    writer = StagingArea(maker.folder).writer("some", STREAM, ("id",), "Asia/Jakarta")
    writer.add(pl.DataFrame({"_row": [1], "id": ["9"], "other": ["x"]}))
    return writer.finish(0, is_whole=False)


def test_old_steps_are_forgotten_and_their_run_is_not(ledger: Ledger) -> None:
    from backhaul.engine.events import RunStarted

    ledger.open_run("run1", "shop", "", "0.1.0")
    ledger.record(RunStarted(run="run1", pipeline="shop", streams=1, dry_run=False))
    ledger.start_attempt("run1", STREAM, 1, own_session=False)

    assert ledger.kept_files.forget_steps(datetime.now(UTC) - timedelta(days=1)) == 0
    assert ledger.kept_files.forget_steps(LATER) == 1
    assert ledger.history.events("run1") == []
    assert [each["id"] for each in ledger.history.runs_since("shop", datetime(2020, 1, 1, tzinfo=UTC))] == ["run1"]


def test_a_file_of_repaired_rows_closes_them_as_it_is_kept(ledger: Ledger, maker: BatchMaker) -> None:
    rejected(ledger, maker, 1, 2)
    ids = [each.id for each in ledger.rejects.rows(STREAM)]
    landed = Landed(Path("x"), "repaired rows.parquet", "cd" * 32, 7, None)

    artifact = ledger.artifacts.keep("run9", STREAM, 1, landed, Path("raw/x"), repairs=ids[:1])

    assert artifact.is_repair
    assert [each.id for each in ledger.rejects.rows(STREAM)] == ids[1:]
    assert [each.is_repair for each in ledger.artifacts.of(STREAM, Path("raw"))] == [False, True]
