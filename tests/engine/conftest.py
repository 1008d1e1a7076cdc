from collections.abc import Iterator
from pathlib import Path

import pytest

from backhaul.sandbox import SandboxBackOffice
from tests.engine.place import Place


@pytest.fixture
def office() -> Iterator[SandboxBackOffice]:
    with SandboxBackOffice() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, office: SandboxBackOffice) -> Place:
    return Place(tmp_path, office)
