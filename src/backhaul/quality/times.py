"""Local times become UTC, and the rows prove that the source has obeyed the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backhaul.model import Window

if TYPE_CHECKING:
    import polars as pl


def as_utc(frame: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Return frame with each datetime in UTC, microseconds; naive ones are read as local time of timezone.

    An hour that a clock change skips is read as if the clock had not changed yet; one that comes twice, as the first.
    """
    import polars as pl

    columns = []
    for name, dtype in frame.schema.items():
        if not isinstance(dtype, pl.Datetime) or dtype == pl.Datetime("us", "UTC"):
            continue
        moment = pl.col(name).dt.cast_time_unit("us")
        if dtype.time_zone is None:
            moment = _localized(moment, timezone)
        columns.append(moment.dt.convert_time_zone("UTC"))
    return frame.with_columns(columns) if columns else frame


def _localized(moment: pl.Expr, timezone: str) -> pl.Expr:
    import polars as pl

    def zoned(naive: pl.Expr) -> pl.Expr:
        return naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")

    an_hour = pl.duration(hours=1)
    return pl.coalesce(zoned(moment), zoned(moment - an_hour) + an_hour)


def outside_window(frame: pl.DataFrame, column: str, window: Window) -> int:
    """Return how many rows have a date outside window; rows without a date do not count.

    column holds dates, or datetimes in UTC. Any other type raises TypeError: such a column proves nothing.
    """
    import polars as pl

    dtype = frame.schema[column]
    day = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        day = day.dt.convert_time_zone(window.timezone).dt.date()
    elif dtype == pl.Null or frame[column].null_count() == frame.height:
        return 0
    elif dtype != pl.Date:
        raise TypeError(f"{dtype}")
    outside = frame.select((~day.is_between(window.start, window.end)).sum()).item()
    return int(outside or 0)
