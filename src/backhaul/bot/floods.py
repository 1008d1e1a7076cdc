"""How often one person may ask; what this process remembers of it is bounded."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_REMEMBERED = 10_000


class Verdict(StrEnum):
    """What becomes of a question."""

    ANSWERED = "answered"
    TOLD_OFF = "told off"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Pace:
    """So many questions in so many seconds."""

    questions: int = 20
    seconds: float = 60.0


@dataclass
class _Record:
    asked_at: deque[float] = field(default_factory=deque)
    is_told: bool = False


class Floods:
    """The questions of each person in the last while; of several processes, each counts for itself."""

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._records: OrderedDict[int, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def judge(self, user: int) -> Verdict:
        """Count a question and say what becomes of it: the first one too many is told off, others are ignored."""
        now = self._clock()
        with self._lock:
            record = self._records.setdefault(user, _Record())
            self._records.move_to_end(user)
            while len(self._records) > MOST_REMEMBERED:
                self._records.popitem(last=False)
            while record.asked_at and record.asked_at[0] <= now - self._pace.seconds:
                record.asked_at.popleft()
            if len(record.asked_at) < self._pace.questions:
                record.asked_at.append(now)
                record.is_told = False
                return Verdict.ANSWERED
            was_told, record.is_told = record.is_told, True
            return Verdict.IGNORED if was_told else Verdict.TOLD_OFF

    def wait_s(self, user: int) -> int:
        """Return the seconds, at least 1, until a person may ask again."""
        with self._lock:
            record = self._records.get(user)
            if record is None or len(record.asked_at) < self._pace.questions:
                return 1
            return max(1, int(record.asked_at[0] + self._pace.seconds - self._clock()) + 1)
