"""Archives that real servers' pg_dump wrote: what is read equals what the server itself says."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.pgdump import Archive, prove_archive
from tests.formats.archives import rewritten
from tests.postgres import Server, execute, needs_server, newer_programs, newer_server, server

pytestmark = needs_server

ZOO = r"""
CREATE TABLE tbl_item (kodeitem varchar(100) PRIMARY KEY, namaitem text, gambar bytea, hargapokok numeric(35,20),
    dateupd timestamp, opsi bool, merek text);
INSERT INTO tbl_item SELECT 'BRG' || i, CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'\\.' WHEN 3 THEN '\N'
    ELSE E'tab\t line\n cr\r back\\ \b\f\v \x01 "q" é ' || i END, decode(repeat('ff00', i % 50), 'hex'), i / 3.0,
    timestamp '2026-11-22 10:00' + i * interval '1 second', i % 2 = 0, repeat('m', i % 9)
    FROM generate_series(1, 3000) i;
CREATE TABLE "Tbl ""x"", é" (id int, "na""me, ) FROM stdin;" text, "C" text[]);
INSERT INTO "Tbl ""x"", é" VALUES (1, NULL, ARRAY['a,b', 'c"d', NULL]), (2, '', '{}'), (3, E'\t', NULL);
CREATE TABLE dropped (a text, b text, c text);
ALTER TABLE dropped DROP COLUMN b;
INSERT INTO dropped VALUES ('a1', 'c1'), (NULL, '');
CREATE TABLE generated (a int, doubled int GENERATED ALWAYS AS (a * 2) STORED, b text);
INSERT INTO generated (a, b) VALUES (1, 'x'), (2, NULL);
CREATE TABLE part (region text, value int) PARTITION BY LIST (region);
CREATE TABLE part_jkt PARTITION OF part FOR VALUES IN ('jkt');
CREATE TABLE part_bdg PARTITION OF part FOR VALUES IN ('bdg');
INSERT INTO part VALUES ('jkt', 1), ('bdg', 2), ('jkt', 3);
CREATE TABLE parent (a text);
CREATE TABLE child (b text) INHERITS (parent);
INSERT INTO parent VALUES ('p');
INSERT INTO child VALUES ('c1', 'c2');
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE empty (a text, b text);
CREATE TABLE lonely (a text);
INSERT INTO lonely VALUES (''), (NULL), (''), (E'\\.'), ('\N');
CREATE VIEW seen AS SELECT kodeitem FROM tbl_item;
CREATE MATERIALIZED VIEW stored AS SELECT kodeitem FROM tbl_item;
CREATE SEQUENCE numbers;
CREATE SCHEMA arsip;
CREATE TABLE arsip.tbl_item (kodeitem text);
INSERT INTO arsip.tbl_item VALUES ('OLD');
SELECT lo_create(7001), lo_from_bytea(7002, decode(repeat('abcd', 5000), 'hex'));
"""

OLDER_OPTIONS = ("-Z6", "-Z0")
NEWER_OPTIONS = ("-Zgzip:1", "-Z0", "-Zlz4", "-Zzstd")
CASES = [("older", option) for option in OLDER_OPTIONS] + [("newer", option) for option in NEWER_OPTIONS]


def started(which: str) -> Server:
    return server() if which == "older" else newer_server()


@cache
def zoo(which: str) -> str:
    address = started(which).database()
    execute(address, ZOO)
    return address


@cache
def dumped(which: str, *options: str) -> bytes:
    """Return an archive of the zoo as it comes through a pipe."""
    return started(which).dump(zoo(which), "-Fc", *options)


def said_by_server(address: str, schema: str, table: str, columns: tuple[str, ...]) -> list[tuple[str | None, ...]]:
    """Return what the server's own COPY gives, decoded by its driver."""
    with psycopg.connect(address) as connection:
        target = psycopg.sql.Identifier(schema, table)
        names = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
        statement = psycopg.sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(names, target)
        with connection.cursor().copy(statement) as copy:
            return [tuple(row) for row in copy.rows()]


def read(found: Archive, schema: str, table: str, columns: tuple[str, ...]) -> pl.DataFrame:
    return pl.concat(found.read(table, columns, schema))


def check_everything(file: Path, address: str) -> Archive:
    """Compare all tables of an archive with the server's; columns are asked for in reverse."""
    prove_archive(file)
    found = Archive.open(file)
    for table in found.tables:
        columns = table.columns[::-1]
        frame = read(found, table.schema, table.name, columns)
        if columns:
            assert frame.rows() == said_by_server(address, table.schema, table.name, columns), table
        assert frame.columns == list(columns)
    return found


