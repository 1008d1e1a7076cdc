"""People edit a Google Sheet while it is written; nothing of theirs is harmed and nothing of ours gets lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.errors import DeliveryError, TransientError
from backhaul.model import Changes, Counts
from backhaul.sandbox import Book, SheetsFault
from backhaul.sandbox.sheets.values import Formula, NumberFormat
from backhaul.sandbox.sheets.writes import put_formats
from backhaul.testing import BatchMaker
from tests.destinations.google_place import Google, data, google, merge, orders

BEFORE_THE_WRITE = {"method": "POST", "path": "batchUpdate"}
IDS = [f"{number:02}" for number in range(12)]


@pytest.fixture(scope="module")
def place() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


@pytest.fixture
def book(place: Google, maker: BatchMaker) -> Book:
    """Twelve orders with a column of people in the middle and one at the end."""
    return filled(place, maker)


def filled(place: Google, maker: BatchMaker) -> Book:
    place.sandbox.faults.clear()
    book = place.sandbox.add_spreadsheet()
    merge(place.sheet(book), maker, orders(*((each, int(each)) for each in IDS), city=["x"] * 12))
    book.insert_column("Sheet1", 2, "note")
    for row, each in enumerate(IDS, start=2):
        book.type_cell("Sheet1", f"B{row}", f"note of {each}")
    book.add_formula_column("Sheet1", "double", "=C{row}")
    place.sandbox.reset_calls()
    return book


def changed_orders() -> pl.DataFrame:
    """Four changed totals, the others as they were, and three new ones."""
    totals = [(each, int(each) + (100 if int(each) % 3 == 0 else 0)) for each in IDS]
    return orders(*totals, ("n1", 1), ("n2", 2), ("n3", 3), city=["x"] * 12 + ["y"] * 3)


def rows_by_id(book: Book) -> dict[Any, dict[Any, Any]]:
    header, *rows = data(book)
    named = [dict(zip(header, row, strict=True)) for row in rows if any(cell is not None for cell in row)]
    assert len({row["id"] for row in named}) == len(named)
    return {row["id"]: row for row in named}


def check(book: Book, *, gone: tuple[str, ...] = ()) -> None:
    """Every order is there once, as delivered, with the notes of people beside it, and their formulas."""
    found = rows_by_id(book)
    cells = [row.values for row in book.tabs["Sheet1"].rows]
    formulas = {cell.text for row in cells for cell in row if isinstance(cell, Formula)}
    assert len(formulas) == 12 - len(gone)
    for row in changed_orders().iter_rows(named=True):
        if row["id"] in gone:
            assert row["id"] not in found
            continue
        there = found[row["id"]]
        assert (there["total"], there["city"]) == (row["total"], row["city"]), row["id"]
        if not row["id"].startswith("n"):
            assert there["note"] == f"note of {row['id']}"


EDITS: dict[str, Callable[[Book], object]] = {
    "sort": lambda b: b.sort("Sheet1", "id", descending=True),
    "insert at the top": lambda b: b.insert_row("Sheet1", 2),
    "insert in the middle": lambda b: b.insert_row("Sheet1", 8, ["own", "typed", 7]),
    "insert at the end": lambda b: b.insert_row("Sheet1", 14, ["own", "typed", 7]),
    "append": lambda b: b.append_row("Sheet1", ["own", "typed", 7, "z"]),
    "append below our columns": lambda b: b.append_row("Sheet1", [None, None, "sum"]),
    "insert a column before all": lambda b: b.insert_column("Sheet1", 1, "first"),
    "insert a column": lambda b: b.insert_column("Sheet1", 3, "more"),
    "move a column": lambda b: b.move_column("Sheet1", "city", "id"),
    "move the key": lambda b: b.move_column("Sheet1", "id", "double"),
    "a title above": lambda b: b.insert_row("Sheet1", 1, ["Our orders"]),
    "rename the tab": lambda b: b.rename_tab("Sheet1", "Renamed"),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("nth", ["between", "right before"])
def test_an_edit_in_between_is_noticed_and_all_is_done_anew(
    place: Google, book: Book, maker: BatchMaker, edit: str, nth: str
) -> None:
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    if nth == "between":
        EDITS[edit](book)
    else:
        book.before_call(EDITS[edit], **BEFORE_THE_WRITE)

    counts = target.write(maker.stream, changes)

    assert counts == Counts(new=3, updated=4, unchanged=8)
    if "Renamed" in book.tabs:
        book.rename_tab("Renamed", "Sheet1")
    if edit == "a title above":
        assert data(book)[0][0] == "Our orders"
        book.delete_row("Sheet1", 1)
    check(book)
    if edit == "append":
        assert rows_by_id(book)["own"] == {"id": "own", "note": "typed", "total": 7, "city": "z", "double": None}
    assert merge(target, maker, changed_orders()) == Counts(unchanged=15)


def test_formats_of_people_survive_that_rows_are_put_back(place: Google, maker: BatchMaker) -> None:
    """A sheet without formulas is backed up by its values; the cells keep how they look."""
    plain = place.sandbox.add_spreadsheet()
    merge(place.sheet(plain), maker, orders(*((each, int(each)) for each in IDS), city=["x"] * 12))
    shown = NumberFormat("NUMBER", "0.00")
    for row in range(1, 13):
        put_formats(plain.tabs["Sheet1"], row, {1: shown})
    target = place.sheet(plain)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    plain.before_call(lambda b: b.sort("Sheet1", "id", descending=True), **BEFORE_THE_WRITE)

    assert target.write(maker.stream, changes) == Counts(new=3, updated=4, unchanged=8)
    assert {plain.cell("Sheet1", f"B{row}").number_format for row in range(2, 14)} == {shown}


@pytest.mark.parametrize("nth", ["between", "right before"])
def test_a_row_deleted_in_between_is_not_added_again(place: Google, book: Book, maker: BatchMaker, nth: str) -> None:
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    if nth == "between":
        book.delete_row("Sheet1", 5)
    else:
        book.before_call(lambda b: b.delete_row("Sheet1", 5), **BEFORE_THE_WRITE)

    counts = target.write(maker.stream, changes)

    assert counts == Counts(new=3, updated=3, unchanged=9)
    check(book, gone=("03",))


def test_a_header_renamed_right_before_the_write_ends_in_a_clear_message_and_harms_nothing(
    place: Google, book: Book, maker: BatchMaker
) -> None:
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    before = [row[1:] for row in data(book)]
    book.before_call(lambda b: b.rename_header("Sheet1", "id", "ID"), **BEFORE_THE_WRITE)

    with pytest.raises(DeliveryError, match="no column 'id'"):
        target.write(maker.stream, changes)

    book.rename_header("Sheet1", "ID", "id")
    target.write(maker.stream, changes)
    check(book)
    assert [row[1] for row in data(book)][:13] == [row[0] for row in before]


def test_a_tab_deleted_right_before_the_write_is_a_clear_message(place: Google, maker: BatchMaker) -> None:
    book = filled(place, maker)
    book.add_tab("spare")
    target = place.sheet(book, tab="Sheet1")
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    book.before_call(lambda b: b.delete_tab("Sheet1"), **BEFORE_THE_WRITE)

    with pytest.raises(DeliveryError, match="no tab 'Sheet1'; the spreadsheet has 'spare'"):
        target.write(maker.stream, changes)


def test_rows_cut_off_the_grid_right_before_the_write_are_noticed(place: Google, maker: BatchMaker) -> None:
    book = place.sandbox.add_spreadsheet(rows=13)
    merge(place.sheet(book), maker, orders(*((each, int(each)) for each in IDS), city=["x"] * 12))
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    book.before_call(lambda b: b.delete_row("Sheet1", 13), **BEFORE_THE_WRITE)

    counts = target.write(maker.stream, changes)

    assert counts == Counts(new=3, updated=4, unchanged=8)
    assert "11" not in rows_by_id(book)
    assert rows_by_id(book)["n3"]["total"] == 3


def test_who_edits_all_the_time_is_told_and_finds_nothing_broken(
    place: Google, book: Book, maker: BatchMaker
) -> None:
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    for nth in range(1, 20, 2):
        book.before_call(
            lambda b, nth=nth: b.sort("Sheet1", "id", descending=nth % 4 == 1), **BEFORE_THE_WRITE, nth=nth
        )

    with pytest.raises(DeliveryError, match="all the time") as caught:
        target.write(maker.stream, changes)

    assert "next run" in caught.value.next_step
    found = rows_by_id(book)
    assert {each: found[each]["note"] for each in IDS} == {each: f"note of {each}" for each in IDS}
    book._planned.clear()
    assert target.write(maker.stream, changes) == Counts(new=3, updated=4, unchanged=8)
    check(book)


def test_a_computed_key_does_not_confuse_the_check(place: Google, maker: BatchMaker) -> None:
    book = place.sandbox.add_spreadsheet()
    book.fill("Sheet1", [["id", "total", "raw"], [None, 1, "1"], [None, 2, "2"]])
    for row in (2, 3):
        book.type_cell("Sheet1", f"A{row}", f"=C{row}")

    assert merge(place.sheet(book), maker, orders(("1", 10), ("2", 20))) == Counts(updated=2)
    assert [row[1] for row in data(book)[1:]] == [10, 20]


LOST = [SheetsFault.UNAVAILABLE_AFTER, SheetsFault.CUT_AFTER, SheetsFault.HANG_AFTER]


@pytest.mark.parametrize(
    ("fault", "edit"),
    [
        *((fault, None) for fault in (*LOST, SheetsFault.UNAVAILABLE_BEFORE, SheetsFault.CUT_BEFORE)),
        *((SheetsFault.CUT_AFTER, edit) for edit in ("sort", "insert at the top", "append", "move a column")),
    ],
)
def test_a_lost_answer_is_looked_up_and_never_repeated_blindly(
    place: Google, book: Book, maker: BatchMaker, fault: SheetsFault, edit: str | None
) -> None:
    target = place.sheet(book, patience=place.patience(timeout_s=0.3 if "hang" in fault else 20.0))
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    place.sandbox.faults.add(fault, method="POST", path="batchUpdate", seconds=0.6)
    if edit:
        book.before_call(EDITS[edit], **BEFORE_THE_WRITE)

    counts = target.write(maker.stream, changes)

    assert counts == Counts(new=3, updated=4, unchanged=8)
    check(book)


@pytest.mark.parametrize("edit", ["sort", "insert at the top", "append", "insert a column", "move the key"])
def test_a_write_that_nobody_could_check_is_healed_by_the_next_one(
    place: Google, book: Book, maker: BatchMaker, edit: str
) -> None:
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    book.before_call(EDITS[edit], **BEFORE_THE_WRITE)
    place.sandbox.faults.add(SheetsFault.CUT_AFTER, method="POST", path="batchUpdate")
    place.sandbox.faults.add(SheetsFault.CUT_BEFORE, method="GET", after=2, times=None)
    with pytest.raises(TransientError):
        target.write(maker.stream, changes)
    place.sandbox.faults.clear()

    counts = target.write(maker.stream, changes)

    assert counts == Counts(new=3, updated=4, unchanged=8)
    check(book)


@pytest.mark.slow
@pytest.mark.parametrize("edit", [None, "sort", "insert at the top", "append"])
def test_a_process_killed_after_its_write_leaves_what_the_next_one_heals(
    place: Google, book: Book, maker: BatchMaker, edit: str | None, tmp_path: Path
) -> None:
    target = place.sheet(book)
    changes = target.compare(maker.stream, maker.batch(changed_orders()))
    if edit:
        book.before_call(EDITS[edit], **BEFORE_THE_WRITE)
    place.sandbox.faults.add(SheetsFault.HANG_AFTER, method="POST", path="batchUpdate", seconds=60.0)
    key = tmp_path / "key.json"
    key.write_text(place.sandbox.service_account())

    kill_while_it_waits(place, book, maker, changes, key)
    place.sandbox.faults.clear()

    counts = target.write(maker.stream, changes)
    assert counts == Counts(new=3, updated=4, unchanged=8)
    check(book)


def kill_while_it_waits(place: Google, book: Book, maker: BatchMaker, changes: Changes, key: Path) -> None:
    """Run the write in a process of its own and kill it as soon as Google has applied it."""
    folder = changes.batch.parts[0].parent
    code = f"""
from pathlib import Path
from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.lake import StagingArea
from backhaul.testing import BatchMaker
target = GoogleSheet({book.url!r}, account={str(key)!r}, api_url={place.sandbox.url!r})
batch = StagingArea(Path({str(folder.parent)!r})).load({folder.name!r})
stream = BatchMaker(Path({str(folder.parent)!r})).stream
target.write(stream, target.compare(stream, batch))
"""
    version = book.state.version
    child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    try:
        for _ in range(600):
            if book.state.version > version + bool(book._planned) and len(place.sandbox.calls) and applied(book):
                break
            assert child.poll() is None
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()


def applied(book: Book) -> bool:
    return any("n1" in row for row in data(book))


@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_whatever_people_do_right_before_writes_every_order_and_note_survives(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    with google() as place:
        maker = BatchMaker(tmp_path_factory.mktemp("staging"))
        book = filled(place, maker)
        target = place.sheet(book)
        names = ["sort", "insert at the top", "append", "insert a column", "move a column", "insert at the end"]
        edits = chance.sample(names, k=2)
        for nth, edit in enumerate(edits, start=1):
            book.before_call(EDITS[edit], **BEFORE_THE_WRITE, nth=2 * nth - 1)
        if chance.random() < 0.5:
            fault = chance.choice(LOST[:2])
            place.sandbox.faults.add(fault, method="POST", path="batchUpdate", after=chance.randrange(3))

        changes = target.compare(maker.stream, maker.batch(changed_orders()))
        counts = target.write(maker.stream, changes)

        assert counts == Counts(new=3, updated=4, unchanged=8)
        check(book)
