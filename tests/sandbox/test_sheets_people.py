import pytest

from backhaul.sandbox import SandboxSheets
from tests.sandbox.sheets_caller import calling


@pytest.fixture(scope="module")
def sheets():
    with SandboxSheets(reads_per_minute=9_999, writes_per_minute=9_999, project_per_minute=9_999) as sheets:
        yield sheets


@pytest.fixture
def book(sheets):
    book = sheets.add_spreadsheet("Buku rekaan")
    book.fill("Sheet1", [["id", "total"], ["b", 2], ["a", 3], ["c", 1]])
    return book


@pytest.fixture
def caller(sheets, book):
    with calling(sheets, book) as caller:
        yield caller


def test_people_sort_by_a_column_and_the_header_stays(book):
    book.sort("Sheet1", "total")
    assert book.values("Sheet1") == [["id", "total"], ["c", 1], ["b", 2], ["a", 3]]

    book.sort("Sheet1", 1, descending=True)
    assert [row[0] for row in book.values("Sheet1")] == ["id", "c", "b", "a"]


def test_people_insert_delete_and_copy_rows(book):
    book.insert_row("Sheet1", 2, ["baru", "0042"])
    book.delete_row("Sheet1", 5)
    copy = book.duplicate_key("Sheet1", 3)
    added = book.append_row("Sheet1", ["akhir"])

    assert (copy, added) == (5, 6)
    assert book.values("Sheet1") == [["id", "total"], ["baru", 42], ["b", 2], ["a", 3], ["b", 2], ["akhir", None]]


def test_people_insert_move_rename_and_delete_columns(book):
    book.insert_column("Sheet1", "total", "catatan")
    book.move_column("Sheet1", "id", before=4)
    book.rename_header("Sheet1", "total", "jumlah")
    assert book.values("Sheet1")[:2] == [["catatan", "jumlah", "id"], [None, 2, "b"]]

    book.delete_column("Sheet1", "catatan")
    assert book.values("Sheet1")[0] == ["jumlah", "id"]


def test_people_add_formulas_beside_the_data(book):
    book.add_formula_column("Sheet1", "ganda", "=B{row}*2")
    book.add_formula_column("Sheet1", "semua", "=ARRAYFORMULA(B2:B)")
    book.type_cell("Sheet1", "F2", "=SUM(B2:B4)")
    book.fill_down("Sheet1", "C4", 1)

    rows = book.values("Sheet1")
    assert rows[1][:3] + rows[1][5:] == ["b", 2, 4, 6]
    assert rows[4][2] == 0
    assert book.cell("Sheet1", "C5").user_entered == "=B5*2"
    assert rows[999][3] == ""


def test_a_column_that_a_formula_fills_goes_blank_when_something_is_written_into_it(book):
    book.add_formula_column("Sheet1", "semua", "=ARRAYFORMULA(B2:B)")

    book.type_cell("Sheet1", "C4", "x")

    assert len(book.values("Sheet1")) == 4


def test_people_type_as_google_reads_it_and_see_it_so(book):
    book.type_cell("Sheet1", "C2", "08123")
    book.type_cell("Sheet1", "D2", "2025-09-12")
    book.type_cell("Sheet1", "E2", 1.5)

    assert book.values("Sheet1")[1][2:] == [8123, 45912, 1.5]
    assert book.formatted("Sheet1")[1][2:] == ["8123", "2025-09-12", "1.5"]
    cell = book.cell("Sheet1", "D2")
    assert (cell.user_entered, cell.is_formula, cell.number_format.type) == (45912, False, "DATE")


def test_people_add_rename_hide_and_delete_tabs(book, caller):
    book.add_tab("Kedua", rows=5, columns=2, index=0)
    book.rename_tab("Sheet1", "Data")
    assert list(book.tabs) == ["Kedua", "Data"]
    assert caller.get("Data!A1")["values"] == [["id"]]

    book.delete_tab("Kedua")
    assert caller.get("A1")["range"] == "Data!A1"
    assert caller.refused("GET", "/values/Sheet1!A1")["message"] == "Unable to parse range: Sheet1!A1"


def test_who_is_not_let_in_is_told_so_and_a_viewer_may_only_look(sheets, book, caller):
    book.unshare()
    refused = {"code": 403, "message": "The caller does not have permission", "status": "PERMISSION_DENIED"}
    assert caller.refused("GET", "") == refused
    assert caller.client.get(f"/drive/v3/files/{book.id}").status_code == 404

    book.share(can_write=False)
    assert caller.get("A1")["values"] == [["id"]]
    assert caller.refused("PUT", "/values/A1", {"values": [["x"]]}, valueInputOption="RAW") == refused

    book.share()
    caller.put("A1", [["x"]])
    assert sheets.add_spreadsheet(shared=False).can_read is False


def test_an_edit_is_played_right_before_the_call_it_was_planned_for(book, caller):
    book.before_call(lambda b: b.sort("Sheet1", "total"), method="PUT", path="/values/", nth=2)
    book.before_call(lambda b: b.append_row("Sheet1", ["z"]), path="values:batchGet")

    caller.put("D1", [["first"]])
    assert caller.get("A2")["values"] == [["b"]]
    caller.put("A2:B2", [["x", 9]])
    assert book.values("Sheet1")[1:] == [["x", 9, None, None], ["b", 2, None, None], ["a", 3, None, None]]
    found = caller.ok("GET", "/values:batchGet", ranges=["A5"])
    caller.put("D1", [["third"]])

    assert found["valueRanges"][0]["values"] == [["z"]]


def test_an_edit_that_people_cannot_do_says_so_to_the_test(book):
    with pytest.raises(LookupError, match="no tab 'Lost'"):
        book.delete_row("Lost", 1)
    with pytest.raises(LookupError, match="no column 'lost'"):
        book.rename_header("Sheet1", "lost", "found")


def test_the_address_of_a_book_is_that_of_the_browser(book):
    assert book.url == f"https://docs.google.com/spreadsheets/d/{book.id}/edit#gid=0"
    assert len(book.id) == 44
