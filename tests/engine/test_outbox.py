"""Messages to people: from events over the outbox to the channel, at least once, never in the way of a run."""

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from backhaul.engine.events import Warned
from backhaul.engine.sender import Sender
from backhaul.engine.systems import Target, find
from backhaul.errors import ConfigError
from backhaul.model import Counts
from backhaul.notices import Notifier, RunSummary, SendInterrupted, StreamDone, StreamFailed, SystemFailed
from backhaul.sandbox import Fault
from tests.engine.board import Board
from tests.engine.place import Place
from tests.engine.test_stateless import Closed


def told_by(place: Place, *notifiers: Notifier, **changes: Any) -> Target:
    target = find(place.folder / "systems", "andalan")[0]
    return Target(target.name, replace(target.pipeline, notify=notifiers, **changes))


def outbox(place: Place) -> list[tuple[Any, ...]]:
    return place.ledger("SELECT state, kind, failures FROM outbox ORDER BY id")


def test_a_run_tells_its_start_each_stream_and_its_summary(place: Place) -> None:
    board = Board()

    place.run_target(told_by(place, board))

    assert board.posted[0] == "RunStarted"
    assert sorted(board.posted[1:-1]) == [
        "StreamDone pembayaran_koin",
        "StreamDone point_trx",
        "StreamDone transaksi",
        "StreamDone user",
    ]
    assert board.posted[-1] == "RunSummary"
    summary = board.notices[-1]
    assert isinstance(summary, RunSummary)
    assert (summary.status, summary.counts.rows, [line.stream for line in summary.streams]) == (
        "done",
        94,
        ["transaksi", "point_trx", "user", "pembayaran_koin"],
    )
    assert {row[0] for row in outbox(place)} == {"sent"}


def test_a_failed_attempt_a_recovery_and_the_counts_are_told(place: Place) -> None:
    board = Board()
    place.office.faults.add(Fault.SERVER_ERROR, path="/koin_pay", times=1)

    place.run_target(told_by(place, board))

    failed = [notice for notice in board.notices if isinstance(notice, StreamFailed)]
    done = [notice for notice in board.notices if isinstance(notice, StreamDone)]
    assert [(notice.attempt, notice.of, notice.is_final) for notice in failed] == [(1, 3, False)]
    assert "StreamRecovered pembayaran_koin" in board.posted
    assert {notice.stream: notice.counts.new for notice in done} == {
        "transaksi": 27,
        "point_trx": 50,
        "user": 16,
        "pembayaran_koin": 1,
    }


def test_what_is_caught_up_is_told_beside_what_the_run_read(place: Place) -> None:
    board, closed = Board(), [True]
    target = told_by(place, board)
    stream = replace(next(iter(target.pipeline.streams)), to=(Closed(lambda: closed[0]),))
    late = Target(target.name, replace(target.pipeline, streams=[stream]))
    place.run_target(late)
    closed[0] = False

    place.run_target(late)

    [done] = [notice for notice in board.notices if isinstance(notice, StreamDone)]
    assert (done.counts.rows, done.left_over) == (27, Counts(new=27))


def test_a_session_that_cannot_be_opened_is_told_once_for_all_streams(place: Place) -> None:
    board = Board()
    place.settings["BACKEND_PASSWORD"] = "wrong"

    place.run_target(told_by(place, board))

    [system] = [notice for notice in board.notices if isinstance(notice, SystemFailed)]
    assert system.component == "single_session"
    assert [text for text in board.posted if text.startswith("StreamFailed")] == []
    summary = board.notices[-1]
    assert isinstance(summary, RunSummary)
    assert [line.status for line in summary.streams] == ["login needed"] * 4


