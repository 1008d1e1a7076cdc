"""Other spellings of a word: a text file with one word a line, `GRG GRNG = GORENG`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path

from backhaul.errors import ConfigError
from backhaul.search.normal import words_of

SHIPPED = "synonyms.txt"


def shipped() -> dict[str, str]:
    """Return the abbreviations that many Indonesian shops use, by spelling."""
    return dict(_shipped())


def with_own(path: Path) -> dict[str, str]:
    """Return the shipped spellings and those of a shop's own file, which overrule them.

    A line `WORD =` takes a shipped spelling back. Raises ConfigError with the numbers of all lines that cannot be
    read, or if there is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path.name}: not saved as UTF-8", next_step="Save it again with the encoding UTF-8."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"synonyms: {path} cannot be read: {error.strerror}",
            next_step="Correct the path, or leave `synonyms` out to use the shipped list.",
        ) from None
    own = _parsed(text.splitlines(), path.name)
    return {word: meant for word, meant in {**_shipped(), **own}.items() if meant}


@lru_cache(maxsize=1)
def _shipped() -> dict[str, str]:
    text = resources.files("backhaul.search").joinpath(SHIPPED).read_text(encoding="utf-8")
    return _parsed(text.splitlines(), SHIPPED)


def _parsed(lines: Iterable[str], name: str) -> dict[str, str]:
    """Return the meaning of each spelling. What a meaning stands for itself is followed one step."""
    found: dict[str, str] = {}
    bad = []
    for number, line in enumerate(lines, start=1):
        rule = line.partition("#")[0].strip()
        if not rule:
            continue
        spellings, sign, meant = rule.partition("=")
        spelled, words = words_of(spellings), words_of(meant)
        if not (sign and spelled) or len(words) > 1 or "=" in meant or (meant.strip() and not words):
            bad.append(number)
            continue
        found.update(dict.fromkeys(spelled, words[0] if words else ""))
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (" ..." if len(bad) > 10 else "")
        raise ConfigError(
            f"{name}: {len(bad)} lines cannot be read: line {shown}",
            next_step="A line is `SPELLING ... = WORD`, one word behind the sign; `#` begins a remark.",
        )
    return {word: found.get(meant) or meant for word, meant in found.items() if word != meant}
