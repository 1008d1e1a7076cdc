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

OURS = (
    *(
        "ADVANCE_",
        "ALLOWED_",
        "APPRISE_",
        "BACKEND_",
        "BACKHAUL_",
        "CREDENTIALS_",
        "CSV_",
        "DISABLE_",
        "DROPBOX_",
        "GOOGLE_",
    ),
    *("LEAD_", "LOG_LEVEL", "LOGGER_", "MAX_CSV_", "MESSAGE_", "MONGO", "OWNER_", "PHONE_", "PRACTICE_", "RENDER_"),
    *("SALES_", "SEARCH_", "SHEET_", "STUDENTS_", "TELEGRAM_", "UNIQ_", "WHATSAPP_"),
)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the settings of whoever runs the tests; CHROME_BIN stays: it tells where Chromium is."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


def browser_is_there() -> bool:
    """Return whether the product finds a Chromium here."""
    from backhaul.sessions.chromium import find_chromium

    return find_chromium(headless=True) is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests out that need a Chromium or a PostgreSQL where there is none, and say so."""
    from tests import postgres

    needs = {"browser": ("Chromium", browser_is_there), "postgres": ("PostgreSQL", postgres.is_there)}
    for marker, (what, is_there) in needs.items():
        chosen = [item for item in items if item.get_closest_marker(marker)]
        if chosen and not is_there():
            print(f"No {what}: {len(chosen)} tests are left out.", file=sys.stderr)
            config.hook.pytest_deselected(items=chosen)
            items[:] = [item for item in items if item not in chosen]
