"""The students of the roster, and which of them has sent a message; who cannot be told is never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from .messages import MESSAGE, MINUTE, WHO
from .phones import digits_of
from .words import clean, folded, plain

ROSTER = ("phone_number", "name", "current_lesson", "teacher")
STUDENT = "student"
"""The number of a student in the frame that `students` gives, and null where nobody is found."""

_MOMENT = pl.Datetime("us", "UTC")
UNKNOWN, AMBIGUOUS, FORMER = "unknown", "ambiguous", "former"
"""Why a sender is no student: nobody is found, several are, or one who is not on the roster any more."""

Found = tuple[int | None, str, tuple[int, ...]]
"""A student, why there is none, and who it might be."""


def roster_rows(roster: pl.DataFrame, region: str = "IL") -> pl.DataFrame:
    """Return all rows of a roster that name a student: the roster's columns as they are seen, and how to find them.

    `digits` is "" where the phone cannot be read, `plain_name` is the name as it is compared; `is_there` is false for
    rows that were taken off the roster. A half-typed row, without a phone or a name, names nobody.
    """
    texts = [_cleaned(roster, name) for name in ROSTER]
    removed_at = pl.repeat(None, roster.height, dtype=_MOMENT, eager=True)
    if "removed_at" in roster.columns:
        removed_at = roster["removed_at"].cast(_MOMENT)
    rows = pl.DataFrame([*texts, removed_at.is_null().alias("is_there"), removed_at.alias("removed_at")])
    return rows.with_columns(
        digits_of(rows["phone_number"], region).alias("digits"),
        _mapped(rows["name"], plain).alias("plain_name"),
    ).filter(pl.col("phone_number") != "", pl.col("plain_name") != "")


def students(roster: pl.DataFrame, region: str = "IL") -> pl.DataFrame:
    """Return one row for each student on the roster, numbered from 0 in `student`; else the columns of `roster_rows`.

    Two rows of one phone and one name are one student, the row with a lesson before the one without. Their order does
    not depend on the roster's.
    """
    return students_and_former(roster, region)[0]


def students_and_former(roster: pl.DataFrame, region: str = "IL") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the `students`, and in the same form those who were taken off the roster."""
    rows = roster_rows(roster, region)
    return _numbered(rows.filter("is_there")), _numbered(rows.filter(~pl.col("is_there")))


def matched(counted: pl.DataFrame, roster: pl.DataFrame, aliases: pl.DataFrame, region: str = "IL") -> pl.DataFrame:
    """Return counted messages with who sent them: `student` as in `students`, or null and `why`, and `candidates`.

    A number is the student who has it; a name (`~ Name` too) the one that the aliases give it, or else the only one
    with this name on the roster. Of students with one phone the aliases decide, by phone and name. Otherwise a sender
    is `unknown`, `ambiguous`, with the names of those it might be, or `former`. A message that was shown under two
    names of one student, as when a contact was saved, is one.
    """
    there, gone = students_and_former(roster, region)
    senders = counted.select("sender").unique(maintain_order=True)
    directory = Directory.of(there, aliases, region)
    past = Directory.of(gone, aliases, region)
    numbers = digits_of(senders["sender"], region).to_list()
    found = [
        _with_former(directory.found(sender, number), past, sender, number)
        for sender, number in zip(senders["sender"].to_list(), numbers, strict=True)
    ]
    names = there["name"].to_list()
    answers = pl.DataFrame(
        {
            "sender": senders["sender"],
            STUDENT: pl.Series([each[0] for each in found], dtype=pl.Int64),
            "why": pl.Series([each[1] or None for each in found], dtype=pl.String),
            "candidates": pl.Series(
                [", ".join(sorted({names[place] for place in each[2]})) or None for each in found], dtype=pl.String
            ),
        }
    )
    return _once_each(counted.join(answers, on="sender", how="left", maintain_order="left"))


def _with_former(found: Found, past: Directory, sender: str, number: str) -> Found:
    if found[1] == UNKNOWN and past.found(sender, number)[1] != UNKNOWN:
        return None, FORMER, ()
    return found


