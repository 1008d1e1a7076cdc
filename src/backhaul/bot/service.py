"""Runs a shop's bot, from its start to Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from backhaul.bot.answers import menu
from backhaul.bot.clerk import Clerk
from backhaul.bot.declared import DeclaredBot
from backhaul.bot.desk import Desk
from backhaul.bot.floods import Pace
from backhaul.bot.line import Line
from backhaul.bot.people import People, Role
from backhaul.bot.polling import Outage, Patience, Take, insist, poll
from backhaul.bot.shop_bot import ShopBot
from backhaul.bot.sync import EDIT_EVERY_S, Sync
from backhaul.bot.web_server import served
from backhaul.bot.webhook import Hook, listening
from backhaul.config import resolved, text
from backhaul.engine.ledger.bot import BotDesk
from backhaul.engine.run import Installation
from backhaul.errors import BackhaulError
from backhaul.languages import Translator
from backhaul.search.vocabulary import matcher

T = TypeVar("T")

GRACE_S = 8.0
"""How long the end waits for what is being answered."""


@dataclass(frozen=True)
class Mode:
    """How the bot hears of updates: it polls, or with `webhook` (a public address) they are sent to `listen`.

    With `listen` (HOST:PORT) alone it polls, and answers `/healthz` there.
    """

    webhook: str | None = None
    listen: str | None = None
    patience: Patience = field(default_factory=Patience)
    pace: Pace = field(default_factory=Pace)
    edit_every_s: float = EDIT_EVERY_S


@dataclass
class Running:
    """What a caller sees of a bot that runs: the port of its web server, 0 where there is none."""

    port: int = 0
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(
    declared: DeclaredBot,
    installation: Installation,
    mode: Mode,
    tell: Callable[[str], None],
    stop: asyncio.Event,
    running: Running | None = None,
) -> None:
    """Answer people until stop is set. Outages of Telegram are waited out.

    Raises ConfigError for what a person must put right (before anything else, where it can be seen then), and
    AlreadyRunning where another process polls with the same token.
    """
    running = running or Running()
    bot = resolved(declared.bot, installation.settings)
    people, words = _checked(bot, tell)
    hook = Hook.at(mode.webhook, text(bot.token)) if mode.webhook else None
    place = listening(mode.listen or "127.0.0.1:8443") if hook or mode.listen else None
    async with AsyncExitStack() as stack:
        line = Line(text(bot.token), text(bot.api_url))
        stack.push_async_callback(line.close)
        ledger, clerk = BotDesk.of(installation.ledger, line.id), Clerk(bot, declared.target, installation)
        sync = Sync(declared.target, installation, line, words, tell, mode.edit_every_s)
        desk = Desk(line=line, clerk=clerk, people=people, ledger=ledger, sync=sync, tell=tell, pace=mode.pace)
        stack.push_async_callback(desk.close, GRACE_S)
        stack.callback(sync.stop)
        if place is not None:
            # From the start on: it tells how the catalogue is also while Telegram is out of reach.
            web = served(*place, take=_told(desk.take, Outage(tell)), hook=hook, health=desk.health)
            stack.push_async_callback(web.close)
            running.port = web.port
        post = _Post(line, desk, hook, people, words, mode.patience, tell, running)
        await _unless(stop, post.answer())
    tell("stopped")


@dataclass(frozen=True)
class _Post:
    """A bot that is ready to hear of updates."""

    line: Line
    desk: Desk
    hook: Hook | None
    people: People
    words: Translator
    patience: Patience
    tell: Callable[[str], None]
    running: Running

    async def answer(self) -> None:
        """Hear updates until it is cancelled. Raises as `serve` does."""
        outage = Outage(self.tell)
        self.desk.username = await insist(self.line.username, outage, self.patience)
        menus = asyncio.create_task(self._set_menus())
        try:
            await self._hear(outage)
        finally:
            menus.cancel()
            await asyncio.gather(menus, return_exceptions=True)

    async def _hear(self, outage: Outage) -> None:
        line, hook, name = self.line, self.hook, self.desk.username
        if hook is not None:
            await insist(lambda: line.set_webhook(hook.url, hook.secret), outage, self.patience)
            self.tell(f"@{name} answers; Telegram sends to port {self.running.port}")
            self.running.is_ready.set()
            await asyncio.Event().wait()
        if await insist(line.take_down_webhook, outage, self.patience):
            self.tell("the webhook of this bot was taken down: this process polls in its place")
        self.tell(f"@{name} answers; it polls")
        self.running.is_ready.set()
        await poll(line, self.desk.take, self.tell, self.patience)

    async def _set_menus(self) -> None:
        """Set the menus of commands; owners have one more, once they have written to the bot."""
        try:
            await self.line.set_commands(menu(Role.STAFF, self.words))
        except BackhaulError as error:
            self.tell(f"the menu of commands was not set: {error}")
        for owner in sorted(self.people.owners):
            with suppress(BackhaulError):
                await self.line.set_commands(menu(Role.OWNER, self.words), owner)


def _checked(bot: ShopBot, tell: Callable[[str], None]) -> tuple[People, Translator]:
    """Return who may ask and in which language; say so where nobody may.

    Raises ConfigError for a wrong setting, and for what the search lacks.
    """
    matcher()
    people, words, _ = bot.people, bot.words, bot.most_results
    if people.is_empty:
        tell("ALLOWED_USERS and OWNER_USERS are empty: nobody gets an answer")
    return people, words


def _told(take: Take, outage: Outage) -> Take:
    """Return take such that updates that cannot be taken are told, once: Telegram, which sends them, tells nobody."""

    async def taken(updates: list[dict[str, Any]]) -> None:
        try:
            await take(updates)
        except BackhaulError as error:
            outage.begins(error)
            raise
        outage.ends()

    return taken


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what work gives, or None if stop is set before."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


def run(declared: DeclaredBot, installation: Installation, mode: Mode, tell: Callable[[str], None]) -> None:
    """Answer people until Ctrl-C or SIGTERM; raises as `serve` does."""

    async def until_a_signal() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        with _on_signals(lambda: loop.call_soon_threadsafe(stop.set)):
            await serve(declared, installation, mode, tell, stop)

    asyncio.run(until_a_signal())


@contextmanager
def _on_signals(act: Callable[[], object]) -> Iterator[None]:
    """Have the first Ctrl-C or SIGTERM act; a second one does what it does else."""
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    before = {
        number: signal.getsignal(number) for number in (getattr(signal, name, None) for name in names) if number
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def heard(_number: int, _frame: object) -> None:
        restore()
        act()

    for number in before:
        signal.signal(number, heard)
    try:
        yield
    finally:
        restore()
