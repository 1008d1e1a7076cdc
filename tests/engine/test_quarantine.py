"""Quarantine: rejected rows are shown, repaired, tried again and let go of; nothing newer is ever overwritten."""

import csv
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import load_workbook

from backhaul import checks
from backhaul.engine.events import Warned
from backhaul.engine.lock import pipeline_lock
from backhaul.engine.quarantine import dismiss, export_rows, open_rows
from backhaul.engine.replay import ZONES, replay_pipeline
from backhaul.engine.rework import repair, requeue
from backhaul.engine.run import RunResult
from backhaul.errors import AlreadyRunning, ConfigError, DeliveryError
from backhaul.model import Batch, Changes, Counts, Rejected, RowClass, Severity, Stream
from backhaul.sealing import new_key
from tests.engine.place import DAY, Place

NAME = "andalan.user"
CITY = "Kota"
STRICT = {"checks": (checks.one_of(CITY, ["Kota Contoh"]),)}
CHECK = "Kota is not one of Kota Contoh"
LATER = "2025-09-12..2025-09-13"


@pytest.fixture
def strict(place: Place) -> Place:
    """An installation in which rows of other cities than one are in quarantine."""
    result = place.run_changed(NAME, changes=STRICT)
    assert 0 < result.counts.rejected < 16
    return place


def rejected(place: Place) -> int:
    [(number,)] = place.ledger("SELECT count(*) FROM quarantine WHERE state = 'open'")
    return int(number)


def states(place: Place) -> dict[str, int]:
    return dict(place.ledger("SELECT state, count(*) FROM quarantine GROUP BY state"))


def do_requeue(place: Place, **changes: Any) -> RunResult:
    return requeue(place.changed(NAME, **changes), place.installation, [place.events.append])


def do_repair(place: Place, path: Path, **changes: Any) -> RunResult:
    return repair(place.changed(NAME, **{**STRICT, **changes}), place.installation, path, [place.events.append])


def exported(place: Place, name: str = "rejected.xlsx", **changes: Any) -> Path:
    path = place.folder / name
    export_rows(place.changed(NAME, **{**STRICT, **changes}), place.installation, path)
    return path


def edited(path: Path, **cells: Any) -> Path:
    """Write these values into every row of the workbook, as a person would by filling down."""
    book = load_workbook(path)
    sheet = book.active
    header = [cell.value for cell in sheet[1]]
    for row in range(2, sheet.max_row + 1):
        for name, value in cells.items():
            sheet.cell(row, header.index(name) + 1, value)
    book.save(path)
    return path


def cities(place: Place) -> list[str]:
    return sorted(city for frame in place.installation.curated.read("user") for city in frame[CITY])


def warnings(place: Place) -> str:
    return "\n".join(event.message for event in place.told(Warned))


def test_a_rejected_row_is_shown_as_it_came_with_the_check_it_failed(strict: Place) -> None:
    shown = open_rows(strict.changed(NAME, **STRICT), strict.installation)

    assert len(shown) == rejected(strict)
    assert {row.check for row in shown} == {CHECK}
    assert all(row.values is not None and row.values[CITY] != "Kota Contoh" for row in shown)
    assert {row.file for row in shown} == {f"user-{DAY}.xlsx"}
    assert len(open_rows(strict.changed(NAME, **STRICT), strict.installation, 1)) == 1


def test_a_row_whose_file_is_gone_is_named_without_its_values(strict: Place) -> None:
    for path in (strict.folder / "data" / "lake" / "raw").rglob("*"):
        if path.is_file():
            path.unlink()

    shown = open_rows(strict.changed(NAME, **STRICT), strict.installation)

    assert [row.values for row in shown] == [None] * rejected(strict)


def test_the_summary_counts_by_check(strict: Place) -> None:
    [line] = strict.installation.ledger.rejects.summary()

    assert (line["stream"], line["check"], line["destination"]) == (NAME, CHECK, "")
    assert line["rows"] == rejected(strict)


