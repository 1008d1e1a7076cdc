"""The files of a back-up: written private and whole, proven before they are read, and let go of when too many.

`FOLDER/20261122T130405Z/` holds `manifest.json` and for each collection `DATABASE.COLLECTION.jsonl.gz`, or the same
with `.sealed` where the installation has a key. The folder gets its name when all of it is written and synced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from backhaul.errors import AlreadyRunning, BackhaulError, ConfigError, DeliveryError
from backhaul.lake.durable import is_disk_full, publish, sync_file
from backhaul.lake.landing import safe_name
from backhaul.sealing import Damaged, Seal
from backhaul.version import __version__

MANIFEST = "manifest.json"
FORMAT, LAYOUT = "backhaul backup", 1
STAMP = "%Y%m%dT%H%M%SZ"
ENDING, SEALED = ".jsonl.gz", ".sealed"
LOCK = ".backhaul-backup.lock"
CHUNK_BYTES = 64 * 1024
ANOTHER = "Take another back-up; this one is left as it is."


@dataclass(frozen=True)
class KeptCollection:
    """One collection in a back-up."""

    collection: str
    stream: str
    file: str
    documents: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Backup:
    """A back-up that is whole: `of` is what was named, `key` the id of the key that its files are sealed with."""

    folder: Path
    of: str
    made_at: datetime
    key: str | None
    collections: tuple[KeptCollection, ...]
    version: str = __version__


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Be the only one who writes back-ups into folder, which is made if it is not there; killed ones' parts go.

    Raises AlreadyRunning if another one is being written there, ConfigError if folder is none, DeliveryError for
    what the disk says.
    """
    with _errors_told(folder), _locked(folder):
        _clear_parts(folder)
        yield


