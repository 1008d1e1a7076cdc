"""System B on the sample backups: two days out of a folder on this machine."""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import load_system
from backhaul.model import Counts
from backhaul.sandbox import shop as made_up
from tests.postgres import needs_server, server
from tools.toko_sample import make_backup

FOLDER = Path(__file__).resolve().parents[1]
YESTERDAY, TODAY = sorted((FOLDER / "sample").glob("*.i5bu"))


@dataclass
class Shop:
    """An installation that reads a folder, which the tests put backups into."""

    folder: Path

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def installation(self) -> Installation:
        settings = {
            "DROPBOX_LOCAL_FOLDER": str(self.backups),
            "CSV_FOLDER": str(self.folder / "csv"),
            "SEARCH_INDEX_PATH": str(self.folder / "index.db"),
            "TELEGRAM_BOT_TOKEN": "unused",
            "TELEGRAM_CHAT_ID": "1",
            "DISABLE_NOTIFICATIONS": "true",
        }
        return Installation(self.folder / "data", settings)

    def backs_up(self, path: Path) -> None:
        """Put a backup into the folder, made when its name says."""
        made_at = datetime.strptime(path.name, "backup_%d%m%Y-%H%M.i5bu").timestamp()
        copy = shutil.copy(path, self.backups)
        os.utime(copy, (made_at, made_at))

    def runs(self) -> RunResult:
        [target] = load_system(FOLDER)
        return run_pipeline(target, self.installation, RunOptions())

    def table(self, name: str) -> pl.DataFrame:
        return pl.concat(list(self.installation.curated.read(name)))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    here = Shop(tmp_path)
    here.backups.mkdir()
    here.backs_up(YESTERDAY)
    return here


def test_the_first_backup_is_all_new_and_the_same_one_is_not_read_again(shop: Shop) -> None:
    first, again = shop.runs(), shop.runs()

    assert first.streams[0].counts == Counts(new=shop.table("katalog").height)
    assert again.streams[0].counts == Counts()
    assert shop.table("katalog")["kodeitem"].n_unique() == 280


def test_a_day_later_changes_are_told_apart_and_prices_remembered(shop: Shop) -> None:
    shop.runs()
    before = shop.table("katalog")
    shop.backs_up(TODAY)

    counts = shop.runs().streams[0].counts

    now, changes = shop.table("katalog"), shop.table("perubahan_harga")
    key = ["kodeitem", "satuan", "level", "jumlah_sampai"]
    both = before.join(now, on=key, suffix="_now")
    other = both.filter(
        pl.col("hargajual").ne_missing(pl.col("hargajual_now"))
        | pl.col("hargapokok").ne_missing(pl.col("hargapokok_now"))
    )
    assert (counts.new > 0, counts.updated > 0, counts.removed > 0) == (True, True, True)
    assert now["removed_at"].count() == counts.removed
    assert set(changes.select(key).rows()) == set(other.select(key).rows()) != set()


def test_the_csv_files_begin_with_the_columns_of_old(shop: Shop) -> None:
    shop.runs()

    files = [path for path in (shop.folder / "csv").glob("*.csv") if path.name != "katalog.csv"]
    assert [len(path.stem) for path in files] == [len("DDMMYYYY-HHMM")]
    header = files[0].read_text(encoding="utf-8-sig").splitlines()[0]
    assert header.startswith("namaitem,konversi,satuan,hargapokok,hargajual,kodeitem,")


def test_a_backup_that_is_cut_off_changes_nothing(shop: Shop) -> None:
    shop.runs()
    before = shop.table("katalog")
    cut = shop.backups / "backup_13092025-1805.i5bu"
    cut.write_bytes(TODAY.read_bytes()[:40_000])
    os.utime(cut, (datetime(2025, 9, 13).timestamp(),) * 2)

    result = shop.runs()

    assert result.streams[0].error is not None
    assert shop.table("katalog").equals(before)


@needs_server
def test_a_catalogue_that_has_shrunk_waits_for_a_person(shop: Shop) -> None:
    shop.runs()
    before = shop.table("katalog")
    small = shop.folder / "backup_13092025-1805.i5bu"
    make_backup(server(), made_up.Shop(items=100, seed=2025), small)
    shop.backs_up(small)

    result = shop.runs()

    assert "shrinkage" in str(result.streams[0].error)
    assert shop.table("katalog").equals(before)
