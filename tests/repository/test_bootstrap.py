"""The set-up that runs before anything is installed."""

import subprocess
import sys

import pytest

from tools import bootstrap


def test_the_first_way_that_works_makes_the_environment(monkeypatch):
    tried = []

    def refused():
        tried.append("refused")
        return False

    def worked():
        tried.append("worked")
        return True

    monkeypatch.setattr(bootstrap, "WAYS_TO_VENV", (refused, worked, worked))

    bootstrap.make_venv()

    assert tried == ["refused", "worked"]


def test_where_no_way_works_the_message_says_what_to_ask_the_administrator_for(monkeypatch):
    monkeypatch.setattr(bootstrap, "WAYS_TO_VENV", (lambda: False,))

    with pytest.raises(bootstrap.SetupFailed, match="apt-get install python3-venv"):
        bootstrap.make_venv()


def test_a_machine_without_any_chromium_goes_on_and_says_what_is_left_out(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bootstrap, "PRIVATE_BROWSER", tmp_path / "browser")
    monkeypatch.setattr(bootstrap, "browser_works", lambda: False)
    monkeypatch.setattr(bootstrap, "WAYS_TO_BROWSER", (lambda: False,))

    bootstrap.browser()

    assert "browser parts are left out, everything else works" in capsys.readouterr().out


def test_a_machine_without_any_postgresql_goes_on_and_says_what_is_left_out(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bootstrap, "PRIVATE_POSTGRES", tmp_path / "postgres")
    monkeypatch.setattr(bootstrap, "postgres_works", lambda: False)
    monkeypatch.setattr(bootstrap, "WAYS_TO_POSTGRES", (lambda: False,))

    bootstrap.postgres()

    assert "its tests are left out, everything else works" in capsys.readouterr().out


def test_a_command_that_is_missing_or_too_slow_counts_as_one_that_failed(tmp_path):
    assert not bootstrap.works(["no-such-program"])
    assert not bootstrap.works([sys.executable, "-c", "import time; time.sleep(30)"], timeout_s=0.5)
    assert bootstrap.works([sys.executable, "-c", ""])


def test_it_needs_the_standard_library_only():
    command = [sys.executable, "-I", "-S", bootstrap.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "packages" in done.stdout
