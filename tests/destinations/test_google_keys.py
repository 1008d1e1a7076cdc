"""A service-account key is read in every form that platforms leave it in, or refused without being shown."""

import base64
import json
import re
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.errors import ConfigError
from backhaul.sessions.google.keys import load_account

EMAIL = "robot@made-up.iam.gserviceaccount.com"


@lru_cache(maxsize=1)
def key_file() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "made-up",
        "private_key_id": "0123456789abcdef",
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def compact() -> str:
    return json.dumps(key_file(), separators=(",", ":"))


def pretty() -> str:
    return json.dumps(key_file(), indent=2)


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def with_key(change: str) -> str:
    """Return the JSON with the line breaks of the private key replaced by change."""
    return json.dumps({**key_file(), "private_key": key_file()["private_key"].replace("\n", change)})


def rewrapped(text: str) -> str:
    return "\n".join(re.findall(".{1,76}", text))


FORMS = {
    "compact": compact,
    "pretty": pretty,
    "byte order mark": lambda: "\ufeff" + pretty(),
    "CRLF": lambda: pretty().replace("\n", "\r\n"),
    "line break at the end": lambda: compact() + "\n\n",
    "real line breaks in the key": lambda: pretty().replace("\\n", "\n"),
    "real CRLF in the key": lambda: pretty().replace("\\n", "\r\n"),
    "doubly escaped line breaks": lambda: compact().replace("\\n", "\\\\n"),
    "triply escaped line breaks": lambda: compact().replace("\\n", "\\\\\\\\n"),
    "single quotes around": lambda: f"'{compact()}'",
    "double quotes around": lambda: f'"{compact()}"',
    "JSON string of JSON": lambda: json.dumps(pretty()),
    "JSON string of a JSON string": lambda: json.dumps(json.dumps(pretty())),
    "escaped quotes": lambda: compact().replace('"', '\\"'),
    "escaped quotes, real line breaks": lambda: pretty().replace('"', '\\"').replace("\\n", "\n"),
    "escaped as in dotenv": lambda: pretty().replace("\\n", "\\\\n").replace('"', '\\"').replace("\n", "\\n"),
    "dotenv, quoted": lambda: json.dumps(pretty())[:-1] + '"',
    "base64": lambda: packed(compact()),
    "base64 in lines": lambda: rewrapped(packed(pretty())),
    "base64 without padding": lambda: packed(compact() + " ").rstrip("="),
    "base64 for addresses": lambda: base64.urlsafe_b64encode(pretty().encode()).decode(),
    "base64 of base64": lambda: packed(packed(compact())),
    "data address": lambda: "data:application/json;base64," + packed(compact()),
    "blanks for line breaks": lambda: with_key(" "),
    "nothing for line breaks": lambda: with_key(""),
    "Python dict": lambda: repr(key_file()),
    "Python dict, real line breaks": lambda: repr(key_file()).replace("\\n", "\n"),
    "control characters in the key": lambda: with_key("\r\n\t"),
    "backslash before a real line break": lambda: compact().replace("\\n", "\\\n"),
    "name before": lambda: "GOOGLE_SERVICE_ACCOUNT_JSON=" + compact(),
    "export and quotes": lambda: f"export GOOGLE_SERVICE_ACCOUNT_JSON='{compact()}'",
    "name before base64": lambda: f"KEY={packed(compact())}",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_read_in_the_form(form: str) -> None:
    account = load_account(FORMS[form]())

    assert (account.client_email, account.project, account.key_id_tail) == (EMAIL, "made-up", "cdef")
    assert account.info["private_key"] == key_file()["private_key"]


@pytest.mark.parametrize("shape", ["{}", '"{}"', "'{}'", " {}\n", "file://{}", "\ufeff{}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_key_is_read_from_the_file_that_is_named(tmp_path: Path, shape: str, encoding: str) -> None:
    path = tmp_path / "with blank" / "key.json"
    path.parent.mkdir()
    path.write_text(pretty(), encoding=encoding)

    assert load_account(shape.format(path)).client_email == EMAIL


def test_a_file_below_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "key").write_text(compact())

    assert load_account("~/key").client_email == EMAIL


BROKEN = {
    "empty": (lambda: "", "is empty"),
    "only quotes": (lambda: ' "" ', "is empty"),
    "cut off": (lambda: compact()[: len(compact()) // 2], "cut off"),
    "cut off, base64": (lambda: packed(compact()[:500]), "cut off|neither"),
    "typographic quotes": (
        lambda: compact().replace('"', "\u201d"),
        "typographic quotes, the first at character 1",
    ),
    "OAuth client": (
        lambda: json.dumps({"installed": {"client_id": "x"}}),
        "OAuth client file",
    ),
    "a person's login": (lambda: json.dumps({"type": "authorized_user", "client_email": EMAIL}), '"type"'),
    "bare n": (lambda: compact().replace("\\n", "n"), "bare n|foreign character|does not end"),
    "no email": (lambda: json.dumps({**key_file(), "client_email": ""}), "missing fields: client_email"),
    "key cut": (lambda: json.dumps({**key_file(), "private_key": key_file()["private_key"][:300]}), "does not end"),
    "key damaged": (
        lambda: compact().replace(key_file()["private_key"][700:764].replace("\n", "\\n"), ""),
        "can not be read",
    ),
    "a password": (lambda: "hunter2-hunter2-hunter2", "neither a path"),
    "a list": (lambda: "[1, 2]", "neither a path"),
    "plain http": (lambda: json.dumps({**key_file(), "token_uri": "http://example.com/token"}), "https"),
    "a path to nothing": (lambda: "/nowhere/key.json", "no file at the path"),
}


@pytest.mark.parametrize("form", BROKEN)
def test_a_broken_key_is_refused_in_words_without_its_content(form: str) -> None:
    make, words = BROKEN[form]
    text = make()

    with pytest.raises(ConfigError, match=words) as caught:
        load_account(text)

    told = f"{caught.value} {caught.value.next_step} {caught.value.__cause__}"
    assert key_file()["private_key"][40:60] not in told
    assert "hunter2" not in told
    assert len(told) < 600


def test_the_key_is_not_shown_in_a_repr() -> None:
    account = load_account(compact())

    assert "PRIVATE" not in repr(account)
    assert key_file()["private_key"][40:60] not in repr(account)


@settings(max_examples=150)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="{}'\"\\n=[]:, ab", max_size=40)))
def test_garbage_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        load_account(text)


@settings(max_examples=60)
@given(st.data())
def test_a_key_with_a_hole_is_a_config_error_or_the_account(data: st.DataObject) -> None:
    text = compact()
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(1, 40))

    try:
        account = load_account(text[:start] + text[start + length :])
    except ConfigError:
        return
    assert account.info["type"] == "service_account"
