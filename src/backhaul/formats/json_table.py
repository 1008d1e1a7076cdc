"""JSON and lines of JSON as typed frames: where the records are, and what their fields are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from backhaul.errors import SourceChanged
from backhaul.formats.json_text import JsonText, Number

if TYPE_CHECKING:
    import polars as pl

    from backhaul.formats.columns import ColumnKind

MAX_COLUMNS = 16_384
_BATCH_CELLS = 1_000_000
_BATCH_ROWS = 50_000
_USUAL_NAMES = ("data", "rows", "items", "result", "results", "records")
_DEPTH = 3
_MAX_EXPONENT = 30
_FAILURE_FIELDS = frozenset(("error", "errors", "exception", "message", "messages", "msg", "detail", "reason"))
_MESSAGE_FIELDS = _FAILURE_FIELDS | {"status", "code", "success", "ok", "details", "title", "type", "instance"}
_MESSAGE_FIELDS |= {"file", "line", "trace", "timestamp", "path", "statuscode", "status_code", "error_code", "data"}
_MESSAGE_FIELDS |= {"error_description", "description"}
_NEXT_PAGE = ("next_page_url", "next", "next_cursor", "nextlink", "next_page_token", "@odata.nextlink")
_BAD_STATUS = ("error", "fail", "failed", "failure")


@dataclass
class _Found:
    """What the one object at the top of a file holds: arrays by their path, and its other fields."""

    arrays: dict[tuple[str, ...], int] = field(default_factory=dict)
    fields: dict[tuple[str, ...], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where the records are: the values at the top of the file, or the elements of the array with this path."""

    array: tuple[str, ...] | None = None
    at_top: bool = False


def check_json(path: Path) -> None:
    """Check that the JSON in path is whole and holds records; read as a stream.

    Raises TransientError if it is cut off, SourceChanged for what holds no records, an error message among it.
    """
    for number, record in enumerate(_records(path, _place(path, ())), start=1):
        if not isinstance(record, (dict, list)):
            raise _no_record(path, number)


