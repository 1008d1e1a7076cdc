"""What the sandbox back office can do wrong when it is asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum


class Moment(Enum):
    """The point of an answer at which a fault strikes, and is counted."""

    REQUEST = "any request comes in"
    LOGIN_PAGE = "the login page is shown"
    PASSWORD = "the right password was given"
    PAGE = "an export page is shown"
    FILE = "an export's file is about to be sent"


class Fault(StrEnum):
    """One way to misbehave."""

    SLOW_FIRST_BYTE = "slow-first-byte"
    TOO_MANY_REQUESTS = "too-many-requests"
    SERVER_ERROR = "server-error"
    UNAVAILABLE = "unavailable"
    CAPTCHA = "captcha"
    CODE_STEP = "code-step"
    CHANGED_BUTTON = "changed-button"
    CHANGED_FIELD = "changed-field"
    EXPIRED_SESSION = "expired-session"
    IGNORED_FILTER = "ignored-filter"
    RENAMED_COLUMN = "renamed-column"
    ADDED_COLUMN = "added-column"
    DROPPED_KEY_COLUMN = "dropped-key-column"
    ROWS_WITHOUT_KEY = "rows-without-key"
    SAME_KEY_TWICE = "same-key-twice"
    EMPTY_DAY = "empty-day"
    NO_DATA_PAGE = "no-data-page"
    LOGIN_PAGE_AS_FILE = "login-page-as-file"
    ERROR_PAGE_AS_FILE = "error-page-as-file"
    EMPTY_BODY = "empty-body"
    GARBAGE = "garbage"
    CSV_AS_XLSX = "csv-as-xlsx"
    BOMB = "bomb"
    TRUNCATED = "truncated"
    SLOW_DRIP = "slow-drip"
    CUT_CONNECTION = "cut-connection"

    @property
    def moment(self) -> Moment:
        """When the fault strikes; what is not listed strikes when a file is sent."""
        return _MOMENTS.get(self, Moment.FILE)


_MOMENTS = {
    Fault.SLOW_FIRST_BYTE: Moment.REQUEST,
    Fault.TOO_MANY_REQUESTS: Moment.REQUEST,
    Fault.SERVER_ERROR: Moment.REQUEST,
    Fault.UNAVAILABLE: Moment.REQUEST,
    Fault.CAPTCHA: Moment.LOGIN_PAGE,
    Fault.CODE_STEP: Moment.PASSWORD,
    Fault.CHANGED_BUTTON: Moment.PAGE,
    Fault.CHANGED_FIELD: Moment.PAGE,
}


@dataclass(frozen=True)
class PlannedFault:
    """A fault with its place and number.

    Args:
        path: strikes at this path and everything below it; None is everywhere.
        times: how often it strikes; None is until it is cleared.
        seconds: the wait of a slow answer, the whole time of a slow drip, the Retry-After of a 429.
    """

    fault: Fault
    path: str | None = None
    times: int | None = None
    seconds: float = 1.0

    def is_at(self, path: str) -> bool:
        """Tell whether the fault strikes at path."""
        return self.path is None or path == self.path or path.startswith(self.path.rstrip("/") + "/")


class Faults:
    """The faults that are still to come; may be changed while the office runs, from any thread."""

    def __init__(self, planned: Iterable[Fault | PlannedFault] = ()) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[PlannedFault, int | None]] = []
        self.set(*planned)

    def add(self, fault: Fault, *, path: str | None = None, times: int | None = None, seconds: float = 1.0) -> None:
        """Plan one more fault; see PlannedFault."""
        planned = PlannedFault(fault, path, times, seconds)
        with self._lock:
            self._left.append((planned, planned.times))

    def set(self, *planned: Fault | PlannedFault) -> None:
        """Plan these faults in place of all others; a bare Fault strikes everywhere until it is cleared."""
        whole = [PlannedFault(item) if isinstance(item, Fault) else item for item in planned]
        with self._lock:
            self._left = [(item, item.times) for item in whole]

    def clear(self) -> None:
        """Behave well from now on."""
        self.set()

    def take(self, moment: Moment, path: str) -> dict[Fault, PlannedFault]:
        """Return the faults that strike now, and count each of them down."""
        struck: dict[Fault, PlannedFault] = {}
        with self._lock:
            left: list[tuple[PlannedFault, int | None]] = []
            for planned, times in self._left:
                is_struck = planned.fault.moment is moment and planned.is_at(path) and planned.fault not in struck
                if is_struck:
                    struck[planned.fault] = planned
                    times = times if times is None else times - 1
                if times is None or times > 0:
                    left.append((planned, times))
            self._left = left
        return struck
