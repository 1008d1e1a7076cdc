"""What a stream's rows become: documents with our fields, and lists in them whose entries have keys."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backhaul.destinations.mongo.values import Unstorable, field_name, is_same, stored
from backhaul.errors import ConfigError
from backhaul.model import REMOVED_AT, ROW, Rejected, Stream

if TYPE_CHECKING:
    import polars as pl

OWN = "_backhaul"
"""The field of a document that holds our bookkeeping: which batch made it, changed it, marked it as removed."""

MOST_BYTES = 16 * 1024 * 1024 - 64 * 1024
"""MongoDB's limit for a document, less what bookkeeping and marks take."""


@dataclass(frozen=True)
class Nested:
    """A column whose list becomes a list of sub-documents, merged by a key inside it.

    A cell is a JSON list of objects. An entry of the batch changes the entry with its key, or is added behind the
    others; fields that it has not, and entries that the batch has not, stay as they are.

    Args:
        column: the column, and the field it becomes.
        key: the field that names an entry, such as `lesson`.
        on_insert: fields that are written when an entry is added and never again, such as `paid`.
    """

    column: str
    key: str
    on_insert: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One entry of a nested list: its key, and all its fields, the key's among them."""

    key: Any
    fields: Mapping[str, Any]

    def is_of(self, there: Any, key_field: str) -> bool:
        """Tell whether an entry of a document has this key."""
        return isinstance(there, Mapping) and key_field in there and is_same(self.key, there[key_field])


@dataclass(frozen=True)
class Row:
    """One row of a batch as a document: `number` in its artifact, key, plain fields and nested lists by field."""

    number: int
    key: tuple[str, ...]
    fields: Mapping[str, Any]
    lists: Mapping[str, tuple[Entry, ...]]


@dataclass(frozen=True)
class Shape:
    """How the columns of a batch lie in documents; `name` is the destination's, for messages.

    Args:
        key: the fields of the key, in the stream's order.
        fields: the field of each column that is neither key nor nested.
        nested: by field, the lists that this batch has.
        on_insert: fields that only a new document gets.
        is_complete: documents that the batch lacks are marked with `removed_at`.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    fields: Mapping[str, str]
    nested: Mapping[str, Nested]
    on_insert: frozenset[str]
    is_complete: bool = False
    key_columns: tuple[str, ...] = field(default=())

    @classmethod
    def of(
        cls,
        name: str,
        stream: Stream,
        schema: Iterable[str],
        *,
        nested: Collection[Nested] = (),
        on_insert: Collection[str] = (),
        id_column: str | None = None,
    ) -> Shape:
        """Return the shape of a stream's batch with the columns of schema. Raises ConfigError if names clash."""
        columns = tuple(schema)
        if id_column is not None and stream.key != (id_column,):
            raise ConfigError(f"{name}: id_column is {id_column!r}, and the key of {stream.name} is another")
        lists = {each.column: each for each in nested}
        if twice := sorted({*stream.key} & {*on_insert, *lists} | {*on_insert} & {*lists}):
            raise ConfigError(f"{name}: {', '.join(map(repr, twice))} cannot be two of key, on_insert and nested")
        place = {column: "_id" if column == id_column else field_name(column) for column in (*columns, *stream.key)}
        _refuse_bad_names(name, stream, place, id_column)
        return cls(
            name=name,
            columns=columns,
            key=tuple(place[column] for column in stream.key),
            fields={column: place[column] for column in columns if column not in (*stream.key, *lists)},
            nested={place[column]: lists[column] for column in columns if column in lists},
            on_insert=frozenset(map(field_name, on_insert)),
            is_complete=stream.complete,
            key_columns=stream.key,
        )

    @property
    def read(self) -> dict[str, int]:
        """The projection of all that a comparison looks at."""
        compared = [name for name in self.fields.values() if name not in self.on_insert]
        return dict.fromkeys([*self.key, *compared, *self.nested, REMOVED_AT, OWN], 1)

    def rows(self, frame: pl.DataFrame) -> Iterator[Row | Rejected]:
        """Yield each row of frame (with `_row`) as a document, or why it cannot be one."""
        from bson import encode
        from bson.errors import InvalidDocument

        for cells in frame.iter_rows(named=True):
            try:
                row = self._row(cells)
                size_bytes = len(encode(document_of(self, row)))
            except Unstorable as reason:
                yield Rejected(cells[ROW], str(reason))
            except (InvalidDocument, OverflowError, UnicodeError):
                yield Rejected(cells[ROW], "a text that MongoDB cannot keep")
            else:
                is_large = size_bytes > MOST_BYTES
                yield Rejected(cells[ROW], "more than the 16 MB of a document") if is_large else row

    def _row(self, cells: Mapping[str, Any]) -> Row:
        fields = {}
        for column, name in self.fields.items():
            try:
                fields[name] = stored(cells[column])
            except Unstorable as reason:
                raise Unstorable(f"column {column}: {reason}") from None
        lists = {}
        for name, nested in self.nested.items():
            try:
                lists[name] = tuple(_entries(cells[nested.column], field_name(nested.key)))
            except Unstorable as reason:
                raise Unstorable(f"column {nested.column}: {reason}") from None
        return Row(cells[ROW], tuple(cells[column] for column in self.key_columns), fields, lists)


def document_of(shape: Shape, row: Row) -> dict[str, Any]:
    """Return the document that row becomes where none of its key is there, bookkeeping left out."""
    lists = {name: [dict(entry.fields) for entry in entries] for name, entries in row.lists.items()}
    return {**dict(zip(shape.key, row.key, strict=True)), **row.fields, **lists}


def _entries(cell: Any, key: str) -> Iterator[Entry]:
    """Yield a cell's entries, each key once: the last one counts. Raises Unstorable."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise Unstorable("it is no JSON list") from None
    if cell is None:
        return
    if not isinstance(cell, list):
        raise Unstorable("it is no list")
    found: dict[Any, Entry] = {}
    for each in cell:
        fields = stored(each)
        value = fields.get(key) if isinstance(fields, dict) else None
        if value is None or isinstance(value, dict | list):
            raise Unstorable(f"an entry has no {key}")
        found[type(value) is bool, value] = Entry(value, fields)
    yield from found.values()


def _refuse_constant(_name: str) -> None:
    raise ValueError("JSON has no such number")


def _refuse_bad_names(name: str, stream: Stream, place: Mapping[str, str], id_column: str | None) -> None:
    """Raise ConfigError for columns that no field can be named after, or that two become one."""
    reserved = {OWN, *([REMOVED_AT] if stream.complete else [])}
    for column, target in place.items():
        taken = target in reserved or (target == "_id" and column != id_column)
        if taken or not target or "\0" in target:
            raise ConfigError(
                f"{name}: a document of {stream.name} cannot have a field for column {column!r}",
                next_step="Rename the column in the stream's transform.",
            )
    if len({*place.values()}) < len(place):
        raise ConfigError(
            f"{name}: two columns of {stream.name} become fields of one name: dots and $ are written full-width",
            next_step="Rename one of them in the stream's transform.",
        )
