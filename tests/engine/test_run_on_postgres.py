"""Runs whose ledger and curated tables are on a server: a machine that forgets everything goes on where it was."""

import shutil

import pytest

from backhaul.destinations import Warehouse
from backhaul.engine.run import LEDGER_URL, WAREHOUSE_URL
from backhaul.model import Counts
from tests import postgres
from tests.engine.place import Place

pytestmark = postgres.needs_server


@pytest.fixture
def url(place: Place) -> str:
    url = postgres.server().database()
    place.settings |= {LEDGER_URL: url, WAREHOUSE_URL: url}
    return url


def test_a_run_on_a_fresh_disk_classifies_as_one_on_the_old(place: Place, url: str) -> None:
    first = place.run()
    shutil.rmtree(place.folder / "data")

    again = place.run()

    assert [each.counts.new for each in first.streams] == [each.counts.unchanged for each in again.streams]
    assert sum((each.counts for each in again.streams), Counts()).new == 0
    assert sum(each.counts.new for each in first.streams) > 50
    assert not list((place.folder / "data").glob("*.db"))
    assert {run["status"] for run in place.installation.ledger.history.runs()} == {"done"}


def test_the_ledger_and_the_tables_share_a_database_and_do_not_mix(place: Place, url: str) -> None:
    place.run()

    tables = Warehouse(url).tables()

    assert len(tables) == 4
    assert all("backhaul" not in name and name != "runs" for name in tables)
