"""How fast one chat may be written to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

BURST = 5
"""Messages that may go at once; Telegram allows short bursts over one a second."""
PER_MINUTE = 20
"""What Telegram lets into a group."""
MINUTE_S = 60.0


class Pace:
    """One message a second for a chat after a short burst, 20 a minute for a group.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: deque[float] = deque(maxlen=PER_MINUTE)
        self._places = float(BURST)
        self._counted_at = clock()

    def wait_s(self, *, is_group: bool) -> float:
        """Return how many seconds the next message has to wait; 0 means that it may go now, and is counted."""
        with self._lock:
            now = self._clock()
            self._places = min(BURST, self._places + now - self._counted_at)
            self._counted_at = now
            wait = max(0.0, 1.0 - self._places)
            if is_group and len(self._sent) == PER_MINUTE:
                wait = max(wait, self._sent[0] + MINUTE_S - now)
            if wait <= 0:
                self._places -= 1
                self._sent.append(now)
            return wait
