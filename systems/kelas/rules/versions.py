"""Which of the versions of one message (of one `wa_id`) is the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_DELETED = "deleted"


def newest_last(versions: pl.DataFrame) -> pl.DataFrame:
    """Return versions (n rows, each with its `wa_id`) in the order of their age, the newest last.

    A deleted one is newer than an edited one, that than the first; of edited ones the one that was read last
    (`read_at`) is. Where all that is equal a whole text is newer than a cut one, and a cut text that only begins what
    another one says in whole is older than that, whenever it was read.
    """
    import polars as pl

    is_cut, is_edited = pl.col("is_truncated").fill_null(False), pl.col("is_edited").fill_null(False)
    numbered = versions.with_row_index("_row")
    whole = numbered.filter(~is_cut).select("wa_id", whole="text", edited=is_edited)
    begun = (
        numbered.filter(is_cut)
        .join(whole, on="wa_id")
        .filter(pl.col("whole").str.starts_with(pl.col("text")), pl.col("edited") == is_edited)
    )
    is_begun = pl.col("_row").is_in(begun["_row"].implode())
    is_deleted = pl.col("kind") == _DELETED
    order = (is_deleted, is_edited, ~is_begun, "read_at", ~is_cut, "fingerprint", "occurrence")
    return numbered.sort(*order, nulls_last=False).drop("_row")
