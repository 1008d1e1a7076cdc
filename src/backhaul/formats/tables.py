"""The rows of any readable file as typed frames: the one door through which sources parse files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import SourceChanged
from backhaul.formats.kinds import FileKind, kind_of
from backhaul.formats.proof import check_workbook, refuse
from backhaul.formats.text import layout_of

if TYPE_CHECKING:
    import polars as pl


def read_table(path: Path, *, text_columns: tuple[str, ...] = ()) -> Iterator[pl.DataFrame]:
    """Yield the rows of path, a proven file, in file order, typed, up to 50,000 a frame.

    The frames have one schema; at least one comes, without rows if there is only a header (none comes of an
    empty list of JSON, which has no header). Every row is there, also one with an empty key; empty rows at the
    end of a sheet and blank lines of a text are no rows. Empty fields are null. text_columns are always text,
    trimmed; names the file does not have are ignored. Of several tables in an HTML or PDF file, the one that has
    text_columns is read, else the largest.

    A column of text (delimited, HTML, PDF) is typed only if each of its values has the form: whole numbers
    without leading zeros and of at most 18 digits, decimal numbers of at most 15, ISO dates, ISO dates with time,
    truth values. In JSON, numbers follow the same rule, text becomes dates at most; objects inside of objects are
    columns with a dot, lists JSON text. In a workbook the cells have their types; a column of numbers and text is
    text, clock times and durations are text (HH:MM:SS), a truth value among numbers is 1 or 0.
    Raises SourceChanged for what it cannot read, TransientError for a file that is cut off, ConfigError for a
    PDF document without the extra `pdf`.
    """
    match kind_of(path):
        case FileKind.XLSX:
            from backhaul.formats.workbook import workbook_frames

            check_workbook(path)
            yield from workbook_frames(path, text_columns)
        case FileKind.XLS:
            from backhaul.formats.legacy import check_legacy
            from backhaul.formats.workbook import workbook_frames

            check_legacy(path)
            yield from workbook_frames(path, text_columns)
        case FileKind.HTML:
            from backhaul.formats.html_table import html_frames

            yield from html_frames(path, text_columns)
        case FileKind.JSON:
            from backhaul.formats.json_table import json_frames

            yield from json_frames(path, text_columns)
        case FileKind.PDF:
            from backhaul.formats.pdf_table import pdf_frames

            yield from pdf_frames(path, text_columns)
        case FileKind.PGDUMP:
            _refuse_archive(path)
        case FileKind.CHAT:
            raise SourceChanged(
                f"{path.name}: an exported chat, where a table is expected",
                next_step="Hand it to a stream that reads chats, or export a table.",
            )
        case FileKind.DELIMITED:
            yield from _delimited_frames(path, text_columns)
        case kind:
            refuse(path, kind)


def _refuse_archive(path: Path) -> None:
    from backhaul.formats.pgdump import Archive

    tables = len(Archive.open(path).tables)
    raise SourceChanged(
        f"{path.name}: a PostgreSQL archive of {tables} tables, where one table is expected",
        next_step="Declare the stream with the tables it reads: `tables=[ArchiveTable(...)]`.",
    )


def _delimited_frames(path: Path, text_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    from backhaul.formats.delimited import text_frames
    from backhaul.formats.spool import typed_frames

    layout = layout_of(path)
    yield from typed_frames(text_frames(path, layout), layout.columns, text_columns)
