"""JSON: records wherever they are in the file, numbers without loss, messages never taken for data."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.formats import prove, read_table


def saved(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(path: Path, text: str | bytes, **options: Any) -> pl.DataFrame:
    prove(saved(path, text))
    return pl.concat(read_table(path, **options))


ARRAY = '[{"id": "007", "n": 1}, {"id": "8", "n": 2}]'
SHAPES = {
    "array": ARRAY,
    "lines": '{"id": "007", "n": 1}\n{"id": "8", "n": 2}\n',
    "lines without an end": '{"id": "007", "n": 1}\r\n{"id": "8", "n": 2}',
    "data": f'{{"success": true, "message": "OK", "data": {ARRAY}}}',
    "inside": f'{{"meta": {{"page": 1}}, "result": {{"total": 2, "rows": {ARRAY}}}}}',
    "the only list": f'{{"transaksi": {ARRAY}, "warna": ["a", "b"], "kosong": []}}',
    "rows with a header": '[["id", "n"], ["007", 1], ["8", 2]]',
    "lines with a header": '["id", "n"]\n["007", 1]\n["8", 2]\n',
    "data with a header": '{"data": [["id", "n"], ["007", 1], ["8", 2]]}',
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_shape_gives_the_same_rows(tmp_path: Path, shape: str, encoding: str) -> None:
    frame = table(tmp_path / "f", SHAPES[shape].encode(encoding))

    assert frame.to_dicts() == [{"id": "007", "n": 1}, {"id": "8", "n": 2}]


def test_values_keep_their_types_and_numbers_their_digits(tmp_path: Path) -> None:
    record = (
        '{"n": 5, "price": 2.50, "big": 12345678901234567890123, "long": 0.12345678901234567, "exp": 1.5e3,'
        ' "ok": true, "none": null, "day": "2025-09-12", "digits": "12", "list": [1.50, {"a": "é"}], "empty": {}}'
    )

    frame = table(tmp_path / "f", f"[{record}]")

    assert frame.row(0) == (
        *(5, 2.5, "12345678901234567890123", "0.12345678901234567", 1500),
        *(True, None, date(2025, 9, 12), "12", '[1.50, {"a": "é"}]', None),
    )


def test_columns_of_several_types_are_text_as_written(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", '[{"a": 1, "b": 1, "c": true}, {"a": "x", "b": 2.5, "c": 0}]')

    assert frame.rows() == [("1", 1.0, "true"), ("x", 2.5, "0")]


def test_fields_may_be_missing_nested_and_new(tmp_path: Path) -> None:
    lines = '{"id": 1, "user": {"name": "a", "at": {"x": 1}}}\n{"id": 2, "late": true}\n'

    frame = table(tmp_path / "f", lines, text_columns=("id",))

    assert frame.to_dict(as_series=False) == {
        "id": ["1", "2"],
        "user.name": ["a", None],
        "user.at.x": [1, None],
        "late": [None, True],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"id": 1, "id": 2}]', "names the field 'id' twice"),
        ('[{"a.b": 1, "a": {"b": 2}}]', "both called 'a.b'"),
        ('[{"id": 1}, 5]', "value 2 of the JSON is no record"),
        ("[1, 2, 3]", "value 1 of the JSON is no record"),
        ('[[1, "a"], [2, "b"]]', "the first one is no header"),
        ('[["id", "n"], ["1"]]', "row 1 has 1 values, the header has 2"),
        ('{"a": [{"x": 1}], "b": [{"y": 1}]}', "2 lists of records: a, b"),
        ('[{"id": 1}] x', "cannot be read at character"),
        ('[{"id": 1,}]', "cannot be read at character"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"data": [{"id": 1}], "links": {"next": "x"}}', "one page of several, as its field 'links.next' says"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceChanged, match=message):
        table(tmp_path / "f", text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"error": "secret"}', "error"),
        ('{"message": "secret", "errors": {"a": ["secret"]}}', "message, errors"),
        ('{"status": "error", "message": "secret", "data": []}', "status, message, data"),
        ('{"success": false, "data": []}', "success, data"),
        ("{}", "none"),
    ],
)
def test_a_message_is_told_by_the_names_of_its_fields_alone(tmp_path: Path, text: str, fields: str) -> None:
    with pytest.raises(SourceChanged, match=f"a message with the fields {fields}$") as caught:
        prove(saved(tmp_path / "f", text))

    assert "secret" not in str(caught.value) + caught.value.next_step


def test_a_single_record_is_a_day_with_one_row(tmp_path: Path) -> None:
    one = '{"id": 1, "message": "hello"}\n'
    nested = '{"id": 1, "items": [{"q": 2}]}'

    assert table(tmp_path / "f", one).rows() == [(1, "hello")]
    assert table(tmp_path / "f", nested, text_columns=("id",)).rows() == [("1", '[{"q": 2}]')]


@pytest.mark.parametrize("text", ["[]", '{"data": []}', '{"success": true, "rows": []}'])
def test_an_empty_list_is_an_empty_day_without_any_column(tmp_path: Path, text: str) -> None:
    prove(saved(tmp_path / "f", text))

    assert list(read_table(tmp_path / "f", text_columns=("id",))) == []


@pytest.mark.parametrize("shape", [name for name in SHAPES if not name.startswith("lines")])
def test_a_document_cut_at_any_place_is_a_broken_download(tmp_path: Path, shape: str) -> None:
    whole = SHAPES[shape]
    for size in range(3, len(whole)):
        with pytest.raises(TransientError, match="broken download"):
            prove(saved(tmp_path / "f", whole[:size]))


def test_a_line_that_is_cut_off_is_a_broken_download(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="broken download"):
        prove(saved(tmp_path / "f", '{"id": 1}\n{"id": 2, "name": "a'))


def test_records_that_cross_block_borders_come_back_whole(tmp_path: Path) -> None:
    records = [{"id": number, "note": 'é\n"x"' * (number % 50), "n": number * 1001} for number in range(51_000)]
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)

    for text in (lines, f'{{"data": {json.dumps(records)}}}'):
        frames = list(read_table(saved(tmp_path / "f", text)))

        assert max(frame.height for frame in frames) <= 50_000
        assert len({tuple(frame.schema.items()) for frame in frames}) == 1
        assert pl.concat(frames)["n"].to_list() == [record["n"] for record in records]


values = some.one_of(some.none(), some.booleans(), some.integers(), some.text(), some.floats(allow_nan=False))
nested = some.recursive(values, lambda inner: some.lists(inner, max_size=3), max_leaves=5)


@settings(deadline=None, max_examples=80)
@given(rows=some.lists(some.dictionaries(some.sampled_from("abc"), nested, min_size=1), min_size=1, max_size=6))
def test_any_records_come_back_as_many(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    frame = table(tmp_path_factory.mktemp("j") / "f", json.dumps(rows))

    assert frame.height == len(rows)


@settings(deadline=None, max_examples=150)
@given(text=some.lists(some.sampled_from([*'[]{}",:1ae. \n', "null", "tru", '"id"', "\\u"]), max_size=25))
def test_any_text_ends_in_rows_or_in_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, text: list[str]
) -> None:
    path = saved(tmp_path_factory.mktemp("j") / "f", '[{"a": ' + "".join(text))
    for read in (prove, lambda file: list(read_table(file))):
        try:
            read(path)
        except BackhaulError as error:
            assert str(error).startswith("f: ")
