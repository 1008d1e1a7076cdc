"""One reading held against the memory: what is new, what to keep, and what is known afterwards."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backhaul.errors import SourceChanged
from backhaul.sessions.whatsapp.reading import End, PageRow, Reading
from backhaul.sources.whatsapp.document import Head, Noted
from backhaul.sources.whatsapp.enough import Wanted
from backhaul.sources.whatsapp.header import name_of
from backhaul.sources.whatsapp.memory import Memory, Seen, hashed, seen_of
from backhaul.sources.whatsapp.messages import Messages, Ways, messages_of, wa_id_of

ADAPT = "Open WhatsApp Web in a browser and compare it with what backhaul reads; until then feed Export chat files."
_FEED = "Export the chat on a phone and put the file into the exports folder, or run with --file: it brings {it}."
_CLOCKS = "Set this machine's clock and the time zone (WHATSAPP_TIMEZONE) right: the next run takes {it}."
_REASONS = {
    End.ENOUGH: "they are no longer in the chat",
    End.START: "the chat begins later",
    End.PHONE: "the phone keeps the older messages",
    End.STALLED: "the page brought no older messages",
}


@dataclass(frozen=True)
class Window:
    """A reading, judged: the rows as they are kept, what is noted of each, and what is known afterwards."""

    head: Head
    rows: tuple[PageRow, ...]
    noted: tuple[Noted, ...]
    memory: Memory

    @property
    def new(self) -> int:
        """How many messages were not seen before."""
        return sum(each.occurrence is not None and not each.is_known for each in self.noted)


def judged(reading: Reading, wanted: Wanted) -> Window:
    """Return a reading with all that the memory says of it.

    Raises SourceChanged for a page of which nothing, or too little, could be understood, ConfigError for dates in an
    order that cannot be told.
    """
    memory, chat = wanted.memory, wanted.ways.chat
    rows = tuple(map(_encodable, reading.rows))
    order = wanted.order_of(rows, reading.language) if rows else wanted.order
    ways = replace(wanted.ways, order=order, own_name=wanted.ways.own_name or reading.own_name)
    minutes = {
        place: known.minute
        for place, row in enumerate(rows)
        if (known := memory.by_id.get(hashed(chat, wa_id_of(row) or ""))) is not None
    }
    messages = messages_of(rows, ways, minutes)
    refuse_unlike(ways.name, rows, messages)
    seen = seen_of(messages.frame, chat)
    verdicts = memory.judged(seen)
    noted = [Noted() for _ in rows]
    # Of the first window, what is above those that are wanted is known from now on.
    first = 0 if memory.known else max(0, len(seen) - wanted.most)
    for number, (each, verdict) in enumerate(zip(seen, verdicts, strict=True)):
        is_known = verdict.is_known or number < first
        noted[each.place] = Noted(is_known, verdict.occurrence, minutes.get(each.place), verdict.maybe_edit)
    is_gap, newest = _is_gap(seen, reading.end, memory), max((each.minute for each in seen), default=None)
    # A gap that lasts is told once, and again when more may be missing.
    is_told = memory.told == newest and all(verdict.is_known for verdict in verdicts)
    head = _head(reading, ways, is_gap=is_gap and not is_told)
    after = memory.after(seen, verdicts, is_from_start=reading.end is End.START)
    after = replace(after, told=newest if is_gap else None)
    return Window(head, rows, tuple(noted), after)


def _head(reading: Reading, ways: Ways, *, is_gap: bool) -> Head:
    return Head(
        title=reading.title,
        timezone=ways.zone,
        language=reading.language,
        own_name=ways.own_name,
        date_order=ways.order,
        end=reading.end.value,
        gap=is_gap,
        read_at=ways.now,
        unread=reading.unread,
        matched=dict(reading.matched or {}),
    )


def refuse_unlike(name: str, rows: Sequence[PageRow], messages: Messages) -> None:
    """Raise SourceChanged if nothing became a message, or most headers are like none that is known."""
    headers = sum(bool(row.header) for row in rows)
    if not rows or (messages.frame.height and messages.unlike * 2 <= headers):
        return
    raise SourceChanged(
        f"{name}: layout changed: of {_count(len(rows), 'row')} {messages.frame.height:,} could be read as messages;"
        f" {_count(headers, 'row')} had a header, {messages.unlike:,} of these like none that is known;"
        f" {messages.undated:,} had no time that can be told, {messages.nameless:,} no sender,"
        f" {messages.future:,} were dated in the future; nothing was taken",
        next_step=ADAPT,
    )


def same_title(one: str, other: str) -> bool:
    """Tell whether two titles are the same, direction marks and spaces apart; a hyphen is no dash."""
    return unicodedata.normalize("NFC", name_of(one)) == unicodedata.normalize("NFC", name_of(other))


def warnings(head: Head, messages: Messages) -> list[str]:
    """Return what a person should know about a reading, in words that hold no row content."""
    said = []
    if head.gap:
        said.append(
            f"gap in history: the reading did not reach back to the messages that were read before, as"
            f" {_REASONS[End(head.end)]}. Messages in between may be missing. {_FEED.format(it='them')}"
        )
    counts = (
        (head.unread, "the page shows {it} in a way that backhaul cannot read"),
        (messages.unlike, "what stands before {it} is not a time, a date and a sender as they are known"),
        (messages.undated, "neither the page nor the messages around tell the day and time of {it}"),
        (messages.nameless, "the page does not tell who sent {it}"),
    )
    said += [_left_out(count, why, _FEED) for count, why in counts if count]
    if messages.future:
        said.append(_left_out(messages.future, "the page dates {it} in the future", _CLOCKS))
    return said


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _left_out(count: int, why: str, step: str) -> str:
    messages, it = ("1 message was", "it") if count == 1 else (f"{count:,} messages were", "them")
    return f"{messages} left out: {why.format(it=it)}. {step.format(it=it)}"


def _is_gap(seen: Sequence[Seen], end: End, memory: Memory) -> bool:
    """Tell whether messages may be missing between what is known and this window."""
    if not memory.known:
        return False
    met = [each for each in seen if memory.is_met(each)]
    is_whole = bool(seen) and (end is End.START or min(each.minute for each in seen) < memory.newest)
    return not (met and is_whole)


def _encodable(row: PageRow) -> PageRow:
    """Return row without halves of pairs of surrogates, which a page can hold and no file."""
    texts = {name: getattr(row, name) for name in ("id", "header", "text", "clock", "author")}
    if row.above:
        texts["above"] = row.above
    changed = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    return row if changed == texts else replace(row, **changed)
