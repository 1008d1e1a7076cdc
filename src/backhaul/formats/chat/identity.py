"""Who a message is, the same for an export file and for the live page, however often and from where it is read.

A message's identity is its fingerprint and its occurrence number: two equal messages of one sender in one minute are
the first and the second occurrence. The fingerprint is blake2b with 16 bytes, in hex, over these parts, joined by
the character U+001F: chat key, sender key, minute since 1970 (UTC), kind, normalised text. A new fingerprint
for the same message would count it twice: never change how it is made.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from typing import TYPE_CHECKING

from backhaul.formats.chat.words import MessageKind, caption, without_edited

if TYPE_CHECKING:
    import polars as pl

FINGERPRINT = "fingerprint"
OCCURRENCE = "occurrence"

_SEPARATOR = "\x1f"
_MINUTE_S = 60
_INVISIBLE = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufe0e\ufe0f"
_IS_INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_MAY_COMPOSE = (
    r"\p{M}\x{1100}-\x{11FF}\x{374}\x{37E}\x{387}\x{958}-\x{95F}\x{9DC}-\x{9DF}\x{A33}-\x{A5E}\x{B5C}\x{B5D}"
    r"\x{F43}-\x{FB9}\x{1F71}-\x{1FFD}\x{2000}\x{2001}\x{2126}\x{212A}\x{212B}\x{2329}\x{232A}\x{2ADC}"
    r"\x{F900}-\x{FAFF}\x{FB1D}-\x{FB4E}\x{1D15E}-\x{1D1C0}\x{2F800}-\x{2FA1F}"
)
"""The characters beside which a text may be in another form than NFC; a test compares with Unicode's own tables."""

_MAY_CHANGE = rf"[{_MAY_COMPOSE}{_INVISIBLE}]"
_MAY_CHANGE_ASCII = r"[<\r\x1c-\x1f]"
"""What a text has that `normalised` changes, but for white space at its end."""

_NUMBER = re.compile(r"\+?[\d\s().\-/]{6,}")
_WORDLESS = (MessageKind.DELETED, MessageKind.CALL, MessageKind.EMPTY)


def normalised(text: str) -> str:
    """Return text as identity sees it.

    NFC, lines ended by U+000A, without direction marks, the variation selectors of emoji, the words that tell of
    an edit, and white space at the end.
    """
    if "<" in text:
        text = without_edited(text)
    text = text.replace("\r\n", "\n")
    return unicodedata.normalize("NFC", _IS_INVISIBLE.sub("", text)).rstrip()


def sender_key(sender: str | None) -> str:
    """Return sender as identity sees it: a number as its digits, a name without marks and the `~` of strangers.

    A line that no person wrote has the key "".
    """
    bare = " ".join(normalised(sender or "").split())
    if _NUMBER.fullmatch(bare):
        return "".join(letter for letter in bare if letter.isdigit())
    return bare.lstrip("~ ")


def fingerprints(frame: pl.DataFrame, *, chat: str) -> pl.DataFrame:
    """Return frame (n messages in the order of the chat) with the columns fingerprint and occurrence (from 1).

    Needs the columns sent_at (Datetime in UTC), sender, kind (a MessageKind) and text. `chat` is the chat's key,
    the same for every source that reads it. Of deleted messages and calls the words do not count, of media only
    the caption: phones write them in their own language.
    """
    return Identities(chat).added(frame)


class Identities:
    """Gives the messages of one chat their identity, frame after frame, in the order of the chat."""

    def __init__(self, chat: str) -> None:
        self._chat = normalised(chat)
        # The latest minute of each earlier frame, and its minutes with the hashes of their fingerprints.
        self._seen: list[tuple[int, pl.DataFrame]] = []

    def added(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return frame with the columns fingerprint and occurrence; earlier frames count."""
        import polars as pl

        minutes = frame["sent_at"].dt.epoch("s") // _MINUTE_S
        keys = pl.select(
            pl.concat_str(
                [
                    pl.lit(self._chat),
                    _sender_keys(frame["sender"]),
                    minutes.cast(pl.String),
                    frame["kind"].cast(pl.String),
                    _texts(frame),
                ],
                separator=_SEPARATOR,
            ).cast(pl.Binary)
        ).to_series()
        marks = [blake2b(key, digest_size=16).hexdigest() for key in keys.to_list()]
        found = pl.DataFrame({"minute": minutes, FINGERPRINT: pl.Series(marks, dtype=pl.String)})
        numbers = _counted(found[FINGERPRINT]) + self._earlier(found)
        return frame.with_columns(found[FINGERPRINT], numbers.alias(OCCURRENCE))

    def _earlier(self, found: pl.DataFrame) -> pl.Series:
        """Return how often each fingerprint stood in earlier frames, and remember these.

        Equal ones are of one minute: only the few minutes that frames have in common are compared. Of each row 12
        bytes are kept.
        """
        import polars as pl

        first, last = found["minute"].min(), found["minute"].max()
        if not isinstance(first, int) or not isinstance(last, int):
            return pl.zeros(0, dtype=pl.Int64, eager=True)
        kept = found.select(pl.col("minute").cast(pl.Int32), pl.col(FINGERPRINT).hash().alias("mark"))
        minutes = kept["minute"].unique().implode()
        before = [each.filter(pl.col("minute").is_in(minutes)) for latest, each in self._seen if latest >= first]
        self._seen.append((last, kept))
        if not before:
            return pl.zeros(kept.height, dtype=pl.Int64, eager=True)
        times = pl.concat(before).group_by("minute", "mark").agg(pl.len().cast(pl.Int64).alias("times"))
        joined = kept.join(times, on=["minute", "mark"], how="left", maintain_order="left")
        return joined["times"].fill_null(0)


def _sender_keys(senders: pl.Series) -> pl.Series:
    distinct = senders.unique()
    keys = [sender_key(each) for each in distinct.to_list()]
    return senders.replace_strict(distinct, keys, return_dtype=type(senders.dtype)) if keys else senders


def _texts(frame: pl.DataFrame) -> pl.Series:
    """Return the normalised texts. Most are so as they are; those that may not be go through `normalised`."""
    import polars as pl

    texts, kinds = frame["text"].fill_null(""), frame["kind"]
    is_media = kinds == MessageKind.MEDIA.value
    is_odd = is_media | texts.str.contains(_MAY_CHANGE_ASCII) | (texts.str.strip_chars_end() != texts)
    beyond_ascii = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    is_odd = is_odd.scatter(
        beyond_ascii, texts.gather(beyond_ascii).str.contains(_MAY_CHANGE) | is_odd.gather(beyond_ascii)
    )
    places = is_odd.arg_true()
    if places.len():
        some = zip(texts.gather(places).to_list(), is_media.gather(places).to_list(), strict=True)
        done = [normalised(caption(text) if media else text) for text, media in some]
        texts = texts.scatter(places, done)
    is_wordless = kinds.is_in([kind.value for kind in _WORDLESS])
    return pl.select(pl.when(is_wordless).then(pl.lit("")).otherwise(texts)).to_series()


def _counted(marks: pl.Series) -> pl.Series:
    """Return for each mark the how-manieth of its kind it is, from 1."""
    import polars as pl

    numbers = pl.repeat(1, marks.len(), dtype=pl.Int64, eager=True)
    places = marks.is_duplicated().arg_true()
    if not places.len():
        return numbers
    counts: dict[str, int] = {}
    found = []
    for mark in marks.gather(places).to_list():
        counts[mark] = number = counts.get(mark, 0) + 1
        found.append(number)
    return numbers.scatter(places, found)
