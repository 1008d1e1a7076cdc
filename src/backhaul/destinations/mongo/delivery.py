"""One delivery into one collection: compare, write chunk by chunk, mark what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from backhaul.destinations.mongo.decide import Occasion, decide
from backhaul.destinations.mongo.find import find, gone, refuse_numbers
from backhaul.destinations.mongo.indexes import Index, make_indexes
from backhaul.destinations.mongo.shape import OWN, Row, Shape
from backhaul.destinations.mongo.values import stored
from backhaul.destinations.mongo.write import ChunkWriter, Tally
from backhaul.model import REMOVED_AT, Batch, Changes, Counts, Rejected, RowClass

if TYPE_CHECKING:
    import polars as pl

CHUNK_ROWS = 1_000
CHUNK_BYTES = 32_000_000


@dataclass(frozen=True)
class Delivery:
    """The calls of one compare or write of a batch into `collection`, which is pymongo's."""

    collection: Any
    shape: Shape
    batch: Batch
    occasion: Occasion

    def compare(self) -> Changes:
        """Return the class of each row; reads only."""
        import polars as pl

        refuse_numbers(self.collection, self.shape)
        classes: list[int] = []
        refused: list[Rejected] = []
        for frame in _chunks(self.batch.frames()):
            rows = list(self.shape.rows(frame))
            there = find(self.collection, self.shape, [row for row in rows if isinstance(row, Row)])
            for row in rows:
                if isinstance(row, Rejected):
                    kind, reason = RowClass.REFUSED, row.check
                else:
                    decision = decide(self.shape, row, there.get(row.key), self.occasion)
                    kind, reason = decision.kind, decision.refusal
                classes.append(int(kind))
                if kind is RowClass.REFUSED:
                    refused.append(Rejected(row.row if isinstance(row, Rejected) else row.number, reason))
        removed = sum(1 for _ in gone(self.collection, self.shape, self._keys())) if self._marks else 0
        return Changes(self.batch, pl.Series(classes, dtype=pl.UInt8), tuple(refused), removed)

    def write(self, changes: Changes, indexes: Iterable[Index]) -> tuple[Counts, tuple[Rejected, ...]]:
        """Make the changes; return what was done for this batch, by this call and by earlier ones.

        The rows that the server has refused only now are counted, and returned.
        """
        refuse_numbers(self.collection, self.shape)
        make_indexes(self.collection, self.shape.key, indexes, f"{self.shape.name}: {self.collection.full_name}")
        writer = ChunkWriter(self.collection, self.shape, self.occasion, self._has_transactions())
        tally = Tally()
        for frame in _chunks(chain(changes.rows(RowClass.NEW), changes.rows(RowClass.UPDATED))):
            rows = list(self.shape.rows(frame))
            tally.refused += [row for row in rows if isinstance(row, Rejected)]
            tally.counts[RowClass.REFUSED] += sum(isinstance(row, Rejected) for row in rows)
            tally += writer.write([row for row in rows if isinstance(row, Row)])
        found = changes.counts
        counts = Counts(
            new=tally.counts[RowClass.NEW],
            updated=tally.counts[RowClass.UPDATED],
            unchanged=found.unchanged + tally.counts[RowClass.UNCHANGED],
            duplicate=found.duplicate,
            rejected=found.rejected + tally.counts[RowClass.REFUSED],
            removed=self._mark_gone() if self._marks else 0,
        )
        return counts, tuple(tally.refused)

    @property
    def _marks(self) -> bool:
        return self.shape.is_complete and not self.occasion.update_only

    def _keys(self) -> set[tuple[str, ...]]:
        """Return all keys of the batch, those of refused rows too."""
        keys = (frame.select(self.shape.key_columns).rows() for frame in self.batch.frames())
        return set(chain.from_iterable(keys))

    def _mark_gone(self) -> int:
        """Mark the documents that a complete batch lacks; return how many this batch has marked, by now."""
        own = {
            REMOVED_AT: stored(self.occasion.now),
            f"{OWN}.removed_by": self.batch.id,
            f"{OWN}.updated_at": stored(self.occasion.now),
        }
        ids = gone(self.collection, self.shape, self._keys())
        while chunk := list(islice(ids, CHUNK_ROWS)):
            self.collection.update_many({"_id": {"$in": chunk}, REMOVED_AT: None}, {"$set": own})
        marked = {f"{OWN}.removed_by": self.batch.id, REMOVED_AT: {"$ne": None}}
        return int(self.collection.count_documents(marked))

    def _has_transactions(self) -> bool:
        said = self.collection.database.client.admin.command("hello")
        return ("setName" in said or said.get("msg") == "isdbgrid") and "logicalSessionTimeoutMinutes" in said


def _chunks(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for frame in frames:
        fitting = CHUNK_BYTES * frame.height // max(1, frame.estimated_size())
        yield from frame.iter_slices(int(max(1, min(CHUNK_ROWS, fitting))))
