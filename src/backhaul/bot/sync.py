"""/sync: an owner has the pipeline run, and sees in one message how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

from backhaul.bot.cards import packed
from backhaul.bot.progress import SyncProgress, already_running, interrupted, not_done
from backhaul.engine.events import Subscriber
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import AlreadyRunning, BackhaulError
from backhaul.languages import Translator

EDIT_EVERY_S = 1.5
GIVEN_UP_AFTER_S = 4.0
"""How long the end of the bot waits for a step of the run; the chat is told of the interruption then."""


class Messages(Protocol):
    """What a sync does with Telegram; see Line."""

    async def send(self, chat: int, html: str, *, topic: int | None = None) -> int:
        """Send a message; return its number."""

    async def edit(self, chat: int, message: int, html: str) -> None:
        """Replace a message's text."""


class Sync:
    """Runs one pipeline, one run at a time: of this process, and of all others by the pipeline's lock."""

    def __init__(
        self,
        target: Target,
        installation: Installation,
        line: Messages,
        words: Translator,
        tell: Callable[[str], None],
        edit_every_s: float = EDIT_EVERY_S,
    ) -> None:
        self._target = target
        self._installation = installation
        self._line = line
        self._words = words
        self._tell = tell
        self._edit_every_s = edit_every_s
        self._stopped = threading.Event()
        self._stopped_at = 0.0

    def stop(self) -> None:
        """Interrupt what runs, at its next step."""
        self._stopped_at = time.monotonic()
        self._stopped.set()

    async def run(self, chat: int, topic: int | None, *, is_private: bool) -> None:
        """Run the pipeline and tell it in a chat; where others read along, without warnings: they may speak of costs.

        What the run says of itself it says in the ledger too; a chat that does not hear it is no failure of the run.
        """
        progress = SyncProgress(self._words, self._stopped.is_set)
        message: int | None = None
        with contextlib.suppress(BackhaulError):
            message = await self._line.send(chat, progress.text(), topic=topic)
        otherwise = interrupted(self._words)
        work = _in_a_thread(lambda: self._outcome(progress, with_warnings=is_private), otherwise)
        shown = progress.text()
        while not work.done() and not self._is_given_up():
            await asyncio.wait([work], timeout=self._edit_every_s)
            if not work.done() and message is not None and progress.text() != shown:
                shown = progress.text()
                with contextlib.suppress(BackhaulError):
                    await self._line.edit(chat, message, shown)
        try:
            first, *others = packed([work.result() if work.done() else otherwise])
            if message is None:
                await self._line.send(chat, first, topic=topic)
            else:
                await self._line.edit(chat, message, first)
            for part in others:
                await self._line.send(chat, part, topic=topic)
        except BackhaulError as error:
            self._tell(f"the result of a sync was not told: {error}")

    def _is_given_up(self) -> bool:
        return self._stopped.is_set() and time.monotonic() - self._stopped_at > GIVEN_UP_AFTER_S

    def _outcome(self, progress: SyncProgress, *, with_warnings: bool) -> str:
        """Run the pipeline; return what came of it, in words."""
        try:
            with ours_alone(self._target.name):
                result = self._result(progress)
        except AlreadyRunning:
            return already_running(self._words)
        except KeyboardInterrupt:
            return interrupted(self._words)
        except BackhaulError as error:
            self._tell(f"sync of {self._target.name} was not possible: {error}")
            return not_done(error, self._words)
        self._tell(f"sync of {self._target.name}: {result.status} in {result.seconds:.1f} s")
        return progress.result(result, with_warnings=with_warnings)

    def _result(self, subscriber: Subscriber) -> RunResult:
        return run_pipeline(self._target, self._installation, RunOptions(), [subscriber])


def _in_a_thread(work: Callable[[], str], otherwise: str) -> asyncio.Future[str]:
    """Begin work in a thread that does not keep the process from ending; return its result to come."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[str] = loop.create_future()

    def settle(value: str) -> None:
        if not result.done():
            result.set_result(value)

    def run() -> None:
        value = otherwise
        try:
            value = work()
        finally:
            # The loop may have been closed meanwhile: then nobody waits for the result.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, value)

    threading.Thread(target=run, name="sync", daemon=True).start()
    return result
