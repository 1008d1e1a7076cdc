"""Rules about rows and batches, and what they put aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from backhaul.model.facts import Window

if TYPE_CHECKING:
    import polars as pl


class Severity(StrEnum):
    """What a failed check does: tell, put the row aside, or hold the whole batch for a person."""

    WARN = "warn"
    REJECT = "reject"
    STOP = "stop"


@dataclass(frozen=True)
class RowCheck:
    """A rule that each row passes or not: `rule` is a boolean expression, null counts as failed.

    `rule` may be a function that returns the expression: Polars is loaded only when there are rows to judge. One
    that is a dataclass may hold settings; they are filled before it is called.
    """

    name: str
    rule: pl.Expr | Callable[[], pl.Expr]
    severity: Severity = Severity.REJECT

    def expression(self) -> pl.Expr:
        """Return the rule as an expression."""
        return self.rule() if callable(self.rule) else self.rule


@dataclass(frozen=True)
class BatchFacts:
    """What a table check may look at: the batch's good rows, and the row counts of earlier ones, newest first."""

    frame: pl.LazyFrame
    rows: int
    earlier_rows: tuple[int, ...]
    window: Window | None
    now: datetime


@dataclass(frozen=True)
class TableCheck:
    """A rule about a whole batch: `rule` returns what is wrong in words, or None. REJECT is not for tables."""

    name: str
    rule: Callable[[BatchFacts], str | None]
    severity: Severity = Severity.STOP


Check = RowCheck | TableCheck


@dataclass(frozen=True)
class Rejected:
    """One row that was put aside: where it stands in its artifact, and the name of the check it failed."""

    row: int
    check: str
