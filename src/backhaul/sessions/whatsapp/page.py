"""WhatsApp Web as somebody sees it who only reads: whether it is signed in, its code, and the messages of a chat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backhaul.errors import LoginRequired, SourceChanged, TransientError
from backhaul.sessions.profile import PROFILES, OpenProfile, PageLost
from backhaul.sessions.whatsapp import script
from backhaul.sessions.whatsapp.chats import LAYOUT, SOURCE
from backhaul.sessions.whatsapp.reading import REFUSED, PageRow, Reading, Standing
from backhaul.sessions.whatsapp.scrolling import Scrolling

if TYPE_CHECKING:
    from playwright.sync_api import Page

T = TypeVar("T")

READ_TIMEOUT_S = 300.0
_READY_S = 60.0
_BLANK_S = 15.0
_TICK_S = 0.2
_MARGIN = 24
_SIGNED_IN = "backhaul.signed-in"
"""A file of the profile: it was signed in once, so that the code means that this has ended."""
_SIGN_IN = "Sign in: backhaul login SYSTEM, and scan the code with the phone."


@dataclass(frozen=True)
class QrCode:
    """The code that is shown for scanning: who scans it is signed in, so it goes into no log.

    Args:
        content: what it says, "" where the page does not tell.
        png: its picture.
    """

    content: str = field(repr=False)
    png: bytes = field(repr=False)


class WhatsAppPage:
    """The page in one profile; any number of these share it in one process, and read in turn."""

    def __init__(self, profile: OpenProfile, pace_s: float) -> None:
        self._profile = profile
        self._pace_s = pace_s
        self._is_closed = False

    @classmethod
    def opened(cls, profile: Path, url: str, *, timezone: str, pace_s: float = 0.3) -> WhatsAppPage:
        """Return the page at url in the browser profile of that folder; to be closed by the caller.

        `pace_s` is the pause between two movements. Raises ConfigError for an address without https off loopback,
        an unknown time zone, or a missing browser; TransientError if another process keeps the profile.
        """
        return cls(PROFILES.open(SOURCE, profile, url, timezone), pace_s)

    def close(self) -> None:
        """Let the page go; the browser ends with its last user."""
        if not self._is_closed:
            self._is_closed = True
            PROFILES.close(self._profile)

    def standing(self, timeout_s: float = _READY_S) -> Standing:
        """Return what the page shows, having waited for it to be done with loading. Raises TransientError."""
        blank_since = time.monotonic()
        ends_at = blank_since + timeout_s
        while True:
            state = self._state()
            if state != "blank":
                blank_since = time.monotonic()
            elif time.monotonic() - blank_since > _BLANK_S:
                self._profile.show_again()
                blank_since = time.monotonic()
            if state in ("ready", "qr", "relink"):
                break
            if time.monotonic() > ends_at:
                break
            time.sleep(_TICK_S)
        mark = self._profile.folder / _SIGNED_IN
        if state == "ready":
            mark.touch()
        if state == "qr" and mark.exists():
            return Standing.EXPIRED
        return Standing.UNKNOWN if state == "blank" else Standing(state)

    def code(self) -> QrCode:
        """Return the code that is shown now. Raises SourceChanged if none is, TransientError."""
        try:
            return self._profile.do(_code)
        except PageLost:
            raise TransientError(
                f"{SOURCE}: the page was loaded anew while its code was read", next_step="Run the command again."
            ) from None

    def renew(self) -> None:
        """Load the page anew: after some minutes it shows no fresh codes by itself. Raises TransientError."""
        self._profile.show_again()

    def read(
        self, group: str, enough: Callable[[Sequence[PageRow]], bool], deadline_s: float = READ_TIMEOUT_S
    ) -> Reading:
        """Read the chat whose whole title is that of group, from its newest message upwards.

        `enough` gets the messages so far, oldest first, after each step, and says whether to stop. Nothing is typed
        but the title into the search box, and no message is touched. Raises LoginRequired, also for a sign-out in
        the middle; ConfigError if there is no such group; SourceChanged for a page of another layout; TransientError
        for one that breaks twice, and past `deadline_s` seconds.
        """
        with self._profile.reading:
            ends_at = time.monotonic() + deadline_s
            for _attempt in (1, 2):
                try:
                    self._check_signed_in(min(_READY_S, deadline_s))
                    return Scrolling(self._profile.do, group, self._pace_s, ends_at).read(enough)
                except PageLost:
                    # Also after the last one: the next reading is to find a page that works.
                    self._profile.show_again()
            raise TransientError(
                f"{SOURCE}: the page broke or was loaded anew twice while {group!r} was read",
                next_step="Run again later; if it goes on, open WhatsApp Web in a browser and look at it.",
            )

    def _check_signed_in(self, timeout_s: float) -> None:
        match self.standing(timeout_s):
            case Standing.READY:
                return
            case Standing.QR:
                raise LoginRequired(f"{SOURCE}: nobody is signed in", next_step=_SIGN_IN)
            case Standing.EXPIRED:
                raise LoginRequired(f"{SOURCE}: the phone has signed this browser out", next_step=_SIGN_IN)
            case Standing.RELINK:
                raise LoginRequired(
                    f"{SOURCE}: the page wants to be linked anew, its data is damaged",
                    next_step="Remove the profile's folder, then sign in: backhaul login SYSTEM.",
                )
            case Standing.LOADING:
                raise TransientError(
                    f"{SOURCE}: the page was still loading its chats after {timeout_s:.0f} s; nothing was read",
                    next_step="Run again later; after long pauses the phone must be on and connected.",
                )
            case Standing.UNKNOWN:
                raise SourceChanged(
                    f"{SOURCE}: the page shows neither chats nor a code to scan; nothing was read",
                    next_step=f"{LAYOUT} {REFUSED}",
                )

    def _state(self) -> str:
        try:
            return str(self._profile.do(lambda page: page.evaluate(script.STATE))["state"])
        except PageLost:
            return "blank"


def _code(page: Page) -> QrCode:
    found: dict[str, Any] = page.evaluate(script.CODE)
    box = found["box"]
    if not box or not box["width"]:
        raise SourceChanged(f"{SOURCE}: the page shows no code to scan", next_step="Run the command again.")
    clip = {
        "x": max(0, box["x"] - _MARGIN),
        "y": max(0, box["y"] - _MARGIN),
        "width": box["width"] + 2 * _MARGIN,
        "height": box["height"] + 2 * _MARGIN,
    }
    return QrCode(str(found["content"]), page.screenshot(clip=clip))  # type: ignore[arg-type]
