"""Documents as lines of canonical extended JSON, and back: every BSON type survives, and every byte.

What extended JSON cannot say (text that is no UTF-8, names that read like its own, one name twice) is kept as it is,
in base64: each line is read back before it counts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from backhaul.destinations.mongo.documents import chunks, decoded, raw_documents, split
from backhaul.destinations.mongo.migrate import forget
from backhaul.destinations.mongo.write import is_of_documents
from backhaul.errors import ConfigError
from backhaul.model import Counts

BSON = "$bson"
"""The only field of a line that holds a document as BSON, in base64."""

ASKED_AT_ONCE = 100
"""So many documents are looked up in one call, which every server answers from its index."""

MOST_LEFT = 10_000
"""So many refused documents are tried once more: one may have waited for another one's key."""


def dump(collection: Any) -> Iterator[bytes]:
    """Yield each document of pymongo's collection as a line, in the order of `_id`."""
    return map(line_of, raw_documents(collection))


def line_of(raw: bytes) -> bytes:
    """Return a document as a line that `raw_of` makes the same document of, byte for byte."""
    from bson.errors import BSONError
    from bson.json_util import dumps

    try:
        said = dumps(decoded(raw), json_options=_canonical(), ensure_ascii=False, separators=(",", ":"))
        line: bytes = said.encode()
        is_whole = raw_of(line) == raw
    except (BSONError, ValueError, TypeError, KeyError, OverflowError, RecursionError, ConfigError):
        is_whole = False
    return line if is_whole else json.dumps({BSON: base64.b64encode(raw).decode()}).encode()


def raw_of(line: bytes) -> bytes:
    """Return the document of a line. Raises ConfigError for a line that holds none."""
    from bson import encode
    from bson.errors import BSONError
    from bson.json_util import loads

    try:
        value = loads(line, json_options=_canonical())
        if isinstance(value, dict) and value.keys() == {BSON}:
            raw = base64.b64decode(value[BSON], validate=True)
            # Looked at only to be sure that it is a document.
            is_document = "_id" in _lazy(raw)
        else:
            raw, is_document = encode(value), "_id" in value
    except (BSONError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        is_document = False
    if not is_document:
        raise ConfigError("a line of the back-up holds no document", next_step="Take another back-up.")
    return raw


@dataclass(frozen=True)
class Restoring:
    """Brings documents back into pymongo's collection, each by its `_id` as a whole."""

    collection: Any
    dry_run: bool = False

    def restore(self, lines: Iterable[bytes]) -> Counts:
        """Write what differs and return the counts; what a repetition finds done is unchanged.

        `rejected` are documents that the server refuses: its rules, or a unique index: another document has the key.
        """
        counts, left = Counts(), list[bytes]()
        is_first = not self.dry_run
        for chunk in chunks(map(raw_of, lines)):
            new, updated, unchanged = self._sorted(chunk)
            counts += Counts(new=len(new), updated=len(updated), unchanged=unchanged)
            if self.dry_run or not (new or updated):
                continue
            if is_first:
                # Before the first write: a restore that is killed has brought old shapes back, too.
                forget(self.collection)
                is_first = False
            lost = self._write([*new, *updated])
            counts += _as_lost(lost, len(new))
            left += [each for at, each in enumerate(chain(new, updated)) if at in lost][: MOST_LEFT - len(left)]
        if left:
            new, updated, unchanged = self._sorted(left)
            lost = self._write([*new, *updated])
            again = Counts(new=len(new), updated=len(updated), unchanged=unchanged, rejected=-len(left))
            counts += again + _as_lost(lost, len(new))
        return counts

    def _sorted(self, chunk: Sequence[bytes]) -> tuple[list[bytes], list[bytes], int]:
        """Return the documents that are not there, those that differ, and how many are there as they were."""
        there: dict[bytes, bytes] = {}
        for start in range(0, len(chunk), ASKED_AT_ONCE):
            ids = [_lazy(each)["_id"] for each in chunk[start : start + ASKED_AT_ONCE]]
            for batch in self.collection.find_raw_batches({"_id": {"$in": ids}}):
                there |= {_id_bytes(each): each for each in split(batch)}
        new = [each for each in chunk if _id_bytes(each) not in there]
        updated = [each for each in chunk if there.get(_id_bytes(each), each) != each]
        return new, updated, len(chunk) - len(new) - len(updated)

    def _write(self, documents: Sequence[bytes]) -> set[int]:
        """Replace documents, or add them; return the places of those that the server has refused."""
        from pymongo import ReplaceOne
        from pymongo.errors import BulkWriteError

        calls = [ReplaceOne({"_id": {"$eq": _lazy(raw)["_id"]}}, _lazy(raw), upsert=True) for raw in documents]
        if not calls:
            return set()
        try:
            self.collection.bulk_write(calls, ordered=False)
        except BulkWriteError as error:
            if not is_of_documents(error):
                raise
            return {each["index"] for each in error.details["writeErrors"]}
        return set()


def _as_lost(lost: set[int], new: int) -> Counts:
    """Return what to add to the counts for refused documents, of which the first so many were new."""
    of_new = sum(at < new for at in lost)
    return Counts(new=-of_new, updated=of_new - len(lost), rejected=len(lost))


def _lazy(raw: bytes) -> Any:
    from bson.raw_bson import RawBSONDocument

    return RawBSONDocument(raw)


def _id_bytes(raw: bytes) -> bytes:
    from bson import encode

    return encode({"_id": _lazy(raw)["_id"]})


@cache
def _canonical() -> Any:
    from bson.codec_options import DatetimeConversion
    from bson.json_util import JSONMode, JSONOptions

    return JSONOptions(
        json_mode=JSONMode.CANONICAL,
        document_class=dict,
        tz_aware=True,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    )
