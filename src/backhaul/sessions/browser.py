"""The driver with a browser: one Chromium per process, on the one thread that may talk to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.cookiejar import Cookie
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backhaul.errors import ConfigError, TransientError
from backhaul.model import Landed
from backhaul.sessions.answers import Slot, check_address
from backhaul.sessions.browser_login import sign_in_on
from backhaul.sessions.browser_visit import visit
from backhaul.sessions.chromium import INSTALL, find_chromium, is_headed, launch_args
from backhaul.sessions.login import FormLogin
from backhaul.sessions.steps import ExportRequest
from backhaul.sessions.tab import Tab, first_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

T = TypeVar("T")

LOGIN_TIMEOUT_S = 60.0
_SLOW_MO_MS = 250.0
_NODE_TIMEOUT_S = 30.0
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


class BrowserThread:
    """Chromium and the thread it lives on; started on first need, ended when its last user has gone."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._users = 0
        self._thread: ThreadPoolExecutor | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

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

    def _started(self) -> Browser:
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError:
            raise ConfigError(
                "this export needs a browser, and Playwright is not installed",
                next_step="pip install 'backhaul[browser]'",
            ) from None
        headless = not is_headed()
        program = find_chromium(headless=headless)
        if program is None:
            raise ConfigError("this export needs a browser, and no Chromium was found", next_step=INSTALL)
        if self._playwright is None:
            if trouble := driver_trouble():
                raise ConfigError(f"this export needs a browser, and {trouble}", next_step=DRIVER_HINT)
            self._playwright = sync_playwright().start()
        try:
            return self._playwright.chromium.launch(
                executable_path=program,
                headless=headless,
                args=launch_args(),
                slow_mo=0 if headless else _SLOW_MO_MS,
            )
        except Error as error:
            if not headless and "DISPLAY" in str(error):
                raise ConfigError(
                    "the browser cannot be shown: there is no display", next_step="Run without --headed."
                ) from None
            raise TransientError(f"{program.name} did not start: {first_line(error)}") from None

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

    def sign_in(self) -> None:
        """Sign in by the form. Raises LoginRequired, TransientError, SourceChanged, ConfigError."""
        login = self._login
        if login is not None:
            BROWSER.call(lambda: self._on_tab(LOGIN_TIMEOUT_S, lambda tab: sign_in_on(tab, login)))

    def run(self, request: ExportRequest, slot: Slot) -> Landed:
        """Do the steps of request and land its file. Raises what the other driver raises."""
        saved = BROWSER.call(lambda: self._on_tab(request.timeout_s, lambda tab: visit(tab, request)))
        try:
            return slot.adopt(saved.path, saved.suffix)
        finally:
            shutil.rmtree(saved.path.parent, ignore_errors=True)

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session, for the other driver."""
        return BROWSER.call(lambda: [_from_browser(found) for found in self._opened().cookies()])

    def take_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Go on with the session that the other driver has signed in."""
        taken = [_to_browser(cookie) for cookie in cookies]
        if taken:
            BROWSER.call(lambda: self._opened().add_cookies(taken))

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

    def _on_tab(self, timeout_s: float, work: Callable[[Tab], T]) -> T:
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
            )
            try:
                return work(tab)
            finally:
                tab.close()
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


def _to_browser(cookie: Cookie) -> Any:
    """Return cookie as Playwright takes it; the cookie jar calls the host localhost by another name."""
    return {
        "name": cookie.name,
        "value": cookie.value or "",
        "domain": "localhost" if cookie.domain == "localhost.local" else cookie.domain,
        "path": cookie.path,
        "secure": cookie.secure,
        "httpOnly": cookie.has_nonstandard_attr("HttpOnly"),
        "expires": cookie.expires if cookie.expires is not None else -1,
    }


def _from_browser(found: Any) -> Cookie:
    domain = "localhost.local" if found["domain"] == "localhost" else found["domain"]
    expires = int(found["expires"]) if found["expires"] > 0 else None
    return Cookie(
        version=0,
        name=found["name"],
        value=found["value"],
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=domain.startswith("."),
        domain_initial_dot=domain.startswith("."),
        path=found["path"],
        path_specified=True,
        secure=found["secure"],
        expires=expires,
        discard=expires is None,
        comment=None,
        comment_url=None,
        rest={"HttpOnly": ""} if found["httpOnly"] else {},
    )
