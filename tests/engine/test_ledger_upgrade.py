"""A ledger file of an earlier version: it is completed once, and keeps what it holds."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile

OLD = """
CREATE TABLE runs (id VARCHAR NOT NULL PRIMARY KEY, pipeline VARCHAR NOT NULL, "window" VARCHAR NOT NULL,
    status VARCHAR NOT NULL, exit_code INTEGER, started_at VARCHAR NOT NULL, ended_at VARCHAR, pid INTEGER NOT NULL,
    version VARCHAR NOT NULL);
CREATE TABLE stream_runs (run VARCHAR NOT NULL, stream VARCHAR NOT NULL, "window" VARCHAR NOT NULL,
    status VARCHAR NOT NULL, new INTEGER NOT NULL, updated INTEGER NOT NULL, unchanged INTEGER NOT NULL,
    duplicate INTEGER NOT NULL, rejected INTEGER NOT NULL, attempts INTEGER NOT NULL, seconds FLOAT, error VARCHAR,
    message VARCHAR, PRIMARY KEY (run, stream));
INSERT INTO runs VALUES ('run1', 'shop', '', 'done', 0, '2025-09-12T01:00:00.000+00:00', NULL, 7, '0.1.0');
INSERT INTO stream_runs VALUES ('run1', 'shop.orders', '', 'done', 3, 0, 0, 0, 0, 1, 0.5, NULL, NULL);
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
    return path


def columns(path: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def test_an_older_ledger_gets_the_tables_and_columns_that_it_lacks_and_keeps_its_rows(path: Path) -> None:
    [run] = Ledger(path).history.runs()

    assert (run["id"], run["peak_bytes"]) == ("run1", None)
    assert [(each["new"], each["removed"]) for each in run["streams"]] == [(3, 0)]
    for table in t.metadata.sorted_tables:
        assert columns(path, table.name) == {column.name for column in table.columns}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (t.VERSION,)


def _open(path: str, start: Any) -> None:
    file = LedgerFile(Path(path))
    start.wait(30)
    with file.transaction() as db:
        db.execute(t.audit.insert().values(at="", who="", what="", target="", detail=""))
    assert file.rows(sa.select(t.audit))


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [True, False], ids=["older", "fresh"])
def test_processes_that_open_a_ledger_at_once_all_work(path: Path, is_old: bool) -> None:
    if not is_old:
        path.unlink()
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    processes = [context.Process(target=_open, args=(str(path), start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (3,)
