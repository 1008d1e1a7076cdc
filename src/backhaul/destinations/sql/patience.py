"""A connection to PostgreSQL that does not wait for ever: the server's own time-outs need one that still runs."""

from __future__ import annotations

import time
from collections.abc import Generator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

LONGEST_SILENCE_S = 1860.0
"""A little more than the longest statement: a server that says nothing for so long is frozen or gone."""


@cache
def patient_connection() -> type[psycopg.Connection[Any]]:
    """Return the class of connections whose every wait ends, with psycopg's OperationalError if it must."""
    import psycopg

    class PatientConnection(psycopg.Connection[Any]):
        """Every call of the driver that waits goes through `wait`."""

        def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
            try:
                return super().wait(_ending(gen, time.monotonic() + LONGEST_SILENCE_S), *arguments, **named)
            except TimeoutError:
                self.close()
                raise psycopg.OperationalError("the server has been silent for too long") from None

    return PatientConnection


def _ending(steps: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """Hand on what the driver's steps wait for. Raises TimeoutError when nothing is ready after the deadline.

    The driver asks several times a second, with 0 for "nothing is ready".
    """
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise TimeoutError
            wanted = steps.send(ready)
    except StopIteration as end:
        return end.value
