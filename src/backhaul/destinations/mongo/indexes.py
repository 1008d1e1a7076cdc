"""The indexes of a collection: declared ones, and the unique one on the key: without it, two writers insert twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backhaul.destinations.mongo.values import field_name
from backhaul.errors import DeliveryError

KEY_INDEX = "backhaul_key"
DUPLICATE = (11000, 11001, 12582)
CONFLICT = (85, 86)
TOO_MANY = (67,)

Index = str | tuple[str, ...]
"""A column, or several, in their order."""


def make_indexes(collection: Any, key: tuple[str, ...], declared: Iterable[Index], where: str) -> None:
    """Make the indexes that are not there yet. Raises DeliveryError for one that cannot be made."""
    from pymongo.errors import OperationFailure

    there = [
        (tuple(name for name, _ in each["key"]), bool(each.get("unique")))
        for each in collection.index_information().values()
    ]
    if key != ("_id",) and (key, True) not in there:
        # Documents of people need not have our key.
        has_key = {name: {"$exists": True} for name in key}
        try:
            _make(collection, key, name=KEY_INDEX, unique=True, partialFilterExpression=has_key)
        except OperationFailure as error:
            raise _refused(collection, error, key, where) from None
    for index in declared:
        fields = tuple(map(field_name, [index] if isinstance(index, str) else index))
        if fields not in [names for names, _ in there]:
            try:
                _make(collection, fields)
            except OperationFailure as error:
                raise _refused(collection, error, fields, where) from None


def _make(collection: Any, fields: tuple[str, ...], **options: Any) -> None:
    collection.create_index([(name, 1) for name in fields], **options)


def _refused(collection: Any, error: Any, fields: tuple[str, ...], where: str) -> Exception:
    names = ", ".join(map(repr, fields))
    if error.code in DUPLICATE:
        keys, documents = twice(collection, fields)
        return DeliveryError(
            f"{where} holds {documents} documents too many: {keys} values of {names} stand in more than one;"
            " nothing was changed",
            next_step=f"Leave one document for each {names}, then run again.",
        )
    if error.code in (*CONFLICT, *TOO_MANY):
        return DeliveryError(
            f"{where}: an index on {names} cannot be made: another one is in its way (code {error.code})",
            next_step="Remove the other index, or make one like it on the server.",
        )
    failed: Exception = error
    return failed


def twice(collection: Any, key: tuple[str, ...]) -> tuple[int, int]:
    """Return how many keys stand in several documents, and how many documents are too many for it."""
    grouped = [
        {"$match": {name: {"$exists": True} for name in key}},
        {"$group": {"_id": {f"k{at}": f"${name}" for at, name in enumerate(key)}, "n": {"$sum": 1}}},
        {"$match": {"n": {"$gt": 1}}},
        {"$group": {"_id": None, "keys": {"$sum": 1}, "documents": {"$sum": "$n"}}},
    ]
    found = list(collection.aggregate(grouped, allowDiskUse=True))
    return (found[0]["keys"], found[0]["documents"] - found[0]["keys"]) if found else (0, 0)
