"""From messages to the sales sheet, through the engine: each lead once, and what people do in the sheet stays."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from openpyxl import load_workbook

from backhaul import Derived, DropFolder, GoogleSheet, Pipeline, Schedule
from backhaul.engine.quarantine import export_rows, open_rows
from backhaul.engine.rework import repair, requeue
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.model import Counts, Stream
from backhaul.retry import Budget
from backhaul.sandbox import Book, SandboxSheets, SheetsFault
from backhaul.sandbox.sheets.faults import CallKind
from backhaul.sessions.google.access import Patience
from systems.kelas.rules.lead_text import LABELS
from systems.kelas.rules.leads import KEY, SHEET_KEY, UNREADABLE, Leads, readable_leads, sales_sheet
from systems.kelas.tests.lead_messages import message

TAB = "Sheet1"
HEADER = ["source", "name", "phone", "mail", "time"]
OLD = [
    ["פייסבוק", "ותיקה אחת", "050-0000001", "old1@example.org", "09:00, 01.01.2025"],
    ["אתר", "ותיק שני", "050-0000002", "", "10:00, 02.01.2025"],
]
ZONE = ZoneInfo("Asia/Jerusalem")
QUICK = Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.02)


def lead(number: int, name: str = "דנה", source: str = "פייסבוק") -> str:
    """Return the text of a lead."""
    return f"מקור: {source}\nשם: {name}\nטלפון: 050-123450{number}\nמייל: d{number}@example.org"


def row(number: int, name: str = "דנה", source: str = "פייסבוק", minute: int = 0) -> list[str]:
    """Return what the sheet shows of it."""
    time = f"14:{30 + minute}, 01.11.2026"
    return [source, name, f"050-123450{number}", f"d{number}@example.org", time, f"97250123450{number}"]


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a CSV file as the source of messages gives them."""
    return frame.with_columns(
        pl.col("wa_id", "text", "sender", "kind").cast(pl.String),
        pl.col("is_edited").cast(pl.String).replace_strict({"True": True, "true": True}, default=False),
    )


