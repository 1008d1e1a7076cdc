"""The proof that a PDF document is whole and may be opened; needs no PDF library."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from backhaul.errors import SourceChanged, TransientError

MAX_BYTES = 64 * 1024**2
"""The largest document that is read; 5,000 rows of 10 columns, not packed, are 2.6 MB."""

MAX_UNPACKED_BYTES = 256 * 1024**2
"""The most that its streams may unpack to."""

_END_BYTES = 2048
_START = re.compile(rb"startxref\s+(\d{1,12})\s*%%EOF")
_TABLE = re.compile(rb"\s*(?:xref\b|\d+\s+\d+\s+obj\b)")
_ENCRYPT = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
_STREAM = re.compile(rb"/(?:FlateDecode|Fl)\b[^>]{0,400}(?:>[^>]{0,200}){0,3}>>\s*stream\r?\n")
_TWICE = re.compile(rb"/Filter\s*\[\s*/(?:FlateDecode|Fl)\s*/(?:FlateDecode|Fl|LZWDecode)")


def check_pdf(path: Path) -> None:
    """Check that the document in path has its end, is not locked and unpacks to a bounded size.

    Raises TransientError if it is cut off, SourceChanged if it is encrypted, too large or a bomb.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SourceChanged(
            f"{path.name}: a PDF document of {size:,} bytes; over {MAX_BYTES // 1024**2} MB are not read",
            next_step="Choose XLSX or CSV as the format of the export.",
        )
    data = path.read_bytes()
    found = _START.search(data, max(0, size - _END_BYTES))
    if found is None:
        raise _broken(path, "the end of the document is missing")
    at = int(found[1])
    # Some servers put a blank line before the document: places count from its own beginning.
    shift = data.find(b"%PDF-", 0, 1024)
    if not any(_TABLE.match(data, place) for place in {at, at + max(0, shift)} if place < size):
        raise _broken(path, "its table of contents is not where it should be")
    if _ENCRYPT.search(data):
        raise SourceChanged(
            f"{path.name}: the PDF document is locked (encrypted)",
            next_step="Export it without protection, or choose XLSX or CSV as the format.",
        )
    _refuse_bomb(path, data)


def _refuse_bomb(path: Path, data: bytes) -> None:
    total = 0
    if _TWICE.search(data):
        raise _bomb(path)
    for found in _STREAM.finditer(data):
        unpack = zlib.decompressobj()
        packed = data[found.end() : found.end() + 65536]
        at = found.end() + len(packed)
        while packed and not unpack.eof:
            try:
                total += len(unpack.decompress(packed, 1024**2))
            except zlib.error:
                break
            if total > MAX_UNPACKED_BYTES:
                raise _bomb(path)
            packed = unpack.unconsumed_tail or data[at : (at := at + 65536)]


def _bomb(path: Path) -> SourceChanged:
    return SourceChanged(
        f"{path.name}: a PDF document whose streams unpack to over {MAX_UNPACKED_BYTES // 1024**2} MB",
        next_step="The file is not read, because it would fill memory; choose XLSX or CSV as the format.",
    )


def _broken(path: Path, what: str) -> TransientError:
    return TransientError(f"{path.name}: a broken download of {path.stat().st_size:,} bytes, {what}")
