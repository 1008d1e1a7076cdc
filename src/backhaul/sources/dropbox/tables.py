"""Several tables of one archive made into a stream's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from backhaul.errors import SourceChanged, TransientError
from backhaul.model import Artifact

if TYPE_CHECKING:
    import polars as pl

    from backhaul.formats.pgdump import Archive

    Build = Callable[[Mapping[str, pl.DataFrame], Callable[[str], None]], pl.DataFrame]

SCHEMA = "public"
_MOST_MB = 512
"""The most that the wanted columns of all tables may take in memory, in MiB; those of 200,000 items take a fifth."""

OWN_READER = "own reader"
_FIELD_BYTES = 16
_NEW_FILE = "Have the file made anew; the next run takes it. What was delivered before stays in service."
_ADAPT = "If the program that writes the backup was updated, adapt the tables of the pipeline to it."


@dataclass(frozen=True)
class ArchiveTable:
    """A table that is read out of an archive.

    Args:
        columns: those that must be there.
        optional: those that may be missing; they are all null then.
        is_optional: the whole table may be missing; it has no rows then.
    """

    name: str
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    is_optional: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """All columns, in the order in which they come."""
        return (*self.columns, *self.optional)


def rows_of(
    stream: str,
    artifact: Artifact,
    tables: Iterable[ArchiveTable],
    build: Build,
) -> pl.DataFrame:
    """Return what build makes of the tables of an archive, which are frames of text by the table's name.

    Raises SourceChanged for what is no whole archive, and for a table or column that is not there.
    """
    import polars as pl

    from backhaul.formats.pgdump import Archive, prove_archive

    with told_of(stream, artifact):
        # All of it, also what is not read: a backup whose end is missing may be missing more.
        prove_archive(artifact.path)
        archive = Archive.open(artifact.path)
        found: dict[str, pl.DataFrame] = {}
        room = _MOST_MB * 1024**2
        for table in tables:
            found[table.name] = _frame(stream, artifact.name, archive, table, room)
            room -= _bytes_of(found[table.name])
    if archive.way != OWN_READER:
        artifact.remark(f"{artifact.name} was read with {archive.way}, which is slower")
    try:
        return build(found, artifact.remark)
    except pl.exceptions.PolarsError as error:
        # Its words quote values.
        raise SourceChanged(
            f"{stream}: build cannot work on the tables of {artifact.name}: {type(error).__name__}", next_step=_ADAPT
        ) from error


@contextmanager
def told_of(stream: str, artifact: Artifact) -> Iterator[None]:
    """Tell of a file that cannot be read by the name it came with, not by that of its bytes. Raises SourceChanged."""
    try:
        yield
    except TransientError as error:
        # Reading the same bytes again would not help; a whole file has other bytes and comes as a new one.
        why = str(error).removeprefix(f"{artifact.path.name}: ").replace(artifact.path.name, artifact.name)
        raise SourceChanged(f"{stream}: {artifact.name} is not whole: {why}", next_step=_NEW_FILE) from None
    except SourceChanged as error:
        if artifact.path.name not in str(error):
            raise
        why = str(error).replace(artifact.path.name, artifact.name)
        raise SourceChanged(f"{stream}: {why}", next_step=error.next_step) from None


def _frame(stream: str, name: str, archive: Archive, table: ArchiveTable, room: int) -> pl.DataFrame:
    """Return one table's rows with all the columns that are wanted, as text, in `room` bytes at most."""
    import polars as pl

    empty = pl.DataFrame(schema=dict.fromkeys(table.wanted, pl.String))
    there = next((each for each in archive.tables if (each.schema, each.name) == (SCHEMA, table.name)), None)
    if there is None:
        if table.is_optional:
            return empty
        names = sorted({each.name for each in archive.tables if each.schema == SCHEMA})
        raise SourceChanged(
            f"{stream}: table {table.name!r} is missing in {name}; {_alike(table.name, names, 'table')}",
            next_step=f"Check that it is a backup of the right program. {_ADAPT}",
        )
    if absent := [column for column in table.columns if column not in there.columns]:
        raise SourceChanged(
            f"{stream}: column {absent[0]!r} is missing in table {table.name!r} of {name};"
            f" {_alike(absent[0], there.columns, 'column')}",
            next_step=_ADAPT,
        )
    present = tuple(column for column in table.wanted if column in there.columns)
    frames = [empty.select(present)]
    for frame in archive.read(table.name, present, schema=SCHEMA):
        room -= _bytes_of(frame)
        if room < 0:
            raise SourceChanged(
                f"{stream}: table {table.name!r} of {name} and those before it are over {_MOST_MB} MB in memory",
                next_step="The file is not read, because it would fill memory; have a look at who made it.",
            )
        frames.append(frame)
    rows = pl.concat(frames)
    missing = [pl.lit(None, pl.String).alias(column) for column in table.optional if column not in present]
    return rows.with_columns(missing).select(table.wanted)


def _bytes_of(frame: pl.DataFrame) -> int:
    """Return the memory that a frame of text takes: Polars' own estimate leaves out the 16 bytes of each field."""
    return frame.height * frame.width * _FIELD_BYTES + int(frame.estimated_size())


def _alike(wanted: str, names: Iterable[str], kind: str) -> str:
    """Return the names that are most like the wanted one, in words; of few names all."""
    known = list(names)
    near = get_close_matches(wanted, known, n=5, cutoff=0.5) or (known if len(known) <= 12 else known[:5])
    if not near:
        return f"there is no {kind} in it"
    more = len(known) - len(near)
    return f"there {'is' if len(near) == 1 else 'are'} {', '.join(near)}" + (f" and {more} more" if more else "")
