"""Sending what waits in the outbox, from threads of their own, so that a slow channel never holds up a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from backhaul.engine.ledger.outbox import KEPT_FOR, Outbox
from backhaul.engine.words import reason
from backhaul.errors import BackhaulError, TransientError
from backhaul.notices import Notifier, SendInterrupted, tells_people

LONGEST_PAUSE_S = 60.0
TRIES_AT_END = 3
"""So often a channel may fail at the end of a run: a person who waits for it should not wait long for a dead one."""
RETRY_S = 2.0


class Sender:
    """Sends what waits in the outbox from a thread of its own, so that a slow channel never holds up a run."""

    def __init__(
        self,
        outbox: Outbox,
        pipeline: str,
        notifiers: Sequence[Notifier],
        warn: Callable[[str], None],
    ) -> None:
        self._outbox = outbox
        self._pipeline = pipeline
        self._warn = warn
        self._finish_by: float | None = None
        self._wake = {notifier.name: threading.Event() for notifier in notifiers}
        self._threads = [
            threading.Thread(target=self._work, args=(notifier,), name=f"notify {notifier.name}", daemon=True)
            for notifier in notifiers
        ]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Tell the threads that there is something to send."""
        for event in self._wake.values():
            event.set()

    def finish(self, within_s: float) -> None:
        """Let the threads send what is left, for so many seconds at most; the rest waits for the next run."""
        self._finish_by = time.monotonic() + within_s
        self.wake()
        for thread in self._threads:
            thread.join(max(0.0, self._finish_by - time.monotonic()))

    def _work(self, notifier: Notifier) -> None:
        failed_at_end = 0
        while True:
            self._wake[notifier.name].wait()
            self._wake[notifier.name].clear()
            is_last = self._finish_by is not None
            try:
                pause_s = self._send_all(notifier)
            except BackhaulError:
                # The ledger is away, which the run itself tells.
                pause_s = RETRY_S
            if is_last and pause_s is None:
                return
            if pause_s is not None:
                failed_at_end += is_last
                is_over = self._finish_by is not None and time.monotonic() + pause_s >= self._finish_by
                if is_over or failed_at_end >= TRIES_AT_END:
                    return
                self._wake[notifier.name].wait(pause_s)
                self._wake[notifier.name].set()

    def _send_all(self, notifier: Notifier) -> float | None:
        """Send what is due. Return seconds to wait before trying again, or None where there is no need to."""
        # A record is as good tomorrow; what people are told is not.
        kept_for = KEPT_FOR if tells_people(notifier) else None
        for waiting in self._outbox.waiting(self._pipeline, notifier.name, datetime.now(UTC), kept_for):
            if self._finish_by is not None and time.monotonic() > self._finish_by:
                # What is left is the next run's: two that send at once would say it twice.
                return None
            try:
                warning = notifier.send(waiting.message, skip_parts=waiting.parts_sent)
            except BackhaulError as error:
                arrived = error.parts_sent if isinstance(error, SendInterrupted) else waiting.parts_sent
                self._outbox.failed(waiting, str(error), arrived)
                said = reason(notifier.name, str(error))
                self._warn(f"{notifier.name}: {said}; its messages wait in the outbox. {error.next_step}")
                if not isinstance(error, TransientError):
                    return None
                return min(error.retry_after_s or RETRY_S, LONGEST_PAUSE_S)
            self._outbox.sent(waiting)
            if warning:
                self._warn(warning)
        return None
