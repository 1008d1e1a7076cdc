"""Who is at the sandbox back office: visits by cookie, signed in or not."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

COOKIE = "andalan_sesi"


def _made_up() -> str:
    return secrets.token_urlsafe(24)


@dataclass
class Visit:
    """What the server remembers of one browser.

    Args:
        token: the CSRF token of every form in this visit.
        intended: where a visitor wanted to go before the login.
        message: shown once, on the next login page.
        is_half_in: the password was right, the code is still to come.
        has_captcha: the last login page asked to prove a person.
    """

    cookie: str = field(default_factory=_made_up)
    token: str = field(default_factory=_made_up)
    intended: str | None = None
    message: str | None = None
    is_signed_in: bool = False
    is_half_in: bool = False
    has_captcha: bool = False

    def take_message(self) -> str | None:
        """Return the message and forget it."""
        message, self.message = self.message, None
        return message


class Visits:
    """All visits the server knows; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_cookie: dict[str, Visit] = {}

    def of(self, cookie: str | None) -> Visit:
        """Return the visit of a cookie, or a new one."""
        with self._lock:
            known = self._by_cookie.get(cookie or "")
            if known is not None:
                return known
            visit = Visit()
            self._by_cookie[visit.cookie] = visit
            return visit

    def renew(self, visit: Visit) -> None:
        """Give the visit a new cookie and token, as is done at every login and logout."""
        with self._lock:
            self._by_cookie.pop(visit.cookie, None)
            visit.cookie, visit.token = _made_up(), _made_up()
            self._by_cookie[visit.cookie] = visit

    def forget_all(self) -> None:
        """Sign everybody out; their cookies are worth nothing from now on."""
        with self._lock:
            self._by_cookie.clear()
