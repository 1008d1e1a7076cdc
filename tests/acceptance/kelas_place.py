"""System C in a folder of its own, against the sandbox school and the shared MongoDB server."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from typer.testing import CliRunner, Result

from backhaul import Pipeline, WhatsAppWeb
from backhaul.cli.app import app
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.side_by_side import run_side_by_side
from backhaul.engine.systems import Target, bundled_systems, find
from backhaul.errors import BackhaulError
from backhaul.model import Counts
from backhaul.retry import Budget
from backhaul.sandbox.chat_files import LOCALES, ChatLine, Said, exported
from backhaul.sandbox.outside import Outside
from backhaul.sandbox.school import DAYS, LEADS, ZONE, SandboxSchool
from backhaul.sealing import new_key
from tests import mongo_server

DESK = "Sales desk"
QUICK = Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.05)
DATABASES = ("STUDENTS_DB", "SALES_DB", "LOGGER_DB")
BRISK = WhatsAppWeb(pace_s=0, ready_s=15, deadline_s=60)
Line = tuple[int, int, str, str]
"""A message of an export: day after the first, minute of the day, sender, text."""


@dataclass
class Class:
    """One installation of system C; `day` 0 of what is said is the school's first day."""

    folder: Path
    outside: Outside
    school: SandboxSchool
    settings: dict[str, str] = field(repr=False)
    client: Any = field(default_factory=mongo_server.client, repr=False)
    events: list[Event] = field(default_factory=list, repr=False)

    @property
    def installation(self) -> Installation:
        return Installation(self.folder / "data", self.settings)

    def run(self, name: str = "students", **options: Any) -> RunResult:
        """Run one pipeline, or one stream as `students.exports`."""
        target = found(f"kelas.{name}")[0]
        chosen = RunOptions(budget=options.pop("budget", QUICK), **options)
        return run_pipeline(target, self.installation, chosen, [self.events.append])

    def run_both(self, **options: Any) -> tuple[RunResult | BackhaulError, RunResult | BackhaulError]:
        """Run both pipelines side by side; return what came of students and of sales."""
        by_name = {target.name: target for target in found("kelas")}
        targets = [by_name["kelas.students"], by_name["kelas.sales"]]
        chosen = RunOptions(budget=QUICK, **options)
        students, sales = run_side_by_side(targets, self.installation, chosen, [self.events.append])
        return students, sales

    def call(self, *arguments: object, code: int = 0) -> Result:
        """Type a command in the installation's folder."""
        systems = self.folder / "systems"
        if not systems.exists():
            systems.symlink_to(bundled_systems(), target_is_directory=True)
        env = {"BACKHAUL_HOME": str(self.folder), **self.settings}
        result = CliRunner().invoke(app, [str(each) for each in arguments], env=env)
        assert result.exit_code == code, result.output
        return result

    def said(self, *arguments: object, code: int = 0) -> Any:
        return json.loads(self.call(*arguments, "--json", code=code).stdout)

    def at(self, day: int, minute: int) -> datetime:
        """Return a moment of the school as clocks there show it."""
        return datetime.combine(self.school.first_day + timedelta(days=day), time()) + timedelta(minutes=minute)

    @property
    def zone(self) -> ZoneInfo:
        return ZONE

    def shown(self, day: int, minute: int) -> str:
        return f"{self.at(day, minute):%H:%M, %d.%m.%Y}"

    def export(self, group: str, lines: Iterable[Line], name: str = "WhatsApp Chat.txt") -> Path:
        """Put an export file of a group (`students`, `sales`) into the folder of exports."""
        chat = [ChatLine(self.at(0, 0) - timedelta(days=40), None, Said.SYSTEM, "")]
        chat += [ChatLine(self.at(day, minute), sender, Said.TEXT, text) for day, minute, sender, text in lines]
        return self.drop(group, name, "".join(exported(chat, LOCALES["he"], "group")).encode())

    def drop(self, group: str, name: str, content: bytes) -> Path:
        """Put a file into the folder of a group's exports."""
        path = self.folder / "exports" / group / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # What has just been written to waits for the next run.
        a_while_ago = datetime.now(UTC).timestamp() - 60
        os.utime(path, (a_while_ago, a_while_ago))
        return path

    def collection(self, database: str, name: str) -> Any:
        return self.client[self.settings[database]][name]

    def lines(self, group: str, day: int) -> list[Line]:
        """Return what is said in a group (`students`, `sales`) on a day of the school."""
        if group == "sales":
            return [(day, minute, DESK, text) for minute, text in LEADS[day]]
        return [(day, minute, sender, text) for minute, sender, text in DAYS[day]]

    def students(self) -> dict[str, dict[str, Any]]:
        """Return the documents by the student's name."""
        return {each["name"]: each for each in self.collection("STUDENTS_DB", "student_stats").find()}

    def practices(self) -> dict[str, dict[str, int]]:
        """Return by student and lesson the number of practices, those of none left out."""
        counts = {
            name: {str(each["lesson"]): each["practice_count"] for each in document["lessons"]}
            for name, document in self.students().items()
        }
        return {name: {key: n for key, n in lessons.items() if n} for name, lessons in counts.items()}

    def logs(self) -> list[dict[str, Any]]:
        return list(self.collection("LOGGER_DB", "logger_stats").find(sort=[("timestamp", 1)]))

    def roster(self) -> list[list[str]]:
        assert self.school.roster is not None
        return self.school.roster.formatted("main")

    def sales(self) -> list[list[str]]:
        """Return the rows of the sales sheet, its header first; none before anything was written."""
        assert self.school.sales is not None
        return [row for row in self.school.sales.formatted("Sheet1") if any(row)]

    def select(self, query: str, file: str = "warehouse.db") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "data" / file)) as connection:
            return connection.execute(query).fetchall()

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    def told(self) -> list[str]:
        telegram = self.outside.telegram
        return [message.text for message in telegram.messages(telegram.chat_id)]


