"""The text of one message as leads: labels, values, and whether somebody meant to write a lead at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from backhaul import ConfigError

from .phones import first_number

FIELDS = ("source", "name", "phone", "mail")
LABELS = "source=מקור,name=שם,phone=טלפון,mail=מייל"
"""What the sales team writes in front of each field; several labels of one field are parted by `|`."""

MARKS = "\x00\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
"""Characters that nobody sees: directions, and spaces of no width."""

COLONS = ":\uff1a\ufe55\u2236\ua789\u05c3"
_LINE_START = 40
_BOLD = "*_~`"
_EDGES = " \t*`~|,;\u2022\u00b7"
_NOTHING = frozenset("-\u2013\u2014_.?/\\ ")
_MARK = re.compile(f"[{MARKS}]")
_SPACES = re.compile(r"[^\S\n]")
_LEAD_IN = re.compile(r"[\W_]*(?:\d{1,3}[.):]?[\W_]*)?")
_MAIL = re.compile(r"[^\s@<>(),;:\"]{1,64}@[^\s@<>(),;:\"]{1,200}\.[^\s@<>(),;:\".]{2,60}")


@dataclass(frozen=True)
class Labels:
    """The labels of the fields, ready to be looked for."""

    fields: Mapping[str, str]
    pattern: re.Pattern[str]
    rough: str
    """A regular expression that every text with a label matches; for Polars, which is quick."""


@dataclass
class Part:
    """What one lead of a message says, by field; `is_doubled`: two names stand in it."""

    values: dict[str, str] = field(default_factory=dict)
    at_line_start: set[str] = field(default_factory=set)
    is_doubled: bool = False
    phone: str = ""
    mail: str = ""
    has_number: bool = False

    @property
    def is_lead(self) -> bool:
        """Whether it can be read: two labels or more, and a name, a phone number or a mail address."""
        if self.is_doubled or len(self.values) < 2:
            return False
        is_known = bool(self.phone or self.mail)
        return is_known or bool(self.at_line_start and self.values.get("name"))

    @property
    def looks_like_a_lead(self) -> bool:
        """Whether somebody meant a lead: two labels at line starts, or a label and a phone number."""
        return len(self.at_line_start) >= 2 or self.has_number

    @property
    def is_blank(self) -> bool:
        """Whether nobody filled anything in."""
        return not any(self.values.values())

    def add(self, name: str, value: str) -> None:
        """Take a value; of a field that stands there several times all that differ are kept, side by side."""
        there = self.values.get(name, "")
        if there and value and value != there:
            self.is_doubled = self.is_doubled or name == "name"
            value = f"{there}, {value}"
        self.values[name] = value or there


@lru_cache(maxsize=16)
def labels_of(said: str) -> Labels:
    """Return the labels that a setting such as `LABELS` says. Raises ConfigError for what it does not say."""
    fields: dict[str, str] = {}
    for each in said.split(","):
        name, _, words = cleaned(each).partition("=")
        for word in words.split("|"):
            label = word.strip(f" {COLONS}").casefold()
            if name.strip() not in FIELDS or not label or label in fields:
                raise ConfigError(
                    f"the labels of leads are not {'=..., '.join(FIELDS)}=..., each label once",
                    next_step=f"Write them like {LABELS}; several labels of one field are parted by |.",
                )
            fields[label] = name.strip()
    if len(set(fields.values())) < 2 or set(fields.values()) <= {"source"}:
        raise ConfigError("fewer than two fields of a lead have a label", next_step=f"Write them like {LABELS}.")
    words = "|".join(re.escape(label) for label in sorted(fields, key=len, reverse=True))
    bold, colon = f"[{re.escape(_BOLD)}]{{0,3}}", f"[{COLONS}]"
    pattern = rf"(?<![^\W_])(?P<open>{bold})(?P<label>{words}){bold} {{0,3}}{colon}{bold}"
    return Labels(fields, re.compile(pattern, re.IGNORECASE), rf"(?i)(?:{words})[{re.escape(_BOLD)}\s]*{colon}")


def cleaned(text: str) -> str:
    """Return text in NFC, without characters that nobody sees, with plain spaces and line ends."""
    text = _MARK.sub("", unicodedata.normalize("NFC", text).replace("\r\n", "\n"))
    return _SPACES.sub(" ", re.sub("[\r\u2028\u2029\v\f\x85]", "\n", text))


def leads_in(text: str, labels: Labels, region: str) -> list[Part]:
    """Return the leads that a message holds, in its order; what cannot be read is left out."""
    return [part for part in _parts(text, labels, region) if part.is_lead]


def is_readable(text: str, labels: Labels, region: str) -> bool:
    """Tell whether nothing in a message looks like a lead and cannot be read; behind a lead a form may stay blank."""
    parts = list(_parts(text, labels, region))
    has_lead = any(part.is_lead for part in parts)
    return not any(part.looks_like_a_lead and not part.is_lead and not (has_lead and part.is_blank) for part in parts)


def _parts(text: str, labels: Labels, region: str) -> Iterator[Part]:
    """Yield the parts of a message: its first label, where it stands again, begins the next."""
    text = cleaned(text)
    found = list(labels.pattern.finditer(text))
    if not found:
        return
    names = [_field(match, labels) for match in found]
    starts = [number for number, name in enumerate(names) if name == names[0]]
    for first, last in zip(starts, [*starts[1:], len(found)], strict=True):
        end = found[last].start() if last < len(found) else len(text)
        part = Part()
        for number in range(first, last):
            until = found[number + 1].start() if number + 1 < last else end
            _take(part, names[number], found[number], text, until)
        _know(part, text[found[first].end() : end], region)
        yield part


def _field(match: re.Match[str], labels: Labels) -> str:
    return labels.fields[match["label"].casefold()]


def _take(part: Part, name: str, match: re.Match[str], text: str, until: int) -> None:
    line_end = text.find("\n", match.end(), until)
    is_cut = line_end < 0 and until < len(text)
    value = _value(text[match.end() : until if line_end < 0 else line_end], match["open"], is_cut=is_cut)
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    if len(before) <= _LINE_START and _LEAD_IN.fullmatch(before):
        part.at_line_start.add(name)
    part.add(name, value)


def _know(part: Part, text: str, region: str) -> None:
    """Read the part's number and address; a number elsewhere in its text shows that a lead was meant."""
    part.phone = first_number(part.values.get("phone", ""), region)
    mail = _MAIL.search(part.values.get("mail", ""))
    part.mail = mail[0].casefold() if mail else ""
    if not part.is_lead:
        own = part.phone or any(first_number(value, region) for value in part.values.values())
        part.has_number = bool(own) or bool(part.at_line_start and first_number(text, region))


def _value(raw: str, opened: str, *, is_cut: bool) -> str:
    """Return a value as written, without what decorates it; is_cut: another label follows on its line."""
    value = raw.strip(_EDGES)
    if is_cut:
        value = value.rstrip(" -\u2013\u2014/(" + _EDGES)
    if value.startswith("_") and value.endswith("_"):
        value = value[1:-1]
    elif "_" in opened:
        value = value.removesuffix("_")
    return "" if _NOTHING.issuperset(value) else value.strip(_EDGES)
