"""How far a sheet reaches: a reader holds every cell of the rectangle, also the empty ones."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from backhaul.errors import SourceChanged

MAX_EMPTY_CELLS = 30_000_000
"""How many cells of the rectangle may be empty; each one costs about 24 bytes while the sheet is read."""

_BLOCK_BYTES = 4 * 1024**2
_OVERLAP_BYTES = 32
_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384
_REFERENCE = re.compile(rb'\br="([A-Z]+)(\d+)"')
_CELL = b"<c "
_ANY = 10**9
# Each bound holds until its pattern is met; searching is far faster than taking all references apart.
_ROW_BOUNDS = (
    (9_999, re.compile(rb'r="[A-Z]*\d{5}')),
    (99_999, re.compile(rb'r="[A-Z]*\d{6}')),
    (199_999, re.compile(rb'r="[A-Z]*(?:[2-9]\d{5}|\d{7})')),
    (499_999, re.compile(rb'r="[A-Z]*(?:[5-9]\d{5}|\d{7})')),
    (999_999, re.compile(rb'r="[A-Z]*\d{7}')),
    (_MAX_ROWS, re.compile(rb'r="[A-Z]*(?:1[1-9]\d{5}|[2-9]\d{6}|\d{8})')),
    (_ANY, None),
)
_COLUMN_BOUNDS = (
    (26, re.compile(rb'r="[A-Z]{2}')),
    (52, re.compile(rb'r="(?:[B-Z][A-Z]|[A-Z]{3})')),
    (104, re.compile(rb'r="(?:[D-Z][A-Z]|[A-Z]{3})')),
    (208, re.compile(rb'r="(?:[H-Z][A-Z]|[A-Z]{3})')),
    (702, re.compile(rb'r="[A-Z]{3}')),
    (_MAX_COLUMNS, re.compile(rb'r="[A-Z]{4}')),
    (_ANY, None),
)
_Bounds = tuple[tuple[int, re.Pattern[bytes] | None], ...]


def check_extent(path: Path, archive: zipfile.ZipFile, sheet: zipfile.ZipInfo) -> None:
    """Raise SourceChanged if the sheet's rectangle is large and mostly empty, as from one stray cell."""
    rows, columns, cells = _bounds(archive, sheet)
    if rows * columns - cells <= MAX_EMPTY_CELLS:
        return
    rows, columns = _exact(archive, sheet)
    if rows > _MAX_ROWS or columns > _MAX_COLUMNS or rows * columns - cells > MAX_EMPTY_CELLS:
        raise SourceChanged(
            f"{path.name}: {cells:,} cells on a sheet of {rows:,} rows x {columns:,} columns, too large",
            next_step="Open the export and look for a lone cell far below or far right of the table.",
        )


def _bounds(archive: zipfile.ZipFile, sheet: zipfile.ZipInfo) -> tuple[int, int, int]:
    """Return upper bounds of the sheet's rows and columns, and the number of its cells."""
    rows = columns = cells = 0
    for block, overlap in _blocks(archive, sheet):
        cells += block.count(_CELL, max(0, overlap - len(_CELL) + 1))
        rows = _raised(rows, block, _ROW_BOUNDS)
        columns = _raised(columns, block, _COLUMN_BOUNDS)
    return _ROW_BOUNDS[rows][0], _COLUMN_BOUNDS[columns][0], cells


def _raised(place: int, block: bytes, bounds: _Bounds) -> int:
    while (beyond := bounds[place][1]) is not None and beyond.search(block):
        place += 1
    return place


def _exact(archive: zipfile.ZipFile, sheet: zipfile.ZipInfo) -> tuple[int, int]:
    rows = 0
    names: set[bytes] = set()
    for block, _ in _blocks(archive, sheet):
        for name, row in _REFERENCE.findall(block):
            names.add(name[:5])
            rows = max(rows, int(row[:9]))
    return rows, max((_number(name) for name in names), default=0)


def _blocks(archive: zipfile.ZipFile, sheet: zipfile.ZipInfo) -> Iterator[tuple[bytes, int]]:
    """Yield blocks that each begin with the end of the one before, and how many bytes of it."""
    tail = b""
    with archive.open(sheet) as file:
        while data := file.read(_BLOCK_BYTES):
            yield tail + data, len(tail)
            tail = data[-_OVERLAP_BYTES:]


def _number(name: bytes) -> int:
    number = 0
    for letter in name:
        number = number * 26 + letter - 64
    return number
