from collections.abc import Iterator
from pathlib import Path

import pytest

from backhaul.sandbox import SandboxBackOffice
from tests.cli.shop import Shop


@pytest.fixture
def office() -> Iterator[SandboxBackOffice]:
    with SandboxBackOffice() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, office: SandboxBackOffice) -> Shop:
    return Shop.at(tmp_path, office)


@pytest.fixture
def bare(tmp_path: Path) -> Shop:
    """An empty folder without any settings."""
    return Shop(tmp_path, {})
