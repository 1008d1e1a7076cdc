"""Archives made byte by byte: what is read, and what is refused and how."""

import gzip
import os
import zlib
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.formats import FileKind, kind_of, prove, read_table
from backhaul.formats.pgdump import Archive, prove_archive
from backhaul.formats.pgdump.copytext import FRAME_BYTES
from tests.formats.archives import GZIP, LZ4, NONE, SET, ZSTD, archive, built, chunks, integer, packed, parsed

ITEMS = "(kodeitem, namaitem, gambar, satuan)"
ROWS = "A1\tSabun é\t\\\\xffd8\tPCS\nA2\t\\N\t\\N\t\n".encode()
STOCK = b"A1\t12.000\nA2\t-3.500\n"
TABLES = {"tbl_item": (ITEMS, ROWS), "tbl_itemstok": ("(kodeitem, stok)", STOCK)}
EXPECTED = [("Sabun é", "A1"), (None, "A2")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.i5bu"


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def rows_of(path: Path, *columns: str, table: str = "tbl_item") -> list[tuple[str | None, ...]]:
    return pl.concat(Archive.open(path).read(table, columns)).rows()


def cell(path: Path, field: bytes) -> str | None:
    """Write a table with one row of three fields, the middle one given; return it as it is read."""
    path.write_bytes(archive({"t": ("(a, b, c)", b"x\t" + field + b"\ty\n")}))
    (row,) = rows_of(path, "a", "b", "c", table="t")
    assert (row[0], row[2]) == ("x", "y")
    return row[1]


@pytest.mark.parametrize(
    ("version", "packing"),
    [
        *product([(1, 12), (1, 13), (1, 14)], [NONE, GZIP]),
        *product([(1, 15), (1, 16)], [NONE, GZIP, LZ4, ZSTD]),
    ],
)
@pytest.mark.parametrize("has_offsets", [True, False])
def test_columns_come_in_the_order_asked_for(
    file: Path, version: tuple[int, int], packing: int, has_offsets: bool
) -> None:
    file.write_bytes(archive(TABLES, version=version, packing=packing, has_offsets=has_offsets))

    prove_archive(file)

    assert rows_of(file, "namaitem", "kodeitem") == EXPECTED
    assert rows_of(file, "stok", table="tbl_itemstok") == [("12.000",), ("-3.500",)]


def test_an_archive_tells_what_it_is_and_holds(file: Path) -> None:
    file.write_bytes(archive(TABLES))

    found = Archive.open(file)

    assert (found.version, found.database, str(found.made_at_local)) == ("1.14", "i5_2026", "2026-11-22 19:30:05")
    assert found.way == "own reader"
    assert [(table.schema, table.name, table.columns) for table in found.tables] == [
        ("public", "tbl_item", ("kodeitem", "namaitem", "gambar", "satuan")),
        ("public", "tbl_itemstok", ("kodeitem", "stok")),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"", ""),
        (b"\\N", None),
        (b"\\\\N", "\\N"),
        (b"N", "N"),
        (b"\\b\\f\\n\\r\\t\\v\\\\", "\b\f\n\r\t\v\\"),
        (b"\\\\n", "\\n"),
        (b"\\\\\\n", "\\\n"),
        (b"\\\\", "\\"),
        (b"\\\\.", "\\."),
        (b"\\101\\x42\\x4Z\\7", "AB\x04Z\x07"),
        (b"\\303\\251\\xc3\\xa9", "éé"),
        (b"\\q\\8\\x", "q8x"),
        (b"a\\\tb", "a\tb"),
        (b"a\\\nb", "a\nb"),
        (b"\\\\\\\t", "\\\t"),
        (b'"', '"'),
        (b'"a" "b', '"a" "b'),
        (b"#a", "#a"),
        (b" a ", " a "),
        (b"null", "null"),
        ("\ufeff\u2028\x85".encode(), "\ufeff\u2028\x85"),
        (b"\x01\x0b\x1f\x7f", "\x01\x0b\x1f\x7f"),
    ],
)
def test_copy_text_means_what_postgresql_says(file: Path, field: bytes, value: str | None) -> None:
    assert cell(file, field) == value


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"\n\n\\N\n\nx\n\n", ["", "", None, "", "x", ""]),
        (b"\\\\.\n", ["\\."]),
        ("\ufeffa\n".encode(), ["\ufeffa"]),
        (b"a\r\nb\r\n", ["a\r", "b\r"]),
    ],
)
def test_tables_of_one_column_lose_no_row(file: Path, rows: bytes, values: list[str | None]) -> None:
    file.write_bytes(archive({"t": ("(a)", rows)}))

    assert [row[0] for row in rows_of(file, "a", table="t")] == values