@pytest.mark.parametrize(("which", "option"), CASES)
def test_a_piped_archive_gives_what_the_server_says(tmp_path: Path, which: str, option: str) -> None:
    file = tmp_path / "piped.i5bu"
    file.write_bytes(dumped(which, option))

    found = check_everything(file, zoo(which))

    assert found.way == "own reader"
    assert found.version == ("1.14" if which == "older" else "1.16")
    names = {f"{table.schema}.{table.name}" for table in found.tables}
    assert {"public.tbl_item", "arsip.tbl_item", "public.part_jkt", "public.child", 'public.Tbl "x", é'} < names
    assert not {"public.part", "public.seen", "public.stored"} & names
    assert read(found, "public", "nothing", ()).height == 1


@pytest.mark.parametrize(("which", "option"), CASES)
def test_an_archive_with_offsets_gives_what_the_server_says(tmp_path: Path, which: str, option: str) -> None:
    file = tmp_path / "file.i5bu"
    started(which).dump(zoo(which), "-Fc", option, "-f", str(file))

    check_everything(file, zoo(which))


@pytest.mark.parametrize("version", [(1, 12), (1, 13)])
@pytest.mark.parametrize("is_piped", [True, False])
def test_the_older_layouts_are_read_and_pg_restore_agrees(
    tmp_path: Path, version: tuple[int, int], is_piped: bool
) -> None:
    file = tmp_path / "old.i5bu"
    started("older").dump(zoo("older"), "-Fc", "-f", str(file))
    file.write_bytes(rewritten(dumped("older") if is_piped else file.read_bytes(), version))

    listed = subprocess.run([started("older").program("pg_restore"), "-l", file], capture_output=True, text=True)
    found = check_everything(file, zoo("older"))

    assert f"Dump Version: {version[0]}.{version[1]}" in listed.stdout
    assert found.version == f"{version[0]}.{version[1]}"


@pytest.mark.parametrize("option", NEWER_OPTIONS)
def test_version_1_15_is_read_and_pg_restore_agrees(tmp_path: Path, option: str) -> None:
    file = tmp_path / "v15.i5bu"
    file.write_bytes(rewritten(dumped("newer", option), (1, 15)))

    listed = subprocess.run([newer_server().program("pg_restore"), "-l", file], capture_output=True, text=True)

    assert "Dump Version: 1.15" in listed.stdout
    assert check_everything(file, zoo("newer")).version == "1.15"


def test_an_archive_in_another_encoding_gives_the_same_text(tmp_path: Path) -> None:
    address, file = server().database(), tmp_path / "latin.i5bu"
    execute(address, "CREATE TABLE t (a text, b text); INSERT INTO t VALUES ('Café', E'\\t¿'), (NULL, '')")
    server().dump(address, "-Fc", "--encoding=WIN1252", "-f", str(file))

    check_everything(file, address)


