"""A group of sixty students, read again and again, interrupted now and then: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from backhaul.errors import TransientError
from backhaul.formats.chat import MessageKind
from backhaul.sessions.whatsapp.reading import Reading, Shown
from tests.sources.whatsapp_chat import ZONE, Page, Place, Post

STUDENTS = 60
POSTS_A_DAY = 85
POLL_H = 2
START = datetime(2025, 9, 20, 7, 0)
"""On the local clock; two months later, it has been put back to winter time."""
WORDS = ("תרגלתי", "תרגלתי", "שיעור 5 ✅", "ok", "ok", "תודה 🙏", "practice done", "שלום:", "12:30")


@dataclass
class School:
    """What happens in the group, moment by moment.

    Attributes:
        versions: by id, what the message has said, each time that it was shown to a reader.
        alive: the messages that a reader has seen while they still said something.
    """

    seed: int
    has_ids: bool
    page: Page = field(init=False)
    versions: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    _count: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.page = WatchedPage(has_ids=self.has_ids, dice=random.Random(self.seed + 1))
        self.page.school = self

    def moments(self, days: int) -> Iterator[datetime]:
        """Yield the moments at which something is posted."""
        at = START
        while at < START + timedelta(days=days):
            yield at
            at += timedelta(seconds=1 + self.dice.expovariate(POSTS_A_DAY / 1.33 / 86_400))

    def happen(self, at: datetime) -> list[Post]:
        """Return what is posted at a moment and within the minute after it, equal texts among it."""
        sender = f"+972 55-000-{self.dice.randrange(STUDENTS):04}"
        said = [self._post(at, sender)]
        if self.dice.random() < 0.25:
            for _ in range(self.dice.randrange(1, 5)):
                at += timedelta(seconds=self.dice.randrange(20))
                who = sender if self.dice.random() < 0.7 else f"Student {self.dice.randrange(STUDENTS)}"
                text = said[-1].text if self.dice.random() < 0.4 else None
                said.append(self._post(at, who, text))
        return said

    def meddle(self) -> None:
        """Let people edit and delete some of the newest messages."""
        posts = self.page.posts
        for place in range(max(0, len(posts) - 6), len(posts)):
            luck = self.dice.random()
            if posts[place].shown is not Shown.TEXT:
                continue
            if luck < 0.03:
                posts[place] = replace(posts[place], shown=Shown.DELETED)
            elif luck < 0.12:
                posts[place] = replace(posts[place], text=self.dice.choice(WORDS) + "!", is_edited=True)

    def saw(self, shown: tuple[Post, ...]) -> None:
        """Take note of what a reader was shown."""
        for post in shown:
            said = "" if post.shown is Shown.DELETED else post.text
            self.versions.setdefault(post.id, []).append((post.shown.value, said))
            if post.shown is not Shown.DELETED:
                self.alive.add(post.id)

    def _post(self, at: datetime, sender: str, text: str | None = None) -> Post:
        self._count += 1
        return Post(f"3A{self._count:018X}", at, sender, text or self.dice.choice(WORDS))


@dataclass
class WatchedPage(Page):
    """A page that tells the school what it has shown, and breaks when it is told to."""

    school: School | None = None
    breaks: int = 0

    def read(self, *args: object) -> Reading:  # type: ignore[override]
        reading = super().read(*args)  # type: ignore[arg-type]
        if self.breaks:
            self.breaks -= 1
            raise TransientError("the browser has died")
        assert self.school is not None
        self.school.saw(self.last)
        return reading


def lived(school: School, place: Place, *, days: int, every_h: int = POLL_H) -> int:
    """Let days pass, read every so often and after the end once more; return how often a run was interrupted.

    Without ids, nobody can tell an edit from a new message if what it replaces was forgotten in a crash: in such a
    school nobody edits between a crash and the next run.
    """
    crashes = 0
    poll = START + timedelta(minutes=1)
    coming = [post for at in school.moments(days) for post in school.happen(at)]
    coming.sort(key=lambda post: post.at)
    while coming:
        while coming and coming[0].at <= poll:
            school.page.posts.append(coming.pop(0))
        is_cut = read_once(school, place, poll)
        if school.has_ids or not is_cut:
            school.meddle()
        crashes += is_cut
        # Also in the middle of a burst, wherever that falls.
        poll += timedelta(hours=every_h)
    assert place.run(utc(poll)).exit_code == 0
    return crashes


def read_once(school: School, place: Place, at: datetime) -> int:
    """Run once; now and then it is interrupted, and sometimes it has to be run again. Return whether it was."""
    luck, now, before = school.dice.random(), utc(at), place.cursor()
    if luck < 0.05:
        # It was killed when the file was kept, and before it was looked at.
        place.run(now, fetch_only=True)
        return 1
    if luck < 0.10:
        # It was killed when everything was delivered, and before the cursor moved.
        assert place.run(now).exit_code == 0
        place.forget_since(before, now)
        return 1
    if luck < 0.13:
        # The browser dies for good; the run fails, the next one is two hours later.
        school.page.breaks = 10
        assert place.run(now).exit_code == 1
        school.page.breaks = 0
        return 1
    if luck < 0.16:
        school.page.breaks = 1
    assert place.run(now).exit_code == 0
    return 0


def utc(local: datetime) -> datetime:
    return local.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def assert_nothing_lost_or_twice(school: School, place: Place) -> None:
    """Compare what was delivered with what was shown: every message by its id, as it was shown last, and no other.

    What a message said before it was edited may be overwritten by an equal message, if a crash came in between.
    """
    rows = place.rows()
    assert set(rows["wa_id"].to_list()) == {post.id for post in school.page.posts}
    delivered = set(zip(rows["wa_id"], rows["kind"], rows["text"], strict=True))
    assert delivered >= {(id_, *said[-1]) for id_, said in school.versions.items()}
    assert delivered <= {(id_, *each) for id_, said in school.versions.items() for each in said}
    assert rows.height == rows.unique(["fingerprint", "occurrence"]).height
    assert not place.gaps()


def assert_counted_once_without_ids(school: School, place: Place) -> None:
    rows = place.rows()
    counted = rows.filter(~pl.col("maybe_edit"), pl.col("kind") != MessageKind.DELETED.value)
    assert rows["wa_id"].null_count() == rows.height
    assert counted.height == len(school.alive)
    assert not place.gaps()


def test_in_five_days_of_bursts_edits_and_crashes_no_message_is_lost_or_counted_twice(tmp_path: Path) -> None:
    school = School(11, has_ids=True)
    place = Place(tmp_path, school.page)

    crashes = lived(school, place, days=5, every_h=12)

    assert crashes and len(school.page.posts) > 350
    assert_nothing_lost_or_twice(school, place)


def test_without_ids_an_edited_message_is_counted_once_all_the_same(tmp_path: Path) -> None:
    school = School(21, has_ids=False)
    place = Place(tmp_path, school.page)

    lived(school, place, days=3, every_h=12)

    assert any(post.is_edited for post in school.page.posts)
    assert_counted_once_without_ids(school, place)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_in_two_months_of_bursts_edits_and_crashes_no_message_is_lost_or_counted_twice(
    tmp_path: Path, seed: int
) -> None:
    school = School(seed, has_ids=True)
    place = Place(tmp_path, school.page)

    crashes = lived(school, place, days=60)

    assert crashes > 50 and len(school.page.posts) > 5000
    assert_nothing_lost_or_twice(school, place)


@pytest.mark.slow
def test_in_two_months_without_ids_each_message_is_counted_once(tmp_path: Path) -> None:
    school = School(3, has_ids=False)
    place = Place(tmp_path, school.page)

    lived(school, place, days=60)

    assert_counted_once_without_ids(school, place)