FIELDS = (
    st.none()
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
    | st.text("\\\t\n\r N.", max_size=4)
)
ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
RAW = ESCAPES | {"\t": "\\\t", "\n": "\\\n", "\b": "\\010", "\f": "\\x0C", "\v": "\v", "\r": "\r"}
SAME_AS_SERVER, AS_FOREIGN_PROGRAMS = str.maketrans(ESCAPES), str.maketrans(RAW)


@given(
    rows=st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[FIELDS] * width), max_size=6)),
    how=st.sampled_from([SAME_AS_SERVER, AS_FOREIGN_PROGRAMS]),
)
def test_any_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]], how: dict[int, str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.i5bu"
    names = tuple("abcd"[: len(rows[0]) if rows else 2])
    lines = ["\t".join("\\N" if field is None else field.translate(how) for field in row) + "\n" for row in rows]
    file.write_bytes(archive({"t": (f"({', '.join(names)})", "".join(lines).encode())}))

    assert rows_of(file, *names, table="t") == rows


def test_a_table_without_columns_keeps_its_number_of_rows(file: Path) -> None:
    file.write_bytes(archive({"t": ("", b"\n\n\n")}))

    assert [frame.shape for frame in Archive.open(file).read("t", ())] == [(3, 0)]


def test_names_may_hold_anything(file: Path) -> None:
    file.write_bytes(archive({"t": ('("a, ""b""", "c) FROM stdin;", "é d", e)', b"1\t2\t3\t4\n")}))

    assert Archive.open(file).tables[0].columns == ('a, "b"', "c) FROM stdin;", "é d", "e")
    assert rows_of(file, "e", "é d", 'a, "b"', table="t") == [("4", "3", "1")]


def test_a_table_dumped_with_oids_has_them_first(file: Path) -> None:
    file.write_bytes(archive({"t": ("(a) WITH OIDS", b"16400\tx\n")}))

    assert rows_of(file, "a", table="t") == [("x",)]


def test_text_in_another_encoding_becomes_unicode(file: Path) -> None:
    file.write_bytes(archive({"t": ("(a, b)", "Café €\t\\N\n".encode("cp1252"))}, encoding="WIN1252"))

    assert rows_of(file, "a", "b", table="t") == [("Café €", None)]


@pytest.mark.parametrize(("packing", "chunk"), [(GZIP, 4096), (NONE, 97), (NONE, 100_000), (NONE, 2**30)])
def test_a_large_table_comes_in_frames_of_bounded_size(file: Path, packing: int, chunk: int) -> None:
    rows = b"".join(b"%d\tB\\\\%s\n" % (number, b"z" * 90) for number in range(120_000))
    file.write_bytes(archive({"t": ("(a, b)", rows)}, packing=packing, chunk=chunk))
    prove_archive(file)

    frames = list(Archive.open(file).read("t", ("b", "a")))

    assert len(frames) >= len(rows) // FRAME_BYTES
    assert max(frame.estimated_size() for frame in frames) < 2 * FRAME_BYTES
    assert pl.concat(frames)["a"].to_list() == [str(number) for number in range(120_000)]
    assert pl.concat(frames)["b"].unique().to_list() == ["B\\" + "z" * 90]


@pytest.mark.parametrize("packing", [NONE, GZIP])
def test_a_row_longer_than_a_frame_is_read(file: Path, packing: int) -> None:
    rows = b"1\t\\\\x" + b"ffd8" * FRAME_BYTES + b"\n2\tx\n"
    file.write_bytes(archive({"t": ("(a, b)", rows)}, packing=packing, chunk=8192))

    frames = list(Archive.open(file).read("t", ("a",)))

    assert pl.concat(frames)["a"].to_list() == ["1", "2"]


@pytest.mark.parametrize(
    "rows", [b"a\tb\nc\n", b"a\tb\nc\td\te\n", b"a\nc\td\te\n", b"a\t\xff\n", b"\\377\tb\n", b"\n"]
)
def test_rows_that_are_not_as_declared_are_refused(file: Path, rows: bytes) -> None:
    file.write_bytes(archive({"t": ("(a, b)", rows)}))

    with pytest.raises(TransientError, match=r"damaged near byte .* the data of public\.t"):
        rows_of(file, "a", "b", table="t")


def test_text_that_is_not_in_its_encoding_is_refused(file: Path) -> None:
    file.write_bytes(archive({"t": ("(a)", b"\x81\n")}, encoding="WIN1252"))

    with pytest.raises(SourceChanged, match="said to be cp1252 and are not"):
        rows_of(file, "a", table="t")


def test_a_row_that_would_fill_memory_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backhaul.formats.pgdump.copytext.MAX_ROW_BYTES", 5 * 1024**2)
    file.write_bytes(archive({"t": ("(a, b)", b"1\t" + b"ab" * 8 * 1024**2 + b"\n")}, packing=NONE, chunk=4096))

    with pytest.raises(SourceChanged, match="have a row of over 5 MB"):
        rows_of(file, "a", table="t")


@pytest.mark.parametrize("has_offsets", [True, False])
@pytest.mark.parametrize("packing", [NONE, GZIP])
def test_an_archive_cut_off_anywhere_is_refused(file: Path, has_offsets: bool, packing: int) -> None:
    whole = archive(TABLES, has_offsets=has_offsets, packing=packing)
    file.write_bytes(whole)

    for size in reversed(range(len(whole))):
        os.truncate(file, size)
        with pytest.raises(TransientError) as caught:
            prove_archive(file)
        assert "Wait until" in caught.value.next_step or not size


def test_a_cut_archive_says_where_and_how_much(file: Path) -> None:
    whole = archive(TABLES)
    file.write_bytes(whole[:-30])

    with pytest.raises(
        TransientError, match=rf"ends at byte {len(whole) - 30:,}, within the data of public.tbl_itemstok"
    ):
        prove_archive(file)


def test_missing_blocks_are_named(file: Path) -> None:
    raw, end = parsed(archive(TABLES, has_offsets=False, with_large_objects=False))
    first = raw.data.index(b"\x01" + integer(4))
    file.write_bytes(built(raw)[: end + first])

    with pytest.raises(TransientError, match=r"within the data of public\.tbl_itemstok"):
        prove_archive(file)


def test_a_hole_of_zero_bytes_is_found(file: Path) -> None:
    whole = bytearray(archive(TABLES, chunk=8))
    raw, end = parsed(bytes(whole))
    middle = end + len(raw.data) // 2
    whole[middle : middle + 64] = bytes(64)
    file.write_bytes(whole)

    with pytest.raises(TransientError, match="damaged"):
        prove_archive(file)


@pytest.mark.parametrize("tail", [b"\0", b"\x01", b"garbage", bytes(5000)])
def test_bytes_behind_the_last_block_are_refused(file: Path, tail: bytes) -> None:
    file.write_bytes(archive(TABLES) + tail)

    with pytest.raises(TransientError, match=f"{len(tail):,} bytes are there that nothing announces"):
        prove_archive(file)


@pytest.mark.parametrize("packing", [NONE, GZIP, LZ4, ZSTD])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text, pack: pack(text[:-4]),
        lambda text, pack: pack(text + b"A9\tx\n"),
        lambda text, pack: pack(text) + b"more",
        lambda text, pack: pack(text)[:-3],
        lambda text, pack: pack(b""),
        lambda text, pack: b"",
    ],
    ids=["no end mark", "rows behind it", "data behind the stream", "stream cut", "nothing", "no stream"],
)
def test_a_table_that_does_not_end_properly_is_refused(file: Path, packing: int, spoil) -> None:  # type: ignore[no-untyped-def]
    raw, _ = parsed(archive({"t": ("(a, b)", b"")}, version=(1, 16), packing=packing, with_large_objects=False))
    text = STOCK + b"\\.\n\n\n"
    raw.data = b"\x01" + integer(3) + chunks(spoil(text, lambda data: packed(data, packing)), 16)
    file.write_bytes(built(raw))

    with pytest.raises(TransientError):
        rows_of(file, "a", "b", table="t")


