"""A made-up group on a made-up page: drawn row by row as the sandbox's builds draw it, read upwards in steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from backhaul import Pipeline, Schedule
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.errors import TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Artifact, Fetched, Landed, Stream, Window
from backhaul.retry import Budget
from backhaul.sandbox.whatsapp.locales import LOCALES
from backhaul.sessions.vault import Vault
from backhaul.sessions.whatsapp.reading import End, PageRow, Reading, Shown, Standing
from backhaul.sources import WhatsAppWeb

ZONE = "Asia/Jerusalem"
TITLE = "כיתה 5 – תרגול"  # noqa: RUF001
WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), ZONE)
QUICK = Budget(attempts=2, seconds=20.0, first_wait_s=0.01, longest_wait_s=0.02)


@dataclass(frozen=True)
class Post:
    """One message as it stands in the group now; `at` is on the local clock."""

    id: str
    at: datetime
    sender: str
    text: str
    shown: Shown = Shown.TEXT
    is_edited: bool = False

    @lru_cache(maxsize=20_000)  # noqa: B019
    def row(self, locale: str = "he", *, has_id: bool = True, shows_author: bool = True, me: str = "") -> PageRow:
        """Return how a page shows it."""
        words = LOCALES[locale]
        has_header = bool(self.text) and self.shown is not Shown.DELETED
        return PageRow(
            id=self.id if has_id else "",
            header=words.header(self.at, self.sender) if has_header else "",
            text="" if self.shown is Shown.DELETED else self.text,
            shown=self.shown,
            clock=words.clock(self.at),
            author=self.sender if shows_author else "",
            is_own=self.sender == me if me else None,
            is_edited=self.is_edited,
        )


@dataclass
class Page:
    """The page of one group: `read` shows the last rows first, then some more with each step upwards.

    Attributes:
        keeps: how many of the newest posts can be reached at all.
        end: what is shown above the oldest that can be reached.
        today: for the words between days; without, the page tells nothing of days.
    """

    posts: list[Post] = field(default_factory=list)
    locale: str = "he"
    language: str = "he"
    title: str = TITLE
    has_ids: bool = True
    me: str = ""
    own_name: str = ""
    keeps: int = 1_000_000
    end: End = End.START
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    stands: Standing = Standing.READY
    is_gone: bool = False
    today: date | None = None
    most_steps: int = 0
    asked: list[str] = field(default_factory=list)
    last: tuple[Post, ...] = ()
    closed: int = 0

    def standing(self, timeout_s: float) -> Standing:
        return self.stands

    def read(self, group: str, enough: Callable[[Sequence[PageRow]], bool], deadline_s: float) -> Reading:
        if self.is_gone:
            raise TransientError("the page is gone")
        self.asked.append(group)
        there = self.posts[-self.keeps :]
        size = 0
        while True:
            size = min(len(there), size + self.dice.randrange(1, 9))
            shown = there[len(there) - size :]
            rows = tuple(self._rows(shown))
            is_enough = enough(rows)
            if is_enough or size == len(there):
                break
        self.last = tuple(shown)
        end = End.ENOUGH if is_enough else self.end
        return Reading(self.title, rows, end, self.language, self.own_name, {"text: span": len(rows)})

    def close(self) -> None:
        self.closed += 1

    def _rows(self, shown: Sequence[Post]) -> list[PageRow]:
        """Return the rows of shown; the first of a run shows its author, which row is the first changes with it."""
        above = ("", *(each.sender for each in shown))
        rows = [
            each.row(self.locale, has_id=self.has_ids, shows_author=each.sender != before, me=self.me)
            for each, before in zip(shown, above, strict=False)
        ]
        return rows if self.today is None else list(self._below_days(rows, shown, self.today))

    def _below_days(self, rows: Sequence[PageRow], shown: Sequence[Post], today: date) -> Iterator[PageRow]:
        """Yield rows with the days that stand between them; what is above the first is not in sight."""
        day: date | None = None
        for row, post in zip(rows, shown, strict=True):
            words = LOCALES[self.locale].divider(post.at.date(), today)
            yield row if day is None else replace(row, above="" if post.at.date() == day else words)
            day = post.at.date()


@dataclass(frozen=True)
class PagedWhatsApp(WhatsAppWeb):
    """WhatsApp Web whose page is a made-up one."""

    shown: Page = field(default_factory=Page, compare=False, repr=False)

    def opened(self) -> Page:
        if self.shown.is_gone:
            raise TransientError("the page is gone")
        return self.shown


def source_of(page: Page, **options: Any) -> PagedWhatsApp:
    """Return a source of page that is switched on, as it is after its settings were filled."""
    given = {"profile": "p", "url": "u", "timezone": ZONE, "is_on": "yes", "own_name": "", **options}
    return PagedWhatsApp(shown=page, **given)


@dataclass
class Reader:
    """Reads one group as runs do, the cursor kept in between."""

    page: Page
    folder: Path
    now: datetime = datetime(2026, 10, 1, tzinfo=UTC)
    options: dict[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    remarks: list[str] = field(default_factory=list)

    def stream(self, **options: Any) -> Stream:
        own_name = self.options.get("own_name", "")
        rest = {name: value for name, value in self.options.items() if name != "own_name"}
        source = source_of(self.page, own_name=own_name, clock=lambda: self.now)
        return source.group("messages", **{"group": TITLE, "chat": "students", **rest, **options})

    def fetch(self, **options: Any) -> Fetched:
        stream = self.stream(**options)
        session = stream.source.open(Vault(self.folder / "vault"))
        try:
            return stream.source.fetch(session, stream, WINDOW, self.cursor, LandingFolder(self.folder / "landing"))
        finally:
            session.close()

    def parse(self, file: Landed, **options: Any) -> pl.DataFrame:
        return parsed(self.stream(**options), file, self.remarks)

    def take(self, **options: Any) -> pl.DataFrame | None:
        """Fetch, move the cursor, and return the rows, None without an artifact."""
        fetched = self.fetch(**options)
        self.cursor = fetched.cursor
        return self.parse(fetched.artifacts[0], **options) if fetched.artifacts else None


def parsed(stream: Stream, file: Landed, remarks: list[str] | None = None) -> pl.DataFrame:
    """Return the rows of a landed file; what is remarked goes into remarks."""
    now = datetime.now(UTC)
    facts = ("a1", file.path, file.name, file.sha256, file.size_bytes, file.window, now)
    heard = remarks if remarks is not None else []
    return pl.concat(list(stream.source.parse(stream, Artifact(*facts, remark=heard.append))))


@dataclass
class Place:
    """An installation with one pipeline of one group."""

    folder: Path
    page: Page
    most: int = 10
    events: list[Event] = field(default_factory=list)

    @property
    def installation(self) -> Installation:
        return Installation(self.folder / "data", {})

    def run(self, now: datetime, **options: Any) -> RunResult:
        """Run once at a moment (UTC)."""
        source = source_of(self.page, clock=lambda: now)
        stream = source.group("messages", group=TITLE, chat="students", most=self.most)
        pipeline = Pipeline("students", [stream], schedule=Schedule("0 */2 * * *", timezone=ZONE))
        chosen = RunOptions(budget=QUICK, **options)
        target = Target("students", pipeline)
        return run_pipeline(target, self.installation, chosen, [self.events.append], clock=lambda: now)

    def forget_since(self, cursor: str | None, now: datetime) -> None:
        """Put the cursor back to where it was, as after a crash behind the delivery and before the cursor moved."""
        self.installation.ledger.move_cursor(
            "students.messages", cursor, replace(WINDOW, start=now.date(), end=now.date())
        )

    def cursor(self) -> str | None:
        return self.installation.ledger.cursor("students.messages").cursor

    def gaps(self) -> list[str]:
        """Return the warnings of gaps that were told."""
        told = [event.message for event in self.events if isinstance(event, Warned)]
        return [message for message in told if message.startswith("gap")]

    def rows(self) -> pl.DataFrame:
        frames = list(self.installation.curated.read("messages"))
        return pl.concat(frames) if frames else pl.DataFrame()
