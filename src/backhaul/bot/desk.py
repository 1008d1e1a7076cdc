"""Where updates arrive: each is taken once, by one process, and answered in the order of its chat.

An update is taken in the ledger before it is answered. A process that is killed in between leaves that question
without an answer, and the person asks again; no question is answered twice, however often Telegram sends it and
however many processes serve. What cannot be taken, because the ledger does not answer, stays with Telegram.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from backhaul.bot import answers
from backhaul.bot.answers import Answer
from backhaul.bot.clerk import Asker, Clerk, Health
from backhaul.bot.floods import Floods, Pace, Verdict
from backhaul.bot.heard import Pressed, Said, heard, number_of
from backhaul.bot.line import Button, Line
from backhaul.bot.people import People, Role
from backhaul.bot.sync import Sync
from backhaul.engine.ledger.bot import BotDesk
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import BackhaulError

T = TypeVar("T")

THREADS = 8
MOST_AT_ONCE = 64
"""So many updates are in work; others wait, with Telegram or at its door."""

REFUSED_AGAIN_AFTER_S = 3600.0
CLEARED_EVERY_S = 3600.0
MOST_STRANGERS = 10_000
LONGEST_QUESTION_KEPT = 200
"""Letters of a question that a button remembers: the search reads hardly more."""


class Desk:
    """Takes updates and has them answered; `username` is what people call the bot by in groups."""

    def __init__(
        self,
        *,
        line: Line,
        clerk: Clerk,
        people: People,
        ledger: BotDesk,
        sync: Sync,
        tell: Callable[[str], None],
        pace: Pace,
    ) -> None:
        self.username = ""
        self._line = line
        self._clerk = clerk
        self._people = people
        self._ledger = ledger
        self._sync = sync
        self._tell = tell
        self._floods = Floods(pace)
        self._strangers: OrderedDict[int, float] = OrderedDict()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bot")
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._cleared_at = -CLEARED_EVERY_S

    async def take(self, updates: list[dict[str, Any]]) -> None:
        """Take updates over and have those answered that nobody has taken before; waits while too many are in work.

        Raises BackhaulError if the ledger does not answer: nothing of them is taken then.
        """
        while len(self._tasks) >= MOST_AT_ONCE:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        # Once begun it goes on to its end: what is taken and not answered would be lost.
        await asyncio.shield(self._begun(self._take(updates)))

    async def health(self) -> Health:
        """Return how the catalogue is."""
        return await self._threaded(self._clerk.health)

    async def close(self, grace_s: float) -> None:
        """Wait so long for what is being answered, then leave it."""
        until = time.monotonic() + grace_s
        while self._tasks and (left_s := until - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _take(self, updates: list[dict[str, Any]]) -> None:
        numbers = [number for number in map(number_of, updates) if number is not None]
        mine = await self._threaded(lambda: self._ledger.take(numbers))
        for update in updates:
            number = number_of(update)
            if number in mine:
                mine.discard(number)
                self._begun(self._guarded("an answer", partial(self._in_turn, update)))
        await self._clear()

    def _begun(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin work that the end waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Looked at here too: whoever waited for it may have been ended before.
            task.exception()

    async def _guarded(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do work; what goes wrong is told in one line, without a word of what was asked."""
        try:
            with ours_alone(name):
                await work()
        except BackhaulError as error:
            self._tell(f"{name} was not given: {error}")

    async def _in_turn(self, update: dict[str, Any]) -> None:
        """Answer one update, when what came before it in its chat is answered."""
        what = heard(update)
        if what is None or (isinstance(what, Said) and what.command(self.username) == ("", "")):
            return
        asker = self._asker(what)
        # Before its turn, for which it may have to wait: a flood takes no place in the queue from others.
        verdict = self._judged(what, asker)
        if verdict is Verdict.IGNORED:
            return
        # Who writes twice gets the answers in that order.
        turn = self._turns.setdefault(what.chat, asyncio.Lock())
        async with turn:
            if isinstance(what, Said):
                await self._said(what, asker, verdict)
            else:
                await self._pressed(what, asker, verdict)

    def _judged(self, what: Said | Pressed, asker: Asker) -> Verdict:
        if asker.role is Role.STRANGER and isinstance(what, Said):
            return Verdict.TOLD_OFF if self._is_refused_anew(asker.user) else Verdict.IGNORED
        return self._floods.judge(asker.user)

    async def _said(self, said: Said, asker: Asker, verdict: Verdict) -> None:
        command = said.command(self.username)
        if asker.role is Role.STRANGER:
            self._tell("somebody who is on no list was refused")
            await self._send(said, answers.refusal(said.user, self._clerk.words))
        elif verdict is Verdict.TOLD_OFF:
            await self._send(said, answers.too_fast(self._floods.wait_s(asker.user), self._clerk.words))
        elif command is None:
            await self._question(said, said.question(self.username), asker)
        elif command[0] == "cari" and command[1]:
            await self._question(said, command[1], asker)
        elif command[0] == "sync":
            await self._synchronised(said, asker)
        else:
            await self._send(said, await self._looked_up(asker, lambda: self._clerk.command(command[0], asker)))

    async def _question(self, said: Said | Pressed, query: str, asker: Asker, skip: int = 0) -> None:
        if not query and not asker.is_private:
            # Pictures and the like are what groups are for.
            return
        began = time.monotonic()
        answer = await self._looked_up(asker, lambda: self._clerk.products(query, asker, skip))
        looked_s = time.monotonic() - began
        await self._send(said, answer, query)
        self._tell(f"answered in {looked_s * 1000:.0f} ms, {len(answer.messages)} messages")

    async def _looked_up(self, asker: Asker, work: Callable[[], Answer]) -> Answer:
        """Return the clerk's answer; where there is none, that it did not work: nobody is left waiting."""

        def guarded() -> Answer:
            with ours_alone("a question"):
                return work()

        try:
            return await self._threaded(guarded)
        except BackhaulError as error:
            self._tell(f"a question could not be answered: {error}")
            return self._clerk.failed(error, asker)

    async def _synchronised(self, said: Said, asker: Asker) -> None:
        if asker.role is not Role.OWNER:
            await self._send(said, answers.owners_only(self._clerk.words))
            return
        # In a task of its own: meanwhile the owner may ask what things cost.
        run = partial(self._sync.run, said.chat, said.topic, is_private=said.is_private)
        self._begun(self._guarded("the account of a sync", run))

    async def _pressed(self, pressed: Pressed, asker: Asker, verdict: Verdict) -> None:
        """Answer a button by the role of whoever has pressed it."""
        words = self._clerk.words
        if asker.role is Role.STRANGER or verdict is Verdict.TOLD_OFF:
            refused = words.say("Sorry, this bot answers only the people of the shop.")
            told = refused if asker.role is Role.STRANGER else words.say("That was a lot at once. Wait a little.")
            await self._line.answer(pressed.query, told, is_alert=True)
            return
        now = datetime.now(UTC)
        facts = await self._threaded(lambda: self._ledger.press(pressed.chat, pressed.button, now))
        expired = words.say("This button is no longer valid. Send your question again.")
        # Where these two fail, the products come all the same.
        with suppress(BackhaulError):
            await self._line.answer(pressed.query, "" if facts else expired, is_alert=not facts)
        with suppress(BackhaulError):
            await self._line.take_buttons(pressed.chat, pressed.message)
        if facts:
            await self._question(pressed, str(facts["query"]), asker, int(facts["skip"]))

    def _is_refused_anew(self, user: int) -> bool:
        """Return whether a stranger is to be told, once an hour, that the bot is not for them; it counts as done."""
        now = time.monotonic()
        refused_at = self._strangers.get(user)
        if refused_at is not None and now - refused_at < REFUSED_AGAIN_AFTER_S:
            return False
        self._strangers[user] = now
        self._strangers.move_to_end(user)
        while len(self._strangers) > MOST_STRANGERS:
            self._strangers.popitem(last=False)
        return True

    async def _send(self, to: Said | Pressed, answer: Answer, query: str = "") -> None:
        """Send the messages of an answer; under the last one the button for more, if there is more."""
        button = None
        if answer.more is not None:
            facts = {"query": query[:LONGEST_QUESTION_KEPT], "skip": answer.more}
            # Where the ledger is full, the first page comes all the same.
            with suppress(BackhaulError):
                id = await self._threaded(lambda: self._ledger.put_button(to.chat, facts, datetime.now(UTC)))
                button = Button(self._clerk.words.say("More"), id)
        last = len(answer.messages) - 1
        for number, message in enumerate(answer.messages):
            await self._line.send(to.chat, message, topic=to.topic, button=button if number == last else None)

    async def _clear(self) -> None:
        now = time.monotonic()
        if now - self._cleared_at >= CLEARED_EVERY_S:
            self._cleared_at = now
            await self._threaded(lambda: self._ledger.clear(datetime.now(UTC)))

    async def _threaded(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _asker(self, what: Said | Pressed) -> Asker:
        return Asker(what.user, self._people.role(what.user), what.is_private)
