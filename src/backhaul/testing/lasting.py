"""What has to last in a destination: people's work, removed rows, and the state after a cut."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from backhaul.model import REMOVED_AT, Counts, Destination, Rejected
from backhaul.testing.batches import BatchMaker
from backhaul.testing.capabilities import DestinationUnderTest, needs


def orders(*ids: str, total: int = 5) -> pl.DataFrame:
    """Return a row for each id."""
    return pl.DataFrame({"id": ids, "total": [total] * len(ids)}, schema={"id": pl.String, "total": pl.Int64})


class LastingContract(DestinationUnderTest):
    """The part of the contract about what a merge leaves alone, marks, refuses and repeats."""

    @needs("shared_with_people")
    def test_a_column_of_people_stays_as_it_is(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, orders("1", "2"))
        self.add_column_of_people(target, maker.stream, "paid", {"1": "yes", "2": "=later"})

        counts = self.merge(target, maker, pl.DataFrame({"id": ["2", "3"], "total": [6, 7], "note": ["n", "n"]}))

        assert counts == Counts(new=1, updated=1)
        found = self.rows(target, maker.stream)
        assert found["paid"].to_list() == ["yes", "=later", None]
        assert found["total"].to_list() == [5, 6, 7]
        assert found["note"].to_list() == [None, "n", "n"]

    @needs("shared_with_people")
    def test_a_row_of_people_stays_as_it_is(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, pl.DataFrame({"id": ["1"], "note": ["a"]}))
        self.add_row_of_people(target, maker.stream, {"id": "own", "note": "typed"})

        counts = self.merge(target, maker, pl.DataFrame({"id": ["1", "2"], "note": ["b", "c"]}))

        assert counts == Counts(new=1, updated=1)
        assert self.rows(target, maker.stream).select("id", "note").rows() == [
            ("1", "b"),
            ("2", "c"),
            ("own", "typed"),
        ]

    @needs("remembers_deletions")
    def test_a_delivered_row_that_a_person_deletes_is_not_added_again(
        self, target: Destination, maker: BatchMaker
    ) -> None:
        self.merge(target, maker, orders("1", "2", "3"))
        self.delete_row(target, maker.stream, "2")
        before = self.fingerprint(target)

        assert self.merge(target, maker, orders("1", "2", "3")) == Counts(unchanged=3)
        assert self.fingerprint(target) == before

        counts = self.merge(target, maker, orders("2", "4", total=6))

        assert counts == Counts(new=1, unchanged=1)
        assert self.rows(target, maker.stream)["id"].to_list() == ["1", "3", "4"]

    @needs("marks_removed")
    def test_a_row_that_a_complete_batch_lacks_is_marked_and_never_deleted(
        self, target: Destination, maker: BatchMaker
    ) -> None:
        complete = replace(maker, complete=True)
        self.merge(target, complete, orders("1", "2", "3"))
        assert REMOVED_AT not in self.rows(target, maker.stream).columns

        counts = self.merge(target, complete, orders("1", "3"))

        assert counts == Counts(unchanged=2, removed=1)
        found = self.rows(target, maker.stream)
        assert found["total"].to_list() == [5, 5, 5]
        assert found[REMOVED_AT].is_null().to_list() == [True, False, True]

    @needs("marks_removed")
    def test_a_row_stays_removed_since_it_was_first_missing(self, target: Destination, maker: BatchMaker) -> None:
        complete = replace(maker, complete=True)
        self.merge(target, complete, orders("1", "2"))
        self.merge(target, complete, orders("1"))
        before = self.fingerprint(target)

        counts = self.merge(target, complete, orders("1"))

        assert counts == Counts(unchanged=1)
        assert self.fingerprint(target) == before

    @needs("marks_removed")
    def test_a_row_that_is_there_again_is_updated_and_no_longer_marked(
        self, target: Destination, maker: BatchMaker
    ) -> None:
        complete = replace(maker, complete=True)
        self.merge(target, complete, orders("1", "2"))
        self.merge(target, complete, orders("1"))

        counts = self.merge(target, complete, orders("1", "2"))

        assert counts == Counts(unchanged=1, updated=1)
        assert self.rows(target, maker.stream)[REMOVED_AT].null_count() == 2

    @needs("marks_removed")
    def test_rows_removed_by_a_write_that_is_repeated_are_counted_alike(
        self, target: Destination, maker: BatchMaker
    ) -> None:
        complete = replace(maker, complete=True)
        self.merge(target, complete, orders("1", "2", "3"))
        changes = target.compare(complete.stream, complete.batch(orders("1", "4")))

        first = target.write(complete.stream, changes)
        again = target.write(complete.stream, changes)

        assert first == again == changes.counts == Counts(new=1, unchanged=1, removed=2)
        assert self.rows(target, maker.stream)[REMOVED_AT].null_count() == 2

    @needs("marks_removed")
    def test_a_stream_that_is_not_complete_marks_nothing(self, target: Destination, maker: BatchMaker) -> None:
        self.merge(target, maker, orders("1", "2"))

        counts = self.merge(target, maker, orders("1"))

        assert counts == Counts(unchanged=1)
        assert REMOVED_AT not in self.rows(target, maker.stream).columns

    @needs("longest_text")
    def test_the_longest_text_arrives_and_a_longer_one_is_refused_with_its_row(
        self, target: Destination, maker: BatchMaker
    ) -> None:
        assert self.longest_text is not None
        longest, longer = "x" * self.longest_text, "x" * (self.longest_text + 1)
        batch = maker.batch(pl.DataFrame({"id": ["1", "2", "3"], "note": [longest, longer, "short"]}))

        changes = target.compare(maker.stream, batch)
        counts = target.write(maker.stream, changes)

        assert counts == changes.counts == Counts(new=2, rejected=1)
        assert changes.refused == (Rejected(2, changes.refused[0].check),)
        assert "note" in changes.refused[0].check
        assert "xxx" not in changes.refused[0].check
        found = self.rows(target, maker.stream)
        assert found["id"].to_list() == ["1", "3"]
        assert found["note"].to_list() == [longest, "short"]

    @needs("longest_text")
    def test_a_row_whose_new_value_is_refused_stays_as_it_was(self, target: Destination, maker: BatchMaker) -> None:
        assert self.longest_text is not None
        self.merge(target, maker, pl.DataFrame({"id": ["1", "2"], "note": ["a", "b"]}))

        longer = "x" * (self.longest_text + 1)
        counts = self.merge(target, maker, pl.DataFrame({"id": ["1", "2"], "note": [longer, "c"]}))

        assert counts == Counts(updated=1, rejected=1)
        assert self.rows(target, maker.stream)["note"].to_list() == ["a", "c"]

    @needs("can_be_cut")
    def test_a_write_that_is_cut_off_and_repeated_equals_one_write(
        self, target: Destination, maker: BatchMaker
    ) -> None:
        self.merge(target, maker, orders("1", "2"))
        batch = maker.batch(pl.DataFrame({"id": ["2", "3", "4"], "total": [6, 7, 8]}))
        changes = target.compare(maker.stream, batch)

        self.cut_write(target, maker.stream, changes)
        counts = target.write(maker.stream, changes)

        assert counts == changes.counts == Counts(new=2, updated=1)
        assert self.rows(target, maker.stream).select("id", "total").rows() == [
            ("1", 5),
            ("2", 6),
            ("3", 7),
            ("4", 8),
        ]
