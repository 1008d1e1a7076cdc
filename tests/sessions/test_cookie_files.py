"""Cookies as browsers' users export them: every form, and what is taken of it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.errors import ConfigError
from backhaul.sessions.cookie_files import Imported, read_cookies

HOST = "backend.kantor.example"
LATER = int(time.time()) + 7200
PAST = int(time.time()) - 60


def taken(content: str | bytes, *hosts: str) -> Imported:
    return read_cookies(content if isinstance(content, bytes) else content.encode(), hosts or (HOST,))


def line(domain: str, name: str, value: str = "v", expires: float = LATER, more: str = "FALSE") -> str:
    return f"{domain}\t{more}\t/\tTRUE\t{expires}\t{name}\t{value}"


def entry(**fields: Any) -> dict[str, Any]:
    return {"name": "sesi", "value": "v", "domain": HOST, "path": "/", **fields}


def names(imported: Imported) -> list[str]:
    return [cookie.name for cookie in imported.cookies]


def test_cookies_txt_with_comments_blank_lines_and_hidden_cookies_is_read() -> None:
    content = "\n".join(
        [
            "# Netscape HTTP Cookie File",
            "",
            line(HOST, "a"),
            "#HttpOnly_" + line(HOST, "b"),
            "# c",
            line(HOST, "d", ""),
        ]
    )

    imported = taken(content)

    assert names(imported) == ["a", "b", "d"]
    assert [cookie.has_nonstandard_attr("HttpOnly") for cookie in imported.cookies] == [False, True, False]
    assert imported.cookies[0].secure and imported.cookies[0].expires == LATER


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_windows_programs_are_read(encoding: str) -> None:
    content = "# cookies\r\n" + line(HOST, "a", "isi") + "\r\n"

    [cookie] = taken(content.encode(encoding)).cookies

    assert (cookie.name, cookie.value) == ("a", "isi")


def test_the_list_of_an_extension_is_read() -> None:
    content = [
        entry(hostOnly=True, httpOnly=True, secure=True, session=False, expirationDate=LATER + 0.5, sameSite="lax"),
        entry(name="dua", session=True, storeId="0", sameSite="no_restriction"),
    ]

    imported = taken(json.dumps(content))

    assert names(imported) == ["sesi", "dua"]
    assert [cookie.expires for cookie in imported.cookies] == [LATER, None]


def test_the_state_of_playwright_is_read() -> None:
    content = {"cookies": [entry(expires=-1, httpOnly=True), entry(name="dua", expires=LATER)], "origins": []}

    assert names(taken(json.dumps(content))) == ["sesi", "dua"]


def test_times_in_milliseconds_are_understood() -> None:
    [cookie] = taken(json.dumps([entry(expirationDate=LATER * 1000)])).cookies

    assert cookie.expires == LATER


@pytest.mark.parametrize(
    ("domain", "more", "is_taken"),
    [
        (HOST, "FALSE", True),
        (HOST.upper(), "FALSE", True),
        (f".{HOST}", "TRUE", True),
        (".kantor.example", "TRUE", True),
        ("kantor.example", "FALSE", False),
        ("kantor.example", "TRUE", True),
        (f"x.{HOST}", "FALSE", False),
        (".antor.example", "TRUE", False),
        (f"jahat-{HOST}", "TRUE", False),
        ("example", "FALSE", False),
    ],
)
def test_only_what_a_browser_would_send_to_the_site_is_taken(domain: str, more: str, is_taken: bool) -> None:
    imported = taken(f"{line(HOST, 'mine')}\n{line(domain, 'other', more=more)}")

    assert names(imported) == (["mine", "other"] if is_taken else ["mine"])
    assert imported.elsewhere == (0 if is_taken else 1)


def test_cookies_of_a_login_on_another_host_are_taken_too() -> None:
    content = f"{line(HOST, 'a')}\n{line('masuk.lain.example', 'b')}"

    assert names(taken(content, HOST, "masuk.lain.example")) == ["a", "b"]


@pytest.mark.parametrize("domain", ["localhost", "127.0.0.1"])
def test_a_site_on_this_machine_has_cookies_too(domain: str) -> None:
    assert names(taken(line(domain, "a"), domain)) == ["a"]


@pytest.mark.parametrize("expires", ["0", "-1", "9e999", "nan", ""])
def test_a_cookie_without_a_time_counts_until_the_site_ends_it(expires: str) -> None:
    [cookie] = taken(f"{HOST}\tFALSE\t/\tTRUE\t{expires}\ta\tv").cookies

    assert cookie.expires is None


def test_cookies_that_are_over_or_cannot_be_sent_are_left_out() -> None:
    content = [
        entry(),
        entry(name="old", expirationDate=PAST),
        entry(name="bad", value="a\r\nX-Header: b"),
        entry(name="worse", value="a; b=c"),
        entry(name="na me"),
        entry(name="", value="x"),
    ]

    imported = taken(json.dumps(content))

    assert names(imported) == ["sesi"]
    assert imported.useless == 5


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   \n",
        b"# only a comment\n",
        b"\xff\xfe\x00",
        b"\x80\x81",
        b"PK\x03\x04",
        b"a=b; c=RAHASIA",
        b"{}",
        b'{"cookies": 7}',
        b'["RAHASIA"]',
        b'[{"name": "a", "value": "RAHASIA"}]',
        b'[{"name": "a", "value": 7, "domain": "x"}]',
        b"[" * 100_000,
        b"backend.kantor.example\tFALSE\t/\tTRUE\tsoon\tname\tRAHASIA",
        b'[{"name": "a", "value": "RAHASIA", "domain": "backend.kantor.example", "expirationDate": 5}]',
        bytes(9 << 20),
    ],
)
def test_what_holds_no_cookies_for_the_site_is_refused_without_repeating_it(content: bytes) -> None:
    with pytest.raises(ConfigError) as told:
        taken(content)

    assert "RAHASIA" not in f"{told.value} {told.value.next_step}"


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_garbage_is_one_of_our_errors(content: bytes) -> None:
    with pytest.raises(ConfigError):
        taken(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "value", "domain", "expirationDate", "cookies", "path"]), inner)
    ),
)


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    content = json.dumps([entry(), value]).encode()
    try:
        imported = taken(content)
    except ConfigError:
        return
    assert "sesi" in names(imported)
