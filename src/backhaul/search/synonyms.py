"""Other spellings: a text file with one meaning a line, `GRG GRNG = GORENG` or `SKM = SUSU KENTAL MANIS`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path

from backhaul.errors import ConfigError
from backhaul.search.normal import words_of

SHIPPED = "synonyms.txt"
MOST_WORDS = 4
"""How many words a spelling may stand for: `SKM` is SUSU KENTAL MANIS."""


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
    return _followed({word: meant for word, meant in {**_shipped(), **own}.items() if meant})


@lru_cache(maxsize=1)
def _shipped() -> dict[str, str]:
    text = resources.files("backhaul.search").joinpath(SHIPPED).read_text(encoding="utf-8")
    return _followed(_parsed(text.splitlines(), SHIPPED))


def _parsed(lines: Iterable[str], name: str) -> dict[str, str]:
    """Return the meaning of each spelling, "" where a line takes it back."""
    found: dict[str, str] = {}
    bad = []
    for number, line in enumerate(lines, start=1):
        rule = line.partition("#")[0].strip()
        if not rule:
            continue
        spellings, sign, meant = rule.partition("=")
        spelled, words = words_of(spellings), words_of(meant)
        if not (sign and spelled) or len(words) > MOST_WORDS or "=" in meant or (meant.strip() and not words):
            bad.append(number)
            continue
        found.update(dict.fromkeys(spelled, " ".join(words)))
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (" ..." if len(bad) > 10 else "")
        raise ConfigError(
            f"{name}: {len(bad)} lines cannot be read: line {shown}",
            next_step=f"A line is `SPELLING ... = WORD`, at most {MOST_WORDS} words behind it; `#` begins a remark.",
        )
    return found


def _followed(found: dict[str, str]) -> dict[str, str]:
    """Return the meanings with what their words stand for themselves, one step; without what stands for itself."""
    followed = {word: [found.get(each) or each for each in meant.split()] for word, meant in found.items()}
    return {word: " ".join(meant) for word, meant in followed.items() if [word] != meant}
