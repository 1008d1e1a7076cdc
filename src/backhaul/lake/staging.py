"""Staging: the good rows of one artifact as a folder of Parquet parts, each key once; sealed where personal."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import BackhaulError, ConfigError, SourceChanged
from backhaul.lake.durable import is_disk_full, publish, sync_file, write_text
from backhaul.lake.landing import safe_name
from backhaul.model import ROW, Batch, Changes, Rejected

if TYPE_CHECKING:
    import polars as pl

    from backhaul.sealing import Seal

MANIFEST = "batch.json"
NO_ROOM_BYTES = 1 << 20


@dataclass(frozen=True)
class StagingArea:
    """Batches by id, with the saved changes of each destination beside them.

    The parts of a batch that is written with `is_private` are sealed, each as it is written. What lies beside them
    holds no row: the names of columns and checks, counts, and one byte for each row.
    """

    folder: Path
    seal: Seal | None = field(default=None, repr=False)
    is_private: bool = False

    def writer(
        self, batch_id: str, stream: str, key: tuple[str, ...], timezone: str, *, made_at: datetime | None = None
    ) -> BatchWriter:
        """Return a writer for a new batch; what an interrupted writer of the same id left is removed."""
        part = self.folder / f"{batch_id}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        seal = self.seal if self.is_private else None
        return BatchWriter(part, self.folder / batch_id, stream, key, timezone, seal, made_at)

    def load(self, batch_id: str) -> Batch | None:
        """Return a finished batch, or None if there is none of this id, or not all of it any more."""
        folder = self.folder / batch_id
        try:
            facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        parts = tuple(folder / name for name in facts["parts"])
        if not all(part.exists() for part in parts):
            return None
        return Batch(
            id=batch_id,
            stream=facts["stream"],
            parts=parts,
            rows=facts["rows"],
            duplicate=facts["duplicate"],
            rejected=facts["rejected"],
            timezone=facts["timezone"],
            empty=tuple(facts["empty"]),
            is_whole=facts.get("whole", True),
            made_at=datetime.fromisoformat(facts["made_at"]) if facts.get("made_at") else None,
            unsealed=self._opener(batch_id) if facts.get("sealed") else None,
        )

    def remove(self, batch_id: str) -> int:
        """Remove a batch, its changes and what an interrupted writer left of it; return the bytes that it took."""
        removed_bytes = 0
        for folder in (self.folder / batch_id, self.folder / f"{batch_id}.part"):
            removed_bytes += sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
            shutil.rmtree(folder, ignore_errors=True)
        return removed_bytes

    def save_changes(self, destination: str, changes: Changes) -> None:
        """Keep what a destination found, so that a write repeated after a crash reports the same counts."""
        path = self._changes_path(changes.batch.id, destination)
        part = path.with_name(path.name + ".part")
        _write_parquet(changes.classes.rename("class").to_frame(), part)
        sync_file(part)
        refused = [[each.row, each.check] for each in changes.refused]
        write_text(path.with_suffix(".json"), json.dumps({"refused": refused, "removed": changes.removed}))
        publish(part, path)

    def load_changes(self, destination: str, batch: Batch) -> Changes | None:
        """Return what was saved for this batch and destination, or None."""
        import polars as pl

        path = self._changes_path(batch.id, destination)
        if not path.exists():
            return None
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if isinstance(facts, list):
            # Version 0.1 kept the refused rows alone.
            facts = {"refused": facts, "removed": 0}
        refused = tuple(Rejected(row, check) for row, check in facts["refused"])
        return Changes(batch, pl.read_parquet(path)["class"], refused, facts["removed"])

    def _opener(self, batch_id: str) -> Callable[[Path], bytes]:
        seal = self.seal
        if seal is None:
            raise ConfigError(
                f"batch {batch_id} is encrypted, and no key is set",
                next_step="Put the key that was used back into the settings, as BACKHAUL_KEY.",
            )

        def unsealed(part: Path) -> bytes:
            return _unsealed(seal, part, batch_id)

        return unsealed

    def _changes_path(self, batch_id: str, destination: str) -> Path:
        # Two names may become the same safe name; each destination has changes of its own.
        own = hashlib.sha256(destination.encode()).hexdigest()[:8]
        return self.folder / batch_id / f"changes-{safe_name(destination)[:40]}-{own}.parquet"


@dataclass
class BatchWriter:
    """Writes one batch: `add` frames in file order, then `finish`. Nothing is visible before `finish` returns."""

    part: Path
    final: Path
    stream: str
    key: tuple[str, ...]
    timezone: str
    seal: Seal | None = field(default=None, repr=False)
    made_at: datetime | None = None
    _parts: list[Path] = field(default_factory=list)
    _schema: dict[str, pl.DataType] = field(default_factory=dict)
    _filled: set[str] = field(default_factory=set)

    def add(self, frame: pl.DataFrame) -> None:
        """Write rows (with `_row`). Raises ConfigError if their types differ from the frames before."""
        frame = storable(frame, self.stream)
        if not self._schema:
            self._schema = dict(frame.schema)
        elif dict(frame.schema) != self._schema:
            raise ConfigError(
                f"{self.stream}: the frames of one file have different columns or types",
                next_step="Let the stream's transform cast its columns to fixed types.",
            )
        self._filled.update(column.name for column in frame if column.null_count() < frame.height)
        path = self.part / f"part-{len(self._parts):05d}.parquet"
        self._write(path, frame)
        self._parts.append(path)

    def finish(self, rejected: int, *, is_whole: bool = True) -> Batch:
        """Settle keys that stand twice (the last row wins) and publish the batch.

        One that is not whole has only some rows of its file: what it lacks is not gone.
        """
        duplicate, rows = self._settle_duplicates()
        facts = {
            "stream": self.stream,
            "parts": [path.name for path in self._parts],
            "rows": rows,
            "duplicate": duplicate,
            "rejected": rejected,
            "timezone": self.timezone,
            "empty": [name for name in self._schema if name not in self._filled],
            "whole": is_whole,
            "made_at": self.made_at.isoformat() if self.made_at else None,
            "sealed": self.seal is not None,
        }
        for path in self._parts:
            sync_file(path)
        write_text(self.part / MANIFEST, json.dumps(facts))
        shutil.rmtree(self.final, ignore_errors=True)
        publish(self.part, self.final)
        batch = StagingArea(self.final.parent, self.seal).load(self.final.name)
        assert batch is not None
        return batch

    def _settle_duplicates(self) -> tuple[int, int]:
        """Return (duplicates dropped, rows kept). Holds eight bytes for each row, and the keys of suspects."""
        import polars as pl

        # The hash lives for this call only; two keys that share one are told apart by themselves below.
        digest = pl.struct(self.key).hash().alias("digest")
        hashes = [self._read(path, self.key).select(digest) for path in self._parts]
        digests = pl.concat(hashes).to_series() if hashes else pl.Series(dtype=pl.UInt64)
        suspect = digests.is_duplicated()
        if not suspect.any():
            return 0, digests.len()
        dropped = 0
        for path, losers in zip(self._parts, self._losers(suspect), strict=True):
            if losers.any():
                dropped += int(losers.sum())
                self._write(path, self._read(path).filter(~losers))
        return dropped, digests.len() - dropped

    def _losers(self, suspect: pl.Series) -> list[pl.Series]:
        """Return for each part which rows have a later row of the same key."""
        import polars as pl

        heights, found, offset = [], [], 0
        for path in self._parts:
            keys = self._read(path, self.key).with_row_index("at", offset=offset)
            heights.append(keys.height)
            found.append(keys.filter(suspect.slice(offset, keys.height)))
            offset += keys.height
        suspects = pl.concat(found)
        lost = suspects.filter(~pl.struct(self.key).is_last_distinct())["at"]
        flags = pl.int_range(offset, dtype=pl.UInt32, eager=True).is_in(lost.cast(pl.UInt32).implode())
        starts = [sum(heights[:n]) for n in range(len(heights))]
        return [flags.slice(start, height) for start, height in zip(starts, heights, strict=True)]

    def _write(self, path: Path, frame: pl.DataFrame) -> None:
        if self.seal is None:
            _write_parquet(frame, path)
            return
        plain = io.BytesIO()
        frame.write_parquet(plain, compression="zstd", compression_level=1)
        path.write_bytes(self.seal.seal(plain.getvalue(), about=_about(path, self.final.name)))

    def _read(self, path: Path, columns: tuple[str, ...] | None = None) -> pl.DataFrame:
        import polars as pl

        source = path if self.seal is None else io.BytesIO(_unsealed(self.seal, path, self.final.name))
        return pl.read_parquet(source, columns=list(columns) if columns else None)


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a file. Raises OSError: Polars has errors of its own for a disk that takes no more."""
    import polars as pl

    try:
        frame.write_parquet(path, compression="zstd", compression_level=1)
    except pl.exceptions.ComputeError as error:
        has_room = not is_disk_full(error) and shutil.disk_usage(path.parent).free > NO_ROOM_BYTES
        number = errno.EIO if has_room else errno.ENOSPC
        raise OSError(number, os.strerror(number), str(path)) from error


