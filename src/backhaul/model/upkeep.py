"""What a destination can do beside being delivered to: be read, marked by people, backed up, migrated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from backhaul.errors import ConfigError
from backhaul.model.facts import Counts
from backhaul.model.stream import Stream

if TYPE_CHECKING:
    import polars as pl

ISO_MOMENT = "%Y-%m-%dT%H:%M:%S%.3fZ"
"""How a moment is written where its column has to be text."""


@runtime_checkable
class Readable(Protocol):
    """A destination whose rows can be read back, with what people have added to them."""

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield what is there now, piece by piece, lists as JSON text; removed rows too.

        Keys are text. Each piece has the columns, and types, of its own rows; `united` puts pieces together.
        Raises as `Destination.compare`.
        """


def united(pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of all pieces as one frame, with every column that one of them has, in order of appearance.

    A column is null where a piece has not got it, and text where pieces differ in its type (whole numbers beside
    fractions are fractions).
    """
    import polars as pl

    found = list(pieces)
    kinds: dict[str, set[pl.DataType]] = {}
    for piece in found:
        for name, kind in piece.schema.items():
            kinds.setdefault(name, set())
            # A column without any value says nothing about its type.
            if piece[name].null_count() < piece.height:
                kinds[name].add(kind)
    schema = {name: _common(each) for name, each in kinds.items()}
    return pl.concat([_cast(piece, schema) for piece in found]) if found else pl.DataFrame()


def _common(kinds: set[pl.DataType]) -> pl.DataType:
    import polars as pl

    if len(kinds) == 1:
        return next(iter(kinds))
    return pl.Float64() if kinds and kinds <= {pl.Int64(), pl.Float64()} else pl.String()


def _cast(piece: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    columns = []
    for name, kind in schema.items():
        if name not in piece.columns or piece[name].null_count() == piece.height:
            columns.append(pl.lit(None, kind).alias(name))
        elif kind == pl.String() and isinstance(piece.schema[name], pl.Datetime):
            columns.append(pl.col(name).dt.strftime(ISO_MOMENT))
        else:
            columns.append(pl.col(name).cast(kind))
    # A literal alone would be one row.
    return piece.with_columns(columns).select(list(schema)) if piece.height else pl.DataFrame(schema=schema)


@dataclass(frozen=True)
class Marked:
    """What a person's mark has changed in one row: `label` names it, the values are before and after.

    `id` is what the destination itself calls the row, where that tells nothing of its content; else it is empty.
    """

    label: str
    field: str
    before: Any
    after: Any
    id: str = ""


@runtime_checkable
class Markable(Protocol):
    """A destination in which a person can set a field that no stream writes, such as `paid`."""

    def mark(
        self,
        stream: Stream,
        who: str,
        entry: str | None,
        changes: Mapping[str, Any],
        *,
        ours: Mapping[str, Collection[str]] | None = None,
        dry_run: bool = False,
    ) -> tuple[Marked, ...]:
        """Set fields of one row, or of one entry of its nested list, and return what has changed.

        `who` is the value of any key column or of a field named `name`, and must fit exactly one row. `ours` are the
        columns that the stream writes, each with the fields of its list's entries; without it only what the
        destination was told of is known to be the stream's. Raises ConfigError where `who` fits no row or several,
        where there is no such entry, and for a field that the stream writes itself.
        """


@runtime_checkable
class Restorable(Protocol):
    """A destination that can be backed up as lines of text and filled from them."""

    def place(self, stream: Stream) -> str:
        """Return what the stream's rows lie in, such as `DATABASE.COLLECTION`: a back-up is of one such place."""

    def dump(self, stream: Stream) -> Iterator[bytes]:
        """Yield every row as one line of JSON without its line break, nothing left out.

        The order is the same each time, so that the same rows give the same lines.
        """

    def restore(self, stream: Stream, lines: Iterable[bytes], *, dry_run: bool = False) -> Counts:
        """Bring each dumped row back as it was; rows that are not among them stay. Idempotent.

        `rejected` are rows that the destination does not take back. Migrations count as not done afterwards.
        """


@dataclass(frozen=True)
class Migration:
    """One change of the shape of all rows, done once.

    Args:
        number: 1 or more; migrations are done in the order of their numbers.
        name: what it does, in a few words; a number that was done keeps its name.
        change: pure: takes a row and returns it as it shall be. A row that has that shape already comes back as it
            is, so that a migration which was killed can be done again. ValueError, KeyError and TypeError say that
            a row cannot be migrated.
    """

    number: int
    name: str
    change: Callable[[dict[str, Any]], dict[str, Any]]

    def __post_init__(self) -> None:
        if isinstance(self.number, bool) or not isinstance(self.number, int) or self.number < 1:
            raise ConfigError(f"migration {self.name!r}: its number is 1 or more")
        if not self.name.strip():
            raise ConfigError(f"migration {self.number} has no name")


def refuse_disorder(name: str, migrations: Iterable[Migration]) -> None:
    """Raise ConfigError unless the numbers of a destination's migrations ascend, each one once."""
    numbers = [each.number for each in migrations]
    if numbers != sorted({*numbers}):
        raise ConfigError(
            f"{name}: the numbers of its migrations are {', '.join(map(str, numbers))}",
            next_step="Let them ascend, each number once; one that was done keeps its number.",
        )


@dataclass(frozen=True)
class Migrated:
    """What a migration came to; it is done, for good, if no row was refused.

    `ids` are what the destination calls some of the refused rows, where that tells nothing of their content.
    """

    number: int
    name: str
    rows: int
    changed: int
    refused: int = 0
    ids: tuple[str, ...] = ()


@runtime_checkable
class Migratable(Protocol):
    """A destination that takes its rows from one shape to the next, each step once."""

    def pending(self, stream: Stream) -> tuple[Migration, ...]:
        """Return the migrations that were not done yet, in their order."""

    def migrate(self, stream: Stream, *, dry_run: bool = False) -> tuple[Migrated, ...]:
        """Do the migrations that were not done yet, in order of their numbers, and return what they came to.

        The first that a row is refused by stays undone, and those behind it are not begun. Raises ConfigError for
        a `change` that applied twice gives something else than once.
        """
