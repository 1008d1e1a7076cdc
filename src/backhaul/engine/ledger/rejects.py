"""The rows in quarantine, as the ledger knows them: where each stands, which check it failed, what became of it.

What a row holds is never here; it is read again from the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.tables import DISMISSED, HELD, LOST, OPEN, PRUNED, REFUSED, REPAIRED, REPLACED, SUPERSEDED
from backhaul.model import Batch, Rejected

KEPT_OVER_A_REPLAY = (REPAIRED, DISMISSED, SUPERSEDED)
MOST_IDS_A_STATEMENT = 500


@dataclass(frozen=True)
class RejectedRow:
    """One row in quarantine. `destination` is empty where a check rejected it, else the one that refused it.

    `file` and `batch_number` order files and batches by age. What was refused of a batch that a replay has made of
    all files has no artifact, and its file is 0.
    """

    id: int
    artifact: str | None
    file: int
    file_name: str
    batch: str
    batch_number: int
    row: int
    check: str
    destination: str
    state: str
    at: datetime

    @property
    def ticket(self) -> str:
        """The row's name in a file that a person repairs: its id, and what shows that the id is still this row's."""
        digest = sha256(f"{self.batch}/{self.row}/{self.destination}".encode()).hexdigest()
        return f"q{self.id}-{digest[:6]}"


class Rejects:
    """The quarantine of one ledger."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def summary(self) -> list[dict[str, Any]]:
        """Return how many rows are open by stream, check and destination, and since when."""
        table = t.quarantine
        groups = (table.c.stream, table.c.check, table.c.destination)
        query = sa.select(*groups, sa.func.count().label("rows"), sa.func.min(table.c.at).label("since")).where(
            table.c.state == OPEN
        )
        return self._file.rows(query.group_by(*groups).order_by(*groups))

    def rows(self, stream: str, *states: str) -> list[RejectedRow]:
        """Return the stream's rows in these states, by file and place; without states, the open ones."""
        table, files, batches = t.quarantine, t.artifacts, t.batches
        numbers = (files.c.number.label("file"), batches.c.number.label("batch_number"))
        query = (
            sa.select(table, files.c.name.label("file_name"), *numbers)
            .outerjoin(files, files.c.id == table.c.artifact)
            .outerjoin(batches, batches.c.id == table.c.batch)
            .where(table.c.stream == stream, table.c.state.in_(states or (OPEN,)))
            .order_by(files.c.number, table.c.row, table.c.id)
        )
        return [_rejected_row(row) for row in self._file.rows(query)]

    def close(self, ids: Collection[int], state: str) -> None:
        """Close rows: they are from now on in state."""
        with self._file.transaction() as db:
            close_rows(db, ids, state)

    def judge_again(self, checks: Mapping[int, str]) -> None:
        """Record why rows are still rejected, by their ids."""
        with self._file.transaction() as db:
            for row, check in checks.items():
                db.execute(t.quarantine.update().where(t.quarantine.c.id == row).values(check=check))

    def dismiss(self, stream: str, check: str | None) -> tuple[int, int, int]:
        """Let go of the stream's open rows: of one check's, or of all, with its refused files and held batches.

        Return how many rows, files and batches that were.
        """
        rows = t.quarantine.update().where(t.quarantine.c.stream == stream, t.quarantine.c.state == OPEN)
        files = t.artifacts.update().where(t.artifacts.c.stream == stream, t.artifacts.c.state == REFUSED)
        with self._file.transaction() as db:
            if check is not None:
                rows = rows.where(t.quarantine.c.check == check)
            closed = db.execute(rows.values(state=DISMISSED)).rowcount
            if check is not None:
                return closed, 0, 0
            held = [
                table.update().where(table.c.stream == stream, table.c.state == HELD).values(state=DISMISSED)
                for table in (t.deliveries, t.batches)
            ]
            db.execute(held[0])
            return closed, db.execute(files.values(state=DISMISSED)).rowcount, db.execute(held[1]).rowcount

    def batches_in_use(self, stream: str) -> list[tuple[int, int, str]]:
        """Return (number of the file, number of the batch, batch id) of what is staged of the stream's files."""
        table, files = t.batches, t.artifacts
        query = (
            sa.select(files.c.number.label("file"), table.c.number, table.c.id)
            .join(files, files.c.id == table.c.artifact)
            .where(table.c.stream == stream, table.c.state.not_in((REPLACED, LOST)), files.c.state != PRUNED)
            .order_by(files.c.number)
        )
        return [(row["file"], row["number"], row["id"]) for row in self._file.rows(query)]

    def newest_pruned(self, stream: str) -> int:
        """Return the number of the newest file that was removed by retention; 0 if there is none."""
        table = t.artifacts
        query = sa.select(sa.func.max(table.c.number).label("number"))
        rows = self._file.rows(query.where(table.c.stream == stream, table.c.state == PRUNED))
        return int(rows[0]["number"] or 0) if rows else 0


