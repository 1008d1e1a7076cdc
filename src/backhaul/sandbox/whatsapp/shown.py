"""What the server tells the page: the state of everything, and a chat as rows, in the page's language and zone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, tzinfo
from typing import TypeAlias

from backhaul.sandbox.whatsapp.traits import Ids
from backhaul.sandbox.whatsapp.world import Group, Kind, Message, World, participant

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
MEDIA = (Kind.IMAGE, Kind.GIF, Kind.VOICE)


def state(world: World, device: str, loading_s: float) -> dict[str, Json]:
    """Return what a page draws besides messages."""
    with world.changed:
        shown = world.state_for(device)
        order, seconds = world.order or (None, 0)
        is_linked = shown.value == "ready"
        return {
            "revision": world.revision,
            "state": shown.value,
            "loadingMs": int(loading_s * 1000),
            "code": _code(world.code_number, device),
            "hidden": world.is_hidden,
            "order": {"number": world.order_number, "what": order, "ms": int(seconds * 1000)},
            "traits": asdict(world.traits),
            "locale": world.locale.name,
            "direction": world.locale.direction,
            "words": dict(world.locale.words),
            "chats": [_chat(world, group) for group in world.groups.values()] if is_linked else [],
        }


def chat(world: World, chat_id: str, *, start: int, zone: tzinfo, today: date) -> dict[str, Json] | None:
    """Return the rows of a chat from message number `start`, or None if there is no such chat.

    A negative start counts from the end. `top` says what stands above the first row: `more` is loaded when the
    panel is scrolled up, `button` when it is clicked, `end` is kept by the phone, `start` is the first of all.
    """
    with world.changed:
        group = next((group for group in world.groups.values() if group.chat_id == chat_id), None)
        if group is None:
            return None
        size = len(group.messages)
        behind = min(group.behind_button, size)
        first = max(behind, size + start) if start < 0 else min(start, size)
        if first > behind:
            top = "more"
        elif first:
            top = "button"
        else:
            top = "end" if group.ends_on_phone else "start"
        return {
            "first": first,
            "behindButton": behind,
            "top": top,
            "historyEnd": _history_end(world, group, zone),
            "rows": list(_rows(world, group, first, zone, today)),
        }


def _chat(world: World, group: Group) -> dict[str, Json]:
    last = group.messages[-1] if group.messages else None
    return {
        "id": group.chat_id,
        "title": group.title,
        "members": ", ".join(group.members),
        "preview": last.text.partition("\n")[0][:60] if last and last.kind is not Kind.DELETED else "",
    }


def _history_end(world: World, group: Group, zone: tzinfo) -> str:
    day = world.locale.day(_local(group.messages[0].at, zone).date()) if group.messages else ""
    return world.locale.words["history_end"].format(date=day)


def _rows(world: World, group: Group, first: int, zone: tzinfo, today: date) -> Iterator[dict[str, Json]]:
    day: date | None = None
    sender = ""
    for message in group.messages[first:]:
        at = _local(message.at, zone)
        if at.date() != day:
            day, sender = at.date(), ""
            yield {"key": f"day {day}", "kind": "divider", "text": world.locale.divider(day, today)}
        if message.kind is Kind.SYSTEM:
            sender = ""
            yield {"key": message.message_id, "kind": "system", "text": message.text}
            continue
        yield _bubble(world, group, message, at, is_first=message.sender != sender)
        sender = message.sender


def _bubble(world: World, group: Group, message: Message, at: datetime, *, is_first: bool) -> dict[str, Json]:
    locale, is_own = world.locale, message.sender == world.me
    return {
        "key": message.message_id,
        "kind": message.kind.value,
        "id": message.message_id,
        "dataId": _data_id(world, group, message),
        "header": locale.header(at, message.sender) if _has_header(message) else "",
        "own": is_own,
        "first": is_first,
        "sender": message.sender,
        "unsaved": not is_own and message.sender[:1] in "+~",
        "pushName": message.push_name,
        "maybe": locale.words["maybe"].format(name=message.push_name),
        "quote": list(message.quote) if message.quote else None,
        "text": message.text,
        "time": locale.clock(at),
        "edited": message.is_edited,
        "forwarded": message.is_forwarded,
        "reactions": [locale.words["reaction"].format(emoji=emoji) for emoji in message.reactions],
    }


def _has_header(message: Message) -> bool:
    """Tell whether the page writes time, date and sender: not for media without caption, cards, deleted messages."""
    if message.kind in (Kind.CONTACT, Kind.DELETED):
        return False
    return bool(message.text) or message.kind not in MEDIA


def _data_id(world: World, group: Group, message: Message) -> str:
    match world.traits.ids:
        case Ids.NONE:
            return ""
        case Ids.PACKED if message.kind is not Kind.CONTACT:
            direction = "true" if message.sender == world.me else "false"
            return f"{direction}_{group.chat_id}_{message.message_id}_{participant(message.sender)}"
        case _:
            return message.message_id


def _local(at: datetime, zone: tzinfo) -> datetime:
    return at if at.tzinfo is None else at.astimezone(zone)


def _code(number: int, device: str) -> str:
    """Return what the QR code says: changes with each renewal, means nothing."""
    return "2@" + hashlib.blake2b(f"{number} {device}".encode(), digest_size=32).hexdigest()
