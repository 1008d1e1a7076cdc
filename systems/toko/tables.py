"""The tables of iPOS that the catalogue is made of, the columns of them that are read, and what names a row."""

from backhaul import ArchiveTable

ITEM, UNIT, PRICE, STOCK = "tbl_item", "tbl_itemsatuanjml", "tbl_itemhj", "tbl_itemstok"

KEY = ("kodeitem", "satuan", "level", "jumlah_sampai")
"""What names a row of the catalogue."""

CHANGE_KEY = (*KEY, "berubah_pada")
"""What names a price change."""

MODES = ("O", "S", "L", "J")
"""The ways of keeping prices: one price, per unit, per level, by quantity."""


def many(number: int, what: str) -> str:
    """Return a number with what it counts: `1 item`, `2,000 items`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


TABLES = (
    ArchiveTable(
        ITEM,
        ("kodeitem", "namaitem", "satuan", "sistemhargajual", "hargapokok", "hargajual1"),
        optional=("statusjual", "statushapus"),
    ),
    ArchiveTable(
        UNIT,
        ("kodeitem", "satuan", "jumlahkonv", "hargapokok"),
        optional=("kodebarcode", "dateupd"),
    ),
    ArchiveTable(
        PRICE,
        ("kodeitem", "satuan", "hargajual", "level", "jmlsampai"),
        optional=("iddetail", "dateupd"),
    ),
    ArchiveTable(STOCK, ("kodeitem", "kantor", "stok"), is_optional=True),
)
