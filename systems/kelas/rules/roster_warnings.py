"""What a person should know about the roster, the aliases and the earlier documents, one row for each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .said import Said, text_of, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from .earlier import Earlier

Warning = tuple[str, str, str, str]
"""What is wrong, phone_number, name and more about it."""


@dataclass(frozen=True)
class RosterWarnings:
    """Lists what makes counts doubtful; nothing of it stops a run.

    Args:
        region: the country of phone numbers without a country code.
        timezone: the clock of the times in documents.
        uniq_id_style: as for the statistics.
    """

    region: Said = "IL"
    timezone: Said = "Asia/Jerusalem"
    uniq_id_style: Said = "digits"

    def __call__(
        self, roster: pl.DataFrame, roster_archive: pl.DataFrame, aliases: pl.DataFrame, before: pl.DataFrame
    ) -> pl.DataFrame:
        """Return what, phone_number, name, about: one row a warning, sorted. Raises ConfigError for settings."""
        import polars as pl

        from .earlier import earlier

        region, zone = text_of(self.region), zone_of(self.timezone)
        documents = earlier(before, zone, region)
        found = [
            *_half_typed(roster),
            *_of_rows(roster, region),
            *_of_aliases(aliases, roster, region),
            *_of_changes(roster, roster_archive, documents, region, text_of(self.uniq_id_style)),
            *(("earlier document", "", each.plain_name, remark) for each in documents for remark in each.remarks),
        ]
        columns = ("what", "phone_number", "name", "about")
        return pl.DataFrame(sorted(set(found)), schema=dict.fromkeys(columns, pl.String()), orient="row")


def _half_typed(roster: pl.DataFrame) -> Iterator[Warning]:
    import polars as pl

    from .words import clean

    if "removed_at" in roster.columns:
        roster = roster.filter(pl.col("removed_at").is_null())
    for phone, name in roster.select("phone_number", "name").iter_rows():
        shown = clean(phone), clean(name)
        if not all(shown) and any(shown):
            yield "half-typed row", *shown, "no name" if shown[0] else "no phone number"


def _of_rows(roster: pl.DataFrame, region: str) -> Iterator[Warning]:
    import polars as pl

    from .people import roster_rows

    rows = roster_rows(roster, region).filter(pl.col("is_there")).sort("phone_number", "name").to_dicts()
    phones = Counter(row["digits"] for row in rows)
    both = Counter((row["digits"] or row["phone_number"], row["plain_name"]) for row in rows)
    for row in rows:
        key = row["phone_number"], row["name"]
        if not row["digits"]:
            yield "phone number cannot be read", *key, "only the name and the aliases find this student"
        if both[row["digits"] or row["phone_number"], row["plain_name"]] > 1:
            yield "row stands twice", *key, "one phone and one name: one student"
        elif row["digits"] and phones[row["digits"]] > 1:
            yield "phone number of several students", *key, "their messages count only by alias"
        if not row["current_lesson"]:
            yield "no lesson", *key, "practices count to the last lesson that is known, or to none"


def _of_aliases(aliases: pl.DataFrame, roster: pl.DataFrame, region: str) -> Iterator[Warning]:
    from .people import Directory, students
    from .phones import digits
    from .words import clean

    directory = Directory.of(students(roster, region), aliases, region)
    for sender, told in directory.aliases.items():
        meant = {directory.told(*each) for each in told}
        shown = clean(sender)
        number = digits(sender, region)
        found = directory.by_digits.get(number, [])
        if len(meant) > 1:
            yield "aliases contradict each other", "", shown, "one sender, several students"
        elif meant == {None}:
            yield "alias of nobody", "", shown, "no row of the roster has this phone and name"
        elif len(found) == 1 and {*found} != meant:
            yield "alias is not used", "", shown, "the number is another student's own"


def _of_changes(
    roster: pl.DataFrame, archive: pl.DataFrame, documents: Sequence[Earlier], region: str, style: str
) -> Iterator[Warning]:
    from .identity import persons
    from .lessons import spans, went_back
    from .people import STUDENT, students_and_former

    found = persons(roster, archive, documents, region=region, style=style)
    back = dict(went_back(spans(found, archive)).select(STUDENT, "times").iter_rows())
    for person in found:
        key = person.row["phone_number"], person.row["name"]
        if person.row[STUDENT] in back:
            yield "lesson went back", *key, "its earlier entry is used again"
        names = {row["name"] for row in person.former_rows if row["plain_name"] != person.row["plain_name"]}
        if names:
            yield "renamed", *key, f"was {', '.join(sorted(names))}; the document keeps its id"
    gone = students_and_former(roster, region)[1].to_dicts()
    numbers = {row["plain_name"]: row["digits"] for row in gone if row["digits"]}
    for person in found:
        row = person.row
        if numbers.get(row["plain_name"], row["digits"]) != row["digits"] and not person.former_rows:
            about = (
                "has this name and another number than a row that was taken off; an alias of that number joins them"
            )
            yield "perhaps a new phone number", row["phone_number"], row["name"], about
