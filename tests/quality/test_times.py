"""Local times become UTC across clock changes, and days are those of the window's clock."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from backhaul.model import Window
from backhaul.quality import as_utc, outside_window

DAY = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")


@pytest.mark.parametrize(
    ("local", "timezone", "expected"),
    [
        (datetime(2025, 9, 12, 6, 59), "Asia/Jakarta", datetime(2025, 9, 11, 23, 59, tzinfo=UTC)),
        (datetime(2025, 9, 12, 7, 0), "Asia/Jakarta", datetime(2025, 9, 12, 0, 0, tzinfo=UTC)),
        (datetime(2025, 3, 9, 1, 59), "America/New_York", datetime(2025, 3, 9, 6, 59, tzinfo=UTC)),
        (datetime(2025, 3, 9, 2, 30), "America/New_York", datetime(2025, 3, 9, 7, 30, tzinfo=UTC)),
        (datetime(2025, 3, 9, 3, 0), "America/New_York", datetime(2025, 3, 9, 7, 0, tzinfo=UTC)),
        (datetime(2025, 11, 2, 1, 30), "America/New_York", datetime(2025, 11, 2, 5, 30, tzinfo=UTC)),
        (datetime(2025, 11, 2, 2, 0), "America/New_York", datetime(2025, 11, 2, 7, 0, tzinfo=UTC)),
    ],
    ids=["jakarta before", "jakarta", "before gap", "in gap", "after gap", "twice", "after overlap"],
)
def test_a_local_time_becomes_utc(local: datetime, timezone: str, expected: datetime) -> None:
    frame = as_utc(pl.DataFrame({"at": [local, None]}), timezone)

    assert frame["at"].to_list() == [expected, None]
    assert frame.schema["at"] == pl.Datetime("us", "UTC")


def test_a_time_with_a_zone_keeps_its_moment() -> None:
    moment = pl.Series([datetime(2025, 9, 12, tzinfo=UTC)]).dt.convert_time_zone("Asia/Jakarta")

    frame = as_utc(pl.DataFrame({"at": moment.dt.cast_time_unit("ms")}), "America/New_York")

    assert frame["at"].to_list() == [datetime(2025, 9, 12, tzinfo=UTC)]
    assert frame.schema["at"] == pl.Datetime("us", "UTC")


def test_days_and_text_stay_as_they_are() -> None:
    frame = pl.DataFrame({"day": [date(2025, 9, 12)], "text": ["2025-09-12 08:00"], "id": [1]})

    assert as_utc(frame, "Asia/Jakarta").equals(frame)


@pytest.mark.parametrize(
    ("moment", "outside"),
    [
        (datetime(2025, 9, 11, 16, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2025, 9, 11, 17, 0, tzinfo=UTC), 0),
        (datetime(2025, 9, 12, 16, 59, 59, 999_999, tzinfo=UTC), 0),
        (datetime(2025, 9, 12, 17, 0, tzinfo=UTC), 1),
        (None, 0),
    ],
)
def test_a_day_begins_at_midnight_of_the_windows_clock(moment: datetime | None, outside: int) -> None:
    frame = pl.DataFrame({"at": [moment]}, schema={"at": pl.Datetime("us", "UTC")})

    assert outside_window(frame, "at", DAY) == outside


def test_dates_are_compared_as_they_are() -> None:
    days = [date(2025, 9, 11), date(2025, 9, 12), date(2025, 9, 13), None]

    assert outside_window(pl.DataFrame({"day": days}), "day", DAY) == 2


@pytest.mark.parametrize("dtype", [pl.Null, pl.String])
def test_a_column_without_any_value_proves_nothing_wrong(dtype: pl.DataType) -> None:
    assert outside_window(pl.DataFrame({"day": [None]}, schema={"day": dtype}), "day", DAY) == 0


@pytest.mark.parametrize("values", [["12/09/2025"], [20250912], [45912.5]])
def test_a_column_that_holds_no_dates_cannot_prove_a_window(values: list[object]) -> None:
    with pytest.raises(TypeError):
        outside_window(pl.DataFrame({"day": values}), "day", DAY)
