"""The main job on a back office that is not ours: Django's admin with django-import-export, behind gunicorn."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.office.data import DAY, ROWS_OF_ALL_DAYS, ROWS_OF_DAY
from tests.office.server import ROOT, DjangoOffice

# One office serves all tests of this module, so they stay on one worker.
pytestmark = pytest.mark.xdist_group("django_office")

SYSTEM = ROOT / "benchmarks" / "systems" / "office"
ALL_DAYS = "2025-09-11..2025-09-13"
DRIVERS = ("http", "auto", pytest.param("browser", marks=pytest.mark.browser))
JAKARTA_DAY = "date(waktu, '+7 hours')"


@dataclass(frozen=True)
class Said:
    """What one `backhaul run office` came to."""

    exit_code: int
    document: dict[str, Any]
    progress: str

    def counts(self, kind: str) -> dict[str, int]:
        return {each["stream"].removeprefix("office."): each[kind] for each in self.document["streams"]}


@dataclass(frozen=True)
class Home:
    """A fresh installation that knows the office's system."""

    folder: Path
    office: DjangoOffice

    @property
    def warehouse(self) -> Path:
        return self.folder / "data" / "warehouse.db"

    @property
    def pipeline(self) -> Path:
        return self.folder / "systems" / "office" / "pipeline.py"

    def run(self, driver: str, *, window: str = str(DAY), **settings: str) -> Said:
        environment = {
            **os.environ,
            "BACKHAUL_HOME": str(self.folder),
            "BACKEND_URL": self.office.url,
            "BACKEND_USERNAME": self.office.username,
            "BACKEND_PASSWORD": self.office.password,
            "OFFICE_DRIVER": driver,
            **settings,
        }
        ended = subprocess.run(
            [sys.executable, "-m", "backhaul", "run", "office", "--window", window, "--json"],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=180,
            check=False,
        )
        return Said(ended.returncode, json.loads(ended.stdout), ended.stderr)

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a curated table in key order, without our own columns."""
        with closing(sqlite3.connect(f"file:{self.warehouse}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall()
        return [{column: row[column] for column in row.keys() if not column.startswith("_")} for row in rows]  # noqa: SIM118


def of_day(office: DjangoOffice, query: str) -> list[tuple[Any, ...]]:
    """Return what the office's own database holds on DAY, as a clock in Jakarta counts it."""
    with closing(sqlite3.connect(f"file:{office.database}?mode=ro", uri=True)) as database:
        return database.execute(f"{query} WHERE {JAKARTA_DAY} = '{DAY}' ORDER BY 1").fetchall()


@pytest.fixture(scope="module")
def office() -> Iterator[DjangoOffice]:
    with DjangoOffice() as running:
        yield running


@pytest.fixture
def new_home(office: DjangoOffice, tmp_path: Path) -> Callable[[str], Home]:
    def make(name: str) -> Home:
        folder = tmp_path / name
        shutil.copytree(SYSTEM, folder / "systems" / "office", ignore=shutil.ignore_patterns("__pycache__"))
        return Home(folder, office)

    return make


@pytest.fixture
def home(new_home: Callable[[str], Home]) -> Home:
    return new_home("home")


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_four_exports_of_a_day_arrive_and_a_second_run_finds_all_unchanged(home: Home, driver: str) -> None:
    first = home.run(driver)
    before = home.warehouse.read_bytes()
    second = home.run(driver)

    assert (first.exit_code, first.counts("new")) == (0, ROWS_OF_DAY), first.progress
    assert first.counts("rows") == ROWS_OF_DAY
    assert (second.exit_code, second.counts("unchanged")) == (0, ROWS_OF_DAY), second.progress
    assert second.counts("rows") == ROWS_OF_DAY
    assert home.warehouse.read_bytes() == before


