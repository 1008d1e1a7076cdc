"""The search index passes the contract of destinations."""

from pathlib import Path

import polars as pl

from backhaul.model import Changes, Destination, Stream
from backhaul.search import PriceColumns, SearchIndex
from backhaul.testing import DestinationContract
from tests.destinations.killing import kill_in_write


class TestSearchIndex(DestinationContract):
    can_be_cut = True

    def destination(self, folder: Path) -> Destination:
        return SearchIndex(str(folder / "index.db"), columns=PriceColumns(code="id", name="id"))

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        assert isinstance(destination, SearchIndex)
        rows = destination.read()
        return pl.DataFrame() if rows is None else rows.sort(stream.key)

    def fingerprint(self, destination: Destination) -> object:
        assert isinstance(destination, SearchIndex)
        folder = destination.file.parent
        return [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*index.db*")]

    def cut_write(self, destination: Destination, stream: Stream, changes: Changes) -> None:
        kill_in_write(destination, stream, changes)
