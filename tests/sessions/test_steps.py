"""The step list."""

from datetime import date

import pytest

from backhaul.errors import ConfigError
from backhaul.model import Window
from backhaul.sessions.steps import Download, ExportRequest, Fill, Open, Select

WINDOW = Window(date(2025, 9, 12), date(2025, 10, 1), "Asia/Jakarta")


def test_days_are_written_into_paths_values_and_labels_in_the_format_of_the_site() -> None:
    request = ExportRequest(
        (
            Open("/list?from={start}&to={end}"),
            Fill("#a", "{start} - {end}"),
            Select("#b", "{end}"),
            Download(),
        ),
        date_format="%d.%m.%Y",
    )

    assert request.for_window(WINDOW).steps == (
        Open("/list?from=12.09.2025&to=01.10.2025"),
        Fill("#a", "12.09.2025 - 01.10.2025"),
        Select("#b", "01.10.2025"),
        Download(),
    )


def test_other_braces_stay_as_they_are() -> None:
    request = ExportRequest((Open('/list?q={"day": "{start}"}'), Download()))

    assert request.for_window(WINDOW).steps[0] == Open('/list?q={"day": "2025-09-12"}')


def test_a_misspelt_blank_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"\{begin\} in '/list\?from=\{begin\}' means nothing"):
        ExportRequest((Open("/list?from={begin}"), Download()))
