"""One signed-in session of a source for all its exports: which driver, saved or fresh, and signing in again, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from backhaul.errors import BackhaulError, ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.model import Landed, Vault
from backhaul.sessions.answers import NeedsBrowser, NoData, SessionExpired, Slot
from backhaul.sessions.chromium import is_headed
from backhaul.sessions.evidence import Evidence
from backhaul.sessions.login import REFUSALS, FormLogin, Standing
from backhaul.sessions.resume import SavedState
from backhaul.sessions.saved import Origin
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

    def sign_in(self, evidence: Evidence | None = None) -> None: ...
    def run(self, request: ExportRequest, slot: Slot, evidence: Evidence | None = None) -> Landed: ...
    def standing(self, evidence: Evidence | None = None) -> Standing: ...
    def sign_out(self, path: str) -> None: ...
    def cookies(self) -> list[Cookie]: ...
    def take_cookies(self, cookies: Iterable[Cookie]) -> None: ...
    def drop_cookies(self) -> None: ...
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
        self._user, password = login.account if login is not None else ("", "")
        self._secrets = (self._user, password)
        self._state = SavedState(vault, source, self._user, is_kept=login is None or login.logout is None)
        self._lock = threading.RLock()
        self._sign_ins = 0
        self._drivers: dict[Driver, _Drives] = {}
        self._last = Driver.HTTP
        self._is_signed_in = False
        self._is_resumed = False
        self._is_doubtful = False

    def sign_in(self) -> None:
        """Take up the saved session, or sign in, so that a wrong password shows before any export starts.

        Raises LoginRequired, TransientError, SourceChanged, ConfigError.
        """
        wanted = self._chosen("login")
        with self._evidence(
            lambda name, content: self._vault.keep_evidence(f"{self._source}/{name}", content)
        ) as seen:
            if self._resumed(wanted, seen):
                return
            try:
                self._renew(wanted, 0, seen)
            except NeedsBrowser as needs:
                if self._driver is not Driver.AUTO:
                    raise
                self._try_browser(needs, lambda: self._renew(Driver.BROWSER, 0, seen))
                self._vault.remember(self._memory("login"), Driver.BROWSER)

    def run(self, name: str, request: ExportRequest, slot: Slot) -> Landed:
        """Do the export called name and land its file; of a failure, keep what shows why.

        Raises NoData, LoginRequired, TransientError, SourceChanged, ConfigError.
        """
        wanted = self._chosen(name)
        with self._evidence(slot.landing.keep_evidence) as seen:
            try:
                return self._repeated(wanted, request, slot, seen)
            except NeedsBrowser as needs:
                if self._driver is not Driver.AUTO:
                    raise
                landed = self._try_browser(needs, lambda: self._repeated(Driver.BROWSER, request, slot, seen))
                self._vault.remember(self._memory(name), Driver.BROWSER)
                return landed

    def close(self) -> None:
        """Save cookies that the site has changed, or sign out, and close both drivers; may be called twice."""
        with self._lock:
            if self._is_signed_in and self._drivers:
                self._is_signed_in = False
                # The run is over: neither a site that is gone nor a full disk makes anything worse.
                with suppress(BackhaulError, SessionExpired, OSError):
                    self._end()
            while self._drivers:
                self._drivers.popitem()[1].close()

    def _end(self) -> None:
        used = self._drivers.get(self._last) or next(iter(self._drivers.values()))
        if self._login is not None and self._login.logout is not None:
            used.sign_out(self._login.logout)
        else:
            self._state.keep(used.cookies())

    @contextmanager
    def _evidence(self, keep: Callable[[str, bytes], None]) -> Iterator[Evidence]:
        """Give a place for evidence, which is kept if what is done there fails."""
        evidence = Evidence(self._secrets)
        try:
            yield evidence
        except BackhaulError:
            evidence.keep(keep)
            raise

    def _resumed(self, driver: Driver, evidence: Evidence) -> bool:
        """Take up the saved session, and tell whether it is, or may be, signed in; no password is sent."""
        with self._lock:
            if self._is_signed_in or not (cookies := self._state.recall()):
                return self._is_signed_in
            used = self._opened(driver)
            used.take_cookies(cookies)
            self._is_resumed = True
            try:
                standing = used.standing(evidence)
            except SourceChanged:
                standing = Standing.UNCLEAR
            if standing is Standing.SIGNED_OUT:
                self._let_go(0)
                return False
            self._is_signed_in = True
            self._is_doubtful = standing is Standing.UNCLEAR
            return True

    def _let_go(self, seen: int) -> None:
        """Count as signed out, unless another thread has signed in since `seen`; forget a session that was saved."""
        with self._lock:
            if self._sign_ins != seen:
                return
            self._is_signed_in = self._is_doubtful = False
            if self._is_resumed:
                self._is_resumed = False
                self._state.forget()
                for driver in self._drivers.values():
                    driver.drop_cookies()

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

    def _renew(self, driver: Driver, seen: int, evidence: Evidence) -> None:
        """Sign in, unless another thread has done so since `seen` sign-ins were counted."""
        with self._lock:
            if self._sign_ins != seen:
                return
            signing_in = self._opened(driver)
            if self._login is None:
                return
            try:
                with REFUSALS.attempt(self._source, self._login):
                    signing_in.sign_in(evidence)
            except SessionExpired as expired:
                raise expired.otherwise or SourceChanged(
                    f"{self._source}: the login page at {self._login.path} is not as FormLogin describes it"
                ) from None
            except LoginRequired as error:
                raise type(error)(str(error), next_step=f"{error.next_step} {self._state.trouble}".rstrip()) from None
            self._sign_ins += 1
            self._is_signed_in, self._is_resumed, self._is_doubtful = True, False, False
            self._last = driver
            for other in self._drivers.values():
                if other is not signing_in:
                    other.take_cookies(signing_in.cookies())
            self._state.keep(signing_in.cookies(), Origin.LOGIN)

    def _repeated(self, driver: Driver, request: ExportRequest, slot: Slot, evidence: Evidence) -> Landed:
        """Do the export; if the session has expired, sign in and do it once more."""
        seen = self._sign_ins
        try:
            return self._done(driver, request, slot, evidence)
        except SessionExpired as expired:
            self._let_go(seen)
            if self._login is None:
                raise expired.otherwise or LoginRequired(
                    f"{self._source}: the site asks to sign in, and the pipeline names no login",
                    next_step="Give the BackOffice a login=FormLogin(...), or take over the session of your browser:"
                    " `backhaul login SYSTEM --cookies FILE`.",
                ) from None
            self._renew(driver, seen, evidence)
        except (SourceChanged, NoData) as doubtful:
            self._settle(doubtful, driver, seen, evidence)
        try:
            return self._done(driver, request, slot, evidence)
        except SessionExpired as expired:
            self._is_signed_in = False
            raise expired.otherwise or TransientError(
                f"{self._source}: session expired again right after signing in"
            ) from None

    def _done(self, driver: Driver, request: ExportRequest, slot: Slot, evidence: Evidence) -> Landed:
        landed = self._opened(driver).run(request, slot, evidence)
        self._last = driver
        # A file is the proof that the saved session still holds.
        self._is_doubtful = False
        return landed

    def _settle(self, doubtful: SourceChanged | NoData, driver: Driver, seen: int, evidence: Evidence) -> None:
        """Sign in if nothing has shown yet that the saved session holds; else raise what the site has said.

        A page that misses something, or says that there is nothing, may be what those see who are not signed in.
        """
        is_settled = self._sign_ins == seen and not self._is_doubtful
        if is_settled or self._login is None:
            raise doubtful
        try:
            self._renew(driver, seen, evidence)
        except LoginRequired:
            raise doubtful from None

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
