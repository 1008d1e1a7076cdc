"""Killed between any two steps, with each destination, and run again: rows, counts and messages of one clean run."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from backhaul.engine.run import LEDGER_URL, WAREHOUSE_URL
from backhaul.model import Counts
from backhaul.sandbox import Book, SandboxBackOffice, SandboxSheets, SandboxTelegram
from tests import postgres
from tests.engine.place import DAY, Place

SCRIPT = Path(__file__).with_name("killed_run.py")
STREAM = "andalan.user"
BEFORE = Counts(new=10)
MEANT = Counts(new=6, updated=5, unchanged=5)
FEW, ALL = 2, 8
"""Parts of a run that the fast tests try, and tests that the slow ones are divided into."""

Rows = list[tuple[str, ...]]


class Far(Protocol):
    """A destination of the stream, as its test declares and sees it."""

    declared: str
    name: str

    def settings(self, place: Place) -> dict[str, str]:
        """Return what an installation at place needs beside the back office, for a destination of its own."""

    def rows(self, place: Place) -> Rows:
        """Return the rows, by key, as text."""

    def close(self) -> None:
        """Let go of everything."""


class Google:
    declared, name = "GoogleSheet(Setting('SHEET_USER'))", "google sheet"

    def __init__(self) -> None:
        self.sheets = SandboxSheets()
        self.sheets.__enter__()
        self.books: dict[Path, Book] = {}

    def settings(self, place: Place) -> dict[str, str]:
        book = self.books[place.folder] = self.sheets.add_spreadsheet()
        account = {"GOOGLE_SERVICE_ACCOUNT_JSON": self.sheets.service_account(), "GOOGLE_API_URL": self.sheets.url}
        return {**account, "SHEET_USER": book.url}

    def rows(self, place: Place) -> Rows:
        self.sheets.faults.clear()
        book = self.books[place.folder]
        return sorted(tuple(map(str, row)) for row in book.values(next(iter(book.tabs)))[1:])

    def close(self) -> None:
        self.sheets.__exit__(None, None, None)


class Excel:
    declared, name = "ExcelWorkbook(Setting('SHEET_USER'))", "workbook"

    def settings(self, place: Place) -> dict[str, str]:
        return {"SHEET_USER": str(place.folder / "out" / "user.xlsx")}

    def rows(self, place: Place) -> Rows:
        import openpyxl

        book = openpyxl.load_workbook(place.folder / "out" / "user.xlsx")
        found = [tuple(map(str, row)) for row in book.worksheets[0].iter_rows(min_row=2, values_only=True)]
        book.close()
        assert not list((place.folder / "out").glob("*.part"))
        return sorted(found)

    def close(self) -> None:
        pass


class Csv:
    declared, name = "CsvFiles(Setting('SHEET_USER'), snapshots=9)", "csv"

    def settings(self, place: Place) -> dict[str, str]:
        return {"SHEET_USER": str(place.folder / "out")}

    def rows(self, place: Place) -> Rows:
        with (place.folder / "out" / "user.csv").open(encoding="utf-8-sig", newline="") as file:
            return sorted(map(tuple, list(csv.reader(file))[1:]))

    def close(self) -> None:
        pass


class Server:
    """Ledger and curated tables on a PostgreSQL server, and nothing else."""

    declared, name = "", "curated"

    def settings(self, place: Place) -> dict[str, str]:
        url = postgres.server().database()
        return {LEDGER_URL: url, WAREHOUSE_URL: url}

    def rows(self, place: Place) -> Rows:
        return [tuple(map(str, row)) for row in place.rows("user")]

    def close(self) -> None:
        pass


KINDS: dict[str, type[Far]] = {"google": Google, "excel": Excel, "csv": Csv, "postgres": Server}
BY_KIND = [pytest.param(kind, marks=[postgres.needs_server] if kind == "postgres" else []) for kind in KINDS]


class Bench:
    """Makes installations that have delivered ten rows, whose site now has six more and five changed ones."""

    def __init__(self, far: Far, folder: Path, office: SandboxBackOffice) -> None:
        self.far, self.folder, self.office = far, folder, office
        self.now = list(office.data["user"])
        today = [row for row in self.now if str(row["Tanggal"]).startswith(DAY)]
        changed = {id(row) for row in today[:5]}
        new = {id(row) for row in today[-6:]}
        earlier = ({**row, "Poin": -1} if id(row) in changed else row for row in self.now if id(row) not in new)
        self.before = list(earlier)
        self.meant, self.steps = self._clean()

    def place(self, name: str) -> Place:
        folder = self.folder / name
        folder.mkdir()
        place = Place(folder, self.office)
        place.settings |= self.far.settings(place)
        declare(place.folder, 'key="User ID"', f'key="User ID", to=[{self.far.declared}]')
        self.office.data["user"] = self.before
        assert place.run(STREAM).counts == BEFORE
        self.office.data["user"] = self.now
        return place

    def _clean(self) -> tuple[Rows, int]:
        place = self.place("clean")
        done = start(place, 0)
        assert done.returncode == 0, done.stderr
        rows = self.far.rows(place)
        assert len(rows) == BEFORE.new + MEANT.new
        return rows, int(done.stdout)

    def check(self, step: int) -> None:
        place = self.place(str(step))
        killed = start(place, step)
        # The number of steps differs a little from run to run: the last ones may not be reached.
        assert killed.returncode == -signal.SIGKILL or step > 0.9 * self.steps, killed.stderr

        result = place.run(STREAM)

        assert result.exit_code == 0
        assert self.far.rows(place) == self.meant
        done = delivered(place, self.far.name)
        assert (done.new, done.updated, done.removed) == (BEFORE.new + MEANT.new, MEANT.updated, 0), "counts are true"
        assert place.installation.ledger.pending() == []
        assert place.run(STREAM).counts == Counts(unchanged=16)
        assert not list((place.folder / "data" / "lake").rglob("*.part/*"))


def declare(folder: Path, what: str, instead: str) -> None:
    """Change the pipeline's own module, for runs in processes of their own."""
    path = folder / "systems" / "andalan" / "pipeline.py"
    code = path.read_text(encoding="utf-8")
    assert what in code
    path.write_text(f"from backhaul import *\n{code.replace(what, instead)}", encoding="utf-8")


