"""Landing: where a file arrives, is proven and hashed before anyone may trust it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backhaul.lake.durable import publish, sync_file
from backhaul.model import Landed, Window

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LandingFolder:
    """One stream's landing folder: proven files, and below `.part` those that still arrive."""

    folder: Path

    def receive(
        self,
        chunks: Iterable[bytes],
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
    ) -> Landed:
        """Save a stream of bytes as a proven file. What the stream or `prove` raises leaves no file behind."""
        unproven = self.folder / ".part"
        unproven.mkdir(parents=True, exist_ok=True)
        path = self._free_path(safe_name(name))
        part = unproven / path.name
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with part.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    size_bytes += len(chunk)
            prove(part)
            sync_file(part)
        except BaseException:
            part.unlink(missing_ok=True)
            _remove_if_empty(unproven)
            raise
        publish(part, path)
        _remove_if_empty(unproven)
        return Landed(path, name, digest.hexdigest(), size_bytes, window)

    def adopt(self, path: Path, *, name: str, window: Window | None, prove: Callable[[Path], None]) -> Landed:
        """Copy a file that lies somewhere already; the original stays."""
        return self.receive(_chunks(path), name=name, window=window, prove=prove)

    def _free_path(self, name: str) -> Path:
        path, number = self.folder / name, 2
        while path.exists():
            path = self.folder / f"{number}-{name}"
            number += 1
        return path


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def safe_name(name: str) -> str:
    """Return name as a file name that every platform takes: no separators, no reserved characters, 120 at most."""
    return re.sub(r"[^\w.@=+-]+", "_", name).strip("._")[-120:] or "file"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
