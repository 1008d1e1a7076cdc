"""Sales leads: what the sales team writes into its group, one row a lead, each person once in the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from backhaul import ConfigError, RowCheck, Setting, text

from .lead_text import LABELS, MARKS, Part, is_readable, labels_of, leads_in
from .phones import REGION, region_code
from .versions import newest_last

if TYPE_CHECKING:
    import polars as pl

KEY = "lead_id"
SHEET_KEY = "lead"
SHEET = ("source", "name", "phone", "mail", "time")
"""The columns of the sales sheet as it always was; the key comes right of them."""

UNREADABLE = "a lead that cannot be read"
TIME = "%H:%M, %d.%m.%Y"
WRITTEN = ("text", "media")
"""The kinds of message that people write words into; of media the words are the caption."""

_LABELS = Setting("LEAD_LABELS", default=LABELS)
_TIMEZONE = Setting("WHATSAPP_TIMEZONE", default="Asia/Jerusalem")
_REGION = Setting("PHONE_REGION", default=REGION)


@dataclass(frozen=True)
class Leads:
    """Makes the table of leads from the table of messages.

    Args:
        labels: what stands in front of each field, like `lead_text.LABELS`.
        timezone: of the column time.
        region: the country of numbers without a country code.
    """

    labels: str | Setting = _LABELS
    timezone: str | Setting = _TIMEZONE
    region: str | Setting = _REGION

    def __call__(self, messages: pl.DataFrame) -> pl.DataFrame:
        """Return one row for each lead in messages (n rows, in any order), the oldest first.

        `lead_id` is the message's fingerprint and the number of the lead in it. `lead` says who it is: the digits of
        the phone, else the mail address in lower case, else the lead's own id. `duplicate_of` is the id of the first
        lead of the same person, null for firsts. Source, name, phone and mail are as written, "" where nothing is.
        `time` is local, `sent_at` UTC. Of an edited message the newest version counts, a deleted one has no leads.
        Raises ConfigError for labels, a time zone or a country that cannot be.
        """
        import polars as pl

        labels, region = labels_of(text(self.labels)), region_code(text(self.region))
        zone = _zone(text(self.timezone))
        about = newest(messages).filter(_may_hold_leads(labels.rough))
        parts: list[Part] = []
        rows: list[int] = []
        for row, said in enumerate(about["text"].to_list()):
            found = leads_in(said, labels, region)
            parts.extend(found)
            rows.extend([row] * len(found))
        of = about.select("fingerprint", "occurrence", "sent_at", "sender")[rows]
        return _identified(of.with_columns(_fields(parts), row=pl.Series(rows, dtype=pl.Int64))).select(
            KEY,
            SHEET_KEY,
            *SHEET[:-1],
            pl.col("sent_at").dt.convert_time_zone(zone).dt.strftime(TIME).fill_null("").alias("time"),
            "sent_at",
            pl.when(pl.col("first") != pl.col(KEY)).then("first").alias("duplicate_of"),
            "sender",
        )


def sales_sheet(leads: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the sales sheet, the oldest first: each person once, as first written; key `lead`."""
    import polars as pl

    firsts = standing(leads).filter(pl.col("duplicate_of").is_null()).sort("sent_at", KEY)
    return firsts.select(*SHEET, SHEET_KEY)


def standing(leads: pl.DataFrame) -> pl.DataFrame:
    """Return the leads whose message still stands; the table keeps the others, with the time they went."""
    import polars as pl

    return leads.filter(pl.col("removed_at").is_null()) if "removed_at" in leads.columns else leads


