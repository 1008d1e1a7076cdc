"""Reports over tables: computed when somebody asks, from curated tables and from what destinations hold."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest

from backhaul.config import Setting
from backhaul.engine.declared_reports import find_report, report_table
from backhaul.engine.pipeline import Pipeline
from backhaul.engine.report import Report
from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import find
from backhaul.errors import BackhaulError, ConfigError
from backhaul.model import united
from backhaul.sources import DropFolder

NOW = datetime(2025, 9, 20, 12, tzinfo=UTC)
STUDENTS = """
from backhaul import DropFolder, Pipeline, Report, Setting, Warehouse
from dataclasses import dataclass

FOLDER = DropFolder(Setting("FOLDER"), settle_s=0)


def told(frame, now, timezone, days):
    import polars as pl

    return frame.select("name", now=pl.lit(now.isoformat()), timezone=pl.lit(timezone), days=pl.lit(days))


def both(frame, archive, *, now, timezone):
    return frame.select("name", "lesson").join(archive.select("name", before="lesson"), on="name")


@dataclass(frozen=True)
class Named:
    who: object = Setting("WHO", default="Dana")

    def __call__(self, frame, **_):
        return frame.filter(frame["name"] == self.who)


def as_it_is(*frames, now, timezone):
    return frames[-1]


pipeline = Pipeline(
    name="students",
    streams=[
        FOLDER.files(
            "roster",
            key="id",
            pattern="roster*.csv",
            table="students",
            to=[Warehouse(Setting("SHOP"), name="shop")],
        ),
    ],
    reports=[
        Report("told", title="What a report is told", after="roster", build=told, days=7),
        Report("changes", title="Who is in another lesson", after=("roster", "roster__archive"), build=both),
        Report("named", title="One student", after="roster", build=Named()),
        Report("there", title="What the shop has", after="roster@shop", build=as_it_is),
        Report("elsewhere", title="Leads", after=("roster", "school.sales.leads"), build=as_it_is),
        Report("nowhere", title="No such table", after="school.sales.lead", build=as_it_is),
        Report("astray", title="No such destination", after="roster@sheet", build=as_it_is),
        Report("twice", title="There are two", after="roster", build=as_it_is),
        Report("broken", title="It breaks", after="roster", build=lambda frame, **_: 1 / 0),
        Report("columns", title="A column is not there", after="roster", build=lambda frame, **_: frame.select("x")),
        Report("lazy", title="No frame", after="roster", build=lambda frame, **_: frame.lazy()),
    ],
)
"""
SALES = """
from backhaul import DropFolder, Pipeline, Report, Setting

