"""One piece of a chat export as rows: what was sent when, by whom, and which of it WhatsApp wrote itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.formats.chat.dates import Days, Times
from backhaul.formats.chat.shape import MARKS, Shape
from backhaul.formats.chat.words import (
    CANDIDATE,
    DELETED,
    LRM,
    MessageKind,
    is_about,
    is_notice,
    told,
    told_of_system,
    without_edited,
)

if TYPE_CHECKING:
    import polars as pl

_IS_MARK = re.compile(f"[{MARKS}]")
_OPENING_QUOTE = re.compile(r'(?:^|\s)["“„«”]')
_QUOTE = re.compile(r'["“”»«]')
_BEFORE_MARK = f": {LRM}".encode()
_LONGEST_NAME = 150
_KNOWN_SENDERS = 50_000
_WHOLE = [*DELETED, *(f"{words}." for words in DELETED), "", "null"]

Cut = tuple[list[bytes], list[bytes], list[bytes]]
"""The dates, the times and the rest of the messages of a piece."""


@dataclass
class Rows:
    """Makes frames of the pieces of one file; knows what earlier pieces have shown.

    Attributes:
        chat_name: the name under which iOS writes about the chat, once it was met.
        refused: lines that look like a message's beginning but show no date or time; they are text.
        number: the messages so far.
    """

    shape: Shape
    days: Days
    times: Times
    chat_name: str | None = None
    refused: int = 0
    number: int = 0
    _group: bytes = b""
    _senders: _Senders = field(init=False, default_factory=lambda: _Senders())

    def is_header(self, found: re.Match[bytes]) -> bool:
        """Tell whether what looks like a message's beginning shows a day and a time that exist."""
        return self.days[found[1]] is not None and self.times[found[2]] is not None

    def frame(self, piece: bytes) -> pl.DataFrame:
        """Return the messages of piece: local (Datetime without zone), shown_at, sender, kind, text, is_edited.

        Raises polars' error for bytes that are not UTF-8.
        """
        import polars as pl

        dates, times, bodies = self._cut(piece)
        # Both caches hold a number for every text that is left.
        seconds = [self.days[date] + self.times[time] for date, time in zip(dates, times, strict=True)]  # type: ignore[operator]
        local = pl.Series("local", seconds, dtype=pl.Int64) * 1_000_000
        shown = _text(dates) + self.shape.glue + _text(times)
        frame = pl.DataFrame([local.cast(pl.Datetime("us")), shown.alias("shown_at"), *self._said(bodies)])
        self.number += len(bodies)
        return self._with_kinds(frame)

    def _cut(self, piece: bytes) -> Cut:
        parts = self.shape.header.split(piece)
        dates, times, bodies = parts[1::3], parts[2::3], parts[3::3]
        is_fit = all(self.days[date] is not None for date in set(dates))
        if not is_fit or any(self.times[time] is None for time in set(times)):
            dates, times, bodies = self._cut_carefully(piece)
        if self.shape.line_end != "\n":
            bodies = [body.replace(b"\r\n", b"\n") if b"\r" in body else body for body in bodies]
        return dates, times, bodies

    def _cut_carefully(self, piece: bytes) -> Cut:
        looking = list(self.shape.header.finditer(piece))
        headers = [each for each in looking if self.is_header(each)]
        self.refused += len(looking) - len(headers)
        ends = [*(each.start() for each in headers[1:]), len(piece)]
        bodies = [piece[each.end() : end] for each, end in zip(headers, ends, strict=True)]
        return [each[1] for each in headers], [each[2] for each in headers], bodies

    def _said(self, bodies: list[bytes]) -> tuple[pl.Series, pl.Series]:
        import polars as pl

        said = self._parted(bodies)
        shown = self._senders
        senders = [shown[name] if is_parted else None for name, is_parted, _ in said]
        texts = [text for _, _, text in said]
        for place in [at for at, sender in enumerate(senders) if sender is None]:
            name, is_parted, _ = said[place]
            if not is_parted and name.endswith(b":") and (sender := shown[name[:-1]]) is not None:
                senders[place] = sender
            else:
                texts[place] = bodies[place]
        return pl.Series("sender", senders, dtype=pl.String), _text(texts).alias("text")

    def _parted(self, bodies: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
        """Return sender, colon and text of each; the colon in a group's own name is told by iOS's first line."""
        if not self.number and bodies and self.shape.is_bracketed:
            name, is_parted, text = bodies[0].partition(_BEFORE_MARK)
            self._group = name + b": " if is_parted and b": " in name and is_notice(text.decode()) else b""
        said = [body.partition(b": ") for body in bodies]
        if group := self._group:
            for place in [at for at, body in enumerate(bodies) if body.startswith(group)]:
                said[place] = group[:-2], b": ", bodies[place][len(group) :]
        return said

    def _with_kinds(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        texts, senders = frame["text"], frame["sender"]
        looks = texts.str.contains(CANDIDATE) | texts.is_in(_WHOLE) | senders.is_null()
        places = looks.arg_true()
        kinds = pl.repeat(MessageKind.TEXT.value, frame.height, dtype=pl.String, eager=True)
        is_edited = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
        if places.len():
            pairs = zip(senders.gather(places).to_list(), texts.gather(places).to_list(), strict=True)
            told_rows = [self._told(sender, text) for sender, text in pairs]
            new_senders, new_kinds, new_texts, edited = map(list, zip(*told_rows, strict=True))
            senders = senders.scatter(places, new_senders)
            texts = texts.scatter(places, new_texts)
            kinds = kinds.scatter(places, new_kinds)
            is_edited = is_edited.scatter(places, edited)
        return frame.with_columns(senders, kinds.alias("kind"), texts, is_edited.alias("is_edited"))

    def _told(self, sender: str | None, text: str) -> tuple[str | None, str, str, bool]:
        if sender is None:
            return None, told_of_system(text).value, text, False
        if self.chat_name is None and text.startswith(LRM) and is_notice(text):
            self.chat_name = sender
        bare = without_edited(text)
        kind = told(bare)
        if kind is MessageKind.TEXT and self.shape.is_bracketed and is_about(bare, sender, self.chat_name):
            return None, MessageKind.SYSTEM.value, text, False
        return sender, kind.value, bare, bare != text


class _Senders(dict[bytes, str | None]):
    """By a name as it is written: how to show it; None for what stands before a colon and is no name."""

    def __missing__(self, name: bytes) -> str | None:
        if len(self) >= _KNOWN_SENDERS:
            self.clear()
        self[name] = found = _shown(name.decode())
        return found


def _shown(name: str) -> str | None:
    r"""Return name without marks; None for the words of a line such as `Dana named the group "Plan: B"`.

    There the colon stands in a quotation. A quotation mark inside a word is none: Hebrew abbreviations have one.
    """
    shown = " ".join(_IS_MARK.sub("", name).split())
    if not shown or "\n" in name or len(shown) > _LONGEST_NAME or is_notice(shown):
        return None
    opened = [found.end() for found in _OPENING_QUOTE.finditer(shown)]
    return None if opened and not _QUOTE.search(shown, opened[-1]) else shown


def _text(values: list[bytes]) -> pl.Series:
    import polars as pl

    return pl.Series(values, dtype=pl.Binary).cast(pl.String)
