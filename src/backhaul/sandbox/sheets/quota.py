"""The quotas of the sandbox's Google Sheets: so many reads and writes a minute."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from backhaul.sandbox.sheets.errors import quota_exceeded
from backhaul.sandbox.sheets.faults import CallKind

_MINUTE_S = 60.0


class Quota:
    """Counts calls over the last 60 seconds of a clock; safe for several threads. Refused calls count for nothing.

    Args:
        per_minute: for one user, by kind; a service account is one user.
        per_project: for each kind.
    """

    def __init__(self, clock: Callable[[], float], per_minute: dict[CallKind, int], per_project: int) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._per_project = per_project
        self._taken: dict[CallKind, deque[float]] = {kind: deque() for kind in per_minute}
        self._lock = threading.Lock()

    def take(self, kind: CallKind) -> None:
        """Count a call, or refuse it; kinds without a quota always pass."""
        if kind not in self._per_minute:
            return
        with self._lock:
            now, taken = self._clock(), self._taken[kind]
            while taken and taken[0] <= now - _MINUTE_S:
                taken.popleft()
            word = kind.value.capitalize()
            if len(taken) >= self._per_project:
                raise quota_exceeded(word, "project")
            if len(taken) >= self._per_minute[kind]:
                raise quota_exceeded(word, "user")
            taken.append(now)
