"""A CSV file as a table of text: read block by block, every field as it stands there.

An empty field is null and a quoted empty one is "", so that nothing is lost on the way there and back.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from backhaul.errors import DeliveryError

if TYPE_CHECKING:
    import polars as pl

BLOCK_BYTES = 16 * 1024**2
WRITTEN_ROWS = 100_000
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class CsvTable:
    """The file at path, in UTF-8; `name` is the destination's, for messages."""

    path: Path
    separator: str
    name: str

    def header(self) -> list[str]:
        """Return the names of the columns; none if the file is empty or not there."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            block = file.read(BLOCK_BYTES)
        text = block.removeprefix(_MARK).decode("utf-8", errors="replace")
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=self.separator), [])
        except csv.Error:
            raise self._unreadable() from None
        if not first and text.strip():
            raise self._unreadable()
        return first

    def blocks(self, width: int) -> Iterator[pl.DataFrame]:
        """Yield the rows below the header, in file order, as text; the columns are named "0" to width - 1.

        Raises DeliveryError if it is no table of that width any more.
        """
        import polars as pl

        schema = {str(number): pl.String() for number in range(width)}
        is_first = True
        for data in self._whole_records():
            try:
                frame = pl.read_csv(data, has_header=False, schema=schema, separator=self.separator)
            except pl.exceptions.PolarsError:
                # Its message would quote values.
                raise self._unreadable() from None
            yield frame.slice(int(is_first))
            is_first = False

    def _whole_records(self) -> Iterator[bytes]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            rest = file.read(len(_MARK)).removeprefix(_MARK)
            while block := file.read(BLOCK_BYTES):
                data = rest + block
                end = _record_end(data)
                if end:
                    yield data[:end]
                rest = data[end:]
        if rest:
            yield rest

    def _unreadable(self) -> DeliveryError:
        return DeliveryError(
            f"{self.name}: {self.path.name} can no longer be read as a table of UTF-8 text; nothing was changed",
            next_step="Another program has saved it differently: restore it, or move it away to begin a new one.",
        )


def write_frame(file: BinaryIO, frame: pl.DataFrame, separator: str) -> None:
    """Append the rows of frame, all text, to file."""
    for rows in frame.iter_slices(WRITTEN_ROWS):
        rows.write_csv(file, include_header=False, separator=separator, quote_style="necessary")


def write_header(file: BinaryIO, names: list[str], separator: str, *, marked: bool) -> None:
    """Write the first line, after the mark by which Excel knows UTF-8 where `marked`."""
    import polars as pl

    file.write(_MARK if marked else b"")
    columns = {str(number): [name] for number, name in enumerate(names)}
    write_frame(file, pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), separator)


def _record_end(data: bytes) -> int:
    """Return where the last whole record of data ends: at a line end after an even number of quotes."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end
