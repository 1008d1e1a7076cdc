"""Values that differ between installations: a pipeline names them, the environment gives them their value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backhaul.errors import ConfigError


@dataclass(frozen=True)
class Setting:
    """A value that differs between installations, by its name in the environment.

    Args:
        also: other names that installations use for it; the first name that has a value counts.
        default: the value where none is set; without one, the setting is required.
    """

    name: str
    also: tuple[str, ...] = ()
    default: str | None = None

    def value(self, settings: Mapping[str, str]) -> str | None:
        """Return what settings say, else the default, else None."""
        names = (self.name, *self.also)
        return next((settings[name] for name in names if name in settings), self.default)


@dataclass(frozen=True)
class Secret(Setting):
    """A setting that is never shown: not in logs, errors, plans or traces."""


class SecretText(str):
    """The value of a Secret: a str whose repr hides it, so that tracebacks and dataclass reprs stay clean."""

    def __repr__(self) -> str:
        return "'***'"


Text = str | Setting
"""A literal, or a setting that stands for one; `text` reads it after `resolved`."""


def text(value: Text) -> str:
    """Return the str that value stands for. Raises ConfigError if it is a setting nobody has filled."""
    if isinstance(value, Setting):
        raise ConfigError(f"setting {value.name} has no value")
    return value
