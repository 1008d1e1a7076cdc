"""Runs backhaul as a person does, as a whole process, in a home folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, measured

SYSTEMS = Path(__file__).resolve().parent / "systems"
WAREHOUSE = Path("data") / "warehouse.db"
COUNTS = ("new", "updated", "unchanged", "duplicate", "rejected")


def make_home(folder: Path) -> Path:
    """Return folder as a home that holds the benchmark's systems and no data."""
    shutil.copytree(SYSTEMS, folder / "systems", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(home: Path, arguments: list[str], *, settings: dict[str, str] | None = None, pss: bool = False) -> Cost:
    """Return what `backhaul run ARGUMENTS --json` took; `counts` reads what it said."""
    return measured(
        [sys.executable, "-m", "backhaul", "run", *arguments, "--json"],
        folder=home,
        environment={**os.environ, **(settings or {}), "BACKHAUL_HOME": str(home)},
        pss=pss,
        output=home / "said.json",
    )


def counts(home: Path) -> dict[str, dict[str, int]]:
    """Return the counts of each stream of the last run."""
    said: dict[str, Any] = json.loads((home / "said.json").read_text(encoding="utf-8"))
    return {each["stream"].rpartition(".")[2]: {name: each[name] for name in COUNTS} for each in said["streams"]}
