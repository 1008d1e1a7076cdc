"""Where things stand on the page of WhatsApp Web: selectors by what they find, in order, and since when.

Several builds are served side by side and change every few months, so each thing has a list that is tried in order,
and every reading counts what has matched. Nothing here was compared with the living page: the dates are those of
public observations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """What a selector finds."""

    READY = "ready"
    CODE = "code"
    PICTURE = "picture"
    LOADING = "loading"
    SEARCH = "search"
    CHAT = "chat"
    CHAT_TITLE = "chat title"
    HEADER = "header"
    SCROLLER = "scroller"
    BUSY = "busy"
    ROW = "row"
    ID = "id"
    INFO = "info"
    """The element whose attribute `data-pre-plain-text` names time, date and sender."""
    TEXT = "text"
    QUOTE = "quote"
    AUTHOR = "author"
    NUMBER = "number"
    META = "meta"
    DELETED = "deleted"
    MEDIA = "media"
    OWN = "own"
    OTHERS = "others"
    SENT = "sent"
    """The tick below a message that this account has sent."""


@dataclass(frozen=True)
class Entry:
    """One way to find a place; `since` is when it was first seen in public, as year and month where known."""

    place: Place
    css: str
    since: str


TABLE = (
    Entry(Place.READY, "#pane-side", "2018"),
    Entry(Place.READY, '[data-testid="chat-list"]', "2026-09"),
    Entry(Place.READY, '[aria-label="Chat list"]', "2025"),
    Entry(Place.READY, '[aria-label="Search or start a new chat"]', "2026-02"),
    Entry(Place.CODE, '[data-testid="qrcode"]', "2026-09"),
    Entry(Place.CODE, "div[data-ref]", "2018"),
    Entry(Place.CODE, 'img[alt^="Scan this QR code"]', "2026-09"),
    Entry(Place.CODE, 'canvas[aria-label^="Scan this QR code"]', "2025"),
    Entry(Place.CODE, 'canvas[aria-label="Scan me!"]', "2019"),
    Entry(Place.CODE, '[data-testid="intro-title"]', "2025"),
    Entry(Place.CODE, 'a[href*="phone-number"]', "2025"),
    Entry(Place.PICTURE, 'img[alt^="Scan this QR code"]', "2026-09"),
    Entry(Place.PICTURE, 'canvas[aria-label^="Scan"]', "2019"),
    Entry(Place.PICTURE, "div[data-ref] canvas, div[data-ref] img", "2018"),
    Entry(Place.PICTURE, '[data-testid="qrcode"] canvas, [data-testid="qrcode"] img', "2026-09"),
    Entry(Place.LOADING, '[data-testid="startup"]', "2025"),
    Entry(Place.LOADING, "#app progress", "2018"),
    Entry(Place.SEARCH, '#side input[data-tab="3"]', "2026-02"),
    Entry(Place.SEARCH, '[data-testid="chat-list-search-container"] input', "2026-09"),
    Entry(Place.SEARCH, '#side div[contenteditable="true"][data-tab="3"]', "2020"),
    Entry(Place.SEARCH, '#side input[type="text"], #side input:not([type])', "2026-02"),
    Entry(Place.SEARCH, '#side [role="textbox"][contenteditable="true"]', "2020"),
    Entry(Place.CHAT, '#pane-side [role="row"]', "2026-02"),
    Entry(Place.CHAT, '#pane-side [role="listitem"]', "2020"),
    Entry(Place.CHAT, '#pane-side [data-testid="cell-frame-container"]', "2025"),
    Entry(Place.CHAT_TITLE, '[data-testid="cell-frame-title"] span[title]', "2025"),
    Entry(Place.CHAT_TITLE, "span[title]", "2018"),
    Entry(Place.HEADER, '#main [data-testid="conversation-info-header"] span[dir="auto"]', "2026-09"),
    Entry(Place.HEADER, '#main header span[dir="auto"]', "2018"),
    Entry(Place.SCROLLER, '#main [data-testid="conversation-panel-messages"]', "2026-09"),
    Entry(Place.SCROLLER, '#main [data-scrolltracepolicy="wa.web.conversation.messages"]', "2024"),
    Entry(Place.BUSY, 'progress, [role="progressbar"], [data-icon*="spinner"]', "2024"),
    Entry(Place.ROW, '[role="row"]', "2018"),
    Entry(Place.ROW, "[data-id]", "2018"),
    Entry(Place.ROW, "[data-pre-plain-text]", "2018"),
    Entry(Place.ID, "[data-id]", "2018"),
    Entry(Place.ID, '[data-testid^="conv-msg-"]', "2026-09"),
    Entry(Place.INFO, "[data-pre-plain-text]", "2018"),
    Entry(Place.TEXT, '[data-testid="selectable-text"]', "2026-09"),
    Entry(Place.TEXT, ".selectable-text", "2018"),
    Entry(Place.TEXT, 'span[dir="ltr"], span[dir="rtl"]', "2026-04"),
    Entry(Place.QUOTE, '[aria-label="Quoted message" i]', "2025"),
    Entry(Place.QUOTE, ".quoted-mention", "2024"),
    Entry(Place.QUOTE, '[data-testid="quoted-message"]', "2024"),
    Entry(Place.AUTHOR, '[data-testid="author"]', "2026-09"),
    Entry(Place.NUMBER, "span._ahx_", "2026"),
    Entry(Place.META, '[data-testid="msg-meta"]', "2026-09"),
    Entry(Place.DELETED, '[data-icon="recalled"], [data-icon^="recalled-"]', "2020"),
    Entry(Place.MEDIA, '[role="slider"][aria-valuetext]', "2026"),
    Entry(Place.MEDIA, 'img[src^="blob:"]', "2018"),
    Entry(Place.MEDIA, '[aria-label="Open picture"], [aria-label="Play voice message"]', "2026"),
    Entry(Place.MEDIA, '[role="button"][aria-label*="GIF"]', "2026"),
    Entry(Place.MEDIA, "video, audio", "2018"),
    Entry(
        Place.MEDIA,
        '[data-icon^="audio-"], [data-icon^="ptt-"], [data-icon^="media-"], [data-icon^="document-"]',
        "2020",
    ),
    Entry(Place.OWN, '.message-out, [data-icon="tail-out"]', "2018"),
    Entry(Place.OTHERS, '.message-in, [data-icon="tail-in"]', "2018"),
    Entry(Place.SENT, '[data-icon="msg-dblcheck"], [data-icon="msg-check"], [data-icon="msg-time"]', "2018"),
)
"""In the order in which the entries of one place are tried."""

WORDS = {
    "loading": ("loading your chats", "הצ'אטים שלך נטענים", "memuat chat"),
    "relink": ("relink", "database error", "לקשר מחדש", "tautkan ulang"),
    "phone": ("phone", "טלפון", "telepon", "ponsel", "telefone", "celular", "teléfono", "telefon", "téléphone"),
    "start": (
        "end-to-end encrypted",
        "מוצפנות מקצה לקצה",
        "terenkripsi secara end-to-end",
        "criptografia de ponta a ponta",
        "cifrados de extremo a extremo",
        "ende-zu-ende",
        "chiffrés de bout en bout",
    ),
    "you": ("you:", "את/ה:", "אתה:", "את:", "anda:", "você:", "tú:", "du:", "vous:"),
}
"""What the page says where nothing but its words tells, in the languages that are known; small letters."""


def table() -> dict[str, list[str]]:
    """Return the selectors of each place, in order."""
    found: dict[str, list[str]] = {place.value: [] for place in Place}
    for entry in TABLE:
        found[entry.place.value].append(entry.css)
    return found
