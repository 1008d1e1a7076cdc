"""One delivery into one tab: look, compare, write, and look again where people or the network came in between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from backhaul.destinations.google.calls import Calls, WriteLost
from backhaul.destinations.google.manner import has_days
from backhaul.destinations.google.memory import Memory, Record, Wrong
from backhaul.destinations.google.plan import keyed, missing_columns
from backhaul.destinations.google.scene import Reading, Scene, read_scene
from backhaul.destinations.google.seen import SeenKeys, aliases, names_of
from backhaul.destinations.google.updates import put_back, remove_tab, take_turn
from backhaul.destinations.google.view import View, twice
from backhaul.destinations.google.writer import Writer, full
from backhaul.errors import DeliveryError, TransientError
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
        if not self.calls.manner.adds_only:
            self.calls.tells_dates = has_days(self.batch, self.stream.key, self.schema)

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
        scene = self._scene(view)
        for found in scene.assessed():
            classes.extend(map(int, found.classes))
            refused.extend(found.refused)
        removed = sum(1 for _ in scene.removals())
        return Changes(self.batch, pl.Series(classes, dtype=pl.UInt8), tuple(refused), removed)

    def write(self, changes: Changes) -> tuple[Counts, tuple[Rejected, ...]]:
        """Make the changes; return what was done for this batch, by this call and by earlier ones.

        Beside it come the rows that are refused only now.
        """
        lost: WriteLost | None = None
        for attempt in range(TRIES):
            try:
                # The last try is not guarded: a cleared memory might look as it once did.
                if (found := self._written(changes, is_guarded=attempt < TRIES - 1)) is not None:
                    return found
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

    def _written(self, changes: Changes, *, is_guarded: bool) -> tuple[Counts, tuple[Rejected, ...]] | None:
        """Return what was done, or None if something came in between and all has to be looked at anew."""
        view = self._view()
        if view.trouble is not None:
            if (found := self._wrong(view)) is None:
                raise view.trouble
            self.calls.write([take_turn(found[0]), *put_back(view, *found)], None)
            return None
        scene = self._scene(view, meant=changes.classes.to_list())
        if scene.memory is not None and (wrong := scene.memory.wrong()) is not None:
            self.calls.write([take_turn(scene.memory), *put_back(view, scene.memory, *wrong)], None)
            return None
        before = scene.memory.counts_of(self.batch.id) if scene.memory else Counts()
        done = Writer(self.calls, self.batch, scene, is_guarded).run()
        if done is None:
            return None
        if self._is_update_only:
            self._forget(scene)
            # The memory is gone by now; that an earlier try has written a row is told by the comparison before it.
            before = Counts(updated=scene.planner.settled)
        late = tuple(scene.planner.late)
        return _total(changes, before + done, len(late)), late

    def _forget(self, scene: Scene) -> None:
        """Take the hidden tab away; if that fails, the next write that needs one finds it, and tries again."""
        if scene.memory is not None:
            with suppress(TransientError, ApiRefusal):
                self.calls.write([take_turn(scene.memory), remove_tab(scene.memory.place)], None)
                self.calls.hints.add(self.calls.hint(scene.view.place))

    @property
    def _is_update_only(self) -> bool:
        return self.calls.manner.update_only

    @property
    def _is_complete(self) -> bool:
        return self.stream.complete and REMOVED_AT not in self.schema and self.calls.manner.merges

    def _view(self) -> View:
        """Return the tab as it is, its rows known by what the batch calls them."""
        extra = [REMOVED_AT] if self._is_complete else []
        for _ in range(TRIES):
            view = self.calls.look([*self.schema, *extra], self.stream.key)
            if view.trouble is None and self._is_update_only:
                view.trouble = missing_columns(view, [*self.schema], self.calls.name)
            if view.trouble is not None or view.is_empty or view.lacks_key or self._is_named(view):
                return view
        raise TransientError(
            f"{self.calls.name}: tab {view.place.title!r} was edited while it was read",
            next_step="It is tried again by itself.",
        )

    def _is_named(self, view: View) -> bool:
        """Find the rows whose keys the batch writes as people see them; return whether they still stood there."""
        is_lenient, key = self._is_update_only, self.stream.key
        if not view.numbered and not is_lenient:
            return True
        wanted = {each for part in keyed(self.batch, key, {}) for each in part.keys}
        if not is_lenient and not (wanted := wanted - view.keys.keys()):
            return True
        shown = self.calls.shown(view, key) if view.numbered else None
        seen = SeenKeys.of(view, shown, key, is_lenient=is_lenient)
        if seen is None:
            return False
        view.aliases, shared = aliases(view, seen, wanted)
        if self._is_update_only:
            view.shared = shared
        elif self.calls.manner.adds_only:
            names = names_of(view)
            view.aliases |= {each: names[rows[0]] for each, rows in shared.items()}
        elif shared:
            view.trouble = twice(self.calls.name, view, shared)
        return True

    def _wrong(self, view: View) -> tuple[Memory, Record, Wrong] | None:
        """Return what the last write has met wrongly, where the tab itself can not be understood."""
        _, memory = self.calls.read(view, [], memory="all")
        wrong = memory.wrong() if memory is not None else None
        return None if memory is None or wrong is None else (memory, *wrong)

    def _scene(self, view: View, *, meant: Sequence[int] | None = None) -> Scene:
        """Return what is needed to compare, or, with the classes of an earlier comparison, to write."""
        reading = Reading(
            batch=self.batch,
            schema=self.schema,
            key=self.stream.key,
            is_complete=self._is_complete,
            for_write=meant is not None,
            has_memory=self.has_memory,
            meant=meant or (),
        )
        return read_scene(self.calls, view, reading)

    def _full(self) -> DeliveryError:
        places = [place for place, _ in self.calls.tabs()[1]]
        taken = sum(place.rows * place.columns for place in places)
        largest = max(places, key=lambda place: place.rows * place.columns)
        return full(self.calls.name, taken, f"; the largest tab is {largest.title!r}")


def _total(changes: Changes, done: Counts, late: int) -> Counts:
    """Return the counts of the whole batch, of which `done` is what was written, `late` what was refused since."""
    found = replace(changes.counts, rejected=changes.counts.rejected + late)
    rows = changes.batch.rows - (found.rejected - changes.batch.rejected)
    new = min(done.new, rows)
    updated = min(done.updated, rows - new)
    return replace(found, new=new, updated=updated, unchanged=rows - new - updated, removed=done.removed)
