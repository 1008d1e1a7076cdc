"""What text stands for: what is written comes back, and what could lose a digit stays text."""

import csv
import io
import tempfile
from datetime import date, datetime
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as some

from backhaul.formats import read_table


def column(values: list[str]) -> pl.Series:
    """Return what comes back of a column of texts, written beside a filled column."""
    text = io.StringIO()
    csv.writer(text).writerows([["value", "end"], *([value, "."] for value in values)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_bytes(text.getvalue().encode())
        return pl.concat(list(read_table(path)))["value"]


ids = some.from_regex(r"0\d{1,12}|[1-9]\d{18,25}|\+62\d{5,11}|[A-Z]{2,3}-?\d{1,6}|-0", fullmatch=True)
numbers = some.integers().map(str) | some.just("1.50")
texts = some.text(some.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(deadline=None, max_examples=60)
@given(some.lists(ids, min_size=1))
def test_ids_come_back_as_they_were_written(values: list[str]) -> None:
    found = column(values)

    assert found.dtype == pl.String
    assert found.to_list() == values


@settings(deadline=None, max_examples=60)
@given(some.lists(ids | numbers | texts | some.dates().map(str), min_size=1))
def test_whatever_is_written_the_text_of_each_value_can_be_had_back(values: list[str]) -> None:
    found = column(values)

    if found.dtype == pl.Float64:
        assert [float(value) for value in values] == found.to_list()
    elif found.dtype == pl.Boolean:
        assert [value.lower() == "true" for value in values] == found.to_list()
    else:
        assert [str(value) for value in found] == values


@settings(deadline=None, max_examples=60)
@given(some.lists(some.integers(-(10**18) + 1, 10**18 - 1), min_size=1))
def test_whole_numbers_up_to_18_digits_come_back(values: list[int]) -> None:
    found = column([str(value) for value in values])

    assert found.dtype == pl.Int64
    assert found.to_list() == values


@settings(deadline=None, max_examples=60)
@given(some.lists(some.tuples(some.integers(-(10**9), 10**9), some.integers(0, 99)), min_size=1))
def test_prices_come_back_as_the_nearest_float(values: list[tuple[int, int]]) -> None:
    written = [f"{whole}.{cents:02}" for whole, cents in values]

    found = column(written)

    assert found.dtype == pl.Float64
    assert [f"{value:.2f}" for value in found] == written


@settings(deadline=None, max_examples=60)
@given(some.lists(some.dates(min_value=date(1000, 1, 1)), min_size=1))
def test_days_come_back(values: list[date]) -> None:
    assert column([str(value) for value in values]).to_list() == values


@settings(deadline=None, max_examples=60)
@given(some.lists(some.datetimes(min_value=datetime(1000, 1, 1)), min_size=1), some.sampled_from(" T"))
def test_times_come_back_to_the_microsecond(values: list[datetime], separator: str) -> None:
    assert column([value.isoformat(separator) for value in values]).to_list() == values


def test_one_value_of_another_form_keeps_the_column_text() -> None:
    for values in (
        ["1", "01"],
        ["1", "1.5", "1e5"],
        ["1", " 2"],
        ["2025-01-01", "2025-02-29"],
        ["2025-01-01", "2025-01-01 10:00"],
        ["2025-01-01 24:00"],
        ["2025-01-01T10:00:00Z"],
        ["12/09/2025"],
        ["true", "yes"],
        ["0000-01-01"],
        ["1234567890123456.5"],
        ["1.000.000", "5"],
        ["NaN", "inf"],
        ["NULL", "5"],
        ["٣", "5"],
    ):
        assert column(values).to_list() == values
