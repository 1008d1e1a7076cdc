"""One export without a browser: its steps, page by page, until the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.model import Landed
from backhaul.sessions import forms
from backhaul.sessions.answers import (
    NeedsBrowser,
    NoData,
    SessionExpired,
    Slot,
    check_status,
    no_file,
    suffix_of,
)
from backhaul.sessions.login import FormLogin, wants_sign_in
from backhaul.sessions.pages import Page
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
from backhaul.sessions.wire import Answer, Wire

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MENU = ("aria-haspopup", "aria-expanded", "data-toggle", "data-bs-toggle")


class Visit:
    """The page that one export stands on, and how it goes on from there."""

    def __init__(self, wire: Wire, base_url: str, login: FormLogin | None, request: ExportRequest) -> None:
        self._wire = wire
        self._base_url = base_url
        self._login = login
        self._request = request
        self._deadline = time.monotonic() + request.timeout_s
        self._answer: Answer | None = None
        self._touched: list[tuple[str, HtmlElement]] = []

    def run(self, slot: Slot) -> Landed:
        """Do the steps and land the file that the last one brings."""
        for step in self._request.steps:
            if isinstance(step, Download):
                return self._download(step, slot)
            self._do(step)
        raise AssertionError("the last step of a request is its Download")

    def close(self) -> None:
        """Let go of an answer that was not read to its end."""
        if self._answer is not None:
            self._answer.close()

    def _do(self, step: Step) -> None:
        match step:
            case Open(path):
                self._open(path)
            case Fill(selector, value) | Type(selector, value):
                self._change(selector, lambda control: forms.fill(control, value))
            case Select(selector, label):
                self._change(selector, lambda control: forms.select(control, label))
            case Tick(selector):
                self._change(selector, forms.tick)
            case Untick(selector):
                self._change(selector, forms.untick)
            case Click(selector):
                self._click(selector)
            case Expect(selector):
                self._found(selector)
            case Await(selector, every_s):
                while not self._page.has(selector):
                    self._ask_again(every_s, f"{selector!r} was not there")

    @property
    def _page(self) -> Page:
        """The page we stand on. Raises what its answer stands for if it is no page."""
        assert self._answer is not None
        answer = self._answer
        if answer.page is None:
            raise SourceChanged(f"{answer.asked} answered a file where a page was expected")
        self._check(answer, answer.page)
        return answer.page

    def _check(self, answer: Answer, page: Page) -> None:
        """Raise SessionExpired for the login page, and what the status says of all that is no success."""
        if wants_sign_in(self._login, page, answer.request_url):
            raise SessionExpired()
        if answer.status >= 400 and self._shows_login(page):
            raise SessionExpired()
        check_status(answer.asked, answer.status, answer.retry_after)

    def _shows_login(self, page: Page) -> bool:
        return self._login is not None and self._login.shows_form(page)

    def _open(self, path: str) -> None:
        self._stand_on(self._wire.get(urljoin(self._base_url, path), self._deadline))

    def _stand_on(self, answer: Answer) -> None:
        self.close()
        self._answer = answer
        self._touched.clear()

    def _found(self, selector: str) -> HtmlElement:
        page = self._page
        element = page.find(selector)
        if element is not None:
            return element
        if self._shows_login(page):
            raise SessionExpired()
        raise self._missing(page, f"{self._wire.source}: {selector!r} is not on {page}")

    def _missing(self, page: Page, message: str) -> BackhaulError:
        if page.is_blank:
            return TransientError(f"{self._wire.source}: {page.path} answered nothing")
        if page.has_script:
            return NeedsBrowser(message, is_certain=False)
        return SourceChanged(message)

    def _change(self, selector: str, change: Callable[[HtmlElement], None]) -> None:
        control = self._found(selector)
        try:
            change(control)
        except (ConfigError, SourceChanged) as error:
            where = f"{self._wire.source}: {selector!r} on {self._page.path}"
            raise type(error)(f"{where} {error}") from None
        self._touched.append((selector, control))

    def _click(self, selector: str) -> None:
        element = self._found(selector)
        page = self._page
        target = next((near for near in (element, *element.iterancestors()) if _is_clickable(near)), None)
        if target is None:
            raise self._by_script(selector, page)
        if target.tag in ("a", "area"):
            self._follow(selector, target, page)
        elif target.tag == "summary" or (forms.kind(target) == "button" and _opens_menu(target)):
            return
        elif forms.kind(target) == "checkbox" and target.get("checked") is not None:
            forms.untick(target)
        elif forms.kind(target) in ("checkbox", "radio"):
            forms.tick(target)
        else:
            self._submit(selector, target, page)

    def _follow(self, selector: str, link: HtmlElement, page: Page) -> None:
        address = (link.get("href") or "").strip()
        if _opens_menu(link) and (not address or address.startswith("#")):
            return
        if not address or address.startswith("#") or address.lower().startswith("javascript:"):
            raise self._by_script(selector, page)
        self._refuse_to_lose(None, selector, page)
        self._stand_on(self._wire.get(page.address(address), self._deadline, page.url))

    def _submit(self, selector: str, button: HtmlElement, page: Page) -> None:
        form = forms.submitted_form(button)
        if form is None or forms.is_disabled(button):
            raise self._by_script(selector, page)
        self._refuse_to_lose(form, selector, page)
        self._stand_on(self._wire.submit(forms.submission(form, button, page), page, self._deadline))

    def _refuse_to_lose(self, form: HtmlElement | None, selector: str, page: Page) -> None:
        """Raise NeedsBrowser if something filled in would not be sent: only a script can do it then.

        Going on would fetch all days instead of the window's.
        """
        for touched, control in self._touched:
            if form is None or forms.owner(control) is not form:
                where = f"{self._wire.source}: {selector!r} on {page.path}"
                raise NeedsBrowser(f"{where} sends {touched!r} by script only", is_certain=True)

    def _by_script(self, selector: str, page: Page) -> NeedsBrowser:
        return NeedsBrowser(f"{self._wire.source}: {selector!r} on {page.path} works by script only", is_certain=True)

    def _download(self, step: Download, slot: Slot) -> Landed:
        if step.selector is not None:
            self._click(step.selector)
        assert self._answer is not None
        while (page := self._answer.page) is not None:
            self._check(self._answer, page)
            if page.has(self._request.no_data):
                raise NoData
            if not page.has(step.waiting):
                raise self._no_file(self._answer, page)
            self._ask_again(step.every_s, "the file was not ready")
        answer = self._answer
        return slot.receive(answer.chunks(), suffix_of(answer.disposition, answer.url))

    def _no_file(self, answer: Answer, page: Page) -> Exception:
        if self._shows_login(page):
            return SessionExpired()
        error = no_file(answer.asked, page)
        if isinstance(error, SourceChanged) and page.has_script:
            return NeedsBrowser(str(error), is_certain=False)
        return error

    def _ask_again(self, every_s: float, why: str) -> None:
        """Wait, then ask the current page anew: where it would go by itself, else in the way it was asked."""
        assert self._answer is not None
        page = self._page
        if time.monotonic() + every_s > self._deadline:
            raise TransientError(
                f"{self._wire.source}: {why} on {page.path} within {self._request.timeout_s:g} s",
                next_step="Run again; if the site is simply slow, give the export a longer timeout_s.",
            )
        time.sleep(every_s)
        if page.refresh is not None:
            self._stand_on(self._wire.get(page.refresh, self._deadline, page.url))
        else:
            self._stand_on(self._wire.again(self._answer, self._deadline))


def _is_clickable(element: HtmlElement) -> bool:
    return element.tag in ("a", "area", "button", "summary") or (
        element.tag == "input" and forms.kind(element) in ("submit", "image", "button", "checkbox", "radio")
    )


def _opens_menu(element: HtmlElement) -> bool:
    return any(element.get(name) is not None for name in _MENU)
