"""The methods of the Bot API that the sandbox knows, with the limits of the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backhaul.sandbox.telegram.call import Call
from backhaul.sandbox.telegram.text import BadEntities, parsed, units
from backhaul.sandbox.telegram.updates import (
    answer_callback,
    delete_webhook,
    get_updates,
    set_webhook,
    webhook_info,
)
from backhaul.sandbox.telegram.world import ApiError, Chat, SentFile, SentMessage, World, now

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
PHOTO_BYTES = 10 * 1024 * 1024
FILE_BYTES = 50 * 1024 * 1024
DOWNLOAD_BYTES = 20 * 1024 * 1024
CALLBACK_BYTES = 64


def answer(world: World, call: Call) -> Any:
    """Return the result of a call. Raises ApiError."""
    method = _METHODS.get(call.method.lower())
    if method is None:
        raise ApiError(404, "Not Found: method not found")
    return method(world, call)


def described(world: World, message: SentMessage) -> dict[str, Any]:
    """Return a message of the bot as answers and updates show it."""
    chat = world.chats[message.chat]
    shown: dict[str, Any] = {
        "message_id": message.id,
        "date": message.date,
        "chat": chat.facts(),
        "from": world.bot,
    }
    if message.topic is not None:
        shown |= {"message_thread_id": message.topic, "is_topic_message": True}
    if message.buttons:
        shown["reply_markup"] = {"inline_keyboard": message.buttons}
    if message.earlier:
        shown["edit_date"] = now()
    words = "text" if message.file is None else "caption"
    if message.text:
        shown[words] = message.text
    if message.entities:
        shown["entities" if words == "text" else "caption_entities"] = message.entities
    if message.file is not None:
        shown |= _file_facts(message.file)
    return shown


def _get_me(world: World, call: Call) -> Any:
    can = ("can_join_groups", "can_read_all_group_messages", "supports_inline_queries")
    also = ("can_connect_to_business", "has_main_web_app")
    return world.bot | {name: name == "can_join_groups" for name in (*can, *also)}


def _get_chat(world: World, call: Call) -> Any:
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
    chat = world.chat(call.fields.get("chat_id"))
    if chat.is_blocked and chat.kind != "private":
        raise ApiError(403, f"Forbidden: bot was kicked from the {chat.kind} chat")
    full = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": dict.fromkeys(gifts, False)}
    return chat.facts() | full


def _send_message(world: World, call: Call) -> Any:
    chat = world.open_chat(call.fields.get("chat_id"), call.fields.get("message_thread_id"))
    text, entities = _words(call, "text", TEXT_UNITS, "message is too long")
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    return described(world, world.add_message(_message(world, call, chat, text, entities)))


def _send_photo(world: World, call: Call) -> Any:
    return _send_file(world, call, "photo", PHOTO_BYTES)


def _send_document(world: World, call: Call) -> Any:
    return _send_file(world, call, "document", FILE_BYTES)


def _send_file(world: World, call: Call, kind: str, most_bytes: int) -> Any:
    chat = world.open_chat(call.fields.get("chat_id"), call.fields.get("message_thread_id"))
    text, entities = _words(call, "caption", CAPTION_UNITS, "message caption is too long")
    if kind in call.files:
        name, content = call.files[kind]
        if not content:
            raise ApiError(400, "Bad Request: file must be non-empty")
        if len(content) > most_bytes:
            raise ApiError(413, "Request Entity Too Large")
        if kind == "photo" and not content.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")):
            raise ApiError(400, "Bad Request: IMAGE_PROCESS_FAILED")
        file = SentFile(kind, f"file{world.number()}", name, content)
        world.files[file.id] = file
    else:
        known = world.files.get(str(call.fields.get(kind)))
        if known is None:
            raise ApiError(400, f"Bad Request: there is no {kind} in the request")
        file = known
    message = _message(world, call, chat, text, entities)
    message.file = file
    return described(world, world.add_message(message))


def _edit_text(world: World, call: Call) -> Any:
    message = _to_edit(world, call)
    text, entities = _words(call, "text", TEXT_UNITS, "message is too long")
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    buttons = _buttons(call)
    if (text, entities, buttons) == (message.text, message.entities, message.buttons):
        raise _not_modified()
    with world.changed:
        message.earlier.append(message.text)
        message.text, message.entities, message.buttons = text, entities, buttons
        world.changed.notify_all()
    return described(world, message)


def _edit_markup(world: World, call: Call) -> Any:
    message = _to_edit(world, call)
    buttons = _buttons(call)
    if buttons == message.buttons:
        raise _not_modified()
    with world.changed:
        message.buttons = buttons
        world.changed.notify_all()
    return described(world, message)


def _delete(world: World, call: Call) -> Any:
    message = world.message(world.open_chat(call.fields.get("chat_id")), call.fields.get("message_id"))
    with world.changed:
        message.is_deleted = True
        world.changed.notify_all()
    return True


def _chat_action(world: World, call: Call) -> Any:
    world.chat(call.fields.get("chat_id"))
    return True


def _set_commands(world: World, call: Call) -> Any:
    commands = call.fields.get("commands")
    if not isinstance(commands, list):
        raise ApiError(400, "Bad Request: can't parse commands: expected an Array")
    scope = call.fields.get("scope") or {}
    if isinstance(scope, dict) and scope.get("type") == "chat":
        world.commands_of[world.chat(scope.get("chat_id")).id] = commands
    else:
        world.commands = commands
    return True


def _get_file(world: World, call: Call) -> Any:
    file = world.files.get(str(call.fields.get("file_id")))
    if file is None:
        raise ApiError(400, "Bad Request: invalid file_id")
    if len(file.content) > DOWNLOAD_BYTES:
        raise ApiError(400, "Bad Request: file is too big")
    path = f"{file.kind}s/{file.id}"
    return {"file_id": file.id, "file_unique_id": f"u{file.id}", "file_size": len(file.content), "file_path": path}


def _message(world: World, call: Call, chat: Chat, text: str, entities: list[dict[str, Any]]) -> SentMessage:
    topic = call.number("message_thread_id") or None
    return SentMessage(
        chat=chat.id,
        id=world.number(),
        date=now(),
        text=text,
        entities=entities,
        is_silent=call.flag("disable_notification"),
        topic=topic,
        buttons=_buttons(call),
    )


def _words(call: Call, name: str, most_units: int, too_long: str) -> tuple[str, list[dict[str, Any]]]:
    raw = str(call.fields.get(name) or "")
    mode = str(call.fields.get("parse_mode") or "").lower()
    if mode not in ("", "html"):
        raise ApiError(400, "Bad Request: unsupported parse_mode")
    entities = call.fields.get("entities" if name == "text" else "caption_entities") or []
    try:
        text, entities = parsed(raw) if mode else (raw, entities)
    except BadEntities as error:
        raise ApiError(400, f"Bad Request: can't parse entities: {error}") from None
    if units(text) > most_units:
        raise ApiError(400, f"Bad Request: {too_long}")
    return (text.rstrip(), entities) if text.strip() else ("", [])


def _buttons(call: Call) -> list[list[dict[str, Any]]]:
    markup = call.fields.get("reply_markup") or {}
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    for button in (button for row in rows or [] for button in row):
        data = str(button.get("callback_data", ""))
        if len(data.encode()) > CALLBACK_BYTES:
            raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")
    return rows or []


def _to_edit(world: World, call: Call) -> SentMessage:
    chat = world.chat(call.fields.get("chat_id"))
    return world.message(chat, call.fields.get("message_id"))


def _not_modified() -> ApiError:
    words = (
        "specified new message content and reply markup are exactly the same as a current content and reply markup"
    )
    return ApiError(400, f"Bad Request: message is not modified: {words} of the message")


def _file_facts(file: SentFile) -> dict[str, Any]:
    common = {"file_id": file.id, "file_unique_id": f"u{file.id}", "file_size": len(file.content)}
    if file.kind == "document":
        return {"document": {**common, "file_name": file.name}}
    is_png = file.content.startswith(b"\x89PNG") and len(file.content) >= 24
    width = int.from_bytes(file.content[16:20], "big") if is_png else 800
    height = int.from_bytes(file.content[20:24], "big") if is_png else 600
    return {"photo": [{**common, "width": width, "height": height}]}


_METHODS: dict[str, Callable[[World, Call], Any]] = {
    "getme": _get_me,
    "getchat": _get_chat,
    "sendmessage": _send_message,
    "sendphoto": _send_photo,
    "senddocument": _send_document,
    "editmessagetext": _edit_text,
    "editmessagereplymarkup": _edit_markup,
    "deletemessage": _delete,
    "answercallbackquery": answer_callback,
    "sendchataction": _chat_action,
    "setmycommands": _set_commands,
    "getupdates": get_updates,
    "getfile": _get_file,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": webhook_info,
}
