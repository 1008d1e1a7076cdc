"""The words of a catalogue, and which of them somebody may have meant who typed another one."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from backhaul.errors import ConfigError
from backhaul.search.normal import number_of, unit_of

if TYPE_CHECKING:
    from types import ModuleType

STRONG = 0.86
"""From here on a word counts as said: equal, begun, abbreviated by rule, or the same sound."""

MOST_LIKE = 40
"""How many words of the catalogue one typed word may stand for."""

LEAST_LIKENESS = 0.6
MOST_REMEMBERED = 2000
LONGEST_WORD = 48

_VOWELS = re.compile("(?<!^)[AEIOU]")
_DOUBLED = re.compile(r"(.)\1+")
_SOUNDS = (
    (re.compile("PH|V"), "F"),
    (re.compile("X"), "KS"),
    (re.compile("C(?=[AOUKLRT]|$)|Q|KH"), "K"),
    (re.compile("SY|SH|Z"), "S"),
    (re.compile("DJ"), "J"),
    (re.compile("TJ"), "C"),
    (re.compile("OE|OO"), "U"),
    (re.compile("EE|Y"), "I"),
    (re.compile("(?<=[TD])H"), ""),
    (_DOUBLED, r"\1"),
)
_PIECES = ("PCS", "X", "PAK", "SCT", "LBR", "TAB", "ROL")


def matcher() -> ModuleType:
    """Return rapidfuzz's distances. Raises ConfigError if it is not installed."""
    try:
        from rapidfuzz import distance
    except ImportError:
        raise ConfigError(
            "the search needs a package that is not installed",
            next_step='Install it with: pip install "backhaul[search]"',
        ) from None
    return distance


