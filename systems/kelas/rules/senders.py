"""Who has written and is no student that can be told: for a person to decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .said import Said, text_of, zone_of
from .stats import Words

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class UnknownSenders:
    """Lists the senders that are matched to nobody; the same settings as those of the statistics.

    Args:
        practice_words, message_words, both, whole_words, media_as_practice: as in `Words`.
        region: the country of phone numbers without a country code.
        timezone: the clock of the times in documents.
        uniq_id_style: as for the statistics.
    """

    practice_words: Said
    message_words: Said
    region: Said = "IL"
    timezone: Said = "Asia/Jerusalem"
    uniq_id_style: Said = "digits"
    both: bool = True
    whole_words: Said = "no"
    media_as_practice: Said = "no"

    @property
    def words(self) -> Words:
        """The words that count."""
        return Words(self.practice_words, self.message_words, self.both, self.whole_words, self.media_as_practice)

    def __call__(
        self,
        messages: pl.DataFrame,
        roster: pl.DataFrame,
        roster_archive: pl.DataFrame,
        aliases: pl.DataFrame,
        before: pl.DataFrame,
    ) -> pl.DataFrame:
        """Return one row for each such sender, those with most practices first.

        The columns are sender, why (`unknown`; `ambiguous`: it may be several; `former`: not on the roster any more),
        messages and practices (those that would count), first_at and last_at of all that the sender wrote (UTC), and
        candidates, the names of those it may be. An alias with this sender, or a change of the roster, settles it.
        Raises ConfigError for settings.
        """
        import polars as pl

        from .earlier import earlier
        from .identity import persons, with_former_names
        from .messages import WHO, counted_messages
        from .people import STUDENT, matched

        region, style = text_of(self.region), text_of(self.uniq_id_style)
        documents = earlier(before, zone_of(self.timezone), region)
        students = persons(roster, roster_archive, documents, region=region, style=style)
        found = matched(counted_messages(messages), roster, with_former_names(aliases, students), region)
        nobody = self.words.told(found.filter(pl.col(STUDENT).is_null())).sort("sent_at")
        return (
            nobody.group_by(WHO)
            .agg(
                pl.col("sender", "why").last(),
                messages=pl.col("is_message").sum().cast(pl.Int64),
                practices=pl.col("is_practice").sum().cast(pl.Int64),
                first_at=pl.col("sent_at").min(),
                last_at=pl.col("sent_at").max(),
                candidates=pl.col("candidates").last(),
            )
            .sort("practices", "messages", "sender", descending=[True, True, False])
            .unique("sender", keep="first", maintain_order=True)
            .drop(WHO)
        )


@dataclass(frozen=True)
class BareMedia:
    """Counts what students sent without a word below it; it is no practice, but may be meant as one."""

    region: Said = "IL"

    def __call__(self, messages: pl.DataFrame, roster: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
        """Return phone_number, name, media, last_at (UTC) of each student with such media, most first."""
        import polars as pl

        from .messages import counted_messages
        from .people import STUDENT, matched, students

        region = text_of(self.region)
        found = matched(counted_messages(messages).filter("is_bare_media"), roster, aliases, region)
        counts = found.filter(pl.col(STUDENT).is_not_null()).group_by(STUDENT)
        return (
            counts.agg(media=pl.len().cast(pl.Int64), last_at=pl.col("sent_at").max())
            .join(students(roster, region), on=STUDENT)
            .select("phone_number", "name", "media", "last_at")
            .sort("media", "name", "phone_number", descending=[True, False, False])
        )
