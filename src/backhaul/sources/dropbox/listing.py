"""What lies in a Dropbox folder: its files as a listing tells them, kept from run to run with Dropbox's cursor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Any

from backhaul.errors import SourceChanged, TransientError
from backhaul.model import Origin
from backhaul.sources.dropbox.client import DropboxClient
from backhaul.sources.dropbox.refusals import BadRequest, EndpointRefused, folder_refusal

MOST_REMEMBERED = 30
"""So many of the newest files are kept beside the cursor, for the day when the newest is deleted."""
_PAGE_ENTRIES = 2000
_MOST_PAGES = 5000
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_CHANGED = "Run `backhaul doctor`; Dropbox may have changed how it lists files."


@dataclass(frozen=True)
class RemoteFile:
    """One file in Dropbox; server_modified as Dropbox writes it (UTC), which sorts by time."""

    path: str
    name: str
    rev: str
    size: int
    content_hash: str
    server_modified: str

    @property
    def origin(self) -> Origin:
        """Where its bytes come from: another revision has another id."""
        made_at = datetime.strptime(self.server_modified, _TIME).replace(tzinfo=UTC)
        return Origin(f"{self.path}@{self.rev}", made_at)

    @property
    def age(self) -> tuple[str, str]:
        """What the newest has most of; of two with one time, the last by name is the newest."""
        return self.server_modified, self.path


@dataclass
class Listing:
    """The files of one folder that match a pattern, as far as Dropbox has told them, and where it goes on telling.

    `cut_at` is the age of the newest file that is not remembered any more. `newest_taken` is the newest file that
    was fetched or found fetched; `others` is how many files there were that do not match, at the last listing from
    the start.
    """

    folder: str
    pattern: str
    cursor: str = ""
    files: dict[str, RemoteFile] = field(default_factory=dict)
    cut_at: tuple[str, str] | None = None
    newest_taken: RemoteFile | None = None
    others: int = 0

    @property
    def newest(self) -> RemoteFile | None:
        """The newest file by the time of Dropbox's server, or None."""
        return max(self.files.values(), key=lambda each: each.age, default=None)

    def is_older(self, file: RemoteFile) -> bool:
        """Tell whether file is older than what was taken already: who deletes a backup does not want older prices."""
        taken = self.newest_taken
        return taken is not None and file.age < taken.age

    def is_taken(self, file: RemoteFile) -> bool:
        """Tell whether this very revision was taken."""
        return self.newest_taken is not None and self.newest_taken.origin.id == file.origin.id

    def dumps(self, taken: RemoteFile | None = None) -> str:
        """Return the listing as the engine's cursor, with the file taken now."""
        by_age = sorted(self.files.values(), key=lambda each: each.age, reverse=True)
        kept, dropped = by_age[:MOST_REMEMBERED], [each.age for each in by_age[MOST_REMEMBERED:]]
        newest = taken or self.newest_taken
        state = {
            "folder": self.folder,
            "pattern": self.pattern,
            "cursor": self.cursor,
            "files": [asdict(each) for each in kept],
            "cut_at": max([*dropped[:1], *([self.cut_at] if self.cut_at else [])], default=None),
            "newest_taken": asdict(newest) if newest else None,
        }
        return json.dumps(state, ensure_ascii=False)

    def refresh(self, client: DropboxClient) -> None:
        """Learn what has changed since the cursor, in one call where little has; without one, list from the start.

        Raises ConfigError for a folder that is not there, LoginRequired, TransientError, SourceChanged.
        """
        what = f"{client.connection.name}: listing"
        if self.cursor:
            try:
                self._pages(client, what)
            except (EndpointRefused, BadRequest) as error:
                if isinstance(error, EndpointRefused) and "reset" not in error.tags and "path" not in error.tags:
                    raise
                # A void cursor (409 reset), one of another account (400), a folder that was deleted and made anew.
                self.cursor = ""
        newest = self.newest
        is_forgotten = self.cut_at is not None and (newest is None or newest.age < self.cut_at)
        if not self.cursor or is_forgotten:
            self._from_start(client, what)

    def _from_start(self, client: DropboxClient, what: str) -> None:
        self.cursor, self.files, self.cut_at, self.others = "", {}, None, 0
        arguments = {"path": self.folder, "recursive": False, "limit": _PAGE_ENTRIES}
        try:
            answer = client.call(what, "files/list_folder", arguments)
            if self._took(answer, what):
                self._pages(client, what)
        except EndpointRefused as error:
            if error.tags[0] == "reset":
                raise TransientError(f"{what}: Dropbox has begun anew in the middle") from None
            raise folder_refusal(error, what, self.folder) from None

    def _pages(self, client: DropboxClient, what: str) -> None:
        for _ in range(_MOST_PAGES):
            answer = client.call(what, "files/list_folder/continue", {"cursor": self.cursor})
            if not self._took(answer, what):
                return
        raise SourceChanged(f"{what}: Dropbox has more after {_MOST_PAGES:,} pages", next_step=_CHANGED)

    def _took(self, answer: dict[str, Any], what: str) -> bool:
        """Take one page in; return whether there are more."""
        entries, cursor = answer.get("entries"), answer.get("cursor")
        if not isinstance(entries, list) or not isinstance(cursor, str) or not cursor:
            raise SourceChanged(f"{what}: an answer of Dropbox has no entries or no cursor", next_step=_CHANGED)
        self._take(entries, what)
        self.cursor = cursor
        return answer.get("has_more") is True

    def _take(self, entries: Iterable[Any], what: str) -> None:
        for entry in entries:
            path = entry.get("path_lower") if isinstance(entry, dict) else None
            if not isinstance(path, str):
                # Mounted, but not in the folder any more: it has no path.
                continue
            self.files.pop(path, None)
            if path == self.folder.lower():
                # The folder itself was deleted, or made anew.
                self.files.clear()
            if entry.get(".tag") != "file" or entry.get("is_downloadable") is False:
                continue
            if is_match(str(entry.get("name", "")), self.pattern):
                self.files[path] = _file_of(entry, path, what)
            else:
                self.others += 1


