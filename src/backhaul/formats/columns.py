"""The types of columns that arrive as text: a type is given only if every value of the file has its form."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import polars as pl


class ColumnKind(StrEnum):
    """The types that text can stand for. No value has all of these forms, a column without a value has."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


ALL_KINDS = tuple(ColumnKind)
DATE_KINDS = (ColumnKind.DATE, ColumnKind.DATETIME)

_PROBE_ROWS = 200
_DAY = r"[1-9]\d{3}-\d\d-\d\d"
# "007" and "+62" are names, not numbers; 18 digits always fit into 64 bits.
_INTEGER = r"^(?:0|-?[1-9]\d{0,17})$"
# A float keeps 15 digits for certain: one more could come back as another number.
_DECIMAL = r"^(?:-?[1-9]\d{0,14}(?:\.\d+)?|-?0\.\d+|0)$"
_DECIMAL_LENGTH = r"^-?.{1,16}$"
_BOOLEAN = r"^(?:true|True|TRUE|false|False|FALSE)$"
_DATE = rf"^{_DAY}$"
_DATETIME = rf"^{_DAY}[ T][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{{1,6}})?)?$"

Possible = Mapping[str, tuple[ColumnKind, ...]]


def narrowed(frame: pl.DataFrame, possible: Possible) -> dict[str, tuple[ColumnKind, ...]]:
    """Return, for each column in possible, the kinds whose form every non-null value in frame has as well."""
    return {
        name: tuple(kind for kind in kinds if _all_have_form(frame[name], kind)) if kinds else ()
        for name, kinds in possible.items()
    }


def typed(frame: pl.DataFrame, possible: Possible) -> pl.DataFrame:
    """Return frame with its text columns cast to the first kind that is left of the whole file.

    Columns without a kind left, and those without any value (all kinds left), stay text.
    """
    chosen = {name: kinds[0] for name, kinds in possible.items() if 0 < len(kinds) < len(ALL_KINDS)}
    return frame.with_columns(_cast(frame[name], kind) for name, kind in chosen.items())


def trimmed(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return frame with those of columns that it has as trimmed text; what is empty then is null."""
    present = [name for name in columns if name in frame.columns]
    if not present:
        return frame
    texts = frame.with_columns(pl.col(present).cast(pl.String).str.strip_chars())
    return texts.with_columns(pl.when(pl.col(present) != "").then(pl.col(present)))


def _all_have_form(values: pl.Series, kind: ColumnKind) -> bool:
    # Most columns of text show in their first rows that they are text.
    return _have_form(values.head(_PROBE_ROWS), kind) and _have_form(values, kind)


def _have_form(values: pl.Series, kind: ColumnKind) -> bool:
    match kind:
        case ColumnKind.INTEGER:
            return _match(values, _INTEGER)
        case ColumnKind.DECIMAL:
            return _match(values, _DECIMAL) and _match(values, _DECIMAL_LENGTH)
        case ColumnKind.BOOLEAN:
            return _match(values, _BOOLEAN)
        case ColumnKind.DATE | ColumnKind.DATETIME:
            if not _match(values, _DATE if kind is ColumnKind.DATE else _DATETIME):
                return False
            # 2025-02-30 has the form and is no day.
            return _cast(values, kind).null_count() == values.null_count()


def _match(values: pl.Series, pattern: str) -> bool:
    return bool(values.str.contains(pattern).all())


def _cast(values: pl.Series, kind: ColumnKind) -> pl.Series:
    match kind:
        case ColumnKind.INTEGER:
            return values.cast(pl.Int64)
        case ColumnKind.DECIMAL:
            return values.cast(pl.Float64)
        case ColumnKind.BOOLEAN:
            return values.str.to_lowercase() == "true"
        case ColumnKind.DATE:
            return values.str.to_date("%Y-%m-%d", strict=False)
        case ColumnKind.DATETIME:
            return _moments(values)


def _moments(values: pl.Series) -> pl.Series:
    """Return texts of the form _DATETIME as naive datetimes; those that are no moment are null."""
    # The plain form takes a quarter of the time that one with fractions takes.
    whole = values.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    if whole.null_count() == values.null_count():
        return whole
    texts = values.str.replace("T", " ", literal=True)
    # "08:00" is a moment without its seconds.
    padded = texts.zip_with(texts.str.len_bytes() != len("2025-09-12 08:00"), texts + ":00")
    return padded.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
