"""How a column's values are kept in SQLite: kinds, how kinds widen, and the way between frame and table.

Money is a scaled integer, a day is ISO text, a moment is ISO text in UTC; the declared type says which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Form(StrEnum):
    """The kinds of value, by what SQLite is told when the column is made."""

    UNKNOWN = ""
    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    MOMENT = "DATETIME"
    MONEY = "SCALED INTEGER"


@dataclass(frozen=True)
class Kind:
    """A form; for money with the number of decimals."""

    form: Form
    scale: int = 0

    @property
    def declared(self) -> str:
        """The declared type, such as `TEXT` or `SCALED INTEGER(2)`."""
        return f"{self.form}({self.scale})" if self.form is Form.MONEY else str(self.form)


TEXT = Kind(Form.TEXT)
REAL = Kind(Form.REAL)
UNKNOWN = Kind(Form.UNKNOWN)


def kind_of_declared(declared: str) -> Kind:
    """Return the kind of a column by its declared type; a foreign one by SQLite's own affinity rules."""
    word = declared.upper().strip()
    if money := re.fullmatch(r"SCALED INTEGER\((\d+)\)", word):
        return Kind(Form.MONEY, int(money[1]))
    exact = {"DATE": Form.DATE, "DATETIME": Form.MOMENT, "TIMESTAMP": Form.MOMENT, "BOOLEAN": Form.BOOLEAN}
    if word in exact:
        return Kind(exact[word])
    if "INT" in word:
        return Kind(Form.INTEGER)
    if any(part in word for part in ("CHAR", "CLOB", "TEXT")):
        return TEXT
    return UNKNOWN if word in ("", "BLOB") else REAL


def kind_of_dtype(dtype: pl.DataType) -> Kind:
    """Return the kind that a staged column's type is kept as."""
    import polars as pl

    if isinstance(dtype, pl.Decimal):
        return Kind(Form.MONEY, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return Kind(Form.MOMENT)
    forms = {
        pl.String: Form.TEXT,
        pl.Int64: Form.INTEGER,
        pl.Float64: Form.REAL,
        pl.Boolean: Form.BOOLEAN,
        pl.Date: Form.DATE,
        pl.Null: Form.UNKNOWN,
    }
    return Kind(next(form for known, form in forms.items() if dtype == known))


def widened(old: Kind, new: Kind) -> Kind:
    """Return the narrowest kind that keeps the values of both without loss; text keeps everything."""
    if old == new or new == UNKNOWN:
        return old
    if old == UNKNOWN:
        return new
    forms = {old.form, new.form}
    if forms == {Form.MONEY}:
        return Kind(Form.MONEY, max(old.scale, new.scale))
    if forms == {Form.INTEGER, Form.MONEY}:
        return old if old.form is Form.MONEY else new
    if forms <= {Form.INTEGER, Form.REAL, Form.MONEY}:
        return REAL
    return TEXT


def stored(name: str, dtype: pl.DataType, kind: Kind) -> pl.Expr:
    """Return the expression that gives column name, of dtype, the form in which a column of kind keeps it."""
    import polars as pl

    column: pl.Expr = pl.col(name)
    own = kind_of_dtype(dtype)
    if own.form is Form.DATE:
        return column.dt.strftime("%Y-%m-%d")
    if own.form is Form.MOMENT:
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    if own.form is Form.UNKNOWN or own.form is Form.TEXT:
        return column
    if kind.form is Form.TEXT:
        return column.cast(pl.String)
    if kind.form is Form.MONEY:
        scaled = column.cast(pl.Decimal(38, kind.scale)) * pl.lit(10**kind.scale)
        return scaled.cast(pl.Int64)
    if kind.form is Form.REAL:
        return column.cast(pl.Float64)
    return column.cast(pl.Int64)


def restored(name: str, kind: Kind) -> pl.Expr:
    """Return the expression that gives a column as stored (kind) its frame type back."""
    import polars as pl

    column = pl.col(name)
    if kind.form is Form.DATE:
        return column.cast(pl.String).str.to_date("%Y-%m-%d")
    if kind.form is Form.MOMENT:
        return column.cast(pl.String).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
    if kind.form is Form.MONEY:
        return column.cast(pl.Decimal(38, kind.scale)) * pl.lit(Decimal(1).scaleb(-kind.scale))
    types = {Form.INTEGER: pl.Int64, Form.REAL: pl.Float64, Form.BOOLEAN: pl.Boolean}
    if kind.form is Form.BOOLEAN:
        column = column.cast(pl.Int64)
    return column.cast(types.get(kind.form, pl.String))


def converted_sql(column: str, old: Kind, new: Kind) -> str:
    """Return SQL that gives column (quoted, kept as old) the form of new; `new` is `widened(old, ...)`."""
    if old == new:
        return column
    if old == UNKNOWN:
        return _untyped_sql(column, new)
    if old.form is Form.MONEY and new.form is Form.MONEY:
        return f"{column} * {10 ** (new.scale - old.scale)}"
    if new.form is Form.MONEY:
        return f"{column} * {10**new.scale}"
    if new.form is Form.REAL:
        return f"{column} / {10.0**old.scale}"
    if old.form is Form.BOOLEAN:
        return f"CASE {column} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"
    if old.form is Form.MONEY and old.scale:
        unit = 10**old.scale
        digits = f"printf('%d.%0{old.scale}d', abs({column}) / {unit}, abs({column}) % {unit})"
        return f"CASE WHEN {column} < 0 THEN '-' WHEN {column} IS NOT NULL THEN '' END || {digits}"
    return f"CAST({column} AS TEXT)"


def _untyped_sql(column: str, new: Kind) -> str:
    """Ours is empty as long as its kind is unknown; in a person's table it may hold anything, which stays."""
    if new.form is Form.MONEY:
        scaled = f"CAST(round({column} * {10**new.scale}) AS INTEGER)"
        return f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {scaled} ELSE {column} END"
    return f"CAST({column} AS TEXT)" if new.form is Form.TEXT else column
