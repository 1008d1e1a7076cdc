"""What a person would do to export a file, as data: one list of steps for every driver."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from backhaul.errors import ConfigError
from backhaul.model import Window

_BLANK = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Open:
    """Go to an address, absolute or relative to the base URL."""

    path: str


@dataclass(frozen=True)
class Fill:
    """Put value into a field, in place of what is there."""

    selector: str
    value: str


@dataclass(frozen=True)
class Type:
    """Type value into a field key by key, for pages whose scripts listen to keys."""

    selector: str
    value: str


@dataclass(frozen=True)
class Select:
    """Choose the option of a `<select>` whose visible text is label; what was chosen before is let go."""

    selector: str
    label: str


@dataclass(frozen=True)
class Tick:
    """Tick a box, or choose a radio button."""

    selector: str


@dataclass(frozen=True)
class Untick:
    """Take the tick off a box."""

    selector: str


@dataclass(frozen=True)
class Click:
    """Follow a link, submit a form by its button, open a menu."""

    selector: str


@dataclass(frozen=True)
class Expect:
    """Go on only if selector is on the page."""

    selector: str


@dataclass(frozen=True)
class Await:
    """Ask the current page again, every so many seconds, until selector is on it."""

    selector: str
    every_s: float = 2.0


@dataclass(frozen=True)
class Download:
    """Click and take the file; without a selector the answer of the step before is the file.

    While the answer is a page on which `waiting` is found, it is asked again until the file is there.
    """

    selector: str | None = None
    waiting: str | None = None
    every_s: float = 2.0


Step = Open | Fill | Type | Select | Tick | Untick | Click | Expect | Await | Download


@dataclass(frozen=True)
class ExportRequest:
    """One export: its steps, how its site writes dates, and how long it may take.

    In paths, values and labels `{start}` and `{end}` stand for the window's days in date_format.

    Args:
        no_data: a selector found on the page that the site answers when a window has no rows.
        timeout_s: seconds for the whole export, from the first page to the last byte of the file.
    """

    steps: tuple[Step, ...]
    date_format: str = "%Y-%m-%d"
    no_data: str | None = None
    timeout_s: float = 300.0

    def __post_init__(self) -> None:
        downloads = [step for step in self.steps if isinstance(step, Download)]
        if len(downloads) != 1 or not isinstance(self.steps[-1], Download):
            raise ConfigError("the steps of an export end with its one Download")
        if not isinstance(self.steps[0], Open):
            raise ConfigError("the steps of an export begin with Open, so that they can be repeated")
        if self.timeout_s <= 0:
            raise ConfigError(f"timeout_s is {self.timeout_s}; it must be more than 0 seconds")
        for step in self.steps:
            for text in _templates(step).values():
                for blank in _BLANK.findall(text):
                    if blank not in ("start", "end"):
                        raise ConfigError(f"{{{blank}}} in {text!r} means nothing; use {{start}} and {{end}}")

    def for_window(self, window: Window) -> ExportRequest:
        """Return the same request with the window's days written into its steps."""
        days = {
            "{start}": window.start.strftime(self.date_format),
            "{end}": window.end.strftime(self.date_format),
        }
        return dataclasses.replace(self, steps=tuple(_filled(step, days) for step in self.steps))


def _templates(step: Step) -> dict[str, str]:
    """Return those fields of step in which days may stand."""
    return {name: getattr(step, name) for name in ("path", "value", "label") if hasattr(step, name)}


def _filled(step: Step, days: dict[str, str]) -> Step:
    texts = _templates(step)
    for blank, day in days.items():
        texts = {name: text.replace(blank, day) for name, text in texts.items()}
    filled: Step = dataclasses.replace(step, **texts)  # type: ignore[arg-type]
    return filled
