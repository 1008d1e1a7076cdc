"""What the sandbox's Telegram knows: chats, messages, files, and what people did that the bot has not heard yet."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backhaul.sandbox.telegram.faults import TelegramFault

MINUTE_S = 60.0


class ApiError(Exception):
    """A refusal in the shape of the Bot API."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


@dataclass(frozen=True)
class SentFile:
    """A file that the bot has sent: its bytes are kept."""

    kind: str
    id: str
    name: str
    content: bytes


@dataclass
class SentMessage:
    """A message of the bot, as the people in the chat see it now.

    `text` is plain (or the caption of `file`), `entities` are its marks; `earlier` are the texts before edits.
    """

    chat: int
    id: int
    date: int
    text: str
    entities: list[dict[str, Any]]
    is_silent: bool = False
    topic: int | None = None
    file: SentFile | None = None
    buttons: list[list[dict[str, Any]]] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    is_deleted: bool = False

    @property
    def labels(self) -> list[str]:
        """The labels of the buttons under the message, row by row."""
        return [button["text"] for row in self.buttons for button in row]


@dataclass(frozen=True)
class Webhook:
    """Where updates are sent: nowhere without a url. `secret` goes along in a header."""

    url: str = ""
    secret: str = ""


@dataclass
class Chat:
    """A chat that the bot is in, or was."""

    id: int
    kind: str
    title: str
    username: str = ""
    moved_to: int | None = None
    is_blocked: bool = False
    topics: set[int] = field(default_factory=set)
    sent_at: deque[float] = field(default_factory=deque)

    def facts(self) -> dict[str, Any]:
        """Return the chat as it stands in messages."""
        named = {"first_name": self.title} if self.kind == "private" else {"title": self.title}
        username = {"username": self.username} if self.username else {}
        return {"id": self.id, "type": self.kind, **named, **username}


