"""A Chromium profile that is kept between runs: one browser per folder, one process at a time."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backhaul.errors import ConfigError, TransientError
from backhaul.sessions.answers import check_address
from backhaul.sessions.browser import BROWSER, BrowserEnded, Needs, refuse_missing
from backhaul.sessions.tab import first_line

if TYPE_CHECKING:
    from filelock import FileLock
    from playwright.sync_api import BrowserContext, Page

T = TypeVar("T")

LOCK, HOLDER = "backhaul.lock", "backhaul.holder"
CALL_TIMEOUT_S = 30.0
_OPEN_TIMEOUT_S = 60.0
_WAIT_S = 60.0
_PRIVATE = 0o700
_EXTRA = "whatsapp"
_NO_DISPLAY = "Run without BACKHAUL_HEADED, or give it a display: xvfb-run -a backhaul ..."
_NETWORK = "Look whether this machine reaches the internet, then run again."
_AGAIN = "Run again: the next attempt starts a fresh browser."
_MARKS = ("SingletonLock", "SingletonCookie", "SingletonSocket")
_GONE = ("has been closed", "crashed", "Connection closed", "Target closed")


class PageLost(Exception):
    """The page was loaded anew, or replaced, while it was asked something: nothing is known of it any more."""


@dataclass(eq=False)
class OpenProfile:
    """One page of one profile, for all threads of this process; opened on first need, also after its end.

    Args:
        source: what errors call it.
        folder: where Chromium keeps the profile; private to its owner.
        url: what the page shows first.
        timezone: that of the browser, such as `Asia/Jerusalem`.
        wait_s: how long to wait for another process that has the profile open.
    """

    source: str
    folder: Path
    url: str
    timezone: str
    wait_s: float = _WAIT_S
    reading: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    """Held by the one who is moving about on the page."""
    users: int = field(default=0, init=False)
    _lock: FileLock | None = field(default=None, init=False, repr=False)
    _context: BrowserContext | None = field(default=None, init=False, repr=False)
    _page: Page | None = field(default=None, init=False, repr=False)
    _pid: int | None = field(default=None, init=False, repr=False)

    def start(self) -> None:
        """Take the profile's lock and show the page. Raises TransientError, ConfigError."""
        refuse_missing(self._needs)
        prepare(self.folder)
        with ExitStack() as undo:
            self._lock = _locked(self.source, self.folder, self.wait_s)
            undo.callback(self._lock.release)
            clear_marks(self.source, self.folder, self.wait_s)
            _write_holder(self.folder)
            BROWSER.enter()
            undo.callback(self._leave)
            self.do(lambda page: None)
            undo.pop_all()

    def do(self, work: Callable[[Page], T], *, seconds: float = CALL_TIMEOUT_S) -> T:
        """Return what work does with the page, on the browser's thread; after `seconds` the browser is ended.

        Raises TransientError for a browser that is gone, the next call gets a fresh one; PageLost for a page that
        went elsewhere in the middle.
        """
        return BROWSER.call(lambda: self._done(work, seconds))

    @property
    def _needs(self) -> Needs:
        return Needs(self.source, _EXTRA, _NO_DISPLAY)

    def show_again(self) -> None:
        """Load the page anew. Raises TransientError."""
        self.do(self._go, seconds=_OPEN_TIMEOUT_S)

    def close(self) -> None:
        """Close the browser and let the profile go."""
        try:
            self._leave()
        finally:
            (self.folder / HOLDER).unlink(missing_ok=True)
            if self._lock is not None:
                self._lock.release()

    def _leave(self) -> None:
        BROWSER.call(self._end)
        BROWSER.leave()

    def _done(self, work: Callable[[Page], T], seconds: float) -> T:
        from playwright.sync_api import Error

        try:
            if self._page is None or self._page.is_closed():
                self._open()
            assert self._page is not None
            with BROWSER.bounded(self.source, seconds, self._pid):
                return work(self._page)
        except BrowserEnded:
            self._end()
            raise
        except Error as error:
            if any(words in str(error) for words in _GONE):
                self._end()
                raise TransientError(
                    f"{self.source}: the browser went away in the middle; nothing was taken", next_step=_AGAIN
                ) from None
            if "context was destroyed" in str(error) or "navigat" in str(error):
                raise PageLost from None
            raise TransientError(
                f"{self.source}: the browser failed: {first_line(error)}", next_step=_AGAIN
            ) from None

    def _open(self) -> None:
        self._end()
        self._context, self._pid = BROWSER.open_profile(self._needs, self.folder, self.timezone)
        pages = self._context.pages
        self._page = pages[0] if pages else self._context.new_page()
        with BROWSER.bounded(self.source, _OPEN_TIMEOUT_S, self._pid):
            self._go(self._page)

    def _go(self, page: Page) -> None:
        from playwright.sync_api import Error
        from playwright.sync_api import TimeoutError as Timeout

        try:
            page.goto(self.url, wait_until="domcontentloaded", timeout=(_OPEN_TIMEOUT_S - 10) * 1000)
            page.bring_to_front()
        except Timeout:
            raise TransientError(
                f"{self.source}: no page came within {_OPEN_TIMEOUT_S - 10:.0f} s", next_step=_NETWORK
            ) from None
        except Error as error:
            if any(words in str(error) for words in _GONE):
                raise
            raise TransientError(
                f"{self.source}: the page was not reached ({first_line(error)})", next_step=_NETWORK
            ) from None

    def _end(self) -> None:
        from playwright.sync_api import Error

        # With a browser that has died, its pages are gone too.
        with suppress(Error):
            if self._context is not None:
                self._context.close()
        self._context = self._page = self._pid = None


