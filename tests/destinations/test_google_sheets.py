"""A Google Sheet is merged with few calls, exact cells, and without harm to what people have in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul.config import Setting, missing_settings, resolved
from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.errors import DeliveryError, TransientError
from backhaul.model import REMOVED_AT, Counts
from backhaul.sandbox import Book
from backhaul.testing import BatchMaker
from tests.destinations.google_place import Google, data, google, merge, orders


@pytest.fixture(scope="module")
def place() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def book(place: Google) -> Book:
    place.sandbox.faults.clear()
    made = place.sandbox.add_spreadsheet(title="Orders")
    place.sandbox.reset_calls()
    return made


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


def wide(count: int, columns: int = 27) -> pl.DataFrame:
    names = ["id", *(f"c{number}" for number in range(1, columns))]
    return pl.DataFrame({name: [f"{name}-{row}" for row in range(count)] for name in names})


class TestCalls:
    def test_a_first_delivery_of_27_columns_takes_three_calls(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        assert merge(place.sheet(book), maker, wide(27)) == Counts(new=27)

        assert place.told() == ["R", "R", "W"]
        assert len(data(book)) == 28
        assert data(book)[27] == list(wide(27).row(26))

    def test_a_second_delivery_with_nothing_new_takes_one_read(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merge(place.sheet(book), maker, wide(27))
        place.sandbox.reset_calls()

        assert merge(place.sheet(book), maker, wide(27)) == Counts(unchanged=27)

        assert place.told() == ["R"]

    def test_a_deleted_row_costs_one_more_read(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, wide(27))
        book.delete_row("Sheet1", 5)
        place.sandbox.reset_calls()

        assert merge(place.sheet(book), maker, wide(27)) == Counts(unchanged=27)

        assert place.told() == ["R", "R"]

    def test_a_later_delivery_takes_four_reads_and_one_write(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merge(place.sheet(book), maker, wide(27))
        place.sandbox.reset_calls()

        changed = wide(30).with_columns(c3=pl.when(pl.col("id") == "id-2").then(pl.lit("x")).otherwise("c3"))
        assert merge(place.sheet(book), maker, changed) == Counts(new=3, updated=1, unchanged=26)

        assert place.told() == ["R", "R", "R", "R", "W"]

    def test_an_empty_batch_asks_for_nothing_but_the_tab(self, place: Google, book: Book, maker: BatchMaker) -> None:
        empty = pl.DataFrame(schema={"id": pl.String, "total": pl.Int64})

        assert merge(place.sheet(book), maker, empty) == Counts()

        assert place.told() == ["R"]
        assert data(book) == []

    def test_one_token_serves_all_calls_of_an_account(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, wide(2))
        merge(place.sheet(book, name="other"), maker, wide(2))

        assert len(place.sandbox.token_calls) <= 1

    def test_a_large_batch_goes_in_chunks_that_are_each_whole(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        frame = pl.DataFrame({"id": [f"{n}" for n in range(60)], "text": [f"{n:05}" * 9_000 for n in range(60)]})
        seen: list[int] = []
        for nth in (2, 3):
            book.before_call(lambda b: seen.append(len(data(b))), method="POST", path="batchUpdate", nth=nth)

        assert merge(place.sheet(book), maker, frame) == Counts(new=60)

        assert [row[0] for row in data(book)[1:]] == frame["id"].to_list()
        assert place.told() == ["R", "R", "W", "W"]
        assert seen[0] == 35
        assert merge(place.sheet(book), maker, frame) == Counts(unchanged=60)


class TestCells:
    def test_text_that_looks_like_something_else_arrives_as_text(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        texts = ["=1+1", "0812345", "1-2", "+6281", "12345678901234567890", "TRUE", "#N/A", "'x", "1e5"]
        merge(place.sheet(book), maker, pl.DataFrame({"id": texts, "note": texts}))

        assert [row[1] for row in data(book)[1:]] == texts
        assert not book.cell("Sheet1", "A2").is_formula
        assert book.cell("Sheet1", "B2").user_entered == "=1+1"

    def test_days_moments_and_money_are_shown_as_such(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = pl.DataFrame(
            {
                "id": ["1"],
                "day": [date(2025, 9, 12)],
                "at": [datetime(2025, 9, 12, 1, 0, 45, tzinfo=UTC)],
                "exact": [datetime(2025, 9, 12, 1, 0, 45, 120, tzinfo=UTC)],
                "money": [Decimal("12500.05")],
                "long": [Decimal("1234567890123456.78")],
                "old": [date(1850, 1, 1)],
            }
        )
        merge(place.sheet(book), maker, frame)

        shown = ["1", "2025-09-12", "2025-09-12 08:00:45", "2025-09-12T08:00:45.000120+07:00", "12,500.05"]
        assert book.formatted("Sheet1")[1] == [*shown, "1234567890123456.78", "1850-01-01"]
        assert merge(place.sheet(book), maker, frame) == Counts(unchanged=1)

    def test_a_moment_that_the_local_clock_shows_twice_is_kept_with_its_offset(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        moments = [datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1)]
        batch = replace(maker.batch(pl.DataFrame({"id": ["1", "2"], "at": moments})), timezone="Europe/Berlin")
        target = place.sheet(book)
        target.write(maker.stream, target.compare(maker.stream, batch))

        assert [row[1] for row in data(book)[1:]] == [
            "2025-10-26T02:30:00.000000+02:00",
            "2025-10-26T02:30:00.000000+01:00",
        ]

    def test_numbers_that_are_none_are_text(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = pl.DataFrame({"id": ["1", "2", "3"], "ratio": [float("nan"), float("inf"), -0.0]})
        merge(place.sheet(book), maker, frame)

        assert [row[1] for row in data(book)[1:]] == ["nan", "inf", 0]
        assert merge(place.sheet(book), maker, frame) == Counts(unchanged=3)

    def test_a_value_that_becomes_a_day_later_is_shown_as_a_day(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merge(place.sheet(book), maker, pl.DataFrame({"id": ["1"], "day": ["soon"]}))
        merge(place.sheet(book), maker, pl.DataFrame({"id": ["1"], "day": [date(2025, 9, 12)]}))

        assert book.formatted("Sheet1")[1] == ["1", "2025-09-12"]

    def test_signs_of_two_units_count_twice_against_the_limit(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        frame = pl.DataFrame({"id": ["1", "2"], "note": ["🙂" * 25_000, "🙂" * 25_001]})
        target = place.sheet(book)
        changes = target.compare(maker.stream, maker.batch(frame))

        assert [(each.row, each.check) for each in changes.refused] == [
            (2, "cell in note is longer than 50,000 characters")
        ]


class TestPeoplesWork:
    @pytest.fixture
    def adopted(self, book: Book) -> Book:
        book.fill(
            "Sheet1",
            [
                ["Orders of our shop", "", "", ""],
                ["", "", "", ""],
                ["note", "id", "paid", "total"],
                ["mine", "A1", "yes", 5],
                ["", 17, "", 9],
                ["", "", "sum", ""],
            ],
        )
        return book

    def test_a_filled_sheet_is_adopted_by_its_header_under_a_title(
        self, place: Google, adopted: Book, maker: BatchMaker
    ) -> None:
        counts = merge(place.sheet(adopted), maker, orders(("A1", 5), ("17", 10), ("B2", 1), city=["x", None, "y"]))

        assert counts == Counts(new=1, updated=2)
        assert data(adopted) == [
            ["Orders of our shop", None, None, None, None],
            [None] * 5,
            ["note", "id", "paid", "total", "city"],
            ["mine", "A1", "yes", 5, "x"],
            [None, 17, None, 10, None],
            [None, "B2", "sum", 1, "y"],
        ]

    def test_rows_that_a_filled_sheet_had_count_as_delivered(
        self, place: Google, adopted: Book, maker: BatchMaker
    ) -> None:
        merge(place.sheet(adopted), maker, orders(("B2", 1)))
        adopted.delete_row("Sheet1", 4)

        assert merge(place.sheet(adopted), maker, orders(("A1", 5), ("B2", 1))) == Counts(unchanged=2)
        assert "A1" not in [row[1] for row in data(adopted)]

    def test_new_rows_go_below_a_total_that_stands_in_our_columns(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.fill("Sheet1", [["id", "total"], ["1", 5], [None, None], [None, 5]])

        merge(place.sheet(book), maker, orders(("1", 5), ("2", 6)))

        assert data(book) == [["id", "total"], ["1", 5], [None, None], [None, 5], ["2", 6]]

    def test_formulas_are_never_overwritten(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, orders(("1", 5), ("2", 6)))
        book.type_cell("Sheet1", "B2", "=2+3")
        book.type_cell("Sheet1", "B3", "=1+1")
        book.add_formula_column("Sheet1", "double", "=B{row}")

        counts = merge(place.sheet(book), maker, orders(("1", 5), ("2", 7), ("3", 8)))

        assert counts == Counts(new=1, unchanged=2)
        assert book.cell("Sheet1", "B3").user_entered == "=1+1"
        assert data(book)[3] == ["3", 8, None]

    def test_a_number_that_a_person_retyped_is_unchanged(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = pl.DataFrame({"id": ["17", "18"], "code": ["100", "007"], "total": [5.5, 6.0]})
        merge(place.sheet(book), maker, frame)
        for cell in ("A2", "B2", "C2"):
            book.type_cell("Sheet1", cell, str(book.cell("Sheet1", cell).value))
        assert data(book)[1] == [17, 100, 5.5]

        assert merge(place.sheet(book), maker, frame) == Counts(unchanged=2)

    def test_only_the_cells_that_differ_are_written(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = pl.DataFrame({"id": ["1"], "a": ["x"], "b": ["y"]})
        merge(place.sheet(book), maker, frame)
        book.insert_column("Sheet1", 3, "own")
        book.protect("Sheet1", "B:C")

        counts = merge(place.sheet(book), maker, frame.with_columns(b=pl.lit("z")))

        assert counts == Counts(updated=1)
        assert data(book)[1] == ["1", "x", None, "z"]

    def test_new_columns_come_right_of_everything(self, place: Google, book: Book, maker: BatchMaker) -> None:
        book.fill("Sheet1", [["id", "own"], ["1", "a", None, "without a header"]])

        merge(place.sheet(book), maker, orders(("1", 5)))

        assert data(book) == [["id", "own", None, None, "total"], ["1", "a", None, "without a header", 5]]

    def test_other_tabs_stay_and_a_tab_is_found_by_its_name(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.add_tab("it's ours", index=0)
        book.fill("it's ours", [["id"], ["x"]])
        book.fill("Sheet1", [["anything"]])

        merge(place.sheet(book, tab="it's ours"), maker, orders(("1", 5)))

        assert data(book, "it's ours") == [["id", "total"], ["x", None], ["1", 5]]
        assert data(book) == [["anything"]]

    def test_the_first_tab_that_can_be_seen_is_ours_and_each_tab_has_a_memory_of_its_own(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.add_tab("shown")
        book.hide_tab("Sheet1")
        merge(place.sheet(book), maker, orders(("1", 5)))
        merge(place.sheet(book, tab="Sheet1"), maker, orders(("1", 5)))

        assert data(book, "shown") == data(book, "Sheet1") == [["id", "total"], ["1", 5]]
        assert len([title for title in book.tabs if title.startswith("_backhaul ")]) == 2

    def test_a_deleted_memory_is_made_anew(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, orders(("1", 5), ("2", 6)))
        hidden = next(title for title in book.tabs if title.startswith("_backhaul"))
        assert book.tabs[hidden].is_hidden
        book.delete_tab(hidden)

        assert merge(place.sheet(book), maker, orders(("1", 5), ("2", 7), ("3", 8))) == Counts(
            new=1, updated=1, unchanged=1
        )
        assert hidden in book.tabs

    def test_a_memory_that_somebody_typed_into_harms_nothing(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merge(place.sheet(book), maker, orders(("1", 5)))
        hidden = next(title for title in book.tabs if title.startswith("_backhaul"))
        for cell in ("A1", "C1", "D1", "E1"):
            book.type_cell(hidden, cell, "hello!")

        assert merge(place.sheet(book), maker, orders(("1", 6), ("2", 7))) == Counts(new=1, updated=1)

    def test_a_cleared_tab_is_filled_again(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, orders(("1", 5)))
        for row in range(2, 0, -1):
            book.delete_row("Sheet1", row)

        assert merge(place.sheet(book), maker, orders(("1", 5))) == Counts(new=1)
        assert data(book) == [["id", "total"], ["1", 5]]

    def test_a_deleted_row_comes_back_where_a_person_types_its_key(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        merge(place.sheet(book), maker, orders(("A1", 5), ("B2", 6)))
        book.delete_row("Sheet1", 2)
        book.append_row("Sheet1", ["A1"])

        assert merge(place.sheet(book), maker, orders(("A1", 5), ("B2", 6))) == Counts(updated=1, unchanged=1)
        assert data(book) == [["id", "total"], ["B2", 6], ["A1", 5]]

    def test_rows_of_people_are_not_marked_as_removed(self, place: Google, book: Book, tmp_path: Path) -> None:
        maker = BatchMaker(tmp_path / "staging", complete=True)
        merge(place.sheet(book), maker, orders(("1", 5), ("2", 6)))
        book.append_row("Sheet1", ["own", "typed"])

        counts = merge(place.sheet(book), maker, orders(("1", 5)))

        assert counts == Counts(unchanged=1, removed=1)
        marked = {str(row[0]): row[2] is not None for row in data(book)[1:]}
        assert data(book)[0][2] == REMOVED_AT
        assert marked == {"1": False, "2": True, "own": False}
        assert book.cell("Sheet1", "C3").number_format is not None


class TestWhatAPersonMustRepair:
    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            ([["id", "total", "id"], ["1", 5, "x"]], "'id' stands twice in tab 'Sheet1', in A1 and C1"),
            ([["id", "total", "total"], ["1", 5, 6]], "'total' stands twice in tab 'Sheet1', in B1 and C1"),
            ([["name", "total"], ["secret", 5]], "tab 'Sheet1' has no column 'id' in its first 10 rows"),
            (
                [["id", "total"], ["1", 5], ["2", 5], [" 1 ", 5]],
                "1 keys stand twice in tab 'Sheet1', in rows 2 and 4",
            ),
        ],
        ids=["key twice", "column twice", "no key", "key's value twice"],
    )
    def test_a_sheet_that_can_not_be_bound_is_left_alone(
        self, place: Google, book: Book, maker: BatchMaker, rows: list[list[Any]], words: str
    ) -> None:
        book.fill("Sheet1", rows)
        before = book.state.version

        with pytest.raises(DeliveryError, match=words) as caught:
            merge(place.sheet(book), maker, orders(("1", 7)))

        assert book.state.version == before
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda b: b.rename_tab("Orders", "Old"), "no tab 'Orders'; the spreadsheet has 'Sheet1', 'Old'"),
            (lambda b: b.delete_tab("Orders"), "no tab 'Orders'; the spreadsheet has 'Sheet1'"),
            (lambda b: b.rename_header("Orders", "id", "ID"), "no column 'id'"),
        ],
        ids=["renamed", "deleted", "header"],
    )
    def test_a_tab_that_changed_is_told_with_what_is_there(
        self, place: Google, book: Book, maker: BatchMaker, edit: Callable[[Book], None], words: str
    ) -> None:
        book.add_tab("Orders")
        target = place.sheet(book, tab="Orders")
        merge(target, maker, orders(("1", 5)))
        changes = target.compare(maker.stream, maker.batch(orders(("1", 6))))
        edit(book)

        with pytest.raises(DeliveryError, match=words) as caught:
            target.write(maker.stream, changes)

        assert "'" in caught.value.next_step

    def test_a_protected_sheet_is_told_and_left_alone(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, orders(("1", 5)))
        book.protect("Sheet1")
        before = book.state.version

        with pytest.raises(DeliveryError, match="protected") as caught:
            merge(place.sheet(book), maker, orders(("1", 6)))

        assert "Protect sheets and ranges" in caught.value.next_step
        assert book.state.version == before

    def test_a_spreadsheet_without_room_is_refused_before_anything_is_written(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.add_tab("archive", rows=100_000, columns=99)
        before = book.state.version
        frame = pl.DataFrame({"id": [f"{n}" for n in range(3_000)], **{f"c{n}": ["x"] * 3_000 for n in range(40)}})

        with pytest.raises(DeliveryError, match=r"10,000,000 cells.*9,926,000.*'archive'") as caught:
            merge(place.sheet(book), maker, frame)

        assert "Nothing was written" in caught.value.next_step
        assert book.state.version == before

    def test_a_table_that_is_too_large_for_any_spreadsheet_is_refused_without_a_write(
        self, place: Google, maker: BatchMaker
    ) -> None:
        book = place.sandbox.add_spreadsheet(rows=99_999, columns=100)
        place.sandbox.reset_calls()

        with pytest.raises(DeliveryError, match=r"10,000,000 cells.*12,999,870"):
            merge(place.sheet(book), maker, wide(3, columns=130))

        assert "W" not in place.told()

    def test_too_many_columns_are_refused_before_anything_is_written(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        book.fill("Sheet1", [["id"]])
        frame = pl.DataFrame({"id": ["1"], **{f"c{number}": [1] for number in range(18_278)}})

        with pytest.raises(DeliveryError, match="18,279 columns; Google allows 18,278"):
            place.sheet(book).compare(maker.stream, maker.batch(frame))

    def test_columns_that_differ_by_blanks_only_are_refused(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        with pytest.raises(DeliveryError, match="of one name"):
            merge(place.sheet(book), maker, pl.DataFrame({"id": ["1"], "a": [1], "a ": [2]}))


class TestLargeSheets:
    def test_rows_far_down_are_changed_and_added_in_few_calls(
        self, place: Google, book: Book, maker: BatchMaker
    ) -> None:
        rows = [[f"{n}", n, "mine"] for n in range(3_000)]
        book.fill("Sheet1", [["id", "total", "note"], *rows, [None, "sum", None]])
        place.sandbox.reset_calls()

        counts = merge(place.sheet(book), maker, orders(("7", 7), ("1500", -1), ("2999", -2), ("new", 1)))

        assert counts == Counts(new=1, updated=2, unchanged=1)
        assert len(place.told()) <= 6
        found = data(book)
        assert found[1501] == ["1500", -1, "mine"]
        assert found[3000:] == [["2999", -2, "mine"], [None, "sum", None], ["new", 1, None]]

    def test_a_key_that_is_not_the_first_column_is_found(self, place: Google, book: Book, tmp_path: Path) -> None:
        maker = BatchMaker(tmp_path / "pairs", key=("shop", "id"))
        book.fill("Sheet1", [["total", "id", "x", "shop"], *([n, n, None, f"s{n % 7}"] for n in range(1_500))])

        counts = merge(
            place.sheet(book),
            maker,
            pl.DataFrame({"shop": ["s1", "s2"], "id": ["1", "1"], "total": [10, 20]}),
        )

        assert counts == Counts(new=1, updated=1)
        assert data(book)[2] == [10, 1, None, "s1"]
        assert data(book)[1501] == [20, "1", None, "s2"]

    @pytest.mark.slow
    def test_all_rows_of_a_large_sheet_can_change_at_once(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = wide(9_000, columns=30)
        merge(place.sheet(book), maker, frame)

        changed = frame.with_columns(c7=pl.col("c7") + "!")
        assert merge(place.sheet(book), maker, changed) == Counts(updated=9_000)

        assert [row[7] for row in data(book)[1:]] == changed["c7"].to_list()
        assert merge(place.sheet(book), maker, changed) == Counts(unchanged=9_000)

    def test_an_empty_tab_of_many_rows_is_filled_from_its_top(self, place: Google, maker: BatchMaker) -> None:
        book = place.sandbox.add_spreadsheet(rows=5_000, columns=60)
        place.sandbox.reset_calls()

        assert merge(place.sheet(book), maker, orders(("1", 5))) == Counts(new=1)

        assert place.told() == ["R", "R", "W"]
        assert data(book) == [["id", "total"], ["1", 5]]

    def test_what_stands_far_down_in_a_tab_without_a_header_is_not_overwritten(
        self, place: Google, maker: BatchMaker
    ) -> None:
        book = place.sandbox.add_spreadsheet(rows=1_500, columns=5)
        book.fill("Sheet1", [[]] * 1_200 + [[None, "far down"]])

        assert merge(place.sheet(book), maker, wide(1_300, columns=3)) == Counts(new=1_300)

        found = data(book)
        assert found[1_200] == [None, "far down", None]
        assert {row[0] for row in found} == {"id", None, *(f"id-{n}" for n in range(1_300))}

    def test_a_wide_sheet_of_few_rows_is_read_whole(self, place: Google, book: Book, maker: BatchMaker) -> None:
        frame = wide(5, columns=70)
        merge(place.sheet(book), maker, frame)

        assert merge(place.sheet(book), maker, frame) == Counts(unchanged=5)
        assert merge(place.sheet(book), maker, frame.with_columns(c69=pl.lit("z"))) == Counts(updated=5)


class TestCheck:
    def test_it_names_spreadsheet_tab_and_account(self, place: Google, book: Book) -> None:
        assert place.sheet(book).check() == f"Orders, tab Sheet1, shared with {place.sandbox.client_email}"

    def test_a_tab_that_is_not_there_is_told(self, place: Google, book: Book) -> None:
        with pytest.raises(DeliveryError, match="no tab 'x'; the spreadsheet has 'Sheet1'"):
            place.sheet(book, tab="x").check()


def test_the_key_is_hidden_and_the_address_is_optional() -> None:
    target = resolved(GoogleSheet(Setting("SHEET_ORDERS")), {"SHEET_ORDERS": "x", "CREDENTIALS_FILE": "made-up-key"})

    assert (target.sheet, target.account, target.api_url) == ("x", "made-up-key", "https://sheets.googleapis.com")
    assert "made-up-key" not in repr(target)
    assert missing_settings(GoogleSheet(Setting("SHEET_ORDERS")), {}) == [
        "SHEET_ORDERS",
        "GOOGLE_SERVICE_ACCOUNT_JSON",
    ]


class TestMemory:
    @pytest.mark.slow
    def test_it_stays_small_and_forgets_no_key(self, place: Google, book: Book, maker: BatchMaker) -> None:
        for number in range(110):
            merge(place.sheet(book), maker, orders((f"{number}", 1)))
        hidden = next(title for title in book.tabs if title.startswith("_backhaul"))
        assert len(data(book, hidden)) <= 101
        for _ in range(110):
            book.delete_row("Sheet1", 2)
        book.fill("Sheet1", [["id", "total"], ["kept", 1]])

        everything = orders(*((f"{number}", 2) for number in range(110)), ("late", 3))

        assert merge(place.sheet(book), maker, everything) == Counts(new=1, unchanged=110)

    def test_a_write_repeated_much_later_reports_the_same(self, place: Google, book: Book, maker: BatchMaker) -> None:
        merge(place.sheet(book), maker, orders(("0", 1)))
        target = place.sheet(book)
        changes = target.compare(maker.stream, maker.batch(orders(("0", 2), ("1", 5))))
        assert target.write(maker.stream, changes) == Counts(new=1, updated=1)
        merge(target, maker, orders(("2", 1)))

        assert target.write(maker.stream, changes) == Counts(new=1, updated=1)

    def test_a_stateless_machine_knows_as_much(self, place: Google, book: Book, tmp_path: Path) -> None:
        merge(place.sheet(book), BatchMaker(tmp_path / "monday"), orders(("1", 5), ("2", 6)))
        book.delete_row("Sheet1", 2)

        elsewhere = place.sheet(book, patience=place.patience(attempts=3))
        tuesday = BatchMaker(tmp_path / "tuesday", _numbers=count(7))
        counts = merge(elsewhere, tuesday, orders(("1", 5), ("2", 7), ("3", 8)))

        assert counts == Counts(new=1, updated=1, unchanged=1)

    @pytest.mark.parametrize("is_one_process", [True, False])
    def test_deliveries_at_once_lose_no_row(
        self, place: Google, book: Book, tmp_path: Path, is_one_process: bool
    ) -> None:
        merge(place.sheet(book), BatchMaker(tmp_path / "first"), orders(("0", 0)))
        done: list[Counts] = []

        def deliver(number: int) -> None:
            maker = BatchMaker(tmp_path / f"{number}", _numbers=count(10 + number))
            rows = [(f"{number}-{each}", each) for each in range(20)]
            # What differs in its patience has a token, a pace and locks of its own, as on another machine.
            patience = place.patience(attempts=4 if is_one_process else 5 + number)
            try:
                done.append(merge(place.sheet(book, patience=patience), maker, orders(*rows)))
            except (DeliveryError, TransientError):
                done.append(Counts())

        threads = [threading.Thread(target=deliver, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        found = [row[0] for row in data(book)[1:] if row[0] is not None]
        assert len(set(found)) == len(found) == 1 + sum(counts.new for counts in done)
        assert max(counts.new for counts in done) == 20


def test_what_another_machine_delivered_right_before_a_write_is_seen(
    place: Google, book: Book, tmp_path: Path
) -> None:
    merge(place.sheet(book), BatchMaker(tmp_path / "first"), orders(("0", 0)))
    here, there = place.sheet(book), place.sheet(book, patience=place.patience(attempts=9))
    other = BatchMaker(tmp_path / "other", _numbers=count(20))
    place.sandbox.reset_calls()
    book.before_call(lambda b: merge(there, other, orders(("0", 1), ("b", 2))), method="POST", path="batchUpdate")

    counts = merge(here, BatchMaker(tmp_path / "mine", _numbers=count(30)), orders(("0", 1), ("a", 3)))

    assert counts == Counts(new=1, unchanged=1)
    assert data(book) == [["id", "total"], ["0", 1], ["b", 2], ["a", 3]]
    assert [call.status for call in place.sandbox.calls if call.is_write] == [200, 400, 200]
    book.delete_row("Sheet1", 3)
    assert merge(here, BatchMaker(tmp_path / "later", _numbers=count(40)), orders(("b", 2))) == Counts(unchanged=1)


def test_a_long_title_in_another_alphabet_does_not_make_an_address_too_long(
    place: Google, book: Book, maker: BatchMaker
) -> None:
    title = "הזמנות של החנות " * 6
    book.rename_tab("Sheet1", title)
    book.fill(title, [["id", "total"], *([f"{n}", n] for n in range(3_000))])

    counts = merge(place.sheet(book), maker, orders(*((f"{n}", -n) for n in range(40, 3_000, 70))))

    assert counts == Counts(updated=43)
