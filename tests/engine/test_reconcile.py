"""Reconciliation: every kind of destination beside curated, by its own comparison; nothing is written."""

import csv
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from backhaul.destinations import CsvFiles, ExcelWorkbook, MongoDB, Nested, Warehouse
from backhaul.engine.derived import Derived
from backhaul.engine.pipeline import Pipeline
from backhaul.engine.reconcile import Reconciled, What, reconciled
from backhaul.engine.run import Installation, RunOptions, run_pipeline
from backhaul.engine.systems import Target
from backhaul.engine.tables import Tables
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import Destination, Stream
from backhaul.sandbox import Book
from backhaul.sealing import new_key
from backhaul.sources import DropFolder
from tests import mongo_server
from tests.destinations.google_place import Google, google
from tests.engine.place import tree

ROWS = [("1", "Dana", "4"), ("2", "Noa", "4"), ("3", "Tal", "6")]
LESSONS = "lessons"


@dataclass
class Desk:
    """One pipeline whose stream takes CSV files of students from a folder."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    files: int = 0

    @property
    def installation(self) -> Installation:
        return Installation(self.folder / "data", {"BACKHAUL_KEY": KEY})

    def target(self, *to: Destination) -> Target:
        source = DropFolder(str(self.folder / "files"), settle_s=0)
        stream = source.files("students", key="id", pattern="*.csv", to=to, **self.options)
        return Target("school", Pipeline("school", [stream]))

    def put(self, rows: Sequence[Sequence[str]], columns: Sequence[str] = ("id", "name", "lesson")) -> None:
        self.files += 1
        (self.folder / "files").mkdir(exist_ok=True)
        with (self.folder / "files" / f"{self.files}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *rows])

    def deliver(self, *to: Destination, rows: Sequence[Sequence[str]] = ROWS) -> None:
        self.put(rows)
        assert run_pipeline(self.target(*to), self.installation, RunOptions()).exit_code == 0

    def ask(self, *to: Destination, neighbours: Sequence[Target] = ()) -> list[Reconciled]:
        return list(reconciled(self.target(*to), self.installation, neighbours))


KEY = new_key()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def place() -> Iterator[Google]:
    with google() as found:
        yield found


def told(found: Reconciled) -> list[tuple[str, str, tuple[str, ...]]]:
    return sorted((each.key["id"], str(each.what), each.columns) for each in found.differences)


def spoil_shop(path: Path) -> None:
    with closing(sqlite3.connect(path)) as shop, shop:
        shop.execute("DELETE FROM students WHERE id = '1'")
        shop.execute("UPDATE students SET name = 'Noah', lesson = 5 WHERE id = '2'")
        shop.execute("INSERT INTO students (id, name) VALUES ('8', 'Gil')")


def spoil_csv(path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    kept = [["2", "Noah", "5"], *(row for row in rows if row[0] == "3"), ["8", "Gil", ""]]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, *kept])


BOTH = ("name", "lesson")


def test_a_report_reads_what_people_wrote_into_a_collection(desk: Desk) -> None:
    to = mongo(mongo_server.new_database())
    [stream] = desk.target(to).pipeline.streams
    tables = Tables("report", "school", {"school.students": stream}, desk.installation.curated, {})
    desk.deliver()
    nothing_yet = tables.read("students@mongodb")
    desk.put([("4", "Gil", "1")])
    run_pipeline(desk.target(to), desk.installation, RunOptions())
    mongo_server.client()[str(to.database)]["students"].update_one({"id": "4"}, {"$set": {"paid": True}})

    found = tables.read("school.students@mongodb")

    assert (nothing_yet.columns, nothing_yet.height) == (["id", "name", "lesson"], 0)
    assert found.select("id", "name", "paid").rows() == [("4", "Gil", True)]


def test_a_document_whose_id_is_the_key_is_found(desk: Desk) -> None:
    to = mongo(mongo_server.new_database(), id_column="id")
    desk.deliver(to)
    collection = mongo_server.client()[str(to.database)]["students"]
    collection.delete_one({"_id": "1"})
    collection.insert_one({"_id": "8"})

    [found] = desk.ask(to)

    assert told(found) == [("1", "missing there", ()), ("8", "only there", ())]


def test_where_everything_was_delivered_all_agrees(desk: Desk) -> None:
    to = (Warehouse(str(desk.folder / "shop.db"), name="shop"), CsvFiles(str(desk.folder / "csv")))
    desk.deliver(*to)

    found = desk.ask(*to)

    assert [(each.stream, each.destination, each.rows) for each in found] == [
        ("school.students", "shop", 3),
        ("school.students", "csv", 3),
    ]
    assert all(each.agrees and not each.differences for each in found)


def test_of_a_warehouse_rows_that_are_missing_differ_or_are_only_there_are_listed(desk: Desk) -> None:
    to = Warehouse(str(desk.folder / "shop.db"), name="shop")
    desk.deliver(to)
    spoil_shop(desk.folder / "shop.db")

    [found] = desk.ask(to)

    assert told(found) == [("1", "missing there", ()), ("2", "differs", BOTH), ("8", "only there", ())]
    assert not found.agrees


def test_of_csv_files_rows_that_are_missing_or_differ_are_listed(desk: Desk) -> None:
    to = CsvFiles(str(desk.folder / "csv"))
    desk.deliver(to)
    spoil_csv(desk.folder / "csv" / "students.csv")

    [found] = desk.ask(to)

    assert told(found) == [("1", "missing there", ()), ("2", "differs", BOTH)]
    assert not found.lists_theirs


def test_of_a_workbook_cells_that_people_have_changed_are_listed(desk: Desk) -> None:
    to = ExcelWorkbook(str(desk.folder / "book.xlsx"))
    desk.deliver(to)
    book = openpyxl.load_workbook(desk.folder / "book.xlsx")
    sheet = book.worksheets[0]
    row = next(cells for cells in sheet.iter_rows() if cells[0].value == "2")
    row[1].value = "Noah"
    book.save(desk.folder / "book.xlsx")

    [found] = desk.ask(to)

    assert told(found) == [("2", "differs", ("name",))]


def test_of_a_sheet_a_changed_cell_is_a_difference_and_a_row_that_a_person_deleted_is_none(
    desk: Desk, place: Google
) -> None:
    book: Book = place.sandbox.add_spreadsheet(title="Students")
    to = place.sheet(book)
    desk.deliver(to)
    keys = [row[0] for row in book.values("Sheet1")]
    book.type_cell("Sheet1", f"B{keys.index('2') + 1}", "Noah")
    book.delete_row("Sheet1", keys.index("3") + 1)
    place.sandbox.reset_calls()

    [found] = desk.ask(to)

    assert told(found) == [("2", "differs", ("name",))]
    assert set(place.told()) == {"R"}


def test_a_roster_sheet_that_is_only_updated_differs_in_its_cells_and_lacks_nothing(
    desk: Desk, place: Google
) -> None:
    book = place.sandbox.add_spreadsheet(title="Roster")
    book.fill("Sheet1", [["id", "name", "lesson", "mine"], ["2", "", "", "x"], ["8", "Gil", "1", "y"]])
    to = place.sheet(book, update_only=True)
    desk.deliver(to)
    book.type_cell("Sheet1", "C2", 99)

    [found] = desk.ask(to)

    assert told(found) == [("2", "differs", ("lesson",))]


def mongo(database: str, **options: Any) -> MongoDB:
    return MongoDB(database, url=mongo_server.url(), **options)


def test_of_a_collection_missing_differing_and_other_documents_are_listed_and_fields_of_people_are_not(
    desk: Desk,
) -> None:
    to = mongo(mongo_server.new_database())
    desk.deliver(to)
    collection = mongo_server.client()[str(to.database)]["students"]
    collection.delete_one({"id": "1"})
    collection.update_one({"id": "2"}, {"$set": {"name": "Noah", "lesson": 5, "paid": True}})
    collection.update_one({"id": "3"}, {"$set": {"paid": True}})
    collection.insert_one({"id": "8", "name": "Gil"})
    before = list(collection.find())

    [found] = desk.ask(to)

    assert told(found) == [("1", "missing there", ()), ("2", "differs", BOTH), ("8", "only there", ())]
    assert list(collection.find()) == before


def test_a_nested_list_is_compared_as_the_collection_merges_it(desk: Desk) -> None:
    desk.options = {"transform": with_lessons}
    to = mongo(mongo_server.new_database(), nested=(Nested(LESSONS, key="lesson", on_insert=("paid",)),))
    desk.deliver(to)
    collection = mongo_server.client()[str(to.database)]["students"]
    collection.update_one({"id": "1"}, {"$set": {"lessons.0.paid": True}})
    collection.update_one({"id": "2"}, {"$set": {"lessons.0.count": 99}})

    [found] = desk.ask(to)

    assert told(found) == [("2", "differs", (LESSONS,))]


def with_lessons(frame: pl.DataFrame) -> pl.DataFrame:
    cell = json.dumps([{"lesson": "4", "count": 1, "paid": False}])
    return frame.with_columns(pl.lit(cell).alias(LESSONS))


def test_a_collection_that_is_only_updated_is_not_asked_for_documents_that_it_never_had(desk: Desk) -> None:
    to = mongo(mongo_server.new_database(), update_only=True)
    collection = mongo_server.client()[str(to.database)]["students"]
    collection.insert_many([{"id": "2", "name": "Noa"}, {"id": "8"}])
    desk.deliver(to)
    collection.update_one({"id": "2"}, {"$set": {"lesson": 9}})

    [found] = desk.ask(to)

    assert told(found) == [("2", "differs", ("lesson",)), ("8", "only there", ())]


def test_rows_that_only_people_have_are_listed_and_are_no_disagreement(desk: Desk) -> None:
    to = mongo(mongo_server.new_database())
    desk.options = {"complete": True}
    desk.deliver(to)
    mongo_server.client()[str(to.database)]["students"].insert_one({"id": "8"})

    [found] = desk.ask(to)

    assert (told(found), found.agrees) == ([("8", "only there", ())], True)


def test_a_row_that_is_gone_and_marked_on_both_sides_is_no_difference(desk: Desk) -> None:
    to = mongo(mongo_server.new_database())
    desk.options = {"complete": True}
    desk.deliver(to)
    desk.deliver(to, rows=ROWS[:2])

    [found] = desk.ask(to)

    assert (found.rows, found.differences, found.agrees) == (2, (), True)


def test_a_mark_that_is_missing_there_and_one_that_should_not_be_there_are_differences(desk: Desk) -> None:
    to = mongo(mongo_server.new_database())
    desk.options = {"complete": True}
    desk.deliver(to)
    desk.deliver(to, rows=ROWS[:2])
    collection = mongo_server.client()[str(to.database)]["students"]
    mark = collection.find_one({"id": "3"})["removed_at"]  # type: ignore[index]
    collection.update_one({"id": "3"}, {"$unset": {"removed_at": 1}})
    collection.update_one({"id": "2"}, {"$set": {"removed_at": mark}})

    [found] = desk.ask(to)

    assert told(found) == [("2", "differs", ("removed_at",)), ("3", "only there", ())]
    assert (found.not_marked, found.agrees) == (1, False)


def test_a_cell_that_the_destination_cannot_take_is_listed_as_refused_with_the_reason(
    desk: Desk, place: Google
) -> None:
    to = place.sheet(place.sandbox.add_spreadsheet(title="Long"))
    desk.deliver(to, rows=[("1", "x" * 50_001, "4")])

    [found] = desk.ask(to)

    assert [(each.what, each.why) for each in found.differences] == [
        (What.REFUSED, "cell in name is longer than 50,000 characters")
    ]


def test_a_destination_that_cannot_be_asked_is_told_and_the_others_are_asked(desk: Desk) -> None:
    shop, files = Warehouse(str(desk.folder / "shop.db"), name="shop"), CsvFiles(str(desk.folder / "csv"))
    desk.deliver(shop, files)
    (desk.folder / "csv" / "students.csv").write_text("name\nDana\n", encoding="utf-8")

    asked, refused = reversed(desk.ask(files, shop))

    assert asked.agrees
    assert isinstance(refused.error, DeliveryError)
    assert not refused.agrees


def test_columns_that_the_stream_no_longer_brings_are_not_compared_and_bookkeeping_never_is(desk: Desk) -> None:
    to = mongo(mongo_server.new_database())
    desk.deliver(to)
    desk.put([("1", "Dana")], columns=("id", "name"))
    run_pipeline(desk.target(to), desk.installation, RunOptions())
    collection = mongo_server.client()[str(to.database)]["students"]
    collection.update_one({"id": "2"}, {"$set": {"lesson": 77, "_backhaul": {}}})

    [found] = desk.ask(to)

    assert (found.rows, told(found)) == (3, [])


def test_a_destination_that_was_added_later_lacks_the_rows_of_before(desk: Desk) -> None:
    desk.deliver()
    to = CsvFiles(str(desk.folder / "csv"))

    [found] = desk.ask(to)

    assert [each[:2] for each in told(found)] == [(row[0], "missing there") for row in ROWS]


def test_a_delivery_that_waits_is_counted(desk: Desk) -> None:
    to = CsvFiles(str(desk.folder / "csv"))
    desk.put(ROWS)
    (desk.folder / "csv").write_text("a file in the place of the folder", encoding="utf-8")
    run_pipeline(desk.target(to), desk.installation, RunOptions())
    (desk.folder / "csv").unlink()

    [found] = desk.ask(to)

    assert (found.pending, found.number(What.MISSING)) == (1, 3)


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row of each kind of value; later files bring wider ones."""
    moment = pl.lit(datetime(2025, 9, 12, 8, 0, 45, 123_456, tzinfo=UTC))
    is_later = pl.col("id").cast(pl.Int64) > 1
    later = frame.height and frame.select(is_later.all()).item()
    return frame.with_columns(
        pl.lit(Decimal("1.5")).cast(pl.Decimal(20, 3 if later else 1)).alias("money"),
        pl.lit(7.25 if later else 7).alias("widened"),
        pl.when(is_later).then(moment).alias("moment"),
        pl.lit(date(2025, 9, 12)).alias("day"),
        is_later.alias("truth"),
        pl.lit(1 / 3).alias("fraction"),
        pl.lit("=1+1 \u200f\n'x").alias("text"),
        pl.lit(None, pl.String).alias("nothing"),
        pl.lit("").alias("empty"),
        pl.lit("00123").alias("digits"),
    )


