"""Calls to Google are paced, bounded, tried again where that is safe, and refused in words that say what to do."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from backhaul.destinations.google_sheets import GoogleSheet
from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError
from backhaul.model import Counts
from backhaul.sandbox import Book, SandboxSheets, SheetsFault
from backhaul.sessions.google.access import Pace, Patience, access_to
from backhaul.testing import BatchMaker
from tests.destinations.google_place import FakeTime, Google, google, merge, orders


@pytest.fixture(scope="module")
def shared() -> Iterator[Google]:
    with google() as found:
        yield found


@pytest.fixture
def place(shared: Google) -> Google:
    shared.sandbox.faults.clear()
    shared.time.seconds += 61
    return shared


@pytest.fixture
def book(place: Google) -> Book:
    made = place.sandbox.add_spreadsheet()
    place.sandbox.reset_calls()
    place.time.waits.clear()
    return made


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging")


PASSING = [
    SheetsFault.TOO_MANY_REQUESTS,
    SheetsFault.UNAVAILABLE_BEFORE,
    SheetsFault.SERVER_ERROR,
    SheetsFault.BAD_GATEWAY_HTML,
    SheetsFault.EMPTY_503,
    SheetsFault.CUT_BEFORE,
    SheetsFault.UNAUTHENTICATED,
]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_passes_by_itself_is_tried_again(
    place: Google, book: Book, maker: BatchMaker, fault: SheetsFault, method: str
) -> None:
    place.sandbox.faults.add(fault, method=method, times=2 if fault is not SheetsFault.UNAUTHENTICATED else 1)

    assert merge(place.sheet(book), maker, orders(("1", 5))) == Counts(new=1)
    assert merge(place.sheet(book), maker, orders(("1", 5))) == Counts(unchanged=1)


@pytest.mark.parametrize("fault", PASSING[1:6])
def test_what_does_not_pass_ends_after_a_few_attempts(
    place: Google, book: Book, maker: BatchMaker, fault: SheetsFault
) -> None:
    place.sandbox.faults.add(fault, times=None)

    with pytest.raises(TransientError):
        place.sheet(book).compare(maker.stream, maker.batch(orders(("1", 5))))

    assert len(place.sandbox.calls) == 4
    assert 5 < sum(place.time.waits) < 15


def test_a_write_that_is_never_answered_ends_too(place: Google, book: Book, maker: BatchMaker) -> None:
    place.sandbox.faults.add(SheetsFault.UNAVAILABLE_BEFORE, method="POST", times=None)

    with pytest.raises(TransientError):
        merge(place.sheet(book), maker, orders(("1", 5)))

    assert place.told().count("W") == 4


def test_a_quota_that_is_used_up_for_a_minute_is_waited_for(place: Google, book: Book, maker: BatchMaker) -> None:
    ready_at = place.time.seconds + 60
    place.sandbox.faults.add(SheetsFault.TOO_MANY_REQUESTS, times=None)
    patience = place.patience(sleep=lambda seconds: after(place, seconds, ready_at))

    assert merge(place.sheet(book, patience=patience), maker, orders(("1", 5))) == Counts(new=1)
    assert place.time.seconds >= ready_at


def after(place: Google, seconds: float, ready_at: float) -> None:
    place.time.sleep(seconds)
    if place.time.seconds >= ready_at:
        place.sandbox.faults.clear()


def test_a_quota_that_never_comes_back_is_transient_and_says_when(
    place: Google, book: Book, maker: BatchMaker
) -> None:
    place.sandbox.faults.add(SheetsFault.TOO_MANY_REQUESTS, times=None, seconds=40)

    with pytest.raises(TransientError, match="quota of calls a minute") as caught:
        place.sheet(book).compare(maker.stream, maker.batch(orders(("1", 5))))

    assert caught.value.retry_after_s == 40
    assert min(place.time.waits) >= 40
    assert sum(place.time.waits) <= 150


def test_the_quota_of_another_program_is_told_apart_from_a_refusal(place: Google, maker: BatchMaker) -> None:
    with SandboxSheets(clock=place.time.clock, reads_per_minute=2) as tight:
        book = tight.add_spreadsheet()
        target = GoogleSheet(book.url, account=tight.service_account(), api_url=tight.url, patience=place.patience())
        for _ in range(5):
            target.check()

        assert [call.status for call in tight.calls].count(429) >= 1


REFUSALS: list[tuple[SheetsFault, type[BackhaulError], str, str]] = [
    (SheetsFault.NOT_SHARED, DeliveryError, "not shared with {email}", "add {email} as Editor"),
    (SheetsFault.NOT_FOUND, DeliveryError, "no spreadsheet of this id", "copy its address"),
    (SheetsFault.SERVICE_DISABLED, ConfigError, "API is switched off in project", "press Enable"),
]


@pytest.mark.parametrize(("fault", "kind", "words", "step"), REFUSALS)
def test_a_refusal_says_what_to_do_and_is_not_tried_again(
    place: Google,
    book: Book,
    maker: BatchMaker,
    fault: SheetsFault,
    kind: type[BackhaulError],
    words: str,
    step: str,
) -> None:
    place.sandbox.faults.add(fault, times=None)
    email = place.sandbox.client_email

    with pytest.raises(kind, match=words.format(email=email)) as caught:
        place.sheet(book).compare(maker.stream, maker.batch(orders(("1", 5))))

    assert step.format(email=email) in caught.value.next_step
    assert len(place.sandbox.calls) == 1


def test_a_sheet_shared_for_reading_only_is_told_at_the_write(place: Google, book: Book, maker: BatchMaker) -> None:
    book.share(can_write=False)

    with pytest.raises(DeliveryError, match="not shared with") as caught:
        merge(place.sheet(book), maker, orders(("1", 5)))

    assert "as Editor" in caught.value.next_step


def test_a_token_withdrawn_in_between_is_fetched_anew(place: Google, book: Book, maker: BatchMaker) -> None:
    merge(place.sheet(book), maker, orders(("1", 5)))
    place.sandbox.expire_tokens()

    assert merge(place.sheet(book), maker, orders(("1", 6))) == Counts(updated=1)


def test_a_token_is_renewed_before_it_ends(place: Google, book: Book, maker: BatchMaker) -> None:
    merge(place.sheet(book), maker, orders(("1", 5)))
    place.time.seconds += 3_600
    place.sandbox.reset_calls()

    merge(place.sheet(book), maker, orders(("1", 5)))

    assert [call.status for call in place.sandbox.calls] == [200]


def test_an_account_that_is_never_let_in_is_a_config_error(place: Google, book: Book, maker: BatchMaker) -> None:
    place.sandbox.faults.add(SheetsFault.UNAUTHENTICATED, times=None)

    with pytest.raises(ConfigError, match="does not accept the access of"):
        place.sheet(book).check()


@pytest.mark.parametrize("fault", [SheetsFault.TOKEN_BAD_GATEWAY, SheetsFault.TOKEN_UNAVAILABLE])
def test_a_token_service_that_is_down_is_tried_again_and_then_transient(
    place: Google, book: Book, fault: SheetsFault
) -> None:
    place.sandbox.expire_tokens()
    place.time.seconds += 3_600
    place.sandbox.faults.add(fault, times=2)
    assert "Sheet1" in place.sheet(book).check()

    place.time.seconds += 3_600
    place.sandbox.reset_calls()
    place.sandbox.faults.add(fault, times=None)
    with pytest.raises(TransientError, match="token service"):
        place.sheet(book).check()
    assert len(place.sandbox.token_calls) == 4


def test_a_key_that_google_does_not_know_is_a_config_error(place: Google, book: Book) -> None:
    place.time.seconds += 3_600
    place.sandbox.faults.add(SheetsFault.TOKEN_REFUSED, times=None)

    with pytest.raises(ConfigError, match="does not accept the key of") as caught:
        place.sheet(book).check()

    assert "Download the key again" in caught.value.next_step


@pytest.mark.parametrize("sheet", ["", "my sheet", "https://example.com/x", "https://docs.google.com/document/d/1"])
def test_a_setting_that_names_no_sheet_is_a_config_error(place: Google, sheet: str) -> None:
    target = GoogleSheet(sheet, account=place.sandbox.service_account(), api_url=place.sandbox.url)

    with pytest.raises(ConfigError, match="neither a spreadsheet's address nor its id"):
        target.check()


@pytest.mark.parametrize(
    "shape", ["{id}", " {id} ", "https://docs.google.com/spreadsheets/u/0/d/{id}/edit?gid=0#gid=0"]
)
def test_a_sheet_is_named_by_id_or_address(place: Google, book: Book, shape: str) -> None:
    target = GoogleSheet(
        shape.format(id=book.id),
        account=place.sandbox.service_account(),
        api_url=place.sandbox.url,
        patience=place.patience(),
    )

    assert "Sheet1" in target.check()


@pytest.mark.parametrize("address", ["http://sheets.googleapis.com", "ftp://x", "sheets.googleapis.com", ""])
def test_tokens_are_never_sent_unprotected(place: Google, book: Book, address: str) -> None:
    target = GoogleSheet(book.url, account=place.sandbox.service_account(), api_url=address)

    with pytest.raises(ConfigError, match="https"):
        target.check()


def test_nothing_of_the_key_is_in_an_error(place: Google, book: Book) -> None:
    place.sandbox.faults.add(SheetsFault.NOT_SHARED, times=None)

    with pytest.raises(DeliveryError) as caught:
        place.sheet(book).check()

    assert "PRIVATE KEY" not in f"{caught.value!r} {caught.value.next_step}"
    assert "PRIVATE KEY" not in repr(place.sheet(book))


class TestHanging:
    @pytest.fixture
    def dripping(self) -> Iterator[str]:
        """The address of a server that sends a byte of a header now and then, for ever."""
        listener = socket.create_server(("127.0.0.1", 0))
        stopped = threading.Event()

        def drip() -> None:
            held = []
            listener.settimeout(0.05)
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    held.append(connection)
                except TimeoutError:
                    pass
                for each in held:
                    try:
                        each.sendall(b"x")
                    except OSError:
                        continue
            for each in held:
                each.close()

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopped.set()
        thread.join()
        listener.close()

    def test_a_server_that_drips_can_not_hold_a_call(self, place: Google, book: Book, dripping: str) -> None:
        patience = Patience(attempts=2, timeout_s=0.4, first_wait_s=0.01)
        target = GoogleSheet(book.url, account=place.sandbox.service_account(), api_url=dripping, patience=patience)
        started = time.monotonic()

        with pytest.raises(TransientError, match="did not answer in time"):
            target.check()

        assert time.monotonic() - started < 5

    def test_a_token_service_that_drips_can_not_hold_a_call(self, place: Google, book: Book, dripping: str) -> None:
        patience = Patience(attempts=2, timeout_s=0.4, first_wait_s=0.01)
        account = place.sandbox.service_account(token_uri=f"{dripping}/token")
        target = GoogleSheet(book.url, account=account, api_url=place.sandbox.url, patience=patience)

        with pytest.raises(TransientError, match="token service: no answer in time"):
            target.check()

    def test_a_read_that_hangs_is_given_up_and_tried_again(self, place: Google, book: Book) -> None:
        place.sandbox.faults.add(SheetsFault.HANG, method="GET", seconds=30.0)

        assert "Sheet1" in place.sheet(book, patience=place.patience(timeout_s=0.3)).check()

    def test_nobody_at_the_address_is_transient(self, place: Google, book: Book) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        target = GoogleSheet(
            book.url,
            account=place.sandbox.service_account(),
            api_url=f"http://127.0.0.1:{port}",
            patience=place.patience(),
        )

        with pytest.raises(TransientError, match="connection to Google failed"):
            target.check()


class Garbage(BaseHTTPRequestHandler):
    """Answers every call with 200 and half of something."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("body", [b'{"sheets": [', b"", b"<html>Sign in to the hotel's network</html>", b"\xff\xfe{"])
