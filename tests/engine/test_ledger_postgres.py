"""The ledger on a PostgreSQL server: all that holds for a file, and what only a server can do to it."""

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import pytest

from backhaul.engine.ledger import Cursor, Ledger
from backhaul.engine.ledger import server as ledger_server
from backhaul.engine.ledger import tables as t
from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError
from backhaul.retry import Budget
from tests import postgres
from tests.engine import test_ledger
from tests.engine.test_ledger import STREAM, keep, maker, reopened, stage

__all__ = ["maker"]
pytestmark = postgres.needs_server

OF_FILES_ONLY = {
    "test_reading_a_ledger_that_is_not_there_makes_none",
    "test_many_threads_write_at_once",
    "test_a_ledger_of_a_newer_version_is_refused",
    "test_a_damaged_ledger_is_told_in_words",
    "test_a_ledger_that_cannot_be_opened_is_not_called_damaged",
}
globals().update(
    {
        name: test
        for name, test in vars(test_ledger).items()
        if name.startswith("test_") and name not in OF_FILES_ONLY and "sqlite" not in name
    }
)


@pytest.fixture
def url() -> str:
    return postgres.server().database()


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger(url)


def tables(url: str) -> set[tuple[str, str]]:
    query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    return set(postgres.select(url, query))


def as_of_another_process(url: str) -> str:
    """Return an address of the same database that shares nothing with the ledgers that are open."""
    return f"{url}?application_name=another"


def test_reading_where_no_ledger_is_makes_none(url: str, ledger: Ledger) -> None:
    found = (ledger.history.runs(), ledger.pending(), ledger.history.open_work(), ledger.cursor(STREAM))

    assert found == ([], [], [], Cursor())
    assert tables(url) == set()


def test_the_ledger_has_a_schema_of_its_own_beside_the_tables_of_others(url: str, ledger: Ledger) -> None:
    postgres.execute(url, "CREATE TABLE runs (id integer); CREATE TABLE events (id integer)")

    ledger.open_run("run1", "shop", "", "0.1.0")

    assert {name for schema, name in tables(url) if schema == "public"} == {"runs", "events"}
    assert {name for schema, name in tables(url) if schema == "backhaul_ledger"} == {
        *t.metadata.tables,
        "ledger_version",
    }
    assert postgres.select(url, "SELECT count(*) FROM public.runs") == [(0,)]
    assert [run["id"] for run in ledger.history.runs()] == ["run1"]


def test_threads_that_write_at_once_take_turns(url: str, ledger: Ledger) -> None:
    def write(number: int) -> None:
        for _ in range(5):
            attempt = ledger.start_attempt("run1", STREAM, number, own_session=False)
            ledger.end_attempt(attempt, "ok")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    query = "SELECT count(*), count(DISTINCT id), min(outcome) FROM backhaul_ledger.attempts"
    assert postgres.select(url, query) == [(30, 30, "ok")]


def _open(url: str, start: Any, number: int) -> None:
    ledger = Ledger(url)
    start.wait(30)
    ledger.open_run(f"run{number}", f"pipeline{number}", "", "0.1.0")
    assert f"run{number}" in [run["id"] for run in ledger.history.runs()]


@pytest.mark.slow
def test_processes_that_open_a_fresh_ledger_at_once_all_work(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    processes = [context.Process(target=_open, args=(url, start, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert postgres.select(url, "SELECT count(*) FROM backhaul_ledger.runs") == [(3,)]
    assert postgres.select(url, "SELECT version FROM backhaul_ledger.ledger_version") == [(t.VERSION,)]


def test_an_older_ledger_gets_the_tables_and_columns_that_it_lacks(url: str, ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "", "0.1.0")
    keep(ledger)
    postgres.execute(
        url,
        "ALTER TABLE backhaul_ledger.stream_runs DROP COLUMN removed;"
        " ALTER TABLE backhaul_ledger.runs DROP COLUMN peak_bytes;"
        " DROP TABLE backhaul_ledger.outbox; UPDATE backhaul_ledger.ledger_version SET version = 1",
    )

    [run] = Ledger(as_of_another_process(url)).history.runs()

    assert (run["id"], run["peak_bytes"]) == ("run1", None)
    assert ("backhaul_ledger", "outbox") in tables(url)
    assert postgres.select(url, "SELECT version FROM backhaul_ledger.ledger_version") == [(t.VERSION,)]


def test_a_ledger_of_a_newer_version_is_refused(url: str, ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "", "9.0")
    postgres.execute(url, "UPDATE backhaul_ledger.ledger_version SET version = 99")

    with pytest.raises(BackhaulError, match="written by a newer backhaul") as caught:
        Ledger(as_of_another_process(url)).history.runs()

    assert "Update backhaul" in caught.value.next_step


def test_a_transaction_that_fails_leaves_nothing(url: str, ledger: Ledger) -> None:
    keep(ledger, "run1")

    with pytest.raises(BackhaulError):
        keep(ledger, "run1")

    assert postgres.select(url, "SELECT count(*) FROM backhaul_ledger.artifacts") == [(1,)]


def test_connections_are_closed_when_nobody_needs_the_ledger_any_more(url: str, ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "", "0.1.0")
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert postgres.select(url, query) == [(1,)]

    # The fixture holds the ledger; another one of the same address shares its connection.
    Ledger(url).close_run("run1", "done", 0)

    assert postgres.select(url, query) == [(1,)]


def test_a_connection_that_was_cut_between_two_steps_is_made_again(url: str, ledger: Ledger) -> None:
    ledger.open_run("run1", "shop", "", "0.1.0")
    postgres.execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    ledger.close_run("run1", "done", 0)

    assert [run["status"] for run in ledger.history.runs()] == ["done"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_server, "CONNECTING", Budget(attempts=1))


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_answer_may_be_tried_again(url: str) -> None:
    address = url.replace(f":{postgres.server().port}/", ":1/")

    with pytest.raises(TransientError, match=r"ledger: 127\.0\.0\.1/test_\d+: the server does not answer"):
        Ledger(address).history.runs()


@pytest.mark.usefixtures("impatient")
def test_a_wrong_password_is_told_and_not_repeated(url: str) -> None:
    password = postgres.server().password

    with pytest.raises(DeliveryError, match="refuses this user, password or database") as caught:
        Ledger(url.replace(password, "wrong-one")).open_run("run1", "shop", "", "0.1.0")

    assert "wrong-one" not in str(caught.value) + caught.value.next_step


@pytest.mark.parametrize("place", ["mysql://host/db", "postgresql://host:port/db"])
def test_an_address_that_cannot_be_used_is_told_and_not_repeated(place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Ledger(place).history.runs()

    assert place not in str(caught.value)


def test_the_path_of_a_file_may_be_text(tmp_path: Path) -> None:
    Ledger(str(tmp_path / "a.db")).open_run("run1", "shop", "", "0.1.0")

    assert len(Ledger(tmp_path / "a.db").history.runs()) == 1


def test_pending_deliveries_outlive_the_machine_that_staged_them(ledger: Ledger, maker: Any) -> None:
    batch = stage(ledger, maker, "curated")

    assert [each.batch for each in reopened(ledger).pending(STREAM)] == [batch.id]
