"""Row checks name the rows that fail, table checks look at the whole batch."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from backhaul import RowCheck, Setting, Severity, TableCheck, checks
from backhaul.config import resolved
from backhaul.model import ROW, BatchFacts, Check, Rejected
from backhaul.quality import judge_batch, judge_rows

NOW = datetime(2025, 9, 12, 12, tzinfo=UTC)


def failing(check: Check, values: list[Any]) -> list[int]:
    """Return the numbers of the rows whose value of x fails the check."""
    frame = pl.DataFrame({"id": [str(n) for n in range(len(values))], "x": values})
    judged = judge_rows(frame.with_row_index(ROW, offset=1), ("id",), [check])
    return [each.row for each in judged.rejected]


def facts(frame: pl.DataFrame, earlier: tuple[int, ...] = ()) -> BatchFacts:
    return BatchFacts(frame.lazy(), frame.height, earlier, None, NOW)


@pytest.mark.parametrize(
    ("check", "values", "bad"),
    [
        (checks.not_empty("x"), ["a", "", "  ", None], [2, 3, 4]),
        (checks.not_empty("x"), [0, None], [2]),
        (checks.at_least("x", 0), [-1, 0, None, 5], [1]),
        (checks.at_least("x", 0.5), [Decimal("0.49"), Decimal("0.50")], [1]),
        (checks.one_of("x", ["Lunas", "Batal"]), ["Lunas", "lunas", None], [2]),
        (checks.matches("x", r"^0\d+$"), ["08", "8", None], [2]),
        (checks.matches("x", r"^\d{3}$"), [123, 12], [2]),
    ],
)
def test_a_ready_made_check_catches_what_it_is_for(check: RowCheck, values: list[Any], bad: list[int]) -> None:
    assert failing(check, values) == bad


def test_a_column_of_numbers_that_is_empty_on_one_day_passes() -> None:
    frame = pl.DataFrame({"id": ["1"], "x": [None]}, schema={"id": pl.String, "x": pl.String})

    judged = judge_rows(frame.with_row_index(ROW, offset=1), ("id",), [checks.at_least("x", 0)])

    assert judged.rejected == ()


def test_a_rule_that_is_null_counts_as_failed() -> None:
    assert failing(RowCheck("positive", pl.col("x") > 0), [1, None, -1]) == [2, 3]


def test_the_first_failing_check_names_the_row() -> None:
    frame = pl.DataFrame({"id": ["1", "2", "3"], "x": [1, -5, -50]}).with_row_index(ROW, offset=1)
    rules = [RowCheck("low", pl.col("x") > -10), RowCheck("negative", pl.col("x") > 0)]

    judged = judge_rows(frame, ("id",), rules)

    assert judged.rejected == (Rejected(2, "negative"), Rejected(3, "low"))
    assert judged.good["id"].to_list() == ["1"]


@pytest.mark.parametrize("key", [(None, "a"), ("1", None)])
def test_a_row_without_a_whole_key_is_rejected(key: tuple[str | None, str | None]) -> None:
    schema = {"id": pl.String, "shop": pl.String}
    frame = pl.DataFrame([key], schema=schema, orient="row").with_row_index(ROW, offset=7)

    assert judge_rows(frame, ("id", "shop"), []).rejected == (Rejected(7, "key missing"),)


@pytest.mark.parametrize(
    ("severity", "good", "rejected", "warned", "stopped"),
    [
        (Severity.WARN, 2, 0, {"x is empty": 1}, {}),
        (Severity.REJECT, 1, 1, {}, {}),
        (Severity.STOP, 2, 0, {}, {"x is empty": 1}),
    ],
)
def test_the_severity_says_what_becomes_of_a_row(
    severity: Severity, good: int, rejected: int, warned: dict[str, int], stopped: dict[str, int]
) -> None:
    frame = pl.DataFrame({"id": ["1", "2"], "x": ["a", None]}).with_row_index(ROW, offset=1)

    judged = judge_rows(frame, ("id",), [checks.not_empty("x", severity)])

    assert (judged.good.height, len(judged.rejected)) == (good, rejected)
    assert (judged.warned, judged.stopped) == (warned, stopped)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String, pl.Null])
def test_a_frame_without_rows_passes_whatever_its_types(dtype: pl.DataType) -> None:
    frame = pl.DataFrame(schema={"id": pl.String, "x": dtype}).with_row_index(ROW)

    judged = judge_rows(frame, ("id",), [checks.at_least("x", 0)])

    assert (judged.good.height, judged.rejected, judged.warned, judged.stopped) == (0, (), {}, {})


@pytest.mark.parametrize(
    ("check", "rows", "earlier", "wrong"),
    [
        (checks.rows_between(2, 3), 1, (), "1 rows; expected 2 to 3"),
        (checks.rows_between(2, 3), 2, (), None),
        (checks.rows_between(2, 3), 3, (), None),
        (checks.rows_between(2, 3), 4, (), "4 rows; expected 2 to 3"),
        (checks.not_shrunk(0.5), 4, (10, 1), "4 rows after 10 last time"),
        (checks.not_shrunk(0.5), 5, (10,), None),
        (checks.not_shrunk(0.5), 0, (), None),
    ],
)
def test_a_table_check_says_what_is_wrong_in_words(
    check: TableCheck, rows: int, earlier: tuple[int, ...], wrong: str | None
) -> None:
    found = judge_batch(facts(pl.DataFrame({"id": range(rows)}), earlier), [check])

    assert found == ([(check, wrong)] if wrong else [])
    assert check.severity is Severity.STOP


@pytest.mark.parametrize(
    ("newest", "is_fresh"),
    [
        (datetime(2025, 9, 11, 12, tzinfo=UTC), True),
        (datetime(2025, 9, 11, 11, 59, tzinfo=UTC), False),
        (date(2025, 9, 12), True),
        (date(2025, 9, 11), False),
        (None, True),
    ],
)
def test_freshness_looks_at_the_newest_value(newest: object, is_fresh: bool) -> None:
    old = None if newest is None else type(newest)(2025, 1, 1)  # type: ignore[call-arg]
    if isinstance(old, datetime):
        old = old.replace(tzinfo=UTC)
    check = checks.fresh("at", 1)

    found = judge_batch(facts(pl.DataFrame({"at": [old, newest]})), [check])

    assert (not found) == is_fresh
    assert check.severity is Severity.WARN


def test_row_checks_are_not_asked_about_the_batch() -> None:
    assert judge_batch(facts(pl.DataFrame({"x": [None]})), [checks.not_empty("x")]) == []


def test_a_rule_may_be_a_function_that_is_called_when_there_are_rows() -> None:
    called = []

    def positive() -> pl.Expr:
        called.append(True)
        return pl.col("total") > 0

    check = RowCheck("total is not positive", positive)
    frame = pl.DataFrame({ROW: [0, 1], "id": ["a", "b"], "total": [1, -1]})
    unused = judge_rows(frame.clear(), ("id",), [check])
    judged = judge_rows(frame, ("id",), [check])

    assert (unused.rejected, len(called)) == ((), 1)
    assert judged.rejected == (Rejected(1, "total is not positive"),)


@dataclass(frozen=True)
class Least:
    """A rule made of a setting."""

    least: str | Setting

    def __call__(self) -> pl.Expr:
        return pl.col("total") >= int(str(self.least))


def test_the_settings_of_a_rule_are_filled_before_it_is_called() -> None:
    check = resolved(RowCheck("total is too small", Least(Setting("LEAST"))), {"LEAST": "5"})
    frame = pl.DataFrame({ROW: [0, 1], "id": ["a", "b"], "total": [5, 4]})

    assert judge_rows(frame, ("id",), [check]).rejected == (Rejected(1, "total is too small"),)
