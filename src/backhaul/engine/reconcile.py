"""Reconciliation: what each destination of a stream has, beside what curated says that it should have. Reads only."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.destinations import Warehouse
from backhaul.engine.derived import is_derived
from backhaul.engine.filled import filled_for_rework
from backhaul.engine.run import Installation
from backhaul.engine.systems import Target
from backhaul.engine.tables import rows_there
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import BackhaulError
from backhaul.lake import Lake, StagingArea
from backhaul.lake.staging import keyed
from backhaul.model import REMOVED_AT, ROW, Batch, Changes, Destination, RowClass, Stream
from backhaul.retry import Budget, retried

if TYPE_CHECKING:
    import polars as pl


class What(StrEnum):
    """How a row of a destination is not what curated says."""

    MISSING = "missing there"
    DIFFERS = "differs"
    REFUSED = "refused"
    ONLY_THERE = "only there"


@dataclass(frozen=True)
class Difference:
    """One row that is not the same on both sides: its key by column, and what is the matter.

    Args:
        columns: of a row that differs, the columns whose values do.
        why: of a row that the destination refuses, its reason.
    """

    key: Mapping[str, str] = field(repr=False)
    what: What
    columns: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Reconciled:
    """One destination of one stream, and all rows that are not the same on both sides.

    Args:
        rows: how many rows curated has; those that are marked as removed are left out.
        not_marked: rows there that this stream has brought, that curated no longer has, and that are not marked yet.
        lists_theirs: whether the rows that are only there can be listed.
        pending: deliveries that wait for the next run, and will settle differences.
        repair: the command that delivers all of curated once more, over what differs.
        remarks: what a reader of the differences must know.
        error: why the destination could not be asked; the rest is empty then.
    """

    stream: str
    destination: str
    rows: int = 0
    not_marked: int = 0
    lists_theirs: bool = False
    pending: int = 0
    repair: str = ""
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    error: BackhaulError | None = None

    def number(self, what: What) -> int:
        """Return how many rows there are of one kind."""
        return sum(each.what is what for each in self.differences)

    @property
    def agrees(self) -> bool:
        """Whether delivering all of curated would change nothing; rows that are only there may be people's."""
        owed = any(each.what is not What.ONLY_THERE for each in self.differences)
        return not (owed or self.not_marked or self.error)


def reconciled(
    target: Target, installation: Installation, neighbours: Iterable[Target] = (), budget: Budget = Budget()
) -> Iterator[Reconciled]:
    """Yield what becomes of each destination of target's streams; nothing is written but private temporary files.

    `neighbours` are the pipelines of the same system, whose streams may share a table. A destination that cannot be
    asked is told in its place, the others go on. Raises ConfigError for missing settings and for a missing key of a
    personal stream, before any destination is asked.
    """
    bare = replace(target.pipeline, reports=())
    streams = [stream for stream in filled_for_rework(bare, installation.settings).streams if stream.to]
    for stream in streams:
        installation.lake.of(stream)
    sharing = _sharing(target, neighbours)
    for stream in streams:
        with tempfile.TemporaryDirectory(prefix="backhaul-reconcile-") as folder:
            name = f"{target.name}.{stream.name}"
            side = _Side(
                name=name,
                stream=stream,
                timezone=target.pipeline.timezone,
                staging=Lake(Path(folder), installation.seal).of(stream).staging,
                budget=budget,
            )
            batch = side.batch_of_curated(installation.curated, installation.ledger.cursor(name).columns)
            waiting = [each.destination for each in installation.ledger.pending(name)]
            for destination in stream.to:
                found = side.beside(destination, batch, sharing.get((stream.name, destination.name), ()))
                yield replace(found, pending=waiting.count(destination.name), repair=_repair(name, stream))


def _repair(name: str, stream: Stream) -> str:
    return f"backhaul run {name}" if is_derived(stream) else f"backhaul replay {name} curated"


