"""The zones on disk: landing, raw, staging. Whatever is in them is whole."""

from backhaul.lake.landing import LandingFolder
from backhaul.lake.opened import OpenedFolder
from backhaul.lake.raw import RawStore
from backhaul.lake.staging import BatchWriter, StagingArea
from backhaul.lake.zones import Lake

__all__ = ["BatchWriter", "Lake", "LandingFolder", "OpenedFolder", "RawStore", "StagingArea"]
