"""Makes and takes apart PostgreSQL archives for the tests, byte by byte, without the reader that they test."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

NO_DATA, UNSET, SET = 3, 1, 2
NONE, GZIP, LZ4, ZSTD = 0, 1, 2, 3
Version = tuple[int, int]


@dataclass
class Entry:
    """One entry of a table of contents; `place` is its state and offset."""

    id: int
    dumper: int = 0
    oids: tuple[str | None, str | None] = ("0", "0")
    tag: str | None = ""
    desc: str | None = ""
    section: int = 3
    texts: list[str | None] = field(default_factory=lambda: ["", "", None, "public", ""])
    tableam: str | None = ""
    relkind: int = 0
    owner: str | None = "sysi5adm"
    with_oids: str | None = "false"
    needs: list[str] = field(default_factory=list)
    place: tuple[int, int] = (NO_DATA, 0)


@dataclass
class Raw:
    """An archive's fields; `data` is what follows the table of contents."""

    version: Version
    packing: int
    entries: list[Entry]
    data: bytes
    times: tuple[int, ...] = (5, 30, 19, 22, 10, 126, 0)
    names: tuple[str, ...] = ("i5_2026", "9.5.3", "9.5.3")


def integer(value: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(4, "little")


def text(value: str | None) -> bytes:
    return integer(-1) if value is None else integer(len(value.encode())) + value.encode()


def chunks(data: bytes, size: int) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(integer(len(part)) + part for part in parts) + integer(0)


def packed(data: bytes, packing: int) -> bytes:
    if packing == GZIP:
        return zlib.compress(data)
    if packing == LZ4:
        import lz4.frame  # type: ignore[import-untyped]

        return bytes(lz4.frame.compress(data))
    if packing == ZSTD:
        import zstandard

        return zstandard.compress(data)
    return data


def archive(
    tables: dict[str, tuple[str, bytes]],
    *,
    version: Version = (1, 14),
    packing: int = GZIP,
    has_offsets: bool = True,
    chunk: int = 40,
    encoding: str = "UTF8",
    with_large_objects: bool = True,
) -> bytes:
    """Return an archive of tables: name -> (the columns of its COPY statement, its rows without the end mark)."""
    entries = [
        Entry(1, tag="ENCODING", desc="ENCODING", texts=[f"SET client_encoding = '{encoding}';\n", "", None, "", ""])
    ]
    blocks: list[bytes] = []
    if with_large_objects:
        entries.append(Entry(2, dumper=1, tag="BLOBS", desc="BLOBS", place=(UNSET, 0)))
        objects = b"".join(integer(oid) + chunks(packed(b"\xff\xd8" * 50, packing), chunk) for oid in (7001, 7002))
        blocks.append(b"\x03" + integer(2) + objects + integer(0))
    for id_, (name, (columns, rows)) in enumerate(tables.items(), 3):
        copy = f"COPY public.{name} {columns} FROM stdin;\n"
        entries.append(Entry(100 + id_, tag=name, desc="TABLE", texts=["CREATE TABLE ...", "", None, "public", ""]))
        entry = Entry(id_, 1, tag=name, desc="TABLE DATA", texts=["", "", copy, "public", ""], place=(UNSET, 0))
        entries.append(entry)
        blocks.append(b"\x01" + integer(id_) + chunks(packed(rows + b"\\.\n\n\n", packing), chunk))
    raw = Raw(version, packing, entries, b"".join(blocks))
    if has_offsets:
        at = 0
        promised = [entry for entry in entries if entry.dumper]
        for entry, block in zip(promised, blocks, strict=True):
            entry.place = (SET, at)
            at += len(block)
        raw = shifted(raw, len(built(raw)) - len(raw.data))
    return built(raw)


def built(raw: Raw) -> bytes:
    """Return the bytes of an archive; offsets are written as they are."""
    head = b"PGDMP" + bytes([*raw.version, 0, 4, 8, 1])
    head += bytes([raw.packing]) if raw.version >= (1, 15) else integer(-1 if raw.packing else 0)
    head += b"".join(map(integer, raw.times)) + b"".join(map(text, raw.names)) + integer(len(raw.entries))
    return head + b"".join(_entry(entry, raw.version) for entry in raw.entries) + raw.data


def rewritten(data: bytes, version: Version) -> bytes:
    """Return an archive, as a server's pg_dump wrote it, in the layout of another version."""
    raw, end = parsed(data)
    new = replace(raw, version=version)
    return built(shifted(new, len(built(new)) - len(raw.data) - end))


def shifted(raw: Raw, by: int) -> Raw:
    entries = [
        replace(entry, place=(SET, entry.place[1] + by)) if entry.place[0] == SET else entry for entry in raw.entries
    ]
    return replace(raw, entries=entries)


def parsed(data: bytes) -> tuple[Raw, int]:
    """Return an archive's fields, and where its table of contents ends."""
    version, at = (data[5], data[6]), 11

    def number() -> int:
        nonlocal at
        value = int.from_bytes(data[at + 1 : at + 5], "little")
        value, at = -value if data[at] else value, at + 5
        return value

    def word() -> str | None:
        nonlocal at
        length = number()
        if length < 0:
            return None
        at += length
        return data[at - length : at].decode()

    def words(count: int) -> list[str | None]:
        return [word() for _ in range(count)]

    def one() -> Entry:
        nonlocal at
        given: dict[str, Any] = {"id": number(), "dumper": number(), "oids": tuple(words(2))}
        given |= {"tag": word(), "desc": word(), "section": number(), "texts": words(5)}
        given["tableam"] = word() if version >= (1, 14) else ""
        given["relkind"] = number() if version >= (1, 16) else 0
        given |= {"owner": word(), "with_oids": word(), "needs": list(iter(word, None))}
        at += 9
        given["place"] = (data[at - 9], int.from_bytes(data[at - 8 : at], "little"))
        return Entry(**given)

    if version >= (1, 15):
        packing, at = data[at], at + 1
    else:
        packing = GZIP if number() else NONE
    times = tuple(number() for _ in range(7))
    names = tuple(each or "" for each in words(3))
    entries = [one() for _ in range(number())]
    return Raw(version, packing, entries, data[at:], times, names), at


def _entry(entry: Entry, version: Version) -> bytes:
    def all_of(values: Iterable[str | None]) -> bytes:
        return b"".join(map(text, values))

    state, offset = entry.place
    return b"".join(
        [
            integer(entry.id) + integer(entry.dumper) + all_of(entry.oids) + all_of((entry.tag, entry.desc)),
            integer(entry.section) + all_of(entry.texts),
            text(entry.tableam) if version >= (1, 14) else b"",
            integer(entry.relkind) if version >= (1, 16) else b"",
            all_of((entry.owner, entry.with_oids, *entry.needs, None)),
            bytes([state]) + offset.to_bytes(8, "little"),
        ]
    )
