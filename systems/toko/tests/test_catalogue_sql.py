"""The catalogue out of a real backup, beside what the server that wrote it says by queries of its own."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul.formats.pgdump import Archive
from backhaul.sandbox.shop import Shop, load
from systems.toko.rules.catalogue import catalogue
from systems.toko.tables import KEY
from systems.toko.tests.tables import COLUMNS
from tests.postgres import Server, needs_server, select, server
from tools.toko_sample import dump

IN_SQL = """
WITH item AS (
    SELECT btrim(kodeitem) AS kode, namaitem, coalesce(nullif(btrim(satuan), ''), '-') AS dasar,
        nullif(upper(btrim(sistemhargajual)), '') AS cara, hargajual1, hargapokok, statushapus,
        CASE upper(btrim(statusjual)) WHEN 'Y' THEN true WHEN 'N' THEN false WHEN 'T' THEN false END AS dijual
    FROM tbl_item
), listed AS (
    SELECT btrim(kodeitem) AS kode, coalesce(nullif(btrim(satuan), ''), '-') AS satuan,
        (array_agg(jumlahkonv ORDER BY dateupd DESC NULLS LAST, jumlahkonv DESC) FILTER (WHERE jumlahkonv
            IS NOT NULL))[1] AS konv,
        (array_agg(hargapokok ORDER BY dateupd DESC NULLS LAST, jumlahkonv DESC NULLS LAST, hargapokok DESC)
            FILTER (WHERE hargapokok IS NOT NULL))[1] AS pokok,
        string_agg(DISTINCT nullif(btrim(kodebarcode), ''), ' ' ORDER BY nullif(btrim(kodebarcode), ''))
            AS kode_batang
    FROM tbl_itemsatuanjml GROUP BY 1, 2
), priced AS (
    SELECT DISTINCT ON (kode, satuan, level, sampai) * FROM (
        SELECT i.kode, coalesce(nullif(btrim(h.satuan), ''), i.dasar) AS satuan,
            CASE WHEN i.cara IN ('S', 'J') OR h.level IS NULL THEN '-' ELSE h.level::text END AS level,
            CASE WHEN i.cara IN ('S', 'L') OR coalesce(h.jmlsampai, 0) <= 0 THEN '-'
                ELSE trim_scale(h.jmlsampai)::text END AS sampai,
            h.hargajual, h.dateupd, h.iddetail
        FROM tbl_itemhj h JOIN item i ON i.kode = btrim(h.kodeitem)
        WHERE i.cara IS DISTINCT FROM 'O' AND h.hargajual IS NOT NULL
    ) AS each
    ORDER BY kode, satuan, level, sampai, dateupd DESC NULLS LAST, iddetail DESC
), offer AS (
    SELECT kode, satuan, level, sampai, hargajual FROM priced
    UNION ALL
    SELECT kode, dasar, '-', '-', hargajual1 FROM item
    WHERE hargajual1 IS NOT NULL AND (cara = 'O' OR (coalesce(cara, '?') NOT IN ('S', 'L', 'J')
        AND NOT EXISTS (SELECT 1 FROM priced p WHERE p.kode = item.kode)))
), every_unit AS (
    SELECT kode, satuan FROM listed WHERE EXISTS (SELECT 1 FROM item WHERE item.kode = listed.kode)
    UNION SELECT kode, dasar FROM item
), shown AS (
    SELECT * FROM offer
    UNION ALL
    SELECT kode, satuan, '-', '-', NULL FROM every_unit u
    WHERE NOT EXISTS (SELECT 1 FROM offer o WHERE (o.kode, o.satuan) = (u.kode, u.satuan))
), held AS (
    SELECT kode, string_agg(kantor || ' ' || trim_scale(stok)::text, '; ' ORDER BY stok DESC, kantor) AS stok
    FROM (SELECT btrim(kodeitem) AS kode, kantor, sum(stok) AS stok FROM tbl_itemstok WHERE stok IS NOT NULL
        GROUP BY 1, 2) AS places GROUP BY kode
), known AS (
    SELECT s.*, i.namaitem, i.cara, i.hargapokok, i.dijual, i.statushapus, l.pokok, l.kode_batang, h.stok,
        coalesce(nullif(l.konv, 0), CASE WHEN s.satuan = i.dasar THEN 1 END) AS konv
    FROM shown s JOIN item i USING (kode) LEFT JOIN listed l USING (kode, satuan) LEFT JOIN held h USING (kode)
)
SELECT namaitem, konv, satuan, round(coalesce(nullif(pokok, 0), hargapokok * konv, pokok), 6), round(hargajual, 6),
    kode, level, sampai, cara, kode_batang, stok, dijual, statushapus
FROM known
"""

OF_OLD = """
SELECT DISTINCT i.namaitem, u.jumlahkonv, u.satuan, u.hargapokok, h.hargajual
FROM tbl_item i
JOIN tbl_itemsatuanjml u ON u.kodeitem = i.kodeitem
JOIN tbl_itemhj h ON h.kodeitem = u.kodeitem AND h.satuan = u.satuan
WHERE u.hargapokok <> 0
"""
"""The join that the shop used before, on units that have a cost of their own."""


def backed_up(address: str, folder: Path, *arguments: str) -> pl.DataFrame:
    """Return the catalogue of a real backup of the database at address."""
    path = folder / "shop.i5bu"
    dump(address, path, arguments)
    archive = Archive.open(path)
    return catalogue({name: pl.concat(list(archive.read(name, columns))) for name, columns in COLUMNS.items()})


def by_key(rows: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {(row[5], row[2], row[6], row[7]): row for row in rows}


@pytest.fixture(scope="module")
def place() -> Iterator[Server]:
    yield server()


@needs_server
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_catalogue_is_what_the_server_says_of_the_same_shop(place: Server, tmp_path: Path, seed: int) -> None:
    address = place.database()
    load(address, Shop(items=800, seed=seed, blemishes=0.05))

    frame = backed_up(address, tmp_path)
    truth = select(address, IN_SQL)

    assert by_key(frame.rows()) == by_key(truth)
    assert frame.height == len(truth) == frame.select(KEY).n_unique() > 1_500
    assert {"O", "S", "L", "J", None} <= set(frame["cara_harga"])


@needs_server
def test_where_prices_are_kept_per_unit_alone_the_old_columns_are_those_of_the_old_query(
    place: Server, tmp_path: Path
) -> None:
    address = place.database()
    load(address, Shop(items=800, seed=4, modes=(("S", 1.0),), blemishes=0))

    frame = backed_up(address, tmp_path, "--compress=0")
    old = {tuple(row) for row in select(address, OF_OLD)}

    rounded = {(*row[:3], Decimal(row[3]).quantize(Decimal("1e-6")), row[4]) for row in old}
    assert rounded <= set(frame.select(frame.columns[:5]).rows())
    assert frame["hargajual"].null_count() == 0
    assert len(old) > 1_000


@needs_server
def test_items_with_one_price_are_there_though_the_old_query_has_none(place: Server, tmp_path: Path) -> None:
    address = place.database()
    load(address, Shop(items=50, seed=5, modes=(("O", 1.0),), blemishes=0))

    frame = backed_up(address, tmp_path)

    assert select(address, OF_OLD) == []
    assert frame["hargajual"].count() == 50
