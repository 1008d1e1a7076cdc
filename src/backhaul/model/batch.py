"""The staged rows of one artifact, and what a destination would do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.model.checks import Rejected
from backhaul.model.facts import ROW, Counts

if TYPE_CHECKING:
    import polars as pl


class RowClass(IntEnum):
    """What a destination found for one row of a batch; stored as one byte a row."""

    NEW = 0
    UPDATED = 1
    UNCHANGED = 2
    REFUSED = 3


@dataclass(frozen=True)
class Batch:
    """The staged rows of one artifact: Parquet parts in file order, each key once, `_row` beside the data.

    `id` is stable over a crash and names the batch to every destination. Rows read = rows + duplicate + rejected.
    `empty` are the columns without a single value: their type is unknown, and `schema` says Null.
    One that is not `is_whole` has only some rows of its file: what it lacks is not gone from a complete stream.
    `made_at` is when the place that the file came from got it (UTC), None where that is not known.
    `unsealed` reads a part that is encrypted; parts are read through `frames` and `lazy` only.
    """

    id: str
    stream: str
    parts: tuple[Path, ...]
    rows: int
    duplicate: int
    rejected: int
    timezone: str
    empty: tuple[str, ...] = ()
    is_whole: bool = True
    made_at: datetime | None = None
    unsealed: Callable[[Path], bytes] | None = field(default=None, compare=False, repr=False)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the kept rows part by part (bounded memory); the first column is `_row`."""
        import polars as pl

        for part in self.parts:
            yield pl.read_parquet(self._readable(part))

    def lazy(self) -> pl.LazyFrame:
        """Return all kept rows as one lazy frame, which reads them part by part."""
        import polars as pl
        from polars.io.plugins import register_io_source

        if self.unsealed is None:
            return pl.scan_parquet(list(self.parts))

        def rows(
            columns: list[str] | None, predicate: pl.Expr | None, most: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            for frame in self.frames():
                taken = frame if most is None else frame.head(most)
                most = None if most is None else most - taken.height
                taken = taken if predicate is None else taken.filter(predicate)
                yield taken if columns is None else taken.select(columns)

        return register_io_source(rows, schema=pl.read_parquet_schema(self._readable(self.parts[0])))

    def schema(self) -> dict[str, pl.DataType]:
        """Return the type of each data column (`_row` left out), in file order; the same in every part."""
        import polars as pl

        if not self.parts:
            return {}
        schema = pl.read_parquet_schema(self._readable(self.parts[0]))
        return {name: pl.Null() if name in self.empty else dtype for name, dtype in schema.items() if name != ROW}

    def _readable(self, part: Path) -> Path | BytesIO:
        return part if self.unsealed is None else BytesIO(self.unsealed(part))


@dataclass(frozen=True)
class Changes:
    """What a destination would do with a batch: one RowClass byte for each kept row, in order.

    `removed` is how many rows of the destination a complete stream's batch no longer has.
    """

    batch: Batch
    classes: pl.Series
    refused: tuple[Rejected, ...] = ()
    removed: int = 0

    def rows(self, wanted: RowClass) -> Iterator[pl.DataFrame]:
        """Yield the rows of one class, part by part; parts without any are left out."""
        offset = 0
        for frame in self.batch.frames():
            classes = self.classes.slice(offset, frame.height)
            offset += frame.height
            chosen = frame.filter(classes == int(wanted))
            if chosen.height:
                yield chosen

    @property
    def counts(self) -> Counts:
        """What `write` will report if nothing changes in between."""
        found = [int((self.classes == int(kind)).sum()) for kind in RowClass]
        return Counts(
            new=found[RowClass.NEW],
            updated=found[RowClass.UPDATED],
            unchanged=found[RowClass.UNCHANGED],
            duplicate=self.batch.duplicate,
            rejected=self.batch.rejected + found[RowClass.REFUSED],
            removed=self.removed,
        )
