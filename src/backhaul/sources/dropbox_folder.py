"""The newest file of a Dropbox folder, such as the backup that a shop's till writes every night."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from backhaul.config import Secret, Setting, Text, home, text
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.model import Artifact, Fetched, Landing, Origin, Session, Stream, StreamOptions, Vault, Window
from backhaul.retry import Budget
from backhaul.sources.dropbox.client import API_URL, CONTENT_URL, Connection, DropboxClient
from backhaul.sources.dropbox.download import Download
from backhaul.sources.dropbox.listing import Listing, RemoteFile, listing_of
from backhaul.sources.dropbox.local import LocalFile, LocalFolder, remembered, taken_before
from backhaul.sources.dropbox.refusals import EndpointRefused
from backhaul.sources.dropbox.tables import ArchiveTable, rows_of, told_of

if TYPE_CHECKING:
    import polars as pl

    from backhaul.sources.dropbox.tables import Build

LOCAL = "DROPBOX_LOCAL_FOLDER"
PERMISSION_URL = "https://www.dropbox.com/oauth2/authorize"
BUDGET = Budget(attempts=4, seconds=180.0, first_wait_s=1.0, longest_wait_s=60.0)
"""How often and how long one call to Dropbox is tried."""
_LOCAL = Setting(LOCAL, default="")
_API, _CONTENT = Setting("DROPBOX_API_URL", default=API_URL), Setting("DROPBOX_CONTENT_URL", default=CONTENT_URL)
_ANEW = 3
"""So often the folder is listed anew within one run because the newest file was replaced meanwhile."""


@dataclass(frozen=True)
class CloudSetting(Setting):
    """A setting that nobody needs where a folder on this machine is read instead: it is "" there."""

    def value(self, settings: Mapping[str, str]) -> str | None:
        """Return what settings say."""
        return _unless_local(super().value(settings), settings)


@dataclass(frozen=True)
class CloudSecret(Secret):
    """A secret that nobody needs where a folder on this machine is read instead: it is "" there."""

    def value(self, settings: Mapping[str, str]) -> str | None:
        """Return what settings say."""
        return _unless_local(super().value(settings), settings)


@dataclass(frozen=True)
class NewestRequest:
    """Which file of the folder is a stream's, and how its rows are made."""

    pattern: str
    tables: tuple[ArchiveTable, ...]
    build: Build | None


