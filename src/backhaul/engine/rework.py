"""Rejected rows taken back: tried again as they are, or repaired by a person; a run of its own in the ledger."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.engine.context import Status, StreamResult, failure_event, status_of
from backhaul.engine.deliver import Deliverer
from backhaul.engine.events import BatchStaged, RunEnded, RunStarted, StreamDone, Subscriber, Warned
from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger.rejects import RejectedRow
from backhaul.engine.ledger.tables import DISMISSED, KEPT, OPEN, REPAIRED, REQUEUED, SUPERSEDED
from backhaul.engine.quarantine import reread_of
from backhaul.engine.repair_file import NEXT_EXPORT, Line, NotA, read_lines, repaired
from backhaul.engine.reread import ID, Group, Reread
from backhaul.engine.run import Installation, RunResult, Telling, new_run_id, outcome
from backhaul.engine.stage import Staged
from backhaul.engine.systems import Target
from backhaul.engine.unforeseen import ours_alone
from backhaul.engine.words import counted
from backhaul.errors import BackhaulError, CheckFailed, ConfigError
from backhaul.model import ROW, Artifact, Counts, Destination, Stream
from backhaul.retry import Budget
from backhaul.version import __version__

if TYPE_CHECKING:
    import polars as pl

REQUEUE, REPAIR = "requeue", "repair"
"""What such a run is called in the ledger, where others have their window."""

CLOSED = (SUPERSEDED, REPAIRED, REQUEUED, DISMISSED)


def requeue(target: Target, installation: Installation, subscribers: Sequence[Subscriber] = ()) -> RunResult:
    """Try a stream's rejected rows again as they are, with today's pipeline, and deliver those that pass now.

    Rows that one destination refused go only there. Raises ConfigError, AlreadyRunning.
    """
    return _recorded(target, installation, REQUEUE, subscribers, lambda work: work.requeue())


def repair(
    target: Target, installation: Installation, path: Path, subscribers: Sequence[Subscriber] = ()
) -> RunResult:
    """Take rows that a person has repaired in an exported file, check them and deliver them everywhere.

    What still fails a check stays in quarantine, for its new reason. The same file twice changes nothing. Raises
    ConfigError for a file that is no such export, before anything is changed, and AlreadyRunning.
    """
    lines = read_lines(path)
    _tickets(reread_of(target, installation), path.name, lines)
    return _recorded(target, installation, REPAIR, subscribers, lambda work: work.repair(path.name, lines))


def _tickets(reread: Reread, file: str, lines: Sequence[Line]) -> dict[str, RejectedRow]:
    """Return the rows that the lines name. Raises ConfigError naming the lines that name none, or one twice."""
    name = reread.name
    known = {entry.ticket: entry for entry in reread.ledger.rejects.rows(name, OPEN, *CLOSED)}
    times = Counter(line.ticket for line in lines)
    unknown = [line.number for line in lines if line.ticket not in known]
    twice = [line.number for line in lines if times[line.ticket] > 1 and line.ticket in known]
    for numbers, wrong in ((unknown, f"not of {name}'s quarantine"), (twice, "there twice")):
        if numbers:
            are = "is" if len(numbers) == 1 else "are"
            raise ConfigError(f"{file}: {_rows(numbers)} {are} {wrong}; nothing was changed", next_step=NEXT_EXPORT)
    return {ticket: known[ticket] for ticket in times}


def _recorded(
    target: Target,
    installation: Installation,
    words: str,
    subscribers: Sequence[Subscriber],
    do: Callable[[_Work], None],
) -> RunResult:
    reread = reread_of(target, installation)
    with installation.held(target.name, wait=False):
        started, ledger = time.monotonic(), reread.ledger
        run = new_run_id(datetime.now(UTC))
        tell = Telling([ledger.record, *subscribers])
        reread.lake.clear_landing(target.name)
        ledger.open_run(run, target.name, words, __version__)
        tell(RunStarted(run=run, pipeline=target.name, streams=1, dry_run=False))
        work = _Work(run, target.name, reread, (installation.curated, *reread.stream.to), tell)
        result = work.concluded(words, do)
        status, exit_code = outcome([result], automated=False)
        ledger.close_run(run, status, exit_code)
        seconds = time.monotonic() - started
        tell(RunEnded(run=run, status=status, exit_code=exit_code, seconds=round(seconds, 3)))
        return RunResult(run, target.name, status, exit_code, seconds, (result,))


@dataclass
class _Work:
    """One requeue or repair of one stream, under the pipeline's lock."""

    run: str
    pipeline: str
    reread: Reread
    destinations: tuple[Destination, ...]
    tell: Telling
    counts: Counts = field(default_factory=Counts)

    @property
    def name(self) -> str:
        return self.reread.name

    @property
    def stream(self) -> Stream:
        return self.reread.stream

    @property
    def ledger(self) -> Ledger:
        return self.reread.ledger

    def concluded(self, words: str, do: Callable[[_Work], None]) -> StreamResult:
        """Do it, tell how it ended, record it."""
        started, error, status = time.monotonic(), None, Status.DONE
        try:
            with ours_alone(self.name):
                do(self)
            seconds = round(time.monotonic() - started, 3)
            self.tell(StreamDone(run=self.run, stream=self.name, counts=self.counts, seconds=seconds))
        except BackhaulError as failure:
            error, status = failure, status_of(failure)
            self.tell(failure_event(self.run, self.name, failure, 0, status, counts=self.counts))
        result = StreamResult(self.name, status, words, self.counts, 0, time.monotonic() - started, error)
        result.record(self.ledger, self.run)
        return result

    def requeue(self) -> None:
        """Stage what passes now, by file and by who refused it, and deliver it."""
        batches, held = self._left_over()
        groups = self._readable(self.ledger.rejects.rows(self.name))
        outdated = self._close_outdated(self.reread.outdated(self.reread.candidates(groups)))
        requeued = 0
        for group in groups:
            for destination in group.destinations:
                to = [each.name for each in self.destinations if destination in ("", each.name)]
                if not to:
                    self._warn(f"rows that {destination} refused stay: the pipeline no longer names it")
                    continue
                found = group.found(destination)
                frame = found.filter(~found[ID].is_in(list(outdated))) if found.height else found
                if not frame.height:
                    continue
                requeued += 1
                staged, passed = self._staged(frame, f"requeue{requeued}")
                if not passed:
                    self.reread.lake.staging.remove(staged.batch.id)
                    self.counts += Counts(rejected=staged.batch.rejected)
                    continue
                self.ledger.batch_requeued(staged.batch, group.artifact, to, passed, staged.held_because)
                self._tell_staged(staged)
                batches.append(staged.batch.id)
                held += [staged.held_because] if staged.held_because else []
                self.ledger.keep_audit(REQUEUE, self.name, counted(len(passed), "row"))
        self._deliver(batches, held)

    def repair(self, file: str, lines: Sequence[Line]) -> None:
        """Keep the repaired rows as a file of their own, stage it and deliver it."""
        batches, held = self._left_over()
        by_ticket = _tickets(self.reread, file, lines)
        entries = [by_ticket[line.ticket] for line in lines]
        self._tell_closed(file, lines, by_ticket)
        groups = self._readable([entry for entry in entries if entry.state == OPEN])
        frames, bad = self._repaired(lines, by_ticket, groups)
        self.counts += Counts(rejected=bad)
        changed = [Group(group.artifact, group.entries, frame) for group, frame in zip(groups, frames, strict=True)]
        outdated = self._close_outdated(self.reread.outdated(self.reread.candidates(changed)))
        rows = _joined(frames, outdated)
        if rows.height:
            artifact = self._kept(rows)
            self.ledger.keep_audit(REPAIR, self.name, f"{counted(rows.height, 'row')} of {file}")
            staged = self._stage_repaired(artifact)
            batches.append(staged.batch.id)
            held += [staged.held_because] if staged.held_because else []
        self._deliver(batches, held)

    def _left_over(self) -> tuple[list[str], list[str]]:
        """Stage what a killed repair has kept; return the batches, and why a check holds some of them back."""
        kept = self.ledger.artifacts.of(self.name, self.reread.lake.raw.folder, KEPT)
        staged = [self._stage_repaired(artifact) for artifact in kept if artifact.is_repair]
        return [each.batch.id for each in staged], [each.held_because for each in staged if each.held_because]

    def _readable(self, entries: Iterable[RejectedRow]) -> list[Group]:
        groups = list(self.reread.groups(entries))
        for group in groups:
            missing = len(group.entries) - group.frame.height
            if missing:
                why = group.problem or "the file has them no more, as the pipeline reads it now"
                self._warn(f"{counted(missing, 'row stays', 'rows stay')} in quarantine: {why}")
        return groups

    def _close_outdated(self, ids: set[int]) -> set[int]:
        if ids:
            self.ledger.rejects.close(ids, SUPERSEDED)
            rows = counted(len(ids), "row is", "rows are")
            self._warn(f"{rows} left out and closed: newer files have brought the same keys")
        return ids

    def _staged(self, frame: pl.DataFrame, number: str) -> tuple[Staged, list[int]]:
        """Return the staged rows of frame and the ids of those that have passed; the others get their new reason."""
        ids = dict(zip(frame[ROW], frame[ID], strict=True))
        batch_id = f"{self.run}.{self.stream.name}.{number}"
        staged = self.reread.stager.stage_some([frame.drop(ID)], batch_id)
        failed = {ids[each.row]: each.check for each in staged.rejected}
        self.ledger.rejects.judge_again(failed)
        return staged, [row for row in ids.values() if row not in failed]

    def _tell_closed(self, file: str, lines: Sequence[Line], by_ticket: Mapping[str, RejectedRow]) -> None:
        closed: dict[str, list[int]] = {}
        for line in lines:
            if (state := by_ticket[line.ticket].state) != OPEN:
                closed.setdefault(state, []).append(line.number)
        for state, numbers in closed.items():
            self._warn(f"{file}: {_rows(numbers)} left out: {state} already")

    def _repaired(
        self, lines: Sequence[Line], by_ticket: Mapping[str, RejectedRow], groups: Sequence[Group]
    ) -> tuple[list[pl.DataFrame], int]:
        """Return the repaired rows of each group, and how many stay because nothing fits or nothing was changed."""
        import polars as pl

        by_id = {by_ticket[line.ticket].id: line for line in lines}
        timezone, untouched = self.reread.stager.timezone, []
        reasons: dict[int, str] = {}
        frames = []
        for group in groups:
            rows, schema = [], dict(group.frame.schema)
            for original in group.frame.iter_rows(named=True):
                line = by_id[original[ID]]
                try:
                    row = repaired(original, schema, line, timezone)
                except NotA as error:
                    reasons[original[ID]] = str(error)
                    continue
                if row is None:
                    untouched.append(line.number)
                else:
                    rows.append(row)
            frames.append(pl.DataFrame(rows, schema=schema, orient="row") if rows else group.frame.clear())
        self.ledger.rejects.judge_again(reasons)
        for reason, number in Counter(reasons.values()).items():
            self._warn(f"{counted(number, 'row')} rejected: {reason}")
        if untouched:
            self._warn(f"{_rows(untouched)} left in quarantine: nothing was changed in them")
        return frames, len(reasons) + len(untouched)

    def _kept(self, rows: pl.DataFrame) -> Artifact:
        """Keep the rows in raw, where they wait from then on, whatever happens; the quarantine lets go of them."""
        content, lake = io.BytesIO(), self.reread.lake
        rows.drop(ID, ROW).write_parquet(content, compression="zstd")
        landing = lake.landing(self.pipeline, self.stream.name)
        landed = landing.receive(
            [content.getvalue()], name="repaired rows.parquet", window=None, prove=lambda path: None
        )
        kept, ids = lake.raw.keep(landed), rows[ID].to_list()
        return self.ledger.artifacts.keep(self.run, self.name, 1, kept, kept.path, repairs=ids)

    def _stage_repaired(self, artifact: Artifact) -> Staged:
        staged = self.reread.stager.stage(artifact, artifact.id)
        names = [each.name for each in self.destinations]
        self.ledger.batch_staged(staged.batch, artifact.id, names, staged.rejected, staged.held_because)
        self._tell_staged(staged)
        return staged

    def _tell_staged(self, staged: Staged) -> None:
        batch = staged.batch
        facts = {"rows": batch.rows, "duplicate": batch.duplicate, "rejected": batch.rejected}
        self.tell(BatchStaged(run=self.run, stream=self.name, batch=batch.id, **facts))
        for warning in staged.warnings:
            self._warn(warning)

    def _deliver(self, batches: Sequence[str], held: Sequence[str]) -> None:
        """Deliver what is pending, oldest first, and count these batches as their headline destination does.

        One that goes to another destination alone is counted as that one does. Raises CheckFailed if a check holds
        one back, and the first failure of a destination.
        """
        deliverer = Deliverer(
            run=self.run,
            name=self.name,
            stream=self.stream,
            destinations=self.destinations,
            staging=self.reread.lake.staging,
            ledger=self.ledger,
            budget=Budget(),
            emit=self.tell,
        )
        failures = deliverer.deliver_pending(left_over=False).failures
        for batch in batches:
            done = self.ledger.history.delivered(batch)
            self.counts += done.get(deliverer.headline) or next(iter(done.values()), Counts())
        if held:
            raise CheckFailed(f"{self.name}: held back: {'; '.join(held)}")
        if failures:
            raise failures[0]

    def _warn(self, message: str) -> None:
        self.tell(Warned(run=self.run, stream=self.name, message=message))


def _joined(frames: Iterable[pl.DataFrame], without: set[int]) -> pl.DataFrame:
    """Return the rows of all files in one frame, of the columns that any of them has."""
    import polars as pl

    kept = [frame.filter(~pl.col(ID).is_in(list(without))) for frame in frames if frame.height]
    return pl.concat(kept, how="diagonal_relaxed") if kept else pl.DataFrame()


def _rows(numbers: Sequence[int]) -> str:
    """Return row numbers in words: the first few and how many more."""
    shown = ", ".join(map(str, numbers[:10]))
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"row {shown}" if len(numbers) == 1 else f"rows {shown}{more}"
