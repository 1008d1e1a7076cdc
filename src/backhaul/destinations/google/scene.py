"""All that one pass over a batch needs to know of a tab, and what becomes of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backhaul.destinations.google.calls import Calls
from backhaul.destinations.google.cells import Plain, columns_of
from backhaul.destinations.google.memory import Memory, digest
from backhaul.destinations.google.plan import (
    Assessment,
    Cells,
    Layout,
    Planner,
    RowWrite,
    keyed,
    lay_out,
    missing_columns,
)
from backhaul.destinations.google.view import CELLS_A_CALL, Grid, View, no_key
from backhaul.model import REMOVED_AT, Batch

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Reading:
    """What is to be read: a batch by its key; for a write, the memory with its backup, whether needed or not.

    Args:
        meant: for a write, the class that the comparison gave to each row.
    """

    batch: Batch
    schema: dict[str, pl.DataType]
    key: tuple[str, ...]
    is_complete: bool
    for_write: bool
    has_memory: bool
    meant: Sequence[int] = ()


@dataclass
class Scene:
    """What was read. `grid` is None where rows have to be read part by part; `gone` are keys to be marked."""

    calls: Calls
    view: View
    layout: Layout
    planner: Planner
    memory: Memory | None
    batch: Batch
    key: tuple[str, ...]
    grid: Grid | None
    gone: list[str]

    def assessed(self) -> Iterator[Assessment]:
        """Yield what becomes of the batch, part by part."""
        for part in keyed(self.batch, self.key, self.view.aliases):
            yield self.planner.assess(part, self._cells_for(part.keys))

    def removals(self) -> Iterator[RowWrite]:
        """Yield the marks of rows that a complete batch no longer has."""
        if self.gone:
            now = _local_now(self.batch.timezone)
            yield from self.planner.removals(self.gone, self._cells_for(self.gone), now)

    @property
    def is_backed_up_as_values(self) -> bool:
        """Whether a backup is to hold values only.

        Only formulas need more. But a key that is computed would come to something else at another place, and
        merged cells would be merged there too, in the way of the next backup.
        """
        if self.view.has_merges or self.view.has_formula_keys:
            return True
        return not self.view.grid.has_formulas and not (self.grid is not None and self.grid.has_formulas)

    def fresh(self) -> int:
        """Return how many rows will be added at most."""
        if self.calls.manner.update_only:
            return 0
        if self.view.is_empty:
            return self.batch.rows
        delivered, keys = self.planner.delivered, self.view.keys
        parts = (part.keys for part in keyed(self.batch, self.key, self.view.aliases))
        return sum(each not in keys and digest(each) not in delivered for part in parts for each in part)

    def _cells_for(self, keys: Sequence[str]) -> Cells:
        grid = Grid() if self.calls.manner.adds_only else self.grid
        if grid is None:
            rows = [self.view.keys[each] for each in keys if each in self.view.keys]
            grid, _ = self.calls.read(self.view, rows)
        width = max(self.view.bound.values(), default=0) + 1
        return lambda row: grid.row(row, width)


def read_scene(calls: Calls, view: View, reading: Reading) -> Scene:
    """Return what a pass over the batch needs; view has no trouble."""
    update_only = calls.manner.update_only
    rows, missing, gone = _survey(view, reading, adds_only=calls.manner.adds_only)
    grid, memory, is_read = Grid(), None, True
    if not view.is_empty:
        is_read = view.is_whole or len(rows) * (max(view.bound.values()) + 1) <= CELLS_A_CALL
        need = "all" if reading.for_write else ("keys" if (missing or gone) and not update_only else None)
        has_tail = reading.for_write and not update_only
        grid, memory = calls.read(view, rows if is_read else [], memory=need, has_tail=has_tail)
    elif reading.has_memory:
        _, memory = calls.read(view, [], memory="all")
    # Who clears a tab wants it filled again.
    delivered = memory.keys if memory is not None and not view.is_empty else set[bytes]()
    if view.lacks_key and delivered:
        # Its column was renamed or deleted: with another one, all rows would be added once more.
        raise no_key(calls.name, view, reading.key)
    if calls.manner.adds_only and delivered and (trouble := missing_columns(view, [*reading.schema], calls.name)):
        # Somebody has renamed a column: with another one beside it, new rows would go where nobody looks.
        raise trouble
    if memory is not None:
        # A row that we did not deliver is a person's; it can not be gone from the source.
        gone = [each for each in gone if digest(each) in delivered]
    names = list(reading.schema)
    if gone or (reading.is_complete and REMOVED_AT in view.bound):
        names.append(REMOVED_AT)
    layout = lay_out(view, names, reading.key, calls.name)
    planner = Planner(
        view=view,
        layout=layout,
        schema=reading.schema,
        timezone=reading.batch.timezone,
        delivered=delivered,
        is_complete=reading.is_complete,
        next_row=1 if view.is_empty else view.next_row,
        manner=calls.manner,
        meant=reading.meant,
    )
    return Scene(
        calls=calls,
        view=view,
        layout=layout,
        planner=planner,
        memory=memory,
        batch=reading.batch,
        key=reading.key,
        grid=grid if is_read else None,
        gone=gone,
    )


def _survey(view: View, reading: Reading, *, adds_only: bool) -> tuple[list[int], int, list[str]]:
    """Return the tab's rows that the batch concerns, how many of its keys the tab lacks, and which keys it lacks.

    Of a tab that is only added to, no row matters but for its key.
    """
    if view.is_empty:
        return [], 0, []
    rows: list[int] = []
    missing, there = 0, set[str]()
    for part in keyed(reading.batch, reading.key, view.aliases):
        found = [view.keys.get(each) for each in part.keys]
        if not adds_only:
            rows.extend(row for row in found if row is not None)
        missing += found.count(None)
        if reading.is_complete:
            there.update(part.keys)
    gone = [each for each in view.keys if each not in there] if reading.is_complete else []
    return rows + [view.keys[each] for each in gone], missing, gone


def _local_now(timezone: str) -> Plain:
    import polars as pl

    dtype = pl.Datetime("us", "UTC")
    now = pl.Series("now", [datetime.now(UTC).replace(microsecond=0)], dtype=dtype)
    return columns_of(now.to_frame(), {"now": dtype}, timezone)[0].cells[0]
