"""The files of the sandbox Dropbox: revisions, what has changed, and the cursors that visitors hold."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from backhaul.sources.dropbox.content_hash import content_hash


class CallError(Exception):
    """A call that is refused: status, and the tags of its error from the outside in, or words for a 400."""

    def __init__(self, status: int, *tags: str, words: str = "") -> None:
        super().__init__(words or "/".join(tags))
        self.status = status
        self.tags = tags
        self.words = words


@dataclass(frozen=True)
class StoredFile:
    """One revision of a file; times in UTC."""

    path: str
    rev: str
    id: str
    content: bytes = field(repr=False)
    content_hash: str
    server_modified: datetime
    client_modified: datetime

    @property
    def entry(self) -> dict[str, Any]:
        """The file as a listing tells it."""
        return {
            ".tag": "file",
            "name": PurePosixPath(self.path).name,
            "path_lower": self.path.lower(),
            "path_display": self.path,
            "id": self.id,
            "client_modified": f"{self.client_modified:%Y-%m-%dT%H:%M:%SZ}",
            "server_modified": f"{self.server_modified:%Y-%m-%dT%H:%M:%SZ}",
            "rev": self.rev,
            "size": len(self.content),
            "is_downloadable": True,
            "content_hash": self.content_hash,
        }


@dataclass(frozen=True)
class _Cursor:
    folder: str
    is_recursive: bool
    page: int
    pending: tuple[dict[str, Any], ...]
    position: int
    generation: int


class Store:
    """One account's files and folders, by their path in small letters; used by several threads at once."""

    def __init__(self, page_entries: int) -> None:
        self.page_entries = page_entries
        self._lock = threading.RLock()
        self._entries: dict[str, dict[str, Any]] = {}
        self._files: dict[str, StoredFile] = {}
        self._revisions: dict[str, StoredFile] = {}
        self._log: list[dict[str, Any]] = []
        self._cursors: dict[str, _Cursor] = {}
        self._generation = 0
        self._next_rev = 0x5A1B2C3D0

    def put(self, path: str, content: bytes, server_modified: datetime, client_modified: datetime) -> StoredFile:
        """Add a file, or a revision of the one that is there; folders above it appear."""
        with self._lock:
            self._next_rev += 1
            old = self._files.get(path.lower())
            file = StoredFile(
                path,
                f"{self._next_rev:x}",
                old.id if old else f"id:{secrets.token_urlsafe(16)}",
                content,
                content_hash([content]),
                server_modified.astimezone(UTC),
                client_modified.astimezone(UTC),
            )
            self.add_folder(str(PurePosixPath(path).parent))
            self._files[path.lower()] = self._revisions[file.rev] = file
            self._tell(file.entry)
            return file

    def add_folder(self, path: str) -> None:
        """Add a folder, and those above it."""
        with self._lock:
            if path in ("", "/") or path.lower() in self._entries:
                return
            self.add_folder(str(PurePosixPath(path).parent))
            names = {"name": PurePosixPath(path).name, "path_lower": path.lower(), "path_display": path}
            self._tell({".tag": "folder", **names, "id": f"id:{secrets.token_urlsafe(16)}"})

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all that is in it. Raises KeyError for what is not there."""
        with self._lock:
            known = self._entries[path.lower()]
            for below in [each for each in self._entries if each.startswith(f"{path.lower()}/")]:
                self.delete(below)
            self._files.pop(path.lower(), None)
            self._tell({".tag": "deleted", **{name: known[name] for name in ("name", "path_lower", "path_display")}})

    def replace_file(self, file: StoredFile) -> StoredFile:
        """Put a newer revision with other bytes in the place of a file, and lose the old one."""
        with self._lock:
            self._revisions.pop(file.rev, None)
            later = replace(file, content=file.content + b"\n")
            return self.put(later.path, later.content, file.server_modified, file.client_modified)

    def reset_cursors(self) -> None:
        """Make every cursor void."""
        with self._lock:
            self._generation += 1

    def find(self, path: str) -> StoredFile:
        """Return the file that a path, `rev:` or `id:` names. Raises CallError."""
        with self._lock:
            if path.startswith("rev:"):
                found = self._revisions.get(path.removeprefix("rev:"))
            elif path.startswith("id:"):
                found = next((each for each in self._files.values() if each.id == path), None)
            else:
                found = self._files.get(path.lower())
            if found is None:
                is_folder = self._entries.get(path.lower(), {}).get(".tag") == "folder"
                raise CallError(409, "path", "not_file" if is_folder else "not_found")
            return found

    def metadata(self, path: str) -> dict[str, Any]:
        """Return the entry of a file or folder. Raises CallError."""
        with self._lock:
            entry = self._entries.get(path.lower(), {})
            return entry if entry.get(".tag") == "folder" else self.find(path).entry

    def listing(self, folder: str, *, is_recursive: bool, limit: int | None) -> dict[str, Any]:
        """Return the first page of a folder, in no order that means anything. Raises CallError."""
        with self._lock:
            self._check_folder(folder)
            there = [each for _, each in sorted(self._entries.items()) if _is_in(each, folder, is_recursive)]
            there = [each for each in there if each[".tag"] != "deleted"]
            page = min(limit or self.page_entries, self.page_entries)
            cursor = _Cursor(folder, is_recursive, page, tuple(there), len(self._log), self._generation)
            return self._page(cursor)

    def more(self, token: str) -> dict[str, Any]:
        """Return the page that a cursor stands before, or what has changed since. Raises CallError."""
        with self._lock:
            cursor = self._cursors.get(token)
            if cursor is None:
                words = 'Error in call to API function "files/list_folder/continue": Invalid "cursor" parameter'
                raise CallError(400, words=words)
            if cursor.generation != self._generation:
                raise CallError(409, "reset")
            self._check_folder(cursor.folder)
            if not cursor.pending:
                latest: dict[str, dict[str, Any]] = {}
                for entry in self._log[cursor.position :]:
                    latest.pop(entry["path_lower"], None)
                    latest[entry["path_lower"]] = entry
                changed = [each for each in latest.values() if _is_in(each, cursor.folder, cursor.is_recursive)]
                cursor = replace(cursor, pending=tuple(changed), position=len(self._log))
            return self._page(cursor)

    def _page(self, cursor: _Cursor) -> dict[str, Any]:
        entries, rest = cursor.pending[: cursor.page], cursor.pending[cursor.page :]
        token = f"AA{secrets.token_urlsafe(40)}"
        self._cursors[token] = replace(cursor, pending=rest)
        return {"entries": list(entries), "cursor": token, "has_more": bool(rest)}

    def _check_folder(self, folder: str) -> None:
        tag = self._entries.get(folder.lower(), {}).get(".tag")
        if folder and tag != "folder":
            raise CallError(409, "path", "not_folder" if tag == "file" else "not_found")

    def _tell(self, entry: dict[str, Any]) -> None:
        self._entries[entry["path_lower"]] = entry
        if entry[".tag"] == "deleted":
            del self._entries[entry["path_lower"]]
        self._log.append(entry)


def _is_in(entry: dict[str, Any], folder: str, is_recursive: bool) -> bool:
    parent = entry["path_lower"].rpartition("/")[0]
    return parent == folder.lower() or (is_recursive and f"{parent}/".startswith(f"{folder.lower()}/"))
