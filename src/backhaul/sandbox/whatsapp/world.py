"""What the sandbox's WhatsApp knows: chats, their messages, the linked devices, and what the page is told to do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from backhaul.sandbox.whatsapp.locales import LOCALES, PageLocale
from backhaul.sandbox.whatsapp.traits import BUILDS, Build, Traits

# A page asks every two seconds at least.
_SEEN_S = 3


class Kind(StrEnum):
    """What a message is."""

    TEXT = "text"
    IMAGE = "image"
    GIF = "gif"
    VOICE = "voice"
    CONTACT = "contact"
    DELETED = "deleted"
    SYSTEM = "system"


class State(StrEnum):
    """What the page shows instead of chats."""

    READY = "ready"
    QR = "qr"
    LOADING = "loading"
    DATABASE_ERROR = "database_error"


class Order(StrEnum):
    """What a page is told to do to itself."""

    BREAK = "break"
    """The script fails and the page goes white."""
    FREEZE = "freeze"
    """The page answers nobody for some seconds."""
    RELOAD = "reload"


@dataclass(frozen=True)
class Message:
    """One message; `at` with a zone is shown in the browser's zone, without one as it is.

    Args:
        message_id: WhatsApp's own, hexadecimal.
        sender: what the header of the message names: a saved name, a number, `~ Name`, a masked number.
        push_name: the name that an unsaved sender gave himself; shown beside the number.
        quote: the sender and the text of the message that this one answers.
        text: what was written; for media the caption; for a contact the number on the card.
    """

    message_id: str
    group: str
    sender: str
    text: str
    at: datetime
    kind: Kind = Kind.TEXT
    push_name: str = ""
    quote: tuple[str, str] | None = None
    is_edited: bool = False
    is_forwarded: bool = False
    reactions: tuple[str, ...] = ()


@dataclass
class Group:
    """One chat; what is behind the button, and whether the phone keeps still more, is about its oldest messages."""

    chat_id: str
    title: str
    members: tuple[str, ...]
    behind_button: int
    ends_on_phone: bool
    messages: list[Message] = field(default_factory=list)

    def index_of(self, message_id: str) -> int:
        """Return where a message stands; raises KeyError if it is not there."""
        for index, message in enumerate(self.messages):
            if message.message_id == message_id:
                return index
        raise KeyError(message_id)


@dataclass(frozen=True)
class Touch:
    """Something that a reader must not do: `what` is typed, sent or reacted; `group` is where."""

    what: str
    group: str


class World:
    """All of it, for the server's threads and the test's; every change raises `revision` and wakes who waits."""

    def __init__(self, build: Build, locale: str, *, me: str, scan_needed: bool) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.revision = 0
        self.build = build
        self.traits: Traits = BUILDS[build]
        self.locale: PageLocale = LOCALES[locale]
        self.me = me
        self.groups: dict[str, Group] = {}
        self.touches: list[Touch] = []
        self.shown = State.READY
        self.scan_needed = scan_needed
        self.linked: set[str] = set()
        self.showing_code: dict[str, float] = {}
        self.code_number = 0
        self.is_hidden = False
        self.answer_delay_s = 0.0
        self.order: tuple[Order, float] | None = None
        self.order_number = 0
        self._count = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold everybody off while something changes, then tell them."""
        with self.changed:
            yield
            self.revision += 1
            self.changed.notify_all()

    def state_for(self, device: str) -> State:
        """Return what a browser gets to see; one that sees the code can be scanned."""
        with self.changed:
            state = self.shown
            if state is State.READY and self.scan_needed and device not in self.linked:
                state = State.QR
            if state is State.QR:
                self.showing_code[device] = time.monotonic()
                self.changed.notify_all()
            else:
                self.showing_code.pop(device, None)
            return state

    def devices_showing_code(self) -> set[str]:
        """Return the browsers that asked lately and were shown the code; one that is closed drops out."""
        with self.changed:
            return {device for device, at in self.showing_code.items() if time.monotonic() - at < _SEEN_S}

    def give_order(self, order: Order, seconds: float = 0) -> None:
        """Tell every page that is open now to do something, once."""
        with self.changing():
            self.order = (order, seconds)
            self.order_number += 1

    def add_group(self, title: str, members: Iterable[str], behind_button: int, ends_on_phone: bool) -> Group:
        """Open a chat under a title that no other has."""
        with self.changing():
            chat_id = f"1203630{_digits(title, 11)}@g.us"
            group = Group(chat_id, title, tuple(members), behind_button, ends_on_phone)
            self.groups[title] = group
            return group

    def next_id(self) -> str:
        """Return a message id as iOS or Android phones make them, never the same one twice."""
        with self.changed:
            self._count += 1
            count = self._count
        digest = hashlib.blake2b(str(count).encode(), digest_size=16).hexdigest().upper()
        return f"3A{digest[:18]}" if count % 2 else f"AC{digest[:30]}"

    def put(self, message: Message) -> None:
        """Add a message at the end of its chat."""
        with self.changing():
            self.groups[message.group].messages.append(message)

    def alter(self, message: Message, **changes: object) -> Message:
        """Replace a message that is there by a changed copy, and return that."""
        with self.changing():
            group = self.groups[message.group]
            index = group.index_of(message.message_id)
            altered = replace(group.messages[index], **changes)  # type: ignore[arg-type]
            group.messages[index] = altered
            return altered


def participant(sender: str) -> str:
    """Return the hidden id of a sender: digits that do not tell the number."""
    return f"{_digits(sender, 15)}@lid"


def _digits(text: str, count: int) -> str:
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return f"{number % 10**count:0{count}d}"