def found(name: str) -> list[Target]:
    """Return the targets of a name, whose page is read without a pause between two steps."""
    return [replace(each, pipeline=_brisk(each.pipeline)) for each in find(bundled_systems(), name)]


def _brisk(pipeline: Pipeline) -> Pipeline:
    streams = [
        replace(each, source=BRISK) if isinstance(each.source, WhatsAppWeb) else each for each in pipeline.streams
    ]
    return replace(pipeline, streams=tuple(streams))


def counts(result: RunResult | BackhaulError, stream: str) -> Counts:
    found: Counts = outcome_of(result, stream).counts
    return found


def outcome_of(result: RunResult | BackhaulError, stream: str) -> Any:
    """Return how one stream of a run has ended."""
    assert isinstance(result, RunResult), result
    return next(each for each in result.streams if each.stream.endswith(f".{stream}"))


def statuses(result: RunResult | BackhaulError) -> dict[str, str]:
    assert isinstance(result, RunResult), result
    return {each.stream.rpartition(".")[2]: str(each.status) for each in result.streams}


@contextmanager
def school_class(folder: Path, *, with_page: bool) -> Iterator[Class]:
    """Give an installation whose page is switched on or off, with databases of its own; nothing has run yet."""
    with Outside() as outside:
        school = outside.open_school(mongo_server.url())
        yield at(folder, outside, school, with_page=with_page)


def at(folder: Path, outside: Outside, school: SandboxSchool, *, with_page: bool = False) -> Class:
    """Return an installation in folder; people are not told."""
    settings = {
        **outside.settings,
        **{name: mongo_server.new_database() for name in DATABASES},
        "WHATSAPP_WEB": "yes" if with_page else "no",
        "WHATSAPP_PROFILE": str(folder / "profile"),
        "WHATSAPP_EXPORTS": str(folder / "exports"),
        "BACKHAUL_KEY": new_key(),
        "DISABLE_NOTIFICATIONS": "true",
    }
    return Class(folder, outside, school, settings)
