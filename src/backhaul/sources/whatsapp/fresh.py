"""The rows of a stream of the page: the messages that were new when it was read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from backhaul.formats.chat import MessageKind
from backhaul.sources.whatsapp.document import Noted

if TYPE_CHECKING:
    import polars as pl


def new_messages(frame: pl.DataFrame, noted: Sequence[Noted], read_at: datetime) -> pl.DataFrame:
    """Return the new ones of a frame of `messages_of` with all columns of the stream; `read_at` is when (UTC).

    Only edited and deleted messages have it, to tell which version is the last: all others stay unchanged when they
    are read once more.

    Messages keep the numbers that the memory gave them; one that was none when the page was read, and is one now
    that it is read better, gets the next number among its equals.
    """
    import polars as pl

    notes = [noted[place] for place in frame["place"].to_list()]
    numbers = _numbers(frame["fingerprint"].to_list(), notes)
    is_changed = pl.col("is_edited") | (pl.col("kind") == MessageKind.DELETED.value)
    moment = pl.lit(read_at).cast(pl.Datetime("us", "UTC"))
    marked = frame.with_columns(
        pl.Series("occurrence", list(map(str, numbers)), dtype=pl.String),
        pl.Series("maybe_edit", [note.maybe_edit for note in notes], dtype=pl.Boolean),
        pl.lit(True).alias("on_page"),
        pl.when(is_changed).then(moment).alias("read_at"),
    )
    is_new = pl.Series([not note.is_known for note in notes], dtype=pl.Boolean)
    return marked.filter(is_new).select(
        *("fingerprint", "occurrence", "sent_at", "shown_at", "sender", "kind", "text", "is_edited"),
        *("wa_id", "is_own", "is_truncated", "maybe_edit", "on_page", "read_at"),
    )


def _numbers(marks: Sequence[str], notes: Sequence[Noted]) -> list[int]:
    taken: defaultdict[str, set[int]] = defaultdict(set)
    for mark, note in zip(marks, notes, strict=True):
        if note.occurrence is not None:
            taken[mark].add(note.occurrence)
    numbers = []
    for mark, note in zip(marks, notes, strict=True):
        number = note.occurrence
        if number is None:
            number = next(each for each in range(1, len(taken[mark]) + 2) if each not in taken[mark])
            taken[mark].add(number)
        numbers.append(number)
    return numbers