def test_requeued_rows_that_pass_now_are_delivered(strict: Place) -> None:
    waiting = rejected(strict)

    result = do_requeue(strict)

    assert (result.exit_code, result.counts) == (0, Counts(new=waiting))
    assert len(strict.rows("user")) == 16
    assert states(strict) == {"requeued": waiting}
    assert do_requeue(strict).counts == Counts()
    assert strict.run_changed(NAME, changes={}).counts == Counts(unchanged=16)


def test_requeued_rows_that_fail_again_stay_with_their_new_reason(strict: Place) -> None:
    other = {"checks": (checks.one_of(CITY, ["Kota Contoh", "Kota Misal"]),)}
    waiting = rejected(strict)

    result = do_requeue(strict, **other)

    assert result.counts.rows == waiting
    assert result.counts.rejected == rejected(strict) > 0
    assert result.counts.new == states(strict)["requeued"]
    [line] = strict.installation.ledger.rejects.summary()
    assert line["check"] == "Kota is not one of Kota Contoh, Kota Misal"


def test_a_requeue_in_which_nothing_passes_changes_nothing(strict: Place) -> None:
    before, waiting = strict.rows("user"), rejected(strict)

    result = do_requeue(strict, **STRICT)

    assert (result.exit_code, result.counts) == (0, Counts(rejected=waiting))
    assert strict.rows("user") == before
    assert strict.ledger("SELECT count(*) FROM batches") == [(1,)]
    assert len(list((strict.folder / "data" / "lake" / "staging").iterdir())) == 1


def test_a_requeue_is_no_earlier_batch_for_the_check_of_shrinkage(strict: Place) -> None:
    do_requeue(strict)

    assert strict.installation.ledger.earlier_rows(NAME) == (16 - states(strict)["requeued"],)


def test_a_requeue_is_not_judged_by_table_checks(strict: Place) -> None:
    result = do_requeue(strict, checks=(checks.rows_between(10, 20), checks.not_shrunk()))

    assert result.exit_code == 0
    assert len(strict.rows("user")) == 16


def test_a_requeue_that_a_stop_check_holds_back_waits_for_a_person(strict: Place) -> None:
    stop = {"checks": (checks.one_of(CITY, ["Kota Contoh"], Severity.STOP),)}

    held = do_requeue(strict, **stop)

    assert held.streams[0].status == "held"
    assert len(strict.rows("user")) < 16
    strict.run_changed(NAME, changes=stop, accept=True)
    assert len(strict.rows("user")) == 16


def test_a_row_that_a_newer_file_has_brought_good_is_not_put_over_it(strict: Place) -> None:
    for row in strict.office.data["user"]:
        row[CITY] = "Kota Contoh"
    strict.run_changed(NAME, changes=STRICT, window=LATER)
    before, waiting = strict.rows("user"), rejected(strict)
    assert waiting > 0

    result = do_requeue(strict)

    assert (result.exit_code, result.counts) == (0, Counts())
    assert strict.rows("user") == before
    assert states(strict) == {"superseded": waiting}
    assert "newer files have brought the same keys" in warnings(strict)


def test_of_a_row_that_several_files_brought_the_newest_is_requeued(strict: Place) -> None:
    waiting = rejected(strict)
    for row in strict.office.data["user"]:
        if row[CITY] != "Kota Contoh":
            row[CITY] = "Kota Baru"
    strict.run_changed(NAME, changes=STRICT, window=LATER)
    assert rejected(strict) > waiting

    do_requeue(strict)

    assert set(cities(strict)) == {"Kota Contoh", "Kota Baru"}
    assert states(strict)["superseded"] == waiting


def test_after_newer_files_were_pruned_a_key_that_is_there_is_left_alone(strict: Place) -> None:
    waiting = rejected(strict)
    for row in strict.office.data["user"]:
        row[CITY] = "Kota Contoh"
    strict.run_changed(NAME, changes=STRICT, window=LATER)
    newest = strict.ledger("SELECT id FROM artifacts ORDER BY number DESC LIMIT 1")[0][0]
    strict.installation.ledger.kept_files.pruned(newest)

    result = do_requeue(strict)

    assert result.counts == Counts()
    assert states(strict) == {"superseded": waiting}
    assert set(cities(strict)) == {"Kota Contoh"}


