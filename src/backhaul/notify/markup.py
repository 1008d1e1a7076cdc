"""HTML as Telegram reads it: a message's words as markup, split into pieces that each stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape, unescape

from backhaul.languages import Translator
from backhaul.notify.wording import Wording

_TOKEN = re.compile(r"<[^<>]*>|&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);|.", re.DOTALL)
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)[^<>]*>")
_LEAST_PIECE = 8
"""No piece is smaller than this part of the limit: nobody is sent a message of one word."""


def units(text: str) -> int:
    """Return the length of text as Telegram counts it: in UTF-16 units, an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def as_html(wording: Wording, words: Translator) -> str:
    """Return a message as HTML: the head bold, everything escaped."""
    head = words.line(f"{wording.symbol} <b>{escape(wording.head, quote=False)}</b>")
    rest = f" {escape(wording.rest, quote=False)}" if wording.rest else ""
    lines = [words.line(escape(line, quote=False)) for line in wording.lines]
    return "\n".join((head + rest, *lines))


def as_plain(wording: Wording, words: Translator) -> str:
    """Return a message without markup."""
    first = " ".join(part for part in (wording.symbol, wording.head, wording.rest) if part)
    return "\n".join(words.line(line) for line in (first, *wording.lines))


def without_tags(html: str) -> str:
    """Return what a reader sees of html."""
    return unescape(re.sub(r"<[^<>]*>", "", html))


def split(html: str, limit: int) -> tuple[str, ...]:
    """Return html in pieces of at most limit visible units (at least 16), cut at line ends where it can be.

    Tags are closed at the end of a piece and opened again in the next one; an entity or a sign is never cut,
    and no piece is tiny. Blank pieces are left out: Telegram refuses them.
    """
    tokens = [(token, _width(token)) for token in _TOKEN.findall(html)]
    pieces: list[str] = []
    opened: tuple[str, ...] = ()
    for chunk in _chunks(tokens, limit):
        piece, opened = _whole(chunk, opened)
        if without_tags(piece).strip():
            pieces.append(piece.strip())
    return tuple(pieces)


def _width(token: str) -> int:
    if len(token) == 1:
        return 2 if ord(token) > 0xFFFF else 1
    return 0 if token.startswith("<") else units(unescape(token))


def _chunks(tokens: list[tuple[str, int]], limit: int) -> Iterator[list[str]]:
    start, left = 0, sum(width for _, width in tokens)
    while left > limit:
        end, used = _cut(tokens, start, min(limit, left - limit // _LEAST_PIECE))
        yield [token for token, _ in tokens[start:end]]
        start, left = end, left - used
    yield [token for token, _ in tokens[start:]]


def _cut(tokens: list[tuple[str, int]], start: int, most: int) -> tuple[int, int]:
    """Return where the chunk that begins at start ends, and its units: behind a line end, a space, or in a word."""
    best: dict[str, tuple[int, int]] = {}
    end, used = start, 0
    for end in range(start, len(tokens)):
        token, width = tokens[end]
        if used + width > most:
            break
        used += width
        if token in "\n " and used >= most // 2:
            best[token] = (end + 1, used)
    return best.get("\n") or best.get(" ") or (end, used)


def _whole(chunk: list[str], opened: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return chunk with the tags of opened before it and all that are open then closed behind it; and those."""
    stack = list(opened)
    for token in chunk:
        tag = _TAG.fullmatch(token)
        if tag and tag[1]:
            if stack:
                stack.pop()
        elif tag:
            stack.append(token)
    closing = "".join(f"</{_name_of(tag)}>" for tag in reversed(stack))
    return f"{''.join(opened)}{''.join(chunk)}{closing}", tuple(stack)


def _name_of(tag: str) -> str:
    found = _TAG.fullmatch(tag)
    assert found, "only tags are put on the stack"
    return found[2]
