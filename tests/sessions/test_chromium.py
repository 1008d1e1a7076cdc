"""Chromium is found, or its absence is told."""

import os
import sys
from pathlib import Path

import pytest

from backhaul.errors import ConfigError
from backhaul.sessions import chromium
from backhaul.sessions.browser import BrowserThread


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser; returns the folder of its programs."""
    monkeypatch.delenv("CHROME_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "ms-playwright"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(chromium, "_MAC", ())
    for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_where_there_is_none_nothing_is_found(bare: Path) -> None:
    assert chromium.find_chromium(headless=True) is None


def test_the_headless_shell_goes_first_but_cannot_be_watched(bare: Path) -> None:
    shell = program(bare / "bin/chromium-headless-shell")
    full = program(bare / "bin/chromium")

    assert chromium.find_chromium(headless=True) == shell
    assert chromium.find_chromium(headless=False) == full


def test_playwright_s_own_is_found_the_newest_first(bare: Path) -> None:
    program(bare / "ms-playwright/chromium-1100/chrome-linux/chrome")
    newest = program(bare / "ms-playwright/chromium-1200/chrome-linux/chrome")

    assert chromium.find_chromium(headless=False) == newest


def test_windows_programs_are_found(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chrome = program(bare / "Program Files/Google/Chrome/Application/chrome.exe")
    monkeypatch.setenv("PROGRAMFILES", str(bare / "Program Files"))

    assert chromium.find_chromium(headless=True) == chrome


def test_chrome_bin_goes_before_all(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "bin/chromium")
    own = program(bare / "my browser/chrome")
    monkeypatch.setenv("CHROME_BIN", str(own))

    assert chromium.find_chromium(headless=True) == own


def test_a_chrome_bin_that_is_not_there_is_told(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROME_BIN", "/nowhere/chrome")

    with pytest.raises(ConfigError, match="/nowhere/chrome"):
        chromium.find_chromium(headless=True)


def test_the_sandbox_of_chromium_is_off_for_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "_in_container", lambda: False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--no-sandbox" in chromium.launch_args()

    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert "--no-sandbox" not in chromium.launch_args()


def started(thread: BrowserThread) -> None:
    thread.enter()
    try:
        thread.call(thread.new_context)
    finally:
        thread.leave()


def test_a_missing_chromium_says_how_to_install_it(bare: Path) -> None:
    with pytest.raises(ConfigError, match="no Chromium was found") as caught:
        started(BrowserThread())
    assert "CHROME_BIN" in caught.value.next_step


def test_a_missing_playwright_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)

    with pytest.raises(ConfigError, match="Playwright is not installed") as caught:
        started(BrowserThread())
    assert caught.value.next_step == 'Install it: pip install "backhaul[browser]".'
