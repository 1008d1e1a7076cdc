"""One bot's way to Telegram: the calls it makes, at the pace that is allowed, every failure as one of our errors.

The messages of the library's errors are never passed on: some of them hold the token.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from telegram import BotCommand, BotCommandScopeChat, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from backhaul.bot.heard import UPDATES
from backhaul.errors import BackhaulError, ConfigError, TransientError
from backhaul.notify.markup import without_tags
from backhaul.notify.telegram_api import BotApi

LONGEST_WAIT_S = 60.0
"""What Telegram asks to wait beyond this is not waited for: the person has long asked again."""

SENDING_TRIES, SENDING_PAUSE_S = 3, 1.0
RETRIES = 2
CONNECTIONS = 64
READ_LATE_S = 10.0
"""How much longer than asked a poll may last."""
TOKEN_STEP = "Copy the bot's token again from @BotFather into its setting (TELEGRAM_BOT_TOKEN)."
_TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{20,}")


class Refused(BackhaulError):
    """Telegram has understood a call and says no, such as to a person who has blocked the bot."""

    default_next_step = "Nothing is to be done: the person or the group does not want the bot any more."


class Contended(TransientError):
    """Another process hears this bot's updates (409)."""

    default_next_step = "End the other process: only one may poll with a token; several need --webhook."


class Pacing(AIORateLimiter):
    """The library's limiter; where Telegram asks one call to wait, only that one waits, and not without end."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Any:
        """Make a call when its turn comes, and again where Telegram asks to wait a little."""
        for _ in range(RETRIES):
            try:
                return await super().process_request(callback, args, kwargs, endpoint, data, rate_limit_args)
            except RetryAfter as error:
                if seconds(error) > LONGEST_WAIT_S:
                    raise
                # Here, not by the library's own retries: those keep all chats waiting for the one that is too fast.
                wait_s = seconds(error) + 0.1
            await asyncio.sleep(wait_s)
        return await super().process_request(callback, args, kwargs, endpoint, data, rate_limit_args)


class Line:
    """Calls of one bot, whose number is `id`; `close` it at the end.

    Raises ConfigError for a token or an address that cannot be right.
    """

    def __init__(self, token: str, api_url: str) -> None:
        token = token.strip()
        if not _TOKEN.fullmatch(token):
            raise ConfigError("the bot's token is no bot token (123456:letters)", next_step=TOKEN_STEP)
        # It judges the address as the notifier does, and keeps httpx from logging addresses with the token.
        BotApi(api_url, token).__exit__()
        _silence()
        is_loopback = api_url.startswith("http://")
        base = api_url.rstrip("/")
        self.id = token.partition(":")[0]
        self._requests = (_request(CONNECTIONS, is_loopback=is_loopback), _request(1, is_loopback=is_loopback))
        self._bot = ExtBot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=self._requests[0],
            get_updates_request=self._requests[1],
            rate_limiter=Pacing(),
        )

    async def close(self) -> None:
        """Let go of all connections; may be called at any time."""
        for request in self._requests:
            await request.shutdown()

    async def username(self) -> str:
        """Return what the bot is called. Raises ConfigError for an unknown token, and TransientError."""
        with _translated("getMe"):
            return (await self._bot.get_me()).username or ""

    async def updates(self, offset: int, timeout_s: float) -> list[dict[str, Any]]:
        """Return what people did from update number offset on, as soon as there is something.

        Raises Contended, ConfigError and TransientError.
        """
        asked = {"offset": offset, "timeout": int(timeout_s), "allowed_updates": json.dumps(UPDATES)}
        with _translated("getUpdates"):
            # As they came: the library's own call refuses all of them for one that it does not understand.
            address = f"{self._bot.base_url}/getUpdates?{urlencode(asked)}"
            found: object = await self._requests[1].post(address, read_timeout=timeout_s + READ_LATE_S)
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    async def send(self, chat: int, html: str, *, topic: int | None = None, button: Button | None = None) -> int:
        """Send a message; return its number. Raises Refused, ConfigError and TransientError.

        What may have arrived although no answer came is not sent again.
        """
        for attempt in range(1, SENDING_TRIES + 1):
            try:
                with _translated("sendMessage"):
                    return await self._send(chat, html, topic, button)
            except Unsent:
                if attempt == SENDING_TRIES:
                    raise
                await asyncio.sleep(SENDING_PAUSE_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, chat: int, html: str, topic: int | None, button: Button | None) -> int:
        options: dict[str, Any] = {
            "message_thread_id": topic,
            "reply_markup": button and button.markup,
            "link_preview_options": LinkPreviewOptions(is_disabled=True),
        }
        try:
            return (await self._bot.send_message(chat, html, parse_mode="HTML", **options)).message_id
        except ChatMigrated as moved:
            return (await self._bot.send_message(moved.new_chat_id, html, parse_mode="HTML", **options)).message_id
        except BadRequest as refused:
            if "parse" not in refused.message.lower():
                raise
            # Rather without marks than not at all.
            return (await self._bot.send_message(chat, without_tags(html), **options)).message_id

    async def edit(self, chat: int, message: int, html: str) -> None:
        """Replace the text of one of the bot's messages. Raises Refused, ConfigError and TransientError."""
        with _translated("editMessageText"):
            try:
                await self._bot.edit_message_text(html, chat_id=chat, message_id=message, parse_mode="HTML")
            except BadRequest as refused:
                if "not modified" not in refused.message.lower():
                    raise

    async def take_buttons(self, chat: int, message: int) -> None:
        """Remove the buttons under a message, if they are there. Raises as `edit` does."""
        with _translated("editMessageReplyMarkup"):
            try:
                await self._bot.edit_message_reply_markup(chat_id=chat, message_id=message, reply_markup=None)
            except BadRequest:
                # Two people were as fast as each other, or the message is gone.
                return

    async def answer(self, query: str, text: str = "", *, is_alert: bool = False) -> None:
        """Answer a pressed button, whose clock stands still then. Raises as `edit` does."""
        with _translated("answerCallbackQuery"):
            try:
                await self._bot.answer_callback_query(query, text=text[:190] or None, show_alert=is_alert)
            except BadRequest:
                # Too late: Telegram has given the query up.
                return

    async def set_commands(self, commands: list[tuple[str, str]], chat: int | None = None) -> None:
        """Set the menu, for everybody or for one chat. Raises as `edit` does."""
        scope = None if chat is None else BotCommandScopeChat(chat)
        with _translated("setMyCommands"):
            await self._bot.set_my_commands([BotCommand(name, said) for name, said in commands], scope=scope)

    async def set_webhook(self, url: str, secret: str) -> None:
        """Have Telegram send updates to url. Raises ConfigError for one that it does not take, and TransientError."""
        try:
            with _translated("setWebhook"):
                await self._bot.set_webhook(url, allowed_updates=list(UPDATES), secret_token=secret)
        except Refused:
            raise ConfigError(
                "Telegram does not take the address of the webhook",
                next_step="It must be https, on port 443, 80, 88 or 8443, and lead to this machine from outside.",
            ) from None

    async def take_down_webhook(self) -> bool:
        """Have updates wait to be polled for; return whether they were sent somewhere before. Raises as `edit`."""
        with _translated("deleteWebhook"):
            if not (await self._bot.get_webhook_info()).url:
                return False
            await self._bot.delete_webhook()
            return True


