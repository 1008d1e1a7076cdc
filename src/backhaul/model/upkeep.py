"""What a destination can do beside being delivered to: be read, marked by people, backed up, migrated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from backhaul.model.facts import Counts
from backhaul.model.stream import Stream

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class Readable(Protocol):
    """A destination whose rows can be read back, with what people have added to them."""

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield what is there now, lists as JSON text; removed rows too. Raises as `Destination.compare`."""


@dataclass(frozen=True)
class Marked:
    """What a person's mark has changed in one row: `label` names it, the values are before and after."""

    label: str
    field: str
    before: Any
    after: Any


@runtime_checkable
class Markable(Protocol):
    """A destination in which a person can set a field that no stream writes, such as `paid`."""

    def mark(
        self, stream: Stream, who: str, entry: str | None, changes: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[Marked, ...]:
        """Set fields of one row, or of one entry of its nested list, and return what has changed.

        `who` is the value of any key column or of a field named `name`, and must fit exactly one row. Raises
        ConfigError where it does not, where there is no such entry, and for a field that the stream writes itself.
        """


@runtime_checkable
class Restorable(Protocol):
    """A destination that can be backed up as lines of text and filled from them."""

    def dump(self, stream: Stream) -> Iterator[bytes]:
        """Yield every row as one line of JSON without its line break, in the order of its key, nothing left out."""

    def restore(self, stream: Stream, lines: Iterable[bytes], *, dry_run: bool = False) -> Counts:
        """Bring each dumped row back as it was; rows that are not among them stay. Idempotent."""


@dataclass(frozen=True)
class Migration:
    """One change of the shape of all rows: `change` is pure, and gives a row back as it shall be."""

    number: int
    name: str
    change: Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Migrated:
    """What a migration came to."""

    number: int
    name: str
    rows: int
    changed: int


@runtime_checkable
class Migratable(Protocol):
    """A destination that takes its rows from one shape to the next, each step once."""

    def migrate(self, stream: Stream, *, dry_run: bool = False) -> tuple[Migrated, ...]:
        """Do the migrations that were not done yet, in order of their numbers, and return them."""
