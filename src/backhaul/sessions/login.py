"""Signing in by a form: what to type where, and what the answer means. Both drivers use it."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from backhaul.config import Text, text
from backhaul.errors import LoginRequired
from backhaul.sessions.pages import Page, path_of

_USERNAME_FIELDS = (
    "input[name=username], input[name=email], input[type=email], input[name=user], input[name=login], "
    "input[name=userid], input[name=user_name], input[id=username], input[id=email], "
    "input[autocomplete=username]"
)
_PASSWORD_FIELD = "input[type=password]"

_CAPTCHA = (
    ".g-recaptcha, .h-captcha, .cf-turnstile, input[name*=captcha], img[src*=captcha], "
    'iframe[src*="recaptcha"], iframe[src*="hcaptcha"], iframe[src*="challenges.cloudflare.com"]'
)
_CAPTCHA_SCRIPT = (
    'script[src*="recaptcha"], script[src*="hcaptcha"], script[src*="challenges.cloudflare.com"], '
    'script[src*="challenge-platform"]'
)
_CODE_FIELD = "input[autocomplete=one-time-code]"
_CODE_NAME = re.compile(
    r"(?i)otp|token|pin|(auth|verification|security|sms|login|two_?factor|2fa|mfa|totp|one_?time)?[-_]?(code|token)"
    r"|2fa|mfa|totp|kode(_otp)?|\w*otp\w*"
)
_CODE_WORDS = re.compile(
    r"(?i)\botp\b|2fa|two[- ](factor|step)|one[- ]time|authenticat(or|ion) (app|code)|verification code"
    r"|verify|security code|kode (verifikasi|otp|keamanan)|verifikasi|קוד אימות"
)


_ASK_AGAIN_S = 900.0
"""How long a captcha or a code page keeps a source from sending its password again."""


class Verdict(Enum):
    """What the answer to a sign-in is."""

    SIGNED_IN = "signed in"
    FORM_AGAIN = "the user name or the password was refused"
    UNCLEAR = "signing in led to a page that is neither the login form nor clearly behind it"
    CAPTCHA = "the site asks for a captcha"
    CODE = "the site asks for a code (second factor)"


class Standing(Enum):
    """Whether a session is signed in, as far as looking tells."""

    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    UNCLEAR = "unclear: only an export shows"


@dataclass(frozen=True)
class FormLogin:
    """A login page with a user name, a password and a button.

    Args:
        path: the address of the login page.
        submit: the button, by default the form's own submit button.
        signed_in: a selector found only when signed in; without it, being signed in means that the answer has
            no password field and is not the login page.
        logout: the address that signs out, for a site that lets an account in only once at a time: it is asked
            at the end of each run, and no session is saved.
    """

    path: str
    username: Text = field(repr=False)
    password: Text = field(repr=False)
    username_field: str = _USERNAME_FIELDS
    password_field: str = _PASSWORD_FIELD
    submit: str | None = None
    signed_in: str | None = None
    logout: str | None = None

    @property
    def account(self) -> tuple[str, str]:
        """The user name and the password. Raises ConfigError while they are settings without a value."""
        return text(self.username), text(self.password)

    def shows_form(self, page: Page) -> bool:
        """Tell whether a login form stands on page, at whatever address.

        A page behind the login may hold a password field too (a user's details), so this is asked only of
        pages that are not what they should be.
        """
        if page.has(self.signed_in):
            return False
        at_home = _same_path(page.path, self.path)
        return page.has(self.password_field) and (at_home or page.has(self.username_field))

    def verdict(self, page: Page) -> Verdict:
        """Return what page, the answer to a sign-in, means."""
        if page.has(self.signed_in):
            return Verdict.SIGNED_IN
        if page.has(_CAPTCHA):
            return Verdict.CAPTCHA
        if asks_for_code(page):
            return Verdict.CODE
        if self.signed_in is None and not page.has(self.password_field):
            moved_on = not _same_path(page.path, self.path) or _same_path(self.path, "/")
            if moved_on:
                return Verdict.SIGNED_IN
        if page.has(_CAPTCHA_SCRIPT) or "captcha" in page.tree.text_content().casefold():
            return Verdict.CAPTCHA
        return Verdict.FORM_AGAIN if page.has(self.password_field) else Verdict.UNCLEAR


def wants_sign_in(login: FormLogin | None, page: Page, asked: str) -> bool:
    """Tell whether page, the answer to the address asked, is a login page in place of it."""
    if login is None:
        return page.has(_PASSWORD_FIELD) and not _same_path(page.path, path_of(asked))
    if page.has(login.signed_in) or not _same_path(page.path, login.path):
        return False
    return page.has(login.password_field) or not _same_path(path_of(asked), login.path)


def standing(login: FormLogin, at_login: Page, at_home: Callable[[], Page | None]) -> Standing:
    """Return what the login page, and the first page if that does not settle it, show of a session.

    Some sites show the login form to those who are signed in too, and some a first page to those who are not.
    """
    if login.verdict(at_login) is Verdict.SIGNED_IN:
        return Standing.SIGNED_IN
    home = at_home()
    if home is None:
        return Standing.UNCLEAR
    if home.has(login.signed_in):
        return Standing.SIGNED_IN
    is_login = login.shows_form(home) or (_same_path(home.path, login.path) and not _same_path(login.path, "/"))
    return Standing.SIGNED_OUT if is_login else Standing.UNCLEAR


def has_captcha(page: Page) -> bool:
    """Tell whether a person has to solve something on page before a password may be sent."""
    return page.has(_CAPTCHA)


def has_captcha_script(page: Page) -> bool:
    """Tell whether a script on page will ask, or judge by itself, whether a person is there."""
    return page.has(_CAPTCHA_SCRIPT)


def asks_for_code(page: Page) -> bool:
    """Tell whether page asks for a one-time code: by the field's purpose, or name and words."""
    if page.has(_CODE_FIELD):
        return True
    for control in page.tree.iter("input"):
        if (control.get("type") or "text").lower() in ("text", "number", "tel", "password"):
            names = (control.get("name") or "", control.get("id") or "")
            if any(_CODE_NAME.fullmatch(name) for name in names):
                return _CODE_WORDS.search(f"{page.path} {page.tree.text_content()}") is not None
    return False


class PasswordRefused(LoginRequired):
    """The site refused this user name with this password."""


def check_verdict(source: str, verdict: Verdict) -> None:
    """Raise LoginRequired, naming the reason, for every verdict but SIGNED_IN."""
    if verdict is Verdict.FORM_AGAIN:
        raise PasswordRefused(
            f"{source}: {verdict.value}; it is not tried again",
            next_step="Correct the user name and the password in the settings, then start again.",
        )
    if verdict is Verdict.UNCLEAR:
        raise LoginRequired(
            f"{source}: {verdict.value}",
            next_step="If signing in by hand works, give FormLogin a signed_in selector that proves it.",
        )
    if verdict is not Verdict.SIGNED_IN:
        raise LoginRequired(
            f"{source}: {verdict.value}",
            next_step="Run `backhaul login SYSTEM`: a person signs in once, and later runs go on with that session."
            " Or ask for an account without it.",
        )


class Refusals:
    """Which sign-ins were refused in this process: no thread and no other session tries them again.

    A refused password counts until it is another one; a captcha or a code, which a person may clear, for
    a while.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._refused: dict[tuple[str, str], tuple[int, float, LoginRequired]] = {}

    @contextmanager
    def attempt(self, source: str, login: FormLogin) -> Iterator[None]:
        """Hold the account while it signs in; a LoginRequired from within is remembered for this password.

        Raises LoginRequired without any attempt if it was refused before.
        """
        username, password = login.account
        account = (source, username)
        with self._guard:
            lock = self._locks.setdefault(account, threading.Lock())
        with lock:
            what, until, refusal = self._refused.get(account, (0, 0.0, LoginRequired("")))
            if what == hash(password) and time.monotonic() < until:
                raise type(refusal)(str(refusal), next_step=refusal.next_step)
            try:
                yield
            except LoginRequired as error:
                until = math.inf if isinstance(error, PasswordRefused) else time.monotonic() + _ASK_AGAIN_S
                self._refused[account] = (hash(password), until, error)
                raise


REFUSALS = Refusals()
"""Shared by all sessions of the process: a second wrong attempt may lock the account."""


def _same_path(one: str, other: str) -> bool:
    return (urlsplit(one).path.rstrip("/") or "/") == (urlsplit(other).path.rstrip("/") or "/")
