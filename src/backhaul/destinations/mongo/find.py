"""Looking documents up by the keys of rows, and those of our own that a complete batch lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from backhaul.destinations.mongo.shape import OWN, Row, Shape
from backhaul.errors import DeliveryError
from backhaul.model import REMOVED_AT

Found = dict[tuple[str, ...], dict[str, Any]]


def find(collection: Any, shape: Shape, rows: Sequence[Row], session: Any = None) -> Found:
    """Return the documents of rows by key, with what a comparison looks at.

    Raises DeliveryError if a key stands in several documents.
    """
    found: Found = {}
    double = 0
    for document in collection.find(_with_keys(shape, rows), shape.read, session=session) if rows else ():
        key = tuple(document.get(name) for name in shape.key)
        double += key in found
        found[key] = document
    if double:
        raise DeliveryError(
            f"{shape.name}: {collection.full_name} holds {double} documents whose keys stand there already;"
            " nothing was changed",
            next_step=f"Leave one document for each {', '.join(shape.key)}, then run again.",
        )
    return found


def refuse_numbers(collection: Any, shape: Shape) -> None:
    """Raise DeliveryError where documents have numbers as keys: our keys are texts, and would all be new."""
    for name in shape.key:
        if collection.find_one({name: {"$type": "number"}}, {"_id": 1}) is not None:
            raise DeliveryError(
                f"{shape.name}: {collection.full_name}: {name!r} is a number there, and a text in the batch",
                next_step=f"Turn {name!r} into text in its documents, or name another collection.",
            )


def gone(collection: Any, shape: Shape, keys: set[tuple[str, ...]]) -> Iterator[Any]:
    """Yield the ids of documents that merges have brought, keys lack and nobody has marked yet."""
    ours = {f"{OWN}.inserted_by": {"$exists": True}, REMOVED_AT: None}
    for document in collection.find(ours, dict.fromkeys(("_id", *shape.key), 1)):
        if tuple(document.get(name) for name in shape.key) not in keys:
            yield document["_id"]


def _with_keys(shape: Shape, rows: Sequence[Row]) -> dict[str, Any]:
    if len(shape.key) == 1:
        return {shape.key[0]: {"$in": [row.key[0] for row in rows]}}
    return {"$or": [dict(zip(shape.key, row.key, strict=True)) for row in rows]}
