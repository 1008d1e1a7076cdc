"""What the streams of one run share, and how each of them ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Event as Flag

from backhaul.destinations import Warehouse
from backhaul.engine.events import NO_ROWS, Event, StreamFailed
from backhaul.engine.ledger import Ledger
from backhaul.engine.sessions import SharedSessions
from backhaul.errors import BackhaulError, CheckFailed, DeliveryError, LoginRequired
from backhaul.lake import Lake
from backhaul.model import Counts, Stream
from backhaul.retry import Budget


class Status(StrEnum):
    """How a stream has ended."""

    DONE = "done"
    FAILED = "failed"
    LOGIN = "login needed"
    HELD = "held"
    PENDING = "pending"
    INTERRUPTED = "interrupted"


class Interrupted(BackhaulError):
    """The run was told to stop before this stream was through."""

    default_next_step = "Run again; what is done is not done twice."


@dataclass(frozen=True)
class RunContext:
    """One run: where it keeps things, what it was told, whom it tells.

    `siblings` are all streams of the pipeline where only some are run.
    """

    run: str
    pipeline: str
    timezone: str
    now: datetime
    lake: Lake
    ledger: Ledger
    sessions: SharedSessions
    curated: Warehouse
    evidence: Path
    budget: Budget
    emit: Callable[[Event], None]
    stop: Flag
    window: str | None = None
    file: Path | None = None
    dry_run: bool = False
    accept: bool = False
    individual_sessions: bool = False
    fetch_only: bool = False
    is_stateless: bool = False
    streams: tuple[Stream, ...] = ()
    siblings: tuple[Stream, ...] = ()
    memory: Ledger | None = None

    def named(self, next_step: str) -> str:
        """Return next_step with the system's name in the command that a person signs in with.

        Sessions do not know which system they work for; its pipelines share them.
        """
        return next_step.replace("backhaul login SYSTEM", f"backhaul login {self.pipeline.partition('.')[0]}")

    @property
    def remembered(self) -> Ledger:
        """The ledger with the cursors: in a dry run the installation's, as the run's own is thrown away."""
        return self.memory or self.ledger


@dataclass(frozen=True)
class StreamResult:
    """How a stream has ended in one run."""

    stream: str
    status: Status
    window: str
    counts: Counts
    attempts: int
    seconds: float
    error: BackhaulError | None = None
    left_over: Counts = NO_ROWS

    def record(self, ledger: Ledger, run: str) -> None:
        """Keep the result in the ledger."""
        ledger.close_stream(
            run,
            self.stream,
            self.counts,
            window=self.window,
            status=str(self.status),
            attempts=self.attempts,
            seconds=round(self.seconds, 3),
            error=type(self.error).__name__ if self.error else None,
            message=str(self.error) if self.error else None,
        )


def status_of(error: BackhaulError) -> Status:
    """Return how a stream ends that ends with error."""
    kinds: list[tuple[type[BackhaulError], Status]] = [
        (LoginRequired, Status.LOGIN),
        (CheckFailed, Status.HELD),
        (Interrupted, Status.INTERRUPTED),
        (DeliveryError, Status.PENDING),
    ]
    return next((status for kind, status in kinds if isinstance(error, kind)), Status.FAILED)


def failure_event(
    run: str,
    stream: str,
    error: BackhaulError,
    attempts: int,
    status: Status = Status.FAILED,
    *,
    of: int = 0,
    counts: Counts = NO_ROWS,
) -> StreamFailed:
    """Return the event that tells of a stream's failure, which ends it with status after `of` possible attempts."""
    return StreamFailed(
        run=run,
        stream=stream,
        error=type(error).__name__,
        message=str(error),
        next_step=error.next_step,
        severity=error.severity,
        attempts=attempts,
        of=of,
        result=str(status),
        counts=counts,
    )
