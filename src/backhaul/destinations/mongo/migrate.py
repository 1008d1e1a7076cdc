"""Migrations of a collection's documents, and the record of those that were done.

The record is a small collection of its own in the same database, not a field of each document: documents of people
and of other programs get no field that is not theirs, and validation rules stay obeyed. A migration that was killed
is therefore begun anew, and does no harm: of each document it is proven that `change` applied twice is as once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from backhaul.destinations.mongo.documents import chunks, decoded, raw_documents, shown_id, split
from backhaul.destinations.mongo.shape import MOST_BYTES, OWN
from backhaul.destinations.mongo.values import stored
from backhaul.destinations.mongo.write import FIRST_PAUSE_S, TRIES, is_of_documents
from backhaul.errors import ConfigError
from backhaul.model import Migrated, Migration

RECORDS = "_backhaul_migrations"
"""The collection, in the database of the migrated ones, that says which migrations were done."""

MOST_IDS = 10
REFUSALS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What `change` raises for a document that it cannot migrate: a part is missing, or is of another kind."""


def forget(collection: Any) -> None:
    """Have the migrations of pymongo's collection count as not done: documents of an older shape come back."""
    records = collection.database[RECORDS]
    if records.find_one({"_id.collection": collection.name}, {"_id": 1}) is not None:
        records.delete_many({"_id.collection": collection.name})


@dataclass
class _Tally:
    """What became of documents."""

    rows: int = 0
    changed: int = 0
    refused: int = 0
    ids: list[str] = field(default_factory=list)

    def refuse(self, document: Mapping[str, Any]) -> None:
        self.refused += 1
        if (shown := shown_id(document["_id"])) and len(self.ids) < MOST_IDS:
            self.ids.append(shown)

    def result(self, migration: Migration) -> Migrated:
        return Migrated(migration.number, migration.name, self.rows, self.changed, self.refused, tuple(self.ids))