def test_no_single_wrong_byte_gives_a_wrong_table(file: Path) -> None:
    whole = archive(TABLES)

    for at in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[at] ^= 1 << at % 8
        file.write_bytes(spoiled)
        try:
            assert rows_of(file, "namaitem", "kodeitem") == EXPECTED
        except BackhaulError as error:
            assert len(str(error)) > 20


@given(
    packing=st.sampled_from([NONE, GZIP, LZ4, ZSTD]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=12)), max_size=6),
)
@example(packing=ZSTD, changes=[])
def test_garbage_fails_with_words(
    tmp_path_factory: pytest.TempPathFactory, packing: int, changes: list[tuple[float, bytes]]
) -> None:
    whole = bytearray(archive(TABLES, version=(1, 16), packing=packing))
    for place, new in changes:
        at = int(place * len(whole))
        whole[at : at + len(new)] = new
    file = tmp_path_factory.getbasetemp() / f"{zlib.crc32(whole)}.i5bu"
    file.write_bytes(whole)

    try:
        prove_archive(file)
        for table in Archive.open(file).tables:
            list(Archive.open(file).read(table.name, table.columns, table.schema))
    except BackhaulError as error:
        assert error.next_step
    finally:
        file.unlink()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n", "an SQL script"),
        (b"toc.dat" + bytes(250) + b"ustar\x0000" + bytes(300), "a tar archive"),
        (b"PGDMP" + bytes([1, 14, 0, 4, 8, 5]) + bytes(99), "directory dump"),
        (b"PGDMP" + bytes([1, 14, 0, 4, 8, 3]) + bytes(99), "directory dump"),
        (b"PGDMP" + bytes([1, 14, 0, 9, 8, 1]) + bytes(99), "unknown layout"),
        (gzip.compress(b"PGDMP", mtime=0), "a gzip file"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"\x93\x17\x42" * 300, "perhaps encrypted"),
    ],
)
def test_what_is_no_archive_is_named(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)

    for refuse in (prove_archive, Archive.open):
        with pytest.raises(SourceChanged, match=words):
            refuse(file)


