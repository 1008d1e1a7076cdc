"""`doctor` looks at the bot too."""

import subprocess
import sys

import pytest

from tests.bot.place import Shop, environment


def found_by_doctor(shop: Shop) -> str:
    """Return what doctor says of the bot, in one line."""
    found = subprocess.run(
        [sys.executable, "-m", "backhaul", "doctor"],
        env={**environment(shop), "BACKHAUL_HOME": str(shop.folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shop.telegram.token not in found.stdout + found.stderr
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    return next(line for line in lines if line.split()[1:2] == ["bot"])


def test_a_bot_that_telegram_knows_is_named(shop):
    shop.filled()

    assert found_by_doctor(shop) == "PASS bot @sandbox_bot, 3 products; 3 people may ask, of them 1 owner"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TELEGRAM_BOT_TOKEN", f"12345678:{'A' * 34}", "Telegram does not know this bot's token"),
        ("TELEGRAM_API_URL", "http://127.0.0.1:9", "cannot be reached"),
        ("ALLOWED_USERS", "ani", "ALLOWED_USERS: 'ani' is not the id"),
    ],
)
def test_what_keeps_the_bot_from_answering_is_told(shop, name, value, said):
    shop.filled().settings[name] = value

    line = found_by_doctor(shop)

    assert line.startswith("WARN") and said in line
