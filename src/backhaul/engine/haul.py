"""One stream's way through a run: what is left over, then fetch, keep, stage, deliver, and last the cursor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from backhaul.engine.context import RunContext, Status, StreamResult, failure_event, status_of
from backhaul.engine.deliver import Deliverer
from backhaul.engine.events import ArtifactKept, BatchStaged, StreamDone, StreamStarted, Warned
from backhaul.engine.fetch import Fetcher
from backhaul.engine.ledger_tables import KEPT
from backhaul.engine.stage import Stager
from backhaul.engine.window import default_window, parse_window, past_part
from backhaul.errors import BackhaulError, CheckFailed, SourceChanged
from backhaul.model import Artifact, Counts, Landed, Stream, Window

RIGHT_FILE = "Check that it is a file of this stream; if it is, download it once more and feed it again."


@dataclass
class Haul:
    """Hauls one stream once. `run` always returns a result; only what nobody foresaw is raised."""

    context: RunContext
    stream: Stream
    counts: Counts = field(default_factory=Counts)
    fetcher: Fetcher = field(init=False)

    def __post_init__(self) -> None:
        self.fetcher = Fetcher(self.context, self.stream, self.name)

    @property
    def name(self) -> str:
        """The stream's full name."""
        return f"{self.context.pipeline}.{self.stream.name}"

    def run(self) -> StreamResult:
        """Haul, and record the result in the ledger."""
        started, context = time.monotonic(), self.context
        window = self._window()
        words = str(window) if window else "file"
        context.emit(StreamStarted(run=context.run, stream=self.name, window=words))
        error: BackhaulError | None = None
        try:
            self._haul(window)
        except BackhaulError as failure:
            error = failure
            if context.file and isinstance(failure, SourceChanged):
                failure.next_step = RIGHT_FILE
            ended = status_of(failure)
            context.emit(failure_event(context.run, self.name, failure, self.fetcher.attempts, ended))
        seconds = time.monotonic() - started
        if error is None:
            context.emit(StreamDone(run=context.run, stream=self.name, counts=self.counts, seconds=round(seconds, 3)))
        status = status_of(error) if error else Status.DONE
        attempts = self.fetcher.attempts
        result = StreamResult(self.name, status, words, self.counts, attempts, seconds, error)
        result.record(context.ledger, context.run)
        return result

    def _haul(self, window: Window | None) -> None:
        """Take the steps 4 to 9 of the design, after what an earlier run has left at any of them."""
        context, deliverer = self.context, self._deliverer()
        if context.accept:
            self._warn_of_overtaken(context.ledger.history.overtaken(self.name))
            context.ledger.accept_held(self.name)
        self._stage_kept(on_refusal=self._warn)
        self.counts += deliverer.deliver_pending(left_over=True).counts

        fetched = self.fetcher.fetch(window)
        self._keep(fetched.artifacts)
        held = self._stage_kept(on_refusal=_raise)
        delivered = deliverer.deliver_pending(left_over=False)
        self.counts += delivered.counts
        if held:
            raise CheckFailed(f"{self.name}: held back: {held}")
        if window and (covered := past_part(window, context.now)):
            context.ledger.move_cursor(self.name, fetched.cursor, covered)
        if delivered.failures:
            raise delivered.failures[0]

    def _window(self) -> Window | None:
        context = self.context
        if context.window:
            return parse_window(context.window, context.now, context.timezone)
        if context.file:
            return None
        last = context.remembered.cursor(self.name).window_end
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

    def _stage_kept(self, on_refusal: Callable[[SourceChanged], None]) -> str | None:
        """Stage what is kept and not staged yet, oldest first; return why a batch is held, if one is.

        A file that is not what the stream expects is refused, and stays in raw for a replay.
        """
        context, held = self.context, None
        for artifact in context.ledger.artifacts(self.name, context.lake.raw.folder, KEPT):
            try:
                if not artifact.path.exists():
                    raise SourceChanged(
                        f"{self.name}: {artifact.name}, fetched {artifact.fetched_at:%Y-%m-%d %H:%M} UTC for"
                        f" {artifact.window or 'no window'}, is gone from {artifact.path.parent.parent}",
                        next_step="Restore it from a backup and replay, or fetch the days again with --window.",
                    )
                held = self._stage(artifact) or held
            except SourceChanged as error:
                context.ledger.refuse_artifact(artifact.id, str(error))
                on_refusal(error)
        return held

    def _stage(self, artifact: Artifact) -> str | None:
        context = self.context
        stager = Stager(
            name=self.name,
            stream=self.stream,
            timezone=context.timezone,
            staging=context.lake.staging,
            columns_before=context.remembered.cursor(self.name).columns,
            earlier_rows=context.remembered.earlier_rows(self.name),
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


def _raise(error: SourceChanged) -> None:
    raise error
