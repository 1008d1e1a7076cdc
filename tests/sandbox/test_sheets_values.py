import pytest

from backhaul.sandbox import SandboxSheets
from tests.sandbox.sheets_caller import calling

WITHIN = "Requested writing within range"
UNFORMATTED = {"valueRenderOption": "UNFORMATTED_VALUE"}


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


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("Sheet1", "Sheet1!A1:Z1000"),
        ("'Sheet1'", "Sheet1!A1:Z1000"),
        ("Sheet1!A1:C", "Sheet1!A1:C1000"),
        ("Sheet1!A:A", "Sheet1!A1:A1000"),
        ("Sheet1!A1:1", "Sheet1!A1:Z1"),
        ("Sheet1!2:3", "Sheet1!A2:Z3"),
        ("Sheet1!D4:A1", "Sheet1!A1:D4"),
        ("Sheet1!B2", "Sheet1!B2"),
        ("Sheet1!$B$2:B2", "Sheet1!B2"),
        ("B2:C3", "Sheet1!B2:C3"),
        ("sheet1!A1", "Sheet1!A1"),
        ("Sheet1!A999:C2000", "Sheet1!A999:C1000"),
        ("'D3'!A1", "'D3'!A1"),
        ("\U0001f335 test 1!A1:B2", "'\U0001f335 test 1'!A1:B2"),
        ("'it''s'!A1", "'it''s'!A1"),
        ("D3", "Sheet1!D3"),
    ],
)
def test_a_range_is_answered_closed_and_quoted_only_where_it_must_be(book, caller, asked, answered):
    for title in ("D3", "\U0001f335 test 1", "it's"):
        book.add_tab(title)

    assert caller.get(asked) == {"range": answered, "majorDimension": "ROWS"}


@pytest.mark.parametrize(
    "asked", ["Lost!A1", "'Lost'", "Sheet1!", "Sheet1!A0", "Sheet1!1A", "Sheet1!A1:B2:C3", "A1:"]
)
def test_what_is_no_range_cannot_be_parsed(caller, asked):
    error = caller.refused("GET", f"/values/{asked}")

    assert error == {"code": 400, "message": f"Unable to parse range: {asked}", "status": "INVALID_ARGUMENT"}


def test_trailing_blanks_are_left_out_and_blank_rows_between_are_empty_lists(book, caller):
    book.fill("Sheet1", [[], ["", "x", ""], [], ["y"], ["", ""]])

    assert caller.get("Sheet1!A1:C9")["values"] == [[], ["", "x"], [], ["y"]]
    assert caller.get("Sheet1!A1:C9", majorDimension="COLUMNS")["values"] == [["", "", "", "y"], ["", "x"]]


def test_values_come_as_text_or_as_they_are(book, caller):
    caller.put("A1", [["0812", 53, 1.45, True, "=1+2", 1e21, 12345678901234567]])
    caller.put("A2", [["=4/2", "2020-01-01", "TRUE"]], "USER_ENTERED")

    assert caller.get("A1:G2")["values"] == [
        ["0812", "53", "1.45", "TRUE", "=1+2", "1E+21", "1.23457E+16"],
        ["2", "2020-01-01", "TRUE"],
    ]
    assert caller.get("A1:G2", **UNFORMATTED)["values"] == [
        ["0812", 53, 1.45, True, "=1+2", 1e21, 12345678901234568],
        [2, 43831, True],
    ]
    assert caller.get("A2:B2", valueRenderOption="FORMULA")["values"] == [["=4/2", 43831]]
    assert caller.get("B2", dateTimeRenderOption="FORMATTED_STRING", **UNFORMATTED)["values"] == [["2020-01-01"]]


