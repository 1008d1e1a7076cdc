"""Replay: staging rebuilt from raw, curated and the destinations from staging. No login, no fetch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backhaul.destinations import Warehouse
from backhaul.engine.context import Status, StreamResult, failure_event
from backhaul.engine.deliver import Deliverer, as_merged
from backhaul.engine.derived import is_derived
from backhaul.engine.events import BatchStaged, RunEnded, RunStarted, StreamDone, Subscriber, Warned
from backhaul.engine.filled import filled_for_rework
from backhaul.engine.ledger.tables import DONE, PENDING, REFUSED
from backhaul.engine.run import Installation, RunResult, Telling, check_key, new_run_id, outcome
from backhaul.engine.stage import Stager
from backhaul.engine.systems import Target
from backhaul.engine.unforeseen import ours_alone
from backhaul.engine.words import counted
from backhaul.errors import BackhaulError, CheckFailed, ConfigError
from backhaul.lake import Lake
from backhaul.model import REMOVED_AT, ROW, Batch, Counts, Destination, Stream
from backhaul.retry import Budget
from backhaul.version import __version__

ZONES = ("staging", "curated")


def replay_pipeline(
    target: Target, installation: Installation, zones: Sequence[str], subscribers: Sequence[Subscriber] = ()
) -> RunResult:
    """Rebuild the named zones of every stream of target, each from the zone before it.

    A file that still cannot be staged leaves its former batch in place and fails its stream. Rebuilding curated
    merges all batches, oldest first, into an empty table and then what came of it into the real one, so that the
    counts say what the replay has changed. Raises AlreadyRunning.
    """
    pipeline = filled_for_rework(target.pipeline, installation.settings)
    streams = tuple(stream for stream in pipeline.streams if not is_derived(stream))
    if not streams:
        raise ConfigError(
            f"{target.name}: a derived stream has no files to replay",
            next_step="Every run computes it anew: backhaul run NAME.",
        )
    check_key(target.name, streams, installation)
    with installation.held(target.name, wait=False):
        started, ledger = time.monotonic(), installation.ledger
        installation.lake.opened.clear()
        run = new_run_id(datetime.now(UTC))
        tell = Telling([ledger.record, *subscribers])
        ledger.open_run(run, target.name, f"replay {' '.join(zones)}", __version__)
        tell(RunStarted(run=run, pipeline=target.name, streams=len(streams), dry_run=False))
        results = [
            Replay(run, target.name, stream, pipeline.timezone, installation, tell).run(zones) for stream in streams
        ]
        status, exit_code = outcome(results, automated=False)
        ledger.close_run(run, status, exit_code)
        seconds = time.monotonic() - started
        tell(RunEnded(run=run, status=status, exit_code=exit_code, seconds=round(seconds, 3)))
        return RunResult(run, target.name, status, exit_code, seconds, tuple(results))


@dataclass(frozen=True)
class Replay:
    """Rebuilds the zones of one stream."""

    run_id: str
    pipeline: str
    stream: Stream
    timezone: str
    installation: Installation
    tell: Telling

    @property
    def name(self) -> str:
        """The stream's full name."""
        return f"{self.pipeline}.{self.stream.name}"

    @property
    def lake(self) -> Lake:
        """The installation's lake, as this stream uses it."""
        return self.installation.lake.of(self.stream)

    @property
    def _destinations(self) -> tuple[Destination, ...]:
        return (self.installation.curated, *self.stream.to)

    def run(self, zones: Sequence[str]) -> StreamResult:
        """Rebuild zones in their order; the counts are those of curated's headline destination."""
        started, counts, error, status = time.monotonic(), Counts(), None, Status.DONE
        try:
            with ours_alone(self.name):
                self._nothing_untried()
                self._tell_left_out()
                if "staging" in zones:
                    self._rebuild_staging()
                if "curated" in zones:
                    counts = self._rebuild_curated()
            seconds = round(time.monotonic() - started, 3)
            self.tell(StreamDone(run=self.run_id, stream=self.name, counts=counts, seconds=seconds))
        except BackhaulError as failure:
            error, status = failure, Status.FAILED
            self.tell(failure_event(self.run_id, self.name, failure, 0))
        result = StreamResult(self.name, status, "replay", counts, 0, time.monotonic() - started, error)
        result.record(self.installation.ledger, self.run_id)
        return result

    def _nothing_untried(self) -> None:
        """Raise CheckFailed if a run may deliver what is pending; where one has tried in vain, a replay may help."""
        pending = self.installation.ledger.pending(self.name)
        first = {each.destination: each for each in reversed(pending)}
        if any(first[each.name].failures == 0 for each in self._destinations if each.name in first):
            waiting = len(pending)
            raise CheckFailed(
                f"{self.name}: {counted(waiting, 'delivery is', 'deliveries are')} still pending;"
                " nothing was replayed",
                next_step=f"Run `backhaul run {self.name}` first, so that they arrive in their order.",
            )

    def _tell_left_out(self) -> None:
        """Say which files cannot be replayed. What they brought stays where it was delivered, as it is."""
        pruned, older = self.installation.ledger.kept_files.left_out(self.name)
        if pruned:
            message = f"{counted(pruned, 'file')} cannot be replayed: removed by retention"
            if older:
                message += f"; {counted(older, 'file')} older than these: left out, as newer values may be delivered"
            message += "; delivered rows stay as they are"
            self.tell(Warned(run=self.run_id, stream=self.name, message=message))

    def _rebuild_staging(self) -> None:
        ledger = self.installation.ledger
        stager = Stager(self.name, self.stream, self.timezone, self.lake)
        failed: list[BackhaulError] = []
        refused_before = {artifact.id for artifact in ledger.artifacts.of(self.name, self.lake.raw.folder, REFUSED)}
        wanted = set(ledger.kept_files.to_replay(self.name))
        artifacts = [each for each in ledger.artifacts.of(self.name, self.lake.raw.folder) if each.id in wanted]
        for number, artifact in enumerate(artifacts, start=1):
            try:
                self.lake.raw.verify(artifact.sha256)
                with ours_alone(self.name):
                    staged = stager.stage(artifact, f"{self.run_id}.{self.stream.name}.{number}")
            except BackhaulError as error:
                # A file that never was a batch takes none away: it is told, and the others go on.
                if artifact.id not in refused_before:
                    failed.append(error)
                self.tell(Warned(run=self.run_id, stream=self.name, message=f"{artifact.name}: {error}"))
                continue
            ledger.batch_replayed(
                staged.batch,
                artifact.id,
                [each.name for each in self._destinations],
                staged.rejected,
                staged.held_because,
            )
            self.tell(
                BatchStaged(
                    run=self.run_id,
                    stream=self.name,
                    batch=staged.batch.id,
                    rows=staged.batch.rows,
                    duplicate=staged.batch.duplicate,
                    rejected=staged.batch.rejected,
                )
            )
        if failed:
            raise failed[0]

    def _rebuild_curated(self) -> Counts:
        self._forget_lost()
        before = self._delivered()
        # What is pending now waits for a destination that the pipeline no longer names.
        merged = self.installation.ledger.batches(self.name, DONE, PENDING)
        batches = [self._loaded(batch_id) for batch_id in merged]
        if not batches:
            return before
        with self.lake.opened.private() as folder:
            rebuilt = Warehouse(str(folder / "rebuilt.db"))
            for batch in batches:
                stream = as_merged(self.stream, batch)
                rebuilt.write(stream, rebuilt.compare(stream, batch))
            batch = self._staged_again(rebuilt)
        self.installation.ledger.batch_staged(batch, None, [each.name for each in self._destinations], ())
        return before + self._delivered()

    def _forget_lost(self) -> None:
        """Let go of what an earlier replay has rebuilt and somebody has deleted: this one rebuilds it."""
        ledger = self.installation.ledger
        rebuilt = ledger.history.rebuilt_batches(self.name)
        for batch_id in {each.batch for each in ledger.pending(self.name)} & rebuilt:
            if self.lake.staging.load(batch_id) is None:
                ledger.forget_batch(batch_id)

    def _delivered(self) -> Counts:
        """Deliver what is pending, oldest first. Raises the first failure."""
        deliverer = Deliverer(
            run=self.run_id,
            name=self.name,
            stream=self.stream,
            destinations=self._destinations,
            staging=self.lake.staging,
            ledger=self.installation.ledger,
            budget=Budget(),
            emit=self.tell,
        )
        outcome_here = deliverer.deliver_pending(left_over=False)
        if outcome_here.failures:
            raise outcome_here.failures[0]
        return outcome_here.counts

    def _loaded(self, batch_id: str) -> Batch:
        batch = self.lake.staging.load(batch_id)
        if batch is None:
            raise BackhaulError(
                f"{self.name}: batch {batch_id} is gone from staging",
                next_step=f"Rebuild it first: backhaul replay {self.name} staging",
            )
        return batch

    def _staged_again(self, rebuilt: Warehouse) -> Batch:
        writer = self.lake.staging.writer(
            f"{self.run_id}.{self.stream.name}.curated", self.name, self.stream.key, self.timezone
        )
        rows = 0
        for table in rebuilt.read(self.stream.target):
            # The real table marks what is removed by itself: it is what a complete batch lacks.
            is_there = REMOVED_AT in table.columns and self.stream.complete
            frame = table.filter(table[REMOVED_AT].is_null()).drop(REMOVED_AT) if is_there else table
            writer.add(frame.with_row_index(ROW, offset=rows + 1))
            rows += frame.height
        return writer.finish(0)
