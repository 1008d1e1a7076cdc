"""One archive: what it holds, and the rows of the tables that are wanted."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.formats.pgdump.blocks import chunks_of, places_of
from backhaul.formats.pgdump.contents import Contents, Entry, columns_of, read_contents
from backhaul.formats.pgdump.copytext import as_utf8, frames_of
from backhaul.formats.pgdump.header import Header, foreign, is_known, read_header, unknown_version, version_of
from backhaul.formats.pgdump.inflate import inflated, library_missing, missing_library
from backhaul.formats.pgdump.reader import Reader
from backhaul.formats.pgdump.restore import PgRestore

if TYPE_CHECKING:
    import polars as pl

OWN = "own reader"
_LOOK = "Look into the archive with `pg_restore -l FILE` and compare it with the pipeline."


@dataclass(frozen=True)
class Table:
    """A table with data in an archive; its columns in the order in which the archive declares them."""

    schema: str
    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        label = f"{self.schema}.{self.name}"
        return "".join(each if each.isprintable() else "?" for each in label)[:130]


@dataclass(frozen=True)
class _Parts:
    """What was read of an archive when it was opened: its contents by the own reader, or the other way."""

    size_bytes: int
    header: Header | None = None
    contents: Contents | None = None
    restore: PgRestore | None = None
    defined: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Archive:
    """An archive that `pg_dump -Fc` wrote; only what is asked for is read, in bounded memory.

    Args:
        version: of the archive's layout, such as `1.14`.
        database: the name of the database; "" where pg_restore reads it.
        made_at_local: when it was begun, as a clock without time zone on the machine that ran pg_dump.
        tables: those with data, in the archive's order; a view or a partitioned table itself has none.
        way: who reads it: `own reader`, or `pg_restore` and its version.
    """

    path: Path
    version: str
    database: str
    made_at_local: datetime | None
    tables: tuple[Table, ...]
    way: str
    _parts: _Parts = field(repr=False, compare=False)

    @classmethod
    def open(cls, path: Path) -> Archive:
        """Return the archive in path after reading its table of contents.

        Raises SourceChanged for what is none or of an unknown version, TransientError for one that is empty, cut
        off or damaged, ConfigError if a library is missing and no pg_restore can do its work.
        """
        with _opened(path) as reader:
            version = version_of(reader)
            if not is_known(version):
                return _by_pg_restore(reader, version)
            header = read_header(reader, version)
            contents = read_contents(reader, header)
            restore = _instead(reader, header)
            parts = _Parts(reader.size, header, contents, restore, contents.defined)
            return cls(
                path,
                _text(version),
                header.database,
                header.made_at_local,
                _tables(reader, contents),
                OWN if restore is None else f"pg_restore {restore.version}",
                parts,
            )

    def table(self, name: str, schema: str = "public") -> Table:
        """Return a table with data by its name. Raises SourceChanged if there is none."""
        for table in self.tables:
            if (table.schema, table.name) == (schema, name):
                return table
        if (schema, name) in self._parts.defined:
            raise SourceChanged(
                f"{self.path.name}: table {schema}.{name} is defined in the archive, but its rows are not in it",
                next_step="Make the backup with the rows of that table (no --schema-only, no --exclude-table-data).",
            )
        elsewhere = sum(table.name == name for table in self.tables)
        hint = f"; {elsewhere} of that name are in other schemas" if elsewhere else ""
        raise SourceChanged(
            f"{self.path.name}: table {schema}.{name} is not among the {len(self.tables)} of the archive{hint}",
            next_step=_LOOK,
        )

    def read(self, table: str, columns: Sequence[str], schema: str = "public") -> Iterator[pl.DataFrame]:
        """Return an iterator over all rows of a table, in the archive's order: one frame or more, maybe without rows.

        Each frame has these columns, in this order, as text: NULL is null, an empty string stays one; other columns
        are not decoded. A frame is what about 4 MB of the archive's text hold.
        Raises SourceChanged at once if the table or a column is missing; while iterating, TransientError for data
        that are cut off or damaged, so that a caller must come to the end before it trusts any row.
        """
        found = self.table(table, schema)
        if missing := [column for column in columns if column not in found.columns]:
            raise SourceChanged(
                f"{self.path.name}: table {found} has no column {', '.join(missing)}; it has {len(found.columns)}",
                next_step=_LOOK,
            )
        if len(set(columns)) < len(columns):
            raise ConfigError(f"a column of table {found} is asked for twice")
        return self._frames(found, tuple(columns))

    def _frames(self, table: Table, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        with _opened(self.path) as reader:
            if reader.size != self._parts.size_bytes:
                raise TransientError(
                    f"{self.path.name}: the file had {self._parts.size_bytes:,} bytes and has {reader.size:,} now",
                    next_step="It is written at the moment; wait until it is done, then run again.",
                )
            reader.what = f"the data of {table}"
            with closing(self._text(reader, table)) as text:
                yield from frames_of(reader, text, table.columns, columns)

    def _text(self, reader: Reader, table: Table) -> Generator[bytes]:
        """Yield the COPY text of a table, in UTF-8."""
        parts = self._parts
        if parts.restore is not None:
            pieces = parts.restore.text(self.path, table.schema, table.name)
            if columns_of(next(pieces, b"").decode(errors="replace")) != table.columns:
                raise reader.damaged("pg_restore gives other columns than the archive declares")
            yield from as_utf8(reader, pieces, parts.contents.encoding if parts.contents else "utf-8")
            return
        assert parts.header is not None and parts.contents is not None
        entry = self._entries[table.schema, table.name]
        at = self._places[entry.id] if entry.offset is None else entry.offset
        chunks = chunks_of(reader, entry, at)
        yield from as_utf8(reader, inflated(reader, chunks, parts.header.packing), parts.contents.encoding)

    @cached_property
    def _entries(self) -> Mapping[tuple[str, str], Entry]:
        assert self._parts.contents is not None
        entries = self._parts.contents.entries.values()
        return {(entry.schema, entry.name): entry for entry in entries if entry.copy is not None}

    @cached_property
    def _places(self) -> Mapping[int, int]:
        """Where the blocks begin in an archive that does not say so itself."""
        assert self._parts.contents is not None
        with _opened(self.path) as reader:
            version_of(reader)
            return places_of(reader, self._parts.contents)


def prove_archive(path: Path) -> None:
    """Return if the archive in path is there as a whole: all that its table of contents promises, to its end.

    Nothing is unpacked: 120 MB take a tenth of a second. Whether the packed data are sound shows when they are read.
    Of a version that only pg_restore knows, no more than the table of contents is proven. Raises as `Archive.open`.
    """
    with _opened(path) as reader:
        version = version_of(reader)
        if not is_known(version):
            _by_pg_restore(reader, version)
            return
        contents = read_contents(reader, read_header(reader, version))
        _tables(reader, contents)
        places_of(reader, contents)


def _opened(path: Path) -> Reader:
    if path.is_dir():
        raise foreign(path, "a folder, perhaps a directory dump (-Fd)")
    try:
        return Reader(path)
    except OSError as error:
        raise TransientError(f"{path.name}: the backup cannot be opened ({error.strerror})") from None


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _tables(reader: Reader, contents: Contents) -> tuple[Table, ...]:
    found: dict[tuple[str, str], Table] = {}
    for entry in contents.entries.values():
        if entry.kind != "TABLE DATA":
            continue
        columns = columns_of(entry.copy or "")
        if columns is None or len(set(columns)) < len(columns):
            raise SourceChanged(
                f"{reader.path.name}: the rows of {entry} do not follow a COPY statement that can be read",
                next_step="Make the backup with plain `pg_dump -Fc`, without --inserts or --column-inserts.",
            )
        if (entry.schema, entry.name) in found:
            raise reader.damaged(f"the rows of {entry} are announced twice")
        found[entry.schema, entry.name] = Table(entry.schema, entry.name, columns)
    return tuple(found.values())


def _instead(reader: Reader, header: Header) -> PgRestore | None:
    """Return the program that reads what a missing library cannot, or None where none is missing."""
    if missing_library(header.packing) is None:
        return None
    restore = PgRestore.find()
    if restore is None or restore.listed(reader.path) is None:
        raise library_missing(reader, header.packing)
    return restore


def _by_pg_restore(reader: Reader, version: tuple[int, int]) -> Archive:
    """Return the archive as pg_restore sees it. Raises SourceChanged if there is none that knows the version."""
    path = reader.path
    restore = PgRestore.find() if version > (1, 16) else None
    listed = restore.listed(path) if restore else None
    if restore is None or listed is None:
        raise unknown_version(path, version)
    tables = []
    for schema, name in listed[0]:
        columns = columns_of(restore.statement(path, schema, name))
        if columns is not None:
            tables.append(Table(schema, name, columns))
    parts = _Parts(reader.size, restore=restore, defined=frozenset(listed[1]))
    return Archive(path, _text(version), "", None, tuple(tables), f"pg_restore {restore.version}", parts)
