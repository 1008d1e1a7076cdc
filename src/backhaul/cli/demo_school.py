"""The demo's school: whether system C can be shown on this machine, and what has come of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.engine.declared_reports import find_report, report_table
from backhaul.engine.run import Installation
from backhaul.sandbox.mongo import found_program
from backhaul.sandbox.outside import Outside
from backhaul.sandbox.school import ZONE as ZONE
from backhaul.sessions.chromium import find_chromium

if TYPE_CHECKING:
    import polars as pl

NAME = "kelas"
NEEDED = {"phonenumbers": "whatsapp", "pymongo": "mongo"}
EXPORTS = Path("exports", "students")
REPORTS = ("kelas.per_teacher", "kelas.senders", "kelas.leads_by_week")


@dataclass(frozen=True)
class Possible:
    """How far the school can be shown: why not at all, or why without the page; empty where nothing is in the way."""

    why_not: str = ""
    why_no_page: str = ""


def possible() -> Possible:
    """Return what this machine has for the school: packages, a MongoDB, a browser."""
    if missing := [extra for module, extra in NEEDED.items() if find_spec(module) is None]:
        return Possible(f'packages are not installed: pip install "backhaul[{",".join(missing)}]"')
    if not (os.environ.get("MONGODB_URI") or found_program()):
        return Possible("there is no MongoDB: name one in MONGODB_URI, or pip install SecantusDB==0.7.0b3")
    if find_spec("playwright") is None or find_chromium(headless=True) is None:
        return Possible(why_no_page="there is no browser for WhatsApp's page; its export file is read all the same")
    return Possible()


def opened(outside: Outside, folder: Path, found: Possible) -> dict[str, str]:
    """Open the school, put an export file into folder, and return the settings that are the demo's own."""
    school = outside.open_school(os.environ.get("MONGODB_URI", ""))
    school.export(folder / EXPORTS)
    return {"WHATSAPP_WEB": "no"} if found.why_no_page else {}


def told(folder: Path, here: Installation) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield some reports of the school, each with its title."""
    now = datetime.now(UTC)
    for name in REPORTS:
        declared = find_report(folder / "systems", name)
        assert declared is not None
        yield declared.report.title, report_table(declared, here, folder / "systems", now=now)
