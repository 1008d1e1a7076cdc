"""Reads one open chat upwards: scroll a little, look once, put together, until there is enough or no more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from backhaul.errors import LoginRequired, SourceChanged, TransientError
from backhaul.sessions.profile import PageLost
from backhaul.sessions.whatsapp import script
from backhaul.sessions.whatsapp.chats import LAYOUT, SOURCE, Do, check_header, open_chat
from backhaul.sessions.whatsapp.gathering import Gathering
from backhaul.sessions.whatsapp.reading import End, PageRow, Reading

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEP = 0.6
"""How much of the visible part one step goes up."""
ROUNDS = 5
"""How often nothing new may come at the top before that is taken for the end."""
_SMALLER = (0.3, 0.15, 0.1, -0.4, -0.6)
_DRAW_TRIES = 20
_QUIET_S = 0.4
_BUSY_ROUNDS = 40
_PRESSES = 60
_MOST_UNREAD = 1 / 3


class Scrolling:
    """One reading of one chat. Raises PageLost for a page that breaks in the middle."""

    def __init__(self, do: Do[Any], group: str, pace_s: float, ends_at: float) -> None:
        self._do = do
        self._group = group
        self._pace_s = pace_s
        self._ends_at = ends_at
        self._gathering = Gathering()
        self._places: Counter[str] = Counter()
        self._look: dict[str, Any] = {}
        self._stuck: set[str] = set()

    def read(self, enough: Callable[[Sequence[PageRow]], bool]) -> Reading:
        """Open the chat, read it, and prove at the end that it was that chat all the time."""
        open_chat(self._do, self._group, self._pace_s)
        self._settle()
        self._take()
        end = self._upwards(enough)
        self._see()
        rows, own_name = self._gathering.finished()
        self._check(rows)
        return Reading(
            title=self._look["title"],
            rows=rows,
            end=end,
            language=self._look["language"],
            own_name=own_name,
            matched=self._gathering.matched(self._places.elements()),
            unread=self._gathering.unread,
        )

    def _upwards(self, enough: Callable[[Sequence[PageRow]], bool]) -> End:
        quiet = busy = 0
        while not enough(self._gathering.messages):
            # A page that cannot be read is not scrolled through to its beginning.
            self._check(self._gathering.messages)
            look = self._look
            if look["top"] > 1:
                self._step()
                quiet = 0
                continue
            if look["is_busy"] and busy < _BUSY_ROUNDS:
                busy += 1
            elif quiet >= ROUNDS or (look["keeps_older"] and quiet >= 1) or (look["is_start"] and quiet >= 2):
                return _end(look)
            else:
                quiet += 1
            before = look["height"]
            if self._ask_for_older() or self._look["height"] != before:
                quiet = 0
        return End.ENOUGH

    def _step(self) -> None:
        """Go up one step and look; where what is seen does not join on, go back in smaller ones."""
        self._scroll(-STEP)
        if self._take() is not None:
            return
        for back in _SMALLER:
            self._scroll(back)
            if self._take() is not None:
                return
        raise TransientError(
            f"{SOURCE}: {self._group!r} jumped while it was read, and what is above does not join on",
            next_step="Run again; if it goes on, use Export chat files.",
        )

    def _ask_for_older(self) -> bool:
        """Stand at the top and let older messages come; return whether any did."""
        if self._look["has_button"]:
            self._do(_press_button)
        # The page asks for them when it is scrolled, and only then.
        self._scroll(0.1)
        self._scroll(-0.2)
        time.sleep(max(self._pace_s * 3, _QUIET_S))
        return bool(self._take())

    def _settle(self) -> None:
        """Go to the newest message and wait until the chat is drawn and stands still."""
        before: object = None
        for _ in range(_DRAW_TRIES):
            self._scroll(to_end=True)
            self._see()
            ids = [(row["kind"], row.get("id"), row.get("header")) for row in self._look["rows"]]
            if ids and (self._look["height"], ids) == before:
                return
            before = (self._look["height"], ids)
            time.sleep(max(self._pace_s, 0.1))
        if not self._look["has_panel"] or (not self._look["rows"] and self._look["has_words"]):
            raise SourceChanged(
                f"{SOURCE}: layout changed: no messages were found in {self._group!r}", next_step=LAYOUT
            )

    def _take(self) -> bool | None:
        """Look once and put it to the rest; open what is cut and look again."""
        self._see()
        result = self._gathering.add(self._look["rows"])
        for _ in range(_PRESSES):
            cut = self._cut()
            key = self._do(partial(_open_text, cut=list(cut))) if cut else None
            if key is None:
                break
            time.sleep(self._pace_s)
            self._see()
            result = self._gathering.add(self._look["rows"]) or result
            if self._cut().get(key) == cut[key]:
                self._stuck.add(key)
        return result if self._look["rows"] else False

    def _cut(self) -> dict[str, int]:
        """Return the messages on the page that can be opened and are known in part only, with how much is known."""
        known = {one.row.id or one.row.header: one.row for one in self._gathering.seen}
        found = {}
        for said in self._look["rows"]:
            key = said.get("id") or said.get("header") or ""
            if said.get("can_open") and key not in self._stuck and key in known and known[key].is_truncated:
                found[key] = len(said["text"])
        return found

    def _see(self) -> None:
        """Look until all that is in sight is drawn. Raises what keeps the chat from being read."""
        for attempt in range(_DRAW_TRIES):
            self._look = look = self._do(lambda page: page.evaluate(script.SNAPSHOT))
            self._check_look(look)
            empty = sum(row["kind"] == "empty" and row["in_view"] for row in look["rows"])
            if not empty and not look["is_hidden"]:
                self._places.update(look["places"])
                return
            if attempt in (3, 10):
                self._do(lambda page: page.bring_to_front())
            time.sleep(0.05 if attempt < 5 else 0.1)
        why = "its tab is hidden" if look["is_hidden"] else "as in a hidden tab"
        raise SourceChanged(
            f"{SOURCE}: {_rows(empty)} in sight of {self._group!r} and not drawn, {why}; nothing was taken",
            next_step="Run again with no other window over the browser's; if it goes on, use Export chat files.",
        )

    def _check_look(self, look: dict[str, Any]) -> None:
        if time.monotonic() > self._ends_at:
            raise TransientError(
                f"{SOURCE}: {self._group!r} was not read in time: {len(self._gathering.messages):,} of its messages"
                " were seen, and none was taken",
                next_step="Run again; after a long pause, bring the messages between with an Export chat file.",
            )
        # What follows looks at the page anew, and says whether it waits for a sign-in.
        if look["state"] == "qr":
            raise LoginRequired(
                f"{SOURCE}: the phone has signed this browser out while {self._group!r} was read",
                next_step="Sign in: backhaul login SYSTEM, and scan the code with the phone.",
            )
        if look["state"] != "ready" or not look["title"]:
            raise PageLost
        check_header(look["title"], self._group)

    def _check(self, rows: Sequence[PageRow]) -> None:
        """Raise SourceChanged if too little of what was seen could be read, or if it is of two chats."""
        unread, cards = self._gathering.unread, self._gathering.cards
        looked = len(rows) + unread
        counted = f"{looked + cards:,} {'row' if looked + cards == 1 else 'rows'}"
        if (cards and not rows) or (unread and not rows) or unread > looked * _MOST_UNREAD:
            raise SourceChanged(
                f"{SOURCE}: layout changed: of {counted} in {self._group!r} {len(rows):,} could be read, {unread:,}"
                f" could not, {cards:,} looked like contacts' cards; nothing was taken",
                next_step=LAYOUT,
            )
        if len(self._gathering.chats) > 1:
            raise SourceChanged(
                f"{SOURCE}: messages of {len(self._gathering.chats)} chats stand in {self._group!r};"
                " nothing was taken",
                next_step=LAYOUT,
            )

    def _scroll(self, by: float = 0, *, to_end: bool = False) -> None:
        self._do(lambda page: page.evaluate(script.SCROLL, {"by": by, "to_end": to_end}))
        time.sleep(self._pace_s)


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _end(look: dict[str, Any]) -> End:
    if look["keeps_older"] or look["has_button"]:
        return End.PHONE
    return End.START if look["is_start"] else End.STALLED


def _press_button(page: Page) -> None:
    from playwright.sync_api import Error

    button = page.evaluate_handle(script.OLDER_BUTTON).as_element()
    try:
        if button is not None:
            button.click(timeout=3000)
    except Error as error:
        # It went away under the mouse: the older ones are coming.
        if "closed" in str(error):
            raise


def _open_text(page: Page, cut: Iterable[str]) -> str | None:
    """Press "Read more" of one of the messages that are cut; return which, None if none can be pressed."""
    from playwright.sync_api import Error

    found = page.evaluate_handle(script.READ_MORE, {"keys": list(cut)})
    control = found.get_property("control").as_element()
    if control is None:
        return None
    try:
        control.click(timeout=2000)
    except Error as error:
        if "closed" in str(error):
            raise
    return str(found.get_property("key").json_value())
