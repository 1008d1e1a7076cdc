"""What the sandbox's Google Sheets can do wrong when it is asked to."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from enum import Enum, StrEnum


class CallKind(Enum):
    """What a call is counted as."""

    READ = "read"
    WRITE = "write"
    DRIVE = "drive"
    TOKEN = "token"


class SheetsFault(StrEnum):
    """One way to misbehave. Nothing is applied unless the name says AFTER."""

    TOO_MANY_REQUESTS = "too-many-requests"
    """429, with Retry-After if the plan says how many seconds."""
    UNAVAILABLE_BEFORE = "unavailable-before"
    """503; nothing was written."""
    UNAVAILABLE_AFTER = "unavailable-after"
    """503, but the write was applied."""
    SERVER_ERROR = "server-error"
    BAD_GATEWAY_HTML = "bad-gateway-html"
    EMPTY_503 = "empty-503"
    """503 with `{}` as its body."""
    HANG = "hang"
    """No answer for as many seconds as the plan says (600), then the connection is cut."""
    HANG_AFTER = "hang-after"
    """The same, but the write was applied at once."""
    CUT_BEFORE = "cut-before"
    """The connection is cut; nothing was written."""
    CUT_AFTER = "cut-after"
    """The connection is cut, but the write was applied."""
    NOT_SHARED = "not-shared"
    NOT_FOUND = "not-found"
    SERVICE_DISABLED = "service-disabled"
    UNAUTHENTICATED = "unauthenticated"
    """401, as if the token had been withdrawn."""
    TOKEN_REFUSED = "token-refused"
    """400 invalid_grant at the token address."""
    TOKEN_BAD_GATEWAY = "token-bad-gateway"
    """502 and an HTML page at the token address."""
    TOKEN_UNAVAILABLE = "token-unavailable"
    """503 at the token address."""

    @property
    def is_at_token(self) -> bool:
        """Tell whether the fault strikes at the token address, and nowhere else."""
        return self.value.startswith("token-")

    @property
    def is_after(self) -> bool:
        """Tell whether the write is applied all the same."""
        return self in (SheetsFault.UNAVAILABLE_AFTER, SheetsFault.HANG_AFTER, SheetsFault.CUT_AFTER)


@dataclass(frozen=True)
class PlannedSheetsFault:
    """A fault with its place and number.

    Args:
        method: such as `POST`; None is any.
        path: a regular expression, looked for in the decoded path (`values:batchUpdate`, `/values/`); None is any.
        kind: what the call is counted as; None is any.
        times: how often it strikes; None is until it is cleared.
        after: how many calls that fit are left alone before.
        seconds: the Retry-After of a 429 (none if it is None), the wait of HANG.
    """

    fault: SheetsFault
    method: str | None = None
    path: str | None = None
    kind: CallKind | None = None
    times: int | None = 1
    after: int = 0
    seconds: float | None = None

    def is_at(self, method: str, path: str, kind: CallKind) -> bool:
        """Tell whether a call is one of those that the fault may strike."""
        if self.fault.is_at_token is not (kind is CallKind.TOKEN):
            return False
        return fits(method, path, self.method, self.path) and self.kind in (None, kind)


class SheetsFaults:
    """The faults that are still to come; may be changed while the sandbox runs, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[_Left] = []

    def add(
        self,
        fault: SheetsFault,
        *,
        method: str | None = None,
        path: str | None = None,
        kind: CallKind | None = None,
        times: int | None = 1,
        after: int = 0,
        seconds: float | None = None,
    ) -> None:
        """Plan one more fault; see PlannedSheetsFault."""
        planned = PlannedSheetsFault(fault, method, path, kind, times, after, seconds)
        with self._lock:
            self._left.append(_Left(planned, times, after))

    def clear(self) -> None:
        """Behave well from now on."""
        with self._lock:
            self._left.clear()

    def take(self, method: str, path: str, kind: CallKind) -> PlannedSheetsFault | None:
        """Return the fault that strikes this call (the first one planned) and count it down."""
        struck: PlannedSheetsFault | None = None
        with self._lock:
            for left in self._left:
                if not left.planned.is_at(method, path, kind):
                    continue
                if left.after > 0:
                    left.after -= 1
                elif struck is None:
                    struck = left.planned
                    left.times = None if left.times is None else left.times - 1
            self._left = [left for left in self._left if left.times is None or left.times > 0]
        return struck


@dataclass
class _Left:
    planned: PlannedSheetsFault
    times: int | None
    after: int


def fits(method: str, path: str, wanted_method: str | None, wanted_path: str | None) -> bool:
    """Tell whether a call is one with the wanted method and with wanted_path found in its decoded path."""
    if wanted_method is not None and wanted_method.upper() != method:
        return False
    return wanted_path is None or re.search(wanted_path, path) is not None
