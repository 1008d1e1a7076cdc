"""Runs whose ledger and curated tables are on a server: a machine that forgets everything goes on where it was."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backhaul.destinations import Warehouse
from backhaul.engine.events import ArtifactKept, BatchStaged, Delivered, Event, StreamStarted
from backhaul.engine.ledger import server as ledger_server
from backhaul.engine.run import LEDGER_URL, WAREHOUSE_URL, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import find
from backhaul.errors import AlreadyRunning, TransientError
from backhaul.model import Batch, Changes, Counts, Stream
from backhaul.retry import Budget
from tests import postgres
from tests.engine.place import DAY, QUICK, Place

pytestmark = postgres.needs_server


@pytest.fixture
def url(place: Place) -> str:
    url = postgres.server().database()
    place.settings |= {LEDGER_URL: url, WAREHOUSE_URL: url}
    return url


def test_a_run_on_a_fresh_disk_classifies_as_one_on_the_old(place: Place, url: str) -> None:
    first = place.run()
    shutil.rmtree(place.folder / "data")

    again = place.run()

    assert [each.counts.new for each in first.streams] == [each.counts.unchanged for each in again.streams]
    assert sum((each.counts for each in again.streams), Counts()).new == 0
    assert sum(each.counts.new for each in first.streams) > 50
    assert not list((place.folder / "data").glob("*.db"))
    assert {run["status"] for run in place.installation.ledger.history.runs()} == {"done"}


def test_the_ledger_and_the_tables_share_a_database_and_do_not_mix(place: Place, url: str) -> None:
    place.run()

    tables = Warehouse(url).tables()

    assert len(tables) == 4
    assert all("backhaul" not in name and name != "runs" for name in tables)


@dataclass(frozen=True)
class Held:
    """A destination that takes its time: it says when it has begun, and waits until it may go on."""

    begun: threading.Event = field(default_factory=threading.Event, compare=False)
    may_go_on: threading.Event = field(default_factory=threading.Event, compare=False)
    name: str = "far away"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        import polars as pl

        self.begun.set()
        assert self.may_go_on.wait(30)
        return Changes(batch, pl.zeros(batch.rows, dtype=pl.UInt8, eager=True))

    def write(self, stream: Stream, changes: Changes) -> Counts:
        return changes.counts


@pytest.fixture
def other(place: Place, tmp_path_factory: pytest.TempPathFactory, url: str) -> Place:
    """Another machine that shares the server, and nothing else."""
    other = Place(tmp_path_factory.mktemp("other"), place.office)
    other.settings |= {LEDGER_URL: url, WAREHOUSE_URL: url}
    return other


@contextmanager
def running(place: Place) -> Iterator[list[RunResult]]:
    """Have a run in the middle of its delivery; it ends with the block."""
    far, results = Held(), []
    thread = threading.Thread(
        target=lambda: results.append(place.run_changed("andalan.user", changes={"to": (far,)}))
    )
    thread.start()
    try:
        assert far.begun.wait(30)
        yield results
    finally:
        far.may_go_on.set()
        thread.join(30)


@pytest.mark.parametrize("stateless", ["true", "false"])
def test_a_second_machine_is_told_that_the_first_one_is_at_work(place: Place, other: Place, stateless: str) -> None:
    other.settings["BACKHAUL_STATELESS"] = stateless
    with running(place) as results, pytest.raises(AlreadyRunning, match="perhaps on another machine"):
        other.run("andalan.user")

    assert [each.counts for each in results] == [Counts(new=16)]
    assert [run["status"] for run in place.installation.ledger.history.runs()] == ["done"]
    assert other.run("andalan.user").counts == Counts(unchanged=16)


def test_a_second_machine_that_waits_goes_on_when_the_first_one_is_through(place: Place, other: Place) -> None:
    waited = []
    with running(place):
        thread = threading.Thread(target=lambda: waited.append(other.run("andalan.user", wait=True)))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)

    assert [each.counts for each in waited] == [Counts(unchanged=16)]


def test_two_pipelines_of_one_ledger_do_not_wait_for_each_other(place: Place, other: Place) -> None:
    with place.installation.ledger.held("one", wait=False), other.installation.ledger.held("two", wait=False):
        pass


def test_a_lock_that_went_with_its_server_is_no_failure_of_the_run(place: Place, other: Place, url: str) -> None:
    with running(place) as results:
        postgres.execute(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    assert [each.exit_code for each in results] == [0]
    assert other.run("andalan.user").counts == Counts(unchanged=16)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [StreamStarted, ArtifactKept, BatchStaged, Delivered])
def test_a_server_that_goes_away_in_the_middle_of_a_run_costs_nothing(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch, moment: type[Event]
) -> None:
    monkeypatch.setattr(ledger_server, "CONNECTING", Budget(attempts=1))
    server = postgres.Server(durable=True).start()
    try:
        url = server.database()
        place.settings |= {LEDGER_URL: url, WAREHOUSE_URL: url}
        target, gone = find(place.folder / "systems", "andalan")[0], []

        def stop(event: Event) -> None:
            if isinstance(event, moment) and not gone:
                gone.append(event)
                server.stop()

        options = RunOptions(window=DAY, budget=QUICK)
        with pytest.raises(TransientError, match="does not answer") as caught:
            run_pipeline(target, place.installation, options, [stop])
        server.start()
        result = place.run()

        assert caught.value.next_step
        assert server.password not in str(caught.value)
        assert result.exit_code == 0
        assert [len(place.rows(name)) for name in ("transaksi", "point_trx", "user", "pembayaran_koin")] == [
            27,
            50,
            16,
            1,
        ]
        assert place.run().counts == Counts(unchanged=94)
        counted = "SELECT sum(new), sum(updated) FROM backhaul_ledger.deliveries WHERE state = 'done'"
        assert postgres.select(url, counted) == [(94, 0)]
    finally:
        server.remove()
