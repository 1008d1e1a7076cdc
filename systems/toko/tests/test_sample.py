"""The sample backups: what a person tries the system with."""

import tempfile
from pathlib import Path

import polars as pl
import pytest

from backhaul.formats.pgdump import Archive
from systems.toko.rules.catalogue import catalogue
from systems.toko.tables import KEY
from systems.toko.tests.tables import COLUMNS

SAMPLES = sorted((Path(__file__).resolve().parents[1] / "sample").glob("*.i5bu"))


def catalogue_of(path: Path) -> pl.DataFrame:
    archive = Archive.open(path)
    return catalogue({name: pl.concat(list(archive.read(name, columns))) for name, columns in COLUMNS.items()})


def test_there_are_two_days() -> None:
    assert [path.name for path in SAMPLES] == ["backup_11092025-1805.i5bu", "backup_12092025-1805.i5bu"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_small_and_has_all_ways_of_keeping_prices(path: Path) -> None:
    frame = catalogue_of(path)

    assert path.stat().st_size < 60_000
    assert frame["kodeitem"].n_unique() == 280
    assert {"O", "S", "L", "J"} <= set(frame["cara_harga"])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_names_no_place(path: Path) -> None:
    content = path.read_bytes()
    places = (str(Path.home()), str(path.parents[3]), tempfile.gettempdir(), "127.0.0.1")

    assert [place for place in places if place.encode() in content] == []


def test_from_one_day_to_the_next_items_come_and_go_and_prices_change() -> None:
    before, after = (catalogue_of(path) for path in SAMPLES)

    both = before.join(after, on=KEY, suffix="_after")
    assert before.join(after, on="kodeitem", how="anti").height > 0
    assert after.join(before, on="kodeitem", how="anti").height > 0
    assert 0 < both.filter(pl.col("hargajual").ne_missing(pl.col("hargajual_after"))).height < both.height / 5
