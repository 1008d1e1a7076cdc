"""The tables of iPOS that the catalogue is made of, and the columns of them that are read."""

from backhaul import ArchiveTable

ITEM, UNIT, PRICE, STOCK = "tbl_item", "tbl_itemsatuanjml", "tbl_itemhj", "tbl_itemstok"

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
