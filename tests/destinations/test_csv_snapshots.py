"""Dated copies of CSV files: their names, how many stay, and that no other file is touched."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.config import Setting, resolved
from backhaul.destinations import CsvFiles
from backhaul.destinations.csv.snapshots import SnapshotName
from backhaul.errors import ConfigError, DeliveryError
from backhaul.model import Changes, Counts, Stream
from backhaul.testing import BatchMaker
from tests.destinations.killing import kill_in_write, steps_of_write

SHOP = "%d%m%Y-%H%M"


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def at(day: str, clock: str = "03:00") -> Callable[[], datetime]:
    """A clock that shows this moment in UTC; in Jakarta it is seven hours later."""
    return lambda: datetime.fromisoformat(f"{day}T{clock}+00:00")


def change(folder: Path, maker: BatchMaker, day: str, clock: str = "03:00", *, total: int | None = None) -> None:
    """Have a new state of the table at a moment."""
    target = CsvFiles(str(folder), snapshots=5, dated=SHOP, clock=at(day, clock))
    frame = pl.DataFrame({"id": ["1"], "total": [int(re.sub("[^0-9]", "", day + clock)) if total is None else total]})
    target.write(maker.stream, target.compare(maker.stream, maker.batch(frame)))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_the_newest_five_stay_by_time_where_names_do_not_sort(folder, maker):
    days = ["2025-11-30", "2025-12-01", "2025-12-31", "2026-01-01", "2026-01-02", "2026-02-01", "2026-02-03"]
    for day in days:
        change(folder, maker, day)

    assert names(folder) == {
        "orders.csv",
        "31122025-1000.csv",
        "01012026-1000.csv",
        "02012026-1000.csv",
        "01022026-1000.csv",
        "03022026-1000.csv",
    }


def test_files_that_no_copy_could_be_called_stay(folder, maker):
    folder.mkdir()
    others = ["31022020-1000.csv", "01012020-2460.csv", "01012020.csv", "1012020-1000.csv", "01012020-1000.csv.bak"]
    others += ["copy of 01012020-1000.csv", "٠١٠١٢٠٢٠-1000.csv", "katalog.csv"]
    for name in others:
        (folder / name).touch()
    (folder / "02012020-1000.csv").mkdir()

    for day in range(1, 8):
        change(folder, maker, f"2026-01-0{day}")

    kept = {f"0{day}012026-1000.csv" for day in range(3, 8)}
    assert names(folder) == {*others, "02012020-1000.csv", "orders.csv", *kept}


def test_two_changes_in_one_minute_leave_the_copy_of_the_second(folder, maker):
    change(folder, maker, "2026-01-01", "03:00:05", total=1)
    change(folder, maker, "2026-01-01", "03:00:55", total=2)

    assert names(folder) == {"orders.csv", "01012026-1000.csv"}
    assert (folder / "01012026-1000.csv").read_bytes() == (folder / "orders.csv").read_bytes()


def test_a_state_that_is_the_same_as_before_leaves_no_copy(folder, maker):
    change(folder, maker, "2026-01-01", total=1)
    change(folder, maker, "2026-01-02", total=1)

    assert names(folder) == {"orders.csv", "01012026-1000.csv"}


def test_a_copy_stays_that_was_taken_after_the_clock_was_put_back(folder, maker):
    for day in range(1, 6):
        change(folder, maker, f"2030-01-0{day}")

    change(folder, maker, "2026-01-01", total=7)

    assert "01012026-1000.csv" in names(folder)
    assert len(names(folder)) == 6


def test_fewer_copies_from_now_on_remove_more_than_one(folder, maker):
    for day in range(1, 6):
        change(folder, maker, f"2026-01-0{day}")
    target = CsvFiles(str(folder), snapshots=2, dated=SHOP, clock=at("2026-01-06"))
    frame = pl.DataFrame({"id": ["2"], "total": [1]})

    target.write(maker.stream, target.compare(maker.stream, maker.batch(frame)))

    assert names(folder) == {"orders.csv", "05012026-1000.csv", "06012026-1000.csv"}


def test_a_table_called_like_a_copy_is_none(folder, maker):
    maker = replace(maker, table="01012020-1000")
    for day in range(1, 8):
        change(folder, maker, f"2026-01-0{day}")

    assert "01012020-1000.csv" in names(folder)
    assert len(names(folder)) == 6


def test_a_copy_shows_what_was_there_and_the_file_what_is_gone(folder, maker):
    complete = replace(maker, complete=True)
    target = CsvFiles(str(folder), snapshots=5, dated=SHOP, encoding="utf-8", clock=at("2026-01-01"))
    columns = {"note": ['a "b"\n;c', "", None], "id": ["1", "2", "3"]}
    frame = pl.DataFrame(columns)
    target.write(complete.stream, target.compare(complete.stream, complete.batch(frame)))
    later = replace(target, clock=at("2026-01-02"))

    later.write(complete.stream, later.compare(complete.stream, complete.batch(frame.head(2))))

    assert (folder / "02012026-1000.csv").read_text("utf-8") == 'note,id\n"a ""b""\n;c",1\n"",2\n'
    assert (folder / "orders.csv").read_text("utf-8").splitlines()[-1] == ",3,2026-01-02 10:00:00+07:00"


def test_a_copy_begins_with_the_mark_for_excel_as_the_file_does(folder, maker):
    complete = replace(maker, complete=True)
    for day, ids in (("2026-01-01", ["1", "2"]), ("2026-01-02", ["1"])):
        target = CsvFiles(str(folder), snapshots=5, dated=SHOP, clock=at(day))
        target.write(complete.stream, target.compare(complete.stream, complete.batch(pl.DataFrame({"id": ids}))))

    assert (folder / "02012026-1000.csv").read_bytes() == b"\xef\xbb\xbfid\n1\n"


def test_columns_stand_in_the_order_of_the_rows_also_those_of_the_key(folder, maker):
    keyed = replace(maker, key=("kode", "satuan"))
    frame = pl.DataFrame({"nama": ["A"], "satuan": ["PCS"], "harga": [5], "kode": ["1"], "stok": ["2"]})
    target = CsvFiles(str(folder), snapshots=5, dated=SHOP, encoding="utf-8", clock=at("2026-01-01"))

    target.write(keyed.stream, target.compare(keyed.stream, keyed.batch(frame)))

    assert (folder / "01012026-1000.csv").read_text("utf-8") == "nama,satuan,harga,kode,stok\nA,PCS,5,1,2\n"


def test_how_many_stay_may_be_a_setting(folder, maker):
    declared = CsvFiles(str(folder), snapshots=Setting("MAX_CSV_FILES", default="5"), dated=SHOP)
    for day in range(1, 5):
        target = replace(resolved(declared, {"MAX_CSV_FILES": "2"}), clock=at(f"2026-01-0{day}"))
        frame = pl.DataFrame({"id": ["1"], "total": [day]})
        target.write(maker.stream, target.compare(maker.stream, maker.batch(frame)))

    assert names(folder) == {"orders.csv", "03012026-1000.csv", "04012026-1000.csv"}


@pytest.mark.parametrize("said", ["five", "-1", "2.5", ""])
def test_a_setting_that_is_no_number_is_refused_when_settings_are_filled_in(said):
    declared = CsvFiles("out", snapshots=Setting("MAX_CSV_FILES", default="5"))

    with pytest.raises(ConfigError, match="whole number"):
        resolved(declared, {"MAX_CSV_FILES": said})


@pytest.mark.parametrize(
    "form",
    ["%d%m-%H%M", "%d%m%Y-%M", "%d%m%Y-%d", "%d%m%y", "{table}", "", "%Y%m%d%", "%Y%m%d%%", "%A-%Y%m%d"],
)
def test_a_form_that_says_no_clear_moment_is_refused(form):
    with pytest.raises(ConfigError, match="when they were taken"):
        CsvFiles("out", dated=form)


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%Y-%m-%d %H:%M", "{TABLE}-%Y%m%d", ".%Y%m%d", "..\\%Y%m%d"])
def test_a_form_that_is_no_file_name_everywhere_is_refused(form):
    with pytest.raises(ConfigError, match="not every platform"):
        CsvFiles("out", dated=form)


def test_a_second_table_whose_copies_would_be_called_the_same_is_refused(folder, maker):
    change(folder, maker, "2026-01-01")
    other = replace(maker, table="users")

    with pytest.raises(DeliveryError, match="dated copies in out are of table orders"):
        change(folder, other, "2026-01-01")

    assert names(folder) == {"orders.csv", "01012026-1000.csv"}
    target = CsvFiles(str(folder), snapshots=5, dated="{table}" + SHOP, clock=at("2026-01-01"))
    frame = pl.DataFrame({"id": ["1"]})
    target.write(other.stream, target.compare(other.stream, other.batch(frame)))
    assert names(folder) == {"orders.csv", "01012026-1000.csv", "users.csv", "users01012026-1000.csv"}


def test_of_two_tables_that_begin_at_once_one_has_the_copies(folder, maker):
    makers = [replace(maker, table=f"table-{number}") for number in range(4)]
    target = CsvFiles(str(folder), snapshots=5, dated=SHOP, clock=at("2026-01-01"))
    frame = pl.DataFrame({"id": ["1"]})
    changes = [(each.stream, target.compare(each.stream, each.batch(frame))) for each in makers]
    refused: list[DeliveryError] = []

    def write(number: int) -> None:
        try:
            target.write(*changes[number])
        except DeliveryError as error:
            refused.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 3
    assert len(names(folder)) == 2


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
FORMS = st.sampled_from(["%d%m%Y-%H%M%S", "{table}%Y%m%d%H%M%S", "%H%M%S_{table}_%d.%m.%Y", "%S%M%H%d%m%Y{table}"])


@given(MOMENTS, FORMS, st.sampled_from(["orders", "9", "50%H", "a.b", "x-2026-01-01T0800", "%Y"]))
def test_the_moment_comes_back_out_of_the_name(moment, form, table):
    name = SnapshotName(form)

    assert name.moment(table, name.of(table, moment)) == moment.replace(microsecond=0)


@given(st.text("0123456789-.csv{}%T", max_size=24))
def test_whatever_a_file_is_called_it_is_a_copy_with_a_moment_or_none(file_name):
    name = SnapshotName(SHOP)

    moment = name.moment("orders", file_name)

    assert moment is None or name.of("orders", moment) == file_name


def test_names_of_one_hour_are_told_apart_by_the_minute(folder, maker):
    for minute in range(7):
        change(folder, maker, "2026-01-01", f"03:{minute:02}")

    assert names(folder) == {"orders.csv", *(f"01012026-10{minute:02}.csv" for minute in range(2, 7))}


@pytest.mark.slow
def test_a_write_that_is_killed_at_any_step_and_repeated_leaves_whole_copies(tmp_path, maker):
    complete = replace(maker, complete=True)

    def prepared(name: str) -> tuple[CsvFiles, Stream, Changes]:
        target = CsvFiles(str(tmp_path / name), snapshots=1, dated=SHOP, encoding="utf-8")
        whole = complete.batch(pl.DataFrame({"id": ["1", "2"], "total": [5, 5]}))
        earlier = replace(target, clock=at("2026-01-01"))
        earlier.write(complete.stream, earlier.compare(complete.stream, whole))
        later = complete.batch(pl.DataFrame({"id": ["2", "3"], "total": [6, 6]}))
        return target, complete.stream, target.compare(complete.stream, later)

    steps = steps_of_write(*prepared("whole"))
    assert steps > 4
    for step in range(1, steps + 1):
        target, stream, changes = prepared(f"cut-{step}")
        kill_in_write(target, stream, changes, step)

        assert target.write(stream, changes) == Counts(new=1, updated=1, removed=1)
        copies = [path for path in (tmp_path / f"cut-{step}").glob("*.csv") if path.name != "orders.csv"]
        assert [path.read_text("utf-8") for path in copies] == ["id,total\n2,6\n3,6\n"]
