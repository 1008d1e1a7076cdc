"""A file that is replaced as a whole, by one writer at a time: readers see the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backhaul.errors import BackhaulError, DeliveryError, TransientError
from backhaul.lake.durable import is_disk_full, publish, sync_file

LOCK_TIMEOUT_S = 30
_OPEN_ELSEWHERE = (5, 32, 33)
"""Windows' numbers for a file that another program keeps from being replaced or read."""


@dataclass(frozen=True)
class WholeFile:
    """One such file; `name` is the destination's, for messages. Its lock and its part lie beside it, hidden."""

    path: Path
    name: str

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer. Raises TransientError if another one does not end in time."""
        from filelock import FileLock, Timeout

        with self.errors_told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._beside(".lock"), timeout=LOCK_TIMEOUT_S)
            try:
                lock.acquire()
            except Timeout:
                raise TransientError(f"{self.name}: {self.path.name} is being written by another run") from None
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def replaced(self) -> Iterator[Path]:
        """Yield the part to write; what is in it afterwards takes the place of the file, nothing if it is gone.

        Raises TransientError if somebody has saved the file in between: their work would be lost.
        """
        path, part = self.path.resolve(), self._beside(".part")
        with self.errors_told():
            before = _state(path)
            try:
                yield part
                if part.exists():
                    if _state(path) != before:
                        raise TransientError(f"{self.name}: {path.name} was changed by somebody while it was merged")
                    if before:
                        shutil.copymode(path, part)
                    sync_file(part)
                    publish(part, path)
            finally:
                part.unlink(missing_ok=True)

    def check_folder(self) -> None:
        """Raise DeliveryError if the file's folder, or the one that it will be made in, may not be written to."""
        folder = next(each for each in self.path.resolve().parents if each.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise self._told(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    @contextlib.contextmanager
    def errors_told(self) -> Iterator[None]:
        """Turn errors of the operating system into ours."""
        try:
            yield
        except OSError as error:
            raise self._told(error) from None

    def _beside(self, ending: str) -> Path:
        path = self.path.resolve()
        return path.with_name(f".{path.name}{ending}")

    def _told(self, error: OSError) -> BackhaulError:
        is_full = is_disk_full(error)
        reason = os.strerror(errno.ENOSPC) if is_full else error.strerror or type(error).__name__
        if getattr(error, "winerror", None) in _OPEN_ELSEWHERE:
            return TransientError(
                f"{self.name}: {self.path.name} cannot be replaced: {reason}",
                next_step=f"Close {self.path.name} in Excel and wherever else it is open; it is delivered next time.",
            )
        if is_full:
            step = "Make room on the disk; the next run delivers what is pending."
        else:
            step = f"See that backhaul may read and write {self.path.parent}; the next run delivers what is pending."
        return DeliveryError(f"{self.name}: {self.path.name} cannot be read or written: {reason}", next_step=step)


def _state(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever somebody saves the file; None if it is not there."""
    if not path.exists():
        return None
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns
