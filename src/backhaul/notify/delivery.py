"""Bringing one message into one chat: its parts, the waits that Telegram asks for, and what it says no to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from backhaul.errors import BackhaulError, ConfigError, TransientError
from backhaul.languages import Translator
from backhaul.notices import Message
from backhaul.notify.markup import split, units, without_tags
from backhaul.notify.pace import Pace
from backhaul.notify.telegram_api import BotApi, Refused

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
PHOTO_BYTES = 10 * 1000 * 1000
PATIENCE_S = 30.0
"""The longest that one message waits, in all, because Telegram or its limits ask for it."""

_CHAT_STEP = "Add the bot to the chat, and check the chat's id in its setting (TELEGRAM_CHAT_ID)."
_OF_THE_CHAT = ("chat", "peer", "thread", "topic", "rights")
_OF_THE_PHOTO = ("photo", "image", "file", "entity too large", "wrong type")
_MOVED = "the Telegram group has a new id, which was told in the group: put it into TELEGRAM_CHAT_ID"


class Known:
    """What is known of the chat while the process runs: how fast it is written to, and where it has moved."""

    def __init__(self) -> None:
        self.pace = Pace(monotonic)
        self.moved_to: str | None = None
        self.is_told = False


@dataclass(frozen=True)
class Address:
    """Where messages go: a chat's id or `@name`, and perhaps a topic in it."""

    chat: str
    topic: int | None


@dataclass(frozen=True)
class Part:
    """What one call sends: a text, or a photo with a caption that may be empty."""

    html: str
    photo: Path | None = None


class Delivery:
    """The sending of one message: it shares a connection and a patience."""

    def __init__(self, api: BotApi, address: Address, known: Known, *, is_silent: bool) -> None:
        self._api = api
        self._address = address
        self._known = known
        self._is_silent = is_silent
        self._left_s = PATIENCE_S
        self._has_moved = False

    def send(self, part: Part) -> None:
        """Send one part, in whatever form Telegram takes. Raises TransientError, ConfigError."""
        photo = _bytes_of(part.photo)
        if part.photo is not None and photo is None and not part.html:
            return
        try:
            self._call(part.html, photo)
        except Refused as refused:
            if photo is None or not refused.says(*_OF_THE_PHOTO):
                raise to_put_right(refused) from None
        except TransientError as error:
            if photo is None or not part.html or error.retry_after_s is not None:
                raise
        else:
            return
        # The words matter more than the picture: an upload that does not get through holds up no message.
        if part.html:
            self.send(Part(part.html))

    def warning(self, words: Translator) -> str | None:
        """Tell the chat, once, that its id has changed; return a warning for the log, if there is one."""
        known = self._known
        if known.moved_to is None:
            return None
        if not known.is_told:
            told = words.say("This group has a new id: {chat}. Put it into TELEGRAM_CHAT_ID.", chat=known.moved_to)
            try:
                self._call(words.line(told), None)
                known.is_told = True
            except BackhaulError:
                # The message itself is through; the next one tries to tell it again.
                return "the Telegram group has a new id, which could not be told there yet"
        return _MOVED

    def _call(self, html: str, photo: bytes | None) -> None:
        """Send, going after a group that has moved, and without markup if it is not understood."""
        try:
            self._paced(html, photo, is_plain=False)
        except Refused as refused:
            if refused.new_chat is not None and not self._has_moved:
                self._has_moved = True
                self._known.moved_to = refused.new_chat
                self._call(html, photo)
            elif refused.code == 400 and not refused.says(*_OF_THE_CHAT, *_OF_THE_PHOTO):
                # It is the text then: mostly its marks, which Telegram finds fault with in many words.
                self._paced(html, photo, is_plain=True)
            else:
                raise

    def _paced(self, html: str, photo: bytes | None, *, is_plain: bool) -> None:
        chat = self._known.moved_to or self._address.chat
        fields: dict[str, Any] = {"chat_id": chat, "disable_notification": self._is_silent}
        if self._address.topic is not None:
            fields["message_thread_id"] = self._address.topic
        if html:
            fields["text" if photo is None else "caption"] = without_tags(html) if is_plain else html
        if html and not is_plain:
            fields["parse_mode"] = "HTML"
        if photo is None:
            fields["link_preview_options"] = {"is_disabled": True}
        method = "sendMessage" if photo is None else "sendPhoto"
        while wait_s := self._known.pace.wait_s(is_group=chat.startswith(("-", "@"))):
            self._wait(wait_s, TransientError("Telegram: the chat gets more messages than its limits let through"))
        self._asked(method, fields, photo)

    def _asked(self, method: str, fields: dict[str, Any], photo: bytes | None) -> None:
        while True:
            try:
                self._api.call(method, fields, photo=photo)
                return
            except TransientError as error:
                if error.retry_after_s is None:
                    raise
                # A little more than asked for: clocks differ.
                self._wait(max(error.retry_after_s, 1.0) + 0.1, error)

    def _wait(self, seconds: float, otherwise: TransientError) -> None:
        if seconds > self._left_s:
            otherwise.retry_after_s = seconds
            raise otherwise
        self._left_s -= seconds
        sleep(seconds)


def parts(message: Message) -> tuple[Part, ...]:
    """Return what to send, in order; the same message always has the same parts."""
    photo = None if message.photo is None else Path(message.photo)
    if photo is not None and units(without_tags(message.text)) <= CAPTION_UNITS:
        return (Part(message.text, photo),)
    texts = tuple(Part(html) for html in split(message.text, TEXT_UNITS))
    return texts if photo is None else (Part("", photo), *texts)


def _bytes_of(photo: Path | None) -> bytes | None:
    """Return a photo that may be sent, or None: it is gone, empty, or too large."""
    try:
        if photo is None or not 0 < photo.stat().st_size <= PHOTO_BYTES:
            return None
        return photo.read_bytes()
    except OSError:
        return None


def chat_id(value: str) -> str:
    """Return value as the Bot API takes it. Raises ConfigError for what is no id and no `@name`."""
    chat = value.strip()
    if chat.startswith("@") and len(chat) > 1 and " " not in chat:
        return chat
    if not chat.removeprefix("-").isdecimal():
        raise ConfigError(
            "the Telegram chat's id is neither a number nor a channel's @name",
            next_step="Put the chat's number into TELEGRAM_CHAT_ID; the how-to on notifications says how to find it.",
        )
    return chat


def to_put_right(refused: Refused) -> ConfigError:
    """Return what a person has to do about a refusal."""
    if refused.new_chat is not None:
        return ConfigError(
            "the Telegram group has become a supergroup and has a new id",
            next_step="Run `backhaul notify test`: it writes the new id there. Put that into TELEGRAM_CHAT_ID.",
        )
    if refused.code == 403:
        return ConfigError(f"the Telegram bot may not write to the chat: {refused.description}", next_step=_CHAT_STEP)
    if refused.says("chat not found", "chat_id", "peer_id"):
        return ConfigError("Telegram does not find the chat, or the bot is not in it", next_step=_CHAT_STEP)
    if refused.says("thread", "topic"):
        return ConfigError(
            f"Telegram does not find the topic in the group: {refused.description}",
            next_step="Check the number that the pipeline gives as Telegram(topic=...), or leave it out.",
        )
    if refused.says("not enough rights", "have no rights", "rights to send"):
        return ConfigError(
            "the Telegram bot has no right to write in the chat",
            next_step="Let an administrator of the chat allow the bot to send messages.",
        )
    return ConfigError(str(refused), next_step="Run `backhaul notify test`; if it fails as well, check bot and chat.")
