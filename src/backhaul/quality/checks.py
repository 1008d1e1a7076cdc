"""Row and table checks: the ones that most streams want, and the judging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from backhaul.model import ROW, BatchFacts, Check, Rejected, RowCheck, Severity, TableCheck

if TYPE_CHECKING:
    import polars as pl

KEY_MISSING = "key missing"


@dataclass(frozen=True)
class Judged:
    """One frame after its row checks: the good rows, the rejected ones, and how many each soft check caught."""

    good: pl.DataFrame
    rejected: tuple[Rejected, ...]
    warned: dict[str, int]
    stopped: dict[str, int]


def judge_rows(frame: pl.DataFrame, key: tuple[str, ...], checks: Sequence[Check]) -> Judged:
    """Return frame (keyed, with `_row`) split by the row checks; a row without a key is always rejected.

    A row that fails several checks is named by the first. A rule that is null counts as failed.
    """
    import polars as pl

    if not frame.height:
        # An empty day's columns have no type of their own, which a rule about numbers would stumble over.
        return Judged(frame, (), {}, {})
    has_key = pl.all_horizontal(pl.col(name).is_not_null() for name in key)
    rules = [RowCheck(KEY_MISSING, has_key), *(check for check in checks if isinstance(check, RowCheck))]
    verdicts = frame.select(rule.expression().fill_null(False).alias(str(n)) for n, rule in enumerate(rules))
    failed_by = pl.Series("check", [None] * frame.height, dtype=pl.String)
    warned: dict[str, int] = {}
    stopped: dict[str, int] = {}
    for n, check in enumerate(rules):
        passed = verdicts[str(n)]
        failures = int((~passed).sum())
        if not failures:
            continue
        if check.severity is Severity.REJECT:
            name = pl.Series([check.name])
            failed_by = failed_by.zip_with(passed | failed_by.is_not_null(), name.new_from_index(0, frame.height))
        else:
            (warned if check.severity is Severity.WARN else stopped)[check.name] = failures
    is_good = failed_by.is_null()
    if is_good.all():
        return Judged(frame, (), warned, stopped)
    bad = frame.select(ROW).with_columns(failed_by).filter(~is_good)
    rejected = tuple(Rejected(row, name) for row, name in bad.iter_rows())
    return Judged(frame.filter(is_good), rejected, warned, stopped)


def judge_batch(facts: BatchFacts, checks: Sequence[Check]) -> list[tuple[TableCheck, str]]:
    """Return each table check that the batch fails, with what is wrong in words."""
    table_checks = [check for check in checks if isinstance(check, TableCheck)]
    found = [(check, check.rule(facts)) for check in table_checks]
    return [(check, wrong) for check, wrong in found if wrong is not None]


def not_empty(column: str, severity: Severity = Severity.REJECT) -> RowCheck:
    """Each row has a value in column, and not just spaces."""
    import polars as pl

    value = pl.col(column).cast(pl.String).str.strip_chars()
    return RowCheck(f"{column} is empty", value.is_not_null() & (value != ""), severity)


def at_least(column: str, least: float, severity: Severity = Severity.REJECT) -> RowCheck:
    """Each value of column is least or more; an empty one passes."""
    import polars as pl

    # A column that is empty on one day arrives as text.
    value = pl.col(column).cast(pl.Float64)
    return RowCheck(f"{column} is below {least:g}", value.is_null() | (value >= least), severity)


def one_of(column: str, values: Sequence[str], severity: Severity = Severity.REJECT) -> RowCheck:
    """Each value of column is one of values; an empty one passes."""
    import polars as pl

    known = pl.col(column).is_null() | pl.col(column).is_in(list(values))
    return RowCheck(f"{column} is not one of {', '.join(values)}", known, severity)


def matches(column: str, pattern: str, severity: Severity = Severity.REJECT) -> RowCheck:
    """Each value of column contains the regular expression; an empty one passes."""
    import polars as pl

    text = pl.col(column).cast(pl.String)
    return RowCheck(f"{column} does not match {pattern}", text.is_null() | text.str.contains(pattern), severity)


def rows_between(least: int, most: int, severity: Severity = Severity.STOP) -> TableCheck:
    """The batch has a plausible number of rows."""

    def rule(facts: BatchFacts) -> str | None:
        if least <= facts.rows <= most:
            return None
        return f"{facts.rows} rows; expected {least} to {most}"

    return TableCheck("volume", rule, severity)


def not_shrunk(by_more_than: float = 0.5, severity: Severity = Severity.STOP) -> TableCheck:
    """The batch is not smaller than the last one by more than the given share (0 to 1)."""

    def rule(facts: BatchFacts) -> str | None:
        if not facts.earlier_rows or facts.rows >= facts.earlier_rows[0] * (1 - by_more_than):
            return None
        return f"{facts.rows} rows after {facts.earlier_rows[0]} last time"

    return TableCheck("shrinkage", rule, severity)


def fresh(column: str, within_days: float, severity: Severity = Severity.WARN) -> TableCheck:
    """The newest value of a time column (UTC) or date column is not older than within_days. No rows pass."""

    def rule(facts: BatchFacts) -> str | None:
        import polars as pl

        moment = pl.col(column).cast(pl.Datetime("us", "UTC")).max()
        newest = facts.frame.select(moment).collect().item()
        if newest is None or facts.now - newest <= timedelta(days=within_days):
            return None
        return f"the newest {column} is of {newest:%Y-%m-%d %H:%M} UTC; expected within {within_days:g} days"

    return TableCheck("freshness", rule, severity)
