"""One stream's way through a run: what is left over, then fetch, keep, stage, deliver, and last the cursor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from zoneinfo import ZoneInfo

from backhaul.engine.context import RunContext, Status, StreamResult, failure_event, status_of
from backhaul.engine.deliver import Deliverer
from backhaul.engine.events import ArtifactKept, BatchStaged, StreamDone, StreamStarted, Warned
from backhaul.engine.fetch import Fetcher
from backhaul.engine.ledger.tables import HELD, KEPT
from backhaul.engine.stage import Staged, Stager
from backhaul.engine.window import default_window, parse_window, past_part
from backhaul.engine.words import counted
from backhaul.errors import BackhaulError, CheckFailed, DeliveryError, SourceChanged
from backhaul.model import Artifact, Counts, Landed, Origin, Stream, Window

NEWER_FILE = "Have a new file made there; the next run takes it. What was delivered before stays in service."
RIGHT_FILE = "Check that it is a file of this stream; if it is, download it once more and feed it again."


class Progress(Protocol):
    """How far a stream's work has come."""

    @property
    def counts(self) -> Counts:
        """The headline counts so far."""

    @property
    def attempts(self) -> int:
        """How often the source was asked."""

    @property
    def left_over(self) -> Counts:
        """The headline counts of what an earlier run had left to deliver."""


@dataclass
class Haul:
    """Hauls one stream once. `run` always returns a result; only what nobody foresaw is raised."""

    context: RunContext
    stream: Stream
    counts: Counts = field(default_factory=Counts)
    left_over: Counts = field(default_factory=Counts)
    fetcher: Fetcher = field(init=False)

    def __post_init__(self) -> None:
        self.fetcher = Fetcher(self.context, self.stream, self.name)

    @property
    def name(self) -> str:
        """The stream's full name."""
        return f"{self.context.pipeline}.{self.stream.name}"

    @property
    def attempts(self) -> int:
        """How often the source was asked."""
        return self.fetcher.attempts

    def run(self) -> StreamResult:
        """Haul, and record the result in the ledger."""
        window = self._window()
        words = str(window) if window else "file"
        is_given = self.context.file is not None
        started = StreamStarted(run=self.context.run, stream=self.name, window=words, is_given=is_given)
        self.context.emit(started)
        return concluded(self.context, self.name, words, lambda: self._haul_told(window), self)

    def _haul_told(self, window: Window | None) -> None:
        """Haul; of a file that a person gave, say what to do about it in their terms."""
        try:
            self._haul(window)
        except SourceChanged as error:
            if self.context.file:
                error.next_step = RIGHT_FILE
            raise

    def _haul(self, window: Window | None) -> None:
        """Take the steps 4 to 9 of the design, after what an earlier run has left at any of them."""
        context, deliverer = self.context, deliverer_of(self.context, self.name, self.stream)
        if context.fetch_only:
            self._keep(self.fetcher.fetch(window).artifacts)
            return
        if context.accept:
            self._warn_of_overtaken(context.ledger.history.overtaken(self.name))
            self._accept_held()
        if context.is_stateless:
            self._let_go_of_lost()
        self._stage_kept(on_refusal=self._warn)
        self.left_over = deliverer.deliver_pending(left_over=True).counts

        fetched = self.fetcher.fetch(window)
        if fetched.newest and not fetched.artifacts:
            self._refuse_as_before(fetched.newest)
        self._keep(fetched.artifacts)
        refused: list[SourceChanged] = []
        held = self._stage_kept(on_refusal=refused.append)
        delivered = deliverer.deliver_pending(left_over=False)
        self.counts += delivered.counts
        if refused:
            raise refused[0]
        if held:
            raise CheckFailed(f"{self.name}: held back: {held}")
        is_forgotten = context.is_stateless and delivered.failures
        if window and not is_forgotten and (covered := past_part(window, context.now)):
            context.ledger.move_cursor(self.name, fetched.cursor, covered)
        if delivered.failures:
            raise self._still_pending(delivered.failures[0])
        if fetched.newest:
            self._refuse_stale(fetched.newest)

    def _refuse_as_before(self, newest: Origin) -> None:
        """Fail again if the newest file there is was refused or is held: what is delivered grows older meanwhile."""
        stopped = self.context.ledger.artifacts.what_stops(self.name, newest.id)
        if stopped is None:
            return
        state, reason = stopped
        if state == HELD:
            raise CheckFailed(f"{self.name}: held back: {reason}")
        raise SourceChanged(f"{reason} (and nothing newer has come)", next_step=NEWER_FILE)

    def _refuse_stale(self, newest: Origin) -> None:
        """Fail if what the outside has is too old: the run itself did well, and yet people look at old data."""
        context, most = self.context, self.stream.stale_after_h
        age_h = (context.now - newest.made_at).total_seconds() / 3600
        if most is not None and age_h > most:
            made_at = newest.made_at.astimezone(ZoneInfo(context.timezone))
            raise SourceChanged(
                f"{self.name}: the newest file there is {age_h:,.0f} hours old, of {made_at:%Y-%m-%d %H:%M %Z};"
                f" one was expected within {most:,.0f}",
                next_step="See that the program that makes it runs, and that its files get here.",
            )

    def _still_pending(self, failure: DeliveryError) -> DeliveryError:
        if self.context.is_stateless:
            failure.next_step += " This machine forgets: the next run's look-back fetches these days again."
        return failure

    def _accept_held(self) -> None:
        accepted = self.context.ledger.accept_held(self.name)
        if accepted:
            self.context.ledger.keep_audit("accept", self.name, counted(accepted, "held batch", "held batches"))

    def _let_go_of_lost(self) -> None:
        """Close what an earlier run on another disk has left: its files are gone, its days are fetched again."""
        context = self.context
        lost = {
            each.batch for each in context.ledger.pending(self.name) if context.lake.staging.load(each.batch) is None
        }
        for batch in sorted(lost):
            # First the file: a batch that is lost already would not be looked at again.
            context.ledger.artifacts.lose_of(batch)
            context.ledger.lose_batch(batch)
        for artifact in context.ledger.artifacts.of(self.name, context.lake.raw.folder, KEPT):
            if not artifact.path.exists():
                context.ledger.artifacts.lose(artifact.id)
        if lost:
            message = (
                f"{counted(len(lost), 'batch', 'batches')} of an earlier run went with its disk;"
                " the look-back fetches those days again"
            )
            context.emit(Warned(run=context.run, stream=self.name, message=message))

    def _window(self) -> Window | None:
        context = self.context
        if context.window:
            return parse_window(context.window, context.now, context.timezone)
        if context.file:
            return None
        last = context.remembered.cursor(self.name).window_end
        return default_window(context.now, context.timezone, last, self.stream.look_back_days)

    def _keep(self, landed: tuple[Landed, ...]) -> None:
        context, raw = self.context, self.context.lake.of(self.stream).raw
        for number, file in enumerate(landed, start=1):
            kept = raw.keep(file)
            artifact = context.ledger.artifacts.keep(context.run, self.name, number, kept, kept.path)
            context.emit(
                ArtifactKept(
                    run=context.run,
                    stream=self.name,
                    artifact=artifact.id,
                    name=file.name,
                    size_bytes=file.size_bytes,
                    sha256=kept.sha256,
                )
            )

    def _stage_kept(self, on_refusal: Callable[[SourceChanged], None]) -> str | None:
        """Stage what is kept and not staged yet, oldest first; return why a batch is held, if one is.

        A file that is not what the stream expects is refused, and stays in raw for a replay.
        """
        context, held = self.context, None
        for artifact in context.ledger.artifacts.of(self.name, context.lake.raw.folder, KEPT):
            try:
                if not artifact.path.exists():
                    raise SourceChanged(
                        f"{self.name}: {artifact.name}, fetched {artifact.fetched_at:%Y-%m-%d %H:%M} UTC for"
                        f" {artifact.window or 'no window'}, is gone from {artifact.path.parent.parent}",
                        next_step="Restore it from a backup and replay, or fetch the days again with --window.",
                    )
                held = self._stage(artifact) or held
            except SourceChanged as error:
                context.ledger.artifacts.refuse(artifact.id, str(error))
                on_refusal(error)
        return held

    def _stage(self, artifact: Artifact) -> str | None:
        context = self.context
        stager = Stager(
            name=self.name,
            stream=self.stream,
            timezone=context.timezone,
            lake=context.lake,
            columns_before=context.remembered.cursor(self.name).columns,
            earlier_rows=context.remembered.earlier_rows(self.name),
        )
        staged = stager.stage(artifact, artifact.id)
        return recorded(context, self.name, self.stream, staged, artifact.id)

    def _warn_of_overtaken(self, newer: int) -> None:
        if newer:
            files = "1 newer file was" if newer == 1 else f"{newer} newer files were"
            message = (
                f"{files} delivered while a batch was held; its older values may replace theirs:"
                f" `backhaul replay {self.name}` puts them in order"
            )
            self.context.emit(Warned(run=self.context.run, stream=self.name, message=message))

    def _warn(self, error: SourceChanged) -> None:
        message = f"a file that an earlier run has left is refused: {error}"
        self.context.emit(Warned(run=self.context.run, stream=self.name, message=message))


