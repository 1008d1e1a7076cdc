"""What a rule's settings say, once they are filled in."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from backhaul import ConfigError, Setting

Said = str | Setting
"""A text, or the setting that it comes from."""

TIME_FORM = "%H:%M, %d.%m.%Y"
"""How documents write a time."""


def text_of(value: Said) -> str:
    """Return the text. Raises ConfigError for a setting that nobody has filled in."""
    if isinstance(value, Setting):
        raise ConfigError(f"setting {value.name} has no value", next_step="Put it into .env or into the environment.")
    return value.strip()


def number_of(value: Said, name: str) -> int:
    """Return a whole number from 1; 0 where nothing is said. Raises ConfigError for anything else."""
    said = text_of(value)
    if not said or said == "0":
        return 0
    if not (said.isascii() and said.isdigit() and len(said) < 10):
        raise ConfigError(f"{name} is no whole number", next_step="Say how many, such as 10, or leave it empty.")
    return int(said)


def yes_of(value: Said, name: str) -> bool:
    """Tell whether a text says yes; an empty one says no. Raises ConfigError for what is neither."""
    said = text_of(value).lower()
    if said not in ("", "0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ConfigError(f"{name} is neither yes nor no", next_step="Say yes or no, or leave it empty.")
    return said in ("1", "true", "yes", "on")


def zone_of(value: Said) -> ZoneInfo:
    """Return a time zone. Raises ConfigError for one that there is not."""
    said = text_of(value)
    try:
        return ZoneInfo(said)
    except (ValueError, OSError, LookupError):
        raise ConfigError(f"there is no time zone {said!r}", next_step="Name one such as Asia/Jerusalem.") from None
