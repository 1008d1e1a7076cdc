"""The hidden tab beside a tab of ours: what was delivered, and how the rows of the last write looked before it.

Columns A to E hold a row for each write: batch, time, record (JSON), digests of the keys that it added, and the
rows that it changed. From column G on lies the backup: the header, then each target row of the last write, copied by
Google in the same step that wrote. Nobody can edit between a copy and the write, so the backup tells afterwards
whether the rows were the ones that were meant, and what to put back if they were not.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backhaul.destinations.google.cells import Cell, key_text
from backhaul.destinations.google.view import KEY_JOINT, Grid
from backhaul.model import Counts
from backhaul.sessions.google.tabs import Place

DIGEST_BYTES = 8
DIGESTS_A_CELL = 4_500
"""Their base64 stays under the 50,000 characters of a cell."""

CHANGED_A_CELL = 45_000
"""Characters of the changed rows of one write."""

RECORD_COLUMNS = 5
BACKUP_COLUMN = 6
SPARE_ROWS = 50
ROWS_KEPT = 100
"""Once so many rows are taken, the next write joins them: keys close together, and the last receipts."""

RECEIPTS_KEPT = 20


def title_of(sheet_id: int, *, is_passing: bool = False) -> str:
    """Return the name of the hidden tab that belongs to a tab; is_passing: of one that a write removes again."""
    return f"_backhaul {sheet_id} update" if is_passing else f"_backhaul {sheet_id}"


def digest(key: str) -> bytes:
    """Return a short name of a key that is the same on every machine and in every version."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def head_digest(texts: Iterable[str]) -> str:
    """Return a short name of the header's texts."""
    return base64.b64encode(digest(KEY_JOINT.join(texts))).decode()


def packed(digests: Sequence[bytes]) -> list[str]:
    """Return the digests as texts, each short enough for a cell."""
    steps = range(0, len(digests), DIGESTS_A_CELL)
    return [base64.b64encode(b"".join(digests[start : start + DIGESTS_A_CELL])).decode() for start in steps]


def unpacked(text: str) -> list[bytes]:
    """Return the digests of a cell; none of a cell that somebody has changed."""
    try:
        joined = base64.b64decode(text, validate=True)
    except ValueError:
        return []
    return [joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES)]


