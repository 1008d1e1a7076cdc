"""What every destination must do, as a suite: subclass DestinationContract, say how to make and read yours."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from backhaul.model import Counts, Destination, RowClass
from backhaul.quality import classify
from backhaul.testing.batches import BatchMaker
from backhaul.testing.lasting import LastingContract

CELLS = st.one_of(st.none(), st.sampled_from(["", "a", "b", " ", "007", "=1+1", "émile", "שלום"]))
NUMBERS = st.one_of(st.none(), st.integers(-3, 3))


class DestinationContract(LastingContract):
    """The contract of `compare` and `write`: what rows become, and what lasts (LastingContract).

    Override the hooks of DestinationUnderTest that the destination's capabilities ask for.
    """

    def test_a_first_load_is_all_new(self, target: Destination, maker: BatchMaker) -> None:
        frame = pl.DataFrame({"id": ["1", "2"], "total": [5, 9]})

        counts = self.merge(target, maker, frame)

        assert counts == Counts(new=2)
        assert_frame_equal(self.rows(target, maker.stream), frame)

    def test_the_same_batch_written_twice_equals_once(self, target: Destination, maker: BatchMaker) -> None:
        changes = target.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1"], "total": [5]})))

        first = target.write(maker.stream, changes)
        again = target.write(maker.stream, changes)

        assert first == again == Counts(new=1)
        assert self.rows(target, maker.stream).height == 1

    def test_the_same_rows_in_another_batch_write_nothing(self, target: Destination, maker: BatchMaker) -> None:
        frame = pl.DataFrame({"id": ["1", "2"], "total": [5, None]})
        self.merge(target, maker, frame)
        before = self.fingerprint(target)

        counts = self.merge(target, maker, frame)

        assert counts == Counts(unchanged=2)
        assert self.fingerprint(target) == before

    def test_compare_writes_nothing(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1"], "total": [5]}))
        before = self.fingerprint(target)

        target.compare(maker.stream, maker.batch(pl.DataFrame({"id": ["1", "2"], "total": [6, 7], "new": [1, 2]})))

        assert self.fingerprint(target) == before

    def test_a_mixed_batch_is_counted_exactly(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1", "2", "3"], "total": [1, 2, 3]}))

        counts = self.merge(target, maker, pl.DataFrame({"id": ["2", "3", "4", "4"], "total": [2, 30, 4, 40]}))

        assert counts == Counts(new=1, updated=1, unchanged=1, duplicate=1)
        assert self.rows(target, maker.stream)["total"].to_list() == [1, 2, 30, 40]

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            (None, "x", Counts(updated=1)),
            ("x", None, Counts(updated=1)),
            (None, None, Counts(unchanged=1)),
            ("", None, Counts(updated=1)),
            ("x", "x", Counts(unchanged=1)),
        ],
    )
    def test_empty_values_are_compared_as_values(
        self, target: Destination, maker: BatchMaker, before: str | None, after: str | None, expected: Counts
    ) -> None:
        schema = {"id": pl.String, "note": pl.String}
        self.merge(target, maker, pl.DataFrame({"id": ["1"], "note": [before]}, schema=schema))

        counts = self.merge(target, maker, pl.DataFrame({"id": ["1"], "note": [after]}, schema=schema))

        is_same = not self.keeps_empty_text and not before and not after
        assert counts == (Counts(unchanged=1) if is_same else expected)
        assert self.rows(target, maker.stream)["note"].to_list() == [after]

    def test_a_key_of_several_columns_tells_rows_apart(self, target: Destination, tmp_path: Path) -> None:
        maker = BatchMaker(tmp_path / "pairs", key=("shop", "id"))
        self.merge(target, maker, pl.DataFrame({"shop": ["a", "b"], "id": ["1", "1"], "total": [1, 2]}))

        counts = self.merge(target, maker, pl.DataFrame({"shop": ["b", "a"], "id": ["1", "2"], "total": [20, 3]}))

        assert counts == Counts(new=1, updated=1)
        assert self.rows(target, maker.stream)["total"].to_list() == [1, 3, 20]

    @pytest.mark.parametrize(
        "values",
        [
            ["007", "00000000000000000001", "+62800", "=SUM(A1)", "-1", "1e5", "2025-09-12", "שלום \n 'x'"],
            [
                "0812-3456",
                "12345678901234567890",
                "1-2",
                "12/09/2025",
                "08:00",
                "TRUE",
                "#N/A",
                "'7",
                "@x",
                "1,5",
                "50%",
            ],
            ["👩‍👩‍👧 🇮🇩", "مرحبا, 'עולם'", " spaces ", "a\tb", 'a;b,"c"', "e\u0301", "_x0041_", "long " * 500],
            [0, -1, 2**63 - 1, -(2**63)],
            [0.1, 1e300, -0.5, 1234567.25],
            [True, False, None],
            [date(1999, 12, 31), date(2025, 9, 12), None],
            [datetime(2025, 9, 12, 1, 0, 45, 120, tzinfo=UTC), datetime(2025, 9, 12, tzinfo=UTC), None],
            [Decimal("12500.05"), Decimal("-0.05"), None],
        ],
        ids=["text", "lookalikes", "signs", "integers", "floats", "booleans", "dates", "moments", "money"],
    )
    def test_values_arrive_as_they_were(self, target: Destination, maker: BatchMaker, values: list[Any]) -> None:
        ids = [f"{number:02}" for number in range(len(values))]
        frame = pl.DataFrame({"id": ids, "value": values})

        self.merge(target, maker, frame)

        assert self.rows(target, maker.stream)["value"].to_list() == self.kept(values)
        assert self.merge(target, maker, frame) == Counts(unchanged=len(values))

    def test_a_new_column_is_added(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1", "2"], "total": [5, 6]}))

        counts = self.merge(target, maker, pl.DataFrame({"id": ["1"], "total": [5], "note": ["x"]}))

        assert counts == Counts(updated=1)
        assert self.rows(target, maker.stream)["note"].to_list() == ["x", None]

    def test_a_missing_column_is_left_as_it_was(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1"], "total": [5], "note": ["x"]}))

        counts = self.merge(target, maker, pl.DataFrame({"id": ["1", "2"], "total": [6, 7]}))

        assert counts == Counts(new=1, updated=1)
        assert self.rows(target, maker.stream)["note"].to_list() == ["x", None]

    def test_a_renamed_column_is_one_missing_and_one_new(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1"], "note": ["x"]}))

        self.merge(target, maker, pl.DataFrame({"id": ["1"], "remark": ["y"]}))

        found = self.rows(target, maker.stream)
        assert (found["note"].to_list(), found["remark"].to_list()) == (["x"], ["y"])

    def test_the_order_of_columns_does_not_matter(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1"], "total": [5], "note": ["x"]}))

        counts = self.merge(target, maker, pl.DataFrame({"note": ["x"], "id": ["1"], "total": [5]}))

        assert counts == Counts(unchanged=1)

    def test_names_of_columns_may_be_anything(self, target: Destination, maker: BatchMaker) -> None:
        names = ["Transaksi ID", "select", 'a "quoted" one', "naïve; drop", "100%", "=1+1", "2025", "שם, 'x'", "🙂"]
        frame = pl.DataFrame({"id": ["1"], **{name: [name] for name in names}})

        self.merge(target, maker, frame)

        assert self.rows(target, maker.stream).select(names).row(0) == tuple(names)
        assert self.merge(target, maker, frame) == Counts(unchanged=1)

    def test_a_batch_without_rows_changes_nothing(self, target: Destination, maker: BatchMaker) -> None:
        empty = pl.DataFrame(schema={"id": pl.String, "total": pl.Int64})

        assert self.merge(target, maker, empty) == Counts()

        self.merge(target, maker, pl.DataFrame({"id": ["1"], "total": [5]}))
        assert self.merge(target, maker, empty) == Counts()
        assert self.rows(target, maker.stream).height == 1

    def test_a_batch_of_several_parts_is_one_batch(self, target: Destination, maker: BatchMaker) -> None:
        parts = [pl.DataFrame({"id": [str(n)], "total": [n]}) for n in range(5)]
        self.merge(target, maker, *parts)

        counts = self.merge(target, maker, parts[3], pl.DataFrame({"id": ["9"], "total": [9]}), parts[3])

        assert counts == Counts(new=1, unchanged=1, duplicate=1)

    # Several destinations run the suite in one process, each as a class of its own.
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        before=st.dictionaries(st.integers(0, 6), st.tuples(CELLS, NUMBERS), max_size=6),
        now=st.dictionaries(st.integers(0, 6), st.tuples(CELLS, NUMBERS), min_size=1, max_size=6),
    )
    def test_rows_are_classified_as_the_pure_function_does(
        self,
        before: dict[int, tuple[str | None, int | None]],
        now: dict[int, tuple[str | None, int | None]],
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target, maker = self.destination(Path(folder)), BatchMaker(Path(folder) / "staging")
            known, frame = _frame(before), _frame(now)
            self.merge(target, maker, known)

            changes = target.compare(maker.stream, maker.batch(frame))

            if not self.keeps_empty_text:
                known, frame = (each.with_columns(pl.col("note").replace("", None)) for each in (known, frame))
            assert changes.classes.to_list() == classify(frame, known, ("id",)).to_list()
            counts = target.write(maker.stream, changes)
            assert (counts, counts.rows) == (changes.counts, frame.height)
            expected = pl.concat([known, frame]).unique("id", keep="last").sort("id")
            assert self.rows(target, maker.stream).select("id", "note", "total").rows() == expected.rows()

    def test_a_thousand_rows_are_merged_as_few_are(self, target: Destination, maker: BatchMaker) -> None:
        ids = [f"{number:04}" for number in range(1000)]
        notes = [f"note {number} עם טקסט" for number in range(1000)]
        frame = pl.DataFrame({"id": ids, "total": range(1000), "note": notes})
        assert self.merge(target, maker, frame) == Counts(new=1000)

        changed = frame.with_columns(total=pl.when(pl.col("id") == "0500").then(-1).otherwise("total"))
        more = pl.DataFrame({"id": ["1000"], "total": [1000], "note": ["last"]})
        counts = self.merge(target, maker, pl.concat([changed, more]))

        assert counts == Counts(new=1, updated=1, unchanged=999)
        assert_frame_equal(self.rows(target, maker.stream), pl.concat([changed, more]))

    def test_changes_hold_one_class_for_each_row(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1", "2"], "total": [1, 2]}))

        batch = maker.batch(pl.DataFrame({"id": ["3", "1", "2"], "total": [3, 1, 20]}))
        changes = target.compare(maker.stream, batch)

        assert changes.classes.to_list() == [RowClass.NEW, RowClass.UNCHANGED, RowClass.UPDATED]
        assert [frame["id"].to_list() for frame in changes.rows(RowClass.UPDATED)] == [["2"]]


def _frame(rows: dict[int, tuple[str | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [(str(key), text, number) for key, (text, number) in rows.items()],
        schema={"id": pl.String, "note": pl.String, "total": pl.Int64},
        orient="row",
    )
