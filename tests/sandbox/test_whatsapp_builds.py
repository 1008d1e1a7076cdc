from datetime import UTC, date, datetime, timedelta

import pytest

from backhaul.sandbox.whatsapp.school import PRACTICE, PRACTICE_TWIN, add_school
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sandbox.whatsapp.world import Kind
from tests.sandbox.whatsapp_visitor import NOON, ROWS, chromium, drawn, open_chat, texts, visit

pytestmark = pytest.mark.browser
BUILDS = ("2025", "2026-04", "2026-09")
GROUP, OTHER = "Class 5 practice", "Class 5: practice"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def whatsapp(request):
    with SandboxWhatsApp(*getattr(request, "param", ()), today=NOON.date()) as running:
        running.add_group(GROUP, ("Dana Levi", "+972 55-000-0101"))
        yield running


@pytest.mark.parametrize("build", BUILDS)
def test_each_build_has_its_own_anchors_and_none_of_the_others(browser, build):
    with SandboxWhatsApp(build) as whatsapp:
        whatsapp.add_group(GROUP, ("Dana Levi",))
        whatsapp.post(GROUP, "Dana Levi", "done", at=NOON)
        own = whatsapp.post(GROUP, whatsapp.me, "well done", at=NOON)
        with visit(browser, whatsapp) as page:
            open_chat(page, GROUP)
            page.wait_for_selector(ROWS)

            counts = {
                "in": page.locator(".message-in").count(),
                "out": page.locator(".message-out").count(),
                "tails": sorted(x for x in drawn(page, "data-icon") if x.startswith("tail")),
                "test ids": page.locator("[data-testid]").count() > 0,
                "class": page.locator("#main span.selectable-text").count(),
                "test id body": page.locator('#main [data-testid="selectable-text"]').count(),
                "input": page.locator('#side input[data-tab="3"]').count(),
                "editable": page.locator('#side div[contenteditable="true"][data-tab="3"]').count(),
                "headers": len(drawn(page, "data-pre-plain-text")),
                "policy": page.locator("[data-scrolltracepolicy]").count(),
            }
            ids = drawn(page, "data-id")

    is_2025, is_09 = build == "2025", build == "2026-09"
    assert counts == {
        "in": 0 if is_09 else 1,
        "out": 0 if is_09 else 1,
        "tails": ["tail-in", "tail-out"],
        "test ids": is_09,
        "class": 2 if is_2025 else 0,
        "test id body": 2 if is_09 else 0,
        "input": 0 if is_2025 else 1,
        "editable": 1 if is_2025 else 0,
        "headers": 2,
        "policy": 1 if is_2025 else 0,
    }
    if is_2025:
        assert ids[1].startswith("true_") and f"@g.us_{own.message_id}_" in ids[1] and ids[1].endswith("@lid")
    else:
        assert ids[1] == own.message_id


def test_the_newest_build_names_its_parts_by_test_ids(browser, whatsapp):
    message = whatsapp.post(GROUP, "Dana Levi", "done", at=NOON)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        page.wait_for_selector(ROWS)
        names = set(drawn(page, "data-testid"))

    assert names == {
        *("conversation-header", "conversation-info-header", "chat-subtitle", "conversation-panel-messages"),
        *("author", "selectable-text", "msg-meta", f"conv-msg-{message.message_id}"),
    }


