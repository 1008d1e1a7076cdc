"""Contract suites for authors of sources and destinations, and what tests need to use them."""

from backhaul.testing.batches import BatchMaker
from backhaul.testing.destinations import DestinationContract
from backhaul.testing.sources import SourceContract

__all__ = ["BatchMaker", "DestinationContract", "SourceContract"]
