"""Computing one derived stream: read curated tables, build, check, stage, deliver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.engine.context import RunContext, StreamResult
from backhaul.engine.derived import computed_from
from backhaul.engine.events import StreamStarted
from backhaul.engine.haul import concluded, deliverer_of, recorded
from backhaul.engine.stage import Stager
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
        self.left_over = deliverer.deliver_pending(left_over=True).counts
        held = self._stage(self._built())
        delivered = deliverer.deliver_pending(left_over=False)
        self.counts += delivered.counts
        if held:
            raise CheckFailed(f"{self.name}: held back: {held}")
        if delivered.failures:
            raise delivered.failures[0]

    def _built(self) -> pl.DataFrame:
        """Return what the pipeline's function makes of the tables. Raises ConfigError where a table is missing."""
        import polars as pl

        computed = computed_from(self.stream)
        inputs = []
        for name, table in zip(computed.after, computed.tables(self.streams), strict=True):
            frames = list(self.context.curated.read(table))
            if not frames:
                raise ConfigError(
                    f"{self.name}: there is no table {table} of stream {name} yet",
                    next_step=f"Run {name} first.",
                )
            inputs.append(pl.concat(frames))
        built = computed.build(*inputs)
        if not isinstance(built, pl.DataFrame):
            raise ConfigError(
                f"{self.name}: build returned {type(built).__name__}, not a polars DataFrame",
                next_step="Let it return the frame; a LazyFrame is turned into one by .collect().",
            )
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