def segments(columns: Iterable[int]) -> list[tuple[int, int]]:
    """Return columns, in order, as (first, count) of those side by side."""
    found: list[tuple[int, int]] = []
    for column in columns:
        if found and column == sum(found[-1]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((column, 1))
    return found


def joined(found: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the columns of segments."""
    return tuple(column for first, count in found for column in range(first, first + count))


@dataclass(frozen=True)
class Changed:
    """A row that a write changed: where, whose (the key's digest), and which of our columns, as bits."""

    row: int
    key: bytes
    columns: int
    is_removal: bool = False

    def text(self) -> str:
        """Return it as it is kept."""
        mark = "r" if self.is_removal else "u"
        return f"{self.row:x}{mark}{base64.b64encode(self.key).decode()}{self.columns:x}"

    @classmethod
    def of(cls, text: str) -> Changed:
        """Return what `text` wrote down. Raises ValueError for what it did not."""
        place = min(found for found in (text.find("r"), text.find("u")) if found >= 0)
        key = base64.b64decode(text[place + 1 : place + 13], validate=True)
        return cls(int(text[:place], 16), key, int(text[place + 13 :], 16), text[place] == "r")


@dataclass(frozen=True)
class Record:
    """What one write did, and what is needed to check it and to take it back.

    Args:
        at: its row in the hidden tab.
        time: when it was written, as text.
        own: our columns, by place; the bits of Changed count along them.
        key: the key's columns.
        top: the header's row.
        head: what the header said in our columns before, by digest.
        headed: places where the write set headers.
        fresh_row: the first row that the write filled anew, for `fresh`.
        is_checked: whether there is a backup of the target rows.
        has_values: whether the backup holds values only, without formulas and formats.
    """

    batch: str
    counts: Counts
    own: tuple[int, ...] = ()
    key: tuple[int, ...] = ()
    top: int = 0
    head: str = ""
    headed: tuple[int, ...] = ()
    changed: tuple[Changed, ...] = ()
    fresh: tuple[bytes, ...] = ()
    fresh_row: int = 0
    is_checked: bool = False
    has_values: bool = True
    at: int = 0
    time: str = ""

    @property
    def backup_rows(self) -> int:
        """How many rows of the backup belong to it, the header's included."""
        return 1 + len(self.changed) + len(self.fresh)

    def cells(self) -> list[str]:
        """Return the record as the five texts of its row."""
        facts = {
            "new": self.counts.new,
            "updated": self.counts.updated,
            "removed": self.counts.removed,
            "own": segments(self.own),
            "key": self.key,
            "top": self.top,
            "head": self.head,
            "headed": segments(self.headed),
            "row": self.fresh_row,
            "checked": self.is_checked,
            "values": self.has_values,
        }
        fresh = packed(self.fresh)
        changed = " ".join(each.text() for each in self.changed)
        return [self.batch, self.time, json.dumps(facts, separators=(",", ":")), fresh[0] if fresh else "", changed]

    @classmethod
    def of(cls, at: int, texts: Sequence[str]) -> Record | None:
        """Return the record of a row, or None for a row that has none, or that somebody has changed."""
        batch, time, facts_text, fresh, changed = texts
        try:
            facts: dict[str, Any] = json.loads(facts_text)
            return cls(
                batch=batch,
                counts=Counts(new=facts["new"], updated=facts["updated"], removed=facts["removed"]),
                own=joined(facts["own"]),
                key=tuple(facts["key"]),
                top=facts["top"],
                head=facts["head"],
                headed=joined(facts["headed"]),
                changed=tuple(Changed.of(each) for each in changed.split()),
                fresh=tuple(unpacked(fresh)),
                fresh_row=facts["row"],
                is_checked=facts["checked"],
                has_values=facts["values"],
                at=at,
                time=time,
            )
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Wrong:
    """What of a write met other rows than it meant: by number in `changed` and `fresh`; perhaps the header too."""

    changed: tuple[int, ...] = ()
    fresh: tuple[int, ...] = ()
    is_header: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.fresh or self.is_header)


@dataclass(frozen=True)
class Entry:
    """Rows to write into the hidden tab from row `first` on: the record in row `at`; `used` rows are taken then."""

    first: int
    rows: list[list[str]]
    at: int
    used: int


@dataclass
class Memory:
    """The hidden tab as it was read; `used` rows are taken, `last` is the text of the last record."""

    place: Place
    used: int = 0
    last: str = ""
    keys: set[bytes] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)
    backup: Grid = field(default_factory=Grid)

    @classmethod
    def of(cls, sheet: dict[str, Any]) -> Memory:
        """Return the memory of an answer's `sheets` entry."""
        grid = Grid.of(sheet.get("data", ()))
        memory = cls(Place.of(sheet), backup=grid)
        for row in range(grid.end_row):
            texts = [key_text(cell) for cell in grid.row(row, RECORD_COLUMNS)]
            if not any(texts):
                continue
            memory.used = row + 1
            memory.last = KEY_JOINT.join(texts) if texts[2] else memory.last
            memory.keys.update(unpacked(texts[3]))
            if texts[2] and (record := Record.of(row, texts)):
                memory.records.append(record)
        return memory

    def entry(self, record: Record, adopted: Sequence[bytes]) -> Entry:
        """Return what to write into columns A to E for a new record and the keys it found there."""
        more = [*packed(record.fresh)[1:], *packed(adopted)]
        new = [record.cells(), *([record.batch, record.time, "", text, ""] for text in more)]
        if self.used < ROWS_KEPT:
            return Entry(self.used, new, self.used, self.used + len(new))
        kept = [["", record.time, "", text, ""] for text in packed(sorted(self.keys))]
        for each in self.records[-RECEIPTS_KEPT:]:
            kept.append(replace(each, changed=(), fresh=(), is_checked=False).cells())
        used = len(kept) + len(new)
        blank = [[""] * RECORD_COLUMNS] * (self.used - used)
        return Entry(0, [*kept, *new, *blank], len(kept), used)

    def add(self, record: Record, entry: Entry, adopted: Sequence[bytes]) -> None:
        """Take the record for written."""
        self.used, self.last = entry.used, KEY_JOINT.join(record.cells())
        self.keys.update(record.fresh, adopted)
        self.records.append(record)

    @property
    def turn(self) -> int:
        """A number that two programs share which have read the same memory, and nobody else."""
        state = KEY_JOINT.join((str(self.place.sheet_id), str(self.used), self.last))
        return 1 + int.from_bytes(digest(state)) % (2**31 - 2)

    def counts_of(self, batch: str) -> Counts:
        """Return what earlier writes did for a batch: new, updated and removed rows."""
        return sum((record.counts for record in self.records if record.batch == batch), Counts())

    def wrong(self) -> tuple[Record, Wrong] | None:
        """Return the last write and what it met wrongly; None if it was right, or needs no check."""
        if not self.records or not self.records[-1].is_checked:
            return None
        record = self.records[-1]
        found = wrong_rows(record, self.backup)
        return (record, found) if found else None


def backup_cell(backup: Grid, number: int, column: int) -> Cell:
    """Return a cell of the backup's row `number` (0 is the header), columns counted as in the data's tab."""
    return backup.cell(number, BACKUP_COLUMN + column)


def head_of(backup: Grid, columns: Iterable[int]) -> str:
    """Return the digest of what the header said in these columns when the backup was made."""
    return head_digest(key_text(backup_cell(backup, 0, column)) for column in columns)


def wrong_rows(record: Record, backup: Grid) -> Wrong:
    """Return which rows the write of record met that it did not mean, by the backup made in the same step."""
    if head_of(backup, record.own) != record.head:
        return Wrong(tuple(range(len(record.changed))), tuple(range(len(record.fresh))), is_header=True)
    changed = []
    for number, meant in enumerate(record.changed):
        texts = [key_text(backup_cell(backup, 1 + number, column)) for column in record.key]
        if digest(KEY_JOINT.join(texts)) != meant.key:
            changed.append(number)
    first = 1 + len(record.changed)
    fresh = [
        number
        for number in range(len(record.fresh))
        if any(backup_cell(backup, first + number, column) is not None for column in record.own)
    ]
    return Wrong(tuple(changed), tuple(fresh))


def without(record: Record, wrong: Wrong) -> Record:
    """Return the record as it is once what went wrong has been put back."""
    undone = [record.changed[number] for number in wrong.changed]
    removals = sum(each.is_removal for each in undone)
    counts = replace(
        record.counts,
        new=record.counts.new - len(wrong.fresh),
        updated=record.counts.updated - (len(undone) - removals),
        removed=record.counts.removed - removals,
    )
    keep = set(range(len(record.fresh))) - set(wrong.fresh)
    return replace(
        record,
        counts=counts,
        changed=(),
        fresh=tuple(record.fresh[number] for number in sorted(keep)),
        is_checked=False,
    )
