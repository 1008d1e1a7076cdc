"""The pure classification: what a destination would find for each row."""

import polars as pl

from backhaul.model import RowClass
from backhaul.quality import Drift, classify, drift

NEW, UPDATED, UNCHANGED = RowClass.NEW, RowClass.UPDATED, RowClass.UNCHANGED
NOTHING = pl.DataFrame(schema={"id": pl.String, "total": pl.Int64})


def test_rows_are_new_updated_or_unchanged_in_their_order() -> None:
    known = pl.DataFrame({"id": ["1", "2"], "total": [1, 2]})
    frame = pl.DataFrame({"id": ["3", "2", "1"], "total": [3, 2, 10]})

    assert classify(frame, known, ("id",)).to_list() == [NEW, UNCHANGED, UPDATED]


def test_everything_is_new_where_nothing_is_known() -> None:
    assert classify(pl.DataFrame({"id": ["1"], "total": [None]}), NOTHING, ("id",)).to_list() == [NEW]


def test_null_equals_null_and_nothing_else() -> None:
    known = pl.DataFrame({"id": ["1", "2", "3"], "note": [None, "", None]})
    frame = pl.DataFrame({"id": ["1", "2", "3"], "note": [None, None, ""]})

    assert classify(frame, known, ("id",)).to_list() == [UNCHANGED, UPDATED, UPDATED]


def test_columns_that_the_batch_lacks_are_not_compared() -> None:
    known = pl.DataFrame({"id": ["1"], "total": [1], "note": ["of a person"]})

    assert classify(pl.DataFrame({"id": ["1"], "total": [1]}), known, ("id",)).to_list() == [UNCHANGED]


def test_a_new_column_updates_the_rows_that_fill_it() -> None:
    known = pl.DataFrame({"id": ["1", "2"]})
    frame = pl.DataFrame({"id": ["1", "2"], "note": ["x", None]})

    assert classify(frame, known, ("id",)).to_list() == [UPDATED, UNCHANGED]


def test_keys_of_several_columns_are_one_key() -> None:
    known = pl.DataFrame({"shop": ["a", "b"], "id": ["1", "1"], "total": [1, 2]})
    frame = pl.DataFrame({"shop": ["b", "a"], "id": ["1", "2"], "total": [2, 1]})

    assert classify(frame, known, ("shop", "id")).to_list() == [UNCHANGED, NEW]


def test_bookkeeping_is_not_compared() -> None:
    known = pl.DataFrame({"id": ["1"], "total": [1]})
    frame = pl.DataFrame({"_row": [9], "id": ["1"], "total": [1]})

    assert classify(frame, known, ("id",)).to_list() == [UNCHANGED]


def test_drift_names_what_came_and_what_went() -> None:
    assert drift(["id", "note", "total"], ["total", "remark", "id"]) == Drift(("remark",), ("note",))


def test_another_order_of_columns_is_no_drift() -> None:
    assert not drift(["id", "total"], ["total", "id"])
