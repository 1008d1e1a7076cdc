"""Delimited files: every dialect gives the same rows, and a broken row is named by its line."""

import csv
import io
import random
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backhaul.errors import SourceChanged
from backhaul.formats import prove, read_table


def table(path: Path, data: bytes, text_columns: tuple[str, ...] = ()) -> pl.DataFrame:
    path.write_bytes(data)
    return pl.concat(list(read_table(path, text_columns=text_columns)))


DIALECTS = {
    "comma": ("id,nama,total\n007,é a,1.5\n008,b,2\n", "utf-8"),
    "mark": ("id,nama,total\n007,é a,1.5\n008,b,2\n", "utf-8-sig"),
    "utf-16 with sep=": ("sep=;\r\nid;nama;total\r\n007;é a;1.5\r\n008;b;2\r\n", "utf-16"),
    "quoted sep=": ('"sep=|"\r\nid|nama|total\r\n007|é a|1.5\r\n008|b|2\r\n', "utf-8"),
    "tab in cp1252": ("id\tnama\ttotal\n007\té a\t1.5\n008\tb\t2", "cp1252"),
    "bar": ("id|nama|total\n007|é a|1.5\n008|b|2\n", "utf-8"),
    "quotes": ('"id","nama","total"\r\n"007","é a","1.5"\r\n"008","b","2"\r\n', "utf-8"),
    "blank lines": ("\n\nid,nama,total\n\n007,é a,1.5\n\n008,b,2\n\n", "utf-8"),
    "separators at line ends": ("id,nama,total\n007,é a,1.5,,\n008,b,2,\n", "utf-8"),
    "padded header": (" id , nama ,total\n007,é a,1.5\n008,b,2\n", "utf-8"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_rows(tmp_path: Path, dialect: str) -> None:
    text, encoding = DIALECTS[dialect]

    frame = table(tmp_path / "f", text.encode(encoding))

    assert frame.columns == ["id", "nama", "total"]
    assert frame.rows() == [("007", "é a", 1.5), ("008", "b", 2.0)]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1255", "דוד כהן-לוי"),
        ("iso8859-8", "תל אביב"),
        ("cp1252", "été à Zürich: 5 €"),
        ("iso8859-1", "ÉTÉ Ñandú"),
        ("iso8859-15", "5 € für José"),
    ],
)
def test_text_of_one_byte_a_character_is_told_by_its_words(tmp_path: Path, encoding: str, name: str) -> None:
    data = f"id;nama\n1;x\n2;{name}\n".encode(encoding)
    (tmp_path / "g").write_bytes(data)
    prove(tmp_path / "g")

    assert table(tmp_path / "f", data)["nama"].to_list() == ["x", name]


def test_an_alphabet_that_cannot_be_told_is_refused_rather_than_garbled(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="its alphabet is neither Latin nor Hebrew"):
        table(tmp_path / "f", "id;имя\n1;Иван\n2;Ольга\n".encode("cp1251"))


def test_utf_16_with_the_high_byte_first_is_read(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", b"\xfe\xff" + "id;ä\n1;ö\n".encode("utf-16-be"))

    assert frame.to_dicts() == [{"id": 1, "ä": "ö"}]


def test_quoted_fields_keep_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", b'id,note\n1,"a, ""b""\r\nc"\n2,"x\n\ny"\n')

    assert frame["note"].to_list() == ['a, "b"\r\nc', "x\n\ny"]


def test_a_lone_quote_in_a_field_is_a_character(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", b'id,size\n1,5" pipe\n2,"6"\n3,7" pipe\n')

    assert frame["size"].to_list() == ['5" pipe', "6", '7" pipe']


def test_a_file_with_only_a_header_gives_one_frame_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"id,name\n")

    frames = list(read_table(path))

    assert [(frame.height, frame.columns) for frame in frames] == [(0, ["id", "name"])]


def test_rows_without_a_key_and_rows_of_separators_are_rows(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", b'id,name\n1,a\n,b\n,\n"",""\n2,c\n')

    assert frame["id"].to_list() == [1, None, None, None, 2]
    assert frame["name"].to_list() == ["a", "b", None, None, "c"]


def test_empty_last_fields_are_no_missing_fields(tmp_path: Path) -> None:
    data = b'id,note,last\n1,"a,\nb",\n2,"c,\r\nd",\n3,e,x\n4,f,\r\n5,"g,",""\n6,h,'

    assert table(tmp_path / "f", data)["last"].to_list() == [None, None, "x", None, None, None]


def test_a_separator_and_line_end_inside_quotes_does_not_hide_a_missing_field(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="line 4 has 1 fields, the header has 2"):
        table(tmp_path / "f", b'id,note\n1,"a,\nb"\n2\n3,\n')


def test_an_empty_header_name_is_numbered(tmp_path: Path) -> None:
    assert table(tmp_path / "f", b"id,,name, \n1,2,3,4\n").columns == ["id", "column_2", "name", "column_4"]


def test_names_that_stand_twice_after_trimming_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="2 column names stand twice: id, name"):
        table(tmp_path / "f", b"id,name, id,name,x\n1,2,3,4,5\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,2\n3\n4,5\n", "line 3 has 1 fields, the header has 2"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header has 2"),
        (b'sep=,\na,b\n"1\n2",2\n3,4,5\n', "line 5 has 3 fields"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "line 4 cannot be read .* cut off"),
        (b'a,b\n1,2\n"3"x,4\n', "line 3 cannot be read"),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le") + b"\x00\xd8\x2c\x00", "neither UTF-8 nor utf-16-le"),
        (b"a,b\n1,\x81\n", "neither UTF-8 nor cp1252"),
        (b"a,b\n" + b"1,2\n" * 100_000 + b"1,\x00\n", "NUL bytes"),
    ],
)
def test_a_broken_row_is_named_by_its_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SourceChanged, match=message):
        table(tmp_path / "f", data)


