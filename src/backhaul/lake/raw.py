"""Raw: every kept file once, under its own address, read-only; sealed where its stream is personal."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import BackhaulError, ConfigError
from backhaul.lake.durable import publish, sync_file
from backhaul.lake.opened import OpenedFolder
from backhaul.model import Artifact, Landed

if TYPE_CHECKING:
    from backhaul.sealing import Seal

SEALED = ".sealed"
JUST_KEPT_S = 3600.0
"""So long after bytes were kept (again) they are not removed: the ledger may not know yet whose they are."""

NEXT_WHEN_DAMAGED = "Restore it from a backup, or fetch the window again with --window."


@dataclass(frozen=True)
class RawStore:
    """Files by address, in 256 folders.

    The address of a plain file is its SHA-256. That of a sealed one is a keyed hash of it and ends in `.sealed`:
    without the key, nobody can try whether a file that they know is here. Both kinds lie side by side, and what is
    kept with `is_private` is sealed.
    """

    folder: Path
    seal: Seal | None = field(default=None, repr=False)
    is_private: bool = False

    def path(self, address: str) -> Path:
        """Return where the bytes with this address lie, or would lie."""
        return self.folder / address[:2] / address

    def keep(self, landed: Landed) -> Landed:
        """Move a landed file here and return it as it is kept: its path, and its address as sha256.

        Bytes that are here already, undamaged, are not stored again.
        """
        address = self._address(landed.sha256)
        path = self.path(address)
        kept = replace(landed, path=path, sha256=address)
        with self._lock():
            is_here = path.exists()
            if is_here:
                os.utime(path)
        if is_here and self._is_whole(path):
            landed.path.unlink()
            return kept
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.is_private:
            self._seal_into(landed.path, path)
        else:
            os.utime(landed.path)
            _make_writable(path)
            publish(landed.path, path)
            # Last: what a crash leaves behind in landing must be removable, on Windows too.
            path.chmod(stat.S_IRUSR | stat.S_IRGRP)
        return kept

    def verify(self, address: str) -> Path:
        """Return the path of the kept bytes after reading them through.

        Raises BackhaulError if they are gone or changed: a disk or a person has damaged the lake; ConfigError if
        they are sealed and their key is not set.
        """
        path = self.path(address)
        if not path.exists():
            raise BackhaulError(f"raw file {address[:12]} is gone from {self.folder}", next_step=NEXT_WHEN_DAMAGED)
        if not self._is_whole(path):
            raise BackhaulError(f"raw file {address[:12]} is damaged", next_step=NEXT_WHEN_DAMAGED)
        return path

    @contextlib.contextmanager
    def readable(self, artifact: Artifact) -> Iterator[Artifact]:
        """Give the artifact with a path that a parser can read; what is sealed is opened for that long only."""
        if artifact.path.suffix != SEALED:
            yield artifact
            return
        seal = self._seal_of(artifact.path)
        with OpenedFolder(self.folder.parent / "opened").private() as folder:
            plain = folder / artifact.path.stem
            seal.unseal_file(artifact.path, plain, about=artifact.path.name.encode())
            yield replace(artifact, path=plain)

    def remove(self, address: str, *, now: float | None = None) -> bool:
        """Remove the bytes, unless they were kept (again) within the last hour; return whether they are gone."""
        path = self.path(address)
        with self._lock():
            try:
                changed_at = path.stat().st_mtime
            except FileNotFoundError:
                return True
            if (now or time.time()) - changed_at < JUST_KEPT_S:
                return False
            _make_writable(path)
            try:
                path.unlink()
            except PermissionError:
                return False
        return True

    def _address(self, sha256: str) -> str:
        return self._needed().fingerprint(bytes.fromhex(sha256)) + SEALED if self.is_private else sha256

    def _seal_into(self, plain: Path, path: Path) -> None:
        part = path.with_name(path.name + ".part")
        self._needed().seal_file(plain, part, about=path.name.encode())
        sync_file(part)
        _make_writable(path)
        publish(part, path)
        path.chmod(stat.S_IRUSR)
        plain.unlink()

    def _is_whole(self, path: Path) -> bool:
        if path.suffix != SEALED:
            return _hash(path) == path.name
        seal = self._seal_of(path)
        from backhaul.sealing import Damaged

        try:
            with path.open("rb") as file:
                for _ in seal.unseal_chunks(file, about=path.name.encode()):
                    pass
        except Damaged:
            return False
        return True

    def _seal_of(self, path: Path) -> Seal:
        if self.seal is None:
            raise ConfigError(
                f"raw file {path.name[:12]} is encrypted, and no key is set",
                next_step="Put the key that was used back into the settings, as BACKHAUL_KEY.",
            )
        return self.seal

    def _needed(self) -> Seal:
        assert self.seal is not None, "Lake.of refuses a personal stream without a key"
        return self.seal

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep what decides that bytes are here apart from what removes them, across pipelines and processes."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder.with_suffix(".lock")):
            yield


def _make_writable(path: Path) -> None:
    """Let a read-only file be removed or replaced: Windows does neither."""
    with contextlib.suppress(FileNotFoundError):
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
