"""Computing one derived stream: read curated tables, build, check, stage, deliver."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.destinations.sql.dialect import ARCHIVE_SUFFIX
from backhaul.engine.context import RunContext, StreamResult
from backhaul.engine.derived import computed_from, is_derived
from backhaul.engine.events import StreamStarted, Warned
from backhaul.engine.haul import concluded, deliverer_of, recorded
from backhaul.engine.stage import Stager
from backhaul.engine.tables import as_frame, curated_rows
from backhaul.errors import CheckFailed, ConfigError
from backhaul.model import Counts, Stream

if TYPE_CHECKING:
    import polars as pl

WORDS = "derived"


@dataclass
class Derivation:
    """Computes one derived stream once; `streams` are those of its pipeline."""

    context: RunContext
    stream: Stream
    streams: tuple[Stream, ...]
    counts: Counts = field(default_factory=Counts)
    left_over: Counts = field(default_factory=Counts)
    attempts: int = 0

    @property
    def name(self) -> str:
        """The stream's full name."""
        return f"{self.context.pipeline}.{self.stream.name}"

    def run(self) -> StreamResult:
        """Compute, and record the result in the ledger."""
        self.context.emit(StreamStarted(run=self.context.run, stream=self.name, window=WORDS))
        return concluded(self.context, self.name, WORDS, self._derive, self)

    def _derive(self) -> None:
        context, deliverer = self.context, deliverer_of(self.context, self.name, self.stream)
        if context.accept:
            context.ledger.accept_held(self.name)
        left = deliverer.deliver_pending(left_over=True)
        self.left_over = left.counts
        waiting = self._missing()
        if waiting:
            message = f"nothing to compute from yet: {', '.join(waiting)} has brought nothing"
            context.emit(Warned(run=context.run, stream=self.name, message=message, is_told=False))
        inputs = None if waiting else self._inputs()
        if waiting or self._is_computed_from(inputs):
            # What waits from before waits on, though there is nothing new: the stream is not done.
            if left.failures:
                raise left.failures[0]
            return
        held = self._stage(self._built())
        if inputs and not held:
            context.ledger.remember_inputs(self.name, inputs)
        delivered = deliverer.deliver_pending(left_over=False)
        self.counts += delivered.counts
        if held:
            raise CheckFailed(f"{self.name}: held back: {held}")
        if delivered.failures:
            raise delivered.failures[0]

    def _missing(self) -> list[str]:
        """Return the streams of this run that have never brought a row; a person who asks for it is told an error."""
        computed, own = computed_from(self.stream), {stream.name for stream in self.streams}
        names = {name.rpartition(".")[2].removesuffix(ARCHIVE_SUFFIX): name for name in computed.after}
        mine = [name for name in names if name in own and not self._is_asked_for]
        there = {name.casefold() for name in self.context.curated.tables()}
        return [name for name in mine if self._target(name).casefold() not in there and not self._brought(name)]

    def _is_complete(self, name: str) -> bool:
        short = name.removesuffix(ARCHIVE_SUFFIX)
        return any(stream.complete for stream in self.streams if stream.name == short)

    def _brought(self, name: str) -> tuple[str, ...]:
        """Return the columns that a stream of this pipeline has brought: what has no rows has no table yet."""
        short = name.removesuffix(ARCHIVE_SUFFIX)
        own = self._sharing(short) if short in {stream.name for stream in self.streams} else []
        found = (self.context.remembered.cursor(each).columns for each in own)
        return next((columns for columns in found if columns), ())

    def _sharing(self, name: str) -> list[str]:
        """Return the full names of all streams of this pipeline that write the table of one of them."""
        target = self._target(name)
        return [f"{self.context.pipeline}.{each.name}" for each in self.streams if each.target == target]

    def _target(self, name: str) -> str:
        return next(stream.target for stream in self.streams if stream.name == name)

    @property
    def _is_asked_for(self) -> bool:
        """Whether a person has named derived streams only, which are computed in any case then."""
        return all(is_derived(stream) for stream in self.context.streams)

    def _inputs(self) -> str | None:
        """Return what changes when the computation would give other rows; None where that cannot be told."""
        context, computed = self.context, computed_from(self.stream)
        code, own = computed.code(), {stream.name for stream in self.streams}
        changes = {}
        for name in computed.after:
            stream = name.removesuffix(ARCHIVE_SUFFIX)
            last = stream.rpartition(".")[2]
            writers = self._sharing(last) if last in own else [stream]
            found = {each: context.remembered.history.last_change(each, context.curated.name) for each in writers}
            if not any(found.values()):
                return None
            changes.update(found)
        if code is None:
            return None
        return json.dumps({"code": code, "changes": changes})

    def _is_computed_from(self, inputs: str | None) -> bool:
        """Tell whether the last computation was of the same tables; one that a person asks for is done anyway."""
        if inputs is None or self._is_asked_for or self.context.accept:
            return False
        return self.context.remembered.cursor(self.name).cursor == inputs

    def _built(self) -> pl.DataFrame:
        """Return what the pipeline's function makes of the tables. Raises ConfigError where a table is missing."""
        computed = computed_from(self.stream)
        tables = computed.tables(self.streams)
        inputs = [
            curated_rows(
                self.context.curated,
                table,
                asker=self.name,
                stream=name,
                columns=self._brought(name.rpartition(".")[2]),
                with_runs=computed.with_runs,
                is_complete=self._is_complete(name.rpartition(".")[2]),
            )
            for name, table in zip(computed.after, tables, strict=True)
        ]
        built = as_frame(computed.build(*inputs), self.name)
        if missing := [column for column in self.stream.key if column not in built.columns]:
            raise ConfigError(f"{self.name}: build gives no key column {', '.join(missing)}; found {built.columns}")
        return built

    def _stage(self, frame: pl.DataFrame) -> str | None:
        context = self.context
        stager = Stager(
            name=self.name,
            stream=self.stream,
            timezone=context.timezone,
            lake=context.lake,
            columns_before=context.remembered.cursor(self.name).columns,
            earlier_rows=context.remembered.earlier_rows(self.name),
        )
        staged = stager.stage_frame(frame, f"{context.run}.{self.stream.name}.derived")
        return recorded(context, self.name, self.stream, staged, None)
