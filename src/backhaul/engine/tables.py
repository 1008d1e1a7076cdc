"""Tables to compute from: what curated holds of a stream or its archive, or what a destination has right now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.config import resolved
from backhaul.destinations import Warehouse
from backhaul.destinations.sql.dialect import ARCHIVE_SUFFIX, ARCHIVED_AT
from backhaul.engine.unforeseen import ours_alone
from backhaul.errors import ConfigError
from backhaul.model import REMOVED_AT, Destination, Readable, Stream, united
from backhaul.retry import Budget, retried

if TYPE_CHECKING:
    import polars as pl

AT = "@"
"""Between a stream and the destination whose rows are meant, as in `student_stats@mongodb`."""


def curated_rows(
    curated: Warehouse,
    table: str,
    *,
    asker: str,
    stream: str,
    columns: Sequence[str] = (),
    next_step: str = "",
    with_runs: bool = False,
    is_complete: bool = False,
) -> pl.DataFrame:
    """Return the rows of a curated table, removed ones too; of an archive that nothing was put into yet, none.

    `asker` and `stream` are for messages; `columns` are those that the stream has brought, perhaps without a row:
    then its table has none either. `with_runs` is as in `Warehouse.read`. Rows of a table that
    `is_complete` have a `removed_at`, also before the first one has gone.

    Raises ConfigError if nothing was brought yet.
    """
    import polars as pl

    frames = list(curated.read(table, with_runs=with_runs))
    if frames:
        frame = pl.concat(frames)
    elif table.endswith(ARCHIVE_SUFFIX):
        kept = table.removesuffix(ARCHIVE_SUFFIX)
        there = curated_rows(
            curated, kept, asker=asker, stream=stream, columns=columns, next_step=next_step, with_runs=with_runs
        ).clear()
        frame = there.with_columns(pl.lit(None, pl.String).alias(ARCHIVED_AT))
    elif columns:
        frame = pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
    else:
        raise ConfigError(
            f"{asker}: there is no table {table} of stream {stream} yet",
            next_step=next_step or f"Run {stream} first.",
        )
    if ARCHIVED_AT in frame.columns and frame[ARCHIVED_AT].dtype == pl.String:
        # SQLite keeps moments as text.
        moment = pl.col(ARCHIVED_AT).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC")
        frame = frame.with_columns(moment)
    if is_complete and REMOVED_AT not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(REMOVED_AT))
    return frame


def as_frame(built: object, asker: str) -> pl.DataFrame:
    """Return what a pipeline's function has built. Raises ConfigError if that is no frame."""
    import polars as pl

    if not isinstance(built, pl.DataFrame):
        raise ConfigError(
            f"{asker}: build returned {type(built).__name__}, not a polars DataFrame",
            next_step="Let it return the frame; a LazyFrame is turned into one by .collect().",
        )
    return built


def rows_there(destination: Destination, stream: Stream) -> Iterator[pl.DataFrame] | None:
    """Return what a destination holds of a stream, piece by piece; None where it cannot be read back."""
    if isinstance(destination, Warehouse):
        return destination.read(stream.target)
    return destination.read(stream) if isinstance(destination, Readable) else None


@dataclass(frozen=True)
class Tables:
    """The tables that a declaration of one pipeline may name.

    Args:
        asker: who computes from them, for messages.
        pipeline: its own pipeline, whose streams are named without it.
        streams: all streams that can be named, by full name.
        brought: the columns that a stream of a full name has brought, perhaps without a row.
        with_runs: whether they have `_inserted_run`.
    """

    asker: str
    pipeline: str
    streams: Mapping[str, Stream]
    curated: Warehouse
    settings: Mapping[str, str] = field(repr=False)
    brought: Callable[[str], tuple[str, ...]] = lambda full: ()
    with_runs: bool = False

    def read(self, named: str) -> pl.DataFrame:
        """Return the rows of `STREAM`, `STREAM__archive` or `STREAM@DESTINATION`; removed ones too.

        Raises ConfigError for a name that is none, and for a table that is not there yet.
        """
        name, at, destination = named.partition(AT)
        short = name.removesuffix(ARCHIVE_SUFFIX)
        full = short if "." in short else f"{self.pipeline}.{short}"
        stream = self.streams.get(full)
        if stream is None:
            raise ConfigError(
                f"{self.asker}: after names {named!r}, and there is no stream {full}",
                next_step=f"Name one of: {', '.join(self.streams)}.",
            )
        next_step = f"Run it first: backhaul run {full}"
        if at:
            return self._there(stream, full, destination, next_step)
        table = stream.target + name.removeprefix(short)
        return curated_rows(
            self.curated,
            table,
            asker=self.asker,
            stream=full,
            columns=self.brought(full),
            next_step=next_step,
            with_runs=self.with_runs,
            is_complete=stream.complete,
        )

    def _there(self, stream: Stream, full: str, name: str, next_step: str) -> pl.DataFrame:
        """Return what a destination holds; where that is nothing, no rows with the columns of curated."""
        declared = next((each for each in stream.to if each.name == name), None)
        if declared is None:
            names = ", ".join(f"{full}{AT}{each.name}" for each in stream.to)
            raise ConfigError(
                f"{self.asker}: {full} delivers to no {name!r}",
                next_step=f"Name one of: {names}." if names else f"Name {full} itself: it is in curated only.",
            )
        destination = resolved(declared, self.settings)
        with ours_alone(f"{full}{AT}{name}"):
            frames = retried(lambda: _all_of(destination, stream), Budget())
        if frames is None:
            raise ConfigError(
                f"{self.asker}: what {full} has delivered to {name} cannot be read back",
                next_step=f"Name {full} itself, for what curated holds.",
            )
        if frames:
            return united(frames)
        there = curated_rows(self.curated, stream.target, asker=self.asker, stream=full, next_step=next_step)
        return there.clear()


def _all_of(destination: Destination, stream: Stream) -> list[pl.DataFrame] | None:
    frames = rows_there(destination, stream)
    return None if frames is None else list(frames)
