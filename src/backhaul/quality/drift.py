"""Schema drift: how the columns of a batch differ from those of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Drift:
    """Columns that came and went, in order. A renamed column is one of each."""

    added: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.missing)


def drift(before: Sequence[str], now: Sequence[str]) -> Drift:
    """Return how now differs from before; the order of columns does not matter."""
    return Drift(
        added=tuple(name for name in now if name not in before),
        missing=tuple(name for name in before if name not in now),
    )
