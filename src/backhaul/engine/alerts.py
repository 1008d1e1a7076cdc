"""Alerts: one state for each stream, kept in the ledger; people hear of changes, not of every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger.alerts import Alert
from backhaul.engine.pipeline import AlertRules, Pipeline
from backhaul.model import Counts, Stream
from backhaul.notices import AlertClosed, AlertOpened, Digest, DigestLine, Notice

MAY_PASS = ("TransientError", "DeliveryError")
"""Errors that may pass by themselves; every other one needs a person, who is told at once."""


@dataclass(frozen=True)
class Outcome:
    """How a stream ended in this run: its counts, and the error's class, words and next step if it failed."""

    counts: Counts
    error: str = ""
    message: str = ""
    next_step: str = ""


@dataclass(frozen=True)
class AlertBook:
    """Judges how the streams of one run ended by the pipeline's AlertRules."""

    name: str
    run: str
    pipeline: Pipeline
    ledger: Ledger
    now: datetime

    def judged(
        self, streams: Mapping[str, Stream], outcomes: Mapping[str, Outcome]
    ) -> Iterator[tuple[Notice, datetime | None]]:
        """Yield the notices that are due, each with the moment before which it is not to be sent, or None."""
        rules = self.pipeline.alerts
        for name, outcome in outcomes.items():
            notice = self._judge(name, streams[name], outcome, rules)
            if notice is not None:
                needs_person = isinstance(notice, AlertOpened) and notice.needs_person
                yield notice, None if needs_person else self._end_of_quiet(rules)
        if (digest := self._digest(streams, rules)) is not None:
            yield digest, None

    def _judge(self, name: str, stream: Stream, outcome: Outcome, rules: AlertRules) -> Notice | None:
        before = self.ledger.alerts.get(name)
        if not outcome.error:
            return None if before is None else self._closed(name, stream, before, outcome.counts)
        is_same = before is not None and before.error == outcome.error
        alert = Alert(
            stream=name,
            error=outcome.error,
            message=outcome.message,
            next_step=outcome.next_step,
            since=before.since if before else self.now,
            failures=(before.failures if before else 0) + 1,
            told_at=before.told_at if before and is_same else None,
        )
        needs_person = outcome.error not in MAY_PASS
        is_first = alert.told_at is None and (needs_person or alert.failures >= rules.after_failures)
        pause = timedelta(hours=rules.remind_every_h)
        is_reminder = alert.told_at is not None and self.now - alert.told_at >= pause
        is_told = is_first or is_reminder
        self.ledger.alerts.keep(self.name, replace(alert, told_at=self.now) if is_told else alert)
        return self._opened(stream, alert, needs_person, is_reminder) if is_told else None

    def _opened(self, stream: Stream, alert: Alert, needs_person: bool, is_reminder: bool) -> AlertOpened:
        return AlertOpened(
            pipeline=self.name,
            run=self.run,
            at=self.now,
            timezone=self.pipeline.timezone,
            stream=stream.name,
            title=stream.title or stream.name,
            error=alert.error,
            message=alert.message,
            next_step=alert.next_step,
            since=alert.since,
            failures=alert.failures,
            needs_person=needs_person,
            is_reminder=is_reminder,
        )

    def _closed(self, name: str, stream: Stream, before: Alert, counts: Counts) -> AlertClosed | None:
        self.ledger.alerts.forget(name)
        if before.told_at is None:
            return None
        return AlertClosed(
            pipeline=self.name,
            run=self.run,
            at=self.now,
            timezone=self.pipeline.timezone,
            stream=stream.name,
            title=stream.title or stream.name,
            since=before.since,
            missed=before.failures,
            counts=counts,
        )

    def _digest(self, streams: Mapping[str, Stream], rules: AlertRules) -> Digest | None:
        """Return the day's digest if this is the first run from its time of day on."""
        if rules.digest_at is None:
            return None
        zone = ZoneInfo(self.pipeline.timezone)
        due = datetime.combine(self.now.astimezone(zone).date(), time.fromisoformat(rules.digest_at), zone)
        last = self.ledger.outbox.last(self.name, Digest.__name__)
        if self.now < due or (last is not None and last >= due):
            return None
        since = last or self.now - timedelta(days=1)
        lines = tuple(self._line(name, stream, since) for name, stream in streams.items())
        timezone = self.pipeline.timezone
        return Digest(pipeline=self.name, run=self.run, at=self.now, timezone=timezone, since=since, streams=lines)

    def _line(self, name: str, stream: Stream, since: datetime) -> DigestLine:
        results = self.ledger.history.results(name, since)
        done = [row for row in results if row["status"] == "done"]
        counts = [Counts(**{each: row[each] for each in vars(Counts())}) for row in results]
        return DigestLine(
            stream=stream.name,
            title=stream.title or stream.name,
            runs=len(results),
            failed=len(results) - len(done),
            counts=sum(counts, Counts()),
            last_success=self.ledger.history.last_success(name),
        )

    def _end_of_quiet(self, rules: AlertRules) -> datetime | None:
        """Return when the quiet hours that the moment lies in are over, or None outside of them."""
        if rules.quiet is None:
            return None
        zone = ZoneInfo(self.pipeline.timezone)
        start, end = (time.fromisoformat(said) for said in rules.quiet)
        local = self.now.astimezone(zone)
        clock = local.time()
        is_quiet = start <= clock < end if start <= end else clock >= start or clock < end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if clock >= end else 0)
        return datetime.combine(day, end, zone).astimezone(UTC)
