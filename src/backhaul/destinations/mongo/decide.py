"""What is to be done for one row: nothing, a new document, or an update of the fields that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from backhaul.destinations.mongo.shape import OWN, Entry, Nested, Row, Shape, document_of
from backhaul.destinations.mongo.values import field_name, is_same, stored
from backhaul.model import REMOVED_AT, RowClass

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Stamps:
    """Fields in which the destination itself notes when a document was made, and when it was last changed.

    Args:
        form: how the moment is written, such as `%H:%M, %d.%m.%Y` by the pipeline's clock; without it, as a date.
    """

    created: str | None = None
    updated: str | None = None
    form: str | None = None

    def at(self, moment: datetime, timezone: str, *, is_new: bool) -> dict[str, Any]:
        """Return the fields with their values."""
        value = moment.astimezone(ZoneInfo(timezone)).strftime(self.form) if self.form else stored(moment)
        names = [self.created] * is_new + [self.updated]
        return {field_name(name): value for name in names if name}


@dataclass(frozen=True)
class Occasion:
    """The write that a decision is for: its batch, and what the documents get stamped with."""

    batch: str
    now: datetime
    timezone: str
    stamps: Stamps = Stamps()
    update_only: bool = False


@dataclass(frozen=True)
class Decision:
    """What a row counts as, and what to write: a new document, or an update of the one with `there`'s id."""

    kind: RowClass
    new: dict[str, Any] | None = None
    update: Any = None
    there: Document | None = None
    refusal: str = ""


def decide(shape: Shape, row: Row, there: Document | None, occasion: Occasion) -> Decision:
    """Return what row asks for, given the document that has its key.

    What this very batch wrote before counts as it did then: an answer that was lost changes no count.
    """
    if there is None:
        if occasion.update_only:
            return Decision(RowClass.UNCHANGED)
        return Decision(RowClass.NEW, new=_new(shape, row, occasion))
    strange = [name for name in shape.nested if not isinstance(there.get(name), list | None)]
    if strange:
        return Decision(RowClass.REFUSED, refusal=f"field {', '.join(strange)} of its document is no list")
    changed = {
        name: value
        for name, value in row.fields.items()
        if name not in shape.on_insert and not is_same(value, there.get(name))
    }
    if shape.is_complete and there.get(REMOVED_AT) is not None:
        changed[REMOVED_AT] = None
    lists = {
        name: merged
        for name, nested in shape.nested.items()
        if (merged := _merged_list(name, nested, row.lists[name], there.get(name) or [])) is not None
    }
    kind = _earlier(there, occasion.batch)
    if not changed and not lists:
        return Decision(kind)
    update = _update(changed, lists, occasion)
    return Decision(RowClass.UPDATED if kind is RowClass.UNCHANGED else kind, update=update, there=there)


def _earlier(there: Document, batch: str) -> RowClass:
    """Return what this batch has done to the document already."""
    own = there.get(OWN)
    if not isinstance(own, Mapping):
        return RowClass.UNCHANGED
    if own.get("inserted_by") == batch:
        return RowClass.NEW
    return RowClass.UPDATED if own.get("updated_by") == batch else RowClass.UNCHANGED


def _new(shape: Shape, row: Row, occasion: Occasion) -> dict[str, Any]:
    stamps = occasion.stamps.at(occasion.now, occasion.timezone, is_new=True)
    own = {"inserted_by": occasion.batch, "updated_at": stored(occasion.now)}
    return {**document_of(shape, row), **stamps, OWN: own}


def _update(changed: dict[str, Any], lists: dict[str, Any], occasion: Occasion) -> Any:
    """Return an update of the fields that differ; with lists, a pipeline that works on the list as it then is."""
    changed = {**changed, **occasion.stamps.at(occasion.now, occasion.timezone, is_new=False)}
    own = {"updated_by": occasion.batch, "updated_at": stored(occasion.now.astimezone(UTC))}
    if not lists:
        return {"$set": {**changed, **{f"{OWN}.{name}": value for name, value in own.items()}}}
    literal = {name: {"$literal": value} for name, value in changed.items()}
    return [{"$set": {**literal, **lists, OWN: {"$mergeObjects": [f"${OWN}", {"$literal": own}]}}}]


def _merged_list(name: str, nested: Nested, entries: tuple[Entry, ...], there: list[Any]) -> Any:
    """Return the expression that merges what differs into the list, or None if nothing does.

    Other entries, and other fields of the same ones, are taken over from the list at the time of the write.
    """
    key, once = field_name(nested.key), {field_name(each) for each in nested.on_insert}
    branches, added = [], []
    path: Any = {"$cond": [{"$isArray": f"${name}"}, f"${name}", []]}
    entry_key = f"$$entry.{key}"
    for entry in entries:
        same = [each for each in there if entry.is_of(each, key)]
        ours = {field: value for field, value in entry.fields.items() if field not in once and field != key}
        if not same:
            keys = {"$map": {"input": path, "as": "entry", "in": entry_key}}
            is_there = {"$in": [{"$literal": entry.key}, keys]}
            added.append({"$cond": [is_there, [], [{"$literal": dict(entry.fields)}]]})
        elif any(not is_same(value, each.get(field)) for each in same for field, value in ours.items()):
            case = {"$eq": [entry_key, {"$literal": entry.key}]}
            branches.append({"case": case, "then": {"$mergeObjects": ["$$entry", {"$literal": ours}]}})
    if not branches and not added:
        return None
    if branches:
        one = {"$switch": {"branches": branches, "default": "$$entry"}}
        path = {"$map": {"input": path, "as": "entry", "in": one}}
    return {"$concatArrays": [path, *added]}
