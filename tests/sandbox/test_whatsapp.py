from datetime import timedelta

import httpx
import pytest

from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from tests.sandbox.whatsapp_visitor import NOON, ROWS, SCROLLER, chromium, drawn, open_chat, texts, visit

pytestmark = pytest.mark.browser
GROUP = "Class 5 practice"
SEARCH = '#side [data-tab="3"]'
NAMES = "#pane-side span[dir=auto]"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def whatsapp():
    with SandboxWhatsApp(today=NOON.date()) as running:
        yield running


def talk(whatsapp: SandboxWhatsApp, count: int, **history: object) -> list[str]:
    whatsapp.add_group(GROUP, ("Dana Levi",), **history)
    start = NOON - timedelta(minutes=count)
    return [
        whatsapp.post(GROUP, "Dana Levi", f"message {n}", at=start + timedelta(minutes=n)).message_id
        for n in range(count)
    ]


def scroll(page, to: int) -> None:
    page.eval_on_selector(SCROLLER, "(scroller, to) => { scroller.scrollTop = to; }", to)


def row_count(page) -> int:
    return page.locator(ROWS).count()


def wait_for_rows(page, least: int) -> None:
    page.wait_for_function("([rows, least]) => document.querySelectorAll(rows).length >= least", arg=[ROWS, least])


def test_content_is_drawn_near_the_visible_part_only_and_comes_with_scrolling(browser, whatsapp):
    ids = talk(whatsapp, 40)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 40)
        at_end = drawn(page, "data-id")
        height = page.eval_on_selector(SCROLLER, "scroller => scroller.scrollHeight")
        scroll(page, 0)
        page.wait_for_selector(f'[data-id="{ids[0]}"]')
        at_start = drawn(page, "data-id")

        assert at_end == ids[-len(at_end) :] and 5 < len(at_end) < 35
        assert at_start == ids[: len(at_start)] and 5 < len(at_start) < 35
        assert page.locator(f"{ROWS}:empty").count() > 5
        assert page.eval_on_selector(SCROLLER, "scroller => scroller.scrollHeight") == height


def test_older_messages_come_page_by_page_when_the_panel_is_scrolled_to_its_top(browser, whatsapp):
    ids = talk(whatsapp, 100)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 40)
        before = row_count(page)
        for least in (80, 100):
            scroll(page, 0)
            wait_for_rows(page, least)
        scroll(page, 0)
        page.wait_for_selector(f'[data-id="{ids[0]}"]')

        assert before == 41
        assert row_count(page) == 101


def test_the_place_that_is_looked_at_stays_when_older_messages_come(browser, whatsapp):
    talk(whatsapp, 100)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 40)
        scroll(page, 0)
        wait_for_rows(page, 80)

        assert page.eval_on_selector(SCROLLER, "scroller => scroller.scrollTop") > 1000


def test_what_the_browser_does_not_have_comes_from_the_phone_after_a_click_until_the_history_ends(browser, whatsapp):
    ids = talk(whatsapp, 60, behind_button=30, ends_on_phone=True)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 30)
        before = row_count(page)
        page.get_by_role("button", name="Click here to get older messages from your phone").click()
        wait_for_rows(page, 60)
        scroll(page, 0)
        page.wait_for_selector(f'[data-id="{ids[0]}"]')

        assert before == 31
        assert "Use WhatsApp on your phone to see older messages" in page.locator(SCROLLER).inner_text()
        assert page.get_by_role("button", name="older messages").count() == 0


def test_new_edited_and_deleted_messages_show_on_an_open_page(browser, whatsapp):
    talk(whatsapp, 3)
    first, second, _ = whatsapp.messages(GROUP)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 4)
        whatsapp.edit(first, "other words")
        whatsapp.delete(second)
        new = whatsapp.post(GROUP, "Jo", "news", at=NOON)
        page.wait_for_selector(f'[data-id="{new.message_id}"]')

        assert texts(page, '#main [data-testid="selectable-text"]') == ["other words", "message 2", "news"]
        assert drawn(page, "data-icon").count("recalled") == 1


@pytest.mark.parametrize("how", ["real", "played"])
def test_a_hidden_tab_draws_the_last_message_only(browser, whatsapp, how):
    ids = talk(whatsapp, 20)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 21)
        if how == "played":
            whatsapp.hide_tab()
        else:
            page.evaluate(
                "() => { Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });"
                "document.dispatchEvent(new Event('visibilitychange')); }"
            )
        page.wait_for_function("() => document.querySelectorAll('#main [data-id]').length === 1")

        assert drawn(page, "data-id") == ids[-1:]


