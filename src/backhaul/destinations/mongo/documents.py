"""All documents of a collection in the server's own bytes, in an order that stays: that of `_id`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

BATCH = 1_000

CHUNK_ROWS = 1_000
CHUNK_BYTES = 16_000_000


def raw_documents(collection: Any) -> Iterator[bytes]:
    """Yield each document of pymongo's collection as BSON; memory is bounded by what the server sends at once."""
    for batch in collection.find_raw_batches({}, sort=[("_id", 1)], batch_size=BATCH):
        yield from split(batch)


def chunks(
    documents: Iterable[bytes], rows: int = CHUNK_ROWS, most_bytes: int = CHUNK_BYTES
) -> Iterator[list[bytes]]:
    """Yield documents in lists of so many, fewer where they are large."""
    chunk: list[bytes] = []
    size_bytes = 0
    for each in documents:
        chunk.append(each)
        size_bytes += len(each)
        if len(chunk) == rows or size_bytes >= most_bytes:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def decoded(raw: bytes) -> dict[str, Any]:
    """Return a document; dates beyond Python's years are DatetimeMS. Raises BSONError for what cannot be read."""
    from bson import decode
    from bson.codec_options import CodecOptions, DatetimeConversion

    options = CodecOptions(dict, tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    return decode(raw, options)


def leniently_decoded(raw: bytes) -> dict[str, Any]:
    """Return a document to be looked at: text that is no UTF-8 has replacement characters."""
    from bson import decode
    from bson.codec_options import CodecOptions, DatetimeConversion

    options = CodecOptions(
        dict,
        tz_aware=True,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        unicode_decode_error_handler="replace",
    )
    return decode(raw, options)


def shown_id(value: Any) -> str:
    """Return an `_id` that may be shown: one that a driver has made; others may hold what a row says."""
    from bson import ObjectId

    return str(value) if isinstance(value, ObjectId) else ""


def split(batch: bytes) -> Iterator[bytes]:
    """Yield the documents of a batch as the server sends it."""
    at = 0
    while at < len(batch):
        size = int.from_bytes(batch[at : at + 4], "little")
        yield batch[at : at + size]
        at += size
