"""Reports: pure sums of what the ledger has, by weeks and months of the pipeline's own clock."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.engine.reports import By, Period, report, since
from tests.engine.place import Place

ZONE = "Asia/Jakarta"
NOW = datetime(2025, 9, 17, 5, tzinfo=UTC)


def run(at: str, status: str = "done", seconds: float = 60, **facts: Any) -> dict[str, Any]:
    started = datetime.fromisoformat(at)
    ended = started + timedelta(seconds=seconds)
    codes = {"done": 0, "failed": 1, "partly done": 3, "login needed": 4, "interrupted": 130}
    return {
        "window": "",
        "status": status,
        "exit_code": codes.get(status),
        "started_at": started.isoformat(),
        "ended_at": None if status == "running" else ended.isoformat(),
        "peak_bytes": None,
        "new": 0,
        "updated": 0,
        "rejected": 0,
        **facts,
    }


def message(at: str, state: str = "sent") -> dict[str, Any]:
    return {"created_at": datetime.fromisoformat(at).isoformat(), "state": state}


def reported(*runs: dict[str, Any], by: By = By.WEEK, last: int = 2, messages: Any = ()) -> list[Period]:
    return report("andalan", runs, messages, timezone=ZONE, by=by, last=last, now=NOW)


def test_periods_begin_on_mondays_and_empty_ones_are_there() -> None:
    periods = reported(last=3)

    assert [each.start for each in periods] == [date(2025, 9, 1), date(2025, 9, 8), date(2025, 9, 15)]
    assert periods[0] == Period("andalan", date(2025, 9, 1))


def test_months_go_back_over_the_year() -> None:
    periods = reported(by=By.MONTH, last=11)

    assert [each.start for each in periods][:2] == [date(2024, 11, 1), date(2024, 12, 1)]
    assert periods[-1].start == date(2025, 9, 1)


def test_a_run_counts_on_the_day_of_the_pipelines_own_clock() -> None:
    before, after = "2025-09-14T16:59:59+00:00", "2025-09-14T17:00:00+00:00"

    [first, second] = reported(run(before), run(after))

    assert (first.runs, second.runs) == (1, 1)


def test_success_is_done_by_all_that_have_ended() -> None:
    day = "2025-09-16T01:00:00+00:00"

    *_, week = reported(
        run(day), run(day), run(day, "failed"), run(day, "login needed"), run(day, "running"), run(day, "killed")
    )

    assert (week.runs, week.done, week.login, week.succeeded) == (6, 2, 1, 0.4)


def test_durations_are_those_of_runs_that_ended_by_themselves() -> None:
    day = "2025-09-16T01:00:00+00:00"

    *_, week = reported(
        run(day, seconds=10),
        run(day, seconds=20),
        run(day, "failed", seconds=90),
        run(day, "killed", seconds=9999),
        run(day, "interrupted", seconds=9999),
    )

    assert (week.median_s, week.longest_s) == (20, 90)


def test_rows_and_memory_are_summed_and_compared() -> None:
    day = "2025-09-16T01:00:00+00:00"

    *_, week = reported(
        run(day, new=3, updated=1, rejected=2, peak_bytes=100), run(day, new=4, peak_bytes=250), run(day)
    )

    assert (week.new, week.updated, week.rejected, week.peak_bytes) == (7, 1, 2, 250)


def test_messages_are_told_apart_by_what_became_of_them() -> None:
    day = "2025-09-16T01:00:00+00:00"
    messages = [message(day), message(day), message(day, "waiting"), message(day, "given up")]

    *_, week = reported(messages=messages)

    assert (week.sent, week.waiting, week.given_up) == (2, 1, 1)


@pytest.mark.parametrize("window", ["replay staging curated", "requeue", "repair"])
def test_work_on_what_is_kept_is_no_run_of_the_schedule(window: str) -> None:
    *_, week = reported(run("2025-09-16T01:00:00+00:00", "failed", window=window))

    assert week.runs == 0


@given(
    moments=st.lists(st.datetimes(datetime(2024, 1, 1), datetime(2025, 9, 17, 4), timezones=st.just(UTC))),
    by=st.sampled_from(By),
    last=st.integers(1, 30),
)
def test_every_run_since_the_first_period_is_in_exactly_one(moments: list[datetime], by: By, last: int) -> None:
    runs = [run(moment.isoformat()) for moment in moments]

    periods = reported(*runs, by=by, last=last)

    assert len(periods) == last
    first = since(by, last, NOW, ZONE)
    assert sum(each.runs for each in periods) == sum(moment >= first for moment in moments)


def test_the_ledger_gives_what_a_report_needs(place: Place) -> None:
    place.run("andalan.user")
    place.run("andalan.user")
    history, long_ago = place.installation.ledger.history, datetime(2020, 1, 1, tzinfo=UTC)

    runs = history.runs_since("andalan", long_ago)

    assert [(each["status"], each["new"]) for each in runs] == [("done", 16), ("done", 0)]
    [month] = report(
        "andalan",
        runs,
        history.messages_since("andalan", long_ago),
        timezone=ZONE,
        by=By.MONTH,
        last=1,
        now=datetime.now(UTC),
    )
    assert (month.runs, month.succeeded, month.new) == (2, 1.0, 16)
    assert history.runs_since("another", long_ago) == []