@dataclass(frozen=True)
class Directory:
    """Who is meant by a number, a name or an alias."""

    by_digits: dict[str, list[int]]
    by_name: dict[str, list[int]]
    by_both: dict[tuple[str, str], int]
    aliases: dict[str, list[tuple[str, str]]]

    @classmethod
    def of(cls, people: pl.DataFrame, aliases: pl.DataFrame, region: str) -> Directory:
        """Return the directory of people (as from `students`); aliases have sender, phone_number, name."""
        by_digits: dict[str, list[int]] = {}
        by_name: dict[str, list[int]] = {}
        by_both = {}
        for student, number, name in people.select(STUDENT, "digits", "plain_name").iter_rows():
            if number:
                by_digits.setdefault(number, []).append(student)
            by_name.setdefault(name, []).append(student)
            by_both[number, name] = student
        return cls(by_digits, by_name, by_both, _aliases(aliases, region))

    def found(self, sender: str, number: str) -> Found:
        """Return who sender is; number is its digits, "" for a name."""
        of_number = self.by_digits.get(number, []) if number else []
        if len(of_number) == 1:
            return of_number[0], "", ()
        told = {self.told(*alias) for alias in self.aliases.get(number or _name_key(sender), ())}
        if len(told) == 1 and (student := next(iter(told))) is not None:
            # An alias of a number that several students have can name one of them only.
            if not of_number or student in of_number:
                return student, "", ()
        elif len(told) > 1:
            return None, AMBIGUOUS, tuple(sorted(each for each in told if each is not None))
        if of_number:
            return None, AMBIGUOUS, tuple(of_number)
        of_name = [] if number or told else self.by_name.get(_name_key(sender), [])
        if len(of_name) == 1:
            return of_name[0], "", ()
        return None, AMBIGUOUS if of_name else UNKNOWN, tuple(of_name)

    def told(self, number: str, name: str) -> int | None:
        """Return the student that an alias names by phone and name, or by the one of them that it has."""
        if number and name:
            return self.by_both.get((number, name))
        meant = self.by_digits.get(number, []) if number else self.by_name.get(name, [])
        return meant[0] if len(meant) == 1 else None


def _aliases(aliases: pl.DataFrame, region: str) -> dict[str, list[tuple[str, str]]]:
    """Return by sender, as digits or as a name, what the aliases say: digits and name, either may be empty."""
    if not aliases.height or "sender" not in aliases.columns:
        return {}
    if "removed_at" in aliases.columns:
        aliases = aliases.filter(pl.col("removed_at").is_null())
    senders, phones, names = (_cleaned(aliases, name) for name in ("sender", "phone_number", "name"))
    found: dict[str, list[tuple[str, str]]] = {}
    columns = (senders, digits_of(senders, region), phones, digits_of(phones, region), _mapped(names, plain))
    for sender, number, phone, phone_digits, name in zip(*(each.to_list() for each in columns), strict=True):
        # A phone that cannot be read names nobody, whatever the name beside it says.
        is_readable = bool(phone_digits) or not phone
        if sender and is_readable and (phone_digits or name):
            found.setdefault(number or _name_key(sender), []).append((phone_digits, name))
    return found


def _name_key(sender: str) -> str:
    return plain(sender).lstrip("~ ")


def _once_each(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows without those that show a student's message a second time, under another name of the sender.

    Each name's equal messages of a minute are numbered: as many are taken as the name with the most has. What has an
    id of WhatsApp's own is a message of its own in any case.
    """
    several = (
        rows.filter(pl.col(STUDENT).is_not_null())
        .select(STUDENT, WHO)
        .unique()
        .filter(pl.col(STUDENT).is_duplicated())[STUDENT]
        .unique()
    )
    if not len(several):
        return rows
    here = rows.filter(pl.col(STUDENT).is_in(several.implode()))
    same = (STUDENT, MINUTE, "kind", "compared")
    shown = here.with_columns(compared=folded(here["text"]).str.strip_chars()).with_columns(
        number=pl.int_range(pl.len()).over(*same, WHO)
    )
    has_id = pl.col("wa_id").is_not_null()
    place = pl.int_range(pl.len()).over(*same, "number")
    twice = shown.filter(~(has_id | (~has_id.any().over(*same, "number") & (place == 0))))
    return rows.join(twice.select(MESSAGE), on=MESSAGE, how="anti", maintain_order="left")


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    phone = pl.when(pl.col("digits") != "").then("digits").otherwise("phone_number")
    ranked = rows.with_columns(phone=phone, is_blank=pl.col("current_lesson") == "")
    return (
        ranked.sort("phone", "plain_name", "is_blank", "phone_number", "name", "current_lesson", "teacher")
        .unique(["phone", "plain_name"], keep="first", maintain_order=True)
        .drop("is_blank")
        .with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(STUDENT))
    )


def _cleaned(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return a column as it is seen; one that is not there is empty."""
    if name not in frame.columns:
        return pl.repeat("", frame.height, dtype=pl.String, eager=True).alias(name)
    return _mapped(frame[name].cast(pl.String), clean).alias(name)


def _mapped(texts: pl.Series, change: Callable[[object], str]) -> pl.Series:
    return pl.Series(texts.name, [change(each) for each in texts.to_list()], dtype=pl.String)
