"""Signing in by a form in the browser, by itself or by a person's hand; looking, and signing out."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from backhaul.errors import ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.sessions.answers import SessionExpired
from backhaul.sessions.browser_guard import Guard, guarded
from backhaul.sessions.forms import form_to
from backhaul.sessions.login import FormLogin, Standing, Verdict, check_verdict, has_captcha, standing
from backhaul.sessions.pages import Page
from backhaul.sessions.tab import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserPage

_GRACE_S = 10.0
_REFUSED = (400, 401, 403, 422)
_LOOK_MS = 500.0
_REACH_MS = 30_000.0
_STAY_HERE = """field => {
    for (const each of field.form ? [field.form, ...field.form.elements] : [])
        for (const name of ["target", "formtarget"]) if (each.hasAttribute(name)) each.setAttribute(name, "_self");
}"""
"""A form that opens a window of its own would be answered out of sight of the guard."""


def sign_in_on(tab: Tab, login: FormLogin) -> None:
    """Sign in by the form. Raises LoginRequired, TransientError, SourceChanged, ConfigError."""
    username, password = login.account
    tab.open(login.path, check=False)
    page = tab.read()
    if has_captcha(page):
        check_verdict(tab.source, Verdict.CAPTCHA)
    tab.check_status()
    if not page.has(login.password_field) and login.verdict(page) is Verdict.SIGNED_IN:
        return
    field = tab.found(login.password_field)
    target = field.evaluate("field => field.form ? field.form.action : location.href")
    tab.check_address(str(target))
    tab.check_home(str(target), login.path)
    field.evaluate(_STAY_HERE)
    with guarded(tab.page, lambda url: is_home(tab, login, url)) as guard:
        tab.found(login.username_field).fill(username, timeout=tab.left_ms())
        field.fill(password, timeout=tab.left_ms())
        seen = tab.pages_seen
        if login.submit is not None:
            tab.press(tab.found(login.submit))
        else:
            # As a person would: Enter presses the form's submit button.
            field.press("Enter", timeout=tab.left_ms(), no_wait_after=True)
        try:
            _judge(tab, login, seen, guard)
        finally:
            if guard.stopped is not None:
                tab.check_address(guard.stopped)
                tab.check_home(guard.stopped, login.path)


def is_home(tab: Tab, login: FormLogin, url: str) -> bool:
    """Tell whether a password may go to url."""
    try:
        tab.check_address(url)
        tab.check_home(url, login.path)
    except ConfigError:
        return False
    return True


def standing_on(tab: Tab, login: FormLogin) -> Standing:
    """Look whether the browser is signed in. Raises TransientError for a site that does not answer."""

    def seen(path: str) -> Page | None:
        tab.open(path, check=False)
        if tab.status == 429 or tab.status >= 500:
            tab.check_status()
        return tab.read() if tab.status < 400 and not tab.downloads else None

    page = seen(login.path)
    return Standing.UNCLEAR if page is None else standing(login, page, lambda: seen(""))


def sign_out_on(tab: Tab, path: str) -> None:
    """Sign out by the form of the first page that is sent to path, else by asking for path."""
    tab.open("", check=False)
    page = tab.read()
    form = form_to(page, path)
    if form is None:
        tab.open(path, check=False)
        return
    number = list(page.tree.iter("form")).index(form)
    tab.page.locator("css=form").nth(number).evaluate("form => form.submit()")
    # The login page is what a site answers to this.
    with suppress(SessionExpired):
        tab.settle()


def wait_for_person(tab: Tab, login: FormLogin) -> None:
    """Show the login page and wait until somebody has signed in. Raises LoginRequired, TransientError."""
    from playwright.sync_api import Error

    tab.open(login.path, check=False)
    try:
        while not any(_is_through(tab, login, page) for page in tab.page.context.pages):
            if tab.is_late:
                raise LoginRequired(
                    f"{tab.source}: nobody had signed in when the time was over",
                    next_step="Run the same command again, with a longer --wait-minutes if need be.",
                )
            tab.page.wait_for_timeout(_LOOK_MS)
    except Error as error:
        if "has been closed" not in str(error):
            raise
        raise LoginRequired(
            f"{tab.source}: the window was closed before anybody had signed in",
            next_step="Run the same command again, and leave the window open until it closes by itself.",
        ) from None


def _is_through(tab: Tab, login: FormLogin, page: BrowserPage) -> bool:
    """Tell whether page is one of the office behind its login, and the office says so too when it is asked."""
    from playwright.sync_api import Error

    if not is_home(tab, login, page.url):
        return False
    try:
        if login.verdict(Page.read(page.content(), page.url)) is not Verdict.SIGNED_IN:
            return False
        return standing(login, _asked(tab, login.path), lambda: _asked(tab, "")) is not Standing.SIGNED_OUT
    except Error as error:
        if "has been closed" in str(error):
            raise
        # A page that is just being left, or a site that is slow for once: it is looked at again.
        return False


def _asked(tab: Tab, path: str) -> Page:
    """Return a page that is asked for with the browser's cookies, beside the window that the person looks at."""
    answer = tab.page.context.request.get(urljoin(tab.base_url, path), timeout=_REACH_MS)
    try:
        return Page.read(answer.body(), answer.url)
    finally:
        answer.dispose()


def _judge(tab: Tab, login: FormLogin, seen: int, guard: Guard) -> None:
    """Wait for the answer to the password; raise if it is not that of a session that is signed in."""
    judged_from = time.monotonic()
    while guard.stopped is None:
        tab.pause()
        page = tab.read()
        verdict = login.verdict(page)
        has_answer = tab.pages_seen > seen
        if has_answer and (tab.status == 419 or tab.status == 429 or tab.status >= 500):
            raise TransientError(f"{tab.source}: signing in was answered with {tab.status}")
        if verdict not in (Verdict.FORM_AGAIN, Verdict.UNCLEAR) or tab.refused_status in _REFUSED:
            break
        stands = not page.has_script or time.monotonic() > judged_from + _GRACE_S
        if has_answer and (stands or login.shows_form(page)):
            break
        if tab.is_late:
            raise tab.late("nothing came of signing in")
    else:
        return
    if verdict is Verdict.SIGNED_IN and has_answer and tab.status in _REFUSED:
        verdict = Verdict.FORM_AGAIN
    if verdict is Verdict.UNCLEAR and login.signed_in is not None:
        raise SourceChanged(f"{tab.source}: no {login.signed_in!r} on {page} after signing in")
    check_verdict(tab.source, verdict)
