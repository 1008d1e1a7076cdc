"""One signed-in session of a source for all its exports: which driver, and signing in again, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from backhaul.errors import ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.model import Landed, Vault
from backhaul.sessions.answers import NeedsBrowser, SessionExpired, Slot
from backhaul.sessions.chromium import is_headed
from backhaul.sessions.login import REFUSALS, FormLogin
from backhaul.sessions.steps import ExportRequest

if TYPE_CHECKING:
    from http.cookiejar import Cookie

T = TypeVar("T")


class Driver(StrEnum):
    """What does the steps: plain HTTP, a browser, or HTTP first and a browser where that is not enough."""

    AUTO = "auto"
    HTTP = "http"
    BROWSER = "browser"


class _Drives(Protocol):
    """What both drivers can do."""

    def sign_in(self) -> None: ...
    def run(self, request: ExportRequest, slot: Slot) -> Landed: ...
    def cookies(self) -> list[Cookie]: ...
    def take_cookies(self, cookies: Iterable[Cookie]) -> None: ...
    def close(self) -> None: ...


class SharedSession:
    """Both drivers with the same cookies, opened on first need and used by several threads at once."""

    def __init__(
        self,
        source: str,
        base_url: str,
        login: FormLogin | None,
        *,
        driver: Driver,
        allow_http: bool,
        vault: Vault,
    ) -> None:
        self._source = source
        self._base_url = base_url
        self._login = login
        self._driver = driver
        self._allow_http = allow_http
        self._vault = vault
        self._lock = threading.RLock()
        self._sign_ins = 0
        self._drivers: dict[Driver, _Drives] = {}

    def sign_in(self) -> None:
        """Sign in, so that a wrong password shows before any export starts.

        Raises LoginRequired, TransientError, SourceChanged, ConfigError.
        """
        wanted = self._chosen("login")
        try:
            self._renew(wanted, seen=0)
        except NeedsBrowser as needs:
            if self._driver is not Driver.AUTO:
                raise
            self._try_browser(needs, lambda: self._renew(Driver.BROWSER, seen=0))
            self._vault.remember(self._memory("login"), Driver.BROWSER)

    def run(self, name: str, request: ExportRequest, slot: Slot) -> Landed:
        """Do the export called name and land its file.

        Raises NoData, LoginRequired, TransientError, SourceChanged, ConfigError.
        """
        wanted = self._chosen(name)
        try:
            return self._repeated(wanted, request, slot)
        except NeedsBrowser as needs:
            if self._driver is not Driver.AUTO:
                raise
            landed = self._try_browser(needs, lambda: self._repeated(Driver.BROWSER, request, slot))
            self._vault.remember(self._memory(name), Driver.BROWSER)
            return landed

    def close(self) -> None:
        """Close both drivers; may be called twice."""
        with self._lock:
            while self._drivers:
                self._drivers.popitem()[1].close()

    def _chosen(self, name: str) -> Driver:
        if self._driver is not Driver.AUTO:
            return self._driver
        if is_headed() or self._vault.recall(self._memory(name)) == Driver.BROWSER:
            return Driver.BROWSER
        return Driver.HTTP

    def _memory(self, name: str) -> str:
        return f"driver:{self._source}:{name}"

    def _opened(self, driver: Driver) -> _Drives:
        """Return the driver, opened on first need with the cookies of the other one."""
        with self._lock:
            if driver not in self._drivers:
                fresh = self._started(driver)
                others = list(self._drivers.values())
                self._drivers[driver] = fresh
                for other in others:
                    fresh.take_cookies(other.cookies())
            return self._drivers[driver]

    def _started(self, driver: Driver) -> _Drives:
        # Imported here, so that a pipeline can be declared and planned without either driver.
        if driver is Driver.BROWSER:
            from backhaul.sessions.browser import BrowserSession

            return BrowserSession(self._source, self._base_url, self._login, allow_http=self._allow_http)
        from backhaul.sessions.http import HttpSession

        return HttpSession(self._source, self._base_url, self._login, allow_http=self._allow_http)

    def _renew(self, driver: Driver, seen: int) -> None:
        """Sign in, unless another thread has done so since `seen` sign-ins were counted."""
        with self._lock:
            if self._sign_ins != seen:
                return
            signing_in = self._opened(driver)
            if self._login is None:
                return
            try:
                with REFUSALS.attempt(self._source, self._login):
                    signing_in.sign_in()
            except SessionExpired as expired:
                raise expired.otherwise or SourceChanged(
                    f"{self._source}: the login page at {self._login.path} is not as FormLogin describes it"
                ) from None
            self._sign_ins += 1
            for other in self._drivers.values():
                if other is not signing_in:
                    other.take_cookies(signing_in.cookies())

    def _repeated(self, driver: Driver, request: ExportRequest, slot: Slot) -> Landed:
        """Do the export; if the session has expired, sign in and do it once more."""
        used = self._opened(driver)
        seen = self._sign_ins
        try:
            return used.run(request, slot)
        except SessionExpired as expired:
            if self._login is None:
                raise expired.otherwise or LoginRequired(
                    f"{self._source}: the site asks to sign in, and the pipeline names no login",
                    next_step="Give the BackOffice a login=FormLogin(...).",
                ) from None
        self._renew(driver, seen)
        try:
            return used.run(request, slot)
        except SessionExpired as expired:
            raise expired.otherwise or TransientError(
                f"{self._source}: session expired again right after signing in"
            ) from None

    def _try_browser(self, needs: NeedsBrowser, call: Callable[[], T]) -> T:
        """Return what call does in the browser; where there is none, say what it would be needed for."""
        try:
            return call()
        except ConfigError as missing:
            if needs.is_certain:
                raise ConfigError(f"{needs}; {missing}", next_step=missing.next_step) from None
            raise SourceChanged(
                f"{needs} (and a browser could not be tried: {missing})", next_step=missing.next_step
            ) from None
