"""The declaration of a pipeline: plain frozen values, nothing that runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backhaul.engine.report import Report
from backhaul.errors import ConfigError
from backhaul.lake.landing import is_reserved
from backhaul.model import Stream
from backhaul.notices import Notifier


@dataclass(frozen=True)
class Schedule:
    """When a pipeline runs: a cron line of five fields, on the clock of timezone."""

    cron: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.cron.split()) != 5:
            raise ConfigError(f"schedule {self.cron!r} is not a cron line of five fields")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(f"schedule: {self.timezone!r} is not a time zone; say Asia/Jakarta") from None


@dataclass(frozen=True)
class AlertRules:
    """When failures are worth an alert, for pipelines that are monitored rather than read run by run.

    Args:
        after_failures: so many runs in a row must fail before a failure that may pass by itself is told.
        remind_every_h: hours between reminders while a stream goes on failing.
        quiet: from and to, `HH:MM` on the pipeline's clock: what needs no person waits until they are over.
        digest_at: `HH:MM`; the first run from then on each day sends a digest. None sends none.
    """

    after_failures: int = 2
    remind_every_h: float = 24.0
    quiet: tuple[str, str] | None = None
    digest_at: str | None = None

    def __post_init__(self) -> None:
        for said in (*(self.quiet or ()), *([self.digest_at] if self.digest_at else [])):
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", said):
                raise ConfigError(f"alert rules: {said!r} is not a time of day; say 07:30")
        if self.after_failures < 1 or self.remind_every_h <= 0:
            raise ConfigError("alert rules: after_failures is 1 or more, remind_every_h more than 0")


@dataclass(frozen=True)
class Pipeline:
    """Streams that run together. `timezone` is the schedule's, else UTC: its days are the windows' days.

    `notify` are the channels that hear of every run; `alerts` are the rules for those that only want alerts.
    `reports` are tables that people ask for with `backhaul report`.
    """

    name: str
    streams: Iterable[Stream]
    schedule: Schedule | None = None
    notify: Iterable[Notifier] = ()
    alerts: AlertRules = AlertRules()
    reports: Iterable[Report] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", tuple(self.streams))
        object.__setattr__(self, "notify", tuple(self.notify))
        object.__setattr__(self, "reports", tuple(self.reports))
        names = [stream.name for stream in self.streams]
        for name in (self.name, *names, *(report.name for report in self.reports)):
            if not re.fullmatch(r"[\w -]+", name):
                raise ConfigError(
                    f"pipeline {self.name}: {name!r} is no name; it takes letters, digits, spaces, _ and -",
                    next_step="Rename it; a dot parts names, as in system.pipeline.stream.",
                )
            if is_reserved(name) or name != name.strip():
                raise ConfigError(
                    f"pipeline {self.name}: {name!r} cannot name a folder on Windows",
                    next_step="Rename it: CON, NUL and the like are devices there, and spaces at the ends are lost.",
                )
        # Letter case tells neither folders on Windows nor tables apart.
        folded = [name.casefold() for name in names]
        twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
        if twice or not names:
            raise ConfigError(f"pipeline {self.name}: {f'stream {twice[0]} stands twice' if twice else 'no streams'}")
        for stream in self.streams:
            if not stream.key:
                raise ConfigError(f"pipeline {self.name}: stream {stream.name} has no key")
        self._refuse_reports_named_twice(names)
        channels = [notifier.name for notifier in self.notify]
        if double := sorted({name for name in channels if channels.count(name) > 1}):
            raise ConfigError(
                f"pipeline {self.name}: two notifiers are named {double[0]}", next_step="Give one of them a name=."
            )

    def _refuse_reports_named_twice(self, streams: list[str]) -> None:
        """Raise ConfigError where the command line could not tell a report from another one, or from a stream."""
        taken = {name.casefold(): f"stream {name}" for name in streams}
        for report in self.reports:
            if other := taken.get(report.name.casefold()):
                raise ConfigError(
                    f"pipeline {self.name}: report {report.name} has the name of {other}",
                    next_step="Rename one of the two.",
                )
            taken[report.name.casefold()] = f"another report, {report.name}"

    @property
    def timezone(self) -> str:
        """The zone whose calendar days windows are made of."""
        return self.schedule.timezone if self.schedule else "UTC"
