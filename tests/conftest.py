"""What holds for every test: nobody's settings leak in, and property tests give the same result each time.

The network is closed except for the loopback addresses (`--allow-hosts` in pyproject.toml), and every
warning is an error.
"""

import os
import sys

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")

OURS = ("BACKEND_", "BACKHAUL_", "SHEET_", "TELEGRAM_")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the settings of whoever runs the tests; CHROME_BIN stays: it tells where Chromium is."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)


def browser_is_there() -> bool:
    """Return whether the product finds a Chromium here."""
    from backhaul.sessions.chromium import find_chromium

    return find_chromium(headless=True) is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests marked `browser` out where there is no Chromium, and say so."""
    chosen = [item for item in items if item.get_closest_marker("browser")]
    if chosen and not browser_is_there():
        print(f"No Chromium: {len(chosen)} browser tests are left out.", file=sys.stderr)
        config.hook.pytest_deselected(items=chosen)
        items[:] = [item for item in items if item not in chosen]
