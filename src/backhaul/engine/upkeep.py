"""What people do with a destination's rows beside delivering: mark one, or take all to a new shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from backhaul.config import resolved
from backhaul.engine.run import LEDGER_URL, Installation
from backhaul.engine.systems import Target
from backhaul.engine.words import counted
from backhaul.errors import AlreadyRunning, ConfigError
from backhaul.model import REMOVED_AT, Markable, Marked, Migratable, Migrated, Stream

D = TypeVar("D")

MOST_LOOKED_AT = 1_000
"""So many rows tell which fields the entries of a list have."""


@dataclass(frozen=True)
class Place(Generic[D]):
    """A destination of a stream, its settings filled in. `stream_name` is the full name."""

    pipeline: str
    stream_name: str
    stream: Stream
    destination: D


@dataclass(frozen=True)
class MigratedPlace:
    """The migrations of one stream's destination."""

    stream: str
    migrations: tuple[Migrated, ...]


def places(targets: Iterable[Target], settings: Mapping[str, str], kind: type[D]) -> list[Place[D]]:
    """Return every destination of targets that can do what the protocol `kind` says; no other's settings are needed.

    Raises ConfigError naming all settings that are missing.
    """
    found = [
        (target.name, stream, each)
        for target in targets
        for stream in target.pipeline.streams
        for each in stream.to
        if isinstance(each, kind)
    ]
    filled = resolved([each for _, _, each in found], settings)
    return [
        Place(pipeline, f"{pipeline}.{stream.name}", stream, destination)
        for (pipeline, stream, _), destination in zip(found, filled, strict=True)
    ]


def mark(
    targets: Iterable[Target],
    installation: Installation,
    who: str,
    entry: str | None,
    changes: Mapping[str, Any],
    *,
    dry_run: bool = False,
) -> tuple[str, tuple[Marked, ...]]:
    """Set fields of one row by hand; return the stream's full name and what has changed.

    A run may be under way meanwhile. Raises ConfigError unless targets have exactly one destination that people can
    mark, and as `Markable.mark`.
    """
    # The protocol is a type as any other here.
    found = places(targets, installation.settings, Markable)  # type: ignore[type-abstract]
    if len(found) != 1:
        names = ", ".join(dict.fromkeys(each.stream_name for each in found))
        raise ConfigError(
            f"{len(found) or 'no'} {'destination' if len(found) < 2 else 'destinations'} of that name can be marked",
            next_step=f"Name one of: {names}." if found else "Name a stream that goes to a MongoDB collection.",
        )
    [place] = found
    ours = _written_columns(installation, place.stream)
    marked = place.destination.mark(place.stream, who, entry, changes, ours=ours, dry_run=dry_run)
    if marked and not dry_run and has_ledger(installation):
        fields, ids = ", ".join(each.field for each in marked), {each.id for each in marked if each.id}
        row = f" of {', '.join(ids)}" if ids else " of 1 row"
        installation.ledger.keep_audit("mark", place.stream_name, fields + row)
    return place.stream_name, marked


@contextmanager
def at_rest(installation: Installation, pipeline: str) -> Iterator[None]:
    """Hold a pipeline, so that no run begins meanwhile. Raises AlreadyRunning, whose next step fits any command."""
    with ExitStack() as stack:
        try:
            stack.enter_context(installation.held(pipeline, wait=False))
        except AlreadyRunning as error:
            # Only `run` can wait.
            error.next_step = "Wait until it ends, then run the command again."
            raise
        yield


def has_ledger(installation: Installation) -> bool:
    """Tell whether there is a ledger; work on a destination alone makes none."""
    return LEDGER_URL in installation.settings or (installation.data / "ledger.db").exists()


def migrate(
    targets: Iterable[Target], installation: Installation, *, dry_run: bool = False
) -> Iterator[MigratedPlace]:
    """Do the migrations that wait, and yield what each destination's came to; no run is under way meanwhile.

    Raises AlreadyRunning.
    """
    targets = list(targets)
    found = places(targets, installation.settings, Migratable)  # type: ignore[type-abstract]
    with ExitStack() as stack:
        for name in dict.fromkeys(each.pipeline for each in found):
            if not dry_run:
                stack.enter_context(at_rest(installation, name))
        for place in found:
            done = place.destination.migrate(place.stream, dry_run=dry_run)
            for each in done if not dry_run else ():
                detail = f"{each.number} {each.name}: {counted(each.changed, 'row')} changed, {each.refused} refused"
                installation.ledger.keep_audit("migrate", place.stream_name, detail)
            yield MigratedPlace(place.stream_name, done)


def _written_columns(installation: Installation, stream: Stream) -> dict[str, set[str]]:
    """Return the columns that the stream writes, as its curated table has them, with the fields of listed entries.

    Empty where nothing was delivered yet.
    """
    import polars as pl

    frame = next(installation.curated.read(stream.target), pl.DataFrame())
    texts = {name for name, kind in frame.schema.items() if kind == pl.String}
    return {
        name: _fields_of_entries(frame[name].drop_nulls().head(MOST_LOOKED_AT)) if name in texts else set()
        for name in frame.columns
        if name != REMOVED_AT
    }


def _fields_of_entries(cells: Iterable[str]) -> set[str]:
    """Return the names in the objects of JSON lists; nothing for other texts."""
    names: set[str] = set()
    for cell in cells:
        if not cell.lstrip().startswith("["):
            return names
        try:
            entries = json.loads(cell)
        except (ValueError, RecursionError):
            return names
        for entry in entries:
            names |= {*entry} if isinstance(entry, dict) else set()
    return names
