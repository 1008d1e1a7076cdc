"""An archive's tables as a stream's rows: what is missing is named, and what is not whole gives no row."""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from backhaul.errors import SourceChanged
from backhaul.model import Artifact, Stream
from backhaul.sources import ArchiveTable, DropboxFolder
from tests.formats.archives import LZ4, archive
from tests.postgres import newer_programs

ITEM = ("(kodeitem, namaitem, gambar)", b"A1\tSABUN\t\\\\xff\nA2\t\\N\t\\N\n")
PRICE = ("(kodeitem, hargajual)", b"A1\t3500.000\nA2\t\n")
SOURCE = DropboxFolder(folder="/IPOS", app_key="k", app_secret="s", refresh_token="r")


def joined(tables: Mapping[str, pl.DataFrame], remark: Callable[[str], None]) -> pl.DataFrame:
    return tables["tbl_item"].join(tables["tbl_itemhj"], on="kodeitem", how="left", maintain_order="left")


def stream_of(*tables: ArchiveTable) -> Stream:
    return SOURCE.newest("katalog", key="kodeitem", tables=tables, build=joined)


def rows(stream: Stream, path: Path, remarks: list[str] | None = None) -> pl.DataFrame:
    heard = remarks if remarks is not None else []
    artifact = Artifact(
        "a1", path, "backup_1.i5bu", path.name, path.stat().st_size, None, datetime.now(UTC), remark=heard.append
    )
    return pl.concat(list(stream.source.parse(stream, artifact)))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """An archive as it lies in raw: its name is a hash."""
    path = tmp_path / ("0" * 64)
    path.write_bytes(archive({"tbl_item": ITEM, "tbl_itemhj": PRICE, "tbl_lain": ("(x)", b"1\n" * 500)}))
    return path


ITEMS = ArchiveTable("tbl_item", ("kodeitem", "namaitem"))
PRICES = ArchiveTable("tbl_itemhj", ("kodeitem", "hargajual"))


def test_build_gets_the_tables_as_text_with_null_and_empty_kept_apart(kept):
    remarks: list[str] = []

    found = rows(stream_of(ITEMS, PRICES), kept, remarks)

    assert found.rows() == [("A1", "SABUN", "3500.000"), ("A2", None, "")]
    assert set(found.dtypes) == {pl.String}
    assert remarks == []


def test_optional_columns_and_tables_that_are_missing_are_empty(kept):
    prices = ArchiveTable("tbl_hilang", ("kodeitem", "hargajual"), is_optional=True)
    items = ArchiveTable("tbl_item", ("kodeitem",), optional=("statusjual", "namaitem"))
    seen: dict[str, pl.DataFrame] = {}

    def build(tables: Mapping[str, pl.DataFrame], remark: Callable[[str], None]) -> pl.DataFrame:
        seen.update(tables)
        return tables["tbl_item"]

    rows(SOURCE.newest("katalog", key="kodeitem", tables=(items, prices), build=build), kept)

    assert seen["tbl_item"].columns == ["kodeitem", "statusjual", "namaitem"]
    assert seen["tbl_item"]["statusjual"].to_list() == [None, None]
    assert seen["tbl_hilang"].schema == {"kodeitem": pl.String, "hargajual": pl.String}
    assert seen["tbl_hilang"].height == 0


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            ArchiveTable("tbl_items", ("kodeitem",)),
            ["table 'tbl_items' is missing in backup_1.i5bu", "tbl_item, tbl_itemhj"],
        ),
        (
            ArchiveTable("tbl_item", ("kode_item", "namaitem")),
            ["column 'kode_item' is missing in table 'tbl_item'", "kodeitem"],
        ),
    ],
)
def test_a_missing_table_or_column_is_named_with_those_that_are_like_it(kept, table, words):
    with pytest.raises(SourceChanged) as caught:
        rows(stream_of(table, PRICES), kept)

    assert all(word in str(caught.value) for word in words)
    assert "adapt the tables" in caught.value.next_step


def test_a_key_that_build_does_not_return_is_named(kept):
    stream = SOURCE.newest("katalog", key="barcode", tables=[ITEMS, PRICES], build=joined)

    with pytest.raises(SourceChanged, match="column 'barcode' is missing"):
        rows(stream, kept)


@pytest.mark.parametrize("left", [0, 3, 200, -1])
def test_a_backup_whose_end_is_missing_gives_no_row_also_where_its_tables_are_all_there(kept, left):
    content = kept.read_bytes()
    kept.write_bytes(content[:left])

    with pytest.raises(SourceChanged, match=r"katalog: backup_1\.i5bu") as caught:
        rows(stream_of(ITEMS, PRICES), kept)

    assert "0000" not in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize(
    "content", [b"-- PostgreSQL database dump\nCREATE TABLE tbl_item ();\n", b"PK\x03\x04", b"\xff" * 99]
)
def test_a_foreign_file_is_told_by_the_name_it_came_with(kept, content):
    kept.write_bytes(content)

    with pytest.raises(SourceChanged, match=r"backup_1\.i5bu") as caught:
        rows(stream_of(ITEMS, PRICES), kept)
    assert "0000" not in str(caught.value)


def test_without_tables_the_file_is_a_table_itself(tmp_path):
    path = tmp_path / ("0" * 64)
    path.write_text("id,total\n007,5\n", encoding="utf-8")
    stream = SOURCE.newest("orders", key="id", pattern="*.csv")

    assert rows(stream, path).rows() == [("007", 5)]
    path.write_text("nomor,total\n007,5\n", encoding="utf-8")
    with pytest.raises(SourceChanged, match="column 'id' is missing"):
        rows(stream, path)
    path.write_text("")
    with pytest.raises(SourceChanged, match=r"backup_1\.i5bu is not whole"):
        rows(stream, path)


def test_a_backup_that_only_pg_restore_can_read_is_read_and_remarked_on(tmp_path, monkeypatch):
    """Its packing needs a library that is not here."""
    if newer_programs() is None:
        pytest.skip("no pg_restore that knows such archives")
    path = tmp_path / ("0" * 64)
    path.write_bytes(archive({"tbl_item": ITEM, "tbl_itemhj": PRICE}, version=(1, 16), packing=LZ4))
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    monkeypatch.setenv("PATH", f"{newer_programs()}{os.pathsep}{os.environ['PATH']}")
    remarks: list[str] = []

    found = rows(stream_of(ITEMS, PRICES), path, remarks)

    assert found.rows() == [("A1", "SABUN", "3500.000"), ("A2", None, "")]
    assert len(remarks) == 1
    assert remarks[0].startswith("backup_1.i5bu was read with pg_restore 17")


def test_tables_that_would_fill_the_memory_are_refused_while_they_are_read(tmp_path):
    path, columns = tmp_path / ("0" * 64), tuple("abcdefgh")
    # 40 MB of empty fields, which is below what a bomb is told by, are 640 MB in memory.
    content = (f"({', '.join(columns)})", b"\t\t\t\t\t\t\t\n" * 5_000_000)
    path.write_bytes(archive({"tbl_item": content, "tbl_itemhj": PRICE}, chunk=65_536))

    with pytest.raises(SourceChanged, match=r"table 'tbl_item' of backup_1\.i5bu .* over 512 MB in memory") as caught:
        rows(stream_of(ArchiveTable("tbl_item", columns), PRICES), path)

    assert "fill memory" in caught.value.next_step
