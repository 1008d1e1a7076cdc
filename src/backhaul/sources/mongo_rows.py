"""Documents, a line of extended JSON each, as frames whose columns have one type each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backhaul.errors import SourceChanged
from backhaul.sessions.mongo_values import plain, text_of

if TYPE_CHECKING:
    import polars as pl

OWN = "_backhaul"
"""The field in which the MongoDB destination notes what it did to a document."""

LINE_BYTES = 64 * 1024**2
"""More than the 16 MB of a document come to in extended JSON."""

FRAME_BYTES = 8 * 1024**2
FRAME_ROWS = 10_000
MOST_COLUMNS = 1_000
TOLD_COLUMNS = 20
EXACT = 2**53
LARGEST = 2**63 - 1
MOST_DIGITS = 38


class Form(StrEnum):
    """What a value can be held as; a number is whole, has a fraction, or is an amount (Decimal128)."""

    TEXT = "text"
    TRUTH = "truth"
    WHOLE = "whole"
    LONG = "long"
    FRACTION = "fraction"
    AMOUNT = "amount"
    MOMENT = "moment"


@dataclass(frozen=True)
class DocumentRequest:
    """Which documents a stream is made of, and which of their fields; see MongoCollection.documents."""

    columns: tuple[str, ...] = ()
    foreign_only: bool = False
    once: bool = False

    @property
    def wanted(self) -> dict[str, Any]:
        """The server's filter for these documents."""
        return {OWN: {"$exists": False}} if self.foreign_only else {}


@dataclass
class _Column:
    """What the values of a field were: their forms, and the digits of its amounts before and behind the point."""

    forms: set[Form] = field(default_factory=set)
    before: int = 0
    behind: int = 0
    unheld: int = 0

    def see(self, raw: Any) -> None:
        value = plain(raw)
        if value is None:
            self.unheld += raw is not None and raw != {"$undefined": True}
            return
        self.forms.add(_form_of(value))
        if isinstance(value, int | Decimal):
            _, digits, exponent = Decimal(value).as_tuple()
            assert isinstance(exponent, int)
            self.before = max(self.before, len(digits) + exponent)
            self.behind = max(self.behind, -exponent)

    def dtype(self) -> pl.DataType:
        """Return the one type that holds every value."""
        import polars as pl

        if self.forms == {Form.TRUTH}:
            return pl.Boolean()
        if self.forms == {Form.MOMENT}:
            return pl.Datetime("us", "UTC")
        if self.forms and self.forms <= {Form.WHOLE, Form.LONG}:
            return pl.Int64()
        if self.forms and self.forms <= {Form.WHOLE, Form.FRACTION}:
            return pl.Float64()
        is_amount = Form.AMOUNT in self.forms and self.forms <= {Form.AMOUNT, Form.WHOLE, Form.LONG}
        if is_amount and self.before + self.behind <= MOST_DIGITS:
            return pl.Decimal(MOST_DIGITS, self.behind)
        return pl.String()


def prove_documents(path: Path, name: str) -> None:
    """Check that each line of a file is a whole document; errors call it name. Raises SourceChanged."""
    for _ in _documents(path, name):
        pass


def frames_of(
    path: Path, request: DocumentRequest, key: Sequence[str], *, stream: str, name: str
) -> Iterator[tuple[pl.DataFrame, str]]:
    """Yield the documents as frames of one schema, with what a person should know of the file, at least one frame.

    A column has the type of all its values, else text. Key columns are text. Memory is bounded: the file is read
    twice. Raises SourceChanged for a key that no document has, and for what is no file of documents.
    """
    import polars as pl

    columns, rows = _columns(path, request, key, name)
    absent = [each for each in key if rows and not (columns[each].forms or columns[each].unheld)]
    if absent:
        found = [each for each in columns if each not in absent]
        raise SourceChanged(
            f"{stream}: no document of {name} has the field {absent[0]!r}; found {found[:TOLD_COLUMNS]}",
            next_step="Name as key a field that every document has; `_id` is one.",
        )
    if len(columns) > MOST_COLUMNS:
        raise SourceChanged(
            f"{stream}: the documents of {name} have {len(columns):,} different fields",
            next_step="Say columns=(...) in the pipeline: the fields that are taken.",
        )
    schema = {each: pl.String() if each in key else column.dtype() for each, column in columns.items()}
    remark, is_first = _remark(columns), True
    for waiting in _packs(path, request, name):
        yield _frame(waiting, schema), remark if is_first else ""
        is_first = False
    if is_first:
        yield pl.DataFrame(schema=schema), remark


def _columns(path: Path, request: DocumentRequest, key: Sequence[str], name: str) -> tuple[dict[str, _Column], int]:
    columns = {each: _Column() for each in (*key, *request.columns)}
    rows = 0
    for document, _ in _taken(path, request, name):
        rows += 1
        for each, value in document.items():
            column = columns.get(each)
            if column is None:
                if request.columns or each in ("", OWN):
                    continue
                column = columns[each] = _Column()
            try:
                column.see(value)
            except RecursionError:
                raise SourceChanged(f"{name}: a document with objects inside of objects without end") from None
    return columns, rows


def _packs(path: Path, request: DocumentRequest, name: str) -> Iterator[list[dict[str, Any]]]:
    waiting: list[dict[str, Any]] = []
    size = 0
    for document, length in _taken(path, request, name):
        waiting.append(document)
        size += length
        if size >= FRAME_BYTES or len(waiting) >= FRAME_ROWS:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _frame(documents: Sequence[dict[str, Any]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    series = []
    for name, dtype in schema.items():
        values = [plain(document.get(name)) for document in documents]
        if dtype == pl.String():
            values = [None if value is None else text_of(value) for value in values]
        elif isinstance(dtype, pl.Decimal):
            values = [None if value is None else Decimal(value) for value in values]
        elif dtype == pl.Int64():
            values = [None if value is None else int(value) for value in values]
        series.append(pl.Series(name, values, dtype))
    return pl.DataFrame(series)


def _form_of(value: Any) -> Form:
    match value:
        case bool():
            return Form.TRUTH
        case int():
            if abs(value) <= EXACT:
                return Form.WHOLE
            return Form.LONG if -LARGEST - 1 <= value <= LARGEST else Form.TEXT
        case float():
            # Some shells write every number as one with a fraction.
            return Form.WHOLE if value.is_integer() and abs(value) <= EXACT else Form.FRACTION
        case Decimal():
            return Form.AMOUNT
        case datetime():
            return Form.MOMENT
    return Form.TEXT


def _remark(columns: dict[str, _Column]) -> str:
    unheld = Counter({name: column.unheld for name, column in columns.items() if column.unheld})
    if not unheld:
        return ""
    total = unheld.total()
    values = "1 value is no number or day" if total == 1 else f"{total:,} values are no numbers or days"
    return f"{values} that can be kept, and empty here: {', '.join(list(unheld)[:TOLD_COLUMNS])}"


def _taken(path: Path, request: DocumentRequest, name: str) -> Iterator[tuple[dict[str, Any], int]]:
    for document, length in _documents(path, name):
        if not (request.foreign_only and OWN in document):
            yield document, length


def _documents(path: Path, name: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each document with the length of its line in bytes."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES):
            number += 1
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                raise _no_document(name, number) from None
            if not isinstance(found, dict):
                raise _no_document(name, number)
            yield found, len(line)


def _no_document(name: str, number: int) -> SourceChanged:
    return SourceChanged(
        f"{name}: line {number:,} is no document in extended JSON",
        next_step="Let each line be one document, as `mongoexport` writes them without --jsonArray and --pretty.",
    )
