"""What the answer to a sign-in means."""

import pytest

from backhaul.errors import LoginRequired
from backhaul.sessions.login import FormLogin, Refusals, Verdict, wants_sign_in
from backhaul.sessions.pages import Page

FORM = '<form><input name="username"><input type="password" name="p"></form>'
LOGIN = FormLogin("/login/?next=/", username="petugas", password="rahasia")


def page(body: str, path: str = "/home") -> Page:
    return Page.read(f"<html><body>{body}</body></html>", f"https://kantor.example{path}")


@pytest.mark.parametrize(
    ("body", "path", "verdict"),
    [
        ("<h1>Home</h1>", "/home", Verdict.SIGNED_IN),
        (FORM, "/login", Verdict.FORM_AGAIN),
        (FORM, "/home", Verdict.FORM_AGAIN),
        (FORM + '<div class="g-recaptcha"></div>', "/login/", Verdict.CAPTCHA),
        ("<p>Please solve the CAPTCHA</p>" + FORM, "/login/", Verdict.CAPTCHA),
        ('<iframe src="https://challenges.cloudflare.com/x"></iframe>', "/home", Verdict.CAPTCHA),
        ('<form><input name="otp_code"></form><p>Two-factor login', "/verify", Verdict.CODE),
        ('<input name="code"><h1>Products</h1>', "/home", Verdict.SIGNED_IN),
        ("<p>hello</p>", "/login", Verdict.UNCLEAR),
    ],
)
def test_the_answer_to_a_sign_in_is_told_apart(body: str, path: str, verdict: Verdict) -> None:
    assert LOGIN.verdict(page(body, path)) is verdict


def test_a_proof_of_being_signed_in_goes_before_everything() -> None:
    login = FormLogin("/login", username="a", password="b", signed_in="#logout")

    assert login.verdict(page(FORM + '<a id="logout">', "/login")) is Verdict.SIGNED_IN
    assert login.verdict(page("<h1>Home</h1>")) is Verdict.UNCLEAR


@pytest.mark.parametrize(
    ("body", "path", "asked", "expected"),
    [
        (FORM, "/login", "/export", True),
        ("<div id=app></div>", "/login/", "/export", True),
        (FORM, "/login", "/login", True),
        (FORM, "/users", "/users", False),
        ("<h1>Home</h1>", "/home", "/export", False),
    ],
)
def test_the_login_page_in_place_of_what_was_asked_for(body: str, path: str, asked: str, expected: bool) -> None:
    assert wants_sign_in(LOGIN, page(body, path), f"https://kantor.example{asked}") is expected


def test_neither_the_password_nor_the_user_name_is_in_its_repr() -> None:
    assert "rahasia" not in repr(LOGIN)
    assert "petugas" not in repr(LOGIN)


def test_a_failure_that_is_no_refusal_may_be_tried_again() -> None:
    refusals = Refusals()

    with pytest.raises(RuntimeError), refusals.attempt("kantor", LOGIN):
        raise RuntimeError
    with refusals.attempt("kantor", LOGIN):
        pass


def test_a_captcha_is_asked_for_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = Refusals()
    now = 0.0
    monkeypatch.setattr("backhaul.sessions.login.time.monotonic", lambda: now)
    with pytest.raises(LoginRequired), refusals.attempt("kantor", LOGIN):
        raise LoginRequired("captcha")

    now = 899.0
    with pytest.raises(LoginRequired, match="captcha"), refusals.attempt("kantor", LOGIN):
        raise AssertionError("not tried")
    now = 901.0
    with refusals.attempt("kantor", LOGIN):
        pass
