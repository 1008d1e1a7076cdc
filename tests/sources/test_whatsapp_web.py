"""A group of the page: what is new of it, once, and what is refused or told when it is not understood."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import Pipeline, Schedule, Setting
from backhaul.config import resolved
from backhaul.errors import ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Checkable
from backhaul.sandbox.whatsapp.locales import LOCALES
from backhaul.sessions.vault import Vault
from backhaul.sessions.whatsapp.reading import End, PageRow, Shown, Standing
from backhaul.sources import WhatsAppWeb
from backhaul.sources.whatsapp.memory import MOST_KNOWN, Memory
from tests.sources.whatsapp_chat import TITLE, WINDOW, Page, Place, Post, Reader, source_of

NOON = datetime(2026, 9, 27, 12, 0)
NUMBER = "+972 55-000-0101"


def post(number: int, text: str = "", *, minute: int | None = None, sender: str = "Dana", **marks: Any) -> Post:
    """Return message number so and so, sent as many minutes after noon."""
    at = NOON + timedelta(minutes=number if minute is None else minute)
    return Post(f"3A{number:018X}", at, sender, text or f"text {number}", **marks)


def posts(count: int, start: int = 0) -> list[Post]:
    return [post(number) for number in range(start, start + count)]


@pytest.fixture
def page() -> Page:
    return Page(posts(30))


@pytest.fixture
def reader(page: Page, tmp_path: Path) -> Reader:
    return Reader(page, tmp_path, options={"most": 10})


def texts(frame: pl.DataFrame | None) -> list[str]:
    return [] if frame is None else frame["text"].to_list()


class TestFetch:
    def test_the_first_run_takes_the_newest_messages(self, reader: Reader) -> None:
        found = reader.take()

        assert texts(found) == [f"text {number}" for number in range(20, 30)]
        assert found is not None
        assert found["sent_at"][0] == datetime(2026, 9, 27, 9, 20, tzinfo=UTC)
        assert found["shown_at"][0] == "12:20, 27.9.2026"
        assert found["wa_id"][0] == f"3A{20:018X}"

    def test_the_columns_are_those_that_are_promised(self, reader: Reader) -> None:
        found = reader.take()

        assert found is not None
        assert found.columns == [
            *("fingerprint", "occurrence", "sent_at", "shown_at", "sender", "kind", "text", "is_edited"),
            *("wa_id", "is_own", "is_truncated", "maybe_edit", "on_page", "read_at"),
        ]
        assert found.schema["sent_at"] == found.schema["read_at"] == pl.Datetime("us", "UTC")

    def test_after_it_only_what_is_new_comes_and_without_anything_new_no_file(
        self, reader: Reader, page: Page
    ) -> None:
        reader.take()

        nothing = reader.take()
        page.posts += posts(25, start=30)

        assert nothing is None
        assert texts(reader.take()) == [f"text {number}" for number in range(30, 55)]

    def test_messages_older_than_the_first_window_do_not_come_later(self, reader: Reader, page: Page) -> None:
        reader.take()
        page.posts += posts(1, start=30)
        page.dice.seed(5)

        assert texts(reader.take()) == ["text 30"]

    def test_equal_messages_of_one_minute_are_two(self, reader: Reader, page: Page) -> None:
        page.posts += [post(40, "ok", minute=40), post(41, "ok", minute=40)]
        reader.take()
        page.posts += [post(42, "ok", minute=40)]

        found = reader.take()

        assert found is not None
        assert (texts(found), found["occurrence"].to_list()) == (["ok"], ["3"])

    @pytest.mark.parametrize("has_ids", [True, False])
    def test_a_whole_window_in_one_minute_is_numbered_from_where_it_began(
        self, reader: Reader, page: Page, has_ids: bool
    ) -> None:
        page.has_ids = has_ids
        page.posts += [post(number, "ok", minute=40) for number in range(40, 70)]
        reader.take()
        page.posts += [post(number, "ok", minute=40) for number in range(70, 75)]

        found = reader.take()

        assert found is not None
        assert found["occurrence"].to_list() == [str(number) for number in range(31, 36)]

    def test_an_edited_message_comes_again_under_its_id(self, reader: Reader, page: Page) -> None:
        reader.take()
        page.posts[-1] = replace(page.posts[-1], text="better", is_edited=True)

        found = reader.take()

        assert found is not None
        assert found.select("wa_id", "text", "is_edited", "maybe_edit").rows() == [
            (page.posts[-1].id, "better", True, False)
        ]
        assert reader.take() is None

    def test_an_edit_that_makes_two_messages_equal_takes_nobodys_number(self, reader: Reader, page: Page) -> None:
        page.posts += [post(40, "hi", minute=40), post(41, "ok", minute=40)]
        first = reader.take()
        page.posts[-2] = replace(page.posts[-2], text="ok", is_edited=True)

        found = reader.take()

        assert first is not None and found is not None
        known = first.filter(pl.col("text") == "ok")
        assert found["fingerprint"].to_list() == known["fingerprint"].to_list()
        assert (known["occurrence"].to_list(), found["occurrence"].to_list()) == (["1"], ["2"])

    def test_without_ids_an_edit_is_marked_as_one_that_may_be(self, reader: Reader, page: Page) -> None:
        page.has_ids = False
        reader.take()
        page.posts[-1] = replace(page.posts[-1], text="better", is_edited=True)
        page.posts += [post(31, "new", is_edited=True)]

        found = reader.take()

        assert found is not None
        assert found.select("text", "maybe_edit").rows() == [("better", True), ("new", False)]

    def test_a_deleted_message_comes_again_with_its_time_and_without_its_words(
        self, reader: Reader, page: Page
    ) -> None:
        reader.take()
        page.posts[-2] = replace(page.posts[-2], shown=Shown.DELETED)

        found = reader.take()

        assert found is not None
        assert found.select("wa_id", "kind", "text", "sender", "sent_at").rows() == [
            (page.posts[-2].id, "deleted", "", "Dana", datetime(2026, 9, 27, 9, 28, tzinfo=UTC))
        ]

    def test_ids_in_another_form_do_not_bring_everything_again(self, reader: Reader, page: Page) -> None:
        reader.take()
        page.posts = [replace(each, id=f"X{number}") for number, each in enumerate(page.posts)]
        page.posts += posts(1, start=30)

        assert texts(reader.take()) == ["text 30"]

    @pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
    def test_a_build_that_begins_or_ceases_to_show_ids_brings_nothing_again(
        self, reader: Reader, page: Page, before: bool, after: bool
    ) -> None:
        page.has_ids = before
        reader.take()
        page.has_ids = after
        page.posts += posts(1, start=30)

        assert texts(reader.take()) == ["text 30"]

    def test_a_page_in_another_language_brings_nothing_again(self, reader: Reader, page: Page) -> None:
        page.has_ids = False
        reader.take()
        for locale in ("en-US", "en-IN", "id"):
            page.locale = page.language = locale
            assert reader.take() is None, locale

    def test_the_cursor_tells_nothing_of_what_was_said_and_stays_small(self, reader: Reader, page: Page) -> None:
        page.posts = [post(number, f"secret {number}", sender=NUMBER) for number in range(2 * MOST_KNOWN)]
        reader.take(most=1500)

        cursor = str(reader.cursor)
        assert not [word for word in ("secret", "+972", "3A0000") if word in cursor]
        assert len(json.loads(cursor)["known"]) == MOST_KNOWN
        assert len(cursor) < 80_000
        assert reader.take(most=1500) is None

    def test_a_chat_that_holds_less_than_is_wanted_comes_whole(self, reader: Reader, page: Page) -> None:
        page.posts = posts(3)

        assert len(texts(reader.take(most=50))) == 3

    @pytest.mark.parametrize("end", [End.PHONE, End.STALLED, End.START])
    def test_history_that_ends_before_what_is_known_is_a_gap_and_comes_all_the_same(
        self, reader: Reader, page: Page, end: End
    ) -> None:
        reader.take()
        page.posts += posts(50, start=60)
        page.keeps, page.end = 20, end

        found = reader.take()

        assert len(texts(found)) == 20
        assert [remark for remark in reader.remarks if remark.startswith("gap in history")]
        assert reader.take() is None

    def test_the_other_order_of_the_dates_does_not_end_the_reading_early(self, reader: Reader, page: Page) -> None:
        page.posts = [replace(each, at=each.at.replace(month=11, day=9)) for each in page.posts]
        page.posts = [replace(each, at=page.posts[-1].at) for each in page.posts[-20:]]
        page.posts = [replace(post(0), at=datetime(2026, 11, 8, 9, 0)), *page.posts]
        reader.now = datetime(2026, 11, 20, tzinfo=UTC)
        reader.take(most=30)
        page.dice.seed(0)

        assert reader.take(most=30) is None
        assert len(page.last) == 21
        assert reader.remarks == []

    def test_a_gap_that_lasts_is_told_once_and_again_when_more_may_be_missing(
        self, reader: Reader, page: Page
    ) -> None:
        page.posts = [*posts(5), *(post(number, "ok", minute=50) for number in range(50, 55))]
        reader.take()
        page.posts += [post(number, "ok", minute=50) for number in range(55, 60)]
        page.keeps, page.end = 3, End.STALLED

        reader.take()
        told = len(reader.remarks)
        assert reader.take() is None
        page.posts += [post(number, f"new {number}", minute=50) for number in range(60, 66)]
        reader.take()
        assert reader.take() is None

        assert (told, len(reader.remarks)) == (1, 2)

    def test_only_edited_and_deleted_messages_say_when_they_were_read(self, reader: Reader, page: Page) -> None:
        page.posts[-1] = replace(page.posts[-1], text="better", is_edited=True)
        page.posts[-3] = replace(page.posts[-3], shown=Shown.DELETED)

        first = reader.take()
        reader.cursor, reader.now = None, reader.now + timedelta(hours=2)
        again = reader.take()

        assert first is not None and again is not None
        moment = datetime(2026, 10, 1, tzinfo=UTC)
        assert first["read_at"].to_list() == [*[None] * 7, moment, None, moment]
        assert again["read_at"][-1] == datetime(2026, 10, 1, 2, tzinfo=UTC)
        unchanged = pl.col("read_at").is_null()
        assert again.filter(unchanged).equals(first.filter(unchanged))

    def test_a_known_message_whose_minute_is_cut_off_does_not_hide_a_gap(self, reader: Reader, page: Page) -> None:
        page.posts = [*posts(5), *(post(number, "ok", minute=50) for number in range(50, 55))]
        reader.take()
        page.posts += [post(number, "ok", minute=50) for number in range(55, 60)]
        page.keeps, page.end = 3, End.STALLED

        reader.take()

        assert [remark for remark in reader.remarks if remark.startswith("gap in history")]

    def test_a_group_that_shows_nothing_any_more_is_a_changed_source(self, reader: Reader, page: Page) -> None:
        reader.take()
        page.posts = []

        with pytest.raises(SourceChanged, match="shows no message, though"):
            reader.take()

    def test_a_group_without_messages_has_no_file(self, reader: Reader, page: Page) -> None:
        page.posts = []

        assert reader.fetch().artifacts == ()

    def test_a_chat_of_another_title_is_refused(self, reader: Reader, page: Page) -> None:
        page.title = TITLE.replace("\N{EN DASH}", "-")

        with pytest.raises(SourceChanged, match="another chat"):
            reader.take()

    def test_direction_marks_in_the_title_do_not_matter(self, reader: Reader, page: Page) -> None:
        page.title = f"\u200f{TITLE}\u200f"

        assert reader.take() is not None

    def test_headers_like_none_that_is_known_are_a_changed_layout(self, reader: Reader, page: Page) -> None:
        class Odd(Page):
            def _rows(self, shown):  # type: ignore[no-untyped-def]
                return [replace(row, header=f"at 12 {row.header}") for row in super()._rows(shown)]

        reader.page = Odd(posts(12))

        with pytest.raises(SourceChanged, match="layout changed") as refused:
            reader.take()
        assert "text 1" not in str(refused.value)

    def test_rows_without_any_header_are_a_changed_layout_and_not_nothing_new(
        self, reader: Reader, page: Page
    ) -> None:
        class Bare(Page):
            def _rows(self, shown):  # type: ignore[no-untyped-def]
                return [replace(row, header="") for row in super()._rows(shown)]

        reader.page = Bare(posts(12))

        with pytest.raises(SourceChanged, match="layout changed"):
            reader.take()

    def test_dates_that_fit_both_orders_are_refused_until_somebody_says_which(
        self, reader: Reader, page: Page
    ) -> None:
        page.posts = [replace(each, at=datetime(2026, 4, 3, 9, number)) for number, each in enumerate(posts(5))]
        page.locale, page.language = "id", "en"

        with pytest.raises(ConfigError, match="ambiguous_date_order"):
            reader.take()
        found = reader.take(date_order="dmy")

        assert found is not None
        assert found["sent_at"][0].month == 4
        page.posts += [replace(each, at=datetime(2026, 4, 3, 9, 50)) for each in posts(1, start=60)]
        assert texts(reader.take()) == ["text 60"], "known messages tell the order"

    def test_the_first_run_reads_on_until_the_dates_tell_their_order(self, reader: Reader, page: Page) -> None:
        start = datetime(2026, 1, 20, 8, 0)
        page.posts = [replace(each, at=start + timedelta(hours=6 * n)) for n, each in enumerate(posts(70))]
        page.locale, page.language = "id", "en"

        found = reader.take()

        assert found is not None
        assert found["sent_at"][-1].month == 2
        assert found.height == 10

    def test_messages_of_the_future_are_left_out_and_told(self, reader: Reader, page: Page) -> None:
        reader.now = datetime(2026, 9, 28, tzinfo=UTC)
        page.posts += [replace(post(99, "tomorrow?"), at=datetime(2026, 9, 30, 12, 0))]

        found = reader.take()

        assert "tomorrow?" not in texts(found)
        [told] = reader.remarks
        assert told.startswith("1 message was left out: the page dates it in the future. Set this machine's clock")

    def test_half_a_pair_of_surrogates_hurts_nobody(self, reader: Reader, page: Page) -> None:
        page.posts += [post(40, "half \ud83d of it"), post(41, "nul \0 and " + "x" * 65_536)]

        assert texts(reader.take())[-2:] == ["half ? of it", "nul \0 and " + "x" * 65_536]


class TestRowsWithoutHeader:
    def test_their_time_is_that_of_the_clock_on_the_day_of_their_neighbours(self, reader: Reader, page: Page) -> None:
        page.posts += [post(40, shown=Shown.MEDIA, sender=NUMBER), post(41)]
        page.posts[-2] = replace(page.posts[-2], text="")

        found = reader.take()

        assert found is not None
        assert found.filter(pl.col("kind") == "media").select("sender", "sent_at", "text").rows() == [
            (NUMBER, datetime(2026, 9, 27, 9, 40, tzinfo=UTC), "")
        ]

    def test_the_newest_row_is_of_the_last_day_on_which_its_clock_can_have_been(
        self, reader: Reader, page: Page
    ) -> None:
        page.posts += [replace(post(40, shown=Shown.MEDIA), text="")]
        reader.now = datetime(2026, 9, 27, 9, 45, tzinfo=UTC)

        found = reader.take()

        assert found is not None
        assert found["sent_at"][-1] == datetime(2026, 9, 27, 9, 40, tzinfo=UTC)

    def test_where_the_day_is_open_the_row_is_left_out_and_told(self, reader: Reader, page: Page) -> None:
        photo = replace(post(40, shown=Shown.MEDIA), text="")
        page.posts += [photo, replace(post(41), at=NOON + timedelta(days=3))]

        found = reader.take()

        assert found is not None
        assert "media" not in found["kind"].to_list()
        assert reader.remarks == [
            "1 message was left out: neither the page nor the messages around tell the day and time of it."
            " Export the chat on a phone and put the file into the exports folder, or run with --file: it brings it."
        ]

    @pytest.mark.parametrize("locale", sorted(LOCALES))
    @pytest.mark.parametrize("days_ago", [0, 1, 4, 40])
    def test_the_day_above_a_row_or_of_the_row_above_it_is_its_day(
        self, reader: Reader, page: Page, locale: str, days_ago: int
    ) -> None:
        photo, lone = (replace(post(number, shown=Shown.MEDIA), text="") for number in (41, 42))
        lone = replace(lone, at=datetime(2026, 9, 28, 7, 5))
        page.posts += [photo, lone, replace(lone, id="3B01", at=lone.at.replace(hour=8))]
        page.locale = page.language = locale
        page.today = lone.at.date() + timedelta(days=days_ago)
        reader.now = datetime(2026, 9, 28, 18, 0, tzinfo=UTC) + timedelta(days=days_ago)

        found = reader.take()

        assert found is not None
        assert found.filter(pl.col("kind") == "media")["sent_at"].to_list() == [
            datetime(2026, 9, 27, 9, 41, tzinfo=UTC),
            datetime(2026, 9, 28, 4, 5, tzinfo=UTC),
            datetime(2026, 9, 28, 5, 5, tzinfo=UTC),
        ]
        assert reader.remarks == []

    def test_a_day_above_a_row_that_the_next_row_contradicts_tells_nothing(self, reader: Reader, page: Page) -> None:
        class Mixed(Page):
            def _rows(self, shown):  # type: ignore[no-untyped-def]
                rows = super()._rows(shown)
                return [replace(row, above="30.9.2026") if row.shown is Shown.MEDIA else row for row in rows]

        reader.page = Mixed([*page.posts, replace(post(40, shown=Shown.MEDIA), text=""), post(41)])

        found = reader.take()

        assert found is not None and "media" not in found["kind"].to_list()
        assert len(reader.remarks) == 1

    def test_in_a_run_the_sender_is_the_one_above(self, reader: Reader, page: Page) -> None:
        page.posts += [
            post(40, sender=NUMBER),
            replace(post(41, shown=Shown.MEDIA, sender=NUMBER), text=""),
            post(42),
        ]

        found = reader.take()

        assert found is not None
        assert found.filter(pl.col("kind") == "media")["sender"].to_list() == [NUMBER]


class TestOwnMessages:
    def test_the_pages_word_for_oneself_is_replaced_by_ones_name(self, reader: Reader, page: Page) -> None:
        page.posts += [post(40, sender="את/ה"), post(41, sender="You"), post(42)]

        found = reader.take(most=3)
        named = Reader(page, reader.folder, options={"own_name": "School"}).take(most=3)

        assert found is not None and named is not None
        assert found.select("sender", "is_own").rows() == [("את/ה", True), ("You", True), ("Dana", None)]
        assert named["sender"].to_list() == ["School", "School", "Dana"]


class TestStanding:
    @pytest.mark.parametrize(
        ("shown", "error", "words"),
        [
            (Standing.QR, LoginRequired, "code to scan"),
            (Standing.EXPIRED, LoginRequired, "no longer"),
            (Standing.RELINK, LoginRequired, "link it anew"),
            (Standing.LOADING, TransientError, "still loading"),
            (Standing.UNKNOWN, SourceChanged, "neither chats nor a code"),
        ],
    )
    def test_a_page_without_chats_says_what_to_do(
        self, page: Page, tmp_path: Path, shown: Standing, error: type[Exception], words: str
    ) -> None:
        page.stands = shown

        with pytest.raises(error, match=words):
            source_of(page).open(Vault(tmp_path))
        with pytest.raises(error, match=words):
            source_of(page).check()
        assert page.closed == 2

    def test_a_code_to_scan_names_the_command(self, page: Page, tmp_path: Path) -> None:
        page.stands = Standing.QR

        with pytest.raises(LoginRequired) as needed:
            source_of(page).open(Vault(tmp_path))
        assert "backhaul login SYSTEM" in needed.value.next_step

    def test_the_check_reads_no_chat(self, page: Page) -> None:
        source = source_of(page)

        assert isinstance(source, Checkable)
        assert source.check() == "signed in"
        assert page.asked == [] and page.closed == 1

    def test_until_it_is_switched_on_nothing_is_opened_and_nothing_comes(self, tmp_path: Path) -> None:
        source = resolved(WhatsAppWeb(), {})
        stream = source.group("messages", group=TITLE, chat="students")
        session = source.open(Vault(tmp_path))

        fetched = source.fetch(session, stream, WINDOW, "before", LandingFolder(tmp_path / "landing"))
        session.close()

        assert (fetched.artifacts, fetched.cursor) == ((), "before")
        assert source.check().startswith("switched off")
        with pytest.raises(ConfigError, match="switched off"), source.page():
            pass

    def test_a_switch_that_says_neither_yes_nor_no_is_refused(self, page: Page, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="WHATSAPP_WEB"):
            source_of(page, is_on="perhaps").open(Vault(tmp_path))


class TestDeclaring:
    @pytest.mark.parametrize("most", ["0", "-3", "many", 0])
    def test_a_number_of_messages_that_is_none_is_refused(self, reader: Reader, most: str | int) -> None:
        with pytest.raises(ConfigError, match="not a whole number"):
            reader.take(most=most)

    def test_an_unknown_date_order_is_refused(self, reader: Reader) -> None:
        with pytest.raises(ConfigError, match="no date order"):
            reader.stream(date_order="ydm")

    def test_an_unknown_time_zone_is_refused(self, page: Page) -> None:
        stream = source_of(page, timezone="Asia/Nowhere").group("m", group=TITLE, chat="students")
        with pytest.raises(ConfigError, match="no time zone"):
            stream.source.fetch(stream.source.open(Vault(Path())), stream, WINDOW, None, LandingFolder(Path()))

    def test_all_its_settings_have_their_names(self) -> None:
        source = WhatsAppWeb()
        count = Setting("MESSAGE_COUNT", default="50")
        stream = source.group("messages", group=Setting("STUDENTS_GROUP"), chat="students", most=count)

        filled = resolved(
            Pipeline("students", [stream], schedule=Schedule("0 */2 * * *", timezone="Asia/Jerusalem")),
            {"STUDENTS_GROUP": "G", "WHATSAPP_PROFILE": "p", "WHATSAPP_OWN_NAME": "School", "WHATSAPP_WEB": "yes"},
        ).streams[0]

        assert (filled.request.group, filled.request.most) == ("G", "50")  # type: ignore[attr-defined]
        source = filled.source  # type: ignore[assignment]
        assert (source.profile, source.own_name, source.is_on) == ("p", "School", "yes")
        assert (source.url, source.timezone) == ("https://web.whatsapp.com", "Asia/Jerusalem")


class TestRun:
    def test_a_gap_is_told_even_if_all_that_is_left_looks_like_what_is_known(self, tmp_path: Path) -> None:
        page = Page([*posts(5), *(post(number, "ok", minute=50) for number in range(50, 55))], has_ids=False)
        place, now = Place(tmp_path, page), datetime(2026, 9, 28, tzinfo=UTC)
        place.run(now)
        page.posts += [post(number, "ok", minute=50) for number in range(55, 60)]
        page.keeps, page.end = 3, End.STALLED

        assert place.run(now).exit_code == 0
        assert len(place.gaps()) == 1
        page.keeps = 1000
        assert place.run(now).counts.new == 5

    def test_a_page_that_asks_for_the_code_needs_a_person_and_the_cursor_stays(self, tmp_path: Path) -> None:
        place, now = Place(tmp_path, Page(posts(20))), datetime(2026, 9, 28, tzinfo=UTC)
        place.run(now)
        before = place.cursor()
        place.page.stands = Standing.EXPIRED

        assert place.run(now).exit_code == 4
        assert place.cursor() == before

    def test_a_changed_layout_fails_the_run_and_the_next_good_page_brings_everything(self, tmp_path: Path) -> None:
        place, now = Place(tmp_path, Page(posts(20))), datetime(2026, 9, 28, tzinfo=UTC)
        place.run(now)
        place.page.posts += posts(30, start=20)
        LOCALES["odd"] = replace(LOCALES["he"], clock=lambda at: "some time ago")
        place.page.locale = "odd"

        assert place.run(now).exit_code == 1
        place.page.locale = "he"
        assert place.run(now).counts.new == 30
        del LOCALES["odd"]


class TestFile:
    def test_a_damaged_reading_is_refused(self, reader: Reader) -> None:
        file = reader.fetch().artifacts[0]
        file.path.write_bytes(file.path.read_bytes()[:-40])

        with pytest.raises(SourceChanged, match="damaged"):
            reader.parse(file)

    def test_rows_are_kept_as_the_page_showed_them(self, reader: Reader, page: Page) -> None:
        lines = reader.fetch().artifacts[0].path.read_text(encoding="utf-8").splitlines()

        head, last = json.loads(lines[0]), json.loads(lines[-1])
        assert (head["title"], head["timezone"], head["language"], head["end"]) == (
            *(TITLE, "Asia/Jerusalem", "he"),
            "enough",
        )
        shown = page.posts[-1].row(shows_author=False)
        assert {name: last[name] for name in vars(shown)} == {**vars(shown), "shown": "text"}

    def test_a_person_can_feed_an_export_file_instead(self, tmp_path: Path) -> None:
        place = Place(tmp_path, Page(posts(12)))
        export = tmp_path / "WhatsApp Chat with X.txt"
        lines = [f"27.9.2026, 12:{number:02} - Dana: text {number}" for number in range(12)]
        export.write_text("\n".join(["27.9.2026, 11:00 - Dana joined", *lines]), encoding="utf-8")
        now = datetime(2026, 9, 28, tzinfo=UTC)

        assert place.run(now, file=export).exit_code == 0
        assert place.run(now).exit_code == 0

        rows = place.rows()
        assert rows.height == 13
        both = rows.filter(pl.col("in_export") & pl.col("on_page"))
        assert both.height == 10


def test_a_cursor_that_is_none_is_one_that_knows_nothing() -> None:
    assert {Memory.loads(text) for text in (None, "", "null", "[]", "{}", '{"known":[1]}', "x")} == {Memory()}


def test_a_row_of_the_page_can_be_made() -> None:
    assert PageRow("", "", "").shown is Shown.TEXT
