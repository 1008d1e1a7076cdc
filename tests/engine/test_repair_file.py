"""Rows as a file for a spreadsheet: what nobody touched comes back as the very row, what was changed as its type."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.engine.repair_file import TICKET, Line, NotA, read_lines, repaired, write_rows

ZONE = "Asia/Jakarta"
SCHEMA: dict[str, pl.DataType] = {
    "text": pl.String(),
    "whole": pl.Int64(),
    "real": pl.Float64(),
    "money": pl.Decimal(18, 2),
    "flag": pl.Boolean(),
    "day": pl.Date(),
    "moment": pl.Datetime("us", "UTC"),
}
ROW: Mapping[str, Any] = {
    "text": "0812",
    "whole": 5,
    "real": 0.1,
    "money": Decimal("1.50"),
    "flag": True,
    "day": date(2025, 9, 12),
    "moment": datetime(2025, 9, 12, 1, tzinfo=UTC),
}
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn", "Co"]), max_size=20)
ROWS = st.fixed_dictionaries(
    {
        "text": st.none()
        | WORDS
        | st.sampled_from(["=1+1", "+62 812", "007", "1-2", "TRUE", "2025-09-12", "1e5", '"']),
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "money": st.none() | st.decimals(-(10**15), 10**15, places=2),
        "flag": st.none() | st.booleans(),
        "day": st.none() | st.dates(date(1900, 3, 1), date(2200, 1, 1)),
        "moment": st.none() | st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    }
)


def written(folder: Path, name: str, *rows: Mapping[str, Any]) -> list[Line]:
    path = folder / name
    write_rows(
        path, (TICKET, *SCHEMA), [(f"{n}-abc", *(row[name] for name in SCHEMA)) for n, row in enumerate(rows)], ZONE
    )
    return read_lines(path)


def line(**cells: str | None) -> Line:
    return Line(2, "1-abc", cells)


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.csv"])
@settings(max_examples=60)
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_a_file_that_nobody_touched_repairs_nothing(name: str, rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        lines = written(Path(folder), name, *rows)

    assert [each.ticket for each in lines] == [f"{n}-abc" for n in range(len(rows))]
    assert [each.number for each in lines] == [n + 2 for n in range(len(rows))]
    for row, each in zip(rows, lines, strict=True):
        assert repaired(row, SCHEMA, each, ZONE) is None


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("text", " new ", "new"),
        ("text", None, None),
        ("whole", "7.0", 7),
        ("whole", "-3", -3),
        ("real", "1e3", 1000.0),
        ("money", "2", Decimal("2.00")),
        ("flag", "FALSE", False),
        ("flag", "0", False),
        ("day", "2025-09-13", date(2025, 9, 13)),
        ("day", "2025-09-13 00:00:00.000000", date(2025, 9, 13)),
        ("moment", "2025-09-12 09:30:00", datetime(2025, 9, 12, 2, 30, tzinfo=UTC)),
        ("moment", "2025-09-12T09:30:00+00:00", datetime(2025, 9, 12, 9, 30, tzinfo=UTC)),
        ("moment", None, None),
    ],
)
def test_a_changed_cell_becomes_what_its_column_holds(column: str, cell: str | None, value: Any) -> None:
    row = repaired(ROW, SCHEMA, line(**{column: cell}), ZONE)

    assert row == {**ROW, column: value}
    assert pl.DataFrame([row], schema=SCHEMA).row(0, named=True) == row


@pytest.mark.parametrize(
    ("column", "cell", "wrong"),
    [
        ("whole", "1.5", "whole is not a whole number"),
        ("whole", "9223372036854775808", "whole is not a whole number"),
        ("whole", "NaN", "whole is not a whole number"),
        ("real", "1,5", "real is not a number"),
        ("money", "1.005", "money is not a number that fits"),
        ("money", "NaN", "money is not a number that fits"),
        ("money", "1e40", "money is not a number that fits"),
        ("flag", "ya", "flag is not true or false"),
        ("day", "12/09/2025", "day is not a date like 2025-09-12"),
        ("day", "2025-09-12 08:00:00", "day is not a date"),
        ("day", "2025-02-30", "day is not a date"),
        ("moment", "kemarin", "moment is not a time like 2025-09-12 08:00:45"),
    ],
)
def test_a_cell_that_does_not_fit_is_told_by_its_column_and_never_quoted(column: str, cell: str, wrong: str) -> None:
    with pytest.raises(NotA, match=wrong) as caught:
        repaired(ROW, SCHEMA, line(**{column: cell}), ZONE)

    assert cell not in str(caught.value)


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.csv"])
def test_a_text_that_no_cell_holds_is_kept_unless_it_is_replaced(tmp_path: Path, name: str) -> None:
    long = {**ROW, "text": "x" * 50_001}

    [untouched] = written(tmp_path, name, long)

    assert untouched.cells["text"] == "[50,001 characters, too long to be shown here]"
    assert repaired(long, SCHEMA, untouched, ZONE) is None
    assert repaired(long, SCHEMA, line(text="short"), ZONE) == {**long, "text": "short"}


ODD_TEXTS = ["two\nlines", "two\r\nlines", "a\ttab", "_x000D_", "a\x0bb", "\u2028", '"a",b;c']


@pytest.mark.parametrize(
    ("name", "text"), [*((name, text) for name in ("a.xlsx", "a.csv") for text in ODD_TEXTS), ("a.xlsx", "a\x00b")]
)
def test_odd_text_comes_back_as_it_was(tmp_path: Path, name: str, text: str) -> None:
    odd = {**ROW, "text": text}

    [untouched] = written(tmp_path, name, odd)

    assert repaired(odd, SCHEMA, untouched, ZONE) is None


def test_columns_that_a_person_took_out_or_put_in_change_nothing() -> None:
    assert repaired(ROW, SCHEMA, line(notes="look at this", text="0812"), ZONE) is None


def test_of_an_hour_that_comes_twice_the_row_keeps_its_own() -> None:
    second = {"moment": datetime(2025, 10, 26, 1, 30, tzinfo=UTC)}

    assert repaired(second, SCHEMA, line(moment="2025-10-26 02:30:00"), "Europe/Berlin") is None
