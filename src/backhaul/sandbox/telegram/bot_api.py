"""The sandbox Telegram: a Bot API on loopback, and the people in its chats played by the test or the demo."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from backhaul.sandbox.serving import Serving
from backhaul.sandbox.telegram.calls import described
from backhaul.sandbox.telegram.faults import PlannedTelegramFault, TelegramFault, TelegramFaults
from backhaul.sandbox.telegram.hooks import HookSender, post
from backhaul.sandbox.telegram.server import RecordedCall, TelegramServer
from backhaul.sandbox.telegram.world import SentMessage, Webhook, World, now


class SandboxTelegram:
    """A Bot API with one bot and one group, `chat_id`; runs between `with` and its end.

    Every wait of a poll or a hanging answer ends when it closes.

    Args:
        faults: strike from the start; `telegram.faults` adds and clears them later.
        port: 0 takes any free one.
        clock: what rate limits are counted by, in seconds.
        hook_pause_s: how long an update that a webhook has not taken waits until it is sent again.
    """

    def __init__(
        self,
        faults: Iterable[TelegramFault | PlannedTelegramFault] = (),
        *,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        hook_pause_s: float = 0.2,
    ) -> None:
        self.faults = TelegramFaults(faults)
        bot_id = 100_000_000 + secrets.randbelow(900_000_000)
        letters = string.ascii_letters + string.digits + "_-"
        self.token = f"{bot_id}:AA{''.join(secrets.choice(letters) for _ in range(33))}"
        self.username = "sandbox_bot"
        self._world = World(bot_id, self.username, clock)
        self.chat_id = self.add_chat("group", title="Sandbox group")
        self._server = TelegramServer(("127.0.0.1", port), self.token, self._world, self.faults)
        self._serving = Serving(self._server, "sandbox telegram")
        self._hooks = HookSender(self._world, hook_pause_s)

    def __enter__(self) -> SandboxTelegram:
        self._serving.start()
        self._hooks.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and give the port back; may be called twice."""
        self._world.close()
        self._hooks.close()
        self._serving.close()

    @property
    def url(self) -> str:
        """The address that stands in for https://api.telegram.org."""
        return self._server.url

    @property
    def calls(self) -> list[RecordedCall]:
        """Every call that was answered or cut off, oldest first."""
        return list(self._server.calls)

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The fields of every answerCallbackQuery."""
        return list(self._world.answers)

    @property
    def commands(self) -> list[dict[str, str]]:
        """The menu that setMyCommands has set for everybody."""
        return list(self._world.commands)

    @property
    def webhook(self) -> str:
        """The address that setWebhook has set; empty where there is none."""
        return self._world.webhook.url

    def commands_of(self, chat: int) -> list[dict[str, str]]:
        """Return the menu that setMyCommands has set for one chat."""
        return list(self._world.commands_of.get(chat, []))

    def add_chat(self, kind: str = "private", *, title: str = "Ani", username: str = "") -> int:
        """Add a chat (`private`, `group`, `supergroup`, `channel`) that the bot may write to; return its id."""
        return self._world.add_chat(kind, title, username).id

    def add_person(self, user: int, *, name: str = "Ani") -> int:
        """Add the private chat of a person, which has the person's id; return it."""
        return self._world.add_chat("private", name, number=user).id

    def add_topic(self, chat: int) -> int:
        """Add a topic to a group; return its number."""
        topic = self._world.number()
        self._world.chats[chat].topics.add(topic)
        return topic

    def migrate(self, chat: int) -> int:
        """Make a group a supergroup, as Telegram does; return its new id, which the old one answers with."""
        return self._world.migrate(self._world.chats[chat]).id

    def block(self, chat: int) -> None:
        """Let the people of a chat block or remove the bot."""
        self._world.chats[chat].is_blocked = True

    def limit(self, per_minute: int | None) -> None:
        """Let so many messages a minute into each chat, and answer 429 to others; None lets all in."""
        self._world.per_minute = per_minute

    def messages(self, chat: int | None = None) -> list[SentMessage]:
        """Return what the bot has sent and not deleted, oldest first, in one chat or in all."""
        with self._world.changed:
            return self._world.visible(chat)

    def wait_for(self, n: int, chat: int | None = None, *, timeout_s: float = 10.0) -> list[SentMessage]:
        """Return the messages as soon as there are n. Raises TimeoutError."""
        with self._world.changed:
            self._wait(lambda: len(self._world.visible(chat)) >= n, f"{n} messages", timeout_s)
            return self._world.visible(chat)

    def ask(self, user: int, text: str) -> int:
        """Write text to the bot as a person in their private chat; return the number of the update."""
        return self.say(user, text, user=user)

    def say(self, chat: int, text: str, *, user: int = 7_000_001, name: str = "Ani") -> int:
        """Write text to the bot as a person in chat; return the number of the update."""
        return self._world.add_update("message", self._message(chat, text, user, name))

    def again(self, url: str, update: int, chat: int, text: str, *, user: int) -> int:
        """Send an update with a number of its own choice to a webhook, as Telegram may do; return the status."""
        hook = Webhook(url, self._world.webhook.secret)
        return post(hook, {"update_id": update, "message": self._message(chat, text, user, "Ani")})

    def press(self, message: SentMessage, label: str, *, user: int = 7_000_001, name: str = "Ani") -> str:
        """Press the button with this label under a message; return the id of the callback query.

        Raises LookupError if there is no such button any more.
        """
        for button in (button for row in message.buttons for button in row):
            if button["text"] == label:
                query = {
                    "id": str(secrets.randbelow(10**18)),
                    "from": _person(user, name),
                    "message": described(self._world, message),
                    "chat_instance": str(abs(message.chat)),
                    "data": button.get("callback_data", ""),
                }
                self._world.add_update("callback_query", query)
                return str(query["id"])
        raise LookupError(f"there is no button {label!r}; there are {', '.join(message.labels) or 'none'}")

    def wait_for_answer(self, query: str, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return the bot's answer to a callback query as soon as it is there. Raises TimeoutError."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self._world.answers if each["callback_query_id"] == query]

        with self._world.changed:
            self._wait(lambda: bool(found()), "the answer to a pressed button", timeout_s)
            return found()[0]

    def _message(self, chat: int, text: str, user: int, name: str) -> dict[str, Any]:
        message: dict[str, Any] = {
            "message_id": self._world.number(),
            "date": now(),
            "chat": self._world.chats[chat].facts(),
            "from": _person(user, name),
            "text": text,
        }
        if text.startswith("/"):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}]
        return message

    def _wait(self, is_there: Callable[[], bool], what: str, timeout_s: float) -> None:
        if not self._world.changed.wait_for(is_there, timeout_s):
            raise TimeoutError(f"{what} did not come within {timeout_s:g} s")


def _person(user: int, name: str) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": name}
