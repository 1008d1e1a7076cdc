import pytest

from backhaul.sandbox import SandboxSheets
from tests.sandbox.sheets_caller import calling, cells, rows, texts


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


def test_a_new_spreadsheet_is_described_as_google_does(book, caller):
    found = caller.ok("GET", "", includeGridData="false")

    grid = {"rowCount": 1000, "columnCount": 26}
    properties = {"sheetId": 0, "title": "Sheet1", "index": 0, "sheetType": "GRID", "gridProperties": grid}
    assert found["sheets"] == [{"properties": properties}]
    assert (found["spreadsheetId"], found["properties"]["title"]) == (book.id, "Buku rekaan")
    assert (found["properties"]["locale"], found["properties"]["timeZone"]) == ("en_US", "Etc/GMT")
    assert caller.ok("GET", "", fields="namedRanges") == {}


def test_a_field_mask_brings_exactly_what_it_names(book, caller):
    book.fill("Sheet1", [["id", "n"], ["a", 1.5], [None, None], ["b"]])
    mask = (
        "sheets(properties(sheetId,title,gridProperties/rowCount),data(startRow,startColumn,"
        "rowData(values(effectiveValue,formattedValue)))),properties(timeZone,locale)"
    )

    found = caller.ok("GET", "", ranges="A2:B", fields=mask)

    row = {"values": [{"effectiveValue": {"stringValue": "a"}, "formattedValue": "a"}]}
    row["values"].append({"effectiveValue": {"numberValue": 1.5}, "formattedValue": "1.5"})
    last = {"values": [{"effectiveValue": {"stringValue": "b"}, "formattedValue": "b"}]}
    properties = {"sheetId": 0, "title": "Sheet1", "gridProperties": {"rowCount": 1000}}
    assert found == {
        "properties": {"timeZone": "Etc/GMT", "locale": "en_US"},
        "sheets": [{"properties": properties, "data": [{"startRow": 1, "rowData": [row, {}, last]}]}],
    }


def test_cells_come_only_when_they_are_asked_for(book, caller):
    book.fill("Sheet1", [["x"]])

    assert "data" not in caller.ok("GET", "")["sheets"][0]
    assert "data" not in caller.ok("GET", "", fields="sheets.properties")["sheets"][0]
    [grid] = caller.ok("GET", "", includeGridData="true")["sheets"][0]["data"]
    assert grid["rowData"][0]["values"][0]["userEnteredValue"] == {"stringValue": "x"}


def test_with_ranges_only_the_tabs_they_are_in_are_described(book, caller):
    book.add_tab("Kedua")
    book.fill("Kedua", [["a", "b"], ["c", "d"]])

    asked = caller.ok("GET", "", ranges=["Kedua!B2", "Kedua!A1"], fields="sheets(properties.title,data)")

    [sheet] = asked["sheets"]
    assert sheet["properties"] == {"title": "Kedua"}
    assert [grid.get("startRow", 0) for grid in sheet["data"]] == [1, 0]
    assert sheet["data"][0]["rowData"][0]["values"][0]["formattedValue"] == "d"


def test_a_range_without_a_tab_means_the_first_that_is_not_hidden(book, caller):
    book.add_tab("Kedua")
    book.hide_tab("Sheet1")

    assert caller.get("A1")["range"] == "Kedua!A1"
    assert caller.ok("GET", "")["sheets"][0]["properties"]["hidden"] is True


def test_cells_are_written_with_value_and_format_and_cleared_where_the_mask_names_what_they_lack(book, caller):
    book.fill("Sheet1", [["old", "old", "old", "kept"]])
    number_format = {"type": "DATE", "pattern": "dd/mm/yyyy"}
    row = {
        "values": [
            {"userEnteredValue": {"numberValue": 45912}, "userEnteredFormat": {"numberFormat": number_format}},
            {"userEnteredValue": {"boolValue": False}},
            {},
        ]
    }
    start = {"sheetId": 0, "rowIndex": 0, "columnIndex": 0}

    fields = "userEnteredValue,userEnteredFormat.numberFormat"
    caller.edit({"updateCells": {"rows": [row], "fields": fields, "start": start}})

    assert book.values("Sheet1") == [[45912, False, None, "kept"]]
    assert book.formatted("Sheet1") == [["12/09/2025", "FALSE", "", "kept"]]
    caller.edit({"updateCells": {"rows": texts(["x"]), "fields": "userEnteredValue", "range": cells(0, 2, 0, 2)}})
    assert book.formatted("Sheet1") == [["x", "", "", "kept"]]
    assert book.cell("Sheet1", "A1").number_format.pattern == "dd/mm/yyyy"


