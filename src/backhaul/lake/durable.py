"""Writes that are there whole after a power cut, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

BUSY_S = 3.0
_OPEN_ELSEWHERE = (5, 32, 33)
"""Windows' numbers for a file that another program, such as a virus scanner, has open for a moment."""


def is_disk_full(error: BaseException) -> bool:
    """Tell whether error says that a disk, or a person's share of it, has no room left."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # Polars hands the reason on in words only, Windows' with Windows' number.
    words = str(error)
    return f"(os error {errno.ENOSPC})" in words or "(os error 112)" in words


def sync_file(path: Path) -> None:
    """Have path's bytes on the disk before going on."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def publish(part: Path, path: Path) -> None:
    """Give part, a synced file or a folder of synced files, its final name; the rename itself is synced too.

    Where Windows says that somebody has the file open, it is tried for some seconds. Raises PermissionError then.
    """
    _rename(part, path)
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    sync_file(part)
    publish(part, path)


def _rename(part: Path, path: Path) -> None:
    over, wait_s = time.monotonic() + BUSY_S, 0.02
    while True:
        try:
            part.replace(path)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _OPEN_ELSEWHERE or time.monotonic() > over:
                raise
            time.sleep(wait_s)
            wait_s *= 2
        else:
            return


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; its renames are journalled.
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
