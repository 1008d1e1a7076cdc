"""`notify test`: does a message arrive, and where?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home, resolved, says_yes
from backhaul.engine.run import NO_NOTIFICATIONS
from backhaul.engine.systems import Target, find, load_system, system_names
from backhaul.errors import BackhaulError, ConfigError
from backhaul.model import Checkable
from backhaul.notices import Greeting, Notifier, tells_people


@dataclass(frozen=True)
class Tried:
    """What came of one notifier."""

    pipeline: str
    notifier: str
    ok: bool
    found: str
    next_step: str = ""


def try_notifiers(output: Output, name: str | None) -> int:
    """Send a test message through every notifier of the named pipelines; return 1 if one fails, else 0.

    One that keeps a log for programs is asked for its place only.
    """
    folder = home() / "systems"
    systems = [name] if name else system_names(folder)
    targets = [
        target for system in systems for target in (find(folder, system) if name else load_system(folder / system))
    ]
    settings = installation().settings
    tried = [_tried(target, notifier) for target in targets for notifier in _resolved(target, settings)]
    if not tried:
        raise ConfigError(
            f"{name or 'no system here'}: no notifier is declared",
            next_step="Give the Pipeline a notify=[Telegram(...)].",
        )
    is_ok = all(each.ok for each in tried)
    if output.json:
        output.document({"ok": is_ok, "notifiers": [vars(each) for each in tried]})
        return 0 if is_ok else 1
    for each in tried:
        output.say(f"{'OK' if each.ok else 'FAIL':5} {each.pipeline} {each.notifier}: {each.found}")
        if each.next_step:
            output.say(f"      next: {each.next_step}")
    if says_yes(settings, NO_NOTIFICATIONS):
        output.say(f"{NO_NOTIFICATIONS} is set: runs send nothing until it is taken out")
    return 0 if is_ok else 1


def _resolved(target: Target, settings: dict[str, str]) -> tuple[Notifier, ...]:
    """Return the notifiers with their settings; other settings of the pipeline may be missing."""
    return tuple(resolved(tuple(target.pipeline.notify), settings))


def _tried(target: Target, notifier: Notifier) -> Tried:
    greeting = Greeting(pipeline=target.name, run="test", at=datetime.now(UTC), timezone=target.pipeline.timezone)
    try:
        found = notifier.check() if isinstance(notifier, Checkable) else "reached"
        message = notifier.compose(greeting)
        if message is not None:
            notifier.send(message)
    except BackhaulError as error:
        return Tried(target.name, notifier.name, False, str(error), error.next_step)
    done = "a test message was sent" if tells_people(notifier) else "it writes a log, and tells nobody anything"
    return Tried(target.name, notifier.name, True, f"{found}; {done}")