class World:
    """Everything behind the calls; `changed` guards it, and is told of every new message and update."""

    def __init__(self, bot_id: int, username: str, clock: Callable[[], float]) -> None:
        self.changed = threading.Condition()
        self.bot = {"id": bot_id, "is_bot": True, "first_name": "Sandbox", "username": username}
        self.chats: dict[int, Chat] = {}
        self.messages: list[SentMessage] = []
        self.files: dict[str, SentFile] = {}
        self.updates: deque[dict[str, Any]] = deque()
        self.answers: list[dict[str, Any]] = []
        self.commands: list[dict[str, str]] = []
        self.commands_of: dict[int, list[dict[str, str]]] = {}
        self.webhook = Webhook()
        self.pollers = 0
        self.is_closing = False
        self.per_minute: int | None = None
        self._clock = clock
        self._numbers = itertools.count(1)
        self._update_numbers = itertools.count(100_000)
        self._chat_numbers = itertools.count(1)

    def number(self) -> int:
        """Return the next number of a message or a file."""
        return next(self._numbers)

    def add_chat(self, kind: str, title: str, username: str = "", number: int | None = None) -> Chat:
        """Add a chat of a kind of the Bot API; its id is number, or one of the range that the kind has."""
        with self.changed:
            count = next(self._chat_numbers)
            base = {"private": 7_000_000, "group": -4_000_000}.get(kind, -1_001_000_000_000)
            given = base + count if base > 0 else base - count
            chat = Chat(given if number is None else number, kind, title, username)
            self.chats[chat.id] = chat
            return chat

    def migrate(self, chat: Chat) -> Chat:
        """Make a group a supergroup: its id answers with the new one from now on."""
        if chat.moved_to is None:
            chat.moved_to = self.add_chat("supergroup", chat.title).id
        return self.chats[chat.moved_to]

    def chat(self, wanted: object) -> Chat:
        """Return the chat that a call names by its id or `@name`. Raises ApiError."""
        found = self._find(str(wanted if wanted is not None else "").strip())
        if found is None:
            raise ApiError(400, "Bad Request: chat not found")
        return found

    def open_chat(self, wanted: object, topic: object = None) -> Chat:
        """Return the chat that a call writes to. Raises ApiError where the bot may not."""
        chat = self.chat(wanted)
        if chat.moved_to is not None:
            words = "Bad Request: group chat was upgraded to a supergroup chat"
            raise ApiError(400, words, migrate_to_chat_id=chat.moved_to)
        if chat.is_blocked:
            raise blocked(chat)
        if topic is not None and int(str(topic)) not in chat.topics:
            raise ApiError(400, "Bad Request: message thread not found")
        self._check_rate(chat)
        return chat

    def add_message(self, message: SentMessage) -> SentMessage:
        """Put a message of the bot into its chat."""
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()
        return message

    def add_update(self, kind: str, content: dict[str, Any]) -> int:
        """Put what a person did where getUpdates finds it; return its number."""
        with self.changed:
            number = next(self._update_numbers)
            self.updates.append({"update_id": number, kind: content})
            self.changed.notify_all()
        return number

    def visible(self, chat: int | None) -> list[SentMessage]:
        """Return the messages that are there, oldest first, of one chat or of all."""
        return [each for each in self.messages if not each.is_deleted and chat in (None, each.chat)]

    def message(self, chat: Chat, number: object) -> SentMessage:
        """Return a message of the bot in chat. Raises ApiError."""
        for each in self.visible(chat.id):
            if str(each.id) == str(number):
                return each
        raise ApiError(400, "Bad Request: message to edit not found")

    def close(self) -> None:
        """End every wait."""
        with self.changed:
            self.is_closing = True
            self.changed.notify_all()

    def _find(self, wanted: str) -> Chat | None:
        if wanted.startswith("@"):
            return next((each for each in self.chats.values() if wanted == f"@{each.username}"), None)
        return self.chats.get(int(wanted)) if re.fullmatch(r"-?\d{1,18}", wanted) else None

    def _check_rate(self, chat: Chat) -> None:
        now = self._clock()
        with self.changed:
            while chat.sent_at and chat.sent_at[0] <= now - MINUTE_S:
                chat.sent_at.popleft()
            if self.per_minute is not None and len(chat.sent_at) >= self.per_minute:
                raise too_many(chat.sent_at[0] + MINUTE_S - now)
            chat.sent_at.append(now)


def too_many(seconds: float) -> ApiError:
    """Return the refusal that asks to wait, in whole seconds."""
    wait = max(0, -int(-seconds // 1))
    return ApiError(429, f"Too Many Requests: retry after {wait}", retry_after=wait)


def blocked(chat: Chat) -> ApiError:
    """Return the refusal of a chat that does not want the bot."""
    why = "blocked by the user" if chat.kind == "private" else f"kicked from the {chat.kind} chat"
    return ApiError(403, f"Forbidden: bot was {why}")


def refusal(fault: TelegramFault, seconds: float, world: World, chat: object) -> ApiError | None:
    """Return what a fault says in the shape of the Bot API, or None for a fault of the connection."""
    match fault:
        case TelegramFault.TOO_MANY_REQUESTS:
            return too_many(seconds)
        case TelegramFault.SERVER_ERROR:
            return ApiError(500, "Internal Server Error")
        case TelegramFault.BLOCKED:
            return blocked(world.chat(chat))
        case TelegramFault.CHAT_NOT_FOUND:
            return ApiError(400, "Bad Request: chat not found")
        case TelegramFault.NO_RIGHTS:
            return ApiError(400, "Bad Request: not enough rights to send text messages to the chat")
        case TelegramFault.MIGRATED:
            world.migrate(world.chat(chat))
            return None
        case TelegramFault.CONFLICT:
            words = "terminated by other getUpdates request; make sure that only one bot instance is running"
            return ApiError(409, f"Conflict: {words}")
        case TelegramFault.BAD_ENTITIES:
            return ApiError(400, "Bad Request: can't parse entities: Unexpected end tag at byte offset 0")
    return None


def now() -> int:
    """Return the time of a message, in seconds since 1970."""
    return int(time.time())
