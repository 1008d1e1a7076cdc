"""Writes that are there whole after a power cut, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Have path's bytes on the disk before going on."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def publish(part: Path, path: Path) -> None:
    """Give part, a synced file or a folder of synced files, its final name; the rename itself is synced too."""
    part.replace(path)
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    sync_file(part)
    publish(part, path)


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; its renames are journalled.
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