def test_a_folder_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="a folder, perhaps a directory dump"):
        prove_archive(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PGD", bytes(4096)])
def test_what_is_not_written_yet_is_tried_again(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(TransientError, match="backup"):
        prove_archive(file)


def test_a_missing_file_is_said(file: Path) -> None:
    with pytest.raises(TransientError, match=r"backup\.i5bu: the backup cannot be opened"):
        Archive.open(file)


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("version", [(1, 10), (1, 11), (1, 17), (2, 0)])
def test_an_unknown_version_is_refused(file: Path, version: tuple[int, int]) -> None:
    file.write_bytes(archive(TABLES, version=version))

    for refuse in (prove_archive, Archive.open):
        with pytest.raises(SourceChanged, match=rf"version {version[0]}\.{version[1]}; 1\.12 to 1\.16 are read"):
            refuse(file)


def test_an_unknown_packing_is_refused(file: Path) -> None:
    file.write_bytes(archive(TABLES, version=(1, 16), packing=9))

    with pytest.raises(SourceChanged, match="packed in a way that is not known"):
        prove_archive(file)


def test_an_encoding_that_python_lacks_is_refused(file: Path) -> None:
    file.write_bytes(archive(TABLES, encoding="MULE_INTERNAL"))

    with pytest.raises(SourceChanged, match="MULE_INTERNAL"):
        Archive.open(file)


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize(("packing", "library"), [(LZ4, "lz4"), (ZSTD, "zstandard")])
def test_a_missing_library_names_the_extra(
    file: Path, monkeypatch: pytest.MonkeyPatch, packing: int, library: str
) -> None:
    file.write_bytes(archive(TABLES, version=(1, 16), packing=packing))
    for module in (library, "lz4.frame"):
        monkeypatch.setitem(__import__("sys").modules, module, None)

    prove_archive(file)
    with pytest.raises(ConfigError, match="is not installed") as caught:
        Archive.open(file)

    assert "backhaul[archives]" in caught.value.next_step


def test_a_missing_table_or_column_is_said_at_once(file: Path) -> None:
    raw, _ = parsed(archive(TABLES, with_large_objects=False))
    raw.entries[1].tag = "tbl_empty"
    file.write_bytes(built(raw))
    found = Archive.open(file)

    with pytest.raises(SourceChanged, match=r"table public\.tbl_itemhj is not among the 2"):
        found.read("tbl_itemhj", ("kodeitem",))
    with pytest.raises(SourceChanged, match=r"1 of that name are in other schemas"):
        found.read("tbl_item", ("kodeitem",), schema="arsip")
    with pytest.raises(SourceChanged, match="defined in the archive, but its rows are not in it"):
        found.read("tbl_empty", ("kodeitem",))
    with pytest.raises(SourceChanged, match=r"tbl_item has no column harga, jual"):
        found.read("tbl_item", ("harga", "kodeitem", "jual"))
    with pytest.raises(ConfigError, match="twice"):
        found.read("tbl_item", ("kodeitem", "kodeitem"))


def test_a_file_that_grows_is_not_read(file: Path) -> None:
    file.write_bytes(archive(TABLES))
    found = Archive.open(file)
    with file.open("ab") as backup:
        backup.write(b"more")

    with pytest.raises(TransientError, match=r"has .* now"):
        list(found.read("tbl_item", ("kodeitem",)))


def test_a_table_that_is_announced_twice_is_refused(file: Path) -> None:
    raw, _ = parsed(archive(TABLES, with_large_objects=False))
    raw.entries[4].tag = "tbl_item"
    file.write_bytes(built(raw))

    with pytest.raises(TransientError, match="announced twice"):
        Archive.open(file)


def test_an_offset_that_leads_to_another_table_is_refused(file: Path) -> None:
    raw, _ = parsed(archive(TABLES, with_large_objects=False))
    raw.entries[2].place, raw.entries[4].place = raw.entries[4].place, raw.entries[2].place
    file.write_bytes(built(raw))

    with pytest.raises(TransientError, match="other data begin"):
        rows_of(file, "kodeitem")
    with pytest.raises(TransientError, match="where others should"):
        prove_archive(file)


def test_an_offset_outside_the_file_is_a_cut_file(file: Path) -> None:
    raw, _ = parsed(archive(TABLES))
    raw.entries[-1].place = (SET, 2**63)
    file.write_bytes(built(raw))

    with pytest.raises(TransientError, match="cut off"):
        Archive.open(file)


@pytest.mark.parametrize(
    ("field", "error", "words"),
    [
        (integer(2_000_000), SourceChanged, "2,000,000 entries"),
        (integer(900_000), TransientError, "cut off"),
        (integer(-5), TransientError, "a length or id is -5"),
    ],
)
def test_numbers_that_promise_too_much_are_refused(
    file: Path, field: bytes, error: type[BackhaulError], words: str
) -> None:
    raw, _ = parsed(archive(TABLES))
    count = len(raw.entries)
    raw.entries = []
    head = built(raw)[: -len(raw.data)]
    assert count
    file.write_bytes(head[:-5] + field + bytes(10_000))

    with pytest.raises(error, match=words):
        prove_archive(file)


def test_a_name_that_would_fill_memory_is_refused(file: Path) -> None:
    raw, _ = parsed(archive(TABLES))
    raw.entries[-1].texts[2] = "COPY t (" + "a" * 2**20
    file.write_bytes(built(raw))

    with pytest.raises(SourceChanged, match="over 1,048,576 are not read"):
        prove_archive(file)


@pytest.mark.parametrize("packing", [GZIP, ZSTD])
def test_a_bomb_is_refused(file: Path, packing: int) -> None:
    file.write_bytes(
        archive({"t": ("(a)", b"a" * 79 * 1024**2 + b"\n")}, version=(1, 16), packing=packing, chunk=4096)
    )
    prove_archive(file)

    with pytest.raises(SourceChanged, match="a bomb"):
        rows_of(file, "a", table="t")


def test_insert_statements_are_refused(file: Path) -> None:
    raw, _ = parsed(archive(TABLES, has_offsets=False))
    raw.entries[-1].texts[2] = None
    file.write_bytes(built(raw))

    with pytest.raises(SourceChanged, match="COPY statement"):
        prove_archive(file)


def test_the_formats_know_archives(file: Path) -> None:
    file.write_bytes(archive(TABLES))

    prove(file)

    assert kind_of(file) is FileKind.PGDUMP
    with pytest.raises(SourceChanged, match="a PostgreSQL archive of 2 tables, where one table"):
        list(read_table(file))
    file.write_bytes(archive(TABLES)[:-1])
    with pytest.raises(TransientError, match="cut off"):
        prove(file)
