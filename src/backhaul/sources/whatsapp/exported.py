"""An Export chat file as the messages of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.formats.chat import beginning, read_chat
from backhaul.formats.chat.dates import DateOrder
from backhaul.model import Artifact

if TYPE_CHECKING:
    import polars as pl

_ONCE_MORE = "Export the chat once more and hand the file on as it is."


def order_named(date_order: str) -> DateOrder:
    """Return the order of this name. Raises ConfigError if there is none."""
    try:
        return DateOrder(date_order)
    except ValueError:
        raise ConfigError(
            f'there is no date order "{date_order}"', next_step=f"Take one of: {', '.join(DateOrder)}."
        ) from None


def exported(
    artifact: Artifact, *, stream: str, chat: str, timezone: str, order: DateOrder, since: date | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the messages of an export file, bounded in memory; occurrence is text, in_export says where from.

    Says to the artifact that the file begins later than `since`. Raises SourceChanged, which names the file, for what
    is no export, is cut off, or has dates whose order cannot be told.
    """
    import polars as pl

    # No date is later than when the file came; the place in the lake has another age.
    now = artifact.made_at or artifact.fetched_at
    frames = read_chat(artifact.path, chat=chat, timezone=timezone, date_order=order, now=now)
    try:
        if since is not None:
            begun = beginning(artifact.path, timezone=timezone, date_order=order, now=now)
            if begun.is_after(datetime.combine(since, time(), ZoneInfo(timezone))):
                day = begun.at.astimezone(ZoneInfo(timezone)).date()
                artifact.remark(
                    f"{artifact.name} begins on {day}, later than {since}:"
                    " WhatsApp leaves out the oldest messages of a large chat. If there is an older export of it, put"
                    " that into the folder too"
                )
        for frame in frames:
            yield frame.with_columns(pl.col("occurrence").cast(pl.String), pl.lit(True).alias("in_export"))
    except (ConfigError, SourceChanged, TransientError) as error:
        raise _refused(error, artifact, stream) from None


def _refused(error: BackhaulError, artifact: Artifact, stream: str) -> SourceChanged:
    """Return the refusal of one file: reading the same bytes again would not help, and the others go on."""
    why = str(error).removeprefix(f"{artifact.path.name}: ")
    step = error.next_step
    if isinstance(error, TransientError):
        step = _ONCE_MORE
    elif isinstance(error, ConfigError):
        step = f"{step} Then `backhaul replay` reads it again."
    return SourceChanged(f"{stream}: {artifact.name}: {why}", next_step=step)
