"""`login` and `sessions` as a person calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backhaul.cli.app import app
from backhaul.sandbox import SandboxBackOffice
from backhaul.sandbox.office.faults import Fault
from backhaul.sandbox.office.visits import COOKIE
from backhaul.sealing import new_key
from tests.cli.shop import DAY, Shop

ONE = "andalan.transaksi"
SYSTEM = """
from backhaul import BackOffice, FormLogin, Pipeline, Secret, Setting

office = BackOffice(
    base_url=Setting("BACKEND_URL"),
    login=FormLogin("/login", username=Secret("BACKEND_USERNAME"), password=Secret("BACKEND_PASSWORD")),
    driver="http",
)
pipeline = Pipeline(
    name="exports",
    streams=[
        office.export(
            "transaksi",
            key="Transaksi ID",
            page="/transaksi/index-export",
            dates=('input[name="start_date"]', 'input[name="end_date"]'),
            button='button:has-text("Export")',
        )
    ],
)
"""


class Here(Shop):
    """A shop whose commands run in this process: a new one for each takes seconds on a busy machine."""

    def call(self, *arguments: str, given: str | None = None, **_: object) -> subprocess.CompletedProcess[str]:
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            done = CliRunner().invoke(app, arguments, input=given, env={**self.environment})
        finally:
            os.chdir(before)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def document(self, *arguments: str, given: str | None = None) -> Any:
        return json.loads(self.call(*arguments, "--json", given=given).stdout)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def office() -> Iterator[SandboxBackOffice]:
    with SandboxBackOffice() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, office: SandboxBackOffice) -> Here:
    """A folder with one pipeline of one export, and a key."""
    (tmp_path / "systems" / "andalan").mkdir(parents=True)
    (tmp_path / "systems" / "andalan" / "exports.py").write_text(SYSTEM, encoding="utf-8")
    settings = {
        "BACKEND_URL": office.url,
        "BACKEND_USERNAME": office.username,
        "BACKEND_PASSWORD": office.password,
        "BACKHAUL_KEY": new_key(),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    return Here(tmp_path, settings)


def signed_in_cookie(office: SandboxBackOffice) -> str:
    """Return the session cookie of somebody who has signed in with a browser of their own."""
    import httpx

    with httpx.Client(base_url=office.url, follow_redirects=True) as browser:
        page = browser.get("/login").text
        token = page.split('name="_token" value="')[1].split('"')[0]
        fields = {"_token": token, "username": office.username, "password": office.password}
        browser.post("/login", data=fields, headers={"Origin": office.url})
        return browser.cookies[COOKIE]


def netscape(value: str, host: str = "127.0.0.1") -> str:
    until = int(time.time()) + 7200
    lines = [
        "# Netscape HTTP Cookie File",
        f"#HttpOnly_{host}\tFALSE\t/\tFALSE\t{until}\t{COOKIE}\t{value}",
        f".tracker.example\tTRUE\t/\tTRUE\t{until}\tid\tRAHASIA-LAIN",
    ]
    return "\n".join(lines) + "\n"


def all_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_cookies_of_a_browser_open_the_site_behind_a_captcha(shop: Here, office: SandboxBackOffice) -> None:
    value = signed_in_cookie(office)
    office.faults.set(Fault.CAPTCHA)
    (shop.folder / "cookies.txt").write_text(netscape(value), encoding="utf-8")

    taken = shop.call("login", "andalan", "--cookies", "cookies.txt")
    (shop.folder / "cookies.txt").unlink()
    ran = shop.call("run", ONE, "--window", DAY)

    assert taken.returncode == 0, taken.stderr
    assert "1 cookie for 127.0.0.1" in taken.stdout and "1 for other hosts left out" in taken.stdout
    assert "takes them as signed in" in taken.stdout
    assert ran.returncode == 0, ran.stderr
    assert office.logins == 1
    said = taken.stdout + taken.stderr + ran.stdout + ran.stderr
    assert value not in said and value.encode() not in all_files(shop.folder)


def test_cookies_come_from_a_pipe_too_and_the_answer_is_a_document(shop: Here, office: SandboxBackOffice) -> None:
    state = {"cookies": [{"name": COOKIE, "value": signed_in_cookie(office), "domain": "127.0.0.1", "path": "/"}]}

    document = shop.document("login", "andalan", "--cookies", "-", given=json.dumps(state))

    assert (document["standing"], document["cookies"], document["from"]) == ("signed in", 1, "import")


def test_cookies_that_are_signed_out_are_not_saved(shop: Here) -> None:
    (shop.folder / "cookies.txt").write_text(netscape("tidak-berlaku"), encoding="utf-8")

    done = shop.call("login", "andalan", "--cookies", "cookies.txt")

    assert done.returncode == 4
    assert "does not take these cookies" in done.stderr
    assert shop.document("sessions") == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds no cookies"),
        ("halo\n", "line 1 of the cookie file has 1 fields"),
        ('{"a": 1}', "no list of cookies"),
        ("[{", "is none"),
        (netscape("RAHASIA", "toko.example"), "none for 127.0.0.1"),
    ],
)
def test_a_file_without_the_sites_cookies_is_refused_in_words(shop: Here, content: str, told: str) -> None:
    (shop.folder / "cookies.txt").write_text(content, encoding="utf-8")

    done = shop.call("login", "andalan", "--cookies", "cookies.txt")

    assert done.returncode == 2
    assert told in done.stderr
    assert "RAHASIA" not in done.stdout + done.stderr


def test_runs_save_their_session_which_is_listed_checked_and_forgotten(shop: Here, office: SandboxBackOffice) -> None:
    shop.call("run", ONE, "--window", DAY)
    shop.call("run", ONE, "--window", DAY)
    assert office.logins == 1

    [listed] = shop.document("sessions")
    assert (listed["user"], listed["from"], listed["state"]) == (f"{office.username[:2]}***", "login", "ready")
    assert office.username not in shop.call("sessions").stdout
    assert shop.call("sessions", "check", "andalan").returncode == 0
    assert office.logins == 1

    office.expire_sessions()
    checked = shop.call("sessions", "check", "andalan")
    assert (checked.returncode, "signed out" in checked.stdout) == (4, True)

    assert "1 session of andalan forgotten" in shop.call("sessions", "forget", "andalan").stdout
    assert shop.document("sessions") == []
    assert "No session of andalan" in shop.call("sessions", "forget", "andalan").stdout


def test_a_session_is_forgotten_by_its_source_when_its_system_is_gone(shop: Here) -> None:
    shop.call("run", ONE, "--window", DAY)
    [listed] = shop.document("sessions")
    (shop.folder / "systems" / "andalan" / "exports.py").unlink()

    assert shop.document("sessions", "forget", listed["source"]) == {"forgotten": 1}


def test_a_session_of_another_key_is_listed_as_such_and_a_run_signs_in(shop: Here, office: SandboxBackOffice) -> None:
    shop.call("run", ONE, "--window", DAY)
    rotated = Here(shop.folder, {**shop.settings, "BACKHAUL_KEY": new_key()})

    assert "another key" in rotated.document("sessions")[0]["state"]
    assert rotated.call("sessions", "check", "andalan").returncode == 4
    assert rotated.call("run", ONE, "--window", DAY).returncode == 0
    assert office.logins == 2
    with_old = {**rotated.settings, "BACKHAUL_OLD_KEYS": shop.settings["BACKHAUL_KEY"]}
    assert Here(shop.folder, with_old).document("sessions")[0]["state"] == "ready"


def test_without_a_key_it_is_said_how_to_make_one(shop: Here) -> None:
    keyless = Here(shop.folder, {name: value for name, value in shop.settings.items() if name != "BACKHAUL_KEY"})

    for arguments in (("login", "andalan"), ("sessions", "check", "andalan")):
        done = keyless.call(*arguments)
        assert done.returncode == 2 and "backhaul sessions new-key" in done.stderr
    listed = keyless.call("sessions")
    assert listed.returncode == 0 and "backhaul sessions new-key" in listed.stdout


def test_a_new_key_is_a_line_for_the_settings_that_works(shop: Here) -> None:
    del shop.settings["BACKHAUL_KEY"]
    first = shop.call("sessions", "new-key")
    (shop.folder / ".env").write_text(first.stdout, encoding="utf-8")

    shop.call("run", ONE, "--window", DAY)

    assert shop.document("sessions")[0]["state"] == "ready"
    second = shop.call("sessions", "new-key")
    assert second.stdout != first.stdout and "BACKHAUL_OLD_KEYS" in second.stderr


def test_a_first_key_that_goes_straight_into_the_settings_is_not_said_to_be_set_already(shop: Here) -> None:
    del shop.settings["BACKHAUL_KEY"]
    shop.settings["PYTHONUNBUFFERED"] = "1"

    with (shop.folder / ".env").open("a", encoding="utf-8") as settings:
        _, told = shop.start("sessions", "new-key", stdout=settings).communicate(timeout=60)

    assert "BACKHAUL_KEY=" in (shop.folder / ".env").read_text(encoding="utf-8")
    assert "set already" not in told


def test_a_key_added_to_settings_begins_a_line_of_its_own(shop: Here) -> None:
    (shop.folder / ".env").write_text("TELEGRAM_CHAT_ID=-4", encoding="utf-8")

    with (shop.folder / ".env").open("a", encoding="utf-8") as settings:
        shop.start("sessions", "new-key", stdout=settings).communicate(timeout=60)

    first, second = (shop.folder / ".env").read_text(encoding="utf-8").splitlines()
    assert first == "TELEGRAM_CHAT_ID=-4"
    assert second.startswith("BACKHAUL_KEY=")


def test_a_machine_without_a_keyring_says_so(shop: Here) -> None:
    done = shop.call("sessions", "new-key", "--keyring")

    assert done.returncode == 2
    assert "no keyring" in done.stderr and "BACKHAUL_KEY" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays")
def test_without_a_display_the_other_way_is_named(shop: Here) -> None:
    hidden = Here(shop.folder, {**shop.settings, "DISPLAY": "", "WAYLAND_DISPLAY": ""})

    done = hidden.call("login", "andalan")

    assert done.returncode == 2
    assert "no display" in done.stderr and "--cookies FILE" in done.stderr


def test_a_system_without_a_login_is_told(shop: Here) -> None:
    done = shop.call("login", "andalan", "--source", "toko.example", "--cookies", "-")

    assert done.returncode == 2
    assert "127.0.0.1" in done.stderr and "--source" in done.stderr


def test_a_login_that_needs_a_person_names_the_command(shop: Here, office: SandboxBackOffice) -> None:
    office.faults.set(Fault.CAPTCHA)

    done = shop.call("run", ONE, "--window", DAY)

    assert done.returncode == 4
    assert "backhaul login andalan" in done.stdout + done.stderr
