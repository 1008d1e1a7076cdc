"""What the sandbox Bot API can do wrong when it is asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class TelegramFault(StrEnum):
    """One way to misbehave."""

    TOO_MANY_REQUESTS = "too-many-requests"
    SERVER_ERROR = "server-error"
    BAD_GATEWAY = "bad-gateway"
    HANG = "hang"
    CUT_BEFORE = "cut-before"
    CUT_AFTER = "cut-after"
    BLOCKED = "blocked"
    CHAT_NOT_FOUND = "chat-not-found"
    MIGRATED = "migrated"
    NO_RIGHTS = "no-rights"
    CONFLICT = "conflict"
    BAD_ENTITIES = "bad-entities"


@dataclass(frozen=True)
class PlannedTelegramFault:
    """A fault with its method and number.

    Args:
        method: strikes calls of this method; None is every one.
        after: so many calls of it go well first.
        times: how often it strikes then; None is until it is cleared.
        seconds: what a 429 asks to wait, and how long a hanging answer hangs.
    """

    fault: TelegramFault
    method: str | None = None
    after: int = 0
    times: int | None = None
    seconds: float = 1.0


class TelegramFaults:
    """The faults that are still to come; may be changed while the sandbox runs, from any thread."""

    def __init__(self, planned: Iterable[TelegramFault | PlannedTelegramFault] = ()) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[PlannedTelegramFault, int]] = []
        self.set(*planned)

    def add(
        self,
        fault: TelegramFault,
        *,
        method: str | None = None,
        after: int = 0,
        times: int | None = 1,
        seconds: float = 1.0,
    ) -> None:
        """Plan one more fault, which strikes once unless told otherwise; see PlannedTelegramFault."""
        with self._lock:
            self._calls.append((PlannedTelegramFault(fault, method, after, times, seconds), 0))

    def set(self, *planned: TelegramFault | PlannedTelegramFault) -> None:
        """Plan these faults in place of all others; a bare one strikes every call until it is cleared."""
        whole = [PlannedTelegramFault(item) if isinstance(item, TelegramFault) else item for item in planned]
        with self._lock:
            self._calls = [(item, 0) for item in whole]

    def clear(self) -> None:
        """Behave well from now on."""
        self.set()

    def take(self, method: str) -> PlannedTelegramFault | None:
        """Return the fault that strikes this call, the first planned of several, and count the call for each."""
        struck = None
        with self._lock:
            counted: list[tuple[PlannedTelegramFault, int]] = []
            for planned, calls in self._calls:
                if planned.method is not None and planned.method.lower() != method.lower():
                    counted.append((planned, calls))
                    continue
                is_due = calls >= planned.after and (planned.times is None or calls < planned.after + planned.times)
                if is_due and struck is not None:
                    counted.append((planned, calls))
                    continue
                struck = planned if is_due else struck
                counted.append((planned, calls + 1))
            self._calls = counted
        return struck
