"""The driver without a browser: httpx for the way there, lxml for the forms."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.cookiejar import Cookie
from urllib.parse import urljoin

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.model import Landed
from backhaul.sessions.answers import NeedsBrowser, Slot, check_status
from backhaul.sessions.evidence import Evidence
from backhaul.sessions.forms import form_to, owner, submission, submit_button, submitted_form
from backhaul.sessions.login import (
    FormLogin,
    Standing,
    Verdict,
    check_verdict,
    has_captcha,
    has_captcha_script,
    standing,
)
from backhaul.sessions.pages import Page
from backhaul.sessions.steps import ExportRequest
from backhaul.sessions.visit import Visit
from backhaul.sessions.wire import Answer, Wire

LOGIN_TIMEOUT_S = 60.0
PAGE_EXPIRED = 419
"""Laravel's answer to a form whose token belongs to another cookie."""
LOGOUT_TIMEOUT_S = 10.0


class HttpSession:
    """Cookies and connections to one site; several threads may run exports on it side by side."""

    def __init__(self, source: str, base_url: str, login: FormLogin | None, *, allow_http: bool) -> None:
        self.source = source
        self._login = login
        self._base_url = base_url
        homes = (base_url,) if login is None else (base_url, urljoin(base_url, login.path))
        self._wire = Wire(source, homes, allow_http=allow_http)

    def sign_in(self, evidence: Evidence | None = None) -> None:
        """Sign in by the form. Raises LoginRequired, TransientError, SourceChanged, NeedsBrowser."""
        if self._login is not None:
            with self._watched(evidence):
                self._sign_in(self._login)

    def _sign_in(self, login: FormLogin) -> None:
        deadline = time.monotonic() + LOGIN_TIMEOUT_S
        for last in (False, False, True):
            page = self._login_page(login, deadline)
            if page is None:
                return
            answer = self._submitted(login, page, deadline)
            if answer.status != PAGE_EXPIRED or last:
                self._judge(login, answer)
                return
            # Another export's request was given a new cookie meanwhile; the password was not looked at.
            answer.close()

    def _submitted(self, login: FormLogin, page: Page, deadline: float) -> Answer:
        """Fill the form of the login page and send it; return the answer."""
        username, password = login.account
        field = page.find(login.password_field)
        form = None if field is None else owner(field)
        name = None if form is None else Page(page.url, form).find(login.username_field)
        if name is None:
            name = page.find(login.username_field)
        if field is None or form is None or name is None:
            missing = "password field in a form" if field is None or form is None else "user name field"
            raise self._missing(page, f"{self.source}: no {missing} on {page}")
        name.set("value", username)
        field.set("value", password)
        button = submit_button(form) if login.submit is None else page.find(login.submit)
        if login.submit is not None and button is None:
            raise self._missing(page, f"{self.source}: no {login.submit!r} on {page}")
        if button is not None:
            form = submitted_form(button)
        if form is None:
            raise NeedsBrowser(f"{self.source}: the login button of {page} works by script", is_certain=True)
        return self._wire.submit(submission(form, button, page), page, deadline, is_secret=True)

    def run(self, request: ExportRequest, slot: Slot, evidence: Evidence | None = None) -> Landed:
        """Do the steps of request and land its file.

        Raises SessionExpired, NoData, NeedsBrowser, SourceChanged, TransientError, ConfigError.
        """
        visit = Visit(self._wire, self._base_url, self._login, request)
        with self._watched(evidence):
            try:
                return visit.run(slot)
            finally:
                visit.close()

    def standing(self, evidence: Evidence | None = None) -> Standing:
        """Look whether the session is signed in; sends no password. Raises TransientError, ConfigError."""
        login = self._login
        if login is None:
            return Standing.UNCLEAR
        deadline = time.monotonic() + LOGIN_TIMEOUT_S
        page = self._seen(urljoin(self._base_url, login.path), deadline)
        return (
            Standing.UNCLEAR if page is None else standing(login, page, lambda: self._seen(self._base_url, deadline))
        )

    def sign_out(self, path: str) -> None:
        """Sign out by the form or the address of path. Raises TransientError, SourceChanged, ConfigError."""
        deadline = time.monotonic() + LOGOUT_TIMEOUT_S
        home = self._wire.get(self._base_url, deadline)
        form = None if home.page is None else form_to(home.page, path)
        if form is None or home.page is None:
            home.close()
            self._wire.get(urljoin(self._base_url, path), deadline).close()
        else:
            self._wire.submit(submission(form, submit_button(form), home.page), home.page, deadline).close()

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session, for the other driver."""
        return self._wire.cookies()

    def take_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Go on with the session that the other driver has signed in."""
        self._wire.take_cookies(cookies)

    def drop_cookies(self) -> None:
        """Forget every cookie: the session is worth nothing."""
        self._wire.drop_cookies()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    @contextmanager
    def _watched(self, evidence: Evidence | None) -> Iterator[None]:
        self._wire.watch(evidence)
        try:
            yield
        finally:
            self._wire.watch(None)

    def _seen(self, url: str, deadline: float) -> Page | None:
        """Return the page at url, or None for an answer that tells nothing of who asks."""
        answer = self._wire.get(url, deadline)
        answer.close()
        if answer.status == 429 or answer.status >= 500:
            check_status(answer.asked, answer.status, answer.retry_after)
        return answer.page if answer.status < 400 else None

    def reached(self) -> str:
        """Return in words what answers at the login page, or at the base address where there is no login.

        Sends no password. Raises what the way there raises: TransientError, SourceChanged, ConfigError.
        """
        deadline = time.monotonic() + LOGIN_TIMEOUT_S
        address = self._base_url if self._login is None else urljoin(self._base_url, self._login.path)
        answer = self._wire.get(address, deadline)
        answer.close()
        if answer.status not in (401, 403):
            check_status(answer.asked, answer.status, answer.retry_after)
        page = answer.page
        if self._login is None or page is None:
            return "it answers"
        has_form = page.has(self._login.password_field)
        return "its login page answers" if has_form else "it answers; a login form is not seen without a browser"

    def _login_page(self, login: FormLogin, deadline: float) -> Page | None:
        """Return the login page, or None if the site holds us for signed in already."""
        answer = self._wire.get(urljoin(self._base_url, login.path), deadline)
        page = answer.page
        if page is None:
            answer.close()
            raise SourceChanged(f"{answer.asked} answered a file where the login page was expected")
        if has_captcha(page) or (answer.status in (403, 503) and has_captcha_script(page)):
            check_verdict(self.source, Verdict.CAPTCHA)
        if answer.status not in (401, 403):
            check_status(answer.asked, answer.status, answer.retry_after)
        if page.has(login.password_field):
            if has_captcha_script(page):
                raise NeedsBrowser(f"{self.source}: a script watches the login on {page}", is_certain=True)
            return page
        if answer.status < 400 and login.verdict(page) is Verdict.SIGNED_IN:
            return None
        raise self._missing(page, f"{self.source}: no password field on {page}")

    def _judge(self, login: FormLogin, answer: Answer) -> None:
        """Raise if answer, to the submitted password, is not that of a session that is signed in."""
        if answer.page is None:
            answer.close()
            return
        if answer.status in (PAGE_EXPIRED, 429) or answer.status >= 500:
            if has_captcha_script(answer.page):
                check_verdict(self.source, Verdict.CAPTCHA)
            raise TransientError(f"{answer.asked} answered {answer.status} while signing in")
        if answer.status in (404, 405, 410):
            check_status(answer.asked, answer.status, None)
        verdict = login.verdict(answer.page)
        if answer.status >= 400 and verdict is Verdict.SIGNED_IN:
            verdict = Verdict.FORM_AGAIN
        if verdict is Verdict.UNCLEAR and login.signed_in is not None:
            raise self._missing(
                answer.page, f"{self.source}: no {login.signed_in!r} on {answer.page} after signing in"
            )
        check_verdict(self.source, verdict)

    def _missing(self, page: Page, message: str) -> BackhaulError:
        if page.is_blank:
            return TransientError(f"{self.source}: {page.path} answered nothing")
        if page.has_script:
            return NeedsBrowser(message, is_certain=False)
        return SourceChanged(message)
