"""A web back office without an API: sign in, fill its export forms, take the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

from backhaul.config import Setting, Text, text
from backhaul.errors import ConfigError, SourceChanged
from backhaul.model import (
    Artifact,
    Fetched,
    Landing,
    Session,
    Stream,
    StreamOptions,
    Vault,
    Window,
)
from backhaul.sessions.answers import NoData, Slot
from backhaul.sessions.login import FormLogin
from backhaul.sessions.shared import Driver, SharedSession
from backhaul.sessions.steps import Download, ExportRequest, Fill, Open, Step

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class BackOffice:
    """A site with exports behind a login.

    Args:
        driver: "auto" asks over plain HTTP and takes a browser where that is not enough; "http", "browser".
        parallel: how many exports run side by side in one session.
        allow_http: reach the site by plain http:// over a network, where others can read the password.
    """

    base_url: Text
    login: FormLogin | None = None
    driver: str = Driver.AUTO
    parallel: int = 2
    allow_http: bool = False

    def __post_init__(self) -> None:
        if self.driver not in list(Driver):
            raise ConfigError(f"driver is {self.driver!r}; it is one of {', '.join(Driver)}")
        if self.parallel < 1:
            raise ConfigError(f"parallel is {self.parallel}; at least one export runs at a time")

    @property
    def name(self) -> str:
        """The host of the site; the name of its setting as long as that has no value."""
        if isinstance(self.base_url, Setting):
            return self.base_url.name
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or self.base_url

    def export(
        self,
        name: str,
        *,
        key: str | Iterable[str],
        page: str | None = None,
        dates: tuple[str, str] | None = None,
        button: str | None = None,
        date_format: str = "%Y-%m-%d",
        steps: Iterable[Step] | None = None,
        no_data: str | None = None,
        timeout_s: float = 300.0,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of one export, given by page, dates and button, or by a list of steps.

        Args:
            name: the stream's name.
            key: the column, or columns, that name a row.
            page: the address of the page with the form.
            dates: the selectors of the first and the last day.
            button: the selector of what starts the download.
            date_format: how the site writes a day, in the signs of strftime.
            steps: for every other kind of export, see sessions/steps.py.
            no_data: a selector found on the page that the site answers when there are no rows.
            timeout_s: seconds for the whole export.

        Raises ConfigError for steps beside page and button, for neither, and for steps without a download.
        """
        if (steps is None) == (page is None and dates is None and button is None):
            raise ConfigError(f"export {name}: give either page and button, or steps")
        try:
            request = ExportRequest(
                tuple(steps) if steps is not None else _common_steps(page, dates, button),
                date_format=date_format,
                no_data=no_data,
                timeout_s=timeout_s,
            )
        except ConfigError as error:
            raise ConfigError(f"export {name}: {error}") from None
        return Stream.made_by(self, name, key=key, request=request, options=options)

    def open(self, vault: Vault) -> Session:
        """Return a session that is signed in, so that a wrong password shows before any export starts.

        Raises LoginRequired, TransientError, SourceChanged, ConfigError.
        """
        session = SharedSession(
            self.name,
            text(self.base_url),
            self.login,
            driver=Driver(self.driver),
            allow_http=self.allow_http,
            vault=vault,
        )
        with ExitStack() as undo:
            undo.callback(session.close)
            session.sign_in()
            undo.pop_all()
        return session

    def check(self) -> str:
        """Return what answers at the login page; signs in nowhere. Raises the errors of `open`."""
        from backhaul.sessions.http import HttpSession

        session = HttpSession(self.name, text(self.base_url), self.login, allow_http=self.allow_http)
        try:
            return session.reached()
        finally:
            session.close()

    def fetch(
        self,
        session: Session,
        stream: Stream,
        window: Window,
        cursor: str | None,
        landing: Landing,
    ) -> Fetched:
        """Do the export's steps and land its file; the site's own "no data" is an empty day."""
        from backhaul.formats import prove

        assert isinstance(session, SharedSession)
        request = _request_of(stream).for_window(window)
        slot = Slot(landing, f"{stream.name}-{window}", window, prove)
        try:
            return Fetched((session.run(stream.name, request, slot),))
        except NoData:
            return Fetched(())

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the rows of the file, key columns as text, the window column as dates.

        Raises SourceChanged for a file without a key column, and for one that is no table.
        """
        from backhaul.formats import read_table

        for frame in read_table(artifact.path, text_columns=stream.key):
            for column in stream.key:
                if column not in frame.columns:
                    found = f"found {frame.columns} in {artifact.name}"
                    raise SourceChanged(f"{stream.name}: column {column!r} is missing; {found}")
            yield _with_days(frame, stream.window_column, _request_of(stream).date_format)


def _common_steps(page: str | None, dates: tuple[str, str] | None, button: str | None) -> tuple[Step, ...]:
    if page is None or button is None:
        raise ConfigError("page and button belong together")
    fills = () if dates is None else (Fill(dates[0], "{start}"), Fill(dates[1], "{end}"))
    return (Open(page), *fills, Download(button))


def _request_of(stream: Stream) -> ExportRequest:
    assert isinstance(stream.request, ExportRequest)
    return stream.request


def _with_days(frame: pl.DataFrame, column: str | None, date_format: str) -> pl.DataFrame:
    """Return frame with a window column that came as text read as days or times, in the site's format or ISO.

    Raises SourceChanged if no one format reads all of it: the window could not be proven.
    """
    import polars as pl

    if column is None or frame.schema.get(column) != pl.String:
        return frame
    said = frame[column].str.strip_chars()
    said = said.set(said == "", None)
    for day in (date_format, "%Y-%m-%d"):
        for time, dtype in (("", pl.Date), (" %H:%M:%S", pl.Datetime("us")), (" %H:%M", pl.Datetime("us"))):
            read = said.str.strptime(dtype, day + time, strict=False)
            if read.null_count() == said.null_count():
                return frame.with_columns(read.alias(column))
    filled = said.len() - said.null_count()
    raise SourceChanged(f"column {column!r}: not all of its {filled} values are dates like {date_format!r}")
