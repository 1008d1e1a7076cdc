"""`kept` as a person sees it: a list in words or as one document, and a copy."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backhaul.cli.kept import copy_named, list_kept
from backhaul.cli.output import Output
from backhaul.cli.run import installation, run_named
from backhaul.engine.run import RunOptions
from backhaul.errors import ConfigError
from backhaul.model import Origin
from backhaul.sandbox import SandboxBackOffice
from tests.cli.shop import DAY, Shop

NAME = "andalan.user"
IN_WORDS = Output(json=False, debug=False)
IN_JSON = Output(json=True, debug=False)


@pytest.fixture
def said(
    tmp_path: Path, office: SandboxBackOffice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """A shop that has run once; gives what was printed since it was asked last."""
    for name, value in Shop.at(tmp_path, office).settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    assert run_named(IN_JSON, NAME, RunOptions(window=DAY), headed=False) == 0

    def printed() -> str:
        return capsys.readouterr().out

    printed()
    return printed


def test_the_list_names_each_file_its_day_its_state_and_the_next_step(said: Callable[[], str]) -> None:
    list_kept(IN_WORDS, NAME)

    printed = said()
    [line] = [each for each in printed.splitlines() if each.startswith(NAME)]
    assert DAY in line
    assert " WIB" in line
    assert "delivered" in line
    assert f"backhaul kept {NAME} --copy" in printed


def test_with_json_the_list_is_one_document_and_times_are_utc(said: Callable[[], str]) -> None:
    list_kept(IN_JSON, "andalan")

    [file] = json.loads(said())
    assert (file["stream"], file["state"], file["waits"], file["reason"]) == (NAME, "delivered", None, None)
    assert file["fetched_at"].endswith("+00:00")
    assert file["size_bytes"] > 0


def test_a_file_of_a_system_can_be_copied_by_the_name_that_the_list_shows(
    said: Callable[[], str], tmp_path: Path
) -> None:
    list_kept(IN_JSON, NAME)
    [file] = json.loads(said())

    copy_named(IN_JSON, "andalan", file["file"], tmp_path / "back")

    copied: dict[str, Any] = json.loads(said())
    assert copied == {"file": str(tmp_path / "back" / file["file"]), "size_bytes": file["size_bytes"]}
    assert Path(copied["file"]).stat().st_size == file["size_bytes"]


def test_a_stream_without_files_says_so(said: Callable[[], str]) -> None:
    list_kept(IN_WORDS, "andalan.transaksi")

    assert said() == "no file of andalan.transaksi is kept\n"


def test_a_backup_is_shown_with_the_time_at_which_it_was_made(said: Callable[[], str]) -> None:
    here, made_at = installation(), datetime(2025, 9, 12, 3, 0, tzinfo=UTC)
    landed = here.lake.landing("andalan", "user").receive(
        [b"PGDMP"],
        name="backup_12092025-1000.i5bu",
        window=None,
        prove=lambda _path: None,
        origin=Origin("1", made_at),
    )
    kept = here.lake.raw.keep(landed)
    here.ledger.artifacts.keep("run", NAME, 1, kept, kept.path)

    list_kept(IN_WORDS, NAME)

    [line] = [each for each in said().splitlines() if "i5bu" in each and each.startswith(NAME)]
    assert "2025-09-12 10:00 WIB" in line
    assert "not staged" in line


def test_a_name_of_nothing_is_a_usage_error(said: Callable[[], str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kept file"):
        copy_named(IN_WORDS, NAME, "other", tmp_path)
