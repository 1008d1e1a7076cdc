"""The search: the best products for what somebody typed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backhaul.errors import DeliveryError
from backhaul.search.asking import Asked, rarest, readings
from backhaul.search.build import code_of
from backhaul.search.index_file import IndexFile, facts
from backhaul.search.products import CatalogueStatus, Found, PriceColumns, Product, Way, product_of
from backhaul.search.ranking import LEAST_SCORE, Ranked, ranked
from backhaul.search.vocabulary import Vocabulary, matcher

MOST_CANDIDATES = 400
"""How many products are looked at closely for one query."""

NEAREST = 0.4
"""Where nothing reaches LEAST_SCORE, what comes this near is shown: some words of the query are in it."""

ENOUGH = 3
SURE = 0.8
NOTHING = Found((), 0, Way.NOTHING)
_LONGEST_CODE = 100


@dataclass(frozen=True)
class _Words:
    """What is remembered of one index file between queries."""

    build: str
    vocabulary: Vocabulary
    synonyms: Mapping[str, str]
    columns: PriceColumns


@dataclass
class Catalogue:
    """The search index at path, whichever is there: a new one is noticed at the next query. Safe for threads.

    Every call raises DeliveryError if there is no index or a damaged one, and ConfigError without rapidfuzz.
    """

    path: Path
    name: str = "search"
    _words: _Words | None = field(default=None, repr=False)

    def find(self, query: str, limit: int = 10, *, skip: int = 0) -> Found:
        """Return the best products for query, limit of them after the first skip ones.

        A code or barcode is looked up first. Products that are not sold come behind those that are. No more than
        the best MOST_CANDIDATES can be paged through, however many the total says there are.
        """
        matcher()
        with self._file.reading() as connection:
            words = self._current(connection)
            exact = _by_code(connection, query)
            if exact and (len(code_of(query)) >= 6 or not code_of(query).isdecimal()):
                return self._found(connection, words, exact, len(exact), Way.CODE, (skip, limit))
            search, best = _best_reading(connection, readings(query, words.vocabulary, words.synonyms))
            order = list(dict.fromkeys([*exact, *(each.document for each in best)]))
            total = max(search.total, len(order)) if search.way is Way.WORDS and best else len(order)
            way = Way.CODE if exact else search.way if order else Way.NOTHING
            return self._found(connection, words, order, total, way, (skip, limit))

    def by_code(self, code: str) -> tuple[Product, ...]:
        """Return the products with this code or barcode, upper and lower case and spaces aside."""
        with self._file.reading() as connection:
            words, found = self._current(connection), _by_code(connection, code)
            return self._found(connection, words, found, len(found), Way.CODE, (0, len(found))).products

    def status(self) -> CatalogueStatus:
        """Return how much is in the index and since when."""
        with self._file.reading() as connection:
            known = self._facts(connection)
            return CatalogueStatus(
                products=int(known["products"]),
                rows=int(known["rows"]),
                changed_at=datetime.fromisoformat(known["changed_at"]),
                batch=known["batch"],
            )

    @property
    def _file(self) -> IndexFile:
        return IndexFile(self.path, self.name)

    def _facts(self, connection: sqlite3.Connection) -> dict[str, str]:
        known = facts(connection)
        if not known:
            raise DeliveryError(
                f"{self.name}: {self.path.name} was made by another version of backhaul",
                next_step="Run the pipeline that delivers it: backhaul run NAME; it is made anew.",
            )
        return known

    def _current(self, connection: sqlite3.Connection) -> _Words:
        """Return the words of the index that connection reads; they are read again when it is another one."""
        known, words = self._facts(connection), self._words
        if words is None or words.build != known["build"]:
            said = connection.execute("SELECT word, products, means FROM word ORDER BY id").fetchall()
            words = _Words(
                build=known["build"],
                vocabulary=Vocabulary(
                    [each[0] for each in said], [each[1] for each in said], [each[2] for each in said]
                ),
                synonyms=dict(connection.execute("SELECT spelling, word FROM synonym")),
                columns=PriceColumns(**json.loads(known["columns"])),
            )
            self._words = words
        return words

    def _found(
        self,
        connection: sqlite3.Connection,
        words: _Words,
        order: list[int],
        total: int,
        way: Way,
        page: tuple[int, int],
    ) -> Found:
        skip, limit = max(page[0], 0), max(page[1], 0)
        products = []
        for number in order[skip : skip + limit]:
            (rows,) = connection.execute("SELECT rows FROM document WHERE id = ?", (number,)).fetchone()
            products.append(product_of(json.loads(rows), words.columns))
        return Found(tuple(products), total, way)


@dataclass
class _Search:
    """One query in one index: candidates are taken from stricter to looser ways until the best of them is good."""

    connection: sqlite3.Connection
    words: list[Asked]
    total: int = 0
    way: Way = Way.NOTHING
    _seen: dict[int, Ranked] = field(default_factory=dict)
    _is_loose: bool = False

    def best(self) -> list[Ranked]:
        """Return what was found, best first; what is much worse than the best is left out."""
        if not self.words:
            return []
        if all(each.strong for each in self.words):
            self._look([each.strong for each in self.words], Way.WORDS)
        if len(self._seen) < ENOUGH:
            self._loosely()
        kept = self._kept()
        if kept and self.way is Way.WORDS and not all(each.is_strong for each in kept[:1]):
            self.way = Way.SIMILAR
        return kept

    def _loosely(self) -> None:
        known = rarest(self.words)
        if not known:
            return
        self._is_loose = True
        strict, self._seen = set(self._seen), {}
        self._rank(strict)
        likes = [each.like for each in known]
        self._look(likes, Way.SIMILAR)
        if self._best_score() < SURE and len(likes) > 1:
            for out in range(len(likes)):
                self._look(likes[:out] + likes[out + 1 :], Way.SIMILAR)
        if self._best_score() < LEAST_SCORE + 0.1 and len(likes) > 2:
            for like in likes:
                self._look([like], Way.SIMILAR, most=MOST_CANDIDATES // len(likes))

    def _look(self, groups: list[dict[int, float]], way: Way, *, most: int = MOST_CANDIDATES) -> None:
        """Rank the products that have a word of each group. If they are too many, the likest words go first."""
        found = self._match(groups, most)
        if len(found) == most:
            self.total = max(self.total, self._count(groups))
            likest = [{word: like for word, like in group.items() if like == max(group.values())} for group in groups]
            if likest != groups:
                found += self._match(likest, most)
        if found and self.way is Way.NOTHING:
            self.way = way
        self._rank(set(found) - self._seen.keys())

    def _rank(self, products: set[int]) -> None:
        found = ranked(self.connection, products, self.words, loosely=self._is_loose)
        self._seen.update((each.product, each) for each in found)

    def _match(self, groups: list[dict[int, float]], most: int) -> list[int]:
        rows = self.connection.execute(
            "SELECT rowid FROM said WHERE said MATCH ? ORDER BY rowid LIMIT ?", (_all_of(groups), most)
        )
        return [number for (number,) in rows]

    def _count(self, groups: list[dict[int, float]]) -> int:
        counted = self.connection.execute("SELECT count(*) FROM said WHERE said MATCH ?", (_all_of(groups),))
        return int(counted.fetchone()[0])

    def _best_score(self) -> float:
        return max((each.score for each in self._seen.values()), default=0)

    def _kept(self) -> list[Ranked]:
        best = self._best_score()
        least = max(LEAST_SCORE, best - 0.2) if best >= LEAST_SCORE else max(NEAREST, best - 0.1)
        kept = [each for each in self._seen.values() if each.score >= least]
        return sorted(kept, key=lambda each: (not each.is_sold, -each.score, each.product))


def _best_reading(connection: sqlite3.Connection, readings: list[list[Asked]]) -> tuple[_Search, list[Ranked]]:
    """Return the search for the reading of the query that fits the catalogue best, with what it found."""
    found = []
    for words in readings:
        search = _Search(connection, words)
        found.append((search, search.best()))
    return max(found, key=lambda each: max((ranked.score for ranked in each[1]), default=0))


def _all_of(groups: Iterable[Mapping[int, float]]) -> str:
    """Return the expression for products with a word of each group; it is made of numbers only."""
    return " AND ".join(f"({' OR '.join(map(str, group))})" for group in groups)


def _by_code(connection: sqlite3.Connection, text: str) -> list[int]:
    code = code_of(text[:_LONGEST_CODE])
    if not code:
        return []
    rows = connection.execute("SELECT document FROM code WHERE code = ? ORDER BY document LIMIT 100", (code,))
    return [number for (number,) in rows]
