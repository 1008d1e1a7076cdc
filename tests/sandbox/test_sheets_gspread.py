"""The sandbox as gspread sees it: a client that others wrote, with Google's own authentication."""

import json
from typing import Any

import gspread
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.service_account import Credentials

from backhaul.sandbox import SandboxSheets, SheetsFault
from tests.sandbox.sheets_caller import DRIVE, SHEETS


def opened(sheets: SandboxSheets) -> gspread.Client:
    class Local(gspread.HTTPClient):
        def request(self, method: str, endpoint: str, *args: Any, **named: Any) -> Any:
            for host in ("https://sheets.googleapis.com", "https://www.googleapis.com"):
                endpoint = endpoint.replace(host, sheets.url)
            return super().request(method, endpoint, *args, **named)

    key = json.loads(sheets.service_account())
    credentials = Credentials.from_service_account_info(key, scopes=[SHEETS, DRIVE])
    return gspread.authorize(credentials, http_client=Local)


@pytest.fixture
def sheets():
    with SandboxSheets() as sheets:
        yield sheets


@pytest.fixture
def book(sheets):
    return sheets.add_spreadsheet("Buku rekaan")


@pytest.fixture
def client(sheets):
    client = opened(sheets)
    yield client
    client.http_client.session.close()


@pytest.fixture
def tab(client, book):
    return client.open_by_key(book.id).sheet1


def test_it_opens_a_spreadsheet_with_a_token_of_the_sandbox(sheets, book, client):
    spreadsheet = client.open_by_url(book.url)

    assert (spreadsheet.title, [tab.title for tab in spreadsheet.worksheets()]) == ("Buku rekaan", ["Sheet1"])
    assert len(sheets.token_calls) == 1
    assert {call.path for call in sheets.calls} == {f"/v4/spreadsheets/{book.id}"}


def test_its_appends_go_where_those_of_google_go(tab):
    tab.append_rows([["x", "", "z"]])
    wrong = tab.append_rows([["1", "2", "3"]])
    right = tab.append_rows([["p", "q"]], table_range="A1")

    assert wrong["updates"]["updatedRange"] == "Sheet1!C2:E2"
    assert right["updates"]["updatedRange"] == "Sheet1!A2:B2"
    assert tab.get_all_values() == [["x", "", "z", "", ""], ["p", "q", "1", "2", "3"]]


def test_it_reads_and_writes_ranges(book, tab):
    tab.update([["id", "total"], ["0042", 2.5]], "A1")
    tab.batch_update([{"range": "A3:B3", "values": [["0043", None]]}, {"range": "B4", "values": [[True]]}])
    tab.update([["=B2*2"]], "C2", value_input_option="USER_ENTERED")

    assert book.values("Sheet1") == [
        ["id", "total", None],
        ["0042", 2.5, 5],
        ["0043", None, None],
        [None, True, None],
    ]
    assert tab.col_values(1) == ["id", "0042", "0043"]
    assert tab.batch_get(["A1:B2", "B4"]) == [[["id", "total"], ["0042", "2.5"]], [["TRUE"]]]
    assert tab.get("A2:C2", value_render_option="FORMULA") == [["0042", 2.5, "=B2*2"]]
    assert tab.find("0043").row == 3
    tab.batch_clear(["A1:A2"])
    assert book.values("Sheet1")[0] == [None, "total", None]


def test_it_adds_resizes_and_removes_tabs(book, client):
    spreadsheet = client.open_by_key(book.id)

    added = spreadsheet.add_worksheet("it's 2", rows=5, cols=3)
    added.append_rows([["a"]] * 7)
    added.resize(20, 4)
    added.update_title("Baru")
    added.freeze(rows=1)

    assert spreadsheet.worksheet("Baru").row_count == 20
    assert book.tabs["Baru"].frozen_rows == 1
    assert book.values("Baru") == [["a"]] * 7
    spreadsheet.del_worksheet(added)
    assert list(book.tabs) == ["Sheet1"]
    with pytest.raises(gspread.exceptions.APIError, match="already exists"):
        spreadsheet.add_worksheet("Sheet1", 1, 1)


def test_it_sorts_inserts_and_deletes_rows(book, tab):
    book.fill("Sheet1", [["b", 1], ["a", 2], ["c", 3]])

    tab.sort((1, "asc"), range="A1:B3")
    tab.insert_rows([["i", "j"]], 2)
    tab.delete_rows(3)

    assert book.values("Sheet1") == [["a", 2], ["i", "j"], ["c", 3]]


def test_it_protects_and_formats(book, tab):
    tab.update([[45912, "x"]], "A1")
    tab.format("A1:A", {"numberFormat": {"type": "DATE", "pattern": "yyyy-mm-dd"}})
    tab.add_protected_range("B1:B2", [])

    assert tab.get_all_values() == [["2025-09-12", "x"]]
    tab.update([["y"]], "B1")
    book.protect("Sheet1", "A1")
    with pytest.raises(gspread.exceptions.APIError, match="protected cell") as caught:
        tab.update([["y"]], "A1")
    assert caught.value.response.status_code == 400


def test_it_reads_when_a_file_was_changed(book, client):
    before = client.http_client.get_file_drive_metadata(book.id)
    book.type_cell("Sheet1", "A1", "x")
    after = client.http_client.get_file_drive_metadata(book.id)

    assert (after["id"], after["name"]) == (book.id, "Buku rekaan")
    assert after["modifiedTime"] > before["createdTime"]


def test_its_errors_are_those_it_knows_from_google(sheets, book, client):
    with pytest.raises(gspread.SpreadsheetNotFound):
        client.open_by_key("lost")
    book.unshare()
    with pytest.raises(PermissionError):
        client.open_by_key(book.id)
    book.share()
    sheets.faults.add(SheetsFault.EMPTY_503)
    with pytest.raises(gspread.exceptions.APIError) as caught:
        client.open_by_key(book.id)
    assert (caught.value.code, caught.value.response.status_code) == (-1, 503)


def test_a_refused_key_is_told_by_googles_authentication(sheets, book, client):
    sheets.faults.add(SheetsFault.TOKEN_REFUSED)

    with pytest.raises(RefreshError, match="invalid_grant"):
        client.open_by_key(book.id)


def test_a_token_that_was_withdrawn_is_asked_for_again(sheets, book, client):
    client.open_by_key(book.id)
    sheets.expire_tokens()
    client.open_by_key(book.id)

    assert [call.status for call in sheets.calls] == [200, 401, 200]
    assert len(sheets.token_calls) == 2
