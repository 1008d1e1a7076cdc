"""Facts about files and counts that travel through a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

ROW = "_row"
"""Column of a staged frame: the row's number in its artifact, from 1, header not counted."""

REMOVED_AT = "removed_at"
"""Column of a destination: when a complete stream's row was first missing (UTC); empty for rows that are there."""


@dataclass(frozen=True)
class Window:
    """Calendar days from start to end, both included, as a clock in timezone counts them."""

    start: date
    end: date
    timezone: str

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(f"window starts on {self.start}, after its end {self.end}")

    def __str__(self) -> str:
        return f"{self.start}" if self.start == self.end else f"{self.start}..{self.end}"


@dataclass(frozen=True)
class Counts:
    """What became of rows; every row that was read is in exactly one of the first five fields.

    `removed` are rows of the destination that a complete artifact no longer has: they were not read.
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    rejected: int = 0
    removed: int = 0

    @property
    def rows(self) -> int:
        """The number of rows read."""
        return self.new + self.updated + self.unchanged + self.duplicate + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.new + other.new,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.removed + other.removed,
        )


@dataclass(frozen=True)
class Origin:
    """Where a file's bytes came from, in its source's terms: other bytes there have another `id`.

    `made_at` is when that place got them (UTC), as it says itself.
    """

    id: str
    made_at: datetime


@dataclass(frozen=True)
class Landed:
    """A proven file in the landing zone, not yet kept."""

    path: Path
    name: str
    sha256: str
    size_bytes: int
    window: Window | None
    origin: Origin | None = None


def _unheard(remark: str) -> None:
    """Take a remark that nobody listens to."""


@dataclass(frozen=True)
class Artifact:
    """A kept file: path is its read-only place in raw, named by its hash; what it is, is hash, name and window.

    `is_repair` tells the file of rows that a person has repaired: they are parsed and transformed already.
    `made_at` is when the place it came from got it (UTC), None where that is not known. A parser says to `remark`
    what a person should know about how the file was read; the run shows it as a warning.
    """

    id: str
    path: Path
    name: str
    sha256: str
    size_bytes: int
    window: Window | None
    fetched_at: datetime
    is_repair: bool = False
    made_at: datetime | None = None
    remark: Callable[[str], None] = field(default=_unheard, compare=False, repr=False)


@dataclass(frozen=True)
class Fetched:
    """What one fetch brought: none, one or more files (none is an empty day) and where the next one goes on.

    `newest` is the newest file that the outside has, also if it was fetched before: if that one was refused, the
    stream goes on failing until a newer one is there.
    """

    artifacts: tuple[Landed, ...]
    cursor: str | None = None
    newest: Origin | None = None
