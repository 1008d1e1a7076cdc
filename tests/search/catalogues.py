"""Catalogues as the shop's stream delivers them, made for tests."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from backhaul.model import Changes, Counts
from backhaul.search import SearchIndex
from backhaul.testing import BatchMaker

KEY = ("kodeitem", "satuan", "level", "jumlah_sampai")
SCHEMA = {
    "namaitem": pl.String(),
    "konversi": pl.Decimal(20, 3),
    "satuan": pl.String(),
    "hargapokok": pl.Decimal(20, 2),
    "hargajual": pl.Decimal(20, 2),
    "kodeitem": pl.String(),
    "level": pl.String(),
    "jumlah_sampai": pl.String(),
    "cara_harga": pl.String(),
    "barcode": pl.String(),
    "stok": pl.String(),
    "dijual": pl.Boolean(),
}
USUAL = {
    "konversi": Decimal(1),
    "satuan": "PCS",
    "hargapokok": Decimal(3000),
    "hargajual": Decimal(3500),
    "level": "-",
    "jumlah_sampai": "-",
    "cara_harga": "S",
    "dijual": True,
}


def row(code: str, name: str | None, **values: Any) -> dict[str, Any]:
    """Return a row of the catalogue; what is not said is as usual."""
    return {**dict.fromkeys(SCHEMA), **USUAL, "kodeitem": code, "namaitem": name, **values}


def frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA)


def named(*names: str) -> pl.DataFrame:
    """Return a catalogue of products with these names; the codes are K0, K1, ..."""
    return frame(row(f"K{number}", name) for number, name in enumerate(names))


def maker(folder: Path, *, complete: bool = True) -> BatchMaker:
    return BatchMaker(folder / "staging", key=KEY, table="katalog", complete=complete)


def compared(index: SearchIndex, makes: BatchMaker, rows: pl.DataFrame) -> Changes:
    return index.compare(makes.stream, makes.batch(rows))


def deliver(index: SearchIndex, makes: BatchMaker, rows: pl.DataFrame) -> Counts:
    changes = compared(index, makes, rows)
    counts = index.write(makes.stream, changes)
    assert counts == changes.counts
    return counts


def index_of(folder: Path, rows: pl.DataFrame, **options: Any) -> SearchIndex:
    """Return an index below folder that holds these rows."""
    index = SearchIndex(str(folder / "index" / "catalogue.db"), **options)
    deliver(index, maker(folder), rows)
    return index
