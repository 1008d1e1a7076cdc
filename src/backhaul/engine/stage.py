"""From an artifact to a batch: parse, local times to UTC, the window's proof, transform, checks, Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backhaul.engine.words import counted
from backhaul.errors import ConfigError, SourceChanged
from backhaul.lake import BatchWriter, Lake
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
    """Stages the artifacts of one stream; `name` is the stream's full name, timezone the pipeline's.

    Rows that a person has repaired are parsed and transformed already; they are checked like all others.
    """

    name: str
    stream: Stream
    timezone: str
    lake: Lake
    columns_before: tuple[str, ...] = ()
    earlier_rows: tuple[int, ...] = ()

    def stage(self, artifact: Artifact, batch_id: str) -> Staged:
        """Return the published batch. Raises SourceChanged for a file that is not what the stream expects."""
        tally = _Tally()
        with self.lake.raw.readable(artifact) as plain:
            if artifact.is_repair:
                return self.stage_some(_repaired(plain), batch_id)
            return self._staged(self._transformed(plain, tally), tally, artifact, batch_id)

    def stage_some(self, frames: Iterable[pl.DataFrame], batch_id: str) -> Staged:
        """Return the published batch of some rows of files (keyed, with `_row`).

        The row checks judge them. What judges a whole file, its table checks and its columns, is left out.
        """
        tally, writer = _Tally(), self._writer(batch_id)
        self._write(frames, writer, tally)
        batch = writer.finish(len(tally.rejected), is_whole=False)
        return Staged(batch, tuple(tally.rejected), tuple(tally.warnings()), "; ".join(tally.reasons()) or None)

    def read(self, artifact: Artifact, rows: Collection[int]) -> pl.DataFrame:
        """Return these rows of an artifact as today's pipeline makes them: keyed, with `_row`, unchecked.

        Raises SourceChanged for a file that it cannot read any more.
        """
        import polars as pl

        with self.lake.raw.readable(artifact) as plain:
            frames = _repaired(plain) if artifact.is_repair else self._transformed(plain, _Tally())
            found = [
                keyed(frame, self.stream.key, self.name).filter(pl.col(ROW).is_in(list(rows))) for frame in frames
            ]
        filled = [frame for frame in found if frame.height] or found[:1]
        return pl.concat(filled) if filled else pl.DataFrame()

    def stage_frame(self, frame: pl.DataFrame, batch_id: str) -> Staged:
        """Return the published batch of rows that come from no file: computed ones."""
        self._refuse_own_column(frame, "what build returned")
        numbered = as_utc(frame.with_row_index(ROW, offset=1), self.timezone)
        return self._staged(iter([numbered]), _Tally(), None, batch_id)

    def _staged(
        self, frames: Iterator[pl.DataFrame], tally: _Tally, artifact: Artifact | None, batch_id: str
    ) -> Staged:
        writer = self._writer(batch_id, artifact)
        self._write(frames, writer, tally)
        if artifact:
            self._prove_window(artifact, tally)
        batch = writer.finish(len(tally.rejected))
        warnings, reasons = tally.warnings(), tally.reasons()
        if self.stream.complete and not batch.rows and any(self.earlier_rows[:1]):
            reasons.append("nothing is left of what was there before, though the stream is complete")
        if self.stream.complete and tally.rejected:
            warnings.append("no row is marked as removed this time: the rejected ones may be among them")
        for check, wrong in self._judge_batch(batch, artifact):
            to = warnings if check.severity is Severity.WARN else reasons
            to.append(f"{check.name}: {wrong}")
        warnings += self._drift_warnings(batch)
        return Staged(batch, tuple(tally.rejected), tuple(warnings), "; ".join(reasons) or None)

    def _writer(self, batch_id: str, artifact: Artifact | None = None) -> BatchWriter:
        staging, made_at = self.lake.of(self.stream).staging, artifact.made_at if artifact else None
        return staging.writer(batch_id, self.name, self.stream.key, self.timezone, made_at=made_at)

    def _write(self, frames: Iterable[pl.DataFrame], writer: BatchWriter, tally: _Tally) -> None:
        for frame in frames:
            judged = _judged(keyed(frame, self.stream.key, self.name), self.stream, self.name)
            tally.rejected += judged.rejected
            tally.warned.update(judged.warned)
            tally.stopped.update(judged.stopped)
            writer.add(judged.good)

    def _transformed(self, artifact: Artifact, tally: _Tally) -> Iterator[pl.DataFrame]:
        heard = replace(artifact, remark=tally.remarks.append)
        for parsed in self.stream.source.parse(self.stream, heard):
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

    def _judge_batch(self, batch: Batch, artifact: Artifact | None) -> list[tuple[TableCheck, str]]:
        import polars as pl

        facts = BatchFacts(
            frame=batch.lazy(),
            rows=batch.rows,
            earlier_rows=self.earlier_rows,
            window=artifact.window if artifact else None,
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
    remarks: list[str] = field(default_factory=list)

    def warnings(self) -> list[str]:
        put_aside = Counter(each.check for each in self.rejected)
        rejected = [f"{counted(number, 'row')} rejected: {check}" for check, number in put_aside.items()]
        warned = [f"{counted(number, 'row')}: {check}" for check, number in self.warned.items()]
        return [*self.remarks, *rejected, *warned]

    def reasons(self) -> list[str]:
        return [f"{counted(number, 'row')}: {check}" for check, number in self.stopped.items()]


def _repaired(artifact: Artifact) -> Iterator[pl.DataFrame]:
    """Yield the rows that a person has repaired, as they were kept: typed, in one frame."""
    import polars as pl

    yield pl.read_parquet(artifact.path).with_row_index(ROW, offset=1)


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
