"""The lake of one installation: a folder with a subfolder for each zone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import ConfigError
from backhaul.lake.landing import LandingFolder
from backhaul.lake.opened import OpenedFolder
from backhaul.lake.raw import RawStore
from backhaul.lake.staging import StagingArea
from backhaul.model import Stream

if TYPE_CHECKING:
    from backhaul.sealing import Seal


@dataclass(frozen=True)
class Lake:
    """The zones below root; folders appear when something is put into them.

    What is sealed is opened with `seal`, whoever reads; with `is_private`, what is put in is sealed.
    """

    root: Path
    seal: Seal | None = field(default=None, repr=False)
    is_private: bool = False

    def of(self, stream: Stream) -> Lake:
        """Return the lake as it is for one stream: that of a personal one seals what is put in.

        Raises ConfigError for a personal stream where no key is set.
        """
        if not stream.personal:
            return replace(self, is_private=False)
        if self.seal is None:
            from backhaul.sealing import MAKE_A_KEY

            raise ConfigError(
                f"{stream.name}: personal=True keeps its files encrypted, and no key is set; nothing was started",
                next_step=MAKE_A_KEY,
            )
        return replace(self, is_private=True)

    def landing(self, pipeline: str, stream: str) -> LandingFolder:
        """Return the landing folder of one stream; only the pipeline's lock holder may use it."""
        return LandingFolder(self.root / "landing" / pipeline / stream)

    def clear_landing(self, pipeline: str) -> None:
        """Remove what an interrupted run of this pipeline left in landing: never kept, it is fetched anew.

        The part of a large file that was cut off stays for some days: the next run goes on with it. What any killed
        process had opened of sealed files is removed as well.
        """
        folder = self.root / "landing" / pipeline
        with contextlib.suppress(OSError):
            for stream in folder.iterdir():
                LandingFolder(stream).clear()
            folder.rmdir()
        self.opened.clear()

    @property
    def opened(self) -> OpenedFolder:
        """Private folders for a moment's work in the clear."""
        return OpenedFolder(self.root / "opened")

    @property
    def raw(self) -> RawStore:
        """The kept files."""
        return RawStore(self.root / "raw", self.seal, self.is_private)

    @property
    def staging(self) -> StagingArea:
        """The batches."""
        return StagingArea(self.root / "staging", self.seal, self.is_private)
