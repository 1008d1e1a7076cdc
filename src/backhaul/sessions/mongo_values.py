"""Documents as lines of extended JSON, and what the values in such lines are in plain terms."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UUID_TYPES = ("03", "3", "04", "4")


def line_of(document: Mapping[str, Any]) -> bytes:
    """Return a document as one line of canonical extended JSON: the same document is always the same bytes."""
    from bson.json_util import CANONICAL_JSON_OPTIONS, dumps

    written = dumps(document, json_options=CANONICAL_JSON_OPTIONS, ensure_ascii=False, separators=(",", ":"))
    return written.encode("utf-8", "replace") + b"\n"


def document_id(*names: str, at: datetime = EPOCH) -> Any:
    """Return the ObjectId that a document of these names always has; it sorts by `at`, as the server's own do."""
    from bson.objectid import ObjectId

    seconds = int(at.timestamp()).to_bytes(4, "big")
    return ObjectId(seconds + sha256("\0".join(names).encode()).digest()[:8])


def plain(value: Any) -> Any:
    """Return a value of extended JSON, canonical or relaxed, in plain terms.

    That is None, a bool, int, finite float, Decimal, str, an aware datetime in UTC, or a list or dict of such. None
    is also what no type here can hold: numbers that are none (NaN, Infinity), moments outside the years 1 to 9999.
    Ids and other bytes are text. An object that only looks like one of extended JSON's stays an object.
    """
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict):
        return value
    read = _KINDS.get(next(iter(value), ""))
    if read is not None:
        try:
            return read(value)
        except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError):
            pass
    return {name: plain(each) for name, each in value.items()}


def iso(moment: datetime) -> str:
    """Return an aware moment as ISO text in UTC with a Z; milliseconds only where there are any."""
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def text_of(value: Any) -> str:
    """Return a plain value as text: moments as ISO, numbers with all their digits, lists and objects as JSON."""
    match value:
        case str():
            found = value
        case bool():
            found = "true" if value else "false"
        case int():
            found = str(value)
        case float():
            found = str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
        case datetime():
            found = iso(value)
        case list() | dict():
            found = json.dumps(value, ensure_ascii=False, default=text_of)
        case _:
            found = str(value)
    # Half of a character of two parts has no UTF-8; JSON can hold it.
    return found if found.isascii() else found.encode("utf-8", "replace").decode()


def _alone(convert: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    def read(value: dict[str, Any]) -> Any:
        [content] = value.values()
        return convert(content)

    return read


def _double(content: str) -> float | None:
    found = float(content)
    return found if math.isfinite(found) else None


def _decimal(content: str) -> Decimal | None:
    found = Decimal(content)
    return found if found.is_finite() else None


def _moment(content: Any) -> datetime | None:
    if isinstance(content, str):
        found = datetime.fromisoformat(content)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return EPOCH + timedelta(milliseconds=int(content["$numberLong"] if isinstance(content, dict) else content))
    except OverflowError:
        return None


def _binary(value: dict[str, Any]) -> str:
    found = value["$binary"]
    content, kind = (found["base64"], found["subType"]) if isinstance(found, dict) else (found, value["$type"])
    return str(UUID(bytes=base64.b64decode(content))) if kind in UUID_TYPES else str(content)


def _pattern(value: dict[str, Any]) -> str:
    found = value["$regularExpression"]
    return f"/{found['pattern']}/{found['options']}"


def _timestamp(value: dict[str, Any]) -> datetime:
    return EPOCH + timedelta(seconds=int(value["$timestamp"]["t"]))


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "$oid": _alone(str),
    "$uuid": _alone(lambda content: str(UUID(content))),
    "$symbol": _alone(str),
    "$numberInt": _alone(int),
    "$numberLong": _alone(int),
    "$numberDouble": _alone(_double),
    "$numberDecimal": _alone(_decimal),
    "$date": _alone(_moment),
    "$undefined": _alone(lambda content: None),
    "$minKey": _alone(lambda content: "MinKey"),
    "$maxKey": _alone(lambda content: "MaxKey"),
    "$code": lambda value: str(value["$code"]),
    "$binary": _binary,
    "$regularExpression": _pattern,
    "$timestamp": _timestamp,
}
