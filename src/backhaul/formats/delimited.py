"""The rows of a delimited file as frames of text, in bounded memory."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from backhaul.errors import SourceChanged
from backhaul.formats.text import BLOCK_BYTES, Layout, utf8_blocks

BATCH_ROWS = 50_000
LONGEST_LINE_BYTES = 64 * 1024**2
"""A longer line is no row of a table; the bound keeps memory bounded."""


def text_frames(path: Path, layout: Layout) -> Iterator[pl.DataFrame]:
    """Yield the rows of path as text, in file order; an empty field is null, a blank line is no row.

    Polars reads block by block. From the first block on that it doubts (a lone quote, a row of another
    length, a blank line) the csv module decides, strictly, to the end of the file: slower, and with a line
    number for errors. Raises SourceChanged for a row with too few fields, with more fields that are not
    empty, or with a broken quote.
    """
    blocks = _from(utf8_blocks(path, layout.encoding), layout.skip_bytes)
    rest, lines_before = b"", layout.skip_lines
    for block in itertools.chain(blocks, [b""]):
        data = rest + block
        cut = _record_end(data) if block else len(data)
        if not cut and len(data) < 4 * BLOCK_BYTES:
            rest = data
            continue
        frame = _by_polars(data[:cut], layout) if cut else None
        if frame is None:
            yield from _by_csv(path, layout, itertools.chain([data], blocks), lines_before)
            return
        yield from frame.iter_slices(BATCH_ROWS)
        lines_before += data.count(b"\n", 0, cut)
        rest = data[cut:]


def _from(blocks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for block in blocks:
        if skip < len(block):
            yield block[skip:] if skip else block
        skip = max(0, skip - len(block))


def _record_end(data: bytes) -> int:
    """Return where the last whole record of data ends: at a line end after an even number of quotes."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end


def _by_polars(data: bytes, layout: Layout) -> pl.DataFrame | None:
    """Return the records of data, or None if anything about them is unusual."""
    schema = dict.fromkeys(layout.columns, pl.String())
    if not data:
        return pl.DataFrame(schema=schema)
    if not _quotes_are_plain(data, layout.separator.encode()):
        return None
    try:
        frame = pl.read_csv(data, has_header=False, schema=schema, separator=layout.separator)
    except pl.exceptions.PolarsError:
        return None
    if _has_short_row(data, frame, layout.separator):
        return None
    if b'""' in data:
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return frame


def _quotes_are_plain(data: bytes, separator: bytes) -> bool:
    """Return whether each quote opens a field, closes one or is doubled; Polars guesses where it is not so."""
    if b'""' in data:
        if re.search(rb'""[^"%b\r\n]' % re.escape(separator), data) and _opens_doubled(data, separator):
            return False
        data = data.replace(b'""', b"")
    if b'"' not in data:
        return True
    # Every second part stands between a closing quote and the next opening one.
    before, *parts = data.split(b'"')
    outside, after = parts[1:-1:2], parts[-1]
    starts, ends = {part[:1] for part in outside}, {part[-1:] for part in outside}
    starts |= {after[:1]} if after else set()
    ends |= {before[-1:]} if before else set()
    if b"\r" in starts and any(part[:1] == b"\r" and part[1:2] != b"\n" for part in (*outside, after)):
        return False
    return len(parts) % 2 == 0 and starts <= {separator, b"\n", b"\r"} and ends <= {separator, b"\n"}


def _opens_doubled(data: bytes, separator: bytes) -> bool:
    return re.search(rb'(?:\A|[%b\r\n])""[^"%b\r\n]' % ((re.escape(separator),) * 2), data) is not None


def _has_short_row(data: bytes, frame: pl.DataFrame, separator: str) -> bool:
    """Return whether a row lacks fields, or is blank: Polars fills it up with nulls and says nothing.

    A whole row whose last n fields are null ends with n separators, so such rows and line ends are as many.
    """
    are_null = pl.repeat(True, frame.height, eager=True)
    for number in range(1, max(2, frame.width)):
        are_null &= frame.to_series(-number).is_null()
        rows = are_null.sum()
        if not rows:
            return False
        if rows != _line_ends(data, frame, separator * number):
            return True
    return False


def _line_ends(data: bytes, frame: pl.DataFrame, ending: str) -> int:
    """Return how many rows of data end with ending."""
    ends = [ending + "\n", ending + "\r\n"]
    found = sum(data.count(end.encode()) for end in ends) + data.endswith(ending.encode())
    if frame.height != data.count(b"\n") + (not data.endswith(b"\n")):
        # Some line ends are inside of quoted fields and end no row.
        for end in ends:
            found -= sum(frame.select(pl.all().str.count_matches(end, literal=True).sum()).row(0))
    return found


def _by_csv(path: Path, layout: Layout, blocks: Iterable[bytes], lines_before: int) -> Iterator[pl.DataFrame]:
    # The module's own limit of 128 KB would refuse a long note in one file and take it in another.
    csv.field_size_limit(LONGEST_LINE_BYTES)
    reader = csv.reader(_lines(path, blocks), delimiter=layout.separator, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row:
                if len(row) != len(layout.columns):
                    row = _fitted(path, layout, row, lines_before + reader.line_num)
                rows.append(row)
            if len(rows) == BATCH_ROWS:
                yield _frame(layout, rows)
                rows = []
    except csv.Error as error:
        line = lines_before + reader.line_num
        raise SourceChanged(f"{path.name}: line {line:,} cannot be read ({error}), or the file is cut off") from error
    if rows:
        yield _frame(layout, rows)


def _lines(path: Path, blocks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.decode() + "\n"
        if len(rest) > LONGEST_LINE_BYTES:
            raise SourceChanged(f"{path.name}: a line is longer than {LONGEST_LINE_BYTES:,} bytes; this is no table")
    if rest:
        yield rest.decode()


def _fitted(path: Path, layout: Layout, row: list[str], line: int) -> list[str]:
    width = len(layout.columns)
    if len(row) > width and not any(row[width:]):
        return row[:width]
    raise SourceChanged(
        f"{path.name}: line {line:,} has {len(row)} fields, the header has {width}",
        next_step="Look at that line: an unquoted separator, or a file that is cut off. Export again.",
    )


def _frame(layout: Layout, rows: list[list[str]]) -> pl.DataFrame:
    fields = [[value or None for value in column] for column in zip(*rows, strict=True)]
    return pl.DataFrame(
        [pl.Series(name, values, dtype=pl.String) for name, values in zip(layout.columns, fields, strict=True)]
    )
