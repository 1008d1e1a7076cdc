"""Batches made from frames, as staging would make them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.lake import StagingArea
from backhaul.lake.staging import keyed
from backhaul.model import ROW, Artifact, Batch, Fetched, Landing, Session, Stream, Vault, Window

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class NoSource:
    """A source without an outside, for streams whose batches come from a BatchMaker."""

    name: str = "no source"
    parallel: int = 1

    def open(self, vault: Vault) -> Session:
        """Not for use."""
        raise NotImplementedError

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Not for use."""
        raise NotImplementedError

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Not for use."""
        raise NotImplementedError


@dataclass
class BatchMaker:
    """Makes batches of one stream below folder, each with a fresh id."""

    folder: Path
    key: tuple[str, ...] = ("id",)
    table: str = "orders"
    complete: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def stream(self) -> Stream:
        """The stream that the batches belong to."""
        return Stream(name=self.table, source=NoSource(), request=None, key=self.key, complete=self.complete)

    def batch(self, *frames: pl.DataFrame) -> Batch:
        """Return a staged batch with the rows of frames, one part for each."""
        staging = StagingArea(self.folder)
        writer = staging.writer(f"batch-{next(self._numbers)}", self.table, self.key, "Asia/Jakarta")
        rows = 0
        for frame in frames:
            writer.add(keyed(frame.with_row_index(ROW, offset=rows + 1), self.key, self.table))
            rows += frame.height
        return writer.finish(0)
