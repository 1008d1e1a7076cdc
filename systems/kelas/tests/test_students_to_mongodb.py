"""From messages and roster to the documents, through the engine: what the archive knows, and what people own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from backhaul import Derived, DropFolder, MongoDB, Nested, Pipeline, Schedule
from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import Target
from systems.kelas.rules.stats import StudentStats
from tests import mongo_server

from .student_frames import DANA, DANA_SHOWN, NO_DOCUMENTS, NOBODY, documents, messages

DANA_LEVI = ("972 55-000-0101", "דנה לוי")
ID = md5("972550000101_דנה לוי".encode()).hexdigest()
ZONE = "Asia/Jerusalem"
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
"""What the archive notes is on the real clock."""

RULES = StudentStats("תרגול", "הודעה")


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a file as the source of messages gives them."""
    return frame.with_columns(
        pl.col("is_edited", "on_page").cast(pl.String).replace_strict({"true": True}, default=False)
    )


@dataclass
class School:
    """One installation whose messages and roster come as files."""

    folder: Path
    before: pl.DataFrame = field(default_factory=lambda: NO_DOCUMENTS)
    database: str = field(default_factory=mongo_server.new_database)
    numbers: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        for name in ("messages", "roster"):
            (self.folder / name).mkdir()

    @property
    def documents(self) -> Any:
        return mongo_server.client()[self.database]["student_stats"]

    @property
    def pipeline(self) -> Pipeline:
        def build(sent: pl.DataFrame, roster: pl.DataFrame, replaced: pl.DataFrame) -> pl.DataFrame:
            return RULES(sent, roster, replaced, NOBODY, self.before)

        sent = DropFolder(str(self.folder / "messages"), settle_s=0).files(
            "messages", pattern="*.csv", key=("fingerprint", "occurrence"), table="student_messages", transform=typed
        )
        roster = DropFolder(str(self.folder / "roster"), settle_s=0).files(
            "roster",
            pattern="*.csv",
            key=("phone_number", "name"),
            complete=True,
            history=("current_lesson", "teacher"),
            transform=lambda frame: frame.with_columns(pl.all().cast(pl.String)),
        )
        to = MongoDB(
            self.database,
            "student_stats",
            url=mongo_server.url(),
            nested=(Nested("lessons", "lesson", on_insert=("paid",)),),
        )
        stats = Derived(
            "student_stats",
            after=("messages", "roster", "roster__archive"),
            build=build,
            key="uniq_id",
            to=to,
            with_runs=True,
        )
        return Pipeline("students", [sent, roster, stats], schedule=Schedule("0 */2 * * *", timezone=ZONE))

    def run(self, *sent: Any, roster: Sequence[tuple[str, ...]] | None = None) -> dict[str, Any]:
        """Put files down, run, and return the documents by name."""
        number = f"{next(self.numbers):03}.csv"
        if sent:
            kept = messages(*sent).select(
                "fingerprint", "occurrence", "sent_at", "sender", "kind", "text", "is_edited", "on_page"
            )
            kept.with_columns(
                pl.col("sent_at").dt.convert_time_zone(ZONE).dt.strftime("%Y-%m-%d %H:%M:%S")
            ).write_csv(self.folder / "messages" / number)
        if roster:
            columns = ["phone_number", "name", "current_lesson", "teacher"]
            pl.DataFrame(roster, schema=columns, orient="row").write_csv(self.folder / "roster" / number)
        target = Target("kelas.students", self.pipeline)
        result = run_pipeline(target, Installation(self.folder / "data", {}), RunOptions())
        assert result.exit_code == 0
        return {each["name"]: each for each in self.documents.find()}


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path)


def practices(document: dict[str, Any]) -> dict[str, int]:
    return {each["lesson"]: each["practice_count"] for each in document["lessons"]}


@pytest.mark.slow
def test_practices_stay_with_their_lesson_when_the_roster_goes_on(school: School) -> None:
    school.run(ago(5), ago(4), roster=[(*DANA_LEVI, "4", "מיכל")])

    found = school.run(ago(3), ago(-1), roster=[(*DANA_LEVI, "5", "רותי")])["דנה לוי"]

    assert practices(found) == {"4": 3, "5": 1}
    assert [each["teacher"] for each in found["lessons"]] == ["מיכל", "רותי"]
    assert [each["paid"] for each in found["lessons"]] == [False, False]


@pytest.mark.slow
def test_a_run_with_nothing_new_and_the_same_files_again_change_no_document(school: School) -> None:
    first = school.run(ago(5), ago(4), roster=[(*DANA_LEVI, "4", "מיכל")])

    again = school.run(ago(5), ago(4), roster=[(*DANA_LEVI, "4", "מיכל")])

    assert again == first


def test_a_renamed_student_keeps_its_document_and_what_people_wrote_into_it(school: School) -> None:
    school.run(ago(5), roster=[(*DANA_LEVI, "4", "מיכל")])
    school.documents.update_one({}, {"$set": {"lessons.0.paid": True, "note": "שולם במזומן"}})

    found = school.run(ago(-1), roster=[(DANA, "דנה כהן", "4", "מיכל")])

    assert list(found) == ["דנה כהן"]
    document = found["דנה כהן"]
    assert (document["uniq_id"], document["note"], document.get("removed_at")) == (ID, "שולם במזומן", None)
    assert [(each["practice_count"], each["paid"]) for each in document["lessons"]] == [(2, True)]


