"""Saying a sentence in one language."""

from __future__ import annotations

import gettext
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files

from backhaul.languages.habits import HABITS

LANGUAGES = tuple(HABITS)
"""The languages that there are catalogues for; the sentences in the code are English."""


class Translator:
    """Sentences, numbers and times in one language; `translator` makes them.

    In a language that is written from the right, each value in a sentence is isolated, so that ids and
    numbers do not flip.
    """

    def __init__(self, language: str, catalogue: gettext.NullTranslations) -> None:
        self.language = language
        self._catalogue = catalogue
        self._habit = HABITS[language]

    def say(self, sentence: str, **values: str | int) -> str:
        """Return sentence in the language, its `{places}` filled with values."""
        return self._filled(self._catalogue.gettext(sentence), values)

    def count(self, singular: str, plural: str, n: int, **values: str | int) -> str:
        """Return the sentence that fits n things, `{n}` filled with it."""
        return self._filled(self._catalogue.ngettext(singular, plural, n), {"n": n, **values})

    def known(self, sentence: str) -> str:
        """Return sentence, which has no places, in the language if the catalogue has it, else as it is."""
        return self._catalogue.gettext(sentence) if sentence else ""

    def number(self, value: int | float | Decimal, decimals: int = 0) -> str:
        """Return a number such as `1.234,5` (Indonesian) or `1,234.5`."""
        return self._habit.number(value, decimals)

    def rupiah(self, amount: int | Decimal) -> str:
        """Return an amount such as `Rp 118.000`; parts of a rupiah are shown only where there are any."""
        decimals = 0 if amount == int(amount) else 2
        return f"Rp {self._habit.number(amount, decimals)}"

    def duration(self, seconds: float) -> str:
        """Return a time that people wait, in its two largest units."""
        whole = round(max(seconds, 0))
        days, hours, minutes = whole // 86_400, whole % 86_400 // 3600, whole % 3600 // 60
        if days:
            return self.say("{days} d {hours} h", days=days, hours=hours)
        if hours:
            return self.say("{hours} h {minutes} min", hours=hours, minutes=minutes)
        if minutes:
            return self.say("{minutes} min {seconds} s", minutes=minutes, seconds=whole % 60)
        return self.say("{seconds} s", seconds=whole)

    def moment(self, at: datetime, timezone: str) -> str:
        """Return a moment (aware) on a clock in timezone, such as `12/09/2025 08:00:45 WIB`."""
        return self._habit.local(at, timezone)

    def line(self, text: str) -> str:
        """Return text as one line of a message, marked where the language is written from the right."""
        return self._habit.marked(text)

    def isolated(self, value: str) -> str:
        """Return value so that it keeps its direction inside a line of the language."""
        return self._habit.isolated(value)

    def _filled(self, sentence: str, values: dict[str, str | int]) -> str:
        if not values:
            return sentence
        shown = {
            name: self._habit.isolated(self.number(value) if isinstance(value, int) else value)
            for name, value in values.items()
        }
        return sentence.format(**shown)


@lru_cache
def translator(language: str) -> Translator:
    """Return the translator of a language. Raises ValueError, naming those there are, for another one."""
    if language not in HABITS:
        raise ValueError(f"there is no language {language!r}; there are {', '.join(LANGUAGES)}")
    if language == "en":
        return Translator(language, gettext.NullTranslations())
    with files("backhaul.languages").joinpath(f"{language}.mo").open("rb") as file:
        return Translator(language, gettext.GNUTranslations(file))
