"""Contract suites for authors of sources and destinations, and what tests need to use them."""

import pytest

# So that a failed assertion of a suite shows its values; it has to be said before the suites are imported.
pytest.register_assert_rewrite(
    "backhaul.testing.destinations", "backhaul.testing.lasting", "backhaul.testing.sources"
)

from backhaul.testing.batches import BatchMaker  # noqa: E402
from backhaul.testing.destinations import DestinationContract  # noqa: E402
from backhaul.testing.sources import SourceContract  # noqa: E402

__all__ = ["BatchMaker", "DestinationContract", "SourceContract"]
