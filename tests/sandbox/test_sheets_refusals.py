import pytest

from backhaul.sandbox import SandboxSheets
from tests.sandbox.sheets_caller import calling, cells, rows, texts

PROTECTED = "You are trying to edit a protected cell or object."


@pytest.fixture(scope="module")
def sheets():
    with SandboxSheets(reads_per_minute=9_999, writes_per_minute=9_999, project_per_minute=9_999) as sheets:
        yield sheets


@pytest.fixture
def book(sheets):
    return sheets.add_spreadsheet("Buku rekaan")


@pytest.fixture
def caller(sheets, book):
    with calling(sheets, book) as caller:
        yield caller


@pytest.mark.parametrize("fields", ["sheets(propertis)", "sheets(", "sheets.data.rowData.values.value", ""])
def test_a_mask_that_names_nothing_there_is_refused(caller, fields):
    if fields:
        assert caller.refused("GET", "", fields=fields)["status"] == "INVALID_ARGUMENT"
    cell = {"userEnteredValue": {"numberValue": 1}}
    caller.refused_edit({"repeatCell": {"range": cells(), "cell": cell, "fields": fields}})


def test_a_batch_is_done_whole_or_not_at_all(book, caller):
    start = {"sheetId": 0, "rowIndex": 0, "columnIndex": 0}
    message = caller.refused_edit(
        {"updateCells": {"rows": texts(["x"]), "fields": "userEnteredValue", "start": start}},
        {"addSheet": {"properties": {"title": "Kedua"}}},
        {"deleteDimension": {"range": rows(0, 5)}},
        {"addSheet": {"properties": {"title": "sheet1"}}},
    )

    assert message == (
        'Invalid requests[3].addSheet: A sheet with the name "sheet1" already exists. Please enter another name.'
    )
    assert book.values("Sheet1") == []
    assert list(book.tabs) == ["Sheet1"]
    assert book.tabs["Sheet1"].row_count == 1000


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"deleteSheet": {"sheetId": 0}}, "deleteSheet: You can't remove all the sheets in a document."),
        ({"deleteSheet": {"sheetId": 9}}, "deleteSheet: No grid with id: 9"),
        (
            {"updateSheetProperties": {"properties": {"hidden": True}, "fields": "hidden"}},
            "updateSheetProperties: You can't hide all the sheets in a document.",
        ),
        (
            {"deleteDimension": {"range": rows(990, 1001)}},
            "deleteDimension: Cannot delete a row that doesn't exist. "
            "Tried to delete row index 1000 but there are only 1000 rows.",
        ),
        (
            {"deleteDimension": {"range": rows(0, 26, "COLUMNS")}},
            "deleteDimension: You can't delete all the columns on the sheet.",
        ),
        (
            {"addSheet": {"properties": {"title": "Besar", "gridProperties": {"rowCount": 399_000}}}},
            "addSheet: This action would increase the number of cells in the workbook "
            "above the limit of 10000000 cells.",
        ),
        (
            {"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 383_616}},
            "appendDimension: This action would increase the number of cells in the workbook "
            "above the limit of 10000000 cells.",
        ),
        (
            {"updateCells": {"rows": texts(["x"]), "fields": "*", "start": {"rowIndex": 1000}}},
            "updateCells: GridCoordinate.rowIndex[1000] is after last row in grid[999]",
        ),
        (
            {"updateCells": {"rows": texts(["x"], ["y"]), "fields": "*", "start": {"rowIndex": 999}}},
            "updateCells: Attempting to write row: 1000, beyond the last requested row of: 999",
        ),
        (
            {"repeatCell": {"range": cells(0, 1001), "cell": {}, "fields": "*"}},
            "repeatCell: Range (Sheet1!A1:A1001) exceeds grid limits. Max rows: 1000, max columns: 26",
        ),
        (
            {"updateCells": {"rows": texts(["x" * 50_001]), "fields": "*", "start": {}}},
            "updateCells: Your input contains more than the maximum of 50000 characters in a single cell.",
        ),
        (
            {"appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 18_253}},
            "appendDimension: Invalid gridProperties.columnCount: it must not be more than 18278.",
        ),
    ],
)
def test_an_edit_that_cannot_be_is_refused(book, caller, request_, message):
    assert caller.refused_edit(request_) == f"Invalid requests[0].{message}"


