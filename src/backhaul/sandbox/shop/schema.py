"""The tables of the shop's database: the columns that one known schema of iPOS 5 has, in its order."""

from __future__ import annotations

from backhaul.sandbox.shop.tables import Table

ITEM = Table.of(
    "tbl_item",
    """
    kodeitem varchar(100) primary key
    namaitem text
    jenis varchar(50)
    tipe varchar(15) default 'Y'
    matauang varchar(10)
    serial varchar(1) default 'N'
    konsinyasi varchar(1) default 'N'
    stokmin numeric(20,3)
    sistemhargajual varchar(1) default 'J'
    opsihargajual boolean
    rak varchar(50)
    satuan varchar(30)
    hargapokok numeric(35,20)
    prhargajual1 numeric(20,3)
    hargajual1 numeric(20,3)
    keterangan text
    supplier1 varchar(50)
    supplier2 varchar(50)
    supplier3 varchar(50)
    gambar bytea
    statusjual varchar(1)
    merek varchar(100)
    hppsys varchar(10)
    sistempajak varchar(1)
    opsiflexhargajual boolean
    hargarakit numeric(35,20)
    statushapus varchar(1)
    stok numeric(20,3)
    dept varchar(50)
    pendingin varchar(1)
    acc_hpp varchar(20)
    acc_pendapatan varchar(20)
    acc_persediaan varchar(20)
    dateupd timestamp without time zone
    tmphp numeric(20,3)
    tmpjml numeric(20,3)
    tmpnilai numeric(20,3)
    gambarfiles text
    tanggal_add timestamp without time zone
    jenis_pajak varchar(10)
    brgjasa_refcode varchar(20)
    opt text
    """,
)

UNIT = Table.of(
    "tbl_itemsatuanjml",
    """
    iddetail varchar(150) primary key
    kodeitem varchar(100)
    satuan varchar(30)
    jumlahkonv numeric(20,3)
    kodebarcode varchar(100) unique
    hargapokok numeric(35,20)
    tipe varchar(15)
    dateupd timestamp without time zone
    poin numeric(20,3)
    komisisales numeric(20,3)
    """,
)

PRICE = Table.of(
    "tbl_itemhj",
    """
    iddetail varchar(150) primary key
    kodeitem varchar(100)
    tipehj varchar(15)
    jmlsampai numeric(20,3)
    level integer
    prosentase numeric(20,3)
    satuan varchar(30)
    hargajual numeric(35,20)
    dateupd timestamp without time zone
    """,
)

STOCK = Table.of(
    "tbl_itemstok",
    """
    kodeitem varchar(100)
    kantor varchar(30)
    stok numeric(20,3)
    hppdasar numeric(35,20)
    """,
)

INFO = Table.of(
    "tbl_infodb",
    """
    versidb varchar(30)
    versiupdate varchar(30)
    """,
)

KIND = Table.of(
    "tbl_itemjenis",
    """
    jenis varchar(50) primary key
    keterangan text
    """,
)

BRAND = Table.of(
    "tbl_itemmerek",
    """
    merek varchar(100) primary key
    keterangan text
    """,
)

UNIT_NAME = Table.of(
    "tbl_itemsatuan",
    """
    satuan varchar(30) primary key
    keterangan text
    """,
)

PLACE = Table.of(
    "tbl_kantor",
    """
    kantor varchar(30) primary key
    namakantor text
    """,
)

CUSTOMER_GROUP = Table.of(
    "tbl_supelgrup",
    """
    kodegrup varchar(30) primary key
    namagrup text
    levelharga integer
    """,
)

CUSTOMER = Table.of(
    "tbl_supel",
    """
    kode varchar(50) primary key
    nama text
    tipe varchar(2)
    grup varchar(30)
    """,
)

SALE = Table.of(
    "tbl_ikhd",
    """
    notransaksi varchar(50) primary key
    kodekantor varchar(30)
    tanggal timestamp without time zone
    tipe varchar(5)
    kodesupel varchar(50)
    totalitem numeric(20,3)
    totalakhir numeric(35,20)
    user1 varchar(30)
    dateupd timestamp without time zone
    """,
)

SALE_LINE = Table.of(
    "tbl_ikdt",
    """
    iddetail varchar(150) primary key
    nobaris integer
    notransaksi varchar(50)
    kodeitem varchar(100)
    jumlah numeric(20,3)
    satuan varchar(30)
    harga numeric(35,20)
    potongan numeric(20,3)
    potongan2 numeric(20,3)
    potongan3 numeric(20,3)
    potongan4 numeric(20,3)
    total numeric(35,20)
    jmlkonversi numeric(20,3)
    sistemhargajual varchar(1)
    hppdasar numeric(35,20)
    """,
)

ITEM_LEDGER = Table.of(
    "tbl_item_ik",
    """
    iddetail varchar(150) primary key
    kodeitem varchar(100)
    kantor varchar(30)
    tanggal timestamp without time zone
    jumlah numeric(20,3)
    sisa numeric(20,3)
    hargadasar numeric(35,20)
    """,
)

TABLES = (
    BRAND,
    CUSTOMER,
    CUSTOMER_GROUP,
    INFO,
    ITEM,
    ITEM_LEDGER,
    KIND,
    PLACE,
    PRICE,
    SALE,
    SALE_LINE,
    STOCK,
    UNIT,
    UNIT_NAME,
)
"""Every table that the made-up shop has; those of sales are filled on the server."""