@pytest.mark.parametrize("has_changed", [False, True])
def test_a_sister_who_leaves_takes_only_her_own_document_along(school: School, has_changed: bool) -> None:
    sister = (DANA, "יעל לוי", "2", "מיכל")
    before = school.run(ago(5), roster=[(*DANA_LEVI, "4", "מיכל"), sister])
    if has_changed:
        sister = (DANA, "יעל לוי", "3", "מיכל")
        school.run(roster=[(*DANA_LEVI, "4", "מיכל"), sister])
    school.documents.update_one({"name": "יעל לוי"}, {"$set": {"lessons.0.paid": True}})

    found = school.run(roster=[sister])

    assert found["דנה לוי"]["removed_at"] is not None
    assert found["יעל לוי"].get("removed_at") is None
    assert {name: each["uniq_id"] for name, each in found.items()} == {
        name: each["uniq_id"] for name, each in before.items()
    }
    assert found["יעל לוי"]["lessons"][0]["paid"] is True


def test_a_sister_who_came_later_keeps_her_own_document_when_the_first_leaves(school: School) -> None:
    sister = (DANA, "יעל לוי", "2", "מיכל")
    school.run(ago(5), roster=[(*DANA_LEVI, "4", "מיכל")])
    before = school.run(roster=[(*DANA_LEVI, "4", "מיכל"), sister])

    found = school.run(roster=[sister])

    assert found["דנה לוי"]["removed_at"] is not None
    assert (found["יעל לוי"]["uniq_id"], found["יעל לוי"].get("removed_at")) == (before["יעל לוי"]["uniq_id"], None)


@pytest.mark.slow
def test_a_student_who_is_renamed_twice_and_whose_sister_leaves_keeps_the_first_document(school: School) -> None:
    sister = (DANA, "יעל לוי", "2", "מיכל")
    school.run(ago(5), roster=[(*DANA_LEVI, "4", "מיכל")])
    school.run(roster=[(DANA, "דנה כהן", "4", "מיכל")])
    school.run(roster=[(DANA, "דנה כהן", "4", "מיכל"), sister])
    school.run(roster=[(DANA, "דנה כהן", "4", "מיכל")])

    found = school.run(roster=[(DANA, "דנה בר", "5", "מיכל")])

    there = [each for each in found.values() if each.get("removed_at") is None]
    assert [(each["name"], each["uniq_id"]) for each in there] == [("דנה בר", ID)]
    assert found["יעל לוי"]["removed_at"] is not None


def test_when_one_of_two_is_renamed_and_the_other_leaves_in_one_edit_neither_document_is_guessed(
    school: School,
) -> None:
    before = school.run(ago(5), roster=[(*DANA_LEVI, "4", "מיכל"), (DANA, "יעל לוי", "2", "מיכל")])

    found = school.run(roster=[(DANA, "דנה כהן", "4", "מיכל")])

    assert found["דנה כהן"]["uniq_id"] not in [each["uniq_id"] for each in before.values()]
    assert [found[name]["removed_at"] is not None for name in before] == [True, True]


def test_documents_of_the_old_system_go_on_with_their_counts_ids_and_types(school: School) -> None:
    own = md5("972 55-000-0101_דנה לוי".encode()).hexdigest()
    last = ago(3).astimezone(ZoneInfo(ZONE)).strftime("%H:%M, %d.%m.%Y")
    there = {
        "uniq_id": own,
        "phone_number": DANA,
        "name": "דנה לוי",
        "current_lesson": "4",
        "total_messages": 11,
        "last_practice_timedate": last,
        "last_message_timedate": last,
        "lessons": [{"lesson": 4, "teacher": "מיכל", "practice_count": 7, "paid": True, "first_practice": "x"}],
    }
    school.documents.insert_one(dict(there))
    school.before = documents(there)

    found = school.run(ago(4), ago(3), ago(2), roster=[(*DANA_LEVI, "4", "מיכל")])

    assert school.documents.count_documents({}) == 1
    [lesson] = found["דנה לוי"]["lessons"]
    assert (lesson["lesson"], lesson["practice_count"], lesson["message_count"]) == (4, 8, 11)
    assert (lesson["paid"], lesson["first_practice"]) == (True, "x")
    assert (found["דנה לוי"]["uniq_id"], found["דנה לוי"]["total_messages"]) == (own, 11)


@pytest.mark.slow
def test_a_message_whose_sender_was_saved_meanwhile_counts_once(school: School) -> None:
    school.run({"at": ago(2), "on_page": True}, roster=[(*DANA_LEVI, "4", "מיכל")])

    found = school.run({"at": ago(2), "sender": "דנה לוי", "on_page": True}, {"at": ago(1), "sender": DANA_SHOWN})

    assert practices(found["דנה לוי"]) == {"4": 2}