def test_a_formula_written_as_one_is_worked_out_and_follows_when_it_is_pasted(book, caller):
    book.fill("Sheet1", [[2], [3], [4]])
    cell = {"userEnteredValue": {"formulaValue": "=A1*10"}}
    caller.edit({"repeatCell": {"range": cells(0, 3, 1, 2), "cell": cell, "fields": "userEnteredValue"}})
    caller.put("C1", [["=SUM(A1:A3)"]], "USER_ENTERED")

    assert book.values("Sheet1") == [[2, 20, 9], [3, 30, None], [4, 40, None]]
    assert book.cell("Sheet1", "B3").user_entered == "=A3*10"
    [row] = caller.ok("GET", "", ranges="C1", fields="sheets.data.rowData")["sheets"][0]["data"][0]["rowData"]
    assert row["values"][0]["userEnteredValue"] == {"formulaValue": "=SUM(A1:A3)"}
    assert row["values"][0]["effectiveValue"] == {"numberValue": 9}


def test_pasting_values_leaves_the_formulas_behind(book, caller):
    book.fill("Sheet1", [[2]])
    caller.put("B1", [["=A1+1"]], "USER_ENTERED")

    caller.edit(
        {"copyPaste": {"source": cells(0, 1, 0, 2), "destination": cells(1, 3, 0, 2)}},
        {
            "copyPaste": {
                "source": cells(0, 1, 1, 2),
                "destination": cells(0, 1, 2, 3),
                "pasteType": "PASTE_VALUES",
            }
        },
    )

    assert book.values("Sheet1") == [[2, 3, 3], [2, 3, None], [2, 3, None]]
    assert [book.cell("Sheet1", name).user_entered for name in ("B3", "C1")] == ["=A3+1", 3]


def test_cells_are_appended_below_the_last_filled_row_and_the_grid_grows(sheets):
    book = sheets.add_spreadsheet(rows=2, columns=2)
    book.fill("Sheet1", [["a", "b"], [None, "c"]])
    with calling(sheets, book) as caller:
        caller.edit({"appendCells": {"sheetId": 0, "rows": texts(["d"], ["e"]), "fields": "userEnteredValue"}})
        message = caller.refused_edit({"appendCells": {"sheetId": 0, "rows": texts(["1", "2", "3"]), "fields": "*"}})

    assert book.values("Sheet1") == [["a", "b"], [None, "c"], ["d", None], ["e", None]]
    place = "Attempting to write column: 2, beyond the last requested column of: 1"
    assert message == f"Invalid requests[0].appendCells: {place}"


def test_tabs_are_added_changed_and_removed(book, caller):
    grid = {"rowCount": 5, "columnCount": 3, "frozenRowCount": 1}
    added, *others = caller.edit(
        {"addSheet": {"properties": {"title": "Data", "sheetId": 7, "hidden": True, "gridProperties": grid}}},
        {"addSheet": {}},
        {
            "updateSheetProperties": {
                "properties": {"sheetId": 7, "title": "Baru", "index": 0},
                "fields": "title,index",
            }
        },
        {"updateSheetProperties": {"properties": {"sheetId": 7}, "fields": "hidden"}},
        {"deleteSheet": {"sheetId": 0}},
    )

    properties = {"sheetId": 7, "title": "Data", "index": 1, "sheetType": "GRID", "hidden": True}
    assert added == {"addSheet": {"properties": properties | {"gridProperties": grid}}}
    assert others[0]["addSheet"]["properties"]["sheetId"] > 1_000
    assert others[1:] == [{}, {}, {}]
    assert [(tab.title, tab.is_hidden) for tab in book.tabs.values()] == [("Baru", False), ("Sheet3", False)]


