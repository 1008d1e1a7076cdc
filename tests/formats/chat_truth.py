"""Writes made-up exports to files, and says what reading them must give."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from backhaul.formats.chat import read_chat
from backhaul.sandbox.chat_files import ChatLine, ChatLocale, Said, exported

ZONE = "Asia/Jerusalem"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
COLUMNS = ["sent_at", "sender", "kind", "text", "is_edited"]

Row = tuple[datetime, str | None, str, str, bool]


def written(path: Path, lines: Iterable[ChatLine], locale: ChatLocale, *, encoding: str = "utf-8") -> Path:
    with path.open("wb") as file:
        file.write("".join(exported(lines, locale)).encode(encoding))
    return path


def read(path: Path, **given: object) -> pl.DataFrame:
    options = {"chat": "c", "timezone": ZONE, "now": NOW} | given
    return pl.concat(read_chat(path, **options))  # type: ignore[arg-type]


def rows(frame: pl.DataFrame) -> list[Row]:
    return frame.select(COLUMNS).rows()


def truth(lines: Iterable[ChatLine], locale: ChatLocale) -> list[Row]:
    return [truth_of(line, locale) for line in lines]


def truth_of(line: ChatLine, locale: ChatLocale) -> Row:
    at = line.at if locale.is_ios else line.at.replace(second=0)
    kind = "media" if line.said is Said.ATTACHED else line.said.value
    sender = line.sender and line.sender.replace("\u202f", " ")
    return at.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC), sender, kind, locale.body(line), line.is_edited