@pytest.mark.parametrize(
    ("locale", "header", "labels", "dividers"),
    [
        ("en-US", "[2:05 PM, 9/29/2026] Jo: ", ("Chat list", "Quoted message"), ["Monday", "YESTERDAY"]),
        ("en-IN", "[2:05 pm, 29/09/2026] Jo: ", ("Chat list", "Quoted message"), ["Monday", "YESTERDAY"]),
        ("he", "[14:05, 29.9.2026] Jo: ", ("רשימת צ'אטים", "הודעה מצוטטת"), ["יום שני", "אתמול"]),
        ("id", "[14.05, 29/9/2026] Jo: ", ("Daftar chat", "Pesan yang dikutip"), ["Senin", "KEMARIN"]),
    ],
)
def test_each_language_writes_dates_labels_and_dividers_in_its_own_way(browser, locale, header, labels, dividers):
    with SandboxWhatsApp(locale=locale, today=date(2026, 9, 30)) as whatsapp:
        whatsapp.add_group(GROUP)
        first = whatsapp.post(GROUP, "Ola", "practised", at=datetime(2026, 9, 28, 9, 0))
        whatsapp.post(GROUP, "Jo", "me too", at=datetime(2026, 9, 29, 14, 5), quote=first)
        with visit(browser, whatsapp) as page:
            open_chat(page, GROUP)
            page.wait_for_selector(ROWS)

            assert drawn(page, "data-pre-plain-text")[-1] == header
            assert page.locator(f'#pane-side [aria-label="{labels[0]}"]').count() == 1
            assert page.locator(f'#main [role="button"][aria-label="{labels[1]}"]').count() == 1
            assert texts(page, f"{ROWS}:not(:has([data-id]))") == dividers
            assert page.get_attribute("html", "dir") == ("rtl" if locale == "he" else "ltr")


def test_a_time_with_a_zone_is_shown_in_the_zone_of_the_browser(browser, whatsapp):
    whatsapp.post(GROUP, "Jo", "late", at=datetime(2026, 9, 29, 22, 30, tzinfo=UTC))
    for zone, header in (("Asia/Jerusalem", "[1:30 AM, 9/30/2026] Jo: "), ("UTC", "[10:30 PM, 9/29/2026] Jo: ")):
        with visit(browser, whatsapp, zone=zone) as page:
            open_chat(page, GROUP)
            page.wait_for_selector(ROWS)

            assert drawn(page, "data-pre-plain-text") == [header]


def test_media_without_text_deleted_messages_and_cards_have_an_id_and_no_header(browser, whatsapp):
    posted = [
        whatsapp.post(GROUP, "Jo", at=NOON, kind=Kind.IMAGE),
        whatsapp.post(GROUP, "Jo", at=NOON, kind=Kind.VOICE),
        whatsapp.post(GROUP, "Jo", at=NOON, kind=Kind.GIF),
        whatsapp.post(GROUP, "Jo", "Tuner\n+972 55-000-0177", at=NOON, kind=Kind.CONTACT),
        whatsapp.delete(whatsapp.post(GROUP, "Jo", "secret words", at=NOON)),
    ]
    whatsapp.post(GROUP, "Jo", "look", at=NOON, kind=Kind.IMAGE)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        page.wait_for_selector(ROWS)

        assert drawn(page, "data-id")[:-1] == [message.message_id for message in posted]
        assert drawn(page, "data-pre-plain-text") == ["[12:00 PM, 9/30/2026] Jo: "]
        assert page.locator('#main [aria-label="Open picture"] img[src^="blob:"]').count() == 2
        assert page.locator('[aria-label="Play voice message"] ~ [role="slider"]').count() == 1
        assert page.locator('#main [aria-label="Play GIF"]').count() == 1
        assert "~Tuner" in page.locator("#main").inner_text()
        recalled = page.locator(f'{ROWS}:has([data-icon="recalled"])')
        assert "This message was deleted" in recalled.inner_text()
        assert recalled.locator('[data-testid="selectable-text"]').count() == 0


def test_emoji_are_images_that_an_elements_text_leaves_out(browser, whatsapp):
    whatsapp.post(GROUP, "Jo", "done ✅ 👍🏽", at=NOON)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        page.wait_for_selector(ROWS)

        assert page.locator('#main [data-testid="selectable-text"]').text_content() == "done  "
        assert drawn(page, "data-plain-text") == ["✅", "👍🏽"]
        assert [alt for alt in drawn(page, "alt") if alt] == ["✅", "👍🏽"]


@pytest.mark.parametrize("build", BUILDS)
def test_the_words_of_a_quote_stand_in_a_block_of_their_own(browser, build):
    with SandboxWhatsApp(build) as whatsapp:
        whatsapp.add_group(GROUP)
        whatsapp.post(GROUP, "Jo", "well done", at=NOON, quote=("Dana Levi", "I practised"))
        with visit(browser, whatsapp) as page:
            open_chat(page, GROUP)
            page.wait_for_selector(ROWS)
            inside = page.locator('[data-pre-plain-text] [aria-label="Quoted message"]')

            assert "I practised" in inside.inner_text()
            assert inside.locator(".quoted-mention").count() == (1 if build == "2025" else 0)


