"""MongoDB: a collection of documents that people and programs work with, merged by key without harming theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backhaul.config import Secret, Setting, Text, text
from backhaul.destinations.mongo.decide import Occasion, Stamps
from backhaul.destinations.mongo.indexes import Index
from backhaul.sessions.mongo import HOST_SETTING, URL_SETTING, MongoServer
from backhaul.destinations.mongo.shape import Nested, Shape
from backhaul.errors import ConfigError
from backhaul.model import Batch, Changes, Counts, Rejected, Stream

if TYPE_CHECKING:
    from backhaul.destinations.mongo.delivery import Delivery

__all__ = ["MongoDB", "Nested", "Stamps"]


@dataclass(frozen=True)
class MongoDB:
    """A collection whose documents are merged by key; one that is there already is adopted by it.

    The columns of the batch are ours; other fields are never touched, and neither are other entries and fields of
    nested lists. Only what differs is written, in chunks of 1,000 documents: each in a transaction where the server
    has them. What a merge did to a document is noted in its field `_backhaul`. Nothing is ever deleted.

    Days become midnight UTC, moments are cut to milliseconds, money is Decimal128; a dot or a leading `$` in the
    name of a column becomes a full-width one.

    Args:
        collection: its name; without one, the stream's table.
        url: the server with user, password, TLS and whatever else MongoDB's addresses can say.
        host: the server where there is no url; with neither, `mongo` in a container that finds it, else localhost.
        update_only: change documents that are there, and add and mark none; rows without one are unchanged.
        on_insert: columns that are written when a document is made, and never again.
        nested: columns whose lists are merged entry by entry.
        indexes: columns, or tuples of columns, that the collection gets an index on; the key always has a unique one.
        id_column: the key column that becomes `_id`, for a stream that has no other.
        stamps: fields in which the destination notes when a document was made and changed.
        name: unique within a stream.
    """

    database: Text
    collection: Text | None = None
    url: Text = field(default=Secret(URL_SETTING, also=("MONGO_URL",), default=""), repr=False)
    host: Text = field(default=Setting(HOST_SETTING, default=""))
    update_only: bool = False
    on_insert: tuple[str, ...] = ()
    nested: tuple[Nested, ...] = ()
    indexes: tuple[Index, ...] = ()
    id_column: str | None = None
    stamps: Stamps = field(default=Stamps())
    name: str = "mongodb"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch against the collection; reads only.

        Raises ConfigError for settings and for columns no field can be named after, DeliveryError for what a person
        must put right in the collection, TransientError.
        """
        with self._delivery(stream, batch) as delivery:
            return delivery.compare()

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Merge the new and updated rows, mark those that a complete stream's batch lacks. Raises as `compare`."""
        return self.write_judged(stream, changes)[0]

    def write_judged(self, stream: Stream, changes: Changes) -> tuple[Counts, tuple[Rejected, ...]]:
        """Write; return the counts, and the rows that the server refused: its rules are only known to itself."""
        found = changes.counts
        if not (found.new or found.updated or found.removed):
            return found, ()
        with self._delivery(stream, changes.batch) as delivery:
            return delivery.write(changes, self.indexes)

    def check(self) -> str:
        """Return which server this is and what is there, for `doctor`; changes nothing. Raises our errors."""
        with self._server.connected() as client:
            version = client.server_info()["version"]
            database = client[text(self.database)]
            named = text(self.collection) if self.collection else ""
            count = database[named].estimated_document_count() if named else len(database.list_collection_names())
        what = f"{database.name}.{named}: {count} documents" if named else f"{database.name}: {count} collections"
        return f"{self._server.place}, MongoDB {version}, {what}"

    @contextmanager
    def opened(self, stream: Stream) -> Iterator[Any]:
        """Give pymongo's collection of a stream; what the driver raises meanwhile becomes an error of ours."""
        with self._server.connected() as client:
            named = text(self.collection) if self.collection else ""
            yield client[text(self.database)][named or stream.target]

    @contextmanager
    def _delivery(self, stream: Stream, batch: Batch) -> Iterator[Delivery]:
        from backhaul.destinations.mongo.delivery import Delivery

        occasion = Occasion(batch.id, datetime.now(UTC), batch.timezone, self.stamps, self.update_only)
        shape = Shape.of(
            self.name,
            stream,
            batch.schema(),
            nested=self.nested,
            on_insert=self.on_insert,
            id_column=self.id_column,
        )
        if taken := {self.stamps.created, self.stamps.updated} & {*shape.columns}:
            names = ", ".join(repr(name) for name in taken)
            raise ConfigError(f"{self.name}: {names} is a stamp, and a column of {stream.name}")
        with self.opened(stream) as collection:
            yield Delivery(collection, shape, batch, occasion)

    @property
    def _server(self) -> MongoServer:
        url = text(self.url)
        return MongoServer(url, "" if url else text(self.host), self.name)
