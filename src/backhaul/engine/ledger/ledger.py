"""The ledger: what has run, what was kept, what is staged, what is still to be delivered, and where each cursor is.

Every method is one transaction. The ledger is a file of its own, so that it never lies inside what it accounts for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backhaul.engine.events import Event
from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.alerts import Alerts
from backhaul.engine.ledger.artifacts import Artifacts
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.history import History
from backhaul.engine.ledger.kept_files import KeptFiles, still_whole_since
from backhaul.engine.ledger.outbox import Outbox
from backhaul.engine.ledger.rejects import Rejects, as_they_were, carry_over, close_rows, quarantine
from backhaul.engine.ledger.tables import (
    DONE,
    HELD,
    LOST,
    PART,
    PENDING,
    REPLACED,
    REQUEUED,
    STAGED,
)
from backhaul.model import Batch, Counts, Rejected, Window


@dataclass(frozen=True)
class Cursor:
    """Where a stream goes on: the source's own mark, the last day of the last success, the last batch's columns."""

    cursor: str | None = None
    window_end: date | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class PendingDelivery:
    """A batch that a destination has not confirmed yet, and how often it was tried in vain."""

    batch: str
    destination: str
    failures: int


class Ledger:
    """The ledger in an SQLite file, or by `postgresql://...` on a server; safe for threads and processes."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._file = LedgerFile(path)

    @property
    def history(self) -> History:
        """What has happened, for people to look at."""
        return History(self._file)

    @property
    def outbox(self) -> Outbox:
        """The messages to people."""
        return Outbox(self._file)

    @property
    def alerts(self) -> Alerts:
        """The streams that fail."""
        return Alerts(self._file)

    @property
    def rejects(self) -> Rejects:
        """The rows in quarantine."""
        return Rejects(self._file)

    @property
    def artifacts(self) -> Artifacts:
        """The kept files on their way to becoming batches."""
        return Artifacts(self._file)

    @property
    def kept_files(self) -> KeptFiles:
        """The files in raw, as retention looks at them."""
        return KeptFiles(self._file)

    def held(self, pipeline: str, *, wait: bool) -> AbstractContextManager[None]:
        """Hold a pipeline among all machines that share the ledger. Raises AlreadyRunning, unless it may wait."""
        return self._file.held(pipeline, wait=wait)

    def open_run(self, run: str, pipeline: str, window: str, version: str) -> None:
        """Record that a run has begun. Runs of this pipeline that never ended are closed as killed."""
        with self._file.transaction() as db:
            db.execute(
                t.runs.update()
                .where(t.runs.c.pipeline == pipeline, t.runs.c.status == "running")
                .values(status="killed", ended_at=_now())
            )
            db.execute(
                t.runs.insert().values(
                    id=run,
                    pipeline=pipeline,
                    window=window,
                    status="running",
                    started_at=_now(),
                    pid=os.getpid(),
                    version=version,
                )
            )

    def close_run(self, run: str, status: str, exit_code: int, peak_bytes: int | None = None) -> None:
        """Record how a run has ended, and the most memory its process took (None where that is not known)."""
        ended = {"status": status, "exit_code": exit_code, "ended_at": _now(), "peak_bytes": peak_bytes}
        with self._file.transaction() as db:
            db.execute(t.runs.update().where(t.runs.c.id == run).values(**ended))

    def keep_audit(self, what: str, target: str, detail: str) -> None:
        """Record what a person has done, and who, by the name of the account on this machine."""
        import getpass

        try:
            who = getpass.getuser()
        except (OSError, KeyError, ImportError):
            who = "unknown"
        with self._file.transaction() as db:
            db.execute(t.audit.insert().values(at=_now(), who=who, what=what, target=target, detail=detail))

    def record(self, event: Event) -> None:
        """Keep an event; a subscriber."""
        with self._file.transaction() as db:
            db.execute(
                t.events.insert().values(
                    run=event.run,
                    at=_now(),
                    stream=event.stream,
                    kind=event.kind,
                    facts=json.dumps(event.facts()),
                )
            )

    def start_attempt(self, run: str, stream: str, number: int, *, own_session: bool) -> int:
        """Record that an attempt begins; return its id."""
        with self._file.transaction() as db:
            result = db.execute(
                t.attempts.insert().values(
                    run=run,
                    stream=stream,
                    number=number,
                    own_session=own_session,
                    started_at=_now(),
                    outcome="running",
                )
            )
            return int(result.inserted_primary_key[0])  # type: ignore[index]

    def end_attempt(self, attempt: int, outcome: str, message: str | None = None) -> None:
        """Record how an attempt has ended: `ok` or the error's class."""
        with self._file.transaction() as db:
            db.execute(
                t.attempts.update()
                .where(t.attempts.c.id == attempt)
                .values(outcome=outcome, message=message, ended_at=_now())
            )

    def close_stream(self, run: str, stream: str, counts: Counts, **facts: object) -> None:
        """Record a stream's result in a run: window, status, attempts, seconds, error, message."""
        with self._file.transaction() as db:
            db.execute(t.stream_runs.insert().values(run=run, stream=stream, **asdict(counts), **facts))

    def batch_staged(
        self,
        batch: Batch,
        artifact: str | None,
        destinations: Sequence[str],
        rejected: Sequence[Rejected],
        held_because: str | None = None,
        *,
        is_complete: bool = False,
    ) -> None:
        """Record a batch with its pending deliveries and quarantined rows; a held one waits for a person.

        What a file that `is_complete` has is all there is: quarantined rows of any earlier file are closed.
        """
        with self._file.transaction() as db:
            _insert_batch(db, batch, artifact, destinations, rejected, held_because)
            if artifact and is_complete and not held_because:
                _supersede_quarantined(db, batch.stream, artifact, is_complete=True)

    def batch_replayed(
        self,
        batch: Batch,
        artifact: str,
        destinations: Sequence[str],
        rejected: Sequence[Rejected],
        held_because: str | None,
    ) -> None:
        """Record a batch that takes the place of all earlier ones of its artifact.

        The replay itself delivers it, unless it is held: then it waits for a person, as any other. Deliveries of
        the earlier ones that are still pending become deliveries of this one, at their place in the queue.
        """
        pending = t.deliveries.c.state == PENDING
        with self._file.transaction() as db:
            former = sa.select(t.batches.c.id).where(t.batches.c.artifact == artifact)
            closed = as_they_were(db, former)
            db.execute(t.quarantine.delete().where(t.quarantine.c.batch.in_(former)))
            gone = t.deliveries.c.state == HELD
            if held_because:
                gone |= pending
            db.execute(t.deliveries.delete().where(t.deliveries.c.batch.in_(former), gone))
            waiting = (
                t.deliveries.update()
                .where(t.deliveries.c.batch.in_(former), pending)
                .values(batch=batch.id, failures=0, message=None)
            )
            is_waiting = db.execute(waiting).rowcount
            db.execute(t.batches.update().where(t.batches.c.artifact == artifact).values(state=REPLACED))
            _insert_batch(db, batch, artifact, destinations if held_because else (), rejected, held_because)
            carry_over(db, batch.id, closed)
            if is_waiting:
                db.execute(t.batches.update().where(t.batches.c.id == batch.id).values(state=PENDING))

    def batch_requeued(
        self,
        batch: Batch,
        artifact: str | None,
        destinations: Sequence[str],
        rows: Collection[int],
        held_because: str | None,
    ) -> None:
        """Record a batch of rows that come out of quarantine (their ids), for those destinations."""
        with self._file.transaction() as db:
            _insert_batch(db, batch, artifact, destinations, (), held_because)
            close_rows(db, rows, REQUEUED)

    def forget_batch(self, batch: str) -> None:
        """Let go of a batch and its pending deliveries: what it holds comes with another one."""
        pending = t.deliveries.c.state == PENDING
        with self._file.transaction() as db:
            db.execute(t.deliveries.delete().where(t.deliveries.c.batch == batch, pending))
            db.execute(t.batches.update().where(t.batches.c.id == batch).values(state=REPLACED))

    def lose_batch(self, batch: str) -> None:
        """Record that a batch went with the disk of a machine that forgets; its days are fetched again."""
        with self._file.transaction() as db:
            open_ones = t.deliveries.c.state.in_((PENDING, HELD))
            db.execute(t.deliveries.update().where(t.deliveries.c.batch == batch, open_ones).values(state=LOST))
            db.execute(t.batches.update().where(t.batches.c.id == batch).values(state=LOST))

    def accept_held(self, stream: str) -> int:
        """Let the stream's held batches go on; return how many there were."""
        with self._file.transaction() as db:
            held = t.batches.c.state == HELD
            result = db.execute(t.batches.update().where(t.batches.c.stream == stream, held).values(state=PENDING))
            db.execute(
                t.deliveries.update()
                .where(t.deliveries.c.stream == stream, t.deliveries.c.state == HELD)
                .values(state=PENDING)
            )
            return result.rowcount

    def pending(self, stream: str | None = None) -> list[PendingDelivery]:
        """Return what is still to be delivered, of one stream or of all, oldest first."""
        table = t.deliveries
        query = sa.select(table.c.batch, table.c.destination, table.c.failures).where(table.c.state == PENDING)
        if stream:
            query = query.where(table.c.stream == stream)
        return [PendingDelivery(**row) for row in self._file.rows(query.order_by(table.c.number))]

    def delivered(self, batch: Batch, destination: str, counts: Counts, refused: Sequence[Rejected]) -> None:
        """Record what a destination has confirmed; with its last delivery, the batch is done."""
        table = t.deliveries
        with self._file.transaction() as db:
            db.execute(
                table.update()
                .where(table.c.batch == batch.id, table.c.destination == destination)
                .values(state=DONE, changed_at=_now(), message=None, **asdict(counts))
            )
            quarantine(db, batch, refused, destination)
            open_ones = sa.select(sa.func.count()).where(table.c.batch == batch.id, table.c.state != DONE)
            if not db.execute(open_ones).scalar_one():
                db.execute(t.batches.update().where(t.batches.c.id == batch.id).values(state=DONE))

    def delivery_failed(self, batch: str, destination: str, message: str) -> None:
        """Record why a delivery stays pending."""
        table = t.deliveries
        with self._file.transaction() as db:
            db.execute(
                table.update()
                .where(table.c.batch == batch, table.c.destination == destination)
                .values(failures=table.c.failures + 1, message=message, changed_at=_now())
            )

    def cursor(self, stream: str) -> Cursor:
        """Return where the stream goes on; empty if it never got anywhere."""
        rows = self._file.rows(sa.select(t.cursors).where(t.cursors.c.stream == stream))
        if not rows:
            return Cursor()
        end, columns = rows[0]["window_end"], rows[0]["columns"]
        return Cursor(
            cursor=rows[0]["cursor"],
            window_end=end and date.fromisoformat(end),
            columns=tuple(json.loads(columns)) if columns else (),
        )

    def move_cursor(self, stream: str, cursor: str | None, window: Window) -> None:
        """Move the cursor. The last day of success never moves back, nor over days that no run has covered.

        So a window that begins later than the day after it leaves everything as it was.
        """
        before = self.cursor(stream).window_end
        if before and window.start > before + timedelta(days=1):
            return
        end = max(before, window.end) if before else window.end
        with self._file.transaction() as db:
            _set_cursor(db, stream, {"cursor": cursor, "window_end": end.isoformat(), "moved_at": _now()})

    def remember_inputs(self, stream: str, inputs: str) -> None:
        """Keep what a derived stream was computed from, in words that only `Derivation` understands."""
        with self._file.transaction() as db:
            _set_cursor(db, stream, {"cursor": inputs, "moved_at": _now()})

    def earlier_rows(self, stream: str, most: int = 10) -> tuple[int, ...]:
        """Return the row counts of the stream's last delivered batches that came from files, newest first."""
        table = t.batches
        is_file = sa.and_(table.c.artifact.is_not(None), table.c.origin.is_(None))
        query = (
            sa.select(table.c.rows)
            .where(table.c.stream == stream, table.c.state == DONE, is_file)
            .order_by(table.c.number.desc())
            .limit(most)
        )
        return tuple(row["rows"] for row in self._file.rows(query))

    def batches(self, stream: str, *states: str) -> list[str]:
        """Return the ids of a stream's batches that came from files, in the order of the files.

        Without states, those that are delivered. Those that are older than a pruned file are left out: what they
        hold may be older than what is delivered.
        """
        table = t.batches
        query = (
            sa.select(table.c.id)
            .join(t.artifacts, t.artifacts.c.id == table.c.artifact)
            .where(table.c.stream == stream, table.c.state.in_(states or (DONE,)), still_whole_since(stream))
            .order_by(t.artifacts.c.number, table.c.number)
        )
        return [row["id"] for row in self._file.rows(query)]


