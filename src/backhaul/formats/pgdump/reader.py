"""Reads an archive's numbers, texts and places, never beyond the end of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from backhaul.errors import SourceChanged, TransientError

MAX_TEXT_BYTES = 1024**2
"""The longest text that is taken into memory; the COPY statement of 1,600 columns is a tenth of it."""

STEP_BYTES = 256 * 1024
_JUMP_BYTES = 32 * 1024
_PEEK_BYTES = 64
_WHOLE = "Wait until the backup is there as a whole (copied, uploaded, synced), then run again; else make a new one."


class Reader:
    """A place in an archive that moves forward; `what` names the part that is read, for messages."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.size: Final = path.stat().st_size
        self.what = "the header"
        self.int_bytes = 4
        self.place_bytes = 8
        self._file = path.open("rb", buffering=0)
        self._data = b""
        self._begin = 0
        self._at = 0

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    @property
    def at(self) -> int:
        """The next byte's offset in the file."""
        return self._begin + self._at

    def go(self, at: int) -> None:
        """Go on at an offset. Raises TransientError if the file ends before it."""
        self._require(at - self.at)
        if not self._begin <= at <= self._begin + len(self._data):
            self._data, self._begin = b"", at
        self._at = at - self._begin

    def take(self, count: int) -> bytes:
        """Return the next count bytes. Raises TransientError if the file ends before."""
        self._fill(count, STEP_BYTES)
        self._at += count
        return self._data[self._at - count : self._at]

    def skip(self, count: int) -> None:
        """Pass over count bytes. Raises TransientError if the file ends before."""
        self.go(self.at + count)

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def integer(self) -> int:
        """Return the next number: a byte for its sign, then its bytes, the lowest first."""
        data = self.take(1 + self.int_bytes)
        value = int.from_bytes(data[1:], "little")
        if data[0] > 1:
            raise self.damaged("a number has no sign")
        return -value if data[0] else value

    def count(self) -> int:
        """Return the next number, which is a length or an id and therefore not negative."""
        value = self.integer()
        if value < 0:
            raise self.damaged(f"a length or id is {value:,}")
        return value

    def text(self) -> bytes | None:
        """Return the next text as its bytes; None is NULL. Raises SourceChanged over MAX_TEXT_BYTES."""
        length = self._length()
        if length is None:
            return None
        if length > MAX_TEXT_BYTES:
            self._require(length)
            raise SourceChanged(
                f"{self.path.name}: a text of {length:,} bytes in {self.what}; over {MAX_TEXT_BYTES:,} are not read",
                next_step="The file is not read, because it would fill memory; have a look at who made it.",
            )
        return self.take(length)

    def pass_text(self) -> bool:
        """Pass over the next text, however long; tell whether it was NULL."""
        length = self._length()
        self.skip(length or 0)
        return length is None

    def place(self) -> tuple[int, int]:
        """Return a state (1 not set, 2 set, 3 no data) and an offset in the file."""
        data = self.take(1 + self.place_bytes)
        if data[0] not in (1, 2, 3):
            raise self.damaged("an offset has no state")
        return data[0], int.from_bytes(data[1:], "little")

    def chunks(self) -> Iterator[bytes]:
        """Yield what the chunks of a block hold, up to its end, STEP_BYTES at a time at most."""
        while length := self.count():
            self._require(length)
            while length:
                part = min(length, STEP_BYTES)
                yield self.take(part)
                length -= part

    def pass_chunks(self) -> None:
        """Pass over the chunks of a block and its end; quick: an archive has up to millions of them."""
        width, step = 1 + self.int_bytes, STEP_BYTES
        data, at = self._data, self._at
        while True:
            if at + width > len(data):
                self._begin, self._data, self._at = self._begin + at, b"", 0
                self._fill(width, step)
                data, at = self._data, 0
            length = int.from_bytes(data[at + 1 : at + width], "little")
            if data[at] and length:
                raise self.damaged(f"a chunk is said to have {-length:,} bytes", self._begin + at)
            at += width
            if not length:
                self._at = at
                return
            at += length
            if self._begin + at > self.size:
                raise self.cut(self._begin + at - self.size)
            step = _PEEK_BYTES if length > _JUMP_BYTES else STEP_BYTES

    def cut(self, missing: int) -> TransientError:
        """Return the error that says that the file ends too early, by at least `missing` bytes."""
        return TransientError(
            f"{self.path.name}: the archive is cut off: it ends at byte {self.size:,}, within {self.what}; "
            f"{missing:,} bytes or more are missing",
            next_step=_WHOLE,
        )

    def damaged(self, what: str, at: int | None = None) -> TransientError:
        """Return the error that says what is wrong, and where."""
        where = self.at if at is None else at
        return TransientError(
            f"{self.path.name}: the archive is damaged near byte {where:,} of {self.size:,}, in {self.what}: {what}",
            next_step=_WHOLE,
        )

    def _length(self) -> int | None:
        length = self.integer()
        if length < -1:
            raise self.damaged(f"a text is said to have {length:,} bytes")
        return None if length == -1 else length

    def _require(self, count: int) -> None:
        if self.at + count > self.size:
            raise self.cut(self.at + count - self.size)

    def _fill(self, count: int, step: int) -> None:
        """Have count bytes from here on in memory."""
        if self._at + count <= len(self._data):
            return
        self._require(count)
        kept = self._data[self._at :]
        pieces, have = [kept], len(kept)
        while have < count:
            piece = self._read(self.at + have, max(step, count - have))
            if not piece:
                raise self.damaged("the file became shorter while it was read")
            pieces.append(piece)
            have += len(piece)
        self._begin, self._at, self._data = self.at, 0, b"".join(pieces)

    def _read(self, at: int, count: int) -> bytes:
        try:
            self._file.seek(at)
            return self._file.read(count)
        except OSError as error:
            raise TransientError(
                f"{self.path.name}: the backup cannot be read at byte {at:,} ({error.strerror})",
                next_step="Check the disk or the network drive that it lies on, then run again.",
            ) from None
