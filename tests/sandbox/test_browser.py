from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page, sync_playwright

from backhaul.sandbox import SandboxBackOffice, Variant
from backhaul.sessions.chromium import find_chromium
from tests.sandbox.visitor import DAY

pytestmark = pytest.mark.browser


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(headless=True), args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium.new_page()
        chromium.close()


def sign_in(page: Page, office: SandboxBackOffice) -> None:
    page.goto(f"{office.url}/login")
    page.fill('[name="username"]', office.username)
    page.fill('[name="password"]', office.password)
    page.click("main button")


def rows_downloaded(page: Page, button: str) -> int:
    with page.expect_download() as download:
        page.click(button)
    return pl.read_excel(BytesIO(Path(download.value.path()).read_bytes()), infer_schema_length=0).height


@pytest.mark.parametrize("variant", [Variant.STANDARD, Variant.SCRIPT, Variant.BACKGROUND])
def test_a_browser_gets_the_rows_of_the_day_once_the_question_is_answered(page, variant):
    questions = []
    page.on("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept()))
    with SandboxBackOffice(variant) as office:
        sign_in(page, office)
        page.goto(f"{office.url}/user-front")
        page.fill('input[id="filter-start"]', DAY)
        page.fill('input[id="filter-end"]', DAY)

        assert rows_downloaded(page, "button.btn.btn-success.m3.expot-pdf") == 16
        assert len(questions) == (1 if variant is Variant.SCRIPT else 0)


def test_the_download_link_of_the_links_variant_shows_when_its_menu_is_opened(page):
    with SandboxBackOffice(Variant.LINKS) as office:
        sign_in(page, office)
        page.goto(f"{office.url}/koin_pay?tgl_awal={DAY}&tgl_akhir={DAY}")
        assert not page.is_visible("a.unduh")
        page.click("details.menu summary")

        assert rows_downloaded(page, "a.unduh") == 1


def test_a_browser_asks_for_nothing_that_the_office_does_not_have(page):
    with SandboxBackOffice() as office:
        sign_in(page, office)
        page.goto(f"{office.url}/transaksi/index-export")

        assert {made.status for made in office.requests} == {200, 302}
