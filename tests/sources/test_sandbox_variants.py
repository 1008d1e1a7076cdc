"""The other shapes of exports, as lists of steps: links in a menu, waiting pages; by both drivers alike."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from backhaul import BackOffice, FormLogin, Pipeline
from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import Target
from backhaul.model import Counts
from backhaul.sandbox import SandboxBackOffice, Variant
from backhaul.sessions.steps import Click, Download, Fill, Open, Step

DRIVERS = ["http", pytest.param("browser", marks=pytest.mark.browser)]
OPEN_FORM = [
    Open("/transaksi/index-export"),
    Fill('input[name="start_date"]', "{start}"),
    Fill('input[name="end_date"]', "{end}"),
]


def haul(office: SandboxBackOffice, folder: Path, driver: str, steps: Iterable[Step]) -> pl.DataFrame:
    login = FormLogin("/login", username=office.username, password=office.password)
    source = BackOffice(office.url, login, driver=driver)
    stream = source.export("transaksi", key="Transaksi ID", steps=steps, window_column="Tanggal")
    here = Installation(folder / driver, {})
    target = Target("variants", Pipeline("variants", [stream]))
    result = run_pipeline(target, here, RunOptions(window="2025-09-12"))
    assert result.counts == Counts(new=27), result
    return next(iter(here.curated.read("transaksi"))).sort("Transaksi ID")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_filtered_list_has_its_download_in_a_menu(tmp_path: Path, driver: str) -> None:
    steps = [
        Open("/transaksi/index-export?start_date={start}&end_date={end}"),
        Click("details.menu summary"),
        Download("details.menu a.unduh"),
    ]
    with SandboxBackOffice(Variant.LINKS) as office:
        rows = haul(office, tmp_path, driver, steps)

    assert rows.shape == (27, 27)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_file_prepared_in_the_background_is_waited_for(tmp_path: Path, driver: str) -> None:
    steps = [*OPEN_FORM, Download('button:has-text("Export")', waiting=".menunggu", every_s=0.1)]
    with SandboxBackOffice(Variant.BACKGROUND) as office:
        rows = haul(office, tmp_path, driver, steps)

    assert rows.shape == (27, 27)


@pytest.mark.browser
def test_both_drivers_bring_the_same_rows(tmp_path: Path) -> None:
    steps = [*OPEN_FORM, Download('button:has-text("Export")')]
    with SandboxBackOffice() as office:
        by_http, by_browser = (haul(office, tmp_path, driver, steps) for driver in ("http", "browser"))

    assert by_http.equals(by_browser)
