"""A folder on this machine that the newest file is taken from, such as the one that Dropbox's own program keeps."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.model import Landed, Landing, Origin
from backhaul.sources.dropbox.listing import is_match

UNFINISHED = (".part", ".tmp", ".crdownload")
_LOCKED = (32, 33)
"""Windows' numbers for a file that its writer has not let go of."""
_STEP = "Let backhaul's user read the folder and the files in it."


@dataclass(frozen=True)
class LocalFile:
    """One file and its state when it was looked at; the time of its last change counts in nanoseconds."""

    path: Path
    size: int
    changed_ns: int

    @property
    def origin(self) -> Origin:
        """Where its bytes come from: a file that was changed has another id."""
        made_at = datetime.fromtimestamp(self.changed_ns / 1e9, UTC)
        return Origin(f"{self.path.name}@{self.size}-{self.changed_ns}", made_at)

    @property
    def age(self) -> tuple[int, str]:
        """What the newest has most of; of two with one time, the last by name is the newest."""
        return self.changed_ns, self.path.name

    @property
    def seconds_old(self) -> float:
        """The seconds since it was changed; less than none for a file of the future."""
        return time.time() - self.changed_ns / 1e9


@dataclass(frozen=True)
class LocalFolder:
    """The session of a folder on this machine: nothing is held open. Raises TransientError if it is not there."""

    folder: Path

    def __post_init__(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is not a folder", next_step="Correct DROPBOX_LOCAL_FOLDER.")
        self._refuse_missing()

    def close(self) -> None:
        """Nothing to let go of."""

    def newest(self, pattern: str) -> LocalFile | None:
        """Return the newest file whose name matches pattern, or None. Raises SourceChanged."""
        self._refuse_missing()
        try:
            with os.scandir(self.folder) as entries:
                found = [file for entry in entries if (file := _file(entry, pattern)) is not None]
        except OSError as error:
            raise _unreadable(error, self.folder) from None
        newest = max(found, key=lambda each: each.age, default=None)
        if newest and newest.path.is_symlink() and newest.path.resolve().parent != self.folder.resolve():
            raise SourceChanged(f"{newest.path} is a link that leads out of the folder", next_step=_STEP)
        return newest

    def land(self, file: LocalFile, landing: Landing, name: str) -> Landed | None:
        """Copy a file to landing; None if it changes meanwhile, is locked by its writer, or gone."""
        try:
            landed = landing.adopt(file.path, name=name, window=None, prove=_not_yet, origin=file.origin)
            if state_of(file.path) == file:
                return landed
            landed.path.unlink()
        except FileNotFoundError:
            self._refuse_missing()
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _LOCKED:
                raise _unreadable(error, file.path) from None
        return None

    def _refuse_missing(self) -> None:
        if not self.folder.is_dir():
            raise TransientError(
                f"the folder {self.folder} is not there",
                next_step="Correct DROPBOX_LOCAL_FOLDER, or start the program that fills the folder.",
            )


def state_of(path: Path) -> LocalFile:
    """Return a file as it is now."""
    facts = path.stat()
    return LocalFile(path, facts.st_size, facts.st_mtime_ns)


def taken_before(saved: str | None, folder: Path) -> LocalFile | None:
    """Return the file of folder that a cursor of the engine holds, as it was then, or None."""
    try:
        said = json.loads(saved or "{}")["local"]
        return LocalFile(folder / said["name"], int(said["size"]), int(said["changed_ns"]))
    except (ValueError, TypeError, KeyError):
        return None


def remembered(file: LocalFile) -> str:
    """Return what the engine keeps as the cursor once file is taken."""
    said = {"name": file.path.name, "size": file.size, "changed_ns": file.changed_ns}
    return json.dumps({"local": said}, ensure_ascii=False)


def _file(entry: os.DirEntry[str], pattern: str) -> LocalFile | None:
    is_unfinished = entry.name.startswith((".", "~$")) or entry.name.lower().endswith(UNFINISHED)
    if is_unfinished or not is_match(entry.name, pattern):
        return None
    try:
        return state_of(Path(entry.path)) if entry.is_file() else None
    except FileNotFoundError:
        # Gone since the folder was opened.
        return None


def _unreadable(error: OSError, path: Path) -> SourceChanged:
    return SourceChanged(f"{path} cannot be read: {error.strerror}", next_step=_STEP)


def _not_yet(path: Path) -> None:
    """Prove nothing: a bad file is kept, and refused by name when it is read, so that it is not taken again."""
