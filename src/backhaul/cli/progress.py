"""Events as lines on stderr, one per step."""

from __future__ import annotations

from backhaul.cli.output import Output
from backhaul.engine.events import (
    ArtifactKept,
    AttemptFailed,
    BatchStaged,
    Delivered,
    DeliveryFailed,
    Event,
    OwnSession,
    Recovered,
    RunStarted,
    StreamDone,
    StreamFailed,
    StreamStarted,
    Warned,
)
from backhaul.model import Counts


class Progress:
    """A subscriber that tells a person what is going on."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        if words := describe(event):
            name = event.stream or ""
            self._output.progress(f"{name:28} {words}" if name else words)


def describe(event: Event) -> str:
    """Return an event in words; empty for those that a person need not see."""
    match event:
        case RunStarted():
            kind = "dry run" if event.dry_run else "run"
            return f"{event.pipeline}: {kind} {event.run}, {event.streams} streams"
        case StreamStarted():
            return f"fetching {event.window}"
        case AttemptFailed():
            return f"attempt {event.attempt} of {event.of} failed, trying again: {event.message}"
        case OwnSession():
            return f"trying once more in a session of its own: {event.message}"
        case Recovered():
            return f"recovered at attempt {event.attempt}"
        case ArtifactKept():
            return f"kept {event.name}, {event.size_bytes:,} bytes, {event.sha256[:12]}"
        case BatchStaged():
            return f"checked {event.rows + event.duplicate + event.rejected} rows, {event.rejected} rejected"
        case Warned():
            return f"warning: {event.message}"
        case Delivered():
            origin = " (left over from an earlier run)" if event.left_over else ""
            return f"{event.destination}: {in_words(event.counts)}{origin}"
        case DeliveryFailed():
            return f"{event.destination} did not take it, it stays pending: {event.message}"
        case StreamDone():
            return f"done in {event.seconds:.1f} s"
        case StreamFailed():
            return f"failed: {event.message}"
    return ""


def in_words(counts: Counts) -> str:
    """Return counts such as `27 rows: 3 new, 24 unchanged`."""
    parts = [f"{number} {name}" for name, number in vars(counts).items() if number]
    return f"{counts.rows} rows: {', '.join(parts)}" if parts else "0 rows"
