"""Signing in by a form in the browser."""

from __future__ import annotations

import time

from backhaul.errors import SourceChanged, TransientError
from backhaul.sessions.login import FormLogin, Verdict, check_verdict, has_captcha
from backhaul.sessions.tab import Tab

_GRACE_S = 10.0
_REFUSED = (400, 401, 403, 422)


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
    tab.found(login.username_field).fill(username, timeout=tab.left_ms())
    field.fill(password, timeout=tab.left_ms())
    seen = tab.pages_seen
    if login.submit is not None:
        tab.press(tab.found(login.submit))
    else:
        # As a person would: Enter presses the form's submit button.
        field.press("Enter", timeout=tab.left_ms(), no_wait_after=True)
    _judge(tab, login, seen)


def _judge(tab: Tab, login: FormLogin, seen: int) -> None:
    """Wait for the answer to the password; raise if it is not that of a session that is signed in."""
    judged_from = time.monotonic()
    while True:
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
    if verdict is Verdict.SIGNED_IN and has_answer and tab.status in _REFUSED:
        verdict = Verdict.FORM_AGAIN
    if verdict is Verdict.UNCLEAR and login.signed_in is not None:
        raise SourceChanged(f"{tab.source}: no {login.signed_in!r} on {page} after signing in")
    check_verdict(tab.source, verdict)
