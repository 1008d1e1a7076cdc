"""A MongoDB collection that other programs and people write, as a source: its documents, read and not changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from backhaul.config import Secret, Setting, Text, text
from backhaul.errors import DeliveryError, SourceChanged
from backhaul.model import Artifact, Fetched, Landing, Origin, Session, Stream, StreamOptions, Vault, Window
from backhaul.sessions.mongo import HOST_SETTING, URL_SETTING, MongoServer
from backhaul.sources.mongo_rows import DocumentRequest, frames_of, prove_documents

if TYPE_CHECKING:
    import polars as pl

TAKEN = "taken"
"""The cursor of a stream that is taken once."""


@dataclass(frozen=True)
class MongoCollection:
    """A collection whose documents become rows. Nothing in it is changed; the role `read` is enough.

    Args:
        url: the server with user, password, TLS and whatever else MongoDB's addresses can say.
        host: the server where there is no url; with neither, `mongo` in a container that finds it, else localhost.
        name: how messages call it.
        parallel: how many streams read it side by side.
    """

    database: Text
    collection: Text
    url: Text = field(default=Secret(URL_SETTING, also=("MONGO_URL",), default=""), repr=False)
    host: Text = field(default=Setting(HOST_SETTING, default=""))
    name: str = "mongodb"
    parallel: int = 2

    def documents(
        self,
        name: str,
        *,
        key: str | Iterable[str],
        columns: Iterable[str] = (),
        foreign_only: bool = False,
        once: bool = False,
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of all documents; a run in which none has changed brings no file.

        A field becomes a column of the type that all its values have: text, truth, whole numbers, numbers, amounts
        (Decimal128) or moments in UTC; where they differ, text. Ids are text; lists and objects are JSON text. A
        field that a document lacks is null; NaN and moments outside the years 1 to 9999 are null, with a warning.

        Args:
            name: the stream's name.
            key: the field, or fields, that name a document; `_id` is one that each has. Their columns are text.
            columns: the fields that are taken beside the key; without any, all but `_backhaul`.
            foreign_only: leave out what the destination MongoDB has made or changed: documents with `_backhaul`.
            once: take the documents a single time, in the first run that reaches the server, also if there are
                none; from then on nothing is asked.
        """
        request = DocumentRequest(tuple(columns), foreign_only, once)
        return Stream.made_by(self, name, key=key, request=request, options=options)

    def open(self, vault: Vault) -> Session:
        """Return the server; nothing is asked yet."""
        return OpenServer(self._server)

    def check(self) -> str:
        """Return in a line which server this is and what is there; changes nothing. Raises as `fetch`."""
        with _of_source():
            return self._server.described(text(self.database), text(self.collection))

    def fetch(
        self, session: Session, stream: Stream, window: Window, cursor: str | None, landing: Landing
    ) -> Fetched:
        """Land the documents by `_id`, a line of canonical extended JSON each; the window is not used.

        Raises TransientError, ConfigError for the address, user or names, SourceChanged for what cannot be read.
        """
        assert isinstance(session, OpenServer)
        request = _request_of(stream)
        place = f"{text(self.database)}.{text(self.collection)}"
        origin = Origin(f"mongodb:{place}", datetime.now(UTC))
        if request.once and cursor == TAKEN:
            return Fetched((), TAKEN)
        if request.once and landing.is_kept(origin.id):
            # An earlier run came no further than this; what we have written since then is not to be taken.
            return Fetched((), TAKEN, origin)
        lines = _Lines(cursor, request)
        try:
            with _of_source(), session.server.connected() as client:
                documents = client[text(self.database)][text(self.collection)].find(request.wanted).sort("_id", 1)
                file = landing.receive(
                    lines.of(documents),
                    name=f"{text(self.collection)}.jsonl",
                    window=None,
                    prove=lines.prove,
                    origin=origin,
                )
        except _NotNeededError:
            return Fetched((), TAKEN if request.once else cursor)
        if request.once:
            return Fetched((file,), TAKEN, origin)
        return Fetched((replace(file, origin=Origin(f"mongodb:{place}:{file.sha256}", origin.made_at)),), file.sha256)

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the documents; a file of `mongoexport`, one document a line, is read as well.

        Raises SourceChanged for a key that no document has, and for what is no such file.
        """
        request = _request_of(stream)
        for frame, remark in frames_of(artifact.path, request, stream.key, stream=stream.name, name=artifact.name):
            if remark:
                artifact.remark(remark)
            yield frame

    @property
    def _server(self) -> MongoServer:
        url = text(self.url)
        return MongoServer(url, "" if url else text(self.host), self.name)


@dataclass(frozen=True)
class OpenServer:
    """The session of a MongoCollection: each read connects by itself, so that nothing is held open."""

    server: MongoServer

    def close(self) -> None:
        """Nothing to let go of."""


class _NotNeededError(Exception):
    """What was read is what is here already, or nothing at all."""


class _Lines:
    """The lines of one read, and whether they are worth a file."""

    def __init__(self, cursor: str | None, request: DocumentRequest) -> None:
        self._cursor = cursor
        # Of named columns an empty file makes a table without rows, which can be computed from.
        self._spares_empty = (cursor is None or request.once) and not request.columns
        self._digest = sha256()

    def of(self, documents: Iterable[dict[str, Any]]) -> Iterator[bytes]:
        from backhaul.sessions.mongo_values import line_of

        for document in documents:
            line = line_of(document)
            self._digest.update(line)
            yield line

    def prove(self, path: Path) -> None:
        """Check the file; raises _NotNeededError, which leaves no file behind, where there is nothing new in it."""
        is_empty = not path.stat().st_size
        if self._digest.hexdigest() == self._cursor or (is_empty and self._spares_empty):
            raise _NotNeededError
        prove_documents(path, path.name)


@contextmanager
def _of_source() -> Iterator[None]:
    """Turn what a destination would say of its collection into what a source says."""
    try:
        yield
    except DeliveryError as error:
        raise SourceChanged(str(error), next_step="Look at the collection and at the server's log.") from None


def _request_of(stream: Stream) -> DocumentRequest:
    assert isinstance(stream.request, DocumentRequest)
    return stream.request