@dataclass(frozen=True)
class ReadableLead:
    """The rule of `readable_leads`: true for a message in which nothing looks like a lead and cannot be read."""

    labels: str | Setting = _LABELS
    region: str | Setting = _REGION

    def __call__(self) -> pl.Expr:
        """Return the rule as an expression over the columns kind and text. Raises ConfigError."""
        import polars as pl

        labels, region = labels_of(text(self.labels)), region_code(text(self.region))

        def judged(columns: Sequence[pl.Series]) -> pl.Series:
            frame = pl.DataFrame({"kind": columns[0], "text": columns[1]})
            places = frame.select(_may_hold_leads(labels.rough).fill_null(False).arg_true()).to_series()
            said = frame["text"].gather(places).to_list()
            found = [is_readable(each, labels, region) for each in said]
            return pl.repeat(True, frame.height, eager=True).scatter(places, found)

        return pl.map_batches(["kind", "text"], judged, return_dtype=pl.Boolean)


def readable_leads(
    labels: str | Setting = _LABELS, region: str | Setting = _REGION, name: str = UNREADABLE
) -> RowCheck:
    """Return the check of messages that puts aside one that looks like a lead but cannot be read.

    A lead is meant where two labels stand at the beginning of a line, or one with a phone number; a label in the
    midst of a sentence is none. The message waits in quarantine until a person has repaired its text.
    """
    return RowCheck(name, ReadableLead(labels, region))


def newest(messages: pl.DataFrame) -> pl.DataFrame:
    """Return messages (n rows) with the newest version of each, under the fingerprint of its first one.

    Versions are rows with the same `wa_id`, see `newest_last`; a row without one stands for itself. Deleted messages
    go.
    """
    import polars as pl

    # Keys are kept as text.
    number = pl.col("occurrence").cast(pl.Int64, strict=False).fill_null(1)
    rows = _with_columns_of_the_page(messages).with_columns(number)
    has_id = pl.col("wa_id").fill_null("") != ""
    versions = newest_last(rows.filter(has_id)).with_columns(
        pl.col("fingerprint", "occurrence").first().over("wa_id")
    )
    last = versions.unique("wa_id", keep="last", maintain_order=True)
    return pl.concat([last, rows.filter(~has_id)]).filter(pl.col("kind") != "deleted")


def _with_columns_of_the_page(messages: pl.DataFrame) -> pl.DataFrame:
    """Return messages with the columns that only the page brings; a table of exports alone lacks them."""
    import polars as pl

    page = {
        "wa_id": pl.String(),
        "is_edited": pl.Boolean(),
        "is_truncated": pl.Boolean(),
        "read_at": pl.Datetime("us", "UTC"),
    }
    return messages.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in page.items() if name not in messages.columns
    )


def _may_hold_leads(rough: str) -> pl.Expr:
    import polars as pl

    said = pl.col("text").str.replace_all(f"[{MARKS}]", "").str.normalize("NFC")
    return pl.col("kind").is_in(WRITTEN) & said.str.contains(rough)


def _fields(parts: Sequence[Part]) -> list[pl.Series]:
    import polars as pl

    own = [pl.Series(name, [part.values.get(name, "") for part in parts], pl.String) for name in SHEET[:-1]]
    return [*own, pl.Series("known", [part.phone or part.mail for part in parts], pl.String)]


def _identified(leads: pl.DataFrame) -> pl.DataFrame:
    """Return leads with their id, who they are, and the first of the same person, in the order of sending.

    Within a minute the order is that of the ids: the clock of one source has seconds, that of the other has none.
    """
    import polars as pl

    number = pl.int_range(1, pl.len() + 1).over("row")
    again = pl.when(pl.col("occurrence") > 1).then(pl.format(".{}", "occurrence")).otherwise(pl.lit(""))
    identified = leads.with_columns(number=number).with_columns(
        pl.concat_str("fingerprint", again, pl.lit(":"), "number").alias(KEY)
    )
    known = pl.when(pl.col("known") != "").then("known").otherwise(KEY)
    minute = pl.col("sent_at").dt.truncate("1m")
    ordered = identified.with_columns(known.alias(SHEET_KEY)).sort(
        minute, "fingerprint", "occurrence", "number", nulls_last=False
    )
    return ordered.with_columns(first=pl.col(KEY).first().over(SHEET_KEY))


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):
        raise ConfigError(
            f"{name!r} is no time zone", next_step="Write one like Asia/Jerusalem or Asia/Jakarta."
        ) from None
