"""Waiting and trying again: one budget of attempts and seconds, spent by error class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from backhaul.errors import TransientError

T = TypeVar("T")


@dataclass(frozen=True)
class Budget:
    """How often and how long one call is tried: the first attempt counts, waits double from first to longest."""

    attempts: int = 3
    seconds: float = 900.0
    first_wait_s: float = 2.0
    longest_wait_s: float = 60.0


def retried(
    call: Callable[[], T],
    budget: Budget,
    on_failure: Callable[[TransientError, int], None] = lambda error, attempt: None,
) -> T:
    """Return what call returns; a TransientError is tried again within budget, every other error goes up at once.

    A server's Retry-After is honoured as the least wait, up to the longest. on_failure hears each failed
    attempt that another one follows, numbered from 1.
    """
    import stamina
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks(())
    failed = 0

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, TransientError):
            return False
        if error.retry_after_s is None:
            return True
        return min(error.retry_after_s, budget.longest_wait_s)

    for attempt in stamina.retry_context(
        on=wait,
        attempts=budget.attempts,
        timeout=budget.seconds,
        wait_initial=budget.first_wait_s,
        wait_max=budget.longest_wait_s,
        wait_jitter=budget.first_wait_s / 2,
    ):
        with attempt:
            try:
                return call()
            except TransientError as error:
                failed += 1
                if failed < budget.attempts:
                    on_failure(error, failed)
                raise
    raise AssertionError("stamina leaves its loop only by return or raise")
