"""What stands in front of a copied message of WhatsApp Web: `[14:30, 9.12.2025] Dana: `, in every locale seen."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from backhaul.formats.chat.shape import AFTERNOON, FORENOON, MARKS

_HALF = "|".join([*map(re.escape, sorted(AFTERNOON + FORENOON, key=len, reverse=True)), r"[AaPp]\.? ?[Mm]\.?"])
_CLOCK = rf"(?:(?:{_HALF}) ?)?\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?(?: ?(?:{_HALF}))?"
_DATE = r"\d{1,4} ?[./-] ?\d{1,2} ?[./-] ?\d{1,4}\.?"
_STAMP = re.compile(rf"(?P<clock>{_CLOCK})(?: ?[,،、]| ) ?(?P<date>{_DATE})|(?P<day>{_DATE})[,،]? (?P<time>{_CLOCK})")
_IS_CLOCK = re.compile(_CLOCK)
_HEADER = re.compile(rf"[{MARKS}\s]*\[(?P<stamp>[^\]\n]{{4,60}})\](?P<sender>.*)", re.DOTALL)
_IS_MARK = re.compile(f"[{MARKS}]")


@dataclass(frozen=True)
class Header:
    """The parts of a header.

    Args:
        shown: date and time as they stand there, without direction marks.
        clock, date: each apart, in plain spaces.
        sender: as shown, without direction marks; `""` where none is named.
    """

    shown: str
    clock: str
    date: str
    sender: str


def header_of(text: str) -> Header | None:
    """Return the parts of a header, None if it is none.

    The first `]` ends the time, only the last `: ` ends the sender: names hold both.
    """
    found = _HEADER.fullmatch(text)
    if found is None:
        return None
    shown = _plain(found["stamp"])
    stamp = _STAMP.fullmatch(unicodedata.normalize("NFKC", shown))
    if stamp is None:
        return None
    sender = name_of(found["sender"].rstrip().removesuffix(":"))
    return Header(shown, stamp["clock"] or stamp["time"], stamp["date"] or stamp["day"], sender)


def clock_of(text: str) -> str | None:
    """Return the time below a message as `header_of` would, None if it shows none."""
    plain = unicodedata.normalize("NFKC", _plain(text))
    return plain if _IS_CLOCK.fullmatch(plain) else None


def name_of(text: str) -> str:
    """Return a sender's name as an export file shows it: without direction marks, single spaces."""
    return " ".join(_IS_MARK.sub("", text).split())


def _plain(text: str) -> str:
    return " ".join(_IS_MARK.sub("", text).split())
