"""An archive's table of contents: which tables have data in it, in which columns, and where."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from backhaul.errors import SourceChanged
from backhaul.formats.pgdump.header import Header
from backhaul.formats.pgdump.reader import Reader

MAX_ENTRIES = 1_000_000
"""The most entries that are read; before PostgreSQL 17 each large object is one."""

_ENTRY_BYTES = 60
_SET, _NO_DATA = 2, 3
_TABLE_DATA = b"TABLE DATA"
_NAME = r'"(?:[^"]|"")*"|[^\s"(),.;]+'
_COPY = re.compile(
    rf"\s*COPY\s+(?:(?:{_NAME})\.)?(?:{_NAME})\s*(?:\((?P<columns>.*)\))?\s*(?P<oids>WITH\s+OIDS\s+)?FROM\s+stdin\b",
    re.S | re.I,
)
_COLUMN = re.compile(rf"\s*({_NAME})\s*(?:,|$)")
_ENCODING = re.compile(rb"client_encoding\s*=\s*'([^']{1,40})'")
_LATIN = {1: 1, 2: 2, 3: 3, 4: 4, 5: 9, 6: 10, 7: 13, 8: 14, 9: 15, 10: 16}


@dataclass(frozen=True)
class Entry:
    """One thing that has data in the archive; `copy` is the statement its rows follow, None for no table.

    `offset` is where its block begins, None in an archive that was written to a pipe.
    """

    id: int
    kind: str
    schema: str
    name: str
    copy: str | None
    offset: int | None

    def __str__(self) -> str:
        label = f"{self.schema}.{self.name}" if self.schema else self.name
        return "".join(each if each.isprintable() else "?" for each in label)[:130]


@dataclass(frozen=True)
class Contents:
    """The table of contents: what has data by its id, and the tables that are defined, with data or without.

    `end` is where it ends and the data begin; `encoding` is the codec of the data.
    """

    entries: Mapping[int, Entry]
    defined: frozenset[tuple[str, str]]
    encoding: str
    end: int


@dataclass
class _Found:
    data: dict[int, tuple[bytes, bytes, bytes, bytes | None, int | None]] = field(default_factory=dict)
    defined: list[tuple[bytes, bytes]] = field(default_factory=list)
    encoding: bytes | None = None


def read_contents(reader: Reader, header: Header) -> Contents:
    """Return what follows the header.

    Raises TransientError for what is cut off or damaged, SourceChanged for what would fill memory.
    """
    reader.what = "the table of contents"
    if header.entries > MAX_ENTRIES:
        raise SourceChanged(
            f"{reader.path.name}: an archive of {header.entries:,} entries; over {MAX_ENTRIES:,} are not read",
            next_step="The file is not read, because it would fill memory; have a look at who made it.",
        )
    if (missing := header.entries * _ENTRY_BYTES - (reader.size - reader.at)) > 0:
        raise reader.cut(missing)
    found = _Found()
    for _ in range(header.entries):
        _read_entry(reader, header.version, found)
    encoding = _codec(reader, found.encoding)
    entries = {}
    for id_, (kind, schema, name, copy, offset) in found.data.items():
        words, place, label = [part.decode(encoding, errors="replace") for part in (kind, schema, name)]
        statement = None if copy is None else copy.decode(encoding, errors="replace")
        entries[id_] = Entry(id_, words, place, label, statement, offset)
    for entry in entries.values():
        if (missing := (entry.offset or 0) + 1 - reader.size) > 0:
            reader.what = f"what comes before the data of {entry}"
            raise reader.cut(missing)
    return Contents(entries, frozenset(_named(found, encoding)), encoding, reader.at)


def columns_of(statement: str) -> tuple[str, ...] | None:
    """Return the columns that a COPY statement declares, in the order of the data; None if it is no such statement.

    Names are as the database knows them, without quotes. A table that was dumped WITH OIDS begins with `oid`.
    """
    matched = _COPY.match(statement)
    if matched is None:
        return None
    text, at, names = matched["columns"] or "", 0, []
    while at < len(text):
        found = _COLUMN.match(text, at)
        if found is None:
            return None
        name = found[1]
        names.append(name[1:-1].replace('""', '"') if name.startswith('"') else name)
        at = found.end()
    return ("oid", *names) if matched["oids"] else tuple(names)


def _read_entry(reader: Reader, version: tuple[int, int], found: _Found) -> None:
    id_, has_dumper = reader.count(), reader.integer()
    reader.pass_text()
    reader.pass_text()
    name, kind = reader.text() or b"", reader.text() or b""
    reader.integer()
    if kind == b"ENCODING":
        found.encoding = reader.text()
    else:
        reader.pass_text()
    reader.pass_text()
    is_data = kind == _TABLE_DATA
    copy = reader.text() if is_data else None
    if not is_data:
        reader.pass_text()
    schema = reader.text() or b""
    reader.pass_text()
    if version >= (1, 14):
        reader.pass_text()
    if version >= (1, 16):
        reader.integer()
    reader.pass_text()
    reader.pass_text()
    while not reader.pass_text():
        pass
    state, offset = reader.place()
    if kind.endswith(b"TABLE"):
        found.defined.append((schema, name))
    if not has_dumper or state == _NO_DATA:
        return
    if id_ in found.data:
        raise reader.damaged(f"the id {id_} stands there twice")
    found.data[id_] = (kind, schema, name, copy, offset if state == _SET else None)


def _named(found: _Found, encoding: str) -> list[tuple[str, str]]:
    return [
        (schema.decode(encoding, errors="replace"), name.decode(encoding, errors="replace"))
        for schema, name in found.defined
    ]


def _codec(reader: Reader, statement: bytes | None) -> str:
    matched = _ENCODING.search(statement or b"client_encoding = 'UTF8'")
    name = matched[1].decode(errors="replace").upper() if matched else ""
    if name in ("UTF8", "UNICODE", "SQL_ASCII"):
        return "utf-8"
    number = re.fullmatch(r"(LATIN|WIN)(\d+)", name)
    codec = name
    if number:
        codec = f"cp{number[2]}" if number[1] == "WIN" else f"iso8859-{_LATIN.get(int(number[2]), 0)}"
    try:
        return codecs.lookup(codec).name
    except LookupError:
        raise SourceChanged(
            f"{reader.path.name}: the archive is written in the encoding {name or '?'}, which is not read",
            next_step="Make the backup with `pg_dump -Fc --encoding=UTF8`.",
        ) from None
