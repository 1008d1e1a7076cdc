"""Asking Render over HTTPS: time-outs, bounded retries, a message for each way it can fail, the key in none."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.retry import Budget, retried

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 30.0
ANSWER_BYTES = 32 * 1024 * 1024
EPOCH_FROM = 1_000_000_000
"""A Ratelimit-Reset from here on is a moment in epoch seconds, below it a number of seconds: both are documented."""

_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1")
_KEY = re.compile(r"[\x21-\x7e]{8,512}")
_KEY_STEP = "Make a key in Render's dashboard (Account Settings, API Keys) and put it into RENDER_API_KEY."
_ADDRESS_STEP = "Correct RENDER_API_URL, or leave it out to use Render's own address."
_NOT_CONNECTED = "cannot be reached"


class MayHaveWorked(TransientError):
    """A write whose answer was lost: it may have been done."""


class RenderHttp:
    """One client with one key. Raises ConfigError for an address or a key that cannot be right."""

    def __init__(self, api_url: str, key: str, patience: Budget) -> None:
        key = key.strip()
        self._host = _checked_host(api_url)
        if not _KEY.fullmatch(key):
            raise ConfigError("RENDER_API_KEY is no key of Render's", next_step=_KEY_STEP)
        self._base = f"{api_url.rstrip('/')}/v1"
        self._key = key
        self._patience = patience
        self._client, self._deadline = _client(key, is_loopback=api_url.startswith("http://"))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def list(self, path: str, query: Mapping[str, str], service: str | None) -> list[Mapping[str, Any]]:
        """Return the objects of a list."""
        answer = self._read(path, query, service)
        if not isinstance(answer, list):
            raise self._unreadable(path, "no list")
        return [each for each in answer if isinstance(each, Mapping)]

    def object(self, path: str, query: Mapping[str, str], service: str | None) -> Mapping[str, Any]:
        """Return one object."""
        answer = self._read(path, query, service)
        if not isinstance(answer, Mapping):
            raise self._unreadable(path, "no object")
        return answer

    def post(self, path: str, body: Mapping[str, str], service: str) -> Any:
        """Send a write and return its answer, None for an empty one.

        It is sent again only where the first one was not taken (429, no connection). Raises MayHaveWorked where the
        answer is lost.
        """
        return self._retried(lambda: self._called("POST", path, service, json=dict(body)))

    def _read(self, path: str, query: Mapping[str, str], service: str | None) -> Any:
        return self._retried(lambda: self._called("GET", path, service, params=dict(query)))

    def _retried(self, call: Callable[[], T]) -> T:
        def once() -> T | MayHaveWorked:
            try:
                return call()
            except MayHaveWorked as error:
                # Handed out as a value: an error of this class would be retried, and so the write be done twice.
                return error

        done = retried(once, self._patience)
        if isinstance(done, MayHaveWorked):
            raise done
        return done

    def _called(self, method: str, path: str, service: str | None, **content: Any) -> Any:
        status, headers, body, failure = self._answer(method, path, **content)
        is_write = method != "GET"
        if failure:
            lost = is_write and failure != _NOT_CONNECTED
            raise self._failed(path, failure, MayHaveWorked if lost else TransientError)
        if status == 429:
            error = self._failed(path, "asks to wait: too many calls (429)", TransientError)
            error.retry_after_s = _asked_wait(headers)
            raise error
        if status >= 500:
            raise self._failed(path, f"answers {status}", MayHaveWorked if is_write else TransientError)
        if status >= 400:
            raise self._refusal(status, path, service, _message(body))
        if is_write and not body.strip():
            return None
        try:
            if status >= 300:
                raise ValueError
            return json.loads(body)
        except (ValueError, RecursionError):
            what = f"answers {status} with something that is not JSON"
        raise self._failed(path, what, MayHaveWorked if is_write else TransientError)

    def _answer(self, method: str, path: str, **content: Any) -> tuple[int, Mapping[str, str], bytes, str]:
        """Return status, headers and body, or the words for why there are none."""
        import httpx

        self._deadline.at = time.monotonic() + CALL_TIMEOUT_S
        body = bytearray()
        try:
            timeout = httpx.Timeout(CALL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
            with self._client.stream(method, self._base + path, timeout=timeout, **content) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES:
                        break
                else:
                    return response.status_code, response.headers, bytes(body), ""
            failure = "sends an endless answer"
        except (httpx.ConnectError, httpx.ConnectTimeout):
            failure = _NOT_CONNECTED
        except httpx.TimeoutException:
            failure = "does not answer in time"
        except (httpx.RequestError, httpx.StreamError, UnicodeError) as error:
            failure = f"was cut off ({type(error).__name__})"
        return 0, {}, b"", failure

    def _failed(self, path: str, what: str, kind: type[TransientError]) -> TransientError:
        step = "Wait a minute and try again; see https://status.render.com if it goes on."
        return kind(f"Render: {self._host} {what} ({path})", next_step=step)

    def _unreadable(self, path: str, what: str) -> SourceChanged:
        return SourceChanged(
            f"Render: {self._host} answers {path} with {what}",
            next_step="Its API is not what this version was written for: use Render's dashboard, and report it.",
        )

    def _refusal(self, status: int, path: str, service: str | None, said: str) -> BackhaulError:
        said = said.replace(self._key, "***")
        about = f"{service}: " if service else ""
        what = f"Render: {about}{_REFUSALS.get(status, f'refuses the call ({status})')}"
        if said:
            what += f'; it says "{said}"'
        if status in (406, 410):
            return SourceChanged(f"{what} ({path})", next_step=_STEPS[status])
        kind = BackhaulError if status == 409 else ConfigError
        return kind(what, next_step=_STEPS.get(status, "Do it in Render's dashboard, and report this status."))


_REFUSALS = {
    400: "does not accept the call (400)",
    401: "does not accept the key in RENDER_API_KEY (401)",
    402: "asks for a payment or a larger plan (402)",
    403: "the key has no right to do this (403)",
    404: "is not there any more, or not for this key (404)",
    406: "cannot answer in the form that was asked for (406)",
    409: "is busy with something that this would disturb (409)",
    410: "is gone for good (410)",
}
_STEPS = {
    400: "Read what it says; a suspended service must be resumed in the dashboard before it can be deployed.",
    401: _KEY_STEP,
    402: "Check the plan and the payment method of the workspace in Render's dashboard.",
    403: "Ask the owner of the workspace for the right to deploy, or take a key of somebody who has it.",
    404: "`backhaul deploy services` lists what the key can see.",
    406: "Its API is not what this version was written for: use Render's dashboard, and report it.",
    409: "Wait until the deploy that is under way has ended: backhaul deploy status SERVICE.",
    410: "`backhaul deploy services` lists what is there now.",
}


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Render asks to wait, None where it does not say."""
    for name in ("retry-after", "ratelimit-reset"):
        try:
            seconds = float(headers.get(name, ""))
        except ValueError:
            continue
        if seconds >= EPOCH_FROM:
            seconds -= time.time()
        if 0 <= seconds < EPOCH_FROM:
            return seconds
    return None


def _message(body: bytes) -> str:
    """Return what a refusal says, on one line, without what a terminal would obey; "" where it says nothing."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    said = answer.get("message") if isinstance(answer, dict) else None
    words = " ".join(said.split()) if isinstance(said, str) else ""
    return "".join(letter for letter in words if letter.isprintable())[:200]


def _checked_host(api_url: str) -> str:
    try:
        parts = urlsplit(api_url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError("RENDER_API_URL is no web address", next_step=_ADDRESS_STEP)
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        message = f"Render: {host} would be reached over plain http, and the key be readable on the way"
        raise ConfigError(message, next_step="Use its https address.")
    return host


def _client(key: str, *, is_loopback: bool) -> tuple[httpx.Client, Any]:
    import httpx

    from backhaul.sessions.deadline import Deadline, bind

    headers = {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "backhaul",
    }
    # Plain http on loopback needs neither certificate authorities nor a proxy.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_loopback else True
    client = httpx.Client(verify=verify, trust_env=not is_loopback, headers=headers)
    deadline = Deadline()
    bind(client, deadline)
    return client, deadline
