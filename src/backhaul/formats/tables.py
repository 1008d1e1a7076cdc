"""The rows of any readable file as typed frames: the one door through which sources parse files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from backhaul.formats.kinds import FileKind, kind_of
from backhaul.formats.proof import check_workbook, refuse
from backhaul.formats.text import layout_of

if TYPE_CHECKING:
    import polars as pl

KEPT_BYTES = 16 * 1024**2
"""So much is kept in memory between finding the types and casting."""


def read_table(path: Path, *, text_columns: tuple[str, ...] = ()) -> Iterator[pl.DataFrame]:
    """Yield the rows of path, a proven file, in file order, typed, up to 50,000 a frame.

    The frames have one schema; at least one comes, without rows if there is only a header. Every row is
    there, also one with an empty key; empty rows at the end of a sheet and blank lines of a text are no rows.
    Empty fields are null. text_columns are always text, trimmed; names the file does not have are ignored.

    A delimited column is typed only if each of its values has the form: whole numbers without leading zeros
    and of at most 18 digits, decimal numbers of at most 15, ISO dates, ISO dates with time, truth values.
    In a workbook the cells have their types; a column of numbers and text is text, clock times and
    durations are text (HH:MM:SS), a truth value among numbers is 1 or 0.
    Raises SourceChanged for what it cannot read, TransientError for a file that is cut off.
    """
    match kind_of(path):
        case FileKind.XLSX:
            from backhaul.formats.workbook import workbook_frames

            check_workbook(path)
            yield from workbook_frames(path, text_columns)
        case FileKind.DELIMITED:
            yield from _delimited_frames(path, text_columns)
        case kind:
            refuse(path, kind)


def _delimited_frames(path: Path, text_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    import polars as pl

    from backhaul.formats.columns import ALL_KINDS, narrowed, trimmed, typed
    from backhaul.formats.delimited import text_frames

    layout = layout_of(path)
    possible = {name: ALL_KINDS for name in layout.columns if name not in text_columns}
    with TemporaryDirectory(prefix="backhaul-rows-") as folder:
        rows = _Spool(Path(folder))
        for frame in text_frames(path, layout):
            possible = narrowed(frame, possible)
            if frame.height:
                rows.add(frame)
        for frame in rows.frames():
            yield trimmed(typed(frame, possible), text_columns)
        if not rows.number:
            yield pl.DataFrame(schema=dict.fromkeys(layout.columns, pl.String))


class _Spool:
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