def test_what_a_channel_refuses_waits_and_goes_out_with_the_next_run_in_order(place: Place) -> None:
    down = [True]

    def refuse() -> None:
        if down[0]:
            raise ConfigError("board: the chat is not known", next_step="Correct TELEGRAM_CHAT_ID.")

    board = Board(refuse=refuse)
    place.run_target(told_by(place, board))
    waiting = {row[0] for row in outbox(place)}
    down[0] = False

    place.run_target(told_by(place, board))

    assert waiting == {"waiting"}
    assert {row[0] for row in outbox(place)} == {"sent"}
    assert (board.posted[0], board.posted[5], board.posted[6]) == ("RunStarted", "RunSummary", "RunStarted")
    warnings = {event.message for event in place.told(Warned)}
    assert warnings == {"board: the chat is not known; its messages wait in the outbox. Correct TELEGRAM_CHAT_ID."}


def test_a_slow_channel_does_not_hold_up_the_hauling(place: Place) -> None:
    board = Board(refuse=lambda: time.sleep(0.4))
    started = time.monotonic()
    result = place.run_target(told_by(place, board))

    # Six messages take 2.4 s; the run itself has ended long before, the process waits for them.
    assert result.seconds < time.monotonic() - started - 1
    assert len(board.posted) == 6


def test_a_channel_that_asks_to_wait_is_asked_again_within_the_end_of_the_run(place: Place) -> None:
    asked = []

    def refuse() -> None:
        asked.append(1)
        if len(asked) == 1:
            raise SendInterrupted("board: too many messages", parts_sent=0, retry_after_s=0.2)

    board = Board(refuse=refuse)
    place.run_target(told_by(place, board))

    assert len(board.posted) == 6
    assert outbox(place)[0] == ("sent", "RunStarted", 1)


def test_one_broken_channel_does_not_silence_the_other(place: Place) -> None:
    def refuse() -> None:
        raise ConfigError("bad: wrong token")

    good = Board("good")
    place.run_target(told_by(place, Board("bad", refuse=refuse), good))

    assert len(good.posted) == 6


def test_messages_nobody_wants_any_more_are_given_up(place: Place) -> None:
    def refuse() -> None:
        raise ConfigError("board: wrong token")

    place.run_target(told_by(place, Board(refuse=refuse)))
    box = place.installation.ledger.outbox

    later = datetime.now(UTC) + timedelta(hours=25)

    assert box.waiting("andalan", "board", later) == []
    assert {row[0] for row in outbox(place)} == {"given up"}


@dataclass(frozen=True)
class Record(Board):
    """Keeps a log; nobody is told anything."""

    tells_people: ClassVar[bool] = False


def test_a_record_waits_for_as_long_as_it_takes(place: Place) -> None:
    is_away = [True]

    def refuse() -> None:
        if is_away[0]:
            raise ConfigError("board: wrong token")

    record = Record(refuse=refuse)
    place.run_target(told_by(place, record))
    with closing(sqlite3.connect(place.folder / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE outbox SET created_at = '2025-01-01T00:00:00.000+00:00'")
    is_away[0] = False
    place.run_target(told_by(place, record))

    assert {row[0] for row in outbox(place)} == {"sent"}
    assert len(record.posted) == 12


def test_notifications_are_silenced_by_their_setting_and_in_a_dry_run(place: Place) -> None:
    board = Board()

    place.run_target(told_by(place, board), dry_run=True)
    place.settings["DISABLE_NOTIFICATIONS"] = "true"
    place.run_target(told_by(place, board))

    assert (board.posted, board.notices) == ([], [])


def test_a_ledger_that_is_away_ends_nobody_who_sends(place: Place) -> None:
    """Threads that fail are an error of the test run."""
    ledger = place.installation.ledger
    ledger.open_run("run1", "andalan", "", "0.1.0")
    (place.folder / "data" / "ledger.db").write_bytes(b"no ledger at all" * 100)
    sender = Sender(ledger.outbox, "andalan", [Board()], pytest.fail)
    sender.wake()

    sender.finish(0.3)

    assert not [thread for thread in threading.enumerate() if thread.name == "notify board"]
