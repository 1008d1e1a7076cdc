"""Kept files for people: which there are, and a copy of one under its own name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from backhaul.engine.ledger.kept_files import KeptFile
from backhaul.engine.run import Installation
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError
from backhaul.lake.durable import publish, sync_file
from backhaul.lake.landing import safe_name
from backhaul.model import Artifact

OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Shown:
    """A kept file and the stream it belongs to, by its full name."""

    stream: str
    file: KeptFile


def kept_files(target: Target, installation: Installation) -> list[Shown]:
    """Return the kept files of target's streams, stream by stream, newest first. Needs no setting and no key."""
    ledger = installation.ledger
    names = [f"{target.name}.{stream.name}" for stream in target.pipeline.streams]
    return [Shown(name, file) for name in names for file in reversed(ledger.kept_files.of(name))]


def copy_kept(target: Target, installation: Installation, which: str, folder: Path) -> Path:
    """Copy a kept file, named by its name or id, to folder under its own name; return where it is.

    A sealed file is opened, and the copy is for its owner only. Raises ConfigError if no file, or more than one, is
    called so, if there is a file of that name in folder already, or if the key is missing; BackhaulError if the
    kept bytes are damaged.
    """
    shown = _chosen(kept_files(target, installation), which, target.name)
    raw = installation.lake.raw
    [artifact] = [
        each for each in installation.ledger.artifacts.of(shown.stream, raw.folder) if each.id == shown.file.id
    ]
    path = folder / safe_name(artifact.name)
    if path.exists():
        raise ConfigError(f"{path} is there already; nothing was copied", next_step="Name another folder with --to.")
    raw.verify(artifact.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    with raw.readable(artifact) as plain:
        _copy(plain, path)
    installation.ledger.keep_audit("copy", shown.stream, f"{artifact.name}, {artifact.id}")
    return path


def _chosen(files: list[Shown], which: str, name: str) -> Shown:
    found = [each for each in files if which == each.file.id] or [each for each in files if which == each.file.name]
    if not found:
        raise ConfigError(
            f"{name} has no kept file {which!r}", next_step=f"`backhaul kept {name}` shows those that there are."
        )
    if len({each.file.sha256 for each in found}) > 1:
        ids = ", ".join(each.file.id for each in found)
        raise ConfigError(f"{name} has {len(found)} kept files {which!r}", next_step=f"Name one of them: {ids}.")
    return found[0]


def _copy(plain: Artifact, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        part.touch(OWNER_ONLY, exist_ok=False)
        shutil.copyfile(plain.path, part)
        sync_file(part)
        publish(part, path)
    finally:
        part.unlink(missing_ok=True)
