"""A worksheet that people keep, such as a roster, as a table: read once a run, changed in no way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from backhaul.config import Secret, Setting, Text, text
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.model import Artifact, Fetched, Landing, Origin, Session, Stream, StreamOptions, Vault, Window
from backhaul.sessions.google.access import Patience, access_to
from backhaul.sessions.google.tabs import id_of
from backhaul.sources.sheet_table.document import Cell, is_document, read_document
from backhaul.sources.sheet_table.reading import OpenSpreadsheet
from backhaul.sources.sheet_table.rows import TableRequest, frame_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class GoogleSheetTable:
    """A spreadsheet that is shared with a service account, as Viewer at least; its worksheets become streams.

    Args:
        sheet: the spreadsheet's address or id.
        account: the service account's key as JSON, in any form that people pass it on, or the path of its file.
        name: what messages call it; two spreadsheets of one pipeline are told apart by it.
        parallel: how many streams use it side by side; each worksheet is read once for all of them.
        patience: how long calls are tried, and by which clock.
    """

    sheet: Text
    account: Text = field(default=Secret("GOOGLE_SERVICE_ACCOUNT_JSON", also=("CREDENTIALS_FILE",)), repr=False)
    api_url: Text = field(default=Setting("GOOGLE_API_URL", default="https://sheets.googleapis.com"))
    name: str = "google sheet"
    parallel: int = 2
    patience: Patience = field(default=Patience(), repr=False)

    def table(
        self,
        name: str,
        *,
        key: str | Iterable[str],
        worksheet: str = "main",
        columns: Iterable[str] = (),
        text: Iterable[str] = (),
        header_row: int = 1,
        optional: bool = False,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of one worksheet, a row for each of its rows in which something stands.

        Key columns are text. Of the others, one of numbers, of days, of moments or of ticked boxes has that type;
        one in which they are mixed is text. A formula is what it comes to; an error in a cell (`#REF!`) is null,
        and the run warns of it. Moments are on the pipeline's clock.

        Args:
            name: the stream's name.
            key: the column, or columns, that name a row.
            worksheet: the tab's name.
            columns: those that must be there, and with the key all that is taken; without any, all with a header.
            text: columns that are text whatever stands in them, such as telephone numbers.
            header_row: the row in which the headers stand, counted from 1.
            optional: a worksheet that is not there is one without rows, with the columns that are named here. One
                that is there has to have them all.

        Raises ConfigError for a header_row that is none.
        """
        if header_row < 1:
            raise ConfigError(f"stream {name}: header_row {header_row} is no row", next_step="Rows count from 1.")
        request = TableRequest(worksheet, tuple(columns), tuple(text), header_row, optional)
        return Stream.made_by(self, name, key=key, request=request, options=options)

    def open(self, vault: Vault) -> Session:
        """Return a way to the spreadsheet; nothing is asked yet. Raises ConfigError for a bad key, id or address."""
        return self._opened()

    def check(self) -> str:
        """Return a line that says which spreadsheet this is and what it has; proves key and sharing.

        Raises ConfigError, TransientError.
        """
        session = self._opened()
        try:
            title, tabs = session.tabs()
        finally:
            session.close()
        return f"{title}, worksheets {', '.join(tabs)}"

    def check_streams(self, streams: Iterable[Stream]) -> str:
        """Return what `check` says, and which optional worksheets of these streams are not there.

        Raises the same, and SourceChanged for a worksheet that is not there and has to be.
        """
        requests = [_request_of(stream) for stream in streams]
        is_optional = {each.worksheet: each.optional for each in sorted(requests, key=lambda each: not each.optional)}
        session = self._opened()
        try:
            title, tabs = session.tabs()
            absent = session.missing(is_optional)
        finally:
            session.close()
        for each in absent:
            if not is_optional[each.worksheet]:
                raise each
        told = [f"; {each.worksheet!r} is not there, optional" for each in absent]
        return f"{title}, worksheets {', '.join(tabs)}{''.join(told)}"

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Land the worksheet as JSON, unless it is what it was the last time; the window is not used.

        Of an optional worksheet that is not there its headers are landed, so that its table is an empty one.
        Raises SourceChanged for another one that is not there, ConfigError for a spreadsheet that cannot be read,
        TransientError.
        """
        assert isinstance(session, OpenSpreadsheet)
        request = _request_of(stream)
        found = session.worksheet(request.worksheet, _headers(request, stream) if request.optional else None)
        content = found.dumps()
        state = sha256(content).hexdigest()
        # When a cell was last changed only Drive knows, which the account need not be let into.
        origin = Origin(f"google-sheet:{state}", datetime.now(UTC))
        if state == cursor:
            return Fetched((), cursor, origin)
        label = f"{found.worksheet}.json"
        file = landing.receive([content], name=label, window=None, prove=_prove, origin=origin)
        return Fetched((file,), state, origin)

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the rows in one frame; a table file that a person has downloaded from the sheet is read as well.

        Raises SourceChanged for a column that is missing or stands twice, and for what is no such file.
        """
        request = _request_of(stream)
        if is_document(artifact.path):
            found = read_document(artifact.path, f"{stream.name}: {artifact.name}")
            yield frame_of(found, request, stream.key, artifact, stream.name)
            return
        yield from _downloaded(stream, request, artifact)

    def _opened(self) -> OpenSpreadsheet:
        access = access_to(text(self.account), text(self.api_url), self.patience)
        return OpenSpreadsheet(access, id_of(text(self.sheet)), self.name)


def _downloaded(stream: Stream, request: TableRequest, artifact: Artifact) -> Iterator[pl.DataFrame]:
    from backhaul.formats import prove, read_table

    must = request.must(stream.key)
    with _whole(stream, artifact):
        prove(artifact.path)
        for frame in read_table(artifact.path, text_columns=(*stream.key, *request.text)):
            if absent := [name for name in must if name not in frame.columns]:
                names = ", ".join(map(repr, absent))
                raise SourceChanged(f"{stream.name}: column {names} is missing; found {frame.columns}")
            yield frame.select(must) if request.columns else frame


@contextmanager
def _whole(stream: Stream, artifact: Artifact) -> Iterator[None]:
    try:
        yield
    except TransientError as error:
        # Reading the same bytes again would not help.
        raise SourceChanged(
            f"{stream.name}: {artifact.name} is not whole: {error}", next_step="Download the worksheet once more."
        ) from None


def _prove(path: Path) -> None:
    read_document(path, path.name)


def _headers(request: TableRequest, stream: Stream) -> list[list[Cell]]:
    """Return the rows of a worksheet that has its headers and nothing else."""
    above: list[list[Cell]] = [[] for _ in range(request.header_row - 1)]
    return [*above, [*request.must(stream.key)]]


def _request_of(stream: Stream) -> TableRequest:
    assert isinstance(stream.request, TableRequest)
    return stream.request