@dataclass(frozen=True)
class Vocabulary:
    """All words of a catalogue, sorted; a word's id is its place. `products` is in how many products each stands.

    Another spelling of a word is there too; `means` is the id of the word that it stands for, a word's own otherwise.
    What is asked is answered with the ids of words that products have.
    """

    words: list[str]
    products: list[int]
    means: list[int]
    _like: dict[str, dict[int, float]] = field(default_factory=dict, compare=False, repr=False)

    def id_of(self, word: str) -> int | None:
        """Return the id of what the word means, None if no product has it."""
        place = bisect_left(self.words, word)
        return self.means[place] if place < len(self.words) and self.words[place] == word else None

    def strong(self, word: str) -> dict[int, float]:
        """Return the words that this one surely stands for, with their likeness, STRONG to 1."""
        if number_of(word):
            return self._best((each, like) for each, like in self._sizes(word) if like >= STRONG)
        found = [*self._begun(word)]
        if unit := unit_of(word):
            found += ((each, 0.88) for each in self._by_unit.get(unit, ()))
        found += ((each, 0.94) for each in self._by_sound.get(_sound(word), ()))
        if len(word) > 2:
            found += ((each, 0.93) for each in self._by_skeleton.get(word, ()))
        if (own := self.id_of(word)) is not None:
            found.append((own, 1.0))
        return self._best(found)

    def like(self, word: str) -> dict[int, float]:
        """Return all words that this one may stand for, those of `strong` included, with their likeness up to 1."""
        if (found := self._like.get(word)) is None:
            if len(self._like) >= MOST_REMEMBERED:
                self._like.clear()
            found = self._like[word] = self._all_like(word)
        return found

    def _all_like(self, word: str) -> dict[int, float]:
        if number_of(word):
            return self._best(self._sizes(word))
        loose = (
            *self._abbreviated(word),
            *self._inside(word),
            *self._misspelt(word, self.words),
            *self._misspelt_bones(word),
        )
        return self._best((*self.strong(word).items(), *loose))

    def _best(self, found: Iterable[tuple[int, float]]) -> dict[int, float]:
        """Return what the likest words mean, no more of them than one typed word may stand for."""
        best: dict[int, float] = {}
        for each, likeness in found:
            meant = self.means[each]
            if likeness > best.get(meant, 0):
                best[meant] = likeness
        if len(best) > MOST_LIKE:
            best = dict(sorted(best.items(), key=lambda each: -each[1])[:MOST_LIKE])
        return best

    def _begun(self, word: str) -> Iterator[tuple[int, float]]:
        """Yield the words that begin with this one, those nearest to its length first if there are too many."""
        if len(word) < 2:
            return
        start = bisect_left(self.words, word)
        end = bisect_left(self.words, word + "\U0010ffff", start)
        for place in sorted(range(start, end), key=lambda place: len(self.words[place]))[:MOST_LIKE]:
            yield place, 0.97 - 0.1 * (1 - len(word) / len(self.words[place]))

    def _sizes(self, word: str) -> Iterator[tuple[int, float]]:
        """Yield the sizes that a number, with or without its unit, may mean."""
        number = number_of(word)
        assert number is not None, "called for numbers only"
        value, unit = number
        for place in self._by_number.get(value, ()):
            other = self.words[place][len(value) :]
            if other == unit:
                yield place, 1.0
            elif not unit:
                yield place, 0.9
            elif not other:
                yield place, 0.88
            elif unit in _PIECES and other in _PIECES:
                yield place, 0.7
        if unit or len(value) > 6:
            return
        # 1500 means 1.5L, and a half means 500G.
        times, units = (1000, ("G", "ML")) if float(value) < 1 else (0.001, ("KG", "L"))
        for place in self._by_number.get(f"{float(value) * times:.9g}", ()):
            if self.words[place].endswith(units) and number_of(self.words[place])[1] in units:  # type: ignore[index]
                yield place, 0.9

    def _abbreviated(self, word: str) -> Iterator[tuple[int, float]]:
        """Yield the longer words that have this one's letters in this order, the first one first."""
        if not 2 <= len(word) <= 8:
            return
        start = bisect_left(self.words, word[0])
        end = bisect_left(self.words, word[0] + "\U0010ffff", start)
        fits = re.compile(".*".join(map(re.escape, word))).match
        for place in range(start, end):
            other = self.words[place]
            if len(word) < len(other) <= 3 * len(word) + 2 and fits(other):
                bones = _skeleton(other)
                bone_likeness = sum(1 for letter in word if letter in bones) / max(len(bones), len(word))
                yield place, 0.66 + 0.18 * bone_likeness + (0.03 if other[-1] == word[-1] else 0)

    def _inside(self, word: str) -> Iterator[tuple[int, float]]:
        """Yield the words that hold this one somewhere."""
        if len(word) < 3:
            return
        at = self._all.find(word)
        for _ in range(MOST_LIKE):
            if at < 0:
                return
            place = bisect_left(self._starts, at + 1) - 1
            share = len(word) / len(self.words[place])
            yield place, (0.66 if len(word) == 3 else 0.72) + 0.15 * share
            at = self._all.find(word, self._starts[place] + len(self.words[place]))

    def _misspelt(self, word: str, forms: list[str]) -> Iterator[tuple[int, float]]:
        """Yield the words whose form, at the same place in forms, a slip or two of the finger turns into this one."""
        if not 3 <= len(word) <= LONGEST_WORD:
            return
        from rapidfuzz import process

        slips = matcher().OSA.normalized_similarity
        for form, likeness, place in process.extract(
            word, forms, scorer=slips, score_cutoff=LEAST_LIKENESS, limit=MOST_LIKE
        ):
            if not form[0].isdigit():
                yield place, likeness - (0.04 if form[0] != word[0] else 0)

    def _misspelt_bones(self, word: str) -> Iterator[tuple[int, float]]:
        """Yield the words that this one, which has no vowels, is an abbreviation of with a slip in it."""
        if len(word) >= 4 and _skeleton(word) == word:
            for place, likeness in self._misspelt(word, self._skeletons):
                yield place, likeness * 0.9

    @cached_property
    def _skeletons(self) -> list[str]:
        return [_skeleton(word) for word in self.words]

    @cached_property
    def _by_number(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            if number := number_of(word):
                found.setdefault(number[0], []).append(place)
        return found

    @cached_property
    def _by_unit(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            if number := number_of(word):
                found.setdefault(number[1], []).append(place)
        return found

    @cached_property
    def _by_sound(self) -> dict[str, list[int]]:
        return self._grouped(_sound)

    @cached_property
    def _by_skeleton(self) -> dict[str, list[int]]:
        return self._grouped(_skeleton)

    def _grouped(self, form: object) -> dict[str, list[int]]:
        assert callable(form)
        found: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            if not word[0].isdigit() and len(word) > 2:
                found.setdefault(form(word), []).append(place)
        return found

    @cached_property
    def _all(self) -> str:
        return "\n" + "\n".join(self.words)

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [], 1
        for word in self.words:
            starts.append(at)
            at += len(word) + 1
        return starts


def _sound(word: str) -> str:
    for spelled, spoken in _SOUNDS:
        word = spelled.sub(spoken, word)
    return word


def _skeleton(word: str) -> str:
    """Return a word without its vowels, the first letter kept, as people abbreviate it."""
    return _VOWELS.sub("", word)
