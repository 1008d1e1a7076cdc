"""The classification of a batch against what a destination holds, as one pure function.

SQL destinations do the same set-wise inside the database; the contract suite holds them against this function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backhaul.model import RowClass

if TYPE_CHECKING:
    import polars as pl


def classify(frame: pl.DataFrame, known: pl.DataFrame, key: tuple[str, ...]) -> pl.Series:
    """Return a RowClass byte for each row of frame (each key once), in order.

    Only the columns that frame has are compared; null equals null, and a column that known lacks counts as null
    there. Values are compared after a cast to known's types. Columns whose name starts with `_` are bookkeeping.
    """
    import polars as pl

    values = [name for name in frame.columns if name not in key and not name.startswith("_")]
    shared = [name for name in values if name in known.columns]
    there = known.select(*key, pl.lit(True).alias("_there"), *(pl.col(name).alias(f"_{name}") for name in shared))
    joined = frame.join(there, on=list(key), how="left", maintain_order="left")
    differs = pl.lit(False)
    for name in values:
        before = pl.col(f"_{name}") if name in shared else pl.lit(None)
        now = pl.col(name).cast(known.schema[name]) if name in shared else pl.col(name)
        differs = differs | now.ne_missing(before)
    kind = (
        pl.when(pl.col("_there").is_null())
        .then(int(RowClass.NEW))
        .when(differs)
        .then(int(RowClass.UPDATED))
        .otherwise(int(RowClass.UNCHANGED))
    )
    return joined.select(kind.cast(pl.UInt8).alias("class")).to_series()
