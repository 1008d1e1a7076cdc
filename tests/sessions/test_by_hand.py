"""Signing in by hand: waiting for a person, and what counts as being through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backhaul.errors import ConfigError, LoginRequired
from backhaul.sandbox import SandboxBackOffice
from backhaul.sealing import Seal
from backhaul.sessions.browser import BROWSER, BrowserSession
from backhaul.sessions.by_hand import Account, check_display, look, take_over
from backhaul.sessions.cookies import new_cookie
from backhaul.sessions.login import FormLogin, Standing, Verdict
from backhaul.sessions.pages import Page
from backhaul.sessions.vault import Vault
from tests.sessions.site import PASSWORD, USERNAME, Site

LOGIN = FormLogin("/login", USERNAME, PASSWORD)
PERSON = """<form id="masuk" method="post" action="/login"><input type="hidden" name="_token" value="{token}">
<input name="email"><input type="password" name="password"><input type="hidden" name="go" value="in">
<div class="g-recaptcha"></div></form><script>setTimeout(() => {{
masuk.email.value = "WHO"; masuk.password.value = "WORD"; masuk.submit(); }}, 400)</script>"""
"""A login with a captcha, and in a script what a person does at it."""


@pytest.fixture(scope="module", autouse=True)
def one_browser() -> Iterator[None]:
    BROWSER.enter()
    yield
    BROWSER.leave()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.mark.browser
def test_it_is_waited_for_until_a_person_is_through(site: Site) -> None:
    site.login_page = PERSON.replace("WHO", USERNAME).replace("WORD", PASSWORD)
    session = BrowserSession("kantor", site.url, LOGIN, allow_http=False)
    try:
        session.sign_in_by_hand(LOGIN, 30)
        cookies = session.cookies()
    finally:
        session.close()

    assert {cookie.value for cookie in cookies} == site.sessions
    assert look(Account("kantor", site.url, LOGIN), cookies) is Standing.SIGNED_IN


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_beside_the_login_does_not_count_as_being_through(site: Site) -> None:
    site.login_page = '<p>{token}</p><script>setTimeout(() => {{ location = "/lupa" }}, 300)</script>'
    site.greets_strangers = True
    login = FormLogin("/login", USERNAME, PASSWORD, signed_in="#out")
    session = BrowserSession("kantor", site.url, login, allow_http=False)
    began = time.monotonic()
    try:
        with pytest.raises(LoginRequired, match="nobody had signed in"):
            session.sign_in_by_hand(login, 2)
    finally:
        session.close()

    assert time.monotonic() - began < 10


@pytest.mark.browser
def test_a_window_that_is_closed_ends_the_waiting(site: Site) -> None:
    session = BrowserSession("kantor", site.url, LOGIN, allow_http=False)

    class Leaves(FormLogin):
        """Closes the window when the page is looked at, as its person might at that moment."""

        def verdict(self, page: Page) -> Verdict:
            for each in session._opened().pages:
                each.close()
            return super().verdict(page)

    try:
        with pytest.raises(LoginRequired, match="the window was closed"):
            session.sign_in_by_hand(Leaves("/login", USERNAME, PASSWORD), 20)
    finally:
        session.close()


def test_a_site_that_is_signed_out_of_after_each_run_takes_no_cookies(tmp_path: Path) -> None:
    account = Account("kantor", "https://kantor.example", FormLogin("/login", "a", "b", logout="/logout"))

    with pytest.raises(ConfigError, match="signed out of after each run"):
        take_over(account, Vault(tmp_path, Seal(bytes(32))), b"")


def test_without_a_display_no_window_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigError, match="no display") as told:
        check_display()

    assert "--cookies FILE" in told.value.next_step
    monkeypatch.setenv("DISPLAY", ":0")
    check_display()


def test_looking_sends_no_password(site: Site) -> None:
    made_up = new_cookie(
        "session", "x", domain="127.0.0.1", path="/", expires=None, is_secure=False, is_http_only=True
    )

    assert look(Account("kantor", site.url, LOGIN), [made_up]) is Standing.SIGNED_OUT
    assert site.passwords == []


def test_a_site_without_a_login_keeps_cookies_too(tmp_path: Path) -> None:
    with SandboxBackOffice() as office:
        account = Account("kantor", office.url, None)
        content = b"127.0.0.1\tFALSE\t/\tFALSE\t0\tandalan_sesi\tx"

        _, session, standing = take_over(account, Vault(tmp_path, Seal(bytes(32))), content)

    assert standing is Standing.UNCLEAR
    assert session.holds_until is None
