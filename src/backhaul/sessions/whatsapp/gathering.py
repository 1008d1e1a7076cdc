"""Puts what single looks at a chat have shown together: each message once, in their order, none left out between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backhaul.sessions.whatsapp.reading import PageRow, Shown

_UNFIT = 0.25
"""How much of an overlap may differ where rows have no ids: a message may be edited between two looks."""

_NOTE = 40
"""How much of a line between messages is kept: a day is shorter."""


@dataclass(frozen=True)
class SeenRow:
    """One message as one look has shown it; `from_end` is how many rows of the panel stand below it."""

    row: PageRow
    kind: str
    from_end: int
    via: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: dict[str, Any], above: str | None = None) -> SeenRow:
        """Return what the page's script has said of a row; `above` is as in PageRow."""
        row = PageRow(
            id=said["id"],
            header=said["header"],
            text=said["text"],
            shown=Shown(said["shown"]),
            clock=said["clock"],
            author=said["author"],
            is_own=said["is_own"],
            is_edited=said["is_edited"],
            is_truncated=said["is_truncated"],
            above=above,
        )
        return cls(row, said["kind"], said["from_end"], tuple(said["via"]))

    def is_same(self, other: SeenRow) -> bool:
        """Tell whether both are the same message, by their ids, or by what they say where one has none."""
        mine, theirs = message_part(self.row.id), message_part(other.row.id)
        if mine and theirs:
            return mine == theirs
        if self.row.header or other.row.header:
            return self.row.header == other.row.header and _begins_alike(self.row, other.row)
        return (self.row.shown, self.row.clock) == (other.row.shown, other.row.clock)

    def merged(self, later: SeenRow) -> SeenRow:
        """Return this message with what a later look has shown: later wins, nothing is lost that it did not show."""
        before, after = self.row, later.row
        is_deleted = after.shown is Shown.DELETED
        is_shorter = not after.text or (after.is_truncated and not before.is_truncated)
        keeps_text = is_shorter and not is_deleted and before.shown is not Shown.DELETED
        row = replace(
            after,
            id=max(before.id, after.id, key=len),
            header=after.header or ("" if is_deleted else before.header),
            text=before.text if keeps_text else after.text,
            is_truncated=before.is_truncated if keeps_text else after.is_truncated,
            clock=after.clock or before.clock,
            author=after.author or before.author,
            is_own=before.is_own if after.is_own is None else after.is_own,
            is_edited=before.is_edited or after.is_edited,
            above=before.above if after.above is None else after.above,
        )
        kind = "message" if "message" in (self.kind, later.kind) else later.kind
        return SeenRow(row, kind, later.from_end, later.via or self.via)


