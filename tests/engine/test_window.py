"""Windows in a person's words, counted on the pipeline's clock."""

from datetime import UTC, date, datetime

import pytest

from backhaul.engine.window import default_window, parse_window
from backhaul.errors import ConfigError

NOON = datetime(2025, 9, 12, 5, tzinfo=UTC)
LATE = datetime(2025, 9, 12, 18, tzinfo=UTC)
"""One in the morning of the 13th in Jakarta."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2025-09-01", "2025-09-01"),
        ("2025-09-01..2025-09-12", "2025-09-01..2025-09-12"),
        ("2025-09-12..2025-09-12", "2025-09-12"),
        ("2024-02-29", "2024-02-29"),
        ("today", "2025-09-12"),
        ("yesterday", "2025-09-11"),
        ("last:1d", "2025-09-12"),
        ("last:7d", "2025-09-06..2025-09-12"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_words_name_days(words: str, expected: str) -> None:
    window = parse_window(words, NOON, "Asia/Jakarta")

    assert (str(window), window.timezone) == (expected, "Asia/Jakarta")


def test_today_is_the_day_of_the_pipelines_clock() -> None:
    assert str(parse_window("today", LATE, "Asia/Jakarta")) == "2025-09-13"
    assert str(parse_window("today", LATE, "UTC")) == "2025-09-12"


@pytest.mark.parametrize(
    "words",
    [
        *["", "tomorrow", "Today", "12/09/2025", "2025-02-29", "2025-9-1", "2025-09-01 "],
        *["2025-09-01..", "..2025-09-01", "2025-09-01...2025-09-02", "2025-09-01..2025-09-02..2025-09-03"],
        *["last:7", "last:0d", "last:-1d", "last:99999d"],
    ],
)
def test_other_words_are_refused_with_examples(words: str) -> None:
    with pytest.raises(ConfigError, match="is not one we know") as caught:
        parse_window(words, NOON, "Asia/Jakarta")

    assert "2025-09-01..2025-09-12" in caught.value.next_step


def test_a_window_that_ends_before_it_starts_is_told_as_that() -> None:
    with pytest.raises(ConfigError, match="window starts on 2025-09-12, after its end 2025-09-01"):
        parse_window("2025-09-12..2025-09-01", NOON, "Asia/Jakarta")


def test_without_memory_a_run_takes_yesterday_and_today() -> None:
    assert str(default_window(LATE, "Asia/Jakarta", None, 3)) == "2025-09-12..2025-09-13"


@pytest.mark.parametrize(
    ("last_end", "look_back", "expected"),
    [
        (date(2025, 9, 10), 1, "2025-09-09..2025-09-12"),
        (date(2025, 9, 10), 0, "2025-09-10..2025-09-12"),
        (date(2025, 9, 12), 0, "2025-09-12"),
        (date(2025, 9, 30), 1, "2025-09-11..2025-09-12"),
    ],
)
def test_a_run_goes_on_where_the_last_success_ended_less_the_look_back(
    last_end: date, look_back: int, expected: str
) -> None:
    assert str(default_window(NOON, "Asia/Jakarta", last_end, look_back)) == expected
