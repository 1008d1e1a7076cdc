"""Somebody who looks at the sandbox's WhatsApp page with a real browser and types nothing but a search."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from playwright.sync_api import Browser, Page, sync_playwright

from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sessions.chromium import find_chromium, launch_args

ZONE = "Asia/Jerusalem"
NOON = datetime(2026, 9, 30, 12, 0)
ROWS = '#main [role="row"]'
SCROLLER = "#main .scroller"


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(headless=True), args=launch_args())
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, whatsapp: SandboxWhatsApp, *, zone: str = ZONE) -> Iterator[Page]:
    """Yield the page as it stands in a browser whose clock is in `zone`; each sandbox is new to it."""
    shared = browser.contexts[0] if browser.contexts and zone == ZONE else None
    context = shared or browser.new_context(viewport={"width": 1000, "height": 600}, timezone_id=zone)
    page = context.new_page()
    page.set_default_timeout(8000)
    page.goto(whatsapp.url)
    yield page
    page.close()
    if zone != ZONE:
        context.close()


def open_chat(page: Page, title: str) -> None:
    """Press the chat whose whole title this is, and wait until its header stands there."""
    page.locator(f'#pane-side span[title="{title}"]').click()
    page.wait_for_function("title => document.querySelector('#main header')?.textContent.includes(title)", arg=title)


def drawn(page: Page, what: str) -> list[str]:
    """Return the values of an attribute in the panel, or with `text` the text of all drawn rows."""
    if what == "text":
        return page.locator(f"{ROWS}:not(:empty)").all_inner_texts()
    return page.eval_on_selector_all(f"#main [{what}]", f"all => all.map(one => one.getAttribute('{what}'))")


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()