@dataclass(frozen=True)
class Button:
    """One button under a message: its label, and its id in the ledger."""

    label: str
    id: str

    @property
    def markup(self) -> InlineKeyboardMarkup:
        """The button as Telegram takes it."""
        return InlineKeyboardMarkup([[InlineKeyboardButton(self.label, callback_data=self.id)]])


class Unsent(TransientError):
    """A call failed, and it is sure that Telegram did nothing."""


@contextmanager
def _translated(method: str) -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except TelegramError as error:
        failure = _failure(error, method)
    else:
        return
    # Without the library's error, which may hold the token.
    raise failure from None


def _failure(error: TelegramError, method: str) -> BackhaulError:
    match error:
        case InvalidToken():
            return ConfigError("Telegram does not know this bot's token", next_step=TOKEN_STEP)
        case Conflict():
            return Contended("another process polls with this bot's token, or a webhook is set (409)")
        case RetryAfter():
            how = "to wait for long" if seconds(error) > LONGEST_WAIT_S else "to wait"
            return TransientError(
                f"Telegram asks {how} ({method})", retry_after_s=min(seconds(error), LONGEST_WAIT_S)
            )
        case Forbidden() | BadRequest() | ChatMigrated():
            return Refused(f"Telegram refuses {method} ({type(error).__name__})")
        case NetworkError():
            cause = error.__cause__
            # An answer of Telegram's says that it failed; else the connection must never have stood.
            surely = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
            kind = Unsent if isinstance(cause, surely) or not isinstance(cause, httpx.HTTPError) else TransientError
            what = "does not answer in time" if isinstance(error, TimedOut) else "cannot be reached or does not work"
            return kind(f"Telegram {what} ({method})")
    return TransientError(f"Telegram: {type(error).__name__} ({method})")


def seconds(error: RetryAfter) -> float:
    """Return what a 429 asks to wait."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def _request(connections: int, *, is_loopback: bool) -> HTTPXRequest:
    # Plain http on loopback needs no certificate authorities, and no proxy.
    more: dict[str, Any] = {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "trust_env": False}
    return HTTPXRequest(
        connection_pool_size=connections,
        connect_timeout=10.0,
        read_timeout=30.0,
        write_timeout=30.0,
        pool_timeout=30.0,
        httpx_kwargs=more if is_loopback else {},
    )


def _silence() -> None:
    """Keep the libraries from logging updates and addresses, and from warning of a form of durations to come."""
    for name in ("telegram", "tornado.access", "tornado.general", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 10)
    os.environ.setdefault("PTB_TIMEDELTA", "true")
