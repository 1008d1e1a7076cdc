"""One export in the browser: its steps on one page, until the file is saved."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.sessions import forms
from backhaul.sessions.answers import NoData, SessionExpired, is_table_file, no_file, suffix_of
from backhaul.sessions.pages import Page, is_page, path_of
from backhaul.sessions.selectors import check_selector
from backhaul.sessions.steps import (
    Await,
    Click,
    Download,
    Expect,
    ExportRequest,
    Fill,
    Open,
    Select,
    Step,
    Tick,
    Type,
    Untick,
)
from backhaul.sessions.tab import Tab, first_line

if TYPE_CHECKING:
    from playwright.sync_api import Download as BrowserDownload
    from playwright.sync_api import Locator

_GRACE_S = 3.0
_PAGE_BYTES = 16 * 1024 * 1024
_SET_VALUE = """(control, value) => {
    control.value = value;
    for (const kind of ["input", "change"]) control.dispatchEvent(new Event(kind, {bubbles: true}));
}"""


@dataclass(frozen=True)
class Saved:
    """A file that the browser has saved into a folder of its own."""

    path: Path
    suffix: str


def visit(tab: Tab, request: ExportRequest) -> Saved:
    """Do the steps of request on tab and return the file that the last one brings."""
    for step in request.steps:
        if isinstance(step, Download):
            return _download(tab, request, step)
        _do(tab, step)
    raise AssertionError("the last step of a request is its Download")


def _do(tab: Tab, step: Step) -> None:
    match step:
        case Open(path):
            tab.open(path)
        case Fill(selector, value):
            _change(tab, selector, lambda control: _fill(tab, control, value))
        case Type(selector, value):
            _change(tab, selector, lambda control: _type(tab, control, value))
        case Select(selector, label):
            _change(tab, selector, lambda control: _select(tab, control, label))
        case Tick(selector):
            _change(tab, selector, lambda control: _set_ticked(tab, control, True))
        case Untick(selector):
            _change(tab, selector, lambda control: _set_ticked(tab, control, False))
        case Click(selector):
            tab.press(tab.found(selector))
            tab.settle()
        case Expect(selector):
            tab.found(selector)
        case Await(selector, every_s):
            check_selector(selector)
            while not tab.page.locator(f"css={selector}").count():
                tab.ask_again(every_s, f"{selector!r} was not there")


def _change(tab: Tab, selector: str, change: Callable[[Locator], object]) -> None:
    from playwright.sync_api import Error

    control = tab.found(selector)
    where = f"{tab.source}: {selector!r} on {path_of(tab.page.url)}"
    try:
        change(control)
    except (ConfigError, SourceChanged) as error:
        raise type(error)(f"{where} {error}") from None
    except Error as error:
        raise SourceChanged(f"{where} cannot be used: {first_line(error)}") from None


def _fill(tab: Tab, control: Locator, value: str) -> None:
    if control.is_disabled():
        raise SourceChanged("is disabled")
    if control.get_attribute("type") == "date":
        forms.check_date(value)
    if control.is_visible() and control.is_editable():
        control.fill(value, timeout=tab.left_ms())
    else:
        # Hidden fields and read-only date pickers, which a script would write into.
        control.evaluate(_SET_VALUE, value)


def _type(tab: Tab, control: Locator, value: str) -> None:
    if control.get_attribute("type") == "date":
        # A date field takes keys in the order of the browser's language.
        _fill(tab, control, value)
        return
    control.fill("", timeout=tab.left_ms())
    control.press_sequentially(value, timeout=tab.left_ms())


def _select(tab: Tab, control: Locator, label: str) -> None:
    wanted = " ".join(label.split())
    options: list[str] = control.evaluate("list => [...list.options || []].map(option => option.text)")
    if wanted not in (" ".join(option.split()) for option in options):
        raise SourceChanged(f"has no choice {label!r} among its {len(options)}")
    control.select_option(label=wanted, force=not control.is_visible(), timeout=tab.left_ms())


def _set_ticked(tab: Tab, control: Locator, is_ticked: bool) -> None:
    if control.is_visible():
        control.set_checked(is_ticked, timeout=tab.left_ms())
    else:
        # Pretty boxes hide the real one and are drawn over it.
        control.evaluate("(box, wanted) => { if (box.checked !== wanted) box.click(); }", is_ticked)


def _download(tab: Tab, request: ExportRequest, step: Download) -> Saved:
    seen = 0
    if step.selector is not None:
        control = tab.found(step.selector)
        seen = tab.pages_seen
        tab.press(control)
    while True:
        _wait_for_answer(tab, request, seen)
        page = _answered(tab)
        if isinstance(page, Saved):
            return page
        if page.has(request.no_data):
            raise NoData
        if not page.has(step.waiting):
            if tab.login is not None and tab.login.shows_form(page):
                raise SessionExpired()
            raise no_file(f"{tab.source}: {page.path}", page)
        seen = tab.pages_seen
        tab.ask_again(step.every_s, "the file was not ready")


def _wait_for_answer(tab: Tab, request: ExportRequest, seen: int) -> None:
    """Wait for a download, or for a new page whose scripts have had time to start one."""
    stood = (seen, time.monotonic())
    while not tab.downloads:
        tab.pause()
        if request.no_data is not None and tab.page.locator(f"css={request.no_data}").count():
            raise NoData
        if tab.is_late:
            raise tab.late("no file came")
        if tab.pages_seen > stood[0]:
            stood = (tab.pages_seen, time.monotonic())
        if tab.pages_seen > seen and (not tab.read().has_script or time.monotonic() - stood[1] > _GRACE_S):
            return


def _answered(tab: Tab) -> Saved | Page:
    """Return the file that has come, or else the page."""
    saved = _saved(tab, tab.downloads.pop()) if tab.downloads else _inline_file(tab)
    if saved is None:
        return tab.check_page()
    return _page_in(saved, tab) or saved


def _inline_file(tab: Tab) -> Saved | None:
    """Return the file that the browser shows instead of saving it (CSV as text/plain), or None."""
    answer = tab.answers[-1] if tab.answers else None
    if answer is None or answer.status >= 400 or "html" in answer.headers.get("content-type", "html"):
        return None
    body = answer.body()
    if not body:
        return None
    path = _fresh_path()
    path.write_bytes(body)
    return Saved(path, suffix_of("", answer.url))


def _saved(tab: Tab, download: BrowserDownload) -> Saved:
    from playwright.sync_api import Error

    path = _fresh_path()
    asked = f"{tab.source}: {path_of(download.url) if '://' in download.url else 'the download'}"
    try:
        download.save_as(path)
        download.delete()
    except Error as error:
        path.parent.rmdir()
        raise TransientError(f"{asked} was cut off ({first_line(error)})") from None
    if not path.stat().st_size:
        path.unlink()
        path.parent.rmdir()
        raise TransientError(f"{asked} answered nothing where a file was expected: a broken download")
    return Saved(path, suffix_of(f'filename="{download.suggested_filename}"', download.url))


def _page_in(saved: Saved, tab: Tab) -> Page | None:
    """Return the page that a site has sent under the name of a file (it is not kept), or None for a file.

    HTML that is a table, or too long for a page, is a file too; its proof has the last word.
    """
    with saved.path.open("rb") as file:
        head = file.read(512)
        if not is_page(head, "", "attachment"):
            return None
        html = head + file.read(_PAGE_BYTES)
        if file.read(1):
            return None
    page = Page.read(html, tab.page.url)
    if is_table_file(page):
        return None
    shutil.rmtree(saved.path.parent)
    return page


def _fresh_path() -> Path:
    return Path(tempfile.mkdtemp(prefix="backhaul-")) / "download"