@pytest.mark.browser
def test_both_drivers_bring_the_same_tables(new_home: Callable[[str], Home]) -> None:
    plain, browser = new_home("http"), new_home("browser")
    plain.run("http")
    browser.run("browser")

    for name, rows in ROWS_OF_DAY.items():
        assert len(plain.table(name)) == rows
        assert plain.table(name) == browser.table(name)


def test_the_tables_hold_what_the_office_holds_on_that_day_and_nothing_else(home: Home) -> None:
    home.run("auto")

    sales = home.table("transaksi")
    told = of_day(
        home.office,
        "SELECT transaksi_id, user_id, telepon, sku, jumlah, total, lunas, strftime('%Y-%m-%dT%H:%M:%SZ', waktu),"
        " dikirim, nullif(catatan, '') FROM office_transaksi",
    )
    wanted = ["Transaksi ID", "User ID", "Nomor HP", "Kode Barang", "Jumlah", "Total", "Lunas"]
    wanted += ["Tanggal Transaksi", "Tanggal Kirim", "Catatan"]
    assert [tuple(row[column] for column in wanted) for row in sales] == told
    for name, key, table in (
        ("point_trx", "Point Transaction ID", "SELECT point_id FROM office_pointtrx"),
        ("user", "User ID", "SELECT user_id FROM office_user"),
        ("pembayaran_koin", "Payment ID", "SELECT payment_id FROM office_pembayarankoin"),
    ):
        assert [(row[key],) for row in home.table(name)] == of_day(home.office, table)


def test_every_column_of_the_exports_arrives(home: Home) -> None:
    home.run("auto")

    assert {name: len(home.table(name)[0]) for name in ROWS_OF_DAY} == {
        "transaksi": 27,
        "point_trx": 12,
        "user": 10,
        "pembayaran_koin": 6,
    }


def test_a_wider_window_adds_the_other_days_and_leaves_the_known_rows_alone(home: Home) -> None:
    home.run("auto")

    wider = home.run("auto", window=ALL_DAYS)

    assert wider.counts("rows") == ROWS_OF_ALL_DAYS
    assert wider.counts("unchanged") == ROWS_OF_DAY
    assert wider.counts("updated") == dict.fromkeys(ROWS_OF_DAY, 0)


def test_a_filter_that_the_office_does_not_get_is_noticed_by_its_rows(home: Home) -> None:
    steps = home.pipeline.read_text(encoding="utf-8").splitlines(keepends=True)
    home.pipeline.write_text("".join(line for line in steps if "steps.Fill(" not in line), encoding="utf-8")

    said = home.run("http")

    assert said.exit_code == 1
    assert {each["error"] for each in said.document["streams"]} == {"SourceChanged"}
    assert not home.warehouse.exists()


@pytest.mark.parametrize("driver", ["auto", "http"])
def test_no_browser_is_started_where_plain_http_is_enough(home: Home, tmp_path: Path, driver: str) -> None:
    started = tmp_path / "started"
    decoy = tmp_path / "chromium"
    decoy.write_text(f"#!/bin/sh\ntouch '{started}'\nexit 1\n", encoding="utf-8")
    decoy.chmod(0o755)

    said = home.run(driver, CHROME_BIN=str(decoy))

    assert said.counts("new") == ROWS_OF_DAY
    assert not started.exists()


def test_a_wrong_password_asks_for_a_person_and_fetches_nothing(home: Home) -> None:
    said = home.run("auto", BACKEND_PASSWORD="not-the-password")

    assert said.exit_code == 4
    assert said.counts("rows") == dict.fromkeys(ROWS_OF_DAY, 0)
    assert {each["status"] for each in said.document["streams"]} == {"login needed"}
    assert not home.warehouse.exists()


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_password_is_in_no_file_and_no_message(home: Home, driver: str) -> None:
    said = home.run(driver)

    files = [path for path in home.folder.rglob("*") if path.is_file()]
    holding = [path for path in files if home.office.password.encode() in path.read_bytes()]
    assert len(files) > len(ROWS_OF_DAY)
    assert holding == []
    assert home.office.password not in said.progress + json.dumps(said.document)
