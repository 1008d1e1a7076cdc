"""A server that goes away in the middle of a merge, and a merge that is killed: nothing half, nothing twice."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psycopg
import pytest

from backhaul import Warehouse
from backhaul.destinations.sql import patience as sql_patience
from backhaul.errors import BackhaulError, TransientError
from backhaul.model import Changes, Counts
from backhaul.testing.batches import BatchMaker
from tests import postgres
from tests.destinations.killed_merge import killed_in_write, steps_of_write
from tests.postgres import execute, select

pytestmark = postgres.needs_server

BEFORE = pl.DataFrame({"id": ["1", "2", "3", "4"], "total": [1, 2, 3, 4]})
NOW = pl.DataFrame({"id": ["1", "2", "3", "5", "6"], "total": [1, 20, 30, 5, 6], "note": ["a", None, "c", "d", "e"]})
EXPECTED = Counts(new=2, updated=3, removed=1)
STATE = "SELECT id, total, to_jsonb(t)->>'note', to_jsonb(t)->>'removed_at' IS NULL FROM orders t ORDER BY id"
OLD = [("1", 1, None, True), ("2", 2, None, True), ("3", 3, None, True), ("4", 4, None, True)]
NEW = [
    ("1", 1, "a", True),
    ("2", 20, None, True),
    ("3", 30, "c", True),
    ("4", 4, None, False),
    ("5", 5, "d", True),
    ("6", 6, "e", True),
]


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging", complete=True)


def prepared(url: str, maker: BatchMaker) -> tuple[Warehouse, Changes]:
    warehouse = Warehouse(url)
    warehouse.write(maker.stream, warehouse.compare(maker.stream, maker.batch(BEFORE)))
    return warehouse, warehouse.compare(maker.stream, maker.batch(NOW))


@contextmanager
def held_in_the_middle(url: str, write: Callable[[], object]) -> Iterator[list[object]]:
    """Run write in a thread until it waits for a row that somebody holds; yield what it returns or raises."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(write())
        except BackhaulError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    holder = psycopg.connect(url)
    try:
        holder.execute("UPDATE orders SET total = total WHERE id = '3'")
        thread.start()
        until = time.monotonic() + 20
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backhaul' AND wait_event_type = 'Lock'"
        )
        while select(url, waiting) != [(1,)]:
            assert time.monotonic() < until, found
            time.sleep(0.01)
        yield found
        thread.join(30)
    finally:
        holder.close()
        thread.join(30)


def test_a_merge_whose_connection_is_cut_leaves_nothing_and_the_next_write_is_whole(
    maker: BatchMaker, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.server().schema()
    # A column that is there already: to add one, the merge would wait before it has written anything.
    warehouse, changes = prepared(url, maker)
    execute(url, "ALTER TABLE orders ADD COLUMN note text, ADD COLUMN removed_at timestamptz")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'backhaul'"

    with held_in_the_middle(url, lambda: warehouse.write(maker.stream, changes)) as found:
        execute(url, end)

    [error] = found
    assert isinstance(error, TransientError), error
    assert "127.0.0.1/postgres" in str(error)
    assert caplog.records == []
    assert select(url, STATE) == OLD
    assert warehouse.write(maker.stream, changes) == EXPECTED
    assert select(url, STATE) == NEW


def test_a_server_that_freezes_is_not_waited_for_for_ever(maker: BatchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_patience, "LONGEST_SILENCE_S", 1.0)
    url = postgres.server().schema()
    warehouse, changes = prepared(url, maker)
    execute(url, "ALTER TABLE orders ADD COLUMN note text, ADD COLUMN removed_at timestamptz")

    with held_in_the_middle(url, lambda: warehouse.write(maker.stream, changes)) as found:
        [(process,)] = select(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'backhaul'")
        os.kill(process, signal.SIGSTOP)
        until = time.monotonic() + 20
        while not found and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(process, signal.SIGCONT)

    assert isinstance(found[0], TransientError), found
    until = time.monotonic() + 20
    while select(url, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'backhaul'"):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert select(url, STATE) == OLD
    assert warehouse.write(maker.stream, changes) == EXPECTED


@pytest.mark.slow
def test_a_server_that_stops_in_the_middle_of_a_merge_loses_and_doubles_nothing(maker: BatchMaker) -> None:
    server = postgres.Server(durable=True).start()
    try:
        url = server.address()
        warehouse, changes = prepared(url, maker)
        execute(url, "ALTER TABLE orders ADD COLUMN note text, ADD COLUMN removed_at timestamptz")
        with held_in_the_middle(url, lambda: warehouse.write(maker.stream, changes)) as found:
            server.stop()

        assert isinstance(found[0], TransientError), found
        with pytest.raises(TransientError, match="does not answer"):
            warehouse.write(maker.stream, changes)
        server.start()
        assert select(url, STATE) == OLD
        assert warehouse.write(maker.stream, changes) == warehouse.write(maker.stream, changes) == EXPECTED
        assert select(url, STATE) == NEW
        server.stop()
        server.start()
        assert select(url, STATE) == NEW
    finally:
        server.remove()


def killed_and_repeated(maker: BatchMaker, step: int) -> bool:
    """Kill a write at step and write again; return whether the state was that of the end when it was killed."""
    url = postgres.server().schema()
    warehouse, changes = prepared(url, maker)
    assert killed_in_write(warehouse, maker.stream, changes, step)

    state = select(url, STATE)
    assert state in (OLD, NEW), step
    assert warehouse.write(maker.stream, changes) == EXPECTED
    assert select(url, STATE) == NEW
    assert select(url, "SELECT count(*) FROM orders__archive") == [(4,)]
    assert select(url, "SELECT count(*) FROM _backhaul_receipts") == [(2,)]
    return state == NEW


@pytest.mark.slow
def test_a_merge_killed_right_before_and_right_after_its_commit_is_there_once(maker: BatchMaker) -> None:
    warehouse, changes = prepared(postgres.server().schema(), maker)
    steps = steps_of_write(warehouse, maker.stream, changes)

    assert not killed_and_repeated(maker, steps - 1)
    assert killed_and_repeated(maker, steps)


@pytest.mark.slow
def test_a_merge_killed_at_any_step_and_repeated_equals_one(maker: BatchMaker) -> None:
    warehouse, changes = prepared(postgres.server().schema(), maker)
    steps = steps_of_write(warehouse, maker.stream, changes)
    assert steps > 30

    ends = [killed_and_repeated(maker, step) for step in range(1, steps + 1)]

    assert ends == [*[False] * (steps - 1), True]
