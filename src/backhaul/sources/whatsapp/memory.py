"""Which messages of a chat were seen before: the cursor of the page's streams. No row content is in it.

A message is known by WhatsApp's id where the page shows one, else by its fingerprint with its occurrence number.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

from backhaul.formats.chat import sender_key
from backhaul.sources.whatsapp.messages import MINUTE_S

if TYPE_CHECKING:
    import polars as pl

GONE = "-"
"""In place of an id: this is what a message said before it was edited; only its number is still taken."""

MOST_KNOWN = 500
"""How many of the newest messages are remembered; what is older than they are is known."""


@dataclass(frozen=True)
class Known:
    """One message that was seen; `id` and `who` (sender and minute) are hashes, "" without an id."""

    fingerprint: str
    occurrence: int
    minute: int
    id: str
    who: str


@dataclass(frozen=True)
class Seen:
    """One message of a window, before it is known whether it is new."""

    place: int
    fingerprint: str
    minute: int
    id: str
    who: str
    is_edited: bool


@dataclass(frozen=True)
class Verdict:
    """What the memory says of one message.

    Args:
        occurrence: its number among its equals, from 1.
        is_known: it was seen before, as it is now.
        maybe_edit: it may be what became of a message that is known and no longer shown.
    """

    occurrence: int
    is_known: bool
    maybe_edit: bool = False


def hashed(chat: str, text: str) -> str:
    """Return a short mark of text that tells nothing of it, another one in every chat."""
    return blake2b(text.encode(), digest_size=8, key=chat.encode()[:64]).hexdigest() if text else ""


def seen_of(frame: pl.DataFrame, chat: str) -> list[Seen]:
    """Return the messages of a frame of `messages_of` as the memory looks at them."""
    minutes = (frame["sent_at"].dt.epoch("s") // MINUTE_S).to_list()
    columns = (frame[name].to_list() for name in ("place", "fingerprint", "wa_id", "sender", "is_edited"))
    return [
        Seen(place, mark, minute, hashed(chat, wa_id or ""), hashed(chat, f"{sender_key(sender)} {minute}"), edited)
        for place, mark, wa_id, sender, edited, minute in zip(*columns, minutes, strict=True)
    ]


@dataclass(frozen=True)
class Memory:
    """The newest messages that were seen, the oldest first; all of a minute up to `floor` (UTC) are known.

    `told` is the newest minute of the window of which it was told that messages before it may be missing, as long as
    that is so.
    """

    known: tuple[Known, ...] = ()
    floor: int | None = None
    told: int | None = None

    @classmethod
    def loads(cls, cursor: str | None) -> Memory:
        """Return what a cursor holds; nothing is known without one, or from one that is none of these."""
        try:
            said = json.loads(cursor or "{}")
            known = tuple(Known(str(a), int(b), int(c), str(d), str(e)) for a, b, c, d, e in said.get("known", ()))
            floor, told = (None if said.get(name) is None else int(said[name]) for name in ("floor", "told"))
            return cls(known, floor, told)
        except (ValueError, TypeError, AttributeError):
            return cls()

    def dumps(self) -> str:
        """Return it as a cursor."""
        known = [[each.fingerprint, each.occurrence, each.minute, each.id, each.who] for each in self.known]
        return json.dumps({"floor": self.floor, "told": self.told, "known": known}, separators=(",", ":"))

    @property
    def newest(self) -> int:
        """The minute of the newest message; needs one."""
        return self.known[-1].minute

    @cached_property
    def by_id(self) -> dict[str, Known]:
        """The messages that have an id, by it."""
        return {each.id: each for each in self.known if each.id not in ("", GONE)}

    @cached_property
    def marks(self) -> frozenset[str]:
        """The fingerprints."""
        return frozenset(each.fingerprint for each in self.known)

    def is_met(self, seen: Seen) -> bool:
        """Tell whether a message of a window is one that is known, edited or not."""
        return seen.id in self.by_id or seen.fingerprint in self.marks

    def judged(self, window: Sequence[Seen]) -> list[Verdict]:
        """Return for each message of a window, in order, its number and whether it is new.

        The ids of a page that has changed the form of them tell nothing: if none is met where known messages ought to
        be, they are not looked at.
        """
        reaches_back = bool(self.known) and any(each.minute < self.newest for each in window)
        trusts_ids = any(each.id in self.by_id for each in window) or not (self.by_id and reaches_back)
        return _Judge(self, trusts_ids).judge(window)

    def after(self, window: Sequence[Seen], verdicts: Sequence[Verdict], *, is_from_start: bool) -> Memory:
        """Return what is known once a window is kept.

        Of a first window that does not begin where the chat does, its oldest minute may be cut off: it is the floor.
        """
        new = [
            Known(each.fingerprint, verdict.occurrence, each.minute, each.id, each.who)
            for each, verdict in zip(window, verdicts, strict=True)
        ]
        now = {(each.fingerprint, each.occurrence) for each in new}
        ids = {each.id for each in new if each.id}
        # What is gone from the chat, or was edited, keeps its number: no other message may get it.
        kept = [
            replace(each, id=GONE) if each.id in ids else each
            for each in self.known
            if (each.fingerprint, each.occurrence) not in now
        ]
        everything = sorted([*kept, *new], key=lambda each: each.minute)
        dropped, newest = everything[:-MOST_KNOWN], everything[-MOST_KNOWN:]
        floors = [self.floor] if self.floor is not None else []
        if not self.known and window and not is_from_start:
            floors.append(min(each.minute for each in window))
        floors += [each.minute for each in dropped[-1:]]
        return Memory(tuple(newest), max(floors, default=None))


class _Judge:
    """Gives the messages of one window the numbers that they had, and new ones numbers that nobody has."""

    def __init__(self, memory: Memory, trusts_ids: bool) -> None:
        self._memory, self._trusts_ids = memory, trusts_ids
        self._free: defaultdict[str, list[Known]] = defaultdict(list)
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        for each in memory.known:
            if each.id != GONE:
                self._free[each.fingerprint].append(each)
            self._taken[each.fingerprint].add(each.occurrence)

    def judge(self, window: Sequence[Seen]) -> list[Verdict]:
        by_id = [self._by_id(each) for each in window]
        found = [known or self._by_mark(each) for each, known in zip(window, by_id, strict=True)]
        gone: defaultdict[str, int] = defaultdict(int)
        for left in self._free.values():
            for known in left:
                gone[known.who] += 1
        return [self._verdict(each, known, gone) for each, known in zip(window, found, strict=True)]

    def _by_id(self, seen: Seen) -> Known | None:
        """Return the known message with this id, if it says now what it said then; it is met only once."""
        if not self._trusts_ids or not seen.id:
            return None
        same = [each for each in self._free[seen.fingerprint] if each.id == seen.id]
        return self._met(same[0]) if same else None

    def _by_mark(self, seen: Seen) -> Known | None:
        """Return a known message of the same fingerprint of which the id does not say that it is another one."""
        has_id = self._trusts_ids and seen.id
        same = [each for each in self._free[seen.fingerprint] if not (has_id and each.id)]
        return self._met(same[0]) if same else None

    def _met(self, known: Known) -> Known:
        self._free[known.fingerprint].remove(known)
        return known

    def _verdict(self, seen: Seen, known: Known | None, gone: defaultdict[str, int]) -> Verdict:
        if known is not None:
            return Verdict(known.occurrence, True)
        taken = self._taken[seen.fingerprint]
        occurrence = next(number for number in range(1, len(taken) + 2) if number not in taken)
        taken.add(occurrence)
        has_id = self._trusts_ids and seen.id
        is_met = bool(has_id and seen.id in self._memory.by_id)
        floor = self._memory.floor
        is_old = floor is not None and seen.minute <= floor and not is_met
        maybe_edit = bool(seen.is_edited and not has_id and gone[seen.who])
        gone[seen.who] -= maybe_edit
        return Verdict(occurrence, is_old, maybe_edit and not is_old)
