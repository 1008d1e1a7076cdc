"""Forms without a browser: what a click sends."""

import pytest

from backhaul.errors import SourceChanged
from backhaul.sessions.forms import Submission, fill, select, submission, submitted_form, tick, untick
from backhaul.sessions.pages import Page

ADDRESS = "https://kantor.example/app/report?tab=1"


def page(body: str) -> Page:
    return Page.read(f"<html><body>{body}</body></html>", ADDRESS)


def clicked(on: Page, button: str = "button, [type=submit], [type=image]") -> Submission:
    control = on.find(button)
    assert control is not None
    form = submitted_form(control)
    assert form is not None
    return submission(form, control, on)


@pytest.mark.parametrize(
    ("controls", "pairs"),
    [
        ('<input name="a" value="1"><input name="a" value="2">', [("a", "1"), ("a", "2")]),
        ('<input type="hidden" name="_token" value="x y">', [("_token", "x y")]),
        ('<input value="without name">', []),
        ('<input name="a" value="1" disabled>', []),
        ('<fieldset disabled><input name="a"><legend><input name="b"></legend></fieldset>', [("b", "")]),
        ('<input type="checkbox" name="a"><input type="checkbox" name="b" checked>', [("b", "on")]),
        ('<select name="a"><option value="">-<option selected>two  words</select>', [("a", "two words")]),
        ('<select name="a"><option disabled>x<option value="y">Y</select>', [("a", "y")]),
        (
            '<select name="a" multiple><option selected>x<option>y<option selected>z</select>',
            [("a", "x"), ("a", "z")],
        ),
        ('<select name="a" multiple><option>x</select>', []),
        ('<textarea name="a">one\ntwo</textarea>', [("a", "one\r\ntwo")]),
        ('<input type="file" name="a">', [("a", "")]),
        ('<input type="reset" name="a" value="x"><button type="button" name="b">b</button>', []),
    ],
)
def test_a_form_sends_what_a_browser_would(controls: str, pairs: list[tuple[str, str]]) -> None:
    sent = clicked(page(f'<form method="post">{controls}<input type="submit"></form>'), "[type=submit]")

    assert sent == Submission("POST", ADDRESS, tuple(pairs), False)


def test_of_several_buttons_only_the_clicked_one_is_sent() -> None:
    buttons = '<button name="do" value="show">Show</button><input type="submit" name="do" value="Export">'

    sent = clicked(page(f'<form method="post">{buttons}</form>'), "[value=Export]")

    assert sent.pairs == (("do", "Export"),)


def test_a_button_overrules_its_form() -> None:
    form = '<form id="f" action="list" method="get"><input name="a" value="1"></form>'
    button = '<button form="f" formaction="export" formmethod="post" formenctype="multipart/form-data">x</button>'

    assert clicked(page(form + button)) == Submission(
        "POST", "https://kantor.example/app/export", (("a", "1"),), True
    )


def test_a_get_form_puts_its_fields_in_place_of_the_query() -> None:
    form = '<form action="/list?old=1#top"><input name="day" value="12/09"><button>x</button></form>'

    assert clicked(page(form)).url == "https://kantor.example/list?day=12%2F09"


def test_addresses_start_from_the_base_of_the_page() -> None:
    form = '<base href="/other/"><form action="list" method="post"><button>x</button></form>'

    assert clicked(page(form)).url == "https://kantor.example/other/list"


def test_an_image_button_sends_a_place_on_it() -> None:
    sent = clicked(page('<form method="post"><input type="image" name="go"></form>'))

    assert sent.pairs == (("go.x", "0"), ("go.y", "0"))


def test_a_button_outside_of_every_form_submits_none() -> None:
    on = page('<form></form><button id="out">x</button><form><button id="in" type="button">y</button></form>')

    for selector in ("#out", "#in"):
        control = on.find(selector)
        assert control is not None
        assert submitted_form(control) is None


def test_a_radio_button_takes_the_place_of_its_group() -> None:
    radios = '<input type="radio" name="a" value="1" checked><input type="radio" name="a" value="2">'
    on = page(f'<form method="post">{radios}<button>x</button></form>')
    second = on.find("[value='2']")
    assert second is not None

    tick(second)

    assert clicked(on).pairs == (("a", "2"),)


@pytest.mark.parametrize(
    ("control", "words"),
    [
        ('<select id="x"></select>', "is a select, nothing to write into"),
        ('<input id="x" type="checkbox">', "is a checkbox, nothing to write into"),
        ('<input id="x" disabled>', "is disabled"),
    ],
)
def test_what_cannot_be_filled_says_what_it_is(control: str, words: str) -> None:
    found = page(control).find("#x")
    assert found is not None

    with pytest.raises(SourceChanged, match=words):
        fill(found, "1")


def test_what_is_no_list_and_no_box_says_what_it_is() -> None:
    found = page('<input id="x">').find("#x")
    assert found is not None

    with pytest.raises(SourceChanged, match="is a text, not a list"):
        select(found, "one")
    with pytest.raises(SourceChanged, match="is a text, not a box to tick"):
        tick(found)
    with pytest.raises(SourceChanged, match="is a text, not a box to untick"):
        untick(found)