def test_repaired_rows_arrive_and_leave_quarantine(strict: Place) -> None:
    waiting = rejected(strict)

    result = do_repair(strict, edited(exported(strict), Kota="Kota Contoh"))

    assert (result.exit_code, result.counts) == (0, Counts(new=waiting))
    assert cities(strict) == ["Kota Contoh"] * 16
    assert states(strict) == {"repaired": waiting}
    assert strict.ledger("SELECT name, state, origin FROM artifacts ORDER BY number DESC LIMIT 1") == [
        ("repaired rows.parquet", "staged", "repair")
    ]


@pytest.mark.parametrize("name", ["rejected.xlsx", "rejected.csv"])
def test_what_was_not_changed_in_the_file_arrives_as_it_came(place: Place, name: str) -> None:
    place.run(NAME)
    clean = {row[0]: row for row in place.rows("user")}
    place.installation.warehouse.unlink()
    shouting = {"transform": lambda frame: frame.with_columns(pl.col(CITY).str.to_uppercase())}
    place.run_changed(NAME, changes={**STRICT, **shouting})
    path = exported(place, name, **shouting)

    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, CITY: "Kota Contoh"} for row in rows)
    else:
        edited(path, Kota="Kota Contoh")
    result = do_repair(place, path, **shouting)

    assert result.counts == Counts(new=16)
    columns = next(iter(place.installation.curated.read("user"))).columns
    at = columns.index(CITY)
    for row in place.rows("user"):
        assert row[:at] + row[at + 1 :] == clean[row[0]][:at] + clean[row[0]][at + 1 :]


def test_the_same_file_twice_changes_nothing(strict: Place) -> None:
    path = edited(exported(strict), Kota="Kota Contoh")
    do_repair(strict, path)
    before = strict.ledger("SELECT * FROM quarantine"), strict.rows("user")

    again = do_repair(strict, path)

    assert (again.exit_code, again.counts) == (0, Counts())
    assert (strict.ledger("SELECT * FROM quarantine"), strict.rows("user")) == before
    assert "left out: repaired already" in warnings(strict)


def test_a_row_that_still_fails_stays_with_its_new_reason(strict: Place) -> None:
    waiting = rejected(strict)
    known = {"checks": (*STRICT["checks"], checks.matches("Nama", "^[A-Z]"))}

    result = do_repair(strict, edited(exported(strict), Kota="Kota Contoh", Nama="0"), **known)

    assert result.counts == Counts(rejected=waiting)
    assert states(strict) == {"repaired": waiting, "open": waiting}
    shown = open_rows(strict.changed(NAME, **known), strict.installation)
    assert {row.check for row in shown} == {"Nama does not match ^[A-Z]"}
    assert {row.values["Nama"] for row in shown if row.values} == {"0"}

    again = do_repair(strict, edited(exported(strict, "again.xlsx"), Nama="Toko Contoh"), **known)

    assert again.counts == Counts(new=waiting)


def test_a_cell_that_is_not_what_its_column_wants_leaves_the_row_in_quarantine(strict: Place) -> None:
    waiting = rejected(strict)

    result = do_repair(strict, edited(exported(strict), Kota="Kota Contoh", Tanggal="kemarin"))

    assert result.counts == Counts(rejected=waiting)
    [line] = strict.installation.ledger.rejects.summary()
    assert line["check"].startswith("Tanggal is not a ")
    assert "kemarin" not in str(strict.ledger("SELECT * FROM events"))


def test_a_file_in_which_nothing_was_changed_is_no_repair(strict: Place) -> None:
    waiting = rejected(strict)

    result = do_repair(strict, exported(strict))

    assert result.counts == Counts(rejected=waiting)
    assert states(strict) == {"open": waiting}
    assert "nothing was changed in them" in warnings(strict)


