"""Old Excel workbooks (.xls): proven whole and bounded before a reader opens them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.compound import CompoundFile
from backhaul.formats.extent import MAX_EMPTY_CELLS

MAX_BYTES = 256 * 1024**2
"""The largest file that is read: a reader holds all of it in memory."""

MAX_CELLS = 10_000_000
"""The most cells of all sheets together; each one costs about 150 bytes while the workbook is read."""

_BOF, _EOF, _FILEPASS, _SHEET = 0x0809, 0x000A, 0x002F, 0x0085
_STRINGS, _DIMENSIONS = 0x00FC, 0x0200
_MULTIPLE = frozenset({0x00BD, 0x00BE})
_CELLS = frozenset({0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x00D6, 0x0006, 0x0206, 0x0406, 0x0201}) | _MULTIPLE
_WORKSHEET = 0x0010
_LAST_ROW, _LAST_COLUMN = 65_535, 255
_HEAD = struct.Struct("<HH")
_PLACE = struct.Struct("<HH")
_NO_PASSWORD = "Export the file without a password, or choose XLSX or CSV as its format."


@dataclass
class _Walk:
    """What has been seen of a workbook's records."""

    sheets: int = 0
    ended: int = 0
    depth: int = 0
    is_worksheet: bool = False
    cells: int = 0
    area: int = 0
    rows: list[int] = field(default_factory=list)
    last_column: int = 0


def check_legacy(path: Path) -> None:
    """Check that the old workbook in path is whole, open to read, and of a size that memory holds.

    Raises TransientError if it is cut off or damaged, SourceChanged for a password, for a file that is no
    workbook and for sheets that would fill memory.
    """
    if path.stat().st_size > MAX_BYTES:
        raise SourceChanged(f"{path.name}: an old workbook of over {MAX_BYTES // 1024**2} MB is not read")
    with path.open("rb") as file:
        if file.read(2) != b"\xd0\xcf":
            raise SourceChanged(
                f"{path.name}: a workbook of a version before Excel 5, which cannot be read",
                next_step="Choose XLSX or CSV as the format of the export.",
            )
        file.seek(0)
        compound = CompoundFile(path, file)
        if "encryptedpackage" in compound.entries:
            raise _locked(path)
        entry = compound.entries.get("workbook") or compound.entries.get("book")
        if entry is None:
            raise SourceChanged(f"{path.name}: an OLE file without a workbook, perhaps a document of another program")
        walk = _Walk()
        for kind, data in _records(compound.chunks(entry)):
            _take(path, walk, kind, data)
    if walk.depth or walk.ended < walk.sheets + 1:
        missing = max(1, walk.sheets + 1 - walk.ended)
        raise _broken(path, f"{missing} of {walk.sheets + 1} parts of the workbook do not end")


def _take(path: Path, walk: _Walk, kind: int, data: bytes) -> None:
    if kind in _CELLS:
        if walk.depth == 1 and walk.is_worksheet and len(data) >= 6:
            _count(walk, kind, data)
            if walk.last_column > _LAST_COLUMN:
                raise _broken(path, "a cell stands outside of its sheet")
    elif kind == _BOF:
        walk.depth += 1
        if walk.depth == 1:
            walk.is_worksheet = len(data) >= 4 and _PLACE.unpack_from(data)[1] == _WORKSHEET
            walk.rows, walk.last_column = [], 0
    elif kind == _EOF and walk.depth:
        walk.depth -= 1
        if not walk.depth:
            walk.ended += 1
            if walk.rows:
                walk.area += (walk.rows[1] - walk.rows[0] + 1) * (walk.last_column + 1)
            _refuse_empty(path, walk)
    elif kind == _SHEET:
        walk.sheets += 1
    elif kind in (_STRINGS, _DIMENSIONS):
        _check_promise(path, kind, data)
    elif kind == _FILEPASS:
        raise _locked(path)


def _count(walk: _Walk, kind: int, data: bytes) -> None:
    row, column = _PLACE.unpack_from(data)
    last = int.from_bytes(data[-2:], "little") if kind in _MULTIPLE else column
    walk.cells += max(1, last - column + 1)
    if not walk.rows:
        walk.rows = [row, row]
    elif row > walk.rows[1]:
        walk.rows[1] = row
    elif row < walk.rows[0]:
        walk.rows[0] = row
    if last > walk.last_column:
        walk.last_column = last


def _check_promise(path: Path, kind: int, data: bytes) -> None:
    """Refuse numbers that readers trust and reserve memory for."""
    if kind == _STRINGS and len(data) >= 8:
        is_true = int.from_bytes(data[4:8], "little") <= path.stat().st_size
    elif kind == _DIMENSIONS and len(data) >= 10:
        rows, columns = ("<4xI", "<10xH") if len(data) >= 14 else ("<2xH", "<6xH")
        (last_row,), (last_column,) = struct.unpack_from(rows, data), struct.unpack_from(columns, data)
        is_true = last_row <= _LAST_ROW + 1 and last_column <= _LAST_COLUMN + 1
    else:
        is_true = False
    if not is_true:
        raise _broken(path, "it announces more than a sheet can hold")


def _refuse_empty(path: Path, walk: _Walk) -> None:
    if walk.cells > MAX_CELLS or walk.area - walk.cells > MAX_EMPTY_CELLS:
        raise SourceChanged(
            f"{path.name}: {walk.cells:,} cells on sheets of {walk.area:,} places, too large",
            next_step="Open the export and look for a lone cell far below or far right of the table.",
        )


def _records(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of each record; one that the stream cuts off is left out."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        at, end = 0, len(data)
        while at + 4 <= end:
            kind, length = _HEAD.unpack_from(data, at)
            if at + 4 + length > end:
                break
            yield kind, data[at + 4 : at + 4 + length]
            at += 4 + length
        rest = data[at:]


def _broken(path: Path, what: str) -> TransientError:
    return TransientError(f"{path.name}: a broken download of {path.stat().st_size:,} bytes, {what}")


def _locked(path: Path) -> SourceChanged:
    return SourceChanged(f"{path.name}: the workbook is locked with a password", next_step=_NO_PASSWORD)
