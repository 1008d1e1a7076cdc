"""Dropbox's own hash of a file's content, by which a download is proven to be what lies there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

BLOCK_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


def content_hash(chunks: Iterable[bytes]) -> str:
    """Return the hash, in hex, of the bytes that come in chunks of any size; nothing but a block's state is held.

    The content is cut into blocks of 4 MiB; it is the SHA-256 of the blocks' SHA-256 digests put together.
    """
    whole, block, room = hashlib.sha256(), hashlib.sha256(), BLOCK_BYTES
    for chunk in chunks:
        left = memoryview(chunk)
        while left:
            taken, left = left[:room], left[room:]
            block.update(taken)
            room -= len(taken)
            if not room:
                whole.update(block.digest())
                block, room = hashlib.sha256(), BLOCK_BYTES
    if room < BLOCK_BYTES:
        whole.update(block.digest())
    return whole.hexdigest()


def content_hash_of(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return content_hash(iter(lambda: file.read(_CHUNK_BYTES), b""))
