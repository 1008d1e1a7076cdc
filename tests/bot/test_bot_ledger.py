"""What a bot keeps in the ledger, in a file and on a server."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backhaul.engine.ledger import Ledger
from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.bot import BUTTONS_KEPT_FOR, UPDATES_KEPT_FOR, BotDesk
from backhaul.engine.ledger.file import LedgerFile
from tests import postgres

NOW = datetime.now(UTC)


@pytest.fixture(params=["file", pytest.param("server", marks=postgres.needs_server)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db" if request.param == "file" else postgres.server().database())


@pytest.fixture
def desk(ledger: Ledger) -> BotDesk:
    return BotDesk.of(ledger, "1001")


def test_an_update_is_taken_once(ledger: Ledger, desk: BotDesk) -> None:
    first = desk.take([1, 2, 2])

    assert first == {1, 2}
    assert BotDesk.of(ledger, "1001").take([2, 3]) == {3}
    assert desk.take([]) == set()


def test_the_numbers_of_another_bot_are_others(ledger: Ledger, desk: BotDesk) -> None:
    desk.take([2**51])

    assert BotDesk.of(ledger, "1002").take([2**51]) == {2**51}


def test_of_many_that_take_at_once_one_gets_each(ledger: Ledger) -> None:
    got: list[set[int]] = []

    def take() -> None:
        desk = BotDesk.of(ledger, "1001")
        for number in range(0, 40, 2):
            got.append(desk.take([number, number + 1]))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(number for each in got for number in each) == list(range(40))


def test_a_button_stands_for_something_once_and_in_its_chat(desk: BotDesk) -> None:
    button = desk.put_button(-5, {"query": "kopi", "skip": 10}, NOW)

    assert len(button.encode()) <= 64
    assert desk.press(-6, button, NOW) is None
    assert desk.press(-5, button, NOW) == {"query": "kopi", "skip": 10}
    assert desk.press(-5, button, NOW) is None


def test_a_button_expires(desk: BotDesk) -> None:
    button = desk.put_button(1, {}, NOW)

    assert desk.press(1, button, NOW + BUTTONS_KEPT_FOR + timedelta(seconds=1)) is None


def test_what_nobody_asks_for_any_more_is_forgotten(ledger: Ledger, desk: BotDesk) -> None:
    # The desk looks at the clock itself when it takes an update.
    desk.take([1])
    now = datetime.now(UTC)
    desk.put_button(1, {}, now)

    desk.clear(now + timedelta(hours=1))
    kept = desk.take([1])
    desk.clear(now + UPDATES_KEPT_FOR + timedelta(minutes=1))

    assert (kept, desk.take([1])) == (set(), {1})
    assert LedgerFile(ledger.path).rows(t.bot_buttons.select()) == []
