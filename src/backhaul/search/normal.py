"""The one spelling in which names and queries are compared: upper case, no accents, sizes written one way."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MOST_CHARACTERS = 1000
"""How much of a text is read; a name is shorter, and a longer query has said what it wants by then."""

MOST_WORDS = 64

_UNITS = {
    "KG": ("KG", "KGS", "KILO", "KILOGRAM"),
    "G": ("G", "GR", "GRM", "GM", "GRAM", "GRAMS"),
    "MG": ("MG",),
    "L": ("L", "LT", "LTR", "LITER", "LITRE", "LITERS"),
    "ML": ("ML", "MLI", "MILI", "CC", "MILILITER"),
    "W": ("W", "WATT", "WAT"),
    "V": ("VOLT",),
    "CM": ("CM",),
    "MM": ("MM",),
    "MTR": ("MTR", "METER"),
    "INC": ("INCH", "INC", "INCI"),
    "PCS": ("PCS", "PC", "BUAH", "BH", "BJ", "BIJI"),
    "LBR": ("LBR", "LEMBAR", "SHEET", "SHEETS", "SHT"),
    "PAK": ("PAK", "PACK", "PCK", "PK"),
    "SCT": ("SACHET", "SCT", "SCH", "SACH", "SCHT"),
    "TAB": ("TAB", "TABLET", "TABS"),
    "ROL": ("ROLL", "ROL", "RL"),
}
_GLUED_UNITS = {"S": "PCS", "V": "V", "M": "MTR"}
"""Units of one letter that are also sizes and words: they count only right behind the number, as in 40S."""

_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_LARGER = {"G": "KG", "ML": "L"}
_SMALLER = {larger: smaller for smaller, larger in _LARGER.items()}
_LONGEST_NUMBER = 6

_SPACED = "|".join(sorted(_UNIT_OF, key=len, reverse=True))
_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u02bc]")
_SINGLE_LETTERS = re.compile(r"(?<![^\W_])([^\W\d_])[.&](?=[^\W\d_](?![^\W_]))")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_THOUSANDS = re.compile(r"(?<![\d.])([1-9]\d{0,2})\.(\d{3})(?=\s*(?:ML|CC|GR|GRAM|G|MG)(?![^\W_]))")
_LETTERS_DIGITS = re.compile(r"([^\W\d_]{3,})(?=\d)")
_TIMES = re.compile(r"(?<=\d)\s*[X*\u00d7]\s*(?=\d)")
_FRACTION = re.compile(r"(?<![\w.])([1-9])\s*/\s*([2-9])(?![\d.])|(?<![^\W_])(SETENGAH|SEPEREMPAT)(?![^\W_])")
_SPOKEN = {"SETENGAH": "0.5", "SEPEREMPAT": "0.25"}
_SIGN = re.compile(r"(?<!\d)\.|\.(?!\d)|[^\w.]|_")
_SIZE = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)(?:\s*({_SPACED})|([SVM]))(?![^\W_])")
_DIGITS_LETTERS = re.compile(r"(?<![^\W\d_])(\d)(?=[^\W\d_]{4,})")
_WORD = re.compile(r"(?:\d+\.\d+|[^\W_])+")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(.*)", re.DOTALL)


def words_of(text: str) -> list[str]:
    """Return the words of text in its order, in the spelling that is compared; none if it has no letter or digit.

    `2 liter` and `2000ml` give `2L`, `1/2 kg` gives `500G`, `40x85 gr` gives `40X` and `85G`. Taking the words of
    the words again changes nothing.
    """
    return list(_words(_folded(text[:MOST_CHARACTERS])))[:MOST_WORDS]


def number_of(word: str) -> tuple[str, str] | None:
    """Return the number that word starts with and what follows it, such as ("85", "G"); None if there is none."""
    found = _NUMBER.match(word)
    return (found[1], found[2]) if found else None


def unit_of(word: str) -> str | None:
    """Return the unit that word names, such as "L" for LITER; None if it names none."""
    return _UNIT_OF.get(word)


def _folded(text: str) -> str:
    """Return text in upper case without accents; compatibility forms such as ½ are taken apart."""
    if not text.isascii():
        # Twice: the capitals of some letters come apart again.
        for _ in range(2):
            parts = unicodedata.normalize("NFKD", text)
            text = "".join(each for each in parts if not unicodedata.combining(each)).upper()
        return text.replace("\u2044", "/")
    return text.upper()


def _words(text: str) -> Iterator[str]:
    text = _SINGLE_LETTERS.sub(r"\1", _APOSTROPHES.sub("", text))
    text = _FRACTION.sub(_one_fraction, text) if "/" in text or "SE" in text else text
    has_numbers = any(map(str.isdecimal, text))
    if has_numbers:
        text = _THOUSANDS.sub(r"\1\2", _COMMA.sub(".", text))
        text = _TIMES.sub("X ", text)
    text = _SIGN.sub(" ", text)
    if has_numbers:
        text = _LETTERS_DIGITS.sub(r"\1 ", _TIMES.sub("X ", text))
        text = _DIGITS_LETTERS.sub(r"\1 ", _SIZE.sub(_one_size, text))
    return (found[0] for found in _WORD.finditer(text))


def _one_fraction(found: re.Match[str]) -> str:
    if found[3]:
        return _SPOKEN[found[3]]
    above, below = int(found[1]), int(found[2])
    return f"{above / below:.3g}" if above < below else found[0]


def _one_size(found: re.Match[str]) -> str:
    number, unit, glued = found.groups()
    unit = _UNIT_OF[unit] if unit else _GLUED_UNITS[glued]
    if len(number) > _LONGEST_NUMBER:
        return f"{number}{unit}"
    value = round(float(number), 3)
    if unit in _LARGER and value >= 1000:
        value, unit = value / 1000, _LARGER[unit]
    elif unit in _SMALLER and value < 1:
        value, unit = value * 1000, _SMALLER[unit]
    # Three decimals of a small unit would read as thousands.
    return f"{round(value, 3 if unit in _SMALLER else 2):.9g}{unit}"
