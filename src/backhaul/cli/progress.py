"""Events as lines on stderr, one per step."""

from __future__ import annotations

from dataclasses import replace

from backhaul.cli.level import Level
from backhaul.cli.output import Output
from backhaul.engine.derive import WORDS
from backhaul.engine.events import (
    ArtifactKept,
    AttemptFailed,
    BatchStaged,
    Delivered,
    DeliveryFailed,
    Event,
    OwnSession,
    Recovered,
    RunEnded,
    RunStarted,
    SessionFailed,
    StreamDone,
    StreamFailed,
    StreamStarted,
    Warned,
)
from backhaul.engine.words import counted, reason
from backhaul.model import Counts


class Progress:
    """A subscriber that tells a person what is going on, from a level on; the same reason in full only once."""

    def __init__(self, output: Output, least: Level = Level.INFO) -> None:
        self._output = output
        self._least = least
        self._told: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        if isinstance(event, RunEnded) or level_of(event) < self._least:
            return
        if isinstance(event, (AttemptFailed, OwnSession, StreamFailed)):
            first = self._told.get(event.message)
            if first is None:
                self._told[event.message] = event.stream
            else:
                event = replace(event, message="the same again" if first == event.stream else f"the same as {first}")
        if words := describe(event):
            self._output.progress(line(event.stream, words))


def level_of(event: Event) -> Level:
    """Return how grave an event is."""
    if isinstance(event, (StreamFailed, SessionFailed)):
        return Level.ERROR
    is_trouble = isinstance(event, (AttemptFailed, DeliveryFailed, OwnSession, Warned))
    return Level.WARNING if is_trouble else Level.INFO


def line(stream: str, words: str) -> str:
    """Return what is told of a stream, or of the whole run, as one line."""
    return f"{stream:28} {words}" if stream else words


def describe(event: Event) -> str:
    """Return an event in words; empty for those that a person need not see."""
    match event:
        case RunStarted():
            kind = "dry run" if event.dry_run else "run"
            return f"{event.pipeline}: {kind} {event.run}, {counted(event.streams, 'stream')}"
        case StreamStarted():
            if event.is_given:
                return "reading the given file"
            return "computing" if event.window == WORDS else f"fetching {event.window}"
        case AttemptFailed():
            return (
                f"attempt {event.attempt} of {event.of} failed, trying again: {reason(event.stream, event.message)}"
            )
        case OwnSession():
            return f"trying once more in a session of its own: {reason(event.stream, event.message)}"
        case Recovered():
            return f"recovered at attempt {event.attempt}"
        case ArtifactKept():
            return f"kept {event.name}, {counted(event.size_bytes, 'byte')}"
        case BatchStaged():
            rows = event.rows + event.duplicate + event.rejected
            return f"checked {counted(rows, 'row')}, {event.rejected:,} rejected"
        case Warned():
            return f"warning: {reason(event.stream, event.message)}"
        case Delivered():
            origin = " (left over from an earlier run)" if event.left_over else ""
            return f"{event.destination}: {in_words(event.counts)}{origin}"
        case DeliveryFailed():
            return f"{event.destination} did not take it, it stays pending: {reason(event.stream, event.message)}"
        case StreamDone():
            return f"done in {event.seconds:.1f} s"
        case StreamFailed():
            why = reason(event.stream, event.message)
            return why if why.startswith(event.result) else f"{event.result}: {why}"
        case RunEnded():
            return f"{event.status} in {event.seconds:.1f} s, exit code {event.exit_code}"
    return ""


def in_words(counts: Counts) -> str:
    """Return counts such as `27 rows: 3 new, 24 unchanged`."""
    parts = [f"{number:,} {name}" for name, number in vars(counts).items() if number]
    rows = counted(counts.rows, "row")
    return f"{rows}: {', '.join(parts)}" if parts else rows
