from collections.abc import Iterator
from pathlib import Path

import pytest

from backhaul.sandbox import SandboxTelegram
from tests.bot.place import Shop

pytest.importorskip("telegram")


@pytest.fixture
def telegram() -> Iterator[SandboxTelegram]:
    with SandboxTelegram() as sandbox:
        yield sandbox


@pytest.fixture
def shop(tmp_path: Path, telegram: SandboxTelegram) -> Shop:
    return Shop(tmp_path, telegram)
