"""How a delimited file is written: its encoding, its separator, its header."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.kinds import bom_of

BLOCK_BYTES = 4 * 1024**2
"""How much of a file is in memory at a time; a block is also about one frame."""

TAIL_BYTES = 64 * 1024
_PREVIEW_BYTES = 1024**2
_PREVIEW_RECORDS = 50
_WORDS = 2_000
_SURE_WORDS = 3
_WORD = re.compile(rb"[A-Za-z]*[\xc0-\xff][A-Za-z\xc0-\xff]*")
_FOREIGN = re.compile(rb"[\xc0-\xff]+")
_HEBREW = re.compile(rb"[\xe0-\xfa]+")
_CONTROLS = re.compile(rb"[\x80-\x9f]")
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Layout:
    """How to read a delimited file.

    Args:
        columns: the header's names, trimmed; an empty one is column_N, counted from 1.
        skip_bytes: where the rows begin in the blocks that utf8_blocks yields.
        skip_lines: the lines before the rows, for messages.
    """

    encoding: str
    separator: str
    columns: tuple[str, ...]
    skip_bytes: int
    skip_lines: int


def layout_of(path: Path) -> Layout:
    """Return the layout of path; the whole file is looked through once for its encoding.

    Raises SourceChanged for no text, no header or a name that stands twice, TransientError for a cut-off end.
    """
    encoding = encoding_of(path)
    preview = next(utf8_blocks(path, encoding, _PREVIEW_BYTES), b"")
    # The block may end inside a character.
    text = preview.decode("utf-8", errors="ignore")
    said, start = _said_separator(text)
    lines = _Lines(text[start:])
    separator = said or _guessed_separator(text[start:])
    try:
        header = next((record for record in csv.reader(lines, delimiter=separator, strict=True) if record), None)
    except csv.Error as error:
        raise SourceChanged(f"{path.name}: the header cannot be read ({error})") from error
    if header is None:
        raise SourceChanged(f"{path.name}: the file has no header")
    before = text[:start]
    return Layout(
        encoding=encoding,
        separator=separator,
        columns=column_names(path, header),
        skip_bytes=len(before.encode()) + lines.bytes_read,
        skip_lines=before.count("\n") + lines.lines_read,
    )


def column_names(path: Path, header: list[str]) -> tuple[str, ...]:
    """Return the trimmed names; an empty one is column_N. Raises SourceChanged for names that stand twice."""
    names = tuple(name.strip() or f"column_{number}" for number, name in enumerate(header, start=1))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceChanged(f"{path.name}: {len(twice)} column names stand twice: {', '.join(twice)}")
    return names


def encoding_of(path: Path) -> str:
    """Return utf-8, utf-16-le, utf-16-be (by their marks), or for other text what its words look like.

    cp1252 holds ISO-8859-1; Hebrew (windows-1255, ISO-8859-8) and ISO-8859-15 are told from it. Raises
    SourceChanged if it is UTF-8 for a while and then not, or of an alphabet that cannot be told; TransientError
    for a cut-off end.
    """
    with path.open("rb") as file:
        if (mark := bom_of(file.read(3))) and mark[1] != "utf-8":
            if path.stat().st_size % 2:
                raise TransientError(f"{path.name}: a broken download, it ends in the middle of a character")
            return mark[1]
        file.seek(mark[0] if mark else 0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        is_marked = has_utf8 = mark is not None
        while block := file.read(BLOCK_BYTES):
            pending = bool(decoder.getstate()[0])
            if block.isascii() and not pending:
                continue
            try:
                has_utf8 = not decoder.decode(block).isascii() or has_utf8
            except UnicodeDecodeError as error:
                valid = error.object[: error.start]
                if has_utf8 or is_marked or not valid.isascii():
                    at = file.tell() - len(error.object) + error.start
                    raise SourceChanged(f"{path.name}: UTF-8 text with a wrong byte at {at:,}") from error
                return _one_byte_encoding(path)
        if decoder.getstate()[0]:
            if has_utf8:
                raise TransientError(f"{path.name}: a broken download, it ends in the middle of a character")
            return _one_byte_encoding(path)
    return "utf-8"


def _one_byte_encoding(path: Path) -> str:
    """Return the encoding of text with one byte a character, told from its first words beyond ASCII.

    In Western text such letters stand among plain ones ("café"); a word of nothing else is of another alphabet.
    """
    words: list[bytes] = []
    has_controls = has_euro = False
    with path.open("rb") as file:
        while len(words) < _WORDS and (block := file.read(BLOCK_BYTES)):
            words += [word for word in _WORD.findall(block) if len(word) > 1]
            has_controls = has_controls or _CONTROLS.search(block) is not None
            has_euro = has_euro or b"\xa4" in block
    foreign = [word for word in words if _FOREIGN.fullmatch(word) and len(set(word)) > 1]
    if len(foreign) * 2 > len(words):
        if all(_HEBREW.fullmatch(word) for word in foreign):
            return "cp1255"
        if len(foreign) >= _SURE_WORDS:
            raise SourceChanged(
                f"{path.name}: the text is not UTF-8, and its alphabet is neither Latin nor Hebrew",
                next_step="Choose UTF-8 as the encoding of the export, or XLSX as its format.",
            )
    return "iso8859-15" if has_euro and not has_controls else "cp1252"


def utf8_blocks(path: Path, encoding: str, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the text of path as UTF-8 bytes, without a mark, in blocks of about size bytes.

    Raises SourceChanged for NUL and for bytes that the encoding does not have.
    """
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        mark = bom_of(file.read(3))
        file.seek(mark[0] if mark and mark[1] == encoding else 0)
        while block := file.read(size):
            if decoder is not None:
                try:
                    block = decoder.decode(block, final=len(block) < size).encode()
                except UnicodeDecodeError as error:
                    raise SourceChanged(f"{path.name}: the text is neither UTF-8 nor {encoding}") from error
            if b"\0" in block:
                raise SourceChanged(f"{path.name}: the text holds NUL bytes, it is no table")
            yield block


class _Lines:
    """The lines of a text with their ends, counting what was handed out."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.bytes_read = 0
        self.lines_read = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        end = self._text.find("\n", self._at) + 1 or len(self._text)
        line = self._text[self._at : end]
        if not line:
            raise StopIteration
        self._at = end
        self.bytes_read += len(line.encode())
        self.lines_read += 1
        return line


def _said_separator(text: str) -> tuple[str | None, int]:
    """Return the separator that a first line `sep=X` (Excel) names, and where the next line begins."""
    end = text.find("\n") + 1 or len(text)
    line = text[:end].rstrip("\r\n").strip('"')
    return (line[4], end) if len(line) == 5 and line.lower().startswith("sep=") else (None, 0)


def _guessed_separator(text: str) -> str:
    """Return the separator that cuts the first records into equal widths and the most fields."""

    def score(separator: str) -> tuple[bool, float, int]:
        widths = _widths(text, separator)
        width = widths[0] if widths else 0
        equal = sum(found == width for found in widths) / max(1, len(widths))
        return width > 1, equal, width

    return max(_SEPARATORS, key=score)


def _widths(text: str, separator: str) -> list[int]:
    widths: list[int] = []
    try:
        for record in csv.reader(_Lines(text), delimiter=separator):
            if record:
                widths.append(len(record))
            if len(widths) == _PREVIEW_RECORDS:
                break
    except csv.Error:
        # A lone quote under a wrong separator swallows lines; what was cut so far counts.
        pass
    return widths
