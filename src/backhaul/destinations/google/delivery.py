"""One delivery into one tab: look, compare, write, and look again where people or the network came in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from backhaul.destinations.google.calls import Calls, WriteLost
from backhaul.destinations.google.memory import Memory, Record, Wrong
from backhaul.destinations.google.scene import Reading, Scene, read_scene
from backhaul.destinations.google.updates import put_back, take_turn
from backhaul.destinations.google.view import View
from backhaul.destinations.google.writer import Writer, full
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT, Batch, Changes, Counts, Rejected, RowClass, Stream
from backhaul.sessions.google.refusals import ApiRefusal, Refusal

if TYPE_CHECKING:
    import polars as pl

TRIES = 4
FIRST_PAUSE_S = 1.0
MOVED = (Refusal.OUTSIDE, Refusal.NO_TAB, Refusal.TAB_EXISTS, Refusal.OVERTAKEN)
"""Refusals of a write for what somebody did to the tabs since they were read."""


@dataclass
class Delivery:
    """The calls of one compare or write of a batch.

    Args:
        has_memory: an empty tab has a memory all the same; known from a write that wanted to make one.
    """

    calls: Calls
    stream: Stream
    batch: Batch
    schema: dict[str, pl.DataType] = field(init=False)
    has_memory: bool = False

    def __post_init__(self) -> None:
        self.schema = self.batch.schema()

    def compare(self) -> Changes:
        """Return the class of each row; reads only."""
        import polars as pl

        if not self.schema:
            return Changes(self.batch, pl.Series([], dtype=pl.UInt8))
        view = self._view()
        if view.trouble is not None and self._wrong(view) is None:
            raise view.trouble
        if view.trouble is not None and view.header_row is None:
            # A write that was cut off has hit the header; the next one puts it back, and counts anew.
            return Changes(self.batch, pl.repeat(int(RowClass.UPDATED), self.batch.rows, dtype=pl.UInt8, eager=True))
        classes: list[int] = []
        refused: list[Rejected] = []
        scene = self._scene(view, for_write=False)
        for found in scene.assessed():
            classes.extend(map(int, found.classes))
            refused.extend(found.refused)
        removed = sum(1 for _ in scene.removals())
        return Changes(self.batch, pl.Series(classes, dtype=pl.UInt8), tuple(refused), removed)

    def write(self, changes: Changes) -> Counts:
        """Make the changes and return what was done for this batch, by this call and by earlier ones."""
        lost: WriteLost | None = None
        for attempt in range(TRIES):
            try:
                # The last try is not guarded: a cleared memory might look as it once did.
                if (counts := self._written(changes, is_guarded=attempt < TRIES - 1)) is not None:
                    return counts
                lost = None
            except WriteLost as error:
                # What became of it is told by the memory, which is read again.
                lost = error
                self.calls.pause(FIRST_PAUSE_S * 2**attempt)
            except ApiRefusal as error:
                if error.kind is Refusal.FULL:
                    raise self._full() from None
                if error.kind not in MOVED:
                    raise
                self.calls.hints.clear()
                self.has_memory = error.kind is Refusal.TAB_EXISTS
        raise lost or DeliveryError(
            f"{self.calls.name}: somebody is sorting, inserting or deleting rows all the time; tried {TRIES} times",
            next_step="Nothing was left half written. The next run tries again; best when nobody works in the sheet.",
        )

    def _written(self, changes: Changes, *, is_guarded: bool) -> Counts | None:
        """Return what was done, or None if something came in between and all has to be looked at anew."""
        view = self._view()
        if view.trouble is not None:
            if (found := self._wrong(view)) is None:
                raise view.trouble
            self.calls.write([take_turn(found[0]), *put_back(view, *found)], None)
            return None
        scene = self._scene(view, for_write=True)
        if scene.memory is not None and (wrong := scene.memory.wrong()) is not None:
            self.calls.write([take_turn(scene.memory), *put_back(view, scene.memory, *wrong)], None)
            return None
        before = scene.memory.counts_of(self.batch.id) if scene.memory else Counts()
        done = Writer(self.calls, self.batch, scene, is_guarded).run()
        return None if done is None else _total(changes, before + done)

    @property
    def _is_complete(self) -> bool:
        return self.stream.complete and REMOVED_AT not in self.schema

    def _view(self) -> View:
        extra = [REMOVED_AT] if self._is_complete else []
        return self.calls.look([*self.schema, *extra], self.stream.key)

    def _wrong(self, view: View) -> tuple[Memory, Record, Wrong] | None:
        """Return what the last write has met wrongly, where the tab itself can not be understood."""
        _, memory = self.calls.read(view, [], memory="all")
        wrong = memory.wrong() if memory is not None else None
        return None if memory is None or wrong is None else (memory, *wrong)

    def _scene(self, view: View, *, for_write: bool) -> Scene:
        reading = Reading(
            batch=self.batch,
            schema=self.schema,
            key=self.stream.key,
            is_complete=self._is_complete,
            for_write=for_write,
            has_memory=self.has_memory,
        )
        return read_scene(self.calls, view, reading)

    def _full(self) -> DeliveryError:
        places = [place for place, _ in self.calls.tabs()[1]]
        taken = sum(place.rows * place.columns for place in places)
        largest = max(places, key=lambda place: place.rows * place.columns)
        return full(self.calls.name, taken, f"; the largest tab is {largest.title!r}")


def _total(changes: Changes, done: Counts) -> Counts:
    """Return the counts of the whole batch, of which `done` is what was written."""
    found = changes.counts
    rows = changes.batch.rows - (found.rejected - changes.batch.rejected)
    new = min(done.new, rows)
    updated = min(done.updated, rows - new)
    return replace(found, new=new, updated=updated, unchanged=rows - new - updated, removed=done.removed)
