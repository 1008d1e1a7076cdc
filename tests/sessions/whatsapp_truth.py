"""What the replica of WhatsApp Web holds, in the words of what a reader of the page returns."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sandbox.whatsapp.world import Kind, Message
from backhaul.sessions.whatsapp.gathering import message_part
from backhaul.sessions.whatsapp.reading import PageRow, Shown

ZONE = "Asia/Jerusalem"
NOON = datetime(2026, 9, 30, 12, 0)
MEDIA = (Kind.IMAGE, Kind.GIF, Kind.VOICE)


def everything(_rows: Sequence[PageRow]) -> bool:
    """Have a reader read on until there is no more."""
    return False


def at_least(count: int):
    """Have a reader stop when it has that many messages."""
    return lambda rows: len(rows) >= count


def talk(whatsapp: SandboxWhatsApp, group: str, count: int, **history: object) -> list[str]:
    """Open a group in which one says `count` messages, one a minute until noon; return their texts."""
    whatsapp.add_group(group, ("Dana Levi",), **history)  # type: ignore[arg-type]
    whatsapp.note(group, at=NOON - timedelta(minutes=count))
    for number in range(count):
        at = NOON - timedelta(minutes=count - number)
        whatsapp.post(group, "Dana Levi", f"message {number}", at=at)
    return [f"message {number}" for number in range(count)]


def readable(whatsapp: SandboxWhatsApp, group: str) -> list[Message]:
    return [each for each in whatsapp.messages(group) if each.kind not in (Kind.SYSTEM, Kind.CONTACT)]


def as_shown(whatsapp: SandboxWhatsApp, message: Message) -> tuple[object, ...]:
    """Return what a row has to say of a message: id, text, kind, whether edited, whose it is."""
    kind = Shown.MEDIA if message.kind in MEDIA else Shown(message.kind.value)
    return message.message_id, message.text, kind, message.is_edited, message.sender == whatsapp.me


def as_read(row: PageRow) -> tuple[object, ...]:
    return message_part(row.id), row.text, row.shown, row.is_edited, bool(row.is_own)
