import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backhaul.sandbox import SandboxSheets
from backhaul.sandbox.sheets.describe import describe
from backhaul.sandbox.sheets.edits import batch_update
from backhaul.sandbox.sheets.errors import Refused
from backhaul.sandbox.sheets.masks import masked, parse_mask
from backhaul.sandbox.sheets.ranges import Area, a1, column_letters, column_number, parse_cells
from backhaul.sandbox.sheets.shown import shown
from backhaul.sandbox.sheets.state import Spreadsheet
from backhaul.sandbox.sheets.values import NumberFormat, typed_value
from backhaul.sandbox.sheets.writes import batch_update_values
from tests.sandbox.sheets_caller import calling

places = st.integers(0, 18_000)
areas = st.builds(
    lambda row, rows, column, columns: Area(row, row + rows, column, column + columns),
    places,
    st.integers(1, 200),
    places,
    st.integers(1, 200),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
AREA = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 2, "startColumnIndex": 0, "endColumnIndex": 2}
SPAN = {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}
CELL = {"userEnteredValue": {"stringValue": "x"}, "userEnteredFormat": {"numberFormat": {"type": "DATE"}}}
LOOKUP = {"developerMetadataLookup": {"metadataKey": "k"}}
GRID = {"rowCount": 5, "columnCount": 5, "frozenRowCount": 1}
REQUESTS = [
    {"addSheet": {"properties": {"title": "T", "sheetId": 7, "index": 0, "hidden": True, "gridProperties": GRID}}},
    {"deleteSheet": {"sheetId": 0}},
    {
        "updateSheetProperties": {
            "properties": {"sheetId": 0, "title": "T", "index": 1, "hidden": False, "gridProperties": GRID},
            "fields": "title,index,hidden,gridProperties(rowCount,columnCount)",
        }
    },
    {"updateSpreadsheetProperties": {"properties": {"title": "T", "locale": "id_ID"}, "fields": "title,locale"}},
    {"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 3}},
    {"insertDimension": {"range": SPAN, "inheritFromBefore": True}},
    {"deleteDimension": {"range": SPAN}},
    {"moveDimension": {"source": SPAN, "destinationIndex": 5}},
    {"sortRange": {"range": AREA, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}]}},
    {"repeatCell": {"range": AREA, "cell": CELL, "fields": "userEnteredValue,userEnteredFormat.numberFormat"}},
    {
        "updateCells": {
            "rows": [{"values": [CELL, {}]}],
            "fields": "*",
            "start": {"sheetId": 0, "rowIndex": 1, "columnIndex": 1},
        }
    },
    {"updateCells": {"rows": [{"values": [CELL]}], "fields": "userEnteredValue", "range": AREA}},
    {"appendCells": {"sheetId": 0, "rows": [{"values": [CELL]}], "fields": "*"}},
    {"copyPaste": {"source": AREA, "destination": AREA, "pasteType": "PASTE_NORMAL"}},
    {"addProtectedRange": {"protectedRange": {"range": AREA, "description": "d", "warningOnly": True}}},
    {"deleteProtectedRange": {"protectedRangeId": 1}},
    {"addNamedRange": {"namedRange": {"name": "n", "range": AREA}}},
    {
        "createDeveloperMetadata": {
            "developerMetadata": {"metadataKey": "k", "location": {"dimensionRange": SPAN}, "visibility": "DOCUMENT"}
        }
    },
    {"deleteDeveloperMetadata": {"dataFilter": LOOKUP}},
]


@st.composite
def spoiled(draw):
    """Draw a right request in which anything at one or two places is replaced or taken out."""
    request = copy.deepcopy(draw(st.sampled_from(REQUESTS)))
    for _ in range(draw(st.integers(0, 2))):
        node = request
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and draw(st.booleans()):
                node = node[key]
                continue
            if isinstance(node, dict) and node is not request and draw(st.booleans()):
                del node[key]
            else:
                node[key] = draw(json_values | st.integers(-2, 40))
            break
    return request


def small_book():
    book = Spreadsheet("id", "Buku rekaan")
    tab = book.add_tab("Sheet1", 20, 10, sheet_id=0)
    tab.write(0, 0, ["a", "b", 1, True])
    return book


@given(places)
def test_letters_and_numbers_of_columns_are_the_same_thing(column):
    assert column_number(column_letters(column)) == column


@given(areas)
def test_an_area_written_as_a1_is_read_as_the_same_area(area):
    assert parse_cells(a1(area)).in_grid(1_000_000, 18_278) == area