def test_rows_that_are_not_of_this_quarantine_are_refused_by_their_number(strict: Place) -> None:
    path = edited(exported(strict), Kota="Kota Contoh")
    book = load_workbook(path)
    book.active["A3"] = "999-abcdef"
    book.save(path)

    before = strict.ledger("SELECT * FROM quarantine"), strict.rows("user")
    with pytest.raises(ConfigError, match=r"row 3 is not of andalan\.user's quarantine; nothing was changed"):
        do_repair(strict, path)

    assert (strict.ledger("SELECT * FROM quarantine"), strict.rows("user")) == before


def test_a_row_that_stands_twice_in_the_file_is_refused(strict: Place) -> None:
    path = edited(exported(strict), Kota="Kota Contoh")
    book = load_workbook(path)
    book.active["A3"] = book.active["A2"].value
    book.save(path)

    with pytest.raises(ConfigError, match="rows 2, 3 are there twice"):
        do_repair(strict, path)


def test_a_file_without_the_column_of_tickets_is_refused(strict: Place) -> None:
    path = strict.folder / "other.csv"
    path.write_text("User ID,Kota\nU-1,Kota Contoh\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="has no column _quarantine"):
        do_repair(strict, path)


def test_an_export_overwrites_no_file(strict: Place) -> None:
    path = exported(strict)

    with pytest.raises(ConfigError, match="is there already"):
        export_rows(strict.changed(NAME, **STRICT), strict.installation, path)


@pytest.mark.parametrize("name", ["rejected.txt", "rejected"])
def test_an_export_is_a_workbook_or_csv(strict: Place, name: str) -> None:
    with pytest.raises(ConfigError, match=r"neither \.xlsx nor \.csv"):
        exported(strict, name)


def test_a_repair_is_not_put_over_what_a_newer_file_has_brought(strict: Place) -> None:
    path = edited(exported(strict), Kota="Kota Contoh", Nama="Nama Lama")
    for row in strict.office.data["user"]:
        row[CITY] = "Kota Contoh"
    strict.run_changed(NAME, changes=STRICT, window=LATER)
    before = strict.rows("user")

    result = do_repair(strict, path)

    assert (result.exit_code, result.counts) == (0, Counts())
    assert strict.rows("user") == before
    assert "newer files have brought the same keys" in warnings(strict)


def test_a_file_of_the_same_days_supersedes_without_a_word(strict: Place) -> None:
    waiting = rejected(strict)
    for row in strict.office.data["user"]:
        row[CITY] = "Kota Contoh"

    strict.run_changed(NAME, changes=STRICT)

    assert states(strict) == {"superseded": waiting}


def test_a_replay_keeps_what_was_repaired_and_dismissed(strict: Place) -> None:
    do_repair(strict, edited(exported(strict), Kota="Kota Contoh"))
    before, closed = strict.rows("user"), states(strict)

    result = replay_pipeline(strict.changed(NAME, **STRICT), strict.installation, ZONES, [strict.events.append])

    assert (result.exit_code, result.counts) == (0, Counts(unchanged=16))
    assert strict.rows("user") == before
    assert states(strict) == closed


def test_a_lost_warehouse_comes_back_with_its_repairs(strict: Place) -> None:
    do_repair(strict, edited(exported(strict), Kota="Kota Contoh"))
    before = strict.rows("user")
    strict.installation.warehouse.unlink()

    result = replay_pipeline(strict.changed(NAME, **STRICT), strict.installation, ZONES, [])

    assert result.counts == Counts(new=16)
    assert strict.rows("user") == before


def test_a_replay_after_a_requeue_counts_each_row_once(strict: Place) -> None:
    do_requeue(strict)
    before = strict.rows("user")

    result = replay_pipeline(strict.changed(NAME), strict.installation, ZONES, [strict.events.append])

    assert (result.exit_code, result.counts) == (0, Counts(unchanged=16))
    assert strict.rows("user") == before
    assert rejected(strict) == 0


def test_an_export_of_before_a_replay_is_not_taken_for_other_rows(strict: Place) -> None:
    path = edited(exported(strict), Kota="Kota Contoh")
    replay_pipeline(strict.changed(NAME, **STRICT), strict.installation, ZONES, [])

    with pytest.raises(ConfigError, match=r"not of andalan\.user's quarantine"):
        do_repair(strict, path)

    assert rejected(strict) > 0


def test_dismissed_rows_are_told_no_more(strict: Place) -> None:
    waiting = rejected(strict)

    none = dismiss(strict.changed(NAME), strict.installation, "another check")
    gone = dismiss(strict.changed(NAME), strict.installation, CHECK)

    assert (none.rows, gone.rows, gone.files) == (0, waiting, 0)
    assert strict.installation.ledger.history.open_work() == []
    [(what, target, detail)] = strict.ledger("SELECT what, target, detail FROM audit")
    assert (what, target) == ("dismiss", NAME)
    assert detail == f"{waiting} rows, 0 refused files, 0 held batches; {CHECK}"


def test_refused_files_are_dismissed_with_all_rows(place: Place) -> None:
    place.run_changed(NAME, changes={"transform": lambda frame: frame.select("Tidak Ada")})
    assert [each["what"] for each in place.installation.ledger.history.open_work()] == ["refused files"]

    gone = dismiss(place.changed(NAME), place.installation)

    assert (gone.rows, gone.files) == (0, 1)
    assert place.installation.ledger.history.open_work() == []
    assert replay_pipeline(place.changed(NAME), place.installation, ZONES, []).counts == Counts()


def test_while_a_run_holds_the_pipeline_nothing_is_repaired(strict: Place) -> None:
    path = edited(exported(strict), Kota="Kota Contoh")

    with pipeline_lock(strict.installation.data / "locks", "andalan", wait=False):
        for work in (
            lambda: do_requeue(strict),
            lambda: do_repair(strict, path),
            lambda: dismiss(strict.changed(NAME), strict.installation),
        ):
            with pytest.raises(AlreadyRunning):
                work()
        assert len(open_rows(strict.changed(NAME, **STRICT), strict.installation)) == rejected(strict)


def test_the_ledger_and_the_events_hold_nothing_of_a_repaired_row(strict: Place) -> None:
    do_repair(strict, edited(exported(strict), Kota="Kota Contoh", Nama="Orang Rahasia"))

    with (strict.folder / "data" / "ledger.db").open("rb") as file:
        assert b"Orang Rahasia" not in file.read()
    assert not any("Orang Rahasia" in str(event) for event in strict.events)


def test_rows_of_a_personal_stream_are_repaired_and_stay_encrypted(place: Place) -> None:
    place.settings["BACKHAUL_KEY"] = new_key()
    personal = {**STRICT, "personal": True}
    place.run_changed(NAME, changes=personal)
    waiting = rejected(place)

    result = do_repair(place, edited(exported(place, **personal), Kota="Kota Contoh"), **personal)

    assert result.counts == Counts(new=waiting)
    raw = place.folder / "data" / "lake" / "raw"
    assert {path.suffix for path in raw.rglob("*") if path.is_file()} == {".sealed"}
    assert list((place.folder / "data" / "lake" / "opened").rglob("*.parquet")) == []


@dataclass(frozen=True)
class Board:
    """A destination that keeps rows in memory, refuses long names, and can be down."""

    kept: dict[str, tuple[object, ...]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    longest: int = 5
    name: str = "board"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        if self.trouble:
            raise DeliveryError(self.trouble[0])
        kinds, refused = [], []
        for frame in batch.frames():
            for row in frame.iter_rows(named=True):
                if len(row["Nama"]) > self.longest:
                    kinds.append(RowClass.REFUSED)
                    refused.append(Rejected(row["_row"], "Nama is too long"))
                else:
                    known = self.kept.get(row[stream.key[0]])
                    kinds.append(
                        RowClass.NEW
                        if known is None
                        else RowClass.UNCHANGED
                        if known == tuple(row.values())[1:]
                        else RowClass.UPDATED
                    )
        return Changes(batch, pl.Series("class", [int(kind) for kind in kinds], dtype=pl.UInt8), tuple(refused))

    def write(self, stream: Stream, changes: Changes) -> Counts:
        for kind in (RowClass.NEW, RowClass.UPDATED):
            for frame in changes.rows(kind):
                self.kept.update({row[stream.key[0]]: tuple(row.values())[1:] for row in frame.iter_rows(named=True)})
        return changes.counts


def shortened(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("Nama").str.slice(0, 5))


def test_rows_that_one_destination_refused_go_only_there(place: Place) -> None:
    board = Board()
    place.run_changed(NAME, changes={"to": (board,)})
    assert rejected(place) == 16
    before = place.rows("user")

    result = do_requeue(place, to=(board,), transform=shortened)

    assert result.counts == Counts(new=16)
    assert len(board.kept) == 16
    assert place.rows("user") == before, "curated had them already, and keeps them as they are"
    assert states(place) == {"requeued": 16}


def test_rows_that_are_refused_again_stay_in_quarantine_once(place: Place) -> None:
    board = Board()
    place.run_changed(NAME, changes={"to": (board,)})

    result = do_requeue(place, to=(board,))

    assert result.counts == Counts(rejected=16)
    assert rejected(place) == 16


def test_a_destination_that_is_down_gets_the_requeued_rows_next_time(strict: Place) -> None:
    board, waiting = Board(longest=99), rejected(strict)
    board.trouble.append("board: it is down")

    result = do_requeue(strict, to=(board,))

    assert (result.exit_code, result.streams[0].status) == (3, "pending")
    assert len(strict.rows("user")) == 16
    board.trouble.clear()
    strict.run_changed(NAME, changes={"to": (board,)}, window="2025-09-10")
    assert len(board.kept) == waiting


def test_of_a_complete_stream_a_requeue_marks_nothing_as_gone(strict: Place) -> None:
    result = do_requeue(strict, complete=True)

    assert result.counts.removed == 0
    [frame] = strict.installation.curated.read("user")
    assert "removed_at" not in frame.columns or frame["removed_at"].null_count() == frame.height == 16


def test_one_stream_at_a_time(place: Place) -> None:
    from backhaul.engine.systems import find

    with pytest.raises(ConfigError, match="andalan has 4 streams"):
        requeue(find(place.folder / "systems", "andalan")[0], place.installation)


def test_a_repair_that_was_cut_off_is_finished_by_the_next_run(strict: Place) -> None:
    path, waiting = edited(exported(strict), Kota="Kota Contoh"), rejected(strict)
    armed = True

    def cut_off(event: str, arguments: tuple[object, ...]) -> None:
        folder = str(arguments[0]) if event == "os.mkdir" else ""
        if armed and "staging" in folder and folder.endswith(".part"):
            raise KeyboardInterrupt

    sys.addaudithook(cut_off)
    try:
        with pytest.raises(KeyboardInterrupt):
            do_repair(strict, path)
    finally:
        armed = False
    assert states(strict) == {"repaired": waiting}
    assert len(strict.rows("user")) == 16 - waiting

    result = strict.run_changed(NAME, changes=STRICT, window="2025-09-10")

    assert result.exit_code == 0
    assert cities(strict) == ["Kota Contoh"] * 16
    assert do_repair(strict, path).counts == Counts()


def test_a_batch_that_is_held_can_be_let_go_of_for_good(place: Place) -> None:
    too_few = {"checks": (checks.rows_between(100, 200),)}
    place.run_changed("andalan.user", changes=too_few)

    gone = dismiss(place.changed("andalan.user"), place.installation)
    accepted = place.run_changed("andalan.user", changes=too_few, window="2025-09-11", accept=True)

    assert (gone.rows, gone.files, gone.batches) == (0, 0, 1)
    assert accepted.counts.rows == len(place.rows("user")) == 5
    assert [each["what"] for each in place.installation.ledger.history.open_work()] == []
