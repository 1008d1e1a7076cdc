"""A guard on the login's tab: what is posted goes to no other host, also where the office redirects it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession
    from playwright.sync_api import Page as BrowserPage


class Guard:
    """What was held back: the first address that a form, or a redirect of one, would have carried its fields to."""

    def __init__(self) -> None:
        self.stopped: str | None = None


@contextmanager
def guarded(page: BrowserPage, is_home: Callable[[str], bool]) -> Iterator[Guard]:
    """Stop every form and every redirected request of page that carries a body to an address that is not home.

    A 307 or 308 repeats the POST, password included, wherever it points to. Playwright's own routes do not see
    redirects, so this asks Chromium itself to hold each request until it is looked at.
    """
    guard = Guard()
    wire: CDPSession = page.context.new_cdp_session(page)
    sent: set[str] = set()

    def look(event: dict[str, Any]) -> None:
        from playwright.sync_api import Error

        request = event["request"]
        carries = request["method"] not in ("GET", "HEAD", "OPTIONS")
        # A redirect goes on under the number that its request began with.
        number = event.get("networkId", "")
        is_watched = event.get("resourceType") == "Document" or number in sent
        sent.add(number)
        # A request that is over in the meantime, with its page, needs no answer.
        with suppress(Error):
            if carries and is_watched and not is_home(request["url"]):
                guard.stopped = guard.stopped or request["url"]
                wire.send("Fetch.failRequest", {"requestId": event["requestId"], "errorReason": "BlockedByClient"})
            else:
                wire.send("Fetch.continueRequest", {"requestId": event["requestId"]})

    wire.on("Fetch.requestPaused", look)
    wire.send("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Request"}]})
    try:
        yield guard
    finally:
        from playwright.sync_api import Error

        with suppress(Error):
            wire.detach()
