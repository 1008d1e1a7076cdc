"""The sandbox's page in a real browser, hauled by the engine: every message of the group once, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from backhaul import Pipeline, Schedule, WhatsAppWeb
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.formats.chat import read_chat
from backhaul.retry import Budget
from backhaul.sandbox.chat_files import LOCALES, ChatLine, Said, exported
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sandbox.whatsapp.world import Kind, Message

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("whatsapp page")]

ZONE = "Asia/Jerusalem"
GROUP = "Class 5 \N{EN DASH} practice"
START = datetime(2026, 9, 28, 8, 0)
PATIENT = Budget(attempts=2, seconds=60.0, first_wait_s=0.01, longest_wait_s=0.05)
TEXTS = ("תרגלתי ✅", "ok", "ok", "*done*: page 12 🎹", "two\nlines ❤️")


@dataclass
class Class:
    """A group of the sandbox, read into an installation of its own."""

    whatsapp: SandboxWhatsApp
    folder: Path
    minutes: int = 0
    days_later: int = 1

    def talk(self, count: int) -> None:
        """Let somebody say something every other minute, twice in it, equal texts among them."""
        for number in range(count):
            self.minutes += number % 2
            at = START + timedelta(minutes=2 * self.minutes)
            sender = ("Dana Levi", "+972 55-000-0101", "Ola:Acme")[number // 5 % 3]
            self.whatsapp.post(GROUP, sender, TEXTS[number % len(TEXTS)], at=at)

    def run(self) -> RunResult:
        now = (START + timedelta(days=self.days_later)).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
        profile = str(self.folder / "profile")
        source = WhatsAppWeb(
            profile=profile,
            url=self.whatsapp.url,
            timezone=ZONE,
            is_on="yes",
            own_name="School",
            pace_s=0,
            ready_s=30,
            clock=lambda: now,
        )
        stream = source.group("messages", group=GROUP, chat="students", most=10)
        pipeline = Pipeline("students", [stream], schedule=Schedule("0 */2 * * *", timezone=ZONE))
        place = Installation(self.folder / "data", {})
        return run_pipeline(Target("students", pipeline), place, RunOptions(budget=PATIENT), [], clock=lambda: now)

    def rows(self) -> pl.DataFrame:
        return pl.concat(list(Installation(self.folder / "data", {}).curated.read("messages")))


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Class]:
    with SandboxWhatsApp(me="Me", today=START.date() + timedelta(days=1)) as whatsapp:
        whatsapp.add_group(GROUP.replace("\N{EN DASH}", "-"))
        whatsapp.add_group(GROUP)
        yield Class(whatsapp, tmp_path)
        assert whatsapp.touches == []


@pytest.mark.slow
def test_what_the_page_shows_is_hauled_once_across_builds_languages_edits_and_deletions(group: Class) -> None:
    group.talk(12)
    assert group.run().counts.new == 10
    for build, locale in (("2025", "he"), ("2026-04", "en-US"), ("2026-09", "id")):
        group.whatsapp.switch(build=build, locale=locale)
        group.talk(45)
        assert group.run().counts.new == 45, build
        assert group.run().counts.rows == 0, build

    last = group.whatsapp.messages(GROUP)
    group.whatsapp.edit(last[-1], "better")
    group.whatsapp.delete(last[-2])
    counts = group.run().counts

    assert counts.new == 2
    rows = group.rows()
    assert set(rows["wa_id"]) == {message.message_id for message in last[2:]}
    assert rows.height == len(last) - 2 + 2


@pytest.mark.slow
@pytest.mark.parametrize("build", ["2025", "2026-09"])
def test_the_page_and_an_export_of_the_same_group_have_the_same_messages(group: Class, build: str) -> None:
    group.whatsapp.switch(build=build, locale="he")
    group.talk(10)
    photo = group.whatsapp.post(GROUP, "Dana Levi", "תרגלתי 🎹", at=START + timedelta(hours=3), kind=Kind.IMAGE)
    group.whatsapp.post(GROUP, "Dana Levi", at=START + timedelta(hours=3, minutes=1), kind=Kind.VOICE)
    group.whatsapp.post(GROUP, "Me", "כל הכבוד! 👍🏽", at=START + timedelta(hours=4), quote=photo)
    group.run()

    file = group.folder / "chat.txt"
    lines = [line_of(message) for message in group.whatsapp.messages(GROUP)]
    file.write_text("".join(exported(lines, LOCALES["he"])), encoding="utf-8")
    export = pl.concat(read_chat(file, chat="students", timezone=ZONE, now=datetime(2026, 10, 1, tzinfo=UTC)))

    page = group.rows()
    keys = ["fingerprint", pl.col("occurrence").cast(pl.String)]
    assert page.height == 10
    assert set(page.select(keys).rows()) == set(export.tail(10).select(keys).rows())


@pytest.mark.parametrize("days", [pytest.param(1, marks=pytest.mark.slow), 40])
def test_a_photo_without_words_at_the_end_is_of_the_day_above_it(tmp_path: Path, days: int) -> None:
    builds = ("2025", "en-IN"), ("2026-04", "he"), ("2026-09", "en-US")
    with SandboxWhatsApp(me="Me", today=START.date() + timedelta(days=days)) as whatsapp:
        whatsapp.add_group(GROUP)
        group = Class(whatsapp, tmp_path, days_later=days)
        group.talk(12)
        for number, (build, locale) in enumerate(builds):
            whatsapp.switch(build=build, locale=locale)
            at = START + timedelta(hours=2 + number)
            if number and days > 1:
                # These stand below a day of their own, earlier on the clock than what is above.
                at += timedelta(days=1, hours=-4)
            photo = whatsapp.post(GROUP, "Dana Levi", at=at, kind=Kind.IMAGE)

            result = group.run()

            assert result.exit_code == 0
            said = group.rows().filter(pl.col("wa_id") == photo.message_id)["sent_at"].to_list()
            assert said == [at.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)], build


def line_of(message: Message) -> ChatLine:
    """Return what a phone exports of a message: the account's own name in place of the page's."""
    said = Said.TEXT if message.kind is Kind.TEXT else Said.MEDIA
    return ChatLine(message.at, message.sender.replace("Me", "School"), said, message.text)
