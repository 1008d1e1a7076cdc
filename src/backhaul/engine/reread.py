"""Rejected rows read again from where they stand, as today's pipeline makes them; and which of them are outdated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger.rejects import RejectedRow
from backhaul.engine.stage import Stager
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import BackhaulError
from backhaul.lake import Lake
from backhaul.model import ROW, Artifact, Stream

if TYPE_CHECKING:
    import polars as pl

    from backhaul.destinations import Warehouse

ID = "_id"
"""Column of a frame of rejected rows: the row's id in quarantine."""

_FILE, _BATCH, _TO = "_file_number", "_batch_number", "_to"


@dataclass(frozen=True)
class Group:
    """The rejected rows of one file, by id, and in a frame with ID, ROW and their columns those that were found.

    `problem` says why nothing could be read.
    """

    artifact: str | None
    entries: Mapping[int, RejectedRow]
    frame: pl.DataFrame
    problem: str | None = None

    def found(self, destination: str) -> pl.DataFrame:
        """Return the rows that this destination has refused; with "", those that a check has rejected."""
        import polars as pl

        ids = [entry.id for entry in self.entries.values() if entry.destination == destination]
        return self.frame.filter(pl.col(ID).is_in(ids)) if self.frame.width else self.frame

    @property
    def destinations(self) -> list[str]:
        """Who refused these rows, "" standing for the checks."""
        return sorted({entry.destination for entry in self.entries.values()})


@dataclass(frozen=True)
class Reread:
    """Reads the rejected rows of one stream again."""

    stream: Stream
    stager: Stager
    ledger: Ledger
    lake: Lake
    curated: Warehouse

    @property
    def name(self) -> str:
        """The stream's full name."""
        return self.stager.name

    def groups(self, entries: Iterable[RejectedRow]) -> Iterator[Group]:
        """Yield the rows by the file they stand in, oldest file first."""
        import polars as pl

        places: dict[tuple[str | None, str], dict[int, RejectedRow]] = {}
        for entry in entries:
            place = (entry.artifact, "" if entry.artifact else entry.batch)
            places.setdefault(place, {})[entry.id] = entry
        artifacts = {each.id: each for each in self.ledger.artifacts.of(self.name, self.lake.raw.folder)}
        for (artifact, batch), some in places.items():
            try:
                with ours_alone(self.name):
                    frame = self._frame(artifacts.get(artifact or ""), batch, some)
            except BackhaulError as error:
                yield Group(artifact, some, pl.DataFrame(), str(error))
            else:
                yield Group(artifact, some, frame)

    def candidates(self, groups: Iterable[Group]) -> pl.DataFrame:
        """Return the keys of all rows that were found, each with its age, for `outdated`."""
        import polars as pl

        frames = []
        for group in groups:
            if group.frame.height:
                facts = [(e.id, e.file, e.batch_number, e.destination) for e in group.entries.values()]
                schema = {ID: pl.Int64, _FILE: pl.Int64, _BATCH: pl.Int64, _TO: pl.String}
                ages = pl.DataFrame(facts, schema=schema, orient="row")
                frames.append(group.frame.select(ID, *self.stream.key).join(ages, on=ID, maintain_order="left"))
        return pl.concat(frames) if frames else pl.DataFrame()

    def outdated(self, candidates: pl.DataFrame) -> set[int]:
        """Return the ids of the rows whose key a newer file has brought again, good or rejected.

        Where a newer file was pruned, or its batch is gone, a row counts as outdated if its key is in curated.
        """
        import polars as pl

        if not candidates.height:
            return set()
        key = list(self.stream.key)
        candidates = candidates.drop_nulls(key)
        found = set(candidates.filter(~pl.struct(*key, _TO).is_last_distinct())[ID])
        untold = self.ledger.rejects.newest_pruned(self.name)
        for file, number, batch_id in self.ledger.rejects.batches_in_use(self.name):
            is_newer = pl.when(pl.col(_FILE) > 0).then(pl.col(_FILE) < file).otherwise(pl.col(_BATCH) < number)
            older = candidates.filter(is_newer)
            if not older.height:
                continue
            batch = self.lake.staging.load(batch_id)
            if batch is None:
                untold = max(untold, file)
            elif batch.parts:
                keys = batch.lazy().select(key).unique().collect()
                found |= set(older.join(keys, on=key, how="semi")[ID])
        rest = candidates.filter((pl.col(_FILE) < untold) & ~pl.col(ID).is_in(list(found)))
        return found | self._in_curated(rest)

    def _in_curated(self, rows: pl.DataFrame) -> set[int]:
        import polars as pl

        found: set[int] = set()
        key = list(self.stream.key)
        for frame in self.curated.read(self.stream.target) if rows.height else ():
            keys = frame.select(pl.col(name).cast(pl.String) for name in key)
            found |= set(rows.join(keys, on=key, how="semi")[ID])
        return found

    def _frame(self, artifact: Artifact | None, batch_id: str, entries: Mapping[int, RejectedRow]) -> pl.DataFrame:
        import polars as pl

        places = pl.DataFrame(
            {ID: list(entries), ROW: [entry.row for entry in entries.values()]},
            schema={ID: pl.Int64, ROW: pl.Int64},
        )
        rows = places[ROW].to_list()
        if artifact:
            self.lake.raw.verify(artifact.sha256)
            frame = self.stager.read(artifact, rows)
        else:
            frame = self._from_batch(batch_id, rows)
        if not frame.height:
            return pl.DataFrame()
        numbered = frame.with_columns(pl.col(ROW).cast(pl.Int64))
        return places.join(numbered, on=ROW, maintain_order="right")

    def _from_batch(self, batch_id: str, rows: list[int]) -> pl.DataFrame:
        import polars as pl

        batch = self.lake.staging.load(batch_id)
        if batch is None:
            raise BackhaulError(
                f"batch {batch_id} is gone from staging", next_step="Rebuild it with `backhaul replay`."
            )
        frames = [frame.filter(pl.col(ROW).is_in(rows)) for frame in batch.frames()]
        return pl.concat(frames) if frames else pl.DataFrame()
