"""Derived streams: tables computed from curated tables by a pure function, merged and delivered like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.destinations.sql.dialect import ARCHIVE_SUFFIX
from backhaul.errors import ConfigError
from backhaul.model import (
    Artifact,
    Check,
    Destination,
    Fetched,
    Landing,
    Session,
    Stream,
    StreamOptions,
    Vault,
    Window,
)

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Computed:
    """The source of derived streams: the curated tables themselves. Nothing is fetched and nothing parsed.

    Args:
        after: the streams whose tables are read, of this pipeline by name, of others as `system.stream`.
        build: takes one frame for each of them, in this order, and returns the derived rows; pure. An object that
            can be called, such as a frozen dataclass, may have settings in its fields.
        with_runs: whether the tables tell which batch has brought each row.
    """

    after: tuple[str, ...]
    build: Callable[..., pl.DataFrame]
    with_runs: bool = False
    name: str = "curated"
    parallel: int = 1

    def open(self, vault: Vault) -> Session:
        """Not for use: the engine computes."""
        raise self._not_fetched()

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Not for use: the engine computes."""
        raise self._not_fetched()

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Not for use: the engine computes."""
        raise self._not_fetched()

    def tables(self, streams: Iterable[Stream]) -> tuple[str, ...]:
        """Return the curated tables of `after`; streams are those of the own pipeline."""
        own = {stream.name: stream.target for stream in streams}
        tables = []
        for name in self.after:
            last = name.rpartition(".")[2]
            stream = last.removesuffix(ARCHIVE_SUFFIX)
            tables.append(own.get(stream, stream) + last.removeprefix(stream))
        return tuple(tables)

    def code(self) -> str | None:
        """Return what changes when `build`, its fields or a Python file beside it does; None where nobody knows."""
        is_function = hasattr(self.build, "__code__")
        code = getattr(self.build if is_function else type(self.build).__call__, "__code__", None)
        if code is None or not Path(code.co_filename).is_file():
            return None
        digest = hashlib.sha256(f"{code.co_qualname}:{code.co_firstlineno}".encode())
        if not is_function:
            digest.update(repr(self.build).encode())
        for path in sorted(Path(code.co_filename).parent.rglob("*.py")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _not_fetched(self) -> ConfigError:
        return ConfigError("a derived stream is computed from curated tables; it takes no file")


def Derived(
    name: str,
    *,
    after: str | Iterable[str],
    build: Callable[..., pl.DataFrame],
    key: str | Iterable[str],
    to: Destination | Iterable[Destination] = (),
    checks: Iterable[Check] = (),
    title: str | None = None,
    table: str | None = None,
    with_runs: bool = False,
) -> Stream:
    """Return a stream that is computed after the others from their curated tables, by `build`.

    A row that the computation no longer gives is marked with `removed_at`; what a merge replaces stays in
    `TABLE__archive`, so that the history can be read. `after` may name the archive of a stream as well, as
    `STREAM__archive`: the rows that merges have replaced, in `_archived_at` when (UTC), in `_archived_by` by which
    batch. With `with_runs` all tables have `_inserted_run`, the batch that has brought a row first; the names of
    batches sort by time. Rows of a complete or derived stream that are gone are among them, with a `removed_at`.

    A run computes it if a table of `after`, or a Python file beside or below `build`, has changed since then;
    naming it, as in `backhaul run system.NAME`, computes it in any case. Raises ConfigError for an empty `after`.
    """
    names = (after,) if isinstance(after, str) else tuple(after)
    if not names:
        raise ConfigError(f"derived stream {name}: after names no stream")
    options = StreamOptions(to=to, checks=checks, title=title, table=table, complete=True)
    return Stream.made_by(Computed(names, build, with_runs), name, key=key, request=None, options=options)


def is_derived(stream: Stream) -> bool:
    """Tell whether stream is computed rather than fetched."""
    return isinstance(stream.source, Computed)


def computed_from(stream: Stream) -> Computed:
    """Return how a derived stream is computed."""
    assert isinstance(stream.source, Computed)
    return stream.source
