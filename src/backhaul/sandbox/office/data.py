"""The rows behind the sandbox back office: made up, the same at every start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random

Cell = str | int | float | bool | datetime | None
Row = dict[str, Cell]

TRANSAKSI = "transaksi"
POINT_TRX = "point_trx"
USER = "user"
PEMBAYARAN_KOIN = "pembayaran_koin"

BUSY_DAY = date(2025, 9, 12)
"""The day with 27, 50, 16 and 1 rows; the days before and after hold the rest of 102, 70, 25 and 3."""

KEYS = {
    TRANSAKSI: "Transaksi ID",
    POINT_TRX: "Point Transaction ID",
    USER: "User ID",
    PEMBAYARAN_KOIN: "Payment ID",
}
"""The key column of each stream."""

_ROWS_PER_DAY = {
    TRANSAKSI: (38, 27, 37),
    POINT_TRX: (11, 50, 9),
    USER: (5, 16, 4),
    PEMBAYARAN_KOIN: (1, 1, 1),
}
_SEED = 20250912
_CITIES = ("Kota Contoh", "Kota Rekaan", "Kota Misal")
_PAYMENTS = ("Transfer", "Tunai", "QRIS", "Koin")
_COURIERS = ("Kurir Contoh", "Ambil Sendiri")


@dataclass(frozen=True)
class Table:
    """What one export holds: its columns in order, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def made_up_rows() -> dict[str, list[Row]]:
    """Return fresh rows of every stream, oldest first. Times are the shop's local ones (WIB), without a zone."""
    makers: dict[str, Callable[[int, datetime, Random], Row]] = {
        TRANSAKSI: _transaksi,
        POINT_TRX: _point_trx,
        USER: _user,
        PEMBAYARAN_KOIN: _pembayaran_koin,
    }
    rows: dict[str, list[Row]] = {}
    for stream, make in makers.items():
        random = Random(f"{_SEED} {stream}")
        moments = _moments(_ROWS_PER_DAY[stream], random)
        rows[stream] = [make(number, moment, random) for number, moment in enumerate(moments, start=1)]
    return rows


def columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return every column that any row has, in order of appearance."""
    return tuple(dict.fromkeys(column for row in rows for column in row))


def rows_between(rows: Iterable[Row], start: date | None, end: date | None) -> tuple[Row, ...]:
    """Return the rows whose first date-time cell lies on the days from start to end, both included.

    No start or no end leaves that side open. A row without any date-time is in every window.
    """
    return tuple(row for row in rows if _is_between(row, start, end))


def _is_between(row: Row, start: date | None, end: date | None) -> bool:
    moment = next((cell for cell in row.values() if isinstance(cell, datetime)), None)
    if moment is None:
        return True
    day = moment.date()
    return (start is None or start <= day) and (end is None or day <= end)


def _moments(rows_per_day: tuple[int, ...], random: Random) -> list[datetime]:
    # The first and the last second of each day are taken where a day has two rows, to catch a filter
    # that compares with midnight.
    moments: list[datetime] = []
    for offset, rows in enumerate(rows_per_day, start=-1):
        midnight = datetime.combine(BUSY_DAY + timedelta(days=offset), time())
        between = [random.randrange(1, 86_399) for _ in range(rows - 2)]
        seconds = [0, 86_399, *between] if rows > 1 else [43_200]
        moments += [midnight + timedelta(seconds=second) for second in sorted(seconds)]
    return moments


def _phone(number: int) -> str:
    return f"08000000{number:04d}"


def _buyer(number: int) -> str:
    return f"Pelanggan Rekaan {number:03d}"


def _transaksi(number: int, moment: datetime, random: Random) -> Row:
    buyer = random.randrange(1, 60)
    subtotal = random.randrange(10, 900) * 500
    discount = random.choice((0, 0, subtotal // 10))
    shipping = random.choice((0, 9_000, 15_000))
    tax = round((subtotal - discount) * 0.11, 2)
    is_paid = random.random() < 0.8
    return {
        "Transaksi ID": f"{12_000 + number:09d}",
        "Tanggal": moment,
        "Nomor Invoice": f"INV/{moment:%Y%m%d}/{number:04d}",
        "Status": "Selesai" if is_paid else "Menunggu",
        "Pelanggan": _buyer(buyer),
        "Nomor HP": _phone(buyer),
        "Email": f"pelanggan{buyer:03d}@contoh.example",
        "Alamat": f"Jalan Contoh No. {buyer}, RT 00/RW 00",
        "Kota": random.choice(_CITIES),
        "Kode Pos": f"0{random.randrange(1_000, 9_999)}",
        "Metode Bayar": random.choice(_PAYMENTS),
        "Kurir": random.choice(_COURIERS),
        "Nomor Resi": f"{random.randrange(10**17, 10**18)}",
        "Jumlah Barang": random.randrange(1, 24),
        "Subtotal": subtotal,
        "Diskon": discount,
        "Ongkir": shipping,
        "Pajak": tax,
        "Total": round(subtotal - discount + shipping + tax, 2),
        "Koin Dipakai": random.choice((0, 0, 500)),
        "Poin Didapat": subtotal // 10_000,
        "Kode Voucher": random.choice((None, None, "HEMAT00")),
        "Lunas": is_paid,
        "Dikirim Pada": moment + timedelta(hours=20) if is_paid else None,
        "Kasir": f"Kasir {random.randrange(1, 4)}",
        "Cabang": f"{random.randrange(1, 6):03d}",
        "Catatan": random.choice((None, "Bungkus kado", 'Kertas "A4", 2 rim')),
    }


def _point_trx(number: int, moment: datetime, random: Random) -> Row:
    user = random.randrange(1, 26)
    points = random.randrange(-20, 60)
    return {
        "Point Transaction ID": 70_000 + number,
        "Tanggal": moment,
        "User ID": f"{user:05d}",
        "Nama": _buyer(user),
        "Nomor HP": _phone(user),
        "Jenis": "Tukar" if points < 0 else "Dapat",
        "Poin": points,
        "Saldo": random.randrange(100, 2_000),
        "Transaksi ID": f"{12_000 + random.randrange(1, 103):09d}" if points >= 0 else None,
        "Keterangan": "Penukaran poin" if points < 0 else "Belanja",
        "Kedaluwarsa": moment + timedelta(days=365),
        "Aktif": points >= 0,
    }


def _user(number: int, moment: datetime, random: Random) -> Row:
    return {
        "User ID": f"{number:05d}",
        "Tanggal": moment,
        "Nama": _buyer(number),
        "Email": random.choice((None, f"pelanggan{number:03d}@contoh.example")),
        "Nomor HP": _phone(number),
        "Kota": random.choice(_CITIES),
        "Poin": random.randrange(0, 900),
        "Koin": random.randrange(0, 50) * 100,
        "Terverifikasi": random.random() < 0.5,
        "Kartu Anggota": f"{random.randrange(10**15, 10**16)}",
    }


def _pembayaran_koin(number: int, moment: datetime, random: Random) -> Row:
    coins = random.randrange(1, 20) * 1_000
    return {
        "Payment ID": f"{moment:%Y%m%d}{number:012d}",
        "Tanggal": moment,
        "User ID": f"{random.randrange(1, 26):05d}",
        "Jumlah Koin": coins,
        "Total": coins * 1.0,
        "Lunas": True,
    }
