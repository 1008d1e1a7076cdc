"""The Bot API over HTTP: one call, one answer, every failure as one of our errors, the token in none of them."""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backhaul.errors import BackhaulError, ConfigError, TransientError

if TYPE_CHECKING:
    import httpx

_CONNECT_TIMEOUT_S = 10.0
_CALL_TIMEOUT_S = 30.0
_UPLOAD_TIMEOUT_S = 120.0
_ANSWER_BYTES = 1024 * 1024
_HEADERS = {"User-Agent": "backhaul", "Accept-Encoding": "identity"}
_TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{20,}")
_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1")
_TOKEN_STEP = "Copy the bot's token again from @BotFather into its setting (TELEGRAM_TOKEN)."


class Refused(BackhaulError):
    """The Bot API has understood a call and says no: code and description are its own."""

    def __init__(self, method: str, code: int, description: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(f"Telegram refuses {method}: {code} {description}")
        self.code = code
        self.description = description
        self.parameters = parameters

    def says(self, *words: str) -> bool:
        """Tell whether one of words stands in the description, in whatever case."""
        return any(word in self.description.lower() for word in words)

    @property
    def new_chat(self) -> str | None:
        """The id that a group has moved to, or None."""
        moved = self.parameters.get("migrate_to_chat_id")
        return str(moved) if isinstance(moved, int) and not isinstance(moved, bool) else None


class BotApi:
    """Calls of one bot; use it with `with`.

    Raises ConfigError for an address or a token that cannot be right.
    """

    def __init__(self, api_url: str, token: str) -> None:
        token = token.strip()
        if not _TOKEN.fullmatch(token):
            raise ConfigError("the Telegram bot's token is no bot token (123456:letters)", next_step=_TOKEN_STEP)
        self._host = _checked_host(api_url)
        self._base = f"{api_url.rstrip('/')}/bot{token}/"
        self._token = token
        self._client, self._deadline = _client(is_loopback=api_url.startswith("http://"))

    def __enter__(self) -> BotApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, fields: Mapping[str, Any], *, photo: bytes | None = None) -> Any:
        """Return the result of a method.

        Raises Refused for what the Bot API says no to, ConfigError for a wrong token, TransientError for
        everything that may go better later; with retry_after_s where Telegram asks to wait.
        """
        if photo is None:
            status, body = self._answer(method, _CALL_TIMEOUT_S, json=dict(fields))
        else:
            data = {name: v if isinstance(v, str) else json.dumps(v) for name, v in fields.items()}
            files = {"photo": ("screenshot.png", photo)}
            status, body = self._answer(method, _UPLOAD_TIMEOUT_S, data=data, files=files)
        return self._result(method, status, body)

    def _answer(self, method: str, timeout_s: float, **content: Any) -> tuple[int, bytes]:
        import httpx

        self._deadline.at = time.monotonic() + timeout_s
        body = bytearray()
        try:
            timeout = httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S)
            with self._client.stream("POST", self._base + method, timeout=timeout, **content) as response:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > _ANSWER_BYTES:
                        break
                else:
                    return response.status_code, bytes(body)
            failure = "sends an endless answer"
        except httpx.TimeoutException:
            failure = "does not answer in time"
        except httpx.ConnectError:
            failure = "cannot be reached"
        except (httpx.RequestError, httpx.StreamError, UnicodeError) as error:
            failure = f"was cut off ({type(error).__name__})"
        # Out here, because the errors of httpx hold the address and the address holds the token: they end there.
        raise self._failed(method, failure)

    def _failed(self, method: str, what: str) -> TransientError:
        step = "It is sent again by itself; check this machine's network if it goes on."
        return TransientError(f"Telegram: {self._host} {what} ({method})", next_step=step)

    def _result(self, method: str, status: int, body: bytes) -> Any:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise self._failed(method, f"answers {status} with a page that is none of the Bot API's")
        if answer["ok"]:
            return answer.get("result")
        said, parameters = answer.get("error_code"), answer.get("parameters")
        code = said if isinstance(said, int) else status
        parameters = parameters if isinstance(parameters, dict) else {}
        if code == 429:
            error = self._failed(method, "asks to wait (429)")
            error.retry_after_s = _seconds(parameters.get("retry_after"))
            raise error
        if code >= 500 or code in (408, 409):
            raise self._failed(method, f"answers {code}")
        if code in (401, 404):
            raise ConfigError(f"Telegram does not know this bot's token ({code})", next_step=_TOKEN_STEP)
        raise Refused(method, code, self._clean(answer.get("description")), parameters)

    def _clean(self, description: object) -> str:
        said = " ".join(str(description or "no reason given").replace(self._token, "***").split())
        return said[:200]


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and value >= 0 else 5.0


def _checked_host(api_url: str) -> str:
    try:
        parts = urlsplit(api_url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    step = "Correct TELEGRAM_API_URL, or leave it out to use Telegram's own address."
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ConfigError("the address of the Telegram Bot API is no web address", next_step=step)
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        message = f"Telegram: {host} would be reached over plain http, and the bot's token be readable on the way"
        raise ConfigError(message, next_step="Use its https address.")
    return host


def _client(*, is_loopback: bool) -> tuple[httpx.Client, Any]:
    from backhaul.sessions.deadline import Deadline, bind
    from backhaul.sessions.lean import without_command_line

    without_command_line()
    import httpx

    # httpx logs each address at INFO, and these hold the token.
    logging.getLogger("httpx").addFilter(_is_no_bot_address)
    # Plain http on loopback needs no certificate authorities, whose reading costs 0.1 s of CPU, and no proxy.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_loopback else True
    client = httpx.Client(verify=verify, trust_env=not is_loopback, headers=_HEADERS)
    deadline = Deadline()
    bind(client, deadline)
    return client, deadline


def _is_no_bot_address(record: logging.LogRecord) -> bool:
    return "/bot" not in record.getMessage()
