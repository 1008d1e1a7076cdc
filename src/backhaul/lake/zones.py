"""The lake of one installation: a folder with a subfolder for each zone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from backhaul.lake.landing import LandingFolder
from backhaul.lake.raw import RawStore
from backhaul.lake.staging import StagingArea


@dataclass(frozen=True)
class Lake:
    """The zones below root; folders appear when something is put into them."""

    root: Path

    def landing(self, pipeline: str, stream: str) -> LandingFolder:
        """Return the landing folder of one stream; only the pipeline's lock holder may use it."""
        return LandingFolder(self.root / "landing" / pipeline / stream)

    def clear_landing(self, pipeline: str) -> None:
        """Remove what an interrupted run of this pipeline left in landing: never kept, it is fetched anew."""
        shutil.rmtree(self.root / "landing" / pipeline, ignore_errors=True)

    @property
    def raw(self) -> RawStore:
        """The kept files."""
        return RawStore(self.root / "raw")

    @property
    def staging(self) -> StagingArea:
        """The batches."""
        return StagingArea(self.root / "staging")
