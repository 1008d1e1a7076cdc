"""MongoDB: a collection of documents that people and programs work with, merged by key without harming theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backhaul.config import Secret, Setting, Text, text
from backhaul.destinations.mongo.decide import Occasion, Stamps
from backhaul.destinations.mongo.indexes import Index
from backhaul.destinations.mongo.shape import Nested, Shape
from backhaul.destinations.mongo.values import field_name
from backhaul.errors import ConfigError
from backhaul.model import Batch, Changes, Counts, Marked, Migrated, Migration, Rejected, Stream
from backhaul.model.upkeep import refuse_disorder
from backhaul.sessions.mongo import HOST_SETTING, URL_SETTING, MongoServer

if TYPE_CHECKING:
    import polars as pl

    from backhaul.destinations.mongo.delivery import Delivery
    from backhaul.destinations.mongo.migrate import Migrating

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
        migrations: changes of the shape of all documents, which `backhaul migrate` does once each.
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
    migrations: tuple[Migration, ...] = ()
    name: str = "mongodb"

    def __post_init__(self) -> None:
        object.__setattr__(self, "migrations", tuple(self.migrations))
        refuse_disorder(self.name, self.migrations)

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
            waiting = self._migrating(database[named]).pending() if named and count and self.migrations else ()
        what = f"{database.name}.{named}: {count} documents" if named else f"{database.name}: {count} collections"
        if waiting:
            numbers = ", ".join(str(each.number) for each in waiting)
            what += f"; `backhaul migrate` has not done yet: {numbers}"
        return f"{self._server.place}, MongoDB {version}, {what}"

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield all documents as they are now, 10,000 a piece, removed and people's own ones too.

        Every top-level field is a column, lists and sub-documents are JSON text, keys are text; `_backhaul` is left
        out. A piece has the columns and types of its own documents, a column of several types is text;
        `backhaul.model.upkeep.united` puts pieces together.
        """
        from backhaul.destinations.mongo.read import frames

        with self.opened(stream) as collection:
            yield from frames(collection, self._key(stream))

    def mark(
        self,
        stream: Stream,
        who: str,
        entry: str | None,
        changes: Mapping[str, Any],
        *,
        ours: Mapping[str, Collection[str]] | None = None,
        dry_run: bool = False,
    ) -> tuple[Marked, ...]:
        """Set fields of people in one document, or in one entry of its nested list; return what has changed.

        `on_insert` columns and fields are people's, once they are written. See `Markable.mark`.
        """
        from backhaul.destinations.mongo.mark import Marking

        reserved = [name for name in (self.stamps.created, self.stamps.updated) if name]
        with self.opened(stream) as collection:
            key = self._key(stream)
            marking = Marking(collection, self.name, key, self.nested, self.on_insert, reserved, ours or {})
            return marking.mark(who, entry, changes, dry_run=dry_run)

    def place(self, stream: Stream) -> str:
        """Return `DATABASE.COLLECTION`."""
        return f"{text(self.database)}.{self._collection(stream)}"

    def dump(self, stream: Stream) -> Iterator[bytes]:
        """Yield every document as a line of canonical extended JSON, in the order of `_id`; nothing is left out."""
        from backhaul.destinations.mongo.dump import dump

        with self.opened(stream) as collection:
            yield from dump(collection)

    def restore(self, stream: Stream, lines: Iterable[bytes], *, dry_run: bool = False) -> Counts:
        """Bring each dumped document back as a whole, by its `_id`; others stay. Migrations are to be done again.

        `rejected` are those that the server refuses: its rules, or another document that has their key.
        """
        from backhaul.destinations.mongo.dump import Restoring

        with self.opened(stream) as collection:
            return Restoring(collection, dry_run).restore(lines)

    def pending(self, stream: Stream) -> tuple[Migration, ...]:
        """Return the migrations that the collection has not had yet."""
        if not self.migrations:
            return ()
        with self.opened(stream) as collection:
            return self._migrating(collection).pending()

    def migrate(self, stream: Stream, *, dry_run: bool = False) -> tuple[Migrated, ...]:
        """Do what is pending. Only fields that differ are written, and only while the document is as it was read."""
        if not self.migrations:
            return ()
        with self.opened(stream) as collection:
            migrating = self._migrating(collection)
            return migrating.rehearse() if dry_run else migrating.run()

    @contextmanager
    def opened(self, stream: Stream) -> Iterator[Any]:
        """Give pymongo's collection of a stream; what the driver raises meanwhile becomes an error of ours."""
        with self._server.connected() as client:
            yield client[text(self.database)][self._collection(stream)]

    def _collection(self, stream: Stream) -> str:
        return (text(self.collection) if self.collection else "") or stream.target

    def _key(self, stream: Stream) -> dict[str, str]:
        """Return by field the columns of the stream's key."""
        return {"_id" if each == self.id_column else field_name(each): each for each in stream.key}

    def _migrating(self, collection: Any) -> Migrating:
        from backhaul.destinations.mongo.migrate import Migrating

        return Migrating(collection, self.migrations, self.name)

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