pipeline = Pipeline(
    name="sales",
    streams=[DropFolder(Setting("FOLDER"), settle_s=0).files("leads", key="lead", pattern="leads*.csv")],
    reports=[Report("twice", title="There are two", after="leads", build=lambda frame, **_: frame)],
)
"""


@dataclass(frozen=True)
class School:
    """A system of two pipelines that take CSV files from a folder."""

    folder: Path

    @property
    def installation(self) -> Installation:
        files = self.folder / "files"
        settings = {"FOLDER": str(files), "SHOP": str(self.folder / "shop.db")}
        return Installation(self.folder / "data", settings)

    def run(self, name: str, file: str, text: str) -> None:
        (self.folder / "files").mkdir(exist_ok=True)
        (self.folder / "files" / file).write_text(dedent(text).lstrip(), encoding="utf-8")
        [target] = find(self.folder / "systems", name)
        run_pipeline(target, self.installation, RunOptions())

    def table(self, name: str, days: int | None = None) -> pl.DataFrame:
        systems = self.folder / "systems"
        declared = find_report(systems, name)
        assert declared is not None
        return report_table(declared, self.installation, systems, now=NOW, days=days)


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> School:
    monkeypatch.chdir(tmp_path)
    system = tmp_path / "systems" / "school"
    system.mkdir(parents=True)
    (system / "students.py").write_text(STUDENTS, encoding="utf-8")
    (system / "sales.py").write_text(SALES, encoding="utf-8")
    return School(tmp_path)


@pytest.fixture
def begun(school: School) -> School:
    school.run("school.students", "roster1.csv", "id,name,lesson\n1,Dana,4\n2,Noa,4\n")
    return school


def test_build_is_told_the_moment_the_zone_and_the_days(begun: School) -> None:
    usual, asked = begun.table("school.students.told"), begun.table("school.told", days=14)

    assert usual.row(0) == ("Dana", NOW.isoformat(), "UTC", 7)
    assert asked["days"].to_list() == [14, 14]


def test_days_are_refused_where_the_report_has_no_use_for_them(begun: School) -> None:
    with pytest.raises(ConfigError, match="looks back no number of days"):
        begun.table("school.named", days=3)


def test_what_runs_have_replaced_is_a_table_too(begun: School) -> None:
    nothing_yet = begun.table("school.changes")
    begun.run("school.students", "roster2.csv", "id,name,lesson\n1,Dana,5\n")

    assert nothing_yet.is_empty()
    assert begun.table("school.changes").rows() == [("Dana", 5, 4)]


def test_settings_in_a_build_are_filled_in(begun: School) -> None:
    assert begun.table("school.named")["name"].to_list() == ["Dana"]


def test_what_a_destination_holds_comes_with_what_people_have_added(begun: School) -> None:
    import sqlite3

    with sqlite3.connect(begun.folder / "shop.db") as shop:
        shop.execute("ALTER TABLE students ADD COLUMN paid INTEGER")
        shop.execute("UPDATE students SET paid = 1 WHERE id = '2'")
    shop.close()

    assert dict(begun.table("school.there").select("name", "paid").rows()) == {"Dana": None, "Noa": 1}


def test_where_a_destination_has_nothing_there_are_no_rows_and_the_columns_of_curated(begun: School) -> None:
    (begun.folder / "shop.db").unlink()

    there = begun.table("school.there")

    assert (there.height, there.columns) == (0, ["id", "name", "lesson"])


def test_a_table_of_another_pipeline_is_found_by_its_full_name(begun: School) -> None:
    begun.run("school.sales", "leads.csv", "lead,source\n9,fair\n")

    assert begun.table("school.elsewhere").rows() == [("9", "fair")]


@pytest.mark.parametrize(
    ("name", "message", "next_step"),
    [
        ("told", "no table students of stream school.students.roster yet", "backhaul run school.students.roster"),
        ("there", "no table students of stream school.students.roster yet", "backhaul run school.students.roster"),
        ("nowhere", "there is no stream school.sales.lead", "school.sales.leads"),
        ("astray", "school.students.roster delivers to no 'sheet'", "school.students.roster@shop"),
    ],
)
def test_a_table_that_is_not_there_is_told_with_what_to_do(
    school: School, name: str, message: str, next_step: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        school.table(f"school.{name}")

    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("broken", BackhaulError, "school.students.broken: unexpected ZeroDivisionError at students.py"),
        ("columns", ConfigError, "build asks for a column that is not there"),
        ("lazy", ConfigError, "build returned LazyFrame, not a polars DataFrame"),
    ],
)
def test_a_build_that_does_not_work_is_told_without_any_value(
    begun: School, name: str, kind: type[BackhaulError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        begun.table(f"school.{name}")

    assert "Dana" not in str(caught.value)


def test_a_short_name_of_two_reports_is_refused_with_their_full_names(school: School) -> None:
    with pytest.raises(ConfigError) as caught:
        find_report(school.folder / "systems", "school.twice")

    assert "school.sales.twice, school.students.twice" in caught.value.next_step


@pytest.mark.parametrize("name", ["school", "school.students", "school.students.roster", "school.none", "none.told"])
def test_other_names_are_no_reports(school: School, name: str) -> None:
    assert find_report(school.folder / "systems", name) is None


def test_a_lone_pipeline_may_be_named_or_left_out(school: School) -> None:
    (school.folder / "systems" / "school" / "sales.py").unlink()

    found = [find_report(school.folder / "systems", name) for name in ("school.told", "school.students.told")]

    assert [each and each.name for each in found] == ["school.told"] * 2


def no_rows(*frames: pl.DataFrame, now: datetime, timezone: str) -> pl.DataFrame:
    return pl.DataFrame()


def with_reports(*names: str) -> Callable[[], Pipeline]:
    roster = DropFolder("files").files("roster", key="id", pattern="*.csv")
    reports = [Report(name, title=name, after="roster", build=no_rows) for name in names]
    return lambda: Pipeline("school", [roster], reports=reports)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Roster",), "report Roster has the name of stream roster"),
        (("one", "ONE"), "report ONE has the name of another report, one"),
        (("a.b",), "'a.b' is no name"),
    ],
)
def test_names_that_could_be_taken_for_others_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_reports(*names)()


def test_a_report_over_nothing_or_of_days_to_come_is_refused() -> None:
    with pytest.raises(ConfigError, match="after names no stream"):
        Report("one", title="One", after=(), build=no_rows)
    with pytest.raises(ConfigError, match="days is -1"):
        Report("one", title="One", after="roster", build=no_rows, days=-1)


def test_a_setting_that_only_a_report_names_is_listed_with_the_pipeline_s(school: School) -> None:
    from backhaul.config import settings_in

    [target] = find(school.folder / "systems", "school.students")

    assert {"FOLDER", "SHOP", "WHO"} == {setting.name for setting in settings_in(target.pipeline)}
    assert Setting("WHO", default="Dana") in list(settings_in(target.pipeline))


def test_pieces_of_one_table_may_differ_in_columns_and_types() -> None:
    pieces = [
        pl.DataFrame({"id": ["1"], "count": [1], "note": [None]}, schema={"id": str, "count": int, "note": str}),
        pl.DataFrame({"id": ["2"], "count": [2.5], "note": [7]}),
        pl.DataFrame({"id": ["3"], "count": [None], "more": [True]}, schema={"id": str, "count": str, "more": bool}),
    ]

    found = united(pieces)

    assert found["count"].to_list() == [1.0, 2.5, None]
    assert found["note"].to_list() == [None, 7, None]
    assert found["more"].to_list() == [None, None, True]
    assert united([pieces[1], pl.DataFrame({"id": ["4"], "note": ["x"]})])["note"].to_list() == ["7", "x"]


def test_declaring_reports_loads_no_frames() -> None:
    import subprocess

    code = "from backhaul import Report; import sys; print('polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
