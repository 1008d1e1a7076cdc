"""A stream with a history in a run: what is archived, and what a wrong spelling leads to."""

import polars as pl

from backhaul.model import Counts
from tests.engine.place import Place

NAME = "andalan.user"


def change(place: Place, column: str, value: str) -> None:
    for row in place.office.data["user"]:
        row[column] = value


def archived(place: Place) -> int:
    return sum(frame.height for frame in place.installation.curated.read("user__archive"))


def test_only_changes_of_the_history_are_archived(place: Place) -> None:
    history = {"history": ("Kota",)}
    place.run_changed(NAME, changes=history)
    change(place, "Nama", "Nama Baru")
    assert place.run_changed(NAME, changes=history).counts == Counts(updated=16)
    assert archived(place) == 0

    change(place, "Kota", "Kota Baru")
    assert place.run_changed(NAME, changes=history).counts == Counts(updated=16)

    archive = pl.concat(list(place.installation.curated.read("user__archive")))
    assert set(archive["Nama"]) == {"Nama Baru"}
    assert archive.height == 16


def test_a_misspelt_history_delivers_nothing_until_it_is_corrected(place: Place) -> None:
    wrong = place.run_changed(NAME, changes={"history": ("Kotta",)})

    [stream] = wrong.streams
    assert "history names 'Kotta'" in str(stream.error)
    assert stream.error is not None and "Correct history=" in stream.error.next_step
    assert place.rows("user") == []

    corrected = place.run_changed(NAME, changes={"history": ("Kota",)})
    assert (corrected.exit_code, len(place.rows("user"))) == (0, 16)
