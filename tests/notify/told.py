"""Notices of a made-up shop, and a bot that tells them to the sandbox."""

import secrets
import struct
import zlib
from datetime import UTC, datetime
from typing import Any

from backhaul.model import Counts
from backhaul.notices import RunSummary, StreamFailed, StreamLine
from backhaul.notify import Telegram
from backhaul.sandbox import SandboxTelegram

AT = datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC)
RUN: dict[str, Any] = {"pipeline": "andalan", "run": "r-1", "at": AT, "timezone": "Asia/Jakarta"}
POINTS: dict[str, Any] = {**RUN, "stream": "point_trx", "title": "Point Transaction"}


def telegram(sandbox: SandboxTelegram, chat: int | None = None, **more: Any) -> Telegram:
    return Telegram(token=sandbox.token, chat=str(chat or sandbox.chat_id), api_url=sandbox.url, **more)


def some_token() -> str:
    return f"{secrets.randbelow(10**9) + 10**9}:AA{secrets.token_hex(17)[:33]}"


def failed(title: str = "Point Transaction", **more: Any) -> StreamFailed:
    facts = {
        "error": "TransientError",
        "message": "Timeout",
        "next_step": "",
        "severity": "medium",
        "attempt": 2,
        "of": 3,
        "is_final": False,
    }
    return StreamFailed(**{**POINTS, **facts, **more, "title": title})


def summary(lines: list[StreamLine], status: str = "done", seconds: float = 76.8) -> RunSummary:
    return RunSummary(**RUN, status=status, seconds=seconds, streams=tuple(lines))


def done(stream: str, **counts: int) -> StreamLine:
    return StreamLine(stream, stream.title(), "done", Counts(**counts))


def png(width: int = 2, height: int = 2) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + b"\xff" * 3 * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
