"""The index as a file: replaced as a whole, whatever happens."""

import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.lake import whole_file
from backhaul.model import Counts
from backhaul.search import Catalogue, CatalogueStatus, SearchIndex, Way
from backhaul.search import index_file as layout
from tests.destinations.killing import kill_in_write, steps_of_write
from tests.search.catalogues import compared, deliver, frame, index_of, maker, named, row

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def names(catalogue: Catalogue, query: str) -> list[str]:
    return [each.name for each in catalogue.find(query).products]


def test_the_status_says_how_much_there_is_and_since_when(tmp_path: Path) -> None:
    index = index_of(tmp_path, frame([row("1", "A"), row("1", "A", satuan="DUS"), row("2", "B")]), clock=lambda: NOW)

    assert index.catalogue().status() == CatalogueStatus(products=2, rows=3, changed_at=NOW, batch="batch-1")
    assert index.check() == "catalogue.db holds 2 products"


def test_a_new_catalogue_is_found_without_opening_the_search_again(tmp_path: Path) -> None:
    index = SearchIndex(str(tmp_path / "catalogue.db"))
    makes, catalogue = maker(tmp_path), index.catalogue()
    deliver(index, makes, named("GULA PASIR"))
    assert names(catalogue, "gula") == ["GULA PASIR"]

    deliver(index, makes, named("GULA MERAH", "GULA BATU"))

    assert sorted(names(catalogue, "gula")) == ["GULA BATU", "GULA MERAH"]


def test_what_a_complete_catalogue_no_longer_has_is_counted_and_not_found(tmp_path: Path) -> None:
    index = SearchIndex(str(tmp_path / "catalogue.db"))
    makes = maker(tmp_path)
    deliver(index, makes, named("GULA PASIR", "TEH CELUP", "KOPI"))

    counts = deliver(index, makes, named("GULA PASIR"))

    assert counts == Counts(unchanged=1, removed=2)
    assert names(index.catalogue(), "teh celup") == []
    assert index.catalogue().status().products == 1
    assert deliver(index, makes, named("GULA PASIR", "TEH CELUP")) == Counts(unchanged=1, updated=1)
    assert names(index.catalogue(), "teh celup") == ["TEH CELUP"]


def test_an_incomplete_batch_takes_nothing_away(tmp_path: Path) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    deliver(index, makes, named("GULA PASIR", "TEH CELUP"))

    counts = deliver(index, replace(makes, complete=False), named("GULA MERAH"))

    assert counts == Counts(updated=1)
    assert names(index.catalogue(), "teh") == ["TEH CELUP"]


def test_prices_with_more_digits_than_before_are_seen_as_other_prices(tmp_path: Path) -> None:
    index = SearchIndex(str(tmp_path / "catalogue.db"))
    makes = maker(tmp_path)
    whole = named("GULA").with_columns(hargajual=pl.lit(Decimal(3500)).cast(pl.Decimal(20, 0)))
    finer = whole.with_columns(hargajual=pl.lit(Decimal("3500.125")).cast(pl.Decimal(20, 3)))
    deliver(index, makes, whole)

    assert deliver(index, makes, finer) == Counts(updated=1)
    assert index.catalogue().find("gula").products[0].offers[0].price == Decimal("3500.125")
    assert deliver(index, makes, whole) == Counts(updated=1)


def test_own_spellings_take_effect_with_the_next_batch_even_if_no_row_has_changed(tmp_path: Path) -> None:
    makes, rows = maker(tmp_path), named("LADA BUBUK")
    plain = SearchIndex(str(tmp_path / "catalogue.db"))
    deliver(plain, makes, rows)
    assert names(plain.catalogue(), "merica") == []
    (tmp_path / "own.txt").write_text("MERICA MRC = LADA\n", encoding="utf-8")
    index = replace(plain, synonyms=str(tmp_path / "own.txt"))

    assert deliver(index, makes, rows) == Counts(unchanged=1)

    assert names(index.catalogue(), "merica") == names(index.catalogue(), "mrc bubuk") == ["LADA BUBUK"]


def test_a_relative_path_lies_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))

    assert SearchIndex("data/search/catalogue.db").file == tmp_path / "data" / "search" / "catalogue.db"


def test_without_an_index_the_next_step_is_to_run_the_pipeline(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="no catalogue yet") as told:
        Catalogue(tmp_path / "none.db").find("gula")

    assert "backhaul run" in told.value.next_step
    assert SearchIndex(str(tmp_path / "none.db")).check() == "will be made"
    assert not (tmp_path / "none.db").exists()


def damaged_first_page(path: Path) -> None:
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


def damaged_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = random.Random(1).randbytes(len(content) - 4096)
    path.write_bytes(content)


def damaged_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def damaged_text(path: Path) -> None:
    path.write_text("this is no database, but a letter to somebody\n" * 200)


def damaged_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sales (id INTEGER)")


@pytest.mark.parametrize("damage", [damaged_first_page, damaged_middle, damaged_cut, damaged_text, damaged_foreign])
def test_a_damaged_index_is_told_with_what_to_do(tmp_path: Path, damage) -> None:
    index = index_of(tmp_path, named(*(f"GULA NOMOR {number}" for number in range(3000))))
    damage(index.file)
    content = index.file.read_bytes()
    makes = maker(tmp_path / "next")

    for use in (
        lambda: index.catalogue().find("gula nomor"),
        lambda: index.catalogue().by_code("K2999"),
        lambda: compared(index, makes, named("GULA")),
    ):
        with pytest.raises(DeliveryError, match="damaged") as told:
            use()
        assert "backhaul replay" in told.value.next_step
    assert index.file.read_bytes() == content


