"""File names that are made of other names: each must be one that Windows takes, and mean one file there."""

import ntpath
import re
from datetime import UTC, date, datetime
from pathlib import PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backhaul import CsvFiles
from backhaul.engine.pipeline import Pipeline
from backhaul.engine.run import new_run_id
from backhaul.errors import ConfigError
from backhaul.lake.landing import LandingFolder, is_reserved, safe_name
from backhaul.lake.raw import SEALED
from backhaul.model import Stream, Window

LONGEST_BELOW_HOME = 200
"""Windows takes 259 letters unless long paths are switched on; the rest is for the folder of the installation."""


def is_windows_name(name):
    """Return whether Windows makes a file of exactly this name."""
    return (
        0 < len(name) <= 255
        and not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        and not name.endswith((".", " "))
        and not PureWindowsPath(name).is_reserved()
        and ntpath.basename(name) == name
    )


def stream(name):
    return Stream(name=name, source=None, request=None, key=("id",))


@given(st.text(max_size=200))
@example("CON")
@example("nul.xlsx")
@example("aux.2025-09-12.csv")
@example("COM1 .txt")
@example("lpt¹")
@example("report 2025-09-12T08:00.xlsx")
@example("trailing. . ")
@example("..\\..\\up")
@example("C:\\secret.txt")
@example("." * 130 + "x")
@example("con" + "." * 118 + "x")
def test_whatever_a_download_is_called_its_file_has_a_name_that_windows_takes(name):
    assert is_windows_name(safe_name(name))


@pytest.mark.parametrize("name", ["transaksi-2025-09-12.xlsx", "console.csv", "com10.txt", "nullable", "עסקאות.xlsx"])
def test_usual_names_stay_as_they_are(name):
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["CON", "con", "nul.tar.gz", "AUX.xlsx", "com¹", "LPT9.csv", "PRN", "conin$"])
def test_names_of_devices_are_known_in_any_case_and_with_any_ending(name):
    assert is_reserved(name)


def test_a_download_named_as_a_device_is_kept_and_keeps_its_name_in_the_ledger(tmp_path):
    landed = LandingFolder(tmp_path).receive([b"x"], name="aux.xlsx", window=None, prove=lambda path: None)

    assert landed.path.name == "file-aux.xlsx"
    assert landed.name == "aux.xlsx"


@pytest.mark.parametrize("name", ["CON", "nul", "Lpt1", " user", "user "])
def test_a_stream_or_pipeline_that_cannot_name_a_folder_is_refused(name):
    with pytest.raises(ConfigError, match="Windows"):
        Pipeline(name="shop", streams=[stream(name)])
    with pytest.raises(ConfigError, match="Windows"):
        Pipeline(name=name, streams=[stream("user")])


@pytest.mark.parametrize("name", ["a:b", "a/b", "a\\b", "a*b", "a.b", "a?b", 'a"b', "a|b"])
def test_a_stream_with_a_letter_that_paths_give_another_meaning_is_refused(name):
    with pytest.raises(ConfigError, match="is no name"):
        Pipeline(name="shop", streams=[stream(name)])


def test_two_streams_that_differ_in_case_alone_are_refused():
    with pytest.raises(ConfigError, match="stands twice"):
        Pipeline(name="shop", streams=[stream("User"), stream("user")])


def test_the_id_of_a_run_names_a_folder():
    assert is_windows_name(new_run_id(datetime(2025, 9, 12, 8, 0, 0, 123456, tzinfo=UTC)))


def test_a_window_in_words_names_a_file():
    window = Window(date(2025, 9, 1), date(2025, 9, 12), "Asia/Jakarta")

    assert safe_name(f"transaksi-{window}.xlsx") == "transaksi-2025-09-01..2025-09-12.xlsx"
    assert is_windows_name(safe_name(f"transaksi-{window}.xlsx"))


@pytest.mark.parametrize("table", ["con", "AUX", "a b", "פריטים"])
def test_the_csv_file_of_a_table_has_a_name_that_windows_takes(table):
    path = CsvFiles("out").path(stream(table))

    assert is_windows_name(path.name)


def test_the_longest_paths_leave_room_for_the_folder_of_the_installation():
    lake, name, run = PureWindowsPath("data/lake"), "x" * 25, new_run_id(datetime.now(UTC))
    paths = [
        lake / "landing" / name / name / ".part" / f"2-{safe_name('y' * 400)}",
        lake / "raw" / "ab" / ("f" * 64 + SEALED + ".part"),
        lake / "staging" / f"{run}.{name}.12.part" / f"changes-{'z' * 40}-12345678.parquet.part",
        PureWindowsPath("data/evidence") / run / name / "screenshot.png",
    ]

    assert max(len(str(path)) for path in paths) <= LONGEST_BELOW_HOME
