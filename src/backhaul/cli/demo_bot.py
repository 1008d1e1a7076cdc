"""The demo's bot: two people of the shop ask it, and it answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backhaul.engine.run import Installation
from backhaul.errors import BackhaulError
from backhaul.sandbox.outside import OWNER, STAFF, Outside

START_S = 20.0
QUESTIONS = (
    (STAFF, "Sari (staff)", "minyak grg 1 liter"),
    (STAFF, "Sari (staff)", "sabn colek jeruk"),
    (OWNER, "Hadi (owner)", "sabn colek jeruk"),
    (OWNER, "Hadi (owner)", "/perubahan"),
)


@dataclass(frozen=True)
class Said:
    """One question and its answer."""

    who: str
    question: str
    answer: str


def conversation(folder: Path, here: Installation, outside: Outside) -> list[Said]:
    """Start the bot of system B and ask it the questions of the demo. Raises BackhaulError if it does not answer."""
    said = []
    with _answering(folder, here):
        for user, who, question in QUESTIONS:
            before = len(outside.telegram.messages(user))
            outside.telegram.ask(user, question)
            answers = outside.telegram.wait_for(before + 1, user)
            said.append(Said(who, question, answers[before].text))
    return said


@contextmanager
def _answering(folder: Path, here: Installation) -> Iterator[None]:
    """Let the bot run in a thread of its own; it is an asyncio program."""
    from backhaul.bot.declared import find_bot
    from backhaul.bot.service import Mode, Running, serve

    declared, is_ready = find_bot(folder / "systems", "toko"), threading.Event()
    end: list[Callable[[], object]] = []

    async def serving() -> None:
        loop, stop, running = asyncio.get_running_loop(), asyncio.Event(), Running()
        end.append(lambda: loop.call_soon_threadsafe(stop.set))
        waiting = asyncio.create_task(running.is_ready.wait())
        waiting.add_done_callback(lambda _: is_ready.set())
        await serve(declared, here, Mode(), lambda line: None, stop, running)

    with ThreadPoolExecutor(1, thread_name_prefix="bot") as pool:
        done = pool.submit(asyncio.run, serving())
        try:
            if not is_ready.wait(START_S):
                raise BackhaulError("the bot of system toko did not begin to answer")
            yield
        finally:
            for each in end:
                each()
            done.result()
