"""One stream's way through a run: what is left over, fetch, keep, stage, deliver, and last the cursor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event as Flag

from backhaul.engine.deliver import Deliverer
from backhaul.engine.events import (
    ArtifactKept,
    AttemptFailed,
    BatchStaged,
    Event,
    OwnSession,
    Recovered,
    StreamDone,
    StreamFailed,
    StreamStarted,
    Warned,
)
from backhaul.engine.ledger import KEPT, Ledger
from backhaul.engine.sessions import SharedSessions
from backhaul.engine.stage import Stager
from backhaul.engine.window import default_window, parse_window
from backhaul.errors import BackhaulError, CheckFailed, LoginRequired, SourceChanged, TransientError
from backhaul.lake import Lake
from backhaul.model import Artifact, Counts, Destination, Fetched, Landed, Session, Stream, Window
from backhaul.retry import Budget, retried

DONE, FAILED, LOGIN, HELD, PENDING, INTERRUPTED = (
    "done",
    "failed",
    "login needed",
    "held",
    "pending",
    "interrupted",
)


@dataclass(frozen=True)
class RunContext:
    """What the streams of one run share."""

    run: str
    pipeline: str
    timezone: str
    now: datetime
    lake: Lake
    ledger: Ledger
    sessions: SharedSessions
    curated: Destination
    budget: Budget
    emit: Callable[[Event], None]
    stop: Flag
    window: str | None = None
    file: Path | None = None
    dry_run: bool = False
    accept: bool = False
    individual_sessions: bool = False
    memory: Ledger | None = None
    """The real ledger, where this run's own is thrown away (a dry run); only its cursors are read."""


@dataclass(frozen=True)
class StreamResult:
    """How a stream has ended in one run."""

    stream: str
    status: str
    window: str
    counts: Counts
    attempts: int
    seconds: float
    error: BackhaulError | None = None


