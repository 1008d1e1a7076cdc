"""What a benchmark reports: figures beside what was asked of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How thoroughly to measure, and where the peers are installed.

    Args:
        peer_python: the Python of the environment made from benchmarks/requirements.txt.
        rows: of the large merge.
        rounds: how often each side of a comparison runs; the median counts.
    """

    peer_python: Path
    rows: int = 1_000_000
    rounds: int = 5


@dataclass(frozen=True)
class Figure:
    """One line of the table; `reached` is told, never enforced: a busy machine is no defect."""

    name: str
    asked: str
    measured: str
    reached: bool


def at_most(name: str, measured: float, limit: float, unit: str) -> Figure:
    """Return a figure with an upper limit of its own."""
    return Figure(name, f"<= {limit:g} {unit}", f"{measured:.3g} {unit}", measured <= limit)


def ratio(name: str, *, ours: float, peer: float, limit: float | None, unit: str) -> Figure:
    """Return a figure that is a fraction of what the peer took in the same run; without a limit it is only told."""
    fraction = ours / peer
    measured = f"{fraction:.2f} ({ours:.3g} {unit} against {peer:.3g} {unit})"
    if limit is None:
        return Figure(name, "", measured, True)
    return Figure(name, f"<= {limit:.2f}", measured, fraction <= limit)


def holds(name: str, truth: bool, *, otherwise: str) -> Figure:
    """Return a figure that is a fact and not a number."""
    return Figure(name, "yes", "yes" if truth else otherwise, truth)


def median(values: Iterable[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def _verdict(figure: Figure) -> str:
    if not figure.asked:
        return ""
    return "ok" if figure.reached else "MISSED"


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as an aligned table."""
    lines = [("figure", "asked", "measured", "")]
    lines += [(figure.name, figure.asked, figure.measured, _verdict(figure)) for figure in figures]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in (lines[0], rule, *lines[1:])
    )
