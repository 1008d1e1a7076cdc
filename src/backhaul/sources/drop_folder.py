"""A folder that people or other programs put files into: the simplest source there is."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from backhaul.config import Setting, Text, home, text
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.model import Artifact, Fetched, Landed, Landing, Session, Stream, StreamOptions, Vault, Window

if TYPE_CHECKING:
    import polars as pl

UNFINISHED = (".part", ".tmp", ".crdownload")
TAKE_OUT = "Let backhaul's user read it, or take it out of the folder."
_LOCKED = (32, 33)
"""Windows' numbers for a file that its writer has not let go of."""


@dataclass(frozen=True)
class DropFolder:
    """A folder whose files are taken when they are new or changed; nothing in it is moved or deleted.

    Args:
        settle_s: a file that was written to within so many seconds waits for the next run.
        parallel: how many streams read the folder side by side.
    """

    path: Text
    settle_s: float = 2.0
    parallel: int = 2

    @property
    def name(self) -> str:
        """The name of the folder; the name of its setting as long as that has no value."""
        return self.path.name if isinstance(self.path, Setting) else Path(self.path).name or self.path

    def files(
        self,
        name: str,
        *,
        key: str | Iterable[str],
        pattern: str,
        recursive: bool = False,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of the files whose names match pattern, such as `orders*.csv`, in any case of letters.

        Each file is one artifact, the oldest first. With `recursive`, subfolders are looked through as well.
        """
        return Stream.made_by(self, name, key=key, request=FileRequest(pattern, recursive), options=options)

    def open(self, vault: Vault) -> Session:
        """Return the folder. Raises TransientError if it is not there, ConfigError if it is none."""
        folder = home() / Path(text(self.path)).expanduser()
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is not a folder", next_step="Name the folder that the files are put into.")
        _refuse_missing(folder)
        return OpenFolder(folder)

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Copy the files that are new since cursor to landing; the window is not used.

        Raises SourceChanged for a file that cannot be read, TransientError if the folder is gone.
        """
        assert isinstance(session, OpenFolder)
        assert isinstance(stream.request, FileRequest)
        known = {name: tuple(state) for name, state in json.loads(cursor or "{}").items()}
        there = session.files(stream.request)
        landed, taken = [], {}
        for name, state in sorted(there.items(), key=lambda each: (each[1][1], each[0])):
            is_new = known.get(name) != state
            if is_new and 0 <= time.time() - state[1] / 1e9 < self.settle_s:
                continue
            if is_new:
                file = session.land(name, state, landing)
                if file is None:
                    continue
                landed.append(file)
            taken[name] = state
        return Fetched(tuple(landed), json.dumps(taken))

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the rows of the file, key columns as text. Raises SourceChanged for a file that is no such table."""
        from backhaul.formats import prove, read_table

        try:
            prove(artifact.path)
            for frame in read_table(artifact.path, text_columns=stream.key):
                if absent := [column for column in stream.key if column not in frame.columns]:
                    found = f"found {frame.columns} in {artifact.name}"
                    raise SourceChanged(f"{stream.name}: column {absent[0]!r} is missing; {found}")
                yield frame
        except TransientError as error:
            # Reading the same bytes again would not help; a whole file has other bytes and comes as a new one.
            raise SourceChanged(
                f"{stream.name}: {artifact.name} is not whole: {error}",
                next_step="Put the whole file into the folder once more.",
            ) from None


@dataclass(frozen=True)
class FileRequest:
    """Which files of the folder belong to a stream."""

    pattern: str
    recursive: bool


@dataclass(frozen=True)
class OpenFolder:
    """The session of a DropFolder: nothing is held open."""

    folder: Path

    def close(self) -> None:
        """Nothing to let go of."""

    def files(self, request: FileRequest) -> dict[str, tuple[int, int]]:
        """Return size and time of change (ns) of each finished file that matches, by its path in the folder."""
        _refuse_missing(self.folder)
        found = {}
        for parent, folders, names in os.walk(self.folder, onerror=_refuse_unreadable):
            folders[:] = [each for each in folders if request.recursive and not each.startswith(".")]
            for name in names:
                if not _is_ours(name, request.pattern):
                    continue
                path = Path(parent, name)
                if path.is_symlink() and not path.resolve().is_relative_to(self.folder.resolve()):
                    raise SourceChanged(f"{path} is a link that leads out of the folder", next_step=TAKE_OUT)
                # It may be gone by now, or be no file at all.
                with contextlib.suppress(FileNotFoundError):
                    if path.is_file():
                        found[path.relative_to(self.folder).as_posix()] = _state(path)
        return found

    def land(self, name: str, state: tuple[int, int], landing: Landing) -> Landed | None:
        """Copy a file to landing; None if it is still being written, or gone."""
        path = self.folder / name
        try:
            landed = landing.adopt(path, name=name, window=None, prove=_not_yet)
            if _state(path) == state:
                return landed
            landed.path.unlink()
        except FileNotFoundError:
            _refuse_missing(self.folder)
        except OSError as error:
            if getattr(error, "winerror", None) not in _LOCKED:
                _refuse_unreadable(OSError(error.errno, error.strerror, str(path)))
        return None


def _is_ours(name: str, pattern: str) -> bool:
    is_unfinished = name.startswith((".", "~$")) or name.lower().endswith(UNFINISHED)
    return fnmatch(name.lower(), pattern.lower()) and not is_unfinished


def _state(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def _refuse_missing(folder: Path) -> None:
    if not folder.is_dir():
        raise TransientError(f"the folder {folder} is not there", next_step="Check its path, or connect its drive.")


def _refuse_unreadable(error: OSError) -> None:
    raise SourceChanged(f"{error.filename} cannot be read: {error.strerror}", next_step=TAKE_OUT) from None


def _not_yet(path: Path) -> None:
    """Prove nothing: a bad file is refused by name when it is read, and does not keep the good ones from landing."""
