"""What Render says of services, deploys, runs, lines and figures, read into facts.

Fields and status words are those of Render's published description of its API. Not confirmed against the service
itself: whether the deploys of a cron service pass through the same words as those of others, in which order events
come, and the units of metrics. Words that are not known here are kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SUCCEEDED = "live"
FAILED = frozenset({"build_failed", "update_failed", "pre_deploy_failed", "canceled", "deactivated"})
CRON = "cron_job"
RUN_STARTED, RUN_ENDED = "cron_job_run_started", "cron_job_run_ended"
RUNNING = "running"


@dataclass(frozen=True)
class Service:
    """One service; `kind` is Render's word such as `cron_job`, `schedule` (UTC) is that of a cron service."""

    id: str
    name: str
    kind: str
    owner: str
    is_suspended: bool
    plan: str | None
    region: str | None
    schedule: str | None


@dataclass(frozen=True)
class Deploy:
    """One deploy; `status` is Render's word, `commit` the first eight digits."""

    id: str
    status: str
    trigger: str | None
    commit: str | None
    created_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Tell whether the status will not change any more; a word that is not known is over once it has an end."""
        return self.status == SUCCEEDED or self.has_failed or self.finished_at is not None

    @property
    def has_failed(self) -> bool:
        """Tell whether it ended, or was replaced, without being what runs now."""
        return self.status in FAILED or self.status.endswith("_failed")


@dataclass(frozen=True)
class CronRun:
    """One run of a cron service; `why` says in words why it failed."""

    id: str
    status: str
    why: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class LogLine:
    """One line that a service printed."""

    at: datetime | None
    level: str
    text: str


@dataclass(frozen=True)
class Figures:
    """What a metric came to over all instances; all None where there are no figures. The unit is Render's."""

    unit: str
    latest: float | None
    latest_at: datetime | None
    highest: float | None
    limit: float | None


def inner(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object that a row of a list wraps under name beside its cursor."""
    inner = row.get(name)
    return inner if isinstance(inner, Mapping) else row


def service_of(facts: Mapping[str, Any]) -> Service:
    """Return a service."""
    details = facts.get("serviceDetails")
    details = details if isinstance(details, Mapping) else {}
    return Service(
        id=str(facts.get("id", "")),
        name=_text(facts.get("name")) or "",
        kind=_text(facts.get("type")) or "",
        owner=str(facts.get("ownerId", "")),
        is_suspended=facts.get("suspended") == "suspended",
        plan=_text(details.get("plan")),
        region=_text(details.get("region")),
        schedule=_text(details.get("schedule")),
    )


def deploy_of(facts: Mapping[str, Any]) -> Deploy:
    """Return a deploy."""
    commit = facts.get("commit")
    return Deploy(
        id=str(facts.get("id", "")),
        status=_text(facts.get("status")) or "unknown",
        trigger=_text(facts.get("trigger")),
        commit=(_text(commit.get("id")) or "")[:8] or None if isinstance(commit, Mapping) else None,
        created_at=_moment(facts.get("createdAt")),
        finished_at=_moment(facts.get("finishedAt")),
    )


def newest_first(deploys: list[Deploy]) -> list[Deploy]:
    """Sort by age; those without one stay in front, as Render lists the newest first."""
    return sorted(deploys, key=lambda each: each.created_at or datetime.max.replace(tzinfo=UTC), reverse=True)


def runs_of(events: list[Mapping[str, Any]]) -> list[CronRun]:
    """Return the runs that events tell of, newest first."""
    found: dict[str, CronRun] = {}
    oldest = datetime.min.replace(tzinfo=UTC)
    for event in sorted(events, key=lambda each: _moment(each.get("timestamp")) or oldest):
        facts, kind = event.get("details"), event.get("type")
        if kind not in (RUN_STARTED, RUN_ENDED) or not isinstance(facts, Mapping):
            continue
        id, at = str(facts.get("cronJobRunId", "")), _moment(event.get("timestamp"))
        if kind == RUN_STARTED:
            found[id] = CronRun(id, RUNNING, "", at, None)
        else:
            begun = found.pop(id, None)
            status = _text(facts.get("status")) or "unknown"
            found[id] = CronRun(id, status, _why(facts.get("reason")), begun.started_at if begun else None, at)
    return list(reversed(found.values()))


def _why(reason: object) -> str:
    if not isinstance(reason, Mapping):
        return ""
    if isinstance(memory := reason.get("oomKilled"), Mapping):
        return f"out of memory (limit {_text(memory.get('memoryLimit')) or 'unknown'})"
    if isinstance(code := reason.get("nonZeroExit"), int):
        return f"exit code {code}"
    if reason.get("timedOutSeconds"):
        return f"took longer than {reason['timedOutSeconds']} s"
    return "evicted by Render" if reason.get("evicted") else ""


def log_line_of(facts: Mapping[str, Any]) -> LogLine:
    """Return a printed line."""
    labels = facts.get("labels")
    named = {
        each.get("name"): each.get("value")
        for each in (labels if isinstance(labels, list) else ())
        if isinstance(each, Mapping)
    }
    return LogLine(_moment(facts.get("timestamp")), _text(named.get("level")) or "", str(facts.get("message", "")))


def points_of(series: list[Mapping[str, Any]]) -> tuple[str, list[tuple[datetime, float]]]:
    """Return the unit and the points of several time series together."""
    unit, points = "", []
    for each in series:
        unit = unit or _text(each.get("unit")) or ""
        values = each.get("values")
        for value in values if isinstance(values, list) else ():
            at, number = (
                (_moment(value.get("timestamp")), value.get("value")) if isinstance(value, Mapping) else (None, None)
            )
            if at is not None and isinstance(number, (int, float)):
                points.append((at, float(number)))
    return unit, points


def _point(value: object) -> tuple[datetime, float] | None:
    if not isinstance(value, Mapping):
        return None
    at, number = _moment(value.get("timestamp")), value.get("value")
    return (at, float(number)) if at and isinstance(number, (int, float)) else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """Return moment as Render reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: object) -> str | None:
    """Return a word of Render's for people: on one line, without what a terminal would obey."""
    return "".join(letter for letter in value if letter.isprintable())[:200] if isinstance(value, str) else None
