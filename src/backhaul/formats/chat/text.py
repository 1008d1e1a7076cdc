"""The text of a chat export, out of a `.txt` or a `.zip`, as UTF-8 in pieces that end where a message begins."""

from __future__ import annotations

import codecs
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.chat.shape import Shape, shape_of
from backhaul.formats.kinds import HEAD_BYTES, ZIP_ERRORS, bom_of

PIECE_BYTES = 4 * 1024**2
"""How much text is in memory at a time."""

MAX_TEXT_BYTES = 4 * 1024**3
MAX_RATIO = 250
"""How many times larger than packed a text may be, beyond FREE_BYTES; chats stay under 20."""

FREE_BYTES = 32 * 1024**2
MAX_MESSAGE_BYTES = 16 * 1024**2
"""WhatsApp takes 65,536 characters; so much text without a message's beginning is no chat."""

_HEADER_BYTES = 300
_TAIL_BYTES = 64 * 1024
EXPORT_AGAIN = "In WhatsApp choose the chat, More, Export chat, and hand the .txt or .zip on as it is."

_MAC_FOLDER = "__MACOSX/"


@dataclass(frozen=True)
class ChatText:
    """The text of an export: a file, or `member` of a zip.

    Args:
        encoding: utf-8, utf-16-le or utf-16-be.
        mark: the length of its byte order mark.
    """

    path: Path
    member: str | None
    encoding: str
    mark: int
    shape: Shape

    @classmethod
    def open(cls, path: Path) -> ChatText:
        """Return the chat text of path, a text or a zip that has one in it.

        Raises TransientError for an empty or damaged file, SourceChanged for what is no export, for two chats in
        one zip, and for a zip with a password.
        """
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return _in_zip(path)
        if not head.removeprefix(codecs.BOM_UTF8).strip():
            raise TransientError(f"{path.name}: the file is empty ({path.stat().st_size:,} bytes), a broken download")
        if (found := _chat_of(path, None, head)) is None:
            raise SourceChanged(
                f"{path.name}: no chat export, the first line does not begin with the date and time of a message",
                next_step=EXPORT_AGAIN,
            )
        return found

    def blocks(self, size: int = PIECE_BYTES) -> Iterator[bytes]:
        """Yield the text as UTF-8 without a mark in blocks of about size bytes.

        Raises TransientError for a damaged zip and an end inside a character, SourceChanged for a bomb.
        """
        decode = codecs.getincrementaldecoder(self.encoding)() if self.encoding != "utf-8" else None
        with self._reading() as read:
            read(self.mark)
            while block := read(size):
                yield self._recoded(decode, block) if decode else block
        if decode and decode.getstate()[0]:
            raise cut_character(self.path)

    def pieces(self, is_header: Callable[[re.Match[bytes]], bool], size: int = PIECE_BYTES) -> Iterator[bytes]:
        """Yield the text in pieces of about size bytes, each of whole messages, each beginning with a line end.

        `is_header` says of what looks like a message's beginning whether it is one.
        """
        header = self.shape.header
        held = self.shape.line_end.encode() or b"\n"
        first, searched = True, 0
        for block in self.blocks(size):
            held += block.lstrip(b"\r\n ") if first else block
            first = False
            cut = next((at for at in _from_behind(header, held, searched) if is_header(at)), None)
            if cut is not None and cut.start() > 0:
                yield held[: cut.start()]
                held, searched = held[cut.start() :], 0
            elif len(held) <= MAX_MESSAGE_BYTES:
                searched = max(0, len(held) - _HEADER_BYTES)
            else:
                raise SourceChanged(
                    f"{self.path.name}: {len(held):,} bytes in one message, this is no chat",
                    next_step=EXPORT_AGAIN,
                )
        yield held.removesuffix(b"\n").removesuffix(b"\r")

    @contextmanager
    def _reading(self) -> Iterator[Callable[[int], bytes]]:
        """Give what reads the next bytes; a bomb is refused while it unpacks, whatever the directory says."""
        if self.member is None:
            with self.path.open("rb") as file:
                yield file.read
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as unpacked:
                packed, size = archive.getinfo(self.member).compress_size, 0

                def read(count: int) -> bytes:
                    nonlocal size
                    data = unpacked.read(count)
                    size += len(data)
                    self._refuse_bomb(packed, size)
                    return data

                yield read
        except (*ZIP_ERRORS, zlib.error) as error:
            raise _damaged(self.path) from error

    def _refuse_bomb(self, packed: int, size: int) -> None:
        if size > MAX_TEXT_BYTES or size > max(FREE_BYTES, MAX_RATIO * packed):
            raise SourceChanged(
                f"{self.path.name}: {packed:,} bytes unpack to {size:,} or more, a decompression bomb",
                next_step="The file is not read, because it would fill memory; export the chat again.",
            )

    def _recoded(self, decode: codecs.IncrementalDecoder, block: bytes) -> bytes:
        try:
            return decode.decode(block).encode()
        except UnicodeError as error:
            raise SourceChanged(
                f"{self.path.name}: the text is not all {self.encoding.upper()}", next_step=EXPORT_AGAIN
            ) from error


