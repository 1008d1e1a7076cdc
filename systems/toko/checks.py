"""What must be true of a catalogue before it is published, and what the owner should know about it.

The words go to people and into logs: they say how many, never which item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backhaul import Severity, TableCheck, checks

from .tables import MODES, many

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("namaitem", "konversi", "satuan", "hargapokok", "hargajual", "kodeitem")
MAY_SHRINK_BY = 0.2
DELETED = ("Y", "N", "T")
"""Values of `statushapus` that are to be expected. What iPOS means by them is not known: nothing is hidden."""


def _about(name: str, rule: Callable[[pl.LazyFrame], str | None], severity: Severity = Severity.WARN) -> TableCheck:
    """Return a check of a catalogue that has rows; `rule` says what is wrong, or None."""
    return TableCheck(name, lambda facts: rule(facts.frame) if facts.rows else None, severity)


def _sold() -> pl.Expr:
    """What is not known to be off the shelf."""
    import polars as pl

    return pl.col("dijual").fill_null(True)


def _missing_columns(frame: pl.LazyFrame) -> str | None:
    missing = [name for name in COLUMNS if name not in frame.collect_schema().names()]
    return f"missing: {', '.join(missing)}" if missing else None


def _empty_values(frame: pl.LazyFrame) -> str | None:
    """A unit without a price or a conversion is usual, an item without a name or a cost is not."""
    import polars as pl

    critical = ("namaitem", "hargapokok")
    found = frame.select(pl.col(name).is_null().sum() for name in critical).collect().row(0)
    empty = [f"{name} in {many(rows, 'row')}" for name, rows in zip(critical, found, strict=True) if rows]
    return ", ".join(empty) if empty else None


def _without_price(frame: pl.LazyFrame) -> str | None:
    import polars as pl

    priced = (pl.col("hargajual").fill_null(0) > 0).any()
    items = frame.filter(_sold()).group_by("kodeitem").agg(priced=priced).filter(~pl.col("priced"))
    found = items.select(pl.len()).collect().item()
    return f"{many(found, 'item')} of those that are sold" if found else None


def _below_cost(frame: pl.LazyFrame) -> str | None:
    import polars as pl

    cheap = frame.filter(_sold(), pl.col("hargajual") > 0, pl.col("hargajual") < pl.col("hargapokok"))
    items, prices = cheap.select(pl.col("kodeitem").n_unique(), prices=pl.len()).collect().row(0)
    return f"{many(items, 'item')}, {many(prices, 'price')} in all" if prices else None


def _unknown_modes(frame: pl.LazyFrame) -> str | None:
    import polars as pl

    # A short code says nothing of an item; anything longer is not shown.
    strange = pl.col("cara_harga").is_null() | ~pl.col("cara_harga").is_in(MODES)
    return _met(frame.filter(strange), "cara_harga", "prices were taken from what rows there are")


def _unknown_deleted(frame: pl.LazyFrame) -> str | None:
    import polars as pl

    strange = pl.col("statushapus").is_not_null() & ~pl.col("statushapus").is_in(["", *DELETED])
    return _met(frame.filter(strange), "statushapus", "shown as all others")


def _unknown_sold(frame: pl.LazyFrame) -> str | None:
    import polars as pl

    found = frame.filter(pl.col("dijual").is_null()).select(pl.col("kodeitem").n_unique()).collect().item()
    return f"of {many(found, 'item')} the backup does not say whether it is sold; shown as sold" if found else None


def _met(frame: pl.LazyFrame, name: str, what: str) -> str | None:
    import polars as pl

    code = pl.col(name).fill_null("")
    value = pl.when(code.str.len_chars() <= 2).then(code).otherwise(pl.lit("?")).alias(name)
    found = frame.group_by(value).agg(pl.col("kodeitem").n_unique()).sort(name).head(5).collect()
    if not found.height:
        return None
    values = ", ".join(f"{value!r} of {many(items, 'item')}" for value, items in found.iter_rows())
    return f"{name} is {values}; {what}"


CHECKS = (
    checks.rows_between(1, 50_000_000),
    _about("columns", _missing_columns, Severity.STOP),
    checks.not_shrunk(by_more_than=MAY_SHRINK_BY),
    _about("empty values", _empty_values),
    _about("no price", _without_price),
    _about("below cost", _below_cost),
    _about("ways of keeping prices", _unknown_modes),
    _about("deleted", _unknown_deleted),
    _about("for sale", _unknown_sold),
)
