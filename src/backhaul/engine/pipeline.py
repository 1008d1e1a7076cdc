"""The declaration of a pipeline: plain frozen values, nothing that runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backhaul.errors import ConfigError
from backhaul.model import Stream


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
class Pipeline:
    """Streams that run together. `timezone` is the schedule's, else UTC: its days are the windows' days."""

    name: str
    streams: Iterable[Stream]
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", tuple(self.streams))
        names = [stream.name for stream in self.streams]
        for name in (self.name, *names):
            if not re.fullmatch(r"[\w -]+", name):
                raise ConfigError(
                    f"pipeline {self.name}: {name!r} is no name; it takes letters, digits, spaces, _ and -",
                    next_step="Rename it; a dot parts names, as in system.pipeline.stream.",
                )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not names:
            raise ConfigError(f"pipeline {self.name}: {f'stream {twice[0]} stands twice' if twice else 'no streams'}")
        for stream in self.streams:
            if not stream.key:
                raise ConfigError(f"pipeline {self.name}: stream {stream.name} has no key")

    @property
    def timezone(self) -> str:
        """The zone whose calendar days windows are made of."""
        return self.schedule.timezone if self.schedule else "UTC"
