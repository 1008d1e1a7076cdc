"""The words of each notice, for people, in their language: no markup in them and nothing to escape yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from backhaul.languages import Translator
from backhaul.model import Counts
from backhaul.notices import (
    AlertClosed,
    AlertOpened,
    Digest,
    DigestLine,
    Greeting,
    Notice,
    RunStarted,
    RunSummary,
    RunWarned,
    StreamDone,
    StreamFailed,
    StreamLine,
    StreamRecovered,
    SystemFailed,
)

_CAUSE_LENGTH = 300
_NAME_LENGTH = 80
_REASON_LENGTH = 120
_MOST_WARNINGS = 20
_HIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
"""What may stand in a text from outside and not in a message: control signs, and signs that turn its reading."""


@dataclass(frozen=True)
class Wording:
    """A message in plain words: one symbol, a head to make bold, the rest of its line, and more lines."""

    symbol: str
    head: str
    rest: str = ""
    lines: tuple[str, ...] = ()


def worded(notice: Notice, words: Translator) -> Wording:
    """Return the words of notice. Raises TypeError for a class of notice that there are no words for."""
    for kind, write in _WRITERS.items():
        if isinstance(notice, kind):
            return write(notice, words)
    raise TypeError(f"no words for {type(notice).__name__}")


def shortened(text: str, length: int) -> str:
    """Return text from outside as one line of at most length characters, without signs that cannot be seen."""
    line = _HIDDEN.sub(" ", text).strip()
    return line if len(line) <= length else line[: length - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _started(notice: RunStarted, words: Translator) -> Wording:
    mode = words.say("individual sessions") if notice.own_sessions else words.say("single session")
    exports = words.count("{n} export", "{n} exports", notice.streams)
    return Wording(
        "\N{ROCKET}",
        words.say("AUTOMATION STARTED"),
        words.say("- Mode: {mode} - {exports}", mode=mode, exports=exports),
    )


def _done(notice: StreamDone, words: Translator) -> Wording:
    rest = words.say(
        "Records: {rows}, Time: {time}", rows=_rows(notice.counts.rows, words), time=_watch(notice.seconds)
    )
    head = words.say("{title} Export succeeded!", title=_name(notice.title))
    lines = list(_losses(notice.counts, words))
    if notice.left_over.rows:
        caught_up = _rows(notice.left_over.rows, words)
        lines += [words.say("Caught up: {rows}", rows=caught_up), _classes(notice.left_over, words)]
    return Wording("\N{WHITE HEAVY CHECK MARK}", head, rest, tuple(lines))


def _failed(notice: StreamFailed, words: Translator) -> Wording:
    lines = []
    if notice.is_final:
        lines = [words.say("It is given up for this run."), *_step(notice.next_step, words)]
    error = shortened(notice.message or notice.error, _CAUSE_LENGTH)
    if notice.attempt:
        rest = words.say(
            "Error: {error}, Retry attempt: {attempt}/{of}", error=error, attempt=notice.attempt, of=notice.of
        )
    else:
        rest = words.say("Error: {error}", error=error)
    head = words.say("{title} Export failed!", title=_name(notice.title))
    return Wording("\N{CROSS MARK}", head, rest, tuple(lines))


def _recovered(notice: StreamRecovered, words: Translator) -> Wording:
    head = words.say("{title} Export recovered!", title=_name(notice.title))
    rest = words.say("Attempt {attempt} succeeded.", attempt=notice.attempt)
    return Wording("\N{CLOCKWISE RIGHTWARDS AND LEFTWARDS OPEN CIRCLE ARROWS}", head, rest)


def _summary(notice: RunSummary, words: Translator) -> Wording:
    counts = notice.counts
    good = [line for line in notice.streams if line.status == "done"]
    failed = [line for line in notice.streams if line.status == "failed"]
    others = [line for line in notice.streams if line.status not in ("done", "failed")]
    lines = [
        words.say("Status: {status}", status=_status(notice.status, words)),
        words.say("Total Records: {n}", n=counts.rows),
        words.say("Total time: {minutes} min", minutes=f"{notice.seconds / 60:.2f}"),
        _classes(counts, words),
        *_losses(counts, words),
    ]
    if good:
        lines.append(words.say("Succeeded ({n}):", n=len(good)))
        lines += [_item(f"{_named(line.stream, words)}: {_rows(line.counts.rows, words)}") for line in good]
    if failed:
        lines.append(words.say("Failed ({n}):", n=len(failed)))
        lines += [_item(f"{_named(line.stream, words)}: {_reason(line, words)}") for line in failed]
    if others:
        lines.append(words.say("Not finished ({n}):", n=len(others)))
        lines += [_item(f"{_named(line.stream, words)}: {_reason(line, words)}") for line in others]
    lines.append(words.isolated(words.moment(notice.at, notice.timezone)))
    return Wording("\N{BAR CHART}", words.say("SUMMARY DAILY EXPORT"), lines=tuple(lines))


def _warned(notice: RunWarned, words: Translator) -> Wording:
    lines = [
        _item(f"{_named(title, words)}: {words.isolated(shortened(said, _CAUSE_LENGTH))}")
        for title, said in notice.warnings[:_MOST_WARNINGS]
    ]
    if (more := len(notice.warnings) - _MOST_WARNINGS) > 0:
        lines.append(words.say("and {n} more", n=more))
    head = words.say("Please look at this")
    return Wording("\N{WARNING SIGN}\N{VARIATION SELECTOR-16}", head, lines=tuple(lines))


def _system(notice: SystemFailed, words: Translator) -> Wording:
    rest = words.say(
        "- Component: {component} - Error: {error}",
        component=_name(notice.component),
        error=shortened(notice.message, _CAUSE_LENGTH),
    )
    lines = tuple(_step(notice.next_step, words))
    return Wording("\N{POLICE CARS REVOLVING LIGHT}", words.say("SYSTEM ERROR"), rest, lines)


def _greeting(notice: Greeting, words: Translator) -> Wording:
    lines = (
        words.say("Messages of this pipeline arrive here."),
        words.isolated(words.moment(notice.at, notice.timezone)),
    )
    return Wording("\N{WAVING HAND SIGN}", words.say("TEST"), f"- {_named(notice.pipeline, words)}", lines)


def _opened(notice: AlertOpened, words: Translator) -> Wording:
    since = words.moment(notice.since, notice.timezone)
    lines = [
        words.say("Pipeline: {pipeline}", pipeline=_name(notice.pipeline)),
        words.say("Cause: {error}", error=shortened(notice.message or notice.error, _CAUSE_LENGTH)),
        words.say("Failing since {since}", since=since),
        words.count("{n} run has failed", "{n} runs have failed", notice.failures),
        *_step(notice.next_step, words),
        words.say("Run: {run}", run=_name(notice.run)),
    ]
    symbol = "\N{RAISED HAND}" if notice.needs_person else "\N{CROSS MARK}"
    return Wording(symbol, _alert_head(notice, words), f"- {_named(notice.title, words)}", tuple(lines))


def _closed(notice: AlertClosed, words: Translator) -> Wording:
    lasted = words.duration((notice.at - notice.since).total_seconds())
    since = words.moment(notice.since, notice.timezone)
    lines = [
        words.say("Pipeline: {pipeline}", pipeline=_name(notice.pipeline)),
        words.say("It had failed since {since}, for {lasted}", since=since, lasted=lasted),
        words.count("{n} run had failed", "{n} runs had failed", notice.missed),
        words.say("Caught up: {rows}", rows=_rows(notice.counts.rows, words)),
        _classes(notice.counts, words),
        *_losses(notice.counts, words),
    ]
    head = words.say("WORKS AGAIN")
    return Wording("\N{WHITE HEAVY CHECK MARK}", head, f"- {_named(notice.title, words)}", tuple(lines))


def _digest(notice: Digest, words: Translator) -> Wording:
    lines = [words.say("Since {since}", since=words.moment(notice.since, notice.timezone))]
    for line in notice.streams:
        lines += _digest_lines(line, notice, words)
    return Wording("\N{CLIPBOARD}", words.say("DIGEST"), f"- {_named(notice.pipeline, words)}", tuple(lines))


def _digest_lines(line: DigestLine, notice: Digest, words: Translator) -> Iterator[str]:
    parts = [words.count("{n} run", "{n} runs", line.runs), _rows(line.counts.rows, words)]
    if line.failed:
        parts.insert(1, words.say("{n} failed", n=line.failed))
    yield _item(f"{_named(line.stream, words)}: {', '.join(parts)}")
    if line.counts.rows:
        yield f"  {_classes(line.counts, words)}"
    for loss in _losses(line.counts, words):
        yield f"  {loss}"
    if line.last_success is None:
        yield f"  {words.say('has never succeeded')}"
    else:
        yield f"  {words.say('last success {at}', at=words.moment(line.last_success, notice.timezone))}"


def _alert_head(notice: AlertOpened, words: Translator) -> str:
    if notice.needs_person:
        return words.say("STILL NEEDS YOU") if notice.is_reminder else words.say("NEEDS YOU")
    return words.say("STILL FAILING") if notice.is_reminder else words.say("FAILING")


def _status(status: str, words: Translator) -> str:
    said = {
        "done": words.say("ALL SUCCEEDED"),
        "partly done": words.say("PARTLY SUCCEEDED"),
        "failed": words.say("FAILED"),
        "login needed": words.say("LOGIN NEEDED"),
        "interrupted": words.say("INTERRUPTED"),
    }
    return said.get(status) or status.upper()


def _reason(line: StreamLine, words: Translator) -> str:
    said = {
        "login needed": words.say("login needed"),
        "held": words.say("held for a person to look at"),
        "pending": words.say("fetched, not delivered everywhere yet"),
        "interrupted": words.say("interrupted"),
    }
    status = said.get(line.status)
    message = words.isolated(shortened(line.message, _REASON_LENGTH)) if line.message else ""
    return ": ".join(part for part in (status, message) if part) or line.status


def _classes(counts: Counts, words: Translator) -> str:
    said = words.say(
        "New {new}, updated {updated}, unchanged {unchanged}",
        new=counts.new,
        updated=counts.updated,
        unchanged=counts.unchanged,
    )
    return f"{said}, {words.say('duplicate {n}', n=counts.duplicate)}" if counts.duplicate else said


def _losses(counts: Counts, words: Translator) -> Iterator[str]:
    """Yield one line where rows were put aside or have gone at the source, else none."""
    parts = []
    if counts.rejected:
        parts.append(words.count("{n} row rejected", "{n} rows rejected", counts.rejected))
    if counts.removed:
        parts.append(words.count("{n} row gone at the source", "{n} rows gone at the source", counts.removed))
    if parts:
        yield words.say("Note: {what}", what=", ".join(parts))


def _step(next_step: str, words: Translator) -> Iterator[str]:
    if next_step:
        step = words.known(next_step)
        yield words.say("Next step: {step}", step=shortened(step, _CAUSE_LENGTH))


def _rows(n: int, words: Translator) -> str:
    return words.count("{n} row", "{n} rows", n)


def _item(text: str) -> str:
    return f"- {text}"


def _name(text: str) -> str:
    return shortened(text, _NAME_LENGTH)


def _named(text: str, words: Translator) -> str:
    return words.isolated(_name(text))


def _watch(seconds: float) -> str:
    # A stopwatch keeps its point in every language: teams compare these figures with the log's.
    return f"{seconds:.2f}s"


_WRITERS: dict[type[Notice], Callable[[Any, Translator], Wording]] = {
    RunStarted: _started,
    StreamDone: _done,
    StreamFailed: _failed,
    StreamRecovered: _recovered,
    RunSummary: _summary,
    RunWarned: _warned,
    SystemFailed: _system,
    Greeting: _greeting,
    AlertOpened: _opened,
    AlertClosed: _closed,
    Digest: _digest,
}
