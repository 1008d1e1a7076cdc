"""What happens in a run, as typed events; whoever wants to know subscribes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from backhaul.model import Counts


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run; stream is empty where it concerns the whole run. No row content in it."""

    run: str
    stream: str = ""

    @property
    def kind(self) -> str:
        """The event's name in the ledger, such as `StreamDone`."""
        return type(self).__name__

    def facts(self) -> dict[str, Any]:
        """Return the event's own fields as JSON values."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        del own["run"], own["stream"]
        return {name: vars(value) if isinstance(value, Counts) else value for name, value in own.items()}


NO_ROWS = Counts()

Subscriber = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The lock is held and the ledger has the run."""

    pipeline: str
    streams: int
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class StreamStarted(Event):
    """The stream's window is known; its first attempt begins, or a file that a person gave is read."""

    window: str
    is_given: bool = False


@dataclass(frozen=True, kw_only=True)
class AttemptFailed(Event):
    """One attempt failed and another follows."""

    attempt: int
    of: int
    error: str
    message: str


@dataclass(frozen=True, kw_only=True)
class OwnSession(Event):
    """The shared session is given up for this stream; it tries once more in a session of its own."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Recovered(Event):
    """An attempt succeeded after others had failed."""

    attempt: int


@dataclass(frozen=True, kw_only=True)
class SessionFailed(Event):
    """A source's session could not be opened; the streams that need it end with the same message."""

    source: str
    error: str
    message: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class ArtifactKept(Event):
    """A file is proven and kept in raw."""

    artifact: str
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class BatchStaged(Event):
    """A file has become rows, checked."""

    batch: str
    rows: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something a person should know though the work goes on; `is_told` False: who looks on, not who is notified."""

    message: str
    is_told: bool = True


@dataclass(frozen=True, kw_only=True)
class Delivered(Event):
    """A destination has taken a batch (or, in a dry run, has compared it)."""

    batch: str
    destination: str
    counts: Counts
    left_over: bool


@dataclass(frozen=True, kw_only=True)
class DeliveryFailed(Event):
    """A destination has not taken a batch; the delivery stays pending."""

    batch: str
    destination: str
    message: str


@dataclass(frozen=True, kw_only=True)
class StreamDone(Event):
    """The stream is through; its cursor has moved. left_over is what an earlier run had still to deliver."""

    counts: Counts
    seconds: float
    left_over: Counts = NO_ROWS


@dataclass(frozen=True, kw_only=True)
class StreamFailed(Event):
    """The stream is given up for this run; result is what it has come to, as the run's table shows it."""

    error: str
    message: str
    next_step: str
    severity: str
    attempts: int
    of: int = 0
    result: str = "failed"
    counts: Counts = NO_ROWS


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The run is closed in the ledger."""

    status: str
    exit_code: int
    seconds: float
