"""A page of the browser: where it stands, what it was answered, and how long it may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from backhaul.errors import SourceChanged, TransientError
from backhaul.sessions.answers import SessionExpired, check_address, check_home, check_status
from backhaul.sessions.evidence import Asked, Evidence
from backhaul.sessions.login import FormLogin, wants_sign_in
from backhaul.sessions.pages import Page, path_of
from backhaul.sessions.selectors import check_selector

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Download, Frame, Locator, Request, Response
    from playwright.sync_api import Page as BrowserPage

_ELEMENT_S = 30.0
_VISIBLE_S = 1.0
_TICK_S = 0.05
_TOLD = ("document", "xhr", "fetch")
"""The kinds of requests that evidence lists: pages and what scripts ask for, no pictures."""


class Tab:
    """A page of the browser, what it asked for, and what came of it."""

    def __init__(
        self,
        page: BrowserPage,
        *,
        source: str,
        base_url: str,
        login: FormLogin | None,
        allow_http: bool,
        timeout_s: float,
        evidence: Evidence | None = None,
    ) -> None:
        self.page = page
        self.source = source
        self.base_url = base_url
        self.login = login
        self._allow_http = allow_http
        self._seconds = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self.downloads: list[Download] = []
        self.answers: list[Response] = []
        self._failures: list[Request] = []
        self.refused_status: int | None = None
        self.pages_seen = 0
        self._pending: Request | None = None
        self._evidence = evidence
        self._asked: dict[Request, Asked] = {}
        self._listen(page)
        page.context.on("page", self._listen)

    def close(self) -> None:
        """Close the page and what it opened."""
        self.page.context.remove_listener("page", self._listen)
        for page in self.page.context.pages:
            page.close()

    def open(self, path: str, *, check: bool = True) -> None:
        """Go to an address; check=False leaves it to the caller what the page is."""
        address = urljoin(self.base_url, path)
        self.check_address(address)
        timeout = self.left_ms()
        self._go(lambda: self.page.goto(address, wait_until="domcontentloaded", timeout=timeout))
        if check and not self.downloads:
            self.check_page()

    def press(self, control: Locator) -> None:
        """Click, also on what is hidden in a closed menu; what comes of it is not waited for."""
        from playwright.sync_api import TimeoutError as Timeout

        try:
            if control.is_visible():
                control.click(timeout=self._element_ms(), no_wait_after=True)
            else:
                control.evaluate("control => control.click()")
        except Timeout:
            page = self.check_page()
            raise SourceChanged(f"{self.source}: a control on {page} cannot be clicked") from None

    def settle(self) -> None:
        """Wait until the page that a click led to is there."""
        self.pause()
        while self._pending is not None:
            if self.is_late:
                raise self.late("no answer came")
            self.pause()
        if not self.downloads:
            self.check_page()

    def read(self) -> Page:
        """Return the page as it stands now; one that is just being left is read again."""
        from playwright.sync_api import Error

        while True:
            try:
                self.page.wait_for_load_state("domcontentloaded", timeout=self.left_ms())
                return Page.read(self.page.content(), self.page.url)
            except Error as error:
                if "has been closed" in str(error):
                    raise
                self.pause()

    def check_page(self) -> Page:
        """Return the page. Raises SessionExpired for the login page, and what its status says."""
        page = self.read()
        if self.answers:
            first = self.answers[-1].request
            while first.redirected_from is not None:
                first = first.redirected_from
            if wants_sign_in(self.login, page, first.url):
                raise SessionExpired()
            if self.status >= 400 and self.login is not None and self.login.shows_form(page):
                raise SessionExpired()
        self.check_status()
        return page

    def check_status(self) -> None:
        """Raise what the status of the last answer to the page itself stands for."""
        if self.answers:
            answer = self.answers[-1]
            asked = f"{self.source}: {answer.request.method} {path_of(answer.request.url)}"
            check_status(asked, answer.status, answer.headers.get("retry-after"))

    def found(self, selector: str) -> Locator:
        """Return the first element that selector finds, a visible one if there is any, waiting for it."""
        from playwright.sync_api import TimeoutError as Timeout

        check_selector(selector)
        found = self.page.locator(f"css={selector}")
        try:
            if not found.count() and not self.read().has_script:
                raise Timeout("no script will bring it")
            found.first.wait_for(state="attached", timeout=self._element_ms())
        except Timeout:
            page = self.check_page()
            if self.login is not None and self.login.shows_form(page):
                raise SessionExpired() from None
            raise SourceChanged(f"{self.source}: {selector!r} is not on {page}") from None
        visible = found.filter(visible=True).first
        try:
            visible.wait_for(state="visible", timeout=_VISIBLE_S * 1000)
        except Timeout:
            return found.first
        return visible

    def ask_again(self, every_s: float, why: str) -> None:
        """Wait, then reload the page, unless it has gone on by itself in the meantime."""
        if time.monotonic() + every_s > self._deadline:
            raise self.late(why)
        heard = len(self.answers)
        until = time.monotonic() + every_s
        while time.monotonic() < until and not self.downloads and len(self.answers) == heard:
            self.pause()
        if not self.downloads and len(self.answers) == heard:
            timeout = self.left_ms()
            self._go(lambda: self.page.reload(wait_until="domcontentloaded", timeout=timeout))
        if not self.downloads:
            self.check_page()

    def pause(self, seconds: float = _TICK_S) -> None:
        """Wait while events come in, and raise for a page that could not be reached."""
        self.page.wait_for_timeout(seconds * 1000)
        self._check_failure()

    @property
    def is_late(self) -> bool:
        """Tell whether the time-out has passed."""
        return time.monotonic() > self._deadline

    @property
    def status(self) -> int:
        """The HTTP status of the last answer to the page itself; 0 before there is one."""
        return self.answers[-1].status if self.answers else 0

    def check_home(self, url: str, path: str) -> None:
        """Raise ConfigError if url is neither on the office's host nor on that of path."""
        check_home(self.source, url, self.base_url, urljoin(self.base_url, path))

    def check_address(self, url: str) -> None:
        """Raise ConfigError for an address that would carry the session in clear over a network."""
        check_address(self.source, url, allow_http=self._allow_http)

    def left_ms(self) -> float:
        """Return the milliseconds that are left. Raises TransientError if there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.late("the page was not ready")
        return left * 1000

    def _element_ms(self) -> float:
        """Return how long to wait for one element, leaving time to look why it is missing."""
        return min(_ELEMENT_S * 1000, self.left_ms() / 2)

    def late(self, why: str) -> TransientError:
        """Return the error for a time-out."""
        seen = f"; a request of the page was answered {self.refused_status}" if self.refused_status else ""
        return TransientError(
            f"{self.source}: {why} on {path_of(self.page.url)} within {self._seconds:g} s{seen}",
            next_step="Run again; if the site is simply slow, give the export a longer timeout_s.",
        )

    def _go(self, navigate: Callable[[], object]) -> None:
        """Navigate; a file that comes instead of a page is heard as a download."""
        from playwright.sync_api import Error
        from playwright.sync_api import TimeoutError as Timeout

        heard = len(self.downloads)
        try:
            navigate()
        except Timeout:
            raise self.late("no answer came") from None
        except Error as error:
            self.pause()
            if len(self.downloads) == heard:
                self.check_status()
                raise TransientError(
                    f"{self.source}: {path_of(self.page.url)} was not reached ({first_line(error)})"
                ) from None

    def _listen(self, page: BrowserPage) -> None:
        page.on("dialog", _accept)
        page.on("download", self._take)
        page.on("request", self._ask)
        page.on("response", self._hear)
        page.on("requestfailed", self._hear_failure)
        page.on("framenavigated", self._see)

    def _ask(self, request: Request) -> None:
        if self._evidence is not None and request.resource_type in _TOLD:
            self._asked[request] = self._evidence.ask(request.method, request.url)
        if _is_main(request, self.page):
            self._pending = request

    def _take(self, download: Download) -> None:
        self._pending = None
        self.downloads.append(download)

    def _hear(self, response: Response) -> None:
        if self._evidence is not None and (asked := self._asked.pop(response.request, None)) is not None:
            self._evidence.hear(asked, response.status)
        if _is_main(response.request, self.page):
            self.answers.append(response)
        elif response.status >= 400 and response.request.resource_type in ("xhr", "fetch"):
            self.refused_status = response.status

    def _see(self, frame: Frame) -> None:
        if frame == self.page.main_frame:
            self.pages_seen += 1
            self._pending = None

    def _hear_failure(self, request: Request) -> None:
        self._asked.pop(request, None)
        if _is_main(request, self.page):
            self._pending = None
            # ERR_ABORTED is how a navigation ends that turns into a download.
            if "ERR_ABORTED" not in (request.failure or ""):
                self._failures.append(request)

    def _check_failure(self) -> None:
        if self._failures:
            self.check_status()
            request = self._failures[-1]
            asked = f"{self.source}: {request.method} {path_of(request.url)}"
            raise TransientError(f"{asked} was cut off or not reached ({request.failure})")


def first_line(error: BaseException) -> str:
    """Return the first line of a message of Playwright: the others may hold what was typed."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _accept(dialog: Dialog) -> None:
    dialog.accept()


def _is_main(request: Request, page: BrowserPage) -> bool:
    return request.is_navigation_request() and request.frame == page.main_frame
