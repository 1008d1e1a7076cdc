"""Machines that forget their disk between runs: nothing is lost, and they say so."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

from backhaul.engine.context import Status
from backhaul.engine.events import Warned
from backhaul.errors import DeliveryError
from backhaul.model import Batch, Changes, Counts, Stream
from tests.engine.place import Place


@dataclass(frozen=True)
class Closed:
    """A destination that takes nothing while `is_closed` says so."""

    is_closed: Callable[[], bool]
    taken: list[str] = field(default_factory=list, compare=False)
    name: str = "far away"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        import polars as pl

        if self.is_closed():
            raise DeliveryError("far away: closed", next_step="Open it.")
        return Changes(batch, pl.zeros(batch.rows, dtype=pl.UInt8, eager=True))

    def write(self, stream: Stream, changes: Changes) -> Counts:
        self.taken.append(changes.batch.id)
        return changes.counts


def test_what_was_not_delivered_is_fetched_again_where_the_ledger_outlives_the_disk(place: Place) -> None:
    closed = [True]
    far = Closed(lambda: closed[0])
    place.settings["BACKHAUL_STATELESS"] = "true"
    first = place.run_changed("andalan.user", changes={"to": (far,)})
    # The ledger is elsewhere and stays; everything else goes with the machine.
    shutil.rmtree(place.folder / "data" / "lake")
    (place.folder / "data" / "warehouse.db").unlink()
    closed[0] = False

    second = place.run_changed("andalan.user", changes={"to": (far,)})

    assert (first.exit_code, first.streams[0].status) == (3, Status.PENDING)
    assert "look-back fetches these days again" in str(first.streams[0].error and first.streams[0].error.next_step)
    assert (second.exit_code, second.counts) == (0, Counts(new=16))
    assert len(far.taken) == 1
    warnings = [event.message for event in place.told(Warned)]
    assert warnings == ["1 batch of an earlier run went with its disk; the look-back fetches those days again"]


def test_days_that_were_not_delivered_do_not_move_the_cursor_of_a_machine_that_forgets(place: Place) -> None:
    place.settings["BACKHAUL_STATELESS"] = "1"

    place.run_changed("andalan.user", changes={"to": (Closed(lambda: True),)})

    assert place.installation.ledger.cursor("andalan.user").window_end is None


def test_a_machine_that_remembers_moves_on_and_keeps_the_delivery(place: Place) -> None:
    place.run_changed("andalan.user", changes={"to": (Closed(lambda: True),)})

    assert place.installation.ledger.cursor("andalan.user").window_end is not None
    assert len(place.installation.ledger.pending("andalan.user")) == 1


def test_on_a_fresh_disk_without_any_ledger_a_run_is_as_good_as_the_first(place: Place) -> None:
    place.settings["BACKHAUL_STATELESS"] = "true"
    place.run("andalan.user")
    shutil.rmtree(place.folder / "data")

    assert place.run("andalan.user").counts == Counts(new=16)
