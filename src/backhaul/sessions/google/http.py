"""gspread's HTTP client with bounds: imported only where gspread is about to be used."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx
from gspread.http_client import HTTPClient

from backhaul.errors import BackhaulError, TransientError
from backhaul.sessions.google.access import GOOGLE_URL, UNAVAILABLE, Access, Unanswered, retry_after, waits
from backhaul.sessions.google.refusals import refusal

if TYPE_CHECKING:
    from backhaul.sessions.deadline import Deadline

_OTHER_HOST = "https://www.googleapis.com"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class BoundedClient(HTTPClient):
    """Every call of gspread's verbs goes through `request` here.

    A read is tried again after any failure of the server or the line. A write is tried again only where it is
    certain that nothing was applied; else Unanswered goes up, and the caller looks what became of it.
    """

    def __init__(self, access: Access, name: str, deadline: Deadline, session: Any) -> None:
        super().__init__(None, session)  # type: ignore[arg-type]
        self._access = access
        self._name = name
        self._deadline = deadline
        self._http: httpx.Client = session

    def request(  # type: ignore[override]
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        json: Mapping[str, Any] | None = None,
        files: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return a successful answer. Raises TransientError, DeliveryError, ConfigError."""
        patience = self._access.patience
        until = patience.clock() + patience.seconds
        is_read = method.lower() == "get"
        body = data if json is None else json_text.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        failed, refused_token = 0, None
        for wait_s in waits(patience):
            (self._access.reads if is_read else self._access.writes).take(until)
            answer, error = self._attempt(method, endpoint, params, body, refused_token)
            if error is None:
                assert answer is not None
                return answer
            if answer is not None and answer.status_code == 401 and refused_token is None:
                refused_token = answer.request.headers["Authorization"].removeprefix("Bearer ")
                continue
            is_quota = answer is not None and answer.status_code in (403, 429)
            if not isinstance(error, TransientError):
                raise error
            if isinstance(error, Unanswered) and not is_read:
                raise error
            failed += not is_quota
            pause_s = max(wait_s, error.retry_after_s or 0.0)
            if failed >= patience.attempts or patience.clock() + pause_s > until:
                raise error
            patience.sleep(pause_s)
        raise AssertionError("waits never end")

    def _attempt(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None,
        body: bytes | None,
        refused_token: str | None,
    ) -> tuple[httpx.Response | None, BackhaulError | None]:
        """Return the answer, and the error if it is no success or there is none."""
        self._deadline.at = time.monotonic() + self._access.patience.timeout_s
        try:
            token = self._access.token(self._http, refused=refused_token)
        except TransientError as error:
            return None, error
        headers = {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        try:
            answer = self._http.request(method, self._placed(endpoint), params=params, content=body, headers=headers)
        except _NOT_SENT as error:
            return None, TransientError(f"{self._name}: {_told(error)}", next_step=UNAVAILABLE)
        except httpx.TransportError as error:
            return None, Unanswered(f"{self._name}: {_told(error)}")
        return answer, self._error(answer)

    def _error(self, answer: httpx.Response) -> BackhaulError | None:
        if answer.is_success and answer.content[:1] == b"{":
            return None
        status = answer.status_code if not answer.is_success else 502
        error = refusal(
            status,
            answer.content,
            name=self._name,
            account=self._access.account,
            retry_after_s=retry_after(answer.headers),
        )
        if status == 408 or status >= 500:
            return Unanswered(str(error), retry_after_s=retry_after(answer.headers))
        return error

    def _placed(self, endpoint: str) -> str:
        """Return the address at the service that the settings name."""
        for host in (GOOGLE_URL, _OTHER_HOST):
            if endpoint.startswith(host + "/"):
                if self._access.api_url.rstrip("/") == GOOGLE_URL:
                    return endpoint
                return self._access.api_url.rstrip("/") + endpoint.removeprefix(host)
        raise AssertionError("gspread calls Google only")


def bounded_client(access: Access, name: str, deadline: Deadline) -> Callable[[Any, Any], BoundedClient]:
    """Return what gspread.Client makes its HTTP client with."""
    return lambda auth, session: BoundedClient(access, name, deadline, session)


def _told(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "Google did not answer in time"
    return "the connection to Google failed"
