"""A run as its owner sees it in a chat: one message that grows. Hears the run's events from its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from backhaul.bot.answers import run_word
from backhaul.bot.cards import cleaned, packed
from backhaul.engine.events import (
    ArtifactKept,
    AttemptFailed,
    BatchStaged,
    Delivered,
    DeliveryFailed,
    Event,
    Recovered,
    StreamDone,
    StreamFailed,
    StreamStarted,
    Warned,
)
from backhaul.engine.run import RunResult
from backhaul.engine.words import reason
from backhaul.errors import BackhaulError
from backhaul.languages import Translator
from backhaul.model import Counts

MOST_WARNINGS = 8
CAUSE_LENGTH = 300


class SyncProgress:
    """A subscriber that knows how far each stream is.

    Where `is_stopped` says so, it interrupts the run at its next event, as Ctrl-C does.
    """

    def __init__(self, words: Translator, is_stopped: Callable[[], bool]) -> None:
        self._words = words
        self._is_stopped = is_stopped
        self._lock = threading.Lock()
        self._streams: dict[str, str] = {}
        self._warnings: dict[str, None] = {}

    def __call__(self, event: Event) -> None:
        """Hear an event. Raises KeyboardInterrupt where the bot is being ended.

        Events of the run itself are none of those that may be interrupted: what they tell of would be half done.
        """
        if event.stream and self._is_stopped():
            raise KeyboardInterrupt
        with self._lock:
            if isinstance(event, Warned):
                self._warnings.setdefault(reason(event.stream, event.message))
            elif event.stream and (said := self._said(event)):
                self._streams[event.stream] = said

    def text(self) -> str:
        """Return how far the run is, as HTML."""
        words = self._words
        with self._lock:
            lines = [f"\N{HOURGLASS WITH FLOWING SAND} <b>{words.say('Sync is running')}</b>", *self._stream_lines()]
        return packed(["\n".join(words.line(line) for line in lines)])[0]

    def result(self, result: RunResult, *, with_warnings: bool) -> str:
        """Return what a run came to, as HTML: counts, failures with the next step, warnings."""
        words = self._words
        symbol = "\N{WHITE HEAVY CHECK MARK}" if result.exit_code == 0 else "\N{CROSS MARK}"
        took = words.duration(result.seconds)
        head = words.say("Sync {status}, in {time}", status=run_word(result.status, words), time=took)
        lines = [f"{symbol} <b>{head}</b>"]
        for each in result.streams:
            is_bare = each.error is not None and each.counts + each.left_over == Counts()
            came_to = words.say("failed") if is_bare else self._counts(each.counts + each.left_over)
            lines.append(f"{words.isolated(cleaned(_short(each.stream)))}: {came_to}")
            if each.error is not None:
                lines += _failure(each.error, words, reason(each.stream, str(each.error)))
        if self._warnings and with_warnings:
            shown = list(self._warnings)[:MOST_WARNINGS]
            lines.append(words.count("{n} warning:", "{n} warnings:", len(self._warnings)))
            lines += [f"\N{WARNING SIGN} {words.isolated(cleaned(warning, CAUSE_LENGTH))}" for warning in shown]
        return "\n".join(words.line(line) for line in lines)

    def _stream_lines(self) -> Iterator[str]:
        for stream, said in self._streams.items():
            yield f"{self._words.isolated(cleaned(_short(stream)))}: {said}"

    def _said(self, event: Event) -> str:
        words = self._words
        match event:
            case StreamStarted():
                return words.say("fetching")
            case AttemptFailed():
                return words.say("trying again ({attempt}/{of})", attempt=event.attempt + 1, of=event.of)
            case Recovered():
                return words.say("works again")
            case ArtifactKept():
                megabytes = words.number(event.size_bytes / 1_000_000, 1)
                return words.say("fetched {megabytes} MB, reading", megabytes=megabytes)
            case BatchStaged():
                return words.count("{n} row checked", "{n} rows checked", event.rows + event.rejected)
            case Delivered():
                return words.say("written to {place}", place=cleaned(event.destination))
            case DeliveryFailed():
                return words.say("{place} did not take it", place=cleaned(event.destination))
            case StreamDone():
                return f"\N{WHITE HEAVY CHECK MARK} {self._counts(event.counts + event.left_over)}"
            case StreamFailed():
                return f"\N{CROSS MARK} {words.say('failed')}"
        return ""

    def _counts(self, counts: Counts) -> str:
        words = self._words
        if not counts.rows and not counts.removed:
            return words.say("nothing new")
        said = words.say(
            "New {new}, updated {updated}, unchanged {unchanged}",
            new=counts.new,
            updated=counts.updated,
            unchanged=counts.unchanged,
        )
        parts = [said]
        if counts.rejected:
            parts.append(words.count("{n} row rejected", "{n} rows rejected", counts.rejected))
        if counts.removed:
            parts.append(words.count("{n} row gone at the source", "{n} rows gone at the source", counts.removed))
        return ", ".join(parts)


def not_done(error: BackhaulError, words: Translator) -> str:
    """Return why a sync did not even begin, as HTML."""
    lines = [f"\N{CROSS MARK} <b>{words.say('Sync was not possible')}</b>", *_failure(error, words, str(error))]
    return "\n".join(words.line(line) for line in lines)


def already_running(words: Translator) -> str:
    """Return that a sync is under way already, as HTML."""
    return words.line(f"\N{HOURGLASS WITH FLOWING SAND} {words.say('A sync is running already; wait for its end.')}")


def interrupted(words: Translator) -> str:
    """Return that a sync was broken off, as HTML."""
    said = words.say("The sync was interrupted; the next one goes on where it was.")
    return words.line(f"\N{CROSS MARK} {said}")


def _failure(error: BackhaulError, words: Translator, cause: str) -> Iterator[str]:
    yield words.say("Cause: {error}", error=cleaned(cause, CAUSE_LENGTH))
    if error.next_step:
        yield words.say("Next step: {step}", step=cleaned(words.known(error.next_step), CAUSE_LENGTH))


def _short(stream: str) -> str:
    return stream.rpartition(".")[2]
