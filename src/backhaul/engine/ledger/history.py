"""The ledger as people look at it: runs, their events, last results, and what waits."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.tables import DONE, HELD, PENDING, REFUSED
from backhaul.model import Counts


class History:
    """Reads only."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def runs(self, pipelines: Collection[str] | None = None, most: int = 20) -> list[dict[str, Any]]:
        """Return runs, newest first, each with its `streams`; of all pipelines where none are named."""
        query = sa.select(t.runs).order_by(t.runs.c.started_at.desc(), t.runs.c.id.desc()).limit(most)
        if pipelines is not None:
            query = query.where(t.runs.c.pipeline.in_(pipelines))
        found = self._file.rows(query)
        for run in found:
            streams = sa.select(t.stream_runs).where(t.stream_runs.c.run == run["id"])
            run["streams"] = [
                {name: value for name, value in row.items() if name != "run"} for row in self._file.rows(streams)
            ]
        return found

    def last_result(self, stream: str) -> dict[str, Any] | None:
        """Return the stream's result in its last run, with `started_at`, or None."""
        query = (
            sa.select(t.stream_runs, t.runs.c.started_at)
            .join(t.runs, t.runs.c.id == t.stream_runs.c.run)
            .where(t.stream_runs.c.stream == stream)
            .order_by(t.runs.c.started_at.desc())
            .limit(1)
        )
        rows = self._file.rows(query)
        return rows[0] if rows else None

    def results(self, stream: str, since: datetime) -> list[dict[str, Any]]:
        """Return the stream's results in the runs that began since then, oldest first."""
        started = t.runs.c.started_at
        query = (
            sa.select(t.stream_runs, started)
            .join(t.runs, t.runs.c.id == t.stream_runs.c.run)
            .where(t.stream_runs.c.stream == stream, started >= since.astimezone(UTC).isoformat())
        )
        return self._file.rows(query.order_by(started))

    def last_success(self, stream: str) -> datetime | None:
        """Return when the last run began in which the stream was done, or None."""
        query = (
            sa.select(sa.func.max(t.runs.c.started_at).label("at"))
            .join(t.stream_runs, t.runs.c.id == t.stream_runs.c.run)
            .where(t.stream_runs.c.stream == stream, t.stream_runs.c.status == "done")
        )
        rows = self._file.rows(query)
        return datetime.fromisoformat(rows[0]["at"]) if rows and rows[0]["at"] else None

    def events(self, run: str) -> list[dict[str, Any]]:
        """Return a run's events in order; run may be the beginning of an id."""
        query = sa.select(t.events).where(t.events.c.run.startswith(run, autoescape=True))
        rows = self._file.rows(query.order_by(t.events.c.id))
        return [{**row, "facts": json.loads(row["facts"])} for row in rows]

    def open_work(self) -> list[dict[str, Any]]:
        """Return what waits, by stream: pending deliveries, held batches, quarantined rows, refused files."""
        counted = [
            ("pending deliveries", t.deliveries, t.deliveries.c.state == PENDING),
            ("held batches", t.batches, t.batches.c.state == HELD),
            ("quarantined rows", t.quarantine, t.quarantine.c.state == "open"),
            ("refused files", t.artifacts, t.artifacts.c.state == REFUSED),
        ]
        found = []
        for what, table, condition in counted:
            stream = table.c.stream
            query = sa.select(stream, sa.func.count().label("number")).where(condition).group_by(stream)
            found += [{"what": what, **row} for row in self._file.rows(query)]
        return found

    def delivered(self, batch: str) -> dict[str, Counts]:
        """Return what each destination has done with a batch; those that have not confirmed it are left out."""
        table = t.deliveries
        query = sa.select(table).where(table.c.batch == batch, table.c.state == DONE).order_by(table.c.number)
        names = [each.name for each in fields(Counts)]
        return {row["destination"]: Counts(*(row[name] for name in names)) for row in self._file.rows(query)}

    def runs_since(self, pipeline: str, moment: datetime) -> list[dict[str, Any]]:
        """Return a pipeline's runs that began since then, oldest first, with the sums of their streams' counts."""
        counts = [
            sa.func.coalesce(sa.func.sum(t.stream_runs.c[name]), 0).label(name)
            for name in ("new", "updated", "rejected")
        ]
        query = (
            sa.select(t.runs, *counts)
            .outerjoin(t.stream_runs, t.stream_runs.c.run == t.runs.c.id)
            .where(t.runs.c.pipeline == pipeline, t.runs.c.started_at >= moment.astimezone(UTC).isoformat())
            .group_by(*t.runs.c)
            .order_by(t.runs.c.started_at)
        )
        return self._file.rows(query)

    def messages_since(self, pipeline: str, moment: datetime) -> list[dict[str, Any]]:
        """Return when each message of a pipeline's runs was made since then, and what became of it."""
        table = t.outbox
        mine = sa.and_(table.c.pipeline == pipeline, table.c.created_at >= moment.astimezone(UTC).isoformat())
        return self._file.rows(sa.select(table.c.created_at, table.c.state).where(mine))

    def last_change(self, stream: str, destination: str) -> str | None:
        """Return words that are others after each change of a destination's rows of a stream; None before the first.

        A delivery that changed nothing, such as that of an empty file, is known too. They count the changes: a clock
        that was set back makes no moment later than the last one. `stream` is a full name, or one without its
        pipeline: `system.stream`.
        """
        table = t.deliveries
        first, _, last = stream.rpartition(".")
        inner = sa.and_(
            table.c.stream.startswith(f"{first}.", autoescape=True),
            table.c.stream.endswith(f".{last}", autoescape=True),
        )
        has_changed = table.c.new + table.c.updated + table.c.removed > 0
        found: list[sa.Label[Any]] = [
            sa.func.max(sa.case((has_changed, table.c.changed_at))).label("at"),
            sa.func.sum(sa.case((has_changed, 1), else_=0)).label("number"),
        ]
        query = sa.select(*found).where(
            table.c.state == DONE,
            table.c.destination == destination,
            sa.or_(table.c.stream == stream, inner) if first else table.c.stream == stream,
        )
        rows = self._file.rows(query)
        return f"{rows[0]['number']}, the last {rows[0]['at']}" if rows and rows[0]["number"] is not None else None

    def data_of(self, stream: str) -> datetime | None:
        """Return when the file that a stream delivered last was made (UTC), or None where that is not known.

        That is not always the newest: a person may have gone back to an older one.
        """
        files, batches = t.artifacts, t.batches
        query = (
            sa.select(files.c.made_at)
            .join(batches, batches.c.artifact == files.c.id)
            .where(files.c.stream == stream, batches.c.state == DONE)
            .order_by(batches.c.number.desc())
            .limit(1)
        )
        rows = self._file.rows(query)
        return datetime.fromisoformat(rows[0]["made_at"]) if rows and rows[0]["made_at"] else None

    def rebuilt_batches(self, stream: str) -> set[str]:
        """Return the ids of the batches that came from no file: a replay made them of all others."""
        table = t.batches
        query = sa.select(table.c.id).where(table.c.stream == stream, table.c.artifact.is_(None))
        return {row["id"] for row in self._file.rows(query)}

    def overtaken(self, stream: str) -> int:
        """Return how many of the stream's files were delivered although they are newer than one that is held."""
        table, files = t.batches, t.artifacts
        numbers = sa.select(files.c.number).join(table, files.c.id == table.c.artifact)
        numbers = numbers.where(table.c.stream == stream).order_by(files.c.number)
        oldest = numbers.where(table.c.state == HELD).limit(1).scalar_subquery()
        return len(self._file.rows(numbers.where(table.c.state == DONE, files.c.number > oldest)))
