"""Landing: where a file arrives, is proven and hashed before anyone may trust it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backhaul.lake.durable import publish, sync_file
from backhaul.lake.opened import PRIVATE
from backhaul.model import Landed, Window

CHUNK_BYTES = 1 << 20
MOST_EVIDENCE_BYTES = 4 << 20


@dataclass(frozen=True)
class LandingFolder:
    """One stream's landing folder: proven files, and below `.part` those that still arrive.

    `evidence` is where files go that show why an attempt failed; without it they are dropped.
    """

    folder: Path
    evidence: Path | None = None

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
        # Files lie here in the clear, also those of personal streams.
        self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        unproven.mkdir(exist_ok=True)
        path = self._free_path(safe_name(name))
        part = unproven / path.name
        digest, size_bytes = hashlib.sha256(), 0
        with contextlib.ExitStack() as undo:
            undo.callback(_remove_if_empty, unproven)
            undo.callback(part.unlink, missing_ok=True)
            with part.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    size_bytes += len(chunk)
            prove(part)
            sync_file(part)
            undo.pop_all()
        publish(part, path)
        _remove_if_empty(unproven)
        return Landed(path, name, digest.hexdigest(), size_bytes, window)

    def adopt(self, path: Path, *, name: str, window: Window | None, prove: Callable[[Path], None]) -> Landed:
        """Copy a file that lies somewhere already; the original stays."""
        return self.receive(_chunks(path), name=name, window=window, prove=prove)

    def keep_evidence(self, name: str, content: bytes) -> None:
        """Keep a file that shows why an attempt failed; a later one of the same name takes its place.

        A disk that cannot take it makes the failure no worse.
        """
        if self.evidence is None:
            return
        with contextlib.suppress(OSError):
            self.evidence.mkdir(parents=True, exist_ok=True)
            (self.evidence / safe_name(name)).write_bytes(content[:MOST_EVIDENCE_BYTES])

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
    safe = re.sub(r"[^\w.@=+-]+", "_", name).strip("._")[-120:].lstrip("._") or "file"
    return f"file-{safe}" if is_reserved(safe) else safe


def is_reserved(name: str) -> bool:
    """Tell whether Windows keeps this name for a device, whatever follows its first dot: `CON`, `aux.xlsx`."""
    return (
        re.fullmatch(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", name.partition(".")[0].rstrip())
        is not None
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
