"""What a person sets by hand in one document, or in one entry of its list: atomically, and never what is ours."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backhaul.destinations.mongo.documents import shown_id
from backhaul.destinations.mongo.read import plain
from backhaul.destinations.mongo.shape import OWN, Nested
from backhaul.destinations.mongo.values import Unstorable, field_name, is_same, stored
from backhaul.errors import ConfigError, TransientError
from backhaul.model import REMOVED_AT, Marked

NAME = "name"
"""The field beside the key that people call a document by."""

MOST_FOUND = 100
TRIES = 4


@dataclass(frozen=True)
class Place:
    """One entry of a document's list: the list's field, and the field and value that name the entry."""

    nested: Nested
    key: Any

    @property
    def list_field(self) -> str:
        """The field that holds the list."""
        return field_name(self.nested.column)

    @property
    def key_field(self) -> str:
        """The field that names an entry."""
        return field_name(self.nested.key)


@dataclass(frozen=True)
class Marking:
    """Marks in one collection, which is pymongo's.

    Args:
        name: the destination's, for messages.
        key: by field, the columns of the stream's key.
        nested: the lists that are merged entry by entry.
        once: columns that are written when a document is made and never again: people's, from then on.
        reserved: columns that are ours whatever `ours` says.
        ours: the columns that the stream writes, each with the fields of its entries.
    """

    collection: Any
    name: str
    key: Mapping[str, str]
    nested: tuple[Nested, ...]
    once: Collection[str]
    reserved: Collection[str]
    ours: Mapping[str, Collection[str]]

    def mark(self, who: str, entry: str | None, changes: Mapping[str, Any], *, dry_run: bool) -> tuple[Marked, ...]:
        """Set fields and return what has changed, as the server has seen it at the moment of the write."""
        values = self._values(changes)
        if entry is None:
            self._refuse(set(changes) & self._own_columns())
        for _ in range(TRIES):
            document = self._one(who)
            place = None if entry is None else self._entry(document, entry)
            if place is None:
                self._refuse_for_want_of_an_entry(document, values)
            else:
                self._refuse(set(changes) & self._own_fields(place.nested))
            before = document if dry_run else self._set(document, place, values)
            if before is not None:
                return tuple(self._marked(before, place, values))
        raise TransientError(f"{self._where}: the row is changed by others all the time; nothing was set")

    def _values(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        if not changes:
            raise ConfigError(f"{self._where}: no field was named", next_step="Say FIELD=VALUE, such as paid=true.")
        for name in changes:
            if not name.strip() or "\0" in name:
                raise ConfigError(f"{self._where}: a field has no name", next_step="Say FIELD=VALUE.")
        try:
            return {field_name(name): stored(value) for name, value in changes.items()}
        except Unstorable as reason:
            raise ConfigError(f"{self._where}: a value cannot be kept: {reason}") from None

    def _own_columns(self) -> set[str]:
        """Return the names that are not people's at the top of a document."""
        own = {OWN, REMOVED_AT, "_id", *self.key, *self.key.values(), *self.reserved}
        return {*own, *(each.column for each in self.nested), *({*self.ours} - {*self.once})}

    def _own_fields(self, nested: Nested) -> set[str]:
        """Return the names that are not people's in an entry."""
        return {nested.key, *({*self.ours.get(nested.column, ())} - {*nested.on_insert})}

    def _refuse(self, taken: Collection[str]) -> None:
        if taken:
            names = ", ".join(map(repr, sorted(taken)))
            raise ConfigError(
                f"{self._where}: {names} {'is' if len(taken) == 1 else 'are'} written by the stream, which would undo"
                " a mark",
                next_step="Mark a field that only people write, such as paid; name an entry with --entry.",
            )

    def _refuse_for_want_of_an_entry(self, document: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Refuse a new field at the top that is a field of entries: `paid` without --entry means a lesson."""
        for each in self.nested:
            if meant := [name for name in each.on_insert if field_name(name) in values.keys() - document.keys()]:
                raise ConfigError(
                    f"{self._where}: {meant[0]!r} is a field of the entries of {each.column}, and none was named",
                    next_step=f"Name the entry by its {each.key}: --entry KEY.",
                )

    def _one(self, who: str) -> dict[str, Any]:
        """Return the one document that who fits; removed ones count only where no other does."""
        fields = list(dict.fromkeys([*self.key, NAME]))
        wanted = {"$in": list(_spellings(who))}
        found = list(self.collection.find({"$or": [{field: wanted} for field in fields]}).limit(MOST_FOUND))
        found = [each for each in found if each.get(REMOVED_AT) is None] or found
        if len(found) != 1:
            names = " and ".join(dict.fromkeys([*self.key.values(), NAME]))
            raise ConfigError(
                f"{self._where}: {len(found) or 'no'} {'row fits' if len(found) < 2 else 'rows fit'} that name;"
                f" looked at {names}",
                next_step=f"Name one row as it stands there, by its {' or '.join(self.key.values())}."
                if found
                else "Write it exactly as it stands there.",
            )
        document: dict[str, Any] = found[0]
        return document

    def _entry(self, document: Mapping[str, Any], entry: str) -> Place:
        """Return the one entry that is called so."""
        found: list[Place] = []
        for nested in self.nested:
            entries = document.get(field_name(nested.column))
            for each in entries if isinstance(entries, list) else ():
                key = each.get(field_name(nested.key)) if isinstance(each, Mapping) else None
                if key is not None and _is_called(key, entry):
                    found.append(Place(nested, key))
        exact = [each for each in found if each.key == entry]
        found = exact if len(exact) == 1 else found
        if len(found) != 1:
            lists = ", ".join(f"{each.column} by {each.key}" for each in self.nested) or "none"
            raise ConfigError(
                f"{self._where}: the row has {len(found) or 'no'} {'entry' if len(found) < 2 else 'entries'} of that"
                f" name; its lists: {lists}",
                next_step="Leave one of them in the document." if found else "Look at the row for its entries.",
            )
        return found[0]

    def _set(self, document: Mapping[str, Any], place: Place | None, values: Mapping[str, Any]) -> Any:
        """Set values and return the document as it was right before; None if it is not what was found any more."""
        same = {"_id": {"$eq": document["_id"]}}
        if place is None:
            still = {field: {"$eq": document[field]} for field in self.key if field in document}
            return self.collection.find_one_and_update({**still, **same}, {"$set": dict(values)})
        is_it = {"$eq": place.key}
        return self.collection.find_one_and_update(
            {**same, place.list_field: {"$elemMatch": {place.key_field: is_it}}},
            {"$set": {f"{place.list_field}.$[entry].{name}": value for name, value in values.items()}},
            array_filters=[{f"entry.{place.key_field}": is_it}],
        )

    def _marked(self, before: Mapping[str, Any], place: Place | None, values: Mapping[str, Any]) -> Iterator[Marked]:
        label = plain(before.get(NAME) or next((before[field] for field in self.key if field in before), ""))
        there, path = before, ""
        if place is not None:
            entries = before[place.list_field]
            there = next(
                each
                for each in entries
                if isinstance(each, Mapping) and is_same(place.key, each.get(place.key_field))
            )
            label, path = f"{label}, {place.nested.key} {plain(place.key)}", f"{place.nested.column}."
        for name, value in values.items():
            old = there.get(name)
            if name not in there or type(old) is not type(value) or not is_same(value, old):
                yield Marked(str(label), path + name, plain(old), plain(value), shown_id(before["_id"]))

    @property
    def _where(self) -> str:
        return f"{self.name}: {self.collection.full_name}"


def _spellings(who: str) -> Iterator[Any]:
    """Yield what may stand in a document for what a person has typed."""
    yield from dict.fromkeys(
        [who, who.strip(), *(unicodedata.normalize(form, who.strip()) for form in ("NFC", "NFD"))]
    )
    if (number := _number(who)) is not None:
        yield number


def _is_called(key: Any, said: str) -> bool:
    """Tell whether an entry's key is what a person has typed: "5" is 5, 5.0 and " 5"."""
    if isinstance(key, str):
        return unicodedata.normalize("NFC", key.strip()) == unicodedata.normalize("NFC", said.strip())
    number = _number(said)
    return number is not None and not isinstance(key, bool) and is_same(number, key)


def _number(said: str) -> int | float | None:
    try:
        number = int(said) if said.strip().lstrip("+-").isdigit() else float(said)
    except ValueError:
        return None
    return number if abs(number) < 2**63 else None
