"""`quarantine`, `prune` and `report` as a person types them."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from openpyxl import load_workbook
from typer.testing import CliRunner

from backhaul.cli.app import app
from backhaul.sandbox import SandboxBackOffice
from tests.cli.shop import DAY, Shop

NAME = "andalan.user"
CHECK = "Kota is not one of Kota Contoh"


@dataclass(frozen=True)
class Here:
    """The command line in this process, which starts at once."""

    folder: Path

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    def document(self, *arguments: str) -> Any:
        return json.loads(self.call(*arguments, "--json").stdout)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path)


@pytest.fixture
def strict(here: Here, office: SandboxBackOffice, monkeypatch: pytest.MonkeyPatch) -> Here:
    """A shop whose pipeline puts rows of other cities aside, run once."""
    tmp_path = here.folder
    for name, value in Shop.at(tmp_path, office).settings.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "systems" / "andalan" / "pipeline.py"
    code = path.read_text(encoding="utf-8")
    strict = code.replace(
        '            key="User ID",\n', '            key="User ID",\n            checks=[only_here],\n'
    )
    assert strict != code
    strict = strict.replace(
        "pipeline = Pipeline(", 'only_here = checks.one_of("Kota", ["Kota Contoh"])\n\npipeline = Pipeline('
    )
    path.write_text(strict.replace("from backhaul import ", "from backhaul import checks, "), encoding="utf-8")
    done = here.call("run", NAME, "--window", DAY)
    assert done.exit_code == 0, done.stderr
    return here


def test_rejected_rows_are_listed_shown_repaired_and_gone(strict: Here) -> None:
    listed = strict.call("quarantine")
    shown = strict.call("quarantine", "show", NAME, "--most", "1")

    assert CHECK in listed.stdout
    assert f"backhaul quarantine show {NAME}" in listed.stdout
    assert "User ID" in shown.stdout
    assert "1 row shown" in shown.stdout

    exported = strict.call("quarantine", "export", NAME, "rejected.xlsx")
    assert f"backhaul quarantine repair {NAME} rejected.xlsx" in exported.stdout
    _fill_down(strict.folder / "rejected.xlsx", "Kota", "Kota Contoh")
    repaired = strict.call("quarantine", "repair", NAME, "rejected.xlsx")

    assert (repaired.exit_code, repaired.stderr.count("error")) == (0, 0)
    assert strict.call("quarantine").stdout.strip() == "nothing is in quarantine"
    again = strict.call("quarantine", "repair", NAME, "rejected.xlsx")
    assert again.exit_code == 0
    assert "repaired already" in again.stderr


def test_times_of_a_rejected_row_are_shown_by_the_clock_of_the_pipeline(strict: Here) -> None:
    shown = strict.call("quarantine", "show", NAME, "--most", "1").stdout

    assert re.search(rf"Tanggal +{DAY} \d\d:\d\d:\d\d\+07:00", shown)


def test_with_json_each_answer_is_one_document(strict: Here) -> None:
    [line] = strict.document("quarantine")["rows"]
    rows = strict.document("quarantine", "show", NAME)
    requeued = strict.document("quarantine", "requeue", NAME)
    gone = strict.document("quarantine", "dismiss", NAME)

    assert (line["stream"], line["check"], line["rows"]) == (NAME, CHECK, len(rows))
    assert {row["check"] for row in rows} == {CHECK}
    assert all(row["values"]["User ID"] for row in rows)
    assert requeued["streams"][0]["rejected"] == len(rows)
    assert gone == {"stream": NAME, "rows": len(rows), "files": 0, "batches": 0}
    assert strict.document("quarantine") == {"rows": [], "refused_files": []}


def test_a_name_of_several_streams_is_a_usage_error_that_lists_them(strict: Here) -> None:
    answer = strict.call("quarantine", "show", "andalan")

    assert answer.exit_code == 2
    assert NAME in answer.stderr


def test_prune_says_what_would_go_and_what_is_kept_all_the_same(strict: Here) -> None:
    path = strict.folder / "systems" / "andalan" / "pipeline.py"
    code = path.read_text(encoding="utf-8").replace(
        "checks=[only_here]", "checks=[only_here], retention=Retention(0)"
    )
    path.write_text(f"from backhaul.model import Retention\n{code}", encoding="utf-8")

    answer = strict.call("prune", "andalan", "--dry-run")
    document = strict.document("prune", "andalan")

    assert answer.exit_code == 0
    assert "1 file beyond the retention kept: rows in quarantine" in answer.stdout
    assert {each["stream"]: each["waiting"] for each in document["streams"]}[NAME] == {"rows in quarantine": 1}


def test_a_report_names_each_week_also_the_empty_ones(strict: Here) -> None:
    answer = strict.call("report", "--last", "2")
    [before, now] = strict.document("report", "andalan", "--last", "2")
    written = strict.call("report", "--by", "month", "--last", "3", "--csv", "report.csv")

    assert "100%" in answer.stdout
    assert (before["runs"], before["succeeded"]) == (0, None)
    assert (now["runs"], now["succeeded"]) == (1, 1.0)
    assert now["rejected"] > 0
    assert written.exit_code == 0
    with (strict.folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    assert strict.call("report", "--csv", "report.csv").exit_code == 2
    assert strict.call("report", "--by", "decade").exit_code == 2


def test_in_an_empty_folder_there_is_nothing_to_tell(here: Here) -> None:
    assert here.call("quarantine").stdout.strip() == "nothing is in quarantine"
    assert here.document("report") == []
    assert here.document("prune")["streams"] == []


def _fill_down(path: Path, column: str, value: str) -> None:
    book = load_workbook(path)
    sheet = book.active
    assert sheet is not None
    at = [cell.value for cell in sheet[1]].index(column) + 1
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, at, value)
    book.save(path)
