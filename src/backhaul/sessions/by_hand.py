"""Sessions that a person gives: signed in by hand in a window, or taken over from the browser in use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import Cookie
from urllib.parse import urljoin, urlsplit

from backhaul.errors import BackhaulError, ConfigError, LoginRequired
from backhaul.model import Vault
from backhaul.sessions.cookie_files import Imported, read_cookies
from backhaul.sessions.cookies import is_for
from backhaul.sessions.login import FormLogin, Standing
from backhaul.sessions.saved import Origin, SavedSession, session_name


@dataclass(frozen=True)
class Account:
    """One account at one site, all settings filled in: what a session is saved for."""

    source: str
    base_url: str
    login: FormLogin | None
    allow_http: bool = False
    user: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", self.login.account[0] if self.login is not None else "")

    @property
    def name(self) -> str:
        """The name of its session in the vault."""
        return session_name(self.source, self.user)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts whose cookies make a session: the site's, and that of a login elsewhere."""
        urls = [self.base_url, *([urljoin(self.base_url, self.login.path)] if self.login is not None else [])]
        return tuple(dict.fromkeys(urlsplit(url).hostname or "" for url in urls))


def check_kept(account: Account) -> None:
    """Raise ConfigError for an account of which no session is saved."""
    if account.login is not None and account.login.logout is not None:
        raise ConfigError(
            f"{account.source} is signed out of after each run, so no session of it is saved",
            next_step="Take logout= out of its FormLogin to have sessions saved.",
        )


def saved_session(account: Account, vault: Vault) -> SavedSession | None:
    """Return the account's saved session, if there is one. Raises Damaged, and ConfigError for another key's."""
    state = vault.recall_session(account.name)
    return None if state is None else SavedSession.read(state)


def look(account: Account, cookies: Iterable[Cookie]) -> Standing:
    """Ask the site whether cookies are signed in; sends no password. Raises TransientError, ConfigError."""
    from backhaul.sessions.http import HttpSession

    session = HttpSession(account.source, account.base_url, account.login, allow_http=account.allow_http)
    try:
        session.take_cookies(cookies)
        return session.standing()
    finally:
        session.close()


def take_over(account: Account, vault: Vault, content: bytes) -> tuple[Imported, SavedSession, Standing]:
    """Save the cookies of a browser's export as the account's session; return them and what the site says of them.

    Raises ConfigError for a file without any, and LoginRequired, saving nothing, if the site does not take them.
    """
    check_kept(account)
    imported = read_cookies(content, account.hosts)
    standing = look(account, imported.cookies)
    if standing is Standing.SIGNED_OUT:
        raise LoginRequired(
            f"{account.source}: the site does not take these cookies as signed in; they were not saved",
            next_step="Sign in once more in that browser, export the cookies at once, and do not sign out there.",
        )
    session = SavedSession.of(account.source, account.user, Origin.IMPORT, imported.cookies)
    vault.save_session(account.name, session.written())
    return imported, session, standing


def sign_in_by_hand(account: Account, vault: Vault, timeout_s: float) -> SavedSession:
    """Show the login page, wait until a person has signed in, save the session and return it.

    Raises LoginRequired if nobody does in time, ConfigError where no window can be shown.
    """
    login = account.login
    if login is None:
        raise ConfigError(
            f"{account.source} has no login page: the pipeline names no login",
            next_step="Give the BackOffice a login=FormLogin(...), or take over cookies: --cookies FILE.",
        )
    check_kept(account)
    check_display()
    from backhaul.sessions.browser import BrowserSession

    with _shown():
        session = BrowserSession(account.source, account.base_url, login, allow_http=account.allow_http)
        try:
            session.sign_in_by_hand(login, timeout_s)
            cookies = [cookie for cookie in session.cookies() if any(is_for(cookie, host) for host in account.hosts)]
        except BackhaulError:
            session.close()
            raise
        # Not after Ctrl-C: the browser's thread still waits for the person, and ends with the process.
        session.close()
    saved = SavedSession.of(account.source, account.user, Origin.PERSON, cookies)
    vault.save_session(account.name, saved.written())
    return saved


def check_display() -> None:
    """Raise ConfigError where no window can be shown."""
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_display:
        raise ConfigError(
            "there is no display here to show a browser on",
            next_step="Sign in with a browser on your own computer, export its cookies (cookies.txt or JSON) and hand"
            " them over: backhaul login SYSTEM --cookies FILE.",
        )


@contextmanager
def _shown() -> Iterator[None]:
    """Have the browser shown, whatever the settings say."""
    before = os.environ.get("BACKHAUL_HEADED")
    os.environ["BACKHAUL_HEADED"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["BACKHAUL_HEADED"]
        else:
            os.environ["BACKHAUL_HEADED"] = before