def _insert_batch(
    db: sa.Connection,
    batch: Batch,
    artifact: str | None,
    destinations: Sequence[str],
    rejected: Sequence[Rejected],
    held_because: str | None,
) -> None:
    now, state = _now(), HELD if held_because else PENDING
    if artifact:
        db.execute(t.artifacts.update().where(t.artifacts.c.id == artifact).values(state=STAGED))
    db.execute(
        t.batches.insert().values(
            id=batch.id,
            artifact=artifact,
            stream=batch.stream,
            staged_at=now,
            state=state if destinations or held_because else DONE,
            rows=batch.rows,
            duplicate=batch.duplicate,
            rejected=batch.rejected,
            reason=held_because,
            origin=None if batch.is_whole else PART,
        )
    )
    for name in destinations:
        db.execute(
            t.deliveries.insert().values(
                batch=batch.id, stream=batch.stream, destination=name, state=state, changed_at=now
            )
        )
    if artifact:
        _supersede_quarantined(db, batch.stream, artifact)
    quarantine(db, batch, rejected, "")
    if batch.is_whole and (columns := list(batch.schema())):
        _set_cursor(db, batch.stream, {"columns": json.dumps(columns)})


def _supersede_quarantined(db: sa.Connection, stream: str, artifact: str, *, is_complete: bool = False) -> None:
    """Close the quarantined rows of earlier files of the same window or the same bytes: this file has them too.

    One that is complete has those of every earlier file.
    """
    table, files = t.quarantine, t.artifacts
    this = sa.select(files).where(files.c.id == artifact).subquery()
    same_window = sa.and_(files.c.window_start == this.c.window_start, files.c.window_end == this.c.window_end)
    earlier = sa.select(files.c.id).where(
        files.c.stream == stream,
        files.c.id != artifact,
        files.c.number < this.c.number,
        sa.or_(same_window, files.c.sha256 == this.c.sha256, sa.literal(is_complete)),
    )
    db.execute(
        table.update().where(table.c.artifact.in_(earlier), table.c.state == "open").values(state="superseded")
    )


def _set_cursor(db: sa.Connection, stream: str, values: dict[str, Any]) -> None:
    if db.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(t.cursors).values(stream=stream, **values)
    db.execute(statement.on_conflict_do_update(index_elements=["stream"], set_=values))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