def test_an_answer_that_is_garbage_is_transient(place: Google, book: Book, maker: BatchMaker, body: bytes) -> None:
    server = HTTPServer(("127.0.0.1", 0), type("Half", (Garbage,), {"body": body}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    target = GoogleSheet(
        book.url,
        account=place.sandbox.service_account(),
        api_url=f"http://127.0.0.1:{server.server_port}",
        patience=place.patience(attempts=2),
    )
    try:
        with pytest.raises(TransientError):
            target.check()
        with pytest.raises(TransientError):
            target.compare(maker.stream, maker.batch(orders(("1", 5))))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TestPace:
    def test_the_sixty_first_call_of_a_minute_waits(self) -> None:
        fake = FakeTime()
        pace = Pace(Patience(clock=fake.clock, sleep=fake.sleep))

        for _ in range(61):
            pace.take(until=fake.seconds + 100)

        assert fake.waits == [60.0]

    def test_a_wait_that_would_be_too_long_is_an_error_that_says_how_long(self) -> None:
        fake = FakeTime()
        pace = Pace(Patience(clock=fake.clock, sleep=fake.sleep))
        for _ in range(60):
            pace.take(until=fake.seconds)

        with pytest.raises(TransientError) as caught:
            pace.take(until=fake.seconds + 30)

        assert caught.value.retry_after_s == 60.0

    def test_threads_share_one_budget_and_never_meet_the_quota(self, tmp_path: Path) -> None:
        with google() as place:
            books = [place.sandbox.add_spreadsheet() for _ in range(8)]

            def deliver(number: int) -> None:
                maker = BatchMaker(tmp_path / str(number))
                for total in range(4):
                    merge(place.sheet(books[number]), maker, orders(("1", total)))

            threads = [threading.Thread(target=deliver, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert {call.status for call in place.sandbox.calls} == {200}
            assert place.sandbox.reads > 60
            assert [book.values("Sheet1")[1][1] for book in books] == [3] * 8
            assert len(place.sandbox.token_calls) == 1

    def test_one_account_in_two_forms_has_one_budget(self, place: Google, tmp_path: Path) -> None:
        text = place.sandbox.service_account()
        path = tmp_path / "key.json"
        path.write_text(text)
        patience = Patience()

        assert access_to(text, place.sandbox.url, patience) is access_to(str(path), place.sandbox.url, patience)


@pytest.mark.skipif(os.name == "nt", reason="measures a POSIX process")
def test_the_libraries_of_google_are_loaded_only_when_a_sheet_is_used() -> None:
    import subprocess
    import sys

    code = (
        "import sys, backhaul.destinations as d; d.GoogleSheet('x', account='y');"
        "print([m for m in ('gspread', 'google.auth', 'requests', 'httpx', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
