"""The declaration of a report: a table for people, made of other tables when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from backhaul.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Report:
    """A table that is computed when a person asks for it, and shown or written to a file: never kept or delivered.

    Args:
        name: unique among the reports and streams of its pipeline.
        title: what the table shows, in a few words.
        after: the tables it is made of: streams of this pipeline by name, of others as `system.pipeline.stream`;
            what runs have replaced as `STREAM__archive`; what a destination holds right now, with what people wrote
            there, as `STREAM@DESTINATION`.
        build: pure; takes a frame for each of `after`, in this order, and the keywords `now` (UTC), `timezone` (the
            pipeline's, such as `Asia/Jakarta`) and, where there are `days`, `days`. Removed rows are among the rows;
            `removed_at` tells them. A frozen dataclass that can be called may have settings in its fields.
        with_runs: whether the tables have `_inserted_run`, as those of a derived stream may.
        days: how many days back the report looks where nobody says another number; None where it has no such number.
    """

    name: str
    _: KW_ONLY
    title: str
    after: str | Iterable[str]
    build: Callable[..., pl.DataFrame]
    with_runs: bool = False
    days: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "after", self.tables)
        if not self.after:
            raise ConfigError(f"report {self.name}: after names no stream")
        if self.days is not None and self.days < 0:
            raise ConfigError(f"report {self.name}: days is {self.days}; it is 0 or more")

    @property
    def tables(self) -> tuple[str, ...]:
        """The names in `after`."""
        return (self.after,) if isinstance(self.after, str) else tuple(self.after)
