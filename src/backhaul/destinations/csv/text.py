"""The rows of a batch as the text that a CSV file keeps of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_FORMULA = r"^'*[=+\-@\t\r]"
_DECIMALS = r"^-?(0|[1-9]\d*)\.\d+$"
_NUMBER = r"^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|NaN|-?inf)$"


def as_text(frame: pl.DataFrame, schema: dict[str, pl.DataType], timezone: str, *, guarded: bool) -> pl.DataFrame:
    """Return the columns of schema as text: ISO days, moments as a clock in timezone shows them, with its offset.

    With `guarded`, text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    return frame.select(_text(name, dtype, timezone, guarded=guarded) for name, dtype in schema.items())


def _text(name: str, dtype: pl.DataType, timezone: str, *, guarded: bool) -> pl.Expr:
    import polars as pl

    column: pl.Expr = pl.col(name)
    if dtype == pl.String and guarded:
        return pl.when(column.str.contains(_FORMULA)).then(pl.lit("'") + column).otherwise(column).alias(name)
    if isinstance(dtype, pl.Datetime):
        return column.dt.convert_time_zone(timezone).dt.strftime("%Y-%m-%d %H:%M:%S%.f%:z")
    if isinstance(dtype, pl.Decimal):
        # 1.000 is one thousand to a spreadsheet in half of the world.
        return column.cast(pl.String).str.replace(r"(\.\d*?)0+$", "${1}").str.strip_suffix(".")
    if dtype == pl.Date:
        return column.dt.strftime("%Y-%m-%d")
    return column.cast(pl.String)


def is_different(there: str, now: str, dtype: pl.DataType) -> pl.Expr:
    """Return whether column `there` of the file holds another value than column `now`, both text.

    A fraction may be written in several ways: "5" is 5.0. Money may have more decimals than before: "5" is 5.00.
    """
    import polars as pl

    differs = pl.col(there).ne_missing(pl.col(now))
    if isinstance(dtype, pl.Decimal):
        return differs & _without_zeros(there).ne_missing(_without_zeros(now))
    if dtype != pl.Float64:
        return differs
    number = pl.when(pl.col(there).str.contains(_NUMBER)).then(pl.col(there)).cast(pl.Float64, strict=False)
    return differs & (number.is_null() | number.ne_missing(pl.col(now).cast(pl.Float64, strict=False)))


def _without_zeros(name: str) -> pl.Expr:
    """Return column name, text, its decimals without the zeros at their end."""
    import polars as pl

    column, trimmed = pl.col(name), pl.col(name).str.strip_chars_end("0").str.strip_chars_end(".")
    return pl.when(column.str.contains(_DECIMALS)).then(trimmed).otherwise(column)
