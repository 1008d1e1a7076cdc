"""The driver with a browser: one Chromium per process, on the one thread that may talk to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import Cookie
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backhaul.errors import BackhaulError, ConfigError, TransientError
from backhaul.model import Landed
from backhaul.sessions.answers import SessionExpired, Slot, check_address
from backhaul.sessions.browser_evidence import show
from backhaul.sessions.browser_login import sign_in_on, sign_out_on, standing_on, wait_for_person
from backhaul.sessions.browser_visit import visit
from backhaul.sessions.chromium import INSTALL, find_chromium, is_headed, launch_args
from backhaul.sessions.cookies import as_browser, from_browser
from backhaul.sessions.evidence import Evidence
from backhaul.sessions.login import FormLogin, Standing
from backhaul.sessions.steps import ExportRequest
from backhaul.sessions.tab import Tab, first_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

T = TypeVar("T")

LOGIN_TIMEOUT_S = 60.0
LOGOUT_TIMEOUT_S = 10.0
_SLOW_MO_MS = 250.0
_NODE_TIMEOUT_S = 30.0
_OVERDUE_S = 10.0
"""How long after its time-out a page may still take: for evidence, and for closing."""
DRIVER_HINT = (
    "Install the library that is named (Debian: apt install libatomic1), or name a Node.js of this machine in"
    " PLAYWRIGHT_NODEJS_PATH; then run again."
)


def driver_trouble() -> str | None:
    """Return why Playwright's own Node.js does not start, as half a sentence; None if it does.

    A small Debian lacks libatomic1, and then Playwright says no more than that a connection was closed.
    """
    import playwright

    name = "node.exe" if sys.platform == "win32" else "node"
    node = os.environ.get("PLAYWRIGHT_NODEJS_PATH") or str(Path(playwright.__file__).parent / "driver" / name)
    command = [node, "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_NODE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Playwright's Node.js does not start ({type(error).__name__})"
    if done.returncode == 0:
        return None
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    return f"Playwright's Node.js does not start ({reason.removeprefix(f'{node}: ')})"


def refuse_missing(needs: Needs) -> None:
    """Raise ConfigError if Playwright is not installed."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        raise ConfigError(
            f"{needs.what} needs a browser, and Playwright is not installed",
            next_step=f'Install it: pip install "backhaul[{needs.extra}]".',
        ) from None


class BrowserEnded(TransientError):
    """A page answered no call any more, and its browser was ended with all that was open in it."""


@dataclass(frozen=True)
class Needs:
    """What needs the browser, for errors: its name, the extra to install, and what to do without a display."""

    what: str
    extra: str
    without_display: str


EXPORT = Needs(
    "this export", "browser", "Run without --headed; `backhaul login` also takes a browser's cookies: --cookies."
)