def test_text_columns_stay_text_and_are_trimmed_and_others_keep_their_white_space(tmp_path: Path) -> None:
    frame = table(tmp_path / "f", b"id,n,note\n 12 ,1, a \n  ,2,b\n", text_columns=("id", "absent"))

    assert frame.to_dict(as_series=False) == {"id": ["12", None], "n": [1, 2], "note": [" a ", "b"]}


def test_columns_are_typed_by_all_their_values(tmp_path: Path) -> None:
    data = (
        b"n,price,day,at,ok,phone,long,plus,none,version\n"
        b"-5,1.50,2025-09-12,2025-09-12 08:00:45,true,081234567890,12345678901234567890,+1,,1.0.2\n"
        b"0,,2024-02-29,2025-09-12T08:00,FALSE,62812,1,2,,3\n"
    )

    frame = table(tmp_path / "f", data)

    assert frame.row(0) == (
        *(-5, 1.5, date(2025, 9, 12), datetime(2025, 9, 12, 8, 0, 45), True),
        *("081234567890", "12345678901234567890", "+1", None, "1.0.2"),
    )
    assert frame.row(1) == (
        *(0, None, date(2024, 2, 29), datetime(2025, 9, 12, 8, 0), False),
        *("62812", "1", "2", None, "3"),
    )
    assert frame.schema["none"] == pl.String


def test_a_value_late_in_a_large_file_decides_for_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    lines = [f"{n},{n},2025-01-01,{'x' * 200}" for n in range(120_000)]
    path.write_text("\n".join(["id,code,day,filler", *lines, "120000,00A,2025-02-30,x"]) + "\n")
    assert path.stat().st_size > 16 * 1024**2

    frames = list(read_table(path))

    assert len({tuple(frame.schema.items()) for frame in frames}) == 1
    assert max(frame.height for frame in frames) <= 50_000
    assert list(frames[0].schema.values()) == [pl.Int64, pl.String, pl.String, pl.String]
    assert pl.concat(frames)["id"].to_list() == list(range(120_001))


def test_a_lone_quote_late_in_a_large_file_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "f"
    notes = {60_000: '5" pipe', 60_001: '"two\nlines"', 90_000: '"a ""b"""'}
    lines = [f"{n},{notes.get(n, 'x' * 90)}" for n in range(100_000)]
    path.write_text("\n".join(["id,note", *lines]) + "\n")

    frame = pl.concat(list(read_table(path)))

    assert frame["id"].to_list() == list(range(100_000))
    assert [frame["note"][n] for n in notes] == ['5" pipe', "two\nlines", 'a "b"']


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_records_that_cross_block_borders_come_back_whole(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f"
    source = random.Random(3)
    notes = [source.choice(['é"', "a\nb", ",", "x\r\ny", "ü" * 99]) * source.randrange(1, 9) for _ in range(60_000)]
    quoted = (f'{n},"{note.replace(chr(34), chr(34) * 2)}"' for n, note in enumerate(notes))
    path.write_bytes("\n".join(["id,note", *quoted]).encode(encoding))
    assert path.stat().st_size > 5 * 1024**2
    prove(path)

    frame = pl.concat(list(read_table(path)))

    assert frame["id"].to_list() == list(range(60_000))
    assert frame["note"].to_list() == notes


def test_reading_twice_gives_the_same_rows_and_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    data = "id;ä\n1;ö\n".encode("utf-16")

    assert table(tmp_path / "f", data).equals(table(tmp_path / "f", data))
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


def by_the_csv_module(text: str, width: int) -> list[tuple[str | None, ...]] | None:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="\n"), strict=True) if row]
    except csv.Error:
        return None
    if any(len(row) < width or any(row[width:]) for row in rows):
        return None
    return [tuple(value or None for value in row[:width]) for row in rows]


pieces = some.sampled_from(["a", "b", ",", ",", "\n", "\n", "\r\n", '"', '""', ',"', '",', '"\n', "a,b,c\n", "é"])


@settings(deadline=None, max_examples=300)
@given(body=some.lists(pieces, max_size=25).map("".join))
def test_any_text_is_read_as_the_csv_module_reads_it_or_refused(
    tmp_path_factory: pytest.TempPathFactory, body: str
) -> None:
    path = tmp_path_factory.mktemp("t") / "f"
    header = "x,y,z\n1,2,3\n4,5,6\n7,8,9\n"
    expected = by_the_csv_module(body, 3)

    try:
        rows = table(path, (header + body).encode(), text_columns=()).cast(pl.String).rows()[3:]
    except SourceChanged:
        assert expected is None
    else:
        assert rows == expected


@pytest.mark.parametrize("start", ["1,", "\n1,"])
@pytest.mark.parametrize("cell", ["x" * 500_000, '"' + "x" * 500_000 + '\n"'])
def test_a_cell_of_any_length_is_read_whatever_else_is_in_the_file(tmp_path: Path, start: str, cell: str) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"id,note\n{start}{cell}\n2,short\n")

    rows = pl.concat(read_table(path))

    assert rows["note"].str.len_chars().to_list() == [len(cell.strip('"')), 5]