def test_values_of_every_kind_agree_after_they_were_delivered_file_by_file(desk: Desk, place: Google) -> None:
    desk.options = {"transform": typed}
    to = (
        Warehouse(str(desk.folder / "shop.db"), name="shop"),
        CsvFiles(str(desk.folder / "csv")),
        ExcelWorkbook(str(desk.folder / "book.xlsx")),
        place.sheet(place.sandbox.add_spreadsheet(title="Kinds")),
        mongo(mongo_server.new_database()),
    )
    desk.deliver(*to, rows=ROWS[:1])
    desk.deliver(*to, rows=ROWS[1:])

    assert [(each.destination, told(each), each.error) for each in desk.ask(*to)] == [
        (each.name, [], None) for each in to
    ]


def test_before_the_first_run_there_is_nothing_to_compare(desk: Desk) -> None:
    [found] = desk.ask(CsvFiles(str(desk.folder / "csv")))

    assert (found.rows, found.remarks) == (0, ("the stream has brought nothing yet",))
    assert found.agrees


def test_when_all_rows_are_gone_their_marks_are_still_compared(desk: Desk) -> None:
    to = mongo(mongo_server.new_database())
    desk.options = {"complete": True}
    desk.deliver(to)
    with closing(sqlite3.connect(desk.folder / "data" / "warehouse.db")) as curated, curated:
        curated.execute("ALTER TABLE students ADD COLUMN removed_at TEXT")
        curated.execute("UPDATE students SET removed_at = '2025-09-12T08:00:00.000000Z'")

    [found] = desk.ask(to)

    assert (found.rows, found.not_marked) == (0, 3)
    assert [each[:2] for each in told(found)] == [(row[0], "only there") for row in ROWS]


