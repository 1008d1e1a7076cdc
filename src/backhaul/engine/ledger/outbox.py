"""The outbox: messages to people, kept in the ledger until their channel has taken them. At least once, in order."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.tables import GIVEN_UP, SENT, WAITING
from backhaul.notices import Message

KEPT_FOR = timedelta(hours=24)
"""A message that could not be sent for so long is given up: nobody wants yesterday's start of a run."""

LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Waiting:
    """A message that still has to be sent, with how many of its parts have arrived already."""

    id: int
    message: Message
    created_at: datetime
    parts_sent: int


class Outbox:
    """The messages of one ledger."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def put(
        self,
        run: str,
        pipeline: str,
        notifier: str,
        kind: str,
        message: Message,
        not_before: datetime | None = None,
    ) -> None:
        """Keep a message for one notifier; it is not sent before that moment."""
        values = {
            "run": run,
            "pipeline": pipeline,
            "notifier": notifier,
            "kind": kind,
            "message": json.dumps({"message": asdict(message), "parts_sent": 0}),
            "state": WAITING,
            "created_at": _now(),
            "not_before": not_before and not_before.astimezone(UTC).isoformat(),
        }
        with self._file.transaction() as db:
            db.execute(t.outbox.insert().values(**values))

    def waiting(
        self, pipeline: str, notifier: str, now: datetime, kept_for: timedelta | None = KEPT_FOR
    ) -> list[Waiting]:
        """Return what a notifier has to send by now, oldest first; what is too old is given up on the way."""
        table = t.outbox
        mine = sa.and_(table.c.pipeline == pipeline, table.c.notifier == notifier, table.c.state == WAITING)
        rows = self._file.rows(sa.select(table).where(mine).order_by(table.c.id))
        found = []
        for row in rows:
            created_at = datetime.fromisoformat(row["created_at"])
            due = datetime.fromisoformat(row["not_before"]) if row["not_before"] else created_at
            if kept_for is not None and now - max(created_at, due) > kept_for:
                self._set(row["id"], state=GIVEN_UP)
            elif due <= now or not row["not_before"]:
                kept = json.loads(row["message"])
                found.append(Waiting(row["id"], Message(**kept["message"]), created_at, kept["parts_sent"]))
        return found

    def sent(self, message: Waiting) -> None:
        """Record that the channel has taken a message."""
        self._set(message.id, state=SENT, sent_at=_now(), reason=None)

    def failed(self, message: Waiting, reason: str, parts_sent: int) -> None:
        """Record why a message waits on, and how many of its parts have arrived."""
        kept = json.dumps({"message": asdict(message.message), "parts_sent": parts_sent})
        self._set(message.id, failures=t.outbox.c.failures + 1, reason=reason, message=kept)

    def queues(self) -> list[dict[str, Any]]:
        """Return what waits by `pipeline` and `notifier`: its `number`, and the `reason` of a failure if any."""
        table = t.outbox
        query = sa.select(
            table.c.pipeline,
            table.c.notifier,
            sa.func.count().label("number"),
            sa.func.max(table.c.reason).label("reason"),
        )
        query = query.where(table.c.state == WAITING).group_by(table.c.pipeline, table.c.notifier)
        return self._file.rows(query.order_by(table.c.pipeline, table.c.notifier))

    def last(self, pipeline: str, kind: str) -> datetime | None:
        """Return when the last message of this kind was made for the pipeline, or None."""
        table = t.outbox
        query = sa.select(sa.func.max(table.c.created_at).label("at"))
        rows = self._file.rows(query.where(table.c.pipeline == pipeline, table.c.kind == kind))
        return datetime.fromisoformat(rows[0]["at"]) if rows and rows[0]["at"] else None

    def _set(self, message_id: int, **values: Any) -> None:
        with self._file.transaction() as db:
            db.execute(t.outbox.update().where(t.outbox.c.id == message_id).values(**values))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
