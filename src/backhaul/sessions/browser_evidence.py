"""What a page of the browser showed when an attempt failed: its HTML, and a picture with people's data covered."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from backhaul.sessions.cleaning import CELLS, DIGITS, EMAIL
from backhaul.sessions.evidence import Evidence
from backhaul.sessions.pages import Page

if TYPE_CHECKING:
    from playwright.sync_api import Locator
    from playwright.sync_api import Page as BrowserPage

_TIMEOUT_MS = 5000.0
_COVERED = (
    "table, [role=table], [role=grid], [role=treegrid], [role=row], input, textarea, select, [contenteditable],"
    f" iframe, object, embed, canvas, img, svg, video, {CELLS}"
)
_BUTTONS = ":not([type=submit]):not([type=button]):not([type=reset]):not([type=checkbox]):not([type=radio])"
_COLOR = "#9ca3af"


def show(page: BrowserPage, evidence: Evidence) -> None:
    """Give evidence the page as it stands; a browser that does not answer makes the failure no worse."""
    from playwright.sync_api import Error
    from playwright.sync_api import TimeoutError as Timeout

    page.set_default_timeout(_TIMEOUT_MS)
    with suppress(Error):
        try:
            evidence.picture(
                page.screenshot(
                    mask=_masks(page, evidence),
                    mask_color=_COLOR,
                    animations="disabled",
                    caret="hide",
                    timeout=_TIMEOUT_MS,
                )
            )
        except Timeout:
            # A page whose script never ends would not give its HTML either, and that has no time-out.
            return
    with suppress(Error):
        evidence.see(Page.read(page.content(), page.url))


def _masks(page: BrowserPage, evidence: Evidence) -> list[Locator]:
    """Return what is covered: controls, tables, pictures, and every text with a secret, an address or a long number.

    The browser finds these out of reach of the page's own scripts, which therefore never see what is looked for.
    """
    said = [re.compile(re.escape(secret), re.IGNORECASE) for secret in evidence.cleaner.secrets]
    said += [re.compile(EMAIL), re.compile(DIGITS)]
    covered = _COVERED.replace("input,", f"input{_BUTTONS},")
    return [page.locator(f"css={covered}"), *(page.get_by_text(each) for each in said)]