def test_a_table_that_streams_share_says_whose_rows_are_not_delivered_there(desk: Desk) -> None:
    to = CsvFiles(str(desk.folder / "csv"))
    other = DropFolder("elsewhere").files("exports", key="id", pattern="*", table="students")
    both = Target("school", Pipeline("school", [*desk.target(to).pipeline.streams, other]))
    alike = Target("school", Pipeline("school", [*desk.target(to).pipeline.streams, replace(other, to=(to,))]))
    desk.deliver(to)

    [apart], [together] = desk.ask(to, neighbours=[both]), desk.ask(to, neighbours=[alike])

    assert apart.remarks == ("rows that only school.exports brought into students are not delivered there",)
    assert together.remarks == ()


def test_a_derived_stream_is_put_right_by_computing_it(desk: Desk) -> None:
    to = CsvFiles(str(desk.folder / "csv"))
    desk.deliver()
    derived = Derived("copy", after="students", build=lambda students: students, key="id", to=to)
    both = Target("school", Pipeline("school", [*desk.target().pipeline.streams, derived]))
    alone = Target("school", Pipeline("school", [derived]))
    run_pipeline(both, desk.installation, RunOptions())
    spoil_csv(desk.folder / "csv" / "copy.csv")

    [spoilt] = reconciled(both, desk.installation)
    run_pipeline(alone, desk.installation, RunOptions())
    [repaired] = reconciled(both, desk.installation)

    assert (told(spoilt)[0], spoilt.repair) == (("1", "missing there", ()), "backhaul run school.copy")
    assert repaired.agrees