def json_frames(path: Path, text_columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Yield the records as rows of one schema; see read_table.

    Objects inside of objects become columns with a dot, lists JSON text. A list without records has no header
    either, so no frame comes of it.
    """
    import polars as pl

    from backhaul.formats.columns import ALL_KINDS, narrowed, trimmed, typed
    from backhaul.formats.spool import Spool

    columns = _Columns(path)
    possible: dict[str, tuple[ColumnKind, ...]] = {}
    with TemporaryDirectory(prefix="backhaul-rows-") as folder:
        rows = Spool(Path(folder))
        for frame in _text_frames(columns, _named_records(path, _place(path, text_columns))):
            for name, kinds in columns.kinds.items():
                possible[name] = tuple(kind for kind in possible.get(name, ALL_KINDS) if kind in kinds)
            known = {name: kinds for name, kinds in possible.items() if name not in text_columns}
            possible.update(narrowed(frame, known))
            rows.add(frame)
        known = {name: kinds for name, kinds in possible.items() if name not in text_columns}
        for frame in rows.frames():
            absent = [pl.lit(None, pl.String).alias(name) for name in columns.kinds if name not in frame.columns]
            yield trimmed(typed(frame.with_columns(absent).select(list(columns.kinds)), known), text_columns)


class _Columns:
    """The columns met so far, in order of appearance, and the types that their values have had."""

    def __init__(self, path: Path) -> None:
        from backhaul.formats.columns import ALL_KINDS, DATE_KINDS, ColumnKind

        self._path = path
        self._all = ALL_KINDS
        self._of_text = DATE_KINDS
        self._of_number = (ColumnKind.INTEGER, ColumnKind.DECIMAL)
        self._of_truth = (ColumnKind.BOOLEAN,)
        self.kinds: dict[str, tuple[ColumnKind, ...]] = {}

    def texts(self, record: dict[str, Any]) -> dict[str, str | None]:
        """Return the fields of record as text by column."""
        row: dict[str, str | None] = {}
        self._put(record, "", row)
        return row

    def _put(self, record: dict[str, Any], prefix: str, row: dict[str, str | None]) -> None:
        for key, value in record.items():
            name = prefix + (key.strip() or f"column_{len(row) + 1}")
            if isinstance(value, dict) and value:
                self._put(value, f"{name}.", row)
                continue
            if name in row:
                raise SourceChanged(f"{self._path.name}: two fields of a record are both called {name[:60]!r}")
            row[name] = self._text(name, value)

    def _text(self, name: str, value: Any) -> str | None:
        kinds = self._all
        text: str | None = None
        if type(value) is str:
            if value:
                text, kinds = value, self._of_text
        elif type(value) is Number:
            text, kinds = _plain(value), self._of_number
        elif value is True or value is False:
            text, kinds = ("true" if value else "false"), self._of_truth
        elif value is not None and value != {}:
            text, kinds = _written(value), ()
        known = self.kinds.get(name)
        if known is None:
            if len(self.kinds) == MAX_COLUMNS:
                raise SourceChanged(f"{self._path.name}: the records have over {MAX_COLUMNS:,} fields in all")
            self.kinds[name] = kinds
        elif known != kinds:
            self.kinds[name] = tuple(kind for kind in known if kind in kinds)
        return text


def _text_frames(columns: _Columns, records: Iterator[dict[str, Any]]) -> Iterator[pl.DataFrame]:
    waiting: list[dict[str, str | None]] = []
    cells = 0
    for record in records:
        waiting.append(columns.texts(record))
        cells += len(waiting[-1])
        if len(waiting) == _BATCH_ROWS or cells > _BATCH_CELLS:
            yield _frame(columns, waiting)
            waiting, cells = [], 0
    if waiting:
        yield _frame(columns, waiting)


def _frame(columns: _Columns, rows: list[dict[str, str | None]]) -> pl.DataFrame:
    import polars as pl

    present = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in columns.kinds if name in present]
    return pl.DataFrame([pl.Series(name, [row.get(name) for row in rows], dtype=pl.String) for name in names])


def _named_records(path: Path, place: _Place) -> Iterator[dict[str, Any]]:
    """Yield the records as objects; arrays are named by the first of them, the header."""
    header: list[str] | None = None
    for number, record in enumerate(_records(path, place)):
        if isinstance(record, dict) and header is None:
            yield record
        elif isinstance(record, list) and (header is not None or number == 0):
            if header is None:
                header = _header(path, record)
            elif len(record) != len(header):
                said = f"row {number:,} has {len(record)} values, the header has {len(header)}"
                raise SourceChanged(f"{path.name}: {said}")
            else:
                yield dict(zip(header, record, strict=True))
        else:
            raise _no_record(path, number + 1)


def _header(path: Path, record: list[Any]) -> list[str]:
    from backhaul.formats.text import column_names

    if not record or any(type(name) is not str for name in record):
        raise SourceChanged(f"{path.name}: rows without names, the first one is no header")
    return list(column_names(path, record))


def _records(path: Path, place: _Place) -> Iterator[Any]:
    text = JsonText(path)
    if place.at_top:
        while text.peek():
            yield text.value()
    elif place.array is not None:
        yield from _array(text, place.array)
        text.end()


def _array(text: JsonText, path: tuple[str, ...]) -> Iterator[Any]:
    if not path:
        yield from text.elements()
        return
    is_found = False
    for name in text.members():
        if name == path[0] and not is_found:
            is_found = True
            yield from _array(text, path[1:])
        else:
            _skip(text)


def _skip(text: JsonText) -> None:
    if text.peek() == "[":
        for _ in text.elements():
            pass
    elif text.peek() == "{":
        for _ in text.members():
            _skip(text)
    else:
        text.value()


def _place(path: Path, keys: tuple[str, ...]) -> _Place:
    """Return where the records are; keys tell a single record from an object around records."""
    text = JsonText(path)
    if text.peek() == "[":
        return _place_of_arrays(text)
    found = _Found()
    _look_into(text, (), found)
    if text.peek():
        return _Place(at_top=True)
    names = {name[0]: None for name in (*found.fields, *found.arrays)}
    dotted = {".".join(name) for name in (*found.fields, *found.arrays)}
    if keys and set(keys) <= dotted:
        return _Place(at_top=True)
    array = _chosen_array(path, found)
    if array is None:
        _refuse_message(path, names)
        return _Place(at_top=True)
    if not found.arrays[array]:
        _refuse_failure(path, found)
    _refuse_page(path, found)
    return _Place(array)


def _place_of_arrays(text: JsonText) -> _Place:
    """Tell one array of records from lines that are arrays."""
    is_flat = True
    for value in text.elements():
        if isinstance(value, (dict, list)):
            return _Place(())
        is_flat = is_flat and value is not None
    return _Place(at_top=True) if is_flat and text.peek() == "[" else _Place(())


def _look_into(text: JsonText, path: tuple[str, ...], found: _Found) -> None:
    for name in text.members():
        place = (*path, name)
        start = text.peek()
        if start == "[":
            size, is_records = 0, True
            for element in text.elements():
                size += 1
                is_records = is_records and isinstance(element, (dict, list))
            if is_records:
                found.arrays[place] = size
            else:
                found.fields[place] = True
        elif start == "{" and len(place) < _DEPTH:
            _look_into(text, place, found)
        else:
            value = text.value()
            found.fields[place] = value if not isinstance(value, dict) else bool(value)


def _chosen_array(path: Path, found: _Found) -> tuple[str, ...] | None:
    """Return the path of the array of records: with a usual name, or the only one that is filled."""
    for name in _USUAL_NAMES:
        of_name = [place for place in found.arrays if place[-1].casefold() == name]
        if of_name:
            return min(of_name, key=len)
    filled = [place for place, size in found.arrays.items() if size]
    if len(filled) > 1:
        names = ", ".join(".".join(place)[:40] for place in filled[:6])
        raise SourceChanged(f"{path.name}: the JSON holds {len(filled)} lists of records: {names}")
    return next(iter(filled or found.arrays), None)


def _refuse_message(path: Path, names: dict[str, None]) -> None:
    """Raise SourceChanged for an object that is a message instead of a record, by the names of its fields."""
    low = {name.casefold() for name in names}
    if not low or (low & _FAILURE_FIELDS and low <= _MESSAGE_FIELDS):
        raise _message(path, names)


def _refuse_failure(path: Path, found: _Found) -> None:
    """Raise SourceChanged for an empty list beside the word that something failed: that is no empty day."""
    for place, value in found.fields.items():
        name = place[-1].casefold()
        is_failure = (name in ("success", "ok") and value is False) or (
            name == "status" and isinstance(value, str) and value.casefold() in _BAD_STATUS
        )
        if is_failure or (name in ("error", "errors", "exception") and value not in (None, False, "", "0")):
            raise _message(path, {each[0]: None for each in (*found.fields, *found.arrays)})


def _refuse_page(path: Path, found: _Found) -> None:
    for place, value in found.fields.items():
        if place[-1].casefold() in _NEXT_PAGE and value:
            raise SourceChanged(
                f"{path.name}: the JSON is one page of several, as its field {'.'.join(place)[:60]!r} says",
                next_step="Choose the site's export of all rows, or a page size that holds them all.",
            )


def _message(path: Path, names: dict[str, None]) -> SourceChanged:
    said = ", ".join(name[:40] for name in list(names)[:8]) or "none"
    return SourceChanged(
        f"{path.name}: expected records, got a message with the fields {said}",
        next_step="The session has expired or the site shows an error; look at the page in a browser.",
    )


def _no_record(path: Path, number: int) -> SourceChanged:
    return SourceChanged(f"{path.name}: value {number:,} of the JSON is no record like the others")


def _plain(number: str) -> str:
    """Return the number without an exponent, unless it is enormous."""
    if number == "-0":
        return "0"
    if "e" in number or "E" in number:
        exact = Decimal(number)
        if abs(exact.adjusted()) <= _MAX_EXPONENT:
            return f"{exact:f}"
    return str(number)


def _written(value: Any) -> str:
    """Return a list, or what is in it, as JSON text; numbers as they were."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_written(each)}" for name, each in value.items()) + "}"
    return str(value) if type(value) is Number else json.dumps(value, ensure_ascii=False)
