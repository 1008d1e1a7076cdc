"""Long polling: Telegram is asked what people did, again and again; outages are waited out."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from backhaul.bot.heard import number_of
from backhaul.bot.line import Contended, Line
from backhaul.errors import AlreadyRunning, BackhaulError, ConfigError, TransientError

T = TypeVar("T")
Take = Callable[[list[dict[str, Any]]], Awaitable[None]]
"""Takes updates over; once it returns, they are no longer Telegram's care. Raises BackhaulError if it cannot."""


@dataclass(frozen=True)
class Patience:
    """How long a poll waits for something to happen, and the pauses between calls that fail, in seconds.

    The longest pause is longer than a poll: of two processes that poll, one gets a whole poll in.
    """

    poll_s: float = 20.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    most_conflicts: int = 6

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row: twice the one before, not at the same time for all."""
        doubled: float = self.first_pause_s * 2 ** min(failures - 1, 16)
        return min(self.longest_pause_s, doubled) * random.uniform(0.75, 1.0)


class Outage:
    """Tells once that calls do not go through, and once that they do again."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._since: float | None = None

    def begins(self, error: BackhaulError) -> None:
        """Tell a failure, if it is the first in a row."""
        if self._since is None:
            self._since = time.monotonic()
            self._tell(f"{error}; it is tried again by itself")

    def ends(self) -> None:
        """Tell that calls go through again, if they had not."""
        if self._since is not None:
            self._tell(f"it works again, after {time.monotonic() - self._since:.0f} s")
            self._since = None


async def insist(call: Callable[[], Awaitable[T]], outage: Outage, patience: Patience) -> T:
    """Return what a call gives, as soon as Telegram answers. Raises what a person must put right."""
    failures = 0
    while True:
        try:
            result = await call()
        except TransientError as error:
            failures += 1
            outage.begins(error)
            await asyncio.sleep(max(error.retry_after_s or 0.0, patience.pause_s(failures)))
        else:
            outage.ends()
            return result


async def poll(line: Line, take: Take, tell: Callable[[str], None], patience: Patience) -> None:
    """Hand on what people do, until it is cancelled.

    Telegram forgets updates when the next ones are asked for, which is when these are taken over.
    Raises AlreadyRunning if another process polls with the same token and does not stop, and ConfigError.
    """
    offset, failures, conflicts, outage = 0, 0, 0, Outage(tell)
    while True:
        try:
            updates = await line.updates(offset, patience.poll_s)
            if updates:
                await take(updates)
        except Contended as error:
            conflicts += 1
            if conflicts == 1:
                tell(f"{error}; {error.next_step}")
            if conflicts >= patience.most_conflicts:
                raise AlreadyRunning(
                    "another process polls with this bot's token and does not stop", next_step=error.next_step
                ) from None
            await asyncio.sleep(patience.pause_s(conflicts))
            continue
        except ConfigError:
            raise
        except BackhaulError as error:
            failures += 1
            outage.begins(error)
            wait_s = error.retry_after_s if isinstance(error, TransientError) else None
            await asyncio.sleep(max(wait_s or 0.0, patience.pause_s(failures)))
            continue
        failures = conflicts = 0
        outage.ends()
        numbers = [number for number in map(number_of, updates) if number is not None]
        offset = max([offset, *(number + 1 for number in numbers)])
        if updates and not numbers:
            # Nothing that could be passed by: without a pause this would go round and round.
            await asyncio.sleep(patience.first_pause_s)
