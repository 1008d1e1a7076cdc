"""How well a product fits a query."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from backhaul.search.asking import Asked
from backhaul.search.vocabulary import STRONG

LEAST_SCORE = 0.5
"""Below this, a product has nothing to do with the query."""

OTHER_WORD = 0.012
"""What a word of the name that nobody asked for costs; a size costs less: the query has left it open."""

OTHER_SIZE = 0.002
MOST_OTHER = 0.1
LATE_WORD = 0.0005
"""What each word costs that stands before the first one asked for: names that begin with it come first."""

MOST_LATE = 5
_AT_ONCE = 500


@dataclass(frozen=True)
class Ranked:
    """A product with its score, up to 1; `is_strong` if every word of the query surely stands in it."""

    product: int
    document: int
    score: float
    is_sold: bool
    is_strong: bool


def ranked(
    connection: sqlite3.Connection, products: Collection[int], words: Sequence[Asked], *, loosely: bool
) -> list[Ranked]:
    """Return the products with their scores, in any order; words that are only alike count if `loosely`."""
    likes = [each.like if loosely else each.strong for each in words]
    found: list[Ranked] = []
    numbers = sorted(products)
    for start in range(0, len(numbers), _AT_ONCE):
        some = ",".join(map(str, numbers[start : start + _AT_ONCE]))
        rows = connection.execute(f"SELECT id, document, is_sold, words FROM product WHERE id IN ({some})")
        for number, document, is_sold, said in rows:
            score, is_strong = _score(array("I", said), words, likes)
            found.append(Ranked(number, document, score, bool(is_sold), is_strong))
    return found


def _score(said: array[int], words: Sequence[Asked], likes: list[dict[int, float]]) -> tuple[float, bool]:
    """Return how well a name of these words fits, and whether each word of the query surely stands in it."""
    reached, weights, is_strong, first = 0.0, 0.0, True, len(said)
    meant = set()
    for asked, like in zip(words, likes, strict=True):
        best, at = 0.0, -1
        for place, word in enumerate(said):
            likeness = like.get(word, 0)
            if likeness > best:
                best, at = likeness, place
        if at >= 0:
            meant.add(at)
            first = min(first, at)
        is_strong = is_strong and best >= STRONG
        reached += asked.weight * best
        weights += asked.weight
    vocabulary = words[0].vocabulary.words
    left = [vocabulary[word] for place, word in enumerate(said) if place not in meant]
    other = sum(OTHER_SIZE if word[0].isdigit() else OTHER_WORD for word in left)
    return reached / weights - min(other, MOST_OTHER) - LATE_WORD * min(first, MOST_LATE), is_strong
