"""What an archive says first: its version, how its data are packed, which database it holds; and what is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.pgdump.reader import Reader

MAGIC = b"PGDMP"
OLDEST, NEWEST = (1, 12), (1, 16)
"""The archive versions that are read: 1.12 is what PostgreSQL 9.5 writes, 1.16 what 17 writes."""

AGAIN = "Make the backup with `pg_dump -Fc` (custom format), or choose the file that the shop's program writes."
_HEAD_BYTES = 512
_TOC_FORMATS = (3, 5)
"""The format numbers in the file `toc.dat` of a directory dump, which says that it is of a tar dump."""

_KINDS = (
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"SQLite format 3\0", "an SQLite database"),
)


class Packing(IntEnum):
    """How the data blocks are packed, as the header numbers it."""

    NONE = 0
    GZIP = 1
    LZ4 = 2
    ZSTD = 3


@dataclass(frozen=True)
class Header:
    """An archive's header. `made_at_local` is a clock without time zone; `server` and `program` are versions."""

    version: tuple[int, int]
    packing: Packing
    made_at_local: datetime | None
    database: str
    server: str
    program: str
    entries: int


def version_of(reader: Reader) -> tuple[int, int]:
    """Return the version of the archive that begins at reader, and let reader know its sizes.

    Raises SourceChanged for what is no archive, TransientError for one that is empty or cut off.
    """
    path = reader.path
    head = reader.take(min(reader.size, _HEAD_BYTES))
    if not head.startswith(MAGIC):
        refuse_other(path, head)
    reader.go(len(MAGIC))
    major, minor, _revision, int_bytes, place_bytes, kind = reader.take(6)
    if kind in _TOC_FORMATS:
        raise foreign(path, "the table of contents of a directory dump (-Fd)")
    if kind != 1 or int_bytes not in (4, 8) or place_bytes not in (4, 8):
        raise foreign(path, f"an archive of an unknown layout (format {kind}, numbers of {int_bytes} bytes)")
    reader.int_bytes, reader.place_bytes = int_bytes, place_bytes
    return major, minor


def is_known(version: tuple[int, int]) -> bool:
    """Tell whether archives of this version are read."""
    return OLDEST <= version <= NEWEST


def read_header(reader: Reader, version: tuple[int, int]) -> Header:
    """Return the header, which reader is inside of, behind the version. Raises as `version_of`."""
    if version >= (1, 15):
        number = reader.byte()
        if number not in set(Packing):
            raise SourceChanged(
                f"{reader.path.name}: the archive is packed in a way that is not known (number {number})",
                next_step="Make the backup with gzip: `pg_dump -Fc -Z gzip`.",
            )
        packing = Packing(number)
    else:
        # A level: -1 is the default one.
        packing = Packing.GZIP if reader.integer() else Packing.NONE
    made_at = _made_at([reader.integer() for _ in range(7)])
    database, server, program = [(reader.text() or b"").decode(errors="replace") for _ in range(3)]
    return Header(version, packing, made_at, database, server, program, reader.count())


def refuse_other(path: Path, head: bytes) -> None:
    """Raise the error that says what a file that begins with head is, if not an archive."""
    if not head:
        raise TransientError(f"{path.name}: the backup is empty (0 bytes), it is not written or uploaded yet")
    if MAGIC.startswith(head) or not head.strip(b"\0"):
        found = "nothing but zero bytes at its beginning" if not head.strip(b"\0") else f"{len(head)} bytes"
        raise TransientError(
            f"{path.name}: the backup is not there as a whole: it has {found} ({path.stat().st_size:,} bytes in all)",
            next_step="Wait until it is copied or uploaded, then run again; else make a new one.",
        )
    if head[257:262] == b"ustar":
        raise foreign(path, "a tar archive, perhaps a tar dump (-Ft)")
    for magic, what in _KINDS:
        if head.startswith(magic):
            raise foreign(path, what)
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith((b"--", b"set ", b"create ", b"insert ", b"copy ", b"begin")):
        raise foreign(path, "an SQL script (a plain dump, -Fp)")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise foreign(path, "a web page")
    raise foreign(path, "data of no known kind, perhaps encrypted")


def unknown_version(path: Path, version: tuple[int, int]) -> SourceChanged:
    """Return the error for an archive of a version that is not read."""
    newest = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    step = "Make the backup with PostgreSQL 9.5 or newer."
    if version > NEWEST:
        step = "Install a pg_restore that is as new as the pg_dump that made it, or look for a newer backhaul."
    return SourceChanged(
        f"{path.name}: a PostgreSQL archive of version {version[0]}.{version[1]}; {newest} are read", next_step=step
    )


def foreign(path: Path, what: str) -> SourceChanged:
    """Return the error that says that path is something else than an archive."""
    return SourceChanged(f"{path.name}: expected a PostgreSQL archive (pg_dump -Fc), got {what}", next_step=AGAIN)


def _made_at(numbers: list[int]) -> datetime | None:
    second, minute, hour, day, month, year, _is_summer = numbers
    try:
        return datetime(1900 + year, month + 1, day, hour, minute, min(second, 59))
    except (ValueError, OverflowError):
        return None