@dataclass
class Gathering:
    """The messages of a chat so far, oldest first: an unbroken piece that ends at its newest one."""

    seen: list[SeenRow] = field(default_factory=list)

    def add(self, look: Sequence[dict[str, Any]]) -> bool | None:
        """Take what one look shows, top to bottom; return whether anything is new, None if it does not join on.

        Rows whose content is not drawn divide a look into pieces; a piece that does not join on is left for later.
        """
        joined, is_new = False, False
        for piece in reversed(_pieces(look)):
            if not self.seen:
                self.seen = list(piece)
                return True
            before = len(self.seen)
            if self._join(piece):
                joined = True
                is_new = is_new or len(self.seen) > before
        return is_new if joined else None

    @property
    def messages(self) -> tuple[PageRow, ...]:
        """Those that are messages and could be read."""
        return tuple(_messages(self.seen))

    @property
    def unread(self) -> int:
        """How many rows look like messages and could not be read."""
        return sum(one.kind == "unread" for one in self.seen)

    @property
    def cards(self) -> int:
        """How many are contacts' cards, which are left out."""
        return sum(one.kind == "card" for one in self.seen)

    @property
    def chats(self) -> set[str]:
        """The ids of chats that stand in packed ids."""
        return {one.row.id.split("_")[1] for one in self.seen if one.row.id.count("_") > 1 and "@" in one.row.id}

    def matched(self, places: Iterable[str]) -> dict[str, int]:
        """Return how many rows each selector has matched, and how often those of places did."""
        return dict(Counter(places) + Counter(via for one in self.seen for via in one.via))

    def finished(self) -> tuple[tuple[PageRow, ...], str]:
        """Return the messages, own ones known by their sender's name too, and that name, "" if the page has none."""
        rows = self.messages
        names = Counter(sender for row in rows if row.is_own and (sender := sender_of(row.header)))
        if not names:
            return rows, ""
        own_name = names.most_common(1)[0][0]
        told = (
            replace(row, is_own=sender_of(row.header) == own_name) if row.is_own is None and row.header else row
            for row in rows
        )
        return tuple(told), own_name

    def _join(self, piece: list[SeenRow]) -> bool:
        places = self._places(piece)
        if all(place is None for place in places):
            return False
        merged = list(self.seen)
        for one, place in zip(piece, places, strict=True):
            if place is not None:
                merged[place] = merged[place].merged(one)
        at = max(place for place in places if place is not None) + 1
        # From the last to the first, so that no place moves before it is used.
        for one, place in zip(reversed(piece), reversed(places), strict=True):
            if place is None:
                merged.insert(at, one)
            else:
                at = place
        self.seen = merged
        return True

    def _places(self, piece: list[SeenRow]) -> list[int | None]:
        """Return where each row of piece stands among those that are known, None for one that is not."""
        if all(one.row.id for one in piece) and all(one.row.id for one in self.seen):
            known = {message_part(one.row.id): index for index, one in enumerate(self.seen)}
            return [known.get(message_part(one.row.id)) for one in piece]
        offset = self._offset(piece)
        if offset is None:
            return [None] * len(piece)
        return [place if 0 <= (place := index + offset) < len(self.seen) else None for index in range(len(piece))]

    def _offset(self, piece: list[SeenRow]) -> int | None:
        """Return by how much piece is to be moved to lie over what is known: without ids, as a whole.

        Equal messages side by side fit at several places; how many rows stand below them tells which one it is.
        """
        by_end = {one.from_end: index for index, one in enumerate(self.seen)}
        likely = next(
            (at - index for index, one in enumerate(piece) if (at := by_end.get(one.from_end)) is not None), None
        )
        if likely is not None and self._fits_whole(piece, likely):
            return likely
        best: tuple[bool, int] | None = None
        found = None
        for offset in range(1 - len(piece), len(self.seen)):
            pairs = self._pairs(piece, offset)
            equal = [pair for pair in pairs if pair[0].is_same(pair[1])]
            if not equal or len(pairs) - len(equal) > len(equal) * _UNFIT:
                continue
            is_in_place = all(one.from_end == other.from_end for one, other in equal)
            rank = (is_in_place, len(equal))
            if best is None or rank > best:
                best, found = rank, offset
        return found

    def _fits_whole(self, piece: list[SeenRow], offset: int) -> bool:
        """Tell whether all of piece that lies over what is known is the same there, with as many rows below."""
        pairs = self._pairs(piece, offset)
        return bool(pairs) and all(one.from_end == other.from_end and one.is_same(other) for one, other in pairs)

    def _pairs(self, piece: list[SeenRow], offset: int) -> list[tuple[SeenRow, SeenRow]]:
        first = max(0, -offset)
        known = self.seen[first + offset : offset + len(piece)]
        return list(zip(piece[first:], known, strict=False))


def message_part(row_id: str) -> str:
    """Return the message's own part of an id: `false_<chat>@g.us_<message>_<participant>` holds it third."""
    parts = row_id.split("_")
    return parts[2] if len(parts) > 2 and "@" in parts[1] else row_id


def sender_of(header: str) -> str:
    """Return the name in `[time, date] name: `, "" where there is none."""
    _, found, name = header.partition("] ")
    return name.rstrip().removesuffix(":").strip() if found else ""


def _begins_alike(one: PageRow, other: PageRow) -> bool:
    """Tell whether two texts may be the same, one of them perhaps cut; a deleted or edited one still is."""
    length = min(len(one.text), len(other.text)) if one.is_truncated or other.is_truncated else None
    return one.text[:length] == other.text[:length]


def _messages(seen: Sequence[SeenRow]) -> Iterator[PageRow]:
    """Yield the messages; what stands above a row that is none stands above the message below it too."""
    left: list[str | None] = []
    for one in seen:
        if one.kind != "message":
            left.append(one.row.above)
        elif left:
            yield replace(one.row, above=_joined([*left, one.row.above]))
            left = []
        else:
            yield one.row


def _joined(said: Sequence[str | None]) -> str | None:
    lines = [each for each in said if each is not None]
    return None if len(lines) < len(said) else "\n".join(filter(None, lines))


def _pieces(look: Sequence[dict[str, Any]]) -> list[list[SeenRow]]:
    pieces: list[list[SeenRow]] = [[]]
    ids: set[str] = set()
    # What stands above the first row is not in sight.
    above: str | None = None
    for said in look:
        if said["kind"] == "empty":
            pieces.append([])
            above = None
        elif said["kind"] == "note":
            above = _joined([above, said.get("text", "")[:_NOTE]])
        else:
            one = SeenRow.of(said, above)
            # The same message drawn twice at once is one.
            if not (one.row.id and one.row.id in ids):
                pieces[-1].append(one)
            ids.add(one.row.id)
            above = ""
    return [piece for piece in pieces if piece]
