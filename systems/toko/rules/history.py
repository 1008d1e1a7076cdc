"""Price changes: what the archive of the catalogue says about prices and costs that are no longer so."""

from __future__ import annotations

import polars as pl

from ..tables import KEY
from .catalogue import MONEY, narrowed

REPLACED_AT = "_archived_at"
"""The archive's column for the moment at which a row was replaced (UTC)."""

VALUES = ("hargajual", "hargapokok")
_MOMENT = pl.Datetime("us", "UTC")


def price_changes(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each change of a price or a cost, the newest first.

    `now` is the table `katalog`, `before` its archive: each row that was replaced, and when, in the order in which
    that happened. What a row was replaced by is the next archived row of the same key, or else the present one. A
    row that was replaced for another reason, such as that its item was gone for a day, is no change. `berubah_pada`
    is UTC.
    """
    archived = before.select(*KEY, *_money(before), namaitem="namaitem", at=pl.col(REPLACED_AT).cast(_MOMENT))
    present = now.select(*KEY, *_money(now), namaitem="namaitem", at=pl.lit(None, _MOMENT))
    following = [pl.col(name).shift(-1).over(KEY).alias(f"{name}_baru") for name in (*VALUES, "namaitem")]
    changes = (
        pl.concat([archived, present])
        .with_columns(*following, is_replaced=pl.int_range(pl.len()).over(KEY) < pl.len().over(KEY) - 1)
        .filter("is_replaced")
        .filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_baru")) for name in VALUES))
        .select(
            "kodeitem",
            pl.coalesce("namaitem_baru", "namaitem").alias("namaitem"),
            "satuan",
            "level",
            "jumlah_sampai",
            harga_lama="hargajual",
            harga_baru="hargajual_baru",
            pokok_lama="hargapokok",
            pokok_baru="hargapokok_baru",
            berubah_pada="at",
        )
        .sort("berubah_pada", *KEY, descending=[True, False, False, False, False])
    )
    money = ("harga_lama", "harga_baru", "pokok_lama", "pokok_baru")
    return changes.with_columns(narrowed(changes[name]) for name in money)


def _money(frame: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col(name).cast(MONEY) for name in VALUES]
