"""Words in messages: a text without what is not read aloud, and whether it holds one of the words of a setting."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_NIQQUD = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
_UNSEEN = "\u00ad\u034f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0e\ufe0f\ufeff"
_LEFT_OUT = f"[{_UNSEEN}{_NIQQUD}]"
_IS_LEFT_OUT = re.compile(_LEFT_OUT)
_IS_UNSEEN = re.compile(f"[{_UNSEEN}]")
_LETTER = r"\p{L}\p{N}\p{M}_"


def clean(value: object) -> str:
    """Return a cell as it is seen: no direction marks, single spaces, none around it; "" for an empty one."""
    return " ".join(_IS_UNSEEN.sub("", "" if value is None else str(value)).split())


def plain(value: object) -> str:
    """Return a text as it is compared: `clean`, NFC, without niqqud, in small letters."""
    composed = unicodedata.normalize("NFC", "" if value is None else str(value))
    return " ".join(_IS_LEFT_OUT.sub("", composed).lower().split())


def listed(words: str) -> tuple[str, ...]:
    """Return the words of a comma-separated setting as they are compared, each once; empty ones are no words."""
    return tuple(dict.fromkeys(word for word in map(plain, words.replace("\u060c", ",").split(",")) if word))


def folded(texts: pl.Series) -> pl.Series:
    """Return texts (n) as they are compared, but for their white space; null stays null."""
    composed = texts.str.normalize("NFC").str.replace_all(_LEFT_OUT, "")
    return composed.str.to_lowercase()


def holds(texts: pl.Series, words: str, *, whole_words: bool = False) -> pl.Series:
    """Return for each `folded` text whether it holds one of the words, anywhere in it; a null holds none.

    With whole_words, no letter or digit may stand beside the word: it no longer finds a word behind one of the
    prefixes of Hebrew.
    """
    import polars as pl

    wanted = listed(words)
    if not wanted:
        return pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
    return texts.str.contains("|".join(_patterns(wanted, whole_words=whole_words))).fill_null(False)


def _patterns(words: Iterable[str], *, whole_words: bool) -> list[str]:
    found = []
    for word in words:
        pattern = r"\s+".join(re.escape(part) for part in word.split())
        if whole_words:
            before = f"(?:^|[^{_LETTER}])" if _is_letter(word[0]) else ""
            behind = f"(?:$|[^{_LETTER}])" if _is_letter(word[-1]) else ""
            pattern = f"{before}{pattern}{behind}"
        found.append(pattern)
    return found


def _is_letter(letter: str) -> bool:
    return letter == "_" or unicodedata.category(letter)[0] in "LNM"