@dataclass
class Sales:
    """One installation whose messages come as files, and the spreadsheet of the sales team."""

    folder: Path
    sandbox: SandboxSheets
    book: Book
    numbers: Iterator[int] = field(default_factory=count)
    seconds: float = 1_000.0

    def __post_init__(self) -> None:
        (self.folder / "drop").mkdir()

    @property
    def installation(self) -> Installation:
        return Installation(self.folder / "data", {})

    @property
    def target(self) -> Target:
        patience = Patience(attempts=1, timeout_s=20.0, clock=lambda: self.seconds, sleep=self._sleep)
        account = self.sandbox.service_account()
        url = self.sandbox.url
        sheet = GoogleSheet(
            self.book.url, account=account, api_url=url, adds_only=True, adds_key=True, patience=patience
        )
        messages = DropFolder(str(self.folder / "drop"), settle_s=0).files(
            "messages",
            pattern="*.csv",
            key=("fingerprint", "occurrence"),
            table="sales_messages",
            transform=typed,
            checks=[readable_leads(LABELS, "IL")],
        )
        made = Leads(LABELS, ZONE.key, "IL")
        streams = [
            messages,
            Derived("leads", after="messages", build=made, key=KEY),
            Derived("sales_sheet", after="leads", build=sales_sheet, key=SHEET_KEY, to=sheet),
        ]
        return Target(
            "kelas.sales", Pipeline("sales", streams, schedule=Schedule("0 */2 * * *", timezone="Asia/Jerusalem"))
        )

    def stream(self, name: str) -> Target:
        streams: list[Stream] = [each for each in self.target.pipeline.streams if each.name == name]
        return Target("kelas.sales", replace(self.target.pipeline, streams=streams))

    def post(self, *messages: dict[str, Any]) -> None:
        """Put messages into the folder, as one file."""
        columns = ["fingerprint", "occurrence", "sent_at", "sender", "kind", "text", "is_edited", "wa_id"]
        with (self.folder / "drop" / f"{next(self.numbers):03}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for each in messages:
                cells = {
                    "wa_id": "",
                    **each,
                    "sent_at": each["sent_at"].astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S"),
                }
                writer.writerow(cells)

    def run(self) -> RunResult:
        return run_pipeline(self.target, self.installation, RunOptions(budget=QUICK))

    def say(self, *messages: dict[str, Any]) -> RunResult:
        self.post(*messages)
        return self.run()

    def rows(self) -> list[list[str]]:
        """Return the sheet below its header, cells as shown."""
        return self.book.formatted(TAB)[1:]

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def sales(tmp_path: Path) -> Iterator[Sales]:
    with SandboxSheets() as sandbox:
        yield Sales(tmp_path, sandbox, sandbox.add_spreadsheet("לידים"))


def counts(result: RunResult, name: str) -> Counts:
    return next(each.counts for each in result.streams if each.stream.endswith(name))


def first(rows: Sequence[Sequence[str]], width: int = 5) -> list[list[str]]:
    return [list(each[:width]) for each in rows]


def test_leads_arrive_in_the_sheet_once_each(sales: Sales) -> None:
    result = sales.say(message(lead(1)), message("בוקר טוב", 1), message(lead(2, "רון"), 2))
    again = sales.run()

    assert result.exit_code == again.exit_code == 0
    assert sales.book.formatted(TAB)[0] == [*HEADER, SHEET_KEY]
    assert sales.rows() == [row(1), row(2, "רון", minute=2)]
    assert counts(result, "sales_sheet") == Counts(new=2)
    assert counts(again, "sales_sheet") in (Counts(), Counts(unchanged=2))


def test_the_same_messages_from_another_file_and_new_ones_of_the_same_minute_are_told_apart(sales: Sales) -> None:
    sales.say(message(lead(1)))

    sales.say(message(lead(1)), message(lead(2)), message(lead(3)))

    assert sales.rows()[0] == row(1)
    assert sorted(sales.rows()) == [row(1), row(2), row(3)]


def test_a_person_who_writes_again_is_listed_and_not_appended(sales: Sales) -> None:
    sales.say(message(lead(1)))

    result = sales.say(message(lead(1, source="אתר"), 5))

    [leads] = sales.installation.curated.read("leads")
    assert sales.rows() == [row(1)]
    assert counts(result, "sales_sheet").new == 0
    assert leads["duplicate_of"].null_count() == 1
    assert leads.height == 2


def test_a_write_whose_answer_was_lost_and_the_run_after_it_double_nothing(sales: Sales) -> None:
    sales.say(message(lead(1)))
    sales.sandbox.reset_calls()
    sales.say(message(lead(2), 1))
    reads = sales.sandbox.reads
    sales.sandbox.faults.add(SheetsFault.UNAVAILABLE_AFTER, kind=CallKind.WRITE)
    sales.sandbox.faults.add(SheetsFault.EMPTY_503, kind=CallKind.READ, after=reads, times=None)

    cut = sales.say(message(lead(3), 2))
    written = sales.rows()
    sales.sandbox.faults.clear()
    after = sales.run()

    assert (cut.exit_code, after.exit_code) == (3, 0)
    assert written == sales.rows() == [row(1), row(2, minute=1), row(3, minute=2)]


def test_a_lead_that_the_team_deleted_stays_deleted(sales: Sales) -> None:
    sales.say(message(lead(1)), message(lead(2), 1))
    sales.book.delete_row(TAB, 2)

    sales.say(message(lead(3), 2), message(lead(1, source="אתר"), 3))

    assert sales.rows() == [row(2, minute=1), row(3, minute=2)]


def test_a_sheet_that_is_there_already_is_adopted_and_its_rows_are_not_touched(sales: Sales) -> None:
    sales.book.fill(TAB, [HEADER, *OLD])

    first_run = sales.say(message(lead(1)))
    sales.say(message(lead(2), 1))

    assert first_run.exit_code == 0
    assert sales.book.formatted(TAB)[0] == [*HEADER, SHEET_KEY]
    assert first(sales.rows()) == [*OLD, row(1)[:5], row(2, minute=1)[:5]]
    assert [each[5] if len(each) > 5 else "" for each in sales.rows()] == ["", "", row(1)[5], row(2)[5]]


def test_an_edited_lead_is_still_one_and_a_message_that_was_deleted_brings_none(sales: Sales) -> None:
    sales.say(message(lead(1, "דינה"), wa_id="3A01"))

    sales.say(
        message(lead(1), wa_id="3A01", is_edited=True),
        message(lead(2), 1, wa_id="3A02"),
        message("", 1, wa_id="3A02", kind="deleted"),
    )

    assert len(sales.rows()) == 1


def test_a_lead_whose_message_was_deleted_stays_as_it_is(sales: Sales) -> None:
    sales.say(message(lead(1), wa_id="3A01"), message(lead(2), 1))

    result = sales.say(message("", wa_id="3A01", kind="deleted"))

    assert result.exit_code == 0
    assert counts(result, "sales_sheet").removed == 0
    assert sales.book.formatted(TAB) == [[*HEADER, SHEET_KEY], row(1), row(2, minute=1)]


def test_a_name_that_a_person_corrected_stays_when_the_next_lead_comes(sales: Sales) -> None:
    sales.say(message(lead(1, "דינה")), message(lead(2), 1))
    sales.book.type_cell(TAB, "B2", "דנה כהן")

    result = sales.say(message(lead(3), 2))

    assert counts(result, "sales_sheet").new == 1
    assert sales.rows() == [row(1, "דנה כהן"), row(2, minute=1), row(3, minute=2)]


def test_an_older_message_of_the_same_person_that_comes_later_does_not_rewrite_the_row(sales: Sales) -> None:
    sales.say(message(lead(1), 5))

    result = sales.say(message(lead(1, "דינה", "אתר")), message(lead(2), 6))

    [leads] = sales.installation.curated.read("leads")
    older = leads.filter(leads["name"] == "דינה")
    assert older["duplicate_of"].to_list() == [None]
    assert (counts(result, "sales_sheet").new, counts(result, "sales_sheet").updated) == (1, 0)
    assert sales.rows() == [row(1, minute=5), row(2, minute=6)]


def test_what_looks_like_a_formula_arrives_as_text(sales: Sales) -> None:
    sales.say(message("מקור: =1+1\nשם: +1\nטלפון: 0501234501"))

    assert sales.book.cell(TAB, "A2").is_formula is False
    assert first(sales.rows(), 3) == [["=1+1", "+1", "0501234501"]]


def test_a_broken_lead_waits_in_quarantine_is_repaired_and_arrives(sales: Sales, tmp_path: Path) -> None:
    broken = message("מקור: אתר\nשם:\nרון לוי\nטלפון:\n050-1234502", 1)
    result = sales.say(message(lead(1)), broken)
    [shown] = open_rows(sales.stream("messages"), sales.installation)
    path = tmp_path / "rejected.xlsx"
    export_rows(sales.stream("messages"), sales.installation, path)
    _type_into(path, "text", lead(2, "רון לוי", "אתר"))

    done = repair(sales.stream("messages"), sales.installation, path)
    sales.run()

    assert (counts(result, "messages").rejected, shown.check) == (1, UNREADABLE)
    assert shown.values is not None
    assert shown.values["text"] == broken["text"]
    assert done.counts.new == 1
    assert sales.rows() == [row(1), row(2, "רון לוי", "אתר", minute=1)]
    assert open_rows(sales.stream("messages"), sales.installation) == []


def test_a_broken_lead_that_nobody_has_repaired_stays_when_it_is_requeued(sales: Sales) -> None:
    sales.say(message("מקור: אתר\nמייל:"), message(lead(1), 1))

    requeue(sales.stream("messages"), sales.installation)

    assert len(open_rows(sales.stream("messages"), sales.installation)) == 1


def test_a_message_that_two_files_hold_is_one_lead_whichever_comes_first(sales: Sales) -> None:
    sales.post(message(lead(2), 1), message(lead(1)))
    sales.post(message(lead(1)), message(lead(3), 2))

    sales.run()
    sales.say(message(lead(3), 2), message(lead(2), 1))

    assert sales.rows() == [row(1), row(2, minute=1), row(3, minute=2)]


def test_messages_without_a_lead_leave_the_sheet_alone(sales: Sales) -> None:
    result = sales.say(message("בוקר טוב"))

    assert result.exit_code == 0
    assert sales.rows() == []


def _type_into(path: Path, column: str, value: str) -> None:
    """Write value into the only row of a workbook, as a person would."""
    book: Any = load_workbook(path)
    header = [cell.value for cell in book.active[1]]
    book.active.cell(2, header.index(column) + 1, value)
    book.save(path)
