"""The documents of students: by which id each is known, also after a new name, and what it had counted before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any

import polars as pl

from backhaul import ConfigError

from .earlier import Earlier
from .people import students_and_former
from .words import clean, plain

DIGITS, AS_WRITTEN = "digits", "as_written"
STYLES = (DIGITS, AS_WRITTEN)

Row = dict[str, Any]
Key = tuple[str, str]
"""Phone and name of a row of the roster, as they are seen."""


@dataclass(frozen=True)
class Person:
    """A student with its document.

    Args:
        row: the row of `students`.
        uniq_id: the document's id.
        before: the document that was there before, if any.
        former_rows: rows that were taken off the roster when the student got another name, the newest first.
    """

    row: Row
    uniq_id: str
    before: Earlier | None
    former_rows: tuple[Row, ...] = ()


def uniq_id(phone_number: str, digits: str, name: str, style: str = DIGITS) -> str:
    """Return the MD5 of `<phone>_<name>`: of the digits, or of the phone as written but for marks and `+`.

    A phone that cannot be read is taken as it is written. Raises ConfigError for another style.
    """
    if style not in STYLES:
        raise ConfigError(f"uniq_id_style {style!r} is none", next_step=f"Say {' or '.join(STYLES)}.")
    written = clean(phone_number).lstrip("+").strip()
    phone = digits if style == DIGITS and digits else written
    return md5(f"{phone}_{clean(name)}".encode(), usedforsecurity=False).hexdigest()


def persons(
    roster: pl.DataFrame, archive: pl.DataFrame, before: Sequence[Earlier], *, region: str, style: str
) -> list[Person]:
    """Return every student on the roster, in the order of `students`, each with an id that no other has.

    The document that was there before keeps its id, in either style. A student with a new name keeps the id of the
    old one: a row was taken off the roster, and the only other one with its digits is not known to have been there
    beside it. To know that surely, the roster needs its column `_inserted_run`.
    """
    documents = _Documents.of(before, style)
    traces = Traces.of(roster, archive)
    there, gone = (each.to_dicts() for each in students_and_former(roster, region))
    by_digits: dict[str, list[Row]] = {}
    for row in gone:
        by_digits.setdefault(row["digits"], []).append(row)
    mates: dict[str, int] = {}
    for row in there:
        mates[row["digits"]] = mates.get(row["digits"], 0) + 1
    found, taken = [], set()
    for row in there:
        is_only = bool(row["digits"]) and mates[row["digits"]] == 1
        chain = _chain(row, by_digits.get(row["digits"], []) if is_only else [], traces, documents)
        root = chain[-1] if chain else row
        document = documents.of_row(root) or documents.of_row(row)
        name = document.uniq_id if document and document.uniq_id else documents.id_of(root)
        if name in taken:
            document, name, chain = None, documents.id_of(row), ()
        taken.add(name)
        found.append(Person(row, name, document, chain))
    return found


def with_former_names(aliases: pl.DataFrame, found: Sequence[Person]) -> pl.DataFrame:
    """Return aliases (sender, phone_number, name) with those of students who got another name on the roster.

    WhatsApp shows a contact as somebody has saved it, perhaps under the old name. What the aliases say themselves
    stands, and a name that several have or had says nothing.
    """
    there = aliases if "sender" in aliases.columns else aliases.with_columns(pl.lit(None, pl.String).alias("sender"))
    if "removed_at" in there.columns:
        there = there.filter(pl.col("removed_at").is_null())
    known = {plain(each) for each in there["sender"].drop_nulls()} | {plain(each.row["name"]) for each in found}
    owners: dict[str, list[tuple[str, str, str]]] = {}
    for person in found:
        for former in person.former_rows:
            row = former["name"], person.row["phone_number"], person.row["name"]
            owners.setdefault(plain(former["name"]), []).append(row)
    rows = [each[0] for name, each in owners.items() if name not in known and len(set(each)) == 1]
    more = pl.DataFrame(rows, schema=dict.fromkeys(("sender", "phone_number", "name"), pl.String), orient="row")
    return pl.concat([there, more], how="diagonal")


@dataclass(frozen=True)
class Traces:
    """When rows of the roster came, changed or were taken off, as far as the roster and its archive tell.

    Args:
        first: the first moment at which a row, by phone and name, is known to have been there.
        came_with: the batch that brought a row, where the roster has `_inserted_run`; batches sort by time.
        went_with: the batch that took a row off, or changed it last.
    """

    first: Mapping[Key, datetime]
    came_with: Mapping[Key, str]
    went_with: Mapping[Key, str]

    @classmethod
    def of(cls, roster: pl.DataFrame, archive: pl.DataFrame) -> Traces:
        """Return what the two tables tell."""
        first: dict[Key, datetime] = {}
        went_with: dict[Key, str] = {}
        for phone, name, at, batch in _rows(archive, ("phone_number", "name", "_archived_at", "_archived_by")):
            key = clean(phone), clean(name)
            if at is not None and (key not in first or at < first[key]):
                first[key] = at
            if batch:
                went_with[key] = max(batch, went_with.get(key, ""))
        came = _rows(roster, ("phone_number", "name", "_inserted_run"))
        return cls(first, {(clean(phone), clean(name)): batch for phone, name, batch in came if batch}, went_with)

    def was_beside(self, row: Row, gone: Row) -> bool:
        """Tell whether row is known to have been on the roster together with one that was taken off."""
        key, key_gone = (row["phone_number"], row["name"]), (gone["phone_number"], gone["name"])
        if key in self.came_with and key_gone in self.went_with:
            return self.came_with[key] < self.went_with[key_gone]
        seen = self.first.get(key)
        return seen is not None and seen < gone["removed_at"]

    def is_one_edit(self, row: Row, gone: Row) -> bool:
        """Tell whether row is known to have come with the batch that took the other one off."""
        came = self.came_with.get((row["phone_number"], row["name"]))
        return came is not None and came == self.went_with.get((gone["phone_number"], gone["name"]))

    def went_together(self, one: Row, other: Row) -> bool:
        """Tell whether two rows were taken off at once."""
        batches = [self.went_with.get((each["phone_number"], each["name"])) for each in (one, other)]
        if None in batches:
            return bool(one["removed_at"] == other["removed_at"])
        return batches[0] == batches[1]


@dataclass(frozen=True)
class _Documents:
    """The earlier documents by id, and by phone and name."""

    by_id: dict[str, Earlier]
    by_both: dict[tuple[str, str], list[Earlier]]
    style: str

    @classmethod
    def of(cls, before: Sequence[Earlier], style: str) -> _Documents:
        by_both: dict[tuple[str, str], list[Earlier]] = {}
        for each in before:
            if each.digits and each.plain_name:
                by_both.setdefault((each.digits, each.plain_name), []).append(each)
        return cls({each.uniq_id: each for each in before if each.uniq_id}, by_both, style)

    def id_of(self, row: Row) -> str:
        return uniq_id(row["phone_number"], row["digits"], row["name"], self.style)

    def of_row(self, row: Row) -> Earlier | None:
        """Return the document of a row of the roster: by its id in either style, else by phone and name."""
        for style in (self.style, *(each for each in STYLES if each != self.style)):
            if found := self.by_id.get(uniq_id(row["phone_number"], row["digits"], row["name"], style)):
                return found
        same = self.by_both.get((row["digits"], row["plain_name"]), [])
        return same[0] if len(same) == 1 else None


def _chain(row: Row, gone: list[Row], traces: Traces, documents: _Documents) -> tuple[Row, ...]:
    """Return the rows that row's student had before under other names, the newest first.

    A brother or sister who leaves is no rename: the other one was there at the same time. Who had a brother or sister
    has only those names that went in the same edit of the roster in which the next one came. Where two went at once,
    nobody can tell which of them has a new name.
    """
    found: list[Row] = []
    had_siblings = False
    latest_first = sorted(gone, key=lambda each: (each["removed_at"], each["name"]), reverse=True)
    for each in latest_first:
        last = found[-1] if found else row
        if documents.of_row(last) is not None:
            break
        if traces.was_beside(last, each):
            had_siblings = True
            continue
        others = (other for other in gone if other is not each and traces.went_together(each, other))
        if any(not traces.was_beside(last, other) for other in others):
            break
        if not had_siblings or traces.is_one_edit(last, each):
            found.append(each)
    return tuple(found)


def _rows(frame: pl.DataFrame, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield these columns of each row; one that is not there is None."""
    if frame.height:
        there = [pl.col(name) if name in frame.columns else pl.lit(None).alias(name) for name in names]
        yield from frame.select(there).iter_rows()


__all__ = ["AS_WRITTEN", "DIGITS", "STYLES", "Person", "Traces", "persons", "uniq_id"]
