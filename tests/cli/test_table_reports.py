"""`report` of a table and `reconcile` as a person types them."""

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from backhaul.cli.app import app
from backhaul.cli.table_files import as_json, drawn, write_workbook
from backhaul.errors import ConfigError

SYSTEM = """
from backhaul import CsvFiles, DropFolder, Pipeline, Report, Schedule


def quiet(students, *, now, timezone, days):
    import polars as pl

    return students.filter(pl.col("idle") >= days).with_columns(pl.lit(now).alias("asked"))


def everything(students, **_):
    return students


pipeline = Pipeline(
    name="students",
    schedule=Schedule("0 8 * * *", timezone="Asia/Jakarta"),
    streams=[
        DropFolder("files", settle_s=0).files("roster", key="id", pattern="*.csv", to=CsvFiles("out")),
        DropFolder("files", settle_s=0).files("bare", key="id", pattern="none*.csv"),
    ],
    reports=[
        Report("not_practised", title="Who has not practised", after="roster", build=quiet, days=7),
        Report("all", title="All students", after="roster", build=everything),
    ],
)
"""
LONG = "ab" * 300
ROWS = [
    ("001", "דנה לוי", 30, '=HYPERLINK("http://x","y")'),
    ("002", "Noa\x1b[31m\u202eevil", 10, "line one\nline two"),
    ("003", LONG, 1, "+972 55"),
]
JAKARTA = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True)
class Here:
    """The command line in this process, in a folder with a school in it."""

    folder: Path

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    def document(self, *arguments: str) -> Any:
        return json.loads(self.call(*arguments, "--json").stdout)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "systems" / "school").mkdir(parents=True)
    (tmp_path / "systems" / "school" / "students.py").write_text(SYSTEM, encoding="utf-8")
    (tmp_path / "files").mkdir()
    with (tmp_path / "files" / "roster.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "name", "idle", "note"), *ROWS])
    return Here(tmp_path)


@pytest.fixture
def begun(here: Here) -> Here:
    assert here.call("run", "school").exit_code == 0
    return here


def test_a_system_s_history_is_followed_by_its_reports(begun: Here) -> None:
    answer = begun.call("report", "school", "--last", "1")

    assert "100%" in answer.stdout
    assert "school.not_practised" in answer.stdout
    assert "Who has not practised" in answer.stdout
    assert answer.stdout.rstrip().endswith("next: backhaul report school.not_practised")
    assert [period["runs"] for period in begun.document("report", "school", "--last", "1")] == [1]


def test_a_report_is_printed_with_its_title_its_days_and_its_rows(begun: Here) -> None:
    usual = begun.call("report", "school.not_practised")
    asked = begun.call("report", "school.students.not_practised", "--days", "14")

    assert usual.stdout.startswith("Who has not practised, 7 days, ")
    assert "Asia/Jakarta" in usual.stdout.splitlines()[0]
    assert usual.stdout.rstrip().endswith("2 rows")
    assert asked.stdout.startswith("Who has not practised, 14 days, ")
    assert asked.stdout.rstrip().endswith("1 row")


def test_of_a_wide_table_nothing_is_cut_and_no_text_moves_the_cursor(begun: Here) -> None:
    answer = begun.call("report", "school.all").stdout

    assert LONG in answer
    assert "line one line two" in answer
    assert "\x1b" not in answer
    assert "\u202e" not in answer


def test_a_long_table_is_not_cut(begun: Here) -> None:
    with (begun.folder / "files" / "more.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "name", "idle", "note"), *((n, "x", 1, "y") for n in range(10, 2010))])
    begun.call("run", "school")

    answer = begun.call("report", "school.all").stdout

    assert answer.rstrip().endswith("2,003 rows")
    assert sum(line.split()[1:] == ["x", "1", "y"] for line in answer.splitlines()) == 2000


def test_a_report_without_rows_says_so(begun: Here) -> None:
    answer = begun.call("report", "school.not_practised", "--days", "365", "--csv", "none.csv")

    assert answer.exit_code == 0
    assert "Who has not practised, 365 days: there is nothing to show, no row fits" in answer.stdout
    assert (begun.folder / "none.csv").read_text(encoding="utf-8-sig").splitlines() == ["id,name,idle,note,asked"]


def test_files_hold_every_text_as_it_is_and_moments_by_the_pipeline_s_clock(begun: Here) -> None:
    answer = begun.call("report", "school.not_practised", "--days", "0", "--csv", "all.csv", "--xlsx", "all.xlsx")

    with (begun.folder / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    sheet = openpyxl.load_workbook(begun.folder / "all.xlsx").worksheets[0]
    [_, *cells] = list(sheet.iter_rows())
    assert "3 rows in all.csv" in answer.stdout
    assert header == ["id", "name", "idle", "note", "asked"]
    assert [tuple(row[:4]) for row in rows] == [(key, name, str(idle), note) for key, name, idle, note in ROWS]
    assert {datetime.fromisoformat(row[4]).utcoffset() for row in rows} == {datetime.now(JAKARTA).utcoffset()}
    assert [cell.data_type for cell in cells[0]] == ["s", "s", "n", "s", "d"]
    assert [row[3].value for row in cells] == [row[3] for row in ROWS]
    assert not [cell for row in cells for cell in row if cell.data_type == "f" or cell.hyperlink]


def test_with_json_a_report_is_one_document(begun: Here) -> None:
    found = begun.document("report", "school.not_practised")

    assert (found["report"], found["title"], found["days"]) == (
        "school.not_practised",
        "Who has not practised",
        7,
    )
    assert found["columns"] == ["id", "name", "idle", "note", "asked"]
    assert {row["id"]: (row["name"], row["idle"]) for row in found["rows"]} == {
        "001": ("דנה לוי", 30),
        "002": ("Noa\x1b[31m\u202eevil", 10),
    }
    assert all(datetime.fromisoformat(row["asked"]).tzinfo for row in found["rows"])


@pytest.mark.parametrize("option", ["--csv", "--xlsx"])
def test_an_existing_file_is_refused_and_stays(begun: Here, option: str) -> None:
    (begun.folder / "there").write_text("mine", encoding="utf-8")

    answer = begun.call("report", "school.all", option, "there")

    assert answer.exit_code == 2
    assert "there is there already" in answer.stderr
    assert (begun.folder / "there").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("school.not_practised", "--by", "month"), "--by and --last are for the history of runs"),
        (("school", "--days", "3"), "--days is for a report"),
        (("--xlsx", "x.xlsx"), "--xlsx is for a report"),
        (("school.all", "--days", "3"), "looks back no number of days"),
        (("school.al",), "Its reports: school.not_practised, school.all."),
        (("school.all", "--csv", "no/such/folder.csv"), "the folder no/such is not there"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(begun: Here, arguments: tuple[str, ...], message: str) -> None:
    answer = begun.call("report", *arguments)

    assert answer.exit_code == 2
    assert message in answer.stderr


def test_before_the_first_run_a_report_says_what_to_run(here: Here) -> None:
    answer = here.call("report", "school.all")

    assert answer.exit_code == 2
    assert "next: Run it first: backhaul run school.roster" in answer.stderr


def test_what_agrees_is_said_in_a_line_each_and_the_exit_code_is_0(begun: Here) -> None:
    answer = begun.call("reconcile", "school")

    assert answer.exit_code == 0
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("school.roster")]
    assert line.split() == ["school.roster", "csv", "3", "0", "0", "0", "-", "0", "agrees"]


def test_what_differs_is_listed_row_by_row_and_the_exit_code_is_3(begun: Here) -> None:
    spoil(begun)

    answer = begun.call("reconcile", "school.roster")
    written = begun.call("reconcile", "school", "--csv", "differences.csv")
    document = begun.document("reconcile", "school")

    assert (answer.exit_code, written.exit_code, document["exit_code"]) == (3, 3, 3)
    with (begun.folder / "differences.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["stream", "destination", "key", "what", "columns"],
            ["school.roster", "csv", "001", "missing there", ""],
            ["school.roster", "csv", "002", "differs", "idle"],
        ]
    assert "missing there" in answer.stdout
    assert document["destinations"][0]["differences"] == [
        {"key": {"id": "001"}, "what": "missing there", "columns": [], "why": None},
        {"key": {"id": "002"}, "what": "differs", "columns": ["idle"], "why": None},
    ]
    assert begun.call("reconcile", "school", "--csv", "differences.csv").exit_code == 2


def test_the_command_that_is_told_puts_right_what_differs(begun: Here) -> None:
    spoil(begun)
    told = begun.call("reconcile", "school").stdout
    begun.call("replay", "school.roster", "curated")

    assert "school.roster, csv: to have it as in curated: backhaul replay school.roster curated" in told
    assert begun.call("reconcile", "school").exit_code == 0


def test_of_rows_that_are_refused_it_says_that_something_stands_in_the_way(here: Here) -> None:
    there = SYSTEM.replace("CsvFiles", "ExcelWorkbook").replace('"out"', '"out.xlsx"')
    (here.folder / "systems" / "school" / "students.py").write_text(there, encoding="utf-8")
    with (here.folder / "files" / "roster.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(("004", "x" * 40_000, 1, ""))
    here.call("run", "school")

    told = here.call("reconcile", "school.roster").stdout

    assert "school.roster, workbook: 1 row is refused; put right what stands there" in told


def test_what_cannot_be_asked_is_said_with_the_next_step_and_the_exit_code_is_1(begun: Here) -> None:
    (begun.folder / "out" / "roster.csv").write_text("name\nx\n", encoding="utf-8")

    answer = begun.call("reconcile", "school")

    assert answer.exit_code == 1
    assert "not asked" in answer.stdout
    assert "next: Give the key column its name back" in answer.stdout


def test_a_stream_that_delivers_nowhere_has_nothing_to_reconcile(begun: Here) -> None:
    answer = begun.call("reconcile", "school.bare")

    assert (answer.exit_code, answer.stdout) == (
        0,
        "school.bare: no stream delivers anywhere; its tables are in curated only\n",
    )


def spoil(here: Here) -> None:
    """Take the first row out of the delivered file, and change a number in the second."""
    path = here.folder / "out" / "roster.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, _, second, *rest = csv.reader(file)
    second[2] = "11"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, second, *rest])


def test_a_table_is_drawn_by_the_width_that_letters_have() -> None:
    lines = list(drawn(("who", "count"), [("דנה", 5), ("测试", None), ("a\tb", 12)], JAKARTA))

    assert lines == ["who   count", "────  ─────", "דנה       5", "测试", "a b      12"]


def test_numbers_that_json_has_no_word_for_are_null() -> None:
    assert as_json([float("nan"), {"a": float("inf")}, 1.5]) == [None, {"a": None}, 1.5]


def test_more_rows_than_a_worksheet_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a worksheet holds"):
        write_workbook(tmp_path / "x.xlsx", ["a"], range(1_048_576), JAKARTA)  # type: ignore[arg-type]

    assert not list(tmp_path.iterdir())


def test_a_text_that_no_cell_holds_is_said_to_be_longer(tmp_path: Path) -> None:
    write_workbook(tmp_path / "x.xlsx", ["a"], [("x" * 32_767,), ("x" * 32_768,), ("😀" * 16_384,)], JAKARTA)

    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").worksheets[0]
    assert [len(row[0]) for row in sheet.iter_rows(values_only=True)][:2] == [1, 32_767]
    assert "32,768 characters" in str(sheet["A3"].value)
    assert "16,384 characters" in str(sheet["A4"].value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_where_the_disk_takes_no_more_no_half_a_file_stays(here: Here) -> None:
    with (here.folder / "files" / "roster.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(("004", "x" * 200_000, 1, ""))
    assert here.call("run", "school").exit_code == 0
    # Enough for what SQLite needs beside its files, too little for the report.
    code = (
        "import resource, sys; from backhaul.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000,) * 2); sys.argv = ['backhaul', *sys.argv[1:]]; main()"
    )
    command = [sys.executable, "-c", code, "report", "school.all", "--csv", "all.csv"]

    done = subprocess.run(command, cwd=here.folder, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert [each.name for each in here.folder.iterdir() if each.name.startswith(("all", ".all"))] == []
