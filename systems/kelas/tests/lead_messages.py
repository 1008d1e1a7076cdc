"""Made-up messages as the curated table has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import polars as pl

START = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
"""14:30 in Jerusalem."""

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "fingerprint": pl.String,
    "occurrence": pl.Int64,
    "sent_at": pl.Datetime("us", "UTC"),
    "sender": pl.String,
    "kind": pl.String,
    "text": pl.String,
    "is_edited": pl.Boolean,
    "wa_id": pl.String,
    "is_own": pl.Boolean,
    "is_truncated": pl.Boolean,
    "read_at": pl.Datetime("us", "UTC"),
}


def message(text: str | None, minute: int = 0, **columns: Any) -> dict[str, Any]:
    """Return one message; the same text in the same minute has the same fingerprint."""
    return {
        "fingerprint": blake2b(f"{minute}{text}".encode("utf-8", "replace"), digest_size=16).hexdigest(),
        "occurrence": 1,
        "sent_at": START + timedelta(minutes=minute),
        "sender": "רותם",
        "kind": "text",
        "text": text,
        "is_edited": False,
        **columns,
    }


def table(*messages: dict[str, Any]) -> pl.DataFrame:
    """Return messages as a table."""
    return pl.DataFrame(list(messages), schema=SCHEMA)


def said(*texts: str | None) -> pl.DataFrame:
    """Return a table of these texts, a minute apart."""
    return table(*(message(text, minute) for minute, text in enumerate(texts)))
