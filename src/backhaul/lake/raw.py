"""Raw: every kept file once, under its own hash, read-only."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from backhaul.errors import BackhaulError
from backhaul.lake.durable import publish
from backhaul.model import Landed


@dataclass(frozen=True)
class RawStore:
    """Files by SHA-256, in 256 folders."""

    folder: Path

    def path(self, sha256: str) -> Path:
        """Return where the bytes with this hash lie, or would lie."""
        return self.folder / sha256[:2] / sha256

    def keep(self, landed: Landed) -> Path:
        """Move a landed file here; bytes that are here already, undamaged, are not stored again."""
        path = self.path(landed.sha256)
        if path.exists() and _hash(path) == landed.sha256:
            landed.path.unlink()
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        landed.path.chmod(stat.S_IRUSR | stat.S_IRGRP)
        publish(landed.path, path)
        return path

    def verify(self, sha256: str) -> Path:
        """Return the path of the kept bytes after hashing them again.

        Raises BackhaulError if they are gone or changed: a disk or a person has damaged the lake.
        """
        path = self.path(sha256)
        if not path.exists():
            raise BackhaulError(
                f"raw file {sha256[:12]} is gone from {self.folder}",
                next_step="Restore it from a backup, or fetch the window again with --window.",
            )
        found = _hash(path)
        if found != sha256:
            raise BackhaulError(
                f"raw file {sha256[:12]} is damaged: its bytes hash to {found[:12]}",
                next_step="Restore it from a backup, or fetch the window again with --window.",
            )
        return path


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
