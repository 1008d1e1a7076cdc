"""A folder with system A in it, beside a sandbox back office: what the engine's tests run on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backhaul.engine.events import Event
from backhaul.engine.pipeline import Pipeline
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target, find
from backhaul.model import Stream
from backhaul.retry import Budget
from backhaul.sandbox import SandboxBackOffice

SYSTEMS = Path(__file__).resolve().parents[1] / "systems"
DAY = "2025-09-12"
QUICK = Budget(attempts=3, first_wait_s=0.01, longest_wait_s=0.05)


@dataclass
class Place:
    """One installation of system A, signed up at a sandbox."""

    folder: Path
    office: SandboxBackOffice
    events: list[Event] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = {
            "BACKEND_URL": self.office.url,
            "BACKEND_USERNAME": self.office.username,
            "BACKEND_PASSWORD": self.office.password,
        }
        if not (self.folder / "systems").exists():
            shutil.copytree(SYSTEMS, self.folder / "systems", ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def installation(self) -> Installation:
        return Installation(self.folder / "data", self.settings)

    def run(self, name: str = "andalan", **options: Any) -> RunResult:
        return self.run_target(find(self.folder / "systems", name)[0], **options)

    def run_target(self, target: Target, **options: Any) -> RunResult:
        chosen = RunOptions(**{"window": DAY, "budget": QUICK, **options})
        return run_pipeline(target, self.installation, chosen, [self.events.append])

    def changed(self, name: str = "andalan.transaksi", **changes: Any) -> Target:
        """Return one stream's target with other options than its declaration has."""
        target = find(self.folder / "systems", name)[0]
        [stream] = target.pipeline.streams
        return with_streams(target, [replace(stream, **changes)])

    def run_changed(self, name: str = "andalan.transaksi", *, changes: dict[str, Any], **options: Any) -> RunResult:
        """Run one stream with other options than its declaration has."""
        return self.run_target(self.changed(name, **changes), **options)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return a curated table's rows without bookkeeping, by key."""
        frames = list(self.installation.curated.read(table))
        return sorted(row for frame in frames for row in frame.rows()) if frames else []

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / "data" / "ledger.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def with_streams(target: Target, streams: Sequence[Stream]) -> Target:
    pipeline = target.pipeline
    return Target(target.name, Pipeline(pipeline.name, tuple(streams), pipeline.schedule))


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file below folder with its time of change and its bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
