"""Google's Sheets API over gspread: tokens, time-outs, pacing, bounded retries, and refusals told in words."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from backhaul.errors import ConfigError, TransientError
from backhaul.sessions.google.keys import Account, load_account
from backhaul.sessions.google.refusals import token_refusal

if TYPE_CHECKING:
    import ssl

    import httpx

GOOGLE_URL = "https://sheets.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/spreadsheets"
CALLS_A_MINUTE = 60
MINUTE_S = 60.0
TOKEN_SPARE_S = 120.0
UNAVAILABLE = "Google did not answer properly; it is tried again by itself."


@dataclass(frozen=True)
class Patience:
    """How long one call may take, and by which clock.

    Args:
        attempts: tries of one call, where the answer was a failure of the server or of the line.
        seconds: the whole call with all its waits; also the longest wait for the quota of a minute.
        timeout_s: one attempt, from its first byte to its last.
    """

    attempts: int = 4
    seconds: float = 150.0
    timeout_s: float = 90.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 32.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Unanswered(TransientError):
    """A write whose fate is not known: the answer was lost, or said that something went wrong inside Google."""

    default_next_step = UNAVAILABLE


@dataclass
class Pace:
    """At most `limit` calls in any minute; who comes too early waits."""

    patience: Patience
    limit: int = CALLS_A_MINUTE
    _taken: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, until: float) -> None:
        """Wait for a free place and take it. Raises TransientError if there is none before until."""
        while (wait_s := self._try()) > 0:
            if self.patience.clock() + wait_s > until:
                raise TransientError(
                    f"Google allows {self.limit} calls a minute, and all are taken",
                    next_step="It is tried again by itself; fewer streams at once would need fewer calls.",
                    retry_after_s=wait_s,
                )
            self.patience.sleep(wait_s)

    def _try(self) -> float:
        with self._lock:
            now = self.patience.clock()
            while self._taken and self._taken[0] <= now - MINUTE_S:
                self._taken.popleft()
            if len(self._taken) < self.limit:
                self._taken.append(now)
                return 0.0
            return self._taken[0] + MINUTE_S - now


class Access:
    """What all sheets of one service account share in this process: its token, and its budget of calls a minute."""

    def __init__(self, account: Account, api_url: str, patience: Patience) -> None:
        self.account = account
        self.api_url = api_url
        self.patience = patience
        self.reads, self.writes = Pace(patience), Pace(patience)
        self.hints: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        # Made once: reading all certificates takes longer than most calls.
        self.certificates: ssl.SSLContext | None = None
        self._turns: dict[str, threading.Lock] = {}
        self._token: str | None = None
        self._expires_at = 0.0

    def turn(self, spreadsheet: str) -> threading.Lock:
        """Return the lock of a spreadsheet: in one process one delivery at a time writes into it."""
        with self._lock:
            return self._turns.setdefault(spreadsheet, threading.Lock())

    def token(self, http: httpx.Client, *, refused: str | None = None) -> str:
        """Return a valid access token; `refused` is one that the service has just turned down."""
        with self._lock:
            if self._token is None or self._token == refused or self.patience.clock() > self._expires_at:
                self._token, lasts_s = self._fresh_token(http)
                self._expires_at = self.patience.clock() + lasts_s - TOKEN_SPARE_S
            return self._token

    def _fresh_token(self, http: httpx.Client) -> tuple[str, float]:
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2.service_account import Credentials

        credentials: Credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            self.account.info, scopes=[SCOPE]
        )
        try:
            credentials.refresh(_TokenCall(http))  # type: ignore[no-untyped-call]
        except GoogleAuthError as error:
            raise token_refusal(error, self.account) from None
        lasts_s = 3600.0 if credentials.expiry is None else _seconds_until(credentials.expiry)
        return str(credentials.token), lasts_s


class _TokenCall:
    """The transport that google-auth asks for tokens through: what may pass by itself is our TransientError."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _TokenAnswer:
        import httpx

        try:
            answer = self._http.request(method, url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise TransientError(f"Google's token service: {_kind(error)}", next_step=UNAVAILABLE) from None
        if answer.status_code == 429 or answer.status_code >= 500 or not _is_object(answer):
            raise TransientError(
                f"Google's token service answered {answer.status_code} without a token",
                next_step=UNAVAILABLE,
                retry_after_s=retry_after(answer.headers),
            )
        return _TokenAnswer(answer.status_code, answer.headers, answer.content)


@dataclass(frozen=True)
class _TokenAnswer:
    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)


@lru_cache(maxsize=16)
def access_to(account_text: str, api_url: str, patience: Patience) -> Access:
    """Return the access of this account, one for each process. Raises ConfigError for a bad key or address."""
    check_address(api_url)
    account = load_account(account_text)
    return _access(account.client_email, account.key_id_tail, account.token_uri, _Held(account), api_url, patience)


@dataclass(frozen=True)
class _Held:
    account: Account = field(compare=False, hash=False)


@lru_cache(maxsize=16)
def _access(email: str, tail: str, token_uri: str, held: _Held, api_url: str, patience: Patience) -> Access:
    """The same account in two forms (a path, its text) has one budget."""
    return Access(held.account, api_url, patience)


def check_address(address: str) -> None:
    """Raise ConfigError for an address that would send tokens unprotected: plain http beyond this machine."""
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigError(
            "GOOGLE_API_URL is not an https:// address",
            next_step="Leave GOOGLE_API_URL empty to use Google itself.",
        )


def waits(patience: Patience) -> Iterator[float]:
    """Yield the seconds to wait after each failed attempt: doubling, with up to half as much again by chance."""
    wait_s = patience.first_wait_s
    while True:
        yield wait_s * (1 + random.random() / 2)
        wait_s = min(wait_s * 2, patience.longest_wait_s)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header that gives seconds, else None."""
    said = headers.get("Retry-After", "").strip()
    return float(said) if said.isdigit() and len(said) < 6 else None


def _is_object(answer: httpx.Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False


def _seconds_until(expiry: Any) -> float:
    from datetime import UTC, datetime

    return float((expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())


def _kind(error: Exception) -> str:
    import httpx

    return "no answer in time" if isinstance(error, httpx.TimeoutException) else "the connection failed"
