import httpx
import pytest

from backhaul.sandbox import Fault, SandboxBackOffice, Variant
from tests.sandbox.visitor import DAY, PAGES, signed_in, tree, visiting


def test_a_guest_is_sent_to_the_login_and_from_there_to_the_page_that_was_wanted():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        assert visitor.client.get("/koin_pay?x=1").url.path == "/login"

        answer = visitor.sign_in(office.username, office.password)

        assert answer.url.raw_path == b"/koin_pay?x=1"
        assert (office.logins, office.refused_logins) == (1, 0)


def test_a_login_without_a_wanted_page_ends_on_the_dashboard_which_shows_the_way_out():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        answer = visitor.sign_in(office.username, office.password)

        assert answer.url.path == "/dashboard"
        assert tree(answer).cssselect("#logout-form")
        assert [link.get("href") for link in tree(answer).cssselect("main a")] == list(PAGES)


def test_a_wrong_password_shows_the_login_again_with_a_message_once():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        answer = visitor.sign_in(office.username, "wrong")

        assert answer.url.path == "/login"
        assert "kata sandi salah" in answer.text
        assert "kata sandi salah" not in visitor.client.get("/login").text
        assert (office.logins, office.refused_logins) == (0, 1)


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_missing_or_wrong_token_is_answered_419(token):
    with SandboxBackOffice() as office, visiting(office) as visitor:
        fields = {"username": office.username, "password": office.password}

        answer = visitor.post("/login", fields | ({"_token": token} if token else {}))

        assert answer.status_code == 419
        assert office.logins == 0


@pytest.mark.parametrize("headers", [{}, {"Referer": "http://elsewhere.example/"}, {"Origin": "null"}])
def test_a_post_from_elsewhere_is_answered_419_even_with_the_right_token(headers):
    with SandboxBackOffice() as office, visiting(office) as visitor:
        form = visitor.page("/login").forms[0]
        fields = dict(form.form_values()) | {"username": office.username, "password": office.password}

        assert visitor.client.post("/login", data=fields, headers=headers).status_code == 419


def test_the_session_cookie_is_hidden_from_scripts_and_changes_at_the_login():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        answer = visitor.client.get("/login")
        before = dict(visitor.client.cookies)
        visitor.sign_in(office.username, office.password)

        assert "HttpOnly" in answer.headers["Set-Cookie"]
        assert before.keys() == dict(visitor.client.cookies).keys()
        assert before != dict(visitor.client.cookies)


def test_after_the_logout_pages_ask_for_the_login():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        visitor.post("/logout", {"_token": visitor.token()})

        assert visitor.client.get("/dashboard").url.path == "/login"


def test_expired_sessions_ask_for_the_login():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        office.expire_sessions()

        assert visitor.client.get("/dashboard").url.path == "/login"


@pytest.mark.parametrize(
    ("path", "start", "end", "button"),
    [
        (
            "/transaksi/index-export",
            'input[name="start_date"]',
            'input[name="end_date"]',
            "button.btn-primary",
        ),
        ("/point_transaction", 'input[name="start"]', 'input[name="end"]', "button.expot-pdf"),
        (
            "/user-front",
            'input[id="filter-start"]',
            'input[id="filter-end"]',
            "button.btn.btn-success.m3.expot-pdf",
        ),
        (
            "/koin_pay",
            'input[id="filter-start"]',
            'input[id="filter-end"]',
            "button.btn.btn-success.m3.expot-pdf",
        ),
    ],
)
@pytest.mark.parametrize("variant", [Variant.STANDARD, Variant.SCRIPT, Variant.BACKGROUND])
def test_each_export_page_has_the_fields_and_the_button_of_system_a(variant, path, start, end, button):
    with SandboxBackOffice(variant) as office, signed_in(office) as visitor:
        page = visitor.page(path)

        fields = [page.cssselect(selector) for selector in (start, end)]
        assert [[field.get("type") for field in found] for found in fields] == [["date"], ["date"]]
        assert all(found[0].get("name") != found[0].get("id") for found in fields) == ("filter" in start)
        assert ["Export" in found.text for found in page.cssselect(button)] == [True]
        assert sum("Export" in found.text_content() for found in page.cssselect("button")) == 1


