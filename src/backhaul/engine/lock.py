"""One run per pipeline at a time, across processes; a killed holder lets go by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from backhaul.errors import AlreadyRunning


@contextlib.contextmanager
def pipeline_lock(folder: Path, pipeline: str, *, wait: bool) -> Iterator[None]:
    """Hold the pipeline's lock. Raises AlreadyRunning if another process has it and wait is False."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{pipeline}.lock", timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(f"{pipeline} is already running") from None
    try:
        yield
    finally:
        lock.release()
