"""The other shapes of exports: links in a menu, waiting pages, by both drivers alike; and every format of file."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

from backhaul import BackOffice, FormLogin, Pipeline
from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import Target
from backhaul.model import Counts
from backhaul.retry import Budget
from backhaul.sandbox import KEYS, Fault, PlannedFault, SandboxBackOffice, Variant
from backhaul.sessions.steps import Click, Download, Fill, Open, Step

FORMATS = [Variant.HTML, Variant.XLS, Variant.PDF, Variant.CSV, Variant.JSON]
WAYS = {
    "transaksi": ("/transaksi/index-export", ("#start_date", "#end_date"), 'button:has-text("Export")'),
    "point_trx": ("/point_transaction", ("#start", "#end"), "button.expot-pdf"),
    "user": ("/user-front", ("#filter-start", "#filter-end"), "button.expot-pdf"),
    "pembayaran_koin": ("/koin_pay", ("#filter-start", "#filter-end"), "button.expot-pdf"),
}
ROWS = dict(zip(WAYS, (27, 50, 16, 1), strict=True))
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


def haul_all(
    office: SandboxBackOffice, folder: Path, window: str = "2025-09-12", names: Iterable[str] = WAYS
) -> tuple[Installation, dict[str, tuple[str, str]]]:
    """Return where the rows are, and each stream's status and message."""
    login = FormLogin("/login", username=office.username, password=office.password)
    source = BackOffice(office.url, login, driver="http")
    streams = [
        source.export(name, key=KEYS[name], page=page, dates=dates, button=button, window_column="Tanggal")
        for name, (page, dates, button) in WAYS.items()
        if name in names
    ]
    here = Installation(folder, {})
    options = RunOptions(window=window, budget=Budget(attempts=1))
    result = run_pipeline(Target("variants", Pipeline("variants", streams)), here, options)
    return here, {each.stream: (str(each.status), str(each.error)) for each in result.streams}


def curated(here: Installation, stream: str) -> pl.DataFrame:
    return pl.concat(here.curated.read(stream)).sort(KEYS[stream])


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    with SandboxBackOffice() as office:
        here, _ = haul_all(office, tmp_path_factory.mktemp("standard"))
    return {name: curated(here, name) for name in WAYS}


@pytest.mark.parametrize("variant", FORMATS)
def test_every_format_brings_the_rows_that_workbooks_bring(
    tmp_path: Path, standard: dict[str, pl.DataFrame], variant: Variant
) -> None:
    with SandboxBackOffice(variant) as office:
        here, _ = haul_all(office, tmp_path)

    for name, rows in standard.items():
        found = curated(here, name)
        assert found.height == ROWS[name]
        # In text, long numbers are numbers, and 5000.0 keeps its point.
        assert found.cast(rows.schema).equals(rows)


@pytest.mark.parametrize("variant", FORMATS)
def test_a_day_without_rows_is_done_in_every_format(tmp_path: Path, variant: Variant) -> None:
    with SandboxBackOffice(variant) as office:
        _, told = haul_all(office, tmp_path, "2020-01-01", names=["point_trx"])

    assert {status for status, _ in told.values()} == {"done"}, told


@pytest.mark.parametrize("variant", FORMATS)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.ERROR_PAGE_AS_FILE, "Terjadi kesalahan"),
        (Fault.DROPPED_KEY_COLUMN, "is missing"),
        (Fault.TRUNCATED, "broken download"),
    ],
)
def test_a_spoiled_file_of_any_format_fails_with_its_cause(
    tmp_path: Path, variant: Variant, fault: Fault, message: str
) -> None:
    with SandboxBackOffice(variant, [fault]) as office:
        _, told = haul_all(office, tmp_path, names=["user"])

    for status, said in told.values():
        # A table of text that is cut off may end in a whole row.
        if fault is not Fault.TRUNCATED or variant is not Variant.CSV:
            assert status == "failed", told
            assert message in said


@pytest.mark.parametrize("variant", [Variant.HTML, Variant.STANDARD])
def test_a_login_page_named_as_a_file_is_asked_for_again(tmp_path: Path, variant: Variant) -> None:
    with SandboxBackOffice(variant, [PlannedFault(Fault.LOGIN_PAGE_AS_FILE, times=1)]) as office:
        _, told = haul_all(office, tmp_path, names=["user"])

    assert {status for status, _ in told.values()} == {"done"}, told


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


@pytest.mark.browser
@pytest.mark.parametrize("variant", [Variant.HTML, Variant.CSV])
def test_a_browser_takes_a_table_that_came_as_a_page_or_as_text_for_a_file(tmp_path: Path, variant: Variant) -> None:
    with SandboxBackOffice(variant) as office:
        frame = haul(office, tmp_path, "browser", [*OPEN_FORM, Download('button:has-text("Export")')])

    assert (frame.height, frame.width) == (27, 27)
