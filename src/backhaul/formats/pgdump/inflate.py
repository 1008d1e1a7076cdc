"""Unpacks the data of one table as a stream, in bounded steps, and only to its proper end."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.pgdump.header import Packing
from backhaul.formats.pgdump.reader import Reader

MAX_TABLE_BYTES = 16 * 1024**3
"""The most that one table may unpack to."""

MAX_RATIO = 500
"""How many times larger than packed a table may be; tables of real rows stay under 100."""

FREE_BYTES = 64 * 1024**2
"""Up to here the ratio does not matter."""

_STEP_BYTES = 1024**2
_ZSTD_SLICE_BYTES = 1024
"""A zstd block of four bytes may stand for 128 KB, and the library has no limit for what one call gives."""

_ZSTD_WINDOW_BYTES = 128 * 1024**2


class _Unpacker(Protocol):
    errors: tuple[type[Exception], ...]

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    @property
    def is_at_end(self) -> bool: ...

    @property
    def surplus(self) -> bytes: ...


class _Gzip:
    errors: tuple[type[Exception], ...] = (zlib.error,)

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._stream.decompress(data, _STEP_BYTES)
            data = self._stream.unconsumed_tail
            yield piece
            if self._stream.eof or (not data and len(piece) < _STEP_BYTES):
                return

    @property
    def is_at_end(self) -> bool:
        return self._stream.eof

    @property
    def surplus(self) -> bytes:
        return self._stream.unused_data


class _Lz4:
    errors: tuple[type[Exception], ...] = (RuntimeError, EOFError)

    def __init__(self) -> None:
        from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

        self._stream: Any = LZ4FrameDecompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            yield self._stream.decompress(data, _STEP_BYTES)
            data = b""
            if self._stream.eof or self._stream.needs_input:
                return

    @property
    def is_at_end(self) -> bool:
        return bool(self._stream.eof)

    @property
    def surplus(self) -> bytes:
        return self._stream.unused_data or b""


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self.errors: tuple[type[Exception], ...] = (zstandard.ZstdError,)
        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        self._surplus = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_SLICE_BYTES):
            if self._stream.eof:
                self._surplus = data[at:]
                return
            yield self._stream.decompress(data[at : at + _ZSTD_SLICE_BYTES])

    @property
    def is_at_end(self) -> bool:
        return self._stream.eof

    @property
    def surplus(self) -> bytes:
        return self._surplus or self._stream.unused_data


def missing_library(packing: Packing) -> str | None:
    """Return the name of the library that is needed to unpack and is not installed, or None."""
    try:
        if packing is Packing.LZ4:
            import lz4.frame  # type: ignore[import-untyped]  # noqa: F401
        elif packing is Packing.ZSTD:
            import zstandard  # noqa: F401
    except ImportError:
        return "lz4" if packing is Packing.LZ4 else "zstandard"
    return None


def library_missing(reader: Reader, packing: Packing) -> ConfigError:
    """Return the error that names the extra to install."""
    return ConfigError(
        f"{reader.path.name}: the archive is packed with {packing.name.lower()}, whose library is not installed",
        next_step='Install it: pip install "backhaul[archives]"; or put a pg_restore that reads it on the PATH.',
    )


def inflated(reader: Reader, chunks: Iterator[bytes], packing: Packing) -> Iterator[bytes]:
    """Yield what chunks, one packed stream, unpack to, a few MB at a time at most.

    Raises TransientError if the stream is damaged, stops before its end or goes on behind it, SourceChanged for a
    bomb.
    """
    if packing is Packing.NONE:
        yield from _counted(reader, chunks)
        return
    unpacker = _unpacker(packing)
    packed = unpacked = 0
    for chunk in chunks:
        packed += len(chunk)
        if unpacker.is_at_end:
            raise reader.damaged("the packed data go on after their end")
        try:
            for piece in unpacker.feed(chunk):
                unpacked += len(piece)
                _refuse_bomb(reader, packed, unpacked)
                yield piece
        except unpacker.errors:
            raise reader.damaged("the packed data cannot be unpacked") from None
        if unpacker.surplus:
            raise reader.damaged("the packed data go on after their end")
    if not unpacker.is_at_end:
        raise reader.damaged("the packed data stop before their end")


def _unpacker(packing: Packing) -> _Unpacker:
    match packing:
        case Packing.LZ4:
            return _Lz4()
        case Packing.ZSTD:
            return _Zstd()
        case _:
            return _Gzip()


def _counted(reader: Reader, chunks: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        _refuse_bomb(reader, total, total)
        yield chunk


def _refuse_bomb(reader: Reader, packed: int, unpacked: int) -> None:
    if unpacked > MAX_TABLE_BYTES or (unpacked > FREE_BYTES and unpacked > MAX_RATIO * packed):
        raise SourceChanged(
            f"{reader.path.name}: {packed:,} bytes unpack to {unpacked:,} or more in {reader.what}, a bomb",
            next_step="The file is not read, because it would fill memory or disk; have a look at who made it.",
        )
