"""From an artifact to a batch: parse, local times to UTC, the window's proof, transform, checks, Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backhaul.engine.words import counted
from backhaul.errors import ConfigError, SourceChanged
from backhaul.lake import StagingArea
from backhaul.lake.staging import keyed
from backhaul.model import ROW, Artifact, Batch, BatchFacts, Rejected, Severity, Stream, TableCheck
from backhaul.quality import as_utc, drift, judge_batch, judge_rows, outside_window
from backhaul.quality.checks import Judged

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Staged:
    """A published batch and what its checks had to say; held_because is set where a check says stop."""

    batch: Batch
    rejected: tuple[Rejected, ...]
    warnings: tuple[str, ...]
    held_because: str | None


@dataclass(frozen=True)
class Stager:
    """Stages the artifacts of one stream; `name` is the stream's full name, timezone the pipeline's."""

    name: str
    stream: Stream
    timezone: str
    staging: StagingArea
    columns_before: tuple[str, ...] = ()
    earlier_rows: tuple[int, ...] = ()

    def stage(self, artifact: Artifact, batch_id: str) -> Staged:
        """Return the published batch. Raises SourceChanged for a file that is not what the stream expects."""
        writer = self.staging.writer(batch_id, self.name, self.stream.key, self.timezone)
        tally = _Tally()
        for frame in self._transformed(artifact, tally):
            judged = _judged(keyed(frame, self.stream.key, self.name), self.stream, self.name)
            tally.rejected += judged.rejected
            tally.warned.update(judged.warned)
            tally.stopped.update(judged.stopped)
            writer.add(judged.good)
        self._prove_window(artifact, tally)
        batch = writer.finish(len(tally.rejected))
        put_aside = Counter(each.check for each in tally.rejected)
        warnings = [f"{counted(number, 'row')} rejected: {check}" for check, number in put_aside.items()]
        warnings += [f"{counted(number, 'row')}: {check}" for check, number in tally.warned.items()]
        reasons = [f"{counted(number, 'row')}: {check}" for check, number in tally.stopped.items()]
        for check, wrong in self._judge_batch(batch, artifact):
            to = warnings if check.severity is Severity.WARN else reasons
            to.append(f"{check.name}: {wrong}")
        warnings += self._drift_warnings(batch)
        return Staged(batch, tuple(tally.rejected), tuple(warnings), "; ".join(reasons) or None)

    def _transformed(self, artifact: Artifact, tally: _Tally) -> Iterator[pl.DataFrame]:
        for parsed in self.stream.source.parse(self.stream, artifact):
            self._refuse_own_column(parsed, f"the file {artifact.name}")
            frame = as_utc(parsed.with_row_index(ROW, offset=tally.rows + 1), self.timezone)
            tally.rows += frame.height
            column = self.stream.window_column
            if column and artifact.window:
                tally.outside += self._outside(frame, column, artifact)
            yield self._transform(frame)

    def _transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        if self.stream.transform is None:
            return frame
        try:
            after = self.stream.transform(frame.drop(ROW))
        except pl.exceptions.PolarsError as error:
            raise _unfit(self.name, "the transform", error) from error
        if not isinstance(after, pl.DataFrame):
            raise ConfigError(
                f"{self.name}: the transform returned {type(after).__name__}, not a polars DataFrame",
                next_step="Let it return the frame; a LazyFrame is turned into one by .collect().",
            )
        self._refuse_own_column(after, "what the transform returned")
        if after.height == frame.height:
            return after.insert_column(0, frame[ROW])
        return after.with_row_index(ROW, offset=frame[ROW].item(0) if frame.height else 1)

    def _refuse_own_column(self, frame: pl.DataFrame, where: str) -> None:
        if ROW in frame.columns:
            raise ConfigError(
                f"{self.name}: {where} has a column {ROW!r}, a name that backhaul keeps for row numbers",
                next_step="Choose another name for that column in the export or in the transform.",
            )

    def _outside(self, frame: pl.DataFrame, column: str, artifact: Artifact) -> int:
        assert artifact.window is not None
        if column not in frame.columns:
            found = [name for name in frame.columns if name != ROW]
            raise SourceChanged(f"{self.name}: date column {column!r} is missing; found {found}")
        try:
            return outside_window(frame, column, artifact.window)
        except TypeError as error:
            raise SourceChanged(
                f"{self.name}: column {column!r} holds {error}, not dates, in {artifact.name}",
                next_step="Name the column with the dates as window_column, or give the export its date_format.",
            ) from None

    def _prove_window(self, artifact: Artifact, tally: _Tally) -> None:
        if tally.outside:
            raise SourceChanged(
                f"{self.name}: {tally.outside:,} of {counted(tally.rows, 'row')} lie outside {artifact.window}:"
                " the site has ignored the dates; nothing of this file was delivered",
                next_step="Compare the date fields in the pipeline with those of the page.",
            )

    def _judge_batch(self, batch: Batch, artifact: Artifact) -> list[tuple[TableCheck, str]]:
        import polars as pl

        facts = BatchFacts(
            frame=pl.scan_parquet(list(batch.parts)),
            rows=batch.rows,
            earlier_rows=self.earlier_rows,
            window=artifact.window,
            now=datetime.now(UTC),
        )
        try:
            return judge_batch(facts, self.stream.checks)
        except pl.exceptions.PolarsError as error:
            raise _unfit(self.name, "a table check", error) from error

    def _drift_warnings(self, batch: Batch) -> list[str]:
        if not self.columns_before:
            return []
        found = drift(self.columns_before, list(batch.schema()))
        warnings = []
        if found.added:
            warnings.append(f"new columns: {', '.join(found.added)}")
        if found.missing:
            warnings.append(f"missing columns, left as they were: {', '.join(found.missing)}")
        return warnings


@dataclass
class _Tally:
    rows: int = 0
    outside: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    warned: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)


def _judged(frame: pl.DataFrame, stream: Stream, name: str) -> Judged:
    import polars as pl

    try:
        return judge_rows(frame, stream.key, stream.checks)
    except pl.exceptions.PolarsError as error:
        raise _unfit(name, "a check", error) from error


def _unfit(name: str, what: str, error: Exception) -> SourceChanged:
    """Polars quotes values in most messages, so only a missing column is told in its words."""
    import polars as pl

    is_column = isinstance(error, pl.exceptions.ColumnNotFoundError)
    reason = str(error).splitlines()[0] if is_column else type(error).__name__
    return SourceChanged(
        f"{name}: {what} cannot work on this file: {reason}",
        next_step="Compare the file's columns with the pipeline; the file is kept, `backhaul replay` tries it again.",
    )