def _sharing(target: Target, neighbours: Iterable[Target]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return by stream and destination a remark where others bring rows of the same table that do not go there."""
    others = [(f"{each.name}.{stream.name}", stream) for each in neighbours for stream in each.pipeline.streams]
    remarks: dict[tuple[str, str], tuple[str, ...]] = {}
    for stream in target.pipeline.streams:
        for destination in stream.to:
            names = [
                name
                for name, other in others
                if name != f"{target.name}.{stream.name}"
                and other.target.casefold() == stream.target.casefold()
                and destination not in other.to
            ]
            if names:
                remark = f"rows that only {', '.join(names)} brought into {stream.target} are not delivered there"
                remarks[stream.name, destination.name] = (remark,)
    return remarks


@dataclass(frozen=True)
class _Side:
    """The curated side of one stream, as batches that destinations are asked with."""

    name: str
    stream: Stream
    timezone: str
    staging: StagingArea
    budget: Budget

    def batch_of_curated(self, curated: Warehouse, columns: Sequence[str]) -> Batch | None:
        """Return the rows that are there, in the columns that the stream delivers; None if there never were any."""
        frames, wanted = curated.read(self.stream.target), dict.fromkeys((*self.stream.key, *columns))
        return self._batch(self._there(frame, list(wanted)) for frame in frames) if columns else None

    def _there(self, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a frame that are not removed and have a key, in these columns as far as it has them."""
        import polars as pl

        if REMOVED_AT in frame.columns and REMOVED_AT not in columns:
            frame = frame.filter(pl.col(REMOVED_AT).is_null())
        # A database takes "Name" and "name" for one column.
        folded = {name.casefold(): name for name in frame.columns}
        found = {name: name if name in frame.columns else folded.get(name.casefold()) for name in columns}
        frame = frame.select(pl.col(there).alias(name) for name, there in found.items() if there is not None)
        return _with_key(frame, self.stream.key, self.name)

    def _batch(self, frames: Iterable[pl.DataFrame]) -> Batch | None:
        """Return frames as a batch with an id that no destination has met; None without any frame.

        Rows are numbered where they have no number yet.
        """
        writer = self.staging.writer(f"reconcile-{secrets.token_hex(8)}", self.name, self.stream.key, self.timezone)
        rows, is_empty = 0, True
        for frame in frames:
            writer.add(frame if ROW in frame.columns else frame.with_row_index(ROW, offset=rows + 1))
            rows += frame.height
            is_empty = False
        return None if is_empty else writer.finish(0)

    def beside(self, destination: Destination, batch: Batch | None, remarks: tuple[str, ...]) -> Reconciled:
        """Return what the destination makes of the batch."""
        found = Reconciled(self.name, destination.name, rows=batch.rows if batch else 0, remarks=remarks)
        if batch is None:
            return replace(found, remarks=(*remarks, "the stream has brought nothing yet"))
        try:
            with ours_alone(f"{self.name}: {destination.name}"):
                changes = self._asked(destination, self.stream, batch)
                differences = [*self._of(changes, destination)]
                only_there = self._only_there(destination, batch)
        except BackhaulError as error:
            return Reconciled(self.name, destination.name, remarks=remarks, error=error)
        differences += [Difference(key, What.ONLY_THERE) for key in only_there or ()]
        return replace(
            found,
            not_marked=changes.removed,
            lists_theirs=only_there is not None,
            differences=tuple(differences),
        )

    def _asked(self, destination: Destination, stream: Stream, batch: Batch) -> Changes:
        return retried(lambda: destination.compare(stream, batch), self.budget)

    def _of(self, changes: Changes, destination: Destination) -> Iterator[Difference]:
        """Yield the rows that the destination would take as new or changed, or not at all."""
        for key in self._keys(changes.rows(RowClass.NEW)):
            yield Difference(key, What.MISSING)
        differing = self._differing(changes, destination)
        # What differs in no column of a complete stream is marked there as gone.
        otherwise = [REMOVED_AT] if self.stream.complete else []
        for number, key in self._numbered_keys(changes.rows(RowClass.UPDATED)):
            yield Difference(key, What.DIFFERS, tuple(differing.get(number, otherwise)))
        reasons = {each.row: each.check for each in changes.refused}
        for number, key in self._numbered_keys(changes.rows(RowClass.REFUSED)):
            yield Difference(key, What.REFUSED, why=reasons.get(number, ""))

    def _differing(self, changes: Changes, destination: Destination) -> dict[int, list[str]]:
        """Return by row the columns that differ: the destination itself is asked, with ever fewer columns."""
        found: dict[int, list[str]] = {}
        # Whether rows are gone is another question than whether values differ.
        stream = replace(self.stream, complete=False)

        def narrow(rows: Callable[[], Iterator[pl.DataFrame]], columns: Sequence[str]) -> None:
            kept = [ROW, *self.stream.key, *columns]
            batch = self._batch(frame.select(kept) for frame in rows())
            if batch is None or not columns:
                return
            asked = self._asked(destination, stream, batch)
            if len(columns) > 1:
                half = len(columns) // 2
                if asked.counts.updated:
                    narrow(lambda: _same_rows(rows(), asked), columns[:half])
                    narrow(lambda: _same_rows(rows(), asked), columns[half:])
                return
            for frame in asked.rows(RowClass.UPDATED):
                for number in frame[ROW].to_list():
                    found.setdefault(number, []).append(columns[0])

        columns = [name for name in changes.batch.schema() if name not in self.stream.key]
        if changes.counts.updated:
            narrow(lambda: changes.rows(RowClass.UPDATED), columns)
        return found

    def _only_there(self, destination: Destination, batch: Batch) -> list[dict[str, str]] | None:
        """Return the keys that curated does not have, without those of rows marked as removed; None if unknown."""
        import polars as pl

        key, is_mark = list(self.stream.key), REMOVED_AT not in batch.schema()
        mine = pl.concat([frame.select(key) for frame in batch.frames()])

        def listed() -> list[dict[str, str]] | None:
            if (frames := rows_there(destination, self.stream)) is None:
                return None
            found: list[dict[str, str]] = []
            for frame in frames:
                if not set(key) <= set(frame.columns):
                    return None
                if is_mark and REMOVED_AT in frame.columns:
                    frame = frame.filter(pl.col(REMOVED_AT).is_null())
                there = _with_key(frame.select(key), self.stream.key, self.name)
                found += there.join(mine, on=key, how="anti", maintain_order="left").to_dicts()
            return found

        return retried(listed, self.budget)

    def _keys(self, frames: Iterable[pl.DataFrame]) -> Iterator[dict[str, str]]:
        for frame in frames:
            yield from frame.select(self.stream.key).iter_rows(named=True)

    def _numbered_keys(self, frames: Iterable[pl.DataFrame]) -> Iterator[tuple[int, dict[str, str]]]:
        for frame in frames:
            yield from zip(frame[ROW].to_list(), self._keys([frame]), strict=True)


def _same_rows(frames: Iterable[pl.DataFrame], asked: Changes) -> Iterator[pl.DataFrame]:
    """Yield of frames the rows that `asked`, which has no other ones, calls updated."""
    import polars as pl

    numbers = [number for each in asked.rows(RowClass.UPDATED) for number in each[ROW].to_list()]
    for frame in frames:
        chosen = frame.filter(pl.col(ROW).is_in(numbers))
        if chosen.height:
            yield chosen


def _with_key(frame: pl.DataFrame, key: tuple[str, ...], name: str) -> pl.DataFrame:
    """Return the rows that have a whole key; people's own rows may have none."""
    import polars as pl

    return keyed(frame, key, name).filter(pl.all_horizontal(pl.col(column).is_not_null() for column in key))
