"""What was read of one chat on the page, as the page shows it: nothing in it is interpreted yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

REFUSED = (
    "If your own browser shows it well, WhatsApp may refuse one without a window: set BACKHAUL_HEADED=1, on a server"
    " without a display under xvfb-run."
)
"""What to try when a page of unknown kind is shown."""


class Standing(StrEnum):
    """What the page shows."""

    READY = "ready"
    QR = "qr"
    LOADING = "loading"
    EXPIRED = "expired"
    """It was signed in before, and shows the code again."""
    RELINK = "relink"
    """Its database is damaged, or the phone has let it go: the profile must be linked anew."""
    UNKNOWN = "unknown"


class End(StrEnum):
    """Why reading upwards has ended."""

    ENOUGH = "enough"
    """The caller had what it wanted."""
    START = "start"
    """The first message of the chat was reached."""
    PHONE = "phone"
    """The phone keeps still older messages."""
    STALLED = "stalled"
    """Nothing more came, and nothing says why."""


class Shown(StrEnum):
    """What a row is, as far as its marks in the page tell."""

    TEXT = "text"
    MEDIA = "media"
    DELETED = "deleted"


@dataclass(frozen=True)
class PageRow:
    """One message of the panel.

    Args:
        id: WhatsApp's own, as it stands there, bare or packed; "" where the build shows none.
        header: the attribute `data-pre-plain-text` as it stands, "" where the row has none.
        text: the message's own body, emoji in it, what it quotes left out.
        shown: what the row is.
        clock: the time below the message as it is shown, "" where none was found.
        author: the sender's name or number where the row shows it, else "".
        is_own: whether the account itself has sent it; None where the page does not tell.
        is_edited: whether the page says so.
        is_truncated: whether the page shows only the beginning of the text.
        above: what the page itself says between this message and the one above, a line each: a day, who has joined;
            "" for nothing, None where that was not in sight.
    """

    id: str
    header: str
    text: str
    shown: Shown = Shown.TEXT
    clock: str = ""
    author: str = ""
    is_own: bool | None = None
    is_edited: bool = False
    is_truncated: bool = False
    above: str | None = None


@dataclass(frozen=True)
class Reading:
    """What was read of one chat: messages from the oldest to the newest, without gaps between them.

    Args:
        title: the chat's name as its header shows it, direction marks left out.
        end: why no older messages were read.
        language: of the page, as it says itself, such as `he`; "" where it does not.
        own_name: the account's own name where the page shows it, else "".
        matched: by an entry of the selector table, such as `text: [data-testid="selectable-text"]`, how many rows or
            places it has matched.
        unread: rows that look like messages (an id, or a bubble) of which neither header nor kind could be read.
    """

    title: str
    rows: tuple[PageRow, ...]
    end: End
    language: str = ""
    own_name: str = ""
    matched: Mapping[str, int] | None = None
    unread: int = 0
