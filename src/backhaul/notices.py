"""What a run tells people: typed notices, the messages made of them, and the contract of notifiers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from backhaul.errors import TransientError
from backhaul.model import Counts

NO_ROWS = Counts()


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that people may want to be told about one run of a pipeline. No row content in it.

    Args:
        pipeline: the pipeline's full name.
        at: when it happened (UTC).
        timezone: the pipeline's, in which people read times.
    """

    pipeline: str
    run: str
    at: datetime
    timezone: str


@dataclass(frozen=True, kw_only=True)
class RunStarted(Notice):
    """A run begins. With `own_sessions`, each stream signs in by itself."""

    streams: int
    own_sessions: bool


@dataclass(frozen=True, kw_only=True)
class StreamDone(Notice):
    """A stream is through; counts are those of its headline destination. `title` is how people call it.

    `left_over` is what an earlier run had fetched and this one has delivered beside its own rows.
    """

    stream: str
    title: str
    counts: Counts
    seconds: float
    left_over: Counts = NO_ROWS


@dataclass(frozen=True, kw_only=True)
class StreamFailed(Notice):
    """An attempt failed (`is_final` False) or the stream is given up.

    `error` is the class, `message` the words without the stream's name, `photo` a masked screenshot if there is one.
    """

    stream: str
    title: str
    error: str
    message: str
    next_step: str
    severity: str
    attempt: int
    of: int
    is_final: bool
    photo: Path | None = None


@dataclass(frozen=True, kw_only=True)
class StreamRecovered(Notice):
    """An attempt succeeded after others of the same run had failed."""

    stream: str
    title: str
    attempt: int


@dataclass(frozen=True)
class StreamLine:
    """One stream in a summary; status is a word of engine.context.Status such as `done`.

    `left_over` is what an earlier run had fetched and this one has delivered beside its own rows.
    """

    stream: str
    title: str
    status: str
    counts: Counts
    message: str = ""
    left_over: Counts = NO_ROWS


@dataclass(frozen=True, kw_only=True)
class RunSummary(Notice):
    """A run has ended. `status` is `done`, `partly done`, `failed`, `login needed` or `interrupted`."""

    status: str
    seconds: float
    streams: tuple[StreamLine, ...]

    @property
    def counts(self) -> Counts:
        """The counts of all streams together."""
        return sum((line.counts for line in self.streams), Counts())


@dataclass(frozen=True, kw_only=True)
class RunWarned(Notice):
    """A run went on in spite of what a person should look at; `warnings` are its streams' titles with the words."""

    warnings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class SystemFailed(Notice):
    """Something outside any stream went wrong, such as the shared session; component says where."""

    component: str
    message: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class Greeting(Notice):
    """What `backhaul notify test` sends, through every notifier: the connection works."""


@dataclass(frozen=True, kw_only=True)
class AlertOpened(Notice):
    """Monitoring: a stream began to fail (or fails for the `failures`-th time and is worth telling now)."""

    stream: str
    title: str
    error: str
    message: str
    next_step: str
    since: datetime
    failures: int
    needs_person: bool
    is_reminder: bool = False


@dataclass(frozen=True, kw_only=True)
class AlertClosed(Notice):
    """Monitoring: a stream works again; missed is how many runs failed, counts what has been caught up."""

    stream: str
    title: str
    since: datetime
    missed: int
    counts: Counts


@dataclass(frozen=True)
class DigestLine:
    """One stream over the time of a digest; `last_success` is None where there never was one."""

    stream: str
    title: str
    runs: int
    failed: int
    counts: Counts
    last_success: datetime | None


@dataclass(frozen=True, kw_only=True)
class Digest(Notice):
    """Monitoring: what the runs since `since` came to."""

    since: datetime
    streams: tuple[DigestLine, ...]


@dataclass(frozen=True)
class Message:
    """What one notifier sends for a notice: text as the channel wants it, and perhaps a masked photo."""

    text: str
    photo: str | None = None
    is_silent: bool = False


class SendInterrupted(TransientError):
    """A channel did not take a message, or not all of it: parts_sent parts have arrived in all."""

    def __init__(
        self, message: str, *, parts_sent: int, next_step: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, next_step=next_step, retry_after_s=retry_after_s)
        self.parts_sent = parts_sent


class Notifier(Protocol):
    """A channel to people. Frozen; both calls may be made from another thread than the run's.

    One that keeps a log for programs instead says so with an attribute `tells_people` that is False.
    """

    @property
    def name(self) -> str:
        """How the channel is called in the outbox and in messages, such as `telegram`."""

    def compose(self, notice: Notice) -> Message | None:
        """Return what to send for notice, or None where this notifier does not tell it; pure."""

    def send(self, message: Message, skip_parts: int = 0) -> str | None:
        """Send it, split as the channel needs; the first skip_parts parts have arrived before.

        Returns a warning for the log if it has arrived and something is to be put right all the same, else None.
        Raises SendInterrupted (with retry_after_s where the channel says so) to be sent again later, and
        ConfigError for what a person must put right first (wrong token, unknown chat).
        """

    def check(self) -> str:
        """Return in one line what the channel reaches; tells people nothing. Raises TransientError, ConfigError."""


def tells_people(notifier: Notifier) -> bool:
    """Tell whether a notifier tells people something; else it keeps a log, and is not silenced with the others."""
    return bool(getattr(notifier, "tells_people", True))