def test_the_grid_may_be_filled_to_ten_million_cells(book, caller):
    caller.edit({"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 383_615}})

    assert book.tabs["Sheet1"].cells == 9_999_990


def test_a_field_that_the_service_does_not_know_is_refused(caller):
    unknown = "Invalid JSON payload received. Unknown name"
    assert caller.refused_edit({"addShet": {}}) == f"{unknown} \"addShet\" at 'requests[0]': Cannot find field."
    message = caller.refused_edit({"sortRange": {"rang": cells()}})
    assert message == f"{unknown} \"rang\" at 'requests[0].sortRange': Cannot find field."


EDITS_OF_A1 = [
    {"updateCells": {"rows": texts(["x"]), "fields": "*", "start": {}}},
    {"repeatCell": {"range": cells(0, 5, 0, 5), "cell": {}, "fields": "*"}},
    {"sortRange": {"range": cells(0, 2, 0, 2), "sortSpecs": [{"dimensionIndex": 0}]}},
    {"deleteDimension": {"range": rows(0, 1)}},
    {"moveDimension": {"source": rows(0, 1), "destinationIndex": 5}},
    {"copyPaste": {"source": cells(3, 4), "destination": cells()}},
    {"deleteSheet": {"sheetId": 0}},
]


@pytest.mark.parametrize("request_", EDITS_OF_A1, ids=lambda request: next(iter(request)))
def test_protected_cells_are_not_edited(book, caller, request_):
    book.add_tab("Kedua")
    book.fill("Sheet1", [["kept"]])
    book.protect("Sheet1", "A1")

    assert PROTECTED in caller.refused_edit(request_)
    assert book.values("Sheet1") == [["kept"]]


def test_protected_cells_are_not_written_but_skipped_ones_are_no_write(book, caller):
    book.fill("Sheet1", [["kept", "b"]])
    book.protect("Sheet1", "A:A")

    assert PROTECTED in caller.refused("PUT", "/values/A1", {"values": [["x"]]}, valueInputOption="RAW")["message"]
    assert PROTECTED in caller.refused("POST", "/values/A1:B1:clear")["message"]
    caller.put("A1", [[None, "new"]])

    assert book.values("Sheet1") == [["kept", "new"]]


def test_a_protection_that_only_warns_or_is_our_own_lets_us_write(book, caller):
    book.protect("Sheet1", "A1", warning_only=True)
    [reply] = caller.edit({"addProtectedRange": {"protectedRange": {"range": cells(1, 2), "description": "kita"}}})

    caller.put("A1", [["x"], ["y"]])

    assert book.values("Sheet1") == [["x"], ["y"]]
    protected = reply["addProtectedRange"]["protectedRange"]
    assert protected["requestingUserCanEdit"] is True
    assert "sheetId" not in protected["range"]
    assert len(caller.ok("GET", "")["sheets"][0]["protectedRanges"]) == 2
    caller.edit({"deleteProtectedRange": {"protectedRangeId": protected["protectedRangeId"]}})
    assert len(caller.ok("GET", "")["sheets"][0]["protectedRanges"]) == 1


def test_a_protected_range_moves_with_its_rows(book, caller):
    book.protect("Sheet1", "A1:A2")
    caller.edit({"insertDimension": {"range": rows(0, 3)}})

    caller.put("A1", [["x"]])

    assert PROTECTED in caller.refused("PUT", "/values/A4", {"values": [["x"]]}, valueInputOption="RAW")["message"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"deleteProtectedRange": {"protectedRangeId": 5}}, "deleteProtectedRange: No protected range with ID: 5"),
        (
            {"addNamedRange": {"namedRange": {"name": "a b", "range": cells()}}},
            'addNamedRange: The name "a b" is not valid or is already used.',
        ),
        (
            {"insertDimension": {"range": rows(0, 1), "inheritFromBefore": True}},
            "insertDimension: inheritFromBefore cannot be true if inserting at index 0.",
        ),
        (
            {"insertDimension": {"range": rows(1001, 1002)}},
            "insertDimension: range.startIndex[1001] is after the last row[999].",
        ),
        ({"appendDimension": {"sheetId": 0, "length": 1}}, "appendDimension: No dimension specified."),
        (
            {"updateSheetProperties": {"properties": {"gridProperties": {"frozenRowCount": 1000}}, "fields": "*"}},
            "updateSheetProperties: You can't freeze all visible rows or columns on the sheet.",
        ),
        (
            {"updateSheetProperties": {"properties": {"title": ""}, "fields": "title"}},
            "updateSheetProperties: The name of a sheet cannot be empty.",
        ),
        (
            {"createDeveloperMetadata": {"developerMetadata": {"metadataKey": "k"}}},
            "createDeveloperMetadata: developerMetadata.location must be set.",
        ),
        (
            {"sortRange": {"range": cells(), "sortSpecs": [{"dimensionIndex": 5}]}},
            "sortRange: sortSpecs dimensionIndex[5] is outside of the range.",
        ),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(caller, request_, message):
    assert caller.refused_edit(request_) == f"Invalid requests[0].{message}"


def test_frozen_rows_cannot_stay_alone(caller):
    grid = {"frozenRowCount": 1}
    caller.edit({"updateSheetProperties": {"properties": {"gridProperties": grid}, "fields": "gridProperties"}})

    message = caller.refused_edit({"deleteDimension": {"range": rows(1, 1000)}})

    place = "Sorry, it is not possible to delete all non-frozen rows."
    assert message == f"Invalid requests[0].deleteDimension: {place}"


def test_a_grid_grows_in_its_rows_before_it_shrinks_in_its_columns(sheets):
    book = sheets.add_spreadsheet(rows=100_000, columns=99)
    properties = {"sheetId": 0, "gridProperties": {"rowCount": 200_000, "columnCount": 10}}
    with calling(sheets, book) as caller:
        message = caller.refused_edit(
            {"updateSheetProperties": {"properties": properties, "fields": "gridProperties"}}
        )

    assert "above the limit of 10000000 cells" in message
