import socket
import threading
import time

import httpx
import pytest

from backhaul.sandbox import CallKind, SandboxSheets, SheetsFault
from tests.sandbox.sheets_caller import DRIVE, SHEETS, ask_token, assertion, calling


class Clock:
    """A clock that stands still until it is set on."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sheets(clock):
    with SandboxSheets(clock=clock) as sheets:
        yield sheets


@pytest.fixture
def book(sheets):
    return sheets.add_spreadsheet("Buku rekaan")


@pytest.fixture
def caller(sheets, book):
    with calling(sheets, book) as caller:
        yield caller


def write(caller, value="x"):
    return caller.call("PUT", "/values/A1", {"values": [[value]]}, valueInputOption="RAW")


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (SheetsFault.TOO_MANY_REQUESTS, 429, "RESOURCE_EXHAUSTED"),
        (SheetsFault.UNAVAILABLE_BEFORE, 503, "The service is currently unavailable."),
        (SheetsFault.SERVER_ERROR, 500, "INTERNAL"),
        (SheetsFault.BAD_GATEWAY_HTML, 502, "<!DOCTYPE html>"),
        (SheetsFault.EMPTY_503, 503, "{}"),
        (SheetsFault.NOT_SHARED, 403, "The caller does not have permission"),
        (SheetsFault.NOT_FOUND, 404, "Requested entity was not found."),
        (SheetsFault.SERVICE_DISABLED, 403, "Google Sheets API has not been used in project"),
        (SheetsFault.UNAUTHENTICATED, 401, "UNAUTHENTICATED"),
    ],
)
def test_a_refusal_comes_as_often_as_planned_and_nothing_is_written(sheets, book, caller, fault, status, said):
    sheets.faults.add(fault, times=2)

    answers = [write(caller) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert said in answers[0].text
    assert book.values("Sheet1") == []
    assert write(caller).status_code == 200


def test_an_unavailable_service_may_have_written_all_the_same(sheets, book, caller):
    sheets.faults.add(SheetsFault.UNAVAILABLE_AFTER)

    assert write(caller).status_code == 503
    assert book.values("Sheet1") == [["x"]]


@pytest.mark.parametrize(("fault", "values"), [(SheetsFault.CUT_BEFORE, []), (SheetsFault.CUT_AFTER, [["x"]])])
def test_a_cut_connection_leaves_open_whether_it_was_written(sheets, book, caller, fault, values):
    sheets.faults.add(fault)

    with pytest.raises(httpx.RemoteProtocolError):
        write(caller)

    assert book.values("Sheet1") == values
    assert [call.status for call in sheets.calls] == [0]


@pytest.mark.parametrize(("fault", "values"), [(SheetsFault.HANG, []), (SheetsFault.HANG_AFTER, [["x"]])])
def test_a_hanging_call_ends_with_its_time(sheets, book, caller, fault, values):
    sheets.faults.add(fault, seconds=0.3)
    started = time.monotonic()

    with pytest.raises(httpx.RemoteProtocolError):
        write(caller)

    assert time.monotonic() - started >= 0.3
    assert book.values("Sheet1") == values


def test_closing_ends_a_call_that_hangs():
    with SandboxSheets() as sheets:
        book = sheets.add_spreadsheet()
        sheets.faults.add(SheetsFault.HANG)
        with calling(sheets, book) as caller:
            failed = []

            def hang():
                try:
                    write(caller)
                except httpx.TransportError as error:
                    failed.append(error)

            waiting = threading.Thread(target=hang)
            waiting.start()
            while not sheets.calls:
                time.sleep(0.01)
            sheets.close()
            waiting.join(10)
            assert len(failed) == 1


def test_a_refused_call_has_nothing_to_be_applied_before_its_fault(sheets, book, caller):
    sheets.faults.add(SheetsFault.UNAVAILABLE_AFTER)

    assert caller.refused("GET", "/values/Lost!A1")["code"] == 400


def test_a_fault_strikes_the_nth_call_that_fits(sheets, caller):
    sheets.faults.add(SheetsFault.SERVER_ERROR, method="PUT", path="/values/", after=1)
    sheets.faults.add(SheetsFault.EMPTY_503, kind=CallKind.READ, times=None)

    assert [write(caller).status_code for _ in range(3)] == [200, 500, 200]
    assert [caller.call("GET", "/values/A1").status_code for _ in range(2)] == [503, 503]
    sheets.faults.clear()
    assert caller.call("GET", "/values/A1").status_code == 200


def test_a_retry_after_comes_only_if_it_was_planned(sheets, caller):
    sheets.faults.add(SheetsFault.TOO_MANY_REQUESTS, seconds=7)
    sheets.faults.add(SheetsFault.TOO_MANY_REQUESTS)

    assert [write(caller).headers.get("Retry-After") for _ in range(2)] == ["7", None]


def test_calls_are_recorded_as_reads_and_writes_with_their_sizes(sheets, book, caller):
    write(caller)
    caller.get("A1")
    caller.call("GET", "/values/Lost!A1")
    caller.client.get(f"/drive/v3/files/{book.id}")

    path = f"/v4/spreadsheets/{book.id}/values/A1"
    seen = [(call.method, call.path, call.status) for call in sheets.calls]
    assert seen[:2] == [("PUT", path, 200), ("GET", path, 200)]
    assert [(call.is_read, call.is_write) for call in sheets.calls] == [
        (False, True),
        (True, False),
        (True, False),
        (False, False),
    ]
    assert (sheets.reads, sheets.writes, len(sheets.token_calls)) == (2, 1, 1)
    assert sheets.calls[0].bytes_in == len(b'{"values":[["x"]]}')
    assert sheets.calls[1].bytes_out > 20
    sheets.reset_calls()
    assert sheets.calls == []


def test_a_minute_has_sixty_reads_and_sixty_writes(sheets, clock, caller):
    statuses = [caller.call("GET", "/values/A1").status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    assert [write(caller).status_code for _ in range(61)] == [200] * 60 + [429]

    error = write(caller).json()["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["message"].startswith(
        "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' of service"
    )
    clock.now += 59.9
    assert write(caller).status_code == 429
    clock.now += 0.1
    assert write(caller).status_code == 200


def test_a_batch_counts_as_one_call():
    with SandboxSheets(writes_per_minute=1) as sheets, calling(sheets, sheets.add_spreadsheet()) as caller:
        data = [{"range": f"A{row}", "values": [[row]]} for row in range(1, 101)]
        caller.ok("POST", "/values:batchUpdate", {"valueInputOption": "RAW", "data": data})

        assert write(caller).status_code == 429


def test_a_project_has_its_own_limit():
    sandbox = SandboxSheets(reads_per_minute=10, project_per_minute=2)
    with sandbox as sheets, calling(sheets, sheets.add_spreadsheet()) as caller:
        statuses = [caller.call("GET", "/values/A1").status_code for _ in range(3)]

        assert statuses == [200, 200, 429]


def test_a_token_is_given_for_a_signed_assertion_and_lives_an_hour(sheets, clock, caller):
    answer = ask_token(sheets, assertion(sheets)).json()
    assert (answer["expires_in"], answer["token_type"]) == (3599, "Bearer")

    clock.now += 3_600
    error = caller.refused("GET", "")
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "other@example.com"}, "account not found"),
        ({"aud": "https://other.example/token"}, "audience"),
        ({"iat": 1_000_000, "exp": 1_003_600}, "reasonable timeframe"),
        ({"iat": int(time.time()), "exp": int(time.time()) + 7_200}, "short-lived"),
        ({"iat": "now"}, "short-lived"),
        ({"scope": ""}, "scope"),
    ],
)
def test_an_assertion_that_is_not_right_is_refused(sheets, claims, reason):
    answer = ask_token(sheets, assertion(sheets, **claims))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert reason in answer.json()["error_description"]


@pytest.mark.parametrize("spoil", [lambda jwt: "", lambda jwt: "a.b", lambda jwt: "é.b.c", lambda jwt: "W10.W10.W10"])
def test_an_assertion_that_is_no_jwt_is_refused(sheets, spoil):
    assert ask_token(sheets, spoil(assertion(sheets))).json()["error"] == "invalid_grant"


def test_a_changed_assertion_no_longer_fits_its_signature(sheets):
    head, _, signature = assertion(sheets).split(".")
    _, claims, _ = assertion(sheets, scope=f"{SHEETS} {DRIVE}").split(".")

    assert ask_token(sheets, f"{head}.{claims}.{signature}").json() == {
        "error": "invalid_grant",
        "error_description": "Invalid JWT Signature.",
    }


def test_a_token_opens_only_what_its_scopes_allow(sheets, book):
    with calling(sheets, book, SHEETS) as caller:
        assert write(caller).status_code == 200
        refused = caller.client.get(f"/drive/v3/files/{book.id}")
    with calling(sheets, book, f"{SHEETS}.readonly") as reader:
        assert reader.get("A1")["values"] == [["x"]]
        written = write(reader)

    for answer in (refused, written):
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == "Request had insufficient authentication scopes."


def test_a_token_that_was_withdrawn_or_never_given_opens_nothing(sheets, book, caller):
    sheets.expire_tokens()
    assert caller.call("GET", "").status_code == 401

    caller.client.headers.pop("Authorization")
    answer = caller.call("GET", "")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (SheetsFault.TOKEN_REFUSED, 400, "invalid_grant"),
        (SheetsFault.TOKEN_BAD_GATEWAY, 502, "<!DOCTYPE html>"),
        (SheetsFault.TOKEN_UNAVAILABLE, 503, "internal_failure"),
    ],
)
def test_the_token_address_fails_by_itself(sheets, caller, fault, status, said):
    sheets.faults.add(fault)
    sheets.faults.add(SheetsFault.SERVER_ERROR)

    assert caller.call("GET", "").status_code == 500
    answer = ask_token(sheets, assertion(sheets))

    assert (answer.status_code, said in answer.text) == (status, True)
    assert ask_token(sheets, assertion(sheets)).status_code == 200


def test_an_unknown_spreadsheet_and_an_unknown_address_are_not_found(sheets, caller):
    error = caller.client.get("/v4/spreadsheets/lost").json()["error"]

    assert error == {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}
    assert caller.call("GET", "/charts").status_code == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"requests": "x"}', b'{"requests": [{"sortRange": 1}]}'])
def test_a_body_that_is_no_request_is_refused(book, caller, body):
    answer = caller.client.post(f"/v4/spreadsheets/{book.id}:batchUpdate", content=body)

    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_body_without_a_length_is_refused(book, caller):
    def parts():
        yield b"{}"

    answer = caller.client.post(f"/v4/spreadsheets/{book.id}:batchUpdate", content=parts())

    assert answer.status_code == 413


def test_calls_from_many_threads_are_all_applied():
    with SandboxSheets(writes_per_minute=999, project_per_minute=999) as sheets:
        book = sheets.add_spreadsheet()
        with calling(sheets, book) as caller:

            def append(number):
                for row in range(10):
                    caller.append("A1", [[f"{number} {row}"]], insertDataOption="INSERT_ROWS")

            threads = [threading.Thread(target=append, args=(number,)) for number in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert len({row[0] for row in book.values("Sheet1")}) == 50


def test_a_request_that_breaks_off_is_no_request(sheets, book, caller):
    host, port = sheets.url.removeprefix("http://").split(":")
    token = caller.client.headers["Authorization"]
    head = f"PUT /v4/spreadsheets/{book.id}/values/A1?valueInputOption=RAW HTTP/1.1\r\nAuthorization: {token}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f'{head}Content-Length: 500\r\n\r\n{{"values": [["x"]]}}'.encode())
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Content-Length: viel\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")

    assert caller.ok("GET", "")["spreadsheetId"] == book.id
    assert book.values("Sheet1") == []