def quarantine(db: sa.Connection, batch: Batch, rejected: Sequence[Rejected], destination: str) -> None:
    """Put rows of a recorded batch into quarantine: those a check rejected, or those a destination refused.

    A batch that came from no file has everything anew, so that what was rejected of earlier such ones is closed.
    """
    artifact = db.execute(sa.select(t.batches.c.artifact).where(t.batches.c.id == batch.id)).scalar()
    if artifact is None and batch.is_whole:
        _supersede_computed(db, batch, destination)
    if not rejected:
        return
    facts = {
        "stream": batch.stream,
        "artifact": artifact,
        "batch": batch.id,
        "destination": destination,
        "state": OPEN,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    db.execute(t.quarantine.insert(), [{**facts, "row": each.row, "check": each.check} for each in rejected])


def close_rows(db: sa.Connection, ids: Collection[int], state: str) -> None:
    """Close rows in quarantine by their ids."""
    for some in _slices(ids):
        db.execute(t.quarantine.update().where(t.quarantine.c.id.in_(some)).values(state=state))


def as_they_were(db: sa.Connection, batches: sa.Select[Any]) -> dict[tuple[int, str], str]:
    """Return the state of each row of these batches that was closed for good, by its place and its check."""
    table = t.quarantine
    closed = sa.and_(table.c.state.in_(KEPT_OVER_A_REPLAY), table.c.destination == "")
    rows = db.execute(sa.select(table.c.row, table.c.check, table.c.state).where(table.c.batch.in_(batches), closed))
    return {(row.row, row.check): row.state for row in rows}


def carry_over(db: sa.Connection, batch: str, closed: Mapping[tuple[int, str], str]) -> None:
    """Close the rows of a batch that were closed before it was staged anew, if they fail the same check again."""
    if not closed:
        return
    table = t.quarantine
    rows = db.execute(sa.select(table.c.id, table.c.row, table.c.check).where(table.c.batch == batch)).all()
    for row in rows:
        if state := closed.get((row.row, row.check)):
            db.execute(table.update().where(table.c.id == row.id).values(state=state))


def _supersede_computed(db: sa.Connection, batch: Batch, destination: str) -> None:
    """Close what the destination refused of earlier batches that came from no file: this one has it all again."""
    table = t.quarantine
    earlier = sa.and_(table.c.artifact.is_(None), table.c.batch != batch.id, table.c.state == OPEN)
    mine = sa.and_(table.c.stream == batch.stream, table.c.destination == destination)
    db.execute(table.update().where(earlier, mine).values(state=SUPERSEDED))


def _slices(ids: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), MOST_IDS_A_STATEMENT):
        yield ordered[start : start + MOST_IDS_A_STATEMENT]


def _rejected_row(row: dict[str, Any]) -> RejectedRow:
    return RejectedRow(
        id=row["id"],
        artifact=row["artifact"],
        file=row["file"] or 0,
        file_name=row["file_name"] or "",
        batch=row["batch"],
        batch_number=row["batch_number"] or 0,
        row=row["row"],
        check=row["check"],
        destination=row["destination"],
        state=row["state"],
        at=datetime.fromisoformat(row["at"]),
    )
