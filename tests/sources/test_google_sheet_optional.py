"""Worksheets that need not be there, and rosters that people have edited into nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import Pipeline, Schedule, Setting
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.errors import SourceChanged
from backhaul.model import Stream
from backhaul.retry import Budget
from backhaul.sandbox import Book
from backhaul.sandbox.sheets.values import Formula
from backhaul.sources import GoogleSheetTable
from tests.destinations.google_place import Google, google
from tests.sources.sheet_place import HEADER, Reader, put, show

ALIASES = ["sender", "phone_number", "name"]
DANA: list[Any] = ["972 55-000-0001", "Dana", 12, "Noa", "01/09/2025"]
OMER: list[Any] = ["972 55-000-0002", "Omer", 3, "Noa", None]


@pytest.fixture(scope="module")
def shared() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def place(shared: Google) -> Google:
    shared.sandbox.faults.clear()
    shared.time.seconds += 61
    return shared


@pytest.fixture
def book(place: Google) -> Book:
    made = place.sandbox.add_spreadsheet("Roster")
    put(made, HEADER, DANA, OMER)
    place.sandbox.reset_calls()
    return made


@pytest.fixture
def reader(place: Google, book: Book, tmp_path: Path) -> Reader:
    return Reader(place, book, tmp_path)


def aliases(source: GoogleSheetTable, **options: Any) -> Stream:
    wanted = {"worksheet": "aliases", "columns": ALIASES[1:], "optional": True, "complete": True, **options}
    return source.table("aliases", key="sender", **wanted)


class TestOptional:
    def test_a_worksheet_that_is_not_there_is_one_without_rows(self, reader: Reader) -> None:
        stream = aliases(reader.source())

        frame = reader.parse(stream, reader.fetch(stream).artifacts[0])

        assert (frame.columns, frame.height) == (ALIASES, 0)
        assert set(frame.dtypes) == {pl.String}

    def test_it_is_landed_once(self, reader: Reader) -> None:
        stream = aliases(reader.source())
        first = reader.fetch(stream)

        again = reader.fetch(stream, first.cursor)

        assert (len(first.artifacts), again.artifacts, again.cursor) == (1, (), first.cursor)

    def test_the_header_may_stand_further_down(self, reader: Reader) -> None:
        stream = aliases(reader.source(), header_row=3)

        frame = reader.parse(stream, reader.fetch(stream).artifacts[0])

        assert (frame.columns, frame.height) == (ALIASES, 0)

    def test_a_blank_worksheet_is_as_good_as_none(self, reader: Reader, book: Book) -> None:
        book.add_tab("aliases")
        stream = aliases(reader.source())

        assert reader.parse(stream, reader.fetch(stream).artifacts[0]).columns == ALIASES

    def test_its_rows_come_once_it_is_there(self, reader: Reader, book: Book) -> None:
        stream = aliases(reader.source())
        first = reader.fetch(stream)
        put(book, ALIASES, ["~ Dana", "972 55-000-0001", "Dana"], tab="aliases")

        second = reader.fetch(stream, first.cursor)

        assert reader.parse(stream, second.artifacts[0]).rows() == [("~ Dana", "972 55-000-0001", "Dana")]

    def test_one_that_is_there_has_to_have_its_columns(self, reader: Reader, book: Book) -> None:
        put(book, ["sender", "phone"], ["~ Dana", "1"], tab="aliases")
        stream = aliases(reader.source())

        with pytest.raises(SourceChanged, match="no column 'phone_number', 'name'"):
            reader.parse(stream, reader.fetch(stream).artifacts[0])

    def test_one_that_is_not_optional_has_to_be_there(self, reader: Reader) -> None:
        with pytest.raises(SourceChanged, match="no worksheet 'aliases'; the spreadsheet has 'Sheet1', 'main'"):
            reader.fetch(aliases(reader.source(), optional=False))

    def test_a_check_tells_which_are_not_there(self, reader: Reader) -> None:
        source = reader.source()
        streams = [source.table("roster", key="name"), aliases(source)]

        told = source.check_streams(streams)

        assert told == "Roster, worksheets Sheet1, main; 'aliases' is not there, optional"

    def test_a_check_refuses_one_that_has_to_be_there(self, reader: Reader) -> None:
        source = reader.source()
        streams = [aliases(source), aliases(source, optional=False), source.table("roster", key="name")]

        with pytest.raises(SourceChanged, match="no worksheet 'aliases'"):
            source.check_streams(streams)

    def test_only_the_worksheets_of_the_streams_are_read(
        self, reader: Reader, place: Google, book: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from backhaul.sandbox.sheets import calls, describe

        asked: list[list[str]] = []

        def listening(state: Any, *, ranges: Any, **options: Any) -> Any:
            asked.append([*ranges])
            return describe.describe(state, ranges=ranges, **options)

        monkeypatch.setattr(calls, "describe", listening)
        put(book, ALIASES, tab="aliases")

        reader.fetch(reader.stream())
        reader.fetch(aliases(reader.source()))

        assert asked == [["'main'!1:1000"], ["'aliases'!1:1000"]]
        assert "W" not in place.told()


class TestNonsense:
    """What a run makes of a roster with key (phone_number, name)."""

    @pytest.fixture
    def run(self, place: Google, book: Book, tmp_path: Path) -> Any:
        settings = {
            "SHEET_ID": book.url,
            "GOOGLE_API_URL": place.sandbox.url,
            "CREDENTIALS_FILE": place.sandbox.service_account(),
        }
        source = GoogleSheetTable(Setting("SHEET_ID"), patience=place.patience())
        key = ("phone_number", "name")
        streams = [
            source.table("roster", key=key, columns=HEADER[2:], text=HEADER, complete=True),
            aliases(source),
        ]
        schedule = Schedule("0 * * * *", timezone="Asia/Jerusalem")
        target = Target("kelas", Pipeline("kelas", streams, schedule=schedule))
        installation = Installation(tmp_path / "data", settings)
        budget = Budget(attempts=1, seconds=20.0, first_wait_s=0.01, longest_wait_s=0.05)
        heard: list[Event] = []

        def once() -> RunResult:
            heard.clear()
            return run_pipeline(target, installation, RunOptions(budget=budget), [heard.append])

        def rows() -> list[tuple[Any, ...]]:
            frames = list(installation.curated.read("roster"))
            return sorted(row for frame in frames for row in frame.select(HEADER[:3]).rows())

        once.rows, once.heard = rows, heard  # type: ignore[attr-defined]
        return once

    def test_a_run_without_the_optional_worksheet_is_a_good_one(self, run: Any) -> None:
        result = run()

        assert (result.exit_code, result.counts.new) == (0, 2)
        assert run().exit_code == 0

    def test_a_missing_column_is_told_by_its_name_and_changes_nothing(self, run: Any, book: Book) -> None:
        run()
        book.rename_header("main", "current_lesson", "lesson")

        result = run()

        errors = [each.error for each in result.streams if each.error is not None]
        assert [type(error) for error in errors] == [SourceChanged]
        assert "has no column 'current_lesson'; found" in str(errors[0])
        assert len(run.rows()) == 2

    def test_of_a_student_who_stands_twice_the_last_row_counts(self, run: Any, book: Book) -> None:
        put(book, HEADER, DANA, OMER, [*DANA[:2], 13, "Noa"], [DANA[0], "Dana's brother", 1, "Noa"])

        result = run()

        counts = result.counts
        assert (counts.new, counts.duplicate, counts.rejected) == (3, 1, 0)
        assert (DANA[0], "Dana", "13") in run.rows()

    def test_half_typed_rows_are_rejected_and_nobody_is_removed_for_them(self, run: Any, book: Book) -> None:
        run()
        put(book, HEADER, DANA, [OMER[0], None, 3], [None, "Omer", 3], [None, " ", None, "Noa"], [" ", "  "])

        result = run()

        assert result.counts.rejected == 3
        assert result.counts.removed == 0
        warned = [event.message for event in run.heard if isinstance(event, Warned)]
        assert any("no row is marked as removed" in each for each in warned)

    def test_formulas_as_keys_are_what_they_come_to(self, run: Any, book: Book) -> None:
        put(book, HEADER, DANA, [Formula("=A2"), Formula('="Omer"'), 3], [Formula("=1/0"), "Gil", 1])

        result = run()

        assert (result.counts.new, result.counts.rejected) == (2, 1)
        assert run.rows() == [(DANA[0], "Dana", "12"), (DANA[0], "Omer", "3")]

    def test_phones_are_taken_as_they_are_shown(self, run: Any, book: Book) -> None:
        put(book, HEADER, [972550000001, "Dana", 12], ["\u202a972 55-000-0002\u202c", "Omer", 3])
        show(book, 0, "NUMBER", "000 00-000-0000")

        run()

        assert [row[0] for row in run.rows()] == [DANA[0], "\u202a972 55-000-0002\u202c"]