@pytest.mark.parametrize(
    ("typed", "value", "seen"),
    [
        ("0042", 42, "42"),
        ("+6281200000001", 6281200000001, "6281200000001"),
        ("081200000001", 81200000001, "81200000001"),
        ("2,000,000.01", 2000000.01, "2,000,000.01"),
        ("12345678901234567", 12345678901234600, "1.23457E+16"),
        ("= 1 / 1024", 0.0009765625, "0.0009765625"),
        ("50%", 0.5, "50%"),
        ("12/25/2025", 46016, "12/25/2025"),
        ("2025-09-12 08:00:45", 45912.333854, "2025-09-12 8:00:45"),
        ("10:30", 0.4375, "10:30"),
        ("'0042", "0042", "0042"),
        ("kata", "kata", "kata"),
        ("1.2.3", "1.2.3", "1.2.3"),
        ("2025-13-01", "2025-13-01", "2025-13-01"),
        ("false", False, "FALSE"),
        ('=IMPORTXML("x", "y")', "", ""),
        ("=1/0", "#DIV/0!", "#DIV/0!"),
        ("=1e308*10", "#NUM!", "#NUM!"),
        ("=9**9", "", ""),
        ("=A1", "#REF!", "#REF!"),
        ("=SUM(A1:A9)+1", "", ""),
        ("=SUM(A1:Z9)", 0, "0"),
        ("=Lost!A1", "#REF!", "#REF!"),
        ('="a ""b"""', 'a "b"', 'a "b"'),
    ],
)
def test_what_is_entered_by_a_user_is_read_as_google_reads_it(book, caller, typed, value, seen):
    caller.put("A1", [[typed]], "USER_ENTERED")

    cell = book.cell("Sheet1", "A1")
    assert cell.value == (pytest.approx(value) if isinstance(value, float) else value)
    assert cell.formatted == seen


def test_an_indonesian_sheet_reads_days_first_and_decimal_commas(sheets):
    book = sheets.add_spreadsheet(locale="id_ID")
    with calling(sheets, book) as caller:
        caller.put("A1", [["12/09/2025", "1.500,25", "1.500"]], "USER_ENTERED")

    assert book.values("Sheet1") == [[45912, 1500.25, 1500]]


def test_in_a_text_column_a_typed_number_stays_text(book, caller):
    column = {"sheetId": 0, "startColumnIndex": 0, "endColumnIndex": 1}
    cell = {"userEnteredFormat": {"numberFormat": {"type": "TEXT"}}}
    caller.edit({"repeatCell": {"range": column, "cell": cell, "fields": "userEnteredFormat.numberFormat"}})

    caller.put("A1", [["0042", "0042"]], "USER_ENTERED")
    book.type_cell("Sheet1", "A2", "0043")

    assert book.values("Sheet1") == [["0042", 42], ["0043", None]]


def test_null_keeps_a_cell_an_empty_text_clears_it_and_only_what_was_written_is_counted(book, caller):
    book.fill("Sheet1", [["a", "b", "c", "d"]])

    answer = caller.put("A1", [["x", None, "", None], [], [None] * 4, [None, None, None, None]])

    assert answer == {
        "spreadsheetId": book.id,
        "updatedRange": "Sheet1!A1:D4",
        "updatedRows": 1,
        "updatedColumns": 2,
        "updatedCells": 2,
    }
    assert book.values("Sheet1") == [["x", "b", None, "d"]]


def test_a_write_of_columns_is_turned(book, caller):
    body = {"values": [["a", "b"], [None, "d"]], "majorDimension": "COLUMNS"}
    caller.ok("PUT", "/values/A1", body, valueInputOption="RAW")

    assert book.values("Sheet1") == [["a", None], ["b", "d"]]


def test_a_batch_is_written_whole_or_not_at_all(book, caller):
    book.fill("Sheet1", [["old"]])
    data = [{"range": "Sheet1!A1", "values": [["new"]]}, {"range": "Sheet1!A1001", "values": [["x"]]}]

    error = caller.refused("POST", "/values:batchUpdate", {"valueInputOption": "RAW", "data": data})

    limits = "exceeds grid limits. Max rows: 1000, max columns: 26"
    assert error["message"] == f"Invalid data[1]: Range (Sheet1!A1001) {limits}"
    assert book.values("Sheet1") == [["old"]]


