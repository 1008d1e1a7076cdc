"""Documents as frames: every top-level field is a column, lists and sub-documents are JSON text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backhaul.destinations.mongo.documents import chunks, leniently_decoded, raw_documents
from backhaul.destinations.mongo.shape import OWN

if TYPE_CHECKING:
    import polars as pl

PIECE_ROWS = 10_000
PIECE_BYTES = 64_000_000
LARGEST_EXACT = 2**53
"""Whole numbers up to here are the same as fractions."""
MOST_DIGITS = 38
"""What a decimal column takes."""


def frames(collection: Any, key: Mapping[str, str]) -> Iterator[pl.DataFrame]:
    """Yield all documents in pieces of 10,000, fewer where they are large, in the order of `_id`.

    `key` gives the column of each field of the key; those columns come first, as text. Our bookkeeping is left out;
    in names the full-width dots and dollar signs that columns were stored with become plain ones again. An empty
    collection gives no piece.
    """
    for piece in chunks(raw_documents(collection), PIECE_ROWS, PIECE_BYTES):
        yield frame_of([leniently_decoded(each) for each in piece], key)


def frame_of(documents: Sequence[Mapping[str, Any]], key: Mapping[str, str]) -> pl.DataFrame:
    """Return documents as a frame, each column with the one type that all its values have, else as text."""
    import polars as pl

    names = dict(key)
    taken = {*key.values()}
    for document in documents:
        for field in document:
            if field not in names and field != OWN:
                column = _column_name(field)
                names[field] = column if column not in taken else field
                taken.add(names[field])
    columns = []
    for field, column in names.items():
        values = [document.get(field) for document in documents]
        columns.append(_texts(column, values) if field in key else _series(column, values))
    return pl.DataFrame(columns)


def _column_name(field: str) -> str:
    """Return the name of a column whose name `field_name` has made fit for a field."""
    field = field.replace("\uff0e", ".")
    return "$" + field[1:] if field.startswith("\uff04") else field


def _series(column: str, values: Sequence[Any]) -> pl.Series:
    import polars as pl

    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(column, values, pl.Boolean)
    if kinds == {int}:
        return pl.Series(column, values, pl.Int64)
    is_exact = all(not isinstance(value, int) or abs(value) <= LARGEST_EXACT for value in values)
    if kinds == {float} or (kinds == {int, float} and is_exact):
        return pl.Series(column, [None if value is None else float(value) for value in values], pl.Float64)
    if kinds == {datetime}:
        return pl.Series(column, values, pl.Datetime("us", "UTC"))
    if Decimal in kinds and kinds <= {int, Decimal}:
        money = [value.to_decimal() if _kind(value) is Decimal else value for value in values]
        numbers = [None if value is None else Decimal(value) for value in money]
        if (scale := _scale(numbers)) is not None:
            return pl.Series(column, numbers, pl.Decimal(MOST_DIGITS, scale))
    return _texts(column, values)


def _kind(value: Any) -> type | None:
    """Return the kind of a value among those that a column can have; None is text in any case."""
    if isinstance(value, bool):
        return bool
    if type(value).__name__ == "Decimal128":
        return Decimal
    return next((kind for kind in (int, float, datetime) if isinstance(value, kind)), None)


def _scale(numbers: Sequence[Decimal | None]) -> int | None:
    """Return how many digits behind the point hold all numbers, None where no column of decimals does."""
    found = [number for number in numbers if number is not None]
    if not all(number.is_finite() for number in found):
        return None
    scale = max(0, *(-int(number.as_tuple().exponent) for number in found))
    whole = max(0, *(number.adjusted() + 1 for number in found))
    return scale if whole + scale <= MOST_DIGITS else None


def _texts(column: str, values: Sequence[Any]) -> pl.Series:
    import polars as pl

    return pl.Series(column, [None if value is None else as_text(value) for value in values], pl.String)


def as_text(value: Any) -> str:
    """Return any value as text: lists and sub-documents as JSON, moments in ISO 8601."""
    found = plain(value)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return value as JSON has it: moments in ISO 8601, decimals and ids as text, bytes in base64.

    What JSON has no word for at all is extended JSON.
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
    if type(value).__name__ in ("Decimal128", "ObjectId", "UUID"):
        return str(value)
    return _extended(value)


def _extended(value: Any) -> Any:
    import base64

    from bson.json_util import RELAXED_JSON_OPTIONS, default

    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return default(value, RELAXED_JSON_OPTIONS)
