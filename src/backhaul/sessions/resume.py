"""The saved state of one session: taken up at the start of a run, kept again when cookies have changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from http.cookiejar import Cookie

from backhaul.errors import ConfigError
from backhaul.model import Vault
from backhaul.sealing import Damaged
from backhaul.sessions.saved import Origin, SavedSession, session_name


class SavedState:
    """What the vault holds for one account at one source. Not keeping it is never worth a failed run."""

    def __init__(self, vault: Vault, source: str, user: str, *, is_kept: bool = True) -> None:
        self._vault = vault
        self._source = source
        self._user = user
        self._is_kept = is_kept
        self._last: SavedSession | None = None
        self._state: bytes | None = None
        self.trouble = ""
        """Why a session that is there cannot be used, as a sentence; empty if there is none or it can."""

    def recall(self) -> tuple[Cookie, ...]:
        """Return the saved cookies whose time is not over; none where there is nothing of use."""
        if not self._is_kept:
            return ()
        try:
            state = self._vault.recall_session(self._name)
        except (ConfigError, Damaged, OSError) as error:
            self.trouble = f"The session that was saved is of no use: {error}."
            return ()
        self._last = SavedSession.read(state) if state is not None else None
        if self._last is None:
            return ()
        self._state = state
        return self._last.cookies

    def keep(self, cookies: Iterable[Cookie], origin: Origin | None = None) -> None:
        """Save cookies if they differ from what is there; without an origin they are those of before, refreshed."""
        if not self._is_kept:
            return
        before = self._last
        chosen = origin or (before.origin if before else Origin.LOGIN)
        session = SavedSession.of(self._source, self._user, chosen, cookies)
        if not session.cookies or (before is not None and session.same_cookies(before) and origin is None):
            return
        state = session.written()
        with contextlib.suppress(OSError):
            self._vault.save_session(self._name, state)
        self._last, self._state = session, state

    def forget(self) -> None:
        """Remove what `recall` gave: the site does not take it; what another run has saved since stays."""
        if self._state is None:
            return
        self.trouble = "The session that was saved is signed out."
        with contextlib.suppress(ConfigError, Damaged, OSError):
            if self._vault.recall_session(self._name) == self._state:
                self._vault.forget_session(self._name)
        self._last = self._state = None

    @property
    def _name(self) -> str:
        return session_name(self._source, self._user)
