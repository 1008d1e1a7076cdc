"""One table's way from a source to its destinations, as a pipeline declares it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from backhaul.model.checks import Check
from backhaul.model.setting import Text

if TYPE_CHECKING:
    import polars as pl

    from backhaul.model.contracts import Destination, Source


@dataclass(frozen=True)
class Retention:
    """How long a stream's raw files are kept, how much of them at most (a megabyte is 1,000,000 bytes), how many.

    What is not delivered everywhere, or has rows in quarantine, is kept longer. `newest` None is any number.
    """

    days: int = 30
    megabytes: int = 200
    newest: int | Text | None = None


class StreamOptions(TypedDict, total=False):
    """What every verb of every source accepts beside its own arguments; see Stream."""

    title: str | None
    table: str | None
    cursor: str | None
    window_column: str | None
    complete: bool
    history: Iterable[str]
    personal: bool
    look_back_days: int
    stale_after_h: float | None
    checks: Iterable[Check]
    transform: Callable[[pl.DataFrame], pl.DataFrame] | None
    to: Destination | Iterable[Destination]
    retention: Retention


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One table's way from a source into curated and on to its destinations. Sources make streams.

    Args:
        request: what to fetch, in the source's own terms; nobody else reads it.
        key: the columns that name a row, at least one.
        title: how messages to people call the stream, by default by its name.
        table: the curated table, by default the stream's name; several streams may share one.
        window_column: the date column that proves that the window was obeyed.
        complete: an artifact holds everything, so that a key it lacks gets `removed_at`; no row is deleted.
        history: the columns whose change is worth keeping the replaced row for, in `TABLE__archive`; none is all.
        personal: the artifacts hold personal data; the lake keeps them encrypted.
        look_back_days: days before the last success that a window without a word begins at.
        stale_after_h: the stream fails while the newest file that the outside has is older than so many hours.
        transform: pure, frame to frame; may rename, cast, add and drop columns and rows.
    """

    name: str
    source: Source
    request: object
    key: tuple[str, ...]
    title: str | None = None
    table: str | None = None
    cursor: str | None = None
    window_column: str | None = None
    complete: bool = False
    history: tuple[str, ...] = ()
    personal: bool = False
    look_back_days: int = 1
    stale_after_h: float | None = None
    checks: tuple[Check, ...] = ()
    transform: Callable[[pl.DataFrame], pl.DataFrame] | None = field(default=None, compare=False)
    to: tuple[Destination, ...] = ()
    retention: Retention = Retention()

    @classmethod
    def made_by(
        cls,
        source: Source,
        name: str,
        *,
        key: str | Iterable[str],
        request: object,
        options: StreamOptions,
    ) -> Stream:
        """Return a stream, lone values of key, checks and `to` brought into tuples: for sources' verbs."""
        rest: dict[str, Any] = dict(options)
        to, checks = rest.pop("to", ()), rest.pop("checks", ())
        return cls(
            name=name,
            source=source,
            request=request,
            key=(key,) if isinstance(key, str) else tuple(key),
            checks=tuple(checks),
            history=tuple(rest.pop("history", ())),
            to=tuple(to) if isinstance(to, Iterable) else (to,),
            **rest,
        )

    @property
    def target(self) -> str:
        """The name of the curated table."""
        return self.table or self.name
