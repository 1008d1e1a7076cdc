"""The kept files of streams: where they came from, and how far each has come."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.rejects import close_rows
from backhaul.engine.ledger.tables import HELD, KEPT, LOST, REFUSED, REPAIR, REPAIRED
from backhaul.model import Artifact, Landed, Window


class Artifacts:
    """The artifacts of one ledger."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def keep(
        self, run: str, stream: str, number: int, landed: Landed, path: Path, repairs: Collection[int] = ()
    ) -> Artifact:
        """Record a kept file as waiting to be staged; of repaired rows, close those that it repairs (their ids)."""
        window, fetched_at = landed.window, datetime.now(UTC)
        artifact = Artifact(
            id=f"{run}.{stream.rsplit('.', 1)[-1]}.{number}",
            path=path,
            name=landed.name,
            sha256=landed.sha256,
            size_bytes=landed.size_bytes,
            window=window,
            fetched_at=fetched_at,
            is_repair=bool(repairs),
            made_at=landed.origin.made_at if landed.origin else None,
        )
        with self._file.transaction() as db:
            db.execute(
                t.artifacts.insert().values(
                    id=artifact.id,
                    run=run,
                    stream=stream,
                    name=landed.name,
                    sha256=landed.sha256,
                    size_bytes=landed.size_bytes,
                    window_start=window and window.start.isoformat(),
                    window_end=window and window.end.isoformat(),
                    timezone=window and window.timezone,
                    fetched_at=fetched_at.isoformat(),
                    state=KEPT,
                    origin=REPAIR if repairs else None,
                    came_from=landed.origin.id if landed.origin else None,
                    made_at=artifact.made_at and artifact.made_at.isoformat(),
                )
            )
            close_rows(db, repairs, REPAIRED)
        return artifact

    def is_kept(self, stream: str, origin: str) -> bool:
        """Tell whether a file of this origin (an id) was kept for the stream before, good or not."""
        table = t.artifacts
        mine = sa.and_(table.c.stream == stream, table.c.came_from == origin, table.c.state != LOST)
        return bool(self._file.rows(sa.select(table.c.id).where(mine).limit(1)))

    def what_stops(self, stream: str, origin: str) -> tuple[str, str] | None:
        """Return why the stream's file of this origin went no further: REFUSED or HELD, and the reason."""
        files, batches = t.artifacts, t.batches
        query = (
            sa.select(files.c.state, files.c.reason, batches.c.state.label("held"), batches.c.reason.label("because"))
            .outerjoin(batches, sa.and_(batches.c.artifact == files.c.id, batches.c.state == HELD))
            .where(files.c.stream == stream, files.c.came_from == origin)
            .order_by(files.c.number.desc())
            .limit(1)
        )
        for row in self._file.rows(query):
            if row["state"] == REFUSED:
                return REFUSED, row["reason"] or ""
            if row["held"]:
                return HELD, row["because"] or ""
        return None

    def of(self, stream: str, raw: Path, *states: str) -> list[Artifact]:
        """Return a stream's kept files in these states, oldest first; raw is the raw zone's folder."""
        table = t.artifacts
        query = sa.select(table).where(table.c.stream == stream).order_by(table.c.number)
        if states:
            query = query.where(table.c.state.in_(states))
        return [_artifact(row, raw) for row in self._file.rows(query)]

    def refuse(self, artifact: str, reason: str) -> None:
        """Record that a file could not become a batch; it stays in raw for a replay."""
        with self._file.transaction() as db:
            db.execute(t.artifacts.update().where(t.artifacts.c.id == artifact).values(state=REFUSED, reason=reason))

    def lose(self, artifact: str) -> None:
        """Record that a kept file went with the disk of a machine that forgets."""
        with self._file.transaction() as db:
            db.execute(t.artifacts.update().where(t.artifacts.c.id == artifact).values(state=LOST))

    def lose_of(self, batch: str) -> None:
        """Record that the file of a batch went with its disk, so that it counts as not kept and is fetched again."""
        mine = sa.select(t.batches.c.artifact).where(t.batches.c.id == batch, t.batches.c.artifact.is_not(None))
        with self._file.transaction() as db:
            db.execute(t.artifacts.update().where(t.artifacts.c.id.in_(mine)).values(state=LOST))


def _artifact(row: dict[str, Any], raw: Path) -> Artifact:
    window = None
    if row["window_start"]:
        start, end = date.fromisoformat(row["window_start"]), date.fromisoformat(row["window_end"])
        window = Window(start, end, row["timezone"])
    return Artifact(
        id=row["id"],
        path=raw / row["sha256"][:2] / row["sha256"],
        name=row["name"],
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        window=window,
        fetched_at=datetime.fromisoformat(row["fetched_at"]),
        is_repair=row["origin"] == REPAIR,
        made_at=datetime.fromisoformat(row["made_at"]) if row["made_at"] else None,
    )
