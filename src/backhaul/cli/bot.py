"""`bot`: the shop's bot, until Ctrl-C."""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import datetime
from importlib.util import find_spec

from backhaul.bot.declared import find_bot
from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home
from backhaul.errors import ConfigError

NEEDED = ("telegram", "tornado", "aiolimiter")
"""What the extra `telegram` brings."""

LAST_STEPS_S = 2.0


def run_bot(output: Output, name: str | None, *, webhook: str | None, listen: str | None) -> None:
    """Run the bot of a system, or the only one; what happens is told on stderr, a line each.

    Raises ConfigError for what must be put right before it can start.
    """
    if missing := [package for package in NEEDED if find_spec(package) is None]:
        raise ConfigError(
            f"the bot needs python-telegram-bot with all it uses; not installed: {', '.join(missing)}",
            next_step='pip install "backhaul[telegram]"',
        )
    from backhaul.bot.service import Mode, run

    declared = find_bot(home() / "systems", name)

    def tell(line: str) -> None:
        said_at = datetime.now().astimezone()
        if output.json:
            output.line({"at": said_at.isoformat(timespec="seconds"), "bot": declared.system, "said": line})
        else:
            output.progress(f"{said_at:%Y-%m-%d %H:%M:%S} {declared.system}: {line}")

    run(declared, installation(), Mode(webhook=webhook, listen=listen), tell)
    _leave_threads_behind()


def _leave_threads_behind() -> None:
    """End the process where a thread would keep it: a long step of a sync, which the next run does again."""
    until = time.monotonic() + LAST_STEPS_S
    # Those of a pool keep it even where they are daemons.
    while others := [each for each in threading.enumerate() if each is not threading.main_thread()]:
        if time.monotonic() > until:
            sys.stderr.flush()
            os._exit(0)
        others[0].join(0.1)
