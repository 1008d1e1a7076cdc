"""A destination that fails keeps its deliveries; the others go on, and the next run makes up for it in order."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from backhaul.destinations import Warehouse
from backhaul.engine.derived import Derived
from backhaul.engine.events import Delivered, DeliveryFailed, Warned
from backhaul.engine.systems import find
from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError
from backhaul.model import Batch, Changes, Counts, Stream
from tests.engine.place import Place, with_streams
from tests.engine.test_stateless import Closed

STREAM = "andalan.user"


@pytest.fixture
def second(tmp_path: Path) -> Warehouse:
    """A warehouse in a folder that a file stands in the way of; `path.parent.unlink()` clears it."""
    (tmp_path / "office").write_text("in the way")
    return Warehouse(str(tmp_path / "office" / "second.db"), name="second")


def rows(warehouse: Warehouse) -> int:
    return sum(frame.height for frame in warehouse.read("user"))


def test_a_failed_delivery_stays_pending_and_the_next_run_delivers_it_first(
    place: Place, second: Warehouse, tmp_path: Path
) -> None:
    changes = {"to": (second,)}

    failed = place.run_changed(STREAM, changes=changes)

    assert (failed.status, failed.exit_code) == ("partly done", 3)
    assert isinstance(failed.streams[0].error, DeliveryError)
    assert len(place.rows("user")) == 16
    assert len(place.told(DeliveryFailed)) == 1
    assert len(place.installation.ledger.pending(STREAM)) == 1

    (tmp_path / "office").unlink()
    place.events.clear()
    good = place.run_changed(STREAM, changes=changes)

    assert good.exit_code == 0
    assert rows(second) == 16
    told = [(each.destination, each.left_over, each.counts) for each in place.told(Delivered)]
    assert told == [
        ("second", True, Counts(new=16)),
        ("curated", False, Counts(unchanged=16)),
        ("second", False, Counts(unchanged=16)),
    ]
    assert place.installation.ledger.pending(STREAM) == []


def test_a_delivery_of_a_computed_table_that_fails_again_is_told_though_there_is_nothing_new(
    place: Place, second: Warehouse, tmp_path: Path
) -> None:
    users = Derived("users", after="user", build=lambda user: user.select("User ID"), key="User ID", to=second)
    target = find(place.folder / "systems", "andalan")[0]
    target = with_streams(target, [users, *(each for each in target.pipeline.streams if each.name == "user")])

    results = [place.run_target(target) for _ in range(3)]
    (tmp_path / "office").unlink()
    results.append(place.run_target(target))

    assert [each.exit_code for each in results] == [3, 3, 3, 0]
    assert [each.streams[0].status for each in results] == ["pending", "pending", "pending", "done"]
    assert sum(frame.height for frame in second.read("users")) == 16


@dataclass(frozen=True)
class Busy:
    """A destination that is locked by another program."""

    name: str = "busy"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        raise TransientError("busy: it is locked by another program")

    def write(self, stream: Stream, changes: Changes) -> Counts:
        raise AssertionError


def test_a_delivery_to_a_destination_that_is_busy_is_pending_and_not_failed(place: Place) -> None:
    result = place.run_changed(STREAM, changes={"to": (Busy(),)})

    assert (result.exit_code, result.streams[0].status) == (3, "pending")
    assert "locked by another program" in str(result.streams[0].error)
    assert len(place.installation.ledger.pending(STREAM)) == 1


@dataclass(frozen=True)
class Refusing:
    """A destination that raises error, whatever it is asked."""

    error: BackhaulError
    name: str = "refusing"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        raise self.error

    def write(self, stream: Stream, changes: Changes) -> Counts:
        raise AssertionError


@pytest.mark.parametrize("kind", [ConfigError, TransientError, DeliveryError])
def test_a_destination_that_a_person_must_look_at_holds_up_no_other_and_no_fetch(
    place: Place, tmp_path: Path, kind: type[BackhaulError]
) -> None:
    other = Warehouse(str(tmp_path / "other.db"), name="other")
    to = (Refusing(kind("refusing: the key is wrong", next_step="Download the key again.")), other)
    place.run_changed(STREAM, changes={"to": to}, window="2025-09-11")

    result = place.run_changed(STREAM, changes={"to": to})

    error = result.streams[0].error
    assert (result.exit_code, result.streams[0].status) == (3, "pending")
    assert (str(error), error and error.next_step) == ("refusing: the key is wrong", "Download the key again.")
    assert rows(other) == len(place.rows("user")) > 16
    assert len(place.installation.ledger.pending(STREAM)) == 2


def test_the_cursor_moves_on_although_a_delivery_waits(place: Place, second: Warehouse) -> None:
    place.run_changed(STREAM, changes={"to": (second,)})

    assert place.installation.ledger.cursor(STREAM).window_end is not None


def test_later_batches_wait_behind_the_one_that_failed(place: Place, second: Warehouse, tmp_path: Path) -> None:
    changes = {"to": (second,)}
    place.run_changed(STREAM, changes=changes, window="2025-09-11")
    place.run_changed(STREAM, changes=changes)
    (tmp_path / "office").unlink()
    place.events.clear()

    place.run_changed(STREAM, changes=changes)

    order = [each.batch for each in place.told(Delivered) if each.destination == "second"]
    assert order == sorted(order)
    assert len(order) == 3


def test_the_headline_counts_are_those_of_the_first_destination(place: Place, tmp_path: Path) -> None:
    place.run(STREAM)
    to = Warehouse(str(tmp_path / "other.db"), name="other")

    result = place.run_changed(STREAM, changes={"to": (to,)})

    assert result.counts == Counts(new=16)
    assert place.rows("user")[0] in [row for frame in to.read("user") for row in frame.rows()]


def test_deliveries_to_a_destination_that_was_taken_out_are_told(place: Place, second: Warehouse) -> None:
    place.run_changed(STREAM, changes={"to": (second,)})
    place.events.clear()

    place.run(STREAM)

    messages = [each.message for each in place.told(Warned)]
    assert any("second" in message and "no longer" in message for message in messages)


def test_two_destinations_of_one_name_are_refused_before_anything_starts(place: Place, tmp_path: Path) -> None:
    twice = (Warehouse(str(tmp_path / "a.db")), Warehouse(str(tmp_path / "b.db")))

    with pytest.raises(ConfigError, match="two destinations share a name"):
        place.run_changed(STREAM, changes={"to": twice})

    assert place.office.requests == []


def test_a_warehouse_that_is_no_database_fails_clearly_and_nothing_is_lost(place: Place) -> None:
    place.installation.data.mkdir()
    place.installation.warehouse.write_bytes(b"not a database at all" * 100)

    failed = place.run(STREAM)

    assert failed.exit_code == 3
    assert "file is not a database" in str(failed.streams[0].error)
    place.installation.warehouse.unlink()
    again = place.run(STREAM).streams[0]
    assert (again.left_over, again.counts) == (Counts(new=16), Counts(unchanged=16))


def test_what_an_earlier_run_left_over_is_told_apart_from_what_this_one_read(place: Place) -> None:
    closed = [True]
    far = Closed(lambda: closed[0])
    place.run_changed("andalan.user", changes={"to": (far,)})
    closed[0] = False

    result = place.run_changed("andalan.user", changes={"to": (far,)})

    assert (result.counts.rows, result.streams[0].left_over.rows) == (16, 16)


class Broken:
    """A destination whose author made a mistake."""

    name = "broken"

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        raise KeyError("a value from a row")

    def write(self, stream: Stream, changes: Changes) -> Counts:
        raise AssertionError


def test_a_mistake_in_one_destination_holds_up_no_other(place: Place, tmp_path: Path) -> None:
    good = Warehouse(str(tmp_path / "good.db"), name="good")

    first = place.run_changed("andalan.user", changes={"to": (Broken(), good)})
    second = place.run_changed("andalan.user", changes={"to": (Broken(), good)})

    [error] = [first.streams[0].error]
    assert (first.exit_code, len(place.rows("user"))) == (3, 16)
    assert "broken: unexpected KeyError" in str(error) and "a value" not in str(error)
    assert sum(frame.height for frame in good.read("user")) == 16
    assert second.streams[0].window == "2025-09-12"
    assert len(place.installation.ledger.pending("andalan.user")) == 2