@dataclass(frozen=True)
class DropboxFolder:
    """A folder in Dropbox whose newest file is taken; nothing in it is changed.

    Args:
        folder: its path from the top, such as /IPOS; / is the top.
        app_secret: that of the app; "" for one that has none.
        local: a folder on this machine to read instead, such as the one that Dropbox's own program keeps: no network
            and none of the other settings is needed then.
        settle_s: a local file that was written to within so many seconds waits for the next run.
        parallel: how many streams use the folder side by side.
        timeout_s: seconds for one call to Dropbox; in a download, for one pause.
    """

    folder: Text = CloudSetting("DROPBOX_FOLDER_PATH")
    app_key: Text = CloudSecret("DROPBOX_APP_KEY")
    app_secret: Text = CloudSecret("DROPBOX_APP_SECRET")
    refresh_token: Text = CloudSecret("DROPBOX_REFRESH_TOKEN")
    local: Text = _LOCAL
    api_url: Text = _API
    content_url: Text = _CONTENT
    settle_s: float = 5.0
    parallel: int = 2
    budget: Budget = BUDGET
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.local, str) and self.local:
            for each in fields(self):
                if isinstance(getattr(self, each.name), CloudSetting | CloudSecret):
                    object.__setattr__(self, each.name, "")

    @property
    def name(self) -> str:
        """The folder, as messages call it; the name of its setting as long as that has no value."""
        if isinstance(self.local, str) and self.local:
            return Path(self.local).name or self.local
        return self.folder.name if isinstance(self.folder, Setting) else f"Dropbox {_path(self.folder) or '/'}"

    @property
    def permission_url(self) -> str:
        """The address at which the owner of the folder lets the app in; the page shows a code for `connect`.

        It holds the app's key. Raises ConfigError where that has no value.
        """
        asked = {"client_id": text(self.app_key), "response_type": "code", "token_access_type": "offline"}
        return f"{PERMISSION_URL}?{urlencode(asked)}"

    def connect(self, code: str) -> str:
        """Return the refresh token, the value of DROPBOX_REFRESH_TOKEN, for the code that `permission_url` has shown.

        Raises LoginRequired for a code that Dropbox does not know, ConfigError, TransientError.
        """
        client = DropboxClient(self._connection(""))
        try:
            return client.connect(code)
        finally:
            client.close()

    def newest(
        self,
        name: str,
        *,
        key: str | Iterable[str],
        pattern: str = "*.i5bu",
        tables: Iterable[ArchiveTable] = (),
        build: Build | None = None,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of the newest file whose name matches pattern, in any case of letters.

        Args:
            name: the stream's name.
            key: the column, or columns, that name a row.
            pattern: such as `*.i5bu` or `i5_TOKO_*.i5bu` where several shops use one folder.
            tables: those that are read if the file is an archive of PostgreSQL; without any, it is a table itself.
            build: makes the rows, typed, out of the tables: frames of text by table name. Pure. Its second
                parameter is a function that is told, in words, what a person should know: the run warns of it.

        Raises ConfigError for tables without build, and the other way round.
        """
        request = NewestRequest(pattern, tuple(tables), build)
        if bool(request.tables) != (build is not None):
            raise ConfigError(f"stream {name}: tables and build belong together")
        return Stream.made_by(self, name, key=key, request=request, options=options)

    def open(self, vault: Vault) -> Session:
        """Return an open way to the folder: signed in to Dropbox, or the folder on this machine.

        Raises LoginRequired where a person must connect Dropbox anew, ConfigError, TransientError.
        """
        return self._opened()

    def check(self) -> str:
        """Return the newest file of any name, its age and size; changes nothing. Raises the errors of `open`."""
        session = self._opened()
        try:
            if isinstance(session, LocalFolder):
                newest: LocalFile | RemoteFile | None = session.newest("*")
            else:
                listing = Listing(_path(text(self.folder)), "*")
                listing.refresh(session)
                newest = listing.newest
        finally:
            session.close()
        if newest is None:
            return "the folder is there and empty"
        label = newest.path.name if isinstance(newest, LocalFile) else newest.name
        hours = (time.time() - newest.origin.made_at.timestamp()) / 3600
        return f"the newest file is {label}, {hours:,.0f} hours old, {newest.size / 1e6:,.1f} MB"

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Land the newest file unless it was taken before; the days of window are not used, its time zone is.

        Raises LoginRequired, ConfigError for a folder that is not there or has no such file, SourceChanged, and
        TransientError for a download that is to be gone on with.
        """
        if isinstance(session, LocalFolder):
            return self._fetch_local(session, stream, window, cursor, landing)
        assert isinstance(session, DropboxClient)
        request, folder = _request_of(stream), _path(text(self.folder))
        for _ in range(_ANEW):
            listing = listing_of(cursor, folder, request.pattern)
            listing.refresh(session)
            newest, cursor = listing.newest, listing.dumps()
            if newest is None and listing.newest_taken is None:
                raise self._nothing_there(request.pattern, listing.others)
            if newest is None or listing.is_older(newest):
                return Fetched((), cursor)
            if listing.is_taken(newest) or landing.is_kept(newest.origin.id):
                return Fetched((), listing.dumps(newest), newest.origin)
            download, origin = Download(session, newest), newest.origin
            name = _backup_name(origin, newest.name, window)
            try:
                file = landing.resume(
                    download.chunks_from, name=name, window=None, prove=download.prove, origin=origin
                )
            except EndpointRefused as error:
                if "not_found" not in error.tags:
                    raise
                continue
            return Fetched((file,), listing.dumps(newest), origin)
        raise TransientError(f"{self.name}: the newest file was replaced {_ANEW} times while it was fetched")

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the rows that `build` makes of the archive's tables; without tables, those of the file.

        Raises SourceChanged for a file that is not whole or no such file, and for a column that is missing.
        """
        request = _request_of(stream)
        if request.build is not None:
            frames = iter([rows_of(stream.name, artifact, request.tables, request.build)])
        else:
            frames = _table_frames(stream, artifact)
        for frame in frames:
            if absent := [column for column in stream.key if column not in frame.columns]:
                found = f"found {frame.columns} in {artifact.name}"
                raise SourceChanged(f"{stream.name}: column {absent[0]!r} is missing; {found}")
            yield frame

    def _opened(self) -> DropboxClient | LocalFolder:
        if local := text(self.local):
            return LocalFolder(home() / Path(local).expanduser())
        if not (text(self.app_key) and text(self.refresh_token)):
            raise ConfigError(f"{self.name}: DROPBOX_APP_KEY or DROPBOX_REFRESH_TOKEN has no value")
        with ExitStack() as undo:
            client = DropboxClient(self._connection(text(self.refresh_token).strip()))
            undo.callback(client.close)
            client.sign_in()
            undo.pop_all()
        return client

    def _connection(self, refresh_token: str) -> Connection:
        return Connection(
            self.name,
            text(self.api_url).rstrip("/"),
            text(self.content_url).rstrip("/"),
            text(self.app_key).strip(),
            text(self.app_secret).strip(),
            refresh_token,
            self.budget,
            self.timeout_s,
        )

    def _fetch_local(
        self, session: LocalFolder, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        newest, taken = session.newest(_request_of(stream).pattern), taken_before(cursor, session.folder)
        if newest is None and taken is None:
            raise self._nothing_there(_request_of(stream).pattern, None)
        if newest is None or (taken is not None and newest.age < taken.age):
            return Fetched((), cursor)
        if newest == taken or landing.is_kept(newest.origin.id):
            return Fetched((), remembered(newest), newest.origin)
        if 0 <= newest.seconds_old < self.settle_s:
            return Fetched((), cursor)
        file = session.land(newest, landing, _backup_name(newest.origin, newest.path.name, window))
        return Fetched((file,), remembered(newest), newest.origin) if file else Fetched((), cursor)

    def _nothing_there(self, pattern: str, others: int | None) -> ConfigError:
        beside = f"; {others} others are there" if others else ""
        return ConfigError(
            f"{self.name}: no file like {pattern} is there{beside}",
            next_step="Check the folder in the settings and the pattern; if no backup was made yet, make one.",
        )


def _unless_local(said: str | None, settings: Mapping[str, str]) -> str | None:
    return said or ("" if settings.get(LOCAL) else None)


def _table_frames(stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
    from backhaul.formats import prove, read_table

    with told_of(stream.name, artifact):
        prove(artifact.path)
        yield from read_table(artifact.path, text_columns=stream.key)


def _request_of(stream: Stream) -> NewestRequest:
    assert isinstance(stream.request, NewestRequest)
    return stream.request


def _path(said: str) -> str:
    """Return a folder as Dropbox names it: with a slash in front and none at the end, the top is ""."""
    folder = said.strip().strip("/")
    return folder if not folder or folder.startswith(("id:", "ns:")) else f"/{folder}"


def _backup_name(origin: Origin, name: str, window: Window) -> str:
    """Return the name under which a backup is kept: its time on the clock of the pipeline, and its own ending."""
    made_at = origin.made_at.astimezone(ZoneInfo(window.timezone))
    return f"backup_{made_at:%d%m%Y-%H%M}{PurePosixPath(name).suffix}"