def test_only_the_first_bubble_of_a_run_names_the_sender(browser, whatsapp):
    for sender in ("+972 55-000-0101", "+972 55-000-0101", "~ Noa", "+972 ∙∙∙∙∙∙∙02", "Dana Levi"):
        whatsapp.post(GROUP, sender, "hello", at=NOON, push_name="Budi" if "0101" in sender else "")
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        page.wait_for_selector(ROWS)

        authors = texts(page, '#main [data-testid="author"]')
        senders = [header.split("] ", 1)[1] for header in drawn(page, "data-pre-plain-text")]
        assert authors == ["~Budi", "~ Noa", "+972 ∙∙∙∙∙∙∙02", "Dana Levi"]
        assert texts(page, "#main span._ahx_") == ["+972 55-000-0101"]
        assert page.locator('#main [aria-label="Maybe Budi"]').count() == 1
        assert senders[:3] == ["+972 55-000-0101: ", "+972 55-000-0101: ", "~ Noa: "]
        assert drawn(page, "data-icon").count("tail-in") == 4


def test_a_long_message_is_cut_until_read_more_is_pressed(browser, whatsapp):
    whatsapp.post(GROUP, "Jo", "start " + "la " * 500 + "end", at=NOON)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        body = page.locator('#main [data-testid="selectable-text"]')
        body.wait_for()
        cut = body.inner_text()
        page.locator(f'{ROWS} [role="button"]', has_text="Read more").click()

        assert cut.endswith("…") and len(cut) == 701
        assert body.inner_text().endswith("la end")


def test_edited_forwarded_bold_reactions_and_lines_of_whatsapp_itself_are_drawn(browser, whatsapp):
    whatsapp.note(GROUP, "Dana Levi joined", at=NOON)
    whatsapp.edit(whatsapp.post(GROUP, "Jo", "one", at=NOON), "*two*\nthree")
    whatsapp.react(whatsapp.post(GROUP, "Jo", "four", at=NOON, is_forwarded=True), "🙏")
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        page.wait_for_selector(ROWS)
        note, edited, forwarded = (page.locator(ROWS).nth(number) for number in (1, 2, 3))

        assert note.inner_text() == "Dana Levi joined" and note.locator("[data-id]").count() == 0
        assert edited.locator('[data-testid="msg-meta"]').inner_text() == "Edited 12:00 PM"
        assert edited.locator("strong").inner_text() == "two"
        assert edited.locator(".words").inner_text() == "two\nthree"
        assert forwarded.locator('[data-icon="forward-refreshed"]').count() == 1
        assert forwarded.locator('[aria-label="reaction 🙏. View reactions"]').count() == 1


def test_the_school_has_two_groups_whose_titles_differ_in_a_dash_and_in_direction_marks(browser):
    with SandboxWhatsApp(locale="he") as whatsapp:
        add_school(whatsapp, until=NOON)
        with visit(browser, whatsapp) as page:
            page.wait_for_selector("#pane-side span[title]")
            titles = [title for title in texts(page, "#pane-side span[dir=auto]") if "5" in title]
            open_chat(page, PRACTICE)
            page.wait_for_selector(ROWS)
            header = page.locator("#main header")

            assert titles == [PRACTICE, PRACTICE_TWIN]
            assert header.locator("span[dir=auto]").inner_text() == PRACTICE
            assert header.locator("[title]").get_attribute("title").startswith("Dana Levi, Ola:Acme")
            assert header.locator("[title]").count() == 1


def test_two_messages_never_have_one_id():
    whatsapp = SandboxWhatsApp()
    whatsapp.add_group(GROUP)
    ids = [whatsapp.post(GROUP, "Jo", "x", at=NOON + timedelta(seconds=n)).message_id for n in range(200)]
    whatsapp.close()

    assert len(set(ids)) == 200
