"""Whether the day or the month comes first is decided from the dates of the file, or refused with the reason."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backhaul.errors import ConfigError, SourceChanged
from tests.formats.chat_truth import NOW, read


def days(path: Path, *dates: str, **given: object) -> list[str]:
    path.write_text("".join(f"{date}, 07:02 - Jo: x\n" for date in dates))
    return [f"{each:%Y-%m-%d}" for each in read(path, timezone="UTC", **given)["sent_at"].to_list()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.txt"


def test_a_field_over_twelve_is_a_day(file: Path) -> None:
    assert days(file, "1/2/25", "1/13/25") == ["2025-01-02", "2025-01-13"]
    assert days(file, "1/2/25", "13/2/25") == ["2025-02-01", "2025-02-13"]


def test_a_reading_in_which_time_goes_back_is_wrong(file: Path) -> None:
    assert days(file, "11/4/25", "12/4/25", "1/5/25") == ["2025-04-11", "2025-04-12", "2025-05-01"]


def test_a_message_that_came_some_days_late_does_not_disturb(file: Path) -> None:
    assert days(file, "4/1/25", "4/5/25", "4/3/25", "4/13/25") == [
        "2025-04-01",
        "2025-04-05",
        "2025-04-03",
        "2025-04-13",
    ]


def test_a_reading_later_than_a_day_after_the_export_is_wrong(file: Path) -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)

    assert days(file, "3/5/26", now=now) == ["2026-03-05"]
    with pytest.raises(ConfigError, match="ambiguous_date_order"):
        days(file, "3/5/26", now=NOW)


def test_without_now_the_time_of_the_file_counts(file: Path) -> None:
    file.write_text("12/10/25, 07:02 - Jo: x\n")
    moment = datetime(2025, 10, 13, tzinfo=UTC).timestamp()
    os.utime(file, (moment, moment))

    assert read(file, timezone="UTC", now=None)["sent_at"][0] == datetime(2025, 10, 12, 7, 2, tzinfo=UTC)


def test_what_cannot_be_told_is_refused_with_what_to_do(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"chat\.txt: ambiguous_date_order, 3 dates") as caught:
        days(file, "3/4/25", "4/4/25", "5/4/25")

    assert '"dmy"' in caught.value.next_step
    assert days(file, "3/4/25", "4/4/25", date_order="mdy") == ["2025-03-04", "2025-04-04"]


def test_dates_that_are_the_same_in_both_readings_need_no_decision(file: Path) -> None:
    assert days(file, "5/5/25", "5/5/25") == ["2025-05-05", "2025-05-05"]


def test_one_quoted_line_in_the_other_order_does_not_decide(file: Path) -> None:
    quoting = "5/1/25, 07:02 - Jo: see\n25/5/25, 07:01 - Ana: quoted\n"

    file.write_text(quoting + "".join(f"5/{day}/25, 07:02 - Jo: x\n" for day in range(2, 31)))
    found = read(file, timezone="UTC")

    assert found["sent_at"][0] == datetime(2025, 5, 1, 7, 2, tzinfo=UTC)
    assert "quoted" in found["text"][0]


def test_the_order_may_show_only_at_the_end_of_a_long_file(file: Path) -> None:
    filler = "x" * 1000
    lines = [f"{1 + n // 700}/3/25, 07:02 - Jo: {filler}\n" for n in range(4200)]
    file.write_text("".join(lines) + "13/3/25, 07:02 - Jo: x\n")

    assert {each.month for each in read(file)["sent_at"].to_list()} == {3}


def test_a_year_in_front_is_followed_by_the_month(file: Path) -> None:
    assert days(file, "2025-03-04") == ["2025-03-04"]
    assert days(file, "2025/03/04", date_order="ymd") == ["2025-03-04"]


def test_an_order_that_the_dates_do_not_have_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="year in place 1"):
        days(file, "2025-03-04", date_order="dmy")
    with pytest.raises(SourceChanged, match="first line shows a date that does not exist"):
        days(file, "13/3/25", date_order="mdy")
    with pytest.raises(SourceChanged, match="18 messages have a date that does not exist, 12 are good"):
        days(file, *(f"{day}/3/25" for day in range(1, 31)), date_order="mdy")
    with pytest.raises(ConfigError, match='no date order "us"'):
        days(file, "13/3/25", date_order="us")


@pytest.mark.parametrize("date", ["13/3/2568", "13/3/1404", "45/45/25"])
def test_dates_of_another_calendar_are_refused(file: Path, date: str) -> None:
    with pytest.raises(SourceChanged, match="1 of 1 dates are no days from 2009 until the export"):
        days(file, date)


def test_a_zone_that_does_not_exist_is_refused(file: Path) -> None:
    file.write_text("13/3/25, 07:02 - Jo: x\n")

    for zone in ("Asia/Nowhere", "", "../etc"):
        with pytest.raises(ConfigError, match="no time zone"):
            read(file, timezone=zone)
