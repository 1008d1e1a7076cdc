"""What a query asks for: its words, and for each the words of the catalogue that it may stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from backhaul.search.apart import apart
from backhaul.search.build import spelled
from backhaul.search.normal import number_of
from backhaul.search.vocabulary import LONGEST_WORD, Vocabulary

MOST_WORDS = 12
"""How many words of a query are used; the others are ignored, so that every query has an end."""

SIZE_WEIGHT = 4
LONGEST_WEIGHT = 9
UNKNOWN = 0.3
JOINED = 0.98

_TALK = (
    "ADA APA BELI BERAPA BERAPAAN BOS BRP CARI CEK DI DONG GA GAK HARGA HARGANYA HRG KAK KAKAK KALAU KALO MAU MINTA"
    " NYA PUNYA SAMA SAYA STOCK STOK TANYA TLG TOLONG YANG YG"
)
_SAID_AROUND = frozenset(_TALK.split())
"""What people say around the product that they ask for; left out where no product has the word."""


@dataclass(frozen=True)
class Asked:
    """One word of a query. `joined` are the words that it and its neighbour are together."""

    word: str
    vocabulary: Vocabulary
    joined: tuple[tuple[int, float], ...] = ()

    @cached_property
    def weight(self) -> float:
        """How much the word counts: long ones more, sizes alike; little if it is like nothing in the catalogue."""
        weight = SIZE_WEIGHT if number_of(self.word) else 1 + min(len(self.word), LONGEST_WEIGHT - 1)
        return weight if self.strong or self.like else weight * UNKNOWN

    @cached_property
    def strong(self) -> dict[int, float]:
        """The words it surely stands for."""
        return {**self.vocabulary.strong(self.word), **dict(self.joined)}

    @cached_property
    def like(self) -> dict[int, float]:
        """All words it may stand for."""
        return {**self.vocabulary.like(self.word), **dict(self.joined)}


def readings(query: str, vocabulary: Vocabulary, synonyms: Mapping[str, str]) -> list[list[Asked]]:
    """Return the words of query that are searched for; a second time with glued words taken apart, if there are any.

    Torn words are joined in both.
    """
    said = [word[:LONGEST_WORD] for word in dict.fromkeys(spelled(query, synonyms))]
    words = [word for word in said if word not in _SAID_AROUND or vocabulary.id_of(word) is not None] or said
    words = words[:MOST_WORDS]
    torn = [part for word in words for part in apart(word, vocabulary)]
    parts = [each for part in torn for each in synonyms.get(part, part).split()][:MOST_WORDS]
    return [_asked(each, vocabulary) for each in ([words] if parts == words else [words, parts])]


def _asked(words: list[str], vocabulary: Vocabulary) -> list[Asked]:
    joined: list[dict[int, float]] = [{} for _ in words]
    for at, (left, right) in enumerate(pairwise(words)):
        found = _together(left, right, vocabulary)
        joined[at].update(found)
        joined[at + 1].update(found)
    return [Asked(word, vocabulary, tuple(extra.items())) for word, extra in zip(words, joined, strict=True)]


def _together(left: str, right: str, vocabulary: Vocabulary) -> dict[int, float]:
    """Return the words that two neighbours are without the space between them."""
    whole = left + right
    if len(whole) < 4 or len(whole) > LONGEST_WORD or number_of(whole):
        return {}
    if (own := vocabulary.id_of(whole)) is not None:
        return {own: JOINED}
    if vocabulary.strong(left) and vocabulary.strong(right):
        return {}
    return {each: like * JOINED for each, like in vocabulary.like(whole).items() if like >= 0.8}


def rarest(words: Iterable[Asked]) -> list[Asked]:
    """Return the words that stand for anything, those that the fewest products have first."""
    known = [each for each in words if each.like]
    return sorted(known, key=lambda each: sum(each.vocabulary.products[word] for word in each.like))
