"""The kinds of value that a column of a table keeps, and how kinds widen; each dialect has words for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Form(StrEnum):
    """The kinds of value. A NUMBER has as many digits as it likes; FOREIGN is a type that only the database knows."""

    UNKNOWN = "unknown"
    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    DATE = "date"
    MOMENT = "moment"
    MONEY = "money"
    NUMBER = "number"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Kind:
    """A form; for money with the number of decimals, for a foreign type with the database's own word for it."""

    form: Form
    scale: int = 0
    native: str = ""


TEXT = Kind(Form.TEXT)
REAL = Kind(Form.REAL)
MOMENT = Kind(Form.MOMENT)
INTEGER = Kind(Form.INTEGER)
UNKNOWN = Kind(Form.UNKNOWN)
NUMBER = Kind(Form.NUMBER)


def kind_of_dtype(dtype: pl.DataType) -> Kind:
    """Return the kind that a staged column's type is kept as."""
    import polars as pl

    if isinstance(dtype, pl.Decimal):
        return Kind(Form.MONEY, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return MOMENT
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
    if forms <= {Form.INTEGER, Form.REAL, Form.MONEY, Form.NUMBER}:
        return NUMBER
    return TEXT


def as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the expression that gives column name, of dtype, as the text that every table keeps it as."""
    import polars as pl

    column: pl.Expr = pl.col(name)
    own = kind_of_dtype(dtype)
    if own.form is Form.DATE:
        return column.dt.strftime("%Y-%m-%d")
    if own.form is Form.MOMENT:
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return column if own.form is Form.TEXT else column.cast(pl.String)
