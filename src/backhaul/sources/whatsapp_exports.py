"""A folder into which people put WhatsApp's official Export chat files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from backhaul.config import Setting, Text, home, text
from backhaul.errors import ConfigError, TransientError
from backhaul.formats.chat.dates import DateOrder, zone_named
from backhaul.model import Artifact, Fetched, Landing, Session, Stream, StreamOptions, Vault, Window
from backhaul.sources.drop_folder import DropFolder, FileRequest, OpenFolder
from backhaul.sources.whatsapp.exported import exported, order_named

if TYPE_CHECKING:
    import polars as pl

_PATTERNS = ("*.txt", "*.zip")


@dataclass(frozen=True)
class WhatsAppExports:
    """A folder with a subfolder for each group, whose export files are taken when they are new or changed.

    Nothing in it is moved or deleted. The same message is the same row from whichever file, and from the page.

    Args:
        folder: the folder; as long as it is not there, there is nothing yet.
        timezone: of the phones that export.
        settle_s: a file that was written to within so many seconds waits for the next run.
        name: what messages call it.
        parallel: how many groups are read side by side.
    """

    folder: Text = field(default=Setting("WHATSAPP_EXPORTS", default="exports"))
    timezone: Text = field(default=Setting("WHATSAPP_TIMEZONE", default="Asia/Jerusalem"))
    settle_s: float = 2.0
    name: str = "WhatsApp exports"
    parallel: int = 2

    def group(
        self,
        name: str,
        *,
        folder: str,
        chat: str,
        since: date | None = None,
        date_order: str = "auto",
        key: str | Iterable[str] = ("fingerprint", "occurrence"),
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of the messages in the `.txt` and `.zip` files of one subfolder, the oldest file first.

        Columns: fingerprint, occurrence, sent_at (UTC), shown_at, sender (null for lines that no person wrote), kind,
        text, is_edited, in_export.

        Args:
            name: the stream's name.
            folder: the name of the subfolder.
            chat: the key of the chat, the same for every source that reads it; part of the messages' identity.
            since: from when on the history is wanted; the run warns of a file that begins later.
            date_order: `dmy`, `mdy` or `ymd`, where the dates of a file leave it open.
            key: the columns that name a message.

        Raises ConfigError for a date order that is none, and for a subfolder that leads elsewhere.
        """
        if Path(folder).is_absolute() or ".." in Path(folder).parts or not folder.strip():
            raise ConfigError(f'stream {name}: "{folder}" is no subfolder', next_step="Name it as it lies there.")
        request = ExportsRequest(folder, chat, since, order_named(date_order))
        return Stream.made_by(self, name, key=key, request=request, options=options)

    def check(self) -> str:
        """Return in a line which folder this is and how many export files lie in it. Raises as `open`."""
        path = home() / Path(text(self.folder)).expanduser()
        _refuse_lost(path)
        if not path.is_dir():
            return f"the folder {path} is not there: no export is read"
        names = [found.parent.name for end in ("*.txt", "*.zip") for found in path.glob(f"*/{end}")]
        told = ", ".join(f"{names.count(name)} in {name}" for name in sorted(set(names)))
        return f"{path}: {told or 'no export files'}"

    def open(self, vault: Vault) -> Session:
        """Return the folder, which need not be there yet.

        Raises ConfigError if it is a file, TransientError if what it lies in is gone, such as a drive.
        """
        path = home() / Path(text(self.folder)).expanduser()
        _refuse_lost(path)
        return OpenExports(path)

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Copy the files that are new since cursor to landing; the window is not used.

        Raises SourceChanged for a file that cannot be read, TransientError if the folder's drive is gone.
        """
        assert isinstance(session, OpenExports)
        _refuse_lost(session.folder)
        path = session.folder / _request_of(stream).folder
        if not path.exists():
            return Fetched((), cursor)
        if not path.is_dir():
            raise ConfigError(f"{path} is not a folder", next_step="Put the export files into a folder of this name.")
        files = replace(stream, request=FileRequest("*", recursive=False))
        return DropFolder(str(path), self.settle_s).fetch(_ChatFolder(path), files, window, cursor, landing)

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the messages of a file. Raises SourceChanged, which names it, for one that is no export."""
        request = _request_of(stream)
        yield from exported(
            artifact,
            stream=stream.name,
            chat=request.chat,
            timezone=zone_named(text(self.timezone)),
            order=request.date_order,
            since=request.since,
        )


@dataclass(frozen=True)
class ExportsRequest:
    """Which export files belong to a stream, and how they are read."""

    folder: str
    chat: str
    since: date | None
    date_order: DateOrder


@dataclass(frozen=True)
class OpenExports:
    """The session of a WhatsAppExports: nothing is held open."""

    folder: Path

    def close(self) -> None:
        """Nothing to let go of."""


class _ChatFolder(OpenFolder):
    """The folder of one group, of which only texts and zips are looked at."""

    def files(self, request: FileRequest) -> dict[str, tuple[int, int]]:
        found = [super(_ChatFolder, self).files(replace(request, pattern=each)) for each in _PATTERNS]
        return {name: state for files in found for name, state in files.items()}


def _refuse_lost(path: Path) -> None:
    if not path.parent.is_dir():
        raise TransientError(
            f"the folder {path.parent} is not there", next_step="Check the path of the exports, or connect its drive."
        )
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is not a folder", next_step="Name the folder that the export files are put into.")


def _request_of(stream: Stream) -> ExportsRequest:
    assert isinstance(stream.request, ExportsRequest)
    return stream.request