@given(st.text(alphabet="A1:$! '", max_size=8))
def test_any_text_is_a_range_of_the_grid_or_refused(text):
    book = small_book()
    try:
        _, area = book.resolve(text)
    except Refused as refused:
        assert refused.message == f"Unable to parse range: {text}"
    else:
        assert area.rows > 0 or area.start_row >= 20 or area.start_column >= 10
        assert area.start_row >= 0 <= area.start_column


@given(st.text(max_size=12) | st.from_regex(r"[-+$]?[0-9.,:/]{1,12}[%E]?", fullmatch=True))
def test_whatever_is_typed_can_be_shown(text):
    value, number_format = typed_value(text, "value", "en_US")
    if isinstance(value, str | int | float):
        assert isinstance(shown(value, number_format), str)


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(alphabet='yYmdhsAP/:-#0.,%E+"$ ', max_size=12))
def test_any_number_can_be_shown_in_any_format(number, pattern):
    for kind in ("DATE", "NUMBER", "PERCENT", "TEXT"):
        assert isinstance(shown(number, NumberFormat(kind, pattern)), str)


@settings(max_examples=400)
@given(st.lists(spoiled(), min_size=1, max_size=4))
def test_any_batch_is_done_or_refused_and_then_leaves_no_trace(requests):
    book = small_book()
    before = [tab.copy() for tab in book.tabs]
    try:
        with book.change():
            batch_update(book, {"requests": requests})
    except Refused:
        assert book.tabs == before
    else:
        assert sum(tab.cells for tab in book.tabs) <= 10_000_000
        assert all(tab.row_count > 0 < tab.column_count for tab in book.tabs)
        assert describe(book, has_grid_data=True)["spreadsheetId"] == book.id


@given(
    st.lists(st.fixed_dictionaries({"range": st.sampled_from(["A1", "B2:C3", "J20", "X9"]), "values": json_values}))
)
def test_any_values_are_written_or_refused_and_then_leave_no_trace(data):
    book = small_book()
    before = [tab.copy() for tab in book.tabs]
    try:
        with book.change():
            batch_update_values(book, {"valueInputOption": "USER_ENTERED", "data": data})
    except Refused:
        assert book.tabs == before


@given(st.text(alphabet="ab(),./* ", max_size=12))
def test_any_mask_is_read_or_refused(text):
    answer = {"a": {"b": [{"a": 1, "b": 2}]}, "b": 3}
    try:
        mask = parse_mask(text)
    except Refused:
        return
    kept = masked(answer, mask)
    assert masked(kept, mask) == kept


@given(st.data())
def test_rows_keep_their_cells_whatever_is_moved_about(data):
    book = small_book()
    tab = book.tabs[0]
    for row in range(8):
        tab.write(row, 0, [f"{row} {column}" for column in range(5)])
    for _ in range(data.draw(st.integers(1, 6))):
        start, end, target = sorted(data.draw(st.lists(st.integers(0, 8), min_size=3, max_size=3)))
        data.draw(st.sampled_from([tab.move_rows, tab.move_columns]))(start, max(end, start + 1), target)
    rows = [[cell for cell in row.values if cell is not None] for row in tab.rows if row.width]

    assert sorted(cell for row in rows for cell in row) == sorted(f"{r} {c}" for r in range(8) for c in range(5))
    assert all(len({cell.split()[0] for cell in row}) == 1 for row in rows)


@pytest.mark.slow
def test_a_large_book_is_held_and_its_columns_are_read_at_once():
    chosen = random.Random(7)
    rows = [[f"{row:09d}", *(f"isi {row} {column}" for column in range(26))] for row in range(100_000)]
    with SandboxSheets() as sheets:
        book = sheets.add_spreadsheet(rows=100_000, columns=27)
        book.fill("Sheet1", rows)
        with calling(sheets, book) as caller:
            found = caller.get("Sheet1!A:A", majorDimension="COLUMNS")["values"]
            lines = sorted(chosen.sample(range(100_000), 100))
            data = [{"range": f"A{row + 1}:AA{row + 1}", "values": [["x"] * 27]} for row in lines]
            caller.ok("POST", "/values:batchUpdate", {"valueInputOption": "RAW", "data": data})
            mask = "sheets(data(rowData(values(effectiveValue,formattedValue))))"
            grid = caller.ok("GET", "", ranges="B:B", fields=mask)["sheets"][0]["data"][0]["rowData"]

    assert found == [[row[0] for row in rows]]
    assert [number for number, row in enumerate(grid) if row["values"][0]["formattedValue"] == "x"] == lines
