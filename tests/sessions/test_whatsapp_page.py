"""WhatsApp Web's replica, read with a real browser: one profile and one sandbox for all tests of this file."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from backhaul.errors import ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.sandbox.whatsapp.school import MASKED, PRACTICE, PRACTICE_TWIN, SALES, add_school
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sandbox.whatsapp.traits import BUILDS
from backhaul.sandbox.whatsapp.world import Kind
from backhaul.sessions.whatsapp.page import WhatsAppPage
from backhaul.sessions.whatsapp.reading import End, Reading, Shown, Standing
from tests.sessions.whatsapp_truth import NOON, ZONE, as_read, as_shown, at_least, everything, readable, talk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("whatsapp page")]
CLASS, SHORT, BEHIND, QUIET, TOP = "Class 7", "Class 8", "Class 9", "Nothing said", "Parents 1"


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxWhatsApp]:
    with SandboxWhatsApp(today=NOON.date()) as whatsapp:
        # More chats than the list draws at once: those below them are found by a search.
        for number in range(40):
            whatsapp.post(whatsapp.add_group(f"Parents {number}"), "Dana Levi", "hello", at=NOON)
        add_school(whatsapp, until=NOON)
        talk(whatsapp, CLASS, 130)
        talk(whatsapp, SHORT, 3)
        talk(whatsapp, BEHIND, 90, behind_button=30)
        whatsapp.add_group(QUIET)
        yield whatsapp


@pytest.fixture(scope="module")
def opened(running: SandboxWhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WhatsAppPage]:
    page = WhatsAppPage.opened(tmp_path_factory.mktemp("whatsapp"), running.url, timezone=ZONE, pace_s=0)
    yield page
    page.close()


@pytest.fixture
def whatsapp(running: SandboxWhatsApp) -> Iterator[SandboxWhatsApp]:
    """The sandbox in its newest build; whatever a test reads, it has touched nothing."""
    running.switch(build="2026-09", locale="en-US")
    yield running
    running.hide_tab(False)
    running.answer_after(0)
    assert running.touches == []


@pytest.fixture
def page(whatsapp: SandboxWhatsApp, opened: WhatsAppPage) -> WhatsAppPage:
    return opened


def texts(reading: Reading) -> list[str]:
    return [row.text for row in reading.rows]


@pytest.mark.parametrize("locale", ["he", pytest.param("en-US", marks=pytest.mark.slow)])
@pytest.mark.parametrize("build", BUILDS)
def test_the_newest_messages_are_read_as_they_were_sent(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp, build: str, locale: str
) -> None:
    whatsapp.switch(build=build, locale=locale)

    reading = page.read(PRACTICE, at_least(30), 60)

    truth = [as_shown(whatsapp, each) for each in readable(whatsapp, PRACTICE)]
    assert [as_read(row) for row in reading.rows] == truth[-len(reading.rows) :]
    assert (reading.end, reading.unread, reading.language) == (End.ENOUGH, 0, locale)
    assert reading.own_name == whatsapp.me
    assert all(row.clock and not row.is_truncated for row in reading.rows)
    assert all(row.header or row.shown is not Shown.TEXT for row in reading.rows)


@pytest.mark.parametrize(
    ("build", "locale"), [("2026-04", "id"), pytest.param("2025", "en-IN", marks=pytest.mark.slow)]
)
def test_a_chat_is_read_to_its_beginning(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp, build: str, locale: str
) -> None:
    whatsapp.switch(build=build, locale=locale)

    reading = page.read(PRACTICE, everything, 60)

    assert [as_read(row) for row in reading.rows] == [as_shown(whatsapp, one) for one in readable(whatsapp, PRACTICE)]
    assert reading.end is End.START


@pytest.mark.slow
def test_who_has_sent_a_picture_without_words_is_read_from_the_bubble(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    reading = page.read(PRACTICE, at_least(30), 60)

    image = next(row for row in reading.rows if row.shown is Shown.MEDIA and not row.header)
    masked = next(row for row in reversed(reading.rows) if row.header.endswith(f"{MASKED}: ") and row.author)
    assert (image.author, image.clock) == ("+972 55-000-0101", "11:20 AM")
    assert masked.author == MASKED


def test_of_two_names_that_differ_in_a_dash_the_right_chat_is_read(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    twin = page.read(PRACTICE_TWIN, everything, 60)
    practice = page.read("כיתה 5 \N{EN DASH} תרגול", at_least(5), 60)

    assert texts(twin) == ["תרגלתי, but in the other group"]
    assert "other group" not in "".join(texts(practice))


@pytest.mark.parametrize("group", ["כיתה 5 תרגול", pytest.param("Class", marks=pytest.mark.slow)])
def test_a_name_that_no_chat_has_is_told_without_the_names_of_others(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp, group: str
) -> None:
    with pytest.raises(ConfigError, match="no group of the name") as told:
        page.read(group, everything, 60)

    said = f"{told.value} {told.value.next_step}"
    assert not [title for title in (CLASS, SHORT, SALES, "Yossi", "Family", "Choir") if title in said]


@pytest.mark.slow
def test_of_two_chats_of_one_name_none_is_chosen(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    for title in ("Double", "\N{RIGHT-TO-LEFT MARK}Double"):
        whatsapp.add_group(title)

    with pytest.raises(ConfigError, match="2 chats have the name 'Double'"):
        page.read("Double", everything, 60)


def test_of_another_chat_that_is_opened_in_the_middle_nothing_is_taken(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    def enough(_rows: object) -> bool:
        page._profile.do(lambda tab: tab.locator('#pane-side span[title="Parents 2"]').click())
        page._profile.do(lambda tab: tab.locator('#main header span:text-is("Parents 2")').wait_for())
        return False

    with pytest.raises(SourceChanged, match="header does not say the name of 'Parents 1'"):
        page.read(TOP, enough, 60)


def test_every_selector_that_has_matched_is_counted(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    reading = page.read(CLASS, at_least(5), 60)

    assert reading.matched is not None
    assert reading.matched['text: [data-testid="selectable-text"]'] == len(reading.rows)
    assert reading.matched["info: [data-pre-plain-text]"] == len(reading.rows)
    assert reading.matched['header: #main [data-testid="conversation-info-header"] span[dir="auto"]'] > 1


@pytest.mark.slow
def test_older_messages_behind_a_button_come_too_and_the_phone_keeps_the_rest(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    behind = page.read(BEHIND, everything, 60)
    sales = page.read(SALES, everything, 60)

    assert texts(behind) == [f"message {number}" for number in range(90)]
    assert behind.end is End.START
    assert (sales.end, len(sales.rows)) == (End.PHONE, 7)


@pytest.mark.slow
def test_rows_without_ids_are_told_apart_by_what_they_say_and_where_they_stand(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    group = whatsapp.add_group("Same words")
    said = [f"word {number}" for number in range(30)] + ["ok"] * 60 + [f"end {number}" for number in range(10)]
    for number, text in enumerate(said):
        whatsapp.post(group, "Dana Levi", text, at=NOON + timedelta(minutes=0 if text == "ok" else number))
    whatsapp.switch(build="2026-04")
    whatsapp.change(ids="none")

    reading = page.read(group, at_least(100), 60)

    assert texts(reading) == said


@pytest.mark.slow
def test_a_message_that_comes_while_older_ones_are_read_harms_nothing(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    asked: list[int] = []

    def enough(rows: object) -> bool:
        asked.append(1)
        if len(asked) == 2:
            whatsapp.post(CLASS, "Dana Levi", "just now", at=NOON)
        return len(rows) >= 60  # type: ignore[arg-type]

    reading = page.read(CLASS, enough, 60)

    numbers = [int(text.split()[1]) for text in texts(reading) if text != "just now"]
    assert numbers == list(range(numbers[0], 130))


@pytest.mark.slow
def test_a_page_that_is_written_otherwise_in_the_middle_is_read_on(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    asked: list[int] = []

    def enough(rows: object) -> bool:
        asked.append(1)
        if len(asked) == 3:
            whatsapp.switch(build="2025", locale="he")
        return len(rows) >= 75  # type: ignore[arg-type]

    reading = page.read(CLASS, enough, 60)

    numbers = [int(text.split()[1]) for text in texts(reading) if text != "just now"]
    assert numbers == list(range(numbers[0], 130))


@pytest.mark.slow
def test_long_messages_are_opened_and_read_whole(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    group = whatsapp.add_group("Long")
    said = [f"start {'word ' * 1500}end {number}" for number in range(3)]
    for number, text in enumerate(said):
        whatsapp.post(group, "Dana Levi", text, at=NOON + timedelta(minutes=number))

    reading = page.read(group, at_least(3), 60)

    assert texts(reading) == said
    assert not any(row.is_truncated for row in reading.rows)


def test_bold_words_links_and_emoji_come_as_they_were_typed(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    group = whatsapp.add_group("Marks")
    said = "*שם:* דנה 👍🏽\nsee https://example.org/a?b=1 *now* ✅\n\nlast"
    quoted = whatsapp.post(group, "Dana Levi", "תרגלתי ✅", at=NOON)
    whatsapp.post(group, "Ola", said, at=NOON, quote=quoted)

    assert texts(page.read(group, at_least(2), 60)) == ["תרגלתי ✅", said]


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
def test_a_page_without_labels_and_test_ids_is_read_by_its_structure(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp, build: str
) -> None:
    whatsapp.switch(build=build)
    whatsapp.change(labels=False, test_ids=False)

    reading = page.read(PRACTICE, at_least(30), 60)

    truth = [as_shown(whatsapp, one)[:2] for one in readable(whatsapp, PRACTICE)][-len(reading.rows) :]
    assert [as_read(row)[:2] for row in reading.rows] == truth


def test_rows_of_which_nothing_can_be_read_are_a_changed_page(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    whatsapp.change(header_attribute="data-copied-text")

    with pytest.raises(SourceChanged, match=r"layout changed: of \d+ rows .* 0 could be read, \d+ could not"):
        page.read(CLASS, everything, 60)


def test_a_hidden_tab_is_no_quiet_group(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    whatsapp.hide_tab()

    with pytest.raises(SourceChanged, match="rows are in sight of 'Class 7' and not drawn"):
        page.read(CLASS, everything, 60)


@pytest.mark.slow
def test_a_group_in_which_nothing_was_said_is_empty(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    reading = page.read(QUIET, everything, 60)

    assert (reading.rows, reading.end) == ((), End.STALLED)


@pytest.mark.slow
def test_a_page_that_is_loaded_anew_in_the_middle_is_read_again_once(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    asked: list[int] = []

    def enough(rows: object) -> bool:
        asked.append(1)
        if len(asked) == 2:
            whatsapp.break_page()
            _wait_until(lambda: not _is_whole(page))
        return len(rows) >= 60  # type: ignore[arg-type]

    assert len(page.read(CLASS, enough, 60).rows) >= 60


@pytest.mark.slow
def test_a_page_that_breaks_again_and_again_is_to_be_tried_later(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    def enough(_rows: object) -> bool:
        whatsapp.break_page()
        _wait_until(lambda: not _is_whole(page))
        return False

    with pytest.raises(TransientError, match="twice"):
        page.read(CLASS, enough, 60)


@pytest.mark.slow
def test_messages_that_arrive_late_are_waited_for(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    whatsapp.answer_after(0.7)

    assert len(page.read(CLASS, at_least(100), 60).rows) >= 100


@pytest.mark.slow
def test_a_reading_has_an_end_in_time(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    with pytest.raises(TransientError, match="not read in time"):
        page.read(CLASS, everything, 1)


def test_two_threads_share_the_page_and_read_in_turn(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp, opened: WhatsAppPage
) -> None:
    folder = opened._profile.folder
    found: dict[str, list[str]] = {}

    def read(group: str) -> None:
        own = WhatsAppPage.opened(folder, whatsapp.url, timezone=ZONE, pace_s=0)
        found[group] = texts(own.read(group, at_least(20), 60))
        own.close()

    threads = [threading.Thread(target=read, args=(group,)) for group in (CLASS, BEHIND)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found[BEHIND][-1] == "message 89"
    assert len(found[CLASS]) >= 20 and found[CLASS][-1] in ("message 129", "just now")
    assert page.standing(10) is Standing.READY


def test_a_sign_out_in_the_middle_asks_for_a_login(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    def enough(_rows: object) -> bool:
        whatsapp.sign_out()
        return False

    with pytest.raises(LoginRequired, match="signed this browser out"):
        page.read(CLASS, enough, 60)

    assert page.standing(5) is Standing.EXPIRED
    assert page.code().png.startswith(b"\x89PNG")
    whatsapp.scan()
    _wait_until(lambda: page.standing(0) is Standing.READY)


@pytest.mark.parametrize(
    ("state", "standing", "error"),
    [("loading", Standing.LOADING, TransientError), ("database_error", Standing.RELINK, LoginRequired)],
)
@pytest.mark.parametrize("locale", ["he", pytest.param("id", marks=pytest.mark.slow)])
def test_other_screens_are_told_apart(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp, state: str, standing: Standing, error: type, locale: str
) -> None:
    whatsapp.switch(build="2025", locale=locale)
    whatsapp.show(state)
    try:
        _wait_until(lambda: page.standing(0) is standing)
        with pytest.raises(error):
            page.read(CLASS, everything, 0.5)
    finally:
        whatsapp.show("ready")
        _wait_until(lambda: page.standing(0) is Standing.READY)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_browser_that_is_killed_in_the_middle_is_followed_by_a_fresh_one(
    page: WhatsAppPage, whatsapp: SandboxWhatsApp
) -> None:
    def enough(_rows: object) -> bool:
        pid = page._profile._pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return False

    with pytest.raises(TransientError, match="went away"):
        page.read(CLASS, enough, 60)

    assert page.read(SHORT, at_least(3), 60).rows[-1].text == "message 2"


@pytest.mark.slow
def test_a_deleted_message_keeps_its_place(page: WhatsAppPage, whatsapp: SandboxWhatsApp) -> None:
    deleted = [one for one in readable(whatsapp, PRACTICE) if one.kind is Kind.DELETED]

    reading = page.read(PRACTICE, at_least(30), 60)

    assert [as_read(row)[0] for row in reading.rows if row.shown is Shown.DELETED] == [deleted[0].message_id]


def _is_whole(page: WhatsAppPage) -> bool:
    return page.standing(0) is Standing.READY


def _wait_until(holds) -> None:
    import time

    ends_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)
