"""Writing what a scene asks for: chunks, each one atomic call that is checked by the backup it made itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

from backhaul.destinations.google.calls import Calls, backup_range
from backhaul.destinations.google.cells import NumberFormat, format_of
from backhaul.destinations.google.memory import (
    BACKUP_COLUMN,
    CHANGED_A_CELL,
    Changed,
    Entry,
    Memory,
    Record,
    digest,
    head_digest,
    wrong_rows,
)
from backhaul.destinations.google.plan import MOST_CELLS, Layout, RowWrite
from backhaul.destinations.google.scene import Scene
from backhaul.destinations.google.updates import (
    Chunk,
    Request,
    add_rows,
    back_up,
    change_rows,
    grow,
    new_tab,
    put_back,
    remember,
    set_headers,
    take_turn,
)
from backhaul.destinations.google.view import Grid
from backhaul.errors import DeliveryError
from backhaul.model import Batch, Counts
from backhaul.sessions.google.tabs import Place

CHUNK_BYTES = 1_500_000
CHUNK_ROWS = 1_500
"""Changed rows in one chunk: each takes a request or two."""

CELL_OVERHEAD_BYTES = 45
CHANGED_OVERHEAD = 22


@dataclass
class Writer:
    """Writes a batch chunk by chunk; `done` is what was written so far.

    Args:
        is_guarded: whether a chunk is refused where another program has written in between.
    """

    calls: Calls
    batch: Batch
    scene: Scene
    is_guarded: bool = True
    done: Counts = field(default_factory=Counts)

    def run(self) -> Counts | None:
        """Return what was written, or None as soon as a chunk met other rows than it meant and was put back.

        Raises DeliveryError before anything is written if there is no room.
        """
        end_row = self.scene.planner.next_row + self.scene.fresh()
        self._check_room(end_row)
        is_first_of_all = self.scene.view.is_empty and self.scene.view.is_whole
        for number, chunk in enumerate(_chunks(self._writes(), len(self.scene.layout.own))):
            if not self._commit(chunk, end_row, is_first=number == 0, is_checked=number > 0 or not is_first_of_all):
                return None
        return self.done

    @cached_property
    def as_values(self) -> bool:
        """Whether the backup holds values only."""
        return self.scene.is_backed_up_as_values

    def _writes(self) -> Iterator[RowWrite]:
        for found in self.scene.assessed():
            yield from found.writes
        yield from self.scene.removals()

    def _commit(self, chunk: Chunk, end_row: int, *, is_first: bool, is_checked: bool) -> bool:
        """Write one chunk in one call; return whether it met the rows that it meant."""
        scene, layout, place = self.scene, self.scene.layout, self.scene.view.place
        record = _record(self.batch, layout, chunk, is_checked=is_checked)
        record = replace(record, has_values=self.as_values)
        adopted = [] if scene.memory else self._adopted()
        requests, memory = self._memory(record, adopted, layout.width)
        entry = memory.entry(record, adopted)
        record = replace(record, at=entry.at)
        requests += grow(place, end_row, layout.width)
        if is_checked:
            requests += back_up(scene.view, memory.place, layout, chunk, as_values=self.as_values)
        if layout.headed:
            requests += set_headers(place, layout, is_first=is_first and scene.view.is_empty)
        requests += change_rows(place, chunk.changed)
        requests += add_rows(place, chunk.fresh, layout, self._shown())
        requests.append(remember(memory.place, entry))
        check = backup_range(memory.place.title, record.backup_rows, layout.width) if is_checked else None
        # Before the call: if its answer is lost, the memory must be looked for.
        self.calls.hints.discard(self.calls.hint(place))
        backup = self.calls.write(requests, check)
        if check is not None and not self._is_right(record, memory, backup, check):
            return False
        memory.add(record, entry, adopted)
        self._go_on(memory, record.counts, end_row)
        return True

    def _adopted(self) -> list[bytes]:
        """Return the keys that count as delivered: all that a filled tab has, also as the batch calls them."""
        if self.calls.manner.update_only:
            return []
        view = self.scene.view
        return [digest(each) for each in (*view.keys, *view.aliases)]

    def _memory(self, record: Record, adopted: list[bytes], width: int) -> tuple[list[Request], Memory]:
        """Return the hidden tab, large enough for the record and its backup, and what makes it so."""
        backup_rows = record.backup_rows if record.is_checked else 0
        if self.scene.memory is None:
            blank = Memory(Place(0, "", 0, 0))
            rows = max(backup_rows, len(blank.entry(record, adopted).rows))
            request, made = new_tab(self.calls.memory_title(self.scene.view.place), rows, width)
            return [request], Memory(made)
        memory = self.scene.memory
        turn = [take_turn(memory)] if self.is_guarded else []
        entry: Entry = memory.entry(record, adopted)
        rows = max(backup_rows, entry.first + len(entry.rows), memory.place.rows)
        columns = max(memory.place.columns, BACKUP_COLUMN + width)
        requests = [*turn, *grow(memory.place, rows, columns)]
        memory.place = replace(memory.place, rows=rows, columns=columns)
        return requests, memory

    def _is_right(self, record: Record, memory: Memory, backup: Grid | None, check: str) -> bool:
        """Return whether the chunk met the rows that it meant; if not, they are put back."""
        backup = self.calls.cells(check) if backup is None else backup
        wrong = wrong_rows(record, backup)
        if not wrong:
            return True
        view = self.calls.look(list(self.scene.layout.columns), self.scene.key)
        memory.backup = backup
        memory.add(record, memory.entry(record, []), [])
        self.calls.write([take_turn(memory), *put_back(view, memory, record, wrong)], None)
        return False

    def _go_on(self, memory: Memory, counts: Counts, end_row: int) -> None:
        """Take the chunk for read: later ones build on it."""
        scene, layout = self.scene, self.scene.layout
        scene.memory = memory
        header = [layout.headed.get(column) or layout.said(column) for column in range(layout.width)]
        scene.layout = replace(layout, header=tuple(header), headed={})
        place = scene.view.place
        rows, columns = max(place.rows, end_row), max(place.columns, layout.width)
        scene.view.place = replace(place, rows=rows, columns=columns)
        self.done += counts

    def _shown(self) -> dict[int, NumberFormat]:
        columns = self.scene.layout.columns
        formats = ((columns[name], format_of(dtype)) for name, dtype in self.scene.planner.schema.items())
        return {column: shown for column, shown in formats if shown is not None}

    def _check_room(self, end_row: int) -> None:
        place = self.scene.view.place
        cells = max(end_row, place.rows) * self.scene.layout.width
        if cells > MOST_CELLS:
            raise full(self.calls.name, cells, f" in tab {place.title!r} alone")


def full(name: str, cells: int, where: str) -> DeliveryError:
    """Return the error for a spreadsheet that has no room."""
    return DeliveryError(
        f"{name}: the spreadsheet is full: Google allows {MOST_CELLS:,} cells over all tabs, empty ones included, and"
        f" there are or would be {cells:,}{where}",
        next_step="Nothing was written. Delete tabs, empty rows and empty columns, or name another spreadsheet.",
    )


def _record(batch: Batch, layout: Layout, chunk: Chunk, *, is_checked: bool) -> Record:
    own = layout.own
    bits = {column: 1 << bit for bit, column in enumerate(own)}
    changed = tuple(
        Changed(each.row, each.key, sum(bits[column] for column in each.cells), each.is_removal)
        for each in chunk.changed
    )
    removed = sum(each.is_removal for each in chunk.changed)
    return Record(
        batch=batch.id,
        counts=Counts(new=len(chunk.fresh), updated=len(changed) - removed, removed=removed),
        own=own,
        key=layout.key,
        top=layout.header_row,
        head=head_digest(layout.said(column) for column in own),
        headed=tuple(sorted(layout.headed)),
        changed=changed if is_checked else (),
        fresh=tuple(each.key for each in chunk.fresh),
        fresh_row=chunk.fresh[0].row if chunk.fresh else 0,
        is_checked=is_checked,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _chunks(writes: Iterator[RowWrite], columns: int) -> Iterator[Chunk]:
    """Yield the writes in chunks of bounded size, those of one chunk that change rows by row."""
    most_changed = max(1, min(CHUNK_ROWS, CHANGED_A_CELL // (CHANGED_OVERHEAD + columns // 4)))
    changed: list[RowWrite] = []
    fresh: list[RowWrite] = []
    size = 0
    for each in writes:
        (fresh if each.is_fresh else changed).append(each)
        size += sum(CELL_OVERHEAD_BYTES + (len(cell) if type(cell) is str else 0) for cell in each.cells.values())
        if size > CHUNK_BYTES or len(changed) >= most_changed:
            yield Chunk(sorted(changed, key=lambda found: found.row), fresh)
            changed, fresh, size = [], [], 0
    if changed or fresh:
        yield Chunk(sorted(changed, key=lambda found: found.row), fresh)