def delivered(place: Place, destination: str) -> Counts:
    """Return what the ledger says that all deliveries to a destination have come to."""
    import sqlalchemy as sa

    from backhaul.engine.ledger import tables as t

    query = sa.select(t.deliveries).where(t.deliveries.c.destination == destination, t.deliveries.c.state == "done")
    rows = place.installation.ledger._file.rows(query)
    names = ("new", "updated", "unchanged", "duplicate", "rejected", "removed")
    return sum((Counts(*(row[name] for name in names)) for row in rows), Counts())


def start(place: Place, step: int) -> subprocess.CompletedProcess[str]:
    office = ("BACKEND_URL", "BACKEND_USERNAME", "BACKEND_PASSWORD")
    arguments = [str(place.folder), *(place.settings[name] for name in office), STREAM, str(step)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **place.settings},
    )


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with ExitStack() as stack:
        made: dict[str, Bench] = {}

        def bench(kind: str) -> Bench:
            if kind not in made:
                far = KINDS[kind]()
                stack.callback(far.close)
                office = stack.enter_context(SandboxBackOffice())
                made[kind] = Bench(far, tmp_path_factory.mktemp(kind), office)
            return made[kind]

        yield bench


@pytest.mark.parametrize("kind", BY_KIND)
@pytest.mark.parametrize("part", range(FEW))
def test_killed_at_a_step_and_run_again(benches: Any, kind: str, part: int) -> None:
    bench = benches(kind)

    # The later half is where deliveries are.
    bench.check(bench.steps * (6 + 3 * part) // (5 * FEW))


@pytest.mark.slow
@pytest.mark.parametrize("kind", BY_KIND)
@pytest.mark.parametrize("part", range(ALL))
def test_killed_at_every_step_and_run_again(tmp_path: Path, benches: Any, kind: str, part: int) -> None:
    bench = benches(kind)
    bench.folder = tmp_path
    for step in range(1 + part, bench.steps + 1, ALL):
        bench.check(step)


@pytest.mark.parametrize("share", [0.15, pytest.param(0.5, marks=pytest.mark.slow), 0.85])
def test_of_a_killed_run_people_get_every_message_that_was_due_at_least_once(place: Place, share: float) -> None:
    with SandboxTelegram() as telegram:
        place.settings |= {
            "TELEGRAM_TOKEN": telegram.token,
            "TELEGRAM_CHAT_ID": str(telegram.chat_id),
            "TELEGRAM_API_URL": telegram.url,
        }
        declare(place.folder, "schedule=", "notify=[Telegram()], schedule=")
        whole = int(start(place, 0).stdout)
        clean = [message.text for message in telegram.messages(telegram.chat_id)]
        start(place, int(share * whole))

        assert place.run(STREAM).exit_code == 0

        told = [message.text for message in telegram.messages(telegram.chat_id)][len(clean) :]
        kinds = [text.splitlines()[0].split(" - ")[0] for text in told]
        assert len(clean) == 3
        assert any("SUMMARY" in each for each in kinds)
        assert place.installation.ledger.outbox.waiting("andalan", "telegram", datetime.now(UTC)) == []
