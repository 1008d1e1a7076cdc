"""The rows that an index was made from: a batch compared with them and merged into them, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, ROW, Batch, RowClass, Stream
from backhaul.quality.classify import classify

if TYPE_CHECKING:
    import polars as pl

SLICE_ROWS = 100_000
_MOST_DIGITS = 38


@dataclass(frozen=True)
class Merge:
    """A batch beside the rows that are held; `known` is None where nothing is held yet.

    `known` may have the column `removed_at`: rows that a complete batch lacked are kept, and no longer found.
    """

    stream: Stream
    batch: Batch
    classes: pl.Series
    removed: int
    frame: pl.DataFrame
    known: pl.DataFrame

    @classmethod
    def of(cls, stream: Stream, batch: Batch, known: pl.DataFrame | None) -> Merge:
        """Compare batch with what is held. Raises DeliveryError if a column of the batch has a reserved name."""
        import polars as pl

        frame = _rows(stream, batch)
        if REMOVED_AT in frame.columns:
            raise DeliveryError(
                f"{stream.name}: column {REMOVED_AT!r} is backhaul's own, and the batch has one of that name",
                next_step="Rename it in the stream's transform.",
            )
        if known is None:
            known = frame.clear()
        frame, known = _alike(frame, known)
        classes = _classes(frame, known, stream.key)
        removed = 0
        if REMOVED_AT in known.columns and stream.complete:
            gone = known.filter(pl.col(REMOVED_AT).is_not_null()).select(stream.key)
            is_back = frame.join(
                gone.with_columns(_back=True), on=list(stream.key), how="left", maintain_order="left"
            )
            updated = pl.lit(int(RowClass.UPDATED), dtype=pl.UInt8)
            back = is_back.select(_class=pl.col("_back") & (classes == int(RowClass.UNCHANGED)))["_class"]
            classes = pl.select(pl.when(back).then(updated).otherwise(classes).alias("class")).to_series()
        if stream.complete:
            removed = _lacking(known, frame, stream.key).height
        return cls(stream, batch, classes, removed, frame, known)

    @property
    def has_changed(self) -> bool:
        """Whether the merge has anything to write."""
        return bool((self.classes != int(RowClass.UNCHANGED)).any()) or bool(self.removed)

    def merged(self, now: datetime) -> pl.DataFrame:
        """Return all rows as they become; those that a complete batch lacks are marked as removed `now` (UTC)."""
        import polars as pl

        key = list(self.stream.key)
        changed = self.frame.filter(self.classes != int(RowClass.UNCHANGED))
        left = [name for name in self.known.columns if name not in self.frame.columns and name != REMOVED_AT]
        if left:
            changed = changed.join(self.known.select(*key, *left), on=key, how="left", maintain_order="left")
        kept = self.known.join(changed.select(key), on=key, how="anti", maintain_order="left")
        if self.removed:
            moment = pl.Datetime("us", "UTC")
            if REMOVED_AT not in kept.columns:
                kept = kept.with_columns(pl.lit(None, dtype=moment).alias(REMOVED_AT))
            lacking = _lacking(kept, self.frame, self.stream.key).select(key).with_columns(_lacks=True)
            kept = kept.join(lacking, on=key, how="left", maintain_order="left").with_columns(
                pl.when(pl.col("_lacks"))
                .then(pl.lit(now, dtype=moment))
                .otherwise(pl.col(REMOVED_AT))
                .alias(REMOVED_AT)
            )
            kept = kept.drop("_lacks")
        return pl.concat([kept, changed], how="diagonal")


def live(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are still there."""
    import polars as pl

    return rows.filter(pl.col(REMOVED_AT).is_null()) if REMOVED_AT in rows.columns else rows


def _rows(stream: Stream, batch: Batch) -> pl.DataFrame:
    """Return the rows of batch; columns without a single value have the type Null."""
    import polars as pl

    frames = [frame.drop(ROW) for frame in batch.frames()]
    if not frames:
        return pl.DataFrame(schema=batch.schema() or {name: pl.String() for name in stream.key})
    rows = pl.concat(frames)
    return rows.with_columns(pl.lit(None, dtype=pl.Null).alias(name) for name in batch.empty if name in rows.columns)


def _classes(frame: pl.DataFrame, known: pl.DataFrame, key: tuple[str, ...]) -> pl.Series:
    """Return the class of each row of frame; taken in slices, so that not all rows stand beside their old ones."""
    import polars as pl

    values = known.drop(REMOVED_AT, strict=False)
    found = [pl.Series("class", [], dtype=pl.UInt8)]
    for some in frame.iter_slices(SLICE_ROWS):
        there = values.join(some.select(key), on=list(key), how="semi")
        found.append(classify(some, there, key))
    return pl.concat(found)


def _lacking(known: pl.DataFrame, frame: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Return the known rows that are still there and that frame does not have."""
    return live(known).join(frame.select(key), on=list(key), how="anti", maintain_order="left")


def _alike(frame: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both with one type for each column they share, wide enough for the values of both."""
    shared = [name for name in frame.columns if name in known.columns]
    types = {name: _widened(known.schema[name], frame.schema[name]) for name in shared}
    return frame.cast(types), known.cast(types)  # type: ignore[arg-type]


def _widened(old: pl.DataType, new: pl.DataType) -> pl.DataType:
    import polars as pl

    if old == new or new == pl.Null:
        return old
    if old == pl.Null:
        return new
    scales = [each.scale for each in (old, new) if isinstance(each, pl.Decimal)]
    whole = sum(each == pl.Int64 for each in (old, new))
    if scales and len(scales) + whole == 2:
        return pl.Decimal(_MOST_DIGITS, max(scales))
    if whole == 1 and pl.Float64 in (old, new):
        return pl.Float64()
    return pl.String()
