"""Glued words taken apart: `sabuncolek` is two words of the catalogue without the space."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backhaul.search.normal import number_of
from backhaul.search.vocabulary import Vocabulary

SHORTEST_GLUED = 5
MOST_TRIED = 8
LEAST_LIKENESS = 0.65

_RUNS = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_NEVER = 1000.0


def apart(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return the words of the catalogue that word is made of, one of them perhaps misspelt; else word alone.

    A word that products have, or that one of theirs begins with, stays whole.
    """
    if number_of(word) or vocabulary.strong(word):
        return [word]
    runs = _RUNS.findall(word)
    if len(runs) > 1:
        return runs if all(vocabulary.strong(run) for run in runs) else [word]
    if len(word) < SHORTEST_GLUED or max(vocabulary.like(word).values(), default=0) >= 0.9:
        return [word]
    before, after = _covered(word, vocabulary), _covered(word[::-1], vocabulary, reverse=True)
    if before[-1] < _NEVER:
        return _cut(word, before, vocabulary)
    tried = sorted(_with_a_gap(word, before, after))[:MOST_TRIED]
    found = [
        (cost + 3 * (1 - like), start, end)
        for cost, start, end in tried
        if (like := _like(word[start:end], vocabulary))
    ]
    if not found:
        return [word]
    _, start, end = min(found)
    left = _cut(word[:start], before[: start + 1], vocabulary)
    right = _cut(word[end:], _covered(word[end:], vocabulary), vocabulary)
    return [*left, word[start:end], *right]


def _covered(word: str, vocabulary: Vocabulary, *, reverse: bool = False) -> list[float]:
    """Return what it costs to make each beginning of word of whole words: one for each word, two for a short one."""
    costs = [0.0] + [_NEVER] * len(word)
    for end in range(2, len(word) + 1):
        for start in range(end - 1):
            if costs[start] < _NEVER:
                part = word[start:end][::-1] if reverse else word[start:end]
                if vocabulary.id_of(part) is not None:
                    costs[end] = min(costs[end], costs[start] + (1 if len(part) > 2 else 2))
    return costs


def _cut(word: str, costs: list[float], vocabulary: Vocabulary) -> list[str]:
    """Return the words that word is made of at the least cost."""
    found, end = list[str](), len(word)
    while end:
        for start in range(end - 1):
            cost = costs[start] + (1 if end - start > 2 else 2)
            if cost == costs[end] and vocabulary.id_of(word[start:end]) is not None:
                found.append(word[start:end])
                end = start
                break
    return found[::-1]


def _with_a_gap(word: str, before: list[float], after: list[float]) -> Iterator[tuple[float, int, int]]:
    """Yield where whole words leave one gap of three letters or more, and what these words cost."""
    for start in range(len(word)):
        for end in range(start + 3, len(word) + 1):
            cost = before[start] + after[len(word) - end]
            if cost < _NEVER and (start or end < len(word)):
                yield cost + (end - start) / len(word), start, end


def _like(part: str, vocabulary: Vocabulary) -> float:
    """Return how much the likest word is like part; 0 if it is too little."""
    best = max(vocabulary.like(part).values(), default=0)
    return best if best >= LEAST_LIKENESS else 0
