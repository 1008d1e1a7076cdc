"""Monitoring: people hear when a stream begins to fail, is reminded of it, and when it works again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backhaul.engine.alerts import AlertBook, Outcome
from backhaul.engine.ledger import Ledger
from backhaul.engine.pipeline import AlertRules, Pipeline
from backhaul.engine.systems import Target, find
from backhaul.errors import ConfigError
from backhaul.model import Counts
from backhaul.notices import AlertClosed, AlertOpened, Digest, Message, Notice
from backhaul.sandbox import Fault
from tests.engine.board import Board
from tests.engine.place import Place

NOON = datetime(2025, 9, 12, 5, 0, tzinfo=UTC)
"""12:00 in Jakarta."""
NAME = "andalan.user"
DOWN = Outcome(Counts(), "TransientError", "the site does not answer", "Wait.")
LOCKED = Outcome(Counts(), "LoginRequired", "the password was refused", "Correct it.")
WORKS = Outcome(Counts(new=3))

Judge = Callable[..., list[tuple[Notice, datetime | None]]]


@pytest.fixture
def pipeline(place: Place) -> Pipeline:
    return find(place.folder / "systems", NAME)[0].pipeline


@pytest.fixture
def judge(place: Place, pipeline: Pipeline) -> Judge:
    ledger = Ledger(place.folder / "ledger.db")

    def judged(outcome: Outcome, at: datetime = NOON, **rules: Any) -> list[tuple[Notice, datetime | None]]:
        monitored = replace(pipeline, alerts=AlertRules(**rules))
        streams = {NAME: monitored.streams[0]}  # type: ignore[index]
        return list(AlertBook("andalan", "run", monitored, ledger, at).judged(streams, {NAME: outcome}))

    return judged


def test_what_may_pass_by_itself_is_told_after_several_failures_and_once(judge: Judge) -> None:
    told = [judge(DOWN) for _ in range(4)]

    assert [len(notices) for notices in told] == [0, 1, 0, 0]
    opened = told[1][0][0]
    assert isinstance(opened, AlertOpened)
    assert (opened.failures, opened.needs_person, opened.is_reminder) == (2, False, False)


def test_what_needs_a_person_is_told_at_once(judge: Judge) -> None:
    [(opened, not_before)] = judge(LOCKED)

    assert isinstance(opened, AlertOpened)
    assert (opened.needs_person, opened.next_step, not_before) == (True, "Correct it.", None)


def test_people_are_reminded_while_it_lasts(judge: Judge) -> None:
    judge(LOCKED)
    quiet = judge(LOCKED, NOON + timedelta(hours=5), remind_every_h=6)

    [(reminder, _)] = judge(LOCKED, NOON + timedelta(hours=7), remind_every_h=6)

    assert quiet == []
    assert isinstance(reminder, AlertOpened)
    assert (reminder.is_reminder, reminder.since, reminder.failures) == (True, NOON, 3)


def test_another_error_is_another_alert_of_the_same_failure(judge: Judge) -> None:
    judge(LOCKED)

    [(changed, _)] = judge(replace(LOCKED, error="SourceChanged", message="the button is gone"), NOON)

    assert isinstance(changed, AlertOpened)
    assert (changed.error, changed.since, changed.is_reminder) == ("SourceChanged", NOON, False)


def test_a_recovery_tells_how_long_it_lasted_and_what_was_caught_up(judge: Judge) -> None:
    judge(DOWN)
    judge(DOWN)

    [(closed, _)] = judge(WORKS, NOON + timedelta(hours=3))

    assert isinstance(closed, AlertClosed)
    assert (closed.since, closed.missed, closed.counts) == (NOON, 2, Counts(new=3))
    assert judge(WORKS, NOON + timedelta(hours=4)) == []


def test_a_recovery_from_what_nobody_heard_of_is_not_told(judge: Judge) -> None:
    judge(DOWN)

    assert judge(WORKS) == []


@pytest.mark.parametrize(
    ("hour_utc", "held_until"),
    [(16, datetime(2025, 9, 12, 23, 30, tzinfo=UTC)), (22, datetime(2025, 9, 12, 23, 30, tzinfo=UTC)), (3, None)],
)
def test_quiet_hours_hold_back_what_needs_no_person(judge: Judge, hour_utc: int, held_until: datetime | None) -> None:
    at = NOON.replace(hour=hour_utc)
    quiet = ("22:00", "06:30")
    judge(DOWN, at, quiet=quiet)

    [(_, not_before)] = judge(DOWN, at, quiet=quiet)
    [(_, at_once)] = judge(LOCKED, at, quiet=quiet)

    assert (not_before, at_once) == (held_until, None)


def test_the_first_run_after_its_hour_sends_the_digest_of_a_day(place: Place) -> None:
    board = Board()
    target = find(place.folder / "systems", NAME)[0]
    rules = AlertRules(digest_at="00:00")
    monitored = Target(target.name, replace(target.pipeline, notify=[board], alerts=rules))

    place.run_target(monitored)
    place.run_target(monitored)

    [digest] = [notice for notice in board.notices if isinstance(notice, Digest)]
    [line] = digest.streams
    assert (line.stream, line.runs, line.failed, line.counts) == ("user", 1, 0, Counts(new=16))


def test_a_run_that_fails_opens_an_alert_and_one_that_works_closes_it(place: Place) -> None:
    class OnlyAlerts(Board):
        def compose(self, notice: Notice) -> Message | None:
            return super().compose(notice) if isinstance(notice, AlertOpened | AlertClosed) else None

    board = OnlyAlerts()
    target = find(place.folder / "systems", NAME)[0]
    monitored = Target(target.name, replace(target.pipeline, notify=[board], alerts=AlertRules(after_failures=1)))
    place.office.faults.add(Fault.SERVER_ERROR, path="/user-front")
    place.run_target(monitored)
    place.office.faults.clear()

    place.run_target(monitored)

    assert board.posted == ["AlertOpened user", "AlertClosed user"]


@pytest.mark.parametrize("rules", [{"quiet": ("25:00", "06:00")}, {"digest_at": "8"}, {"after_failures": 0}])
def test_rules_that_make_no_sense_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="alert rules"):
        AlertRules(**rules)
