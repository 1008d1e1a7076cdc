"""Retention: raw files go when they are too old or too many, but never one that something still waits for."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger.kept_files import KeptFile
from backhaul.errors import ConfigError
from backhaul.lake import Lake
from backhaul.model import Retention, Stream

MEGABYTE = 1_000_000
EVIDENCE_DAYS = 30
"""So long the pages and screenshots of failed attempts are kept."""
STEPS_DAYS = 365
"""So long the single steps of runs are kept; runs and their results stay for reports."""
LEFT_OVER_DAYS = 1
"""What a killed writer has left in staging goes after so long: nobody writes for a day."""

_RUN = re.compile(r"\d{8}T\d{6}")


@dataclass(frozen=True)
class Pruned:
    """What was removed of one stream, or in a dry run would be.

    `waiting` says how many files stay although retention would have them go, by the reason; `oldest` is when the
    oldest file that is left was fetched.
    """

    stream: str
    files: int = 0
    size_bytes: int = 0
    batches: int = 0
    oldest: datetime | None = None
    waiting: Mapping[str, int] = field(default_factory=dict)


def prune_pipeline(
    name: str,
    streams: Iterable[Stream],
    *,
    ledger: Ledger,
    lake: Lake,
    now: datetime,
    dry_run: bool = False,
) -> list[Pruned]:
    """Remove what the retention of a pipeline's streams lets go; return what that was, stream by stream.

    The caller holds the pipeline's lock, except in a dry run, which removes nothing.
    """
    return [
        _StreamPruning(f"{name}.{stream.name}", stream.retention, ledger, lake, now, dry_run).done()
        for stream in streams
    ]


def prune_records(ledger: Ledger, evidence: Path, now: datetime) -> int:
    """Remove evidence of runs older than 30 days, and the steps of runs older than a year.

    evidence is the folder with a folder for each run. Return how many folders went.
    """
    ledger.kept_files.forget_steps(now - timedelta(days=STEPS_DAYS))
    oldest, gone = now - timedelta(days=EVIDENCE_DAYS), 0
    for folder in evidence.glob("*") if evidence.is_dir() else ():
        # Only folders that carry a run's name are ours to remove.
        if (begun := _begun(folder.name)) and begun < oldest and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
    return gone


@dataclass(frozen=True)
class _StreamPruning:
    stream: str
    retention: Retention
    ledger: Ledger
    lake: Lake
    now: datetime
    dry_run: bool

    def done(self) -> Pruned:
        """Prune the stream. Each file goes by itself: what a crash leaves undone, the next call does."""
        files = self.ledger.kept_files.of(self.stream)
        wanted = list(_beyond(files, self.retention, self.now))
        # A replay's result that is not delivered yet may have to be made again of all files.
        is_rebuilding = self.ledger.kept_files.is_rebuilding(self.stream)
        going = [each for each in wanted if each.waits is None and not is_rebuilding]
        waiting = Counter(each.waits or "a replay is not delivered" for each in wanted if each not in going)
        size_bytes, gone = 0, set()
        for each in going:
            if self.dry_run or self._removed(each):
                gone.add(each.id)
                size_bytes += each.size_bytes
            else:
                waiting["kept again just now"] += 1
        left = [each.fetched_at for each in files if each.id not in gone]
        return Pruned(
            stream=self.stream,
            files=len(gone),
            size_bytes=size_bytes,
            batches=0 if self.dry_run else self._spent_batches(),
            oldest=min(left, default=None),
            waiting=dict(waiting),
        )

    def _removed(self, file: KeptFile) -> bool:
        """Remove a file's bytes, unless another artifact has the same, and its batches; then record it."""
        is_shared = self.ledger.kept_files.others_with(file.sha256, file.id)
        if not is_shared and not self.lake.raw.remove(file.sha256, now=self.now.timestamp()):
            return False
        for batch in file.batches:
            self.lake.staging.remove(batch)
        self.ledger.kept_files.pruned(file.id)
        return True

    def _spent_batches(self) -> int:
        """Remove the batches that nothing reads any more; return how many were still there."""
        staging, removed = self.lake.staging, 0
        for batch in self.ledger.kept_files.spent_batches(self.stream):
            if (staging.folder / batch).exists():
                staging.remove(batch)
                removed += 1
        oldest = (self.now - timedelta(days=LEFT_OVER_DAYS)).timestamp()
        for folder in staging.folder.glob("*.part"):
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
        return removed


def _beyond(files: Sequence[KeptFile], retention: Retention, now: datetime) -> Iterator[KeptFile]:
    """Yield the files, oldest first, that are older than retention's days, beyond its megabytes or its number.

    What waits, was let go of or was repaired by hand takes no place of the newest: delivered files have them all.
    """
    oldest, most_bytes = now - timedelta(days=retention.days), retention.megabytes * MEGABYTE
    most_files = _most_files(retention)
    counted: set[str] = set()
    newest: set[str] = set()
    size_bytes, is_beyond = 0, set()
    for each in reversed(files):
        # The same bytes take their place once, that of their newest file.
        if each.sha256 not in counted:
            counted.add(each.sha256)
            size_bytes += each.size_bytes
        is_one_more = most_files is not None and len(newest) >= most_files and each.sha256 not in newest
        if size_bytes > most_bytes or is_one_more:
            is_beyond.add(each.id)
        if each.is_delivered:
            newest.add(each.sha256)
    yield from (each for each in files if each.fetched_at < oldest or each.id in is_beyond)


def _most_files(retention: Retention) -> int | None:
    """Return how many files stay at most, None for any number; what a setting says is text.

    Raises ConfigError for what is no number.
    """
    if retention.newest is None:
        return None
    said = str(retention.newest)
    if not said.isdecimal():
        raise ConfigError(f"retention: newest is {said!r}; it is a whole number, 0 or more")
    return int(said)


def _begun(run: str) -> datetime | None:
    """Return when a run of this id began; None if it is no run's id."""
    if not _RUN.match(run):
        return None
    try:
        return datetime.strptime(run[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
