"""Telegram: a bot tells a chat what has happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backhaul.config import Secret, Setting, Text, text
from backhaul.errors import TransientError
from backhaul.languages import Translator
from backhaul.notices import Message, Notice, SendInterrupted, StreamFailed
from backhaul.notify.delivery import Address, Delivery, Known, chat_id, parts, to_put_right
from backhaul.notify.kinds import EVERY_RUN, Kinds, is_told
from backhaul.notify.markup import as_html
from backhaul.notify.telegram_api import BotApi, Refused
from backhaul.notify.wording import shortened, worded
from backhaul.notify.words import words_of

API_URL = Setting("TELEGRAM_API_URL", default="https://api.telegram.org")


@dataclass(frozen=True)
class Telegram:
    """A Telegram bot that writes to one chat: a person, a group, or a channel that it may write in.

    Args:
        chat: the chat's id (groups have negative ones) or a channel's `@name`.
        language: `en`, `he` or `id`.
        kinds: which notices are sent: EVERY_RUN, ALERTS, or a set of classes of notices.
        photos: send the masked screenshot of a failure along, where there is one.
        topic: the number of a topic in a group that has topics.
        silent: kinds that arrive without a sound.
        api_url: another server of the Bot API, such as one of your own.
        name: what the outbox calls it; two notifiers of a pipeline need two names.
    """

    token: Text = field(default=Secret("TELEGRAM_TOKEN"), repr=False)
    chat: Text = field(default=Setting("TELEGRAM_CHAT_ID"), repr=False)
    language: Text = "en"
    kinds: Kinds = EVERY_RUN
    photos: bool = False
    topic: int | None = None
    silent: Kinds = frozenset()
    api_url: Text = API_URL
    name: str = "telegram"
    _known: Known = field(default_factory=Known, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for a language that there is none of."""
        if isinstance(self.language, str):
            words_of(self.language)

    def compose(self, notice: Notice) -> Message | None:
        """Return the message, as HTML, or None for a kind of notice that this chat is not told; pure."""
        if not is_told(notice, self.kinds):
            return None
        photo = notice.photo if self.photos and isinstance(notice, StreamFailed) else None
        return Message(
            text=as_html(worded(notice, self._words), self._words),
            photo=None if photo is None else str(photo),
            is_silent=isinstance(notice, tuple(self.silent)),
        )

    def send(self, message: Message, skip_parts: int = 0) -> str | None:
        """Send the parts behind the first skip_parts; return what the run's log should be warned of, or None.

        Waits at most 30 s in all where Telegram asks for it, and each call at most its time-out. Raises
        SendInterrupted to be sent again later, and ConfigError for what a person must put right.
        """
        with BotApi(text(self.api_url), text(self.token)) as api:
            address = Address(chat_id(text(self.chat)), self.topic)
            delivery = Delivery(api, address, self._known, is_silent=message.is_silent)
            for number, part in enumerate(parts(message)):
                if number < skip_parts:
                    continue
                try:
                    delivery.send(part)
                except TransientError as error:
                    raise SendInterrupted(
                        str(error), parts_sent=number, next_step=error.next_step, retry_after_s=error.retry_after_s
                    ) from None
            return delivery.warning(self._words)

    def check(self) -> str:
        """Return in one line which bot reaches which chat; sends nothing. Raises ConfigError, TransientError."""
        with BotApi(text(self.api_url), text(self.token)) as api:
            me = _fields(api.call("getMe", {}))
            try:
                chat = _fields(api.call("getChat", {"chat_id": chat_id(text(self.chat))}))
            except Refused as refused:
                raise to_put_right(refused) from None
        title = chat.get("title") or chat.get("username") or chat.get("first_name") or "without a name"
        kind = chat.get("type", "chat")
        return f"@{me.get('username', 'bot')} reaches the {kind} {shortened(str(title), 60)}"

    @property
    def _words(self) -> Translator:
        return words_of(text(self.language))


def _fields(result: Any) -> dict[str, Any]:
    return result if isinstance(result, dict) else {}
