"""Which notices a notifier tells: sets with a name, for pipelines."""

from __future__ import annotations

from backhaul.notices import (
    AlertClosed,
    AlertOpened,
    Digest,
    Greeting,
    Notice,
    RunStarted,
    RunSummary,
    RunWarned,
    StreamDone,
    StreamFailed,
    StreamRecovered,
    SystemFailed,
)

Kinds = frozenset[type[Notice]]

EVERY_RUN: Kinds = frozenset({RunStarted, StreamDone, StreamFailed, StreamRecovered, RunSummary, SystemFailed})
"""Each run is told step by step: start, every stream, summary, failures of the whole."""

ALERTS: Kinds = frozenset({AlertOpened, AlertClosed, Digest})
"""Monitoring: only what changes (it fails, it needs a person, it works again) and a digest."""

WARNINGS: Kinds = frozenset({RunWarned})
"""What the checks and the parser of a run have warned of, in one message; goes with the other two."""


def is_told(notice: Notice, kinds: Kinds) -> bool:
    """Tell whether a notifier of these kinds tells notice; a greeting tests the connection of every one."""
    return isinstance(notice, (Greeting, *kinds))
