"""`backhaul search`, as the function behind it."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from backhaul.cli.output import Output
from backhaul.cli.search import search
from backhaul.errors import ConfigError
from backhaul.search import SearchIndex
from tests.search.catalogues import deliver, frame, maker, row

PIPELINE = """
from backhaul import DropFolder, Pipeline
from backhaul.search import SearchIndex

shelf = DropFolder("in")
pipeline = Pipeline(
    name="{name}",
    streams=[shelf.files("katalog", key="kodeitem", pattern="*.csv", to=[SearchIndex("data/{name}.db")])],
)
"""


def add_system(home: Path, name: str) -> None:
    (home / "systems" / name).mkdir(parents=True)
    (home / "systems" / name / "pipeline.py").write_text(PIPELINE.replace("{name}", name), encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    add_system(tmp_path, "toko")
    rows = [
        row("A1", "GULA PASIR 1KG", stok="UTM 12; GDG 0"),
        row("A1", "GULA PASIR 1KG", satuan="DUS", konversi=Decimal(10), hargajual=Decimal("134500.50")),
        row("A2", "GULA PASIR 500G", dijual=False),
    ]
    deliver(SearchIndex("data/toko.db"), maker(tmp_path), frame(rows))
    return tmp_path


def test_every_price_is_printed_and_the_cost_only_if_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search(Output(), "gula pasir")

    out = capsys.readouterr().out
    assert "GULA PASIR 1KG" in out
    assert "134,500.5" in out
    assert "UTM 12; GDG 0" in out
    assert "GULA PASIR 500G (no longer sold)" in out
    assert "3,000" not in out
    search(Output(), "gula pasir", "toko", with_cost=True)
    assert "3,000" in capsys.readouterr().out


def test_json_holds_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(Output(json=True), "gula 1kg", limit=1)

    said = json.loads(capsys.readouterr().out)
    assert (said["found"], said["total"]) == ("words", 1)
    assert said["products"][0]["offers"][1] == {
        "unit": "DUS",
        "factor": "10.000",
        "price": "134500.50",
        "level": None,
        "up_to": None,
    }


def test_how_many_more_there_are_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(Output(), "gula", limit=1)

    assert "1 of 2 products" in capsys.readouterr().out


def test_nothing_found_says_what_to_try(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(Output(), "xyzzy")

    assert "nothing found" in capsys.readouterr().out


def test_with_several_catalogues_the_one_that_is_meant_must_be_named(home: Path) -> None:
    add_system(home, "warung")

    with pytest.raises(ConfigError, match="2 catalogues") as told:
        search(Output(), "gula")

    assert "toko" in told.value.next_step


def test_without_any_catalogue_the_next_step_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    (tmp_path / "systems").mkdir()

    with pytest.raises(ConfigError, match="no stream of any system"):
        search(Output(), "gula")