def test_the_last_two_buttons_of_the_script_variant_are_in_no_form():
    with SandboxBackOffice(Variant.SCRIPT) as office, signed_in(office) as visitor:
        buttons = [visitor.page(path).cssselect("button.expot-pdf")[0] for path in PAGES[2:]]

        assert [(button.get("type"), list(button.iterancestors("form"))) for button in buttons] == [
            ("button", []),
            ("button", []),
        ]


def test_a_captcha_on_the_login_lets_nobody_in():
    with SandboxBackOffice(faults=[Fault.CAPTCHA]) as office, visiting(office) as visitor:
        assert visitor.page("/login").cssselect(".g-recaptcha")

        answer = visitor.sign_in(office.username, office.password)

        assert answer.url.path == "/login"
        assert "bukan robot" in answer.text
        assert office.logins == 0


def test_a_code_step_lets_in_with_the_right_code_only():
    with SandboxBackOffice(faults=[Fault.CODE_STEP]) as office, visiting(office) as visitor:
        answer = visitor.sign_in(office.username, office.password)
        assert tree(answer).cssselect('input[autocomplete="one-time-code"]')
        assert visitor.client.get("/dashboard").url.path == "/login"
        token = tree(answer).forms[0].fields["_token"]

        wrong = visitor.post("/login/kode", {"_token": token, "code": "wrong"})
        right = visitor.post("/login/kode", {"_token": token, "code": office.code})

        assert (wrong.url.path, right.url.path) == ("/login/kode", "/dashboard")
        assert (office.logins, office.refused_logins) == (1, 1)


def test_the_code_page_is_closed_to_who_gave_no_password():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        assert visitor.client.get("/login/kode").url.path == "/login"


@pytest.mark.parametrize(
    ("fault", "gone", "new"),
    [
        (Fault.CHANGED_BUTTON, "button.expot-pdf", "button.tombol-unduh"),
        (Fault.CHANGED_FIELD, 'input[name="start"]', 'input[name="periode_awal"]'),
    ],
)
def test_a_changed_page_calls_its_button_or_fields_something_else(fault, gone, new):
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        office.faults.add(fault, path="/point_transaction", times=1)
        page = visitor.page("/point_transaction")

        assert (len(page.cssselect(gone)), len(page.cssselect(new))) == (0, 1)
        assert visitor.page("/point_transaction").cssselect(gone)


def test_an_unknown_path_is_404_and_a_wrong_method_405():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        statuses = [
            visitor.client.get(path).status_code
            for path in ("/nowhere", "/ekspor/nowhere", "/logout", "/user-front/unduh")
        ]

        assert statuses == [404, 404, 405, 405]


def test_a_request_is_recorded_with_its_status_before_its_answer_arrives():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        visitor.client.get(f"/koin_pay?tgl_awal={DAY}")

        assert [(made.method, made.path, made.status) for made in office.requests] == [
            ("GET", "/koin_pay", 302),
            ("GET", "/login", 200),
        ]


def test_nothing_in_a_page_comes_from_outside():
    with SandboxBackOffice(Variant.SCRIPT) as office, signed_in(office) as visitor:
        for path in ("/dashboard", *PAGES):
            text = visitor.client.get(path).text
            assert "//" not in text.replace(office.url, "")


def test_each_start_makes_up_another_password():
    with SandboxBackOffice() as one, SandboxBackOffice() as other:
        assert one.password != other.password
        assert one.username != other.username
        assert one.url != other.url


def test_a_closed_office_is_unreachable_even_if_a_visitor_kept_a_connection():
    with SandboxBackOffice() as office, visiting(office) as visitor:
        visitor.client.get("/login")
        office.close()

        with pytest.raises(httpx.ConnectError):
            visitor.client.get("/login")