class OpenProfiles:
    """The profiles that are open in this process; who opens one that is open shares it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[Path, OpenProfile] = {}

    def open(self, source: str, folder: Path, url: str, timezone: str, *, wait_s: float = _WAIT_S) -> OpenProfile:
        """Return the profile of folder, with one user more.

        Raises ConfigError for an address without https off loopback, for a time zone that there is none of, and for
        a folder that is open with another address or zone; TransientError if another process keeps it.
        """
        check_address(source, url, allow_http=False)
        _check_zone(source, timezone)
        place = folder.expanduser().absolute()
        with self._guard:
            profile = self._open.get(place)
            if profile is None:
                profile = OpenProfile(source, place, url, timezone, wait_s)
                profile.start()
                self._open[place] = profile
            elif (profile.url, profile.timezone) != (url, timezone):
                raise ConfigError(
                    f"{source}: the profile {folder.name} is open already, with another address or time zone",
                    next_step="Give each address and time zone a profile of its own.",
                )
            profile.users += 1
            return profile

    def close(self, profile: OpenProfile) -> None:
        """Take one user away; the last one closes the browser."""
        with self._guard:
            profile.users -= 1
            if profile.users == 0:
                del self._open[profile.folder]
                profile.close()


PROFILES = OpenProfiles()
"""Those of this process."""


def prepare(folder: Path) -> None:
    """Make folder, for its owner alone. Raises ConfigError where there is something else, or no right to."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        if sys.platform != "win32" and folder.stat().st_mode & 0o077:
            folder.chmod(_PRIVATE)
    except OSError as error:
        raise ConfigError(
            f"the profile's folder {folder} cannot be used: {error.strerror or type(error).__name__}",
            next_step="Name a folder that this user may write to.",
        ) from None


def clear_marks(source: str, folder: Path, wait_s: float) -> None:
    """Remove the marks that a Chromium which is no more has left in folder; call with our own lock held.

    Chromium refuses a profile that another host has marked, and a container has a new host name each time. Waits
    for a browser of this host that is just ending. Raises TransientError for one that lives on.
    """
    ends_at = time.monotonic() + wait_s
    while (pid := _marked_by(folder / _MARKS[0])) is not None:
        if time.monotonic() > ends_at:
            raise TransientError(
                f"{source}: a browser of this machine (process {pid}) has the profile open",
                next_step="Close that browser, then run again.",
            )
        time.sleep(0.2)
    for name in _MARKS:
        (folder / name).unlink(missing_ok=True)


def _marked_by(mark: Path) -> int | None:
    """Return the number of the living process of this host that has set the mark, or None."""
    try:
        host, _, number = str(mark.readlink()).rpartition("-")
    except OSError:
        # There is no mark, or this system has another kind of lock.
        return None
    if host != socket.gethostname() or not number.isdecimal():
        return None
    pid = int(number)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return pid
    # The number may have gone to another program since.
    command = Path(f"/proc/{pid}/cmdline")
    with suppress(OSError):
        if b"chrom" not in command.read_bytes().lower():
            return None
    return pid


def _locked(source: str, folder: Path, wait_s: float) -> FileLock:
    from filelock import FileLock, Timeout

    # Not bound to a thread: the last user of the profile may be another one than the first.
    lock = FileLock(folder / LOCK, timeout=wait_s, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise TransientError(
            f"{source}: the profile is in use by {_holder(folder)}, for more than {wait_s:.0f} s",
            next_step="Wait until that run or login ends, or stop it, then run again.",
        ) from None
    return lock


def _holder(folder: Path) -> str:
    try:
        said = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {int(said['pid'])} on {str(said['host'])[:60]}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _write_holder(folder: Path) -> None:
    said = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
    (folder / HOLDER).write_text(said, encoding="utf-8")


def _check_zone(source: str, timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{source}: there is no time zone {timezone!r}",
            next_step="Write one like Asia/Jerusalem or Asia/Jakarta.",
        ) from None
