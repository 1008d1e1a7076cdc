"""System A as a whole while its surroundings fail: the rest goes on, and the next run makes it good."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.engine import announce
from backhaul.engine.events import Event, StreamDone, Subscriber, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target, load_system
from backhaul.model import Counts
from backhaul.retry import Budget
from backhaul.sandbox import Fault, PlannedTelegramFault, SheetsFault, TelegramFault
from backhaul.sandbox.outside import Outside
from backhaul.sealing import new_key
from tests.destinations.google_place import FakeTime

FOLDER = Path(__file__).resolve().parents[2] / "systems" / "andalan"
ROWS = {"SHEET_TRANSAKSI": 27, "SHEET_POINT_TRX": 50, "SHEET_USER": 16, "SHEET_PEMBAYARAN_KOIN": 1}
ALL = Counts(new=94)
WRITES = {"method": "POST", "path": "batchUpdate"}
DAY = "2025-09-12"


@dataclass
class Day:
    """An installation of system A whose waits for Google pass at once."""

    outside: Outside
    data: Path
    events: list[Event] = field(default_factory=list)

    def run(self, *subscribers: Subscriber) -> RunResult:
        [target] = load_system(FOLDER)
        budget = Budget(attempts=3, first_wait_s=0.01, longest_wait_s=0.05)
        options, here = RunOptions(window=DAY, budget=budget), Installation(self.data, self.outside.settings)
        return run_pipeline(hurried(target), here, options, [self.events.append, *subscribers])

    def heal(self) -> None:
        self.outside.sheets.faults.clear()
        self.outside.telegram.faults.clear()

    def keys(self) -> dict[str, list[Any]]:
        """Return the keys that stand in each sheet."""
        tabs = {name: book.values(next(iter(book.tabs)))[1:] for name, book in self.outside.books.items()}
        return {name: [row[0] for row in rows] for name, rows in tabs.items()}

    def told(self) -> list[str]:
        return [message.text for message in self.outside.telegram.messages(self.outside.telegram.chat_id)]

    def warnings(self) -> str:
        return "\n".join(event.message for event in self.events if isinstance(event, Warned))


def hurried(target: Target) -> Target:
    time = FakeTime()
    streams = []
    for stream in target.pipeline.streams:
        [sheet] = stream.to
        assert isinstance(sheet, GoogleSheet)
        patience = replace(sheet.patience, clock=time.clock, sleep=time.sleep)
        streams.append(replace(stream, to=(replace(sheet, patience=patience),)))
    return replace(target, pipeline=replace(target.pipeline, streams=tuple(streams)))


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    with Outside() as outside:
        yield Day(outside, tmp_path / "data")


def some_fast(cases: Collection[str], *fast: str) -> list[Any]:
    """Return all cases, those slow that are not named."""
    return [pytest.param(each, marks=[] if each in fast else [pytest.mark.slow]) for each in cases]


def complete(day: Day) -> bool:
    """Tell whether every row is in its sheet, once."""
    keys = day.keys()
    assert all(len(set(found)) == len(found) for found in keys.values()), "no row stands twice"
    return {name: len(found) for name, found in keys.items()} == ROWS


PASSING: dict[str, dict[str, Any]] = {
    "503 after the write": {"fault": SheetsFault.UNAVAILABLE_AFTER, "times": 4, **WRITES},
    "503 before the write": {"fault": SheetsFault.UNAVAILABLE_BEFORE, "times": 4, **WRITES},
    "cut after the write": {"fault": SheetsFault.CUT_AFTER, "times": 4, **WRITES},
    "500": {"fault": SheetsFault.SERVER_ERROR, "times": 4},
    "a page of the network": {"fault": SheetsFault.BAD_GATEWAY_HTML, "times": 3},
    "429 for a minute": {"fault": SheetsFault.TOO_MANY_REQUESTS, "times": 8, "seconds": 60},
    "token service down for a moment": {"fault": SheetsFault.TOKEN_UNAVAILABLE, "times": 2},
}


@pytest.mark.parametrize("what", some_fast(PASSING, "503 after the write"))
def test_what_passes_by_itself_costs_nothing_and_doubles_nothing(day: Day, what: str) -> None:
    day.outside.sheets.faults.add(**PASSING[what])

    first = day.run()
    again = day.run()

    assert (first.exit_code, first.counts) == (0, ALL)
    assert complete(day)
    assert again.counts == Counts(unchanged=94)


LASTING: dict[str, tuple[SheetsFault, str]] = {
    "token service down": (SheetsFault.TOKEN_UNAVAILABLE, "token service answered 503"),
    "key refused": (SheetsFault.TOKEN_REFUSED, "does not accept the key of"),
    "nothing is shared": (SheetsFault.NOT_SHARED, "is not shared with"),
    "google is down": (SheetsFault.UNAVAILABLE_BEFORE, "503"),
    "quota used up": (SheetsFault.TOO_MANY_REQUESTS, "quota"),
}


@pytest.mark.parametrize("what", some_fast(LASTING, "key refused"))
def test_while_google_is_away_the_rows_are_kept_and_delivered_later(day: Day, what: str) -> None:
    fault, words = LASTING[what]
    day.outside.sheets.faults.add(fault, times=None)

    failed = day.run()
    failed_again = day.run()
    day.heal()
    good = day.run()

    for result in (failed, failed_again):
        assert (result.status, result.exit_code) == ("partly done", 3)
        assert all(words in str(stream.error) for stream in result.streams)
    assert sum(frame.height for frame in Installation(day.data, {}).curated.read("transaksi")) == 27
    assert good.exit_code == 0
    assert sum(stream.left_over.new for stream in good.streams) == 94
    assert complete(day)
    assert day.run().counts == Counts(unchanged=94)


def test_one_sheet_that_is_protected_holds_up_no_other(day: Day) -> None:
    book = day.outside.books["SHEET_USER"]
    book.protect(next(iter(book.tabs)))

    result = day.run()

    assert (result.status, result.counts) == ("partly done", Counts(new=78))
    assert "protected" in str(result.streams[2].error)
    assert any("User Export Gagal!" in text and "protected" in text for text in day.told())


TELEGRAM: dict[str, PlannedTelegramFault] = {
    "down": PlannedTelegramFault(TelegramFault.BAD_GATEWAY),
    "cut": PlannedTelegramFault(TelegramFault.CUT_BEFORE),
    "slow": PlannedTelegramFault(TelegramFault.HANG, seconds=5.0),
    "asks for an hour": PlannedTelegramFault(TelegramFault.TOO_MANY_REQUESTS, seconds=3600),
    "has thrown us out": PlannedTelegramFault(TelegramFault.BLOCKED),
    "does not know the chat": PlannedTelegramFault(TelegramFault.CHAT_NOT_FOUND),
}


@pytest.mark.parametrize("what", some_fast(TELEGRAM, "asks for an hour"))
def test_a_telegram_that_fails_holds_up_no_row_and_gets_its_messages_later(
    day: Day, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(announce, "FINISH_S", 0.5)
    day.outside.telegram.faults.set(TELEGRAM[what])

    result = day.run()

    assert (result.exit_code, result.counts) == (0, ALL)
    assert complete(day)
    assert what == "slow" or "its messages wait in the outbox" in day.warnings()
    assert day.outside.telegram.token not in day.warnings()
    assert day.told() == []

    for thread in threading.enumerate():
        if thread.name == "notify telegram":
            day.outside.telegram.faults.set(TelegramFault.CUT_BEFORE)
            thread.join(20)
            assert not thread.is_alive(), "what sends ends soon after its run"
    day.heal()
    monkeypatch.setattr(announce, "FINISH_S", 30.0)
    day.run()
    starts = [number for number, text in enumerate(day.told()) if "AUTOMATION DIMULAI" in text]
    summaries = [number for number, text in enumerate(day.told()) if "SUMMARY" in text]
    assert len(day.told()) == 12
    assert starts[0] < summaries[0] < starts[1] < summaries[1]


def test_a_group_that_becomes_a_supergroup_in_the_middle_of_a_run_gets_every_message(day: Day) -> None:
    telegram, moved = day.outside.telegram, []

    def move(event: Event) -> None:
        if isinstance(event, StreamDone) and not moved:
            moved.append(telegram.migrate(telegram.chat_id))

    assert day.run(move).counts == ALL

    told = [message.text for chat in (telegram.chat_id, *moved) for message in telegram.messages(chat)]
    assert sum("Export Berhasil!" in text for text in told) == 4
    assert sum("SUMMARY" in text for text in told) == 1
    assert "TELEGRAM_CHAT_ID" in day.warnings()


BAD: dict[str, Callable[[Outside], None]] = {
    "pages": lambda outside: outside.office.faults.add(Fault.ERROR_PAGE_AS_FILE),
    "login": lambda outside: outside.office.faults.add(Fault.CAPTCHA),
    "garbage": lambda outside: outside.office.faults.add(Fault.GARBAGE),
    "changed": lambda outside: outside.office.faults.add(Fault.CHANGED_BUTTON),
    "filter": lambda outside: outside.office.faults.add(Fault.IGNORED_FILTER),
    "keys": lambda outside: outside.office.faults.add(Fault.ROWS_WITHOUT_KEY),
    "refused": lambda outside: outside.sheets.faults.add(SheetsFault.TOKEN_REFUSED, times=None),
    "not shared": lambda outside: outside.sheets.faults.add(SheetsFault.NOT_SHARED, times=None),
    "telegram": lambda outside: outside.telegram.faults.set(TelegramFault.BLOCKED),
}


@pytest.mark.slow
def test_whatever_fails_no_secret_and_no_row_is_written_down_or_said(tmp_path: Path) -> None:
    """The lake and the curated tables hold rows, as they must; all other files and everything that is said do not."""
    home = tmp_path / "home"
    shutil.copytree(FOLDER, home / "systems" / "andalan", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    said = []
    with Outside() as outside:
        settings = {**outside.settings, "BACKHAUL_HOME": str(home), "BACKHAUL_KEY": new_key()}
        for spoil in BAD.values():
            spoil(outside)
            said.append(run_by_hand(settings))
            outside.office.faults.clear()
            outside.sheets.faults.clear()
            outside.telegram.faults.clear()
        words = secrets_of(settings) | contents_of(outside)
    written = {path: path.read_bytes() for path in home.joinpath("data").rglob("*") if is_of_interest(path)}

    assert len(written) > 10
    assert len(words) > 100
    assert any("evidence" in path.parts for path in written)
    for path, content in written.items():
        assert [word for word in words if word.encode() in content] == [], path
    assert [word for word in words if word in "\n".join(said)] == []


def run_by_hand(settings: dict[str, str]) -> str:
    command = [sys.executable, "-m", "backhaul", "run", "andalan", "--window", DAY, "--debug"]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr


def secrets_of(settings: dict[str, str]) -> set[str]:
    import json

    account = json.loads(settings["GOOGLE_SERVICE_ACCOUNT_JSON"])
    lines = account["private_key"].splitlines()[1:-1]
    names = ("BACKEND_PASSWORD", "TELEGRAM_TOKEN", "BACKHAUL_KEY")
    return {*lines, account["private_key_id"], *(settings[name] for name in names)}


def contents_of(outside: Outside) -> set[str]:
    """Return names, addresses and phone numbers of the made-up customers."""
    rows = [row for table in outside.office.data.values() for row in table]
    columns = ("Nama", "Email", "Nomor HP", "Nama Pelanggan")
    return {str(row[name]) for row in rows for name in columns if len(str(row.get(name) or "")) > 6}


def is_of_interest(path: Path) -> bool:
    is_data = "lake" in path.parts or path.name.startswith("warehouse.db")
    return path.is_file() and not is_data