@contextmanager
def new_folder(folder: Path, made_at: datetime) -> Iterator[tuple[Path, Path]]:
    """Give the path that a back-up will have below folder, and the hidden one to write it to until then.

    What raises inside leaves nothing.
    """
    path = _free(folder, made_at.strftime(STAMP))
    part = path.with_name(f".{path.name}.part")
    part.mkdir(mode=0o700)
    try:
        yield path, part
        publish(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_manifest(folder: Path) -> Backup:
    """Return the back-up in folder. Raises Damaged if its manifest is none, ConfigError for a layout of later."""
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise ValueError(FORMAT)
        if said["layout"] > LAYOUT:
            raise ConfigError(
                f"{folder} was made by backhaul {said['version']}, in a layout that is not known here",
                next_step="Restore it with that version or a newer one.",
            )
        kept = tuple(KeptCollection(**each) for each in said["collections"])
        if any(Path(each.file).name != each.file for each in kept):
            raise ValueError(MANIFEST)
        made_at = datetime.fromisoformat(said["made_at"])
        return Backup(folder, str(said["of"]), made_at, said["key"], kept, str(said["version"]))
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise Damaged(f"{folder / MANIFEST} is not the manifest of a back-up", next_step=ANOTHER) from None


@dataclass
class _Counted:
    """Counts the lines and hashes the bytes that go by."""

    documents: int = 0
    size_bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            self.documents += 1
            yield line + b"\n"

    def bytes(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size_bytes += len(chunk)
            self.digest.update(chunk)
            yield chunk


def write_collection(
    collection: str, stream: str, lines: Iterable[bytes], folder: Path, seal: Seal | None
) -> KeptCollection:
    """Write one collection's file, private and synced; lines come without their line break."""
    ending = ENDING + (SEALED if seal else "")
    path = _free(folder, safe_name(collection) + ending)
    seen = _Counted()
    packed = _packed(seen.lines(lines))
    content = seal.seal_chunks(packed, about=_about(collection)) if seal else packed
    _write_private(path, seen.bytes(content))
    sha256 = seen.digest.hexdigest()
    return KeptCollection(collection, stream, path.name, seen.documents, sha256, seen.size_bytes)


def _about(collection: str) -> bytes:
    """Return what the bytes are, so that they open in no other collection's place."""
    return b"backup of " + collection.encode()


def _packed(lines: Iterable[bytes]) -> Iterator[bytes]:
    # Without a time or a name: the same documents give the same file.
    packer = zlib.compressobj(level=6, wbits=31)
    for line in lines:
        if packed := packer.compress(line):
            yield packed
    yield packer.flush()


def _write_private(path: Path, chunks: Iterable[bytes]) -> None:
    with open(path, "xb", opener=_private) as file:
        file.writelines(chunks)
    sync_file(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write_manifest(backup: Backup, folder: Path) -> None:
    """Write what the files are and prove to be."""
    said = {
        "format": FORMAT,
        "layout": LAYOUT,
        "of": backup.of,
        "made_at": backup.made_at.isoformat(),
        "version": backup.version,
        "key": backup.key,
        "collections": [asdict(each) for each in backup.collections],
    }
    _write_private(folder / MANIFEST, [json.dumps(said, indent=2, ensure_ascii=False).encode()])


def prove(kept: KeptCollection, backup: Backup, seal: Seal | None) -> None:
    """Raise Damaged unless the file is the one that was written, and holds what the manifest says."""
    path, seen = backup.folder / kept.file, _Counted()
    try:
        with path.open("rb") as file:
            for _ in seen.bytes(_read(file)):
                pass
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}", next_step=ANOTHER) from None
    if seen.digest.hexdigest() != kept.sha256:
        raise Damaged(f"{path} is not the file that was written: its SHA-256 differs", next_step=ANOTHER)
    with contextlib.closing(lines_of(kept, backup, seal)) as lines:
        documents = sum(1 for _ in lines)
    if documents != kept.documents:
        raise Damaged(f"{path} holds {documents} documents, and not {kept.documents}", next_step=ANOTHER)


def lines_of(kept: KeptCollection, backup: Backup, seal: Seal | None) -> Generator[bytes, None, None]:
    """Yield the lines of a file. Raises Damaged for one that is cut short."""
    path = backup.folder / kept.file
    with path.open("rb") as file:
        is_sealed = seal is not None and backup.key is not None
        packed = seal.unseal_chunks(file, about=_about(kept.collection)) if seal and is_sealed else _read(file)
        rest = b""
        for piece in _unpacked(packed, path):
            first, *others = piece.split(b"\n")
            rest += first
            for other in others:
                yield rest
                rest = other
        if rest:
            raise Damaged(f"{path} is cut short", next_step=ANOTHER)


def _unpacked(chunks: Iterable[bytes], path: Path) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                yield unpacker.decompress(chunk, CHUNK_BYTES)
                chunk = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error:
        raise Damaged(f"{path} is damaged", next_step=ANOTHER) from None
    if not unpacker.eof:
        raise Damaged(f"{path} is cut short", next_step=ANOTHER)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def backups_in(folder: Path) -> list[Backup]:
    """Return the back-ups in folder, oldest first; folders that are none are passed over."""
    found = []
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".") and (path / MANIFEST).is_file():
            with contextlib.suppress(BackhaulError):
                found.append(read_manifest(path))
    return sorted(found, key=lambda each: (each.made_at, each.folder.name))


def prune(folder: Path, name: str, keep: int) -> tuple[Path, ...]:
    """Remove the oldest back-ups of the same name beyond so many; return their folders.

    What people have put beside the files stays, and what cannot be removed is tried again the next time.
    """
    gone = []
    for each in [each for each in backups_in(folder) if each.of == name][:-keep]:
        with contextlib.suppress(OSError):
            # The manifest goes last: what is interrupted is found again.
            for file in (*(kept.file for kept in each.collections), MANIFEST):
                (each.folder / file).unlink(missing_ok=True)
            gone.append(each.folder)
            each.folder.rmdir()
    return tuple(gone)


def _free(folder: Path, name: str) -> Path:
    """Return a path in folder that is not there, with a number before the ending where name is taken."""
    stem, dot, ending = name.partition(ENDING) if ENDING in name else (name, "", "")
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{dot}{ending}"
    return path


def _clear_parts(folder: Path) -> None:
    """Remove what a killed back-up has left; the caller holds the lock."""
    for path in folder.glob(".*Z*.part"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file", next_step="Name a folder with --to.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(
            f"{folder}: another back-up is being written into it", next_step="Wait until it is done."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _errors_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = is_disk_full(error)
        reason = "the disk is full" if is_full else error.strerror or type(error).__name__
        step = "Make room, or name a folder" if is_full else "See that the folder may be written to, or name one"
        raise DeliveryError(
            f"{folder}: no back-up was made: {reason}", next_step=f"{step} on another disk with --to."
        ) from error