@dataclass(frozen=True)
class Migrating:
    """The migrations of one collection, which is pymongo's; `name` is the destination's, for messages."""

    collection: Any
    migrations: tuple[Migration, ...]
    name: str
    sleep: Callable[[float], None] = time.sleep

    def pending(self) -> tuple[Migration, ...]:
        """Return what was not done yet. Raises ConfigError for a number that was done under another name."""
        found = self.collection.database[RECORDS].find({"_id.collection": self.collection.name})
        done = {each["_id"]["number"]: each.get("name") for each in found}
        for each in self.migrations:
            if each.number in done and done[each.number] != each.name:
                raise ConfigError(
                    f"{self._where}: migration {each.number} was done under another name than {each.name!r}",
                    next_step="Give the new migration the next free number, and the old one its name back.",
                )
        return tuple(each for each in self.migrations if each.number not in done)

    def run(self) -> tuple[Migrated, ...]:
        """Do what was not done, up to the first migration that a document is refused by, and return the results."""
        results = []
        for migration in self.pending():
            tally = _Tally()
            for chunk in chunks(raw_documents(self.collection)):
                self._migrate(migration, chunk, tally)
            results.append(tally.result(migration))
            if tally.refused:
                break
            self._record(results[-1])
        return tuple(results)

    def rehearse(self) -> tuple[Migrated, ...]:
        """Return what `run` would come to; writes nothing."""
        pending = self.pending()
        tallies = [_Tally() for _ in pending]
        for raw in raw_documents(self.collection):
            document = decoded(raw)
            for migration, tally in zip(pending, tallies, strict=True):
                tally.rows += 1
                changed = self._changed(migration, document)
                if changed is None:
                    tally.refuse(document)
                    break
                tally.changed += bool(_update(document, changed))
                document = changed
        results: list[Migrated] = []
        for migration, tally in zip(pending, tallies, strict=True):
            results.append(tally.result(migration))
            if tally.refused:
                break
        return tuple(results)

    def _migrate(self, migration: Migration, chunk: Sequence[bytes], tally: _Tally) -> None:
        """Migrate one chunk; a document that is changed by somebody meanwhile is looked at again."""
        tally.rows += len(chunk)
        waiting = [decoded(raw) for raw in chunk]
        for attempt in range(TRIES):
            writing = list(self._writing(migration, waiting, tally))
            waiting = self._written(writing, tally)
            if not waiting:
                return
            self.sleep(FIRST_PAUSE_S * 2**attempt)
        # What is still to be done now changes all the time.
        for document, _ in self._writing(migration, waiting, tally):
            tally.refuse(document)

    def _writing(
        self, migration: Migration, documents: Sequence[dict[str, Any]], tally: _Tally
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each document that is to be changed, with its update; count those that cannot be."""
        for document in documents:
            changed = self._changed(migration, document)
            if changed is None:
                tally.refuse(document)
            elif update := _update(document, changed):
                yield document, update

    def _changed(self, migration: Migration, document: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return document as migrated, None if it cannot be. Raises ConfigError if twice is not the same as once."""
        own = {name: value for name, value in document.items() if name != OWN}
        once = _applied(migration, own)
        if once is None:
            return None
        twice = _applied(migration, once)
        if twice is None or _update(once, twice):
            raise ConfigError(
                f"{self._where}: migration {migration.number}, {migration.name}: done twice it gives something else"
                " than once; it was stopped, and nothing is lost",
                next_step="Let its function return a document that has the new shape already as it is.",
            )
        return {**once, OWN: document[OWN]} if OWN in document else once

    def _written(
        self, writing: Sequence[tuple[dict[str, Any], dict[str, Any]]], tally: _Tally
    ) -> list[dict[str, Any]]:
        """Write, each document only if it still is as it was read; return those to look at again, as they now are."""
        from pymongo import UpdateOne
        from pymongo.errors import BulkWriteError

        calls = [UpdateOne(_as_it_was(document, update), update) for document, update in writing]
        if not calls:
            return []
        refused: set[int] = set()
        try:
            result = self.collection.bulk_write(calls, ordered=False)
            matched, modified = result.matched_count, result.modified_count
        except BulkWriteError as error:
            if not is_of_documents(error):
                raise
            refused = {each["index"] for each in error.details["writeErrors"]}
            matched, modified = error.details["nMatched"], error.details["nModified"]
        tally.changed += modified
        for at in refused:
            tally.refuse(writing[at][0])
        if matched + len(refused) == len(calls):
            return []
        ids = [document["_id"] for at, (document, _) in enumerate(writing) if at not in refused]
        batches = self.collection.find_raw_batches({"_id": {"$in": ids}})
        return [decoded(raw) for batch in batches for raw in split(batch)]

    def _record(self, result: Migrated) -> None:
        name = {"collection": self.collection.name, "number": result.number}
        facts = {"name": result.name, "done_at": stored(datetime.now(UTC))}
        facts |= {"documents": result.rows, "changed": result.changed}
        self.collection.database[RECORDS].replace_one({"_id": name}, facts, upsert=True)

    @property
    def _where(self) -> str:
        return f"{self.name}: {self.collection.full_name}"


def _applied(migration: Migration, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the migration makes of document, None where it or the server cannot take it."""
    from bson import encode
    from bson.errors import BSONError

    try:
        changed = migration.change(deepcopy(dict(document)))
        if not isinstance(changed, dict) or changed.get("_id") != document["_id"] or OWN in changed:
            return None
        # A document and its update travel as one, and within the limit of one.
        return changed if 2 * len(encode(changed)) < MOST_BYTES or not _update(document, changed) else None
    except (*REFUSALS, BSONError):
        return None


def _update(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the update of the top-level fields that differ, in value or in type; empty if none does."""
    setting = {
        name: value for name, value in after.items() if name not in before or not _is_same(value, before[name])
    }
    going = {name: "" for name in before if name not in after}
    return {**({"$set": setting} if setting else {}), **({"$unset": going} if going else {})}


def _is_same(one: Any, other: Any) -> bool:
    from bson import encode

    return encode({"": one}) == encode({"": other})


def _as_it_was(document: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter that only the document meets, and only while its fields are what they were.

    All of them: a migration may have read those that it does not change.
    """
    added = {name: {"$exists": False} for name in update.get("$set", {}) if name not in document}
    there = {
        name: {"$eq": value, **({"$exists": True} if value is None else {})}
        for name, value in document.items()
        if name != OWN and name and not name.startswith("$") and "." not in name
    }
    return {**added, **there}