def test_rows_and_columns_are_inserted_moved_and_deleted(book, caller):
    book.fill("Sheet1", [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]])

    caller.edit({"insertDimension": {"range": rows(1, 2)}}, {"insertDimension": {"range": rows(1, 2, "COLUMNS")}})
    assert book.values("Sheet1")[:3] == [["a", None, "b", "c"], [None] * 4, ["1", None, "2", "3"]]
    caller.edit({"deleteDimension": {"range": rows(1, 2)}}, {"deleteDimension": {"range": rows(1, 2, "COLUMNS")}})
    caller.edit({"moveDimension": {"source": rows(0, 1, "COLUMNS"), "destinationIndex": 3}})
    caller.edit({"moveDimension": {"source": rows(2, 3), "destinationIndex": 1}})

    assert book.values("Sheet1") == [["b", "c", "a"], ["5", "6", "4"], ["2", "3", "1"]]
    assert (book.tabs["Sheet1"].row_count, book.tabs["Sheet1"].column_count) == (1000, 26)


def test_formats_go_with_their_cells(book, caller):
    caller.put("A1", [["x", "2025-09-12"], ["a", "b"]], "USER_ENTERED")

    caller.edit({"insertDimension": {"range": rows(0, 1)}}, {"insertDimension": {"range": rows(0, 1, "COLUMNS")}})
    assert book.formatted("Sheet1")[1] == ["", "x", "2025-09-12"]
    key = {"dimensionIndex": 1, "sortOrder": "ASCENDING"}
    caller.edit({"sortRange": {"range": cells(1, 3, 0, 26), "sortSpecs": [key]}})

    assert book.formatted("Sheet1")[1:] == [["", "a", "b"], ["", "x", "2025-09-12"]]


