"""Reads a chat export: a text or a zip becomes frames of messages with their identity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.errors import BackhaulError, ConfigError, SourceChanged
from backhaul.formats.chat.dates import (
    DateOrder,
    Days,
    Fields,
    Times,
    found_fields,
    given_fields,
    in_utc,
    zone_named,
)
from backhaul.formats.chat.identity import Identities
from backhaul.formats.chat.rows import Rows
from backhaul.formats.chat.text import EXPORT_AGAIN, PIECE_BYTES, ChatText, cut_character
from backhaul.formats.chat.words import is_notice

if TYPE_CHECKING:
    import polars as pl

_LOOK_BYTES = 1024**2
"""A piece of text while the order of the dates is decided; the first one nearly always does."""

_MOST_REFUSED = 0.05
_FEW_REFUSED = 3
_COLUMNS = ("shown_at", "sender", "kind", "text", "is_edited")


def read_chat(
    path: Path,
    *,
    chat: str,
    timezone: str,
    date_order: DateOrder | str = DateOrder.AUTO,
    now: datetime | None = None,
    piece_bytes: int = PIECE_BYTES,
) -> Iterator[pl.DataFrame]:
    """Yield the messages of path, a `.txt` or `.zip` of *Export chat*, in file order, some 40,000 a frame; pure.

    Columns: sent_at (Datetime in UTC; to the minute on Android, to the second on iOS), shown_at (date and time as
    written), sender (as shown, without direction marks; null for lines that no person wrote), kind (a MessageKind),
    text (as written, lines ended by U+000A; of system lines all of the line; without the words that tell of an
    edit), is_edited, fingerprint, occurrence (see identity.py).

    Args:
        path: of the file, whatever its name.
        chat: the key of the chat, the same for every source that reads it; part of the identity.
        timezone: of the phone. An hour that comes twice is the first one, one that does not exist is taken as
            before the clock was changed.
        date_order: `auto` decides from all the dates in the file.
        now: when the export was made, at the latest; of the file's last change without it. No date is later.
        piece_bytes: how much text is in memory at a time.

    Raises:
        TransientError: the file is empty, cut off or damaged.
        SourceChanged: it is no export, holds two chats, or is a decompression bomb.
        ConfigError: the order of the dates cannot be told (`ambiguous_date_order`) or is not the one given; there
            is no such time zone.
    """
    identities = Identities(chat)
    for frame in _frames(path, timezone, date_order, now, piece_bytes):
        yield identities.added(frame)


@dataclass(frozen=True)
class Beginning:
    """Where an export begins.

    Args:
        at: when its first message was sent (UTC).
        is_whole: it begins with the notice about encryption, as a chat does.
    """

    at: datetime
    is_whole: bool

    def is_after(self, wanted: datetime) -> bool:
        """Tell whether messages since wanted may be missing: WhatsApp silently leaves out the oldest.

        It exports about 40,000 messages, with media 10,000.
        """
        return not self.is_whole and self.at > wanted


def beginning(
    path: Path, *, timezone: str, date_order: DateOrder | str = DateOrder.AUTO, now: datetime | None = None
) -> Beginning:
    """Return where the export in path begins; reads a part of it. Raises the same as `read_chat`."""
    first = next(_frames(path, timezone, date_order, now, _LOOK_BYTES))
    return Beginning(first["sent_at"][0], is_notice(first["text"][0]))


def prove_chat(path: Path) -> None:
    """Return if path is an export that can be read to its end; the order of its dates is not looked at.

    Raises TransientError and SourceChanged as `read_chat` does.
    """
    import codecs

    text = ChatText.open(path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    for block in text.blocks(_LOOK_BYTES):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            raise _wrong_byte(path, size + error.start) from error
        size += len(block)
    if decoder.getstate()[0]:
        raise cut_character(path)


def _frames(
    path: Path, timezone: str, date_order: DateOrder | str, now: datetime | None, piece_bytes: int
) -> Iterator[pl.DataFrame]:
    zone = zone_named(timezone)
    text = ChatText.open(path)
    rows = Rows(text.shape, Days(_fields(text, date_order, now)), Times())
    for piece in text.pieces(rows.is_header, piece_bytes):
        if not rows.number and ((first := text.shape.header.match(piece)) is None or not rows.is_header(first)):
            raise SourceChanged(
                f"{path.name}: the first line shows a date that does not exist",
                next_step="Look at the file; leave date_order out if it was given.",
            )
        frame = _decoded(text, rows, piece)
        if rows.refused > max(_FEW_REFUSED, _MOST_REFUSED * rows.number):
            raise SourceChanged(
                f"{path.name}: {rows.refused:,} messages have a date that does not exist, {rows.number:,} are good",
                next_step="Look at the dates in the file, and give date_order if another order fits them.",
            )
        if frame.height:
            yield frame.select(in_utc("local", zone).alias("sent_at"), *_COLUMNS)


def _fields(text: ChatText, date_order: DateOrder | str, now: datetime | None) -> Fields:
    name = text.path.name
    try:
        order = DateOrder(date_order)
    except ValueError as error:
        raise ConfigError(
            f'there is no date order "{date_order}"', next_step=f"Take one of: {', '.join(DateOrder)}."
        ) from error
    if order is not DateOrder.AUTO:
        return given_fields(name, order, text.shape)
    until = now or datetime.fromtimestamp(text.path.stat().st_mtime, UTC)
    pieces = text.pieces(lambda _: True, _LOOK_BYTES)
    dates = ([date for date, _ in text.shape.header.findall(piece)] for piece in pieces)
    return found_fields(name, text.shape, dates, now=until)


def _decoded(text: ChatText, rows: Rows, piece: bytes) -> pl.DataFrame:
    from polars.exceptions import PolarsError

    try:
        return rows.frame(piece)
    except (UnicodeDecodeError, PolarsError) as error:
        # It knows where in the file the wrong byte is.
        prove_chat(text.path)
        raise BackhaulError(f"{text.path.name}: what follows message {rows.number:,} could not be read") from error


def _wrong_byte(path: Path, at: int) -> SourceChanged:
    return SourceChanged(f"{path.name}: UTF-8 text with a wrong byte at {at:,}", next_step=EXPORT_AGAIN)
