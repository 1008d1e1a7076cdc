"""Rows of text on their way to types: they wait, in bounded memory, until all of the file has been seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 50_000
KEPT_BYTES = 16 * 1024**2
"""So much is kept in memory between finding the types and casting."""


class Spool:
    """Frames of text that wait until the types are known: in memory up to KEPT_BYTES, then in files.

    A file costs a fraction of what parsing the text again would.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: list[pl.DataFrame] = []
        self._kept_bytes = 0
        self._files: list[Path] = []
        self.number = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Put a frame behind the others."""
        self.number += 1
        self._kept.append(frame)
        self._kept_bytes += int(frame.estimated_size())
        if self._kept_bytes > KEPT_BYTES:
            self._put_away()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the frames in their order."""
        import polars as pl

        for file in self._files:
            yield pl.read_ipc(file.read_bytes())
            file.unlink()
        yield from self._kept

    def _put_away(self) -> None:
        for frame in self._kept:
            file = self._folder / f"{len(self._files)}.arrow"
            frame.write_ipc(file, compression="lz4")
            self._files.append(file)
        self._kept.clear()
        self._kept_bytes = 0


def typed_frames(
    frames: Iterable[pl.DataFrame], columns: Sequence[str], text_columns: tuple[str, ...]
) -> Iterator[pl.DataFrame]:
    """Yield frames of text with the types that all values of a column have the form of; at least one frame."""
    import polars as pl

    from backhaul.formats.columns import ALL_KINDS, narrowed, trimmed, typed

    possible = {name: ALL_KINDS for name in columns if name not in text_columns}
    with TemporaryDirectory(prefix="backhaul-rows-") as folder:
        rows = Spool(Path(folder))
        for frame in frames:
            possible = narrowed(frame, possible)
            if frame.height:
                rows.add(frame)
        for frame in rows.frames():
            yield trimmed(typed(frame, possible), text_columns)
        if not rows.number:
            yield pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def text_frames(rows: Iterable[Sequence[str | None]], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield rows as frames of text, up to BATCH_ROWS each; empty text is null."""
    waiting: list[Sequence[str | None]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == BATCH_ROWS:
            yield _frame(waiting, columns)
            waiting = []
    if waiting:
        yield _frame(waiting, columns)


def _frame(rows: list[Sequence[str | None]], columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    fields = ([value or None for value in column] for column in zip(*rows, strict=True))
    return pl.DataFrame(
        [pl.Series(name, values, dtype=pl.String) for name, values in zip(columns, fields, strict=True)]
    )
