"""What the sandbox Dropbox can do wrong when it is asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    """The calls that the sandbox answers."""

    TOKEN = "oauth2/token"
    LIST = "files/list_folder"
    CONTINUE = "files/list_folder/continue"
    METADATA = "files/get_metadata"
    DOWNLOAD = "files/download"


class DropboxFault(StrEnum):
    """One way to misbehave."""

    EXPIRED_TOKEN = "expired-token"
    """401 expired_access_token; a new token is taken again."""
    INVALID_TOKEN = "invalid-token"
    MISSING_SCOPE = "missing-scope"
    INVALID_GRANT = "invalid-grant"
    """At the token address: the refresh token is revoked."""
    TOO_MANY_REQUESTS = "too-many-requests"
    """429 with Retry-After."""
    SERVER_ERROR = "server-error"
    """500 with JSON."""
    UNAVAILABLE_HTML = "unavailable-html"
    """503 with an HTML page."""
    PROXY_PAGE = "proxy-page"
    """200 with an HTML page, as of a hotel's network."""
    HANG = "hang"
    """No answer for so many seconds, then the connection is cut."""
    SLOW = "slow"
    """The answer comes, but its first byte only after so many seconds."""
    CUT_BEFORE = "cut-before"
    """The connection is cut instead of an answer."""
    RESET = "reset"
    """At a listing that goes on: 409 reset, the cursor is void."""
    REPLACED = "replaced"
    """At a download: the file is replaced just before, and the old revision is gone."""
    CUT = "cut"
    """At a download: the connection is cut after so many bytes of the body."""
    STALL = "stall"
    """At a download: nothing comes for so many seconds after so many bytes of the body, then it is cut."""
    TRUNCATED = "truncated"
    """At a download: so many bytes of the body come, with headers that say that this was all."""
    WHOLE = "whole"
    """At a download: 200 and the whole file, whatever range was asked for."""
    WRONG_RANGE = "wrong-range"
    """At a download: 206 with another part of the file than was asked for."""
    WRONG_BYTES = "wrong-bytes"
    """At a download: as many bytes as there should be, but one of them is another."""


OF_DOWNLOADS = frozenset(
    {
        DropboxFault.REPLACED,
        DropboxFault.CUT,
        DropboxFault.STALL,
        DropboxFault.TRUNCATED,
        DropboxFault.WHOLE,
        DropboxFault.WRONG_RANGE,
        DropboxFault.WRONG_BYTES,
    }
)


@dataclass(frozen=True)
class PlannedDropboxFault:
    """A fault with its place and number.

    Args:
        endpoint: where it strikes; None is wherever it makes sense.
        after: so many calls there go well first.
        times: how often it strikes then; None is until it is cleared.
        seconds: what a 429 asks to wait, and how long a hanging or slow answer takes.
        size_bytes: of a body that is cut, stalled or truncated.
    """

    fault: DropboxFault
    endpoint: Endpoint | None = None
    after: int = 0
    times: int | None = None
    seconds: float = 1.0
    size_bytes: int = 0

    def is_at(self, endpoint: Endpoint) -> bool:
        """Tell whether the fault may strike a call of this endpoint."""
        if self.endpoint is not None:
            return endpoint is self.endpoint
        if self.fault in OF_DOWNLOADS:
            return endpoint is Endpoint.DOWNLOAD
        match self.fault:
            case DropboxFault.RESET:
                return endpoint is Endpoint.CONTINUE
            case DropboxFault.INVALID_GRANT:
                return endpoint is Endpoint.TOKEN
            case DropboxFault.EXPIRED_TOKEN | DropboxFault.INVALID_TOKEN | DropboxFault.MISSING_SCOPE:
                return endpoint is not Endpoint.TOKEN
        return True


class DropboxFaults:
    """The faults that are still to come; may be changed while the sandbox runs, from any thread."""

    def __init__(self, planned: Iterable[DropboxFault | PlannedDropboxFault] = ()) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[PlannedDropboxFault, int]] = []
        self.set(*planned)

    def add(
        self,
        fault: DropboxFault,
        *,
        endpoint: Endpoint | None = None,
        after: int = 0,
        times: int | None = 1,
        seconds: float = 1.0,
        size_bytes: int = 0,
    ) -> None:
        """Plan one more fault, which strikes once unless told otherwise; see PlannedDropboxFault."""
        with self._lock:
            planned = PlannedDropboxFault(fault, endpoint, after, times, seconds, size_bytes)
            self._calls.append((planned, 0))

    def set(self, *planned: DropboxFault | PlannedDropboxFault) -> None:
        """Plan these faults in place of all others; a bare one strikes every call until it is cleared."""
        whole = [PlannedDropboxFault(item) if isinstance(item, DropboxFault) else item for item in planned]
        with self._lock:
            self._calls = [(item, 0) for item in whole]

    def clear(self) -> None:
        """Behave well from now on."""
        self.set()

    def take(self, endpoint: Endpoint) -> PlannedDropboxFault | None:
        """Return the fault that strikes this call, the first planned of several, and count the call for each."""
        struck = None
        with self._lock:
            counted: list[tuple[PlannedDropboxFault, int]] = []
            for planned, calls in self._calls:
                is_due = calls >= planned.after and (planned.times is None or calls < planned.after + planned.times)
                if not planned.is_at(endpoint) or (is_due and struck is not None):
                    counted.append((planned, calls))
                    continue
                struck = planned if is_due else struck
                counted.append((planned, calls + 1))
            self._calls = counted
        return struck
