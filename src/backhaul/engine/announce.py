"""Announcing: the events of a run become notices to people, composed by each notifier and kept in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from backhaul import notices
from backhaul.engine.alerts import AlertBook, Outcome
from backhaul.engine.events import (
    AttemptFailed,
    Event,
    Recovered,
    RunEnded,
    RunStarted,
    SessionFailed,
    StreamDone,
    StreamFailed,
    Warned,
)
from backhaul.engine.ledger import Ledger
from backhaul.engine.pipeline import Pipeline
from backhaul.engine.sender import Sender
from backhaul.engine.words import reason
from backhaul.model import Counts, Stream
from backhaul.notices import Notice, Notifier, StreamLine

FINISH_S = 30.0
"""How long the end of a run waits for its messages to be taken; what is left goes out with the next run."""

SHARED = "single_session"
OWN = "session"


class _OfRun(TypedDict):
    pipeline: str
    run: str
    at: datetime
    timezone: str


class _OfStream(_OfRun):
    stream: str
    title: str


@dataclass
class Announcer:
    """A subscriber that tells the notifiers of a pipeline about one run.

    Args:
        name: the pipeline's full name.
        evidence: the folder of this run's evidence; a stream's `screenshot.png` in it may go along.
    """

    name: str
    run: str
    pipeline: Pipeline
    ledger: Ledger
    evidence: Path
    own_sessions: bool
    clock: Callable[[], datetime]
    on_trouble: Callable[[Event], None]
    _sender: Sender = field(init=False)
    _lines: dict[str, StreamLine] = field(default_factory=dict)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _session_failures: set[str] = field(default_factory=set)
    _troubles: set[str] = field(default_factory=set)
    _warnings: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._streams = {f"{self.name}.{stream.name}": stream for stream in self.pipeline.streams}
        self._sender = Sender(self.ledger.outbox, self.name, self._notifiers, self._warn)

    @property
    def _notifiers(self) -> Sequence[Notifier]:
        return tuple(self.pipeline.notify)

    def __call__(self, event: Event) -> None:
        """Put what event says to people into the outbox."""
        for notice in self._notices(event):
            self._put(notice)

    def finish(self) -> None:
        """Wait, within bounds, until the messages are taken."""
        self._sender.finish(FINISH_S)

    def _put(self, notice: Notice, not_before: datetime | None = None) -> None:
        for notifier in self._notifiers:
            message = notifier.compose(notice)
            if message is not None:
                kind = type(notice).__name__
                self.ledger.outbox.put(self.run, self.name, notifier.name, kind, message, not_before)
        self._sender.wake()

    def _notices(self, event: Event) -> list[Notice]:
        match event:
            case RunStarted():
                return [notices.RunStarted(**self._of_run(), streams=event.streams, own_sessions=self.own_sessions)]
            case AttemptFailed():
                return [self._attempt_failed(event)]
            case Recovered():
                return [notices.StreamRecovered(**self._of_stream(event.stream), attempt=event.attempt)]
            case SessionFailed():
                self._session_failures.add(event.message)
                component = OWN if self.own_sessions else SHARED
                return [
                    notices.SystemFailed(
                        **self._of_run(),
                        component=component,
                        message=event.message,
                        next_step=event.next_step,
                    )
                ]
            case StreamDone():
                return self._done(event)
            case StreamFailed():
                return self._failed(event)
            case Warned() if event.stream and event.is_told:
                self._warnings.append((_title(self._streams[event.stream]), event.message))
            case RunEnded():
                return self._ended(event)
        return []

    def _done(self, event: StreamDone) -> list[Notice]:
        self._keep_line(event.stream, "done", event.counts, left_over=event.left_over)
        self._outcomes[event.stream] = Outcome(event.counts + event.left_over)
        return [
            notices.StreamDone(
                **self._of_stream(event.stream),
                counts=event.counts,
                seconds=event.seconds,
                left_over=event.left_over,
            )
        ]

    def _failed(self, event: StreamFailed) -> list[Notice]:
        message = reason(event.stream, event.message)
        self._keep_line(event.stream, event.result, event.counts, message)
        self._outcomes[event.stream] = Outcome(event.counts, event.error, message, event.next_step)
        if event.message in self._session_failures:
            # Told once for all streams of that session; the summary names them.
            return []
        return [
            notices.StreamFailed(
                **self._of_stream(event.stream),
                error=event.error,
                message=message,
                next_step=event.next_step,
                severity=event.severity,
                attempt=event.attempts,
                of=max(event.attempts, event.of),
                is_final=True,
                photo=self._photo(event.stream),
            )
        ]

    def _attempt_failed(self, event: AttemptFailed) -> Notice:
        return notices.StreamFailed(
            **self._of_stream(event.stream),
            error=event.error,
            message=reason(event.stream, event.message),
            next_step="",
            severity="",
            attempt=event.attempt,
            of=event.of,
            is_final=False,
            photo=self._photo(event.stream),
        )

    def _ended(self, event: RunEnded) -> list[Notice]:
        lines = tuple(self._lines[name] for name in self._streams if name in self._lines)
        summary = notices.RunSummary(**self._of_run(), status=event.status, seconds=event.seconds, streams=lines)
        if event.status != "interrupted":
            book = AlertBook(self.name, self.run, self.pipeline, self.ledger, self.clock())
            for notice, not_before in book.judged(self._streams, self._outcomes):
                self._put(notice, not_before)
        warned = [notices.RunWarned(**self._of_run(), warnings=tuple(self._warnings))] if self._warnings else []
        return [summary, *warned]

    def _keep_line(
        self, name: str, status: str, counts: Counts, message: str = "", *, left_over: Counts = notices.NO_ROWS
    ) -> None:
        stream = self._streams[name]
        self._lines[name] = StreamLine(stream.name, _title(stream), status, counts, message, left_over)

    def _photo(self, name: str) -> Path | None:
        path = self.evidence / self._streams[name].name / "screenshot.png"
        return path if path.exists() else None

    def _of_run(self) -> _OfRun:
        return {"pipeline": self.name, "run": self.run, "at": self.clock(), "timezone": self.pipeline.timezone}

    def _of_stream(self, name: str) -> _OfStream:
        stream = self._streams[name]
        return {**self._of_run(), "stream": stream.name, "title": _title(stream)}

    def _warn(self, words: str) -> None:
        """Say each trouble with a channel once a run."""
        if words not in self._troubles:
            self._troubles.add(words)
            self.on_trouble(Warned(run=self.run, message=words))


def _title(stream: Stream) -> str:
    return stream.title or stream.name