class BrowserThread:
    """Chromium and the thread it lives on; started on first need, ended when its last user has gone."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._users = 0
        self._thread: ThreadPoolExecutor | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._pid: int | None = None

    def enter(self) -> None:
        """Count one more user."""
        with self._guard:
            self._users += 1

    def leave(self) -> None:
        """Count one user less; the last one closes the browser."""
        with self._guard:
            self._users -= 1
            if self._users == 0 and self._thread is not None:
                self._thread.submit(self._stop).result()
                self._thread.shutdown()
                self._thread = None

    def call(self, work: Callable[[], T]) -> T:
        """Return what work returns on the browser's thread, after all work that was asked for before."""
        with self._guard:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
            future = self._thread.submit(work)
        return future.result()

    def new_context(self) -> BrowserContext:
        """Return a fresh set of cookies and pages; on the browser's thread only."""
        if self._browser is not None and not self._browser.is_connected():
            self._browser = None
        if self._browser is None:
            self._browser = self._started()
        return self._browser.new_context(accept_downloads=True)

    def open_profile(self, needs: Needs, folder: Path, timezone: str) -> tuple[BrowserContext, int | None]:
        """Start another Chromium, whose cookies and storage are kept in folder; on the browser's thread only.

        `needs` is for errors. Returns its pages and the number of its process. Who opens it closes it before `leave`.
        """
        headless = not is_headed()
        playwright, program = self._driver(needs, headless=headless)
        with _starting(program, needs, headless=headless):
            context = playwright.chromium.launch_persistent_context(
                folder,
                executable_path=program,
                headless=headless,
                args=launch_args(),
                slow_mo=0 if headless else _SLOW_MO_MS,
                timezone_id=timezone,
                viewport={"width": 1280, "height": 900},
                accept_downloads=False,
            )
            browser = context.browser
            return context, None if browser is None else _process_of(browser)

    @contextmanager
    def bounded(self, source: str, seconds: float, pid: int | None = None) -> Iterator[None]:
        """End the browser if what is done here takes longer: a page whose script never ends answers no call.

        `pid` is that of a profile's browser, without it the ordinary one is meant. Raises BrowserEnded then; the
        next call gets a fresh browser.
        """
        from playwright.sync_api import Error

        is_ended = threading.Event()
        pid = pid or self._pid

        def end() -> None:
            is_ended.set()
            if pid is not None:
                with suppress(OSError):
                    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (Error, TransientError):
            if not is_ended.is_set():
                raise
            raise BrowserEnded(
                f"{source}: a page kept the browser busy for over {seconds:.0f} s, and the browser was ended",
                next_step="Open the page in a browser; if it hangs there too, its site has to repair it.",
            ) from None
        finally:
            timer.cancel()

    def _started(self) -> Browser:
        headless = not is_headed()
        playwright, program = self._driver(EXPORT, headless=headless)
        with _starting(program, EXPORT, headless=headless):
            browser = playwright.chromium.launch(
                executable_path=program,
                headless=headless,
                args=launch_args(),
                slow_mo=0 if headless else _SLOW_MO_MS,
            )
            self._pid = _process_of(browser)
            return browser

    def _driver(self, needs: Needs, *, headless: bool) -> tuple[Playwright, Path]:
        """Return Playwright, started, and the program of the browser."""
        refuse_missing(needs)
        from playwright.sync_api import sync_playwright

        program = find_chromium(headless=headless)
        if program is None:
            raise ConfigError(f"{needs.what} needs a browser, and no Chromium was found", next_step=INSTALL)
        if self._playwright is None:
            if trouble := driver_trouble():
                raise ConfigError(f"{needs.what} needs a browser, and {trouble}", next_step=DRIVER_HINT)
            self._playwright = sync_playwright().start()
        return self._playwright, program

    def _stop(self) -> None:
        if self._playwright is None:
            return
        from playwright.sync_api import Error

        # What has died already is where we want it.
        with suppress(Error):
            if self._browser is not None:
                self._browser.close()
        with suppress(Error):
            self._playwright.stop()
        self._browser = self._playwright = None


@contextmanager
def _starting(program: Path, needs: Needs, *, headless: bool) -> Iterator[None]:
    """Turn what Playwright says of a browser that does not start into an error of ours."""
    from playwright.sync_api import Error

    try:
        yield
    except Error as error:
        if not headless and "DISPLAY" in str(error):
            raise ConfigError(
                "the browser cannot be shown: there is no display",
                next_step=needs.without_display,
            ) from None
        raise TransientError(f"{program.name} did not start: {first_line(error)}") from None


def _process_of(browser: Browser) -> int | None:
    """Return the number of Chromium's main process, which Playwright itself does not tell."""
    wire = browser.new_browser_cdp_session()
    try:
        processes = wire.send("SystemInfo.getProcessInfo")["processInfo"]
    finally:
        wire.detach()
    return next((int(each["id"]) for each in processes if each["type"] == "browser"), None)


BROWSER = BrowserThread()
"""The one browser of this process: two would not fit into the memory of a small machine."""