def _about(part: Path, batch_id: str) -> bytes:
    """Return what binds a sealed part to its place: it opens in no other."""
    return f"{batch_id}/{part.name}".encode()


def _unsealed(seal: Seal, part: Path, batch_id: str) -> bytes:
    from backhaul.sealing import Damaged

    try:
        return seal.unseal(part.read_bytes(), about=_about(part, batch_id))
    except Damaged:
        raise BackhaulError(
            f"batch {batch_id}: its part {part.name} is damaged",
            next_step="Rebuild it from the kept file with `backhaul replay`.",
        ) from None


def storable(frame: pl.DataFrame, stream: str) -> pl.DataFrame:
    """Return frame with the few types that every destination knows.

    Those are String, Int64, Float64, Boolean, Date, Datetime (microseconds, UTC) and Decimal.
    Raises ConfigError for lists, structs and the like.
    """
    import polars as pl

    casts = []
    for name, dtype in frame.schema.items():
        if dtype in (pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date) or isinstance(dtype, pl.Decimal):
            continue
        if dtype == pl.Datetime("us", "UTC"):
            continue
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            casts.append(pl.col(name).dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
        elif dtype.is_integer():
            casts.append(pl.col(name).cast(pl.Int64))
        elif dtype.is_float():
            casts.append(pl.col(name).cast(pl.Float64))
        elif dtype in (pl.Null, pl.Categorical, pl.Time) or isinstance(dtype, pl.Enum):
            casts.append(pl.col(name).cast(pl.String))
        else:
            raise ConfigError(
                f"{stream}: column {name!r} has type {dtype}, which no destination can take",
                next_step="Let the stream's transform turn it into text, a number, a date or a time.",
            )
    try:
        return frame.with_columns(casts) if casts else frame
    except pl.exceptions.PolarsError:
        # Its message would quote values.
        raise ConfigError(
            f"{stream}: a whole number has more than 18 digits, which no destination can take",
            next_step="Let the stream's transform turn its column into text.",
        ) from None


def keyed(frame: pl.DataFrame, key: tuple[str, ...], stream: str) -> pl.DataFrame:
    """Return frame with its key columns as trimmed text, empty ones as null.

    Exports pad their ids with spaces. Raises SourceChanged if a key column is absent.
    """
    import polars as pl

    if absent := [name for name in key if name not in frame.columns]:
        found = [name for name in frame.columns if name != ROW]
        raise SourceChanged(f"{stream}: key column {', '.join(map(repr, absent))} is missing; found {found}")
    columns = [pl.col(name).cast(pl.String).str.strip_chars() for name in key]
    trimmed = frame.with_columns(columns)
    return trimmed.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in key)
