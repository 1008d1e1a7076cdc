"""Reports about leads: how many came from where, week by week, and who has written more than once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .leads import KEY, SHEET_KEY, TIME, standing

if TYPE_CHECKING:
    import polars as pl

SUNDAY = 7
"""The first day of a week where the sales team works, counted as ISO does."""


def per_source_and_week(
    leads: pl.DataFrame,
    *,
    now: datetime | None = None,
    timezone: str = "Asia/Jerusalem",
    days: int | None = None,
    first_weekday: int = SUNDAY,
) -> pl.DataFrame:
    """Return a row for each week and source: leads, people who are new, and repeated ones; the newest week first.

    `week` is the date of its first day. Sources are told apart without regard to case and spaces, and shown as most
    people write them; "" is a lead without a source. Of `days`, only leads of the last so many days before `now`
    count.
    """
    import polars as pl

    day = pl.col("sent_at").dt.convert_time_zone(timezone).dt.date()
    since_first = (day.dt.weekday().cast(pl.Int64) - first_weekday) % 7
    shown = pl.col("source").fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()
    counted = _of_days(standing(leads), now, days).with_columns(
        week=day - pl.duration(days=since_first), shown=shown, same=shown.str.to_lowercase()
    )
    return (
        counted.with_columns(source=pl.col("shown").sort().mode(maintain_order=True).first().over("same"))
        .group_by("week", "source")
        .agg(
            leads=pl.len().cast(pl.Int64),
            new_people=pl.col("duplicate_of").is_null().sum().cast(pl.Int64),
            repeated=pl.col("duplicate_of").is_not_null().sum().cast(pl.Int64),
        )
        .sort("week", "leads", "source", descending=[True, True, False])
    )


def repeated_leads(
    leads: pl.DataFrame,
    *,
    now: datetime | None = None,
    timezone: str = "Asia/Jerusalem",
    days: int | None = None,
) -> pl.DataFrame:
    """Return a row for each person who is in several leads, who came again last first.

    Columns: lead (digits or mail), name and phone as first written, times, sources and names (each once, in order,
    joined by a comma), first_at and last_at (local, as in the sheet). Of `days`, only people of whom a lead came in
    the last so many days before `now` are listed, with all their leads.
    """
    import polars as pl

    local = pl.col("sent_at").dt.convert_time_zone(timezone).dt.strftime(TIME)
    leads = standing(leads)
    recent = _of_days(leads, now, days)[SHEET_KEY].unique().implode()
    people = (
        leads.filter(pl.col(SHEET_KEY).is_in(recent))
        .sort("sent_at", pl.col("duplicate_of").is_not_null(), KEY)
        .with_columns(at=local)
        .group_by(SHEET_KEY, maintain_order=True)
        .agg(
            _first_written("name"),
            _first_written("phone"),
            pl.len().cast(pl.Int64).alias("times"),
            _each_once("source", "sources"),
            _each_once("name", "names"),
            pl.col("at").first().alias("first_at"),
            pl.col("at").last().alias("last_at"),
            pl.col("sent_at").max().alias("last"),
        )
    )
    return people.filter(pl.col("times") > 1).sort("last", SHEET_KEY, descending=[True, False]).drop("last")


def _of_days(leads: pl.DataFrame, now: datetime | None, days: int | None) -> pl.DataFrame:
    import polars as pl

    if now is None or days is None:
        return leads
    return leads.filter(pl.col("sent_at") >= now - timedelta(days=days))


def _first_written(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name).filter(pl.col(name).fill_null("") != "").first().fill_null("").alias(name)


def _each_once(name: str, into: str) -> pl.Expr:
    import polars as pl

    written = pl.col(name).filter(pl.col(name).fill_null("") != "")
    return written.unique(maintain_order=True).str.join(", ").alias(into)
