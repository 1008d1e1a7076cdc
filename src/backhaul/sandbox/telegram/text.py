"""Message texts as the Bot API reads them: HTML becomes plain text and entities, counted in UTF-16 units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_TYPES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-spoiler": "spoiler",
    "blockquote": "blockquote",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TOKEN = re.compile(
    r"<(?P<tag>[^<>]*)>|&(?P<entity>#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z]+);|(?P<lone><)|(?P<text>[^<&]+|&)"
)
_TAG = re.compile(r"(?P<end>/)?(?P<name>[a-zA-Z][a-zA-Z0-9-]*)(?P<rest>(?:\s[^<>]*)?)/?")
_HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")


class BadEntities(Exception):
    """A text that cannot be parsed; the words are the Bot API's."""


@dataclass
class _Open:
    name: str
    start: int
    url: str | None


def units(text: str) -> int:
    """Return the length of text in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parsed(html: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the plain text of html and its entities. Raises BadEntities."""
    pieces: list[str] = []
    entities: list[dict[str, Any]] = []
    stack: list[_Open] = []
    at = 0
    for token in _TOKEN.finditer(html):
        if token["lone"] is not None:
            raise BadEntities(f"Unclosed start tag at byte offset {_bytes(html, token.start())}")
        if token["tag"] is None:
            piece = _character(token["entity"]) if token["entity"] else token["text"]
            pieces.append(piece)
            at += units(piece)
            continue
        tag = _TAG.fullmatch(token["tag"].strip())
        where = _bytes(html, token.start())
        if tag is None or (not tag["end"] and tag["name"].lower() not in _TYPES):
            raise BadEntities(f'Unsupported start tag "{token["tag"].split(" ")[0]}" at byte offset {where}')
        name = tag["name"].lower()
        if not tag["end"]:
            stack.append(_Open(name, at, _url(name, tag["rest"])))
        elif not stack:
            raise BadEntities(f"Unexpected end tag at byte offset {where}")
        elif stack[-1].name != name:
            said = f'expected "</{stack[-1].name}>", found "</{name}>"'
            raise BadEntities(f"Unmatched end tag at byte offset {where}, {said}")
        else:
            entities += _entity(stack.pop(), at)
    if stack:
        raise BadEntities(f'Can\'t find end tag corresponding to start tag "{stack[-1].name}"')
    return "".join(pieces), sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))


def _entity(opened: _Open, end: int) -> list[dict[str, Any]]:
    if end == opened.start:
        return []
    entity: dict[str, Any] = {"type": _TYPES[opened.name], "offset": opened.start, "length": end - opened.start}
    if opened.url is not None:
        entity["url"] = opened.url
    return [entity]


def _character(entity: str) -> str:
    if not entity.startswith("#"):
        return _NAMED.get(entity, f"&{entity};")
    number = int(entity[2:], 16) if entity[1] in "xX" else int(entity[1:])
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else f"&{entity};"


def _url(name: str, rest: str) -> str | None:
    found = _HREF.search(rest) if name == "a" else None
    return next((each for each in found.groups() if each is not None), None) if found else None


def _bytes(html: str, index: int) -> int:
    return len(html[:index].encode("utf-8", "surrogatepass"))
