"""Every destination passes the contract."""

import hashlib
from pathlib import Path

import polars as pl

from backhaul.destinations import Warehouse
from backhaul.model import Destination, Stream
from backhaul.testing import DestinationContract


class TestWarehouse(DestinationContract):
    def destination(self, folder: Path) -> Destination:
        return Warehouse(str(folder / "warehouse.db"))

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        assert isinstance(destination, Warehouse)
        frames = list(destination.read(stream.target))
        return pl.concat(frames).sort(stream.key) if frames else pl.DataFrame()

    def fingerprint(self, destination: Destination) -> object:
        assert isinstance(destination, Warehouse)
        path = Path(str(destination.path))
        beside = sorted(each.name for each in path.parent.glob("warehouse.db*"))
        return beside, path.exists() and (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