def test_a_batch_counts_rows_columns_and_cells(book, caller):
    data = [{"range": "A1:D1", "values": [[1, 2, 3, 4]]}, {"range": "'Sheet1'!A3:D3", "values": [[1, 2, 3, 4]]}]
    body = {"valueInputOption": "RAW", "data": data, "includeValuesInResponse": True}

    answer = caller.ok("POST", "/values:batchUpdate", body)

    totals = {name: value for name, value in answer.items() if name.startswith("total")}
    assert totals == {
        "totalUpdatedRows": 2,
        "totalUpdatedColumns": 4,
        "totalUpdatedCells": 8,
        "totalUpdatedSheets": 1,
    }
    assert answer["responses"][1]["updatedRange"] == "Sheet1!A3:D3"
    assert answer["responses"][1]["updatedData"]["values"] == [["1", "2", "3", "4"]]


@pytest.mark.parametrize(
    ("where", "values", "message"),
    [
        ("A1000", [["a"], ["b"]], "Range (Sheet1!A1000:A1001) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("AA1", [["a"]], "Range (Sheet1!AA1) exceeds grid limits. Max rows: 1000, max columns: 26"),
        (
            "A1:B1",
            [["a", "b", "c"]],
            f"{WITHIN} [Sheet1!A1:B1], but tried writing to column [C]",
        ),
        ("A1:B1", [["a"], ["b"]], f"{WITHIN} [Sheet1!A1:B1], but tried writing to row [2]"),
        ("A1", [["x" * 50_001]], "Your input contains more than the maximum of 50000 characters in a single cell."),
    ],
)
def test_a_write_that_does_not_fit_is_refused_whole(book, caller, where, values, message):
    error = caller.refused("PUT", f"/values/{where}", {"values": values}, valueInputOption="RAW")

    assert error == {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    assert book.values("Sheet1") == []


def test_a_cell_holds_fifty_thousand_characters(book, caller):
    caller.put("A1", [["x" * 50_000]])

    assert len(book.values("Sheet1")[0][0]) == 50_000


def test_a_body_of_the_wrong_shape_is_refused_before_its_range_is_looked_at(caller):
    error = caller.refused("PUT", "/values/Lost!A1", {"values": ["X"]}, valueInputOption="RAW")

    kind = "type.googleapis.com/google.protobuf.ListValue"
    assert error["message"] == f"Invalid value at 'data.values' ({kind}), \"X\""
    assert error["details"][0]["fieldViolations"][0]["field"] == "data.values"


def test_a_write_must_say_how_its_values_are_meant(caller):
    assert caller.refused("PUT", "/values/A1", {"values": [["x"]]})["message"] == (
        "'valueInputOption' is required but not specified"
    )


TABLES = [["a", "b", "c"], ["d", "e", "f"], [], ["", "g", "h", "i"], ["", "j", "k", "l"], ["", "m", "n", "o"]]


@pytest.mark.parametrize(
    ("where", "table", "start"),
    [
        ("Sheet1", "B4:D6", "B7"),
        ("B4", "B4:D6", "B7"),
        ("C5:D5", "B4:D6", "B7"),
        ("B2:D4", "B4:D6", "B7"),
        ("A3:G10", "B4:D6", "B7"),
        ("A1", "A1:C2", "A3"),
        ("E4", None, "E4"),
        ("A4", None, "A4"),
    ],
)
def test_an_append_goes_below_the_last_table_that_its_range_touches(book, caller, where, table, start):
    book.fill("Sheet1", TABLES)

    answer = caller.append(where, [["x"]])

    assert answer["updates"]["updatedRange"] == f"Sheet1!{start}"
    assert answer.get("tableRange") == (table and f"Sheet1!{table}")


def test_a_blank_cell_in_the_row_above_moves_an_append_to_the_right(book, caller):
    first = caller.append("'Sheet1'", [["x", "", "z"]])
    second = caller.append("'Sheet1'", [["1", "2", "3"]])
    third = caller.append("'Sheet1'!A1", [["p", "q"]])

    assert "tableRange" not in first
    assert first["updates"]["updatedCells"] == 3
    assert (second["tableRange"], second["updates"]["updatedRange"]) == ("Sheet1!C1", "Sheet1!C2:E2")
    assert (third["tableRange"], third["updates"]["updatedRange"]) == ("Sheet1!A1", "Sheet1!A2:B2")


def test_an_append_that_overwrites_goes_over_what_stands_below_the_table(book, caller):
    book.fill("Sheet1", [["a"], [], ["c"]])

    caller.append("A1", [["x"], ["y"]])

    assert book.values("Sheet1") == [["a"], ["x"], ["y"]]


def test_an_append_that_inserts_moves_what_stands_below_the_table(book, caller):
    book.fill("Sheet1", [["a"], [], ["c"]])

    caller.append("A1", [["x"], ["y"]], insertDataOption="INSERT_ROWS")

    assert book.values("Sheet1") == [["a"], ["x"], ["y"], [None], ["c"]]
    assert book.tabs["Sheet1"].row_count == 1002


def test_an_append_adds_rows_at_the_end_of_the_grid(sheets):
    book = sheets.add_spreadsheet(rows=2, columns=2)
    with calling(sheets, book) as caller:
        caller.append("Sheet1", [["a"], ["b"], ["c"]])

    assert book.values("Sheet1") == [["a"], ["b"], ["c"]]
    assert book.tabs["Sheet1"].row_count == 3


def test_a_formula_that_fills_its_column_counts_as_data_down_to_the_last_row(book, caller):
    book.fill("Sheet1", [["id", "nama"], ["1", "x"]])
    book.add_formula_column("Sheet1", "rumus", "=ARRAYFORMULA(A2:A)")

    assert caller.append("Sheet1", [["2", "y"]])["updates"]["updatedRange"] == "Sheet1!A1001:B1001"
    assert len(caller.get("Sheet1")["values"]) == 1001


def test_clearing_leaves_formats_and_names_what_it_cleared(book, caller):
    caller.put("A1", [["2020-01-01", "x"]], "USER_ENTERED")

    assert caller.ok("POST", "/values/'Sheet1':clear")["clearedRange"] == "Sheet1!A1:Z1000"
    assert book.values("Sheet1") == []
    assert book.cell("Sheet1", "A1").number_format.type == "DATE"
    ranges = {"ranges": ["'Sheet1'!A1:B1", "C2"]}
    assert caller.ok("POST", "/values:batchClear", ranges)["clearedRanges"] == ["Sheet1!A1:B1", "Sheet1!C2"]


def test_several_ranges_are_read_in_their_order(book, caller):
    book.fill("Sheet1", [["a", "b"], ["c", "d"]])

    found = caller.ok("GET", "/values:batchGet", ranges=["Sheet1!B:B", "A1"], majorDimension="COLUMNS")

    assert [part["values"] for part in found["valueRanges"]] == [[["b", "d"]], [["a"]]]


def test_a_tab_title_may_hold_slashes_colons_and_quotes(book, caller):
    book.add_tab("a/b:append 'c'")

    caller.put("'a/b:append ''c'''!A1", [["x"]])

    assert book.values("a/b:append 'c'") == [["x"]]


def test_formulas_that_refer_to_one_another_in_circles_come_to_an_end(book, caller):
    caller.put("A1:A20", [["=SUM(A1:A20)"]] * 20, "USER_ENTERED")

    assert len(caller.get("A1:A20")["values"]) == 20


def test_a_formula_reads_other_tabs(book, caller):
    book.add_tab("it's")
    book.fill("it's", [[1, 2], [3, None]])
    caller.put(
        "A1", [["='it''s'!B1", "=SUM('it''s'!A:B)", "=COUNTA('it''s'!A:B)", "=-'it''s'!A2*(2+1)"]], "USER_ENTERED"
    )

    assert book.values("Sheet1") == [[2, 6, 3, -9]]
