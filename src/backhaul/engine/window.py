"""Windows in a person's words, and the window of nobody's word."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from backhaul.errors import ConfigError
from backhaul.model import Window


def parse_window(words: str, now: datetime, timezone: str) -> Window:
    """Return the window that words name: a day, `FIRST..LAST`, `today`, `yesterday` or `last:7d` (ending today).

    Raises ConfigError for anything else.
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    try:
        if words == "today":
            return Window(today, today, timezone)
        if words == "yesterday":
            yesterday = today - timedelta(days=1)
            return Window(yesterday, yesterday, timezone)
        if last := re.fullmatch(r"last:([1-9]\d{0,3})d", words):
            return Window(today - timedelta(days=int(last[1]) - 1), today, timezone)
        first, dots, end = words.partition("..")
        start, last_day = date.fromisoformat(first), date.fromisoformat(end if dots else first)
    except ValueError:
        raise ConfigError(
            f"window {words!r} is not one we know",
            next_step="Say 2025-09-12, 2025-09-01..2025-09-12, today, yesterday or last:7d.",
        ) from None
    if start > last_day:
        raise ConfigError(
            f"window starts on {start}, after its end {last_day}", next_step=f"Say {last_day}..{start}."
        )
    return Window(start, last_day, timezone)


def default_window(now: datetime, timezone: str, last_end: date | None, look_back_days: int) -> Window:
    """Return the window of a run that was given none: from the last success less the look-back, up to today.

    last_end is the last day of the last success; without one, it is yesterday and today. One that lies in the
    future, as after a wrong clock, counts as today.
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    if last_end is None:
        return Window(today - timedelta(days=1), today, timezone)
    return Window(min(last_end, today) - timedelta(days=look_back_days), today, timezone)


def past_part(window: Window, now: datetime) -> Window | None:
    """Return the days of window up to today, the ones that a run can have covered; None if there are none."""
    today = now.astimezone(ZoneInfo(window.timezone)).date()
    return Window(window.start, min(window.end, today), window.timezone) if window.start <= today else None
