"""PostgreSQL's COPY text as Polars frames of text: NULL is null, an empty string stays one."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import TYPE_CHECKING

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.pgdump.reader import Reader

if TYPE_CHECKING:
    import polars as pl

FRAME_BYTES = 4 * 1024**2
"""How much COPY text becomes one frame, in bytes; a longer row is a frame of its own."""

MAX_ROW_BYTES = 64 * 1024**2
"""The longest row that is read; pictures in a table take two bytes of text for each of theirs."""

_END = b"\\.\n"
_MARK = b"\\."
"""Stands in a column behind the last one: no field can be equal to it, so it tells rows that are short or long."""

_SIMPLE = {"\\\\": "\\", "\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\v": "\v"}
_SIMPLE_ESCAPE = r"\\[\\bfnrtv]"
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.S)
_RAW_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\[\t\n]")
_SPELT = {b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def frames_of(
    reader: Reader, pieces: Iterator[bytes], declared: tuple[str, ...], wanted: tuple[str, ...]
) -> Iterator[pl.DataFrame]:
    """Yield the rows in pieces, COPY text in UTF-8, with the wanted ones of the declared columns; at least one frame.

    Raises TransientError if the text stops before its end mark, goes on behind it, or has a row with another number
    of fields; nothing of a frame with such a row is yielded.
    """
    count = 0
    for rows in _whole_rows(reader, pieces):
        if rows or not count:
            count += 1
            yield _frame(reader, rows, declared, wanted)


def as_utf8(reader: Reader, pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield text in encoding, a codec's name, as UTF-8. Raises SourceChanged for what is not in it."""
    if encoding == "utf-8":
        yield from pieces
        return
    decoder = getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise SourceChanged(
            f"{reader.path.name}: {reader.what} are said to be {encoding} and are not",
            next_step="Make the backup with `pg_dump -Fc --encoding=UTF8`.",
        ) from None


def _whole_rows(reader: Reader, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield text that begins and ends with a row, FRAME_BYTES or more at a time; the last one may be empty."""
    held: list[bytes] = []
    size, wait = 0, FRAME_BYTES
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size < wait:
            continue
        text = b"".join(held)
        end = _end_mark(text)
        if end is not None:
            held = [text]
            break
        cut = _last_row_end(text)
        if cut:
            yield text[:cut]
        held, size = [text[cut:]], len(text) - cut
        wait = max(FRAME_BYTES, 2 * size)
        if size > MAX_ROW_BYTES:
            raise SourceChanged(
                f"{reader.path.name}: {reader.what} have a row of over {MAX_ROW_BYTES // 1024**2} MB",
                next_step="The file is not read, because it would fill memory; have a look at who made it.",
            )
    yield _last_rows(reader, b"".join(held), pieces)


def _last_rows(reader: Reader, text: bytes, pieces: Iterator[bytes]) -> bytes:
    end = _end_mark(text)
    if end is None:
        raise reader.damaged("the rows stop before their end mark")
    if text[end + len(_END) :].strip(b"\n") or any(piece.strip(b"\n") for piece in pieces):
        raise reader.damaged("something stands behind the last row's end mark")
    return text[:end]


def _end_mark(text: bytes) -> int | None:
    if text.startswith(_END):
        return 0
    found = text.find(b"\n" + _END)
    return None if found < 0 else found + 1


def _last_row_end(text: bytes) -> int:
    """Return where the last whole row ends, or 0. A line end behind an odd number of backslashes is data."""
    end = len(text)
    while (end := text.rfind(b"\n", 0, end)) >= 0:
        backslashes = 0
        while text.endswith(b"\\", 0, end - backslashes):
            backslashes += 1
        if backslashes % 2 == 0:
            return end + 1
    return 0


def _frame(reader: Reader, rows: bytes, declared: tuple[str, ...], wanted: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    rows = _spelt_out(rows)
    count, mark = rows.count(b"\n"), str(len(declared))
    tab = b"\t" if declared else b""
    # Polars drops a byte order mark at the beginning, therefore a row of nothing comes first.
    guard = b"\t" * len(declared) + _MARK + b"\n"
    try:
        frame = pl.read_csv(
            guard + rows.replace(b"\n", tab + _MARK + b"\n"),
            has_header=False,
            separator="\t",
            quote_char=None,
            null_values=["\\N"],
            empty_string_is_null=False,
            schema=dict.fromkeys((str(place) for place in range(len(declared) + 1)), pl.String),
            columns=[*sorted(declared.index(name) for name in wanted), len(declared)],
        )
    except pl.exceptions.PolarsError:
        raise _not_as_declared(reader, declared) from None
    if frame.height != count + 1 or not (frame[mark] == _MARK.decode()).all():
        raise _not_as_declared(reader, declared)
    frame = frame.slice(1)
    if not wanted:
        return pl.DataFrame(height=count)
    return pl.DataFrame([_unescaped(reader, frame[str(declared.index(name))].alias(name)) for name in wanted])


def _spelt_out(rows: bytes) -> bytes:
    """Return rows with each tab, line end or CR that belongs to a field as an escape of letters.

    Servers write nothing else; Polars would split at the first two and drop the last.
    """
    if b"\r" not in rows and (not (b"\\\t" in rows or b"\\\n" in rows) or not _RAW_ESCAPE.search(rows)):
        return rows
    rows = _ESCAPE.sub(lambda found: _SPELT.get(found[1], found[0]), rows)
    return rows.replace(b"\r", b"\\r")


def _unescaped(reader: Reader, column: pl.Series) -> pl.Series:
    import polars as pl

    if not column.str.contains("\\", literal=True).any():
        return column
    # Servers write the simple escapes only; what else COPY reads is put right one by one.
    if not column.str.replace_all(_SIMPLE_ESCAPE, "").str.contains("\\", literal=True).any():
        return column.str.replace_many(list(_SIMPLE), list(_SIMPLE.values()))
    try:
        values = [value if value is None else _plain(value) for value in column]
    except UnicodeDecodeError:
        raise reader.damaged("an escaped character is not UTF-8") from None
    return pl.Series(column.name, values, dtype=pl.String)


def _plain(value: str) -> str:
    return _ESCAPE.sub(_character, value.encode()).decode()


def _character(found: re.Match[bytes]) -> bytes:
    name: bytes = found[1]
    if len(name) > 1 and name.startswith(b"x"):
        return bytes([int(name[1:], 16)])
    if name.isdigit() and name[:1] < b"8":
        return bytes([int(name, 8) & 0xFF])
    return _LETTERS.get(name, name)


def _not_as_declared(reader: Reader, declared: tuple[str, ...]) -> TransientError:
    return reader.damaged(f"a row has not {len(declared)} fields of UTF-8 text, as the table declares")