def test_nothing_is_written_anywhere(desk: Desk) -> None:
    shop, files = Warehouse(str(desk.folder / "shop.db"), name="shop"), CsvFiles(str(desk.folder / "csv"))
    desk.deliver(shop, files)
    spoil_csv(desk.folder / "csv" / "students.csv")
    before = {name: content for name, (_, content) in tree(desk.folder).items() if not name.endswith("-shm")}

    desk.ask(shop, files)

    after = {name: content for name, (_, content) in tree(desk.folder).items() if not name.endswith("-shm")}
    assert {name: len(content) for name, content in after.items() if content} == {
        name: len(content) for name, content in before.items() if content
    }
    assert all(after[name] == content for name, content in before.items())


def test_the_rows_of_a_personal_stream_lie_nowhere_in_the_clear_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.options = {"personal": True}
    (desk.folder / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(desk.folder / "tmp"))
    found: list[bytes] = []

    @dataclass(frozen=True)
    class Watching(CsvFiles):
        def compare(self, stream: Stream, batch: Any) -> Any:
            found.extend(content for _, content in tree(desk.folder / "tmp").values())
            return super().compare(stream, batch)

    desk.deliver(CsvFiles(str(desk.folder / "csv")))
    [asked] = desk.ask(Watching(str(desk.folder / "csv")))

    assert asked.agrees
    assert found
    assert not any(b"Dana" in content or b"PAR1" in content for content in found)
    assert list((desk.folder / "tmp").iterdir()) == []


def test_a_personal_stream_without_a_key_is_refused_before_anything_is_asked(desk: Desk) -> None:
    desk.options = {"personal": True}
    here = Installation(desk.folder / "data", {})

    with pytest.raises(ConfigError, match="no key is set"):
        list(reconciled(desk.target(CsvFiles(str(desk.folder / "csv"))), here))


def test_errors_and_reprs_hold_no_key(desk: Desk) -> None:
    to = CsvFiles(str(desk.folder / "csv"))
    desk.deliver(rows=[("secret-7", "Dana", "4")])

    [found] = desk.ask(to)

    assert found.differences[0].key == {"id": "secret-7"}
    assert "secret-7" not in repr(found)
