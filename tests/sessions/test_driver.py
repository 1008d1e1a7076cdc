"""Playwright's own Node.js: what is said where it does not start."""

from pathlib import Path

import pytest

from backhaul.errors import ConfigError
from backhaul.sessions.browser import BrowserThread, driver_trouble

LACKING = "error while loading shared libraries: libatomic.so.1: cannot open shared object file"


@pytest.fixture
def broken_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    node = tmp_path / "node"
    node.write_text(f'#!/bin/sh\necho "$0: {LACKING}" >&2\nexit 127\n', encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", str(node))
    return node


def test_the_library_that_is_missing_is_named(broken_node: Path) -> None:
    assert driver_trouble() == f"Playwright's Node.js does not start ({LACKING})"


def test_a_node_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", str(tmp_path / "nowhere"))

    assert driver_trouble() == "Playwright's Node.js does not start (FileNotFoundError)"


def test_a_browser_without_its_driver_says_what_to_install(broken_node: Path) -> None:
    thread = BrowserThread()
    thread.enter()
    try:
        with pytest.raises(ConfigError, match=r"needs a browser, and Playwright's Node\.js does not start") as told:
            thread.call(thread.new_context)
    finally:
        thread.leave()

    assert "apt install libatomic1" in told.value.next_step