def cut_character(path: Path) -> TransientError:
    """Return the error for a text that ends in the middle of a character."""
    return TransientError(
        f"{path.name}: a broken download, it ends in the middle of a character",
        next_step="Hand the file on again; if it ends the same way, export the chat again.",
    )


def holds_chat(archive: zipfile.ZipFile) -> bool:
    """Tell whether archive has a text in it that is certainly a chat. Raises what zipfile raises."""
    chats = (
        _chat_of(Path(), info.filename, _head(archive, info)) for info in _texts(archive) if not _is_locked(info)
    )
    return any(chat is not None and chat.shape.is_certain for chat in chats)


def is_chat(head: str) -> bool:
    """Tell whether a text that begins with head is certainly a chat."""
    shape = shape_of(head.encode(errors="replace"))
    return shape is not None and shape.is_certain


def _in_zip(path: Path) -> ChatText:
    try:
        with zipfile.ZipFile(path) as archive:
            texts = _texts(archive)
            if any(map(_is_locked, texts)):
                raise SourceChanged(f"{path.name}: the zip is locked with a password", next_step=EXPORT_AGAIN)
            heads = [(info.filename, _head(archive, info)) for info in texts]
    except (*ZIP_ERRORS, zlib.error) as error:
        raise _damaged(path) from error
    found = [chat for name, head in heads if (chat := _chat_of(path, name, head)) is not None]
    if not found:
        raise SourceChanged(
            f"{path.name}: a zip with {len(texts)} texts in it, none of which is a chat export",
            next_step=EXPORT_AGAIN,
        )
    ranks = [_rank(chat.member or "") for chat in found]
    best = [chat for chat, rank in zip(found, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        raise SourceChanged(
            f"{path.name}: {len(best)} chats in one zip", next_step="Hand each chat on as a file of its own."
        )
    return best[0]


def _texts(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        info
        for info in archive.infolist()
        if info.filename.lower().endswith(".txt")
        and not info.filename.startswith(_MAC_FOLDER)
        and info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    ]


def _is_locked(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 1)


def _rank(member: str) -> int:
    """Return which of several texts is the export: a chat may have been sent in a chat, as a document."""
    name = PurePosixPath(member.replace("\\", "/")).name.casefold()
    return 0 if name == "_chat.txt" else 1 if "whatsapp" in name else 2


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        return file.read(HEAD_BYTES)


def _chat_of(path: Path, member: str | None, head: bytes) -> ChatText | None:
    mark, encoding = bom_of(head) or (0, "utf-8")
    text = head[mark:]
    if encoding != "utf-8":
        text = text.decode(encoding, errors="replace").encode(errors="replace")
    shape = shape_of(text)
    return None if shape is None else ChatText(path, member, encoding, mark, shape)


def _from_behind(header: re.Pattern[bytes], held: bytes, first: int) -> Iterator[re.Match[bytes]]:
    """Yield the headers in held from the last one back to those at first; mostly, its tail has one."""
    tail = max(first, len(held) - _TAIL_BYTES)
    yield from reversed(list(header.finditer(held, tail)))
    if tail > first:
        yield from reversed(list(header.finditer(held, first, tail + _HEADER_BYTES)))


def _damaged(path: Path) -> TransientError:
    return TransientError(
        f"{path.name}: a broken download of {path.stat().st_size:,} bytes, the zip archive is cut off or damaged"
    )
