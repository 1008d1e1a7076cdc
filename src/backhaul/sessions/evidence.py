"""What shows afterwards why an attempt failed: the page, a picture, the requests; cleaned as it comes in."""

from __future__ import annotations

import contextlib
import html
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from backhaul.sessions.cleaning import Cleaner
from backhaul.sessions.pages import Page, path_of

PAGE, SCREENSHOT, TRACE = "page.html", "screenshot.png", "trace.json"
MOST_BYTES = 2 << 20
_MOST_REQUESTS = 300


@dataclass
class Asked:
    """One request: no query, no headers, no body; status is None while, or if, no answer came."""

    method: str
    path: str
    started: float
    status: int | None = None
    seconds: float | None = None


class Evidence:
    """Collects while an attempt runs; kept only if it fails. For one thread at a time.

    Our own list of requests stands in for a browser's trace file: that one holds all that was typed, every answer
    and every picture, which nobody could clean.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.cleaner = Cleaner(_spellings(secrets))
        self._requests: list[Asked] = []
        self._left_out = 0
        self._page: Page | None = None
        self._screenshot: bytes | None = None

    def ask(self, method: str, url: str) -> Asked:
        """Note a request that is sent, and return it for its answer."""
        asked = Asked(method, self.cleaner.path(path_of(url)), time.monotonic())
        if len(self._requests) < _MOST_REQUESTS:
            self._requests.append(asked)
        else:
            self._left_out += 1
        return asked

    def hear(self, asked: Asked, status: int | None) -> None:
        """Note the answer to a request."""
        asked.status = status
        asked.seconds = round(time.monotonic() - asked.started, 3)

    def see(self, page: Page) -> None:
        """Note the page that the attempt stands on; the last one counts."""
        self._page = page

    def picture(self, png: bytes) -> None:
        """Note a screenshot on which inputs and tables are covered already."""
        self._screenshot = png

    def keep(self, keep: Callable[[str, bytes], None]) -> None:
        """Give each file, cleaned, to keep; a disk that cannot take them makes the failure no worse."""
        if not self._requests:
            return
        # ValueError: what lxml says of a page that cannot be written again.
        with contextlib.suppress(OSError, ValueError):
            keep(TRACE, self._trace())
            if self._page is not None and (cleaned := self.cleaner.page(self._page)) is not None:
                keep(PAGE, cleaned[:MOST_BYTES])
            if self._screenshot is not None and len(self._screenshot) <= MOST_BYTES:
                keep(SCREENSHOT, self._screenshot)

    def _trace(self) -> bytes:
        began = self._requests[0].started
        requests = [
            {
                "at_s": round(asked.started - began, 3),
                "method": asked.method,
                "path": asked.path,
                "status": asked.status,
                "seconds": asked.seconds,
            }
            for asked in self._requests
        ]
        return json.dumps({"requests": requests, "left_out": self._left_out}, indent=1).encode()


def _spellings(secrets: Iterable[str]) -> set[str]:
    """Return secrets in each way in which a page or an address may write them."""
    found: set[str] = set()
    for secret in secrets:
        found |= {secret, html.escape(secret), quote(secret), quote(secret, safe=""), quote_plus(secret)}
        found |= {json.dumps(secret)[1:-1], html.escape(secret, quote=False)}
    return {each for each in found if each.strip()}
