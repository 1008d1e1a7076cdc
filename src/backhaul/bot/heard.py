"""What people did, read from an update of the Bot API; whatever has another form than ours is nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UPDATES = ("message", "callback_query")
"""What the bot asks Telegram to tell it; edits, polls and the like are not among it."""

_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,32})(?:@(?P<bot>\w+))?(?:\s+(?P<rest>.*))?", re.DOTALL)
_LARGEST = 2**52


@dataclass(frozen=True)
class Said:
    """A message to the bot: `text` is empty where it has none, such as a sticker."""

    update: int
    chat: int
    user: int
    text: str
    is_private: bool
    topic: int | None = None

    def command(self, bot: str) -> tuple[str, str] | None:
        """Return the command and what follows it, or None for other text; empty if it is for another bot."""
        found = _COMMAND.fullmatch(self.text)
        if found is None:
            return None
        if found["bot"] and found["bot"].lower() != bot.lower():
            return "", ""
        return found["name"].lower(), (found["rest"] or "").strip()

    def question(self, bot: str) -> str:
        """Return the text without the bot's own name, by which people call it in groups."""
        return re.sub(rf"@{re.escape(bot)}\b", " ", self.text, flags=re.IGNORECASE).strip() if bot else self.text


@dataclass(frozen=True)
class Pressed:
    """A button under the bot's message `message`; `query` is what Telegram wants an answer to."""

    update: int
    chat: int
    user: int
    query: str
    button: str
    message: int
    is_private: bool
    topic: int | None = None


def number_of(update: object) -> int | None:
    """Return an update's number, or None for what is no update."""
    return _number(update.get("update_id")) if isinstance(update, dict) else None


def heard(update: Mapping[str, Any]) -> Said | Pressed | None:
    """Return what a person did, or None for what the bot does not answer: channels, other bots, odd forms."""
    number = number_of(update)
    if number is None:
        return None
    if isinstance(update.get("message"), dict):
        return _said(number, update["message"])
    if isinstance(update.get("callback_query"), dict):
        return _pressed(number, update["callback_query"])
    return None


def _said(update: int, message: Mapping[str, Any]) -> Said | None:
    user, chat = _person(message), _chat(message)
    if user is None or chat is None:
        return None
    text = message.get("text") or message.get("caption") or ""
    is_private = message["chat"].get("type") == "private"
    return Said(update, chat, user, text.strip() if isinstance(text, str) else "", is_private, _topic(message))


def _pressed(update: int, query: Mapping[str, Any]) -> Pressed | None:
    message = query.get("message")
    user, chat = _person(query), _chat(message) if isinstance(message, dict) else None
    name, button = query.get("id"), query.get("data")
    if user is None or chat is None or not isinstance(message, dict):
        return None
    if not isinstance(name, str) or not isinstance(button, str):
        return None
    is_private = message["chat"].get("type") == "private"
    return Pressed(
        update=update,
        chat=chat,
        user=user,
        query=name,
        button=button[:64],
        message=_number(message.get("message_id")) or 0,
        is_private=is_private,
        topic=_topic(message),
    )


def _person(thing: Mapping[str, Any]) -> int | None:
    person = thing.get("from")
    if not isinstance(person, dict) or person.get("is_bot"):
        return None
    return _number(person.get("id"))


def _chat(message: Mapping[str, Any]) -> int | None:
    chat = message.get("chat")
    return _number(chat.get("id")) if isinstance(chat, dict) else None


def _topic(message: Mapping[str, Any]) -> int | None:
    return _number(message.get("message_thread_id")) if message.get("is_topic_message") else None


def _number(value: object) -> int | None:
    """Return a whole number as Telegram has them: in 52 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        return None
    return value
