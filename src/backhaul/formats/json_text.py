"""JSON read value by value out of a file of any length; numbers stay as they are written."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.text import encoding_of, utf8_blocks

MAX_VALUE = 64 * 1024**2
"""A longer value is no record; the bound keeps memory bounded."""

_SPACE = " \t\r\n"
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_BLOCK_BYTES = 1024**2
# So far before the end of a text the decoder may name the place of an error that more text cures.
_NEAR_END = 12


class Number(str):
    """A number as the file has it: a float would lose digits of it."""

    __slots__ = ()


class JsonText:
    """A place in a JSON file that moves on value by value.

    Raises TransientError where the file ends too early, SourceChanged for what is no JSON.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks = utf8_blocks(path, encoding_of(path), _BLOCK_BYTES)
        self._to_text = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._before = 0
        decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=Number,
            parse_float=Number,
            parse_constant=lambda _: None,
            strict=False,
        )
        self._decode = decoder.raw_decode

    def peek(self) -> str:
        """Return the next character that is no white space, "" at the end."""
        while True:
            text, at, end = self._text, self._at, len(self._text)
            while at < end and text[at] in _SPACE:
                at += 1
            self._at = at
            if at < end:
                return text[at]
            if not self._fill():
                return ""

    def take(self, wanted: str) -> None:
        """Go past one character, which must be wanted."""
        found = self.peek()
        if not found:
            raise self._cut()
        if found != wanted:
            raise self._wrong(self._at)
        self._at += 1

    def value(self) -> Any:
        """Return the next value and go past it."""
        if not self.peek():
            raise self._cut()
        while True:
            try:
                found, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_near_end = error.pos >= len(self._text) - _NEAR_END or error.msg.startswith("Unterminated")
                if not is_near_end:
                    raise self._wrong(error.pos) from None
                if self._fill():
                    continue
                raise (self._cut() if self._ends_in(error) else self._wrong(error.pos)) from None
            except RecursionError:
                raise SourceChanged(f"{self._path.name}: JSON that is nested too deeply for a table") from None
            # A number at the end of a block may go on in the next one.
            if end == len(self._text) and self._fill():
                continue
            self._at = end
            return found

    def end(self) -> None:
        """Raise SourceChanged if anything but white space is left."""
        if self.peek():
            raise self._wrong(self._at)

    def elements(self) -> Iterator[Any]:
        """Yield the values of the array that begins here, one by one."""
        for _ in self.places("[", "]"):
            yield self.value()

    def members(self) -> Iterator[str]:
        """Yield the names of the object that begins here; the caller takes each value."""
        for _ in self.places("{", "}"):
            name = self.value()
            if type(name) is not str:
                raise self._wrong(self._at)
            self.take(":")
            yield name

    def places(self, opening: str, closing: str) -> Iterator[None]:
        """Yield once for each value between brackets, in front of it."""
        self.take(opening)
        is_first = True
        while self.peek() != closing:
            if not is_first:
                self.take(",")
            is_first = False
            yield
        self.take(closing)

    def _ends_in(self, error: json.JSONDecodeError) -> bool:
        """Tell whether the text ends in the middle of what the decoder stumbled over."""
        rest = self._text[error.pos :].strip(_SPACE)
        is_cut_word = any(word.startswith(rest) for word in _WORDS)
        return is_cut_word or "escape" in error.msg or error.msg.startswith("Unterminated")

    def _fill(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        left = self._text[self._at :]
        if len(left) > MAX_VALUE:
            raise SourceChanged(f"{self._path.name}: JSON with a value of over {MAX_VALUE // 1024**2} MB")
        self._before += self._at
        self._text = left + self._to_text.decode(block)
        self._at = 0
        return True

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            for name, value in pairs:
                if found[name] != value:
                    raise SourceChanged(f"{self._path.name}: a record names the field {name[:60]!r} twice")
        return found

    def _cut(self) -> TransientError:
        size = self._path.stat().st_size
        return TransientError(f"{self._path.name}: a broken download of {size:,} bytes, the JSON does not end")

    def _wrong(self, at: int) -> SourceChanged:
        return SourceChanged(f"{self._path.name}: the JSON cannot be read at character {self._before + at:,}")
