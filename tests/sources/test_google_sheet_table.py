"""A worksheet is read once a run, kept once, and refused in words that say what to do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backhaul import Pipeline, Schedule, Setting
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Checkable, Stream
from backhaul.retry import Budget
from backhaul.sandbox import Book, SheetsFault
from backhaul.sandbox.sheets.values import Formula
from backhaul.sessions.vault import Vault
from backhaul.sources import GoogleSheetTable
from backhaul.sources.sheet_table import reading
from tests.destinations.google_place import Google, google
from tests.sources.sheet_place import HEADER, WINDOW, Reader, put

DANA = ["055-0000001", "Dana", 12, "Noa", "01/09/2025"]
OMER = ["055-0000002", "Omer", 3, "Noa", None]


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


class TestFetch:
    def test_a_worksheet_is_one_call_and_one_file(self, reader: Reader, place: Google) -> None:
        stream = reader.stream()

        fetched = reader.fetch(stream)

        assert place.told() == ["R"]
        assert [file.name for file in fetched.artifacts] == ["main.json"]
        assert reader.parse(stream, fetched.artifacts[0]).rows() == [tuple(DANA), tuple(OMER)]

    def test_the_file_says_what_it_was_read_from(self, reader: Reader, book: Book) -> None:
        kept = json.loads(reader.fetch(reader.stream()).artifacts[0].path.read_bytes())

        assert (kept["spreadsheet"], kept["title"], kept["worksheet"]) == (book.id, "Roster", "main")
        assert kept["rows"][1] == DANA

    def test_the_same_cells_are_the_same_bytes_whenever_they_are_read(self, reader: Reader, place: Google) -> None:
        first = reader.fetch(reader.stream()).artifacts[0]
        place.time.seconds += 86_400

        assert reader.fetch(reader.stream()).artifacts[0].sha256 == first.sha256

    def test_what_is_as_it_was_is_not_taken_again(self, reader: Reader) -> None:
        first = reader.fetch(reader.stream())

        second = reader.fetch(reader.stream(), first.cursor)

        assert (second.artifacts, second.cursor) == ((), first.cursor)
        assert second.newest is not None and first.newest is not None and second.newest.id == first.newest.id

    def test_cells_that_are_changed_and_changed_back_are_taken_each_time(self, reader: Reader, book: Book) -> None:
        cursors = [reader.fetch(reader.stream()).cursor]
        for lesson in (13, 12):
            book.type_cell("main", "C2", lesson)
            fetched = reader.fetch(reader.stream(), cursors[-1])
            assert len(fetched.artifacts) == 1
            cursors.append(fetched.cursor)

        assert cursors[0] == cursors[2] != cursors[1]

    def test_streams_of_one_worksheet_share_one_read_of_a_session(
        self, reader: Reader, place: Google, book: Book, tmp_path: Path
    ) -> None:
        put(book, ["id"], ["7"], tab="other")
        source = reader.source()
        streams = [source.table(f"s{number}", key="phone_number") for number in range(4)]
        streams.append(source.table("other", key="id", worksheet="other"))
        session, found = source.open(Vault(tmp_path / "vault")), []

        def fetch(stream: Stream) -> None:
            landing = LandingFolder(tmp_path / stream.name)
            found.append(source.fetch(session, stream, WINDOW, None, landing))

        threads = [threading.Thread(target=fetch, args=(stream,)) for stream in streams]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        session.close()

        assert (len(found), place.told()) == (5, ["R", "R"])

    def test_a_read_that_failed_is_made_anew_by_the_next_stream(
        self, reader: Reader, place: Google, tmp_path: Path
    ) -> None:
        stream, landing = reader.stream(), LandingFolder(tmp_path / "landing")
        session = stream.source.open(Vault(tmp_path / "vault"))
        place.sandbox.faults.add(SheetsFault.SERVER_ERROR, times=4)

        with pytest.raises(TransientError):
            stream.source.fetch(session, stream, WINDOW, None, landing)
        assert not landing.folder.exists()

        assert stream.source.fetch(session, stream, WINDOW, None, landing).artifacts
        session.close()

    def test_a_cell_with_half_of_a_character_is_kept_all_the_same(self, reader: Reader, book: Book) -> None:
        book.type_cell("main", "B2", "Dana \ud83d")

        assert reader.rows()["name"][0] == "Dana ?"


class TestLarge:
    @pytest.fixture
    def small_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "FIRST_ROWS", 10)
        monkeypatch.setattr(reading, "CELLS_A_CALL", 26 * 30)

    @pytest.fixture
    def long(self, book: Book) -> Book:
        rows: list[list[Any]] = [[f"{number:03d}", f"Name {number}"] for number in range(100)]
        rows[9:12], rows[40] = [[], [], []], []
        put(book, ["phone_number", "name"], *rows)
        return book

    @pytest.mark.usefixtures("small_calls")
    def test_a_large_worksheet_is_read_in_parts_without_losing_a_row(
        self, reader: Reader, long: Book, place: Google
    ) -> None:
        rows = reader.rows()

        assert rows["phone_number"].to_list() == [f"{n:03d}" for n in range(100) if n not in (9, 10, 11, 40)]
        assert place.sandbox.reads > 3

    @pytest.mark.usefixtures("small_calls")
    @pytest.mark.parametrize(
        "edit",
        [
            lambda book: book.insert_row("main", 2, ["900", "New"]),
            lambda book: book.delete_row("main", 2),
            lambda book: book.sort("main", 1, descending=True),
        ],
    )
    def test_rows_that_move_between_two_parts_are_read_anew(self, reader: Reader, long: Book, edit: Any) -> None:
        long.before_call(edit, nth=3)

        with pytest.raises(TransientError, match="worksheet 'main' was edited while it was read"):
            reader.rows()

    @pytest.mark.usefixtures("small_calls")
    def test_a_number_that_is_another_at_each_look_moves_nothing(self, reader: Reader, long: Book) -> None:
        long.before_call(lambda book: book.type_cell("main", "C10", 5), nth=2)

        assert reader.rows().height == 96

    @pytest.mark.usefixtures("small_calls")
    def test_a_worksheet_that_is_cut_between_two_parts_is_read_anew(self, reader: Reader, long: Book) -> None:
        def cut(book: Book) -> None:
            for _ in range(995):
                book.delete_row("main", 6)

        long.before_call(cut, nth=3)

        with pytest.raises(TransientError, match="somebody renamed or cut worksheet 'main'"):
            reader.rows()

    @pytest.mark.usefixtures("small_calls")
    def test_a_worksheet_that_is_deleted_between_two_parts_is_gone(self, reader: Reader, long: Book) -> None:
        long.before_call(lambda book: book.delete_tab("main"), nth=3)

        with pytest.raises(SourceChanged, match="no worksheet 'main'"):
            reader.rows()

    def test_a_worksheet_that_would_fill_memory_is_refused(
        self, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "MOST_CELLS", 13)

        with pytest.raises(SourceChanged, match="over 13 filled cells"):
            reader.rows()


class TestRefusals:
    def test_a_worksheet_that_was_renamed_is_told_with_those_that_are_there(self, reader: Reader, book: Book) -> None:
        book.rename_tab("main", "Main 2025")

        with pytest.raises(SourceChanged, match="no worksheet 'main'; the spreadsheet has 'Sheet1', 'Main 2025'"):
            reader.fetch(reader.stream())

    def test_a_spreadsheet_that_is_not_shared_names_the_address_to_share_it_with(
        self, reader: Reader, book: Book, place: Google
    ) -> None:
        book.unshare()

        with pytest.raises(ConfigError, match="not shared") as caught:
            reader.fetch(reader.stream())

        assert f"add {place.sandbox.client_email} as Viewer" in caught.value.next_step

    def test_a_viewer_may_read(self, reader: Reader, book: Book) -> None:
        book.share(can_write=False)

        assert reader.rows().height == 2

    @pytest.mark.parametrize(
        ("sheet", "said"), [("x" * 44, "no spreadsheet of this id"), ("my sheet", "neither a spreadsheet's address")]
    )
    def test_a_wrong_id_is_a_setting_to_correct(self, reader: Reader, sheet: str, said: str) -> None:
        stream = reader.source(sheet=sheet).table("roster", key="phone_number")

        with pytest.raises(ConfigError, match=said):
            reader.fetch(stream)

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            (SheetsFault.SERVICE_DISABLED, "the Google Sheets API is switched off"),
            (SheetsFault.TOKEN_REFUSED, "does not accept the key"),
        ],
    )
    def test_what_a_person_must_switch_on_or_renew_is_a_setting(
        self, reader: Reader, place: Google, fault: SheetsFault, said: str
    ) -> None:
        place.sandbox.expire_tokens()
        place.time.seconds += 4_000
        place.sandbox.faults.add(fault, times=None)

        with pytest.raises(ConfigError, match=said):
            reader.fetch(reader.stream())

    @pytest.mark.parametrize(
        "fault",
        [
            SheetsFault.TOO_MANY_REQUESTS,
            SheetsFault.UNAVAILABLE_BEFORE,
            SheetsFault.BAD_GATEWAY_HTML,
            SheetsFault.EMPTY_503,
            SheetsFault.CUT_BEFORE,
            SheetsFault.CUT_AFTER,
        ],
    )
    def test_what_passes_by_itself_is_tried_again_and_ends(
        self, reader: Reader, place: Google, fault: SheetsFault
    ) -> None:
        place.sandbox.faults.add(fault, times=2)
        assert reader.rows().height == 2

        place.sandbox.faults.add(fault, times=None)
        with pytest.raises(TransientError):
            reader.fetch(reader.stream())

    def test_an_address_that_sends_tokens_unprotected_is_refused(self, reader: Reader) -> None:
        account = reader.google.sandbox.service_account()
        source = GoogleSheetTable(reader.book.url, account=account, api_url="http://sheets.example")

        with pytest.raises(ConfigError, match="GOOGLE_API_URL"):
            reader.fetch(source.table("roster", key="phone_number"))

    def test_the_key_of_the_account_is_not_shown(self, reader: Reader) -> None:
        account = reader.google.sandbox.service_account()

        assert json.loads(account)["private_key_id"] not in repr(reader.source(account=account))

    def test_a_header_row_that_is_none_is_a_mistake_of_the_pipeline(self, reader: Reader) -> None:
        with pytest.raises(ConfigError, match="header_row 0"):
            reader.stream(header_row=0)


class TestCheck:
    def test_it_names_the_spreadsheet_and_its_worksheets(self, reader: Reader, book: Book) -> None:
        book.add_tab("_hidden")
        book.hide_tab("_hidden")
        source = reader.source()
        assert isinstance(source, Checkable)

        assert source.check() == "Roster, worksheets Sheet1, main"

    def test_it_says_that_it_is_not_shared(self, reader: Reader, book: Book) -> None:
        book.unshare()

        with pytest.raises(ConfigError, match="not shared"):
            reader.source().check()


class TestRuns:
    @pytest.fixture
    def run(self, place: Google, book: Book, tmp_path: Path) -> Any:
        settings = {
            "SHEET_ID": book.url,
            "GOOGLE_API_URL": place.sandbox.url,
            "CREDENTIALS_FILE": place.sandbox.service_account(),
        }
        source = GoogleSheetTable(Setting("SHEET_ID"), patience=place.patience())
        stream = source.table("roster", key="phone_number", columns=HEADER, complete=True)
        target = Target(
            "kelas", Pipeline("kelas", [stream], schedule=Schedule("0 * * * *", timezone="Asia/Jerusalem"))
        )
        installation = Installation(tmp_path / "data", settings)
        budget = Budget(attempts=2, seconds=20.0, first_wait_s=0.01, longest_wait_s=0.05)
        heard: list[Event] = []

        def once() -> RunResult:
            heard.clear()
            return run_pipeline(target, installation, RunOptions(budget=budget), [heard.append])

        def rows() -> list[tuple[Any, ...]]:
            frames = list(installation.curated.read("roster"))
            return sorted(row[:3] for frame in frames for row in frame.select(HEADER).rows())

        once.rows, once.heard = rows, heard  # type: ignore[attr-defined]
        return once

    def test_a_run_delivers_and_an_idle_one_is_a_single_read(self, run: Any, place: Google) -> None:
        first = run()
        place.sandbox.reset_calls()
        second = run()

        assert (first.exit_code, first.counts.new, second.exit_code, second.counts.rows) == (0, 2, 0, 0)
        assert place.told() == ["R"]
        assert run.rows() == [("055-0000001", "Dana", 12), ("055-0000002", "Omer", 3)]

    def test_values_that_come_back_are_delivered_again(self, run: Any, book: Book) -> None:
        for lesson in (12, 13, 12):
            book.type_cell("main", "C2", lesson)
            run()

        assert run.rows()[0] == ("055-0000001", "Dana", 12)

    def test_a_phone_that_stands_twice_and_rows_without_one_are_told(self, run: Any, book: Book) -> None:
        put(book, HEADER, DANA, OMER, [None, "Half", 1], [DANA[0], "Dana B", 13, "Noa"])

        result = run()

        counts = result.counts
        assert (counts.new, counts.duplicate, counts.rejected) == (2, 1, 1)
        assert run.rows()[0] == ("055-0000001", "Dana B", 13)

    def test_cells_with_errors_are_empty_and_the_run_warns(self, run: Any, book: Book) -> None:
        put(book, HEADER, [*DANA[:2], Formula("=1/0"), "Noa"], OMER)

        assert run().exit_code == 0
        told = [event.message for event in run.heard if isinstance(event, Warned)]
        assert any("C2 #DIV/0!" in each for each in told)
        assert run.rows()[0] == ("055-0000001", "Dana", None)

    def test_a_lost_header_delivers_nothing_until_it_is_back(self, run: Any, book: Book) -> None:
        run()
        book.rename_header("main", "teacher", "Teacher")
        book.type_cell("main", "C2", 99)

        broken = run()
        assert broken.exit_code == 1
        assert run.rows()[0] == ("055-0000001", "Dana", 12)

        book.rename_header("main", "Teacher", "teacher")
        assert run().exit_code == 0
        assert run.rows()[0] == ("055-0000001", "Dana", 99)


def test_the_libraries_of_google_are_loaded_only_when_a_sheet_is_read() -> None:
    code = (
        "import sys, backhaul.sources as s; s.GoogleSheetTable('x', account='y').table('t', key='k');"
        "print([m for m in ('gspread', 'google.auth', 'requests', 'httpx', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