def test_an_index_of_another_version_is_told_and_made_anew_by_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    deliver(index, makes, named("GULA"))
    monkeypatch.setattr(layout, "FORMAT", layout.FORMAT + 1)
    with pytest.raises(DeliveryError, match="another version"):
        index.catalogue().find("gula")

    assert deliver(index, makes, named("GULA")) == Counts(unchanged=1)

    assert names(index.catalogue(), "gula") == ["GULA"]


def test_two_streams_do_not_share_one_file(tmp_path: Path) -> None:
    index = index_of(tmp_path, named("GULA"))
    makes = maker(tmp_path / "other")
    makes.table = "promo"

    with pytest.raises(DeliveryError, match="the index of katalog, not of promo"):
        compared(index, makes, named("TEH"))


def test_a_stream_without_the_columns_of_a_catalogue_is_refused(tmp_path: Path) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)

    with pytest.raises(DeliveryError, match="no column 'namaitem'") as told:
        compared(index, makes, named("TEH").drop("namaitem"))

    assert "PriceColumns" in told.value.next_step


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(tmp_path, named("GULA"))
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)

    with pytest.raises(ConfigError) as told:
        index.catalogue().find("gula")

    assert "backhaul[search]" in told.value.next_step


@pytest.mark.slow
def test_a_write_that_is_killed_at_any_file_step_leaves_the_old_or_the_new_catalogue(tmp_path: Path) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    deliver(index, makes, named("GULA PASIR", "TEH"))
    changes = compared(index, makes, named("GULA MERAH", "KOPI"))
    old, content = {"GULA PASIR"}, index.file.read_bytes()
    steps = steps_of_write(index, makes.stream, changes)
    assert steps > 2
    for step in range(1, steps + 1):
        index.file.write_bytes(content)

        kill_in_write(index, makes.stream, changes, step)

        assert set(names(index.catalogue(), "gula")) in (old, {"GULA MERAH"})
        assert index.write(makes.stream, changes) == changes.counts
        assert names(index.catalogue(), "gula") == ["GULA MERAH"]


WRITER = (
    "import pickle, sys; index, stream, changes = pickle.load(open(sys.argv[1], 'rb')); index.write(stream, changes)"
)


def test_a_write_that_is_killed_while_it_builds_leaves_the_last_good_catalogue(tmp_path: Path) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    deliver(index, makes, named("GULA PASIR"))
    changes = compared(index, makes, named(*(f"GULA MERAH {number}" for number in range(20_000))))
    (tmp_path / "plan").write_bytes(pickle.dumps((index, makes.stream, changes)))
    part = index.file.with_name(".catalogue.db.part")
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path / "plan")])
        over = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < over:
            time.sleep(0.002)
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL

        assert names(index.catalogue(), "gula") == ["GULA PASIR"]
    assert index.write(makes.stream, changes) == Counts(new=19_999, updated=1)
    assert not part.exists()


def test_a_full_disk_leaves_the_last_good_catalogue(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    deliver(index, makes, named("GULA PASIR"))
    changes = compared(index, makes, named(*(f"GULA MERAH {number}" for number in range(9000))))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(DeliveryError, match="cannot be read or written") as told:
            index.write(makes.stream, changes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "Make room" in told.value.next_step
    assert names(index.catalogue(), "gula") == ["GULA PASIR"]
    assert sorted(each.name for each in tmp_path.glob("*catalogue.db*")) == [".catalogue.db.lock", "catalogue.db"]


def test_two_writers_take_turns_and_lose_nothing(tmp_path: Path) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path, complete=False)
    batches = [
        makes.batch(frame(row(f"{writer}-{number}", f"GULA {writer} {number}") for number in range(20)))
        for writer in range(4)
    ]
    changes = [index.compare(makes.stream, batch) for batch in batches]
    counts: list[Counts] = []
    threads = [
        threading.Thread(target=lambda each=each: counts.append(index.write(makes.stream, each))) for each in changes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [Counts(new=20)] * 4
    assert index.catalogue().status().products == 80
    assert [index.write(makes.stream, each) for each in changes] == counts


def test_a_writer_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    changes = compared(index, makes, named("GULA"))
    monkeypatch.setattr(whole_file, "LOCK_TIMEOUT_S", 0.05)

    with layout.IndexFile(index.file, "search").locked(), pytest.raises(TransientError, match="another run"):
        index.write(makes.stream, changes)


def test_while_the_catalogue_is_swapped_each_answer_is_wholly_of_one_catalogue(tmp_path: Path) -> None:
    index, makes = SearchIndex(str(tmp_path / "catalogue.db")), maker(tmp_path)
    units = ("PCS", "DUS", "RTG")

    def catalogue_of(version: int) -> pl.DataFrame:
        return frame(
            row(f"{code}", f"GULA PASIR V{version}X", satuan=unit, hargajual=Decimal(version))
            for code in range(30)
            for unit in units
        )

    deliver(index, makes, catalogue_of(0))
    catalogue, answers, stop = index.catalogue(), list[set[tuple[str, Decimal | None]]](), threading.Event()
    failures: list[BaseException] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                found = catalogue.find("gula pasir", 30)
            except (DeliveryError, sqlite3.Error) as error:
                failures.append(error)
                return
            assert (found.total, found.way) == (30, Way.WORDS)
            answers.append({(each.name, offer.price) for each in found.products for offer in each.offers})

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 7):
        deliver(index, makes, catalogue_of(version))
    stop.set()
    for thread in threads:
        thread.join()

    assert not failures
    assert all(len(each) == 1 for each in answers)
    assert len({name for each in answers for name, _ in each}) > 1