def listing_of(saved: str | None, folder: str, pattern: str) -> Listing:
    """Return the listing that a cursor of the engine holds; a new one where it is of another folder or pattern."""
    listing = Listing(folder, pattern)
    try:
        state = json.loads(saved or "{}")
        if (state.get("folder"), state.get("pattern")) != (folder, pattern):
            return listing
        taken = state["newest_taken"]
        files = [RemoteFile(**each) for each in state["files"]]
        listing.newest_taken = RemoteFile(**taken) if taken else None
        listing.files = {each.path: each for each in files}
        listing.cursor, cut_at = str(state["cursor"]), state["cut_at"]
        listing.cut_at = (str(cut_at[0]), str(cut_at[1])) if cut_at else None
    except (ValueError, TypeError, KeyError, AttributeError):
        # Of another version, or of a local folder: listing from the start costs a call or two.
        return Listing(folder, pattern)
    return listing


def is_match(name: str, pattern: str) -> bool:
    """Tell whether a file's name fits pattern, in any case of letters."""
    return fnmatch(name.lower(), pattern.lower())


def _file_of(entry: dict[str, Any], path: str, what: str) -> RemoteFile:
    """Return a file entry as ours. Raises SourceChanged for one that lacks what a download needs."""
    words = {name: entry.get(name) for name in ("name", "rev", "content_hash", "server_modified")}
    size = entry.get("size")
    if not all(isinstance(value, str) and value for value in words.values()) or not isinstance(size, int):
        raise SourceChanged(
            f"{what}: Dropbox tells {entry.get('name')!r} without size, rev, hash or time", next_step=_CHANGED
        )
    try:
        datetime.strptime(str(words["server_modified"]), _TIME)
    except ValueError:
        raise SourceChanged(f"{what}: Dropbox writes times in a new way", next_step=_CHANGED) from None
    return RemoteFile(path=path, size=size, **{name: str(value) for name, value in words.items()})
