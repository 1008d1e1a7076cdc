"""One batch merged into one CSV file, block by block: the rows of the batch are in memory, the file is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO
from zoneinfo import ZoneInfo

from backhaul.destinations.csv.table import CsvTable, write_frame, write_header
from backhaul.destinations.csv.text import as_text, is_different
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, Batch, Changes, Counts, RowClass, Stream

if TYPE_CHECKING:
    import polars as pl

# Columns beside those of the file ("0", "1", ...) while a block is merged.
_AT, _DIFFERS, _REMOVED = "at", "differs", "removed"


@dataclass
class CsvMerge:
    """The merge of batch into table. `classes`, `removed`, `has_changed` are true once `blocks` has been walked."""

    table: CsvTable
    stream: Stream
    batch: Batch
    now: datetime
    guarded: bool
    may_add_removed_at: bool
    removed: int = 0
    _found: list[pl.DataFrame] = field(default_factory=list)

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns of the batch; those of the key if it has no rows at all."""
        import polars as pl

        schema = self.batch.schema() or {name: pl.String() for name in self.stream.key}
        if self.stream.complete and REMOVED_AT in schema:
            raise DeliveryError(
                f"{self.stream.name}: column {REMOVED_AT!r} is backhaul's own, and the batch has one of that name",
                next_step="Rename it in the stream's transform.",
            )
        return schema

    @cached_property
    def header(self) -> list[str]:
        """The columns of the file as it is. Raises DeliveryError if the key is missing, or one of ours doubled."""
        header, where = self.table.header(), f"{self.table.name}: {self.table.path.name}"
        trimmed = [name.strip() for name in header]
        # Spaces that people have put around one of our names do not matter.
        ours = {name for name in (*self.schema, REMOVED_AT) if name in trimmed and name not in header}
        header = [name if name in ours else shown for name, shown in zip(trimmed, header, strict=True)]
        if header and (absent := [name for name in self.stream.key if name not in header]):
            raise DeliveryError(
                f"{where} has no column {', '.join(map(repr, absent))} any more; nothing was changed",
                next_step="Give the key column its name back, or move the file away to begin a new one.",
            )
        if twice := [name for name in (*self.schema, REMOVED_AT) if header.count(name) > 1]:
            raise DeliveryError(
                f"{where} has column {', '.join(map(repr, twice))} more than once; nothing was changed",
                next_step="Rename or remove the other one.",
            )
        return header

    @cached_property
    def marks_removed(self) -> bool:
        """Whether rows get `removed_at` and lose it: only a complete stream's, in a column made when first needed."""
        return self.stream.complete and (REMOVED_AT in self.header or self.may_add_removed_at)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The batch's rows as text; its columns in the names of `place`, and `at`, the number in the batch."""
        import polars as pl

        frames = [self._as_text(frame) for frame in self.batch.frames()]
        rows = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(self.schema, pl.String))
        return rows.rename({name: f"new {self.place(name)}" for name in self.schema}).with_row_index(_AT)

    def _as_text(self, frame: pl.DataFrame) -> pl.DataFrame:
        return as_text(frame, self.schema, self.batch.timezone, guarded=self.guarded)

    def place(self, name: str) -> str:
        """Return the position of a column in the file, as text; a new one stands behind the others."""
        return str(self.places[name])

    @cached_property
    def places(self) -> dict[str, int]:
        """The position of each column of the batch; columns that the file lacks come behind its own."""
        header, places = self.header, dict[str, int]()
        for name in self.schema:
            places[name] = header.index(name) if name in header else max([len(header) - 1, *places.values()]) + 1
        return places

    def blocks(self) -> Iterator[pl.DataFrame]:
        """Yield the file's rows beside the batch's rows of the same key.

        Raises DeliveryError if a key of the batch stands in several rows of the file.
        """
        import polars as pl

        width = len(self.header)
        keys = [self.place(name) for name in self.stream.key]
        for block in self.table.blocks(width) if width else ():
            trimmed = block.with_columns(pl.col(key).str.strip_chars().alias(f"key {key}") for key in keys)
            joined = trimmed.join(
                self.rows,
                left_on=[f"key {key}" for key in keys],
                right_on=[f"new {key}" for key in keys],
                how="left",
                maintain_order="left",
            )
            judged = self._judged(joined, keys)
            self.removed += int(judged[_REMOVED].sum())
            self._found.append(judged.filter(pl.col(_AT).is_not_null()).select(_AT, _DIFFERS))
            yield judged
        self._refuse_double_keys()

    def _judged(self, joined: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
        """Return joined with whether each row differs from the batch's, and whether it is newly removed."""
        import polars as pl

        width, is_there = len(self.header), pl.col(_AT).is_not_null()
        differs = pl.lit(False)
        for name, dtype in self.schema.items():
            place = self.places[name]
            if place >= width:
                differs = differs | pl.col(f"new {place}").is_not_null()
            elif name not in self.stream.key:
                differs = differs | is_different(str(place), f"new {place}", dtype)
        has_key = pl.all_horizontal((pl.col(f"key {key}") != "").fill_null(False) for key in keys)
        is_removed = pl.lit(self.marks_removed) & has_key & ~is_there
        if self.marks_removed and REMOVED_AT in self.header:
            stamped = (pl.col(str(self.header.index(REMOVED_AT))) != "").fill_null(False)
            differs, is_removed = differs | stamped, is_removed & ~stamped
        return joined.with_columns((is_there & differs).alias(_DIFFERS), is_removed.alias(_REMOVED))

    def _refuse_double_keys(self) -> None:
        found = self._all_found()
        if double := int(found[_AT].len() - found[_AT].n_unique()):
            raise DeliveryError(
                f"{self.table.name}: {self.table.path.name} holds {double} rows whose keys stand there already;"
                " nothing was changed",
                next_step=f"Leave one row for each {', '.join(self.stream.key)} in the file, then run again.",
            )
        self._found = [found]

    def _all_found(self) -> pl.DataFrame:
        import polars as pl

        return pl.concat([pl.DataFrame(schema={_AT: pl.UInt32, _DIFFERS: pl.Boolean}), *self._found])

    @property
    def classes(self) -> pl.Series:
        """One RowClass byte for each row of the batch, as the file is now."""
        return self._classed(int(RowClass.UNCHANGED))

    def _classed(self, same: pl.Series | int) -> pl.Series:
        import polars as pl

        found = self._all_found()
        numbers = pl.DataFrame({_AT: pl.int_range(self.batch.rows, dtype=pl.UInt32, eager=True)})
        differs = numbers.join(found, on=_AT, how="left", maintain_order="left")[_DIFFERS]
        kinds = numbers.select(
            pl.when(differs.is_null())
            .then(int(RowClass.NEW))
            .when(differs)
            .then(int(RowClass.UPDATED))
            .otherwise(same)
            .cast(pl.UInt8)
            .alias("class")
        )
        return kinds.to_series()

    @property
    def has_changed(self) -> bool:
        """Whether the merge has anything to write."""
        classes = self.classes
        return bool((classes != int(RowClass.UNCHANGED)).any()) or bool(self.removed)

    def counts(self, changes: Changes) -> Counts:
        """Return what the write did; what an interrupted write had done already counts as it was announced."""
        done = Changes(self.batch, self._classed(changes.classes), removed=self.removed or changes.removed)
        return done.counts

    def write(self, out: BinaryIO, *, marked: bool) -> None:
        """Write the merged table to out."""
        names = [*self.header]
        names += [name for name in (*self.schema, *[REMOVED_AT] * self.marks_removed) if name not in names]
        write_header(out, names, self.table.separator, marked=marked)
        for judged in self.blocks():
            write_frame(out, self._merged(judged, names), self.table.separator)
        for added in self._added(names):
            write_frame(out, added, self.table.separator)

    def _merged(self, judged: pl.DataFrame, names: list[str]) -> pl.DataFrame:
        """Return a block's rows as they become: the batch's values where they differ, the file's elsewhere."""
        import polars as pl

        ours = {self.places[name] for name in self.schema if name not in self.stream.key}
        stamp = self.now.astimezone(ZoneInfo(self.batch.timezone)).isoformat(sep=" ", timespec="seconds")
        columns = []
        for place, name in enumerate(names):
            value = pl.col(str(place)) if place < len(self.header) else pl.lit(None, dtype=pl.String)
            if place in ours:
                value = pl.when(_DIFFERS).then(pl.col(f"new {place}")).otherwise(value)
            elif name == REMOVED_AT and self.marks_removed:
                value = pl.when(_REMOVED).then(pl.lit(stamp)).when(~pl.col(_DIFFERS)).then(value)
            columns.append(value.alias(str(place)))
        return judged.select(columns)

    def _added(self, names: list[str]) -> Iterator[pl.DataFrame]:
        """Yield the rows of the batch that the file did not have, in its columns, part by part."""
        import polars as pl

        by_place = {place: name for name, place in self.places.items()}
        is_new, at = self.classes == int(RowClass.NEW), 0
        for frame in self.batch.frames():
            new = self._as_text(frame.filter(is_new.slice(at, frame.height)))
            at += frame.height
            yield new.select(
                (pl.col(by_place[place]) if place in by_place else pl.lit(None, dtype=pl.String)).alias(str(place))
                for place in range(len(names))
            )
