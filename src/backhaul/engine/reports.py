"""Reports: what the runs of a pipeline came to, week by week or month by month. Pure: rows of the ledger in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.engine.ledger.tables import GIVEN_UP, SENT, WAITING

NOT_SCHEDULED = ("replay", "requeue", "repair")
"""First words of a run's window where a person has worked on what is kept: no attempt to haul anything."""

DONE, LOGIN, RUNNING = "done", "login needed", "running"


class By(StrEnum):
    """The length of a report's periods; weeks begin on Monday."""

    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Period:
    """What the runs of one pipeline came to in one period; all None or 0 where there was none.

    Args:
        start: its first day, by the clock of the pipeline's time zone.
        runs: how many runs began.
        done: those in which every stream was done.
        login: those that ended because a person had to sign in.
        succeeded: done by runs, 0 to 1; runs that are still going on are left out.
        median_s: the median length of the runs that have ended by themselves, in seconds.
        longest_s: the longest of them.
        peak_bytes: the most memory that any of them took.
    """

    pipeline: str
    start: date
    runs: int = 0
    done: int = 0
    login: int = 0
    succeeded: float | None = None
    median_s: float | None = None
    longest_s: float | None = None
    peak_bytes: int | None = None
    new: int = 0
    updated: int = 0
    rejected: int = 0
    sent: int = 0
    waiting: int = 0
    given_up: int = 0


def report(
    pipeline: str,
    runs: Iterable[dict[str, Any]],
    messages: Iterable[dict[str, Any]],
    *,
    timezone: str,
    by: By,
    last: int,
    now: datetime,
) -> list[Period]:
    """Return the last periods of one pipeline, oldest first, the current one at the end; empty ones are there too.

    runs are those of `History.runs_since`, messages those of `History.messages_since`.
    """
    zone = ZoneInfo(timezone)
    starts = list(_starts(by, last, now.astimezone(zone).date()))
    runs_in: dict[date, list[dict[str, Any]]] = {}
    for run in runs:
        if not run["window"].startswith(NOT_SCHEDULED):
            runs_in.setdefault(_start_of(run["started_at"], zone, by), []).append(run)
    messages_in: dict[date, list[str]] = {}
    for message in messages:
        messages_in.setdefault(_start_of(message["created_at"], zone, by), []).append(message["state"])
    return [_period(pipeline, start, runs_in.get(start, []), messages_in.get(start, [])) for start in starts]


def since(by: By, last: int, now: datetime, timezone: str) -> datetime:
    """Return the moment at which the first of the last periods begins."""
    zone = ZoneInfo(timezone)
    first = next(_starts(by, last, now.astimezone(zone).date()))
    return datetime(first.year, first.month, first.day, tzinfo=zone)


def _period(pipeline: str, start: date, runs: Sequence[dict[str, Any]], messages: Sequence[str]) -> Period:
    ended = [run for run in runs if run["status"] != RUNNING]
    done = sum(run["status"] == DONE for run in runs)
    # A killed run's end is when the next one has noticed; an interrupted one's says nothing about its work.
    seconds = [_seconds(run) for run in ended if run["exit_code"] not in (None, 130) and run["ended_at"]]
    return Period(
        pipeline=pipeline,
        start=start,
        runs=len(runs),
        done=done,
        login=sum(run["status"] == LOGIN for run in runs),
        succeeded=done / len(ended) if ended else None,
        median_s=round(median(seconds), 3) if seconds else None,
        longest_s=round(max(seconds), 3) if seconds else None,
        peak_bytes=max((run["peak_bytes"] for run in runs if run["peak_bytes"]), default=None),
        new=sum(run["new"] for run in runs),
        updated=sum(run["updated"] for run in runs),
        rejected=sum(run["rejected"] for run in runs),
        sent=messages.count(SENT),
        waiting=messages.count(WAITING),
        given_up=messages.count(GIVEN_UP),
    )


def _seconds(run: dict[str, Any]) -> float:
    return (datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()


def _start_of(moment: str, zone: ZoneInfo, by: By) -> date:
    return _first_day(datetime.fromisoformat(moment).astimezone(zone).date(), by)


def _first_day(day: date, by: By) -> date:
    return day.replace(day=1) if by is By.MONTH else day - timedelta(days=day.weekday())


def _starts(by: By, last: int, today: date) -> Iterator[date]:
    """Yield the first days of the last periods, oldest first."""
    current = _first_day(today, by)
    for ago in range(last - 1, -1, -1):
        if by is By.WEEK:
            yield current - timedelta(weeks=ago)
        else:
            months = current.year * 12 + current.month - 1 - ago
            yield date(months // 12, months % 12 + 1, 1)