class BrowserSession:
    """One set of cookies in the browser; exports of several threads queue up for it."""

    def __init__(self, source: str, base_url: str, login: FormLogin | None, *, allow_http: bool) -> None:
        check_address(source, base_url, allow_http=allow_http)
        self.source = source
        self._base_url = base_url
        self._login = login
        self._allow_http = allow_http
        self._context: BrowserContext | None = None
        self._is_closed = False
        BROWSER.enter()

    def sign_in(self, evidence: Evidence | None = None) -> None:
        """Sign in by the form. Raises LoginRequired, TransientError, SourceChanged, ConfigError."""
        login = self._login
        if login is not None:
            BROWSER.call(lambda: self._on_tab(LOGIN_TIMEOUT_S, lambda tab: sign_in_on(tab, login), evidence))

    def run(self, request: ExportRequest, slot: Slot, evidence: Evidence | None = None) -> Landed:
        """Do the steps of request and land its file. Raises what the other driver raises."""
        saved = BROWSER.call(lambda: self._on_tab(request.timeout_s, lambda tab: visit(tab, request), evidence))
        try:
            return slot.adopt(saved.path, saved.suffix)
        finally:
            shutil.rmtree(saved.path.parent, ignore_errors=True)

    def standing(self, evidence: Evidence | None = None) -> Standing:
        """Look whether the session is signed in; sends no password. Raises TransientError, ConfigError."""
        login = self._login
        if login is None:
            return Standing.UNCLEAR
        return BROWSER.call(lambda: self._on_tab(LOGIN_TIMEOUT_S, lambda tab: standing_on(tab, login), evidence))

    def sign_out(self, path: str) -> None:
        """Sign out by the form or the address of path. Raises TransientError, SourceChanged, ConfigError."""
        BROWSER.call(lambda: self._on_tab(LOGOUT_TIMEOUT_S, lambda tab: sign_out_on(tab, path)))

    def sign_in_by_hand(self, login: FormLogin, timeout_s: float) -> None:
        """Show the login page and wait until a person has signed in. Raises LoginRequired, TransientError."""
        BROWSER.call(lambda: self._on_tab(timeout_s, lambda tab: wait_for_person(tab, login)))

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session, for the other driver. Raises TransientError if the browser is gone."""
        return BROWSER.call(self._cookies)

    def _cookies(self) -> list[Cookie]:
        context = self._opened()
        from playwright.sync_api import Error

        try:
            return [from_browser(found) for found in context.cookies()]
        except Error as error:
            raise TransientError(f"{self.source}: the browser failed: {first_line(error)}") from None

    def take_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Go on with the session that the other driver has signed in; a cookie that Chromium refuses is left out."""
        taken = [as_browser(cookie) for cookie in cookies]
        if taken:
            BROWSER.call(lambda: self._add(taken))

    def _add(self, cookies: list[Any]) -> None:
        context = self._opened()
        from playwright.sync_api import Error

        try:
            context.add_cookies(cookies)
        except Error:
            # One that is refused has kept the others out.
            for cookie in cookies:
                with suppress(Error):
                    context.add_cookies([cookie])

    def drop_cookies(self) -> None:
        """Forget every cookie: the session is worth nothing."""
        if self._context is not None:
            BROWSER.call(self._close_context)

    def close(self) -> None:
        """Close the pages; the browser goes with its last session."""
        if not self._is_closed:
            self._is_closed = True
            if self._context is not None:
                BROWSER.call(self._close_context)
            BROWSER.leave()

    def _opened(self) -> BrowserContext:
        if self._context is None:
            self._context = BROWSER.new_context()
        return self._context

    def _on_tab(self, timeout_s: float, work: Callable[[Tab], T], evidence: Evidence | None = None) -> T:
        """Return what work does on a new tab, which is closed after it; on the browser's thread only."""
        context = self._opened()
        from playwright.sync_api import Error

        try:
            tab = Tab(
                context.new_page(),
                source=self.source,
                base_url=self._base_url,
                login=self._login,
                allow_http=self._allow_http,
                timeout_s=timeout_s,
                evidence=evidence,
            )
            with BROWSER.bounded(self.source, timeout_s + _OVERDUE_S):
                try:
                    return work(tab)
                except (BackhaulError, SessionExpired, Error):
                    if evidence is not None:
                        show(tab.page, evidence)
                    raise
                finally:
                    tab.close()
        except BrowserEnded:
            self._context = None
            raise
        except Error as error:
            if "has been closed" in str(error) or "crashed" in str(error):
                self._context = None
                raise TransientError(f"{self.source}: the browser went away in the middle") from None
            # Only the first line: the others may hold what was typed.
            raise TransientError(f"{self.source}: the browser failed: {first_line(error)}") from None

    def _close_context(self) -> None:
        from playwright.sync_api import Error

        # With a browser that has died, its pages are gone too.
        with suppress(Error):
            if self._context is not None:
                self._context.close()
        self._context = None
