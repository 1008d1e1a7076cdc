"""Files that people put into a folder: which are taken, when, and what becomes of bad ones."""

import os
import sqlite3
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from backhaul import Pipeline
from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Artifact, Fetched, Landed, Stream, Window
from backhaul.sessions.vault import Vault
from backhaul.sources import DropFolder

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")
LONG_AGO = 1_757_600_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Drop here"
    path.mkdir()
    return path


@pytest.fixture
def stream(folder: Path) -> Stream:
    return DropFolder(str(folder)).files("orders", key="id", pattern="*.csv")


def put(folder: Path, name: str, text: str = "id,total\n007,5\n", seconds: float = 0) -> Path:
    """Put a file into the folder, last written to so many seconds after LONG_AGO."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (LONG_AGO + seconds, LONG_AGO + seconds))
    return path


def fetch(stream: Stream, folder: Path, cursor: str | None = None) -> Fetched:
    session = stream.source.open(Vault(folder.parent / "vault"))
    return stream.source.fetch(session, stream, WINDOW, cursor, LandingFolder(folder.parent / "landing"))


def names(fetched: Fetched) -> list[str]:
    return [file.name for file in fetched.artifacts]


def rows(stream: Stream, file: Landed) -> pl.DataFrame:
    artifact = Artifact("a1", file.path, file.name, file.sha256, file.size_bytes, None, datetime.now(UTC))
    return pl.concat(list(stream.source.parse(stream, artifact)))


def test_each_file_is_taken_once_and_stays_where_it_is(stream, folder):
    put(folder, "one.csv")
    before = folder.stat().st_mtime_ns

    first = fetch(stream, folder)
    again = fetch(stream, folder, first.cursor)

    assert (names(first), names(again)) == (["one.csv"], [])
    assert [path.name for path in folder.iterdir()] == ["one.csv"]
    assert folder.stat().st_mtime_ns == before
    assert first.artifacts[0].window is None


def test_files_come_oldest_first_then_by_name(stream, folder):
    for name, seconds in (("c.csv", 5), ("a.csv", 9), ("b.csv", 5)):
        put(folder, name, seconds=seconds)

    assert names(fetch(stream, folder)) == ["b.csv", "c.csv", "a.csv"]


def test_a_file_that_was_changed_comes_again(stream, folder):
    put(folder, "one.csv")
    first = fetch(stream, folder)

    put(folder, "one.csv", "id,total\n007,6\n", seconds=60)

    assert names(fetch(stream, folder, first.cursor)) == ["one.csv"]


def test_a_file_that_is_gone_is_forgotten(stream, folder):
    put(folder, "one.csv")
    first = fetch(stream, folder)
    (folder / "one.csv").unlink()

    second = fetch(stream, folder, first.cursor)
    put(folder, "one.csv")

    assert second.cursor == "{}"
    assert names(fetch(stream, folder, second.cursor)) == ["one.csv"]


@pytest.mark.parametrize("name", ["a.csv.part", "a.csv.tmp", "a.csv.CRDOWNLOAD", "~$a.csv", ".a.csv", "a.xlsx"])
def test_unfinished_and_other_files_are_left_alone(folder, name):
    stream = DropFolder(str(folder)).files("orders", key="id", pattern="*" if name != "a.xlsx" else "*.csv")
    put(folder, name)

    assert names(fetch(stream, folder)) == []


def test_a_pattern_does_not_mind_the_case_of_letters(stream, folder):
    put(folder, "ORDERS.CSV")

    assert names(fetch(stream, folder)) == ["ORDERS.CSV"]


def test_a_file_that_was_just_written_to_waits_for_the_next_run(stream, folder):
    path = put(folder, "new.csv")
    os.utime(path)

    first = fetch(stream, folder)
    os.utime(path, (time.time() - 3, time.time() - 3))

    assert (names(first), first.cursor) == ([], "{}")
    assert names(fetch(stream, folder, first.cursor)) == ["new.csv"]


def test_a_file_of_the_future_is_taken(stream, folder):
    path = put(folder, "new.csv")
    os.utime(path, (time.time() + 3600, time.time() + 3600))

    assert names(fetch(stream, folder)) == ["new.csv"]


def test_a_file_that_grows_while_it_is_copied_waits(stream, folder, tmp_path):
    """The landing folder reads slowly here, so that the writer comes between the first and the last byte."""
    path = put(folder, "grows.csv")

    class SlowLanding(LandingFolder):
        def adopt(self, path, *, name, window, prove):
            landed = super().adopt(path, name=name, window=window, prove=prove)
            with path.open("a", encoding="utf-8") as file:
                file.write("008,6\n")
            return landed

    landing = SlowLanding(tmp_path / "landing")
    session = stream.source.open(Vault(tmp_path / "vault"))

    fetched = stream.source.fetch(session, stream, WINDOW, None, landing)

    assert (fetched.artifacts, fetched.cursor) == ((), "{}")
    assert not [each for each in landing.folder.rglob("*") if each.is_file()]
    assert path.exists()


def test_subfolders_are_looked_through_only_where_asked_for(folder):
    put(folder, "a.csv")
    put(folder, "shop 1/b.csv")
    put(folder, ".hidden/c.csv")
    source = DropFolder(str(folder))

    flat = fetch(source.files("orders", key="id", pattern="*.csv"), folder)
    deep = fetch(source.files("orders", key="id", pattern="*.csv", recursive=True), folder)

    assert (names(flat), names(deep)) == (["a.csv"], ["a.csv", "shop 1/b.csv"])


def test_a_link_that_leads_out_of_the_folder_is_refused(stream, folder, tmp_path):
    (folder / "passwords.csv").symlink_to(put(tmp_path, "outside.csv"))

    with pytest.raises(SourceChanged, match="leads out of the folder"):
        fetch(stream, folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_link_inside_the_folder_a_folder_and_a_pipe_do_no_harm(stream, folder):
    (folder / "link.csv").symlink_to(put(folder, "real.csv"))
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")

    assert names(fetch(stream, folder)) == ["link.csv", "real.csv"]


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(stream, folder):
    put(folder, "secret.csv").chmod(0)

    with pytest.raises(SourceChanged, match=r"secret\.csv cannot be read"):
        fetch(stream, folder)


def test_a_folder_that_is_not_there_may_come_back_and_a_file_is_none(folder):
    gone, file = DropFolder(str(folder / "gone")), DropFolder(str(put(folder, "a.csv")))

    with pytest.raises(TransientError, match="is not there"):
        gone.open(Vault(folder))
    with pytest.raises(ConfigError, match="is not a folder"):
        file.open(Vault(folder))


def test_keys_are_text_in_every_format(stream, folder):
    put(folder, "a.csv", "id,total\n007,5\n")
    book = openpyxl.Workbook()
    book.active.append(["id", "total"])
    book.active.append([7, 5])
    book.save(folder / "b.csv")
    os.utime(folder / "b.csv", (LONG_AGO + 1, LONG_AGO + 1))

    found = [rows(stream, file)["id"].to_list() for file in fetch(stream, folder).artifacts]

    assert found == [["007"], ["7"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not whole"),
        ("nomor,total\n1,5\n", "column 'id' is missing; found"),
        ("\x00\x01\x02", "expected a table"),
    ],
)
def test_a_bad_file_lands_and_is_refused_by_name_when_it_is_read(stream, folder, text, message):
    put(folder, "bad.csv", text)

    file = fetch(stream, folder).artifacts[0]

    with pytest.raises(SourceChanged, match=message) as caught:
        rows(stream, file)
    assert "bad.csv" in str(caught.value)


def test_the_name_of_the_source_is_that_of_the_folder(folder):
    assert DropFolder(str(folder)).name == "Drop here"


def test_two_streams_read_one_folder_at_once(folder):
    source = DropFolder(str(folder))
    for number in range(20):
        put(folder, f"orders-{number}.csv")
        put(folder, f"users-{number}.csv")
    found = {}

    def read(name: str) -> None:
        stream = source.files(name, key="id", pattern=f"{name}-*.csv")
        session = source.open(Vault(folder.parent / "vault"))
        landing = LandingFolder(folder.parent / "landing" / name)
        found[name] = len(source.fetch(session, stream, WINDOW, None, landing).artifacts)

    threads = [threading.Thread(target=read, args=(name,)) for name in ("orders", "users")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {"orders": 20, "users": 20}


def test_a_bad_file_does_not_keep_the_good_ones_from_being_delivered(stream, folder, tmp_path):
    put(folder, "a.csv", "id,total\n1,5\n", seconds=1)
    put(folder, "b.csv", "nomor,total\n2,5\n", seconds=2)
    put(folder, "c.csv", "id,total\n3,5\n", seconds=3)
    target = Target("shop", Pipeline(name="shop", streams=[stream]))
    installation = Installation(tmp_path / "data", {})

    first = run_pipeline(target, installation, RunOptions())
    (folder / "b.csv").unlink()
    second = run_pipeline(target, installation, RunOptions())

    assert (first.exit_code, second.exit_code) == (1, 0)
    assert "b.csv" in str(first.streams[0].error)
    with sqlite3.connect(tmp_path / "data" / "warehouse.db") as connection:
        assert [row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id")] == ["1", "3"]
