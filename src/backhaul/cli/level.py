"""How much a command says about its work on stderr: LOG_LEVEL."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from backhaul.errors import ConfigError

SETTING = "LOG_LEVEL"


class Level(IntEnum):
    """From everything to failures only."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


def level_in(settings: Mapping[str, str]) -> Level:
    """Return what LOG_LEVEL says, INFO without it. Raises ConfigError for a level that there is none of."""
    said = settings.get(SETTING, "INFO").strip().upper()
    said = {"WARN": "WARNING", "CRITICAL": "ERROR"}.get(said, said)
    try:
        return Level[said]
    except KeyError:
        names = ", ".join(Level.__members__)
        raise ConfigError(f"{SETTING} is {said[:20]!r}", next_step=f"Say one of {names}, or take it out.") from None
