"""The sandbox Dropbox: one account with one connected app, its files put there by the test or the demo."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType

from backhaul.sandbox.dropbox.faults import DropboxFault, DropboxFaults, PlannedDropboxFault
from backhaul.sandbox.dropbox.server import App, DropboxServer, RecordedDropboxCall
from backhaul.sandbox.dropbox.store import Store, StoredFile
from backhaul.sandbox.serving import Serving


class SandboxDropbox:
    """An account with the folder `folder`, empty at first; runs between `with` and its end.

    Args:
        faults: strike from the start; `dropbox.faults` adds and clears them later.
        port: 0 takes any free one.
        page_entries: so many entries make a page of a listing.
        token_lasts_s: for how long an access token is said to hold.
    """

    def __init__(
        self,
        faults: Iterable[DropboxFault | PlannedDropboxFault] = (),
        *,
        port: int = 0,
        folder: str = "/IPOS",
        page_entries: int = 2000,
        token_lasts_s: int = 14_400,
    ) -> None:
        self.folder = folder
        self.faults = DropboxFaults(faults)
        self._app = App(lasts_s=token_lasts_s)
        self._store = Store(page_entries)
        self._store.add_folder(folder)
        self._server = DropboxServer(("127.0.0.1", port), self._app, self._store, self.faults)
        self._serving = Serving(self._server, "sandbox dropbox")

    def __enter__(self) -> SandboxDropbox:
        self._serving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and give the port back; may be called twice."""
        self._serving.close()

    @property
    def url(self) -> str:
        """The address that stands in for https://api.dropboxapi.com and https://content.dropboxapi.com."""
        return self._server.url

    @property
    def settings(self) -> dict[str, str]:
        """What an installation's `.env` says to reach the folder."""
        return {
            "DROPBOX_APP_KEY": self._app.key,
            "DROPBOX_APP_SECRET": self._app.secret,
            "DROPBOX_REFRESH_TOKEN": self._app.refresh_token,
            "DROPBOX_FOLDER_PATH": self.folder,
            "DROPBOX_API_URL": self.url,
            "DROPBOX_CONTENT_URL": self.url,
        }

    @property
    def calls(self) -> list[RecordedDropboxCall]:
        """Every call that was answered or cut off, oldest first."""
        return list(self._server.calls)

    @property
    def tokens(self) -> list[str]:
        """Every access token that was given out."""
        return list(self._app.tokens)

    def put_file(
        self,
        path: str,
        content: bytes,
        *,
        server_modified: datetime | None = None,
        client_modified: datetime | None = None,
    ) -> StoredFile:
        """Put a file, or a new revision of it; a path without a slash in front is in `folder`. Times are aware."""
        uploaded = server_modified or datetime.now(UTC)
        return self._store.put(self._whole(path), content, uploaded, client_modified or uploaded)

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all that is in it. Raises KeyError for what is not there."""
        self._store.delete(self._whole(path))

    def add_folder(self, path: str) -> None:
        """Add a folder, and those above it."""
        self._store.add_folder(self._whole(path))

    def reset_cursors(self) -> None:
        """Make every cursor void: a listing has to begin anew."""
        self._store.reset_cursors()

    def expire_tokens(self) -> None:
        """Make every access token that is out too old."""
        with self._app.lock:
            self._app.tokens = dict.fromkeys(self._app.tokens, False)

    def revoke(self) -> None:
        """Disconnect the app, as the owner of the account can: no token of it is taken any more.

        `settings` holds the refresh token that connecting it anew gives.
        """
        with self._app.lock:
            self._app.tokens.clear()
            self._app.refresh_token = secrets.token_urlsafe(48)

    def allow(self) -> str:
        """Let the app in, as the owner of the account does on Dropbox's page; return the code that it shows."""
        code = secrets.token_urlsafe(32)
        self._app.codes.add(code)
        return code

    def _whole(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.folder}/{path}"
