"""Tables of iPOS as the reader of a backup gives them, from a few words."""

from collections.abc import Iterable, Mapping

import polars as pl

from systems.toko.tables import ITEM, PRICE, STOCK, TABLES, UNIT

COLUMNS = {each.name: each.wanted for each in TABLES}
"""Those that the pipeline asks for."""

Row = Mapping[str, str | None]


def table(name: str, rows: Iterable[Row]) -> pl.DataFrame:
    """Return a table of text; what a row does not name is null."""
    listed = [{column: row.get(column) for column in COLUMNS[name]} for row in rows]
    return pl.DataFrame(listed, schema=dict.fromkeys(COLUMNS[name], pl.String))


def shop(
    item: Iterable[Row] | Row, unit: Iterable[Row] = (), price: Iterable[Row] = (), stock: Iterable[Row] = ()
) -> dict[str, pl.DataFrame]:
    """Return the four tables; a lone item may stand by itself, and rows without a code belong to A1."""
    items = [item] if isinstance(item, Mapping) else list(item)
    about = {ITEM: items, UNIT: unit, PRICE: price, STOCK: stock}
    return {name: table(name, ({"kodeitem": "A1", **row} for row in rows)) for name, rows in about.items()}


def soap(mode: str | None, **more: str | None) -> Row:
    """Return the item A1, kept in this way of keeping prices: SABUN COLEK 200G, by the piece, cost 3,000."""
    facts = {"namaitem": "SABUN COLEK 200G", "satuan": "PCS", "hargapokok": "3000.00000000000000000000"}
    return {**facts, "hargajual1": "0.000", "statusjual": "Y", "sistemhargajual": mode, **more}


PCS = {"satuan": "PCS", "jumlahkonv": "1.000", "hargapokok": "3000.00000000000000000000"}
DUS = {"satuan": "DUS", "jumlahkonv": "40.000", "hargapokok": "0.00000000000000000000"}
