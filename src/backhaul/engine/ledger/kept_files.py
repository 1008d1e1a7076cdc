"""The kept files of a stream as retention and people look at them: their age, their size, what waits for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.tables import (
    DISMISSED,
    DONE,
    HELD,
    KEPT,
    LOST,
    OPEN,
    PENDING,
    PRUNED,
    REFUSED,
    REPAIR,
    REPLACED,
    STAGED,
)

NOT_STAGED, NOT_DELIVERED, NOT_GOOD, NOT_READ = "not staged", "not delivered", "rows in quarantine", "refused"
"""Why a file may not go yet."""

DELIVERED, LET_GO = "delivered", "let go of"
"""What else may be said of one."""


@dataclass(frozen=True)
class KeptFile:
    """One kept file; `waits` says why it may not go yet, None if it may.

    `made_at` is when the place it came from got it, None where that is not known. `reason` is why it was refused or
    is held back. `is_delivered` tells a file whose rows are everywhere from one that was let go of, or that holds
    rows repaired by a person.
    """

    id: str
    name: str
    sha256: str
    size_bytes: int
    fetched_at: datetime
    made_at: datetime | None
    days: str | None
    batches: tuple[str, ...]
    waits: str | None
    reason: str | None
    is_dismissed: bool
    is_repair: bool

    @property
    def is_delivered(self) -> bool:
        """Whether it is a fetched file whose rows have arrived everywhere."""
        return self.waits is None and not self.is_dismissed and not self.is_repair

    @property
    def state(self) -> str:
        """How far it is, in words: why it waits, else that it is delivered or was let go of."""
        return self.waits or (LET_GO if self.is_dismissed else DELIVERED)


class KeptFiles:
    """The kept files of one ledger."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def of(self, stream: str) -> list[KeptFile]:
        """Return the stream's files that are still there, oldest first."""
        table = t.artifacts
        query = sa.select(table).where(table.c.stream == stream, table.c.state.not_in((PRUNED, LOST)))
        batches: dict[str, list[str]] = {}
        reasons: dict[str, str] = {}
        for row in self._file.rows(sa.select(t.batches).where(t.batches.c.stream == stream)):
            if row["artifact"]:
                batches.setdefault(row["artifact"], []).append(row["id"])
                if row["state"] == HELD:
                    reasons[row["artifact"]] = row["reason"]
        undelivered, quarantined = self._undelivered(stream), self._quarantined(stream)
        return [
            KeptFile(
                id=row["id"],
                name=row["name"],
                sha256=row["sha256"],
                size_bytes=row["size_bytes"],
                fetched_at=datetime.fromisoformat(row["fetched_at"]),
                made_at=datetime.fromisoformat(row["made_at"]) if row["made_at"] else None,
                days=_days(row),
                batches=tuple(batches.get(row["id"], ())),
                waits=_waits(row, undelivered, quarantined),
                reason=row["reason"] if row["state"] == REFUSED else reasons.get(row["id"]),
                is_dismissed=row["state"] == DISMISSED,
                is_repair=row["origin"] == REPAIR,
            )
            for row in self._file.rows(query.order_by(table.c.number))
        ]

    def others_with(self, sha256: str, artifact: str) -> int:
        """Return how many other kept files, of whatever stream, have the same bytes."""
        table = t.artifacts
        same = sa.and_(table.c.sha256 == sha256, table.c.id != artifact, table.c.state.not_in((PRUNED, LOST)))
        rows = self._file.rows(sa.select(sa.func.count().label("number")).where(same))
        return int(rows[0]["number"]) if rows else 0

    def pruned(self, artifact: str) -> None:
        """Record that a file was removed by retention."""
        with self._file.transaction() as db:
            db.execute(t.artifacts.update().where(t.artifacts.c.id == artifact).values(state=PRUNED))

    def spent_batches(self, stream: str) -> list[str]:
        """Return the batches that nothing reads any more: replaced ones, and delivered ones that came from no file.

        Of the latter, those with rows in quarantine are still read.
        """
        table, rows = t.batches, t.quarantine
        quarantined = sa.select(rows.c.batch).where(rows.c.stream == stream, rows.c.state == OPEN)
        computed = sa.and_(table.c.artifact.is_(None), table.c.state == DONE, table.c.id.not_in(quarantined))
        query = sa.select(table.c.id).where(table.c.stream == stream, sa.or_(table.c.state == REPLACED, computed))
        return [row["id"] for row in self._file.rows(query)]

    def is_rebuilding(self, stream: str) -> bool:
        """Tell whether what a replay has made of all files is not delivered everywhere yet."""
        table = t.deliveries
        query = (
            sa.select(table.c.number)
            .join(t.batches, t.batches.c.id == table.c.batch)
            .where(table.c.stream == stream, table.c.state.in_((PENDING, HELD)), t.batches.c.artifact.is_(None))
        )
        return bool(self._file.rows(query.limit(1)))

    def to_replay(self, stream: str) -> list[str]:
        """Return the ids of the files that a replay may take, oldest first: none is older than a pruned one."""
        table = t.artifacts
        query = sa.select(table.c.id).where(
            table.c.stream == stream, table.c.state.in_((KEPT, STAGED, REFUSED)), still_whole_since(stream)
        )
        return [row["id"] for row in self._file.rows(query.order_by(table.c.number))]

    def left_out(self, stream: str) -> tuple[int, int]:
        """Return how many files are pruned, and how many kept ones a replay leaves out because they are older."""
        table = t.artifacts
        pruned = sa.select(sa.func.count().label("number")).where(
            table.c.stream == stream, table.c.state == PRUNED, _was_staged()
        )
        kept = sa.select(sa.func.count().label("number")).where(
            table.c.stream == stream, table.c.state.in_((KEPT, STAGED, REFUSED))
        )
        numbers = [int(rows[0]["number"]) if (rows := self._file.rows(query)) else 0 for query in (pruned, kept)]
        return numbers[0], numbers[1] - len(self.to_replay(stream))

    def forget_steps(self, before: datetime) -> int:
        """Remove the events and attempts of runs that began before then; return how many runs that were.

        Runs and the results of their streams stay, for reports.
        """
        with self._file.transaction() as db:
            old = sa.select(t.runs.c.id).where(t.runs.c.started_at < before.isoformat())
            runs = db.execute(sa.select(sa.func.count(sa.distinct(t.events.c.run))).where(t.events.c.run.in_(old)))
            number = int(runs.scalar_one())
            db.execute(t.events.delete().where(t.events.c.run.in_(old)))
            db.execute(t.attempts.delete().where(t.attempts.c.run.in_(old)))
            return number

    def _undelivered(self, stream: str) -> set[str]:
        """Return the files with a batch that some destination has not confirmed, or that waits for a person."""
        waiting = (
            sa.select(t.batches.c.artifact)
            .outerjoin(t.deliveries, t.deliveries.c.batch == t.batches.c.id)
            .where(t.batches.c.stream == stream)
            .where(sa.or_(t.deliveries.c.state.in_((PENDING, HELD)), t.batches.c.state.in_((PENDING, HELD))))
        )
        return {row["artifact"] for row in self._file.rows(waiting)}

    def _quarantined(self, stream: str) -> set[str]:
        is_open = sa.and_(t.quarantine.c.stream == stream, t.quarantine.c.state == OPEN)
        rows = sa.select(t.quarantine.c.artifact).where(is_open).distinct()
        return {row["artifact"] for row in self._file.rows(rows)}


