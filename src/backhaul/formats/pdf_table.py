"""The tables of a PDF document as typed frames, read by a process that is stopped when it takes too long."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from backhaul.errors import ConfigError, SourceChanged
from backhaul.formats.pdf_proof import check_pdf
from backhaul.formats.text import column_names

if TYPE_CHECKING:
    import polars as pl

    from backhaul.formats.spool import Spool

MAX_SECONDS = 300.0
"""How long reading one document may take; 200 pages of 25 rows x 10 columns take about 20 s of CPU."""

_MAX_PAGES = 5_000
_MAX_GROUPS = 200
_BATCH_ROWS = 10_000
_NEXT = "Choose XLSX or CSV as the format of the export."


@dataclass
class _Group:
    """Tables with one header: their rows wait in a spool."""

    header: list[str]
    rows: Spool
    height: int = 0


def pdf_frames(path: Path, text_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Yield the rows of the tables whose header has text_columns, else of the largest; see read_table.

    A table goes on over pages, its header may be repeated. All cells are text, typed as in a delimited file;
    lines of a wrapped cell are joined by a space. Raises ConfigError where pdfplumber is missing.
    """
    from backhaul.formats.spool import Spool, typed_frames

    check_pdf(path)
    if importlib.util.find_spec("pdfplumber") is None:
        raise ConfigError(
            f"{path.name}: reading PDF documents needs pdfplumber, which is not installed",
            next_step='Install it: pip install "backhaul[pdf]"; or choose XLSX or CSV as the format of the export.',
        )
    with TemporaryDirectory(prefix="backhaul-pdf-") as folder:
        groups: list[_Group] = []
        waiting: dict[int, list[list[str]]] = {}
        for said in _read(path):
            if isinstance(said, list):
                number, row = said
                rows = waiting.setdefault(number, [])
                rows.append(row)
                if len(rows) == _BATCH_ROWS:
                    _put(path, groups[number], waiting.pop(number))
            elif "group" in said:
                if len(groups) == _MAX_GROUPS:
                    raise SourceChanged(f"{path.name}: over {_MAX_GROUPS} different tables in one PDF document")
                place = Path(folder) / str(said["group"])
                place.mkdir()
                groups.append(_Group(said["header"], Spool(place)))
            else:
                _check_end(path, said, groups)
        for number, rows in waiting.items():
            _put(path, groups[number], rows)
        chosen = _chosen(groups, text_columns)
        names = column_names(path, chosen.header)
        yield from typed_frames(chosen.rows.frames(), names, text_columns)


def _put(path: Path, group: _Group, rows: list[list[str]]) -> None:
    from backhaul.formats.spool import text_frames

    width = len(group.header)
    for row in rows:
        if len(row) != width:
            raise SourceChanged(f"{path.name}: a row has {len(row)} cells, the header of its table {width}")
    group.height += len(rows)
    for frame in text_frames(rows, column_names(path, group.header)):
        group.rows.add(frame)


def _chosen(groups: list[_Group], wanted: tuple[str, ...]) -> _Group:
    fitting = [group for group in groups if wanted and set(wanted) <= {name.strip() for name in group.header}]
    return max(fitting or groups, key=lambda group: group.height * len(group.header))


def _read(path: Path) -> Iterator[Any]:
    """Yield what the reading process prints; it ends with the caller, and after MAX_SECONDS."""
    command = [sys.executable, "-P", "-m", "backhaul.formats.pdf_child", str(path.absolute())]
    is_late = threading.Event()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as child:

        def stop() -> None:
            is_late.set()
            child.kill()

        timer = threading.Timer(MAX_SECONDS, stop)
        timer.start()
        last: Any = None
        try:
            assert child.stdout is not None
            for line in child.stdout:
                with contextlib.suppress(json.JSONDecodeError):
                    last = json.loads(line)
                    yield last
        finally:
            timer.cancel()
            child.kill()
    if is_late.is_set():
        raise SourceChanged(f"{path.name}: the PDF document takes over {MAX_SECONDS:.0f} s to read", next_step=_NEXT)
    if not isinstance(last, dict) or "pages" not in last:
        raise SourceChanged(f"{path.name}: the PDF document is damaged, or too large to read", next_step=_NEXT)


def _check_end(path: Path, said: dict[str, Any], groups: list[_Group]) -> None:
    """Raise SourceChanged for what the reading process says of a document without a usable table."""
    if said["why"] == "locked":
        raise SourceChanged(f"{path.name}: the PDF document is locked (encrypted)", next_step=_NEXT)
    if said["why"] == "damaged":
        raise SourceChanged(f"{path.name}: the PDF document is damaged", next_step=_NEXT)
    if said["why"] == "unclear":
        raise SourceChanged(f"{path.name}: a table without lines, whose columns or rows are unclear", next_step=_NEXT)
    if said["pages"] > _MAX_PAGES:
        raise SourceChanged(f"{path.name}: a PDF document of {said['pages']:,} pages", next_step=_NEXT)
    if not said["characters"]:
        raise SourceChanged(f"{path.name}: the PDF document has no text, perhaps it is scanned", next_step=_NEXT)
    if not groups:
        raise SourceChanged(f"{path.name}: no table in the PDF document of {said['pages']:,} pages", next_step=_NEXT)
