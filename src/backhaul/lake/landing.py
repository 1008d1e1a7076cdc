"""Landing: where a file arrives, is proven and hashed before anyone may trust it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.lake.durable import is_disk_full, publish, sync_file
from backhaul.lake.opened import PRIVATE
from backhaul.model import Landed, Origin, Window

if TYPE_CHECKING:
    from hashlib import _Hash

CHUNK_BYTES = 1 << 20
MOST_EVIDENCE_BYTES = 4 << 20
KEEP_PARTS_S = 3 * 86_400.0
"""How long the part of a file that was cut off waits for the rest of it."""

_CUT_OFF = ".resume"


def _nothing_is_kept(origin: str) -> bool:
    """Say no: nobody has told what was kept."""
    return False


@dataclass(frozen=True)
class LandingFolder:
    """One stream's landing folder: proven files, and below `.part` those that still arrive.

    Large ones that were cut off wait below `.resume` for their rest, in the clear like all of landing. `evidence`
    is where files go that show why an attempt failed; without it they are dropped. `kept_before` tells by an
    origin's id whether a file from there was kept for the stream.
    """

    folder: Path
    evidence: Path | None = None
    kept_before: Callable[[str], bool] = _nothing_is_kept

    def receive(
        self,
        chunks: Iterable[bytes],
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
        origin: Origin | None = None,
    ) -> Landed:
        """Save a stream of bytes as a proven file. What the stream or `prove` raises leaves no file behind."""
        unproven = self.folder / ".part"
        # Files lie here in the clear, also those of personal streams.
        self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        unproven.mkdir(exist_ok=True)
        path = self._free_path(safe_name(name))
        part = unproven / path.name
        digest = hashlib.sha256()
        with contextlib.ExitStack() as undo:
            undo.callback(_remove_if_empty, unproven)
            undo.callback(part.unlink, missing_ok=True)
            _append(part, chunks, digest, mode="wb")
            prove(part)
            sync_file(part)
            undo.pop_all()
        size_bytes = part.stat().st_size
        publish(part, path)
        _remove_if_empty(unproven)
        return Landed(path, name, digest.hexdigest(), size_bytes, window, origin)

    def resume(
        self,
        chunks_from: Callable[[int], Iterable[bytes]],
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
        origin: Origin,
    ) -> Landed:
        """Save a large file as a proven one; what breaks off is kept for the next call with this very origin.

        `chunks_from` takes the number of bytes that are here already and gives what follows. What `prove` raises,
        and a full disk, leave no file behind.
        """
        self._forget_old_parts()
        part = self._cut_off(origin) / safe_name(name)
        self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        part.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            for chunk in _chunks(part) if part.exists() else ():
                digest.update(chunk)
            here = part.stat().st_size if part.exists() else 0
            _append(part, chunks_from(here), digest, mode="ab")
        except BaseException as error:
            if is_disk_full(error) or not (part.exists() and part.stat().st_size):
                self._drop(part)
            raise
        with contextlib.ExitStack() as undo:
            undo.callback(self._drop, part)
            prove(part)
            sync_file(part)
            undo.pop_all()
        path, size_bytes = self._free_path(part.name), part.stat().st_size
        publish(part, path)
        self._drop(part)
        return Landed(path, name, digest.hexdigest(), size_bytes, window, origin)

    def adopt(
        self,
        path: Path,
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
        origin: Origin | None = None,
    ) -> Landed:
        """Copy a file that lies somewhere already; the original stays."""
        return self.receive(_chunks(path), name=name, window=window, prove=prove, origin=origin)

    def is_kept(self, origin: str) -> bool:
        """Tell whether a file with this origin's id was kept for the stream before, good or not."""
        return self.kept_before(origin)

    def clear(self) -> None:
        """Remove what an interrupted run has left, but for the parts of large files that can be gone on with."""
        self._forget_old_parts()
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.is_dir() and path.name != _CUT_OFF:
                    shutil.rmtree(path, ignore_errors=True)
                elif not path.is_dir():
                    with contextlib.suppress(OSError):
                        path.unlink()
        _remove_if_empty(self.folder)

    def keep_evidence(self, name: str, content: bytes) -> None:
        """Keep a file that shows why an attempt failed; a later one of the same name takes its place.

        A disk that cannot take it makes the failure no worse.
        """
        if self.evidence is None:
            return
        with contextlib.suppress(OSError):
            self.evidence.mkdir(parents=True, exist_ok=True)
            (self.evidence / safe_name(name)).write_bytes(content[:MOST_EVIDENCE_BYTES])

    def _cut_off(self, origin: Origin) -> Path:
        # By its hash: an id of any length and with any signs, and never that of another file.
        return self.folder / _CUT_OFF / hashlib.sha256(origin.id.encode("utf-8", "surrogatepass")).hexdigest()[:40]

    def _drop(self, part: Path) -> None:
        part.unlink(missing_ok=True)
        for folder in (part.parent, part.parent.parent, self.folder):
            _remove_if_empty(folder)

    def _forget_old_parts(self) -> None:
        since = time.time() - KEEP_PARTS_S
        for part in list((self.folder / _CUT_OFF).glob("*/*")):
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < since:
                    self._drop(part)

    def _free_path(self, name: str) -> Path:
        path, number = self.folder / name, 2
        while path.exists():
            path = self.folder / f"{number}-{name}"
            number += 1
        return path


def _append(part: Path, chunks: Iterable[bytes], digest: _Hash, *, mode: str) -> None:
    with part.open(mode) as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)


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