def test_the_input_filters_after_real_keys_and_not_after_a_value_that_a_script_sets(browser, whatsapp):
    for title in (GROUP, "Sales", "Family"):
        whatsapp.add_group(title)
    with visit(browser, whatsapp) as page:
        page.wait_for_selector(NAMES)
        page.eval_on_selector(
            SEARCH, "box => { box.value = 'sal'; box.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        page.eval_on_selector(SEARCH, "box => box.dispatchEvent(new KeyboardEvent('keyup', { key: 'l' }))")
        page.fill(SEARCH, "sal")
        untouched = texts(page, NAMES)
        page.fill(SEARCH, "")
        page.locator(SEARCH).press_sequentially("sal")

        assert untouched == [GROUP, "Sales", "Family"]
        assert texts(page, NAMES) == ["Sales"]
        assert page.locator('#pane-side [role="row"]').count() == 2


def test_the_older_box_filters_whatever_is_entered(browser):
    with SandboxWhatsApp("2025") as whatsapp:
        for title in (GROUP, "Sales"):
            whatsapp.add_group(title)
        with visit(browser, whatsapp) as page:
            page.wait_for_selector(NAMES)
            page.locator(SEARCH).focus()
            page.keyboard.insert_text("sal")

            assert texts(page, NAMES) == ["Sales"]


def test_letters_that_the_keyboard_lacks_filter_with_the_next_key(browser, whatsapp):
    for title in ("תרגול", "Sales"):
        whatsapp.add_group(title)
    with visit(browser, whatsapp) as page:
        page.wait_for_selector(NAMES)
        page.locator(SEARCH).press_sequentially("תרגול")
        before = texts(page, NAMES)
        page.locator(SEARCH).press("End")

        assert before == ["תרגול", "Sales"]
        assert texts(page, NAMES) == ["תרגול"]


def test_a_chat_far_down_the_list_is_not_in_the_page_until_it_is_searched(browser, whatsapp):
    for number in range(60):
        whatsapp.add_group(f"Group {number}")
    with visit(browser, whatsapp) as page:
        page.wait_for_selector(NAMES)
        before = texts(page, NAMES)
        page.locator(SEARCH).press_sequentially("Group 59")

        assert "Group 59" not in before and len(before) < 30
        assert texts(page, NAMES) == ["Group 59"]


def test_a_click_that_a_script_feigns_opens_nothing(browser, whatsapp):
    talk(whatsapp, 1)
    with visit(browser, whatsapp) as page:
        page.wait_for_selector(NAMES)
        page.eval_on_selector(f"{NAMES}", "name => name.click()")
        assert page.locator("#main header").count() == 0
        open_chat(page, GROUP)

        assert page.locator("#main header").count() == 1


@pytest.mark.parametrize(
    ("build", "code"),
    [
        ("2025", 'canvas[aria-label="Scan this QR code to link a device!"]'),
        ("2026-04", 'canvas[aria-label="Scan this QR code to link a device!"]'),
        ("2026-09", '[data-testid="qrcode"] > img[alt="Scan this QR code to link a device"]'),
    ],
)
def test_a_fresh_profile_shows_the_code_in_the_form_of_its_build(browser, build, code):
    with SandboxWhatsApp(build, scan_needed=True) as whatsapp, visit(browser, whatsapp) as page:
        page.wait_for_selector("div[data-ref]")

        assert page.locator(code).count() == 1
        assert "Steps to log in" in page.inner_text("body")
        assert page.locator("#pane-side").count() == 0


def test_after_the_scan_come_the_chats_and_the_profile_stays_signed_in(browser):
    with SandboxWhatsApp(scan_needed=True, loading_s=0.3) as whatsapp, visit(browser, whatsapp) as page:
        page.wait_for_selector("[data-ref]")
        whatsapp.scan()
        page.wait_for_selector("text=Loading your chats")
        page.wait_for_selector("#pane-side")
        page.reload()
        page.wait_for_selector("#pane-side, [data-ref]")

        assert page.locator("[data-ref]").count() == 0


def test_the_code_can_be_renewed(browser):
    with SandboxWhatsApp(scan_needed=True) as whatsapp, visit(browser, whatsapp) as page:
        page.wait_for_selector("[data-ref]")
        first = page.get_attribute("[data-ref]", "data-ref")
        whatsapp.renew_code()
        page.wait_for_selector(f'[data-ref]:not([data-ref="{first}"])')

        assert page.get_attribute("[data-ref]", "data-ref").startswith("2@")


def test_a_scan_without_a_browser_that_shows_the_code_says_so():
    with SandboxWhatsApp(scan_needed=True) as whatsapp, pytest.raises(TimeoutError):
        whatsapp.scan(timeout_s=0.05)


def test_signing_out_takes_the_chats_from_an_open_page(browser, whatsapp):
    talk(whatsapp, 3)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 4)
        whatsapp.sign_out()
        page.wait_for_selector("[data-ref]")

        assert page.locator("#main").count() == page.locator("#pane-side").count() == 0


def test_the_page_can_stay_at_loading_or_at_a_database_error(browser, whatsapp):
    whatsapp.show("loading")
    with visit(browser, whatsapp) as page:
        page.wait_for_selector('[data-testid="startup"]')
        assert "Loading your chats" in page.inner_text("body")
        whatsapp.show("database_error")
        page.wait_for_selector("text=relink device")
        whatsapp.show("ready")
        page.wait_for_selector("#pane-side")