def test_a_partition_that_is_loaded_through_its_root_is_read(tmp_path: Path) -> None:
    file = tmp_path / "root.i5bu"
    server().dump(zoo("older"), "-Fc", "--load-via-partition-root", "-f", str(file))

    assert sorted(read(Archive.open(file), "public", "part_jkt", ("value",)).rows()) == [("1",), ("3",)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-Fp",), "an SQL script"),
        (("-Ft",), "a tar archive"),
        (("-Fc", "--inserts"), "do not follow a COPY statement"),
    ],
)
def test_other_kinds_of_dump_are_refused_by_name(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    file = tmp_path / "other.i5bu"
    file.write_bytes(server().dump(zoo("older"), *options))

    with pytest.raises(SourceChanged, match=words):
        prove_archive(file)


def test_a_dump_into_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    server().dump(zoo("older"), "-Fd", "-f", str(tmp_path / "folder"))

    with pytest.raises(SourceChanged, match="a folder"):
        prove_archive(tmp_path / "folder")
    with pytest.raises(SourceChanged, match="the table of contents of a directory dump"):
        prove_archive(tmp_path / "folder" / "toc.dat")


def test_a_dump_without_rows_says_so(tmp_path: Path) -> None:
    file = tmp_path / "schema.i5bu"
    file.write_bytes(server().dump(zoo("older"), "-Fc", "--schema-only"))
    prove_archive(file)

    with pytest.raises(SourceChanged, match="its rows are not in it"):
        Archive.open(file).read("tbl_item", ("kodeitem",))


@pytest.mark.parametrize(("which", "option"), CASES)
def test_a_real_archive_cut_in_the_middle_is_refused(tmp_path: Path, which: str, option: str) -> None:
    file, whole = tmp_path / "cut.i5bu", dumped(which, option)

    for part in range(1, 200):
        file.write_bytes(whole[: len(whole) * part // 200])
        with pytest.raises(TransientError, match="cut off"):
            prove_archive(file)


@pytest.fixture
def newer_pg_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{newer_programs()}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(("option", "library"), [("-Zlz4", "lz4"), ("-Zzstd", "zstandard")])
def test_pg_restore_reads_what_a_missing_library_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newer_pg_restore: None, option: str, library: str
) -> None:
    file = tmp_path / "backup.i5bu"
    file.write_bytes(dumped("newer", option))
    for module in (library, "lz4.frame"):
        monkeypatch.setitem(sys.modules, module, None)

    found = Archive.open(file)

    assert re.fullmatch(r"pg_restore \d+\.\d+", found.way)
    for table, columns in {"tbl_item": ("merek", "namaitem", "kodeitem"), "lonely": ("a",), "empty": ("b",)}.items():
        assert read(found, "public", table, columns).rows() == said_by_server(zoo("newer"), "public", table, columns)


@pytest.fixture
def pg_restore_of_tomorrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a pg_restore on the PATH that knows version 1.17, which is 1.16 here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "pg_restore"
    program.write_text(
        "#!/bin/sh\n"
        'for file; do :; done; if [ "$file" = --version ]; then echo "pg_restore (PostgreSQL) 19.1"; exit 0; fi\n'
        f'{sys.executable} -c \'import sys; d = bytearray(open(sys.argv[1], "rb").read()); d[6] -= 1; '
        f'open("{tmp_path}/as16", "wb").write(d)\' "$file"\n'
        'n=$#; for each; do shift; n=$((n-1)); [ $n -eq 0 ] || set -- "$@" "$each"; done\n'
        f'exec {newer_server().program("pg_restore")} "$@" {tmp_path}/as16\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return program


def test_pg_restore_reads_a_version_that_is_newer(tmp_path: Path, pg_restore_of_tomorrow: Path) -> None:
    file = tmp_path / "new.i5bu"
    data = bytearray(dumped("newer", "-Zgzip:1"))
    data[6] = 17
    file.write_bytes(data)

    prove_archive(file)
    found = Archive.open(file)

    assert (found.version, found.way) == ("1.17", "pg_restore 19.1")
    table = found.table("tbl_item")
    assert read(found, "public", "tbl_item", table.columns).rows() == said_by_server(
        zoo("newer"), "public", "tbl_item", table.columns
    )
    assert read(found, "arsip", "tbl_item", ("kodeitem",)).rows() == [("OLD",)]


def test_what_pg_restore_cannot_read_is_told_in_its_words(tmp_path: Path, pg_restore_of_tomorrow: Path) -> None:
    file = tmp_path / "new.i5bu"
    data = bytearray(dumped("newer", "-Zgzip:1"))
    data[6] = 17
    file.write_bytes(data)
    found = Archive.open(file)
    file.write_bytes(data[:-40_000] + bytes(40_000))

    with pytest.raises((SourceChanged, TransientError)) as caught:
        for table in found.tables:
            read(found, table.schema, table.name, table.columns)

    assert "pg_restore 19.1 could not read" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_pg_restore_that_hangs_is_stopped(
    tmp_path: Path, pg_restore_of_tomorrow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new.i5bu"
    data = bytearray(dumped("newer", "-Zgzip:1"))
    data[6] = 17
    file.write_bytes(data)
    found = Archive.open(file)
    pg_restore_of_tomorrow.write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} 60\n")
    monkeypatch.setattr("backhaul.formats.pgdump.restore.TIMEOUT_S", 0.3)

    with pytest.raises(TransientError, match="took over"):
        list(found.read("tbl_item", ("kodeitem",)))


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
FIELDS = st.none() | st.text(CHARACTERS, max_size=15) | st.text("\\\t\n\r\b\f\v\x01\x7f N.\"'x0", max_size=6)
NAMES = st.lists(st.text(CHARACTERS, min_size=1, max_size=10), min_size=1, max_size=5, unique=True)
TABLES = st.lists(
    NAMES.flatmap(lambda names: st.tuples(st.just(names), st.lists(st.tuples(*[FIELDS] * len(names)), max_size=8))),
    min_size=12,
    max_size=20,
)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(tables=TABLES, case=st.sampled_from(CASES))
def test_any_tables_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    tables: list[tuple[list[str], list[tuple[str | None, ...]]]],
    case: tuple[str, str],
) -> None:
    which, option = case
    address = started(which).database()
    with psycopg.connect(address) as connection:
        for number, (names, rows) in enumerate(tables):
            _fill(connection, f"t{number}", names, rows)
    file = tmp_path_factory.getbasetemp() / "random.i5bu"
    file.write_bytes(started(which).dump(address, "-Fc", option))
    prove_archive(file)
    found = Archive.open(file)

    for number, (names, rows) in enumerate(tables):
        assert read(found, "public", f"t{number}", tuple(names)).rows() == rows


def _fill(
    connection: psycopg.Connection[tuple[object, ...]],
    table: str,
    names: list[str],
    rows: list[tuple[str | None, ...]],
) -> None:
    columns = psycopg.sql.SQL(", ").join(psycopg.sql.SQL("{} text").format(psycopg.sql.Identifier(n)) for n in names)
    target = psycopg.sql.Identifier(table)
    connection.execute(psycopg.sql.SQL("CREATE TABLE {} ({})").format(target, columns))
    with connection.cursor().copy(psycopg.sql.SQL("COPY {} FROM STDIN").format(target)) as copy:
        for row in rows:
            copy.write_row(row)