def test_sorting_puts_numbers_before_texts_before_booleans_and_blanks_last(book, caller):
    book.fill("Sheet1", [["b", 1], [None, 2], [True, 3], ["A", 4], [10, 5], [9, 6]])
    area = cells(0, 6, 0, 2)

    def sort(order):
        caller.edit({"sortRange": {"range": area, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": order}]}})
        return [row[1] for row in book.values("Sheet1")]

    assert sort("ASCENDING") == [6, 5, 4, 1, 3, 2]
    assert sort("DESCENDING") == [3, 1, 4, 5, 6, 2]


def test_sorting_leaves_what_is_beside_its_area(book, caller):
    book.fill("Sheet1", [["l1", "b", "r1"], ["l2", "a", "r2"]])

    area = cells(0, 2, 1, 2)
    caller.edit({"sortRange": {"range": area, "sortSpecs": [{"dimensionIndex": 1, "sortOrder": "ASCENDING"}]}})

    assert book.values("Sheet1") == [["l1", "a", "r1"], ["l2", "b", "r2"]]


def test_making_a_grid_smaller_loses_what_is_outside(book, caller):
    book.fill("Sheet1", [["a", "b"], ["c", "d"]])
    properties = {"sheetId": 0, "gridProperties": {"rowCount": 1, "columnCount": 1}}

    fields = "gridProperties/rowCount,gridProperties.columnCount"
    caller.edit({"updateSheetProperties": {"properties": properties, "fields": fields}})

    assert book.values("Sheet1") == [["a"]]


def test_a_named_range_is_read_by_its_name(book, caller):
    book.fill("Sheet1", [["a", "b"], ["c", "d"]])
    caller.edit({"addNamedRange": {"namedRange": {"name": "kunci", "range": cells(0, 2, 1, 2)}}})

    assert caller.get("kunci")["values"] == [["b"], ["d"]]
    assert caller.ok("GET", "", fields="namedRanges")["namedRanges"][0]["name"] == "kunci"


def test_metadata_bound_to_a_column_goes_where_the_column_goes(book, caller):
    location = {"dimensionRange": rows(1, 2, "COLUMNS")}
    data = {"metadataKey": "kolom", "metadataValue": "id", "location": location, "visibility": "DOCUMENT"}
    caller.edit({"createDeveloperMetadata": {"developerMetadata": data}})
    lookup = {"developerMetadataLookup": {"metadataKey": "kolom"}}

    def column():
        found = caller.ok("POST", "/developerMetadata:search", {"dataFilters": [lookup]})
        [match] = found.get("matchedDeveloperMetadata", [None])
        return match and match["developerMetadata"]["location"]["dimensionRange"]["startIndex"]

    assert column() == 1
    caller.edit({"insertDimension": {"range": rows(0, 2, "COLUMNS")}})
    assert column() == 3
    caller.edit({"moveDimension": {"source": rows(3, 4, "COLUMNS"), "destinationIndex": 0}})
    assert column() == 0
    caller.edit({"deleteDeveloperMetadata": {"dataFilter": lookup}})
    assert column() is None


def test_a_batch_may_bring_the_spreadsheet_as_it_then_is(caller):
    body = {
        "requests": [{"appendDimension": {"dimension": "ROWS", "length": 1}}],
        "includeSpreadsheetInResponse": True,
    }

    answer = caller.ok("POST", ":batchUpdate", body)

    assert answer["updatedSpreadsheet"]["sheets"][0]["properties"]["gridProperties"]["rowCount"] == 1001


def test_a_spreadsheet_is_created_with_its_tabs(sheets, caller):
    body = {
        "properties": {"title": "Baru"},
        "sheets": [{"properties": {"title": "Satu", "gridProperties": {"rowCount": 3}}}],
    }

    made = caller.client.post("/v4/spreadsheets", json=body).json()

    assert [tab.title for tab in sheets.books[made["spreadsheetId"]].tabs.values()] == ["Satu"]


def test_drive_tells_when_a_file_was_changed(book, caller):
    def seen():
        params = {"fields": "modifiedTime,version"}
        return caller.client.get(f"/drive/v3/files/{book.id}", params=params).json()

    before = seen()
    assert seen() == before
    book.type_cell("Sheet1", "A1", "x")

    assert set(before) == {"modifiedTime", "version"}
    assert int(seen()["version"]) > int(before["version"])


def test_inserted_rows_take_the_format_they_inherit(book, caller):
    caller.put("A1", [["2025-09-12"], ["0.5"]], "USER_ENTERED")

    caller.edit({"insertDimension": {"range": rows(1, 2), "inheritFromBefore": True}})
    caller.put("A2", [[45913]])

    assert book.formatted("Sheet1") == [["2025-09-12"], ["2025-09-13"], ["0.5"]]


def test_a_column_of_one_format_has_cells_without_values(book, caller):
    book.fill("Sheet1", [["x"]])
    cell = {"userEnteredFormat": {"numberFormat": {"type": "TEXT"}, "textFormat": {"bold": True}}}
    fields = "userEnteredFormat(numberFormat,textFormat.bold)"
    caller.edit({"repeatCell": {"range": cells(0, 3), "cell": cell, "fields": fields}})

    [grid] = caller.ok("GET", "", ranges="A:A", fields="sheets.data.rowData.values(formattedValue)")["sheets"][0][
        "data"
    ]

    assert grid == {"rowData": [{"values": [{"formattedValue": "x"}]}, {"values": [{}]}, {"values": [{}]}]}
    assert caller.get("A:A")["values"] == [["x"]]


def test_a_file_and_its_tabs_carry_metadata(book, caller):
    for location in ({"spreadsheet": True}, {"sheetId": 0}):
        data = {"metadataKey": "run", "metadataValue": "1", "location": location}
        caller.edit({"createDeveloperMetadata": {"developerMetadata": data}})
    lookup = {"developerMetadataLookup": {"metadataKey": "run", "locationType": "SHEET"}}

    found = caller.ok("POST", "/developerMetadata:search", {"dataFilters": [lookup]})["matchedDeveloperMetadata"]

    assert [match["developerMetadata"]["location"] for match in found] == [{"locationType": "SHEET", "sheetId": 0}]


def test_the_properties_of_a_file_are_changed(book, caller):
    properties = {"title": "Lain", "locale": "id_ID", "timeZone": "Asia/Jakarta"}
    caller.edit({"updateSpreadsheetProperties": {"properties": properties, "fields": "title,locale,timeZone"}})

    assert caller.ok("GET", "", fields="properties(title,locale,timeZone)")["properties"] == properties
