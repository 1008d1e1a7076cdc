"""Opens the chat of one title, and proves that it is that chat. Types in the search box and nowhere else."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.sessions.whatsapp import script

if TYPE_CHECKING:
    from playwright.sync_api import ElementHandle, Page

T = TypeVar("T")
Do = Callable[[Callable[["Page"], T]], T]

SOURCE = "WhatsApp Web"
_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufe0f]")
_LIST_S = 3.0
_HEADER_S = 10.0
_WRITE_TRIES = 4
_TICK_S = 0.1
_AGAIN = "Run again; if it goes on, close other windows of this browser and look at the page."
_NEXT = "Copy the group's name from WhatsApp, letter by letter: a hyphen and a dash are two names."
LAYOUT = "The page may have changed: update backhaul; until then use Export chat files."


def plain_title(title: str) -> str:
    """Return a title without direction marks, its spaces as single ones: what two titles are compared by."""
    return " ".join(unicodedata.normalize("NFC", _MARKS.sub("", title)).split())


def open_chat(do: Do[Any], group: str, pace_s: float) -> None:
    """Open the chat whose whole title is that of group, and wait until the header says so.

    Raises ConfigError where there is no such chat or two, SourceChanged where the page cannot be worked.
    """
    title = plain_title(group)
    if not title:
        raise ConfigError(f"{SOURCE}: the group's name is empty", next_step="Put its name into the settings.")
    given = {"title": title, "query": title}
    _write(do, "", pace_s)
    listed = do(lambda page: page.evaluate(script.LISTED, given))
    if listed["same"] != 1:
        _write(do, title, pace_s)
        _wait_for_row(do, given)
    time.sleep(pace_s)
    do(lambda page: _press(page, given))
    _wait_for_header(do, title)


def check_header(title: str, group: str) -> None:
    """Raise SourceChanged if the open chat is not the wanted one; neither name is told."""
    if title != plain_title(group):
        raise SourceChanged(
            f"{SOURCE}: the open chat's header does not say the name of {group!r}; nothing of it was taken",
            next_step=LAYOUT,
        )


def _write(do: Do[Any], query: str, pace_s: float) -> None:
    """Put query into the search box, in place of what stands there; begin again if the page draws another box."""
    for _attempt in range(_WRITE_TRIES):
        try:
            if not do(lambda page: _clear(page, is_needed=bool(query))):
                return
            for letter in query:
                do(partial(_type, letter=letter))
                time.sleep(pace_s / 5)
            # Letters that the keyboard lacks come without a key; the box looks at its text when one is let go.
            do(partial(_type, key="End"))
            time.sleep(pace_s)
        except _Replaced:
            continue
        return
    raise TransientError(
        f"{SOURCE}: the page took the cursor out of the search box {_WRITE_TRIES} times; no group was opened",
        next_step=_AGAIN,
    )


class _Replaced(Exception):
    """The page has drawn another search box, or put the cursor elsewhere."""


def _clear(page: Page, *, is_needed: bool) -> bool:
    """Empty the search box and stand in it; return False if it is empty and nothing is to be written."""
    from playwright.sync_api import Error

    box = _box(page)
    if not is_needed and not _said_in(box):
        return False
    try:
        box.click(timeout=5000)
    except Error as error:
        if "not attached" in str(error):
            raise _Replaced from None
        raise
    _check_stands_in(box)
    page.keyboard.press("ControlOrMeta+a")
    _check_stands_in(box)
    page.keyboard.press("Backspace")
    return True


def _type(page: Page, *, letter: str = "", key: str = "") -> None:
    """Type a letter, having looked that it goes into the search box: everything else on the page is people's."""
    _check_stands_in(_box(page))
    if key:
        page.keyboard.press(key)
    else:
        page.keyboard.type(letter)


def _box(page: Page) -> ElementHandle:
    box = page.evaluate_handle(script.SEARCH).as_element()
    if box is None:
        raise SourceChanged(
            f"{SOURCE}: there is no search box above the list of chats; no group was opened", next_step=LAYOUT
        )
    return box


def _check_stands_in(box: ElementHandle) -> None:
    if not box.evaluate("box => box === document.activeElement || box.contains(document.activeElement)"):
        raise _Replaced


def _said_in(box: ElementHandle) -> str:
    return str(box.evaluate("box => (box.value ?? box.textContent).trim()"))


def _wait_for_row(do: Do[Any], given: dict[str, str]) -> None:
    """Wait for the chat in the list. Raises ConfigError, SourceChanged, naming no other chat."""
    ends_at = time.monotonic() + _LIST_S
    while True:
        listed = do(lambda page: page.evaluate(script.LISTED, given))
        if listed["same"] == 1:
            return
        if time.monotonic() > ends_at:
            break
        time.sleep(_TICK_S)
    if listed["same"] > 1:
        raise ConfigError(
            f"{SOURCE}: {listed['same']} chats have the name {given['title']!r}",
            next_step="Rename one of them in WhatsApp, then put the new name into the settings.",
        )
    if plain_title(do(lambda page: _said_in(_box(page)))) != given["query"]:
        raise TransientError(
            f"{SOURCE}: the page emptied the search box while {given['title']!r} was searched", next_step=_AGAIN
        )
    if listed["is_drawn"] and not listed["filtered"]:
        raise SourceChanged(
            f"{SOURCE}: the search box brings other chats than those that are searched; no group was opened",
            next_step=LAYOUT,
        )
    raise ConfigError(f"{SOURCE}: there is no group of the name {given['title']!r}", next_step=_NEXT)


def _press(page: Page, given: dict[str, str]) -> None:
    from playwright.sync_api import Error

    for attempt in (1, 2, 3):
        row = page.evaluate_handle(script.CHAT, given).as_element()
        try:
            if row is not None:
                row.click(timeout=5000)
                return
        except Error:
            # The list was drawn anew under the mouse.
            if attempt == 3:
                raise
        page.wait_for_timeout(100)
    raise TransientError(
        f"{SOURCE}: {given['title']!r} went out of the list of chats before it was opened", next_step=_AGAIN
    )


def _wait_for_header(do: Do[Any], title: str) -> None:
    ends_at = time.monotonic() + _HEADER_S
    while do(lambda page: page.evaluate(script.HEADER)) != title:
        if time.monotonic() > ends_at:
            raise SourceChanged(
                f"{SOURCE}: after a press on {title!r} the header does not say that name; nothing was read",
                next_step=LAYOUT,
            )
        time.sleep(_TICK_S)