def still_whole_since(stream: str) -> sa.ColumnElement[bool]:
    """Return the condition that no file newer than this artifact is pruned.

    Curated holds what pruned files brought; what an older one holds must not be merged over it.
    """
    pruned = t.artifacts.alias("pruned")
    newest = sa.select(sa.func.max(pruned.c.number)).where(
        pruned.c.stream == stream,
        pruned.c.state == PRUNED,
        sa.exists().where(t.batches.c.artifact == pruned.c.id).correlate(pruned),
    )
    return t.artifacts.c.number > sa.func.coalesce(newest.scalar_subquery(), 0)


def _was_staged() -> sa.ColumnElement[bool]:
    return sa.exists().where(t.batches.c.artifact == t.artifacts.c.id).correlate(t.artifacts)


def _days(row: dict[str, Any]) -> str | None:
    start, end = row["window_start"], row["window_end"]
    return start if start == end else f"{start}..{end}"


def _waits(row: dict[str, Any], undelivered: Collection[str], quarantined: Collection[str]) -> str | None:
    if row["state"] == DISMISSED:
        return None
    if row["state"] == KEPT:
        return NOT_STAGED
    if row["state"] == REFUSED:
        return NOT_READ
    if row["id"] in undelivered:
        return NOT_DELIVERED
    return NOT_GOOD if row["id"] in quarantined else None
