"""The states of alerts in the ledger: which streams fail, since when, and when people were told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile


@dataclass(frozen=True)
class Alert:
    """A stream that fails: since when, how often in a row, and when people were told last."""

    stream: str
    error: str
    message: str
    next_step: str
    since: datetime
    failures: int
    told_at: datetime | None


class Alerts:
    """The alerts of one ledger, by the stream's full name."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def get(self, stream: str) -> Alert | None:
        """Return the stream's alert, or None while it works."""
        rows = self._file.rows(sa.select(t.alerts).where(t.alerts.c.stream == stream))
        if not rows:
            return None
        row = rows[0]
        told_at = row["told_at"]
        return Alert(
            stream=stream,
            error=row["error"],
            message=row["message"],
            next_step=row["next_step"],
            since=datetime.fromisoformat(row["since"]),
            failures=row["failures"],
            told_at=told_at and datetime.fromisoformat(told_at),
        )

    def keep(self, pipeline: str, alert: Alert) -> None:
        """Keep an alert in place of the stream's former one."""
        with self._file.transaction() as db:
            db.execute(t.alerts.delete().where(t.alerts.c.stream == alert.stream))
            db.execute(
                t.alerts.insert().values(
                    stream=alert.stream,
                    pipeline=pipeline,
                    error=alert.error,
                    message=alert.message,
                    next_step=alert.next_step,
                    since=alert.since.isoformat(),
                    failures=alert.failures,
                    told_at=alert.told_at and alert.told_at.isoformat(),
                )
            )

    def forget(self, stream: str) -> None:
        """The stream works again."""
        with self._file.transaction() as db:
            db.execute(t.alerts.delete().where(t.alerts.c.stream == stream))
