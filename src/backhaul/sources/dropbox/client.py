"""Dropbox over HTTP: a call, its answer, a file's bytes; every failure as one of our errors, no token in any."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backhaul.config import SecretText
from backhaul.errors import ConfigError, TransientError
from backhaul.retry import Budget, retried
from backhaul.sources.dropbox.refusals import ExpiredToken, code_refusal, not_dropbox, refusal, token_refusal

if TYPE_CHECKING:
    import httpx

API_URL, CONTENT_URL = "https://api.dropboxapi.com", "https://content.dropboxapi.com"
SPARE_S = 300.0
"""So long before its end an access token is replaced."""
CONNECT_TIMEOUT_S = 15.0
_ANSWER_BYTES = 32 * 1024 * 1024
_LEAST_BYTES_A_SECOND = 16 * 1024
"""A line that is slower than this is cut, and gone on with."""
_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1")
_TOKEN = re.compile(r"[!-~]{1,8192}")


@dataclass(frozen=True)
class Connection:
    """How Dropbox is reached, and by which app; the secret of a public app is empty.

    Args:
        name: how messages call it.
        timeout_s: one call, from its first byte to its last; at a file, one pause.
    """

    name: str
    api_url: str
    content_url: str
    app_key: str = field(repr=False)
    app_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    budget: Budget = Budget()
    timeout_s: float = 60.0


class DropboxClient:
    """Calls of one app for one account; several threads may use it side by side.

    Raises ConfigError for an address that would carry secrets in clear over a network.
    """

    def __init__(self, connection: Connection) -> None:
        for url in (connection.api_url, connection.content_url):
            _check_url(connection.name, url)
        self.connection = connection
        self._client, self._deadline = _client([connection.api_url, connection.content_url])
        self._lock = threading.Lock()
        self._token, self._expires_at = "", 0.0
        self._is_closed = False

    def close(self) -> None:
        """Let go of every connection; may be called twice, and while another thread waits for an answer."""
        self._is_closed = True
        self._client.close()

    def sign_in(self) -> None:
        """Get an access token. Raises LoginRequired, ConfigError, TransientError."""
        retried(self._fresh_token, self.connection.budget)

    def connect(self, code: str) -> str:
        """Return the refresh token that the code of a person's permission stands for; a code holds once.

        Raises LoginRequired for a code that is used up, mistyped or too old, ConfigError, TransientError.
        """
        app, what = self.connection, f"{self.connection.name}: connecting"
        form = {"grant_type": "authorization_code", "code": code.strip(), "client_id": app.app_key}
        if app.app_secret:
            form["client_secret"] = app.app_secret
        status, said, body = self._answer(what, f"{app.api_url}/oauth2/token", data=form)
        if status != 200:
            raise code_refusal(what, status, said, body)
        token = _object(what, status, body).get("refresh_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise not_dropbox(what, status)
        return SecretText(token)

    def call(self, what: str, endpoint: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of an endpoint such as `files/list_folder`; what names the call in messages.

        Raises EndpointRefused, LoginRequired, ConfigError, and TransientError after bounded retries.
        """
        url = f"{self.connection.api_url}/2/{endpoint}"

        def attempt(token: str) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {token}"}
            status, said, body = self._answer(what, url, json=dict(arguments), headers=headers)
            if status != 200:
                raise refusal(what, status, said, body)
            return _object(what, status, body)

        def signed() -> dict[str, Any]:
            token = self._fresh_token()
            try:
                return attempt(token)
            except ExpiredToken:
                return attempt(self._fresh_token(refused=token))

        return retried(signed, self.connection.budget)

    def file(self, what: str, path: str, start: int, size: int) -> Generator[bytes, None, None]:
        """Yield the bytes of a file of this size from start on, as they come, in one attempt.

        Raises the same errors as `call` without trying again, and TransientError where other bytes would come.
        """
        token = self._fresh_token()
        try:
            yield from self._file(what, token, path, start, size)
        except ExpiredToken:
            # Said before the first byte, so nothing comes twice.
            yield from self._file(what, self._fresh_token(refused=token), path, start, size)

    def _file(self, what: str, token: str, path: str, start: int, size: int) -> Iterator[bytes]:
        headers = {"Authorization": f"Bearer {token}", "Dropbox-API-Arg": json.dumps({"path": path})}
        if start:
            headers["Range"] = f"bytes={start}-"
        timeout_s = self.connection.timeout_s
        self._deadline.at = time.monotonic() + timeout_s + (size - start) / _LEAST_BYTES_A_SECOND
        url = f"{self.connection.content_url}/2/files/download"
        with self._told(what), self._client.stream("POST", url, headers=headers, timeout=self._timeout()) as answer:
            if answer.status_code not in (200, 206):
                raise refusal(what, answer.status_code, answer.headers, self._body(what, answer))
            before = _bytes_before(what, answer.status_code, answer.headers, start, size)
            for chunk in answer.iter_raw():
                yield chunk[before:]
                before = max(0, before - len(chunk))

    def _fresh_token(self, refused: str = "") -> str:
        """Return a token that holds for a while; `refused` is one that Dropbox has just called expired."""
        with self._lock:
            if not self._token or self._token == refused or time.monotonic() > self._expires_at:
                asked_at = time.monotonic()
                self._token, lasts_s = self._new_token()
                self._expires_at = asked_at + max(0.0, lasts_s - SPARE_S)
            return self._token

    def _new_token(self) -> tuple[str, float]:
        app = self.connection
        what = f"{app.name}: signing in"
        form = {"grant_type": "refresh_token", "refresh_token": app.refresh_token, "client_id": app.app_key}
        if app.app_secret:
            form["client_secret"] = app.app_secret
        status, said, body = self._answer(what, f"{app.api_url}/oauth2/token", data=form)
        if status != 200:
            raise token_refusal(what, status, said, body)
        answer = _object(what, status, body)
        token, lasts_s = answer.get("access_token"), answer.get("expires_in", 14_400)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or not isinstance(lasts_s, int | float):
            raise not_dropbox(what, status)
        return SecretText(token), float(lasts_s)

    def _answer(self, what: str, url: str, **content: Any) -> tuple[int, Mapping[str, str], bytes]:
        self._deadline.at = time.monotonic() + self.connection.timeout_s
        with self._told(what), self._client.stream("POST", url, timeout=self._timeout(), **content) as answer:
            return answer.status_code, answer.headers, self._body(what, answer)

    def _body(self, what: str, answer: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > _ANSWER_BYTES:
                raise TransientError(f"{what}: Dropbox sends an endless answer")
        return bytes(body)

    def _timeout(self) -> httpx.Timeout:
        import httpx

        seconds = self.connection.timeout_s
        return httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT_S, seconds))

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn a failure of the network into a TransientError without a word of the request."""
        import httpx

        try:
            yield
            return
        except httpx.TimeoutException:
            failure = "does not answer in time"
        except httpx.ConnectError:
            failure = "cannot be reached"
        except (httpx.RequestError, httpx.StreamError, UnicodeError) as error:
            failure = f"was cut off ({type(error).__name__})"
        except RuntimeError:
            if not self._is_closed:
                raise
            failure = "was hung up on from here"
        # Out here, because the errors of httpx hold the request and that holds the token: they end there.
        step = "It is tried again by itself; check this machine's network if it goes on."
        raise TransientError(f"{what}: Dropbox {failure}", next_step=step)


def _bytes_before(what: str, status: int, headers: Mapping[str, str], start: int, size: int) -> int:
    """Return how many bytes come that are here already. Raises TransientError for bytes of another place or file."""
    if status == 200:
        return start
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", "").strip())
    if found is None or int(found[1]) != start or found[2] not in ("*", str(size)):
        raise TransientError(f"{what}: Dropbox sends another part of the file than was asked for")
    return 0


def _object(what: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise not_dropbox(what, status)
    return said


def _check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        step = "Correct DROPBOX_API_URL and DROPBOX_CONTENT_URL, or leave them out to use Dropbox's own."
        raise ConfigError(f"{name}: the address of Dropbox is no web address", next_step=step)
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname or ""):
        message = f"{name}: {parts.hostname} would be reached over plain http, and the tokens be readable on the way"
        raise ConfigError(message, next_step="Use its https address.")


def _client(urls: list[str]) -> tuple[httpx.Client, Any]:
    import ssl

    from backhaul.sessions.deadline import Deadline, bind
    from backhaul.sessions.lean import without_command_line

    without_command_line()
    import httpx

    is_loopback = all(url.startswith("http://") for url in urls)
    # Plain http on loopback needs no certificate authorities, whose reading costs 0.1 s of CPU, and no proxy.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_loopback else True
    headers = {"User-Agent": "backhaul", "Accept-Encoding": "identity"}
    client = httpx.Client(verify=verify, trust_env=not is_loopback, headers=headers)
    deadline = Deadline()
    bind(client, deadline)
    return client, deadline
