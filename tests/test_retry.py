"""One budget of attempts and seconds; only what may pass by itself is tried again."""

import time
from collections.abc import Callable

import pytest

from backhaul.errors import LoginRequired, SourceChanged, TransientError
from backhaul.retry import Budget, retried

QUICK = Budget(attempts=3, first_wait_s=0.01, longest_wait_s=0.02)


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[float]]:
    """Return a call that fails so many times before it answers, and the moments it was called at."""
    called: list[float] = []

    def call() -> str:
        called.append(time.monotonic())
        if len(called) <= times:
            raise error
        return "answer"

    return call, called


def test_a_call_that_works_is_called_once() -> None:
    call, called = failing(0, TransientError("busy"))

    assert (retried(call, QUICK), len(called)) == ("answer", 1)


def test_what_may_pass_is_tried_again_and_each_failure_is_told() -> None:
    call, called = failing(2, TransientError("busy"))
    told: list[tuple[str, int]] = []

    answer = retried(call, QUICK, lambda error, attempt: told.append((str(error), attempt)))

    assert (answer, len(called), told) == ("answer", 3, [("busy", 1), ("busy", 2)])


def test_the_last_failure_goes_up_and_is_not_told_as_one_that_is_followed() -> None:
    call, called = failing(9, TransientError("busy"))
    told: list[int] = []

    with pytest.raises(TransientError, match="busy"):
        retried(call, QUICK, lambda error, attempt: told.append(attempt))

    assert (len(called), told) == (3, [1, 2])


@pytest.mark.parametrize("error", [LoginRequired("refused"), SourceChanged("no button"), ValueError("ours")])
def test_other_errors_are_not_tried_again(error: Exception) -> None:
    call, called = failing(1, error)

    with pytest.raises(type(error)):
        retried(call, QUICK)

    assert len(called) == 1


def test_a_budget_of_one_attempt_is_one_attempt() -> None:
    call, called = failing(1, TransientError("busy"))

    with pytest.raises(TransientError):
        retried(call, Budget(attempts=1))

    assert len(called) == 1


def test_the_servers_retry_after_is_honoured() -> None:
    call, called = failing(1, TransientError("busy", retry_after_s=0.3))

    retried(call, Budget(attempts=2, first_wait_s=0.01, longest_wait_s=5))

    assert called[1] - called[0] >= 0.3


def test_a_retry_after_beyond_the_longest_wait_is_cut() -> None:
    call, called = failing(1, TransientError("busy", retry_after_s=3600))

    retried(call, Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.1))

    assert called[1] - called[0] < 2


@pytest.mark.parametrize("retry_after_s", [None, 0.4])
def test_the_seconds_of_the_budget_bound_all_attempts_together(retry_after_s: float | None) -> None:
    call, _ = failing(10_000, TransientError("busy", retry_after_s=retry_after_s))
    started = time.monotonic()

    with pytest.raises(TransientError):
        retried(call, Budget(attempts=10_000, seconds=0.5, first_wait_s=0.02, longest_wait_s=0.4))

    assert time.monotonic() - started < 1.5
