"""Compound (OLE) files, as old Office programs write them: their streams, in bounded memory."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backhaul.errors import SourceChanged, TransientError

_HEADER = struct.Struct("<8s16xHHHHH10xIIIIIIII")
_ENTRY_BYTES = 128
_LAST_SECTOR = 0xFFFFFFFA
_CHUNK_SECTORS = 2048
_MAX_ENTRIES = 10_000
_IN_HEADER = 109


@dataclass(frozen=True)
class Entry:
    """One stream of the file: its first sector and its size."""

    name: str
    start: int
    size_bytes: int


class CompoundFile:
    """An open compound file. Raises TransientError if it is cut off or damaged."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = path.stat().st_size
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise self._broken("it ends in its header")
        fields = _HEADER.unpack(head)
        _, _, version, _, shift, mini_shift = fields[:6]
        fats, directory, _, self._cutoff, mini_fat, mini_fats, difat, difats = fields[6:]
        if version not in (3, 4) or shift not in (9, 12) or mini_shift != 6:
            raise SourceChanged(f"{path.name}: an OLE file of a kind that cannot be read")
        self._sector = 1 << shift
        # Readers trust these numbers and reserve memory for them.
        if (fats + mini_fats + difats) * self._sector > self._size:
            raise self._broken("its header announces more than the file holds")
        self._fat = self._read_fat(difat)
        self.entries, root = self._read_directory(directory)
        self._mini_fat = self._numbers(mini_fat) if mini_fat < _LAST_SECTOR else array("I")
        if root.size_bytes > self._size:
            raise self._broken("its header announces more than the file holds")
        self._mini = list(self._chain(root.start, self._fat)) if root.size_bytes else []

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of a stream, about a megabyte at a time."""
        pieces: Iterator[bytes]
        left = entry.size_bytes
        if left < self._cutoff:
            pieces = map(self._mini_sector, self._chain(entry.start, self._mini_fat))
        else:
            pieces = self._sectors(entry.start)
        for piece in pieces:
            if left <= 0:
                return
            yield piece[:left]
            left -= len(piece)
        if left > 0:
            raise self._broken(f"{left:,} bytes of the workbook are missing")

    def _read_fat(self, difat: int) -> array[int]:
        self._file.seek(_HEADER.size)
        places = array("I", self._file.read(_IN_HEADER * 4).ljust(_IN_HEADER * 4, b"\xff"))
        seen = 0
        while difat < _LAST_SECTOR:
            more = array("I", self._at(difat))
            places.extend(more[:-1])
            difat = more[-1]
            seen += 1
            if seen > self._size // self._sector:
                raise self._broken("its table of sectors runs in a circle")
        fat = array("I")
        for place in places:
            if place < _LAST_SECTOR:
                fat.frombytes(self._at(place))
                if len(fat) * self._sector > 2 * self._size + self._sector * self._sector:
                    raise self._broken("its table of sectors is larger than the file")
        return fat

    def _read_directory(self, start: int) -> tuple[dict[str, Entry], Entry]:
        entries: dict[str, Entry] = {}
        root = Entry("", _LAST_SECTOR, 0)
        for number, block in enumerate(self._sectors(start, 1)):
            if number * self._sector > _MAX_ENTRIES * _ENTRY_BYTES:
                raise self._broken("its directory is too long")
            for at in range(0, len(block) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
                length, kind = struct.unpack_from("<HB", block, at + 64)
                first, size = struct.unpack_from("<IQ", block, at + 116)
                name = block[at : at + max(0, min(length, 64) - 2)].decode("utf-16-le", errors="replace")
                entry = Entry(name, first, size & 0xFFFFFFFF)
                if kind == 5:
                    root = entry
                elif kind == 2:
                    entries.setdefault(name.casefold(), entry)
        return entries, root

    def _numbers(self, start: int) -> array[int]:
        numbers = array("I")
        for block in self._sectors(start):
            numbers.frombytes(block[: len(block) // 4 * 4])
        return numbers

    def _sectors(self, start: int, together: int = _CHUNK_SECTORS) -> Iterator[bytes]:
        """Yield the sectors of a chain, up to `together` neighbours at once."""
        first, count = -1, 0
        for number in self._chain(start, self._fat):
            if number == first + count and count < together:
                count += 1
                continue
            if count:
                yield self._at(first, count)
            first, count = number, 1
        if count:
            yield self._at(first, count)

    def _chain(self, number: int, table: array[int]) -> Iterator[int]:
        for _ in range(len(table) + 1):
            if number >= _LAST_SECTOR:
                return
            if number >= len(table):
                raise self._broken("a part of it is missing")
            yield number
            number = table[number]
        raise self._broken("its table of sectors runs in a circle")

    def _at(self, number: int, count: int = 1) -> bytes:
        place = (number + 1) * self._sector
        # The last sector of a file need not be filled up.
        if place >= self._size or place + (count - 1) * self._sector >= self._size:
            raise self._broken("its end is missing")
        self._file.seek(place)
        return self._file.read(count * self._sector).ljust(count * self._sector, b"\0")

    def _mini_sector(self, number: int) -> bytes:
        per_sector = self._sector // 64
        place, offset = divmod(number, per_sector)
        if place >= len(self._mini):
            raise self._broken("a part of it is missing")
        return self._at(self._mini[place])[offset * 64 : offset * 64 + 64]

    def _broken(self, what: str) -> TransientError:
        return TransientError(f"{self._path.name}: a broken download of {self._size:,} bytes, {what}")
