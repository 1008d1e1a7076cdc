"""How a chat export writes the beginning of a message: told from its first line, then demanded of every other.

One export is written in one locale. A line that begins like a message of another locale is part of a message's text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
"""The direction marks (and the byte order mark) as the inside of a character class."""

AFTERNOON = ("오후", "下午", "午後", "م", "μ.μ.", "אחה״צ", 'אחה"צ', "ÖS", "CH", "PTG")
FORENOON = ("오전", "上午", "午前", "ص", "π.μ.", "לפנה״צ", 'לפנה"צ', "ÖÖ", "SA", "PG")

_HALVES = "|".join(sorted(map(re.escape, AFTERNOON + FORENOON), key=len, reverse=True))
_SPACE = "[ \u00a0\u2009\u202f]"
_DIGITS = {"0": "[0-9]", "\u0660": "[\u0660-\u0669]", "\u06f0": "[\u06f0-\u06f9]"}
_DIGIT = "[0-9\u0660-\u0669\u06f0-\u06f9]"
_SEPARATOR = f"[{MARKS}]*[./-]{_SPACE}?[{MARKS}]*"
_LATIN_HALF = rf"[AaPp]\.?{_SPACE}?[Mm]\.?"

_HEADER = re.compile(
    rf"\s*[{MARKS}]*(?P<open>\[?)"
    rf"(?P<first>{_DIGIT}{{1,4}})(?P<separator1>{_SEPARATOR})"
    rf"(?P<second>{_DIGIT}{{1,4}})(?P<separator2>{_SEPARATOR})"
    rf"(?P<third>{_DIGIT}{{1,4}})(?P<tail>\.?)"
    rf"(?P<glue>[{MARKS}]*[,،]?{_SPACE}+[{MARKS}]*(?:(?!(?:{_HALVES}|[AaPp][Mm]){_SPACE})[^\W\d_]{{1,5}}{_SPACE})?)"
    rf"(?P<before>(?:(?:{_HALVES}|[AaPp][Mm]){_SPACE}?)?)"
    rf"{_DIGIT}{{1,2}}(?P<colon>[:.]){_DIGIT}{{2}}(?P<seconds>(?:[:.]{_DIGIT}{{2}})?)"
    rf"(?P<after>(?:[{MARKS}]*{_SPACE}?[{MARKS}]*(?:{_LATIN_HALF}|{_HALVES}))?)"
    rf"(?P<close>[{MARKS}]*(?:\]{_SPACE}|{_SPACE}[-\u2013]{_SPACE}|:{_SPACE}|{_SPACE}))"
)
_LINE_MARK = rb"(?:\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]){0,3}"


@dataclass(frozen=True)
class Shape:
    r"""The beginning of a message, `[date, time] ` or `date, time - `, as one file writes it.

    Args:
        widths: how many digits the fields of a date have: 4 is a year, 0 stands for one or two.
        zero: the digit 0 of the file's digits.
        separators: the literal texts between and behind the fields.
        has_seconds: also `14:30:15`.
        before, after: the half of the day (AM, PM) in front of or behind the time, as it is written once.
        line_end: what ends a message's line: `\r\n`, `\n`, or "" if there is only one message.
    """

    open: str
    widths: tuple[int, int, int]
    zero: str
    separators: tuple[str, str, str]
    glue: str
    before: str
    colon: str
    has_seconds: bool
    after: str
    close: str
    line_end: str = ""

    @property
    def year_at(self) -> int:
        """The place of the year among the fields: that of four digits, else the last."""
        return self.widths.index(4) if 4 in self.widths else 2

    @property
    def is_bracketed(self) -> bool:
        """Tell whether the date stands in brackets, as on iOS."""
        return bool(self.open)

    @property
    def is_certain(self) -> bool:
        """Tell whether hardly anything but a chat begins so: a log file has no comma, or its year first."""
        is_closed = self.close.strip(" \u00a0\u202f") in ("]", "-", "\u2013") and self.is_bracketed == (
            "]" in self.close
        )
        return is_closed and (("," in self.glue or "،" in self.glue) or self.year_at != 0)

    @property
    def header(self) -> re.Pattern[bytes]:
        """The pattern of a line end with what begins a message; its groups are the date and the time."""
        return _compiled(self)


def shape_of(head: bytes) -> Shape | None:
    """Return how the text that begins with head (UTF-8) begins a message; None if its first line begins none."""
    text = head.decode("utf-8", errors="ignore")
    found = _HEADER.match(text)
    if found is None or not found[0].strip() or "\n" in found[0].lstrip():
        return None
    fields = found["first"], found["second"], found["third"]
    widths = tuple(4 if len(each) == 4 else 0 for each in fields)
    zeros = {_zero(each) for each in "".join(fields)}
    if any(len(each) == 3 for each in fields) or widths.count(4) > 1 or len(zeros) > 1:
        return None
    shape = Shape(
        open=found["open"],
        widths=(widths[0], widths[1], widths[2]),
        zero=zeros.pop(),
        separators=(found["separator1"], found["separator2"], found["tail"]),
        glue=found["glue"],
        before=found["before"],
        colon=found["colon"],
        has_seconds=bool(found["seconds"]),
        after=found["after"],
        close=found["close"],
    )
    return _with_line_end(shape, head)


def _with_line_end(shape: Shape, head: bytes) -> Shape:
    r"""IOS ends a message with `\r\n` and a line inside of it with `\n`; half of the headers tell."""
    ends = [bool(found[0].startswith(b"\r")) for found in shape.header.finditer(head)]
    if not ends:
        return shape
    line_end = "\r\n" if sum(ends) * 2 >= len(ends) else "\n"
    return replace(shape, line_end=line_end)


@cache
def _compiled(shape: Shape) -> re.Pattern[bytes]:
    digit = _DIGITS[shape.zero]
    fields = [f"{digit}{{4}}" if width == 4 else f"{digit}{{1,2}}" for width in shape.widths]
    between = [re.escape(each) for each in shape.separators]
    date = "".join(field + text for field, text in zip(fields, between, strict=True))
    colon = re.escape(shape.colon)
    seconds = f"{colon}{digit}{{2}}" if shape.has_seconds else ""
    time = f"{_half(shape.before)}{digit}{{1,2}}{colon}{digit}{{2}}{seconds}{_half(shape.after)}"
    line_end = re.escape(shape.line_end).encode() or rb"\r?\n"
    opened = re.escape(shape.open)
    pattern = f"{opened}({date}){re.escape(shape.glue)}({time}){re.escape(shape.close)}"
    return re.compile(line_end + _LINE_MARK + _as_bytes(pattern))


def _half(shown: str) -> str:
    """Return the pattern of both halves of the day, written as the shown one is."""
    if not shown:
        return ""
    if found := re.search(_HALVES, shown):
        return f"{re.escape(shown[: found.start()])}(?:{_HALVES}){re.escape(shown[found.end() :])}"
    return re.sub("[Mm]", "[Mm]", re.sub("[AaPp]", "[AaPp]", re.escape(shown), count=1), count=1)


def _as_bytes(pattern: str) -> bytes:
    """Return pattern for UTF-8 bytes: the classes of digits beyond ASCII become alternatives of sequences."""
    done = pattern.encode()
    done = done.replace("[\u0660-\u0669]".encode(), rb"(?:\xd9[\xa0-\xa9])")
    return done.replace("[\u06f0-\u06f9]".encode(), rb"(?:\xdb[\xb0-\xb9])")


def _zero(digit: str) -> str:
    return next(zero for zero in _DIGITS if ord(zero) <= ord(digit) <= ord(zero) + 9)
