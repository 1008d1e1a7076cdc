"""Complete streams: what a file no longer holds is marked, never deleted, and never by mistake."""

from datetime import datetime
from typing import Any

import polars as pl

from backhaul.engine.context import Status
from backhaul.engine.events import Warned
from backhaul.engine.replay import replay_pipeline
from backhaul.model import Counts
from backhaul.quality import checks
from tests.engine.place import Place

ALL: dict[str, Any] = {"complete": True, "window_column": None}


def removed(place: Place) -> list[str]:
    [frame] = place.installation.curated.read("user")
    if "removed_at" not in frame.columns:
        return []
    return sorted(frame.filter(pl.col("removed_at").is_not_null())["User ID"].to_list())


def test_a_row_that_is_gone_is_marked_and_one_that_comes_back_is_not(place: Place) -> None:
    place.run_changed("andalan.user", changes=ALL)
    rows = place.office.data["user"]
    gone = rows.pop(8)

    second = place.run_changed("andalan.user", changes=ALL)
    marked = removed(place)
    rows.insert(8, gone)
    third = place.run_changed("andalan.user", changes=ALL)

    assert (second.counts, marked) == (Counts(unchanged=15, removed=1), [gone["User ID"]])
    assert (third.counts, removed(place)) == (Counts(updated=1, unchanged=15), [])


def test_a_rejected_row_is_not_taken_for_one_that_is_gone(place: Place) -> None:
    place.run_changed("andalan.user", changes=ALL)
    place.office.data["user"][8]["Poin"] = -5

    result = place.run_changed("andalan.user", changes={**ALL, "checks": (checks.at_least("Poin", 0),)})

    assert result.counts == Counts(unchanged=15, rejected=1)
    assert removed(place) == []
    assert any("no row is marked as removed" in event.message for event in place.told(Warned))


def test_a_file_that_holds_nothing_any_more_waits_for_a_person(place: Place) -> None:
    place.run_changed("andalan.user", changes=ALL)
    place.office.data["user"].clear()

    held = place.run_changed("andalan.user", changes=ALL)
    unmarked = removed(place)
    accepted = place.run_changed("andalan.user", changes=ALL, accept=True)

    assert (held.streams[0].status, unmarked) == (Status.HELD, [])
    assert (accepted.streams[0].status, len(removed(place))) == (Status.DONE, 16)


def test_a_replay_keeps_what_is_marked(place: Place) -> None:
    place.run_changed("andalan.user", changes=ALL)
    place.office.data["user"].pop(8)
    place.run_changed("andalan.user", changes=ALL)
    before = removed(place)

    result = replay_pipeline(place.changed("andalan.user", **ALL), place.installation, ("staging", "curated"))

    assert (result.status, removed(place)) == ("done", before)
    [frame] = place.installation.curated.read("user")
    assert isinstance(frame["removed_at"].max(), datetime)


def test_rows_in_quarantine_are_closed_by_the_next_file_which_holds_everything(place: Place) -> None:
    checked: dict[str, Any] = {**ALL, "checks": (checks.at_least("Poin", 0),)}
    user = place.office.data["user"][8]
    poin, user["Poin"] = user["Poin"], -5
    place.run_changed("andalan.user", changes=checked)
    waiting = place.ledger("SELECT count(*) FROM quarantine WHERE state = 'open'")
    user["Poin"] = poin

    place.run_changed("andalan.user", changes=checked, window="2025-09-10..2025-09-12")

    assert (waiting, place.ledger("SELECT state FROM quarantine")) == ([(1,)], [("superseded",)])
