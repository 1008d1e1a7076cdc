"""A saved session: the cookies of one account at one site, and the facts that may be shown of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http.cookiejar import Cookie

from backhaul.sessions.cookies import alive, as_browser, from_browser, holds_until, is_sound


class Origin(StrEnum):
    """How a session came to be."""

    LOGIN = "login"
    PERSON = "by hand"
    IMPORT = "import"


@dataclass(frozen=True)
class SavedSession:
    """Cookies with their origin. `source` and `user` say whose they are; an empty user is a site without a login."""

    source: str
    user: str
    origin: Origin
    cookies: tuple[Cookie, ...]
    saved_at: datetime

    @classmethod
    def of(cls, source: str, user: str, origin: Origin, cookies: Iterable[Cookie]) -> SavedSession:
        """Return a session as of now; cookies whose time is over are left out."""
        return cls(source, user, origin, tuple(alive(cookies)), datetime.now(UTC))

    @classmethod
    def read(cls, state: bytes) -> SavedSession | None:
        """Return the session that `written` gave these bytes for; None for any others. Dead cookies are left out."""
        try:
            found = json.loads(state)
            cookies = [from_browser(each) for each in found["cookies"]]
            return cls(
                str(found["source"]),
                str(found["user"]),
                Origin(found["origin"]),
                tuple(cookie for cookie in alive(cookies) if is_sound(cookie)),
                datetime.fromisoformat(found["saved_at"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None

    def written(self) -> bytes:
        """Return the session as bytes; they hold the cookies, so they are for the vault alone."""
        value = {
            "source": self.source,
            "user": self.user,
            "origin": self.origin,
            "saved_at": self.saved_at.isoformat(),
            "cookies": [as_browser(cookie) for cookie in self.cookies],
        }
        return json.dumps(value).encode()

    @property
    def holds_until(self) -> datetime | None:
        """When the cookies end, as far as they say (UTC)."""
        end = holds_until(self.cookies)
        # Some sites say the year 9999, or more than a clock can show.
        return None if end is None or end > 253_402_300_799 else datetime.fromtimestamp(end, UTC)

    def same_cookies(self, other: SavedSession) -> bool:
        """Tell whether both would send the same; the order and the times do not matter."""
        return _sent(self) == _sent(other)


def session_name(source: str, user: str) -> str:
    """Return the name under which the vault keeps the session of user at source."""
    return f"{source} {user}"


def masked(user: str) -> str:
    """Return enough of a user name for its owner to know it again."""
    return f"{user[:2]}***" if user else "-"


def _sent(session: SavedSession) -> set[tuple[str, str, str, str | None]]:
    return {(cookie.domain, cookie.path, cookie.name, cookie.value) for cookie in session.cookies}
