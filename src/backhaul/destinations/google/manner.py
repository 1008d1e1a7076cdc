"""How a sheet is worked with: what may be changed and added, and how days are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from backhaul.destinations.google.cells import FIRST_DAY, LEAST_DAY, Cell, Dated, Formula, Plain

if TYPE_CHECKING:
    import polars as pl

    from backhaul.model import Batch

_DAY_TEXT = r"^\s*(?:(\d{1,2})[./-](\d{1,2})[./-](\d{4})|(\d{4})-(\d{1,2})-(\d{1,2}))\s*$"
_DAY = re.compile(_DAY_TEXT, re.ASCII)
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))


class DayOrder(StrEnum):
    """Which number comes first where a day is written as text, such as 12/09/2025."""

    DAY_FIRST = "DD/MM/YYYY"
    MONTH_FIRST = "MM/DD/YYYY"


@dataclass(frozen=True)
class Manner:
    """What may be done to a tab.

    Args:
        update_only: rows that are there are changed, and nothing is added.
        adds_only: rows are added, and none that is there is changed.
        adds_key: a filled tab that has all columns but the key's gets those.
        days: how our text says a day that a cell may hold as a date.
    """

    update_only: bool = False
    adds_only: bool = False
    adds_key: bool = False
    days: DayOrder = DayOrder.DAY_FIRST

    @property
    def merges(self) -> bool:
        """Whether rows are added, changed, and marked where they are gone."""
        return not self.update_only and not self.adds_only

    def fitting(self, cell: Cell, ours: str) -> Plain:
        """Return what our text has to be in this cell: the cell itself if it says the same day already.

        In a date cell, text that is a day is the day's number. In a sheet that is only updated, a day that people
        typed as text in another way stays theirs.
        """
        if isinstance(cell, Formula):
            cell = cell.value
        if isinstance(cell, Dated):
            day = self.day_of(ours)
            return ours if day is None else (cell if cell // 1 == day else day)
        if self.update_only and isinstance(cell, str) and cell != ours:
            day = self.day_of(ours)
            return cell if day is not None and day == self.day_of(cell) else ours
        return ours

    def day_of(self, text: str) -> int | None:
        """Return the day that text says as a sheet counts days; None if it says none."""
        found = _DAY.match(without_marks(text))
        if found is None:
            return None
        first, second, year, *iso = found.groups()
        month, day = (second, first) if self.days is DayOrder.DAY_FIRST else (first, second)
        if year is None:
            year, month, day = iso
        try:
            there = date(int(year), int(month), int(day))
        except ValueError:
            return None
        return (there - FIRST_DAY).days if there >= LEAST_DAY else None


def without_marks(text: str) -> str:
    """Return text without the marks of direction that nobody sees."""
    return text if text.isascii() else text.translate(_MARKS)


def has_days(batch: Batch, key: Iterable[str], schema: dict[str, pl.DataType]) -> bool:
    """Tell whether some text of the batch is a day, so that it matters which cells hold dates."""
    import polars as pl

    names = [name for name, dtype in schema.items() if dtype == pl.String and name not in {*key}]
    pattern = _DAY_TEXT.replace(r"\d", "[0-9]")
    is_day = pl.any_horizontal(pl.col(names).str.contains(pattern))
    return bool(names) and any(bool(frame.select(is_day.any()).item()) for frame in batch.frames())
