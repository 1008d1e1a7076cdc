"""`login` for WhatsApp Web as a person calls it; somebody else scans the code."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backhaul.cli.app import app
from backhaul.cli.whatsapp import draw
from backhaul.sandbox import SandboxTelegram
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp

SYSTEM = """
from backhaul import Pipeline, Telegram, WhatsAppWeb

web = WhatsAppWeb(pace_s=0)
pipeline = Pipeline(
    name="students",
    streams=[web.group("messages", group="Class 5", chat="students")],
    notify=[Telegram()],
)
"""


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def whatsapp() -> Iterator[SandboxWhatsApp]:
    with SandboxWhatsApp(scan_needed=True) as running:
        running.add_group("Class 5")
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "systems" / "school").mkdir(parents=True)
    (tmp_path / "systems" / "school" / "students.py").write_text(SYSTEM, encoding="utf-8")
    return tmp_path


def call(folder: Path, whatsapp: SandboxWhatsApp, *arguments: str, **settings: str) -> Any:
    given = {"BACKHAUL_HOME": str(folder), "WHATSAPP_WEB": "yes", **whatsapp.settings, **settings}
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(app, ["login", "school", *arguments], env=given)
    finally:
        os.chdir(before)


def pictures(folder: Path) -> list[Path]:
    return list((folder / "data").glob("*.p*"))


@pytest.mark.browser
def test_the_code_is_scanned_and_nothing_of_it_is_left(folder: Path, whatsapp: SandboxWhatsApp) -> None:
    seen: list[tuple[bytes, int]] = []

    def scan() -> None:
        while not (found := [path for path in pictures(folder) if path.suffix == ".png"]):
            time.sleep(0.02)
        seen.append((found[0].read_bytes()[:4], stat.S_IMODE(found[0].stat().st_mode)))
        whatsapp.scan()

    phone = threading.Thread(target=scan)
    phone.start()
    done = call(folder, whatsapp, "--json", "--wait-minutes", "0.5")
    phone.join()
    again = call(folder, whatsapp, "--wait-minutes", "0.5")

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["standing"] == "signed in"
    assert "signed in already" in again.stdout
    assert seen[0] == (b"\x89PNG", 0o600 if sys.platform != "win32" else seen[0][1])
    assert pictures(folder) == []
    assert "2@" not in done.output and "\N{FULL BLOCK}" not in done.output


@pytest.mark.browser
@pytest.mark.slow
def test_the_picture_goes_through_the_notifiers_and_a_code_nobody_scans_ends(
    folder: Path, whatsapp: SandboxWhatsApp
) -> None:
    with SandboxTelegram() as telegram:
        settings = {
            "TELEGRAM_TOKEN": telegram.token,
            "TELEGRAM_CHAT_ID": str(telegram.chat_id),
            "TELEGRAM_API_URL": telegram.url,
        }
        done = call(folder, whatsapp, "--send", "--wait-minutes", "0.05", **settings)
        sent = telegram.messages()

    assert done.exit_code == 4
    assert "nobody scanned the code" in done.stderr
    assert len(sent) == 1
    assert pictures(folder) == []


def test_a_page_that_is_switched_off_is_not_opened(folder: Path, whatsapp: SandboxWhatsApp) -> None:
    done = call(folder, whatsapp, WHATSAPP_WEB="no")

    assert done.exit_code == 2
    assert "switched off" in done.stderr
    assert whatsapp.paths == []


def test_a_code_is_drawn_with_half_blocks() -> None:
    drawn = io.StringIO()

    draw("2@made-up", drawn)

    assert "\N{UPPER HALF BLOCK}" in drawn.getvalue() or "\N{LOWER HALF BLOCK}" in drawn.getvalue()
    assert len(drawn.getvalue().splitlines()) < 25
