from datetime import UTC, date, datetime, timedelta

import polars as pl

from systems.kelas.rules.lead_reports import per_source_and_week, repeated_leads

SATURDAY_NIGHT = datetime(2026, 11, 21, 21, 30, tzinfo=UTC)
"""23:30 in Jerusalem: an hour later it is Sunday there."""

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "lead_id": pl.String,
    "lead": pl.String,
    "source": pl.String,
    "name": pl.String,
    "phone": pl.String,
    "sent_at": pl.Datetime("us", "UTC"),
    "duplicate_of": pl.String,
}


def leads(*rows: tuple[str, str, str, datetime]) -> pl.DataFrame:
    """Return the table of leads for (lead, source, name, sent_at), the oldest first."""
    firsts: dict[str, str] = {}
    found = []
    for number, (lead, source, name, sent_at) in enumerate(rows):
        own = f"m{number}:1"
        first = firsts.setdefault(lead, own)
        found.append((own, lead, source, name, f"+{lead}", sent_at, None if first == own else first))
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def test_leads_are_counted_by_source_and_local_week_with_new_and_repeated_people_apart() -> None:
    later = SATURDAY_NIGHT + timedelta(hours=1)
    table = leads(
        ("972501", "פייסבוק", "דנה", SATURDAY_NIGHT),
        ("972502", "פייסבוק", "רון", later),
        ("972501", "פייסבוק ", "דנה", later),
        ("972503", "", "גל", later),
    )

    weeks = per_source_and_week(table, timezone="Asia/Jerusalem")

    assert weeks.rows() == [
        (date(2026, 11, 22), "פייסבוק", 2, 1, 1),
        (date(2026, 11, 22), "", 1, 1, 0),
        (date(2026, 11, 15), "פייסבוק", 1, 1, 0),
    ]
    assert weeks.columns == ["week", "source", "leads", "new_people", "repeated"]


def test_a_source_is_one_in_any_case_of_letters_and_is_shown_as_most_write_it() -> None:
    written = ("facebook", "Facebook", "Facebook ", "FACEBOOK")
    table = leads(*((f"97250{n}", source, "x", SATURDAY_NIGHT) for n, source in enumerate(written)))

    assert per_source_and_week(table)["source"].to_list() == ["Facebook"]
    assert per_source_and_week(table)["leads"].to_list() == [4]


def test_days_leave_out_what_is_older() -> None:
    table = leads(("972501", "a", "x", SATURDAY_NIGHT - timedelta(days=8)), ("972502", "a", "y", SATURDAY_NIGHT))

    weeks = per_source_and_week(table, now=SATURDAY_NIGHT + timedelta(hours=1), days=7)

    assert weeks["leads"].to_list() == [1]


def test_a_week_may_begin_on_monday() -> None:
    table = leads(("972501", "a", "x", SATURDAY_NIGHT + timedelta(hours=1)))

    assert per_source_and_week(table, first_weekday=1)["week"].to_list() == [date(2026, 11, 16)]


def test_who_came_again_is_listed_with_all_sources_and_names() -> None:
    table = leads(
        ("972501", "פייסבוק", "דנה", SATURDAY_NIGHT),
        ("972502", "אתר", "רון", SATURDAY_NIGHT),
        ("972501", "אתר", "דנה לוי", SATURDAY_NIGHT + timedelta(days=1)),
        ("972501", "אתר", "דנה", SATURDAY_NIGHT + timedelta(days=2)),
    )

    assert repeated_leads(table).rows(named=True) == [
        {
            "lead": "972501",
            "name": "דנה",
            "phone": "+972501",
            "times": 3,
            "sources": "פייסבוק, אתר",
            "names": "דנה, דנה לוי",
            "first_at": "23:30, 21.11.2026",
            "last_at": "23:30, 23.11.2026",
        }
    ]


def test_of_days_people_are_listed_who_came_again_lately_with_all_their_leads() -> None:
    table = leads(
        ("972501", "a", "x", SATURDAY_NIGHT - timedelta(days=30)),
        ("972502", "a", "y", SATURDAY_NIGHT - timedelta(days=30)),
        ("972502", "a", "y", SATURDAY_NIGHT - timedelta(days=29)),
        ("972501", "b", "x", SATURDAY_NIGHT),
    )

    found = repeated_leads(table, now=SATURDAY_NIGHT, days=7)

    assert found.select("lead", "times").rows() == [("972501", 2)]


def test_a_lead_whose_message_is_gone_does_not_count() -> None:
    gone = pl.lit(SATURDAY_NIGHT).cast(pl.Datetime("us", "UTC"))
    table = leads(("972501", "a", "x", SATURDAY_NIGHT), ("972501", "a", "x", SATURDAY_NIGHT))
    table = table.with_columns(removed_at=pl.when(pl.col("lead_id") == "m1:1").then(gone))

    assert per_source_and_week(table)["leads"].to_list() == [1]
    assert repeated_leads(table).height == 0


def test_without_leads_the_reports_are_empty_with_their_columns() -> None:
    assert per_source_and_week(leads()).columns == ["week", "source", "leads", "new_people", "repeated"]
    assert per_source_and_week(leads()).height == repeated_leads(leads()).height == 0
