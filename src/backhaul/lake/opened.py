"""Private folders for what must lie on disk in the clear for a moment; a crash's leftovers are found and removed."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PRIVATE = 0o700


@dataclass(frozen=True)
class OpenedFolder:
    """The place of such folders. Each is locked as long as its maker lives, in whatever process."""

    folder: Path

    @contextlib.contextmanager
    def private(self) -> Iterator[Path]:
        """Give a new folder that only its owner may enter, and remove it afterwards."""
        from filelock import FileLock

        path = self.folder / secrets.token_hex(8)
        alive = FileLock(path.with_suffix(".lock"))
        with self._guard():
            alive.acquire()
            path.mkdir(mode=PRIVATE)
        try:
            yield path
        finally:
            with self._guard():
                shutil.rmtree(path, ignore_errors=True)
                alive.release()
                _unlink(path.with_suffix(".lock"))

    def clear(self) -> None:
        """Remove the folders whose makers are gone: killed, or cut off by a power cut."""
        from filelock import FileLock, Timeout

        if not self.folder.is_dir():
            return
        with self._guard():
            for path in self.folder.glob("*.lock"):
                if path.name == "guard.lock":
                    continue
                try:
                    with FileLock(path, timeout=0):
                        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                except Timeout:
                    continue
                _unlink(path)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """Hold off others for the moment in which a folder comes or goes."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        with FileLock(self.folder / "guard.lock"):
            yield


def _unlink(path: Path) -> None:
    # Windows keeps a file that another process has open; the next sweep takes it.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
