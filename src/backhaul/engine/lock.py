"""One run per pipeline at a time, across processes; a killed holder lets go by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from backhaul.errors import AlreadyRunning, ConfigError


@contextlib.contextmanager
def pipeline_lock(folder: Path, pipeline: str, *, wait: bool) -> Iterator[None]:
    """Hold the pipeline's lock.

    Raises AlreadyRunning if another process has it and wait is False, ConfigError if the folder is not writable.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f"{pipeline}.lock", timeout=-1 if wait else 0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(f"{pipeline} is already running") from None
    except OSError as error:
        raise ConfigError(
            f"{folder}: {pipeline} cannot be locked there: {error.strerror or type(error).__name__}",
            next_step="See that the data folder may be written to by the user that runs this, and has room.",
        ) from error
    try:
        yield
    finally:
        lock.release()
