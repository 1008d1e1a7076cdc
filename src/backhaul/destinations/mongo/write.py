"""Writing rows chunk by chunk: in a transaction where the server has them, else so that a repetition does no harm."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backhaul.destinations.mongo.decide import Decision, Occasion, decide
from backhaul.destinations.mongo.find import find
from backhaul.destinations.mongo.indexes import DUPLICATE
from backhaul.destinations.mongo.shape import Row, Shape
from backhaul.model import Rejected, RowClass
from backhaul.sessions.mongo import FORBIDDEN, NO_ROOM, PASSING

TRIES = 4
FIRST_PAUSE_S = 0.1
TOO_LARGE = (10334, 17419, 17420)
AGAINST_RULES = 121


@dataclass
class Tally:
    """What became of rows: how many of each class, and those that the server refused."""

    counts: dict[RowClass, int] = field(default_factory=lambda: dict.fromkeys(RowClass, 0))
    refused: list[Rejected] = field(default_factory=list)

    def add(self, row: Row, decision: Decision) -> None:
        """Count one row that is where it belongs."""
        self.counts[decision.kind] += 1
        if decision.kind is RowClass.REFUSED:
            self.refused.append(Rejected(row.number, decision.refusal))

    def refuse(self, row: Row, reason: str) -> None:
        """Count one row that the server has refused."""
        self.add(row, Decision(RowClass.REFUSED, refusal=reason))

    def __iadd__(self, other: Tally) -> Tally:
        self.counts = {kind: number + other.counts[kind] for kind, number in self.counts.items()}
        self.refused += other.refused
        return self


@dataclass(frozen=True)
class ChunkWriter:
    """Writes chunks of rows into one collection."""

    collection: Any
    shape: Shape
    occasion: Occasion
    has_transactions: bool
    sleep: Callable[[float], None] = time.sleep

    def write(self, rows: Sequence[Row]) -> Tally:
        """Write one chunk. Raises the driver's errors; whatever they leave, a repetition ends in the same state."""
        from pymongo.errors import BulkWriteError

        if self.has_transactions:
            try:
                return self._in_transaction(rows)
            except BulkWriteError as error:
                if not is_of_documents(error):
                    raise
        # A row that the server refuses would take its whole chunk along: now each document is for itself.
        return self._each_for_itself(rows)

    def _in_transaction(self, rows: Sequence[Row]) -> Tally:
        from pymongo.errors import PyMongoError

        attempt = 0
        while True:
            attempt += 1
            try:
                with self.collection.database.client.start_session() as session, session.start_transaction():
                    return self._at_once(rows, session)
            except PyMongoError as error:
                labels = ("TransientTransactionError", "UnknownTransactionCommitResult")
                if attempt == TRIES or not any(map(error.has_error_label, labels)):
                    raise
            self.sleep(FIRST_PAUSE_S * 2**attempt)

    def _at_once(self, rows: Sequence[Row], session: Any) -> Tally:
        decisions = self._decide(rows, session)
        # In order, so that the first refusal is heard, and not that the transaction has ended with it.
        self._bulk([each for _, each in decisions if _writes(each)], session, ordered=True)
        tally = Tally()
        for row, decision in decisions:
            tally.add(row, decision)
        return tally

    def _each_for_itself(self, rows: Sequence[Row]) -> Tally:
        tally, waiting = Tally(), list(rows)
        for attempt in range(TRIES):
            waiting = self._once(waiting, tally)
            if not waiting:
                return tally
            self.sleep(FIRST_PAUSE_S * 2**attempt)
        for row in waiting:
            tally.refuse(row, "its key belongs to a document that cannot be found, or that changes all the time")
        return tally

    def _once(self, rows: Sequence[Row], tally: Tally) -> list[Row]:
        """Write what can be written; return the rows to look at again, as somebody else came in between."""
        from pymongo.errors import BulkWriteError

        decisions, errors = self._decide(rows, None), {}
        writing = [(row, each) for row, each in decisions if _writes(each)]
        updated = sum(each.update is not None for _, each in writing)
        try:
            matched = self._bulk([each for _, each in writing], None, ordered=False)
        except BulkWriteError as error:
            errors = {each["index"]: each for each in error.details["writeErrors"]}
            if not is_of_documents(error):
                raise
            matched = error.details["nMatched"] + sum(writing[at][1].update is not None for at in errors)
        again, at = [], -1
        for row, decision in decisions:
            at += _writes(decision)
            wrong = errors.get(at) if _writes(decision) else None
            if wrong is not None and self._is_overtaken(wrong, decision):
                again.append(row)
            elif wrong is not None:
                tally.refuse(row, reason(wrong))
            elif decision.update is not None and matched < updated:
                again.append(row)
            else:
                tally.add(row, decision)
        return again

    def _decide(self, rows: Sequence[Row], session: Any) -> list[tuple[Row, Decision]]:
        there = find(self.collection, self.shape, rows, session)
        return [(row, decide(self.shape, row, there.get(row.key), self.occasion)) for row in rows]

    def _bulk(self, decisions: Sequence[Decision], session: Any, *, ordered: bool) -> int:
        """Write; return how many documents the updates have met."""
        from pymongo import InsertOne, UpdateOne

        if not decisions:
            return 0
        calls: list[Any] = []
        for each in decisions:
            if each.there is None:
                calls.append(InsertOne(each.new))
            else:
                same = {name: each.there[name] for name in ("_id", *self.shape.key)}
                calls.append(UpdateOne(same, each.update))
        result = self.collection.bulk_write(calls, ordered=ordered, session=session)
        return int(result.matched_count)

    def _is_overtaken(self, wrong: Mapping[str, Any], decision: Decision) -> bool:
        """Tell whether another writer has made the document of this key meanwhile."""
        pattern = wrong.get("keyPattern")
        is_ours = pattern is None or tuple(pattern) == self.shape.key
        return wrong["code"] in DUPLICATE and decision.new is not None and is_ours


def _writes(decision: Decision) -> bool:
    return decision.new is not None or decision.update is not None


def is_of_documents(error: Any) -> bool:
    """Tell whether the server refuses documents, and neither the call nor this moment."""
    errors = error.details.get("writeErrors", ())
    of_all = {*PASSING, *FORBIDDEN, *NO_ROOM}
    is_lost = bool(error.details.get("writeConcernErrors"))
    return bool(errors) and not is_lost and all(each["code"] not in of_all for each in errors)


def reason(wrong: Mapping[str, Any]) -> str:
    """Return in words, without a value, why the server has refused a document."""
    code = wrong["code"]
    if code == AGAINST_RULES:
        return "the collection's validation rules"
    if code in DUPLICATE:
        fields = ", ".join(wrong.get("keyPattern") or ())
        return f"a unique index of the collection{f' on {fields}' if fields else ''}"
    if code in TOO_LARGE:
        return "more than the 16 MB of a document"
    return f"refused by the server with code {code}"
