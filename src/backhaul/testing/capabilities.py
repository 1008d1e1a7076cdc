"""What a destination under test says about itself: how to make and read it, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from backhaul.model import Changes, Counts, Destination, Stream
from backhaul.testing.batches import BatchMaker

if TYPE_CHECKING:
    import polars as pl

Test = TypeVar("Test", bound=Callable[..., None])


def needs(capability: str) -> Callable[[Test], Test]:
    """Leave a test out of the suites of destinations whose attribute `capability` is False or None."""

    def marked(test: Test) -> Test:
        test.needs = capability  # type: ignore[attr-defined]
        return test

    return marked


class DestinationUnderTest:
    """The hooks and capabilities of the destination contract.

    Always override `destination`, `rows` and `fingerprint`. Override the other hooks for what the class
    attributes below say that the destination can do.
    """

    keeps_empty_text: ClassVar[bool] = True
    """Whether "" and an empty value are two things; in a cell of a sheet they are one."""

    marks_removed: ClassVar[bool] = True
    """Whether rows that a complete stream no longer has get `removed_at`."""

    longest_text: ClassVar[int | None] = None
    """How many characters one value may have; None where there is no limit worth testing."""

    shared_with_people: ClassVar[bool] = False
    """Whether people add columns and rows beside ours: `add_column_of_people`, `add_row_of_people`."""

    remembers_deletions: ClassVar[bool] = False
    """Whether a delivered row that a person deletes stays deleted: `delete_row`."""

    can_be_cut: ClassVar[bool] = False
    """Whether a write can be cut off in the middle at will: `cut_write`."""

    def __init_subclass__(cls) -> None:
        """Take the tests out that the destination has no capability for."""
        for name in dir(cls):
            capability = getattr(getattr(cls, name), "needs", None)
            if isinstance(capability, str) and not getattr(cls, capability):
                setattr(cls, name, None)

    def destination(self, folder: Path) -> Destination:
        """Return an empty destination that lives below folder."""
        raise NotImplementedError

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        """Return what the destination holds for the stream, sorted by key; bookkeeping left out.

        Columns and rows of people are in it, and so is `removed_at` where there is one.
        """
        raise NotImplementedError

    def fingerprint(self, destination: Destination) -> object:
        """Return a value that changes whenever anything is written to the destination."""
        raise NotImplementedError

    def kept(self, values: list[Any]) -> list[Any]:
        """Return the values of one column as `rows` gives them back; override where a type is kept as another."""
        return values

    def add_column_of_people(
        self, destination: Destination, stream: Stream, name: str, values: Mapping[str, str]
    ) -> None:
        """Add a column as a person would, with values by key (the column `id`)."""
        raise NotImplementedError

    def add_row_of_people(self, destination: Destination, stream: Stream, values: Mapping[str, str]) -> None:
        """Add a row as a person would, values by column; it has a key of its own."""
        raise NotImplementedError

    def delete_row(self, destination: Destination, stream: Stream, key: str) -> None:
        """Delete the row with this key (the column `id`) as a person would."""
        raise NotImplementedError

    def cut_write(self, destination: Destination, stream: Stream, changes: Changes) -> None:
        """Begin to write changes and be cut off in the middle: the process killed, the connection closed."""
        raise NotImplementedError

    @pytest.fixture
    def maker(self, tmp_path: Path) -> BatchMaker:
        """Makes batches below the test's folder."""
        return BatchMaker(tmp_path / "staging")

    @pytest.fixture
    def target(self, tmp_path: Path) -> Destination:
        """The empty destination under test."""
        return self.destination(tmp_path)

    def merge(self, target: Destination, maker: BatchMaker, *frames: pl.DataFrame) -> Counts:
        """Compare and write one batch made of frames; the comparison must announce what the write reports."""
        changes = target.compare(maker.stream, maker.batch(*frames))
        counts = target.write(maker.stream, changes)
        assert counts == changes.counts
        return counts
