"""`login` for a folder in Dropbox: the owner allows it, types the code, and gets the line for .env."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backhaul.engine.systems import bundled_systems
from backhaul.sandbox import SandboxDropbox
from tests.cli.shop import Shop


@pytest.fixture
def dropbox() -> Iterator[SandboxDropbox]:
    with SandboxDropbox() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, dropbox: SandboxDropbox) -> Shop:
    shutil.copytree(bundled_systems() / "toko", tmp_path / "systems" / "toko", ignore=shutil.ignore_patterns("tests"))
    settings = {name: value for name, value in dropbox.settings.items() if name != "DROPBOX_REFRESH_TOKEN"}
    return Shop(tmp_path, settings)


def login(shop: Shop, typed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backhaul", "login", "toko"]
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, env=shop.environment, timeout=60, cwd=os.curdir
    )


def test_the_code_of_dropboxs_page_becomes_the_line_for_the_settings(shop: Shop, dropbox: SandboxDropbox) -> None:
    done = login(shop, f"{dropbox.allow()}\n")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"DROPBOX_REFRESH_TOKEN={dropbox.settings['DROPBOX_REFRESH_TOKEN']}\n"
    assert "https://www.dropbox.com/oauth2/authorize?client_id=" in done.stderr


@pytest.mark.parametrize(("typed", "code", "words"), [("wrong\n", 4, "code"), ("\n", 2, "no code was typed")])
def test_a_code_that_is_none_is_told(shop: Shop, typed: str, code: int, words: str) -> None:
    done = login(shop, typed)

    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
