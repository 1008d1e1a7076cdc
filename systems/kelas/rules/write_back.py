"""What goes back to the roster: the day of the last practice, and the lesson of students who were moved on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from .said import Said, number_of
from .words import clean

if TYPE_CHECKING:
    import polars as pl

DAY_FORM = "%d/%m/%Y"
_DAY_FIRST = re.compile(r"(\d{1,2})\s?([./-])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})")
_YEAR_FIRST = re.compile(r"(\d{4})([./-])(\d{1,2})\2(\d{1,2})")
_CLOCK = re.compile(r"[\sT]\s*\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?$")
_CENTURY = 2000
_KEY = ("phone_number", "name")


def last_practice(stats: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Return phone_number, name (as the roster has them) and last_practice as `DD/MM/YYYY`.

    Only of students who have practised, and whose own cell is empty, older or the same day: no date is moved back.
    A cell that cannot be read as a date is left to people; `unreadable_days` lists it.
    """
    import polars as pl

    rows = _with_cells(stats, roster)
    practised = pl.Series([_day_of_time(each) for each in rows["last_practice_timedate"]], dtype=pl.Date)
    cell = pl.col("cell_day")
    return (
        rows.with_columns(practised.alias("day"))
        .filter(pl.col("day").is_not_null(), (pl.col("cell") == "") | (cell <= pl.col("day")))
        .select(*_KEY, last_practice=pl.col("day").dt.strftime(DAY_FORM))
    )


def unreadable_days(stats: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Return phone_number, name and last_practice of the rows of the roster with a cell that is no date."""
    import polars as pl

    rows = _with_cells(stats, roster)
    return rows.filter(pl.col("cell") != "", pl.col("cell_day").is_null()).select(*_KEY, last_practice="cell")


def moved_on(stats: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Return phone_number, name, current_lesson of all students with a lesson; with `advance_after`, to be written.

    A student that was not moved on has the lesson that the roster shows, so that nothing is written.
    """
    import polars as pl

    rows = _with_cells(stats, roster)
    return rows.filter(pl.col("current_lesson").is_not_null(), pl.col("roster_lesson") != "").select(
        *_KEY, "current_lesson"
    )


@dataclass(frozen=True)
class MovedOn:
    """The lessons of students who were moved on, to be written to the roster; none where nobody is moved on."""

    advance_after: Said = ""

    def __call__(self, stats: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
        """Return phone_number, name, current_lesson of each student whose roster shows an earlier lesson."""
        import polars as pl

        found = moved_on(stats, roster)
        if not number_of(self.advance_after, "ADVANCE_AFTER"):
            return found.clear()
        known = _with_cells(stats, roster).select(*_KEY, "roster_lesson")
        return (
            found.join(known, on=_KEY)
            .filter(pl.col("current_lesson") != pl.col("roster_lesson"))
            .drop("roster_lesson")
        )


def day_of(cell: object) -> date | None:
    """Return the day in a cell as people write it: 1/2/2026, 01.02.26, 2026-02-01, with a time or without; else None.

    The day stands before the month.
    """
    shown = _CLOCK.sub("", clean(cell)).strip()
    if found := _DAY_FIRST.fullmatch(shown):
        day, _, month, year = found.groups()
    elif found := _YEAR_FIRST.fullmatch(shown):
        year, _, month, day = found.groups()
    else:
        return None
    try:
        return date(int(year) + (_CENTURY if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None


def _day_of_time(shown: str | None) -> date | None:
    """Return the day of a time as documents have it, `HH:MM, DD.MM.YYYY`."""
    if shown is None:
        return None
    _, comma, day = shown.partition(",")
    return day_of(day if comma else shown)


def _with_cells(stats: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Return stats with the key, the lesson and the cell of the roster's row that each comes from."""
    import polars as pl

    stats, roster = (
        each.filter(pl.col("removed_at").is_null()) if "removed_at" in each.columns else each
        for each in (stats, roster)
    )
    seen = roster.select(
        *_KEY,
        *_seen(roster, _KEY),
        *(
            each.alias(name)
            for each, name in zip(
                _seen(roster, ("last_practice", "current_lesson")), ("cell", "roster_lesson"), strict=True
            )
        ),
    )
    days = pl.Series([day_of(each) for each in seen["cell"]], dtype=pl.Date)
    keyed = stats.select(*(each for each in _seen(stats, _KEY)), "last_practice_timedate", "current_lesson")
    cells = seen.with_columns(days.alias("cell_day"))
    names = [f"seen_{name}" for name in _KEY]
    return keyed.join(cells, on=names, how="inner", maintain_order="left").sort(*_KEY)


def _seen(frame: pl.DataFrame, names: tuple[str, ...]) -> list[pl.Series]:
    """Return columns as they are seen, called `seen_NAME`; one that is not there is empty."""
    import polars as pl

    return [
        pl.Series(
            f"seen_{name}",
            [clean(each) for each in frame[name].to_list()] if name in frame.columns else [""] * frame.height,
            dtype=pl.String,
        )
        for name in names
    ]