def test_the_page_can_be_written_otherwise_while_it_is_open(browser, whatsapp):
    ids = talk(whatsapp, 2)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 3)
        whatsapp.switch(build="2025", locale="id")
        page.wait_for_selector('.message-in [data-pre-plain-text="[11.58, 30/9/2026] Dana Levi: "]')
        packed = drawn(page, "data-id")
        whatsapp.change(ids="none", labels=False, header_attribute="data-head")
        page.wait_for_selector("[data-head]")

        assert [one.split("_")[2] for one in packed] == ids
        assert drawn(page, "data-id") == drawn(page, "data-pre-plain-text") == []
        assert page.locator("[aria-label]").count() == 0
        assert row_count(page) == 3


def test_messages_can_come_late_and_until_then_the_chat_before_stands_there(browser, whatsapp):
    talk(whatsapp, 2)
    whatsapp.add_group("Sales")
    whatsapp.post("Sales", "Jo", "a lead", at=NOON)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 3)
        whatsapp.answer_after(0.5)
        page.locator('#pane-side span[title="Sales"]').click()

        assert page.locator("#main header span[dir=auto]").inner_text() == GROUP
        page.wait_for_function("() => document.querySelector('#main header span[dir=auto]').textContent === 'Sales'")
        assert texts(page, '#main [data-testid="selectable-text"]') == ["a lead"]


def test_a_page_that_breaks_is_white_and_comes_back_when_it_is_loaded_again(browser, whatsapp):
    talk(whatsapp, 1)
    with visit(browser, whatsapp) as page:
        failures = []
        page.on("pageerror", lambda failure: failures.append(failure))
        page.wait_for_selector(NAMES)
        whatsapp.break_page()
        page.wait_for_selector("#pane-side", state="detached")
        white = page.inner_text("body")
        page.reload()
        page.wait_for_selector(NAMES)

        assert white == "" and len(failures) == 1


def test_a_page_can_load_itself_anew_and_freeze(browser, whatsapp):
    talk(whatsapp, 1)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 2)
        whatsapp.reload_page()
        page.wait_for_selector("#main", state="detached")
        page.wait_for_selector(NAMES)
        page.evaluate(
            "() => { let last = performance.now(); window.gap = 0; setInterval(() => {"
            "window.gap = Math.max(window.gap, performance.now() - last); last = performance.now(); }, 10); }"
        )
        whatsapp.freeze_page(0.6)
        page.wait_for_function("() => window.gap >= 590")


def test_what_a_reader_must_not_do_is_noted(browser, whatsapp):
    talk(whatsapp, 1)
    with visit(browser, whatsapp) as page:
        open_chat(page, GROUP)
        wait_for_rows(page, 2)
        page.locator(SEARCH).press_sequentially("Class")
        assert whatsapp.touches == []
        with page.expect_response("**/api/touch"):
            page.locator('#main footer [contenteditable="true"]').press_sequentially("x")
        with page.expect_response("**/api/touch"):
            page.locator('#main footer [aria-label="Send"]').click()

        assert [(touch.what, touch.group) for touch in whatsapp.touches] == [("typed", GROUP), ("sent", GROUP)]


def test_the_page_asks_nobody_else_and_for_nothing_that_is_not_there(browser, whatsapp):
    talk(whatsapp, 3)
    with visit(browser, whatsapp) as page:
        asked, failed = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        page.on("console", lambda line: failed.append(line.text))
        page.reload()
        open_chat(page, GROUP)
        wait_for_rows(page, 4)

        assert asked and not failed
        assert all(url.startswith((f"{whatsapp.url}/", "data:", "blob:")) for url in asked)


def test_odd_requests_are_answered_and_hurt_nobody(whatsapp):
    talk(whatsapp, 1)
    group_id = httpx.get(f"{whatsapp.url}/api/state").json()["chats"][0]["id"]

    assert httpx.get(f"{whatsapp.url}/../service.py").status_code == 404
    assert httpx.get(f"{whatsapp.url}/api/chat", params={"id": "nobody"}).status_code == 404
    odd = {"id": group_id, "start": "x", "zone": "../../etc/passwd"}
    assert len(httpx.get(f"{whatsapp.url}/api/chat", params=odd).json()["rows"]) == 2
    assert httpx.post(f"{whatsapp.url}/api/touch", content=b"\xff\xfe").status_code == 204
    assert httpx.get(f"{whatsapp.url}/").headers["Content-Security-Policy"].startswith("default-src 'self'")


def test_an_unknown_build_language_chat_or_kind_is_refused(whatsapp):
    whatsapp.add_group(GROUP)
    for wrong in (
        lambda: SandboxWhatsApp("1999"),
        lambda: SandboxWhatsApp(locale="xx"),
        lambda: whatsapp.add_group(GROUP),
        lambda: whatsapp.post(GROUP, "Jo", "x", kind="poem"),
        lambda: whatsapp.switch(locale="xx"),
    ):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(KeyError):
        whatsapp.post("nobody", "Jo", "x")
