"""What counts as the right answer to a query: the item meant, or one that has all the words that were asked for."""

import time
from collections import Counter
from dataclasses import dataclass, field

from backhaul.search import Catalogue
from backhaul.search.normal import words_of
from tests.search.goods import Query


@dataclass
class Verdict:
    """How many queries were right, and how long each took (ms)."""

    right: int = 0
    asked: int = 0
    ms: list[float] = field(default_factory=list)
    wrong: list[tuple[Query, str]] = field(default_factory=list)
    wrong_ways: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        return self.right / self.asked

    def percentile(self, share: float) -> float:
        return sorted(self.ms)[min(int(len(self.ms) * share), len(self.ms) - 1)]


def is_right(query: Query, name: str) -> bool:
    """Tell whether name is what was meant: the item itself, or one with the same words but a size left open."""
    if name == query.meant:
        return True
    there, wanted = set(words_of(name)), set(words_of(query.asked))
    return wanted <= there


def judged(catalogue: Catalogue, queries: list[Query]) -> Verdict:
    """Ask each query and judge the first answer."""
    verdict = Verdict()
    for query in queries:
        started = time.perf_counter()
        found = catalogue.find(query.text, 10)
        verdict.ms.append((time.perf_counter() - started) * 1000)
        verdict.asked += 1
        name = found.products[0].name if found.products else ""
        if is_right(query, name):
            verdict.right += 1
        else:
            verdict.wrong.append((query, name))
            verdict.wrong_ways[query.how] += 1
    return verdict