def deliverer_of(context: RunContext, name: str, stream: Stream) -> Deliverer:
    """Return what delivers the stream's batches in this run; name is the stream's full one."""
    return Deliverer(
        run=context.run,
        name=name,
        stream=stream,
        destinations=(context.curated, *stream.to),
        staging=context.lake.staging,
        ledger=context.ledger,
        budget=context.budget,
        emit=context.emit,
        dry_run=context.dry_run,
    )


def recorded(context: RunContext, name: str, stream: Stream, staged: Staged, artifact: str | None) -> str | None:
    """Record a staged batch with its deliveries, tell of it, and return why it is held, if it is."""
    held = None if context.accept else staged.held_because
    destinations = [context.curated.name, *(each.name for each in stream.to)]
    context.ledger.batch_staged(
        staged.batch, artifact, destinations, staged.rejected, held, is_complete=stream.complete
    )
    context.emit(
        BatchStaged(
            run=context.run,
            stream=name,
            batch=staged.batch.id,
            rows=staged.batch.rows,
            duplicate=staged.batch.duplicate,
            rejected=staged.batch.rejected,
        )
    )
    for warning in staged.warnings:
        context.emit(Warned(run=context.run, stream=name, message=warning))
    return held


def concluded(
    context: RunContext, name: str, window: str, work: Callable[[], None], progress: Progress
) -> StreamResult:
    """Do a stream's work, tell how it ended, record it, and return that. Only what nobody foresaw is raised."""
    started, error, status = time.monotonic(), None, Status.DONE
    try:
        work()
    except BackhaulError as failure:
        error, status = failure, status_of(failure)
        error.next_step = context.named(error.next_step)
        of = context.budget.attempts
        event = failure_event(context.run, name, failure, progress.attempts, status, of=of, counts=progress.counts)
        context.emit(event)
    seconds = time.monotonic() - started
    if error is None:
        done = StreamDone(
            run=context.run,
            stream=name,
            counts=progress.counts,
            seconds=round(seconds, 3),
            left_over=progress.left_over,
        )
        context.emit(done)
    result = StreamResult(
        name, status, window, progress.counts, progress.attempts, seconds, error, progress.left_over
    )
    result.record(context.ledger, context.run)
    return result