@dataclass
class Haul:
    """Hauls one stream once. `run` always returns a result; only what nobody foresaw is raised."""

    context: RunContext
    stream: Stream
    attempts: int = 0
    counts: Counts = field(default_factory=Counts)

    @property
    def name(self) -> str:
        """The stream's full name."""
        return f"{self.context.pipeline}.{self.stream.name}"

    def run(self) -> StreamResult:
        """Haul, and record the result in the ledger."""
        started = time.monotonic()
        context, window, error, status = self.context, "", None, DONE
        try:
            wanted = self._window()
            window = str(wanted) if wanted else "file"
            context.emit(StreamStarted(run=context.run, stream=self.name, window=window))
            self._haul(wanted)
        except BackhaulError as failure:
            error = failure
            status = _status(failure)
            self._tell_failure(failure)
        seconds = time.monotonic() - started
        result = StreamResult(self.name, status, window, self.counts, self.attempts, seconds, error)
        if error is None:
            context.emit(
                StreamDone(run=context.run, stream=self.name, counts=self.counts, seconds=round(seconds, 3))
            )
        record_result(context.ledger, context.run, result)
        return result

    def _haul(self, window: Window | None) -> None:
        context, deliverer = self.context, self._deliverer()
        failures: list[BackhaulError] = []
        if context.accept:
            context.ledger.accept_held(self.name)
        held = self._stage_kept()
        left_over = deliverer.deliver_pending(left_over=True)
        self.counts += left_over.counts
        fetched = self._fetched(window)
        self._keep(fetched.artifacts)
        held = self._stage_kept() or held
        fresh = deliverer.deliver_pending(left_over=False)
        self.counts += fresh.counts
        failures += fresh.failures
        if window and not held:
            context.ledger.move_cursor(self.name, fetched.cursor, window)
        if held:
            raise CheckFailed(f"{self.name}: held back: {held}")
        if failures:
            raise failures[0]

    def _window(self) -> Window | None:
        context = self.context
        if context.window:
            return parse_window(context.window, context.now, context.timezone)
        if context.file:
            return None
        memory = context.memory or context.ledger
        last = memory.cursor(self.name).window_end
        return default_window(context.now, context.timezone, last, self.stream.look_back_days)

    def _deliverer(self) -> Deliverer:
        context = self.context
        return Deliverer(
            run=context.run,
            name=self.name,
            stream=self.stream,
            destinations=(context.curated, *self.stream.to),
            staging=context.lake.staging,
            ledger=context.ledger,
            budget=context.budget,
            emit=context.emit,
            dry_run=context.dry_run,
        )

    def _fetched(self, window: Window | None) -> Fetched:
        context = self.context
        if context.file:
            return Fetched((self._given_file(context.file, window),))
        assert window is not None
        if context.individual_sessions:
            return retried(lambda: self._attempt_in_own_session(window), context.budget, self._tell_attempt)
        try:
            fetched = retried(lambda: self._attempt(window), context.budget, self._tell_attempt)
        except TransientError as error:
            if context.sessions.failed(self.stream.source):
                raise
            context.emit(OwnSession(run=context.run, stream=self.name, message=str(error)))
            fetched = self._attempt_in_own_session(window)
        if self.attempts > 1:
            context.emit(Recovered(run=context.run, stream=self.name, attempt=self.attempts))
        return fetched

    def _attempt(self, window: Window) -> Fetched:
        return self._recorded_fetch(
            window, lambda: self.context.sessions.get(self.stream.source), own_session=False
        )

    def _attempt_in_own_session(self, window: Window) -> Fetched:
        with self.context.sessions.own(self.stream.source) as session:
            return self._recorded_fetch(window, lambda: session, own_session=True)

    def _recorded_fetch(
        self, window: Window, session: Callable[[], Session], *, own_session: bool
    ) -> Fetched:
        context = self.context
        if context.stop.is_set():
            raise Interrupted(f"{self.name}: interrupted before it was fetched")
        self.attempts += 1
        attempt = context.ledger.start_attempt(
            context.run, self.name, self.attempts, own_session=own_session
        )
        memory = context.memory or context.ledger
        try:
            fetched = self.stream.source.fetch(
                session(),
                self.stream,
                window,
                memory.cursor(self.name).cursor,
                context.lake.landing(context.pipeline, self.stream.name),
            )
        except BackhaulError as error:
            context.ledger.end_attempt(attempt, type(error).__name__, str(error))
            if context.stop.is_set():
                raise Interrupted(f"{self.name}: interrupted while it was fetched") from error
            raise
        context.ledger.end_attempt(attempt, "ok")
        if context.stop.is_set():
            raise Interrupted(f"{self.name}: interrupted after it was fetched")
        return fetched

    def _given_file(self, path: Path, window: Window | None) -> Landed:
        from backhaul.formats import prove

        landing = self.context.lake.landing(self.context.pipeline, self.stream.name)
        try:
            return landing.adopt(path, name=path.name, window=window, prove=prove)
        except TransientError as error:
            raise SourceChanged(
                f"{path.name}: {error}", next_step="Download the file once more, by hand."
            ) from None

    def _keep(self, landed: tuple[Landed, ...]) -> None:
        context = self.context
        for number, file in enumerate(landed, start=1):
            path = context.lake.raw.keep(file)
            artifact = context.ledger.keep_artifact(context.run, self.name, number, file, path)
            context.emit(
                ArtifactKept(
                    run=context.run,
                    stream=self.name,
                    artifact=artifact.id,
                    name=file.name,
                    size_bytes=file.size_bytes,
                    sha256=file.sha256,
                )
            )

    def _stage_kept(self) -> str | None:
        """Stage what is kept and not staged yet, oldest first; return why a batch is held, if one is."""
        context, held = self.context, None
        for artifact in context.ledger.artifacts(self.name, context.lake.raw.folder, KEPT):
            try:
                held = self._stage(artifact) or held
            except SourceChanged as error:
                context.ledger.refuse_artifact(artifact.id, str(error))
                raise
        return held

    def _stage(self, artifact: Artifact) -> str | None:
        context = self.context
        memory = context.memory or context.ledger
        stager = Stager(
            name=self.name,
            stream=self.stream,
            timezone=context.timezone,
            staging=context.lake.staging,
            columns_before=memory.cursor(self.name).columns,
            earlier_rows=memory.earlier_rows(self.name),
        )
        staged = stager.stage(artifact, artifact.id)
        held = None if context.accept else staged.held_because
        destinations = [context.curated.name, *(each.name for each in self.stream.to)]
        context.ledger.batch_staged(staged.batch, artifact.id, destinations, staged.rejected, held)
        context.emit(
            BatchStaged(
                run=context.run,
                stream=self.name,
                batch=staged.batch.id,
                rows=staged.batch.rows,
                duplicate=staged.batch.duplicate,
                rejected=staged.batch.rejected,
            )
        )
        for warning in staged.warnings:
            context.emit(Warned(run=context.run, stream=self.name, message=warning))
        return held

    def _tell_attempt(self, error: TransientError, attempt: int) -> None:
        self.context.emit(
            AttemptFailed(
                run=self.context.run,
                stream=self.name,
                attempt=attempt,
                of=self.context.budget.attempts,
                error=type(error).__name__,
                message=str(error),
            )
        )

    def _tell_failure(self, error: BackhaulError) -> None:
        self.context.emit(
            StreamFailed(
                run=self.context.run,
                stream=self.name,
                error=type(error).__name__,
                message=str(error),
                next_step=error.next_step,
                severity=error.severity,
                attempts=self.attempts,
            )
        )


def record_result(ledger: Ledger, run: str, result: StreamResult) -> None:
    """Record in the ledger how a stream has ended."""
    error = result.error
    ledger.close_stream(
        run,
        result.stream,
        result.counts,
        window=result.window,
        status=result.status,
        attempts=result.attempts,
        seconds=round(result.seconds, 3),
        error=type(error).__name__ if error else None,
        message=str(error) if error else None,
    )


class Interrupted(BackhaulError):
    """The run was told to stop before this stream was through."""

    default_next_step = "Run again; what is done is not done twice."


def _status(error: BackhaulError) -> str:
    from backhaul.errors import DeliveryError

    if isinstance(error, LoginRequired):
        return LOGIN
    if isinstance(error, CheckFailed):
        return HELD
    if isinstance(error, Interrupted):
        return INTERRUPTED
    return PENDING if isinstance(error, DeliveryError) else FAILED
