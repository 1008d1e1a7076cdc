"""Values of rows as MongoDB keeps them, and whether a kept value is still the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, DecimalException
from typing import Any

LARGEST_WHOLE = 2**63 - 1
MOST_DIGITS = 34
DEEPEST = 90
"""Levels of objects within objects; the server takes 100."""


class Unstorable(Exception):
    """A value that a document cannot hold; the text says why, without the value."""


def field_name(name: str) -> str:
    """Return name as a field can be called and asked for: its dots and a leading `$` become full-width ones."""
    name = name.replace(".", "\uff0e")
    return "\uff04" + name[1:] if name.startswith("$") else name


def stored(value: Any, depth: int = 0) -> Any:
    """Return value as MongoDB keeps it: moments to the millisecond, days as midnight UTC, money as Decimal128.

    Raises Unstorable.
    """
    match value:
        case None | str() | bool() | float():
            return value
        case int():
            if not -LARGEST_WHOLE - 1 <= value <= LARGEST_WHOLE:
                raise Unstorable("a whole number of more than 64 bits")
            return value
        case datetime():
            moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        case date():
            return datetime.combine(value, time.min, UTC)
        case Decimal():
            return _money(value)
    if depth > DEEPEST:
        raise Unstorable("objects within objects, more than MongoDB takes")
    if isinstance(value, list):
        return [stored(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {field_name(name): stored(each, depth + 1) for name, each in value.items()}
    raise Unstorable(f"a value of type {type(value).__name__}")


def _money(value: Decimal) -> Any:
    from bson.decimal128 import Decimal128

    try:
        return Decimal128(value)
    except DecimalException:
        raise Unstorable(f"a number of more than {MOST_DIGITS} digits") from None


def is_same(ours: Any, theirs: Any) -> bool:
    """Tell whether MongoDB would call two stored values equal: numbers by value, whatever their type."""
    ours, theirs = _plain(ours), _plain(theirs)
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours):
        return math.isnan(theirs)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return ours.keys() == theirs.keys() and all(is_same(each, theirs[name]) for name, each in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(is_same, ours, theirs))
    try:
        return bool(ours == theirs)
    except DecimalException:
        # A signalling NaN.
        return False


def _plain(value: Any) -> Any:
    return value.to_decimal() if type(value).__name__ == "Decimal128" else value
