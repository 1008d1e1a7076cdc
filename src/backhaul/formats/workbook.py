"""The rows of an Excel workbook as typed frames."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import fastexcel
import polars as pl

from backhaul.errors import SourceChanged
from backhaul.formats.columns import DATE_KINDS, narrowed, trimmed, typed
from backhaul.formats.text import column_names

BATCH_ROWS = 50_000
EXACT_INTEGERS = 2**53
"""Excel keeps every number as a float; beyond this its whole numbers have lost digits."""

_MIXED_COLUMN = re.compile(r"could not determine dtype for column (.+)")
_NINE_DECIMALS = r"^-?\d+\.\d{9}$"
_MADE_UNIQUE = re.compile(r"(.*)_\d+$", re.S)
_LAST_YEAR = 9999
_SECOND = 1_000_000
# Cells that hold only a time of day are read as one of these days.
_CLOCK_DAYS = (date(1899, 12, 31), date(1899, 12, 30))


def workbook_frames(path: Path, text_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Yield the rows of the first sheet that has a header, its first filled row; see read_table."""
    # They tell of each column without values that it is taken for text, and the like.
    for name in ("fastexcel", "calamine"):
        logging.getLogger(name).setLevel(logging.ERROR)
    frame = _read(path)
    frame = _without_tail(_converted(frame))
    dates = {
        name: DATE_KINDS
        for name, kind in frame.schema.items()
        if kind == pl.String and name not in text_columns and frame[name].null_count() < frame.height
    }
    frame = trimmed(_days(typed(frame, narrowed(frame, dates))), text_columns)
    if not frame.height:
        yield frame
    yield from frame.iter_slices(BATCH_ROWS)


def _read(path: Path) -> pl.DataFrame:
    try:
        # Of a path, the suffix decides how it is read, and suffixes lie.
        reader = fastexcel.read_excel(path.read_bytes() if path.suffix else path)
        return _first_table(path, reader)
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        raise SourceChanged(f"{path.name}: the workbook cannot be read ({reason})") from error
    except BaseException as error:
        # A panic of the reader is derived from BaseException, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise SourceChanged(f"{path.name}: the workbook is damaged, its reader gave up") from None


def _first_table(path: Path, reader: fastexcel.ExcelReader) -> pl.DataFrame:
    for number in range(len(reader.sheet_names)):
        sheet = _loaded(reader, number)
        if not sheet.available_columns():
            continue
        frame = _with_exact_numbers(reader, number, sheet.to_polars())
        frame.columns = list(column_names(path, _header(reader, number, sheet)))
        return frame
    raise SourceChanged(f"{path.name}: none of the {len(reader.sheet_names)} sheets has a header")


def _with_exact_numbers(reader: fastexcel.ExcelReader, number: int, frame: pl.DataFrame) -> pl.DataFrame:
    """Return frame with the fractions in columns of text as they are: the reader writes each with nine decimals."""
    suspects = {
        index: name
        for index, (name, kind) in enumerate(frame.schema.items())
        if kind == pl.String and frame[name].str.contains(_NINE_DECIMALS).any()
    }
    if not suspects:
        return frame
    as_floats: dict[int | str, fastexcel.DType] = dict.fromkeys(suspects, "float")
    floats = reader.load_sheet(number, schema_sample_rows=None, dtypes=as_floats).to_polars()
    columns = []
    for index, name in suspects.items():
        exact = floats.to_series(index).cast(pl.String)
        is_fraction = frame[name].str.contains(_NINE_DECIMALS) & exact.is_not_null()
        columns.append(exact.zip_with(is_fraction.fill_null(False), frame[name]).alias(name))
    return frame.with_columns(columns)


def _loaded(reader: fastexcel.ExcelReader, number: int) -> fastexcel.ExcelSheet:
    """Return the sheet with the type of each column told from all its cells, never from a sample.

    A type told from a sample turns later cells of another type into nulls.
    """
    dtypes: dict[int | str, fastexcel.DType] = {}
    while True:
        try:
            return reader.load_sheet(number, schema_sample_rows=None, dtypes=dtypes or None)
        except fastexcel.UnsupportedColumnTypeCombinationError as error:
            # Durations beside other cells have no common type but text.
            found = _MIXED_COLUMN.search(str(error))
            if found is None or found[1] in dtypes:
                return reader.load_sheet(number, dtypes="string")
            dtypes[found[1]] = "string"


def _header(reader: fastexcel.ExcelReader, number: int, sheet: fastexcel.ExcelSheet) -> list[str]:
    """Return the header as it is written, "" where it is empty. fastexcel makes names unique by adding _1."""
    columns = sheet.available_columns()
    names = ["" if column.column_name_from == "generated" else column.name for column in columns]
    if any((found := _MADE_UNIQUE.match(name)) and found[1] in names for name in names):
        row = reader.load_sheet(number, header_row=None, n_rows=1, dtypes="string").to_polars().row(0)
        return [value or "" for value in row]
    return names


def _converted(frame: pl.DataFrame) -> pl.DataFrame:
    """Return frame with whole numbers as Int64, times in microseconds, clock times and durations as text."""
    columns = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if kind == pl.Float64 and _is_whole(frame[name]):
            columns.append(column.cast(pl.Int64))
        elif isinstance(kind, pl.Datetime):
            # Excel shows later years as an error too.
            times = pl.when(column.dt.year() <= _LAST_YEAR).then(column.cast(pl.Datetime("us")))
            columns.append(_clock(column) if _is_clock(frame[name]) else times)
        elif isinstance(kind, pl.Duration):
            columns.append(_hours(column.dt.total_microseconds()).alias(name))
        elif kind == pl.String:
            columns.append(pl.when(column != "").then(column))
        elif kind == pl.Null:
            columns.append(column.cast(pl.String))
    return frame.with_columns(columns)


def _is_whole(values: pl.Series) -> bool:
    return bool(((values == values.floor()) & (values.abs() <= EXACT_INTEGERS)).all())


def _is_clock(values: pl.Series) -> bool:
    return bool(values.dt.date().is_in(_CLOCK_DAYS).all())


def _clock(column: pl.Expr) -> pl.Expr:
    return column.dt.to_string("%H:%M:%S")


def _hours(microseconds: pl.Expr) -> pl.Expr:
    seconds = microseconds.abs() // _SECOND
    sign = pl.when(microseconds <= -_SECOND).then(pl.lit("-")).otherwise(pl.lit(""))
    minutes, rest = seconds // 60 % 60, seconds % 60
    parts = [(seconds // 3600).cast(pl.String), *(p.cast(pl.String).str.zfill(2) for p in (minutes, rest))]
    return sign + parts[0] + ":" + parts[1] + ":" + parts[2]


def _days(frame: pl.DataFrame) -> pl.DataFrame:
    """Return frame with those Datetime columns as Date in which every time is midnight.

    A workbook has one type for days and times.
    """
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    days = [name for name in times if (frame[name] == frame[name].dt.truncate("1d")).all()]
    return frame.with_columns(pl.col(days).cast(pl.Date)) if days else frame


def _without_tail(frame: pl.DataFrame) -> pl.DataFrame:
    """Return frame without the rows at its end in which every cell is empty or white space."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    filled = pl.any_horizontal(
        (pl.col(name).str.strip_chars() != "").fill_null(False) if name in texts else pl.col(name).is_not_null()
        for name in frame.columns
    )
    numbers = frame.select(filled.arg_true()).to_series()
    return frame.head(int(numbers[-1]) + 1) if len(numbers) else frame.clear()
